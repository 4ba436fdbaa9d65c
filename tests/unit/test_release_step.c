#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "release/step.h"

enum event {
    NOTHING,
    FRESH_READY,
    FRESH_STARTING,
    FRESH_FAILED,
    FRESH_EJECTED,
    FRESH_GONE,
    OLD_GONE,
    ERROR,
    EXPIRED,
    TEST_PASSED,
    TEST_FAILED,
    BAKE_PASSED,
    BAKE_FAILED,
    ACCEPTED,
    NOT_CURRENT,
    DRAINED,
    LATE,
    NOT_BEGUN, /* this engine did not drain it */
    HELD_AND_EXPIRED,
    FINISHED,
    NO_SERVICE,
    NO_PLACE,
    NO_TURN,
    WAIT,
    WAIT_AND_EXPIRED,
    PASSED_WHILE_STARTING, /* smoke test or bake, under another controller than began it */
    EVENTS
};

/* Of the slot at hand, when nothing happens. */
static void see_nothing(const struct hf_release_doc *d, struct hf_release_seen *s)
{
    *s = (struct hf_release_seen){
        .took = hf_ms(10),
        .limit = hf_seconds(10),
        .service = true,
        .turn = true,
        .place = true,
        .present = "old",
        .fresh = {true, HF_INSTANCE_READY, "fresh", "why"},
        .old = {true, HF_INSTANCE_READY, "old", "why"},
        .current = true,
        .text = "evidence",
        .drain = {.state = HF_DRAIN_WAITING},
        .bake = hf_seconds(30),
        .share = 1000,
    };
    if (d->step == HF_STEP_START)
        s->fresh.there = false;
    if (d->step == HF_STEP_READY)
        s->fresh.state = HF_INSTANCE_STARTING;
    if (d->step == HF_STEP_STOP || d->step == HF_STEP_CLEAN_STOP)
        s->drain.state = HF_DRAIN_DONE;
    if (d->state == HF_RELEASE_REQUESTED)
        s->turn = false;
}

static void see(const struct hf_release_doc *d, enum event event, struct hf_release_seen *s)
{
    see_nothing(d, s);
    switch (event) {
    case NOTHING:
    case EVENTS:
        break;
    case FRESH_READY:
    case FRESH_STARTING:
        s->fresh.there = true;
        s->fresh.state = event == FRESH_READY ? HF_INSTANCE_READY : HF_INSTANCE_STARTING;
        break;
    case FRESH_FAILED:
    case FRESH_EJECTED:
        s->fresh.there = true;
        s->fresh.state = event == FRESH_FAILED ? HF_INSTANCE_FAILED : HF_INSTANCE_EJECTED;
        break;
    case FRESH_GONE:
        s->fresh.there = false;
        break;
    case OLD_GONE:
        s->old.there = false;
        break;
    case ERROR:
        s->error = "says no";
        break;
    case EXPIRED:
        s->took = s->limit;
        break;
    case TEST_PASSED:
    case TEST_FAILED:
        s->test = event == TEST_PASSED ? HF_TEST_PASSED : HF_TEST_FAILED;
        break;
    case BAKE_PASSED:
    case BAKE_FAILED:
        s->verdict = event == BAKE_PASSED ? HF_RELEASE_PASS : HF_RELEASE_FAIL;
        break;
    case PASSED_WHILE_STARTING:
        s->fresh.state = HF_INSTANCE_STARTING;
        s->test = HF_TEST_PASSED;
        s->verdict = HF_RELEASE_PASS;
        break;
    case ACCEPTED:
        s->accepted = true;
        break;
    case NOT_CURRENT:
        s->current = false;
        break;
    case DRAINED:
        s->drain.state = HF_DRAIN_DONE;
        break;
    case LATE:
        s->drain.state = HF_DRAIN_LATE;
        s->drain.in_flight = 7;
        break;
    case NOT_BEGUN:
        s->drain.state = HF_DRAIN_NONE;
        break;
    case HELD_AND_EXPIRED:
        s->drain.state = HF_DRAIN_HELD;
        s->took = s->limit;
        break;
    case FINISHED:
        s->finished = true;
        break;
    case NO_SERVICE:
        s->service = false;
        break;
    case NO_PLACE:
        s->place = false;
        break;
    case NO_TURN:
        s->turn = false;
        break;
    case WAIT:
        s->turn = true;
        s->wait = "not ready yet";
        break;
    case WAIT_AND_EXPIRED:
        s->wait = "not ready yet";
        s->took = s->limit;
        break;
    }
}

#define ROLL HF_RELEASE_ROLLING
#define BACK HF_RELEASE_ROLLING_BACK

/* Slot 1 of 3 is at hand; slot 0 was accepted. What is not in the table changes nothing. */
static const struct row {
    enum hf_release_state state;
    enum hf_release_step step;
    enum event event;
    enum hf_release_state to_state;
    enum hf_release_step to_step;
    uint32_t to_at;
    enum hf_release_progress progress; /* of slot 1 afterwards */
} rows[] = {
#define MOVING HF_PROGRESS_MOVING
#define RETURNING HF_PROGRESS_RETURNING
#define S(step) HF_STEP_##step
    {HF_RELEASE_REQUESTED, S(NONE), WAIT, HF_RELEASE_PREFLIGHT, S(NONE), 1, MOVING},
    {HF_RELEASE_REQUESTED, S(NONE), EXPIRED, HF_RELEASE_BLOCKED, S(NONE), 1, MOVING},
    {HF_RELEASE_REQUESTED, S(NONE), WAIT_AND_EXPIRED, HF_RELEASE_BLOCKED, S(NONE), 1, MOVING},
    {HF_RELEASE_REQUESTED, S(NONE), HELD_AND_EXPIRED, HF_RELEASE_BLOCKED, S(NONE), 1, MOVING},

    {ROLL, S(START), FRESH_READY, ROLL, S(READY), 1, MOVING},
    {ROLL, S(START), FRESH_STARTING, ROLL, S(READY), 1, MOVING},
    {ROLL, S(START), FRESH_FAILED, ROLL, S(READY), 1, MOVING},
    {ROLL, S(START), FRESH_EJECTED, ROLL, S(READY), 1, MOVING},
    {ROLL, S(START), ERROR, BACK, S(CLEAN_DRAIN), 1, MOVING},
    {ROLL, S(START), EXPIRED, BACK, S(CLEAN_DRAIN), 1, MOVING},
    {ROLL, S(START), WAIT_AND_EXPIRED, BACK, S(CLEAN_DRAIN), 1, MOVING},
    {ROLL, S(START), HELD_AND_EXPIRED, BACK, S(CLEAN_DRAIN), 1, MOVING},
    {ROLL, S(START), NO_PLACE, ROLL, S(START), 2, HF_PROGRESS_GONE},

    {ROLL, S(READY), FRESH_READY, ROLL, S(SMOKE), 1, MOVING},
    {ROLL, S(READY), FRESH_FAILED, BACK, S(CLEAN_DRAIN), 1, MOVING},
    {ROLL, S(READY), FRESH_EJECTED, BACK, S(CLEAN_DRAIN), 1, MOVING},
    {ROLL, S(READY), FRESH_GONE, BACK, S(CLEAN_DRAIN), 1, MOVING},
    {ROLL, S(READY), EXPIRED, BACK, S(CLEAN_DRAIN), 1, MOVING},
    {ROLL, S(READY), WAIT_AND_EXPIRED, BACK, S(CLEAN_DRAIN), 1, MOVING},
    {ROLL, S(READY), HELD_AND_EXPIRED, BACK, S(CLEAN_DRAIN), 1, MOVING},

    {ROLL, S(SMOKE), TEST_PASSED, ROLL, S(BAKE), 1, MOVING},
    {ROLL, S(SMOKE), TEST_FAILED, BACK, S(CLEAN_DRAIN), 1, MOVING},
    {ROLL, S(SMOKE), FRESH_FAILED, BACK, S(CLEAN_DRAIN), 1, MOVING},
    {ROLL, S(SMOKE), FRESH_EJECTED, BACK, S(CLEAN_DRAIN), 1, MOVING},
    {ROLL, S(SMOKE), FRESH_GONE, BACK, S(CLEAN_DRAIN), 1, MOVING},

    {ROLL, S(BAKE), BAKE_PASSED, ROLL, S(ACCEPT), 1, MOVING},
    {ROLL, S(BAKE), BAKE_FAILED, BACK, S(CLEAN_DRAIN), 1, MOVING},
    {ROLL, S(BAKE), FRESH_FAILED, BACK, S(CLEAN_DRAIN), 1, MOVING},
    {ROLL, S(BAKE), FRESH_EJECTED, BACK, S(CLEAN_DRAIN), 1, MOVING},
    {ROLL, S(BAKE), FRESH_GONE, BACK, S(CLEAN_DRAIN), 1, MOVING},

    {ROLL, S(ACCEPT), ACCEPTED, ROLL, S(DRAIN), 1, HF_PROGRESS_ACCEPTED},
    {ROLL, S(ACCEPT), ERROR, BACK, S(CLEAN_DRAIN), 1, MOVING},

    {ROLL, S(DRAIN), NOT_CURRENT, ROLL, S(ACCEPT), 1, HF_PROGRESS_ACCEPTED},
    {ROLL, S(DRAIN), OLD_GONE, ROLL, S(STOP), 1, HF_PROGRESS_ACCEPTED},
    {ROLL, S(DRAIN), DRAINED, ROLL, S(STOP), 1, HF_PROGRESS_ACCEPTED},
    {ROLL, S(DRAIN), LATE, ROLL, S(STOP), 1, HF_PROGRESS_ACCEPTED},
    {ROLL, S(DRAIN), HELD_AND_EXPIRED, BACK, S(START), 1, RETURNING},

    {ROLL, S(STOP), OLD_GONE, ROLL, S(START), 2, HF_PROGRESS_ACCEPTED},
    {ROLL, S(STOP), EXPIRED, ROLL, S(START), 2, HF_PROGRESS_ACCEPTED},
    {ROLL, S(STOP), WAIT_AND_EXPIRED, ROLL, S(START), 2, HF_PROGRESS_ACCEPTED},
    {ROLL, S(STOP), NOT_BEGUN, ROLL, S(DRAIN), 1, HF_PROGRESS_ACCEPTED},
    {ROLL, S(STOP), HELD_AND_EXPIRED, ROLL, S(DRAIN), 1, HF_PROGRESS_ACCEPTED},

    {ROLL, S(FINISH), FINISHED, HF_RELEASE_DONE, S(NONE), 1, MOVING},

    /* the way back: slot 1 never left its version (moving), then it is the turn of slot 0 */
    {BACK, S(CLEAN_DRAIN), FRESH_GONE, BACK, S(CLEAN_STOP), 1, MOVING},
    {BACK, S(CLEAN_DRAIN), DRAINED, BACK, S(CLEAN_STOP), 1, MOVING},
    {BACK, S(CLEAN_DRAIN), LATE, BACK, S(CLEAN_STOP), 1, MOVING},
    {BACK, S(CLEAN_STOP), FRESH_GONE, BACK, S(START), 0, HF_PROGRESS_RETURNED},
    {BACK, S(CLEAN_STOP), EXPIRED, BACK, S(START), 0, HF_PROGRESS_RETURNED},
    {BACK, S(CLEAN_STOP), WAIT_AND_EXPIRED, BACK, S(START), 0, HF_PROGRESS_RETURNED},
    {BACK, S(CLEAN_STOP), HELD_AND_EXPIRED, BACK, S(START), 0, HF_PROGRESS_RETURNED},
    {BACK, S(CLEAN_STOP), NOT_BEGUN, BACK, S(CLEAN_DRAIN), 1, MOVING},

    {BACK, S(START), FRESH_READY, BACK, S(READY), 1, RETURNING},
    {BACK, S(START), FRESH_STARTING, BACK, S(READY), 1, RETURNING},
    {BACK, S(START), FRESH_FAILED, BACK, S(READY), 1, RETURNING},
    {BACK, S(START), FRESH_EJECTED, BACK, S(READY), 1, RETURNING},
    {BACK, S(START), ERROR, BACK, S(CLEAN_DRAIN), 1, RETURNING},
    {BACK, S(START), EXPIRED, BACK, S(CLEAN_DRAIN), 1, RETURNING},
    {BACK, S(START), WAIT_AND_EXPIRED, BACK, S(CLEAN_DRAIN), 1, RETURNING},
    {BACK, S(START), HELD_AND_EXPIRED, BACK, S(CLEAN_DRAIN), 1, RETURNING},
    {BACK, S(START), NO_PLACE, BACK, S(START), 0, HF_PROGRESS_GONE},
    {BACK, S(READY), FRESH_READY, BACK, S(ACCEPT), 1, RETURNING},
    {BACK, S(READY), FRESH_FAILED, BACK, S(CLEAN_DRAIN), 1, RETURNING},
    {BACK, S(READY), FRESH_EJECTED, BACK, S(CLEAN_DRAIN), 1, RETURNING},
    {BACK, S(READY), FRESH_GONE, BACK, S(CLEAN_DRAIN), 1, RETURNING},
    {BACK, S(READY), EXPIRED, BACK, S(CLEAN_DRAIN), 1, RETURNING},
    {BACK, S(READY), WAIT_AND_EXPIRED, BACK, S(CLEAN_DRAIN), 1, RETURNING},
    {BACK, S(READY), HELD_AND_EXPIRED, BACK, S(CLEAN_DRAIN), 1, RETURNING},
    {BACK, S(ACCEPT), ACCEPTED, BACK, S(DRAIN), 1, HF_PROGRESS_RETURNED},
    {BACK, S(ACCEPT), ERROR, BACK, S(CLEAN_DRAIN), 1, RETURNING},
    {BACK, S(DRAIN), NOT_CURRENT, BACK, S(ACCEPT), 1, HF_PROGRESS_RETURNED},
    {BACK, S(DRAIN), OLD_GONE, BACK, S(STOP), 1, HF_PROGRESS_RETURNED},
    {BACK, S(DRAIN), DRAINED, BACK, S(STOP), 1, HF_PROGRESS_RETURNED},
    {BACK, S(DRAIN), LATE, BACK, S(STOP), 1, HF_PROGRESS_RETURNED},
    {BACK, S(DRAIN), HELD_AND_EXPIRED, BACK, S(START), 0, HF_PROGRESS_STUCK},
    {BACK, S(STOP), OLD_GONE, BACK, S(START), 0, HF_PROGRESS_RETURNED},
    {BACK, S(STOP), EXPIRED, BACK, S(START), 0, HF_PROGRESS_RETURNED},
    {BACK, S(STOP), WAIT_AND_EXPIRED, BACK, S(START), 0, HF_PROGRESS_RETURNED},
    {BACK, S(STOP), NOT_BEGUN, BACK, S(DRAIN), 1, HF_PROGRESS_RETURNED},
    {BACK, S(STOP), HELD_AND_EXPIRED, BACK, S(DRAIN), 1, HF_PROGRESS_RETURNED},
};

static enum hf_release_progress progress_at(enum hf_release_state state, enum hf_release_step step)
{
    bool accepted = step == HF_STEP_DRAIN || step == HF_STEP_STOP;

    if (state != BACK)
        return accepted ? HF_PROGRESS_ACCEPTED : HF_PROGRESS_MOVING;
    if (step == HF_STEP_CLEAN_DRAIN || step == HF_STEP_CLEAN_STOP)
        return HF_PROGRESS_MOVING;
    return accepted ? HF_PROGRESS_RETURNED : HF_PROGRESS_RETURNING;
}

static struct hf_release_doc *doc(uint32_t places)
{
    struct hf_release_doc *d = hf_release_doc_new();

    d->id = 1;
    strcpy(d->service, "orders");
    strcpy(d->from, "1.3.0");
    strcpy(d->to, "1.4.0");
    strcpy(d->requested_by, "ann");
    d->n_places = places;
    d->places = calloc(places, sizeof(*d->places));
    for (uint32_t i = 0; i < places; i++) {
        snprintf(d->places[i].node, sizeof(d->places[i].node), "%c", (char)('a' + i));
        d->places[i].ordinal = i + 1;
        strcpy(d->places[i].from, "1.3.0");
    }
    return d;
}

static struct hf_release_doc *doc_at(enum hf_release_state state, enum hf_release_step step)
{
    struct hf_release_doc *d = doc(3);

    d->state = state;
    d->step = step;
    d->at = 1;
    d->places[0].progress = HF_PROGRESS_ACCEPTED;
    d->places[1].progress = progress_at(state, step);
    if (step != HF_STEP_START) {
        strcpy(d->places[1].old, "old");
        strcpy(d->places[1].fresh, "fresh");
    }
    return d;
}

static const struct row *row_of(enum hf_release_state state, enum hf_release_step step,
                                enum event event)
{
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        if (rows[i].state == state && rows[i].step == step && rows[i].event == event)
            return &rows[i];
    }
    return NULL;
}

static void expect(enum hf_release_state state, enum hf_release_step step, enum event event)
{
    struct hf_release_doc *d = doc_at(state, step);
    const struct row *row = row_of(state, step, event);
    struct hf_release_seen seen;
    struct hf_release_next next;
    bool moved;

    see(d, event, &seen);
    moved = hf_release_step(d, &seen, &next);
    if (moved)
        hf_release_apply(d, &next, (struct hf_wall){1});
    if (event == NO_SERVICE) {
        enum hf_release_state end = state == HF_RELEASE_REQUESTED || state == HF_RELEASE_PREFLIGHT
                                        ? HF_RELEASE_BLOCKED
                                        : HF_RELEASE_FAILED;
        if (hf_release_over(&(struct hf_release_doc){.state = state}))
            assert_false(moved);
        else
            assert_int_equal(d->state, end);
    } else if (moved != (row != NULL) ||
               (row && (d->state != row->to_state || d->step != row->to_step ||
                        d->at != row->to_at || d->places[1].progress != row->progress))) {
        fail_msg("%s %s, event %d: %s %s at %u, %s (moved: %d)", hf_release_state_name(state),
                 hf_release_step_name(step), (int)event, hf_release_state_name(d->state),
                 hf_release_step_name(d->step), d->at,
                 hf_release_progress_name(d->places[1].progress), (int)moved);
    }
    if (moved)
        assert_true(d->lines[0].text[0] != '\0');
    hf_release_doc_free(d);
}

static void every_state_and_event(void **state)
{
    (void)state;
    for (int event = 0; event < EVENTS; event++) {
        expect(HF_RELEASE_REQUESTED, HF_STEP_NONE, event);
        for (int step = HF_STEP_START; step < HF_STEPS; step++) {
            bool cleans = step == HF_STEP_CLEAN_DRAIN || step == HF_STEP_CLEAN_STOP;
            if (!cleans)
                expect(ROLL, step, event);
            if (step != HF_STEP_SMOKE && step != HF_STEP_BAKE && step != HF_STEP_FINISH)
                expect(BACK, step, event);
        }
        for (int over = HF_RELEASE_DONE; over < HF_RELEASE_STATES; over++)
            expect(over, HF_STEP_NONE, event);
    }
}

static void preflight_decides(void **state)
{
    struct hf_release_doc *d = doc(2);
    struct hf_release_seen seen;
    struct hf_release_next next;

    (void)state;
    d->state = HF_RELEASE_PREFLIGHT;
    see_nothing(d, &seen);
    seen.error = "a/1 is ejected";
    assert_true(hf_release_step(d, &seen, &next));
    assert_int_equal(next.state, HF_RELEASE_BLOCKED);
    assert_string_equal(next.why, "a/1 is ejected");
    seen.error = NULL;
    /* the first one runs it already */
    strcpy(d->places[0].from, "1.4.0");
    assert_true(hf_release_step(d, &seen, &next));
    hf_release_apply(d, &next, (struct hf_wall){5});
    assert_int_equal(d->state, HF_RELEASE_ROLLING);
    assert_int_equal(d->step, HF_STEP_START);
    assert_int_equal(d->at, 1);
    assert_int_equal(d->began.ns, 5);
    hf_release_doc_free(d);
}

static void queued_waits_until_it_can(void **state)
{
    struct hf_release_doc *d = doc(2);
    struct hf_release_seen seen;
    struct hf_release_next next;

    (void)state;
    d->queued = true;
    see(d, WAIT, &seen);
    assert_false(hf_release_step(d, &seen, &next));
    seen.wait = NULL;
    assert_true(hf_release_step(d, &seen, &next));
    assert_int_equal(next.state, HF_RELEASE_PREFLIGHT);
    hf_release_doc_free(d);
}

static void go(struct hf_release_doc *d, enum event event)
{
    struct hf_release_seen seen;
    struct hf_release_next next;

    see(d, event, &seen);
    assert_true(hf_release_step(d, &seen, &next));
    hf_release_apply(d, &next, (struct hf_wall){d->since.ns + 1});
}

/* The new version fails on the third node: the second returns first, then the first. */
static void rollback_is_in_reverse_order(void **state)
{
    static const enum event back[] = {FRESH_STARTING, FRESH_READY, ACCEPTED, DRAINED, OLD_GONE};
    struct hf_release_doc *d = doc(3);

    (void)state;
    d->state = ROLL;
    d->step = HF_STEP_START;
    d->at = 2;
    d->places[0].progress = d->places[1].progress = HF_PROGRESS_ACCEPTED;
    d->places[2].progress = HF_PROGRESS_MOVING;
    go(d, FRESH_STARTING);
    go(d, FRESH_READY);
    go(d, TEST_FAILED);
    assert_string_equal(d->why, "c/3: evidence");
    go(d, DRAINED);
    go(d, FRESH_GONE);
    for (uint32_t at = 1; at < 3; at--) {
        assert_int_equal(d->state, BACK);
        assert_int_equal(d->at, at);
        for (size_t i = 0; i < HF_COUNT(back); i++)
            go(d, back[i]);
    }
    assert_int_equal(d->state, HF_RELEASE_ROLLED_BACK);
    assert_string_equal(d->why, "c/3: evidence");
    assert_string_equal(d->lines[d->n_lines - 1].text, "c/3: evidence");
    assert_int_not_equal(d->ended.ns, 0);
    hf_release_doc_free(d);
}

static void what_cannot_return_is_said(void **state)
{
    struct hf_release_doc *d = doc(2);

    (void)state;
    d->state = BACK;
    d->step = HF_STEP_START;
    d->at = 1;
    strcpy(d->why, "c/3: smoke");
    d->places[0].progress = HF_PROGRESS_ACCEPTED;
    d->places[1].progress = HF_PROGRESS_RETURNING;
    go(d, FRESH_STARTING);
    go(d, FRESH_FAILED);
    go(d, FRESH_GONE);
    go(d, FRESH_GONE);
    assert_int_equal(d->at, 0); /* the others still return */
    go(d, FRESH_STARTING);
    go(d, FRESH_READY);
    go(d, ACCEPTED);
    go(d, DRAINED);
    go(d, OLD_GONE);
    assert_int_equal(d->state, HF_RELEASE_FAILED);
    assert_non_null(strstr(d->why, "c/3: smoke; b/2 cannot return to 1.3.0: the new instance is "
                                   "failed: why"));
    assert_non_null(strstr(d->why, "a/1 runs 1.3.0, b/2 runs 1.4.0"));
    hf_release_doc_free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_state_and_event),
        cmocka_unit_test(preflight_decides),
        cmocka_unit_test(queued_waits_until_it_can),
        cmocka_unit_test(rollback_is_in_reverse_order),
        cmocka_unit_test(what_cannot_return_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
