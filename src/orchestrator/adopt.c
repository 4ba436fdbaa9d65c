#include "orchestrator/adopt.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"

enum {
    STAT_MAX = 1024,
    ENVIRON_MAX = 1 << 20, /* the token is put first, so it is found in the first few bytes */
    ENVIRON_CHUNK = 4096,
    TOKEN_MAX = 64,
};

/* "pid (name) state ppid pgrp session ...": the name may hold spaces and parentheses, so the fields
 * are counted from the last ')'. */
int hf_proc_read(pid_t pid, struct hf_proc *ret)
{
    char path[32], text[STAT_MAX], state;
    unsigned long long start;
    const char *rest;
    int session;
    ssize_t n;
    HF_AUTOCLOSE int fd = -1;

    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return HF_ENOENT;
    n = read(fd, text, sizeof(text) - 1);
    if (n <= 0)
        return HF_ENOENT;
    text[n] = '\0';
    rest = strrchr(text, ')');
    if (!rest || sscanf(rest + 1,
                        " %c %*d %*d %d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d "
                        "%*d %llu",
                        &state, &session, &start) != 3)
        return HF_ENOENT;
    *ret = (struct hf_proc){.pid = pid, .session = session, .start = start, .state = state};
    return 0;
}

int hf_proc_boot_id(char ret[HF_BOOT_ID], struct hf_error *e)
{
    static const char path[] = "/proc/sys/kernel/random/boot_id";
    HF_AUTOCLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    char text[HF_BOOT_ID];
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

    if (n <= 0)
        return hf_error_errno(e, HF_EIO, "cannot read %s", path);
    text[n] = '\0';
    text[strcspn(text, "\n")] = '\0';
    memcpy(ret, text, sizeof(text));
    return 0;
}

/* buf holds whole variables followed by the beginning of one more. Returns the length of that. */
static size_t look_at(const char *buf, size_t n, struct hf_str wanted, bool *found)
{
    const char *at = buf, *end;

    while ((end = memchr(at, '\0', n - (size_t)(at - buf)))) {
        if (hf_str_eq((struct hf_str){at, (size_t)(end - at)}, wanted))
            *found = true;
        at = end + 1;
    }
    return n - (size_t)(at - buf);
}

bool hf_proc_has_token(pid_t pid, const char *token)
{
    char path[32], wanted[sizeof(HF_TOKEN_NAME) + TOKEN_MAX + 1], buf[ENVIRON_CHUNK];
    size_t kept = 0, total = 0;
    bool found = false;
    ssize_t n;
    HF_AUTOCLOSE int fd = -1;

    snprintf(wanted, sizeof(wanted), HF_TOKEN_NAME "=%s", token);
    snprintf(path, sizeof(path), "/proc/%d/environ", (int)pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    while (!found && total < ENVIRON_MAX && (n = read(fd, buf + kept, sizeof(buf) - kept)) > 0) {
        size_t have = kept + (size_t)n;
        total += (size_t)n;
        kept = look_at(buf, have, hf_str(wanted), &found);
        if (kept > sizeof(wanted)) { /* too long to be it: one byte that matches nothing stays */
            kept = 1;
            buf[have - 1] = '=';
        }
        if (kept)
            memmove(buf, buf + have - kept, kept);
    }
    return found;
}

/* The next process of /proc, 0 at the end. */
static pid_t next_pid(DIR *dir)
{
    struct dirent *entry;

    while ((entry = readdir(dir))) {
        uint64_t pid;
        if (hf_str_to_u64(hf_str(entry->d_name), &pid) == 0 && pid > 0)
            return (pid_t)pid;
    }
    return 0;
}

int hf_proc_find_token(const char *token, struct hf_proc *ret)
{
    DIR *dir = opendir("/proc");
    struct hf_proc proc, best = {0};
    pid_t pid;

    if (!dir)
        return HF_EIO;
    while ((pid = next_pid(dir))) {
        if (hf_proc_read(pid, &proc) || proc.session != pid || proc.state == 'Z' ||
            !hf_proc_has_token(pid, token))
            continue;
        if (!best.pid || proc.start < best.start)
            best = proc;
    }
    closedir(dir);
    if (!best.pid)
        return HF_ENOENT;
    *ret = best;
    return 0;
}

static bool belongs(pid_t pid, const char *token, pid_t session)
{
    struct hf_proc proc;

    if (hf_proc_read(pid, &proc) || proc.state == 'Z')
        return false;
    return (session && proc.session == session) || hf_proc_has_token(pid, token);
}

/* Looked at again after its pidfd is open: the process that is signalled is the one looked at. */
int hf_proc_signal_all(const char *token, pid_t session, int sig)
{
    DIR *dir = opendir("/proc");
    int count = 0;
    pid_t pid;

    if (!dir)
        return 0;
    while ((pid = next_pid(dir))) {
        HF_AUTOCLOSE int pidfd = -1;
        if (!belongs(pid, token, session))
            continue;
        pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
        if (pidfd >= 0 && belongs(pid, token, session) &&
            syscall(SYS_pidfd_send_signal, pidfd, sig, NULL, 0) == 0)
            count++;
    }
    closedir(dir);
    return count;
}
