#include "test.h"

#include <stdio.h>
#include <string.h>

#include "config/config.h"
#include "release/drain.h"

static struct hf_loop *loop;
static struct hf_board *board;
static struct hf_catalog *catalog;
static struct hf_service *service;
static struct hf_config_service config;
static struct hf_instance *one, *other;
static struct hf_drainer *drainer;
static uint64_t generation;
static bool publishable;
static unsigned published, ends;
static char ended[HF_INSTANCE_ID];

static uint64_t publish(void *ctx)
{
    (void)ctx;
    if (!publishable)
        return 0;
    published++;
    return ++generation;
}

static void on_end(void *ctx, const char *instance, const struct hf_drain_seen *seen)
{
    assert_ptr_equal(ctx, &ends);
    assert_true(seen->state == HF_DRAIN_DONE || seen->state == HF_DRAIN_LATE);
    snprintf(ended, sizeof(ended), "%s", instance);
    ends++;
}

static struct hf_instance *add(const char *id, uint32_t slot)
{
    struct hf_instance_spec spec = {.id = id, .version = "1.0.0", .node = "a"};
    struct hf_instance *i = NULL;

    assert_int_equal(hf_catalog_instance_add(catalog, service, &spec, &i), 0);
    i->endpoint_slot = slot;
    i->incarnation = slot + 100;
    hf_instance_state_set(catalog, i, HF_INSTANCE_READY, "test");
    return i;
}

static int set_up(void **state)
{
    struct hf_board_capacity capacity = {1, 4, 8, 4};
    uint32_t slot;

    (void)state;
    generation = 7;
    published = ends = 0;
    publishable = true;
    ended[0] = '\0';
    memset(&config, 0, sizeof(config));
    config.timeout.drain = hf_seconds(60);
    catalog = hf_catalog_new();
    if (hf_loop_new(&loop, NULL) || hf_board_create(&capacity, &board, NULL) ||
        hf_board_claim(board, &slot) || hf_catalog_service_add(catalog, "orders", &service))
        return 1;
    hf_live_init(hf_board_live(board, slot).live, &capacity);
    hf_service_config_set(catalog, service, &config);
    one = add("one", 1);
    other = add("other", 2);
    drainer = hf_drainer_new(&(struct hf_drainer_needs){.loop = loop,
                                                        .catalog = catalog,
                                                        .board = board,
                                                        .publish = publish,
                                                        .end_ctx = &ends,
                                                        .on_end = on_end});
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    drainer = hf_drainer_free(drainer);
    board = hf_board_free(board);
    catalog = hf_catalog_free(catalog);
    loop = hf_loop_free(loop);
    return 0;
}

static void acknowledge(uint64_t g)
{
    struct hf_live_view v = hf_board_live(board, 0);

    atomic_store(&hf_live_worker(&v, 0)->generation, g);
}

static void fly(const struct hf_instance *i, uint32_t n)
{
    struct hf_live_view v = hf_board_live(board, 0);

    atomic_store(&hf_live_endpoints(&v, 0)[i->endpoint_slot].in_flight, n);
}

static enum hf_drain_state state_of(const char *id)
{
    return hf_drain_look(drainer, id).state;
}

/* Several looks at the board. */
static void turns(void)
{
    struct hf_mono until = hf_mono_add(hf_mono_now(), hf_ms(30));

    while (hf_mono_before(hf_mono_now(), until))
        hf_loop_turn(loop, hf_ms(5));
}

static void needs_both(void **state)
{
    (void)state;
    assert_int_equal(state_of("one"), HF_DRAIN_NONE);
    fly(one, 2);
    hf_drain_begin(drainer, one, "release 1");
    hf_drain_begin(drainer, one, "release 1"); /* once is enough */
    turns();
    assert_int_equal(one->state, HF_INSTANCE_DRAINING);
    assert_string_equal(one->why, "release 1");
    assert_int_equal(published, 1);
    assert_int_equal(state_of("one"), HF_DRAIN_WAITING);
    assert_int_equal(hf_drain_look(drainer, "one").in_flight, 2);
    fly(one, 0); /* but it could still be picked */
    turns();
    assert_int_equal(state_of("one"), HF_DRAIN_WAITING);
    fly(one, 1);
    acknowledge(generation);
    turns();
    assert_int_equal(state_of("one"), HF_DRAIN_WAITING);
    assert_int_equal(ends, 0);
    fly(one, 0);
    turns();
    assert_int_equal(state_of("one"), HF_DRAIN_DONE);
    assert_int_equal(ends, 1);
    assert_string_equal(ended, "one");
    hf_drain_forget(drainer, "one");
    assert_int_equal(state_of("one"), HF_DRAIN_NONE);
}

static void late(void **state)
{
    (void)state;
    config.timeout.drain = hf_ms(20);
    fly(one, 3);
    hf_drain_begin(drainer, one, "test");
    turns();
    acknowledge(generation);
    turns();
    assert_int_equal(state_of("one"), HF_DRAIN_LATE);
    assert_int_equal(hf_drain_look(drainer, "one").in_flight, 3);
    assert_int_equal(ends, 1);
}

/* Without a plan that says so, users are still sent there: no limit runs. */
static void no_plan(void **state)
{
    (void)state;
    publishable = false;
    config.timeout.drain = hf_ms(1);
    hf_drain_begin(drainer, one, "test");
    turns();
    assert_int_equal(state_of("one"), HF_DRAIN_WAITING);
    assert_int_equal(ends, 0);
    publishable = true;
    acknowledge(generation + 1);
    turns();
    assert_int_equal(ends, 1);
}

static void the_last_is_held(void **state)
{
    (void)state;
    acknowledge(1000);
    hf_instance_state_set(catalog, other, HF_INSTANCE_EJECTED, "test");
    hf_drain_begin(drainer, one, "test");
    turns();
    assert_int_equal(state_of("one"), HF_DRAIN_HELD);
    assert_int_equal(one->state, HF_INSTANCE_READY);
    assert_int_equal(published, 0);
    /* a candidate is no capacity */
    hf_instance_candidate_set(catalog, other, true);
    hf_instance_state_set(catalog, other, HF_INSTANCE_READY, "test");
    turns();
    assert_int_equal(state_of("one"), HF_DRAIN_HELD);
    hf_instance_candidate_set(catalog, other, false);
    turns();
    assert_int_equal(state_of("one"), HF_DRAIN_DONE);
}

static void the_last_of_a_service_that_is_gone(void **state)
{
    (void)state;
    acknowledge(1000);
    hf_service_config_set(catalog, service, NULL);
    hf_drain_begin(drainer, one, "test");
    hf_drain_begin(drainer, other, "test");
    turns();
    assert_int_equal(ends, 2);
}

static void gone_by_itself(void **state)
{
    (void)state;
    fly(one, 1);
    hf_drain_begin(drainer, one, "test");
    turns();
    assert_int_equal(ends, 0);
    hf_catalog_instance_remove(catalog, one);
    turns();
    assert_int_equal(state_of("one"), HF_DRAIN_DONE);
    assert_int_equal(ends, 1);
}

/* Somebody let it in again: what was acknowledged before counts for nothing. */
static void ready_again(void **state)
{
    (void)state;
    hf_drain_begin(drainer, one, "test");
    turns();
    hf_instance_state_set(catalog, one, HF_INSTANCE_READY, "test");
    acknowledge(generation);
    turns();
    assert_int_equal(published, 2);
    assert_int_equal(one->state, HF_INSTANCE_DRAINING);
    assert_int_equal(state_of("one"), HF_DRAIN_WAITING);
    acknowledge(generation);
    turns();
    assert_int_equal(state_of("one"), HF_DRAIN_DONE);
}

/* Never in a plan: the counters at its slot, 0, are another's. */
static void never_in_a_plan(void **state)
{
    struct hf_instance *i = add("new", 0);

    (void)state;
    i->incarnation = 0;
    fly(i, 9);
    hf_drain_begin(drainer, i, "test");
    turns();
    assert_int_equal(state_of("new"), HF_DRAIN_DONE);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(needs_both),
        TEST(late),
        TEST(no_plan),
        TEST(the_last_is_held),
        TEST(the_last_of_a_service_that_is_gone),
        TEST(gone_by_itself),
        TEST(ready_again),
        TEST(never_in_a_plan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
