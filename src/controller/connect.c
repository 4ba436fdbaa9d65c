/* What orchestrator, health, releases, drains and the ledger ask of each other. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "controller/internal.h"

/* ---- drains ---- */

static uint64_t publish(void *ctx)
{
    struct hf_controller *c = ctx;

    return hf_publisher_publish(c->publisher);
}

static void on_drained(void *ctx, const char *id, const struct hf_drain_seen *seen)
{
    struct hf_controller *c = ctx;
    struct hf_instance *i = hf_catalog_instance_find(c->catalog, id);

    if (seen->state == HF_DRAIN_LATE)
        hf_events_add(c->events, "drain", json_pack("{s:s}", "instance", id),
                      "%s did not drain in time: %u requests were cut", id, seen->in_flight);
    hf_drain_forget(c->drainer, id);
    if (i)
        hf_fleet_drained(&c->fleet, i);
}

struct hf_drainer_needs hf_controller_drainer_needs(struct hf_controller *c)
{
    return (struct hf_drainer_needs){.loop = c->loop,
                                     .catalog = c->catalog,
                                     .board = c->board,
                                     .ctx = c,
                                     .publish = publish,
                                     .end_ctx = c,
                                     .on_end = on_drained};
}

/* ---- names ---- */

static void on_name_change(void *ctx, const char *service)
{
    struct hf_controller *c = ctx;

    hf_fleet_renamed(&c->fleet, service);
}

static void on_name_event(void *ctx, const char *service, const char *host, bool failed,
                          const char *text)
{
    struct hf_controller *c = ctx;

    hf_log(failed ? HF_LOG_WARN : HF_LOG_INFO, "%s service=%s", text, service);
    hf_events_add(c->events, "name", json_pack("{s:s, s:s}", "service", service, "host", host),
                  "%s: %s", service, text);
}

struct hf_names_hooks hf_controller_names_hooks(struct hf_controller *c)
{
    return (struct hf_names_hooks){
        .ctx = c, .on_change = on_name_change, .on_event = on_name_event};
}

/* ---- orchestrator ---- */

static bool port_in_use(void *ctx, uint16_t port)
{
    struct hf_controller *c = ctx;

    return hf_publisher_port_in_use(c->publisher, port);
}

static void on_retired(void *ctx, struct hf_instance *i)
{
    struct hf_controller *c = ctx;

    hf_release_retired(c->releases, i);
}

static void on_crash_loop(void *ctx, struct hf_instance *i, const char *text)
{
    struct hf_controller *c = ctx;

    hf_events_add(c->events, "instance",
                  json_pack("{s:s, s:s, s:s}", "service", i->service->name, "instance", i->id,
                            "node", i->node),
                  "%s is given up: %s", i->id, text);
}

static void on_stopped(void *ctx)
{
    struct hf_controller *c = ctx;

    hf_loop_stop(c->loop);
}

struct hf_orchestrator_hooks hf_controller_orchestrator_hooks(struct hf_controller *c)
{
    return (struct hf_orchestrator_hooks){.ctx = c,
                                          .port_in_use = port_in_use,
                                          .on_retired = on_retired,
                                          .on_crash_loop = on_crash_loop,
                                          .on_stopped = on_stopped};
}

/* ---- releases ---- */

static void claim_name(const struct hf_release_doc *d, char *buf, size_t size)
{
    snprintf(buf, size, "release %.40s %.40s #%u", d->service, d->to, d->id);
}

static void on_release_event(void *ctx, json_t *event, const char *line)
{
    struct hf_controller *c = ctx;
    uint32_t id = (uint32_t)json_integer_value(json_object_get(event, "release"));
    const struct hf_release_doc *d = hf_release_find(c->releases, id);
    struct hf_claim claim = {.cause = HF_CAUSE_RELEASE, .planned = true, .to = INT64_MAX};

    hf_info("release %s", line);
    hf_events_add(c->events, "release", json_copy(event), "%s", line);
    if (!d || !c->account || hf_release_over(d))
        return;
    claim.from = hf_wall_seconds(d->requested);
    claim_name(d, claim.event, sizeof(claim.event));
    snprintf(claim.service, sizeof(claim.service), "%s", d->service);
    if (hf_account_claim(c->account, &claim))
        hf_warn("too many events claim time in the ledger");
}

static void on_release_over(void *ctx, const struct hf_release_doc *d)
{
    struct hf_controller *c = ctx;
    char event[HF_CONTINUITY_NAME];

    claim_name(d, event, sizeof(event));
    hf_account_claim_end(c->account, event, hf_wall_seconds(hf_wall_now()) + 1);
}

struct hf_release_needs hf_controller_release_needs(struct hf_controller *c)
{
    return (struct hf_release_needs){.loop = c->loop,
                                     .catalog = c->catalog,
                                     .store = c->store,
                                     .board = c->board,
                                     .state = c->handover->setup.state,
                                     .term = hf_lease_term(c->lease),
                                     .ctx = c,
                                     .publish = publish,
                                     .event = on_release_event,
                                     .over = on_release_over};
}

/* ---- health and ledger: what the gateways saw ---- */

bool hf_controller_seen(void *ctx, const struct hf_instance *i, struct hf_seen *ret)
{
    struct hf_controller *c = ctx;
    struct hf_endpoint_sum sum;

    if (!i->incarnation)
        return false;
    hf_board_sum_endpoint(c->board, i->endpoint_slot, i->incarnation, &sum);
    *ret = (struct hf_seen){sum.attempts, sum.failures};
    return true;
}

static bool find_public(const struct hf_controller *c, struct hf_addr *ret)
{
    const struct hf_config_gateway *g = &c->config->gateway;
    const struct hf_setup *setup = &c->changes.setup;

    for (size_t i = 0; i < g->n_listen; i++) {
        const struct hf_config_listener *l = &g->listen[i];
        if (l->tls.n_certificates || l->proxy_protocol)
            continue;
        for (uint32_t j = 0; j < setup->n_listeners; j++) {
            if (hf_addr_eq(&l->address, &setup->listeners[j])) {
                *ret = setup->bound[j];
                return true;
            }
        }
    }
    return false;
}

/* The way of the users: a public listener that takes plain connections. Where there is none, the
 * newest gateway's own port for probes. */
bool hf_controller_probe_listener(void *ctx, struct hf_addr *ret)
{
    const struct hf_controller *c = ctx;
    uint64_t newest = 0;
    uint32_t port = 0;

    if (find_public(c, ret))
        return true;
    for (uint32_t i = 0; i < HF_BOARD_SLOTS; i++) {
        const struct hf_slot *slot = hf_board_slot(c->board, i);
        struct hf_live_view v = hf_board_live(c->board, i);
        uint64_t claim = atomic_load(&slot->claim);
        if (atomic_load(&slot->state) != HF_SLOT_CLAIMED || claim < newest ||
            atomic_load(&v.live->phase) != HF_LIVE_SERVING)
            continue;
        newest = claim;
        port = atomic_load(&v.live->probe_port);
    }
    *ret = (struct hf_addr){.family = HF_ADDR_IP4, .ip = {127, 0, 0, 1}, .port = (uint16_t)port};
    return port > 0 && port <= UINT16_MAX;
}

static bool gateway_alive(const struct hf_controller *c)
{
    for (uint32_t slot = 0; slot < HF_BOARD_SLOTS; slot++) {
        if (atomic_load(&hf_board_slot(c->board, slot)->state) == HF_SLOT_CLAIMED)
            return true;
    }
    return false;
}

void hf_controller_read_second(void *ctx, const char *service, int64_t second,
                               struct hf_second *ret)
{
    struct hf_controller *c = ctx;
    const struct hf_service *s = hf_catalog_service_find(c->catalog, service);
    struct hf_second_sum sum;

    ret->missing = !gateway_alive(c);
    if (!s || !s->plan_incarnation)
        return;
    hf_board_sum_second(c->board, s->plan_slot, s->plan_incarnation, second, &sum);
    ret->counts = (struct hf_second_counts){.arrived = sum.arrived,
                                            .ok = sum.ok,
                                            .failed = sum.failed + sum.lost,
                                            .refused = sum.refused};
    if (sum.arrived)
        ret->missing = false;
}

/* An instance that goes away by itself owns what follows for its service, until one is ready again.
 */
static void claim_instance(struct hf_controller *c, const struct hf_instance *i)
{
    struct hf_claim claim = {
        .cause = HF_CAUSE_APPLICATION, .from = hf_wall_seconds(i->since_wall) - 1, .to = INT64_MAX};

    snprintf(claim.event, sizeof(claim.event), "instances of %.60s", i->service->name);
    snprintf(claim.service, sizeof(claim.service), "%s", i->service->name);
    if (i->state == HF_INSTANCE_READY)
        hf_account_claim_end(c->account, claim.event, hf_wall_seconds(i->since_wall) + 1);
    else if (hf_account_claim(c->account, &claim))
        hf_warn("too many events claim time in the ledger");
}

void hf_controller_on_change(struct hf_catalog_observer *o, const struct hf_change *change)
{
    struct hf_controller *c = HF_CONTAINER(o, struct hf_controller, observer);
    const struct hf_instance *i = change->instance;

    if (change->what != HF_CHANGE_STATE || !c->events)
        return;
    hf_events_add(c->events, "instance",
                  json_pack("{s:s, s:s, s:s, s:s}", "service", i->service->name, "instance", i->id,
                            "node", i->node, "state", hf_instance_state_name(i->state)),
                  "%s: %s -> %s, %s", i->id, hf_instance_state_name(change->old),
                  hf_instance_state_name(i->state), i->why);
    if (!c->account || i->candidate)
        return;
    if (i->state == HF_INSTANCE_FAILED || i->state == HF_INSTANCE_EJECTED ||
        i->state == HF_INSTANCE_READY)
        claim_instance(c, i);
}
