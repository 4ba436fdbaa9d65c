#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "release/doc.h"

static struct hf_release_doc *sample(void)
{
    struct hf_release_doc *d = hf_release_doc_new();
    struct hf_release_line line = {.time = {INT64_C(1763922713123000000)},
                                   .state = HF_RELEASE_ROLLING,
                                   .step = HF_STEP_SMOKE,
                                   .node = "a",
                                   .instance = "orders-a-2",
                                   .text = "1 smoke request passed"};

    d->id = 17;
    strcpy(d->service, "orders");
    strcpy(d->from, "1.3.0");
    strcpy(d->to, "1.4.0");
    strcpy(d->requested_by, "ann");
    strcpy(d->why, "b/2: \"odd\" \\ text");
    d->queued = true;
    d->requested.ns = INT64_C(1763922712000000000);
    d->since.ns = INT64_C(1763922713000000000);
    d->state = HF_RELEASE_ROLLING;
    d->step = HF_STEP_BAKE;
    d->at = 1;
    d->n_places = 2;
    d->places = calloc(2, sizeof(*d->places));
    strcpy(d->places[0].node, "a");
    d->places[0].ordinal = 1;
    d->places[0].progress = HF_PROGRESS_ACCEPTED;
    strcpy(d->places[1].node, "b");
    d->places[1].ordinal = 2;
    d->places[1].progress = HF_PROGRESS_MOVING;
    strcpy(d->places[1].from, "1.3.0");
    strcpy(d->places[1].old, "orders-b-1");
    strcpy(d->places[1].fresh, "orders-b-2");
    d->n_bases = 1;
    d->bases = calloc(1, sizeof(*d->bases));
    d->bases[0] = (struct hf_release_base){3, UINT32_MAX, INT64_C(1) << 40, 7};
    hf_release_doc_log(d, &line);
    return d;
}

static char *text_of(const struct hf_release_doc *d)
{
    json_t *j = hf_release_doc_json(d);
    char *text = json_dumps(j, JSON_COMPACT);

    json_decref(j);
    return text;
}

static void comes_back_as_it_was(void **state)
{
    struct hf_release_doc *d = sample(), *back = NULL;
    char *text = text_of(d), *again;
    struct hf_error e;

    (void)state;
    assert_int_equal(hf_release_doc_parse(hf_str(text), &back, &e), 0);
    assert_int_equal(back->bases[0].attempts, INT64_C(1) << 40);
    assert_int_equal(back->bases[0].incarnation, UINT32_MAX);
    assert_int_equal(back->places[1].progress, HF_PROGRESS_MOVING);
    assert_string_equal(back->why, d->why);
    again = text_of(back);
    assert_string_equal(text, again);
    free(text);
    free(again);
    hf_release_doc_free(d);
    hf_release_doc_free(back);
}

static void set(json_t *j, const char *key, json_t *value)
{
    json_object_set_new(j, key, value);
}

/* Each member, missing or of another kind, is refused by name. */
static void refuses_what_it_did_not_write(void **state)
{
    struct hf_release_doc *d = sample(), *back = NULL;
    json_t *whole = hf_release_doc_json(d);
    const char *key;
    json_t *value;
    struct hf_error e;

    (void)state;
    json_object_foreach(whole, key, value)
    {
        for (int kind = 0; kind < 3; kind++) {
            json_t *j = json_deep_copy(whole);
            char *text;
            if (kind == 0)
                json_object_del(j, key);
            else
                set(j, key, kind == 1 ? json_real(0.5) : json_pack("[s]", "x"));
            text = json_dumps(j, JSON_COMPACT);
            if (hf_release_doc_parse(hf_str(text), &back, &e) != HF_ECORRUPT)
                fail_msg("%s, kind %d", key, kind);
            free(text);
            json_decref(j);
        }
    }
    json_decref(whole);
    assert_int_equal(hf_release_doc_parse(HF_STR("{"), &back, &e), HF_ECORRUPT);
    assert_int_equal(hf_release_doc_parse(HF_STR(""), &back, &e), HF_ECORRUPT);
    assert_int_equal(hf_release_doc_parse(HF_STR("[]"), &back, &e), HF_ECORRUPT);
    d->at = 2; /* a slot that there is not */
    {
        char *text = text_of(d);
        assert_int_equal(hf_release_doc_parse(hf_str(text), &back, &e), HF_ECORRUPT);
        free(text);
    }
    assert_null(back);
    hf_release_doc_free(d);
}

static void odd_bytes_are_kept_out_of_json(void **state)
{
    struct hf_release_doc *d = sample();
    json_t *j;

    (void)state;
    strcpy(d->why, "log says \xff\xfe.");
    j = hf_release_doc_json(d);
    assert_string_equal(json_string_value(json_object_get(j, "why")), "log says ??.");
    json_decref(j);
    j = hf_release_line_json(d, &d->lines[0]);
    assert_string_equal(json_string_value(json_object_get(j, "kind")), "release");
    assert_string_equal(json_string_value(json_object_get(j, "step")), "smoke");
    assert_int_equal(json_integer_value(json_object_get(j, "release")), 17);
    json_decref(j);
    hf_release_doc_free(d);
}

static void every_name_is_there_once(void **state)
{
    (void)state;
    for (int i = 0; i < HF_RELEASE_STATES; i++)
        for (int k = 0; k < i; k++)
            assert_string_not_equal(hf_release_state_name(i), hf_release_state_name(k));
    for (int i = 0; i < HF_STEPS; i++)
        for (int k = 0; k < i; k++)
            assert_string_not_equal(hf_release_step_name(i), hf_release_step_name(k));
    for (int i = 0; i < HF_PROGRESSES; i++)
        for (int k = 0; k < i; k++)
            assert_string_not_equal(hf_release_progress_name(i), hf_release_progress_name(k));
    assert_string_equal(hf_release_state_name(HF_RELEASE_STATES), "unknown");
    assert_string_equal(hf_release_step_name(HF_STEPS), "unknown");
    assert_string_equal(hf_release_progress_name(HF_PROGRESSES), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comes_back_as_it_was),
        cmocka_unit_test(refuses_what_it_did_not_write),
        cmocka_unit_test(odd_bytes_are_kept_out_of_json),
        cmocka_unit_test(every_name_is_there_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
