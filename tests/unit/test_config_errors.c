#include "test.h"

#include <string.h>

#include "config/errors.h"

static void in_the_order_of_the_file(void **state)
{
    HF_AUTOTEXT struct hf_text text = {0};
    struct hf_config_errors e = {0};

    (void)state;
    hf_config_errors_clear(&e, "shop.yaml");
    hf_config_errors_format(&e, &text);
    assert_int_equal(text.n, 0);
    hf_config_errors_add(&e, 3, 1, "third");
    hf_config_errors_add(&e, 1, 9, "second\nline");
    hf_config_errors_add(&e, 1, 2, "first");
    hf_config_errors_add(&e, 0, 0, "%s", "whole");
    hf_config_errors_sort(&e);
    hf_config_errors_format(&e, &text);
    assert_string_equal(text.p, "shop.yaml: whole\nshop.yaml:1:2: first\n"
                                "shop.yaml:1:9: second?line\nshop.yaml:3:1: third\n");
}

static void no_more_than_there_is_room_for(void **state)
{
    HF_AUTOTEXT struct hf_text text = {0};
    struct hf_config_errors e = {0};
    char lengthy[2 * HF_CONFIG_ERROR_TEXT];

    (void)state;
    memset(lengthy, 'x', sizeof(lengthy));
    lengthy[sizeof(lengthy) - 1] = 0;
    hf_config_errors_clear(&e, lengthy);
    assert_int_equal(strlen(e.file), sizeof(e.file) - 1);
    hf_config_errors_clear(&e, "f");
    for (uint32_t i = 1; i <= HF_CONFIG_ERRORS + 3; i++)
        hf_config_errors_add(&e, i, 1, "%s", lengthy);
    assert_int_equal(e.n, HF_CONFIG_ERRORS);
    assert_int_equal(e.total, HF_CONFIG_ERRORS + 3);
    assert_int_equal(strlen(e.error[0].text), HF_CONFIG_ERROR_TEXT - 1);
    hf_config_errors_format(&e, &text);
    assert_non_null(strstr(text.p, "\nf: ... and 3 more\n"));
    hf_config_errors_clear(&e, "f");
    assert_int_equal(e.n + e.total, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_the_order_of_the_file),
        cmocka_unit_test(no_more_than_there_is_room_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
