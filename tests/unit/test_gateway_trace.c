#include "test.h"

#include "gateway/trace.h"

#define ID "4bf92f3577b34da6a3ce929d0e0e4736"
#define SPAN "00f067aa0ba902b7"

static void valid_ones_are_read(void **state)
{
    static const struct {
        const char *text;
        uint8_t flags;
    } rows[] = {
        {"00-" ID "-" SPAN "-01", 1},
        {"00-" ID "-" SPAN "-00", 0},
        {"00-" ID "-" SPAN "-ff", 255},
        {"00-00000000000000000000000000000001-0000000000000001-01", 1},
        {"01-" ID "-" SPAN "-01", 1}, /* of versions to come, what this one has */
        {"01-" ID "-" SPAN "-01-more", 1},
        {"fe-" ID "-" SPAN "-01-", 1},
    };
    struct hf_trace t;

    (void)state;
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        assert_int_equal(hf_trace_parse(hf_str(rows[i].text), &t), 0);
        assert_memory_equal(t.id, rows[i].text + 3, HF_TRACE_ID);
        assert_int_equal(t.flags, rows[i].flags);
    }
}

static void others_are_refused(void **state)
{
    static const char *const rows[] = {
        "",
        "00",
        "00-" ID "-" SPAN "-0",
        "00-" ID "-" SPAN "-01-",
        "00-" ID "-" SPAN "-01-more",
        "00-" ID "-" SPAN "-011",
        "01-" ID "-" SPAN "-01.more",
        "ff-" ID "-" SPAN "-01",
        "0g-" ID "-" SPAN "-01",
        "0A-" ID "-" SPAN "-01",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-" SPAN "-01",
        "00-4bf92f3577b34da6a3ce929d0e0e473g-" SPAN "-01",
        "00-00000000000000000000000000000000-" SPAN "-01",
        "00-" ID "-0000000000000000-01",
        "00-" ID "-00f067aa0ba902B7-01",
        "00-" ID "-" SPAN "-0x",
        "00_" ID "-" SPAN "-01",
        "00-" ID "_" SPAN "-01",
        "00-" ID "-" SPAN "_01",
        " 00-" ID "-" SPAN "-01",
    };
    struct hf_trace t;

    (void)state;
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        if (hf_trace_parse(hf_str(rows[i]), &t) != HF_EINVAL)
            fail_msg("%s is taken", rows[i]);
    }
}

static void the_next_step_has_another_parent(void **state)
{
    struct hf_random random;
    struct hf_trace t, again;
    char one[HF_TRACE_PARENT], two[HF_TRACE_PARENT];

    (void)state;
    hf_random_seed(&random, 1);
    assert_int_equal(hf_trace_parse(HF_STR("00-" ID "-" SPAN "-ff"), &t), 0);
    hf_trace_write(&t, &random, one);
    hf_trace_write(&t, &random, two);
    assert_memory_equal(one, "00-" ID "-", 36);
    assert_memory_not_equal(one + HF_TRACE_SPAN_AT, SPAN, HF_TRACE_SPAN);
    assert_memory_not_equal(one + HF_TRACE_SPAN_AT, two + HF_TRACE_SPAN_AT, HF_TRACE_SPAN);
    assert_memory_equal(one + 52, "-01", 3); /* flags that nobody knows are not passed on */
    assert_int_equal(hf_trace_parse((struct hf_str){one, sizeof(one)}, &again), 0);
}

static void a_share_of_those_begun_is_sampled(void **state)
{
    struct hf_random random;
    struct hf_trace t;
    char text[HF_TRACE_PARENT];
    unsigned sampled = 0;

    (void)state;
    hf_random_seed(&random, 1);
    for (int i = 0; i < 10000; i++) {
        hf_trace_begin(&random, 2500, &t);
        sampled += t.flags;
    }
    assert_in_range(sampled, 2300, 2700);
    hf_trace_begin(&random, 0, &t);
    assert_int_equal(t.flags, 0);
    hf_trace_begin(&random, 10000, &t);
    assert_int_equal(t.flags, HF_TRACE_SAMPLED);
    hf_trace_write(&t, &random, text);
    assert_int_equal(hf_trace_parse((struct hf_str){text, sizeof(text)}, &t), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(valid_ones_are_read),
        cmocka_unit_test(others_are_refused),
        cmocka_unit_test(the_next_step_has_another_parent),
        cmocka_unit_test(a_share_of_those_begun_is_sampled),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
