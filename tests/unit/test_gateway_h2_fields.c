#include "test.h"

#include <stdio.h>

#include "gateway/h2_fields.h"

static const struct hf_h1_limits limits = {.line = 8192, .head = 65536, .fields = 100};
static struct hf_buffers buffers; /* pools give nothing back: kept in sight of the leak detector */
static struct hf_h2_fields f;
static struct hf_h1_head head;
static struct hf_h1_framing framing;
static struct hf_h2_request more;

static void add(const char *name, const char *value)
{
    hf_h2_fields_add(&buffers, &f, hf_str(name), hf_str(value), limits.head);
}

static void add_request(void)
{
    add(":method", "GET");
    add(":scheme", "http");
    add(":path", "/");
    add(":authority", "a");
}

static void a_section_grows_with_its_fields(void **state)
{
    char name[16];

    (void)state;
    add_request();
    for (int i = 0; i < 90; i++) {
        snprintf(name, sizeof(name), "x-%d", i);
        add(name, "some text that lets the buffer grow into the next size");
    }
    assert_int_equal(hf_h2_fields_request(&buffers, &f, true, &limits, &head, &more, &framing), 0);
    assert_int_equal(head.n_fields, 90);
    assert_true(hf_str_eq(head.fields[89].name, HF_STR("x-89")));
    hf_h2_fields_drop(&buffers, &f);
    assert_null(f.text.p);
}

static void what_is_too_large_is_counted_and_not_kept(void **state)
{
    static char value[60000];

    (void)state;
    memset(value, 'a', sizeof(value) - 1);
    add_request();
    for (int i = 0; i < 1000; i++)
        add("x-a", value);
    assert_true(f.over);
    assert_true(f.size > 1000UL * sizeof(value));
    assert_true(f.text.size <= 2 * limits.head);
    assert_int_equal(hf_h2_fields_request(&buffers, &f, true, &limits, &head, &more, &framing),
                     -HF_H1_HEAD_LONG);
    hf_h2_fields_drop(&buffers, &f);
}

/* The joined cookie needs room behind all crumbs, up to the last byte. */
static void many_crumbs_find_room(void **state)
{
    (void)state;
    for (int n = 1; n < 300; n++) {
        add_request();
        for (int i = 0; i < n; i++)
            add("cookie", "a=b");
        assert_int_equal(hf_h2_fields_request(&buffers, &f, true, &limits, &head, &more, &framing),
                         0);
        assert_int_equal(hf_h1_field(&head, HF_FIELD_COOKIE)->value.n, 5 * n - 2);
        hf_h2_fields_drop(&buffers, &f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_section_grows_with_its_fields),
        cmocka_unit_test(what_is_too_large_is_counted_and_not_kept),
        cmocka_unit_test(many_crumbs_find_room),
    };

    hf_buffers_init(&buffers);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
