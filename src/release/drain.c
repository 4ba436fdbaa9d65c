#include "release/drain.h"

#include <string.h>

#include "base/list.h"
#include "base/mem.h"
#include "config/config.h"

/* Between looks at the board; the gateways acknowledge within a turn. */
enum { LOOK_MS = 5 };

struct drain {
    struct hf_link link;
    char id[HF_INSTANCE_ID], why[120];
    uint64_t generation; /* 0: not published yet */
    struct hf_mono began;
    struct hf_drain_seen seen;
    bool told; /* on_end() was called */
};

struct hf_drainer {
    struct hf_drainer_needs needs;
    struct hf_link drains;
    struct hf_timer timer;
};

static struct drain *find(const struct hf_drainer *d, const char *id)
{
    for (struct hf_link *l = d->drains.next; l != &d->drains; l = l->next) {
        struct drain *one = HF_CONTAINER(l, struct drain, link);
        if (strcmp(one->id, id) == 0)
            return one;
    }
    return NULL;
}

static bool ended(const struct drain *one)
{
    return one->seen.state == HF_DRAIN_DONE || one->seen.state == HF_DRAIN_LATE;
}

static bool is_last(const struct hf_instance *i)
{
    if (i->state != HF_INSTANCE_READY || i->candidate || !i->service->config)
        return false;
    HF_LIST_EACH (it, &i->service->instances) {
        const struct hf_instance *other = hf_instance_at(it);
        if (other != i && other->state == HF_INSTANCE_READY && !other->candidate)
            return false;
    }
    return true;
}

static struct hf_duration limit(const struct hf_instance *i)
{
    return i->service->config ? i->service->config->timeout.drain : hf_seconds(30);
}

static void begin(struct hf_drainer *d, struct drain *one, struct hf_instance *i,
                  struct hf_mono now)
{
    one->generation = 0;
    if (is_last(i)) {
        one->seen.state = HF_DRAIN_HELD;
        return;
    }
    if (hf_instance_state_allowed(i->state, HF_INSTANCE_DRAINING))
        hf_instance_state_set(d->needs.catalog, i, HF_INSTANCE_DRAINING, "%s", one->why);
    one->seen.state = HF_DRAIN_WAITING;
    one->generation = d->needs.publish(d->needs.ctx);
    one->began = now;
}

static void look(struct hf_drainer *d, struct drain *one, struct hf_mono now)
{
    struct hf_instance *i = hf_catalog_instance_find(d->needs.catalog, one->id);

    if (!i || i->state == HF_INSTANCE_STOPPED) {
        one->seen.state = HF_DRAIN_DONE;
        one->seen.in_flight = 0;
        return;
    }
    if (one->generation == 0 || i->state == HF_INSTANCE_READY) {
        begin(d, one, i, now);
        if (one->generation == 0)
            return;
    }
    one->seen.lasts = hf_mono_sub(now, one->began);
    /* An instance that no plan ever named has no counters: those at slot 0 are another's. */
    if (i->incarnation == 0 ||
        hf_board_drained(d->needs.board, one->generation, i->endpoint_slot, &one->seen.in_flight))
        one->seen.state = HF_DRAIN_DONE;
    else if (one->seen.lasts.ns >= limit(i).ns)
        one->seen.state = HF_DRAIN_LATE;
}

static void on_timer(struct hf_timer *t)
{
    struct hf_drainer *d = HF_CONTAINER(t, struct hf_drainer, timer);
    struct hf_mono now = hf_loop_now(d->needs.loop);
    bool more = false;

    HF_LIST_EACH (it, &d->drains) {
        struct drain *one = HF_CONTAINER(it, struct drain, link);
        if (ended(one))
            continue;
        look(d, one, now);
        more = more || !ended(one);
    }
    if (more)
        hf_timer_after(d->needs.loop, &d->timer, hf_ms(LOOK_MS));
    /* The callee may forget any of them: from the start again after each. */
    for (struct hf_link *l = d->drains.next; l != &d->drains;) {
        struct drain *one = HF_CONTAINER(l, struct drain, link);
        l = l->next;
        if (ended(one) && !one->told) {
            one->told = true;
            d->needs.on_end(d->needs.end_ctx, one->id, &one->seen);
            l = d->drains.next;
        }
    }
}

struct hf_drainer *hf_drainer_new(const struct hf_drainer_needs *needs)
{
    struct hf_drainer *d = hf_alloc(sizeof(*d));

    d->needs = *needs;
    hf_link_init(&d->drains);
    hf_timer_init(&d->timer, on_timer);
    return d;
}

struct hf_drainer *hf_drainer_free(struct hf_drainer *d)
{
    if (!d)
        return NULL;
    hf_timer_done(&d->timer);
    HF_LIST_EACH (it, &d->drains)
        hf_free(HF_CONTAINER(it, struct drain, link));
    return hf_free(d);
}

void hf_drain_begin(struct hf_drainer *d, struct hf_instance *i, const char *why)
{
    struct drain *one;

    if (find(d, i->id))
        return;
    one = hf_alloc(sizeof(*one));
    hf_str_copy(hf_str(i->id), one->id, sizeof(one->id));
    hf_str_copy(hf_str(why), one->why, sizeof(one->why));
    one->seen.state = HF_DRAIN_HELD;
    hf_list_append(&d->drains, &one->link);
    hf_timer_after(d->needs.loop, &d->timer, hf_ms(0));
}

struct hf_drain_seen hf_drain_look(const struct hf_drainer *d, const char *instance)
{
    const struct drain *one = find(d, instance);

    return one ? one->seen : (struct hf_drain_seen){HF_DRAIN_NONE, 0, {0}};
}

void hf_drain_forget(struct hf_drainer *d, const char *instance)
{
    struct drain *one = find(d, instance);

    if (one) {
        hf_link_remove(&one->link);
        hf_free(one);
    }
}
