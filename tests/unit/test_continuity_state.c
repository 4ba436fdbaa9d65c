#include "test.h"

#include <string.h>

#include "base/random.h"
#include "continuity/state.h"

static struct hf_state kept;

static int clean(void **state)
{
    (void)state;
    hf_state_done(&kept);
    return 0;
}

static struct hf_state again(void)
{
    json_t *json = hf_state_to_json(&kept);
    struct hf_state s;

    assert_int_equal(hf_state_from_json(json, &s, NULL), 0);
    json_decref(json);
    return s;
}

static void json_keeps_all_of_it(void **state)
{
    struct hf_state_service *orders, *carts;
    struct hf_claim claim = {.event = "e", .cause = HF_CAUSE_ATTACK, .from = 5, .to = INT64_MAX};
    struct hf_state s;

    (void)state;
    assert_int_equal(hf_state_add(&kept, "orders", 1000, &orders), 0);
    assert_int_equal(hf_state_add(&kept, "carts", 2000, &carts), 0);
    orders->open = (struct hf_interval){
        .service = "orders", .state = HF_SECOND_UP, .from = 900, .to = 1000, .requests = 7};
    hf_state_probed(orders, 1003, true);
    hf_state_probed(orders, 1004, true);
    hf_state_probed(orders, 1004, false); /* a failure outweighs */
    hf_state_probed(orders, 1004, true);
    hf_state_probed(orders, 999, true);  /* booked */
    hf_state_probed(orders, 1600, true); /* too far away */
    assert_int_equal(hf_claims_add(&kept.claims, &claim), 0);
    kept.stopped = true;
    strcpy(kept.stream, "ledger/a/1");
    hf_chain_init(&kept.chain, HF_STR("x"));
    kept.chain.sequence = 12;
    s = again();
    assert_true(s.stopped);
    assert_string_equal(s.stream, "ledger/a/1");
    assert_int_equal(s.chain.sequence, 12);
    assert_string_equal(s.chain.hash, kept.chain.hash);
    assert_int_equal(s.claims.n, 1);
    assert_true(s.claims.at[0].to == INT64_MAX);
    assert_int_equal(s.services_n, 2);
    assert_int_equal(s.services[0]->open.requests, 7);
    assert_int_equal(s.services[1]->next, 2000);
    for (int64_t t = 998; t < 1605; t++)
        assert_int_equal(hf_state_probe(s.services[0], t), t == 1003   ? HF_PROBED_OK
                                                           : t == 1004 ? HF_PROBED_FAILED
                                                                       : HF_PROBED_NOT);
    hf_state_remove(&s, s.services[0]);
    assert_null(hf_state_find(&s, "orders"));
    assert_non_null(hf_state_find(&s, "carts"));
    hf_state_done(&s);
}

static void probes_move_with_the_window(void **state)
{
    struct hf_state_service *service;
    struct hf_random r;
    unsigned char all[3000] = {0};

    (void)state;
    hf_random_seed(&r, 3);
    assert_int_equal(hf_state_add(&kept, "orders", 0, &service), 0);
    for (int64_t next = 0; next < 2300;) {
        struct hf_state s;
        for (int i = 0; i < 20; i++) {
            int64_t t = next + hf_random_below(&r, HF_STATE_WINDOW);
            bool ok = hf_random_below(&r, 2);
            hf_state_probed(service, t, ok);
            if (all[t] != HF_PROBED_FAILED)
                all[t] = ok ? HF_PROBED_OK : HF_PROBED_FAILED;
        }
        next += hf_random_below(&r, hf_random_below(&r, 10) ? 5 : 900);
        hf_state_advance(service, next);
        s = again();
        for (int64_t t = next; t < next + HF_STATE_WINDOW && t < 3000; t++) {
            assert_int_equal(hf_state_probe(service, t), all[t]);
            assert_int_equal(hf_state_probe(s.services[0], t), all[t]);
        }
        hf_state_done(&s);
    }
}

static void what_cannot_be_read_is_refused(void **state)
{
    static const char *const texts[] = {
        "[]",
        "{}",
        "{\"stopped\":false,\"stream\":\"\",\"sequence\":0,\"hash\":\"\",\"claims\":[],"
        "\"services\":[{\"name\":\"a\",\"next\":1,\"probes\":\"3\"}]}",
        "{\"stopped\":false,\"stream\":\"\",\"sequence\":0,\"hash\":\"\",\"claims\":[],"
        "\"services\":[{\"name\":\"a\",\"next\":1,\"probes\":\"99999999999+\"}]}",
        "{\"stopped\":false,\"stream\":\"\",\"sequence\":0,\"hash\":\"\",\"claims\":[],"
        "\"services\":[{\"name\":\"a\",\"next\":-1,\"probes\":\"\"}]}",
        "{\"stopped\":false,\"stream\":\"\",\"sequence\":0,\"hash\":\"\",\"claims\":[7],"
        "\"services\":[]}",
    };
    struct hf_state s;
    struct hf_error e;

    (void)state;
    for (size_t i = 0; i < HF_COUNT(texts); i++) {
        json_t *json = json_loads(texts[i], 0, NULL);
        assert_non_null(json);
        assert_int_equal(hf_state_from_json(json, &s, &e), HF_ECORRUPT);
        json_decref(json);
    }
    assert_int_equal(hf_state_from_json(NULL, &s, &e), HF_ECORRUPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(json_keeps_all_of_it, clean),
        cmocka_unit_test_teardown(probes_move_with_the_window, clean),
        cmocka_unit_test(what_cannot_be_read_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
