#include "test.h"

#include <stdlib.h>
#include <time.h>

#include "http/h1_write.h"

static char buf[128];

static struct hf_h1_out out_of(size_t n)
{
    memset(buf, '~', sizeof(buf));
    return (struct hf_h1_out){.p = buf, .end = buf + n};
}

static void assert_out(const struct hf_h1_out *o, const char *want)
{
    assert_false(o->full);
    assert_int_equal(o->p - buf, strlen(want));
    assert_memory_equal(buf, want, strlen(want));
    assert_int_equal(*o->p, '~');
}

static void a_head_is_put_together(void **state)
{
    struct hf_h1_out o = out_of(sizeof(buf));

    (void)state;
    hf_h1_put_status(&o, 404, (struct hf_str){0});
    hf_h1_put_field(&o, HF_STR("x"), HF_STR("y"));
    hf_h1_put_field(&o, HF_STR("empty"), (struct hf_str){0});
    HF_H1_PUT(&o, "\r\n");
    assert_out(&o, "HTTP/1.1 404 Not Found\r\nx: y\r\nempty: \r\n\r\n");
    o = out_of(sizeof(buf));
    hf_h1_put_status(&o, 299, HF_STR("Fine"));
    hf_h1_put_status(&o, 299, (struct hf_str){0});
    assert_out(&o, "HTTP/1.1 299 Fine\r\nHTTP/1.1 299 Unknown\r\n");
}

static void numbers(void **state)
{
    struct hf_h1_out o = out_of(sizeof(buf));

    (void)state;
    hf_h1_put_decimal(&o, 0);
    HF_H1_PUT(&o, " ");
    hf_h1_put_decimal(&o, UINT64_MAX);
    HF_H1_PUT(&o, " ");
    hf_h1_put_hex(&o, 0);
    HF_H1_PUT(&o, " ");
    hf_h1_put_hex(&o, 0x1a2b);
    HF_H1_PUT(&o, " ");
    hf_h1_put_chunk(&o, UINT64_MAX);
    assert_out(&o, "0 18446744073709551615 0 1a2b ffffffffffffffff\r\n");
}

static void text_for_json(void **state)
{
    struct hf_h1_out o = out_of(sizeof(buf));

    (void)state;
    hf_h1_put_escaped(&o, (struct hf_str){0});
    hf_h1_put_escaped(&o, HF_STR("/a/plain/path/of/more/than/16 bytes~"));
    assert_out(&o, "/a/plain/path/of/more/than/16 bytes~");
    o = out_of(sizeof(buf));
    hf_h1_put_escaped(&o, HF_STR("\"16 bytes and more\\\x1f 16 bytes and more\x7f\xff\n"));
    assert_out(&o, "\\\"16 bytes and more\\\\\\u001f 16 bytes and more\\u007f\\u00ff\\u000a");
}

static void what_does_not_fit_is_not_begun(void **state)
{
    for (size_t size = 0; size < 6; size++) {
        struct hf_h1_out o = out_of(size);
        (void)state;
        hf_h1_put_field(&o, HF_STR("x"), HF_STR("y"));
        assert_true(o.full);
        assert_true(o.p == buf);
        HF_H1_PUT(&o, ""); /* nor is what comes after it */
        assert_true(o.full);
        assert_int_equal(buf[0], '~');
    }
    struct hf_h1_out o = out_of(6);
    hf_h1_put_field(&o, HF_STR("x"), HF_STR("y"));
    assert_out(&o, "x: y\r\n");
    HF_H1_PUT(&o, "z");
    assert_true(o.full);
}

static void dates_are_those_of_the_library(void **state)
{
    struct hf_date_cache cache = {0};
    uint64_t seed = 1;

    (void)state;
    for (int i = 0; i < 20000; i++) {
        time_t t = (time_t)(seed >> 20) % INT64_C(9214646400); /* to the year 2262 */
        struct tm tm;
        char want[64];
        struct hf_str got;
        if (i < 4)
            t = (const time_t[]){0, 951782400, 951868799, 1709210096}[i];
        gmtime_r(&t, &tm);
        strftime(want, sizeof(want), "%a, %d %b %Y %H:%M:%S GMT", &tm);
        for (int again = 0; again < 2; again++) {
            got = hf_date(&cache, (struct hf_wall){t * HF_NS_PER_S + again});
            if (!hf_str_eq(got, hf_str(want)))
                print_error("%.*s, want %s\n", HF_STR_ARG(got), want);
            assert_true(hf_str_eq(got, hf_str(want)));
        }
        seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
    }
}

static void reasons(void **state)
{
    (void)state;
    assert_true(hf_str_eq(hf_http_reason(200), HF_STR("OK")));
    assert_true(hf_str_eq(hf_http_reason(418), HF_STR("Unknown")));
    assert_true(hf_str_eq(hf_http_reason(100000), HF_STR("Unknown")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_head_is_put_together),
        cmocka_unit_test(numbers),
        cmocka_unit_test(text_for_json),
        cmocka_unit_test(what_does_not_fit_is_not_begun),
        cmocka_unit_test(dates_are_those_of_the_library),
        cmocka_unit_test(reasons),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
