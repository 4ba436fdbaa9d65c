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

#include "keeper/state.h"

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
__attribute__((noreturn)) static void become(int program, const char *const argv[], int fd)
{
    default_signals();
    if (dup2(fd, HF_HANDOVER_FD) >= 0)
        fexecve(program, (char *const *)argv, environ);
    dprintf(STDERR_FILENO, "%s: cannot execute: %s\n", argv[0], strerror(errno));
    _exit(127);
}

pid_t hf_child_start(int program, const struct hf_handover *h, struct hf_error *e)
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
        become(program, argv, fd);
    }
    if (pid < 0)
        pid = hf_error_errno(e, HF_EIO, "cannot fork");
    close(fd);
    return pid;
}

static void say_why(const struct hf_state *s)
{
    struct hf_check_result r = {.magic = HF_CHECK_MAGIC};

    snprintf(r.text, sizeof(r.text), "it cannot be executed: %s", strerror(errno));
    if (pwrite(s->result_fd, &r, sizeof(r), 0) < 0)
        dprintf(STDERR_FILENO, HF_ROLE_NAME_CHECK ": %s\n", r.text);
}

pid_t hf_child_check(int program, int fd, const struct hf_state *s, struct hf_error *e)
{
    static const char *const argv[] = {HF_ROLE_NAME_CHECK, NULL};
    pid_t pid = fork();

    if (pid == 0) {
        setsid();
        hf_state_each_fd(s, inherit);
        default_signals();
        if (dup2(fd, HF_HANDOVER_FD) >= 0)
            fexecve(program, (char *const *)argv, environ);
        say_why(s);
        _exit(127);
    }
    return pid < 0 ? hf_error_errno(e, HF_EIO, "cannot fork") : pid;
}

void hf_child_become(int program, int fd, const struct hf_state *s, struct hf_error *e)
{
    static const char *const argv[] = {HF_ROLE_NAME_KEEPER, NULL};

    hf_state_each_fd(s, inherit);
    if (dup2(fd, HF_HANDOVER_FD) >= 0)
        fexecve(program, (char *const *)argv, environ);
    hf_error_errno(e, HF_EIO, "cannot execute");
    close_range(HF_HANDOVER_FD, ~0U, CLOSE_RANGE_CLOEXEC);
}

/* A role that ends by itself: what it finds in HF_HANDOVER_FD, what it writes there. */
struct errand {
    int program;
    const char *const *argv;
    const void *input;
    size_t input_size;
    void *result;
    size_t result_size; /* exactly so much is expected */
};

static int wait_for(const struct errand *r, pid_t pid, int fd, struct hf_error *e)
{
    const char *role = r->argv[0];
    char text[HF_CHILD_STATUS_TEXT];
    int status;

    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR)
            return hf_error_errno(e, HF_EIO, "cannot wait for \"%s\"", role);
    }
    if (status != 0)
        return hf_error_set(e, WIFEXITED(status) && WEXITSTATUS(status) == 1 ? HF_EREFUSED : HF_EIO,
                            "\"%s\" ended with %s", role, hf_child_status(status, text));
    if (pread(fd, r->result, r->result_size, 0) != (ssize_t)r->result_size)
        return hf_error_set(e, HF_ECORRUPT, "\"%s\" wrote no result", role);
    return 0;
}

static int run_errand(const struct errand *r, struct hf_error *e)
{
    int fd = memfd_create("holdfast-errand", MFD_CLOEXEC), rc;
    pid_t pid;

    if (fd < 0 || pwrite(fd, r->input, r->input_size, 0) != (ssize_t)r->input_size) {
        rc = hf_error_errno(e, HF_EIO, "cannot make the file for \"%s\"", r->argv[0]);
    } else {
        pid = fork();
        if (pid == 0)
            become(r->program, r->argv, fd);
        rc = pid < 0 ? hf_error_errno(e, HF_EIO, "cannot fork") : wait_for(r, pid, fd, e);
    }
    if (fd >= 0)
        close(fd);
    return rc;
}

int hf_child_setup(int program, const char *config, struct hf_setup *ret, struct hf_error *e)
{
    const char *const argv[] = {HF_ROLE_NAME_SETUP, config, NULL};
    struct hf_setup setup;
    int rc = run_errand(
        &(struct errand){program, argv, .result = &setup, .result_size = sizeof(setup)}, e);

    if (rc == HF_EREFUSED)
        return hf_error_set(e, rc, "%s", "");
    if (!rc)
        rc = hf_setup_check(&setup, e);
    if (!rc)
        *ret = setup;
    return rc;
}

int hf_child_build(int program, char ret[HF_BUILD_SIZE], struct hf_error *e)
{
    static const char *const argv[] = {HF_ROLE_NAME_BUILD, NULL};
    char build[HF_BUILD_SIZE] = {0};
    int rc = run_errand(
        &(struct errand){program, argv, .result = build, .result_size = sizeof(build)}, e);

    if (!rc && !memchr(build, 0, sizeof(build)))
        rc = hf_error_set(e, HF_ECORRUPT, "what it wrote is no build");
    if (!rc)
        memcpy(ret, build, sizeof(build));
    return rc;
}

int hf_child_sandbox(int program, const struct hf_sandbox_setup *s, struct hf_error *e)
{
    static const char *const argv[] = {HF_ROLE_NAME_SANDBOX, NULL};
    int rc = run_errand(&(struct errand){program, argv, s, sizeof(*s)}, e);

    return rc == HF_EREFUSED ? hf_error_set(e, rc, "%s", "") : rc;
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
