#include "test.h"

#include "base/mem.h"
#include "keeper/watchdog.h"

static const struct hf_board_capacity capacity = {2, 1, 1, 1};
static struct hf_live_view live;
static struct hf_watchdog dog;

static int setup(void **state)
{
    (void)state;
    live.live = hf_alloc(hf_live_size(&capacity));
    hf_live_init(live.live, &capacity);
    live = hf_live_view(live.live, hf_live_size(&capacity), &capacity);
    hf_watchdog_reset(&dog);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    live.live = hf_free(live.live);
    return 0;
}

static void turn(uint32_t worker)
{
    hf_live_worker(&live, worker)->turn_ns++;
}

static void who_turns_is_left_alone(void **state)
{
    (void)state;
    for (int i = 0; i < 100; i++) {
        turn(0);
        if (i % 9 == 0)
            turn(1); /* seldom, but in time */
        assert_int_equal(hf_watchdog_tick(&dog, &live), -1);
    }
}

static void one_worker_that_stands_still_is_named(void **state)
{
    (void)state;
    turn(0);
    turn(1);
    assert_int_equal(hf_watchdog_tick(&dog, &live), -1);
    for (int i = 1; i < HF_WATCHDOG_TICKS; i++) {
        turn(0);
        assert_int_equal(hf_watchdog_tick(&dog, &live), -1);
    }
    turn(0);
    assert_int_equal(hf_watchdog_tick(&dog, &live), 1);
}

static void a_start_that_hangs_is_silence(void **state)
{
    (void)state;
    for (int i = 1; i < HF_WATCHDOG_TICKS; i++)
        assert_int_equal(hf_watchdog_tick(&dog, &live), -1);
    assert_int_equal(hf_watchdog_tick(&dog, &live), 0);
}

static void a_gateway_that_lays_out_nothing_is_silent(void **state)
{
    struct hf_live_view nothing = {.live = live.live};

    (void)state;
    for (int i = 1; i < HF_WATCHDOG_TICKS; i++)
        assert_int_equal(hf_watchdog_tick(&dog, &nothing), -1);
    assert_int_equal(hf_watchdog_tick(&dog, &nothing), 0);
}

static void a_new_gateway_begins_anew(void **state)
{
    (void)state;
    for (int i = 1; i < HF_WATCHDOG_TICKS; i++)
        assert_int_equal(hf_watchdog_tick(&dog, &live), -1);
    hf_watchdog_reset(&dog);
    for (int i = 1; i < HF_WATCHDOG_TICKS; i++)
        assert_int_equal(hf_watchdog_tick(&dog, &live), -1);
    assert_int_equal(hf_watchdog_tick(&dog, &live), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(who_turns_is_left_alone),       TEST(one_worker_that_stands_still_is_named),
        TEST(a_start_that_hangs_is_silence), TEST(a_gateway_that_lays_out_nothing_is_silent),
        TEST(a_new_gateway_begins_anew),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
