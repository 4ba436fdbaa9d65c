#include "test.h"

#include "orchestrator/process_step.h"

static struct hf_mono at(int64_t ms)
{
    return (struct hf_mono){ms * HF_NS_PER_MS};
}

static void a_life_without_trouble(void **state)
{
    struct hf_process p = {.stop_timeout = hf_ms(500)};

    (void)state;
    assert_int_equal(hf_process_step(&p, HF_PROCESS_STORED, at(0)), HF_PROCESS_SPAWN);
    assert_int_equal(p.state, HF_PROCESS_INTENDED);
    assert_int_equal(hf_process_step(&p, HF_PROCESS_SPAWNED, at(1)), HF_PROCESS_NOTHING);
    assert_int_equal(p.state, HF_PROCESS_STARTING);
    assert_int_equal(hf_process_step(&p, HF_PROCESS_READY, at(70)), HF_PROCESS_NOTHING);
    assert_int_equal(hf_process_step(&p, HF_PROCESS_READY, at(90)), HF_PROCESS_NOTHING);
    assert_int_equal(p.state, HF_PROCESS_RUNNING);
    assert_int_equal(p.ready_at.ns, at(70).ns);
    assert_int_equal(hf_process_step(&p, HF_PROCESS_STOP, at(1000)), HF_PROCESS_TERMINATE);
    assert_int_equal(p.state, HF_PROCESS_STOPPING);
    assert_int_equal(p.deadline.ns, at(1500).ns);
    assert_int_equal(hf_process_step(&p, HF_PROCESS_EXITED, at(1100)), HF_PROCESS_CLEAN);
    assert_int_equal(p.state, HF_PROCESS_GONE);
}

static void deaf_to_sigterm_is_killed_and_killed_again(void **state)
{
    struct hf_process p = {.state = HF_PROCESS_RUNNING, .stop_timeout = hf_ms(500)};

    (void)state;
    assert_int_equal(hf_process_step(&p, HF_PROCESS_STOP, at(0)), HF_PROCESS_TERMINATE);
    assert_int_equal(hf_process_step(&p, HF_PROCESS_STOP, at(400)), HF_PROCESS_NOTHING);
    assert_int_equal(hf_process_step(&p, HF_PROCESS_DEADLINE, at(499)), HF_PROCESS_NOTHING);
    assert_int_equal(hf_process_step(&p, HF_PROCESS_DEADLINE, at(500)), HF_PROCESS_KILL);
    assert_int_equal(hf_process_step(&p, HF_PROCESS_DEADLINE, at(1499)), HF_PROCESS_NOTHING);
    assert_int_equal(hf_process_step(&p, HF_PROCESS_DEADLINE, at(1500)), HF_PROCESS_KILL);
    assert_int_equal(hf_process_step(&p, HF_PROCESS_EXITED, at(1501)), HF_PROCESS_CLEAN);
}

static void stopped_before_it_was_started(void **state)
{
    struct hf_process p = {0};

    (void)state;
    assert_int_equal(hf_process_step(&p, HF_PROCESS_STOP, at(0)), HF_PROCESS_CLEAN);
    assert_int_equal(hf_process_step(&p, HF_PROCESS_STORED, at(1)), HF_PROCESS_NOTHING);
    assert_int_equal(p.state, HF_PROCESS_GONE);
}

/* Every event in every state: nothing comes back from the dead, and only an exit ends a stop. */
static void every_event_in_every_state(void **state)
{
    (void)state;
    for (int s = HF_PROCESS_INTENDED; s <= HF_PROCESS_GONE; s++) {
        assert_non_null(hf_process_state_name((enum hf_process_state)s));
        for (int event = HF_PROCESS_STORED; event <= HF_PROCESS_EXITED; event++) {
            struct hf_process p = {.state = (enum hf_process_state)s, .stop_timeout = hf_ms(1)};
            enum hf_process_action action =
                hf_process_step(&p, (enum hf_process_event)event, at(10));
            assert_int_equal(action == HF_PROCESS_CLEAN,
                             s != HF_PROCESS_GONE && p.state == HF_PROCESS_GONE);
            assert_true(s != HF_PROCESS_GONE || p.state == HF_PROCESS_GONE);
            assert_true(s != HF_PROCESS_STOPPING || event == HF_PROCESS_EXITED ||
                        p.state == HF_PROCESS_STOPPING);
            assert_true(action != HF_PROCESS_SPAWN || s == HF_PROCESS_INTENDED);
        }
    }
}

static void pauses_double_up_to_half_a_minute(void **state)
{
    static const int64_t expected[] = {200, 400, 800, 1600, 3200, 6400, 12800, 25600, 30000, 30000};
    const struct hf_process p = {.was_ready = true, .ready_at = {1}};
    struct hf_restart r = {0};

    (void)state;
    for (size_t i = 0; i < HF_COUNT(expected); i++)
        assert_int_equal(hf_duration_ms(hf_restart_next(&r, &p, at(59999))), expected[i]);
    assert_false(r.given_up);
    assert_int_equal(hf_duration_ms(hf_restart_next(&r, &p, at(60001))), 200);
    assert_int_equal(hf_duration_ms(hf_restart_next(&r, &p, at(1))), 400);
}

static void five_that_never_became_ready_are_a_crash_loop(void **state)
{
    const struct hf_process never = {0}, once = {.was_ready = true, .ready_at = {1}};
    struct hf_restart r = {0};
    struct hf_duration pause;

    (void)state;
    for (int i = 0; i < 4; i++)
        pause = hf_restart_next(&r, &never, at(1));
    assert_false(r.given_up);
    pause = hf_restart_next(&r, &once, at(2)); /* it can be ready: counted from the start */
    for (int i = 0; i < 4; i++)
        pause = hf_restart_next(&r, &never, at(3));
    assert_false(r.given_up);
    pause = hf_restart_next(&r, &never, at(4));
    assert_true(r.given_up);
    assert_true(pause.ns > 0);
    hf_restart_reset(&r);
    assert_false(r.given_up);
    assert_int_equal(hf_duration_ms(hf_restart_next(&r, &never, at(5))), 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_life_without_trouble),
        cmocka_unit_test(deaf_to_sigterm_is_killed_and_killed_again),
        cmocka_unit_test(stopped_before_it_was_started),
        cmocka_unit_test(every_event_in_every_state),
        cmocka_unit_test(pauses_double_up_to_half_a_minute),
        cmocka_unit_test(five_that_never_became_ready_are_a_crash_loop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
