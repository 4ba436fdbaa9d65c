#include "test.h"

#include <string.h>

#include "health/judge.h"

static const struct hf_verdict up = {.state = HF_VERDICT_UP, .last = HF_PROBE_PASSED, .streak = 9};

static struct hf_verdict lost(unsigned streak)
{
    return (struct hf_verdict){.state = streak < 3 ? HF_VERDICT_UP : HF_VERDICT_DOWN,
                               .last = HF_PROBE_LOST,
                               .streak = streak};
}

static struct hf_evidence evidence(const struct hf_verdict *probes, uint64_t attempts,
                                   uint64_t failures)
{
    return (struct hf_evidence){.probes = probes,
                                .policy = {.rise = 2, .fall = 3},
                                .seen = {attempts, failures},
                                .probe_text = "GET /-/ready: 200",
                                .ready = true};
}

static enum hf_health_code code_of(const struct hf_evidence *e, int wanted)
{
    struct hf_dwell dwell = {0};
    struct hf_judgement j;

    hf_health_judge(e, &dwell, (struct hf_mono){1}, &j);
    assert_int_equal(j.wanted, wanted);
    assert_true(j.text[0]);
    assert_int_equal(dwell.times, j.code == HF_HEALTH_USERS_FAIL);
    return j.code;
}

static void probes_alone(void **state)
{
    const struct hf_verdict unknown = {0}, two = lost(2), three = lost(3);
    struct hf_evidence e = evidence(&up, 0, 0);

    (void)state;
    assert_int_equal(code_of(&e, HF_UP), HF_HEALTH_PASSING);
    e = evidence(&two, 0, 0);
    assert_int_equal(code_of(&e, HF_UP), HF_HEALTH_PASSING);
    e = evidence(&three, 0, 0);
    assert_int_equal(code_of(&e, HF_DOWN), HF_HEALTH_PROBES_LOST);
    e = evidence(&unknown, 0, 0);
    assert_int_equal(code_of(&e, HF_KEEP), HF_HEALTH_UNCERTAIN);
}

static void users_that_are_served_outweigh_lost_probes_for_a_while(void **state)
{
    const struct hf_verdict three = lost(3), five = lost(5), six = lost(6);
    struct hf_evidence e = evidence(&three, 20, 1);

    (void)state;
    assert_int_equal(code_of(&e, HF_KEEP), HF_HEALTH_USERS_SERVED);
    e = evidence(&five, 5, 0);
    assert_int_equal(code_of(&e, HF_KEEP), HF_HEALTH_USERS_SERVED);
    e = evidence(&six, 20, 0);
    assert_int_equal(code_of(&e, HF_DOWN), HF_HEALTH_PROBES_LOST);
    e = evidence(&three, 4, 0); /* too few */
    assert_int_equal(code_of(&e, HF_DOWN), HF_HEALTH_PROBES_LOST);
    e = evidence(&three, 20, 2); /* not well */
    assert_int_equal(code_of(&e, HF_DOWN), HF_HEALTH_PROBES_LOST);
}

static void users_that_are_failed_outweigh_green_probes(void **state)
{
    struct hf_evidence e = evidence(&up, 5, 3);

    (void)state;
    assert_int_equal(code_of(&e, HF_DOWN), HF_HEALTH_USERS_FAIL);
    e = evidence(&up, 10, 5);
    assert_int_equal(code_of(&e, HF_DOWN), HF_HEALTH_USERS_FAIL);
    e = evidence(&up, 10, 4);
    assert_int_equal(code_of(&e, HF_UP), HF_HEALTH_PASSING);
    e = evidence(&up, 4, 4);
    assert_int_equal(code_of(&e, HF_UP), HF_HEALTH_PASSING);
    e = evidence(&up, 5, 2);
    assert_int_equal(code_of(&e, HF_UP), HF_HEALTH_PASSING);
}

static void the_last_one_stays(void **state)
{
    const struct hf_verdict nine = lost(9);
    struct hf_evidence e = evidence(&nine, 0, 0);
    struct hf_dwell dwell = {0};
    struct hf_judgement j;

    (void)state;
    e.last = true;
    assert_int_equal(code_of(&e, HF_KEEP), HF_HEALTH_LAST);
    e = evidence(&up, 9, 9);
    e.last = true;
    hf_health_judge(&e, &dwell, (struct hf_mono){1}, &j);
    assert_int_equal(j.code, HF_HEALTH_LAST);
    assert_string_equal(j.text, "failing, but the last: fails users: 9 of 9 requests");
    assert_int_equal(dwell.times, 0);
    e = evidence(&nine, 0, 0);
    e.last = true;
    e.ready = false; /* it is no capacity now */
    assert_int_equal(code_of(&e, HF_DOWN), HF_HEALTH_PROBES_LOST);
}

static void who_failed_users_stays_away_longer_each_time(void **state)
{
    static const int64_t seconds[] = {5, 10, 20, 40, 60, 60};
    struct hf_mono now = {hf_seconds(1000).ns};
    struct hf_dwell dwell = {0};
    struct hf_judgement j;

    (void)state;
    for (size_t i = 0; i < HF_COUNT(seconds); i++) {
        struct hf_evidence e = evidence(&up, 9, 9);
        hf_health_judge(&e, &dwell, now, &j);
        assert_int_equal(j.code, HF_HEALTH_USERS_FAIL);
        e = evidence(&up, 0, 0);
        e.ready = false;
        now = hf_mono_add(now, (struct hf_duration){hf_seconds(seconds[i]).ns - 1});
        hf_health_judge(&e, &dwell, now, &j);
        assert_int_equal(j.code, HF_HEALTH_DWELLING);
        assert_int_equal(j.wanted, HF_DOWN);
        now = hf_mono_add(now, (struct hf_duration){1});
        hf_health_judge(&e, &dwell, now, &j);
        assert_int_equal(j.code, HF_HEALTH_PASSING);
    }
    now = hf_mono_add(now, hf_seconds(60));
    struct hf_evidence e = evidence(&up, 9, 9);
    hf_health_judge(&e, &dwell, now, &j);
    assert_int_equal(hf_mono_sub(dwell.until, now).ns, hf_seconds(5).ns);
}

static void every_code_has_a_name(void **state)
{
    (void)state;
    for (int code = 0; code < HF_HEALTH_CODES; code++)
        assert_non_null(hf_health_code_name((enum hf_health_code)code));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(probes_alone),
        cmocka_unit_test(users_that_are_served_outweigh_lost_probes_for_a_while),
        cmocka_unit_test(users_that_are_failed_outweigh_green_probes),
        cmocka_unit_test(the_last_one_stays),
        cmocka_unit_test(who_failed_users_stays_away_longer_each_time),
        cmocka_unit_test(every_code_has_a_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
