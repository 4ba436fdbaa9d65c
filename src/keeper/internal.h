/* keeper/internal.h - the parts of the keeper and what each may ask of the others.
 * For src/keeper alone. Everything runs on the one thread, nothing allocates. */
#pragma once
#include <sys/types.h>

#include "keeper/courier.h"
#include "keeper/ground.h"
#include "keeper/mailbox.h"
#include "keeper/program.h"
#include "keeper/restart.h"
#include "keeper/steps.h"
#include "keeper/watchdog.h"
#include "net/loop.h"

/* What is kept running: whichever process does it. */
struct hf_member {
    const char *name;
    pid_t pid; /* 0: does not run */
    struct hf_mono started;
    struct hf_restart restart;
    struct hf_timer again; /* armed: will be started */
};

/* A gateway process; its number is its slot of the board. */
enum hf_generation_state {
    HF_GENERATION_NONE,
    HF_GENERATION_COMING,  /* started to take the serving one's place */
    HF_GENERATION_SERVING, /* the one that is started again when it ends */
    HF_GENERATION_RETIRED, /* another one serves: it finishes its connections */
};
struct hf_generation {
    uint32_t state; /* enum hf_generation_state */
    pid_t pid;
    struct hf_mono started;
    struct hf_mono cut; /* retired: when it is told to leave; 0: never */
    struct hf_courier courier;
    struct hf_watchdog watchdog;
};
enum { HF_NO_SLOT = HF_BOARD_SLOTS };

/* A request of the controller's that is being carried out, or was the last one. */
struct hf_change {
    struct hf_keeper_report
        report;      /* report.step is the present one; HF_KEEPER_STEP_NONE: none is */
    bool report_due; /* the controller has not taken the latest */
    uint32_t step;   /* enum hf_keeper_step: under way */
    uint32_t drain_ms;
    struct hf_programs next, before; /* own < 0: none */
    struct hf_ground_next ground;
    pid_t check;   /* the self-check's process */
    int result_fd; /* where it writes what it has found */
    unsigned failures;
    pid_t leaving; /* the controller that makes room */
    struct hf_timer limit;
};

enum hf_phase { HF_PHASE_SERVING, HF_PHASE_DRAINING, HF_PHASE_STOPPING, HF_PHASE_ENDED };

struct hf_keeper {
    struct hf_loop *loop;
    struct hf_programs programs; /* in force: what is started again is of these */
    struct hf_ground ground;
    struct hf_mailbox mailbox;
    struct hf_member gateway, controller; /* gateway: whichever serves */
    struct hf_generation generation[HF_BOARD_SLOTS];
    uint32_t serving, coming; /* slots, or HF_NO_SLOT */
    bool greeted;             /* it was said that the gateway serves */
    struct hf_change change;
    int tls_fd; /* the newest bundle of certificates; -1: there was none yet */
    enum hf_phase phase;
    bool hurry, incomplete;
    struct hf_watch signal_watch, mailbox_watch;
    struct hf_timer tick, greeting, deadline;
};

/* ---- keeper.c ---- */

void hf_keeper_tell(struct hf_keeper *k, enum hf_keeper_message_type type, uint32_t slot, pid_t pid,
                    int status);
void hf_keeper_start_controller(struct hf_keeper *k);

/* When an ended process is started again; logs it. Sets m->pid to 0. */
void hf_keeper_schedule(struct hf_keeper *k, struct hf_member *m, int status);

/* Books a fork for m; a failed one is tried again after a while. */
bool hf_keeper_started(struct hf_keeper *k, struct hf_member *m, pid_t pid,
                       const struct hf_error *e);

/* ---- gateways.c ---- */

void hf_gateways_init(struct hf_keeper *k);

/* Starts the one that shall serve, by what is in force. */
void hf_gateways_start(struct hf_keeper *k);

/* Starts one that shall take its place. HF_ELIMIT: too many are alive. */
HF_MUST_CHECK int hf_gateways_come(struct hf_keeper *k, const struct hf_programs *programs,
                                   const struct hf_ground_next *ground, struct hf_error *e);

/* It serves: puts it in the serving one's place, and retires that. */
void hf_gateways_swap(struct hf_keeper *k, uint32_t drain_ms);

/* It is given up. */
void hf_gateways_drop(struct hf_keeper *k);

/* True if pid was a gateway. */
bool hf_gateways_ended(struct hf_keeper *k, pid_t pid, int status);

void hf_gateways_signal(const struct hf_keeper *k, int sig); /* all */
bool hf_gateways_alive(const struct hf_keeper *k);
void hf_gateways_tick(struct hf_keeper *k);
void hf_gateways_bring_tls(struct hf_keeper *k);

/* ---- change.c ---- */

void hf_change_init(struct hf_keeper *k);
void hf_change_request(struct hf_keeper *k, const struct hf_keeper_request *r);

/* Did the step that is under way succeed? why is for the operator. */
void hf_change_step_done(struct hf_keeper *k);
void hf_change_step_failed(struct hf_keeper *k, const char *why);

/* The keeper stops. */
void hf_change_abort(struct hf_keeper *k);

/* True if pid was the self-check. */
bool hf_change_check_ended(struct hf_keeper *k, pid_t pid, int status);

/* The controller has ended; true: the next one is started, or the change has failed, here. */
bool hf_change_controller_ended(struct hf_keeper *k, pid_t pid, int status);
void hf_change_controller_started(struct hf_keeper *k, pid_t pid);

/* Sends the latest report, if it is due. */
void hf_change_report(struct hf_keeper *k);
void hf_change_tick(struct hf_keeper *k);
