#include "core/eject.h"

uint32_t hf_eject_allowed(uint32_t n)
{
    uint32_t floor = (n + 2) / 3;

    return n ? n - floor : 0;
}

enum hf_eject_state hf_eject_state(const struct hf_view *v, uint32_t endpoint_slot,
                                   struct hf_mono now)
{
    struct hf_live_health *h = &v->healths[endpoint_slot];
    int64_t until = atomic_load_explicit(&h->ejected_until_ns, memory_order_relaxed);

    if (until == 0)
        return HF_EJECT_IN;
    if (now.ns < until || atomic_load_explicit(&h->trial, memory_order_relaxed))
        return HF_EJECT_OUT;
    return HF_EJECT_HALF_OPEN;
}

bool hf_eject_take_trial(struct hf_view *v, uint32_t endpoint_slot)
{
    uint32_t none = 0;

    return atomic_compare_exchange_strong(&v->healths[endpoint_slot].trial, &none, 1);
}

static uint32_t ready_endpoints(const struct hf_plan *plan, const struct hf_plan_service *s)
{
    const struct hf_plan_endpoint *ep = &hf_plan_endpoints(plan)[s->first_endpoint];
    uint32_t n = 0;

    for (uint32_t i = 0; i < s->n_endpoints; i++)
        n += ep[i].state == HF_ENDPOINT_READY;
    return n;
}

/* One more out, if the floor allows it. */
static bool floor_take(struct hf_live_floor *floor, uint32_t allowed)
{
    uint32_t out = atomic_load(&floor->ejected);

    do {
        if (out >= allowed)
            return false;
    } while (!atomic_compare_exchange_weak(&floor->ejected, &out, out + 1));
    return true;
}

/* Whoever turns the time to 0 gives the floor back: exactly one does. */
static void back_in(struct hf_live_health *h, struct hf_live_floor *floor)
{
    if (atomic_exchange(&h->ejected_until_ns, 0) != 0)
        atomic_fetch_sub(&floor->ejected, 1);
    atomic_store(&h->trial, 0);
    atomic_store(&h->failures, 0);
}

static int64_t until(const struct hf_plan_service *s, uint32_t ejections, struct hf_mono now)
{
    int64_t ms = (int64_t)s->eject_ms << (ejections < 16 ? ejections : 16);

    if (ms > s->eject_max_ms)
        ms = s->eject_max_ms;
    return hf_mono_add(now, hf_ms(ms)).ns;
}

static void on_ok(struct hf_live_health *h, struct hf_live_floor *floor)
{
    uint32_t ejections;

    if (atomic_load_explicit(&h->failures, memory_order_relaxed) != 0)
        atomic_store_explicit(&h->failures, 0, memory_order_relaxed);
    if (atomic_load_explicit(&h->trial, memory_order_relaxed) == 0)
        return; /* in; or answered late what was sent before it was ejected: no proof */
    ejections = atomic_load(&h->ejections);
    if (ejections)
        atomic_store(&h->ejections, ejections - 1);
    back_in(h, floor);
}

static bool on_failure(struct hf_view *v, const struct hf_plan_service *s, struct hf_live_health *h,
                       struct hf_mono now)
{
    struct hf_live_floor *floor = &v->floors[s->slot];
    uint32_t ejections = atomic_load(&h->ejections);
    int64_t out = atomic_load(&h->ejected_until_ns);

    if (out != 0) {
        /* By exchange, too: back in meanwhile, it has given its place on the floor back. */
        if (atomic_load(&h->trial) &&
            atomic_compare_exchange_strong(&h->ejected_until_ns, &out, until(s, ejections, now))) {
            atomic_store(&h->ejections, ejections + 1);
            atomic_store(&h->trial, 0);
        }
        return false;
    }
    if (s->eject_failures == 0 || atomic_fetch_add(&h->failures, 1) + 1 < s->eject_failures)
        return false;
    if (!floor_take(floor, hf_eject_allowed(ready_endpoints(v->plan, s))))
        return false;
    if (!atomic_compare_exchange_strong(&h->ejected_until_ns, &out, until(s, ejections, now))) {
        atomic_fetch_sub(&floor->ejected, 1); /* another worker was faster */
        return false;
    }
    atomic_store(&h->ejections, ejections + 1);
    atomic_store(&h->failures, 0);
    return true;
}

bool hf_eject_result(struct hf_view *v, const struct hf_plan_service *s, uint32_t endpoint_slot,
                     enum hf_result result, struct hf_mono now)
{
    struct hf_live_health *h = &v->healths[endpoint_slot];

    switch (result) {
    case HF_RESULT_OK:
        on_ok(h, &v->floors[s->slot]);
        return false;
    case HF_RESULT_FAILED:
        return on_failure(v, s, h, now);
    case HF_RESULT_NONE:
        if (atomic_load_explicit(&h->trial, memory_order_relaxed))
            atomic_store(&h->trial, 0);
        return false;
    }
    return false;
}

void hf_eject_forget(struct hf_view *v, uint32_t service_slot, uint32_t endpoint_slot,
                     uint32_t incarnation)
{
    struct hf_live_health *h = &v->healths[endpoint_slot];

    back_in(h, &v->floors[service_slot]);
    atomic_store(&h->ejections, 0);
    atomic_store(&h->incarnation, incarnation);
}
