#include "test.h"

#include <pthread.h>
#include <sched.h>

#include "base/random.h"
#include "core/eject.h"

#include "core_sample.h"

static struct core_sample sample;
static const struct hf_mono start = {1000 * HF_NS_PER_S};

static int setup(void **state)
{
    (void)state;
    core_sample_init(&sample, 4);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    core_sample_done(&sample);
    return 0;
}

static struct hf_mono after(int64_t ms)
{
    return hf_mono_add(start, hf_ms(ms));
}

static bool result(uint32_t slot, enum hf_result r, struct hf_mono now)
{
    return hf_eject_result(&sample.view[0], sample_service(&sample), slot, r, now);
}

static enum hf_eject_state state_of(uint32_t slot, struct hf_mono now)
{
    return hf_eject_state(&sample.view[0], slot, now);
}

static uint32_t out(void)
{
    return atomic_load(&sample.view[0].floors[1].ejected);
}

static void eject(uint32_t slot, struct hf_mono now)
{
    assert_false(result(slot, HF_RESULT_FAILED, now));
    assert_false(result(slot, HF_RESULT_FAILED, now));
    assert_true(result(slot, HF_RESULT_FAILED, now));
}

static void failures_in_a_row_eject(void **state)
{
    (void)state;
    assert_false(result(0, HF_RESULT_FAILED, start));
    assert_false(result(0, HF_RESULT_FAILED, start));
    assert_false(result(0, HF_RESULT_OK, start)); /* the row is broken */
    assert_false(result(0, HF_RESULT_FAILED, start));
    assert_false(result(0, HF_RESULT_NONE, start)); /* says nothing */
    assert_false(result(0, HF_RESULT_FAILED, start));
    assert_int_equal(state_of(0, start), HF_EJECT_IN);
    assert_true(result(0, HF_RESULT_FAILED, start));
    assert_int_equal(state_of(0, start), HF_EJECT_OUT);
    assert_int_equal(state_of(1, start), HF_EJECT_IN);
    assert_int_equal(out(), 1);
    sample_service(&sample)->eject_failures = 0;
    for (int i = 0; i < 100; i++)
        assert_false(result(1, HF_RESULT_FAILED, start));
}

static void one_request_tries_a_half_open_one(void **state)
{
    (void)state;
    eject(0, start);
    assert_int_equal(state_of(0, after(999)), HF_EJECT_OUT);
    assert_int_equal(state_of(0, after(1000)), HF_EJECT_HALF_OPEN);
    assert_true(hf_eject_take_trial(&sample.view[0], 0));
    assert_false(hf_eject_take_trial(&sample.view[1], 0));
    assert_int_equal(state_of(0, after(1000)), HF_EJECT_OUT);
    /* The client left: the next one may try. */
    result(0, HF_RESULT_NONE, after(1001));
    assert_int_equal(state_of(0, after(1001)), HF_EJECT_HALF_OPEN);
    assert_true(hf_eject_take_trial(&sample.view[0], 0));
    result(0, HF_RESULT_OK, after(1002));
    assert_int_equal(state_of(0, after(1002)), HF_EJECT_IN);
    assert_int_equal(out(), 0);
}

static void each_failed_trial_doubles_the_time(void **state)
{
    static const int64_t lasts[] = {1000, 2000, 4000, 5000, 5000};
    struct hf_mono now = start;

    (void)state;
    eject(0, now);
    for (size_t i = 0; i < HF_COUNT(lasts); i++) {
        struct hf_mono over = hf_mono_add(now, hf_ms(lasts[i]));
        assert_int_equal(state_of(0, hf_mono_add(over, hf_ms(-1))), HF_EJECT_OUT);
        assert_int_equal(state_of(0, over), HF_EJECT_HALF_OPEN);
        assert_true(hf_eject_take_trial(&sample.view[0], 0));
        assert_false(result(0, HF_RESULT_FAILED, over));
        assert_int_equal(out(), 1);
        now = over;
    }
}

static void an_answer_from_before_proves_nothing(void **state)
{
    (void)state;
    eject(0, start);
    result(0, HF_RESULT_OK, after(10));
    assert_int_equal(state_of(0, after(10)), HF_EJECT_OUT);
    assert_int_equal(out(), 1);
    assert_false(result(0, HF_RESULT_FAILED, after(20)));
    assert_int_equal(state_of(0, after(1000)), HF_EJECT_HALF_OPEN);
}

static void a_third_stays_in_and_always_one(void **state)
{
    static const uint32_t allowed[] = {0, 0, 1, 2, 2, 3, 4, 4, 5, 6, 6};

    (void)state;
    for (uint32_t n = 0; n < HF_COUNT(allowed); n++)
        assert_int_equal(hf_eject_allowed(n), allowed[n]);
    eject(0, start);
    eject(1, start);
    for (int i = 0; i < 10; i++)
        assert_false(result(2, HF_RESULT_FAILED, start));
    assert_int_equal(state_of(2, start), HF_EJECT_IN);
    assert_int_equal(out(), 2);
}

static void only_ready_ones_count_for_the_floor(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 3; i++)
        sample_endpoint(&sample, i)->state = i ? HF_ENDPOINT_DRAINING : HF_ENDPOINT_EJECTED;
    for (int i = 0; i < 10; i++)
        assert_false(result(0, HF_RESULT_FAILED, start));
    assert_int_equal(out(), 0);
}

static void what_is_forgotten_gives_its_place_back(void **state)
{
    (void)state;
    eject(0, start);
    hf_eject_forget(&sample.view[0], 1, 0, 9);
    hf_eject_forget(&sample.view[1], 1, 0, 9); /* each worker does, once */
    assert_int_equal(out(), 0);
    assert_int_equal(state_of(0, start), HF_EJECT_IN);
    assert_int_equal(atomic_load(&sample.view[0].healths[0].incarnation), 9);
    eject(0, start);
    assert_int_equal(state_of(0, after(999)), HF_EJECT_OUT);
    assert_int_equal(state_of(0, after(1000)), HF_EJECT_HALF_OPEN); /* as the first time */
}

/* ---- threads ---- */

enum { STEPS = 200000 };
static _Atomic bool below; /* more were out than the floor allows */

static void *worker(void *arg)
{
    uint32_t self = (uint32_t)(uintptr_t)arg;
    struct hf_view *v = &sample.view[self];
    struct hf_random random;

    hf_random_seed(&random, 77 + self);
    for (int i = 0; i < STEPS; i++) {
        uint32_t slot = hf_random_below(&random, 2);
        struct hf_mono now = after(i);
        if (hf_eject_state(v, slot, now) == HF_EJECT_HALF_OPEN)
            (void)hf_eject_take_trial(v, slot);
        (void)hf_eject_result(v, sample_service(&sample), slot,
                              (enum hf_result)(hf_random_below(&random, 8) / 3), now);
        if (hf_random_below(&random, 1000) == 0)
            hf_eject_forget(v, 1, slot, 1);
        if (atomic_load(&v->floors[1].ejected) > 2)
            atomic_store(&below, true);
    }
    return NULL;
}

static void the_floor_holds_whatever_workers_do_at_once(void **state)
{
    pthread_t thread[SAMPLE_WORKERS];
    uint32_t n = 0;

    (void)state;
    sample_service(&sample)->eject_failures = 1;
    sample_service(&sample)->eject_ms = 1;
    sample_service(&sample)->eject_max_ms = 4;
    for (uintptr_t i = 0; i < SAMPLE_WORKERS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, worker, (void *)i), 0);
    for (int i = 0; i < SAMPLE_WORKERS; i++)
        pthread_join(thread[i], NULL);
    assert_false(atomic_load(&below));
    for (uint32_t slot = 0; slot < 4; slot++)
        n += atomic_load(&sample.view[0].healths[slot].ejected_until_ns) != 0;
    assert_int_equal(out(), n); /* not one place was lost, or given back twice */
}

/* ---- two results of one trial, in the same instant ---- */

enum { ROUNDS = 20000 };
static _Atomic uint32_t arrived;

static void together(uint32_t round)
{
    atomic_fetch_add(&arrived, 1);
    while (atomic_load(&arrived) < 2 * round)
        sched_yield();
}

static void half_open(void)
{
    struct hf_live_health *h = &sample.view[0].healths[0];

    if (atomic_load(&h->ejected_until_ns) == 0)
        assert_true(result(0, HF_RESULT_FAILED, start));
    atomic_store(&h->trial, 1);
    assert_int_equal(out(), 1);
}

/* Results that are right for one worker each: what both make of it must still add up. */
static void *other(void *arg)
{
    for (uint32_t i = 1; i <= ROUNDS; i++) {
        together(2 * i - 1);
        (void)hf_eject_result(&sample.view[1], sample_service(&sample), 0, HF_RESULT_OK, start);
        together(2 * i);
    }
    return arg;
}

static void two_results_of_a_trial_give_one_place_back(void **state)
{
    pthread_t thread;

    (void)state;
    sample_service(&sample)->eject_failures = 1;
    atomic_store(&arrived, 0);
    half_open();
    assert_int_equal(pthread_create(&thread, NULL, other, NULL), 0);
    for (uint32_t i = 1; i <= ROUNDS; i++) {
        together(2 * i - 1);
        (void)result(0, i % 2 ? HF_RESULT_OK : HF_RESULT_FAILED, after(1));
        together(2 * i);
        if (out() != (state_of(0, start) != HF_EJECT_IN))
            fail_msg("round %u: %u on the floor's count", i, out());
        if (i < ROUNDS)
            half_open();
    }
    pthread_join(thread, NULL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(failures_in_a_row_eject),
        TEST(one_request_tries_a_half_open_one),
        TEST(each_failed_trial_doubles_the_time),
        TEST(an_answer_from_before_proves_nothing),
        TEST(a_third_stays_in_and_always_one),
        TEST(only_ready_ones_count_for_the_floor),
        TEST(what_is_forgotten_gives_its_place_back),
        TEST(the_floor_holds_whatever_workers_do_at_once),
        TEST(two_results_of_a_trial_give_one_place_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
