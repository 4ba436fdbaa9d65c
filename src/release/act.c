/* The step under way: what is seen of it, and what is done for it. Everything done here may be done
 * again by another controller, and is then found done. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "config/config.h"
#include "release/internal.h"

enum {
    START_S = 30, /* for the orchestrator to begin an instance */
    MARGIN_S = 5, /* what others watch by a limit of their own is given a little longer here */
    TURN_S = 600, /* for a queued release to get its turn */
};

/* An empty one if no slot is at hand. */
static const struct hf_release_place *place_of(const struct hf_release_doc *d)
{
    static const struct hf_release_place none;

    return d->at < d->n_places ? &d->places[d->at] : &none;
}

static struct hf_service *service_of(struct hf_release_engine *en, const struct hf_release_doc *d)
{
    return hf_catalog_service_find(en->needs.catalog, d->service);
}

/* False: the slot is gone. */
static bool slot_of(struct hf_release_engine *en, const struct hf_release_doc *d,
                    struct hf_release_slot *ret)
{
    HF_AUTOFREE struct hf_release_slot *all = hf_alloc_array(HF_RELEASE_SLOTS_MAX, sizeof(*all));
    size_t n = en->runner.slots(en->runner.ctx, d->service, all, HF_RELEASE_SLOTS_MAX);
    const struct hf_release_place *p = place_of(d);

    for (size_t i = 0; i < n && i < HF_RELEASE_SLOTS_MAX; i++) {
        if (all[i].ordinal == p->ordinal) {
            *ret = all[i];
            return true;
        }
    }
    return false;
}

static const char *target(const struct hf_release_doc *d)
{
    return d->state == HF_RELEASE_ROLLING ? d->to : place_of(d)->from;
}

static bool is_retired(const struct hf_release_engine *en, const char *id)
{
    for (struct hf_link *l = en->retired.next; l != &en->retired; l = l->next) {
        if (strcmp(HF_CONTAINER(l, struct retired, link)->id, id) == 0)
            return true;
    }
    return false;
}

static struct hf_instance *there(struct hf_release_engine *en, const char *id)
{
    struct hf_instance *i = id[0] ? hf_catalog_instance_find(en->needs.catalog, id) : NULL;

    return i && i->state != HF_INSTANCE_STOPPED ? i : NULL;
}

/* The id of the instance that the slot moves to; "" while there is none. */
static const char *fresh_id(const struct hf_release_doc *d, const struct hf_release_slot *slot)
{
    const struct hf_release_place *p = place_of(d);
    bool cleans = d->step == HF_STEP_CLEAN_DRAIN || d->step == HF_STEP_CLEAN_STOP;

    return p->fresh[0] || !(cleans || d->step == HF_STEP_START) ? p->fresh : slot->candidate;
}

void step_reset(struct hf_release_engine *en)
{
    hf_smoke_free(en->step.smoke);
    memset(&en->step, 0, sizeof(en->step));
    en->step.began = hf_loop_now(en->needs.loop);
}

/* --- the bake --- */

static struct hf_release_count since(const struct hf_release_doc *d,
                                     const struct hf_endpoint_sum *sum, uint32_t slot,
                                     uint32_t incarnation)
{
    struct hf_release_count c = {sum->attempts, sum->failures};

    for (uint32_t i = 0; i < d->n_bases; i++) {
        const struct hf_release_base *b = &d->bases[i];
        if (b->slot != slot || b->incarnation != incarnation)
            continue;
        /* Less than before: a gateway's figures were overwritten by a later one's. */
        c.attempts -= c.attempts >= b->attempts ? b->attempts : c.attempts;
        c.failures -= c.failures >= b->failures ? b->failures : c.failures;
    }
    return c;
}

void step_bases(struct hf_release_engine *en, struct hf_release_doc *d)
{
    struct hf_service *s = service_of(en, d);

    hf_free(d->bases);
    d->n_bases = 0;
    d->bases = hf_alloc_array((s ? s->n_instances : 0) + 1, sizeof(*d->bases));
    if (!s)
        return;
    HF_LIST_EACH (it, &s->instances) {
        const struct hf_instance *i = hf_instance_at(it);
        struct hf_endpoint_sum sum;
        if (i->incarnation == 0)
            continue;
        hf_board_sum_endpoint(en->needs.board, i->endpoint_slot, i->incarnation, &sum);
        d->bases[d->n_bases++] =
            (struct hf_release_base){i->endpoint_slot, i->incarnation, sum.attempts, sum.failures};
    }
}

static void judge(struct hf_release_engine *en, const struct hf_service *s,
                  struct hf_release_seen *seen)
{
    const struct hf_release_doc *d = en->current->doc;
    const struct hf_config_release *config = &s->config->release;
    struct hf_release_policy policy = {config->errors, config->requests};
    struct hf_release_count fresh = {0}, others = {0};

    for (struct hf_link *l = s->instances.next; l != &s->instances; l = l->next) {
        const struct hf_instance *i = hf_instance_at(l);
        struct hf_endpoint_sum sum;
        struct hf_release_count c;
        if (i->incarnation == 0)
            continue;
        hf_board_sum_endpoint(en->needs.board, i->endpoint_slot, i->incarnation, &sum);
        c = since(d, &sum, i->endpoint_slot, i->incarnation);
        if (strcmp(i->id, place_of(d)->fresh) == 0) {
            fresh = c;
        } else if (strcmp(i->version, d->to) != 0) {
            others.attempts += c.attempts;
            others.failures += c.failures;
        }
    }
    seen->verdict =
        hf_release_judge(&policy, fresh, others, seen->took, seen->took.ns >= config->bake.ns,
                         en->step.text, sizeof(en->step.text));
    seen->text = en->step.text;
}

/* --- seeing --- */

/* The slot's start is under way for good: its intent is durable, which a process shows. Before that
 * a controller that is killed leaves nothing of it. And what a lost release left behind is not what
 * was begun. */
static bool begun(const struct hf_release_doc *d, const struct hf_instance *i)
{
    return strcmp(i->version, target(d)) == 0 && (i->pid || i->state != HF_INSTANCE_STARTING);
}

static struct hf_release_sight sight(const struct hf_instance *i)
{
    return i ? (struct hf_release_sight){true, i->state, i->id, i->why}
             : (struct hf_release_sight){.why = ""};
}

static struct hf_duration limit_of(const struct hf_release_doc *d,
                                   const struct hf_config_service *config)
{
    switch (d->step) {
    case HF_STEP_START:
        return hf_seconds(START_S);
    case HF_STEP_READY:
    case HF_STEP_DRAIN:
        return (struct hf_duration){config->health.start.ns + hf_seconds(MARGIN_S).ns};
    case HF_STEP_STOP:
    case HF_STEP_CLEAN_STOP:
        return (struct hf_duration){config->stop.timeout.ns + hf_seconds(MARGIN_S).ns};
    default:
        return hf_seconds(TURN_S);
    }
}

static void see_slot(struct hf_release_engine *en, const struct hf_release_doc *d,
                     struct hf_release_seen *seen)
{
    const struct hf_release_place *p = place_of(d);
    struct hf_release_slot slot = {0};
    bool cleans = d->step == HF_STEP_CLEAN_DRAIN || d->step == HF_STEP_CLEAN_STOP;
    const struct hf_instance *present, *fresh;

    seen->place = slot_of(en, d, &slot);
    fresh = there(en, fresh_id(d, &slot));
    if (d->step == HF_STEP_START && fresh && !begun(d, fresh))
        fresh = NULL;
    seen->fresh = sight(fresh);
    seen->old = sight(there(en, p->old));
    present = there(en, slot.current);
    seen->present = present ? present->id : "";
    seen->current = seen->place && strcmp(slot.version, target(d)) == 0;
    seen->accepted = seen->current && (!seen->old.there || is_retired(en, p->old));
    seen->drain = hf_drain_look(en->drainer, cleans ? fresh_id(d, &slot) : p->old);
}

void step_see(struct hf_release_engine *en, struct hf_release_seen *seen)
{
    const struct hf_release_doc *d = en->current->doc;
    const struct hf_service *s = service_of(en, d);

    memset(seen, 0, sizeof(*seen));
    seen->service = s && s->config && s->config->command.n > 0;
    seen->turn = true;
    seen->took = hf_mono_sub(hf_loop_now(en->needs.loop), en->step.began);
    seen->error = en->step.error[0] ? en->step.error : NULL;
    seen->text = en->step.text;
    seen->test = en->step.test;
    seen->finished = en->step.finished;
    if (!seen->service)
        return;
    seen->limit = limit_of(d, s->config);
    seen->share = s->config->release.weight;
    seen->bake = s->config->release.bake;
    if (d->step != HF_STEP_NONE && d->step != HF_STEP_FINISH)
        see_slot(en, d, seen);
    if (d->step == HF_STEP_BAKE)
        judge(en, s, seen);
}

struct hf_duration step_pause(const struct hf_release_doc *d)
{
    return hf_ms(d->step == HF_STEP_BAKE ? 25 : 5);
}

/* --- doing --- */

/* Notes an error, but for those that go away. True: the action was taken, for good or bad. */
static bool settled(struct hf_release_engine *en, int r, const struct hf_error *e)
{
    if (r == HF_EAGAIN)
        return false;
    if (r < 0)
        hf_str_copy(hf_str(e->text[0] ? e->text : hf_error_name(r)), en->step.error,
                    sizeof(en->step.error));
    return true;
}

static bool start(struct hf_release_engine *en, const struct hf_release_doc *d)
{
    const struct hf_release_place *p = place_of(d);
    struct hf_error e = {0};
    int r = en->runner.begin(en->runner.ctx, d->service, p->ordinal, target(d), &e);

    /* What a lost release left behind. */
    if (r == HF_EEXIST) {
        r = en->runner.abort(en->runner.ctx, d->service, p->ordinal, &e);
        if (r == 0)
            r = HF_EAGAIN;
    }
    return settled(en, r, &e);
}

static void on_tested(void *ctx, bool passed, const char *text)
{
    struct hf_release_engine *en = ctx;

    en->step.test = passed ? HF_TEST_PASSED : HF_TEST_FAILED;
    hf_str_copy(hf_str(text), en->step.text, sizeof(en->step.text));
    en->step.smoke = hf_smoke_free(en->step.smoke);
    engine_soon(en);
}

static bool smoke(struct hf_release_engine *en, const struct hf_service *s,
                  const struct hf_release_place *p)
{
    const struct hf_instance *i = there(en, p->fresh);

    if (i)
        en->step.smoke = hf_smoke_new(&(struct hf_smoke_options){.loop = en->needs.loop,
                                                                 .config = s->config,
                                                                 .instance = i,
                                                                 .state = en->needs.state,
                                                                 .on_done = on_tested,
                                                                 .ctx = en});
    return true;
}

static void drain(struct hf_release_engine *en, const struct hf_release_doc *d, const char *id)
{
    struct hf_instance *i = there(en, id);
    char why[120];

    snprintf(why, sizeof(why), "release %u%s", d->id,
             d->state == HF_RELEASE_ROLLING ? "" : " is rolled back");
    if (i)
        hf_drain_begin(en->drainer, i, why);
}

/* Only what was drained, and by this engine. */
static bool stop(struct hf_release_engine *en, const char *id)
{
    struct hf_drain_seen seen = hf_drain_look(en->drainer, id);
    struct hf_error e = {0};
    int r;

    if (!there(en, id) || (seen.state != HF_DRAIN_DONE && seen.state != HF_DRAIN_LATE))
        return true;
    r = en->runner.stop(en->runner.ctx, id, &e);
    return r != HF_EAGAIN;
}

static bool clean(struct hf_release_engine *en, const struct hf_release_doc *d)
{
    struct hf_release_slot slot = {0};
    struct hf_error e = {0};
    char id[HF_INSTANCE_ID];
    int r;

    (void)slot_of(en, d, &slot);
    hf_str_copy(hf_str(fresh_id(d, &slot)), id, sizeof(id));
    r = en->runner.abort(en->runner.ctx, d->service, place_of(d)->ordinal, &e);
    drain(en, d, id);
    if (d->step == HF_STEP_CLEAN_STOP && !stop(en, id))
        return false;
    return r != HF_EAGAIN;
}

static bool accept_fresh(struct hf_release_engine *en, const struct hf_release_doc *d)
{
    const struct hf_release_place *p = place_of(d);
    struct hf_error e = {0};
    int r = en->runner.accept(en->runner.ctx, d->service, p->ordinal, p->fresh, &e);
    struct hf_release_slot slot;

    /* It was accepted, and replaced by the orchestrator since. */
    if (r == HF_ENOENT && slot_of(en, d, &slot) && strcmp(slot.version, target(d)) == 0)
        r = 0;
    return settled(en, r, &e);
}

static void take_share(struct hf_release_engine *en, struct hf_service *s, const char *id)
{
    struct hf_instance *i = there(en, id);

    if (i && i->candidate)
        hf_instance_candidate_set(en->needs.catalog, i, false);
    hf_service_candidate_share_set(en->needs.catalog, s, 0);
}

void step_enter(struct hf_release_engine *en)
{
    struct hf_release_doc *d = en->current->doc;
    struct hf_service *s = service_of(en, d);
    const struct hf_release_place *p = place_of(d);
    struct hf_instance *fresh = there(en, p->fresh);
    bool done = true;

    if (en->step.entered || !s || !s->config)
        return;
    switch (d->step) {
    case HF_STEP_START:
        done = start(en, d);
        break;
    case HF_STEP_SMOKE:
        done = smoke(en, s, p);
        break;
    case HF_STEP_BAKE:
        hf_service_candidate_share_set(en->needs.catalog, s, s->config->release.weight);
        break;
    case HF_STEP_ACCEPT:
        done = accept_fresh(en, d);
        break;
    case HF_STEP_DRAIN:
        take_share(en, s, fresh ? fresh->id : "");
        drain(en, d, p->old);
        break;
    case HF_STEP_STOP:
        done = stop(en, p->old);
        break;
    case HF_STEP_CLEAN_DRAIN:
    case HF_STEP_CLEAN_STOP:
        hf_service_candidate_share_set(en->needs.catalog, s, 0);
        done = clean(en, d);
        break;
    case HF_STEP_FINISH:
        version_finish(en, d);
        break;
    case HF_STEP_NONE:
    case HF_STEP_READY:
    case HF_STEPS:
        break;
    }
    en->step.entered = done;
}
