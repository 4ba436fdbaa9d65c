#include "test.h"

#include "keeper/restart.h"

static struct hf_restart restart;

static int setup(void **state)
{
    (void)state;
    restart = (struct hf_restart){0};
    return 0;
}

/* A run that began at `from` and ended at `to`, milliseconds; the delay in milliseconds. */
static int64_t delay_after(int64_t from, int64_t to, bool gave_up)
{
    const struct hf_run run = {{hf_ms(from).ns}, {hf_ms(to).ns}, gave_up};

    return hf_duration_ms(hf_restart_delay(&restart, &run));
}

static void the_first_thirty_of_a_minute_come_at_once(void **state)
{
    (void)state;
    for (int i = 0; i < 30; i++)
        assert_int_equal(delay_after(i * 100L, i * 100L + 100, false), 0);
    assert_int_equal(delay_after(3000, 3100, false), 1000);
    assert_int_equal(delay_after(4100, 4200, false), 2000);
    assert_int_equal(delay_after(6200, 6300, false), 4000);
}

static void delays_double_up_to_half_a_minute(void **state)
{
    static const int64_t expected[] = {1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000};

    (void)state;
    for (int i = 0; i < 30; i++)
        assert_int_equal(delay_after(i, i + 1, false), 0);
    for (size_t i = 0; i < HF_COUNT(expected); i++)
        assert_int_equal(delay_after(100, 101, false), expected[i]);
}

static void one_a_minute_never_waits(void **state)
{
    (void)state;
    for (int i = 0; i < 200; i++)
        assert_int_equal(delay_after(i * 2500L, i * 2500L + 2500, false), 0);
}

static void a_minute_of_life_makes_good(void **state)
{
    int64_t now = 0;

    (void)state;
    for (int i = 0; i < 33; i++)
        now += delay_after(now, now, false);
    assert_true(restart.delay.ns > 0);
    assert_int_equal(delay_after(now, now + 60000, false), 0);
    assert_int_equal(delay_after(now + 60000, now + 60001, false), 0);
}

static void who_gives_up_at_once_waits_from_the_first_time(void **state)
{
    (void)state;
    assert_int_equal(delay_after(0, 50, true), 1000);
    assert_int_equal(delay_after(1050, 1100, true), 2000);
    setup(NULL);
    assert_int_equal(delay_after(0, 10000, true), 0); /* it had worked */
    setup(NULL);
    assert_int_equal(delay_after(0, 50, false), 0); /* it was killed */
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_first_thirty_of_a_minute_come_at_once),
        TEST(delays_double_up_to_half_a_minute),
        TEST(one_a_minute_never_waits),
        TEST(a_minute_of_life_makes_good),
        TEST(who_gives_up_at_once_waits_from_the_first_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
