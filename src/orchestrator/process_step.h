/* orchestrator/process_step.h - the life of one instance's process, and when its slot tries again.
 * Pure: no process, no clock, no store. Owner: the caller. Runs in: controller.
 *
 *   intended --stored--> (spawn) --spawned--> starting --ready--> running
 *       |                   |                    |                   |
 *       +-------- stop / exited / spawn failed --+-------------------+--> stopping --> gone */
#pragma once
#include <stdbool.h>

#include "base/error.h"
#include "base/time.h"

enum hf_process_state {
    HF_PROCESS_INTENDED, /* the intent is being stored, or it is and the process comes next */
    HF_PROCESS_STARTING, /* runs, was never ready */
    HF_PROCESS_RUNNING,  /* runs, was ready at least once */
    HF_PROCESS_STOPPING, /* was told to go */
    HF_PROCESS_GONE,
};

enum hf_process_event {
    HF_PROCESS_STORED,   /* the intent is durable */
    HF_PROCESS_SPAWNED,  /* the process runs: started or adopted */
    HF_PROCESS_READY,    /* health says so */
    HF_PROCESS_STOP,     /* the owner wants it gone */
    HF_PROCESS_DEADLINE, /* process->deadline passed */
    HF_PROCESS_EXITED,   /* exited, was not there to adopt, or could not be started */
};

enum hf_process_action {
    HF_PROCESS_NOTHING,
    HF_PROCESS_SPAWN,     /* start the process, then feed SPAWNED or EXITED */
    HF_PROCESS_TERMINATE, /* SIGTERM; DEADLINE is due at process->deadline */
    HF_PROCESS_KILL,      /* SIGKILL to all of it; DEADLINE is due again */
    HF_PROCESS_CLEAN,     /* it is gone: forget it */
};

struct hf_process {
    enum hf_process_state state;
    struct hf_duration stop_timeout; /* between SIGTERM and SIGKILL */
    struct hf_mono deadline;         /* meaningful while stopping */
    struct hf_mono ready_at;         /* of the first READY; meaningful once was_ready */
    bool was_ready;
};

const char *hf_process_state_name(enum hf_process_state s);

/* Events that mean nothing in a state change nothing and need nothing. */
HF_MUST_CHECK enum hf_process_action
hf_process_step(struct hf_process *p, enum hf_process_event event, struct hf_mono now);

/* When a slot whose instance ended by itself tries again. Zeroed is the start. */
struct hf_restart {
    unsigned doublings; /* of the pause */
    unsigned failures;  /* in a row, of instances that never became ready */
    bool given_up;      /* a crash loop: only hf_restart_reset() helps */
};

enum { HF_RESTART_FAILURES_MAX = 5 };

/* The slot's instance p is gone unasked. Returns the pause before the next one: 200 ms, doubling to
 * 30 s; from the start again after an instance was ready for 60 s. After the fifth in a row that
 * never became ready given_up is set. */
HF_MUST_CHECK struct hf_duration hf_restart_next(struct hf_restart *r, const struct hf_process *p,
                                                 struct hf_mono now);
void hf_restart_reset(struct hf_restart *r);
