/* The engine against a real store and board, and an orchestrator, health and gateway that are
 * imagined here. The gateway acknowledges a plan some turns late, always has a request in flight
 * where its plan lets it, and finishes it some turns later; so a stop that does not wait for the
 * acknowledgement is found out. A controller that is killed takes the engine and what the
 * catalogue only knew in memory with it; the orchestrator's slots and instances stay. */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "release/engine.h"
#include "scratch.h"

enum { SLOTS = 3, RUNNING_MAX = 64, LAG = 2 };

struct running {
    char id[HF_INSTANCE_ID], version[HF_VERSION_TEXT];
    uint32_t ordinal;
    enum { CURRENT, CANDIDATE, RETIRED } role;
    bool fails;  /* its end */
    bool told;   /* on_retired */
    bool picked; /* by the gateway's present plan */
    uint32_t flying;
};

static struct {
    char folder[200];
    struct hf_loop *loop;
    struct hf_store *store;
    struct hf_board *board;
    struct hf_catalog *catalog;
    struct hf_release_engine *engine;
    struct hf_service *service;
    struct hf_config_service config;
    struct hf_config_version versions[3];
    struct hf_config_smoke smoke;

    struct running running[RUNNING_MAX];
    size_t n_running;
    unsigned slots;
    char slot_version[SLOTS + 1][HF_VERSION_TEXT];

    uint64_t generation, acknowledged;
    unsigned turns_since_publish;
    bool stuck; /* a request never ends */
    struct hf_catalog_observer observer;
    bool changed; /* the catalogue, since the last plan */

    unsigned begun[3], accepted[3], stopped[3]; /* effects; by version */
    unsigned actions, kill_at;
    bool kill_before, dead;
    const char *never_ready; /* the version that fails before it is ready */
    bool mute;               /* the orchestrator has not stored it yet */
    char story[16384];
    unsigned over, events;
} w;

static unsigned number(const char *version)
{
    return strcmp(version, "1.3.0") == 0 ? 0 : strcmp(version, "1.4.0") == 0 ? 1 : 2;
}

static struct hf_instance *shown(const char *id)
{
    return hf_catalog_instance_find(w.catalog, id);
}

/* --- the imagined controller and gateway --- */

/* Is the controller killed around this action? False: it was, before it took effect. */
static bool alive(void)
{
    if (w.dead)
        return false;
    if (++w.actions == w.kill_at) {
        w.dead = true;
        return !w.kill_before;
    }
    return true;
}

static uint64_t publish_now(void)
{
    w.changed = false;
    w.turns_since_publish = 0;
    return ++w.generation;
}

static uint64_t publish(void *ctx)
{
    (void)ctx;
    return alive() ? publish_now() : 0;
}

static void on_change(struct hf_catalog_observer *o, const struct hf_change *change)
{
    (void)o;
    (void)change;
    w.changed = true;
}

static struct hf_live_endpoint *endpoint(const struct hf_instance *i)
{
    struct hf_live_view v = hf_board_live(w.board, 0);

    return &hf_live_endpoints(&v, 0)[i->endpoint_slot];
}

static void gateway_turn(void)
{
    struct hf_live_view v = hf_board_live(w.board, 0);

    if (w.acknowledged < w.generation && ++w.turns_since_publish > LAG) {
        for (size_t k = 0; k < w.n_running; k++) {
            const struct hf_instance *i = shown(w.running[k].id);
            w.running[k].picked =
                i && i->state == HF_INSTANCE_READY && (!i->candidate || w.service->candidate_share);
        }
        w.acknowledged = w.generation;
        atomic_store(&hf_live_worker(&v, 0)->generation, w.generation);
    }
    for (size_t k = 0; k < w.n_running; k++) {
        struct running *r = &w.running[k];
        struct hf_instance *i = shown(r->id);
        if (!i)
            continue;
        if (r->picked)
            r->flying = LAG;
        else if (r->flying && !w.stuck)
            r->flying--;
        atomic_store(&endpoint(i)->in_flight, r->flying);
        if (r->picked)
            hf_count_add(&endpoint(i)->attempts, 1);
    }
}

/* --- the imagined orchestrator --- */

static struct running *running(const char *id)
{
    for (size_t k = 0; k < w.n_running; k++) {
        if (strcmp(w.running[k].id, id) == 0)
            return &w.running[k];
    }
    return NULL;
}

static struct running *in_slot(uint32_t ordinal, int role)
{
    for (size_t k = 0; k < w.n_running; k++) {
        if (w.running[k].ordinal == ordinal && (int)w.running[k].role == role)
            return &w.running[k];
    }
    return NULL;
}

static const char *node_of(uint32_t ordinal)
{
    return ordinal % 2 ? "a" : "b";
}

static struct running *run(uint32_t ordinal, const char *version, bool candidate)
{
    static unsigned serial;
    struct running *r = &w.running[w.n_running++];
    struct hf_instance_spec spec = {.version = version, .candidate = candidate, .process = true};
    struct hf_instance *i;

    assert_true(w.n_running < RUNNING_MAX);
    memset(r, 0, sizeof(*r));
    snprintf(r->id, sizeof(r->id), "orders-%u", ++serial);
    snprintf(r->version, sizeof(r->version), "%s", version);
    r->ordinal = ordinal;
    r->role = candidate ? CANDIDATE : CURRENT;
    spec.id = r->id;
    spec.node = node_of(ordinal);
    assert_int_equal(hf_addr_parse(HF_STR("127.0.0.1:1"), &spec.address), 0);
    assert_int_equal(hf_catalog_instance_add(w.catalog, w.service, &spec, &i), 0);
    i->endpoint_slot = serial % 64;
    i->incarnation = serial;
    atomic_store(&endpoint(i)->incarnation, serial);
    atomic_store(&endpoint(i)->attempts, 0);
    atomic_store(&endpoint(i)->failures, 0);
    return r;
}

static void end(struct running *r)
{
    struct hf_instance *i = shown(r->id);

    atomic_store(&endpoint(i)->in_flight, 0);
    hf_catalog_instance_remove(w.catalog, i);
    *r = w.running[--w.n_running];
}

static size_t slots(void *ctx, const char *service, struct hf_release_slot *ret, size_t max)
{
    (void)ctx;
    assert_string_equal(service, "orders");
    for (uint32_t o = 1; o <= w.slots && o <= max; o++) {
        const struct running *current = in_slot(o, CURRENT), *candidate = in_slot(o, CANDIDATE);
        memset(&ret[o - 1], 0, sizeof(*ret));
        snprintf(ret[o - 1].node, sizeof(ret->node), "%s", node_of(o));
        ret[o - 1].ordinal = o;
        snprintf(ret[o - 1].version, sizeof(ret->version), "%s", w.slot_version[o]);
        snprintf(ret[o - 1].current, sizeof(ret->current), "%s", current ? current->id : "");
        snprintf(ret[o - 1].candidate, sizeof(ret->candidate), "%s",
                 candidate ? candidate->id : "");
    }
    return w.slots;
}

static int begin(void *ctx, const char *service, uint32_t ordinal, const char *version,
                 struct hf_error *e)
{
    (void)ctx;
    (void)service;
    if (!alive())
        return HF_EAGAIN;
    if (in_slot(ordinal, CANDIDATE)) {
        if (strcmp(in_slot(ordinal, CANDIDATE)->version, version) == 0)
            return 0;
        return hf_error_set(e, HF_EEXIST, "another is under test");
    }
    if (w.never_ready && strcmp(w.never_ready, "cannot begin") == 0)
        return hf_error_set(e, HF_ENOENT, "no such file");
    run(ordinal, version, true)->fails = w.never_ready && strcmp(w.never_ready, version) == 0;
    w.begun[number(version)]++;
    return 0;
}

static int accept_one(void *ctx, const char *service, uint32_t ordinal, const char *instance,
                      struct hf_error *e)
{
    struct running *old, *fresh = in_slot(ordinal, CANDIDATE);

    (void)ctx;
    (void)service;
    if (!alive())
        return HF_EAGAIN;
    old = in_slot(ordinal, CURRENT);
    if (old && strcmp(old->id, instance) == 0)
        return 0;
    if (!fresh || strcmp(fresh->id, instance) != 0)
        return hf_error_set(e, HF_ENOENT, "%s is not under test", instance);
    fresh->role = CURRENT;
    snprintf(w.slot_version[ordinal], HF_VERSION_TEXT, "%s", fresh->version);
    hf_instance_candidate_set(w.catalog, shown(instance), false);
    if (old)
        old->role = RETIRED;
    w.accepted[number(fresh->version)]++;
    return 0;
}

static int abort_one(void *ctx, const char *service, uint32_t ordinal, struct hf_error *e)
{
    struct running *r = in_slot(ordinal, CANDIDATE);

    (void)ctx;
    (void)service;
    (void)e;
    if (!alive())
        return HF_EAGAIN;
    if (r && r->fails)
        end(r);
    else if (r)
        r->role = RETIRED;
    return 0;
}

static int stop(void *ctx, const char *instance, struct hf_error *e)
{
    struct running *r = running(instance);
    struct hf_instance *i = shown(instance);

    (void)ctx;
    if (!alive())
        return HF_EAGAIN;
    if (!r)
        return hf_error_set(e, HF_ENOENT, "no such instance");
    if (!w.stuck && (r->picked || r->flying || i->state != HF_INSTANCE_DRAINING))
        fail_msg("%s stopped: picked %d, in flight %u, %s\n%s", instance, (int)r->picked, r->flying,
                 hf_instance_state_name(i->state), w.story);
    if (r->role == CURRENT)
        fail_msg("the current instance is stopped: %s", instance);
    w.stopped[number(r->version)]++;
    end(r);
    return 0;
}

static const struct hf_release_runner runner = {
    NULL, slots, begin, accept_one, abort_one, stop,
};

/* Health, and what the orchestrator tells once it is stored. */
static void others_turn(void)
{
    for (size_t k = 0; k < w.n_running; k++) {
        struct running *r = &w.running[k];
        struct hf_instance *i = shown(r->id);
        if (i->state == HF_INSTANCE_STARTING && r->fails)
            hf_instance_state_set(w.catalog, i, HF_INSTANCE_FAILED, "exited with 1");
        else if (i->state == HF_INSTANCE_STARTING)
            hf_instance_state_set(w.catalog, i, HF_INSTANCE_READY, "GET /-/ready: 200");
        if (r->role == RETIRED && !r->told && !w.mute) {
            r->told = true;
            hf_release_retired(w.engine, i);
        }
    }
}

/* --- the world --- */

static void on_event(void *ctx, json_t *event, const char *line)
{
    size_t n = strlen(w.story);

    (void)ctx;
    assert_non_null(json_object_get(event, "text"));
    w.events++;
    snprintf(w.story + n, sizeof(w.story) - n, "%s\n", line);
}

static void on_over(void *ctx, const struct hf_release_doc *d)
{
    (void)ctx;
    assert_true(hf_release_over(d));
    w.over++;
}

static void controller_start(void)
{
    struct hf_release_needs needs = {.loop = w.loop,
                                     .catalog = w.catalog,
                                     .store = w.store,
                                     .board = w.board,
                                     .state = w.folder,
                                     .term = 1,
                                     .publish = publish,
                                     .event = on_event,
                                     .over = on_over};
    struct hf_error e;

    if (hf_release_engine_new(&needs, &w.engine, &e))
        fail_msg("%s", e.text);
    hf_release_engine_start(w.engine, &runner);
}

/* kill -9: what was only in memory is gone; the new one's first plan lets everybody in again. */
static void controller_crash(void)
{
    w.engine = hf_release_engine_free(w.engine);
    w.dead = false;
    w.kill_at = 0;
    hf_service_candidate_share_set(w.catalog, w.service, 0);
    for (size_t k = 0; k < w.n_running; k++) {
        struct hf_instance *i = shown(w.running[k].id);
        if (i->state == HF_INSTANCE_DRAINING)
            hf_instance_state_set(w.catalog, i, HF_INSTANCE_READY, "adopted");
        w.running[k].told = false;
    }
    publish_now();
    controller_start();
}

static void turn(void)
{
    hf_loop_turn(w.loop, hf_ms(1));
    if (w.dead)
        controller_crash();
    others_turn();
    if (w.changed)
        publish_now();
    gateway_turn();
}

static int set_up(void **state)
{
    static char *argv[] = {(char *)(uintptr_t) "./orders", NULL};
    static struct hf_config_route route;
    struct hf_board_capacity capacity = {1, 4, 64, 4};
    uint32_t slot;

    (void)state;
    memset(&w, 0, sizeof(w));
    scratch_make(w.folder, sizeof(w.folder));
    w.slots = 2;
    w.versions[0].name = (char *)(uintptr_t) "1.3.0";
    w.versions[1].name = (char *)(uintptr_t) "1.4.0";
    w.versions[2].name = (char *)(uintptr_t) "1.5.0";
    route.host = (char *)(uintptr_t) "";
    w.config.name = (char *)(uintptr_t) "orders";
    w.config.version = w.versions[0].name;
    w.config.route = &route;
    w.config.n_route = 1;
    w.config.command = (struct hf_config_argv){.argv = argv, .n = 1};
    w.config.versions = w.versions;
    w.config.n_versions = 3;
    w.config.release.bake = hf_ms(20);
    w.config.release.weight = 1000;
    w.config.release.errors = 100;
    w.config.release.requests = 1000;
    w.config.release.timeout = hf_seconds(5);
    w.config.health.start = hf_seconds(20);
    w.config.stop.timeout = hf_seconds(20);
    w.config.timeout.drain = hf_seconds(20);
    w.smoke = (struct hf_config_smoke){.get = (char *)(uintptr_t) "/orders/1", .expect = 200};
    w.config.release.smoke = &w.smoke;
    if (hf_loop_new(&w.loop, NULL) || hf_store_open("sqlite", w.folder, w.loop, &w.store, NULL) ||
        hf_board_create(&capacity, &w.board, NULL) || hf_board_claim(w.board, &slot))
        return 1;
    hf_live_init(hf_board_live(w.board, slot).live, &capacity);
    w.catalog = hf_catalog_new();
    w.observer.on_change = on_change;
    hf_catalog_observe(w.catalog, &w.observer);
    if (hf_catalog_service_add(w.catalog, "orders", &w.service) ||
        hf_service_version_set(w.catalog, w.service, "1.3.0", ""))
        return 1;
    hf_service_config_set(w.catalog, w.service, &w.config);
    for (uint32_t o = 1; o <= w.slots; o++) {
        run(o, "1.3.0", false);
        snprintf(w.slot_version[o], HF_VERSION_TEXT, "%s", "1.3.0");
    }
    others_turn();
    w.generation = 1;
    w.turns_since_publish = LAG;
    gateway_turn();
    controller_start();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    w.engine = hf_release_engine_free(w.engine);
    w.store = hf_store_free(w.store);
    w.catalog = hf_catalog_free(w.catalog);
    w.board = hf_board_free(w.board);
    w.loop = hf_loop_free(w.loop);
    scratch_remove(w.folder);
    return 0;
}

/* --- following a release --- */

static uint32_t request(const char *version)
{
    struct hf_error e;
    uint32_t id;

    if (hf_release_request(w.engine, "orders", version, "ann", NULL, NULL, &id, &e))
        fail_msg("%s", e.text);
    return id;
}

/* Turns until no release is under way. crash_at: the number of the transition after which the
 * controller is killed, its store write still under way; 0: never. Returns how many there were. */
static unsigned follow(unsigned crash_at)
{
    struct hf_mono deadline = hf_mono_add(hf_mono_now(), hf_seconds(60));
    const struct hf_release_doc *d;
    unsigned transitions = 0;
    uint32_t lines = 0;

    while ((d = hf_release_current(w.engine))) {
        if (d->n_lines > lines) {
            transitions++;
            lines = d->n_lines;
            if (transitions == crash_at) {
                controller_crash();
                d = hf_release_current(w.engine);
                lines = d ? d->n_lines : 0;
            }
        }
        turn();
        if (!hf_mono_before(hf_mono_now(), deadline))
            fail_msg("does not end: %s", w.story);
    }
    for (int k = 0; k < 20; k++) /* what was retired meanwhile */
        turn();
    return transitions;
}

static void expect_fleet(const char *version, unsigned begun, unsigned stopped_old)
{
    unsigned v = number(version);

    assert_int_equal(w.n_running, w.slots);
    assert_int_equal(w.service->candidate_share, 0);
    for (uint32_t o = 1; o <= w.slots; o++) {
        const struct running *r = in_slot(o, CURRENT);
        assert_non_null(r);
        assert_string_equal(r->version, version);
        assert_string_equal(w.slot_version[o], version);
        assert_int_equal(shown(r->id)->state, HF_INSTANCE_READY);
        assert_false(shown(r->id)->candidate);
    }
    if (w.begun[v] != begun || w.stopped[v ? 0 : 1] != stopped_old)
        fail_msg("%s: begun %u, stopped %u of the other\n%s", version, w.begun[v],
                 w.stopped[v ? 0 : 1], w.story);
}

static void a_good_release(void **state)
{
    const struct hf_release_doc *d;
    const char *previous;
    uint32_t id = request("1.4.0");

    (void)state;
    follow(0);
    d = hf_release_find(w.engine, id);
    assert_int_equal(d->state, HF_RELEASE_DONE);
    expect_fleet("1.4.0", 2, 2);
    assert_string_equal(w.service->version, "1.4.0");
    assert_string_equal(w.service->previous, "1.3.0");
    assert_string_equal(hf_release_accepted(w.engine, "orders", &previous), "1.4.0");
    assert_string_equal(previous, "1.3.0");
    assert_int_equal(w.over, 1);
    assert_int_equal(w.events, d->n_lines);
    assert_non_null(strstr(w.story, "judged by smoke alone"));
    assert_non_null(strstr(w.story, "every gateway acknowledged"));
    assert_non_null(strstr(w.story, "done: version 1.4.0 runs everywhere"));
    /* and a new controller knows it all */
    controller_crash();
    assert_string_equal(hf_release_accepted(w.engine, "orders", NULL), "1.4.0");
    assert_int_equal(hf_release_find(w.engine, id)->state, HF_RELEASE_DONE);
    assert_null(hf_release_current(w.engine));
}

static void refuses(const char *service, const char *version, int code, const char *text)
{
    struct hf_error e = {0};
    uint32_t id = 77;

    assert_int_equal(hf_release_request(w.engine, service, version, "ann", NULL, NULL, &id, &e),
                     code);
    if (!strstr(e.text, text))
        fail_msg("%s", e.text);
    assert_int_equal(id, 77);
}

static void refusals(void **state)
{
    (void)state;
    refuses("order", "1.4.0", HF_ENOENT, "there is no service order");
    refuses("orders", "9", HF_ENOENT, "no version 9 in the configuration; it has 1.3.0, 1.4.0");
    refuses("orders", "1.3.0", HF_EREFUSED, "orders runs version 1.3.0 already");
    hf_instance_state_set(w.catalog, shown(w.running[0].id), HF_INSTANCE_EJECTED, "fails users");
    refuses("orders", "1.4.0", HF_EREFUSED, "a/1 of orders is ejected: fails users");
    hf_instance_state_set(w.catalog, shown(w.running[0].id), HF_INSTANCE_READY, "well again");
    request("1.4.0");
    refuses("orders", "1.5.0", HF_EREFUSED, "another release is under way: orders 1.3.0 -> 1.4.0");
    follow(0);
    expect_fleet("1.4.0", 2, 2);
}

static void smoke_stops_a_bad_one_at_the_first_node(void **state)
{
    uint32_t id = request("1.4.0");

    (void)state;
    w.config.release.n_smoke = 1; /* nobody listens there */
    follow(0);
    assert_int_equal(hf_release_find(w.engine, id)->state, HF_RELEASE_ROLLED_BACK);
    assert_non_null(strstr(hf_release_find(w.engine, id)->why, "a/1: GET /orders/1: "));
    expect_fleet("1.3.0", 0, 1);
    assert_int_equal(w.begun[1], 1);
    assert_int_equal(w.accepted[1], 0);
    assert_string_equal(w.service->version, "1.3.0");
}

static void one_that_never_gets_ready(void **state)
{
    uint32_t id = request("1.4.0");

    (void)state;
    w.never_ready = "1.4.0";
    follow(0);
    assert_int_equal(hf_release_find(w.engine, id)->state, HF_RELEASE_ROLLED_BACK);
    assert_non_null(strstr(hf_release_find(w.engine, id)->why, "exited with 1"));
    expect_fleet("1.3.0", 0, 0);
}

static void one_that_cannot_begin(void **state)
{
    uint32_t id = request("1.4.0");

    (void)state;
    w.never_ready = "cannot begin";
    follow(0);
    assert_int_equal(hf_release_find(w.engine, id)->state, HF_RELEASE_ROLLED_BACK);
    assert_non_null(
        strstr(hf_release_find(w.engine, id)->why, "cannot start version 1.4.0: no such file"));
    expect_fleet("1.3.0", 0, 0);
}

/* Passes its smoke test and fails users, on the node with the number. */
static void fail_users_on(uint32_t ordinal)
{
    const struct running *r = in_slot(ordinal, CANDIDATE);

    if (r && r->picked && strcmp(r->version, "1.4.0") == 0)
        hf_count_add(&endpoint(shown(r->id))->failures, 1);
}

static void one_that_fails_users_goes_back_everywhere(void **state)
{
    uint32_t id = request("1.4.0");
    const struct hf_release_doc *d;

    (void)state;
    w.config.release.bake = hf_seconds(20); /* stopped long before */
    while ((d = hf_release_current(w.engine)) && !hf_release_over(d)) {
        if (d->at == 0 && d->step == HF_STEP_BAKE)
            w.config.release.bake = hf_ms(20);
        else if (d->at == 1)
            w.config.release.bake = hf_seconds(20);
        turn();
        fail_users_on(2);
    }
    for (int k = 0; k < 50; k++)
        turn();
    d = hf_release_find(w.engine, id);
    assert_int_equal(d->state, HF_RELEASE_ROLLED_BACK);
    assert_non_null(strstr(d->why, "b/2: fails users: "));
    expect_fleet("1.3.0", 1, 2); /* the first slot returned by a new instance */
    assert_int_equal(w.begun[1], 2);
    assert_int_equal(w.accepted[1], 1);
}

/* A request that never ends: the drain deadline passes, and what that costs is recorded. */
static void a_late_drain_has_a_price(void **state)
{
    uint32_t id = request("1.4.0");

    (void)state;
    w.stuck = true;
    w.config.timeout.drain = hf_ms(60);
    follow(0);
    assert_int_equal(hf_release_find(w.engine, id)->state, HF_RELEASE_DONE);
    assert_non_null(strstr(w.story, "not drained after"));
    assert_non_null(strstr(w.story, "2 requests in flight are cut"));
}

static void a_drain_waits_for_the_slowest_gateway(void **state)
{
    const struct hf_release_doc *d;
    uint64_t held;

    (void)state;
    request("1.4.0");
    while (!(d = hf_release_current(w.engine)) || d->step != HF_STEP_DRAIN)
        turn();
    while (shown(d->places[0].old)->state != HF_INSTANCE_DRAINING)
        turn();
    held = w.generation;
    for (int k = 0; k < 100; k++) {
        w.turns_since_publish = 0; /* it never looks */
        hf_loop_turn(w.loop, hf_ms(1));
        others_turn();
        assert_int_equal(d->step, HF_STEP_DRAIN);
    }
    assert_int_equal(w.generation, held); /* published once */
    follow(0);
    expect_fleet("1.4.0", 2, 2);
}

/* Until the orchestrator has it on disk, a crash would make the old one the slot's again. */
static void nothing_is_drained_before_the_acceptance_is_durable(void **state)
{
    const struct hf_release_doc *d;

    (void)state;
    w.mute = true;
    request("1.4.0");
    while (!(d = hf_release_current(w.engine)) || w.accepted[1] == 0)
        turn();
    for (int k = 0; k < 100; k++)
        turn();
    assert_int_equal(d->step, HF_STEP_ACCEPT);
    assert_int_equal(shown(d->places[0].old)->state, HF_INSTANCE_READY);
    w.mute = false;
    follow(0);
    expect_fleet("1.4.0", 2, 2);
}

static void the_last_instance_is_not_drained(void **state)
{
    const struct hf_release_doc *d;
    struct hf_instance *fresh, *other;

    (void)state;
    request("1.4.0");
    while (!(d = hf_release_current(w.engine)) || d->step != HF_STEP_ACCEPT)
        turn();
    fresh = shown(d->places[0].fresh);
    other = shown(in_slot(2, CURRENT)->id);
    hf_instance_state_set(w.catalog, fresh, HF_INSTANCE_EJECTED, "test");
    hf_instance_state_set(w.catalog, other, HF_INSTANCE_EJECTED, "test");
    while (d->step != HF_STEP_DRAIN)
        turn();
    for (int k = 0; k < 50; k++)
        turn();
    assert_int_equal(shown(d->places[0].old)->state, HF_INSTANCE_READY);
    hf_instance_state_set(w.catalog, fresh, HF_INSTANCE_READY, "test");
    hf_instance_state_set(w.catalog, other, HF_INSTANCE_READY, "test");
    follow(0);
    expect_fleet("1.4.0", 2, 2);
}

/* --- killed anywhere --- */

static void again(void)
{
    void *none = NULL;

    tear_down(&none);
    assert_int_equal(set_up(&none), 0);
}

static void expect_done(void)
{
    const struct hf_release_doc *d = hf_release_find(w.engine, 1);

    if (d->state != HF_RELEASE_DONE)
        fail_msg("%s: %s\n%s", hf_release_state_name(d->state), d->why, w.story);
    expect_fleet("1.4.0", 2, 2);
    assert_int_equal(w.accepted[1], 2);
    assert_string_equal(w.service->version, "1.4.0");
}

static void killed_at_every_transition(void **state)
{
    unsigned transitions;

    (void)state;
    request("1.4.0");
    transitions = follow(0);
    assert_in_range(transitions, 16, 18);
    for (unsigned k = 1; k <= transitions; k++) {
        again();
        request("1.4.0");
        while (hf_release_current(w.engine)->revision == 0)
            turn();
        follow(k);
        expect_done();
    }
}

static void killed_around_every_action(void **state)
{
    unsigned actions;

    (void)state;
    request("1.4.0");
    follow(0);
    actions = w.actions;
    assert_int_equal(actions, 8); /* of each slot: begin, accept, publish, stop */
    for (unsigned k = 1; k <= actions; k++) {
        for (int before = 0; before < 2; before++) {
            again();
            w.kill_at = k;
            w.kill_before = before;
            request("1.4.0");
            follow(0);
            expect_done();
        }
    }
}

/* The second slot fails its smoke test; then the way back is killed. */
static void roll_back(unsigned crash_at, unsigned kill_at, bool before, unsigned *ret_transitions)
{
    const struct hf_release_doc *d;
    unsigned n;

    request("1.4.0");
    while (!(d = hf_release_current(w.engine)) || d->at != 1)
        turn();
    w.config.release.n_smoke = 1;
    while (hf_release_current(w.engine)->state != HF_RELEASE_ROLLING_BACK)
        turn();
    w.actions = 0;
    w.kill_at = kill_at;
    w.kill_before = before;
    n = follow(crash_at);
    if (ret_transitions)
        *ret_transitions = n;
    d = hf_release_find(w.engine, 1);
    if (d->state != HF_RELEASE_ROLLED_BACK)
        fail_msg("%s: %s\n%s", hf_release_state_name(d->state), d->why, w.story);
    expect_fleet("1.3.0", 1, 2);
    assert_int_equal(w.accepted[0], 1);
    assert_string_equal(w.service->version, "1.3.0");
}

static void killed_on_the_way_back(void **state)
{
    unsigned transitions, actions;

    (void)state;
    roll_back(0, 0, false, &transitions);
    actions = w.actions;
    assert_in_range(transitions, 6, 9);
    for (unsigned k = 1; k <= transitions; k++) {
        again();
        roll_back(k, 0, false, NULL);
    }
    for (unsigned k = 1; k <= actions; k++) {
        again();
        roll_back(0, k, k % 2, NULL);
        again();
        roll_back(0, k, !(k % 2), NULL);
    }
}

static void what_cannot_go_back_is_told(void **state)
{
    const struct hf_release_doc *d;

    (void)state;
    request("1.4.0");
    while (!(d = hf_release_current(w.engine)) || d->at != 1)
        turn();
    w.config.release.n_smoke = 1;
    w.never_ready = "1.3.0";
    follow(0);
    d = hf_release_find(w.engine, 1);
    assert_int_equal(d->state, HF_RELEASE_FAILED);
    assert_non_null(strstr(d->why, "a/1 cannot return to 1.3.0"));
    assert_non_null(strstr(d->why, "a/1 runs 1.4.0, b/2 runs 1.3.0"));
    assert_string_equal(w.slot_version[1], "1.4.0");
    assert_string_equal(w.slot_version[2], "1.3.0");
    assert_int_equal(w.n_running, 2);
    /* and mended by the next release, which leaves alone what runs its version already */
    w.config.release.n_smoke = 0;
    w.never_ready = NULL;
    request("1.4.0");
    follow(0);
    assert_string_equal(w.slot_version[2], "1.4.0");
    assert_string_equal(w.service->version, "1.4.0");
    assert_int_equal(w.begun[1], 3);
}

/* --- the configuration's wish --- */

static void configured_waits_and_releases_once(void **state)
{
    (void)state;
    hf_release_configured(w.engine, w.service);
    assert_null(hf_release_current(w.engine));
    hf_instance_state_set(w.catalog, shown(w.running[0].id), HF_INSTANCE_EJECTED, "not now");
    w.config.version = w.versions[1].name;
    hf_release_configured(w.engine, w.service);
    hf_release_configured(w.engine, w.service); /* asked twice is one wish */
    for (int k = 0; k < 100; k++)
        turn();
    assert_int_equal(hf_release_current(w.engine)->state, HF_RELEASE_REQUESTED);
    assert_int_equal(w.begun[1], 0);
    controller_crash(); /* the wish is stored */
    hf_release_configured(w.engine, w.service);
    hf_instance_state_set(w.catalog, shown(w.running[0].id), HF_INSTANCE_READY, "now");
    follow(0);
    expect_fleet("1.4.0", 2, 2);
    /* a release by hand is not reverted by a file that did not change */
    request("1.5.0");
    follow(0);
    hf_release_configured(w.engine, w.service);
    assert_null(hf_release_current(w.engine));
    assert_string_equal(w.service->version, "1.5.0");
    assert_null(hf_release_find(w.engine, 3));
}

static void an_older_wish_is_overtaken(void **state)
{
    (void)state;
    hf_release_configured(w.engine, w.service);
    hf_instance_state_set(w.catalog, shown(w.running[0].id), HF_INSTANCE_EJECTED, "not now");
    w.config.version = w.versions[1].name;
    hf_release_configured(w.engine, w.service);
    while (hf_release_find(w.engine, 1)->revision == 0)
        turn();
    w.config.version = w.versions[2].name;
    hf_release_configured(w.engine, w.service);
    hf_instance_state_set(w.catalog, shown(w.running[0].id), HF_INSTANCE_READY, "now");
    follow(0);
    assert_int_equal(hf_release_find(w.engine, 1)->state, HF_RELEASE_BLOCKED);
    assert_int_equal(hf_release_find(w.engine, 2)->state, HF_RELEASE_DONE);
    assert_string_equal(w.service->version, "1.5.0");
    assert_int_equal(w.begun[1], 0);
    /* the wish was met once: another controller does not have it again */
    request("1.3.0");
    follow(0);
    controller_crash();
    hf_release_configured(w.engine, w.service);
    assert_null(hf_release_current(w.engine));
    assert_string_equal(w.service->version, "1.3.0");
}

/* --- bookkeeping --- */

static void the_last_ones_are_kept(void **state)
{
    json_t *list;

    (void)state;
    w.never_ready = "cannot begin";
    for (unsigned k = 1; k <= HF_RELEASE_KEEP + 3; k++) {
        request("1.4.0");
        while (hf_release_current(w.engine))
            turn();
    }
    controller_crash();
    list = hf_release_list_json(w.engine);
    assert_int_equal(json_array_size(list), HF_RELEASE_KEEP);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(list, 0), "release")),
                     HF_RELEASE_KEEP + 3);
    assert_null(json_object_get(json_array_get(list, 0), "log"));
    json_decref(list);
    assert_null(hf_release_find(w.engine, 3));
    assert_non_null(hf_release_find(w.engine, 4));
}

/* Scaled in, or taken out of the configuration: no release, but the same care. */
static void others_that_are_retired(void **state)
{
    (void)state;
    in_slot(2, CURRENT)->role = RETIRED;
    w.slots = 1;
    for (int k = 0; k < 100 && w.n_running > 1; k++)
        turn();
    assert_int_equal(w.n_running, 1);
    assert_int_equal(w.stopped[0], 1);
}

static void another_controller_took_over(void **state)
{
    struct hf_store_answer answer = {0};
    const struct hf_release_doc *d;

    (void)state;
    request("1.4.0");
    while (!(d = hf_release_current(w.engine)) || d->step != HF_STEP_BAKE)
        turn();
    while (hf_store_pending(w.store))
        turn();
    assert_int_equal(hf_store_wait(w.store,
                                   &(struct hf_store_op){HF_STORE_PUT, .kind = "release",
                                                         .key = "00000001", .revision = d->revision,
                                                         .term = 2, .value = HF_STR("{}")},
                                   &answer),
                     0);
    hf_store_answer_done(&answer);
    for (int k = 0; k < 300; k++)
        turn();
    assert_int_equal(w.accepted[1], 0); /* nothing is done that was not stored */
    refuses("orders", "1.5.0", HF_EREFUSED, "does not lead");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_good_release),
        TEST(refusals),
        TEST(smoke_stops_a_bad_one_at_the_first_node),
        TEST(one_that_never_gets_ready),
        TEST(one_that_cannot_begin),
        TEST(one_that_fails_users_goes_back_everywhere),
        TEST(a_late_drain_has_a_price),
        TEST(a_drain_waits_for_the_slowest_gateway),
        TEST(nothing_is_drained_before_the_acceptance_is_durable),
        TEST(the_last_instance_is_not_drained),
        TEST(killed_at_every_transition),
        TEST(killed_around_every_action),
        TEST(killed_on_the_way_back),
        TEST(what_cannot_go_back_is_told),
        TEST(configured_waits_and_releases_once),
        TEST(an_older_wish_is_overtaken),
        TEST(the_last_ones_are_kept),
        TEST(others_that_are_retired),
        TEST(another_controller_took_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
