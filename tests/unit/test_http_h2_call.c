#include "test.h"

#include "http/client.h"
#include "http/grpc.h"
#include "http/h2_call.h"

#define BYTES(text) ((struct hf_str){text, sizeof(text) - 1})

#define SETTINGS "\0\0\0\4\0\0\0\0\0"
#define HEAD_200 "\0\0\1\1\4\0\0\0\1\x88"
#define HEAD_404_END "\0\0\1\1\5\0\0\0\1\x8d"
#define HEAD_103 "\0\0\5\1\4\0\0\0\1\x08\3\x31\x30\x33"
#define DATA_HELLO "\0\0\5\0\0\0\0\0\1hello"
#define DATA_END "\0\0\0\0\1\0\0\0\1"
#define GRPC_STATUS_5 "\0\0\x0f\1\5\0\0\0\1\0\x0bgrpc-status\1\x35"

static struct hf_text body;

static void on_data(struct hf_response *r, struct hf_str data)
{
    (void)r;
    hf_text_add(&body, data);
}

/* Feeds bytes, cut once at `cut`, to a new call; what it sent is thrown away. */
static void feed(struct hf_str bytes, size_t cut, struct hf_response *r)
{
    static const struct hf_http_field field = {{"te", 2}, {"trailers", 8}};
    const struct hf_h2_call_request q = {.method = HF_STR("POST"),
                                         .target = HF_STR("/a"),
                                         .authority = HF_STR("h"),
                                         .fields = &field,
                                         .n_fields = 1,
                                         .body = HF_STR("question")};
    struct hf_text out = {0};
    struct hf_h2_call *c;

    *r = (struct hf_response){.method = HF_METHOD_POST, .on_data = on_data};
    hf_text_clear(&body);
    c = hf_h2_call_new(&q, r);
    assert_non_null(c);
    hf_h2_call_write(c, &out);
    assert_memory_equal(out.p, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24);
    assert_non_null(memmem(out.p, out.n, "question", 8));
    hf_h2_call_feed(c, (struct hf_str){bytes.p, cut});
    hf_h2_call_write(c, &out);
    hf_h2_call_feed(c, (struct hf_str){bytes.p + cut, bytes.n - cut});
    hf_h2_call_write(c, &out);
    hf_h2_call_free(c);
    hf_text_done(&out);
}

static void however_the_bytes_are_cut(void **state)
{
    static const struct {
        struct hf_str bytes;
        unsigned status;
        const char *body;
        uint8_t grpc_status;
    } cases[] = {
        {BYTES(SETTINGS HEAD_200 DATA_HELLO DATA_END), 200, "hello", HF_GRPC_MISSING},
        {BYTES(SETTINGS HEAD_404_END), 404, "", HF_GRPC_MISSING},
        {BYTES(SETTINGS HEAD_103 HEAD_200 DATA_HELLO DATA_HELLO DATA_END), 200, "hellohello",
         HF_GRPC_MISSING},
        {BYTES(SETTINGS HEAD_200 DATA_HELLO GRPC_STATUS_5), 200, "hello", 5},
    };
    struct hf_response r;

    (void)state;
    for (size_t i = 0; i < HF_COUNT(cases); i++) {
        for (size_t cut = 0; cut <= cases[i].bytes.n; cut++) {
            feed(cases[i].bytes, cut, &r);
            assert_int_equal(r.state, HF_RESPONSE_DONE);
            assert_int_equal(r.head.status, cases[i].status);
            assert_int_equal(body.n, strlen(cases[i].body));
            assert_memory_equal(body.n ? body.p : "", cases[i].body, body.n);
            assert_int_equal(r.grpc_status, cases[i].grpc_status);
            hf_response_done(&r);
        }
    }
}

static void what_is_wrong_is_said(void **state)
{
    static const struct {
        struct hf_str bytes;
        const char *error;
    } cases[] = {
        {BYTES("HTTP/1.1 400 Bad Request\r\n\r\n"), "the answer is not in HTTP/2"},
        {BYTES(SETTINGS "\0\0\4\3\0\0\0\0\1\0\0\0\7"), "the instance refused the request"},
        {BYTES(SETTINGS HEAD_200 "\0\0\4\3\0\0\0\0\1\0\0\0\0"),
         "the stream was ended before the response was whole"},
        {BYTES(SETTINGS HEAD_200 "\0\0\4\3\0\0\0\0\1\0\0\0\2"), "INTERNAL_ERROR"},
        {BYTES(SETTINGS "\0\0\0\0\0\0\0\0\0"), "the response is not valid HTTP/2"},
    };
    struct hf_response r;

    (void)state;
    for (size_t i = 0; i < HF_COUNT(cases); i++) {
        feed(cases[i].bytes, 0, &r);
        assert_int_equal(r.state, HF_RESPONSE_FAILED);
        assert_string_equal(r.error, cases[i].error);
        hf_response_done(&r);
    }
}

static int done(void **state)
{
    (void)state;
    hf_text_done(&body);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(however_the_bytes_are_cut),
        cmocka_unit_test(what_is_wrong_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, done);
}
