#include "test.h"

#include <stdio.h>

#include "controller/resolve.h"
#include "dns_server.h"

static struct hf_loop *loop;
static struct dns_server server;
static struct hf_resolve_answer answer;
static unsigned answers;

static const struct dns_name names[] = {
    {.name = "four.example", .ip4 = "10.0.0.9 10.0.0.1 10.0.0.9 10.0.0.2"},
    {.name = "six.example", .ip6 = "fd00::2 fd00::1"},
    {.name = "both.example", .ip4 = "10.0.0.1", .ip6 = "fd00::1"},
    {.name = "none.example"},
    {.name = "blocked.example", .ip4 = "0.0.0.0", .ip6 = "::"},
    {.name = "half.example", .how4 = DNS_FAILS, .ip6 = "fd00::1"},
    {.name = "fails6.example", .how6 = DNS_FAILS},
    {.name = "silent.example", .how4 = DNS_IS_SILENT},
    {.name = "silent6.example", .how6 = DNS_IS_SILENT},
    {.name = "rubbish.example", .how4 = DNS_TALKS_RUBBISH},
    {.name = "many.example",
     .ip4 = "10.0.0.20 10.0.0.19 10.0.0.18 10.0.0.17 10.0.0.16 10.0.0.15 10.0.0.14 10.0.0.13 "
            "10.0.0.12 10.0.0.11 10.0.0.10 10.0.0.1 10.0.0.2 10.0.0.3 10.0.0.4 10.0.0.5 10.0.0.6 "
            "10.0.0.7 10.0.0.8 10.0.0.9"},
};

static void on_answer(void *ctx, const struct hf_resolve_answer *a)
{
    struct hf_resolve **lookup = ctx;

    answer = *a;
    answers++;
    *lookup = hf_resolve_free(*lookup);
}

static void begin(const char *host, struct hf_duration limit, struct hf_resolve **ret)
{
    struct hf_resolve_options options = {
        .loop = loop, .servers = &server.address, .n_servers = 1, .limit = limit};

    answers = 0;
    assert_int_equal(hf_resolve_new(&options, host, 8080, on_answer, ret, ret, NULL), 0);
    assert_int_equal(answers, 0);
}

/* Returns the answer's code. */
static int resolve(const char *host)
{
    struct hf_resolve *lookup;

    server.asked4 = server.asked6 = 0;
    begin(host, hf_seconds(20), &lookup);
    while (lookup)
        hf_loop_turn(loop, hf_seconds(5));
    assert_int_equal(answers, 1);
    assert_true(answer.code == 0 ? answer.n > 0 && !answer.why[0] : answer.n == 0 && answer.why[0]);
    return answer.code;
}

static void is_address(size_t i, const char *expected)
{
    char text[HF_ADDR_TEXT];

    assert_true(i < answer.n);
    assert_string_equal(hf_addr_format(&answer.address[i], text), expected);
}

static void hosts_file_comes_first(void **state)
{
    (void)state;
    assert_int_equal(resolve("localhost"), 0);
    is_address(0, "127.0.0.1:8080");
    assert_int_equal(answer.n, 1);
    assert_int_equal(server.asked4 + server.asked6, 0);
}

static void addresses_are_sorted_and_come_once(void **state)
{
    (void)state;
    assert_int_equal(resolve("four.example"), 0);
    assert_int_equal(answer.n, 3);
    is_address(0, "10.0.0.1:8080");
    is_address(1, "10.0.0.2:8080");
    is_address(2, "10.0.0.9:8080");
    assert_false(answer.more);
    assert_int_equal(server.asked6, 0);
}

static void one_family(void **state)
{
    (void)state;
    assert_int_equal(resolve("both.example"), 0);
    assert_int_equal(answer.n, 1);
    is_address(0, "10.0.0.1:8080");
    assert_int_equal(resolve("six.example"), 0);
    assert_int_equal(answer.n, 2);
    is_address(0, "[fd00::1]:8080");
    is_address(1, "[fd00::2]:8080");
    assert_true(server.asked4 > 0 && server.asked6 > 0);
}

static void no_address(void **state)
{
    (void)state;
    assert_int_equal(resolve("missing.example"), HF_ENOENT);
    assert_string_equal(answer.why, "there is no such name");
    assert_int_equal(resolve("none.example"), HF_ENOENT);
    assert_string_equal(answer.why, "the name has no address");
    assert_int_equal(resolve("blocked.example"), HF_ENOENT);
    assert_string_equal(answer.why, "the name has no address");
}

/* A failure to learn of one family must not look as if the host had only the other. */
static void half_an_answer_is_none(void **state)
{
    (void)state;
    assert_int_equal(resolve("half.example"), HF_EIO);
    assert_int_equal(server.asked6, 0);
    assert_int_equal(resolve("fails6.example"), HF_EIO);
}

static void rubbish_is_no_answer(void **state)
{
    (void)state;
    assert_int_not_equal(resolve("rubbish.example"), 0);
}

static void no_more_than_16(void **state)
{
    char text[HF_ADDR_TEXT];

    (void)state;
    assert_int_equal(resolve("many.example"), 0);
    assert_int_equal(answer.n, HF_RESOLVE_MOST);
    assert_true(answer.more);
    for (unsigned i = 0; i < answer.n; i++) {
        snprintf(text, sizeof(text), "10.0.0.%u:8080", i + 1);
        is_address(i, text);
    }
}

static void on_tick(struct hf_timer *t)
{
    (void)t;
}

/* The loop turns on meanwhile. */
static void silence_ends_at_the_limit(void **state)
{
    static const char *const silent[] = {"silent.example", "silent6.example"};
    struct hf_resolve *lookup;
    struct hf_timer tick;

    (void)state;
    hf_timer_init(&tick, on_tick);
    for (size_t i = 0; i < HF_COUNT(silent); i++) {
        struct hf_mono start = hf_mono_now();
        unsigned turns = 0;
        begin(silent[i], hf_ms(300), &lookup);
        while (lookup) {
            turns++;
            hf_timer_after(loop, &tick, hf_ms(10));
            hf_loop_turn(loop, hf_seconds(5));
        }
        assert_int_equal(answer.code, HF_ETIMEOUT);
        assert_true(hf_duration_ms(hf_mono_sub(hf_mono_now(), start)) >= 300);
        assert_true(turns > 5);
    }
    hf_timer_done(&tick);
}

static void nobody_at_the_server(void **state)
{
    struct hf_addr there = server.address;

    (void)state;
    dns_close(&server);
    server.address = there;
    assert_int_equal(resolve("four.example"), HF_EIO);
    dns_open(&server, loop);
    dns_script(&server, names, HF_COUNT(names));
}

static void cancelled(void **state)
{
    struct hf_resolve *asking, *answered;

    (void)state;
    begin("silent.example", hf_ms(20), &asking);
    begin("localhost", hf_ms(20), &answered); /* the answer is there, and not told yet */
    hf_resolve_free(asking);
    hf_resolve_free(answered);
    for (int i = 0; i < 20; i++)
        hf_loop_turn(loop, hf_ms(2));
    assert_int_equal(answers, 0);
    assert_null(hf_resolve_free(NULL));
}

static int setup(void **state)
{
    (void)state;
    assert_int_equal(hf_loop_new(&loop, NULL), 0);
    dns_open(&server, loop);
    dns_script(&server, names, HF_COUNT(names));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    dns_close(&server);
    hf_loop_free(loop);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hosts_file_comes_first),
        cmocka_unit_test(addresses_are_sorted_and_come_once),
        cmocka_unit_test(one_family),
        cmocka_unit_test(no_address),
        cmocka_unit_test(half_an_answer_is_none),
        cmocka_unit_test(rubbish_is_no_answer),
        cmocka_unit_test(no_more_than_16),
        cmocka_unit_test(silence_ends_at_the_limit),
        cmocka_unit_test(nobody_at_the_server),
        cmocka_unit_test(cancelled),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
