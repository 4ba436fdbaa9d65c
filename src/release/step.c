#include "release/step.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

struct at {
    const struct hf_release_doc *d;
    const struct hf_release_seen *seen;
    const struct hf_release_place *place;
    bool forward;
    struct hf_release_next *next;
    char took[32];
};

static void put(char *field, size_t size, const char *text)
{
    hf_str_copy(hf_str(text), field, size);
}

static bool expired(const struct at *a)
{
    return a->seen->took.ns >= a->seen->limit.ns;
}

static bool HF_PRINTF(3, 4) go(struct at *a, enum hf_release_step step, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    vsnprintf(a->next->text, sizeof(a->next->text), fmt, args);
    va_end(args);
    a->next->step = step;
    return true;
}

static const char *to(const struct at *a)
{
    return a->forward ? a->d->to : a->place->from;
}

/* --- from slot to slot --- */

/* "a/0 runs 1.4.0, b/1 runs 1.3.0" */
static void inventory(const struct at *a, char *buf, size_t size)
{
    size_t n = 0;

    buf[0] = '\0';
    for (uint32_t i = 0; i < a->d->n_places && n < size; i++) {
        const struct hf_release_place *p = &a->d->places[i];
        enum hf_release_progress progress = p == a->place ? a->next->progress : p->progress;
        bool is_new = progress == HF_PROGRESS_ACCEPTED || progress == HF_PROGRESS_STUCK;
        n += (size_t)snprintf(buf + n, size - n, "%s%s/%u runs %s", i ? ", " : "", p->node,
                              p->ordinal, is_new ? a->d->to : p->from);
    }
}

static bool begin_slot(struct at *a, uint32_t at)
{
    a->next->at = at;
    a->next->step = HF_STEP_START;
    return true;
}

static bool next_forward(struct at *a, uint32_t from)
{
    for (uint32_t i = from; i < a->d->n_places; i++) {
        if (strcmp(a->d->places[i].from, a->d->to) != 0)
            return begin_slot(a, i);
    }
    a->next->step = HF_STEP_FINISH;
    return true;
}

static bool next_back(struct at *a)
{
    bool stuck = false;
    char all[HF_RELEASE_TEXT * 2];

    a->next->state = HF_RELEASE_ROLLING_BACK;
    for (uint32_t i = a->d->n_places; i-- > 0;) {
        const struct hf_release_place *p = &a->d->places[i];
        enum hf_release_progress progress = p == a->place ? a->next->progress : p->progress;
        if (progress == HF_PROGRESS_ACCEPTED)
            return begin_slot(a, i);
        stuck = stuck || progress == HF_PROGRESS_STUCK;
    }
    a->next->step = HF_STEP_NONE;
    a->next->state = stuck ? HF_RELEASE_FAILED : HF_RELEASE_ROLLED_BACK;
    if (stuck) {
        inventory(a, all, sizeof(all));
        snprintf(a->next->why, sizeof(a->next->why), "%.700s; the way back is not complete: %s",
                 a->next->why[0] ? a->next->why : a->d->why, all);
    }
    return true;
}

/* The move of this slot cannot be finished. */
static bool HF_PRINTF(2, 3) give_up(struct at *a, const char *fmt, ...)
{
    char text[HF_RELEASE_TEXT];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    a->next->state = HF_RELEASE_ROLLING_BACK;
    /* The first reason is the release's. */
    if (a->forward)
        snprintf(a->next->why, sizeof(a->next->why), "%s/%u: %s", a->place->node, a->place->ordinal,
                 text);
    else
        snprintf(a->next->why, sizeof(a->next->why), "%.700s; %s/%u cannot return to %s: %s",
                 a->d->why, a->place->node, a->place->ordinal, a->place->from, text);
    return go(a, HF_STEP_CLEAN_DRAIN, "%s", text);
}

/* --- steps --- */

static bool is_ready(const struct at *a)
{
    return a->seen->fresh.there && a->seen->fresh.state == HF_INSTANCE_READY;
}

/* Is the fresh instance lost? Then the move is given up, and *ret is the answer. One that was ready
 * may be starting again: the controller is another one, and has not looked yet. */
static bool lost(struct at *a, bool *ret)
{
    const struct hf_release_sight *fresh = &a->seen->fresh;

    if (!fresh->there) {
        *ret = give_up(a, "the new instance is gone");
        return true;
    }
    if (fresh->state == HF_INSTANCE_READY || fresh->state == HF_INSTANCE_STARTING)
        return false;
    *ret =
        give_up(a, "the new instance is %s: %s", hf_instance_state_name(fresh->state), fresh->why);
    return true;
}

static bool on_start(struct at *a)
{
    const struct hf_release_sight *fresh = &a->seen->fresh;

    if (!a->seen->place) {
        a->next->progress = HF_PROGRESS_GONE;
        go(a, HF_STEP_NONE, "the slot is gone from the configuration");
        return a->forward ? next_forward(a, a->d->at + 1) : next_back(a);
    }
    if (fresh->there) {
        put(a->next->old, sizeof(a->next->old), a->seen->present);
        put(a->next->fresh, sizeof(a->next->fresh), fresh->id);
        put(a->next->instance, sizeof(a->next->instance), fresh->id);
        return go(a, HF_STEP_READY, "started %s, version %s%s%s", fresh->id, to(a),
                  a->seen->present[0] ? ", beside " : "", a->seen->present);
    }
    if (a->seen->error)
        return give_up(a, "cannot start version %s: %s", to(a), a->seen->error);
    if (expired(a))
        return give_up(a, "version %s was not started within %s", to(a), a->took);
    return false;
}

static bool on_ready(struct at *a)
{
    bool answer;

    if (lost(a, &answer))
        return answer;
    if (is_ready(a))
        return go(a, a->forward ? HF_STEP_SMOKE : HF_STEP_ACCEPT, "ready after %s", a->took);
    if (expired(a))
        return give_up(a, "not ready after %s: %s", a->took, a->seen->fresh.why);
    return false;
}

static bool on_smoke(struct at *a)
{
    char bake[32];
    bool answer;

    if (a->seen->test == HF_TEST_FAILED)
        return give_up(a, "%s", a->seen->text);
    if (lost(a, &answer))
        return answer;
    if (a->seen->test == HF_TEST_PASSED && is_ready(a))
        return go(a, HF_STEP_BAKE, "%s; next, %.4g%% of the requests for %s", a->seen->text,
                  a->seen->share / 100.0, hf_duration_format(a->seen->bake, bake, sizeof(bake)));
    return false;
}

static bool on_bake(struct at *a)
{
    bool answer;

    if (a->seen->verdict == HF_RELEASE_FAIL)
        return give_up(a, "%s", a->seen->text);
    if (lost(a, &answer))
        return answer;
    if (a->seen->verdict == HF_RELEASE_PASS && is_ready(a))
        return go(a, HF_STEP_ACCEPT, "%s", a->seen->text);
    return false;
}

static bool on_accept(struct at *a)
{
    if (a->seen->accepted) {
        a->next->progress = a->forward ? HF_PROGRESS_ACCEPTED : HF_PROGRESS_RETURNED;
        return go(a, HF_STEP_DRAIN, "accepted: the slot's version is %s", to(a));
    }
    if (a->seen->error)
        return give_up(a, "cannot be accepted: %s", a->seen->error);
    return false;
}

static bool on_drain(struct at *a)
{
    const struct hf_drain_seen *drain = &a->seen->drain;
    char lasted[32];

    put(a->next->instance, sizeof(a->next->instance), a->place->old);
    hf_duration_format(drain->lasts, lasted, sizeof(lasted));
    /* Killed before the orchestrator had stored it. */
    if (!a->seen->current)
        return go(a, HF_STEP_ACCEPT, "to be accepted again");
    if (!a->seen->old.there)
        return go(a, HF_STEP_STOP, "nothing to drain: the old instance is gone");
    if (drain->state == HF_DRAIN_DONE)
        return go(a, HF_STEP_STOP, "drained after %s: every gateway acknowledged", lasted);
    if (drain->state == HF_DRAIN_LATE)
        return go(a, HF_STEP_STOP, "not drained after %s: %u requests in flight are cut", lasted,
                  drain->in_flight);
    if (drain->state != HF_DRAIN_HELD || !expired(a))
        return false;
    /* The new one went bad after it was accepted, and the old one is the last that serves. */
    if (a->forward) {
        go(a, HF_STEP_NONE, "no other instance was ready for %s: the old one serves on", a->took);
        snprintf(a->next->why, sizeof(a->next->why), "%s/%u: %s", a->place->node, a->place->ordinal,
                 a->next->text);
    } else {
        a->next->progress = HF_PROGRESS_STUCK;
        go(a, HF_STEP_NONE, "no other instance was ready for %s: %s serves on", a->took,
           a->place->old);
    }
    return next_back(a);
}

static bool slot_done(struct at *a)
{
    return a->forward ? next_forward(a, a->d->at + 1) : next_back(a);
}

static bool on_stop(struct at *a)
{
    put(a->next->instance, sizeof(a->next->instance), a->place->old);
    if (!a->seen->old.there) {
        go(a, HF_STEP_NONE, "the old instance is stopped");
        return slot_done(a);
    }
    /* Another controller began it, and this one's first plan may have let requests in again. */
    if (a->seen->drain.state != HF_DRAIN_DONE && a->seen->drain.state != HF_DRAIN_LATE)
        return go(a, HF_STEP_DRAIN, "to be drained again before it is stopped");
    if (expired(a)) {
        go(a, HF_STEP_NONE, "the old instance still runs after %s; it is being killed", a->took);
        return slot_done(a);
    }
    return false;
}

static bool on_clean_drain(struct at *a)
{
    const struct hf_drain_seen *drain = &a->seen->drain;
    char lasted[32];

    put(a->next->instance, sizeof(a->next->instance), a->place->fresh);
    hf_duration_format(drain->lasts, lasted, sizeof(lasted));
    if (!a->seen->fresh.there)
        return go(a, HF_STEP_CLEAN_STOP, "nothing to drain: the new instance is gone");
    if (drain->state == HF_DRAIN_DONE)
        return go(a, HF_STEP_CLEAN_STOP, "drained after %s: every gateway acknowledged", lasted);
    if (drain->state == HF_DRAIN_LATE)
        return go(a, HF_STEP_CLEAN_STOP, "not drained after %s: %u requests in flight are cut",
                  lasted, drain->in_flight);
    return false;
}

static bool on_clean_stop(struct at *a)
{
    bool is_late = expired(a);

    put(a->next->instance, sizeof(a->next->instance), a->place->fresh);
    if (a->seen->fresh.there && !is_late) {
        if (a->seen->drain.state != HF_DRAIN_DONE && a->seen->drain.state != HF_DRAIN_LATE)
            return go(a, HF_STEP_CLEAN_DRAIN, "to be drained again before it is stopped");
        return false;
    }
    /* Forward: it never left the version before. */
    a->next->progress =
        a->place->progress == HF_PROGRESS_MOVING ? HF_PROGRESS_RETURNED : HF_PROGRESS_STUCK;
    if (a->seen->fresh.there)
        go(a, HF_STEP_NONE, "the new instance still runs after %s; it is being killed", a->took);
    else
        go(a, HF_STEP_NONE, "the new instance is stopped");
    return next_back(a);
}

static bool on_finish(struct at *a)
{
    if (!a->seen->finished)
        return false;
    a->next->state = HF_RELEASE_DONE;
    return go(a, HF_STEP_NONE, "the service's version is %s", a->d->to);
}

/* --- states --- */

static bool block(struct at *a, const char *why)
{
    a->next->state = HF_RELEASE_BLOCKED;
    put(a->next->why, sizeof(a->next->why), why);
    return go(a, HF_STEP_NONE, "%s", why);
}

static bool on_requested(struct at *a)
{
    char why[HF_RELEASE_TEXT];

    if (a->seen->turn && (!a->seen->wait || !a->d->queued)) {
        a->next->state = HF_RELEASE_PREFLIGHT;
        return go(a, HF_STEP_NONE, "requested by %s",
                  a->d->requested_by[0] ? a->d->requested_by : "an operator");
    }
    if (expired(a)) {
        snprintf(why, sizeof(why), "waited %s for its turn: %s", a->took,
                 a->seen->wait ? a->seen->wait : "another release is under way");
        return block(a, why);
    }
    return false;
}

static bool on_preflight(struct at *a)
{
    if (a->seen->error || a->seen->wait)
        return block(a, a->seen->error ? a->seen->error : a->seen->wait);
    a->next->state = HF_RELEASE_ROLLING;
    next_forward(a, 0);
    return go(a, a->next->step, "%s", a->seen->text);
}

static bool on_rolling(struct at *a)
{
    switch (a->d->step) {
    case HF_STEP_START:
        return on_start(a);
    case HF_STEP_READY:
        return on_ready(a);
    case HF_STEP_SMOKE:
        return on_smoke(a);
    case HF_STEP_BAKE:
        return on_bake(a);
    case HF_STEP_ACCEPT:
        return on_accept(a);
    case HF_STEP_DRAIN:
        return on_drain(a);
    case HF_STEP_STOP:
        return on_stop(a);
    case HF_STEP_CLEAN_DRAIN:
        return on_clean_drain(a);
    case HF_STEP_CLEAN_STOP:
        return on_clean_stop(a);
    case HF_STEP_FINISH:
        return on_finish(a);
    case HF_STEP_NONE:
    case HF_STEPS:
        break;
    }
    return false;
}

bool hf_release_step(const struct hf_release_doc *d, const struct hf_release_seen *seen,
                     struct hf_release_next *ret)
{
    struct at a = {.d = d, .seen = seen, .next = ret};

    if (hf_release_over(d))
        return false;
    memset(ret, 0, sizeof(*ret));
    ret->state = d->state;
    ret->step = d->step;
    ret->at = d->at;
    hf_duration_format(seen->took, a.took, sizeof(a.took));
    if (d->at < d->n_places) {
        a.place = &d->places[d->at];
        ret->progress = a.place->progress;
        put(ret->old, sizeof(ret->old), a.place->old);
        put(ret->fresh, sizeof(ret->fresh), a.place->fresh);
        put(ret->instance, sizeof(ret->instance), a.place->fresh);
        a.forward = d->state == HF_RELEASE_ROLLING;
    }
    if (!seen->service) {
        if (d->state == HF_RELEASE_REQUESTED || d->state == HF_RELEASE_PREFLIGHT)
            return block(&a, "there is no such service any more");
        ret->state = HF_RELEASE_FAILED;
        put(ret->why, sizeof(ret->why), "the service was taken out of the configuration");
        return go(&a, HF_STEP_NONE, "%s", ret->why);
    }
    if (d->state == HF_RELEASE_REQUESTED)
        return on_requested(&a);
    if (d->state == HF_RELEASE_PREFLIGHT)
        return on_preflight(&a);
    return on_rolling(&a);
}

static void close_doc(struct hf_release_doc *d, struct hf_wall now)
{
    struct hf_release_line line = {.time = now, .state = d->state};

    d->ended = now;
    if (d->state == HF_RELEASE_DONE)
        snprintf(line.text, sizeof(line.text), "version %s runs everywhere", d->to);
    else
        snprintf(line.text, sizeof(line.text), "%.380s", d->why);
    hf_release_doc_log(d, &line);
}

void hf_release_apply(struct hf_release_doc *d, const struct hf_release_next *next,
                      struct hf_wall now)
{
    struct hf_release_place *p = d->at < d->n_places ? &d->places[d->at] : NULL;
    struct hf_release_line line = {.time = now, .state = d->state, .step = d->step};

    put(line.text, sizeof(line.text), next->text);
    if (p && d->step != HF_STEP_NONE && d->step != HF_STEP_FINISH) {
        put(line.node, sizeof(line.node), p->node);
        put(line.instance, sizeof(line.instance), next->instance);
        p->progress = next->progress;
        put(p->old, sizeof(p->old), next->old);
        put(p->fresh, sizeof(p->fresh), next->fresh);
    }
    hf_release_doc_log(d, &line);
    if (next->why[0])
        put(d->why, sizeof(d->why), next->why);
    if (d->state == HF_RELEASE_PREFLIGHT && next->state == HF_RELEASE_ROLLING)
        d->began = now;
    d->state = next->state;
    d->step = next->step;
    d->at = next->at;
    d->since = now;
    if (d->step == HF_STEP_START) {
        p = &d->places[d->at];
        p->progress = d->state == HF_RELEASE_ROLLING ? HF_PROGRESS_MOVING : HF_PROGRESS_RETURNING;
        p->old[0] = p->fresh[0] = '\0';
    }
    if (hf_release_over(d))
        close_doc(d, now);
}
