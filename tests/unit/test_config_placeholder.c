#include "test.h"

#include "config/placeholder.h"

static const struct hf_placeholders values = {.port = "20001",
                                              .version = "1.3.0",
                                              .instance = "orders-a-1",
                                              .node = "a",
                                              .service = "orders"};

static void expand(void **state)
{
    static const struct {
        const char *text, *expected;
    } rows[] = {
        {"", ""},
        {"plain", "plain"},
        {"{port}", "20001"},
        {"--port={port}, {port}!", "--port=20001, 20001!"},
        {"{service}/{version}/{node}/{instance}", "orders/1.3.0/a/orders-a-1"},
        {"{\"port\":{port}}", "{\"port\":20001}"},
        {"{{port}}", "{20001}"},
        {"{", "{"},
        {"{port", "{port"},
        {"{}", "{}"},
        {"{ port }", "{ port }"},
    };

    (void)state;
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        HF_AUTOTEXT struct hf_text out = {0};
        hf_text_add(&out, HF_STR("<"));
        hf_placeholder_expand(rows[i].text, &values, &out);
        assert_string_equal(out.p + 1, rows[i].expected);
    }
}

static void check(void **state)
{
    struct hf_str unknown = {0};

    (void)state;
    assert_true(hf_placeholder_check("{port}{version}{instance}{node}{service}", &unknown));
    assert_true(hf_placeholder_check("{\"a\": {}} {1} {a b}", &unknown));
    assert_null(unknown.p);
    assert_false(hf_placeholder_check("{port} {prot}", &unknown));
    assert_true(hf_str_eq(unknown, HF_STR("{prot}")));
    assert_false(hf_placeholder_check("{{Port}}", &unknown)); /* exactly as it is written */
    assert_true(hf_str_eq(unknown, HF_STR("{Port}")));
    assert_true(hf_placeholder_has("a{{port}", "port"));
    assert_false(hf_placeholder_has("a{port ", "port"));
    assert_false(hf_placeholder_has("{version}", "port"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(expand),
        cmocka_unit_test(check),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
