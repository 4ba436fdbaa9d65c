/* orchestrator/orchestrator.h - keeps the wanted instances of every service running on this
 * machine, as processes of their own.
 *
 * Wanted: each service has slots 1..replicas, each with a node and an accepted version. Observed:
 * instances. A slot has one *current* instance; a release puts a *candidate* beside it; what is
 * wanted no longer is *retired*: whoever drains is told, and stops it once that is acknowledged.
 * The orchestrator itself never stops an instance that may have a request in flight.
 *
 *   begin  -> candidate starts        accept -> candidate is current, old current is retired
 *                                     abort  -> candidate is retired
 *
 * Level-triggered: configuration, exits, readiness and these calls change what is wanted or seen;
 * then each slot is looked at, and what is missing is started. Instances are in the catalogue from
 * intent to end: starting; failed with why, at once, if they go away by themselves; stopped when
 * that was wanted. That they are ready is told to the catalogue by health, and seen there.
 *
 * What must survive is in the store before it is acted on: document "slots"/SERVICE. Instances
 * outlive the controller, and are adopted by the next one.
 * Owner: the caller. Runs in: controller, on its loop's thread. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "catalog/catalog.h"
#include "config/config.h"
#include "net/loop.h"
#include "orchestrator/process_step.h"
#include "store/store.h"

struct hf_orchestrator;

enum hf_orchestrator_role { HF_CURRENT, HF_CANDIDATE, HF_RETIRED };

/* Called on the loop, never from within a call of this header but as noted. All are needed. */
struct hf_orchestrator_hooks {
    void *ctx;

    /* Is the port in a plan that some gateway may still use? Asked from within. */
    bool (*port_in_use)(void *ctx, uint16_t port);

    /* It is wanted no more, and that is durable: drain it, then hf_orchestrator_stop(). Told again
     * for each that is still there after a restart of the controller. */
    void (*on_retired)(void *ctx, struct hf_instance *i);

    /* The slot is given up until the next release or configuration. text: why, with the last lines
     * of its log, as one line. */
    void (*on_crash_loop)(void *ctx, struct hf_instance *i, const char *text);

    /* After hf_orchestrator_stop_all(): no process is left. */
    void (*on_stopped)(void *ctx);
};

/* All are borrowed until hf_orchestrator_free(). */
struct hf_orchestrator_options {
    struct hf_loop *loop;
    struct hf_store *store;
    struct hf_catalog *catalog;
    uint64_t term; /* of the lease: every document is written with it */
    struct hf_orchestrator_hooks hooks;
};

/* Reads what is stored (waits for the store), adopts what runs, and applies config: on success the
 * catalogue shows every instance that survived, ready if it was; not before this may a plan be
 * published. A service without a version in the catalogue gets that of its first slot there. On
 * failure nothing was started. */
HF_MUST_CHECK int hf_orchestrator_new(const struct hf_orchestrator_options *options,
                                      struct hf_config *config, struct hf_orchestrator **ret,
                                      struct hf_error *e);

/* Leaves all instances running. Free the store first: its answers come here. NULL is fine. */
struct hf_orchestrator *hf_orchestrator_free(struct hf_orchestrator *o);

/* The wanted set from now on; keeps a reference. A new service gets slots at its `version`; those
 * of a known one keep the version that was accepted, and new slots get that of slot 1: changing
 * it is a release. Slots too many, and services that are gone, are retired. Running instances keep
 * the command that they were started with. Crash loops are forgiven. Services must be in the
 * catalogue, and stay there as long as they have instances. */
void hf_orchestrator_configure(struct hf_orchestrator *o, struct hf_config *config);

/* Stops every instance, in-flight requests or not, and starts none any more. The slots stay stored.
 * Ends with on_stopped. */
void hf_orchestrator_stop_all(struct hf_orchestrator *o);

/* --- one slot at a time --- */

/* Starts a candidate of version in the slot; ret_id (HF_INSTANCE_ID bytes) is its instance. How it
 * goes is seen in the catalogue; a candidate that goes away is not restarted, and stays as failed
 * until abort. If there is one of that version already, it is that. HF_ENOENT: no such service,
 * slot or version. HF_EEXIST: there is a candidate of another version. HF_ELIMIT: no free port.
 * HF_EAGAIN: everything is being stopped. */
HF_MUST_CHECK int hf_orchestrator_begin(struct hf_orchestrator *o, const char *service,
                                        uint32_t ordinal, const char *version, char *ret_id,
                                        struct hf_error *e);

/* The candidate id is the slot's current instance and its version the slot's from now on. For the
 * old one on_retired follows once this is stored. Done already: 0. HF_ENOENT: no such candidate.
 * HF_EREFUSED: its process is gone. */
HF_MUST_CHECK int hf_orchestrator_accept(struct hf_orchestrator *o, const char *service,
                                         uint32_t ordinal, const char *id, struct hf_error *e);

/* The candidate is given up: on_retired follows once that is stored, unless its process is gone.
 * Without a candidate: 0. HF_ENOENT: no such service or slot. */
HF_MUST_CHECK int hf_orchestrator_abort(struct hf_orchestrator *o, const char *service,
                                        uint32_t ordinal, struct hf_error *e);

/* SIGTERM (or stop.signal) to its process group, SIGKILL to all of it after stop.timeout. Nothing
 * new must go to it, and nothing be in flight: that is for the caller to know. A slot whose current
 * instance is stopped gets a new one at once. Done already: 0. HF_ENOENT: no such instance. */
HF_MUST_CHECK int hf_orchestrator_stop(struct hf_orchestrator *o, const char *id,
                                       struct hf_error *e);

/* --- observing --- */

struct hf_orchestrator_slot {
    uint32_t ordinal;
    char node[HF_NODE_NAME], version[HF_VERSION_TEXT];
    char current[HF_INSTANCE_ID], candidate[HF_INSTANCE_ID]; /* ids; "": none */
    bool given_up;                                           /* a crash loop */
};

/* Of a service, in order. Stores up to max of them, returns how many there are. */
size_t hf_orchestrator_slots(const struct hf_orchestrator *o, const char *service,
                             struct hf_orchestrator_slot *ret, size_t max);

struct hf_orchestrator_instance {
    char id[HF_INSTANCE_ID], service[HF_SERVICE_NAME];
    char version[HF_VERSION_TEXT], node[HF_NODE_NAME];
    uint32_t ordinal;
    uint16_t port;
    enum hf_orchestrator_role role;
    enum hf_process_state state;
    pid_t pid; /* 0: none */
};

/* service NULL: of all. Stores up to max of them, returns how many there are. */
size_t hf_orchestrator_list(const struct hf_orchestrator *o, const char *service,
                            struct hf_orchestrator_instance *ret, size_t max);
HF_MUST_CHECK int hf_orchestrator_find(const struct hf_orchestrator *o, const char *id,
                                       struct hf_orchestrator_instance *ret);

/* The keeper reaped a process that was not its own child; status as waitpid() gives it. */
void hf_orchestrator_orphan_exited(struct hf_orchestrator *o, pid_t pid, int status);

/* The last 5 lines of its log as one line of plain text, "" if there is none. Returns buf. */
char *hf_orchestrator_last_words(const struct hf_orchestrator *o, const struct hf_instance *i,
                                 char *buf, size_t size);
