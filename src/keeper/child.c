#include "keeper/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define SELF "/proc/self/exe"

int hf_child_prepare(struct hf_error *e)
{
    for (;;) {
        int fd = open("/dev/null", O_RDWR); /* takes the lowest free number */
        if (fd < 0)
            return hf_error_errno(e, HF_EIO, "cannot open /dev/null");
        if (fd > HF_HANDOVER_FD) {
            close(fd);
            break;
        }
    }
    close_range(HF_HANDOVER_FD, ~0U, CLOSE_RANGE_CLOEXEC);
    return 0;
}

static void inherit(int fd)
{
    fcntl(fd, F_SETFD, 0);
}

static void default_signals(void)
{
    sigset_t none;

    for (int s = 1; s < NSIG; s++) {
        if (s != SIGPIPE)
            signal(s, SIG_DFL);
    }
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static void raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* In the child. fd becomes HF_HANDOVER_FD, which does not close on exec. */
__attribute__((noreturn)) static void become(const char *const argv[], int fd)
{
    default_signals();
    if (dup2(fd, HF_HANDOVER_FD) >= 0)
        execv(SELF, (char *const *)argv);
    dprintf(STDERR_FILENO, "%s: cannot execute %s: %s\n", argv[0], SELF, strerror(errno));
    _exit(127);
}

pid_t hf_child_start(const struct hf_handover *h, struct hf_error *e)
{
    static const char *const names[] = {
        [HF_ROLE_CONTROLLER] = HF_ROLE_NAME_CONTROLLER, [HF_ROLE_GATEWAY] = HF_ROLE_NAME_GATEWAY};
    const char *const argv[] = {names[h->role], NULL};
    int fd = hf_handover_write(h, e);
    pid_t pid;

    if (fd < 0)
        return fd;
    pid = fork();
    if (pid == 0) {
        setsid();
        hf_handover_each_fd(h, inherit);
        if (h->role == HF_ROLE_GATEWAY)
            raise_descriptor_limit();
        become(argv, fd);
    }
    if (pid < 0)
        pid = hf_error_errno(e, HF_EIO, "cannot fork");
    close(fd);
    return pid;
}

static int wait_for_setup(pid_t pid, int fd, struct hf_setup *ret, struct hf_error *e)
{
    struct hf_setup setup;
    char text[HF_CHILD_STATUS_TEXT];
    int status, rc;

    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR)
            return hf_error_errno(e, HF_EIO, "cannot wait for the setup");
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 1)
        return hf_error_set(e, HF_EREFUSED, "%s", "");
    if (status != 0)
        return hf_error_set(e, HF_EIO, "the setup ended with %s", hf_child_status(status, text));
    if (pread(fd, &setup, sizeof(setup), 0) != sizeof(setup))
        return hf_error_set(e, HF_ECORRUPT, "the setup wrote no result");
    rc = hf_setup_check(&setup, e);
    if (!rc)
        *ret = setup;
    return rc;
}

int hf_child_setup(const char *config, struct hf_setup *ret, struct hf_error *e)
{
    const char *const argv[] = {HF_ROLE_NAME_SETUP, config, NULL};
    int fd = memfd_create("holdfast-setup", MFD_CLOEXEC), rc;
    pid_t pid;

    if (fd < 0)
        return hf_error_errno(e, HF_EIO, "cannot make the setup file");
    pid = fork();
    if (pid == 0)
        become(argv, fd);
    rc = pid < 0 ? hf_error_errno(e, HF_EIO, "cannot fork") : wait_for_setup(pid, fd, ret, e);
    close(fd);
    return rc;
}

const char *hf_child_status(int status, char buf[HF_CHILD_STATUS_TEXT])
{
    if (WIFSIGNALED(status)) {
        const char *name = sigabbrev_np(WTERMSIG(status));
        if (name)
            snprintf(buf, HF_CHILD_STATUS_TEXT, "signal %d (%s)", WTERMSIG(status), name);
        else
            snprintf(buf, HF_CHILD_STATUS_TEXT, "signal %d", WTERMSIG(status));
    } else {
        snprintf(buf, HF_CHILD_STATUS_TEXT, "exit status %d", WEXITSTATUS(status));
    }
    return buf;
}
