#include "test.h"

#include "http/url.h"

static char buf[256];

static void a_target_is_split(void **state)
{
    struct hf_str path, query;

    (void)state;
    hf_url_split(HF_STR("/a?b?c"), &path, &query);
    assert_true(hf_str_eq(path, HF_STR("/a")) && hf_str_eq(query, HF_STR("b?c")));
    hf_url_split(HF_STR("/a?"), &path, &query);
    assert_true(hf_str_eq(path, HF_STR("/a")) && query.n == 0 && query.p);
    hf_url_split(HF_STR("/a"), &path, &query);
    assert_true(hf_str_eq(path, HF_STR("/a")) && query.n == 0 && !query.p);
}

/* want NULL: to be refused; want equal to path: returned as it stands. */
static const struct {
    const char *path, *want;
} paths[] = {
    {"/", "/"},
    {"/orders/17", "/orders/17"},
    {"/a.b/c..d/e.", "/a.b/c..d/e."},
    {"/a/", "/a/"},
    {"/a|{}", "/a|{}"},
    {"//", "/"},
    {"//a///b//", "/a/b/"},
    {"/./a/./b/.", "/a/b/"},
    {"/orders/../admin", "/admin"},
    {"/orders/..", "/"},
    {"/a/b/../../c/", "/c/"},
    {"/a//../b", "/b"},
    {"/orders/%2e%2e/admin", "/admin"},
    {"/orders/%2E./admin", "/admin"},
    {"/%61dmin", "/admin"},
    {"/a%2fb", "/a%2Fb"},
    {"/a%20%c3%A4", "/a%20%C3%A4"},
    {"/a%25%32%66", "/a%252f"},
    {"/a;v=1/b", "/a;v=1/b"},
    {"/.well-known/x", "/.well-known/x"},
    {"/...", "/..."},
    {"/..a/b", "/..a/b"},
    {"", NULL},
    {"*", NULL},
    {"a/b", NULL},
    {"/..", NULL},
    {"/a/../..", NULL},
    {"/a\\b", NULL},
    {"/a%5cb", NULL},
    {"/a%", NULL},
    {"/a%2", NULL},
    {"/a%zz", NULL},
    {"/a%00", NULL},
    {"/a/..;/admin", NULL},
    {"/a/.;x", NULL},
    {"/a/..%2fadmin", NULL},
    {"/a%2f..%2fadmin", NULL},
    {"/a%2f%2e%2e", NULL},
};

static void paths_have_one_form(void **state)
{
    (void)state;
    for (size_t i = 0; i < HF_COUNT(paths); i++) {
        struct hf_str path = hf_str(paths[i].path), got = {0}, again;
        int rc = hf_path_normalise(path, buf, sizeof(buf), &got);
        if ((paths[i].want == NULL) != (rc != 0) ||
            (rc == 0 && !hf_str_eq(got, hf_str(paths[i].want))))
            print_error("%s: %d, %.*s\n", paths[i].path, rc, HF_STR_ARG(got));
        assert_int_equal(rc, paths[i].want ? 0 : HF_EINVAL);
        if (rc)
            continue;
        assert_true(hf_str_eq(got, hf_str(paths[i].want)));
        assert_true(got.n <= path.n);
        assert_int_equal(hf_path_normalise(got, buf, sizeof(buf), &again), 0);
        assert_true(hf_str_eq(again, hf_str(paths[i].want))); /* normal forms stay */
    }
    assert_int_equal(hf_path_normalise(HF_STR("/a//b"), buf, 4, &(struct hf_str){0}), HF_ELIMIT);
}

static void prefixes_match_whole_segments(void **state)
{
    (void)state;
    assert_true(hf_path_below(HF_STR("/a"), HF_STR("/a")));
    assert_true(hf_path_below(HF_STR("/a/b"), HF_STR("/a")));
    assert_true(hf_path_below(HF_STR("/a/b"), HF_STR("/a/")));
    assert_true(hf_path_below(HF_STR("/a/b"), HF_STR("/")));
    assert_false(hf_path_below(HF_STR("/ab"), HF_STR("/a")));
    assert_false(hf_path_below(HF_STR("/a"), HF_STR("/a/")));
}

static void escapes_are_undone_and_made(void **state)
{
    struct hf_str got;
    struct hf_text t = {0};

    (void)state;
    assert_int_equal(hf_url_decode(HF_STR("a%20b+c%C3"), false, buf, sizeof(buf), &got), 0);
    assert_true(hf_str_eq(got, HF_STR("a b+c\xc3")));
    assert_int_equal(hf_url_decode(HF_STR("a+b"), true, buf, sizeof(buf), &got), 0);
    assert_true(hf_str_eq(got, HF_STR("a b")));
    assert_int_equal(hf_url_decode(HF_STR("a%0"), true, buf, sizeof(buf), &got), HF_EINVAL);
    assert_int_equal(hf_url_decode(HF_STR("%00"), true, buf, sizeof(buf), &got), HF_EINVAL);
    assert_int_equal(hf_url_decode(HF_STR("abc"), true, buf, 2, &got), HF_ELIMIT);
    hf_url_encode(&t, HF_STR("a/b c~\xff"));
    assert_true(hf_str_eq(hf_text_str(&t), HF_STR("a%2Fb%20c~%FF")));
    hf_text_done(&t);
}

static void parameters_are_found(void **state)
{
    struct hf_str got, query = HF_STR("a=1&&bc=x%20y+z&flag&a=2&=e&bad=%zz&n%61me=v");

    (void)state;
    assert_int_equal(hf_query_get(query, HF_STR("a"), buf, sizeof(buf), &got), 0);
    assert_true(hf_str_eq(got, HF_STR("1")));
    assert_int_equal(hf_query_get(query, HF_STR("bc"), buf, sizeof(buf), &got), 0);
    assert_true(hf_str_eq(got, HF_STR("x y z")));
    assert_int_equal(hf_query_get(query, HF_STR("flag"), buf, sizeof(buf), &got), 0);
    assert_int_equal(got.n, 0);
    assert_int_equal(hf_query_get(query, HF_STR("name"), buf, sizeof(buf), &got), 0);
    assert_true(hf_str_eq(got, HF_STR("v")));
    assert_int_equal(hf_query_get(query, HF_STR("b"), buf, sizeof(buf), &got), HF_ENOENT);
    assert_int_equal(hf_query_get(query, HF_STR("bad"), buf, sizeof(buf), &got), HF_EINVAL);
    assert_int_equal(hf_query_get((struct hf_str){0}, HF_STR("a"), buf, 1, &got), HF_ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_target_is_split),
        cmocka_unit_test(paths_have_one_form),
        cmocka_unit_test(prefixes_match_whole_segments),
        cmocka_unit_test(escapes_are_undone_and_made),
        cmocka_unit_test(parameters_are_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
