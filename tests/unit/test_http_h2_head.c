#include "test.h"

#include "http/h2_head.h"

static const struct hf_h1_limits limits = {.line = 1024, .head = 4096, .fields = 8};
static struct hf_h1_head head;
static struct hf_h1_framing framing;
static struct hf_h2_request more;
static char packed[65536], crumbs[65536];

/* "name=value" pieces, one after the other, up to NULL; an @ in front of a name stands for ':'. */
static struct hf_str pack(const char *const *fields)
{
    size_t at = 0;

    for (; *fields; fields++) {
        const char *equals = strchr(*fields, '=');
        struct hf_str name = {*fields, (size_t)(equals - *fields)}, value = hf_str(equals + 1);
        assert_true(at + HF_H2_PACKED + name.n + value.n <= sizeof(packed));
        hf_h2_pack(packed + at, name, value);
        if (name.n && name.p[0] == '@')
            packed[at + HF_H2_PACKED] = ':';
        at += HF_H2_PACKED + name.n + value.n;
    }
    return (struct hf_str){packed, at};
}
#define PACK(...) pack((const char *const[]){__VA_ARGS__, NULL})

static int request(struct hf_str section, bool ended)
{
    struct hf_h1_out cookies = {crumbs, crumbs + sizeof(crumbs), false};

    return hf_h2_request_head(section, ended, &limits, &cookies, &head, &more, &framing);
}

static void is(struct hf_str s, const char *text)
{
    assert_true(hf_str_eq(s, hf_str(text)));
}

#define GET "@method=GET", "@scheme=http", "@path=/a?b", "@authority=shop:8080"

static void a_request_becomes_a_head(void **state)
{
    (void)state;
    assert_int_equal(request(PACK(GET, "accept=*/*", "x-a=", "te=trailers"), true), 0);
    is(head.method, "GET");
    assert_int_equal(head.method_id, HF_METHOD_GET);
    is(head.origin, "/a?b");
    is(head.authority, "shop:8080");
    is(head.host, "shop");
    assert_int_equal(head.minor, 1);
    assert_int_equal(head.n_fields, 3);
    is(hf_h1_field(&head, HF_FIELD_ACCEPT)->value, "*/*");
    assert_int_equal(framing.kind, HF_H1_BODY_NONE);
    assert_true(framing.keep_alive);
}

static void the_host_field_can_stand_alone(void **state)
{
    (void)state;
    assert_int_equal(request(PACK("@method=GET", "@scheme=https", "@path=/", "host=Shop"), true),
                     0);
    is(head.authority, "Shop");
    assert_int_equal(request(PACK(GET, "host=SHOP:8080"), true), 0);
    assert_int_equal(
        request(PACK("@method=GET", "@scheme=https", "@path=/", "@authority=shop", "host=shop:443"),
                true),
        0);
}

static void bodies_are_framed(void **state)
{
    (void)state;
    assert_int_equal(request(PACK(GET), false), 0);
    assert_int_equal(framing.kind, HF_H1_BODY_CHUNKED);
    assert_int_equal(request(PACK(GET, "content-length=12", "expect=100-continue"), false), 0);
    assert_int_equal(framing.kind, HF_H1_BODY_LENGTH);
    assert_int_equal(framing.length, 12);
    assert_true(framing.expect_continue);
    assert_int_equal(request(PACK(GET, "content-length=0"), true), 0);
    assert_int_equal(framing.kind, HF_H1_BODY_NONE);
    assert_int_equal(request(PACK(GET, "expect=100-continue"), false), 0);
    assert_true(framing.expect_continue);
}

static void crumbs_become_one_cookie(void **state)
{
    (void)state;
    assert_int_equal(request(PACK(GET, "cookie=a=1", "x=y", "cookie=b=2", "cookie=c=3"), true), 0);
    assert_int_equal(head.n_fields, 2);
    is(hf_h1_field(&head, HF_FIELD_COOKIE)->value, "a=1; b=2; c=3");
    assert_false(head.twice & HF_FIELD_BIT(HF_FIELD_COOKIE));
    /* many crumbs are one field */
    assert_int_equal(request(PACK(GET, "cookie=a", "cookie=b", "cookie=c", "cookie=d", "cookie=e",
                                  "cookie=f", "cookie=g", "cookie=h", "cookie=i", "cookie=j"),
                             true),
                     0);
    assert_int_equal(head.n_fields, 1);
}

static const struct {
    const char *fields[14];
    int error;
    bool open; /* without END_STREAM */
} refused[] = {
    {{"@scheme=http", "@path=/", "@authority=a"}, HF_H1_H2_PSEUDO},
    {{"@method=GET", "@path=/", "@authority=a"}, HF_H1_H2_PSEUDO},
    {{"@method=GET", "@scheme=http", "@authority=a"}, HF_H1_H2_PSEUDO},
    {{"@method=GET", "@scheme=http", "@path=", "@authority=a"}, HF_H1_H2_PSEUDO},
    {{"@method=", "@scheme=http", "@path=/", "@authority=a"}, HF_H1_H2_PSEUDO},
    {{"@method=GET", "@scheme=http", "@path=/"}, HF_H1_HOST_MISSING},
    {{GET, "@method=GET"}, HF_H1_H2_PSEUDO},
    {{GET, "@path=/"}, HF_H1_H2_PSEUDO},
    {{GET, "@status=200"}, HF_H1_H2_PSEUDO},
    {{GET, "@unknown=1"}, HF_H1_H2_PSEUDO},
    {{GET, "@protocol=websocket"}, HF_H1_H2_PSEUDO},
    {{"@method=GET", "@scheme=http", "@path=/", "x-a=b", "@authority=a"}, HF_H1_H2_PSEUDO},
    {{"@method=G ET", "@scheme=http", "@path=/", "@authority=a"}, HF_H1_METHOD},
    {{"@method=GETGETGETGETGETGETGETGETGETGETGET", "@scheme=http", "@path=/", "@authority=a"},
     HF_H1_METHOD_LONG},
    {{"@method=GET", "@scheme=ftp", "@path=/", "@authority=a"}, HF_H1_TARGET_FORM},
    {{"@method=GET", "@scheme=http", "@path=a", "@authority=a"}, HF_H1_TARGET_FORM},
    {{"@method=GET", "@scheme=http", "@path=http://a/", "@authority=a"}, HF_H1_TARGET_FORM},
    {{"@method=GET", "@scheme=http", "@path=*", "@authority=a"}, HF_H1_ASTERISK},
    {{"@method=GET", "@scheme=http", "@path=/a b", "@authority=a"}, HF_H1_TARGET_BYTE},
    {{"@method=GET", "@scheme=http", "@path=/a#b", "@authority=a"}, HF_H1_TARGET_BYTE},
    {{"@method=GET", "@scheme=http", "@path=/\r\nx:", "@authority=a"}, HF_H1_H2_PSEUDO},
    {{"@method=GET", "@scheme=http", "@path=/", "@authority=me@a"}, HF_H1_HOST_BAD},
    {{"@method=GET", "@scheme=http", "@path=/", "@authority="}, HF_H1_HOST_BAD},
    {{GET, "host=other"}, HF_H1_HOST_DIFFERS},
    {{GET, "host=shop"}, HF_H1_HOST_DIFFERS},
    {{GET, "host=shop:8080", "host=shop:8080"}, HF_H1_HOST_TWICE},
    {{GET, "X-A=b"}, HF_H1_FIELD_NAME},
    {{GET, "x a=b"}, HF_H1_FIELD_NAME},
    {{GET, "=b"}, HF_H1_FIELD_NAME},
    {{GET, "x-a= b"}, HF_H1_CONTROL},
    {{GET, "x-a=b\t"}, HF_H1_CONTROL},
    {{GET, "x-a=b\r\nc: d"}, HF_H1_CONTROL},
    {{GET, "x-a=b\nc"}, HF_H1_CONTROL},
    {{GET, "cookie=a\rb"}, HF_H1_CONTROL},
    {{GET, "connection=close"}, HF_H1_H2_CONNECTION},
    {{GET, "keep-alive=5"}, HF_H1_H2_CONNECTION},
    {{GET, "proxy-connection=a"}, HF_H1_H2_CONNECTION},
    {{GET, "transfer-encoding=chunked"}, HF_H1_H2_CONNECTION},
    {{GET, "upgrade=h2c"}, HF_H1_H2_CONNECTION},
    {{GET, "te=gzip"}, HF_H1_H2_CONNECTION},
    {{GET, "content-length=5", "content-length=5"}, HF_H1_LENGTH_TWICE, true},
    {{GET, "content-length=x"}, HF_H1_LENGTH_BAD, true},
    {{GET, "content-length=5"}, HF_H1_LENGTH_BAD},
    {{GET, "expect=a-miracle"}, HF_H1_EXPECT},
    {{"@method=CONNECT", "@authority=a:1"}, HF_H1_CONNECT},
    {{GET, "a=", "b=", "c=", "d=", "e=", "f=", "g=", "h=", "i="}, HF_H1_FIELDS_MANY},
};

static void malformed_requests_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < HF_COUNT(refused); i++)
        assert_int_equal(request(pack(refused[i].fields), !refused[i].open), -refused[i].error);
}

static void a_long_path_is_refused(void **state)
{
    static char path[2048] = "@path=/";

    (void)state;
    memset(path + 7, 'a', sizeof(path) - 8);
    assert_int_equal(request(PACK("@method=GET", "@scheme=http", path, "@authority=a"), true),
                     -HF_H1_LINE_LONG);
}

static void an_extended_connect_is_told(void **state)
{
    (void)state;
    assert_int_equal(request(PACK("@method=CONNECT", "@protocol=websocket", "@scheme=https",
                                  "@path=/chat", "@authority=a"),
                             false),
                     0);
    is(more.protocol, "websocket");
    is(more.scheme, "https");
    assert_int_equal(head.method_id, HF_METHOD_CONNECT);
}

static int response(struct hf_str section, bool ended, enum hf_method method)
{
    return hf_h2_response_head(section, ended, &limits, method, &head, &framing);
}

static void a_response_becomes_a_head(void **state)
{
    (void)state;
    assert_int_equal(
        response(PACK("@status=200", "set-cookie=a", "set-cookie=b"), false, HF_METHOD_GET), 0);
    assert_int_equal(head.status, 200);
    assert_int_equal(head.n_fields, 2);
    assert_int_equal(framing.kind, HF_H1_BODY_UNTIL_CLOSE);
    assert_int_equal(response(PACK("@status=200", "content-length=3"), false, HF_METHOD_GET), 0);
    assert_int_equal(framing.kind, HF_H1_BODY_LENGTH);
    assert_int_equal(framing.length, 3);
    assert_int_equal(response(PACK("@status=200", "content-length=3"), true, HF_METHOD_HEAD), 0);
    assert_int_equal(framing.kind, HF_H1_BODY_NONE);
    assert_int_equal(response(PACK("@status=103", "link=a"), false, HF_METHOD_GET), 0);
}

static void malformed_responses_are_refused(void **state)
{
    (void)state;
    assert_int_equal(response(PACK("a=b"), false, HF_METHOD_GET), -HF_H1_STATUS_LINE);
    assert_int_equal(response(PACK("@status=20"), false, HF_METHOD_GET), -HF_H1_STATUS_LINE);
    assert_int_equal(response(PACK("@status=2000"), false, HF_METHOD_GET), -HF_H1_STATUS_LINE);
    assert_int_equal(response(PACK("@status=101"), false, HF_METHOD_GET), -HF_H1_STATUS_LINE);
    assert_int_equal(response(PACK("@status=100"), true, HF_METHOD_GET), -HF_H1_STATUS_LINE);
    assert_int_equal(response(PACK("@status=200", "@path=/"), false, HF_METHOD_GET),
                     -HF_H1_H2_PSEUDO);
    assert_int_equal(response(PACK("@status=200", "connection=close"), false, HF_METHOD_GET),
                     -HF_H1_H2_CONNECTION);
    assert_int_equal(response(PACK("@status=200", "content-length=3"), true, HF_METHOD_GET),
                     -HF_H1_LENGTH_BAD);
}

static void trailers_are_checked(void **state)
{
    static struct hf_h1_trailers t;
    static char value[8192] = "x-a=";

    (void)state;
    assert_int_equal(hf_h2_trailers(PACK("grpc-status=0", "content-length=5", "x-b=c"), &t), 0);
    assert_int_equal(t.n, 2);
    is(t.fields[0].name, "grpc-status");
    assert_int_equal(hf_h2_trailers(PACK("@path=/"), &t), -HF_H1_H2_PSEUDO);
    assert_int_equal(hf_h2_trailers(PACK("X=a"), &t), -HF_H1_FIELD_NAME);
    assert_int_equal(hf_h2_trailers(PACK("x=a\n"), &t), -HF_H1_CONTROL);
    memset(value + 4, 'a', sizeof(value) - 5);
    assert_int_equal(hf_h2_trailers(PACK(value), &t), -HF_H1_TRAILER_LONG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_becomes_a_head),
        cmocka_unit_test(the_host_field_can_stand_alone),
        cmocka_unit_test(bodies_are_framed),
        cmocka_unit_test(crumbs_become_one_cookie),
        cmocka_unit_test(malformed_requests_are_refused),
        cmocka_unit_test(a_long_path_is_refused),
        cmocka_unit_test(an_extended_connect_is_told),
        cmocka_unit_test(a_response_becomes_a_head),
        cmocka_unit_test(malformed_responses_are_refused),
        cmocka_unit_test(trailers_are_checked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
