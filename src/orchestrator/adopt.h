/* orchestrator/adopt.h - which process is an instance's: read from /proc.
 * A pid alone proves nothing, since pids are used again: a pid with its start time and the boot id
 * is unique, and so is the random token in the environment that every instance was started with.
 * Owner: the caller. Runs in: controller. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

enum { HF_BOOT_ID = 40 };

#define HF_TOKEN_NAME "HOLDFAST_TOKEN"

struct hf_proc {
    pid_t pid, session;
    uint64_t start; /* clock ticks after boot: field 22 of /proc/PID/stat */
    char state;     /* 'Z' for one that exited and was not reaped yet */
};

/* HF_ENOENT if there is no such process. */
HF_MUST_CHECK int hf_proc_read(pid_t pid, struct hf_proc *ret);

/* Of the running kernel; NUL-terminated. */
HF_MUST_CHECK int hf_proc_boot_id(char ret[HF_BOOT_ID], struct hf_error *e);

/* Whether the process was started with HOLDFAST_TOKEN=token; no if we may not look. */
bool hf_proc_has_token(pid_t pid, const char *token);

/* The process that leads a session and has the token: what was started, not what it started. */
HF_MUST_CHECK int hf_proc_find_token(const char *token, struct hf_proc *ret);

/* Sends sig to every process that has the token or belongs to session (0: none), whoever reaps
 * it. Returns how many there were. */
int hf_proc_signal_all(const char *token, pid_t session, int sig);
