#include "test.h"

#include <string.h>

#include "health/verdict.h"

/* Feeds results ('+' passed, '-' lost) and returns the states after each ('?', 'U', 'D'). */
static const char *states_after(const char *results, unsigned rise, unsigned fall)
{
    static char states[64];
    const struct hf_verdict_policy policy = {rise, fall};
    struct hf_verdict v;
    size_t n = strlen(results);

    hf_verdict_init(&v);
    for (size_t i = 0; i < n; i++) {
        enum hf_verdict_state old = v.state;
        int changed =
            hf_verdict_feed(&v, &policy, results[i] == '+' ? HF_PROBE_PASSED : HF_PROBE_LOST);
        assert_int_equal(changed, v.state != old);
        states[i] = "?UD"[v.state];
    }
    states[n] = '\0';
    return states;
}

static void results_in_a_row_decide(void **state)
{
    (void)state;
    assert_string_equal(states_after("++---++", 2, 3), "?UUUDDU");
    assert_string_equal(states_after("---+-++", 2, 3), "??DDDDU");
    assert_string_equal(states_after("+-+-+-", 2, 3), "??????");
    assert_string_equal(states_after("++--+--+---", 2, 3), "?UUUUUUUUUD");
    assert_string_equal(states_after("+-+", 1, 1), "UDU");
}

static void doubt_asks_again_soon(void **state)
{
    const struct hf_verdict_policy policy = {2, 3};
    struct hf_verdict v;

    (void)state;
    hf_verdict_init(&v);
    assert_true(hf_verdict_in_doubt(&v));
    assert_int_equal(hf_verdict_lost(&v), 0);
    assert_int_equal(hf_verdict_feed(&v, &policy, HF_PROBE_PASSED), 0);
    assert_true(hf_verdict_in_doubt(&v));
    assert_int_equal(hf_verdict_feed(&v, &policy, HF_PROBE_PASSED), 1);
    assert_false(hf_verdict_in_doubt(&v));
    assert_int_equal(hf_verdict_feed(&v, &policy, HF_PROBE_LOST), 0);
    assert_true(hf_verdict_in_doubt(&v));
    assert_int_equal(hf_verdict_lost(&v), 1);
    assert_int_equal(hf_verdict_feed(&v, &policy, HF_PROBE_LOST), 0);
    assert_int_equal(hf_verdict_feed(&v, &policy, HF_PROBE_LOST), 1);
    assert_false(hf_verdict_in_doubt(&v));
    assert_int_equal(hf_verdict_lost(&v), 3);
    assert_int_equal(hf_verdict_feed(&v, &policy, HF_PROBE_PASSED), 0);
    assert_true(hf_verdict_in_doubt(&v));
    assert_int_equal(hf_verdict_lost(&v), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(results_in_a_row_decide),
        cmocka_unit_test(doubt_asks_again_soon),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
