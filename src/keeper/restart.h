/* keeper/restart.h - when a process that ended may be started again.
 * The first HF_RESTART_BURST restarts within a minute come at once; beyond them, and for a process
 * that gives up by itself right after its start, each delay doubles, from 1 s to 30 s, until one
 * run lasted a minute. No I/O, no clock of its own. Owner: the caller. Runs in: keeper. */
#pragma once
#include <stdbool.h>

#include "base/time.h"

enum { HF_RESTART_BURST = 30 };

struct hf_restart {
    struct hf_mono at[HF_RESTART_BURST]; /* the latest restarts; a ring */
    unsigned next, n;
    struct hf_duration delay; /* the latest one; 0: at once */
};

struct hf_run {
    struct hf_mono started, ended;
    bool gave_up; /* exited with a status other than 0; not by a signal */
};

/* The delay before the restart that follows run; books the restart. r starts all zero. */
struct hf_duration hf_restart_delay(struct hf_restart *r, const struct hf_run *run);
