#include "test.h"

#include "base/str.h"

static void numbers(void **state)
{
    uint64_t v = 7;

    (void)state;
    assert_int_equal(hf_str_to_u64(HF_STR("0"), &v), 0);
    assert_int_equal(v, 0);
    assert_int_equal(hf_str_to_u64(HF_STR("18446744073709551615"), &v), 0);
    assert_true(v == UINT64_MAX);
    assert_int_equal(hf_str_to_u64(HF_STR("18446744073709551616"), &v), HF_EINVAL);
    assert_int_equal(hf_str_to_u64(HF_STR("+1"), &v), HF_EINVAL);
    assert_int_equal(hf_str_to_u64(HF_STR(" 1"), &v), HF_EINVAL);
    assert_int_equal(hf_str_to_u64(HF_STR(""), &v), HF_EINVAL);
    assert_true(v == UINT64_MAX); /* untouched on failure */
}

static void compare(void **state)
{
    (void)state;
    assert_true(hf_str_eq_nocase(HF_STR("Content-Length"), HF_STR("content-lengtH")));
    assert_false(hf_str_eq_nocase(HF_STR("a"), HF_STR("ab")));
    assert_true(hf_str_starts(HF_STR("/orders/1"), HF_STR("/orders")));
    assert_true(hf_str_eq_secret(HF_STR("abc"), HF_STR("abc")));
    assert_false(hf_str_eq_secret(HF_STR("abc"), HF_STR("abd")));
    assert_true(hf_str_eq(hf_str_trim(HF_STR(" \ta b\t ")), HF_STR("a b")));
}

static void text_grows(void **state)
{
    HF_AUTOTEXT struct hf_text t = {0};

    (void)state;
    for (int i = 0; i < 1000; i++)
        hf_text_addf(&t, "%d,", i);
    assert_int_equal(t.n, 10 * 2 + 90 * 3 + 900 * 4);
    assert_int_equal(strlen(t.p), t.n);
    hf_text_clear(&t);
    assert_string_equal(t.p, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers),
        cmocka_unit_test(compare),
        cmocka_unit_test(text_grows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
