#include "config_messages.h"

#include <stdlib.h>

#include "base/mem.h"
#include "config/yaml.h"

static void not_a_configuration(void **state)
{
#define NOTHING "f:1:1: there is no configuration here; expected keys such as \"services:\"\n"
    (void)state;
    EXPECT_MESSAGES({"", NOTHING}, {"# a remark\n", NOTHING}, {"word", NOTHING}, {"[]", NOTHING});
}

static void syntax(void **state)
{
    (void)state;
    EXPECT_MESSAGES(
        {"a: [1", "f:2:1: not valid YAML: did not find expected ',' or ']', while parsing a flow "
                  "sequence that begins at 1:4\n"},
        {"a: b: c", "f:1:5: not valid YAML: mapping values are not allowed in this context\n"},
        {"\ta: b", "f:1:1: not valid YAML: found character that cannot start any token, while "
                   "scanning for the next token that begins at 1:1\n"},
        {"a: \"b", "f:1:6: not valid YAML: found unexpected end of stream, while scanning a quoted "
                   "scalar that begins at 1:4\n"},
        {"{[a]: 1}", "f:1:2: this cannot be a key; expected a word\n"},
        {"{{a: 1}: 1}", "f:1:2: this cannot be a key; expected a word\n"},
        {"'': 1", "f:1:1: this cannot be a key; expected a word\n"});
}

static void refused_parts_of_yaml(void **state)
{
    (void)state;
    EXPECT_MESSAGES(
        {"a: &x {}", "f:1:4: an anchor is not supported; expected plain YAML\n"},
        {"a: &x b", "f:1:4: an anchor is not supported; expected plain YAML\n"},
        {"a: *x", "f:1:4: an alias is not supported; expected plain YAML\n"},
        {"a: !!str b", "f:1:4: a tag is not supported; expected plain YAML\n"},
        {"a: !!map {}", "f:1:4: a tag is not supported; expected plain YAML\n"},
        {"a: !x [b]", "f:1:4: a tag is not supported; expected plain YAML\n"},
        {"%TAG ! tag:x,2000:\n---\na: 1", "f:1:1: a tag is not supported; expected plain YAML\n"},
        {"a: 1\n---\na: 1", "f:2:1: a second document; expected one in a file\n"},
        {"a: 1\nb: 2\n'a': 3", "f:3:1: key \"a\" is given twice; the first is at 1:1\n"},
        {GATEWAY "nodes: { a: {}, b: {}, a: {} }",
         "f:2:24: key \"a\" is given twice; the first is at 2:10\n"});
}

static void bytes(void **state)
{
    (void)state;
    EXPECT_MESSAGES(
        {"a: \xff", "f:1:4: byte 0xff is not UTF-8; expected UTF-8\n"},
        {"a: b\nb: \xc3\xa4\xc3", "f:2:5: byte 0xc3 is not UTF-8; expected UTF-8\n"},
        {"a: \xc0\xaf", "f:1:4: byte 0xc0 is not UTF-8; expected UTF-8\n"},         /* overlong */
        {"a: \xed\xa0\x80", "f:1:4: byte 0xed is not UTF-8; expected UTF-8\n"},     /* surrogate */
        {"a: \xf4\x90\x80\x80", "f:1:4: byte 0xf4 is not UTF-8; expected UTF-8\n"}, /* too high */
        {"\xff\xfe\x61", "f:1:1: byte 0xff is not UTF-8; expected UTF-8\n"},        /* UTF-16 */
        {"a: \x01", "f:1:4: control character 0x01; expected plain text\n"},
        {"a: \x7f", "f:1:4: control character 0x7f; expected plain text\n"},
        {"a: \"\\0\"", "f:1:4: a NUL byte; expected plain text\n"}, {"\xef\xbb\xbf" GATEWAY, ""});
}

static void said_of(const char *p, size_t n, const char *expected)
{
    HF_AUTOTEXT struct hf_text text = {0};
    struct hf_config_errors errors;
    struct hf_config *c = NULL;

    assert_int_equal(hf_config_parse("f", (struct hf_str){p, n}, &c, &errors), HF_EINVAL);
    assert_null(c);
    hf_config_errors_format(&errors, &text);
    assert_string_equal(text.p, expected);
}

static void limits(void **state)
{
    HF_AUTOFREE char *large = hf_alloc(HF_YAML_SIZE + 1);
    HF_AUTOTEXT struct hf_text many = {0}, more = {0};

    (void)state;
    memset(large, ' ', HF_YAML_SIZE + 1);
    said_of(large, HF_YAML_SIZE + 1, "f: the file is too large; expected at most 1MiB\n");
    said_of(large, HF_YAML_SIZE, NOTHING);
    said_of("a\0b", 3, "f:1:2: control character 0x00; expected plain text\n");
    EXPECT_MESSAGES({"a: [[[[[[[[[[[[1]]]]]]]]]]]]",
                     "f:1:15: nested too deeply; expected at most 12 levels\n"});
    for (int i = 0; i < HF_YAML_ENTRIES; i++)
        hf_text_addf(&many, "k%d: 1\n", i);
    hf_text_add(&many, HF_STR("last: 1\n"));
    said_of(many.p, many.n, "f:2049:7: too many entries; expected at most 2048 in one place\n");
    for (int i = 0; i < 60; i++) {
        hf_text_addf(&more, "k%d: [", i);
        for (int k = 0; k < 2000; k++)
            hf_text_add(&more, HF_STR("1,"));
        hf_text_add(&more, HF_STR("]\n"));
    }
    said_of(more.p, more.n, "f:50:3805: too many entries; expected at most 100000 in all\n");
}

static void tree(void **state)
{
    struct hf_pool *pool = hf_pool_new();
    struct hf_config_errors errors = {0};
    const struct hf_yaml *root = hf_yaml_parse(HF_STR("a: { b: \"c d\" }\nl:\n- x\n- [y]\n"), pool,
                                               &errors),
                         *l;

    (void)state;
    assert_non_null(root);
    assert_int_equal(root->kind, HF_YAML_MAP);
    assert_int_equal(root->n, 2);
    assert_string_equal(hf_yaml_get(hf_yaml_get(root, "a"), "b")->text, "c d");
    assert_true(hf_yaml_get(hf_yaml_get(root, "a"), "b")->quoted);
    l = hf_yaml_get(root, "l");
    assert_int_equal(l->kind, HF_YAML_LIST);
    assert_string_equal(l->key->text, "l");
    assert_string_equal(l->first->text, "x");
    assert_int_equal(l->first->line, 3);
    assert_int_equal(l->first->column, 3);
    assert_int_equal(l->first->next->kind, HF_YAML_LIST);
    assert_null(l->first->next->next);
    assert_null(hf_yaml_get(root, "x"));
    assert_null(hf_yaml_get(NULL, "x"));
    assert_null(hf_yaml_get(l, "x"));
    hf_pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(not_a_configuration),
        cmocka_unit_test(syntax),
        cmocka_unit_test(refused_parts_of_yaml),
        cmocka_unit_test(bytes),
        cmocka_unit_test(limits),
        cmocka_unit_test(tree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
