/* controller/internal.h - the parts of the controller and what each may ask of the others.
 * For src/controller alone. Everything runs on the loop's thread. */
#pragma once
#include "api/api.h"
#include "board/handover.h"
#include "catalog/catalog.h"
#include "config/config.h"
#include "continuity/account.h"
#include "controller/change.h"
#include "controller/events.h"
#include "controller/fleet.h"
#include "controller/issuer.h"
#include "controller/lease.h"
#include "controller/probe.h"
#include "controller/publisher.h"
#include "controller/slow.h"
#include "health/check.h"
#include "orchestrator/orchestrator.h"
#include "release/drain.h"
#include "release/engine.h"

struct hf_controller {
    const struct hf_handover *handover;
    struct hf_loop *loop;
    struct hf_board *board;
    struct hf_config *config;
    struct hf_store *store;
    struct hf_lease *lease;
    struct hf_catalog *catalog;
    struct hf_publisher *publisher;
    struct hf_drainer *drainer;
    struct hf_names *names;
    struct hf_fleet fleet;
    struct hf_orchestrator *orchestrator;
    struct hf_health *health;
    struct hf_release_engine *releases;
    struct hf_events *events;
    struct hf_issuer *issuer;
    struct hf_account *account;
    struct hf_probes *probes;
    struct hf_slow *slow;
    struct hf_api *api;
    struct hf_changes changes;
    struct hf_reload *reloading; /* waits for the keeper; NULL: none does */

    struct hf_watch keeper, signals;
    struct hf_timer tick; /* once a second */
    struct hf_catalog_observer observer;
    bool stopping;
    int status; /* of the process */
};

/* ---- connect.c: what orchestrator, health, releases, drains and names ask of each other ---- */

struct hf_orchestrator_hooks hf_controller_orchestrator_hooks(struct hf_controller *c);
struct hf_release_needs hf_controller_release_needs(struct hf_controller *c);
struct hf_drainer_needs hf_controller_drainer_needs(struct hf_controller *c);
struct hf_names_hooks hf_controller_names_hooks(struct hf_controller *c);
bool hf_controller_seen(void *ctx, const struct hf_instance *i, struct hf_seen *ret);
void hf_controller_read_second(void *ctx, const char *service, int64_t second,
                               struct hf_second *ret);
bool hf_controller_probe_listener(void *ctx, struct hf_addr *ret);
void hf_controller_on_change(struct hf_catalog_observer *o, const struct hf_change *change);

/* ---- reload.c ---- */

/* At the start: fills c->config from the file, or from what a controller before had accepted of it
 * where the file is not what a reload would take. */
HF_MUST_CHECK int hf_controller_load(struct hf_controller *c, struct hf_error *e);

/* Makes config what is true: catalogue, plan, orchestrator, ledger, releases. */
void hf_controller_apply(struct hf_controller *c, struct hf_config *config);

/* Reads the file again, and tells done() once how it went: at once, or when the keeper has another
 * gateway in the present one's place. On failure nothing has changed, and text says why. rc: 0 or
 * HF_E*. */
typedef void hf_reload_done(void *ctx, int rc, const char *text);
void hf_controller_reload(struct hf_controller *c, hf_reload_done *done, void *ctx);

/* At the start: sockets and workers as the configuration in force has them, if they are not. */
void hf_controller_catch_up(struct hf_controller *c);

/* ---- handlers.c ---- */

struct hf_api_handlers hf_controller_handlers(struct hf_controller *c);
