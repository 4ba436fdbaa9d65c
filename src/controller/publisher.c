#include "controller/publisher.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/boot.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/random.h"
#include "board/handover.h"
#include "controller/slots.h"
#include "controller/slow.h"

enum {
    DISK_DELAY_MS = 500, /* a burst of plans is written to disk once */
    SLOT_WAIT_MS = 100,  /* until it is looked again for a slot that has come free */
};

struct hf_publisher {
    struct hf_loop *loop;
    struct hf_slow *slow;
    struct hf_board *board;
    struct hf_catalog *catalog;
    struct hf_config *config;
    struct hf_catalog_observer observer;
    struct hf_timer publish_soon, write_soon;
    struct hf_plan_builder *builder;
    struct hf_plan *current; /* the builder's image, once there is one */
    struct hf_slot_table services, endpoints;
    uint8_t boot_id[16], probe_token[16];
    char token_text[33];
    char state[HF_PATH_SIZE];
    bool disk_failing; /* the thread's */
    bool exceeded;
    struct hf_wall made; /* of the plan that stands; 0: none of ours does yet */
    uint64_t found;      /* the generation that stood when we came; 0: none, or all know it */
    uint32_t left_out;   /* services and instances for which the latest plan had no slot */
};

/* ---- taking over, and slots that come free ---- */

static bool endpoint_gone(void *ctx, uint32_t slot, const struct hf_slot_entry *e)
{
    struct hf_publisher *p = ctx;

    return hf_board_drained(p->board, e->generation, slot, NULL);
}

static bool service_gone(void *ctx, uint32_t slot, const struct hf_slot_entry *e)
{
    struct hf_publisher *p = ctx;
    struct hf_service_sum sum;

    if (!hf_board_acknowledged(p->board, e->generation))
        return false;
    hf_board_sum_service(p->board, slot, e->incarnation, &sum);
    return sum.in_progress == 0;
}

static void take_over(struct hf_publisher *p, const struct hf_plan *plan)
{
    char owner[HF_SLOT_OWNER];

    memcpy(p->probe_token, plan->probe_token, sizeof(p->probe_token));
    for (uint32_t i = 0; i < plan->n_services; i++) {
        const struct hf_plan_service *s = &hf_plan_services(plan)[i];
        hf_slot_table_restore(&p->services, s->slot, s->incarnation,
                              hf_str_copy(hf_plan_str(plan, s->name), owner, sizeof(owner)), 0,
                              false);
    }
    for (uint32_t i = 0; i < plan->n_endpoints; i++) {
        const struct hf_plan_endpoint *ep = &hf_plan_endpoints(plan)[i];
        hf_slot_table_restore(&p->endpoints, ep->slot, ep->incarnation,
                              hf_str_copy(hf_plan_str(plan, ep->id), owner, sizeof(owner)),
                              ep->address.port, ep->state == HF_ENDPOINT_READY);
        if (ep->slot < p->endpoints.n)
            p->endpoints.entry[ep->slot].was_draining = ep->state == HF_ENDPOINT_DRAINING;
    }
}

static const struct hf_slot_entry *before(const struct hf_publisher *p, const char *instance)
{
    for (uint32_t i = 0; i < p->endpoints.n; i++) {
        const struct hf_slot_entry *e = &p->endpoints.entry[i];
        if (e->state == HF_SLOT_IS_USED && strcmp(e->owner, instance) == 0)
            return e;
    }
    return NULL;
}

bool hf_publisher_was_ready(const struct hf_publisher *p, const char *instance)
{
    const struct hf_slot_entry *e = before(p, instance);

    return e && e->was_ready;
}

bool hf_publisher_was_draining(const struct hf_publisher *p, const char *instance)
{
    const struct hf_slot_entry *e = before(p, instance);

    return e && e->was_draining;
}

void hf_publisher_each_before(const struct hf_publisher *p,
                              void (*each)(void *ctx, const char *instance), void *ctx)
{
    for (uint32_t i = 0; i < p->endpoints.n; i++) {
        const struct hf_slot_entry *e = &p->endpoints.entry[i];
        if (e->state == HF_SLOT_IS_USED && !e->was_draining)
            each(ctx, e->owner);
    }
}

bool hf_publisher_port_in_use(struct hf_publisher *p, uint16_t port)
{
    /* A gateway may still be at a plan that nobody remembers, and send to any port. */
    if (p->found && !hf_board_acknowledged(p->board, p->found))
        return true;
    p->found = 0;
    hf_slot_table_reap(&p->endpoints, endpoint_gone, p);
    for (uint32_t i = 0; i < p->endpoints.n; i++) {
        const struct hf_slot_entry *e = &p->endpoints.entry[i];
        if (e->state != HF_SLOT_IS_FREE && e->port == port)
            return true;
    }
    return false;
}

/* ---- building ---- */

static uint32_t ms(struct hf_duration d)
{
    int64_t v = (d.ns + HF_NS_PER_MS - 1) / HF_NS_PER_MS;

    return v > UINT32_MAX / 2 ? UINT32_MAX / 2 : (uint32_t)v;
}

static uint8_t forwarded_fields(uint32_t choice)
{
    static const uint8_t fields[] = {
        [HF_CONFIG_FORWARDED_X] = HF_FORWARDED_X,
        [HF_CONFIG_FORWARDED_RFC7239] = HF_FORWARDED_RFC7239,
        [HF_CONFIG_FORWARDED_BOTH] = HF_FORWARDED_X | HF_FORWARDED_RFC7239,
    };

    return fields[choice];
}

static struct hf_plan_gateway gateway_part(const struct hf_config *c)
{
    const struct hf_config_gateway *g = &c->gateway;
    struct hf_plan_gateway part = {
        .body = g->limits.body,
        .buffers = g->limits.buffers,
        .line = g->limits.line,
        .head = g->limits.head,
        .fields = g->limits.fields,
        .header_ms = ms(g->timeout.header),
        .idle_ms = ms(g->timeout.idle),
        .progress_ms = ms(g->timeout.body),
        .lame_duck_ms = ms(g->lame_duck),
        .drain_ms = ms(g->drain),
        .connections = g->limits.connections,
        .n_trusted = (uint32_t)g->n_trusted_proxies,
        .n_listeners = (uint32_t)g->n_listen,
        .forwarded = forwarded_fields(g->forwarded),
        .trace = g->trace.start,
        .trace_sample = (uint16_t)g->trace.sample,
        .h2_streams = g->http2.streams,
        .h2_resets = g->http2.resets,
    };

    for (uint32_t i = 0; i < part.n_trusted; i++)
        part.trusted[i] = g->trusted_proxies[i];
    for (uint32_t i = 0; i < part.n_listeners; i++) {
        part.listeners[i].address = g->listen[i].address;
        part.listeners[i].flags =
            (uint8_t)((g->listen[i].proxy_protocol ? HF_LISTENER_PROXY : 0) |
                      (g->listen[i].tls.n_certificates ? HF_LISTENER_TLS : 0));
    }
    return part;
}

static struct hf_plan_service service_part(const struct hf_config_service *c)
{
    return (struct hf_plan_service){
        .connect_ms = ms(c->timeout.connect),
        .try_ms = ms(c->timeout.try),
        .response_ms = ms(c->timeout.response),
        .idle_ms = ms(c->timeout.idle),
        .upgrade = (uint8_t)c->upgrade,
        .tunnel_ms = ms(c->timeout.tunnel),
        .hold_ms = ms(c->hold.time),
        .hold_requests = c->hold.requests,
        .eject_failures = c->eject.failures,
        .eject_ms = ms(c->eject.time),
        .eject_max_ms = ms(c->eject.max),
        .retry_attempts = (uint8_t)c->retry.attempts,
        .retry_percent = (uint8_t)(c->retry.budget / 100),
        .retry_on_500 = c->retry.on_500,
        .proxy_version = (uint8_t)c->proxy_protocol,
        .retry_grpc = c->retry.grpc,
        .protocol = (uint8_t)c->protocol,
    };
}

static bool in_plan(const struct hf_instance *i, uint8_t *ret_state)
{
    switch (i->state) {
    case HF_INSTANCE_READY:
        *ret_state = HF_ENDPOINT_READY;
        return true;
    case HF_INSTANCE_DRAINING:
        *ret_state = HF_ENDPOINT_DRAINING;
        return true;
    case HF_INSTANCE_EJECTED:
        *ret_state = HF_ENDPOINT_EJECTED;
        return true;
    default:
        return false;
    }
}

static struct hf_plan_text text(struct hf_publisher *p, const char *s)
{
    return hf_plan_builder_text(p->builder, hf_str(s));
}

static int add_endpoint(struct hf_publisher *p, struct hf_instance *i)
{
    struct hf_plan_endpoint ep = {.address = i->address, .weight = (uint16_t)i->weight};
    int rc;

    if (!in_plan(i, &ep.state))
        return 0;
    if (hf_slot_table_get(&p->endpoints, i->id, i->address.port, &ep.slot)) {
        /* Slots of instances that have gone are still to be acknowledged. The others must not wait
         * for that: above all not those that have to leave the plan. */
        p->left_out++;
        return 0;
    }
    ep.incarnation = p->endpoints.entry[ep.slot].incarnation;
    i->endpoint_slot = ep.slot;
    i->incarnation = ep.incarnation;
    ep.flags = (uint8_t)((i->candidate ? HF_ENDPOINT_CANDIDATE : 0) |
                         (i->process ? HF_ENDPOINT_PROCESS : 0));
    ep.id = text(p, i->id);
    ep.version = text(p, i->version);
    ep.node = text(p, i->node);
    rc = hf_plan_builder_endpoint(p->builder, &ep);
    return rc < 0 ? rc : 0;
}

static struct hf_plan_route route_part(struct hf_publisher *p, const struct hf_config_route *c)
{
    static const uint16_t status[] = {[HF_REDIRECT_301] = 301,
                                      [HF_REDIRECT_302] = 302,
                                      [HF_REDIRECT_303] = 303,
                                      [HF_REDIRECT_307] = 307,
                                      [HF_REDIRECT_308] = 308};
    struct hf_plan_route r = {.host = text(p, c->host), .prefix = text(p, c->path)};

    if (c->redirect) {
        r.redirect = status[c->status];
        r.target = text(p, c->redirect);
    } else if (c->rewrite) {
        r.target = text(p, c->rewrite);
    }
    return r;
}

static int add_routes(struct hf_publisher *p, const struct hf_config_service *c, uint32_t service)
{
    for (size_t i = 0; i < c->n_route; i++) {
        struct hf_plan_route r = route_part(p, &c->route[i]);
        int rc;
        r.service = service;
        rc = hf_plan_builder_route(p->builder, &r);
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* A service that left the configuration has no routes any more, but keeps what drains. */
static int add_service(struct hf_publisher *p, struct hf_service *s)
{
    struct hf_plan_service part =
        s->config ? service_part(s->config) : (struct hf_plan_service){.idle_ms = 60000};
    int index, rc;

    if (hf_slot_table_get(&p->services, s->name, 0, &part.slot)) {
        p->left_out++; /* as in add_endpoint() */
        return 0;
    }
    part.incarnation = p->services.entry[part.slot].incarnation;
    s->plan_slot = part.slot;
    s->plan_incarnation = part.incarnation;
    part.name = text(p, s->name);
    part.candidate_share = (uint16_t)s->candidate_share;
    index = hf_plan_builder_service(p->builder, &part);
    if (index < 0)
        return index;
    HF_LIST_EACH (l, &s->instances) {
        rc = add_endpoint(p, hf_instance_at(l));
        if (rc)
            return rc;
    }
    return s->config ? add_routes(p, s->config, (uint32_t)index) : 0;
}

static int build(struct hf_publisher *p, struct hf_plan **ret, struct hf_error *e)
{
    struct hf_plan_gateway gateway = gateway_part(p->config);
    int rc;

    hf_slot_table_reap(&p->endpoints, endpoint_gone, p);
    hf_slot_table_reap(&p->services, service_gone, p);
    hf_slot_table_unmark(&p->endpoints);
    hf_slot_table_unmark(&p->services);
    p->left_out = 0;
    hf_plan_builder_begin(p->builder, &gateway);
    HF_LIST_EACH (l, hf_catalog_services(p->catalog)) {
        rc = add_service(p, hf_service_at(l));
        if (rc)
            return hf_error_set(e, rc,
                                "the board's capacity is used up (board.services, "
                                "board.endpoints, board.routes)");
    }
    rc = hf_plan_builder_finish(p->builder, ret, e);
    if (rc)
        return rc;
    memcpy((*ret)->boot_id, p->boot_id, sizeof(p->boot_id));
    memcpy((*ret)->probe_token, p->probe_token, sizeof(p->probe_token));
    return 0;
}

uint64_t hf_publisher_publish(struct hf_publisher *p)
{
    uint64_t generation;
    struct hf_error e;

    hf_timer_stop(&p->publish_soon);
    if (!p->config)
        return 0;
    if (build(p, &p->current, &e)) {
        if (!p->exceeded)
            hf_err("cannot publish a new plan, the last one stays: %s", e.text);
        p->exceeded = true;
        p->current = NULL;
        return 0;
    }
    if (p->left_out && !p->exceeded)
        hf_warn("%u services or instances have no slot on the board yet (board.services, "
                "board.endpoints)",
                p->left_out);
    p->exceeded = p->left_out > 0;
    if (p->left_out)
        hf_timer_after(p->loop, &p->publish_soon, hf_ms(SLOT_WAIT_MS));
    generation = hf_board_publish(p->board, p->current);
    p->made.ns = p->current->made_wall_ns;
    hf_slot_table_sweep(&p->endpoints, generation);
    hf_slot_table_sweep(&p->services, generation);
    if (!hf_timer_armed(&p->write_soon))
        hf_timer_after(p->loop, &p->write_soon, hf_ms(DISK_DELAY_MS));
    return generation;
}

static void on_publish_soon(struct hf_timer *t)
{
    (void)hf_publisher_publish(HF_CONTAINER(t, struct hf_publisher, publish_soon));
}

static void on_change(struct hf_catalog_observer *o, const struct hf_change *change)
{
    struct hf_publisher *p = HF_CONTAINER(o, struct hf_publisher, observer);

    (void)change;
    if (!hf_timer_armed(&p->publish_soon))
        hf_timer_after(p->loop, &p->publish_soon, hf_ms(0));
}

/* ---- the plan on disk ---- */

/* What the thread needs: it outlives no publisher, but the plan of the moment. */
struct writing {
    struct hf_publisher *p;
    size_t size;
    char bytes[];
};

/* In the thread. Of the publisher it may use the path, which never changes, and disk_failing, which
 * is its own. */
static void write_plan(void *ctx_take)
{
    HF_AUTOFREE struct writing *w = ctx_take;
    struct hf_publisher *p = w->p;
    char path[HF_PATH_SIZE + 16];

    snprintf(path, sizeof(path), "%s/" HF_LAST_PLAN, p->state);
    if (hf_file_replace(path, w->bytes, w->size)) {
        if (!p->disk_failing)
            hf_err("cannot write %s, a cold start would use an older plan: %s", path,
                   strerror(errno));
        p->disk_failing = true;
        return;
    }
    p->disk_failing = false;
}

static void on_write_soon(struct hf_timer *t)
{
    struct hf_publisher *p = HF_CONTAINER(t, struct hf_publisher, write_soon);
    struct writing *w;

    if (!p->current)
        return;
    w = hf_alloc(sizeof(*w) + p->current->size);
    w->p = p;
    w->size = p->current->size;
    memcpy(w->bytes, p->current, w->size);
    if (hf_slow_run(p->slow, write_plan, w)) {
        hf_free(w);
        hf_timer_after(p->loop, t, hf_ms(DISK_DELAY_MS));
    }
}

/* ---- life ---- */

int hf_publisher_new(struct hf_loop *loop, struct hf_board *board, struct hf_catalog *catalog,
                     const char *state, struct hf_publisher **ret, struct hf_error *e)
{
    const struct hf_board_capacity *c = hf_board_capacity(board);
    struct hf_publisher *p = hf_alloc(sizeof(*p));
    HF_AUTOFREE void *image = hf_alloc(hf_plan_capacity(c));

    p->loop = loop;
    p->board = board;
    p->catalog = catalog;
    snprintf(p->state, sizeof(p->state), "%s", state);
    hf_timer_init(&p->publish_soon, on_publish_soon);
    hf_timer_init(&p->write_soon, on_write_soon);
    p->builder = hf_plan_builder_new(c);
    hf_slot_table_init(&p->services, c->services);
    hf_slot_table_init(&p->endpoints, c->endpoints);
    hf_random_secret(p->probe_token, sizeof(p->probe_token));
    if (hf_boot_id(p->boot_id)) {
        hf_publisher_free(p);
        return hf_error_set(e, HF_EIO, "cannot read the boot id of this machine");
    }
    if (hf_slow_new(&p->slow, e)) {
        hf_publisher_free(p);
        return HF_EIO;
    }
    p->found = hf_board_generation(board);
    if (p->found && hf_board_read_plan(board, image, e) == 0)
        take_over(p, image);
    if (p->found) {
        hf_slot_table_doubt(&p->services, p->found);
        hf_slot_table_doubt(&p->endpoints, p->found);
    }
    for (size_t i = 0; i < sizeof(p->probe_token); i++)
        snprintf(p->token_text + 2 * i, 3, "%02x", p->probe_token[i]);
    p->observer.on_change = on_change;
    hf_catalog_observe(catalog, &p->observer);
    *ret = p;
    return 0;
}

struct hf_publisher *hf_publisher_free(struct hf_publisher *p)
{
    if (!p)
        return NULL;
    if (p->observer.on_change)
        hf_catalog_unobserve(p->catalog, &p->observer);
    if (hf_timer_armed(&p->write_soon))
        on_write_soon(&p->write_soon);
    hf_slow_free(p->slow);
    hf_timer_done(&p->publish_soon);
    hf_timer_done(&p->write_soon);
    hf_plan_builder_free(p->builder);
    hf_slot_table_done(&p->services);
    hf_slot_table_done(&p->endpoints);
    hf_config_unref(p->config);
    return hf_free(p);
}

void hf_publisher_configure(struct hf_publisher *p, struct hf_config *config)
{
    struct hf_config *old = p->config;

    p->config = hf_config_ref(config);
    hf_config_unref(old);
}

const char *hf_publisher_probe_token(const struct hf_publisher *p)
{
    return p->token_text;
}

uint64_t hf_publisher_generation(const struct hf_publisher *p)
{
    return hf_board_generation(p->board);
}

struct hf_wall hf_publisher_made(const struct hf_publisher *p)
{
    return p->made;
}
