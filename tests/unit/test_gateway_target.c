#include "test.h"

#include "gateway/upstream.h"
#include "gateway/worker.h"

/* A worker that has a clock, a target that has kept connections; nothing is sent. */
static struct hf_worker worker;
static struct hf_target target;
static struct hf_upstream upstream[2];

/* Kept connections that were used so many milliseconds ago; the first one last. */
static void kept(int64_t first_ms, int64_t second_ms)
{
    struct hf_mono now = hf_loop_now(worker.loop);

    hf_link_init(&target.idle);
    target.n_idle = 2;
    target.idle_close_ms = 0;
    upstream[0].idle_since = hf_mono_add(now, hf_ms(-first_ms));
    upstream[1].idle_since = hf_mono_add(now, hf_ms(-second_ms));
    for (int i = 0; i < 2; i++)
        hf_list_append(&target.idle, &upstream[i].link);
}

static struct hf_upstream *take(bool repeatable)
{
    return hf_target_take(&worker, &target, repeatable);
}

static int setup(void **state)
{
    (void)state;
    return hf_loop_new(&worker.loop, NULL);
}

static int teardown(void **state)
{
    (void)state;
    worker.loop = hf_loop_free(worker.loop);
    return 0;
}

static void what_was_used_last_is_taken_first(void **state)
{
    (void)state;
    kept(10, 20);
    assert_ptr_equal(take(false), &upstream[0]);
    assert_int_equal(target.n_idle, 1);
}

static void what_can_be_repeated_takes_any(void **state)
{
    (void)state;
    kept(59000, 59500);
    target.idle_close_ms = 100;
    assert_ptr_equal(take(true), &upstream[0]);
}

static void what_cannot_be_repeated_takes_only_fresh_ones(void **state)
{
    (void)state;
    kept(1000, 5000);
    assert_non_null(take(false));
    kept(1001, 5000);
    assert_null(take(false));
    assert_int_equal(target.n_idle, 2);
}

static void half_the_time_after_which_it_was_seen_to_close(void **state)
{
    (void)state;
    kept(100, 200);
    target.idle_close_ms = 200;
    assert_non_null(take(false));
    kept(101, 200);
    target.idle_close_ms = 200;
    assert_null(take(false));
    kept(1001, 2000);
    target.idle_close_ms = 60000; /* a long one does not make old ones fresh */
    assert_null(take(false));
}

static void without_any_there_is_none(void **state)
{
    (void)state;
    hf_link_init(&target.idle);
    assert_null(take(true));
    assert_null(take(false));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_used_last_is_taken_first),
        cmocka_unit_test(what_can_be_repeated_takes_any),
        cmocka_unit_test(what_cannot_be_repeated_takes_only_fresh_ones),
        cmocka_unit_test(half_the_time_after_which_it_was_seen_to_close),
        cmocka_unit_test(without_any_there_is_none),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
