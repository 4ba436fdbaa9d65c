#include "test.h"

#include "gateway/accept.h"

static enum hf_answer_form chosen(struct hf_str first, struct hf_str second)
{
    struct hf_accept a = {0};

    if (first.p)
        hf_accept_add(&a, first);
    if (second.p)
        hf_accept_add(&a, second);
    return hf_accept_choose(&a);
}

static void the_form_is_chosen(void **state)
{
    static const struct {
        const char *accept;
        enum hf_answer_form form;
    } rows[] = {
        /* programs */
        {"*/*", HF_ANSWER_JSON},
        {"", HF_ANSWER_JSON},
        {"application/json", HF_ANSWER_JSON},
        {"application/problem+json", HF_ANSWER_JSON},
        {"application/json, text/plain, */*", HF_ANSWER_JSON},
        {"application/json, text/javascript, */*; q=0.01", HF_ANSWER_JSON},
        {"image/avif,image/webp,*/*;q=0.8", HF_ANSWER_JSON},
        {"application/*", HF_ANSWER_JSON},
        {"image/png", HF_ANSWER_JSON},
        /* browsers: Firefox, Chromium, Safari */
        {"text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
         HF_ANSWER_HTML},
        {"text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,"
         "*/*;q=0.8,application/signed-exchange;v=b3;q=0.7",
         HF_ANSWER_HTML},
        {"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", HF_ANSWER_HTML},
        {"TEXT/HTML", HF_ANSWER_HTML},
        {"text/html, */*", HF_ANSWER_HTML},
        {"*/*, text/html", HF_ANSWER_HTML},
        {"text/*", HF_ANSWER_HTML},
        {"text/html;charset=utf-8", HF_ANSWER_HTML},
        {"text/plain", HF_ANSWER_TEXT},
        {"text/plain, */*;q=0.1", HF_ANSWER_TEXT},
        {"text/*, text/plain", HF_ANSWER_TEXT},
        /* quality */
        {"text/html;q=0.4, application/json;q=0.5", HF_ANSWER_JSON},
        {"text/html;q=0.5, application/json;q=0.4", HF_ANSWER_HTML},
        {"text/html;q=0.501, application/json;q=0.5", HF_ANSWER_HTML},
        {"text/html ; q=0.5 , application/json ; q=0.400", HF_ANSWER_HTML},
        {"text/html;Q=0.5,application/json;q=0.4", HF_ANSWER_HTML},
        {"text/html;q=0.5, application/json;q=0.5", HF_ANSWER_JSON},
        {"application/json;q=0, */*", HF_ANSWER_HTML},
        {"application/json;q=0, text/html;q=0, */*", HF_ANSWER_TEXT},
        {"*/*;q=0", HF_ANSWER_JSON},
        {"text/html;q=0", HF_ANSWER_JSON},
        {"application/json;q=0.2, application/problem+json;q=0.9, text/html;q=0.5", HF_ANSWER_JSON},
        {"text/*;q=0.9, text/html;q=0.1, */*;q=0.5", HF_ANSWER_TEXT},
        {"text/html;level=\"a,b;q=0\";q=0.8, */*;q=0.5", HF_ANSWER_HTML},
        {"text/html;level=\"\\\",\";q=0.8, */*;q=0.5", HF_ANSWER_HTML},
        {"text/html;q=1.000", HF_ANSWER_HTML},
        /* what is not valid is skipped */
        {"text/html;q=2", HF_ANSWER_JSON},
        {"text/html;q=1.001", HF_ANSWER_JSON},
        {"text/html;q=0.1234", HF_ANSWER_JSON},
        {"text/html;q=", HF_ANSWER_JSON},
        {"text/html;q=a", HF_ANSWER_JSON},
        {"text/html;q=0x1", HF_ANSWER_JSON},
        {"text/html;q=-1, text/plain", HF_ANSWER_TEXT},
        {"text/html;level=\"open, text/plain", HF_ANSWER_HTML},
        {",,;,text/html,;q=1", HF_ANSWER_HTML},
        {"texthtml", HF_ANSWER_JSON},
    };

    (void)state;
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        enum hf_answer_form form = chosen(hf_str(rows[i].accept), (struct hf_str){0});
        if (form != rows[i].form)
            fail_msg("%s: %d, not %d", rows[i].accept, form, rows[i].form);
    }
}

static void several_fields_are_one_list(void **state)
{
    (void)state;
    assert_int_equal(chosen((struct hf_str){0}, (struct hf_str){0}), HF_ANSWER_JSON);
    assert_int_equal(chosen(HF_STR("*/*;q=0.5"), HF_STR("text/html")), HF_ANSWER_HTML);
    assert_int_equal(chosen(HF_STR("text/html;q=0.5"), HF_STR("application/json")), HF_ANSWER_JSON);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_form_is_chosen),
        cmocka_unit_test(several_fields_are_one_list),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
