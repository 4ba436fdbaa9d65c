#include "test.h"

#include "http/grpc.h"

static void content_types(void **state)
{
    (void)state;
    assert_true(hf_grpc_content_type(HF_STR("application/grpc")));
    assert_true(hf_grpc_content_type(HF_STR("Application/gRPC+proto")));
    assert_true(hf_grpc_content_type(HF_STR("application/grpc; charset=utf-8")));
    assert_false(hf_grpc_content_type(HF_STR("application/grpc-web")));
    assert_false(hf_grpc_content_type(HF_STR("application/json")));
    assert_false(hf_grpc_content_type(HF_STR("")));
}

static void statuses(void **state)
{
    static const uint8_t failed[] = {2, 4, 13, 14, 15, HF_GRPC_MISSING};
    unsigned n = 0;

    (void)state;
    for (unsigned s = 0; s < 256; s++)
        n += hf_grpc_failed((uint8_t)s);
    assert_int_equal(n, HF_COUNT(failed));
    for (size_t i = 0; i < HF_COUNT(failed); i++)
        assert_true(hf_grpc_failed(failed[i]));
    assert_int_equal(hf_grpc_status_parse(HF_STR("0")), HF_GRPC_OK);
    assert_int_equal(hf_grpc_status_parse(HF_STR("14")), HF_GRPC_UNAVAILABLE);
    assert_int_equal(hf_grpc_status_parse(HF_STR("")), HF_GRPC_UNKNOWN);
    assert_int_equal(hf_grpc_status_parse(HF_STR("x")), HF_GRPC_UNKNOWN);
    assert_int_equal(hf_grpc_status_parse(HF_STR("255")), HF_GRPC_UNKNOWN);
    assert_int_equal(hf_grpc_from_http(503), HF_GRPC_UNAVAILABLE);
    assert_int_equal(hf_grpc_from_http(504), HF_GRPC_DEADLINE_EXCEEDED);
    assert_int_equal(hf_grpc_from_http(404), HF_GRPC_UNIMPLEMENTED);
    assert_int_equal(hf_grpc_from_http(500), HF_GRPC_UNKNOWN);
    assert_false(hf_grpc_failed(hf_grpc_from_http(400)));
    assert_false(hf_grpc_failed(hf_grpc_from_http(408)));
}

static void timeouts(void **state)
{
    static const struct {
        const char *text;
        int64_t ns;
    } good[] = {
        {"1H", 3600 * HF_NS_PER_S},
        {"2M", 120 * HF_NS_PER_S},
        {"3S", 3 * HF_NS_PER_S},
        {"250m", 250 * HF_NS_PER_MS},
        {"7u", 7000},
        {"0n", 0},
        {"99999999n", 99999999},
    };
    static const char *const bad[] = {"", "1", "S", "1s", "-1S", "1.5S", "123456789S", " 1S"};
    struct hf_duration d;

    (void)state;
    for (size_t i = 0; i < HF_COUNT(good); i++) {
        assert_int_equal(hf_grpc_timeout_parse(hf_str(good[i].text), &d), 0);
        assert_int_equal(d.ns, good[i].ns);
    }
    for (size_t i = 0; i < HF_COUNT(bad); i++)
        assert_int_equal(hf_grpc_timeout_parse(hf_str(bad[i]), &d), HF_EINVAL);
    assert_int_equal(hf_grpc_timeout_parse(HF_STR("99999999H"), &d), 0);
    assert_true(d.ns > 0); /* not overflown */
}

static void health_requests(void **state)
{
    char buf[HF_GRPC_HEALTH_REQUEST], name[256];

    (void)state;
    assert_int_equal(hf_grpc_health_request(HF_STR(""), buf), 5);
    assert_memory_equal(buf, "\0\0\0\0\0", 5);
    assert_int_equal(hf_grpc_health_request(HF_STR("a.B"), buf), 10);
    assert_memory_equal(buf, "\0\0\0\0\5\n\3a.B", 10);
    memset(name, 'n', sizeof(name));
    assert_int_equal(hf_grpc_health_request((struct hf_str){name, 200}, buf), 5 + 3 + 200);
    assert_memory_equal(buf, "\0\0\0\0\xcb\n\xc8\x01n", 9);
    assert_int_equal(hf_grpc_health_request((struct hf_str){name, 255}, buf), sizeof(buf));
    assert_memory_equal(buf, "\0\0\0\1\x02\n\xff\x01n", 9);
}

#define BODY(text) ((struct hf_str){text, sizeof(text) - 1})

static void health_responses(void **state)
{
    static const struct hf_str bad[] = {
        BODY(""),
        BODY("\0\0\0\0"),
        BODY("\1\0\0\0\0"), /* compressed */
        BODY("\0\0\0\0\2\x08"),
        BODY("\0\0\0\0\1\x08\1"),
        BODY("\0\0\0\0\1\x08"),
        BODY("\0\0\0\0\2\x08\x80"),
        BODY("\0\0\0\0\2\x0b\1"),
        BODY("\0\0\0\0\3\x12\5a"),
        BODY("\0\0\0\0\x0c\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"),
    };
    enum hf_grpc_serving s;

    (void)state;
    assert_int_equal(hf_grpc_health_response(BODY("\0\0\0\0\2\x08\1"), &s), 0);
    assert_int_equal(s, HF_GRPC_SERVING);
    assert_int_equal(hf_grpc_health_response(BODY("\0\0\0\0\2\x08\2"), &s), 0);
    assert_int_equal(s, HF_GRPC_NOT_SERVING);
    assert_int_equal(hf_grpc_health_response(BODY("\0\0\0\0\0"), &s), 0);
    assert_int_equal(s, HF_GRPC_SERVING_UNKNOWN);
    assert_int_equal(hf_grpc_health_response(BODY("\0\0\0\0\2\x08\x63"), &s), 0);
    assert_int_equal(s, HF_GRPC_SERVING_UNKNOWN);
    /* Fields that we do not know, of each kind, are passed over. */
    assert_int_equal(hf_grpc_health_response(
                         BODY("\0\0\0\0\x16\x12\2ab\x18\x05\x25\1\2\3\4\x29\1\2\3\4\5\6\7\x08"
                              "\x08\1"),
                         &s),
                     0);
    assert_int_equal(s, HF_GRPC_SERVING);
    for (size_t i = 0; i < HF_COUNT(bad); i++) {
        if (hf_grpc_health_response(bad[i], &s) != HF_ECORRUPT)
            fail_msg("response %zu", i);
    }
    assert_string_equal(hf_grpc_serving_name(HF_GRPC_NOT_SERVING), "NOT_SERVING");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(content_types),    cmocka_unit_test(statuses),
        cmocka_unit_test(timeouts),         cmocka_unit_test(health_requests),
        cmocka_unit_test(health_responses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
