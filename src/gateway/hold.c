#include "gateway/hold.h"

#include "gateway/attempt.h"

enum {
    TICK_MS = 50, /* how often an endpoint that cannot be reached is tried by one held request */
    AT_ONCE = 16, /* released when the plan brings an endpoint; the others follow its answers */
};

static uint32_t held_in_gateway(const struct hf_worker_service *ws)
{
    const struct hf_worker *w = ws->worker;
    uint32_t n = 0;

    for (uint32_t i = 0; i < w->view.workers; i++)
        n += atomic_load_explicit(&hf_live_service(&w->gateway->live, i, ws->slot)->held,
                                  memory_order_relaxed);
    return n;
}

static void count(struct hf_worker_service *ws, int32_t change)
{
    ws->n_held += (uint32_t)change;
    atomic_store_explicit(&ws->live->held, ws->n_held, memory_order_relaxed);
}

void hf_hold(struct hf_exchange *x, const struct hf_plan_service *s)
{
    struct hf_worker_service *ws = x->service;
    struct hf_worker *w = x->worker;
    bool again = x->hold_by.ns != 0;

    if (!again)
        x->hold_by = hf_mono_add(hf_worker_now(w), hf_ms(s->hold_ms));
    if (s->hold_ms == 0 || !hf_mono_before(hf_worker_now(w), x->hold_by)) {
        hf_exchange_answer(x, 503, "no instance of the service is ready", 1);
        return;
    }
    if (held_in_gateway(ws) >= s->hold_requests) {
        hf_exchange_answer(x, 503, "no instance of the service is ready, and many wait already", 1);
        return;
    }
    x->tried.n = 0;
    hf_exchange_state_set(x, HF_EXCHANGE_HELD);
    if (again)
        hf_list_push(&ws->held, &x->link); /* it keeps its place at the front */
    else
        hf_list_append(&ws->held, &x->link);
    count(ws, 1);
    hf_timer_set(w->loop, &x->timer, x->hold_by);
    if (!hf_timer_armed(&ws->tick))
        hf_timer_after(w->loop, &ws->tick, hf_ms(TICK_MS));
}

void hf_hold_leave(struct hf_exchange *x)
{
    if (x->state != HF_EXCHANGE_HELD)
        return;
    hf_link_remove(&x->link);
    count(x->service, -1);
    hf_exchange_state_set(x, HF_EXCHANGE_NEW);
}

void hf_hold_expired(struct hf_exchange *x)
{
    hf_count_add(&x->service->live->hold_expired, 1);
    hf_hold_leave(x);
    hf_exchange_answer(x, 503, "no instance of the service became ready in time", 1);
}

static bool has_ready(const struct hf_worker *w, const struct hf_plan_service *s)
{
    for (uint32_t i = 0; i < s->n_endpoints; i++) {
        if (hf_plan_endpoints(w->view.plan)[s->first_endpoint + i].state == HF_ENDPOINT_READY)
            return true;
    }
    return false;
}

void hf_hold_release(struct hf_worker_service *ws, uint32_t n)
{
    const struct hf_plan_service *s = hf_worker_policy(ws->worker, ws);

    if (!s || !has_ready(ws->worker, s))
        return;
    if (n > ws->n_held)
        n = ws->n_held; /* one that fails at once is held again: not twice in one call */
    for (; n && ws->n_held; n--) {
        struct hf_exchange *x = HF_CONTAINER(ws->held.next, struct hf_exchange, link);
        hf_hold_leave(x);
        hf_attempt_begin(x);
    }
}

static void on_tick(struct hf_timer *t)
{
    struct hf_worker_service *ws = HF_CONTAINER(t, struct hf_worker_service, tick);

    hf_hold_release(ws, 1);
    if (ws->n_held)
        hf_timer_after(ws->worker->loop, &ws->tick, hf_ms(TICK_MS));
}

static void on_follow(struct hf_task *t)
{
    struct hf_worker_service *ws = HF_CONTAINER(t, struct hf_worker_service, follow);
    uint32_t n = ws->n_release;

    ws->n_release = 0;
    hf_hold_release(ws, n);
}

void hf_hold_switch(struct hf_worker_service *ws)
{
    if (ws->known) {
        hf_hold_release(ws, AT_ONCE);
        return;
    }
    while (ws->n_held) {
        struct hf_exchange *x = HF_CONTAINER(ws->held.next, struct hf_exchange, link);
        hf_hold_leave(x);
        hf_exchange_answer(x, 503, "the service is not offered any more", 0);
    }
}

void hf_hold_init(struct hf_worker_service *ws)
{
    hf_link_init(&ws->held);
    hf_timer_init(&ws->tick, on_tick);
    hf_task_init(&ws->follow, on_follow);
}
