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
 *   3. the orchestrator adopts, and its on_retired calls hf_release_retired(); a first plan is
 *      published
 *   4. hf_release_engine_start(), with hf_release_process_runner(orchestrator)
 *   5. for each service with a command, now and after every reload: hf_release_configured()
 *   6. hf_release_request() on behalf of the API */
#pragma once
#include "board/board.h"
#include "catalog/catalog.h"
#include "net/loop.h"
#include "release/doc.h"
#include "release/runner.h"
#include "store/store.h"

struct hf_release_engine;

enum { HF_RELEASE_KEEP = 50 }; /* releases that are over, and still shown */

/* Everything outlives the engine. */
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

    /* One step of progress: as an event (hf_release_line_json()) and as a line for people,
     * "orders 1.3.0 -> 1.4.0: a/1: ready: ready after 1.2s". Take a reference to keep the event.
     * Not to call back. */
    void (*event)(void *ctx, json_t *event, const char *line);

    /* A release is over, and that is stored. For notifications and the ledger. */
    void (*over)(void *ctx, const struct hf_release_doc *d);
};

/* Reads what the store has; nothing is done yet. */
HF_MUST_CHECK int hf_release_engine_new(const struct hf_release_needs *needs,
                                        struct hf_release_engine **ret, struct hf_error *e);

/* Stops in the middle of whatever is under way; another engine goes on. NULL is fine. */
struct hf_release_engine *hf_release_engine_free(struct hf_release_engine *engine);

/* Takes up what was under way. */
void hf_release_engine_start(struct hf_release_engine *engine,
                             const struct hf_release_runner *runner);

/* For the orchestrator's on_retired. What belongs to a release goes at the release's pace; anything
 * else is drained by acknowledgement and stopped here. May come before hf_release_engine_start().
 */
void hf_release_retired(struct hf_release_engine *engine, struct hf_instance *i);

/* The version that the service was last brought to, and the one before; NULL if the store does not
 * know the service. previous may be NULL; *previous may be "". */
const char *hf_release_accepted(const struct hf_release_engine *engine, const char *service,
                                const char **previous);

/* The configuration says s->config->version. If that is the first time for the service, it is
 * noted as accepted; if it is another than the configuration said the last time, and not what runs,
 * a release is requested, which waits for its turn and for the service to be ready; if it is the
 * same, nothing happens, whatever was released since. */
void hf_release_configured(struct hf_release_engine *engine, struct hf_service *s);

/* Requests a release; requested_by is who asks, "" if that is not known. HF_ENOENT: no such
 * service, or no such version of it. HF_EREFUSED: preflight says no; e says why: "another release
 * is under way: orders 1.3.0 -> 1.4.0". On success *ret_id is its number, and done (may be NULL) is
 * called once it is stored, or could not be: error 0 or a negative HF_E*. */
HF_MUST_CHECK int hf_release_request(struct hf_release_engine *engine, const char *service,
                                     const char *version, const char *requested_by,
                                     void (*done)(void *ctx, uint32_t id, int error), void *ctx,
                                     uint32_t *ret_id, struct hf_error *e);

/* The one under way, else one that waits for its turn; NULL: none. */
const struct hf_release_doc *hf_release_current(const struct hf_release_engine *engine);

/* NULL: no such release, or it is forgotten: the last HF_RELEASE_KEEP that are over are kept. */
const struct hf_release_doc *hf_release_find(const struct hf_release_engine *engine, uint32_t id);

/* [hf_release_doc_json() less bake and log], the newest first. A new reference. */
json_t *hf_release_list_json(const struct hf_release_engine *engine);
