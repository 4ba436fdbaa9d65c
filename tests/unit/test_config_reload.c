#include "config_messages.h"

#include "config/schema.h"

static struct hf_config *parse(const char *yaml)
{
    struct hf_config_errors errors;
    struct hf_config *c = NULL;

    if (hf_config_parse("/etc/f", hf_str(yaml), &c, &errors)) {
        hf_config_errors_print(&errors, stderr);
        fail();
    }
    return c;
}

#define BASE "gateway: { listen: [\"127.0.0.1:8080\"] }\n"

/* What is said when a running holdfast with `old` is given `next`; "": it may. */
static void expect_diff(const char *old, const char *next, const char *expected)
{
    struct hf_config *a = parse(old), *b = parse(next);
    HF_AUTOTEXT struct hf_text text = {0};
    struct hf_config_errors errors;
    int code = hf_config_diff_reload(a, b, &errors);

    hf_config_errors_format(&errors, &text);
    assert_string_equal(text.p ? text.p : "", expected);
    assert_int_equal(code, *expected ? HF_EREFUSED : 0);
    hf_config_unref(a);
    hf_config_unref(b);
}

#define SAID(key)                                                                                  \
    "/etc/f: " key " is changed, which a reload cannot do; expected the old value, or a restart\n"

static void takes_what_it_can(void **state)
{
    (void)state;
    expect_diff(BASE, BASE, "");
    expect_diff(BASE,
                "gateway: { listen: [\"127.0.0.1:8080\", \"127.0.0.1:8081\"], workers: 3, "
                "access_log: off }\n",
                ""); /* another gateway does it */
    expect_diff(BASE, BASE "# a remark\nstate: ./state\nstore: sqlite\n", "");
    expect_diff(BASE,
                "gateway: { listen: [{ address: \"127.0.0.1:8080\" }], workers: auto, drain: 1s, "
                "limits: { line: 1000 }, trusted_proxies: [10.0.0.0/8], access_log_size: 1GiB }\n"
                "nodes: { a: {} }\nports: 30000-30001\ncontinuity: { target: 99 }\nservices:\n"
                "  s: { route: [{}], instances: [\"10.0.0.1:80\"] }\n",
                "");
}

/* One change for each row that says *restart*, and none other: held to the table below. */
static const struct {
    const char *key, *yaml;
} restarts[] = {
    {"state", BASE "state: /tmp/x\n"},
    {"admin.listen", BASE "admin: { listen: \"127.0.0.1:8401\" }\n"},
    {"gateway.user", "gateway: { listen: [\"127.0.0.1:8080\"], user: daemon }\n"},
    {"gateway.sandbox", "gateway: { listen: [\"127.0.0.1:8080\"], sandbox: off }\n"},
    {"board.services", BASE "board: { services: 3 }\n"},
    {"board.endpoints", BASE "board: { endpoints: 3 }\n"},
    {"board.routes", BASE "board: { routes: 3 }\n"},
};

static void says_what_needs_a_restart(void **state)
{
    (void)state;
    for (size_t i = 0; i < HF_COUNT(restarts); i++) {
        struct hf_config *a = parse(BASE), *b = parse(restarts[i].yaml);
        HF_AUTOTEXT struct hf_text text = {0}, said = {0};
        struct hf_config_errors errors;

        assert_int_equal(hf_config_diff_reload(a, b, &errors), HF_EREFUSED);
        hf_config_errors_format(&errors, &text);
        hf_text_addf(&said, "/etc/f: %s is changed,", restarts[i].key);
        assert_non_null(strstr(text.p, said.p));
        hf_config_unref(a);
        hf_config_unref(b);
    }
    expect_diff(BASE "state: /var/lib/holdfast\n", BASE "state: /tmp/x\nboard: { routes: 3 }\n",
                SAID("state") SAID("board.routes"));
}

static size_t count_restarts(const struct hf_section *section)
{
    size_t n = 0;

    for (size_t i = 0; i < section->n_rows; i++) {
        n += section->rows[i].restart;
        if (section->rows[i].section)
            n += count_restarts(section->rows[i].section);
    }
    return n;
}

/* The store is the one that cannot be tried: it has but one value. */
static void every_row_that_says_restart_is_tried(void **state)
{
    (void)state;
    assert_int_equal(count_restarts(&hf_section_root), HF_COUNT(restarts) + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_what_it_can),
        cmocka_unit_test(says_what_needs_a_restart),
        cmocka_unit_test(every_row_that_says_restart_is_tried),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
