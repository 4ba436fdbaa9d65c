#include "test.h"

#include "core/balance.h"
#include "core/eject.h"

#include "core_sample.h"

enum { PICKS = 100000 };

static struct core_sample sample;
static struct hf_random rng; /* seeded: a failure repeats */
static const struct hf_tried nowhere;
static const struct hf_mono start = {1000 * HF_NS_PER_S};
static uint32_t picked[SAMPLE_ENDPOINTS];

static void with(uint32_t endpoints)
{
    core_sample_init(&sample, endpoints);
    hf_random_seed(&rng, 4711);
    memset(picked, 0, sizeof(picked));
}

static int teardown(void **state)
{
    (void)state;
    core_sample_done(&sample);
    return 0;
}

static struct hf_live_endpoint *live(uint32_t index, uint32_t worker)
{
    return &sample.view[0].endpoints[worker][sample_endpoint(&sample, index)->slot];
}

static int pick(const struct hf_tried *tried)
{
    return hf_balance_pick(&sample.view[0], sample_service(&sample), tried, &rng, start);
}

static void pick_many(int n)
{
    for (int i = 0; i < n; i++) {
        int at = pick(&nowhere);
        assert_true(at >= 0);
        picked[at]++;
    }
}

/* Is the share of endpoint i within a tenth of per_mille? */
static void share(uint32_t i, uint32_t per_mille)
{
    uint32_t want = PICKS / 1000 * per_mille;

    if (picked[i] < want - want / 10 || picked[i] > want + want / 10)
        fail_msg("endpoint %u was picked %u times, not about %u", i, picked[i], want);
}

static void equals_share_equally(void **state)
{
    (void)state;
    with(5);
    pick_many(PICKS);
    for (uint32_t i = 0; i < 5; i++)
        share(i, 200);
}

static void latencies_that_are_alike_are_equal(void **state)
{
    (void)state;
    with(2);
    for (int i = 0; i < PICKS; i++) {
        int at = pick(&nowhere);
        picked[at]++;
        hf_balance_latency(live((uint32_t)at, 0), at ? 300 : 900);
    }
    share(0, 500);
    share(1, 500);
}

static void the_slow_one_gets_little_but_is_not_forgotten(void **state)
{
    (void)state;
    with(2);
    for (int i = 0; i < PICKS; i++) {
        int at = pick(&nowhere);
        picked[at]++;
        hf_balance_latency(live((uint32_t)at, 0), at ? 50000 : 1000);
    }
    assert_in_range(picked[1], PICKS / 1000, PICKS / 20);
}

static void one_slow_first_answer_shuns_nobody(void **state)
{
    (void)state;
    with(2);
    hf_balance_latency(live(1, 0), 5000);
    pick_many(PICKS);
    share(1, 500);
}

static void the_less_loaded_of_two_wins(void **state)
{
    (void)state;
    with(2);
    atomic_store(&live(0, 3)->in_flight, 3); /* another worker's count */
    atomic_store(&live(1, 0)->in_flight, 2);
    pick_many(1000);
    assert_int_equal(picked[1], 1000);
}

static void load_spreads_evenly(void **state)
{
    (void)state;
    with(8);
    for (int i = 0; i < 8000; i++) { /* all stay in flight */
        int at = pick(&nowhere);
        atomic_fetch_add(&live((uint32_t)at, 0)->in_flight, 1);
    }
    for (uint32_t i = 0; i < 8; i++)
        assert_in_range(atomic_load(&live(i, 0)->in_flight), 990, 1010);
}

static void weights_decide_between_equals(void **state)
{
    (void)state;
    with(2);
    sample_endpoint(&sample, 0)->weight = 300;
    pick_many(PICKS);
    share(0, 750);
    share(1, 250);
}

static void weights_decide_under_load(void **state)
{
    (void)state;
    with(2);
    sample_endpoint(&sample, 0)->weight = 300;
    for (int i = 0; i < 8000; i++) {
        int at = pick(&nowhere);
        atomic_fetch_add(&live((uint32_t)at, 0)->in_flight, 1);
    }
    assert_in_range(atomic_load(&live(0, 0)->in_flight), 5800, 6200);
}

static void the_candidate_gets_its_share_and_nothing_else(void **state)
{
    (void)state;
    with(4);
    sample_endpoint(&sample, 1)->flags = HF_ENDPOINT_CANDIDATE;
    sample_service(&sample)->candidate_share = 1000;
    pick_many(PICKS);
    share(1, 100);
    for (uint32_t i = 0; i < 4; i++) {
        if (i != 1)
            share(i, 300);
    }
    memset(picked, 0, sizeof(picked));
    sample_service(&sample)->candidate_share = 0;
    pick_many(1000);
    assert_int_equal(picked[1], 0);
}

static void retries_never_go_to_the_candidate(void **state)
{
    struct hf_tried tried = {.n = 1};

    (void)state;
    with(3);
    sample_endpoint(&sample, 0)->flags = HF_ENDPOINT_CANDIDATE;
    sample_service(&sample)->candidate_share = 10000;
    tried.slot[0] = sample_endpoint(&sample, 1)->slot;
    for (int i = 0; i < 1000; i++)
        assert_int_equal(pick(&tried), 2);
}

static void the_candidate_carries_all_when_it_is_all_there_is(void **state)
{
    (void)state;
    with(2);
    sample_endpoint(&sample, 0)->flags = HF_ENDPOINT_CANDIDATE;
    sample_endpoint(&sample, 1)->state = HF_ENDPOINT_DRAINING;
    sample_service(&sample)->candidate_share = 100;
    pick_many(1000);
    assert_int_equal(picked[0], 1000);
    sample_service(&sample)->candidate_share = 0;
    assert_int_equal(pick(&nowhere), HF_BALANCE_NONE);
}

static void eject(uint32_t index)
{
    uint32_t slot = sample_endpoint(&sample, index)->slot;

    atomic_store(&sample.view[0].healths[slot].ejected_until_ns, start.ns + HF_NS_PER_S);
}

static void what_drains_is_never_picked_not_even_in_panic(void **state)
{
    (void)state;
    with(4);
    sample_endpoint(&sample, 0)->state = HF_ENDPOINT_DRAINING;
    sample_endpoint(&sample, 1)->state = HF_ENDPOINT_EJECTED;
    pick_many(1000);
    assert_int_equal(picked[0] + picked[1], 0);
    eject(2);
    eject(3);
    memset(picked, 0, sizeof(picked));
    pick_many(1000); /* panic: an ejected one is better than none */
    assert_int_equal(picked[0] + picked[1], 0);
    assert_true(picked[2] > 300 && picked[3] > 300);
    sample_endpoint(&sample, 2)->state = HF_ENDPOINT_DRAINING;
    sample_endpoint(&sample, 3)->state = HF_ENDPOINT_DRAINING;
    for (int i = 0; i < 100; i++)
        assert_int_equal(pick(&nowhere), HF_BALANCE_NONE);
    core_sample_done(&sample);
    with(0);
    assert_int_equal(pick(&nowhere), HF_BALANCE_NONE);
}

static void what_is_ejected_is_left_out(void **state)
{
    (void)state;
    with(4);
    eject(2);
    pick_many(1000);
    assert_int_equal(picked[2], 0);
    assert_true(picked[0] && picked[1] && picked[3]);
}

static void one_pick_takes_the_trial(void **state)
{
    uint32_t slot;

    (void)state;
    with(2);
    slot = sample_endpoint(&sample, 1)->slot;
    atomic_store(&sample.view[0].healths[slot].ejected_until_ns, start.ns);
    assert_int_equal(hf_eject_state(&sample.view[0], slot, start), HF_EJECT_HALF_OPEN);
    pick_many(1000);
    assert_int_equal(picked[1], 1);
}

static void a_retry_goes_elsewhere_if_there_is_an_elsewhere(void **state)
{
    struct hf_tried tried = {.n = 2};

    (void)state;
    with(3);
    tried.slot[0] = sample_endpoint(&sample, 0)->slot;
    tried.slot[1] = sample_endpoint(&sample, 2)->slot;
    for (int i = 0; i < 1000; i++)
        assert_int_equal(pick(&tried), 1);
    tried.n = 1;
    for (int i = 0; i < 1000; i++)
        assert_int_not_equal(pick(&tried), 0);
    tried.n = 2;
    assert_true(hf_balance_elsewhere(&sample.view[0], sample_service(&sample), &tried, start));
    eject(1);
    assert_false(hf_balance_elsewhere(&sample.view[0], sample_service(&sample), &tried, start));
    for (int i = 0; i < 1000; i++)
        picked[pick(&tried)]++;
    assert_true(picked[0] > 300 && picked[2] > 300);
}

static void the_average_moves_by_an_eighth(void **state)
{
    struct hf_live_endpoint ep = {0};

    (void)state;
    hf_balance_latency(&ep, 8000);
    assert_int_equal(ep.ewma_us, 1000);
    for (int i = 0; i < 100; i++)
        hf_balance_latency(&ep, 8000);
    assert_in_range(ep.ewma_us, 7900, 8000);
    hf_balance_latency(&ep, 0);
    assert_in_range(ep.ewma_us, 6900, 7000);
    for (int i = 0; i < 200; i++)
        hf_balance_latency(&ep, UINT64_MAX);
    assert_in_range(ep.ewma_us, UINT32_MAX / 2 - 100, UINT32_MAX / 2);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, teardown)
    const struct CMUnitTest tests[] = {
        TEST(equals_share_equally),
        TEST(latencies_that_are_alike_are_equal),
        TEST(the_slow_one_gets_little_but_is_not_forgotten),
        TEST(one_slow_first_answer_shuns_nobody),
        TEST(the_less_loaded_of_two_wins),
        TEST(load_spreads_evenly),
        TEST(weights_decide_between_equals),
        TEST(weights_decide_under_load),
        TEST(the_candidate_gets_its_share_and_nothing_else),
        TEST(retries_never_go_to_the_candidate),
        TEST(the_candidate_carries_all_when_it_is_all_there_is),
        TEST(what_drains_is_never_picked_not_even_in_panic),
        TEST(what_is_ejected_is_left_out),
        TEST(one_pick_takes_the_trial),
        TEST(a_retry_goes_elsewhere_if_there_is_an_elsewhere),
        cmocka_unit_test(the_average_moves_by_an_eighth),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
