/* release/engine.h - carries releases through: one at a time, one slot at a time.
 *
 * Watches the catalogue, the slots and the board, asks hf_release_step() what comes next, stores
 * the document, and only when that is durable acts. Every action is idempotent and its effect is
 * observed, never assumed; so an engine that is made anew from the store goes on where the last
 * one was, wherever it was killed.
 * Owner: the caller. Runs in: controller, on its loop's thread. Nothing here blocks but
 * hf_release_engine_new(), which reads the store.
 *
 * What the controller does, in this order:
 *   1. store, catalogue, board; then hf_release_engine_new()
 *   2. for each service with a command: the catalogue's version and previous from
 *      hf_release_accepted(), or the configured one if it has none; slots run what the orchestrator
 *      has stored for them, else that version
 *   3. the orchestrator adopts; a first plan is published
 *   4. hf_release_engine_start()
 *   5. for each service with a command, now and after every reload: hf_release_configured()
 *   6. hf_release_request() on behalf of the API */
#pragma once
#include "board/board.h"
#include "catalog/catalog.h"
#include "net/loop.h"
#include "release/doc.h"
#include "store/store.h"

struct hf_release_engine;

/* A slot as the orchestrator has it now. Ids are those of the catalogue; "": there is none. */
struct hf_release_slot {
    char node[HF_NODE_NAME];
    uint32_t ordinal;
    char version[HF_VERSION_TEXT];  /* accepted */
    char accepted[HF_INSTANCE_ID];  /* the slot's instance, restarted when it ends */
    char candidate[HF_INSTANCE_ID]; /* begun, not accepted yet */
    char leaving[HF_INSTANCE_ID];   /* was accepted until another was; not stopped yet */
};

/* What the engine needs from others. Everything outlives the engine. */
struct hf_release_needs {
    struct hf_loop *loop;
    struct hf_catalog *catalog;
    struct hf_store *store;
    const struct hf_board *board;
    const char *state; /* folder: the test command's output goes to STATE/logs/SERVICE/ */
    uint64_t term;     /* of the lease: every document is written with it */
    void *ctx;         /* first argument of the functions below */

    /* Builds a plan from the catalogue as it is at this moment and publishes it. Returns its
     * generation; 0 if that was not possible: it is asked again. */
    uint64_t (*publish)(void *ctx);

    /* Fills at most max slots of a service, by order of node, then ordinal. Returns how many there
     * are; 0 if the service is not run by the process orchestrator. */
    size_t (*slots)(void *ctx, const struct hf_service *s, struct hf_release_slot *ret, size_t max);

    /* Starts an instance of version beside the slot's own. It comes into the catalogue as starting
     * and candidate, and stays a candidate - over a restart of the controller too - until it is
     * accepted. If it ends by itself it becomes failed and is not started again. If the slot has a
     * candidate of that version already, nothing happens. May finish later: the engine watches
     * slots(). An error ends the move, HF_EAGAIN: it is asked again. */
    int (*begin)(void *ctx, struct hf_service *s, const char *node, uint32_t ordinal,
                 const char *version, struct hf_error *e);

    /* Makes the slot's candidate - or its leaving one, which so is taken back - the slot's
     * instance, durably, and the slot's version its version. The one before is leaving then: it
     * runs on, but is not started again when it ends. Nothing happens if it is that already. May
     * finish later. */
    int (*accept)(void *ctx, struct hf_service *s, const char *node, uint32_t ordinal,
                  const char *instance, struct hf_error *e);

    /* Stops an instance that is candidate or leaving, at once: it was drained before. It leaves the
     * catalogue, or becomes stopped, when it is gone. Nothing happens if there is none. */
    void (*stop)(void *ctx, const char *instance, const char *why);

    /* One step of progress: as an event, and as a line for people, "orders 1.3.0 -> 1.4.0: a/0:
     * ready after 1.2s". The callee takes its own reference to event. Not to call back. */
    void (*event)(void *ctx, json_t *event, const char *line);
};

/* Reads what the store has; nothing is done yet. */
HF_MUST_CHECK int hf_release_engine_new(const struct hf_release_needs *needs,
                                        struct hf_release_engine **ret, struct hf_error *e);

/* Stops in the middle of whatever is under way; another engine goes on. NULL is fine. */
struct hf_release_engine *hf_release_engine_free(struct hf_release_engine *engine);

/* Takes up what was under way. */
void hf_release_engine_start(struct hf_release_engine *engine);

/* The version that the service was last brought to, and the one before; NULL if the store does not
 * know the service. previous may be NULL; *previous may be "". */
const char *hf_release_accepted(const struct hf_release_engine *engine, const char *service,
                                const char **previous);

/* The configuration says s->config->version. If that is the first time for the service, it is
 * noted as accepted; if it is another than the configuration said the last time, and not what runs,
 * a release is requested, which waits for its turn and for the service to be ready; if it is the
 * same, nothing happens, whatever was released since. */
void hf_release_configured(struct hf_release_engine *engine, struct hf_service *s);

/* Requests a release. HF_ENOENT: no such service, or no such version of it. HF_EREFUSED: preflight
 * says no; e says why: "another release is under way: orders 1.3.0 -> 1.4.0". On success *ret_id is
 * its number, and done (may be NULL) is called once it is stored, or could not be: error 0 or a
 * negative HF_E*. */
HF_MUST_CHECK int hf_release_request(struct hf_release_engine *engine, const char *service,
                                     const char *version, const char *requested_by,
                                     void (*done)(void *ctx, uint32_t id, int error), void *ctx,
                                     uint32_t *ret_id, struct hf_error *e);

/* The one under way; NULL: none. */
const struct hf_release_doc *hf_release_current(const struct hf_release_engine *engine);

/* NULL: no such release, or it is forgotten: the last 50 that are over are kept. */
const struct hf_release_doc *hf_release_find(const struct hf_release_engine *engine, uint32_t id);

/* [hf_release_doc_json() less bake and log], the newest first. A new reference. */
json_t *hf_release_list_json(const struct hf_release_engine *engine);
