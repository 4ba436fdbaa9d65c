#include "test.h"

#include "core/route.h"
#include "gateway/routing.h"

static const struct hf_board_capacity capacity = {1, 8, 8, 32};
static struct hf_plan_builder *builder;

static int setup(void **state)
{
    (void)state;
    builder = hf_plan_builder_new(&capacity);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    builder = hf_plan_builder_free(builder);
    return 0;
}

/* One service with one route. */
static struct hf_plan *plan_of(const char *prefix, const char *target, uint16_t redirect)
{
    const struct hf_plan_gateway gateway = {0};
    struct hf_plan_service s = {0};
    struct hf_plan_route r = {.redirect = redirect};
    struct hf_plan *p;

    hf_plan_builder_begin(builder, &gateway);
    s.name = hf_plan_builder_text(builder, HF_STR("app"));
    assert_int_equal(hf_plan_builder_service(builder, &s), 0);
    r.prefix = hf_plan_builder_text(builder, hf_str(prefix));
    r.target = hf_plan_builder_text(builder, hf_str(target));
    assert_int_equal(hf_plan_builder_route(builder, &r), 0);
    assert_int_equal(hf_plan_builder_finish(builder, &p, NULL), 0);
    memset(p->probe_token, 0xab, sizeof(p->probe_token));
    hf_plan_seal(p, 1);
    assert_int_equal(hf_plan_validate(p, p->size, &capacity, NULL), 0);
    return p;
}

static int find(const struct hf_plan *p, const char *origin, struct hf_routing *ret)
{
    static char normal[HF_ROUTING_PATH];
    struct hf_h1_head head = {.origin = hf_str(origin), .host = HF_STR("Shop.Example")};

    return hf_routing_find(p, &head, normal, ret);
}

static void a_redirect_leads_where_its_template_says(void **state)
{
    static const struct {
        const char *prefix, *target, *origin, *location;
    } rows[] = {
        {"/old", "https://new.example/", "/old/a?b", "https://new.example/"},
        {"/old", "/new", "/old/a", "/new"},
        {"/old", "/new{rest}", "/old/a?b", "/new/a?b"},
        {"/old", "/new{rest}", "/old", "/new"},
        {"/old", "/new{rest}", "/old?b", "/new?b"},
        {"/old", "/new/{rest}", "/old/a", "/new/a"},
        {"/old", "/{rest}", "/old//evil.example/", "/evil.example/"},
        {"/old", "/{rest}", "/old/%2F/evil.example", "/%2F/evil.example"},
        {"/", "https://{host}{path}", "/a/b?c=1&d", "https://Shop.Example/a/b?c=1&d"},
        {"/", "https://{host}{path}", "/", "https://Shop.Example/"},
        {"/", "https://{host}:8443{path}", "/a?", "https://Shop.Example:8443/a?"},
        {"/", "https://www.{host}{rest}", "/a", "https://www.Shop.Example/a"},
        {"/", "/de{rest}", "/a", "/de/a"},
        {"/", "/de{rest}", "/", "/de/"},
        {"/", "/search?was={path}&x", "/a", "/search?was=/a&x"},
        {"/a", "https://{host}{path}", "//a/./b/../c", "https://Shop.Example/a/c"},
    };

    (void)state;
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        const struct hf_plan *p = plan_of(rows[i].prefix, rows[i].target, 308);
        char buf[128];
        struct hf_h1_out o = {buf, buf + sizeof(buf), false};
        struct hf_routing r;
        assert_int_equal(find(p, rows[i].origin, &r), 0);
        assert_non_null(r.route);
        assert_false(hf_routing_rewrites(&r));
        assert_int_equal(hf_routing_location(p, &r, HF_STR("Shop.Example"), &o), 0);
        assert_false(o.full);
        if (!hf_str_eq((struct hf_str){buf, (size_t)(o.p - buf)}, hf_str(rows[i].location)))
            fail_msg("%s: %.*s", rows[i].origin, (int)(o.p - buf), buf);
    }
}

static void a_redirect_may_need_a_host(void **state)
{
    const struct hf_plan *p = plan_of("/", "https://{host}{path}", 308);
    char buf[16];
    struct hf_h1_out o = {buf, buf + sizeof(buf), false};
    struct hf_routing r;

    (void)state;
    assert_int_equal(find(p, "/", &r), 0);
    assert_int_equal(hf_routing_location(p, &r, (struct hf_str){0}, &o), HF_EINVAL);
    o.p = buf;
    assert_int_equal(hf_routing_location(p, &r, HF_STR("shop.example"), &o), 0);
    assert_true(o.full); /* it does not fit, and that shows */
}

static void who_is_there_is_not_sent_there(void **state)
{
    static const struct {
        const char *location, *scheme, *host, *origin;
        bool here;
    } rows[] = {
        {"https://a.example/x", "https", "a.example", "/x", true},
        {"https://a.example/x", "http", "a.example", "/x", false},
        {"http://a.example/x", "https", "a.example", "/x", false},
        {"https://A.example/x", "https", "a.Example", "/x", true},
        {"https://a.example/x", "https", "a.example:443", "/x", true},
        {"https://a.example:443/x", "https", "a.example", "/x", true},
        {"https://a.example:8443/x", "https", "a.example:8443", "/x", true},
        {"https://a.example/x", "https", "a.example:8443", "/x", false},
        {"http://a.example/x", "http", "a.example:80", "/x", true},
        {"http://a.example/x", "http", "a.example:443", "/x", false},
        {"https://a.example/x", "https", "b.example", "/x", false},
        {"https://a.example/x", "https", "a.example", "/y", false},
        {"https://a.example/x", "https", "a.example", "/xy", false},
        {"https://a.example/x", "https", "a.example", "/x?q", false},
        {"https://a.example/x?q", "https", "a.example", "/x?q", true},
        {"https://a.example/x?q", "https", "a.example", "/x", false},
        {"https://a.example/x?q", "https", "a.example", "/x?p", false},
        {"https://a.example/x?", "https", "a.example", "/x?", true},
        {"https://a.example/x#q", "https", "a.example", "/x?q", false},
        {"https://a.example", "https", "a.example", "/", true},
        {"https://a.example", "https", "a.example", "//.", true},
        {"https://a.example", "https", "", "/", false},
        {"/x", "http", "a.example", "/x", true},
        {"/x?q", "https", "", "/x?q", true},
        {"/x", "http", "a.example", "/y", false},
    };
    const struct hf_plan *p = plan_of("/", "/x", 308);

    (void)state;
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        struct hf_routing r;
        assert_int_equal(find(p, rows[i].origin, &r), 0);
        if (hf_routing_is_here(&r, hf_str(rows[i].location), hf_str(rows[i].scheme),
                               hf_str(rows[i].host)) != rows[i].here)
            fail_msg("%s: %s %s%s", rows[i].location, rows[i].scheme, rows[i].host, rows[i].origin);
    }
}

static void what_follows_the_prefix_is_known(void **state)
{
    static const struct {
        const char *prefix, *origin, *rest;
    } rows[] = {
        {"/shop", "/shop", ""},       {"/shop", "/shop/", "/"}, {"/shop", "/shop/a?b", "/a"},
        {"/shop", "//shop//a", "/a"}, {"/", "/", "/"},          {"/", "/a", "/a"}};

    (void)state;
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        const struct hf_plan *p = plan_of(rows[i].prefix, "/", 0);
        struct hf_routing r;
        assert_int_equal(find(p, rows[i].origin, &r), 0);
        assert_true(hf_routing_rewrites(&r));
        assert_true(hf_str_eq(hf_routing_rest(p, &r), hf_str(rows[i].rest)));
    }
}

static void none_and_bad_are_told_apart(void **state)
{
    const struct hf_plan *p = plan_of("/a", "", 0);
    struct hf_routing r = {.service = 7};

    (void)state;
    assert_int_equal(find(p, "/../a", &r), HF_EINVAL);
    assert_int_equal(r.service, 7);
    assert_int_equal(find(p, "/b", &r), 0);
    assert_int_equal(r.service, HF_ROUTE_NONE);
    assert_null(r.route);
    assert_false(hf_routing_rewrites(&r));
    assert_int_equal(find(p, "*", &r), 0);
    assert_int_equal(r.service, HF_ROUTE_NONE);
    assert_int_equal(find(p, "/a?x", &r), 0);
    assert_int_equal(r.service, 0);
    assert_false(hf_routing_rewrites(&r));
}

static void a_probe_takes_no_route(void **state)
{
    static const struct {
        const char *value;
        bool probe;
    } rows[] = {
        {"abababababababababababababababab/app", true},
        {"abababababababababababababababab/", false},
        {"abababababababababababababababab/nope", false},
        {"abababababababababababababababac/app", false},
        {"abababababababababababababababab", false},
        {"", false},
    };
    const struct hf_plan *p = plan_of("/a", "/", 308);
    static char normal[HF_ROUTING_PATH];

    (void)state;
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        struct hf_h1_head head = {.origin = HF_STR("/x"),
                                  .host = HF_STR("h"),
                                  .n_fields = 1,
                                  .seen = HF_FIELD_BIT(HF_FIELD_X_HOLDFAST_PROBE)};
        struct hf_routing r;
        head.fields[0].value = hf_str(rows[i].value);
        assert_int_equal(hf_routing_find(p, &head, normal, &r), 0);
        assert_int_equal(r.probe, rows[i].probe);
        assert_int_equal(r.service, rows[i].probe ? 0 : HF_ROUTE_NONE);
        assert_null(r.route);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_redirect_leads_where_its_template_says, setup, teardown),
        cmocka_unit_test_setup_teardown(a_redirect_may_need_a_host, setup, teardown),
        cmocka_unit_test_setup_teardown(who_is_there_is_not_sent_there, setup, teardown),
        cmocka_unit_test_setup_teardown(what_follows_the_prefix_is_known, setup, teardown),
        cmocka_unit_test_setup_teardown(none_and_bad_are_told_apart, setup, teardown),
        cmocka_unit_test_setup_teardown(a_probe_takes_no_route, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
