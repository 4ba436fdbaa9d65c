#include "test.h"

#include "gateway/h2_guard.h"

enum { RESETS = 100 };
static struct hf_h2_guard g;

static struct hf_mono at(int64_t ms)
{
    return (struct hf_mono){1000 * HF_NS_PER_S + ms * HF_NS_PER_MS};
}

static void idle_frames_have_a_budget(void **state)
{
    int n = 0;

    (void)state;
    hf_h2_guard_init(&g, RESETS, at(0));
    while (hf_h2_guard_idle_frame(&g, RESETS, at(0)))
        n++;
    assert_in_range(n, 500, 5000);
    /* it comes back with time, up to where it was */
    for (int i = 0; i < 100; i++)
        assert_true(hf_h2_guard_idle_frame(&g, RESETS, at(1000)));
    n = 0;
    while (hf_h2_guard_idle_frame(&g, RESETS, at(3600000)))
        n++;
    assert_in_range(n, 500, 5000);
}

/* Two window updates for each frame of data, and ten frames for each request, for ever. */
static void work_pays_for_them(void **state)
{
    (void)state;
    hf_h2_guard_init(&g, RESETS, at(0));
    for (int i = 0; i < 1000000; i++) {
        hf_h2_guard_data(&g);
        assert_true(hf_h2_guard_idle_frame(&g, RESETS, at(0)));
        assert_true(hf_h2_guard_idle_frame(&g, RESETS, at(0)));
    }
    for (int i = 0; i < 1000000; i++) {
        hf_h2_guard_request(&g);
        for (int k = 0; k < 5; k++)
            assert_true(hf_h2_guard_idle_frame(&g, RESETS, at(0)));
    }
}

static void resets_have_a_budget(void **state)
{
    (void)state;
    hf_h2_guard_init(&g, RESETS, at(0));
    for (int i = 0; i < RESETS; i++)
        assert_true(hf_h2_guard_reset(&g, RESETS, at(0)));
    assert_false(hf_h2_guard_reset(&g, RESETS, at(0)));
    /* a tenth of it a second */
    hf_h2_guard_init(&g, RESETS, at(0));
    for (int i = 0; i < RESETS; i++)
        assert_true(hf_h2_guard_reset(&g, RESETS, at(0)));
    for (int i = 0; i < 10; i++)
        assert_true(hf_h2_guard_reset(&g, RESETS, at(1000)));
    assert_false(hf_h2_guard_reset(&g, RESETS, at(1000)));
    /* and one for each answer, never more than at the start */
    hf_h2_guard_init(&g, RESETS, at(0));
    for (int i = 0; i < 10000; i++) {
        hf_h2_guard_answered(&g, RESETS);
        assert_true(hf_h2_guard_reset(&g, RESETS, at(0)));
        hf_h2_guard_answered(&g, RESETS);
    }
    for (int i = 0; i < RESETS; i++)
        assert_true(hf_h2_guard_reset(&g, RESETS, at(0)));
    assert_false(hf_h2_guard_reset(&g, RESETS, at(0)));
}

static void sections_are_short(void **state)
{
    (void)state;
    hf_h2_guard_init(&g, RESETS, at(0));
    for (int i = 0; i < HF_H2_CONTINUATIONS; i++)
        assert_true(hf_h2_guard_continuation(&g));
    hf_h2_guard_request(&g);
    for (int i = 0; i < HF_H2_CONTINUATIONS; i++)
        assert_true(hf_h2_guard_continuation(&g));
    assert_false(hf_h2_guard_continuation(&g));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(idle_frames_have_a_budget),
        cmocka_unit_test(work_pays_for_them),
        cmocka_unit_test(resets_have_a_budget),
        cmocka_unit_test(sections_are_short),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
