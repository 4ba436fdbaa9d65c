#include "test.h"

#include "net/addr.h"

static void parse(void **state)
{
    struct hf_addr a;
    char buf[HF_ADDR_TEXT];

    (void)state;
    assert_int_equal(hf_addr_parse(HF_STR("10.0.0.255:80"), &a), 0);
    assert_string_equal(hf_addr_format(&a, buf), "10.0.0.255:80");
    assert_int_equal(hf_addr_format_ip(&a, buf), 10);
    assert_string_equal(buf, "10.0.0.255");
    assert_int_equal(hf_addr_parse(HF_STR("[::1]:8080"), &a), 0);
    assert_string_equal(hf_addr_format(&a, buf), "[::1]:8080");
    assert_int_equal(hf_addr_parse(HF_STR("::1:80"), &a), HF_EINVAL);
    assert_int_equal(hf_addr_parse(HF_STR("10.0.0.1"), &a), HF_EINVAL);
    assert_int_equal(hf_addr_parse(HF_STR("10.0.0.1:65536"), &a), HF_EINVAL);
    assert_int_equal(hf_addr_parse(HF_STR("[10.0.0.1]:1"), &a), HF_EINVAL);
    assert_int_equal(hf_addr_parse(HF_STR(""), &a), HF_EINVAL);
}

static void networks(void **state)
{
    struct hf_network n;
    struct hf_addr in, out, mapped;

    (void)state;
    assert_int_equal(hf_network_parse(HF_STR("10.16.0.0/12"), &n), 0);
    assert_int_equal(hf_addr_parse_ip(HF_STR("10.31.255.255"), &in), 0);
    assert_int_equal(hf_addr_parse_ip(HF_STR("10.32.0.0"), &out), 0);
    assert_int_equal(hf_addr_parse_ip(HF_STR("::ffff:10.17.0.1"), &mapped), 0);
    assert_true(hf_network_has(&n, &in));
    assert_false(hf_network_has(&n, &out));
    assert_true(hf_network_has(&n, &mapped));
    assert_int_equal(hf_network_parse(HF_STR("10.0.0.0/33"), &n), HF_EINVAL);
    assert_int_equal(hf_network_parse(HF_STR("0.0.0.0/0"), &n), 0);
    assert_true(hf_network_has(&n, &out));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(parse), cmocka_unit_test(networks)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
