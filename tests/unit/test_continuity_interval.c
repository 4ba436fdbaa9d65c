#include "test.h"

#include <stdio.h>
#include <string.h>

#include "base/random.h"
#include "continuity/interval.h"

enum { DAY = 86400 };

static struct hf_interval piece(int64_t from, int64_t to, enum hf_second_state state)
{
    struct hf_interval i = {.service = "orders", .state = state, .from = from, .to = to};

    hf_interval_blame(&i, NULL);
    return i;
}

static void equal_neighbours_are_one(void **state)
{
    struct hf_interval open = {.from = 0}, closed, p;

    (void)state;
    for (int64_t t = 100; t < 110; t++) {
        p = piece(t, t + 1, HF_SECOND_UP);
        p.requests = 3;
        p.failed = t == 105;
        assert_false(hf_interval_step(&open, &p, &closed));
        assert_int_equal(hf_interval_length(&p), 0);
    }
    p = piece(110, 111, HF_SECOND_DOWN);
    assert_true(hf_interval_step(&open, &p, &closed));
    assert_int_equal(closed.from, 100);
    assert_int_equal(closed.to, 110);
    assert_int_equal(closed.requests, 30);
    assert_int_equal(closed.failed, 1);
    assert_int_equal(closed.cause, HF_CAUSE_NONE);
    assert_false(hf_interval_step(&open, &p, &closed));
    assert_int_equal(open.from, 110);
    assert_int_equal(open.cause, HF_CAUSE_UNKNOWN);
    p = piece(115, 116, HF_SECOND_DOWN); /* not a neighbour */
    assert_true(hf_interval_step(&open, &p, &closed));
    assert_int_equal(closed.to, 111);
}

static void none_crosses_midnight(void **state)
{
    struct hf_interval open = {.from = 0}, closed, p = piece(DAY - 10, 3 * DAY + 5, HF_SECOND_UP);
    int64_t ends[4] = {0};
    int n = 0;

    (void)state;
    p.requests = 7;
    while (hf_interval_length(&p) > 0) {
        if (hf_interval_step(&open, &p, &closed))
            ends[n++] = closed.to;
    }
    assert_int_equal(n, 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(ends[i], (i + 1) * DAY);
    assert_int_equal(open.from, 3 * DAY);
    assert_int_equal(open.to, 3 * DAY + 5);
}

static const struct hf_claim release = {.event = "release orders 2",
                                        .service = "orders",
                                        .cause = HF_CAUSE_RELEASE,
                                        .planned = true,
                                        .from = 100,
                                        .to = 200};
static const struct hf_claim outage = {
    .event = "node a", .cause = HF_CAUSE_INFRASTRUCTURE_DOWN, .from = 150, .to = INT64_MAX};

static void an_event_owns_its_time(void **state)
{
    static struct hf_claims c;
    struct hf_claim later = {.event = "attack", .cause = HF_CAUSE_ATTACK, .from = 160, .to = 170};

    (void)state;
    assert_int_equal(hf_claims_add(&c, &release), 0);
    assert_int_equal(hf_claims_add(&c, &outage), 0);
    assert_int_equal(hf_claims_add(&c, &outage), 0);
    assert_int_equal(c.n, 2);
    assert_null(hf_claims_owner(&c, "orders", 99));
    assert_string_equal(hf_claims_owner(&c, "orders", 100)->event, release.event);
    assert_string_equal(hf_claims_owner(&c, "orders", 199)->event, release.event);
    assert_string_equal(hf_claims_owner(&c, "orders", 200)->event, outage.event);
    assert_null(hf_claims_owner(&c, "carts", 149));
    assert_string_equal(hf_claims_owner(&c, "carts", 150)->event, outage.event);
    assert_int_equal(hf_claims_add(&c, &later), 0);
    assert_string_equal(hf_claims_owner(&c, "carts", 165)->event, "attack");
    hf_claims_end(&c, "node a", 300);
    assert_null(hf_claims_owner(&c, "carts", 300));
    hf_claims_prune(&c, 200);
    assert_int_equal(c.n, 1);
    later.event[0] = 0;
    assert_int_equal(hf_claims_add(&c, &later), HF_EINVAL);
    strcpy(later.event, "\xff");
    assert_int_equal(hf_claims_add(&c, &later), HF_EINVAL);
    for (int i = 1; i < HF_CLAIMS_MAX; i++) {
        snprintf(later.event, sizeof(later.event), "e%d", i);
        assert_int_equal(hf_claims_add(&c, &later), 0);
    }
    strcpy(later.event, "one more");
    assert_int_equal(hf_claims_add(&c, &later), HF_ELIMIT);
}

static void only_what_failed_is_blamed(void **state)
{
    struct hf_interval i = piece(100, 101, HF_SECOND_DEGRADED);

    (void)state;
    hf_interval_blame(&i, &release);
    assert_int_equal(i.cause, HF_CAUSE_RELEASE);
    assert_true(i.planned);
    assert_string_equal(i.event, release.event);
    i.state = HF_SECOND_UP;
    hf_interval_blame(&i, &release);
    assert_int_equal(i.cause, HF_CAUSE_NONE);
    assert_string_equal(i.event, "");
    i.state = HF_SECOND_UNKNOWN; /* blindness has no cause that an event could own */
    hf_interval_blame(&i, &release);
    assert_int_equal(i.cause, HF_CAUSE_UNKNOWN);
    assert_false(i.planned);
}

/* Random seconds: every second is in exactly one interval, with its state; sums stay. */
static void nothing_is_lost_or_doubled(void **state)
{
    enum { SECONDS = 4 * DAY };
    static unsigned char states[SECONDS], from_intervals[SECONDS];
    struct hf_interval open = {.from = 0}, closed, p;
    uint64_t requests = 0, seen = 0;
    int64_t start = 20000 * (int64_t)DAY - 1234, total = 0;
    struct hf_random r;

    (void)state;
    hf_random_seed(&r, 42);
    memset(from_intervals, 0xff, sizeof(from_intervals));
    for (int64_t t = 0, n; t < SECONDS; t += n) {
        unsigned char s = (unsigned char)hf_random_below(&r, 4);
        n = 1 + hf_random_below(&r, hf_random_below(&r, 50) ? 5 : DAY);
        if (n > SECONDS - t)
            n = SECONDS - t;
        memset(states + t, s, (size_t)n);
        p = piece(start + t, start + t + n, s);
        p.requests = hf_random_below(&r, 1000);
        requests += p.requests;
        while (hf_interval_length(&p) > 0) {
            if (!hf_interval_step(&open, &p, &closed))
                continue;
            assert_true(hf_interval_length(&closed) > 0);
            assert_int_equal(closed.from / DAY, (closed.to - 1) / DAY);
            memset(from_intervals + (closed.from - start), closed.state,
                   (size_t)hf_interval_length(&closed));
            total += hf_interval_length(&closed);
            seen += closed.requests;
        }
    }
    memset(from_intervals + (open.from - start), open.state, (size_t)hf_interval_length(&open));
    assert_int_equal(total + hf_interval_length(&open), SECONDS);
    assert_int_equal(seen + open.requests, requests);
    assert_memory_equal(states, from_intervals, sizeof(states));
}

static void json_keeps_all_of_it(void **state)
{
    struct hf_interval a = piece(5, 9, HF_SECOND_DOWN), b;
    json_t *json;

    (void)state;
    hf_interval_blame(&a, &release);
    a.requests = 12;
    a.failed = 11;
    json = hf_interval_to_json(&a);
    assert_int_equal(hf_interval_from_json(json, &b), 0);
    assert_string_equal(b.service, "orders");
    assert_string_equal(b.event, release.event);
    assert_int_equal(b.state, HF_SECOND_DOWN);
    assert_int_equal(b.cause, HF_CAUSE_RELEASE);
    assert_true(b.planned);
    assert_int_equal(b.from, 5);
    assert_int_equal(b.to, 9);
    assert_int_equal(b.requests, 12);
    assert_int_equal(b.failed, 11);
    json_object_set_new(json, "cause", json_string("weather"));
    assert_int_equal(hf_interval_from_json(json, &b), HF_EINVAL);
    json_object_del(json, "cause");
    assert_int_equal(hf_interval_from_json(json, &b), HF_EINVAL);
    json_decref(json);
}

static void every_cause_has_a_name(void **state)
{
    (void)state;
    for (int i = 0; i < HF_CAUSES; i++) {
        enum hf_cause parsed;
        assert_non_null(hf_cause_name(i));
        assert_int_equal(hf_cause_parse(hf_cause_name(i), &parsed), 0);
        assert_int_equal(parsed, i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_neighbours_are_one),   cmocka_unit_test(none_crosses_midnight),
        cmocka_unit_test(an_event_owns_its_time),     cmocka_unit_test(only_what_failed_is_blamed),
        cmocka_unit_test(nothing_is_lost_or_doubled), cmocka_unit_test(json_keeps_all_of_it),
        cmocka_unit_test(every_cause_has_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
