#include "test.h"

#include <stdlib.h>

#include "http/h1_parse.h"

static const struct hf_h1_limits limits = {.line = 64, .head = 256, .fields = 8};
static struct hf_h1_head head;

#define PARSER(name)                                                                               \
    ssize_t (*name)(struct hf_str, size_t *, const struct hf_h1_limits *, struct hf_h1_head *)

/* Parses a copy of exactly that size, so that the sanitizer sees any read outside of it. */
static ssize_t parse_exact(PARSER(parse), const char *p, size_t n, size_t *scanned)
{
    char *copy = malloc(n ? n : 1);
    ssize_t rc;

    memcpy(copy, p, n);
    rc = parse((struct hf_str){copy, n}, scanned, &limits, &head);
    free(copy);
    return rc;
}

/* Byte by byte, and cut in two at each place: no prefix gives another answer than the whole. */
static void check_splits(PARSER(parse), const char *p, size_t n, ssize_t whole)
{
    size_t scanned = 0, more;

    for (size_t i = 0; i <= n; i++) {
        ssize_t rc = parse_exact(parse, p, i, &scanned);
        bool ended = whole > 0 && i >= (size_t)whole;
        if (ended || (rc < 0 && whole < 0)) {
            assert_int_equal(rc, whole);
            break;
        }
        assert_int_equal(rc, 0);
    }
    for (size_t i = 0; i < n; i++) {
        more = 0;
        if (parse_exact(parse, p, i, &more) == 0)
            assert_int_equal(parse_exact(parse, p, n, &more), whole);
    }
}

static ssize_t run(PARSER(parse), struct hf_str text)
{
    size_t scanned = 0;
    ssize_t rc = parse_exact(parse, text.p, text.n, &scanned);

    check_splits(parse, text.p, text.n, rc);
    scanned = 0; /* once more, with slices that stay */
    parse(text, &scanned, &limits, &head);
    return rc;
}

#define R "GET / HTTP/1.1\r\nHost: a\r\n"
#define S "HTTP/1.1 200 OK\r\n"
#define X10 "xxxxxxxxxx"
#define X60 X10 X10 X10 X10 X10 X10

struct bad {
    struct hf_str text;
    enum hf_h1_error err;
};
#define BAD(id, text)                                                                              \
    {                                                                                              \
        {text, sizeof(text) - 1}, HF_H1_##id                                                       \
    }

static const struct bad bad_requests[] = {
    BAD(EMPTY_LINES, "\r\n\r\nGET / HTTP/1.1\r\n"),
    BAD(BARE_LF, "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    BAD(BARE_CR, "\rGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    BAD(METHOD, " GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    BAD(METHOD, "G\x01T / HTTP/1.1\r\n\r\n"),
    BAD(METHOD, "\x16\x03\x01\x02"),
    BAD(METHOD, "GET\t/ HTTP/1.1\r\n"),
    BAD(METHOD, "GET\r\n"),
    BAD(METHOD, "{\"json\": 1}"),
    BAD(METHOD_LONG, "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG"),
    BAD(CONNECT, "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n"),
    BAD(TARGET_BYTE, "GET  / HTTP/1.1\r\n"),
    BAD(TARGET_BYTE, "GET /a#b HTTP/1.1\r\n"),
    BAD(TARGET_BYTE, "GET /a\tb HTTP/1.1\r\n"),
    BAD(TARGET_BYTE, "GET /\xc3\xa4 HTTP/1.1\r\n"),
    BAD(TARGET_BYTE, "GET /<script> HTTP/1.1\r\n"),
    BAD(TARGET_BYTE, "GET /\x7f HTTP/1.1\r\n"),
    BAD(TARGET_BYTE, "GET /a\0b HTTP/1.1\r\n"),
    BAD(TARGET_FORM, "GET a HTTP/1.1\r\nHost: a\r\n\r\n"),
    BAD(TARGET_FORM, "GET a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n"),
    BAD(TARGET_FORM, "GET https://a/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    BAD(TARGET_FORM, "GET http:/a/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    BAD(TARGET_FORM, "GET http://a?b HTTP/1.1\r\nHost: a\r\n\r\n"),
    BAD(TARGET_FORM, "OPTIONS *x HTTP/1.1\r\nHost: a\r\n\r\n"),
    BAD(HOST_BAD, "GET http:///a HTTP/1.1\r\nHost: a\r\n\r\n"),
    BAD(HOST_BAD, "GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    BAD(HOST_DIFFERS, "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    BAD(HOST_DIFFERS, "GET http://a:81/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    BAD(ASTERISK, "GET * HTTP/1.1\r\nHost: a\r\n\r\n"),
    BAD(VERSION, "GET /\r\n"),
    BAD(VERSION, "GET /\n"),
    BAD(VERSION, "GET / http/1.1\r\nHost: a\r\n\r\n"),
    BAD(VERSION, "GET / HTTP/1.1 \r\nHost: a\r\n\r\n"),
    BAD(VERSION, "GET / HTTP/11\r\n\r\n\r\n"),
    BAD(VERSION, "GET / HTTP/1.10\r\n\r\n"),
    BAD(VERSION, "GET /a b HTTP/1.1\r\n\r\n"),
    BAD(VERSION_UNSUPPORTED, "GET / HTTP/1.2\r\nHost: a\r\n\r\n"),
    BAD(VERSION_UNSUPPORTED, "GET / HTTP/3.0\r\nHost: a\r\n\r\n"),
    BAD(VERSION_UNSUPPORTED, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    BAD(LINE_LONG, "GET /" X60 " HTTP/1.1\r\nHost: a\r\n\r\n"),
    BAD(LINE_LONG, "GET /" X60 X60),
    BAD(BARE_LF, "GET / HTTP/1.1\nHost: a\r\n\r\n"),
    BAD(BARE_CR, "GET / HTTP/1.1\rHost: a\r\n\r\n"),
    BAD(HEAD_LONG, R "x: " X60 "\r\ny: " X60 "\r\nz: " X60 "\r\nw: " X60 "\r\n\r\n"),
    BAD(FIELDS_MANY, R "a:\r\nb:\r\nc:\r\nd:\r\ne:\r\nf:\r\ng:\r\nh:\r\n\r\n"),
    BAD(FIELD_SPACE, R "x : 1\r\n\r\n"),
    BAD(FIELD_SPACE, R "transfer-encoding\t: chunked\r\n\r\n"),
    BAD(FIELD_NAME, R ": 1\r\n\r\n"),
    BAD(FIELD_NAME, R "x\r\n\r\n"),
    BAD(FIELD_NAME, R "x(y): 1\r\n\r\n"),
    BAD(FIELD_NAME, R "x\0y: 1\r\n\r\n"),
    BAD(FIELD_NAME, R "x\xe4y: 1\r\n\r\n"),
    BAD(FIELD_NAME, R "a-name-of-more-than-16@: 1\r\n\r\n"),
    BAD(FOLD, R "x: 1\r\n  2\r\n\r\n"),
    BAD(FOLD, R "x: 1\r\n\t2\r\n\r\n"),
    BAD(FOLD, "GET / HTTP/1.1\r\n Host: a\r\n\r\n"),
    BAD(BARE_LF, R "x: 1\n\r\n"),
    BAD(BARE_LF, R "x: 1\r\n\n"),
    BAD(BARE_LF, R "x\n: 1\r\n\r\n"),
    BAD(BARE_CR, R "x: 1\r2\r\n\r\n"),
    BAD(BARE_CR, R "x: 1\r\n\rz"),
    BAD(BARE_CR, R "x: 1\r\r\n\r\n"),
    BAD(CONTROL, R "x: \0\r\n\r\n"),
    BAD(CONTROL, R "x: a-value-of-more-than-16\x1b\r\n\r\n"),
    BAD(CONTROL, R "x: \x7f\r\n\r\n"),
    BAD(HOST_MISSING, "GET / HTTP/1.1\r\n\r\n"),
    BAD(HOST_MISSING, "GET / HTTP/1.1\r\nHosts: a\r\n\r\n"),
    BAD(HOST_TWICE, R "host: a\r\n\r\n"),
    BAD(HOST_TWICE, "GET / HTTP/1.0\r\nHost: a\r\nhost: b\r\n\r\n"),
    BAD(HOST_BAD, "GET / HTTP/1.1\r\nHost:\r\n\r\n"),
    BAD(HOST_BAD, "GET / HTTP/1.1\r\nHost: a b\r\n\r\n"),
    BAD(HOST_BAD, "GET / HTTP/1.1\r\nHost: a,b\r\n\r\n"),
    BAD(HOST_BAD, "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"),
    BAD(HOST_BAD, "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n"),
    BAD(HOST_BAD, "GET / HTTP/1.1\r\nHost: :80\r\n\r\n"),
    BAD(HOST_BAD, "GET / HTTP/1.1\r\nHost: a:80x\r\n\r\n"),
    BAD(HOST_BAD, "GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n"),
    BAD(HOST_BAD, "GET / HTTP/1.1\r\nHost: a:000080\r\n\r\n"),
    BAD(HOST_BAD, "GET / HTTP/1.1\r\nHost: ::1\r\n\r\n"),
    BAD(HOST_BAD, "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n"),
    BAD(HOST_BAD, "GET / HTTP/1.1\r\nHost: [::1]80\r\n\r\n"),
    BAD(HOST_BAD, "GET / HTTP/1.1\r\nHost: [10.0.0.1]\r\n\r\n"),
    BAD(HOST_BAD, "GET / HTTP/1.1\r\nHost: a%41\r\n\r\n"),
    BAD(CONNECTION_BAD, R "connection: close; x\r\n\r\n"),
    BAD(CONNECTION_BAD, R "connection: a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q\r\n\r\n"),
};

static const struct bad bad_responses[] = {
    BAD(STATUS_LINE, "\r\nHTTP/1.1 200 OK\r\n\r\n"),
    BAD(STATUS_LINE, "HTTP/1,1 200 OK\r\n\r\n"),
    BAD(STATUS_LINE, "<html>"),
    BAD(STATUS_LINE, "SSH-2.0-OpenSSH"),
    BAD(STATUS_LINE, "HTTP/1.1  200 OK\r\n\r\n"),
    BAD(STATUS_LINE, "HTTP/1.1 20 OK\r\n\r\n"),
    BAD(STATUS_LINE, "HTTP/1.1 2000 OK\r\n\r\n"),
    BAD(STATUS_LINE, "HTTP/1.1 099 OK\r\n\r\n"),
    BAD(STATUS_LINE, "HTTP/1.1 600 OK\r\n\r\n"),
    BAD(STATUS_LINE, "HTTP/1.1 +20 OK\r\n\r\n"),
    BAD(STATUS_LINE, "HTTP/1.1 200\tOK\r\n\r\n"),
    BAD(STATUS_LINE, "HTTP/1.1 200 O\0K\r\n\r\n"),
    BAD(STATUS_LINE, "ICY 200 OK\r\n\r\n"),
    BAD(VERSION_UNSUPPORTED, "HTTP/2.0 200 OK\r\n\r\n"),
    BAD(BARE_LF, "HTTP/1.1 200 OK\nx: 1\n\n"),
    BAD(BARE_CR, "HTTP/1.1 200 OK\rx: 1\r\n"),
    BAD(LINE_LONG, "HTTP/1.1 200 " X60 "\r\n\r\n"),
    BAD(FIELD_SPACE, S "content-length : 5\r\n\r\n"),
    BAD(FOLD, S "x: 1\r\n 2\r\n\r\n"),
    BAD(BARE_LF, S "x: 1\n\n"),
    BAD(CONTROL, S "x: \x01\r\n\r\n"),
    BAD(FIELD_SPACE, S "no colon\r\n\r\n"),
    BAD(FIELD_NAME, S "nocolon\r\n\r\n"),
};

static void run_bad(PARSER(parse), const struct bad *cases, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        ssize_t rc = run(parse, cases[i].text);
        if (rc != -(ssize_t)cases[i].err)
            print_error("%.*s: %s\n", HF_STR_ARG(cases[i].text),
                        rc < 0 ? hf_h1_error_text((enum hf_h1_error) - rc) : "accepted");
        assert_int_equal(rc, -(ssize_t)cases[i].err);
    }
}

static void bad_requests_are_refused_for_the_right_reason(void **state)
{
    (void)state;
    run_bad(hf_h1_parse_request, bad_requests, HF_COUNT(bad_requests));
}

static void bad_responses_are_refused_for_the_right_reason(void **state)
{
    (void)state;
    run_bad(hf_h1_parse_response, bad_responses, HF_COUNT(bad_responses));
}

struct good {
    struct hf_str text;
    unsigned left; /* bytes behind the head */
    const char *method, *origin, *authority, *host;
    unsigned n_fields, connection;
};
#define T(text)                                                                                    \
    {                                                                                              \
        text, sizeof(text) - 1                                                                     \
    }

static const struct good good_requests[] = {
    {T(R "\r\n"), 0, "GET", "/", "a", "a", 1, 0},
    {T("\r\n" R "\r\n"), 0, "GET", "/", "a", "a", 1, 0},
    {T(R "\r\nGET"), 3, "GET", "/", "a", "a", 1, 0},
    {T("POST /a/b?c=d&e HTTP/1.0\r\n\r\n"), 0, "POST", "/a/b?c=d&e", "", "", 0, 0},
    {T("OPTIONS * HTTP/1.1\r\nhost:a:8080 \r\n\r\n"), 0, "OPTIONS", "*", "a:8080", "a", 1, 0},
    {T("OPTIONS http://a HTTP/1.1\r\nhost: a\r\n\r\n"), 0, "OPTIONS", "*", "a", "a", 1, 0},
    {T("GET HTTP://A:80 HTTP/1.1\r\nhost: a\r\n\r\n"), 0, "GET", "/", "A:80", "A", 1, 0},
    {T("GET http://x_y.example:/p?q HTTP/1.1\r\nhost: X_Y.example\r\n\r\n"), 0, "GET", "/p?q",
     "x_y.example:", "x_y.example", 1, 0},
    {T("GET http://b/p HTTP/1.0\r\n\r\n"), 0, "GET", "/p", "b", "b", 0, 0},
    {T("PATCH /%zz|{}^ HTTP/1.1\r\nHOST: [::1]:80\r\n\r\n"), 0, "PATCH", "/%zz|{}^", "[::1]:80",
     "[::1]", 1, 0},
    {T("X-~!#$%&'*+.^_`|09 / HTTP/1.1\r\nhost: a.b-c\r\n\r\n"), 0, "X-~!#$%&'*+.^_`|09", "/",
     "a.b-c", "a.b-c", 1, 0},
    {T(R "connection: close\r\n\r\n"), 0, "GET", "/", "a", "a", 2, HF_CONNECTION_CLOSE},
    {T(R "connection: Keep-Alive\r\n\r\n"), 0, "GET", "/", "a", "a", 2, HF_CONNECTION_KEEP_ALIVE},
    {T(R "connection: upgrade, X-y\r\nconnection: ,close,\r\n\r\n"), 0, "GET", "/", "a", "a", 3,
     HF_CONNECTION_UPGRADE | HF_CONNECTION_NAMES | HF_CONNECTION_CLOSE},
    {T(R "connection:\r\n\r\n"), 0, "GET", "/", "a", "a", 2, 0},
    {T(R "x: \t a\tb\xff \t\r\ny:\r\n\r\n"), 0, "GET", "/", "a", "a", 3, 0},
    {T("GET /" X10 X10 X10 X10 "xxxxxxxxx HTTP/1.1\r\nhost: a\r\n\r\n"), 0, "GET",
     "/" X10 X10 X10 X10 "xxxxxxxxx", "a", "a", 1, 0}, /* a line of exactly 64 */
};

static void assert_str(struct hf_str got, const char *want)
{
    struct hf_str expected = hf_str(want);

    if (!hf_str_eq(got, expected))
        print_error("got '%.*s', want '%s'\n", HF_STR_ARG(got), want ? want : "");
    assert_true(hf_str_eq(got, expected));
}

static void good_requests_are_taken_apart(void **state)
{
    (void)state;
    for (size_t i = 0; i < HF_COUNT(good_requests); i++) {
        const struct good *g = &good_requests[i];
        ssize_t rc = run(hf_h1_parse_request, g->text);
        if (rc < 0)
            print_error("%.*s: %s\n", HF_STR_ARG(g->text),
                        hf_h1_error_text((enum hf_h1_error) - rc));
        assert_int_equal(rc, g->text.n - g->left);
        assert_str(head.method, g->method);
        assert_str(head.origin, g->origin);
        assert_str(head.authority, g->authority);
        assert_str(head.host, g->host);
        assert_int_equal(head.n_fields, g->n_fields);
        assert_int_equal(head.connection, g->connection);
    }
}

static void fields_are_indexed(void **state)
{
    static const char text[] = "POST /a HTTP/1.1\r\nHost: a\r\nX-Odd: 1\r\nCookie: \t x=1; y \t\r\n"
                               "cookie: z\r\nx-odd: 2\r\nContent-Length: 12\r\n\r\n";

    (void)state;
    assert_int_equal(run(hf_h1_parse_request, hf_str(text)), sizeof(text) - 1);
    assert_int_equal(head.method_id, HF_METHOD_POST);
    assert_int_equal(head.minor, 1);
    assert_int_equal(head.n_fields, 6);
    assert_str(hf_h1_field(&head, HF_FIELD_COOKIE)->value, "x=1; y");
    assert_str(hf_h1_field(&head, HF_FIELD_CONTENT_LENGTH)->name, "Content-Length");
    assert_null(hf_h1_field(&head, HF_FIELD_UPGRADE));
    assert_true(head.twice == HF_FIELD_BIT(HF_FIELD_COOKIE));
    assert_str(hf_h1_field_named(&head, HF_STR("x-odd"))->value, "1");
    assert_null(hf_h1_field_named(&head, HF_STR("x-even")));
    assert_int_equal(head.fields[4].id, HF_FIELD_OTHER);
}

static void hop_by_hop_fields_are_known(void **state)
{
    static const char text[] =
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: X-Mine, te, host, cookie\r\n"
        "x-mine: 1\r\nTE: trailers\r\nx-other: 2\r\ncookie: c\r\n"
        "Proxy-Connection: x\r\n\r\n";
    static const bool want[] = {false, true, true, true, false, false, true};

    (void)state;
    assert_int_equal(run(hf_h1_parse_request, hf_str(text)), sizeof(text) - 1);
    assert_int_equal(head.n_fields, HF_COUNT(want));
    for (unsigned i = 0; i < HF_COUNT(want); i++)
        assert_int_equal(hf_h1_hop_by_hop(&head, i), want[i]);
}

/* Servers that read '_' as '-' must not see a framing that the parser did not see. */
static void twins_of_known_names_are_not_forwarded(void **state)
{
    static const char text[] = "GET / HTTP/1.1\r\nHost: a\r\nTransfer_Encoding: chunked\r\n"
                               "CONTENT_LENGTH: 5\r\nx_own: 1\r\nx-forwarded_for: 1\r\n\r\n";
    static const bool want[] = {false, true, true, false, true};

    (void)state;
    assert_int_equal(run(hf_h1_parse_request, hf_str(text)), sizeof(text) - 1);
    assert_int_equal(head.n_fields, HF_COUNT(want));
    for (unsigned i = 0; i < HF_COUNT(want); i++)
        assert_int_equal(hf_h1_hop_by_hop(&head, i), want[i]);
}

static void responses_are_taken_apart(void **state)
{
    (void)state;
    assert_int_equal(run(hf_h1_parse_response, HF_STR(S "Server: x\r\n\r\nbody")), 30);
    assert_int_equal(head.status, 200);
    assert_str(head.reason, "OK");
    assert_int_equal(head.minor, 1);
    assert_str(hf_h1_field(&head, HF_FIELD_SERVER)->value, "x");
    assert_int_equal(run(hf_h1_parse_response, HF_STR("HTTP/1.0 404\r\n\r\n")), 16);
    assert_int_equal(head.status, 404);
    assert_int_equal(head.minor, 0);
    assert_int_equal(head.reason.n, 0);
    assert_int_equal(run(hf_h1_parse_response, HF_STR("HTTP/1.1 503 \r\n\r\n")), 17);
    assert_int_equal(run(hf_h1_parse_response, HF_STR("HTTP/1.1 599 a \xe4\tb\r\n\r\n")), 22);
    assert_str(head.reason, "a \xe4\tb");
}

static void methods_are_known(void **state)
{
    static const struct {
        struct hf_str text;
        enum hf_method id;
    } methods[] = {
        {T("GET / HTTP/1.0\r\n\r\n"), HF_METHOD_GET},
        {T("HEAD / HTTP/1.0\r\n\r\n"), HF_METHOD_HEAD},
        {T("POST / HTTP/1.0\r\n\r\n"), HF_METHOD_POST},
        {T("PUT / HTTP/1.0\r\n\r\n"), HF_METHOD_PUT},
        {T("DELETE / HTTP/1.0\r\n\r\n"), HF_METHOD_DELETE},
        {T("OPTIONS / HTTP/1.0\r\n\r\n"), HF_METHOD_OPTIONS},
        {T("TRACE / HTTP/1.0\r\n\r\n"), HF_METHOD_TRACE},
        {T("PATCH / HTTP/1.0\r\n\r\n"), HF_METHOD_PATCH},
        {T("get / HTTP/1.0\r\n\r\n"), HF_METHOD_OTHER},
        {T("PROPFIND / HTTP/1.0\r\n\r\n"), HF_METHOD_OTHER},
    };

    (void)state;
    for (size_t i = 0; i < HF_COUNT(methods); i++) {
        assert_int_equal(run(hf_h1_parse_request, methods[i].text), methods[i].text.n);
        assert_int_equal(head.method_id, methods[i].id);
    }
}

static bool allowed(int where, int b)
{
    if (where == 0)
        return b > 0x20 && b < 0x7f && !strchr("\"#<>", b);
    if (where == 1) /* a colon ends the name */
        return b > 0x20 && b < 0x7f && !strchr("\"(),/;<=>?@[\\]{}", b);
    return b == '\t' || (b >= 0x20 && b != 0x7f);
}

/* Of each byte that a value, a name and a target may hold, at each place of a block of 16. */
static void each_byte_is_judged_alike_everywhere(void **state)
{
    char text[128];

    (void)state;
    for (int where = 0; where < 3; where++) {
        for (int b = 0; b < 256; b++) {
            for (int at = 0; at < 34; at++) {
                static const char *const parts[3][2] = {
                    {"GET /", " HTTP/1.0\r\n\r\n"},
                    {"GET / HTTP/1.0\r\nx", ": 1\r\n\r\n"},
                    {"GET / HTTP/1.0\r\nx: y", "z\r\n\r\n"},
                };
                size_t n = strlen(parts[where][0]), tail = strlen(parts[where][1]), scanned = 0;
                ssize_t rc;
                memcpy(text, parts[where][0], n);
                memset(text + n, 'a', 40);
                text[n + (size_t)at] = (char)b;
                memcpy(text + n + 40, parts[where][1], tail);
                rc = parse_exact(hf_h1_parse_request, text, n + 40 + tail, &scanned);
                assert_true(rc != 0);
                assert_int_equal(rc > 0, allowed(where, b));
            }
        }
    }
}

static void the_limit_on_the_head_is_exact(void **state)
{
    char text[300] = R "x: ";
    size_t n = strlen(text), scanned = 0;

    (void)state;
    memset(text + n, 'y', sizeof(text) - n);
    memcpy(text + 252, "\r\n\r\n", 4);
    assert_int_equal(run(hf_h1_parse_request, (struct hf_str){text, 256}), 256);
    memcpy(text + 252, "z\r\n\r\n", 5);
    assert_int_equal(run(hf_h1_parse_request, (struct hf_str){text, 257}), -HF_H1_HEAD_LONG);
    assert_int_equal(parse_exact(hf_h1_parse_request, text, 255, &scanned), 0);
    assert_int_equal(parse_exact(hf_h1_parse_request, text, 256, &scanned), -HF_H1_HEAD_LONG);
}

static void each_error_has_a_status_and_a_sentence(void **state)
{
    (void)state;
    for (unsigned e = 1; e < HF_H1_ERROR_COUNT; e++) {
        assert_in_range(hf_h1_error_status(e), 400, 505);
        assert_true(strlen(hf_h1_error_text(e)) > 8);
    }
    assert_int_equal(hf_h1_error_status(HF_H1_ERROR_COUNT), 500);
}

static void each_name_has_its_id(void **state)
{
    (void)state;
    for (unsigned id = 1; id < HF_FIELD_TWIN; id++) {
        char name[32];
        struct hf_str s = hf_field_name(id);
        assert_true(s.n > 0 && s.n < sizeof(name));
        assert_int_equal(hf_field_find(s), id);
        for (size_t i = 0; i <= s.n; i++) {
            bool twin = i < s.n && s.p[i] == '-';
            hf_str_copy(s, name, sizeof(name));
            if (i < s.n)
                name[i] = twin ? '_' : '*';
            else
                name[0] = (char)(name[0] - 32);
            assert_int_equal(hf_field_find((struct hf_str){name, s.n}), twin      ? HF_FIELD_TWIN
                                                                        : i < s.n ? HF_FIELD_OTHER
                                                                                  : id);
        }
        assert_int_equal(hf_field_find((struct hf_str){s.p, s.n - 1}), HF_FIELD_OTHER);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_requests_are_refused_for_the_right_reason),
        cmocka_unit_test(bad_responses_are_refused_for_the_right_reason),
        cmocka_unit_test(good_requests_are_taken_apart),
        cmocka_unit_test(fields_are_indexed),
        cmocka_unit_test(hop_by_hop_fields_are_known),
        cmocka_unit_test(twins_of_known_names_are_not_forwarded),
        cmocka_unit_test(responses_are_taken_apart),
        cmocka_unit_test(methods_are_known),
        cmocka_unit_test(each_byte_is_judged_alike_everywhere),
        cmocka_unit_test(the_limit_on_the_head_is_exact),
        cmocka_unit_test(each_error_has_a_status_and_a_sentence),
        cmocka_unit_test(each_name_has_its_id),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
