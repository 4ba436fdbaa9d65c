#include "test.h"

#include <string.h>

#include "config/values.h"

static void sizes(void **state)
{
    static const char *const bad[] = {"",   "K",      "1K",    "1MB",
                                      "-1", "1.5MiB", "1 MiB", "17179869184GiB"};
    static const struct {
        const char *text;
        uint64_t bytes;
    } good[] = {{"0", 0},         {"1", 1}, {"1025", 1025}, {"64KiB", 65536}, {"10MiB", 10485760},
                {"1GiB", 1 << 30}};
    char buf[32];
    uint64_t v = 7;

    (void)state;
    for (size_t i = 0; i < HF_COUNT(bad); i++)
        assert_int_equal(hf_bytes_parse(bad[i], &v), HF_EINVAL);
    assert_int_equal(v, 7);
    for (size_t i = 0; i < HF_COUNT(good); i++) {
        assert_int_equal(hf_bytes_parse(good[i].text, &v), 0);
        assert_true(v == good[i].bytes);
        assert_string_equal(hf_bytes_format(v, buf, sizeof(buf)), good[i].text);
    }
}

static void shares(void **state)
{
    static const char *const bad[] = {"",       "%",   "10",  "100.01%", "-1%",
                                      "1.234%", ".5%", "5.%", "1 %"};
    static const struct {
        const char *text;
        uint32_t share;
    } good[] = {{"0%", 0}, {"0.01%", 1}, {"0.5%", 50}, {"12.25%", 1225}, {"100%", 10000}};
    char buf[32];
    uint32_t v = 7;

    (void)state;
    for (size_t i = 0; i < HF_COUNT(bad); i++)
        assert_int_equal(hf_share_parse(bad[i], &v), HF_EINVAL);
    assert_int_equal(v, 7);
    for (size_t i = 0; i < HF_COUNT(good); i++) {
        assert_int_equal(hf_share_parse(good[i].text, &v), 0);
        assert_int_equal(v, good[i].share);
        assert_string_equal(hf_share_format(v, buf, sizeof(buf)), good[i].text);
    }
}

static void durations(void **state)
{
    char buf[32];

    (void)state;
    assert_string_equal(hf_duration_exact(0, buf, sizeof(buf)), "0");
    assert_string_equal(hf_duration_exact(1500, buf, sizeof(buf)), "1500ms");
    assert_string_equal(hf_duration_exact(90000, buf, sizeof(buf)), "90s");
    assert_string_equal(hf_duration_exact(7200000, buf, sizeof(buf)), "2h");
    assert_string_equal(hf_duration_exact(86400000, buf, sizeof(buf)), "1d");
}

struct text_row {
    const char *text;
    bool good;
    const char *why;
};

static void each(bool (*check)(const char *, char *, size_t), const struct text_row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char why[120] = "";
        if (check(rows[i].text, why, sizeof(why)) != rows[i].good)
            fail_msg("\"%s\" is %s", rows[i].text, rows[i].good ? "refused" : "taken");
        assert_string_equal(why, rows[i].why ? rows[i].why : "");
    }
}
#define EACH(check, ...)                                                                           \
    do {                                                                                           \
        static const struct text_row rows[] = {__VA_ARGS__};                                       \
        each(check, rows, HF_COUNT(rows));                                                         \
    } while (0)

#define TEN "xxxxxxxxxx"

static void names(void **state)
{
    (void)state;
    EACH(hf_name_check, {"orders", true}, {"a", true}, {"9-a", true}, {"", false}, {"-a", false},
         {"A", false}, {"a_b", false}, {"a.b", false}, {"a/b", false},
         {TEN TEN TEN TEN TEN TEN "xxx", true}, {TEN TEN TEN TEN TEN TEN "xxxx", false});
    EACH(hf_node_name_check, {"a", true}, {TEN TEN TEN "xx", true}, {TEN TEN TEN "xxx", false});
    EACH(hf_version_name_check, {"1.3.0", true}, {"v1", true}, {"1.3.0-rc.1+build_5", true},
         {"", false}, {".1", false}, {"..", false}, {"1/2", false}, {"1 2", false}, {"-1", false},
         {TEN TEN TEN TEN TEN TEN "xxx", true}, {TEN TEN TEN TEN TEN TEN "xxxx", false});
    EACH(hf_variable_name_check, {"PATH", true}, {"_a1", true}, {"1A", false}, {"A-B", false},
         {"A=B", false}, {"", false}, {"HOLDFAST_TOKEN", false, "is holdfast's own"});
    EACH(hf_user_name_check, {"www-data", true}, {"_x", true}, {"0", false}, {"a b", false},
         {"", false});
}

static void routes(void **state)
{
    (void)state;
    EACH(hf_host_check, {"", true}, {"shop.example", true}, {"A.example", true}, {"a_b-c.d1", true},
         {"10.0.0.1", true}, {"[::1]", true}, {"[::1", false}, {"[::g]", false},
         {"[10.0.0.1]", false}, {"[", false}, {"a:80", false, "has a port"},
         {"::1", false, "has a port"}, {"a.", false}, {".a", false}, {"a..b", false}, {"-a", false},
         {"*.a", false}, {"a b", false}, {"a/b", false}, {"\xc3\xa4.example", false});
    EACH(hf_url_path_check, {"/", true}, {"/a?b=c&d", true}, {"a", false}, {"", false},
         {"/a b", false}, {"/a#b", false}, {"/\xc3\xa4", false}, {"/\r", false});
#define ESCAPE "has an escape that is not needed, or not in capitals"
#define SEGMENT "has an empty, \".\" or \"..\" segment"
    EACH(hf_prefix_check, {"/", true}, {"/a", true}, {"/a/b.c/..d", true}, {"/a%2Fb%20c", true},
         {"/a%00", false, ESCAPE}, {"/a%2fb", false, ESCAPE}, {"/%41", false, ESCAPE},
         {"/a%2", false, ESCAPE}, {"/%", false, ESCAPE}, {"/%zz", false, ESCAPE},
         {"/%7E", false, ESCAPE}, {"/a/", false, "ends with a slash"},
         {"/a?b", false, "has a query"}, {"//a", false, SEGMENT}, {"/a//b", false, SEGMENT},
         {"/a/./b", false, SEGMENT}, {"/..", false, SEGMENT}, {"/a\\b", false}, {"", false},
         {"a", false});
}

static void redirects(void **state)
{
    (void)state;
    EACH(hf_redirect_check, {"/", true}, {"/new?a=b#c", true}, {"/new{rest}", true},
         {"https://new.example", true}, {"http://{host}:81{path}", true},
         {"https://www.{host}/{rest}", true}, {"https://[::1]/", true}, {"", false}, {"new", false},
         {"//new.example/", false}, {"{path}", false}, {"ftp://new.example/", false},
         {"https://", false}, {"https:///a", false}, {"https://{path}", false},
         {"https://{rest}", false}, {"/a b", false}, {"/a\r\nx: y", false}, {"/\xc3\xa4", false},
         {"/a\\b", false}, {"/{", false, "has an unknown placeholder {"},
         {"/{scheme}", false, "has an unknown placeholder {scheme}"},
         {"/{host", false, "has an unknown placeholder {host"},
         {"/{{host}}", false, "has an unknown placeholder {{host}"},
         {"/a}", false, "has a } without {"});
}

static void templates(void **state)
{
    (void)state;
    EACH(hf_template_check, {"", true}, {"{port}", true}, {"{\"a\":1}", true},
         {"{x}", false, "has the unknown placeholder {x}"},
         {"{" TEN TEN TEN TEN TEN "}", false,
          "has the unknown placeholder {" TEN TEN TEN "xxxxxxxxx"});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes),     cmocka_unit_test(shares), cmocka_unit_test(durations),
        cmocka_unit_test(names),     cmocka_unit_test(routes), cmocka_unit_test(redirects),
        cmocka_unit_test(templates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
