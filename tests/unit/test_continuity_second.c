#include "test.h"

#include <string.h>

#include "continuity/second.h"

/* arrived, ok, failed, refused; probe; missing, no_gateway -> state */
static const struct {
    struct hf_second s;
    enum hf_second_state expected;
} cases[] = {
    /* nothing seen */
    {{{0, 0, 0, 0}, HF_PROBED_NOT, false, false}, HF_SECOND_UNKNOWN},
    {{{0, 0, 0, 0}, HF_PROBED_NOT, true, false}, HF_SECOND_UNKNOWN},
    /* the probe alone */
    {{{0, 0, 0, 0}, HF_PROBED_OK, false, false}, HF_SECOND_UP},
    {{{0, 0, 0, 0}, HF_PROBED_FAILED, false, false}, HF_SECOND_DOWN},
    /* few requests: the probe is one more */
    {{{1, 1, 0, 0}, HF_PROBED_NOT, false, false}, HF_SECOND_UP},
    {{{1, 0, 1, 0}, HF_PROBED_NOT, false, false}, HF_SECOND_DOWN},
    {{{1, 1, 0, 0}, HF_PROBED_FAILED, false, false}, HF_SECOND_DOWN},
    {{{2, 2, 0, 0}, HF_PROBED_FAILED, false, false}, HF_SECOND_DEGRADED},
    {{{2, 1, 1, 0}, HF_PROBED_NOT, false, false}, HF_SECOND_DOWN},
    {{{2, 1, 1, 0}, HF_PROBED_OK, false, false}, HF_SECOND_DEGRADED},
    {{{4, 3, 1, 0}, HF_PROBED_FAILED, false, false}, HF_SECOND_DEGRADED},
    {{{4, 2, 2, 0}, HF_PROBED_OK, false, false}, HF_SECOND_DEGRADED},
    /* from 5 on the probe says nothing more */
    {{{5, 5, 0, 0}, HF_PROBED_FAILED, false, false}, HF_SECOND_UP},
    {{{5, 2, 3, 0}, HF_PROBED_OK, false, false}, HF_SECOND_DOWN},
    /* 1 %, a half */
    {{{1000, 991, 9, 0}, HF_PROBED_NOT, false, false}, HF_SECOND_UP},
    {{{1000, 990, 10, 0}, HF_PROBED_NOT, false, false}, HF_SECOND_DEGRADED},
    {{{1000, 501, 499, 0}, HF_PROBED_NOT, false, false}, HF_SECOND_DEGRADED},
    {{{1000, 500, 500, 0}, HF_PROBED_NOT, false, false}, HF_SECOND_DOWN},
    {{{7, 4, 3, 0}, HF_PROBED_NOT, false, false}, HF_SECOND_DEGRADED},
    {{{7, 3, 4, 0}, HF_PROBED_NOT, false, false}, HF_SECOND_DOWN},
    /* refused is failed, but refusals alone degrade while 95 % of the admitted succeed */
    {{{1000, 990, 0, 10}, HF_PROBED_NOT, false, false}, HF_SECOND_DEGRADED},
    {{{1000, 991, 0, 9}, HF_PROBED_NOT, false, false}, HF_SECOND_UP},
    {{{1000, 100, 0, 900}, HF_PROBED_NOT, false, false}, HF_SECOND_DEGRADED},
    {{{1000, 95, 5, 900}, HF_PROBED_NOT, false, false}, HF_SECOND_DEGRADED},
    {{{1000, 94, 6, 900}, HF_PROBED_NOT, false, false}, HF_SECOND_DOWN},
    {{{1000, 0, 0, 1000}, HF_PROBED_NOT, false, false}, HF_SECOND_DOWN},
    {{{1000, 400, 200, 400}, HF_PROBED_NOT, false, false}, HF_SECOND_DOWN},
    /* under way is not failed */
    {{{10, 1, 1, 0}, HF_PROBED_NOT, false, false}, HF_SECOND_DEGRADED},
    {{{10, 0, 0, 0}, HF_PROBED_NOT, false, false}, HF_SECOND_UP},
    /* more ended than arrived: read while it was written; never a division by less */
    {{{0, 3, 3, 0}, HF_PROBED_NOT, false, false}, HF_SECOND_DOWN},
    /* flags */
    {{{100, 100, 0, 0}, HF_PROBED_OK, true, false}, HF_SECOND_UNKNOWN},
    {{{100, 90, 10, 0}, HF_PROBED_OK, true, false}, HF_SECOND_UNKNOWN},
    {{{100, 10, 90, 0}, HF_PROBED_OK, true, false}, HF_SECOND_DOWN},
    {{{0, 0, 0, 0}, HF_PROBED_NOT, false, true}, HF_SECOND_DOWN},
    {{{0, 0, 0, 0}, HF_PROBED_NOT, true, true}, HF_SECOND_DOWN},
};

static void seconds_are_classified(void **state)
{
    (void)state;
    for (size_t i = 0; i < HF_COUNT(cases); i++) {
        enum hf_second_state got = hf_second_classify(&cases[i].s);
        if (got != cases[i].expected)
            fail_msg("case %zu: %s, expected %s", i, hf_second_state_name(got),
                     hf_second_state_name(cases[i].expected));
    }
}

static void a_second_ends_with_its_requests(void **state)
{
    (void)state;
    assert_true(hf_second_ended_all(&(struct hf_second_counts){0}));
    assert_true(hf_second_ended_all(&(struct hf_second_counts){6, 1, 2, 3}));
    assert_false(hf_second_ended_all(&(struct hf_second_counts){7, 1, 2, 3}));
}

static void every_state_has_a_name(void **state)
{
    (void)state;
    for (int i = HF_SECOND_UNKNOWN; i <= HF_SECOND_DOWN; i++) {
        enum hf_second_state parsed;
        assert_int_equal(hf_second_state_parse(hf_second_state_name(i), &parsed), 0);
        assert_int_equal(parsed, i);
    }
    assert_int_equal(hf_second_state_parse("fine", &(enum hf_second_state){0}), HF_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(seconds_are_classified),
        cmocka_unit_test(a_second_ends_with_its_requests),
        cmocka_unit_test(every_state_has_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
