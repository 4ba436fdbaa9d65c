#include "test.h"

#include "core/retry.h"

static const struct hf_plan_service policy = {.retry_attempts = 2, .retry_percent = 20};

static void what_may_be_sent_again(void **state)
{
    static const struct {
        enum hf_failure failure;
        bool get, post; /* may it, for an idempotent request and for another */
    } cases[] = {
        {HF_FAILURE_NONE, false, false},   {HF_FAILURE_LOCAL, false, false},
        {HF_FAILURE_CONNECT, true, true},  {HF_FAILURE_STALE, true, false},
        {HF_FAILURE_REFUSED, true, true},  {HF_FAILURE_LOST, true, false},
        {HF_FAILURE_TRY, true, false},     {HF_FAILURE_INVALID, true, false},
        {HF_FAILURE_500, false, false},    {HF_FAILURE_502_4, true, false},
        {HF_FAILURE_BROKEN, false, false}, {HF_FAILURE_RESPONSE, false, false},
    };

    (void)state;
    assert_int_equal(HF_COUNT(cases), HF_FAILURES);
    for (size_t i = 0; i < HF_COUNT(cases); i++) {
        struct hf_retry_case c = {
            .failure = cases[i].failure, .idempotent = true, .kept = true, .attempts = 1};
        assert_int_equal(cases[i].failure, i);
        if (hf_retry_allowed(&c, &policy) != cases[i].get)
            fail_msg("idempotent, failure %zu", i);
        c.idempotent = false;
        if (hf_retry_allowed(&c, &policy) != cases[i].post)
            fail_msg("not idempotent, failure %zu", i);
    }
}

static void never_beyond_attempts_or_what_is_kept_or_what_was_passed_on(void **state)
{
    struct hf_retry_case c = {
        .failure = HF_FAILURE_CONNECT, .idempotent = true, .kept = true, .attempts = 2};
    struct hf_plan_service off = policy;

    (void)state;
    assert_true(hf_retry_allowed(&c, &policy));
    c.attempts = 3;
    assert_false(hf_retry_allowed(&c, &policy));
    c.attempts = 1;
    c.kept = false;
    assert_false(hf_retry_allowed(&c, &policy));
    c.kept = true;
    c.passed_on = true;
    assert_false(hf_retry_allowed(&c, &policy));
    c.passed_on = false;
    off.retry_attempts = 0;
    assert_false(hf_retry_allowed(&c, &off));
    c.failure = HF_FAILURE_500;
    assert_false(hf_retry_allowed(&c, &policy));
    off = policy;
    off.retry_on_500 = true;
    assert_true(hf_retry_allowed(&c, &off));
    c.idempotent = false;
    assert_false(hf_retry_allowed(&c, &off));
}

static void a_stale_connection_costs_an_idempotent_request_nothing_once(void **state)
{
    struct hf_retry_case c = {
        .failure = HF_FAILURE_STALE, .idempotent = true, .kept = true, .attempts = 1};

    (void)state;
    assert_true(hf_retry_is_free(&c));
    c.attempts = 2;
    assert_false(hf_retry_is_free(&c));
    c.attempts = 1;
    c.idempotent = false;
    assert_false(hf_retry_is_free(&c));
    c.idempotent = true;
    c.kept = false;
    assert_false(hf_retry_is_free(&c));
    c.kept = true;
    c.failure = HF_FAILURE_LOST;
    assert_false(hf_retry_is_free(&c));
}

static struct hf_mono at(int64_t ms)
{
    return (struct hf_mono){INT64_C(1000000) * HF_NS_PER_S + ms * HF_NS_PER_MS};
}

static uint32_t take_all(struct hf_retry_budget *b, uint32_t workers, struct hf_mono now)
{
    uint32_t n = 0;

    while (hf_retry_budget_take(b, 20, workers, now))
        n++;
    return n;
}

static void what_an_endpoint_refused_is_sent_again_a_few_times(void **state)
{
    struct hf_retry_case c = {.failure = HF_FAILURE_REFUSED, .kept = true};

    (void)state;
    for (c.attempts = 1; c.attempts <= HF_RETRY_REFUSED; c.attempts++)
        assert_true(hf_retry_is_free(&c));
    assert_false(hf_retry_is_free(&c));
    c.attempts = 1;
    c.kept = false;
    assert_false(hf_retry_is_free(&c));
    c.kept = true;
    c.passed_on = true;
    assert_false(hf_retry_is_free(&c));
}

static void the_budget_is_a_share_of_ten_seconds_and_a_burst(void **state)
{
    struct hf_retry_budget b = {0};

    (void)state;
    assert_int_equal(take_all(&b, 1, at(0)), 100);
    for (int i = 0; i < 1000; i++)
        hf_retry_budget_request(&b, at(500));
    assert_int_equal(take_all(&b, 1, at(900)), 200);
    /* The window slides: what was taken in its first second is given back ten seconds later. */
    assert_int_equal(take_all(&b, 1, at(9999)), 0);
    assert_int_equal(take_all(&b, 1, at(10000)), 100);
    assert_int_equal(take_all(&b, 1, at(25000)), 100);
}

static void the_burst_is_split_over_the_workers(void **state)
{
    struct hf_retry_budget b = {0};

    (void)state;
    assert_int_equal(take_all(&b, 8, at(0)), 13);
    for (int i = 0; i < 100; i++)
        hf_retry_budget_request(&b, at(1000));
    assert_int_equal(take_all(&b, 8, at(1000)), 20);
}

static void the_second_turns_over_one_by_one(void **state)
{
    struct hf_retry_budget b = {0};

    (void)state;
    for (int second = 0; second < 100; second++) {
        for (int i = 0; i < 10; i++)
            hf_retry_budget_request(&b, at(second * 1000L));
    }
    /* Ten a second for ten seconds: 100 requests, 20 retries, and the burst. */
    assert_int_equal(take_all(&b, 1, at(99 * 1000L)), 120);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_may_be_sent_again),
        cmocka_unit_test(never_beyond_attempts_or_what_is_kept_or_what_was_passed_on),
        cmocka_unit_test(a_stale_connection_costs_an_idempotent_request_nothing_once),
        cmocka_unit_test(what_an_endpoint_refused_is_sent_again_a_few_times),
        cmocka_unit_test(the_budget_is_a_share_of_ten_seconds_and_a_burst),
        cmocka_unit_test(the_burst_is_split_over_the_workers),
        cmocka_unit_test(the_second_turns_over_one_by_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
