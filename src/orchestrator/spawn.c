#include "orchestrator/spawn.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"

enum {
    NOFILE = 65536,
    REPORT_FD = 3,   /* where the child keeps the end of the pipe that tells of a failure */
    FIRST_FREE = 10, /* the child's sources are above what it dup2s onto */
    CANDIDATES = 64, /* folders of PATH that are tried */
    PASSWD_MAX = 16384,
};

enum stage { STAGE_SESSION, STAGE_OUTPUT, STAGE_USER, STAGE_DIRECTORY, STAGE_EXEC };

struct report {
    enum stage stage;
    int error; /* errno */
};

/* All that the child needs: made before fork(), because after it the child of a program with
 * threads may call async-signal-safe functions only. */
struct plan {
    const struct hf_spawn *spawn;
    char *paths[CANDIDATES]; /* of the program, in the order of PATH */
    size_t path_count;
    int null, output, report;
    struct rlimit nofile;
};

int hf_user_find(const char *name, struct hf_user *ret, struct hf_error *e)
{
    HF_AUTOFREE char *buf = hf_alloc(PASSWD_MAX);
    struct passwd pw, *found = NULL;
    struct hf_user user = {.group_count = HF_USER_GROUPS};
    int rc = getpwnam_r(name, &pw, buf, PASSWD_MAX, &found);

    if (!found) {
        errno = rc;
        return rc ? hf_error_errno(e, HF_EIO, "cannot look up the user %s", name)
                  : hf_error_set(e, HF_ENOENT, "no user %s on this machine", name);
    }
    if (geteuid() != 0 && pw.pw_uid != geteuid())
        return hf_error_set(e, HF_EREFUSED, "cannot run as %s: holdfast does not run as root",
                            name);
    if (getgrouplist(name, pw.pw_gid, user.groups, &user.group_count) < 0)
        return hf_error_set(e, HF_ELIMIT, "the user %s is in more than %d groups", name,
                            HF_USER_GROUPS);
    user.uid = pw.pw_uid;
    user.gid = pw.pw_gid;
    hf_str_copy(hf_str(pw.pw_dir), user.home, sizeof(user.home));
    *ret = user;
    return 0;
}

static const char *path_of(char *const *envp)
{
    for (; *envp; envp++) {
        if (strncmp(*envp, "PATH=", 5) == 0)
            return *envp + 5;
    }
    return "/usr/local/bin:/usr/bin:/bin";
}

static void find_candidates(struct plan *plan)
{
    const char *program = plan->spawn->argv[0], *path = path_of(plan->spawn->envp);

    if (strchr(program, '/')) {
        plan->paths[plan->path_count++] = hf_strdup(program);
        return;
    }
    while (plan->path_count < CANDIDATES) {
        size_t n = strcspn(path, ":");
        plan->paths[plan->path_count++] =
            hf_asprintf("%.*s%s%s", (int)n, path, n ? "/" : "", program);
        if (!path[n])
            break;
        path += n + 1;
    }
}

static _Noreturn void give_up(enum stage stage)
{
    struct report report = {.stage = stage, .error = errno};

    while (write(REPORT_FD, &report, sizeof(report)) < 0 && errno == EINTR)
        ;
    _exit(127);
}

static void child_signals(void)
{
    struct sigaction standard = {.sa_handler = SIG_DFL};
    sigset_t none;

    for (int sig = 1; sig < NSIG; sig++)
        sigaction(sig, &standard, NULL); /* refused for a few, which cannot be changed anyway */
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* The system calls themselves: glibc's functions would have to tell our other threads, which the
 * child does not have. */
static void child_user(const struct hf_user *user)
{
    if (geteuid() != 0)
        return; /* hf_user_find() made sure that it is the same user */
    if (syscall(SYS_setgroups, (size_t)user->group_count, user->groups) < 0 ||
        syscall(SYS_setresgid, user->gid, user->gid, user->gid) < 0 ||
        syscall(SYS_setresuid, user->uid, user->uid, user->uid) < 0)
        give_up(STAGE_USER);
}

/* As execvp(): goes on to the next folder if the file is not there; "permission denied" is only the
 * answer if no other folder has it. */
static _Noreturn void child_exec(const struct plan *plan)
{
    bool denied = false;

    for (size_t i = 0; i < plan->path_count; i++) {
        execve(plan->paths[i], plan->spawn->argv, plan->spawn->envp);
        if (errno == EACCES)
            denied = true;
        else if (errno != ENOENT && errno != ENOTDIR)
            break;
    }
    if (denied && (errno == ENOENT || errno == ENOTDIR))
        errno = EACCES;
    give_up(STAGE_EXEC);
}

static _Noreturn void child_run(const struct plan *plan)
{
    if (dup3(plan->report, REPORT_FD, O_CLOEXEC) < 0)
        _exit(127);
    if (dup2(plan->null, STDIN_FILENO) < 0 || dup2(plan->output, STDOUT_FILENO) < 0 ||
        dup2(plan->output, STDERR_FILENO) < 0 || close_range(REPORT_FD + 1, ~0U, 0) < 0)
        give_up(STAGE_OUTPUT);
    if (setsid() < 0)
        give_up(STAGE_SESSION);
    setrlimit(RLIMIT_NOFILE, &plan->nofile); /* lower than what we have: cannot fail */
    umask(022);
    if (plan->spawn->user)
        child_user(plan->spawn->user);
    if (plan->spawn->directory && chdir(plan->spawn->directory) < 0)
        give_up(STAGE_DIRECTORY);
    child_signals();
    child_exec(plan);
}

static int tell(const struct hf_spawn *spawn, const struct report *report, struct hf_error *e)
{
    struct stat st;
    HF_AUTOFREE char *at = NULL;

    errno = report->error;
    switch (report->stage) {
    case STAGE_SESSION:
        return hf_error_errno(e, HF_EIO, "cannot make a session for %s", spawn->argv[0]);
    case STAGE_OUTPUT:
        return hf_error_errno(e, HF_EIO, "cannot redirect the output of %s", spawn->argv[0]);
    case STAGE_USER:
        return hf_error_errno(e, HF_EIO, "cannot change the user of %s", spawn->argv[0]);
    case STAGE_DIRECTORY:
        return hf_error_errno(e, HF_EIO, "cannot enter the folder %s", spawn->directory);
    case STAGE_EXEC:
        break;
    }
    at = spawn->directory && spawn->argv[0][0] != '/'
             ? hf_asprintf("%s/%s", spawn->directory, spawn->argv[0])
             : hf_strdup(spawn->argv[0]);
    if (report->error == ENOENT && strchr(spawn->argv[0], '/') && stat(at, &st) == 0)
        return hf_error_set(e, HF_EIO, "cannot run %s: the interpreter that it names is missing",
                            spawn->argv[0]);
    errno = report->error;
    return hf_error_errno(e, HF_EIO, "cannot run %s", spawn->argv[0]);
}

/* What the child says, or 0 bytes when exec closed its end. */
static ssize_t read_report(int fd, struct report *ret)
{
    ssize_t n;

    do {
        n = read(fd, ret, sizeof(*ret));
    } while (n < 0 && errno == EINTR);
    return n;
}

static void reap(pid_t pid)
{
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
}

/* Signals are blocked over fork(), so that none of our handlers runs in the child. */
static int start(const struct plan *plan, int report_read, struct hf_spawned *ret,
                 struct hf_error *e)
{
    struct report report;
    sigset_t all, before;
    pid_t pid;
    int pidfd, rc;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pid = fork();
    if (pid == 0)
        child_run(plan);
    rc = pid < 0 ? hf_error_errno(e, HF_EIO, "cannot make a process for %s", plan->spawn->argv[0])
                 : 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    close(plan->report);
    if (rc)
        return rc;
    if (read_report(report_read, &report) == sizeof(report)) {
        reap(pid);
        return tell(plan->spawn, &report, e);
    }
    pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (pidfd < 0) {
        rc = hf_error_errno(e, HF_EIO, "cannot watch %s", plan->spawn->argv[0]);
        kill(-pid, SIGKILL);
        reap(pid);
        return rc;
    }
    *ret = (struct hf_spawned){.pid = pid, .pidfd = pidfd};
    return 0;
}

int hf_spawn(const struct hf_spawn *spawn, struct hf_spawned *ret, struct hf_error *e)
{
    struct plan plan = {.spawn = spawn};
    HF_AUTOCLOSE int null = -1, output = -1, report_read = -1;
    int ends[2], rc;

    assert(spawn->argv[0]);
    null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0)
        return hf_error_errno(e, HF_EIO, "cannot open /dev/null");
    if (pipe2(ends, O_CLOEXEC) < 0)
        return hf_error_errno(e, HF_EIO, "cannot make a pipe");
    report_read = ends[0];
    plan.null = fcntl(null, F_DUPFD_CLOEXEC, FIRST_FREE);
    plan.output = fcntl(spawn->output, F_DUPFD_CLOEXEC, FIRST_FREE);
    plan.report = fcntl(ends[1], F_DUPFD_CLOEXEC, FIRST_FREE);
    close(ends[1]);
    close(null);
    null = plan.null;
    output = plan.output;
    if (plan.null < 0 || plan.output < 0 || plan.report < 0) {
        rc = hf_error_errno(e, HF_EIO, "cannot make descriptors for %s", spawn->argv[0]);
        if (plan.report >= 0)
            close(plan.report);
        return rc;
    }
    getrlimit(RLIMIT_NOFILE, &plan.nofile);
    plan.nofile.rlim_cur = plan.nofile.rlim_max < NOFILE ? plan.nofile.rlim_max : NOFILE;
    find_candidates(&plan);
    rc = start(&plan, report_read, ret, e);
    for (size_t i = 0; i < plan.path_count; i++)
        hf_free(plan.paths[i]);
    return rc;
}
