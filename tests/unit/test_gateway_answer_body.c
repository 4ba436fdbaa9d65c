#include "test.h"

#include <jansson.h>

#include "gateway/answer_body.h"

static char buf[HF_ANSWER_BODY_MOST];

static struct hf_str render(enum hf_answer_form form, unsigned status, const char *detail,
                            const char *id)
{
    struct hf_answer_body a = {form, status, detail, hf_str(id)};

    memset(buf, 'x', sizeof(buf));
    return hf_answer_render(&a, buf);
}

static bool says(struct hf_str s, const char *part)
{
    return memmem(s.p, s.n, part, strlen(part)) != NULL;
}

static void a_problem_is_one(void **state)
{
    struct hf_str s = render(HF_ANSWER_JSON, 502, "it said \"no\"\\\n\x80", "abc-1");
    json_t *o = json_loadb(s.p, s.n, 0, NULL);

    (void)state;
    assert_non_null(o);
    assert_int_equal(json_object_size(o), 5);
    assert_string_equal(json_string_value(json_object_get(o, "type")), "about:blank");
    assert_string_equal(json_string_value(json_object_get(o, "title")), "Bad Gateway");
    assert_int_equal(json_integer_value(json_object_get(o, "status")), 502);
    assert_string_equal(json_string_value(json_object_get(o, "detail")),
                        "it said \"no\"\\\n\xc2\x80");
    assert_string_equal(json_string_value(json_object_get(o, "requestId")), "abc-1");
    json_decref(o);

    s = render(HF_ANSWER_JSON, 400, "no", "");
    o = json_loadb(s.p, s.n, 0, NULL);
    assert_non_null(o);
    assert_null(json_object_get(o, "requestId"));
    json_decref(o);
}

static void a_page_is_escaped(void **state)
{
    struct hf_str s = render(HF_ANSWER_HTML, 404, "<i>", "<b>'\"&");

    (void)state;
    assert_true(says(s, "<code>&lt;b&gt;&#39;&quot;&amp;</code>"));
    assert_false(says(s, "<i>") || says(s, "<b>"));
}

static void a_page_is_complete_in_itself(void **state)
{
    struct hf_str s = render(HF_ANSWER_HTML, 503, "none is ready", "abc-1");

    (void)state;
    assert_true(hf_str_starts(s, HF_STR("<!doctype html>\n")));
    assert_true(says(s, "<title>We will be back in a moment</title>"));
    assert_true(says(s, "<h1>We will be back in a moment</h1>"));
    assert_true(says(s, "503 Service Unavailable<br>"));
    assert_false(says(s, "none is ready")); /* words of ours */
    assert_true(says(s, "<code>abc-1</code>"));
    assert_true(says(s, "prefers-color-scheme:dark"));
    assert_false(says(s, "://") || says(s, "src=") || says(s, "href=") || says(s, "url("));
    s = render(HF_ANSWER_HTML, 503, "none is ready", "");
    assert_false(says(s, "<code>"));
}

static void a_text_is_plain(void **state)
{
    struct hf_str s = render(HF_ANSWER_TEXT, 504, "no answer in time", "abc-1");

    (void)state;
    assert_true(hf_str_starts(s, HF_STR("This is taking too long.\n")));
    assert_true(says(s, "\n504 Gateway Timeout: no answer in time\nrequest abc-1\n"));
}

static void every_status_has_words(void **state)
{
    (void)state;
    for (unsigned status = 300; status < 600; status++) {
        for (unsigned form = 0; form < HF_ANSWER_FORMS; form++)
            assert_true(render((enum hf_answer_form)form, status, "why", "id").n > 60);
    }
}

static void what_does_not_fit_is_left_out(void **state)
{
    static char detail[HF_ANSWER_BODY_MOST];

    (void)state;
    memset(detail, '"', sizeof(detail) - 1);
    assert_int_equal(render(HF_ANSWER_JSON, 500, detail, "id").n, 0);
    assert_int_equal(render(HF_ANSWER_TEXT, 500, detail, "id").n, 0);
    assert_int_equal(render(HF_ANSWER_HTML, 500, "", detail).n, 0);
    detail[300] = 0;
    for (unsigned form = 0; form < HF_ANSWER_FORMS; form++)
        assert_true(render((enum hf_answer_form)form, 500, detail, "id").n > 0);
}

static void types_are_named(void **state)
{
    (void)state;
    assert_true(hf_str_eq(hf_answer_type(HF_ANSWER_JSON), HF_STR("application/problem+json")));
    assert_true(hf_str_eq(hf_answer_type(HF_ANSWER_HTML), HF_STR("text/html; charset=utf-8")));
    assert_true(hf_str_eq(hf_answer_type(HF_ANSWER_TEXT), HF_STR("text/plain; charset=utf-8")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_problem_is_one),
        cmocka_unit_test(a_page_is_escaped),
        cmocka_unit_test(a_page_is_complete_in_itself),
        cmocka_unit_test(a_text_is_plain),
        cmocka_unit_test(every_status_has_words),
        cmocka_unit_test(what_does_not_fit_is_left_out),
        cmocka_unit_test(types_are_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
