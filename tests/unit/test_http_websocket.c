#include "test.h"

#include "http/websocket.h"

/* The example of RFC 6455 1.3. */
static void accept_answers_the_key(void **state)
{
    char accept[HF_WEBSOCKET_ACCEPT];

    (void)state;
    hf_websocket_accept("dGhlIHNhbXBsZSBub25jZQ==", accept);
    assert_memory_equal(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", sizeof(accept));
}

static void keys_are_of_16_bytes_and_differ(void **state)
{
    char one[HF_WEBSOCKET_KEY], other[HF_WEBSOCKET_KEY];
    struct hf_random random;

    (void)state;
    hf_random_seed(&random, 1);
    hf_websocket_key(&random, one);
    hf_websocket_key(&random, other);
    assert_memory_equal(one + 22, "==", 2);
    assert_memory_not_equal(one, other, sizeof(one));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accept_answers_the_key),
        cmocka_unit_test(keys_are_of_16_bytes_and_differ),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
