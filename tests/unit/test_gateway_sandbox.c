/* Each case runs in a process of its own, which goes into the sandbox and tries something. */
#include "test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/time.h"
#include "gateway/sandbox.h"
#include "net/pass.h"

enum { NOBODY = 65534, THREADS = 12 /* more than there are arenas without a limit */ };

#ifdef HF_SANITIZED /* may read files, to say what it has found */
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

static pthread_barrier_t gate;                       /* as the gateway has it */
static int listener, poller, pair[2], event, sealed; /* opened before the sandbox is closed */
static struct sockaddr_in address;

static struct hf_sandbox_setup setup(void)
{
    bool root = geteuid() == 0;

    return (struct hf_sandbox_setup){.change_user = root, .uid = NOBODY, .gid = NOBODY};
}

static void check(bool good, const char *what)
{
    if (good)
        return;
    dprintf(STDERR_FILENO, "not true in the sandbox: %s (errno %d)\n", what, errno);
    _exit(1);
}

#define CHECK(what) check(what, #what)

static void open_all(void)
{
    socklen_t n = sizeof(address);

    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    CHECK(bind(listener, (struct sockaddr *)&address, sizeof(address)) == 0);
    CHECK(listen(listener, 8) == 0);
    CHECK(getsockname(listener, (struct sockaddr *)&address, &n) == 0);
    CHECK(hf_pass_pair(pair, NULL) == 0);
    event = eventfd(0, EFD_NONBLOCK);
    poller = epoll_create1(0);
    sealed = memfd_create("sealed", MFD_ALLOW_SEALING);
    CHECK(write(sealed, "bundle", 6) == 6);
    CHECK(fcntl(sealed, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) ==
          0);
}

/* In the child: what the gateway does, up to the closing. Then attempt. */
__attribute__((noreturn)) static void live(void (*attempt)(void))
{
    struct hf_sandbox_setup s = setup();
    struct hf_error e;

    open_all();
    if (hf_sandbox_drop(&s, &e)) {
        dprintf(STDERR_FILENO, "%s\n", e.text);
        _exit(2);
    }
    hf_sandbox_settle(THREADS);
    if (hf_sandbox_close(&e)) {
        dprintf(STDERR_FILENO, "%s\n", e.text);
        _exit(2);
    }
    attempt();
    _exit(0);
}

/* Returns the status; said: what the child wrote to standard error. */
static int run(void (*life)(void (*)(void)), void (*attempt)(void), char *said, size_t size)
{
    int out[2], status;
    size_t n = 0;
    ssize_t got;
    pid_t pid;

    assert_int_equal(pipe(out), 0);
    pid = fork();
    if (pid == 0) {
        dup2(out[1], STDERR_FILENO);
        close(out[0]);
        life(attempt);
        _exit(3);
    }
    close(out[1]);
    while (n < size - 1 && (got = read(out[0], said + n, size - 1 - n)) > 0)
        n += (size_t)got;
    said[n] = 0;
    close(out[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void expect_fine(void (*life)(void (*)(void)), void (*attempt)(void))
{
    char said[4096];
    int status = run(life, attempt, said, sizeof(said));

    if (status != 0)
        fail_msg("status %x: %s", (unsigned)status, said);
}

/* ---- what is forbidden ---- */

static void try_execve(void)
{
    char name[] = "true", *argv[] = {name, NULL};
    execve("/bin/true", argv, argv + 1);
}

static void try_execveat(void)
{
    char name[] = "true", *argv[] = {name, NULL};
    fexecve(sealed, argv, argv + 1);
}

static void try_fork(void)
{
    syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
}

static void try_thread(void)
{
    syscall(SYS_clone, CLONE_VM | CLONE_THREAD | CLONE_SIGHAND | CLONE_FS | CLONE_FILES, 0, 0, 0,
            0);
}

static void try_clone3(void)
{
    struct clone_args arguments = {.exit_signal = SIGCHLD};
    syscall(SYS_clone3, &arguments, sizeof(arguments));
}

static void try_open_to_write(void)
{
    syscall(SYS_openat, AT_FDCWD, "/tmp/holdfast-of-a-test", O_WRONLY | O_CREAT, 0600);
}

static void try_open(void)
{
    syscall(SYS_openat, AT_FDCWD, "/etc/passwd", O_RDONLY);
}

static void try_openat2(void)
{
    syscall(SYS_openat2, AT_FDCWD, "/etc/passwd", NULL, 0);
}

static void try_unlink(void)
{
    syscall(SYS_unlinkat, AT_FDCWD, "/tmp/holdfast-of-a-test", 0);
}

static void try_unix_socket(void)
{
    syscall(SYS_socket, AF_UNIX, SOCK_STREAM, 0);
}

static void try_netlink(void)
{
    syscall(SYS_socket, AF_NETLINK, SOCK_RAW, 0);
}

static void try_datagrams(void)
{
    syscall(SYS_socket, AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
}

static void try_raw_socket(void)
{
    syscall(SYS_socket, AF_INET6, SOCK_RAW, 0);
}

static void try_listen(void)
{
    listen(listener, 1);
}

static void try_bind(void)
{
    syscall(SYS_bind, listener, &address, sizeof(address));
}

static void try_socket_filter(void)
{
    setsockopt(listener, SOL_SOCKET, SO_ATTACH_FILTER, NULL, 0);
}

static void try_ptrace(void)
{
    syscall(SYS_ptrace, PTRACE_ATTACH, 1, 0, 0);
}

static void try_other_memory(void)
{
    syscall(SYS_process_vm_readv, 1, NULL, 0, NULL, 0, 0);
}

static void try_kill(void)
{
    syscall(SYS_kill, getpid(), SIGTERM);
}

static void try_kill_others(void)
{
    syscall(SYS_tgkill, 1, 1, 0);
}

static void try_code_in_new_memory(void)
{
    syscall(SYS_mmap, NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void try_code_in_old_memory(void)
{
    void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    syscall(SYS_mprotect, p, 4096, PROT_READ | PROT_EXEC);
}

static void try_setuid(void)
{
    syscall(SYS_setuid, 0);
}

static void try_signal_handler(void)
{
    syscall(SYS_rt_sigaction, SIGSYS, NULL, NULL, 8);
}

static void try_dumpable(void)
{
    syscall(SYS_prctl, PR_SET_DUMPABLE, 1, 0, 0, 0);
}

static void try_bpf(void)
{
    syscall(SYS_bpf, 0, NULL, 0);
}

static void try_io_uring(void)
{
    syscall(SYS_io_uring_setup, 1, NULL);
}

static void try_memfd(void)
{
    syscall(SYS_memfd_create, "x", 0);
}

static void try_futex_with_priority(void)
{
    syscall(SYS_futex, &event, 6 /* FUTEX_LOCK_PI */, 0, NULL, NULL, 0);
}

#define FORBIDDEN(attempt, call)                                                                   \
    {                                                                                              \
#attempt, attempt, call                                                                    \
    }

static void what_is_forbidden_ends_the_process(void **state)
{
    static const struct {
        const char *name;
        void (*attempt)(void);
        int call;
    } cases[] = {
        FORBIDDEN(try_execve, SYS_execve),
        FORBIDDEN(try_execveat, SYS_execveat),
        FORBIDDEN(try_fork, SYS_clone),
        FORBIDDEN(try_thread, SYS_clone),
        FORBIDDEN(try_clone3, SYS_clone3),
        FORBIDDEN(try_open_to_write, SYS_openat),
        FORBIDDEN(try_open, SANITIZED ? -1 : SYS_openat),
        FORBIDDEN(try_signal_handler, SYS_rt_sigaction),
        FORBIDDEN(try_openat2, SYS_openat2),
        FORBIDDEN(try_unlink, SYS_unlinkat),
        FORBIDDEN(try_unix_socket, SYS_socket),
        FORBIDDEN(try_netlink, SYS_socket),
        FORBIDDEN(try_datagrams, SYS_socket),
        FORBIDDEN(try_raw_socket, SYS_socket),
        FORBIDDEN(try_listen, SYS_listen),
        FORBIDDEN(try_bind, SYS_bind),
        FORBIDDEN(try_socket_filter, SYS_setsockopt),
        FORBIDDEN(try_ptrace, SYS_ptrace),
        FORBIDDEN(try_other_memory, SYS_process_vm_readv),
        FORBIDDEN(try_kill, SYS_kill),
        FORBIDDEN(try_kill_others, SYS_tgkill),
        FORBIDDEN(try_code_in_new_memory, SYS_mmap),
        FORBIDDEN(try_code_in_old_memory, SYS_mprotect),
        FORBIDDEN(try_setuid, SYS_setuid),
        FORBIDDEN(try_dumpable, SYS_prctl),
        FORBIDDEN(try_bpf, SYS_bpf),
        FORBIDDEN(try_io_uring, SYS_io_uring_setup),
        FORBIDDEN(try_memfd, SYS_memfd_create),
        FORBIDDEN(try_futex_with_priority, SYS_futex),
    };

    (void)state;
    for (size_t i = 0; i < HF_COUNT(cases); i++) {
        char said[4096], line[160];
        int status;

        if (cases[i].call < 0)
            continue;
        status = run(live, cases[i].attempt, said, sizeof(said));
        snprintf(
            line, sizeof(line),
            "holdfast-gateway: system call %7d is forbidden in the sandbox; the gateway ends\n",
            cases[i].call);
        if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS || strcmp(said, line) != 0)
            fail_msg("%s: status %x, said: %s", cases[i].name, (unsigned)status, said);
    }
}

/* ---- what works ---- */

static void talk(void)
{
    struct epoll_event ready;
    int one = 1, fd, in;
    struct linger now = {1, 0};
    char text[] = "ab";
    struct iovec piece = {text, 2};
    struct msghdr m = {.msg_iov = &piece, .msg_iovlen = 1};
    struct sockaddr_in own;
    socklen_t n = sizeof(one), own_size = sizeof(own);
    char buf[8];

    fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0);
    CHECK(setsockopt(fd, IPPROTO_TCP, 1 /* TCP_NODELAY */, &one, sizeof(one)) == 0);
    CHECK(connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 || errno == EINPROGRESS);
    in = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    CHECK(in >= 0);
    CHECK(getsockopt(fd, SOL_SOCKET, SO_ERROR, &one, &n) == 0 && one == 0);
    CHECK(getsockname(in, (struct sockaddr *)&own, &own_size) == 0);
    ready = (struct epoll_event){.events = EPOLLIN};
    CHECK(epoll_ctl(poller, EPOLL_CTL_ADD, in, &ready) == 0);
    CHECK(send(fd, "x", 1, MSG_NOSIGNAL) == 1);
    CHECK(epoll_wait(poller, &ready, 1, 10000) == 1);
    CHECK(recv(in, buf, sizeof(buf), 0) == 1);
    CHECK(sendmsg(fd, &m, MSG_NOSIGNAL) == 2);
    CHECK(epoll_ctl(poller, EPOLL_CTL_DEL, in, NULL) == 0);
    CHECK(shutdown(fd, SHUT_WR) == 0);
    CHECK(setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)) == 0);
    CHECK(close(fd) == 0);
    CHECK(close(in) == 0);
}

static void take_a_bundle(void)
{
    struct pollfd p = {.fd = pair[0], .events = POLLIN};
    char message[8], buf[8];
    int fd = -1;

    CHECK(hf_pass_send(pair[1], "ab", 2, sealed) == 0);
    CHECK(poll(&p, 1, 10000) == 1);
    CHECK(hf_pass_receive(pair[0], message, 2, &fd) == 0);
    CHECK(fd >= 0 && hf_pass_sealed(fd, 100));
    CHECK(pread(fd, buf, sizeof(buf), 0) == 6);
}

static void keep_a_log(void)
{
    struct hf_error e;
    uint64_t n = 1;

    hf_log_init("gateway", HF_LOG_INFO);
    hf_info("a line in the sandbox");
    CHECK(hf_error_errno(&e, HF_EIO, "x") == HF_EIO);
    CHECK(hf_mono_now().ns > 0 && hf_wall_now().ns > 0);
    CHECK(write(event, &n, sizeof(n)) == sizeof(n));
    CHECK(read(event, &n, sizeof(n)) == sizeof(n) && n == 1);
    CHECK(getrandom(&n, sizeof(n), 0) == sizeof(n));
}

/* Takes memory and gives it back in amounts that move every threshold of the C library's. */
static void *use_memory(void *arg)
{
    char *block[64];

    for (size_t size = 16; size <= 1 << 20; size *= 4) {
        for (size_t i = 0; i < HF_COUNT(block); i++) {
            block[i] = malloc(size);
            CHECK(block[i]);
            block[i][0] = block[i][size - 1] = 1;
        }
        for (size_t i = 0; i < HF_COUNT(block); i++) {
            block[i] = realloc(block[i], i % 2 ? size * 2 : size / 2);
            CHECK(block[i]);
        }
        for (size_t i = 0; i < HF_COUNT(block); i++)
            free(block[i]);
    }
    malloc_trim(0);
    return arg;
}

static int compare(const void *a, const void *b)
{
    return memcmp(a, b, 64);
}

static void use_memory_here(void)
{
    char *large = calloc(20000, 64);

    CHECK(large);
    qsort(large, 20000, 64, compare);
    free(large);
    use_memory(NULL);
}

static void *wait_at_the_gate(void *arg)
{
    pthread_barrier_wait(&gate);
    pthread_barrier_wait(&gate);
    use_memory(NULL);
    hf_info("a line of a thread");
    return arg;
}

/* As the gateway does: threads first, the sandbox closes around them all. */
__attribute__((noreturn)) static void live_with_threads(void (*attempt)(void))
{
    struct hf_sandbox_setup s = setup();
    pthread_t threads[THREADS];
    struct hf_error e;

    open_all();
    pthread_barrier_init(&gate, NULL, THREADS + 1);
    CHECK(hf_sandbox_drop(&s, &e) == 0);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, wait_at_the_gate, NULL) == 0);
    pthread_barrier_wait(&gate);
    hf_sandbox_settle(THREADS);
    CHECK(hf_sandbox_close(&e) == 0);
    pthread_barrier_wait(&gate);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    attempt();
    _exit(0);
}

static void what_the_gateway_does_works(void **state)
{
    (void)state;
    expect_fine(live, talk);
    expect_fine(live, take_a_bundle);
    expect_fine(live, keep_a_log);
    expect_fine(live, use_memory_here);
}

static void threads_are_in_it_too(void **state)
{
    (void)state;
    expect_fine(live_with_threads, talk);
}

/* A container has put a filter of its own around everything. */
__attribute__((noreturn)) static void live_in_a_container(void (*attempt)(void))
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);

    CHECK(seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(bpf), 0) == 0);
    CHECK(seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, geteuid() == 0 ? 0 : 1) == 0);
    CHECK(seccomp_load(filter) == 0);
    seccomp_release(filter);
    live(attempt);
}

static void it_goes_into_a_container(void **state)
{
    char said[4096];
    int status = run(live_in_a_container, try_execve, said, sizeof(said));

    (void)state;
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGSYS);
    expect_fine(live_in_a_container, talk);
}

static void *try_open_as_a_thread(void *arg)
{
    pthread_barrier_wait(&gate);
    pthread_barrier_wait(&gate);
    try_open_to_write();
    return arg;
}

__attribute__((noreturn)) static void live_with_a_bad_thread(void (*attempt)(void))
{
    struct hf_error e;
    pthread_t thread;

    pthread_barrier_init(&gate, NULL, 2);
    CHECK(pthread_create(&thread, NULL, try_open_as_a_thread, NULL) == 0);
    pthread_barrier_wait(&gate);
    CHECK(hf_sandbox_close(&e) == 0);
    pthread_barrier_wait(&gate);
    pthread_join(thread, NULL);
    attempt();
    _exit(0);
}

static void a_thread_ends_the_process(void **state)
{
    char said[4096];
    int status = run(live_with_a_bad_thread, keep_a_log, said, sizeof(said));

    (void)state;
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGSYS);
}

static void abort_here(void)
{
    abort();
}

static void an_assert_is_still_one(void **state)
{
    char said[4096];
    int status = run(live, abort_here, said, sizeof(said));

    (void)state;
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT)
        fail_msg("status %x: %s", (unsigned)status, said);
}

/* ---- rights ---- */

/* Without the second half: it looks at itself. */
__attribute__((noreturn)) static void live_without_rights(void (*attempt)(void))
{
    struct hf_sandbox_setup s = setup();
    struct hf_error e;

    CHECK(hf_sandbox_drop(&s, &e) == 0);
    attempt();
    _exit(0);
}

static void look_at_rights(void)
{
    cap_t own = cap_get_proc(), none = cap_init();
    struct rlimit core;
    bool root = getegid() == NOBODY;
    gid_t groups[2];

    CHECK(cap_compare(own, none) == 0);
    cap_free(own);
    cap_free(none);
    CHECK(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
    CHECK(prctl(PR_GET_DUMPABLE) == 0);
    CHECK(getrlimit(RLIMIT_CORE, &core) == 0 && core.rlim_cur == 0 && core.rlim_max == 0);
    if (root) {
        CHECK(prctl(PR_CAPBSET_READ, CAP_NET_ADMIN) == 0);
        CHECK(getuid() == NOBODY && geteuid() == NOBODY && getgid() == NOBODY);
        CHECK(getgroups(2, groups) == 0);
    }
    CHECK(setuid(0) < 0);
    CHECK(open("/proc/1/environ", O_RDONLY) < 0);
}

static void rights_are_given_up(void **state)
{
    (void)state;
    expect_fine(live_without_rights, look_at_rights);
}

/* A container's root that may not become others: it is said which capability there has to be. */
__attribute__((noreturn)) static void live_without_setgid(void (*attempt)(void))
{
    struct hf_sandbox_setup s = {.change_user = true, .uid = NOBODY, .gid = NOBODY};
    const cap_value_t setgid = CAP_SETGID;
    struct hf_error e = {0};
    cap_t own = cap_get_proc();

    CHECK(cap_set_flag(own, CAP_EFFECTIVE, 1, &setgid, CAP_CLEAR) == 0 && cap_set_proc(own) == 0);
    cap_free(own);
    CHECK(hf_sandbox_drop(&s, &e) == HF_EREFUSED);
    CHECK(strstr(e.text, "cap_setgid cannot run the gateway as user 65534"));
    CHECK(getuid() != NOBODY); /* nothing was done by halves */
    attempt();
    _exit(0);
}

static void nothing(void)
{
}

static void a_right_that_is_missing_is_named(void **state)
{
    (void)state;
    expect_fine(live_without_setgid, nothing);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_forbidden_ends_the_process),
        cmocka_unit_test(what_the_gateway_does_works),
        cmocka_unit_test(threads_are_in_it_too),
        cmocka_unit_test(it_goes_into_a_container),
        cmocka_unit_test(a_thread_ends_the_process),
        cmocka_unit_test(an_assert_is_still_one),
        cmocka_unit_test(rights_are_given_up),
        cmocka_unit_test(a_right_that_is_missing_is_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
