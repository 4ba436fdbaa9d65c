#include "keeper/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define FORMAT "keeper %d %llu\ngateway %d %llu\ncontroller %d %llu\n"
enum { FIELDS = 6, TEXT = 256 };

/* What an earlier run left; whatever is not readable counts as nobody. */
static void read_note(struct hf_lock *lock)
{
    char text[TEXT];
    ssize_t n = pread(lock->fd, text, sizeof(text) - 1, 0);
    struct hf_lock was = {.fd = lock->fd};

    if (n <= 0)
        return;
    text[n] = 0;
    if (sscanf(text, FORMAT, &was.keeper.pid, &was.keeper.start, &was.gateway.pid,
               &was.gateway.start, &was.controller.pid, &was.controller.start) == FIELDS)
        *lock = was;
}

struct hf_lock_process hf_lock_process(pid_t pid)
{
    struct hf_lock_process p = {.pid = pid};
    char path[32], text[1024];
    const char *at;
    ssize_t n;
    int fd;

    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    fd = pid > 0 ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0)
        return (struct hf_lock_process){0};
    n = read(fd, text, sizeof(text) - 1);
    close(fd);
    text[n > 0 ? n : 0] = 0;
    at = strrchr(text, ')'); /* the name before may hold anything; field 3 follows */
    for (int field = 3; at && field <= 22; field++)
        at = strchr(at + 1, ' ');
    if (!at || sscanf(at, "%llu", &p.start) != 1)
        return (struct hf_lock_process){0};
    if (strstr(strrchr(text, ')'), ") Z "))
        return (struct hf_lock_process){0}; /* dead, and nobody reaped it yet */
    return p;
}

static bool alive(const struct hf_lock_process *p)
{
    struct hf_lock_process now = hf_lock_process(p->pid);

    return now.pid > 0 && now.start == p->start;
}

static int refuse_leftovers(const struct hf_lock *lock, const char *state, struct hf_error *e)
{
    bool gateway = alive(&lock->gateway), controller = alive(&lock->controller);
    char pids[32];

    if (!gateway && !controller)
        return 0;
    if (gateway && controller)
        snprintf(pids, sizeof(pids), "%d %d", lock->gateway.pid, lock->controller.pid);
    else
        snprintf(pids, sizeof(pids), "%d", gateway ? lock->gateway.pid : lock->controller.pid);
    return hf_error_set(e, HF_EEXIST,
                        "the keeper of an earlier run in %s died, and its %s (pid %s): stop what "
                        "is left with `kill %s`, then start again",
                        state,
                        gateway && controller ? "gateway and controller still serve"
                        : gateway             ? "gateway still serves"
                                              : "controller still runs",
                        pids, pids);
}

/* What may stand behind the six fields is not read. */
static bool write_note(const struct hf_lock *lock)
{
    char text[TEXT];
    int n = snprintf(text, sizeof(text), FORMAT, lock->keeper.pid, lock->keeper.start,
                     lock->gateway.pid, lock->gateway.start, lock->controller.pid,
                     lock->controller.start);

    return pwrite(lock->fd, text, (size_t)n, 0) == n && ftruncate(lock->fd, n) == 0;
}

int hf_lock_take(const char *state, struct hf_lock *ret, struct hf_error *e)
{
    struct hf_lock lock = {0};
    char path[1024];
    int rc;

    snprintf(path, sizeof(path), "%s/lock", state);
    lock.fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (lock.fd < 0)
        return hf_error_errno(e, HF_EIO, "cannot open %s", path);
    read_note(&lock);
    if (flock(lock.fd, LOCK_EX | LOCK_NB) < 0) {
        rc = errno == EWOULDBLOCK
                 ? hf_error_set(e, HF_EEXIST, "another holdfast (pid %d) runs in %s",
                                lock.keeper.pid, state)
                 : hf_error_errno(e, HF_EIO, "cannot lock %s", path);
    } else {
        rc = refuse_leftovers(&lock, state, e);
    }
    if (!rc) {
        lock = (struct hf_lock){.fd = lock.fd, .keeper = hf_lock_process(getpid())};
        if (!write_note(&lock))
            rc = hf_error_errno(e, HF_EIO, "cannot write %s", path);
    }
    if (rc) {
        close(lock.fd);
        return rc;
    }
    *ret = lock;
    return 0;
}

void hf_lock_note(struct hf_lock *lock, pid_t gateway, pid_t controller)
{
    if (lock->gateway.pid != gateway)
        lock->gateway = hf_lock_process(gateway);
    if (lock->controller.pid != controller)
        lock->controller = hf_lock_process(controller);
    /* On a full disk what it says is poorer; that is all. */
    (void)write_note(lock);
}

void hf_lock_keep(struct hf_lock *lock, int fd, pid_t gateway, pid_t controller)
{
    *lock = (struct hf_lock){.fd = fd, .keeper = hf_lock_process(getpid())};
    hf_lock_note(lock, gateway, controller);
}

void hf_lock_drop(struct hf_lock *lock)
{
    hf_lock_note(lock, 0, 0);
    close(lock->fd);
    lock->fd = -1;
}
