/* keeper/lock.h - one keeper per state folder, and who is left of a run whose keeper died.
 * STATE/lock is locked for as long as the keeper lives; its text names the processes of the run
 * with their start times, so that a reused process id is not mistaken for one of them. Owner: the
 * caller. Runs in: keeper. */
#pragma once
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

struct hf_lock_process {
    pid_t pid;                /* 0: none */
    unsigned long long start; /* clock ticks since boot, as /proc/PID/stat has it */
};

struct hf_lock {
    int fd;
    struct hf_lock_process keeper, gateway, controller;
};

/* Takes the lock of the folder. HF_EEXIST if another keeper has it, or if the gateway or the
 * controller of an earlier run is still alive; the text names them. */
HF_MUST_CHECK int hf_lock_take(const char *state, struct hf_lock *ret, struct hf_error *e);

/* The process with its start time; all zero if there is none. */
struct hf_lock_process hf_lock_process(pid_t pid);

/* Writes down the present processes. A full disk only makes a later message poorer. */
void hf_lock_note(struct hf_lock *lock, pid_t gateway, pid_t controller);

/* The lock that this process has already, of the executable that it was. */
void hf_lock_keep(struct hf_lock *lock, int fd, pid_t gateway, pid_t controller);

void hf_lock_drop(struct hf_lock *lock);
