#include "test.h"

#include "base/time.h"

static void durations(void **state)
{
    struct hf_duration d = {5};
    char buf[32];

    (void)state;
    assert_int_equal(hf_duration_parse("250ms", &d), 0);
    assert_int_equal(d.ns, 250 * HF_NS_PER_MS);
    assert_int_equal(hf_duration_parse("1.5s", &d), 0);
    assert_int_equal(d.ns, 1500 * HF_NS_PER_MS);
    assert_int_equal(hf_duration_parse("2h", &d), 0);
    assert_int_equal(d.ns, 7200 * HF_NS_PER_S);
    assert_int_equal(hf_duration_parse("0", &d), 0);
    assert_int_equal(d.ns, 0);
    assert_int_equal(hf_duration_parse("10", &d), HF_EINVAL);
    assert_int_equal(hf_duration_parse("-1s", &d), HF_EINVAL);
    assert_int_equal(hf_duration_parse("1 s", &d), HF_EINVAL);
    assert_int_equal(hf_duration_parse("nan", &d), HF_EINVAL);
    assert_int_equal(hf_duration_parse("1e300s", &d), HF_EINVAL);
    assert_string_equal(hf_duration_format(hf_ms(1500), buf, sizeof(buf)), "1.5s");
    assert_string_equal(hf_duration_format(hf_seconds(150), buf, sizeof(buf)), "2m30s");
    assert_string_equal(hf_duration_format(hf_seconds(3600), buf, sizeof(buf)), "1h");
}

static void wall(void **state)
{
    struct hf_wall t;
    char buf[HF_WALL_TEXT];

    (void)state;
    assert_int_equal(hf_wall_parse("2026-11-23T18:00:00.125Z", &t), 0);
    assert_string_equal(hf_wall_format(t, buf), "2026-11-23T18:00:00.125Z");
    assert_int_equal(hf_wall_parse("2026-11-23", &t), HF_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(durations), cmocka_unit_test(wall)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
