#include "test.h"

#include "http/h1_framing.h"

static const struct hf_h1_limits limits = {.line = 1024, .head = 4096, .fields = 100};
static struct hf_h1_head head;

#define R "POST / HTTP/1.1\r\nHost: a\r\n"
#define OLD "POST / HTTP/1.0\r\n"

enum { OPEN = 1, CONTINUE = 2, UPGRADE = 4 };

struct want {
    const char *text;
    int rc;
    enum hf_h1_body kind;
    uint64_t length;
    unsigned flags;
};

static const struct want requests[] = {
    {R, 0, HF_H1_BODY_NONE, 0, OPEN},
    {R "connection: close\r\n", 0, HF_H1_BODY_NONE, 0, 0},
    {R "content-length: 0\r\n", 0, HF_H1_BODY_LENGTH, 0, OPEN},
    {R "content-length: 12\r\n", 0, HF_H1_BODY_LENGTH, 12, OPEN},
    {R "content-length: 9223372036854775807\r\n", 0, HF_H1_BODY_LENGTH, INT64_MAX, OPEN},
    {R "Transfer-Encoding: Chunked\r\n", 0, HF_H1_BODY_CHUNKED, 0, OPEN},
    {R "content-length: 1\r\nexpect: 100-Continue\r\n", 0, HF_H1_BODY_LENGTH, 1, OPEN | CONTINUE},
    {R "content-length: 0\r\nexpect: 100-continue\r\n", 0, HF_H1_BODY_LENGTH, 0, OPEN},
    {R "expect: 100-continue\r\n", 0, HF_H1_BODY_NONE, 0, OPEN},
    {R "connection: upgrade\r\nupgrade: websocket\r\n", 0, HF_H1_BODY_NONE, 0, OPEN | UPGRADE},
    {R "upgrade: websocket\r\n", 0, HF_H1_BODY_NONE, 0, OPEN},
    {OLD, 0, HF_H1_BODY_NONE, 0, 0},
    {OLD "connection: keep-alive\r\n", 0, HF_H1_BODY_NONE, 0, OPEN},
    {OLD "connection: keep-alive, close\r\n", 0, HF_H1_BODY_NONE, 0, 0},
    {OLD "content-length: 1\r\nexpect: 100-continue\r\n", 0, HF_H1_BODY_LENGTH, 1, 0},
    {R "content-length: 5\r\ncontent-length: 5\r\n", -HF_H1_LENGTH_TWICE, 0, 0, 0},
    {R "content-length: 5\r\ncontent-length: 6\r\n", -HF_H1_LENGTH_TWICE, 0, 0, 0},
    {R "content-length: 5, 5\r\n", -HF_H1_LENGTH_BAD, 0, 0, 0},
    {R "content-length:\r\n", -HF_H1_LENGTH_BAD, 0, 0, 0},
    {R "content-length: +5\r\n", -HF_H1_LENGTH_BAD, 0, 0, 0},
    {R "content-length: -5\r\n", -HF_H1_LENGTH_BAD, 0, 0, 0},
    {R "content-length: 0x5\r\n", -HF_H1_LENGTH_BAD, 0, 0, 0},
    {R "content-length: 5 5\r\n", -HF_H1_LENGTH_BAD, 0, 0, 0},
    {R "content-length: 9223372036854775808\r\n", -HF_H1_LENGTH_BAD, 0, 0, 0},
    {R "content-length: 99999999999999999999\r\n", -HF_H1_LENGTH_BAD, 0, 0, 0},
    {R "content-length: 5\r\ntransfer-encoding: chunked\r\n", -HF_H1_LENGTH_AND_CODING, 0, 0, 0},
    {R "transfer-encoding: chunked\r\ncontent-length: 5\r\n", -HF_H1_LENGTH_AND_CODING, 0, 0, 0},
    {R "transfer-encoding: gzip, chunked\r\n", -HF_H1_CODING_UNKNOWN, 0, 0, 0},
    {R "transfer-encoding: chunked, gzip\r\n", -HF_H1_CODING_BAD, 0, 0, 0},
    {R "transfer-encoding: chunked, chunked\r\n", -HF_H1_CODING_BAD, 0, 0, 0},
    {R "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n", -HF_H1_CODING_BAD, 0, 0, 0},
    {R "transfer-encoding: identity\r\n", -HF_H1_CODING_BAD, 0, 0, 0},
    {R "transfer-encoding:\r\n", -HF_H1_CODING_BAD, 0, 0, 0},
    {R "transfer-encoding: xchunked\r\n", -HF_H1_CODING_BAD, 0, 0, 0},
    {R "transfer-encoding: chunked,\r\n", -HF_H1_CODING_BAD, 0, 0, 0},
    {R "transfer-encoding: chunked;a=b\r\n", -HF_H1_CODING_BAD, 0, 0, 0},
    {R "transfer-encoding: \"chunked\"\r\n", -HF_H1_CODING_BAD, 0, 0, 0},
    {OLD "transfer-encoding: chunked\r\n", -HF_H1_CODING_OLD, 0, 0, 0},
    {R "expect: 200-ok\r\n", -HF_H1_EXPECT, 0, 0, 0},
    {R "expect: 100-continue\r\nexpect: 100-continue\r\n", -HF_H1_EXPECT, 0, 0, 0},
};

static void parse(const char *text, bool request)
{
    static char whole[512]; /* the head points into it */
    size_t scanned = 0, n = strlen(text);
    struct hf_str bytes = {whole, n + 2};

    memcpy(whole, text, n);
    memcpy(whole + n, "\r\n", 2);
    assert_int_equal(request ? hf_h1_parse_request(bytes, &scanned, &limits, &head)
                             : hf_h1_parse_response(bytes, &scanned, &limits, &head),
                     n + 2);
}

static void check(const struct want *w, int rc, const struct hf_h1_framing *f)
{
    unsigned flags = (f->keep_alive ? OPEN : 0U) | (f->expect_continue ? CONTINUE : 0U) |
                     (f->upgrade ? UPGRADE : 0U);

    if (rc != w->rc || (rc == 0 && (f->kind != w->kind || flags != w->flags)))
        print_error("%s: rc %d, kind %d, flags %u\n", w->text, rc, f->kind, flags);
    assert_int_equal(rc, w->rc);
    if (rc)
        return;
    assert_int_equal(f->kind, w->kind);
    assert_int_equal(f->length, w->length);
    assert_int_equal(flags, w->flags);
}

static void requests_are_framed(void **state)
{
    struct hf_h1_framing f;

    (void)state;
    for (size_t i = 0; i < HF_COUNT(requests); i++) {
        int rc;
        parse(requests[i].text, true);
        rc = hf_h1_request_framing(&head, &f);
        check(&requests[i], rc, &f);
    }
}

#define S(status) "HTTP/1.1 " status " x\r\n"

static const struct {
    enum hf_method method;
    struct want want;
} responses[] = {
    {HF_METHOD_GET, {S("200"), 0, HF_H1_BODY_UNTIL_CLOSE, 0, 0}},
    {HF_METHOD_GET, {S("200") "content-length: 3\r\n", 0, HF_H1_BODY_LENGTH, 3, OPEN}},
    {HF_METHOD_GET, {S("200") "transfer-encoding: chunked\r\n", 0, HF_H1_BODY_CHUNKED, 0, OPEN}},
    {HF_METHOD_GET,
     {S("200") "content-length: 3\r\nconnection: close\r\n", 0, HF_H1_BODY_LENGTH, 3, 0}},
    {HF_METHOD_HEAD, {S("200") "content-length: 3\r\n", 0, HF_H1_BODY_NONE, 3, OPEN}},
    {HF_METHOD_HEAD, {S("200") "transfer-encoding: chunked\r\n", 0, HF_H1_BODY_NONE, 0, OPEN}},
    {HF_METHOD_HEAD, {S("200"), 0, HF_H1_BODY_NONE, 0, OPEN}},
    {HF_METHOD_GET, {S("304") "content-length: 3\r\n", 0, HF_H1_BODY_NONE, 3, OPEN}},
    {HF_METHOD_GET, {S("204"), 0, HF_H1_BODY_NONE, 0, OPEN}},
    {HF_METHOD_GET, {S("204") "content-length: 0\r\n", 0, HF_H1_BODY_NONE, 0, OPEN}},
    {HF_METHOD_GET, {S("204") "content-length: 3\r\n", 0, HF_H1_BODY_NONE, 3, 0}},
    {HF_METHOD_GET, {S("204") "transfer-encoding: chunked\r\n", 0, HF_H1_BODY_NONE, 0, 0}},
    {HF_METHOD_GET, {S("100"), 0, HF_H1_BODY_NONE, 0, OPEN}},
    {HF_METHOD_GET, {S("103"), 0, HF_H1_BODY_NONE, 0, OPEN}},
    {HF_METHOD_GET, {S("103") "content-length: 0\r\n", 0, HF_H1_BODY_NONE, 0, OPEN}},
    {HF_METHOD_GET, {S("103") "content-length: 3\r\n", -HF_H1_INTERIM_BODY}},
    {HF_METHOD_GET, {S("100") "transfer-encoding: chunked\r\n", -HF_H1_INTERIM_BODY}},
    {HF_METHOD_GET, {S("101"), 0, HF_H1_BODY_TUNNEL, 0, 0}},
    {HF_METHOD_GET, {"HTTP/1.0 200 OK\r\n", 0, HF_H1_BODY_UNTIL_CLOSE, 0, 0}},
    {HF_METHOD_GET, {"HTTP/1.0 200 OK\r\ncontent-length: 3\r\n", 0, HF_H1_BODY_LENGTH, 3, 0}},
    {HF_METHOD_GET,
     {S("200") "content-length: 3\r\ntransfer-encoding: chunked\r\n", -HF_H1_LENGTH_AND_CODING}},
    {HF_METHOD_GET, {S("200") "content-length: 3\r\ncontent-length: 4\r\n", -HF_H1_LENGTH_TWICE}},
    {HF_METHOD_HEAD, {S("200") "content-length: x\r\n", -HF_H1_LENGTH_BAD}},
    {HF_METHOD_GET, {S("200") "transfer-encoding: gzip\r\n", -HF_H1_CODING_BAD}},
    {HF_METHOD_GET, {"HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n", -HF_H1_CODING_OLD}},
};

static void responses_are_framed(void **state)
{
    struct hf_h1_framing f;

    (void)state;
    for (size_t i = 0; i < HF_COUNT(responses); i++) {
        int rc;
        parse(responses[i].want.text, false);
        rc = hf_h1_response_framing(&head, responses[i].method, &f);
        check(&responses[i].want, rc, &f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_framed),
        cmocka_unit_test(responses_are_framed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
