#include "gateway/target.h"

#include <stdio.h>

#include "core/eject.h"
#include "gateway/gateway.h"
#include "gateway/h2_upstream.h"
#include "gateway/upstream.h"
#include "gateway/worker.h"

enum { FRESH_MS = 1000 /* idle for at most this long: good for what cannot be repeated */ };

static void close_idle(struct hf_target *t)
{
    hf_h2_links_leave(t);
    HF_LIST_EACH (l, &t->idle) {
        hf_upstream_close(HF_CONTAINER(l, struct hf_upstream, link));
    }
}

/* Moves what can be moved; hf_exchange_move() takes the upstream out of the list. */
static void on_move(struct hf_task *task)
{
    struct hf_target *t = HF_CONTAINER(task, struct hf_target, move);
    struct hf_link moving;

    hf_link_init(&moving);
    while (!hf_link_alone(&t->busy)) {
        struct hf_link *l = t->busy.next;
        hf_link_remove(l);
        hf_list_append(&moving, l);
    }
    while (!hf_link_alone(&moving)) {
        struct hf_link *l = moving.next;
        struct hf_upstream *u = HF_CONTAINER(l, struct hf_upstream, link);
        hf_link_remove(l);
        hf_list_append(&t->busy, l);
        hf_exchange_move(u->exchange);
    }
}

void hf_target_move(struct hf_target *t)
{
    hf_task_add(&t->worker->tasks, &t->move);
}

void hf_target_init(struct hf_target *t, struct hf_worker *w, uint32_t slot)
{
    t->worker = w;
    t->slot = slot;
    t->live = &w->view.endpoints[w->index][slot];
    hf_link_init(&t->idle);
    hf_link_init(&t->busy);
    hf_link_init(&t->links);
    hf_task_init(&t->move, on_move);
}

static void label(struct hf_target *t, const struct hf_plan *plan,
                  const struct hf_plan_endpoint *ep)
{
    /* Names in a plan are plain words (config/ checks them), so nothing needs escaping. */
    int n =
        snprintf(t->label, sizeof(t->label),
                 "\"version\":\"" HF_STR_FMT "\",\"instance\":\"" HF_STR_FMT
                 "\",\"node\":\"" HF_STR_FMT "\"",
                 HF_STR_ARG(hf_plan_str(plan, ep->version)), HF_STR_ARG(hf_plan_str(plan, ep->id)),
                 HF_STR_ARG(hf_plan_str(plan, ep->node)));

    t->label_n = n < (int)sizeof(t->label) ? (uint16_t)n : 0;
}

/* Figures begin anew, but for requests that are still under way there. Other workers read them. */
static void reset_figures(struct hf_live_endpoint *live, uint32_t incarnation)
{
    atomic_store_explicit(&live->incarnation, incarnation, memory_order_relaxed);
    atomic_store_explicit(&live->ewma_us, 0, memory_order_relaxed);
    atomic_store_explicit(&live->attempts, 0, memory_order_relaxed);
    atomic_store_explicit(&live->failures, 0, memory_order_relaxed);
    atomic_store_explicit(&live->refused, 0, memory_order_relaxed);
    atomic_store_explicit(&live->timeouts, 0, memory_order_relaxed);
    atomic_store_explicit(&live->status_5xx, 0, memory_order_relaxed);
    atomic_store_explicit(&live->bytes, 0, memory_order_relaxed);
}

/* The slot has a new owner; the controller gave it away only after the old one was drained. */
static void adopt(struct hf_worker *w, struct hf_target *t, const struct hf_plan_endpoint *ep)
{
    close_idle(t);
    if (atomic_load(&w->view.healths[t->slot].incarnation) != ep->incarnation)
        hf_eject_forget(&w->view, t->service_slot, t->slot, ep->incarnation);
    if (t->incarnation != ep->incarnation)
        reset_figures(t->live, ep->incarnation);
    t->incarnation = ep->incarnation;
    t->service_slot = hf_plan_services(w->snapshot->plan)[ep->service].slot;
    t->idle_close_ms = 0;
    t->link_streams = 0;
    t->address = ep->address;
    label(t, w->snapshot->plan, ep);
    t->known = true;
}

/* Nothing new goes there: connections that wait are of no use, and its place on the floor is the
 * others'. */
static void out_of_use(struct hf_worker *w, struct hf_target *t)
{
    close_idle(t);
    hf_eject_forget(&w->view, t->service_slot, t->slot, t->incarnation);
}

static void switch_target(struct hf_worker *w, struct hf_target *t,
                          const struct hf_plan_endpoint *ep)
{
    uint8_t before = t->state;

    if (!ep) {
        if (t->known)
            out_of_use(w, t);
        t->known = false;
        return;
    }
    if (!t->known || t->incarnation != ep->incarnation || !hf_addr_eq(&t->address, &ep->address)) {
        adopt(w, t, ep);
        before = HF_ENDPOINT_READY;
    }
    t->state = ep->state;
    if (t->state == HF_ENDPOINT_READY)
        return;
    out_of_use(w, t);
    if (t->state == HF_ENDPOINT_EJECTED && before != HF_ENDPOINT_EJECTED)
        hf_target_move(t);
}

void hf_targets_switch(struct hf_worker *w)
{
    const struct hf_snapshot *s = w->snapshot;

    for (uint32_t slot = 0; slot < hf_board_capacity(w->gateway->board)->endpoints; slot++) {
        int32_t at = s->endpoint_at[slot];
        switch_target(w, &w->targets[slot], at < 0 ? NULL : &hf_plan_endpoints(s->plan)[at]);
    }
}

struct hf_upstream *hf_target_take(struct hf_worker *w, struct hf_target *t, bool repeatable)
{
    int64_t most_ms = FRESH_MS;

    if (hf_link_alone(&t->idle))
        return NULL;
    struct hf_upstream *u = HF_CONTAINER(t->idle.next, struct hf_upstream, link);
    if (!repeatable) {
        if (t->idle_close_ms && t->idle_close_ms / 2 < most_ms)
            most_ms = t->idle_close_ms / 2;
        if (hf_duration_ms(hf_mono_sub(hf_worker_now(w), u->idle_since)) > most_ms)
            return NULL; /* the others have waited even longer */
    }
    t->n_idle--;
    return u;
}
