#include "gateway/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/futex.h>
#include <malloc.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* ---- the user and his rights ---- */

/* What root needs to have to run the gateway as somebody else, and to end it then. */
static int check_root(uint32_t uid, struct hf_error *e)
{
    static const cap_value_t needed[] = {CAP_SETUID, CAP_SETGID, CAP_KILL};
    cap_t own = cap_get_proc();
    int rc = own ? 0 : hf_error_errno(e, HF_EIO, "cannot read the capabilities");

    for (size_t i = 0; !rc && i < HF_COUNT(needed); i++) {
        cap_flag_value_t has = CAP_CLEAR;
        char *name;
        if (cap_get_flag(own, needed[i], CAP_EFFECTIVE, &has) == 0 && has == CAP_SET)
            continue;
        name = cap_to_name(needed[i]);
        rc = hf_error_set(e, HF_EREFUSED,
                          "root without %s cannot run the gateway as user %u; expected that "
                          "capability, or that holdfast is started as an unprivileged user",
                          name, uid);
        cap_free(name);
    }
    cap_free(own);
    return rc;
}

static int become(uint32_t uid, uint32_t gid, struct hf_error *e)
{
    if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0)
        return hf_error_errno(e, HF_EREFUSED, "the gateway cannot become group %u", gid);
    if (setresuid(uid, uid, uid) < 0)
        return hf_error_errno(e, HF_EREFUSED, "the gateway cannot become user %u", uid);
    return 0;
}

/* Who may not set it (only root may) cannot get back at them either, for want of new rights. */
static void drop_bounding_set(void)
{
    for (cap_value_t c = 0; c < cap_max_bits(); c++)
        cap_drop_bound(c);
}

static int drop_capabilities(struct hf_error *e)
{
    cap_t none = cap_init();
    int rc = none && cap_set_proc(none) == 0 ? 0 : HF_EIO;

    if (!rc && cap_reset_ambient() < 0 && errno != EINVAL) /* a kernel without them */
        rc = HF_EIO;
    if (rc)
        hf_error_errno(e, rc, "cannot drop the capabilities");
    cap_free(none);
    return rc;
}

int hf_sandbox_drop(const struct hf_sandbox_setup *s, struct hf_error *e)
{
    const struct rlimit none = {0, 0};
    int rc = s->change_user ? check_root(s->uid, e) : 0;

    if (rc)
        return rc;
    drop_bounding_set(); /* while it still may */
    if (s->change_user)
        rc = become(s->uid, s->gid, e);
    if (!rc)
        rc = drop_capabilities(e);
    if (!rc && (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0) < 0 ||
                setrlimit(RLIMIT_CORE, &none) < 0))
        rc = hf_error_errno(e, HF_EIO, "cannot give up rights");
    return rc;
}

/* ---- what the C library shall do in time ---- */

static void *give_back(void *arg)
{
    enum { BLOCKS = 64, SIZE = 64 * 1024 };
    void *block[BLOCKS];

    for (int i = 0; i < BLOCKS; i++)
        block[i] = malloc(SIZE);
    for (int i = 0; i < BLOCKS; i++)
        free(block[i]);
    return arg;
}

void hf_sandbox_settle(unsigned threads)
{
    pthread_t thread;

    tzset(); /* reads /etc/localtime once */
    /* Else the processors are counted, in /sys, when a thread first needs an arena. */
    mallopt(M_ARENA_MAX, (int)threads + 2);
    /* /proc/sys/vm/overcommit_memory is read when a thread first gives memory back. */
    if (pthread_create(&thread, NULL, give_back, NULL) == 0)
        pthread_join(thread, NULL);
}

/* ---- system calls ---- */

struct row {
    int call;
    struct scmp_arg_cmp argument[2]; /* both must hold; all zero: no matter */
};

#define IS(number, value)                                                                          \
    {                                                                                              \
        number, SCMP_CMP_EQ, value, 0                                                              \
    }
#define IS_WITHIN(number, mask, value)                                                             \
    {                                                                                              \
        number, SCMP_CMP_MASKED_EQ, mask, value                                                    \
    }
#define WITHOUT(number, bits) IS_WITHIN(number, bits, 0)

#define SOCKET_TYPE_BITS UINT64_C(0xffffffff) & ~(uint64_t)(SOCK_NONBLOCK | SOCK_CLOEXEC)
#define FUTEX_BITS UINT64_C(0xffffffff) & ~(uint64_t)(FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME)

/* Everything that the gateway may do, the most frequent first: the kernel looks in this order. */
static const struct row rows[] = {
    /* A request: in, out, in, out. */
    {SCMP_SYS(recvfrom)},
    {SCMP_SYS(sendto)},
    {SCMP_SYS(sendmsg)},
    {SCMP_SYS(epoll_wait)},
    {SCMP_SYS(epoll_pwait)}, /* where there is no epoll_wait */
    {SCMP_SYS(epoll_ctl)},

    /* A connection: from a client, to an endpoint. Over TCP only. */
    {SCMP_SYS(accept4)},
    {SCMP_SYS(socket), {IS(0, AF_INET), IS_WITHIN(1, SOCKET_TYPE_BITS, SOCK_STREAM)}},
    {SCMP_SYS(socket), {IS(0, AF_INET6), IS_WITHIN(1, SOCKET_TYPE_BITS, SOCK_STREAM)}},
    {SCMP_SYS(setsockopt), {IS(1, IPPROTO_TCP), IS(2, TCP_NODELAY)}},
    {SCMP_SYS(setsockopt), {IS(1, SOL_SOCKET), IS(2, SO_LINGER)}},
    {SCMP_SYS(getsockopt), {IS(1, SOL_SOCKET), IS(2, SO_ERROR)}}, /* is it connected? */
    {SCMP_SYS(getsockname)}, /* where has a client connected to? An endpoint may be told */
    {SCMP_SYS(connect)},
    {SCMP_SYS(getsockname)}, /* the PROXY protocol says where the client came in */
    {SCMP_SYS(shutdown)},
    {SCMP_SYS(close)},

    /* The log, the access log, eventfds; signals; the next bundle of certificates. */
    {SCMP_SYS(write)},
    {SCMP_SYS(writev)}, /* the C library's last words */
    {SCMP_SYS(read)},
    {SCMP_SYS(pread64)}, /* a bundle; the last plan */
    {SCMP_SYS(recvmsg)},
    {SCMP_SYS(fcntl), {IS(1, F_GET_SEALS)}},
    {SCMP_SYS(fstat)},                              /* a bundle's size */
    {SCMP_SYS(newfstatat), {IS(3, AT_EMPTY_PATH)}}, /* the same, in newer C libraries */
    {SCMP_SYS(poll)},
    {SCMP_SYS(ppoll)},  /* where there is no poll */
    {SCMP_SYS(getpid)}, /* a line of the log has it */

    /* Threads that wait for each other, and the end of them. None can be started. */
    {SCMP_SYS(futex), {IS_WITHIN(1, FUTEX_BITS, FUTEX_WAIT)}},
    {SCMP_SYS(futex), {IS_WITHIN(1, FUTEX_BITS, FUTEX_WAKE)}},
    {SCMP_SYS(futex), {IS_WITHIN(1, FUTEX_BITS, FUTEX_WAIT_BITSET)}},
    {SCMP_SYS(exit)},
    {SCMP_SYS(exit_group)},

    /* Memory, none of which can be executed. */
    {SCMP_SYS(mmap), {WITHOUT(2, PROT_EXEC)}},
    {SCMP_SYS(mprotect), {WITHOUT(2, PROT_EXEC)}},
    {SCMP_SYS(munmap)},
    {SCMP_SYS(mremap)},
    {SCMP_SYS(madvise)},
    {SCMP_SYS(brk)},

    /* Where the machine's clock cannot be read without the kernel. */
    {SCMP_SYS(clock_gettime)},
    {SCMP_SYS(gettimeofday)},
    {SCMP_SYS(time)},

    {SCMP_SYS(getrandom)},
    {SCMP_SYS(sysinfo)},         /* qsort() asks how much memory there is */
    {SCMP_SYS(restart_syscall)}, /* a wait goes on after SIGSTOP and SIGCONT */
    {SCMP_SYS(rt_sigprocmask)},  /* at the end of a thread; abort() */
    {SCMP_SYS(gettid)},          /* abort() */

#ifdef HF_SANITIZED
    /* The runtime of a sanitizer: a thread of its own, which begins when it likes; the end of each
     * thread; to read where it was that something is wrong. */
    {SCMP_SYS(rseq)},
    {SCMP_SYS(set_robust_list)},
    {SCMP_SYS(rt_sigreturn)},
    {SCMP_SYS(nanosleep)},
    {SCMP_SYS(sched_yield)},
    {SCMP_SYS(sigaltstack)},
    {SCMP_SYS(ioctl), {IS(1, TCGETS)}},
    {SCMP_SYS(open), {WITHOUT(1, O_ACCMODE | O_CREAT)}},
    {SCMP_SYS(openat), {WITHOUT(2, O_ACCMODE | O_CREAT)}},
    {SCMP_SYS(fcntl), {IS(1, F_SETFD)}},
    {SCMP_SYS(readlink)},
    {SCMP_SYS(stat)},
    {SCMP_SYS(lseek)},
    {SCMP_SYS(newfstatat)},
#endif
};

static size_t count_arguments(const struct row *r)
{
    size_t n = 0;

    while (n < HF_COUNT(r->argument) && r->argument[n].op)
        n++;
    return n;
}

/* Negative errno, as libseccomp has it. */
static int add_rules(scmp_filter_ctx filter)
{
    const struct scmp_arg_cmp self = IS(0, (scmp_datum_t)getpid());
    int rc = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1, &self);

    for (size_t i = 0; !rc && i < HF_COUNT(rows); i++) {
        const struct row *r = &rows[i];
        rc = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, r->call, (unsigned)count_arguments(r),
                                    r->argument);
        if (!rc)
            rc = seccomp_syscall_priority(filter, r->call, (uint8_t)(UINT8_MAX - i));
    }
    return rc;
}

/* The call was not made. Nothing but async-signal-safe calls, and those in the table. */
static void on_forbidden(int signal, siginfo_t *info, void *context)
{
    char line[] =
        "holdfast-gateway: system call ....... is forbidden in the sandbox; the gateway ends\n";
    char *digits = strchr(line, '.');

    (void)signal, (void)context;
    for (int i = 6, n = info->si_syscall; i >= 0; i--, n /= 10)
        digits[i] = n || i == 6 ? (char)('0' + n % 10) : ' ';
    if (info->si_code > 0 && write(STDERR_FILENO, line, sizeof(line) - 1) < 0)
        digits = NULL; /* nobody to tell. A code of 0 or below: somebody sent the signal. */
    /* Forbidden, too: SIGSYS is blocked in its handler, so that the kernel ends the process by it.
     */
    syscall(SYS_ptrace, 0, 0, 0, 0);
}

int hf_sandbox_close(struct hf_error *e)
{
    struct sigaction forbidden = {.sa_sigaction = on_forbidden, .sa_flags = SA_SIGINFO};
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_TRAP);
    int rc = filter ? 0 : -ENOMEM;

    sigaction(SIGSYS, &forbidden, NULL);
    if (!rc)
        rc = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    if (!rc)
        rc = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
    if (!rc)
        rc = add_rules(filter);
    /* No code of others runs in the gateway: its branches need not be slowed down for it. Older
     * kernels cannot be told. */
    seccomp_attr_set(filter, SCMP_FLTATR_CTL_SSB, 1);
    if (!rc)
        rc = seccomp_load(filter);
    seccomp_release(filter);
    errno = -rc;
    return rc ? hf_error_errno(e, HF_EREFUSED, "cannot limit the gateway's system calls (seccomp)")
              : 0;
}
