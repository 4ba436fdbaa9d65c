#include "test.h"

#include "board/plan.h"
#include "core/route.h"

static const struct hf_board_capacity capacity = {1, 8, 8, 32};
static struct hf_plan_builder *builder;

struct row {
    const char *host, *prefix;
};

static struct hf_plan *plan_of(const struct row *rows, size_t n)
{
    const struct hf_plan_gateway gateway = {0};
    struct hf_plan *p;

    hf_plan_builder_begin(builder, &gateway);
    for (size_t i = 0; i < n; i++) {
        struct hf_plan_service s = {.slot = (uint32_t)i};
        struct hf_plan_route r = {.service = (uint32_t)i};
        assert_int_equal(hf_plan_builder_service(builder, &s), (int)i);
        r.host = hf_plan_builder_text(builder, hf_str(rows[i].host));
        r.prefix = hf_plan_builder_text(builder, hf_str(rows[i].prefix));
        assert_true(hf_plan_builder_route(builder, &r) >= 0);
    }
    assert_int_equal(hf_plan_builder_finish(builder, &p, NULL), 0);
    hf_plan_seal(p, 1);
    assert_int_equal(hf_plan_validate(p, p->size, &capacity, NULL), 0);
    return p;
}

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

/* The service that the route which is taken belongs to. */
static int found(const struct hf_plan *p, const char *host, const char *path)
{
    int route = hf_route_find(p, hf_str(host), hf_str(path));

    return route == HF_ROUTE_NONE ? HF_ROUTE_NONE : (int)hf_plan_routes(p)[route].service;
}

static void the_longest_prefix_of_the_host_wins(void **state)
{
    static const struct row rows[] = {{"", "/"},
                                      {"", "/a"},
                                      {"", "/a/b"},
                                      {"shop.example", "/"},
                                      {"shop.example", "/a"},
                                      {"only.example", "/x/"},
                                      {"shop.example.org", "/a"}};
    static const struct {
        const char *host, *path;
        int service;
    } cases[] = {
        {"", "/", 0},
        {"other", "/", 0},
        {"other", "/a", 1},
        {"other", "/a/", 1},
        {"other", "/ab", 0},
        {"other", "/a/b", 2},
        {"other", "/a/bc", 1},
        {"other", "/a/b/c", 2},
        {"shop.example", "/", 3},
        {"shop.example", "/a/b", 4},
        {"shop.example", "/ab", 3},
        {"shop.exampl", "/a", 1},
        {"shop.example.org", "/a", 6},
        {"shop.example.org", "/b", 0},
        {"only.example", "/x/y", 5},
        {"only.example", "/x/", 5},
        {"only.example", "/x", 0},
        {"zzz", "/q", 0},
        {"aaa", "/q", 0},
        {"other", "*", -1},
    };
    struct hf_plan *p = plan_of(rows, HF_COUNT(rows));

    (void)state;
    for (size_t i = 0; i < HF_COUNT(cases); i++) {
        int service = found(p, cases[i].host, cases[i].path);
        if (service != cases[i].service)
            fail_msg("%s%s: service %d, not %d", cases[i].host, cases[i].path, service,
                     cases[i].service);
    }
}

static void without_a_route_for_any_host_there_may_be_none(void **state)
{
    static const struct row rows[] = {{"shop.example", "/a"}};
    struct hf_plan *p = plan_of(rows, HF_COUNT(rows));

    (void)state;
    assert_int_equal(hf_route_find(p, HF_STR("shop.example"), HF_STR("/a")), 0);
    assert_int_equal(hf_route_find(p, HF_STR("shop.example"), HF_STR("/")), HF_ROUTE_NONE);
    assert_int_equal(hf_route_find(p, HF_STR("other"), HF_STR("/a")), HF_ROUTE_NONE);
    assert_int_equal(hf_route_find(p, HF_STR(""), HF_STR("/a")), HF_ROUTE_NONE);
    p = plan_of(NULL, 0);
    assert_int_equal(hf_route_find(p, HF_STR("shop.example"), HF_STR("/a")), HF_ROUTE_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_longest_prefix_of_the_host_wins, setup, teardown),
        cmocka_unit_test_setup_teardown(without_a_route_for_any_host_there_may_be_none, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
