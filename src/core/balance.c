#include "core/balance.h"

#include "core/eject.h"

enum {
    DRAWS = 8,       /* random tries before a scan finds whatever is left */
    NOISE_US = 1000, /* added to every latency: differences below it are noise, not load */
};

enum group { ACCEPTED, CANDIDATE };

static const struct hf_plan_endpoint *endpoint_at(const struct hf_view *v, uint32_t index)
{
    return &hf_plan_endpoints(v->plan)[index];
}

static bool was_tried(const struct hf_tried *tried, uint32_t slot)
{
    for (uint32_t i = 0; i < tried->n; i++) {
        if (tried->slot[i] == slot)
            return true;
    }
    return false;
}

static bool in_group(const struct hf_plan_endpoint *ep, enum group group)
{
    return ep->state == HF_ENDPOINT_READY &&
           !(ep->flags & HF_ENDPOINT_CANDIDATE) == (group == ACCEPTED);
}

static bool eligible(const struct hf_view *v, uint32_t index, enum group group,
                     const struct hf_tried *tried, struct hf_mono now)
{
    const struct hf_plan_endpoint *ep = endpoint_at(v, index);

    return in_group(ep, group) && !was_tried(tried, ep->slot) &&
           hf_eject_state(v, ep->slot, now) != HF_EJECT_OUT;
}

static uint64_t score(const struct hf_view *v, uint32_t index)
{
    const struct hf_plan_endpoint *ep = endpoint_at(v, index);
    uint64_t in_flight = 1, us;

    for (uint32_t w = 0; w < v->workers; w++)
        in_flight +=
            atomic_load_explicit(&v->endpoints[w][ep->slot].in_flight, memory_order_relaxed);
    us = atomic_load_explicit(&v->endpoints[v->self][ep->slot].ewma_us, memory_order_relaxed);
    return in_flight * (us + NOISE_US) * 1000 / ep->weight;
}

static int draw(const struct hf_view *v, const struct hf_plan_service *s, enum group group,
                const struct hf_tried *tried, int but, struct hf_random *random, struct hf_mono now)
{
    uint32_t start = 0;

    for (int i = 0; i < DRAWS; i++) {
        start = hf_random_below(random, s->n_endpoints);
        int index = (int)(s->first_endpoint + start);
        if (index != but && eligible(v, (uint32_t)index, group, tried, now))
            return index;
    }
    for (uint32_t i = 0; i < s->n_endpoints; i++) {
        int index = (int)(s->first_endpoint + (start + i) % s->n_endpoints);
        if (index != but && eligible(v, (uint32_t)index, group, tried, now))
            return index;
    }
    return HF_BALANCE_NONE;
}

/* The one that loses forgets a little of its latency, so that a bad second does not shun it for
 * good. */
static int better(struct hf_view *v, int a, int b)
{
    int winner = score(v, (uint32_t)a) <= score(v, (uint32_t)b) ? a : b;
    uint32_t loser = endpoint_at(v, (uint32_t)(winner == a ? b : a))->slot;
    _Atomic uint32_t *ewma = &v->endpoints[v->self][loser].ewma_us;
    uint32_t us = atomic_load_explicit(ewma, memory_order_relaxed);

    atomic_store_explicit(ewma, us - us / 128, memory_order_relaxed);
    return winner;
}

static int pick_in_group(struct hf_view *v, const struct hf_plan_service *s, enum group group,
                         const struct hf_tried *tried, struct hf_random *random, struct hf_mono now)
{
    int a = draw(v, s, group, tried, -1, random, now), b;

    if (a == HF_BALANCE_NONE || s->n_endpoints == 1)
        return a;
    b = draw(v, s, group, tried, a, random, now);
    return b == HF_BALANCE_NONE ? a : better(v, a, b);
}

/* A ready endpoint of the group although it is ejected: better than no answer. Draining and ejected
 * ones of the plan are never picked. */
static int pick_in_panic(struct hf_view *v, const struct hf_plan_service *s, enum group group,
                         struct hf_random *random)
{
    uint32_t start = hf_random_below(random, s->n_endpoints);

    for (uint32_t i = 0; i < s->n_endpoints; i++) {
        uint32_t index = s->first_endpoint + (start + i) % s->n_endpoints;
        if (in_group(endpoint_at(v, index), group))
            return (int)index;
    }
    return HF_BALANCE_NONE;
}

int hf_balance_pick(struct hf_view *v, const struct hf_plan_service *s,
                    const struct hf_tried *tried, struct hf_random *random, struct hf_mono now)
{
    static const struct hf_tried nowhere;
    enum group group = ACCEPTED;
    int index;

    if (s->n_endpoints == 0)
        return HF_BALANCE_NONE;
    if (s->candidate_share && tried->n == 0 && hf_random_below(random, 10000) < s->candidate_share)
        group = CANDIDATE;
    index = pick_in_group(v, s, group, tried, random, now);
    if (index == HF_BALANCE_NONE && group == CANDIDATE)
        index = pick_in_group(v, s, ACCEPTED, tried, random, now);
    if (index == HF_BALANCE_NONE && tried->n)
        index = pick_in_group(v, s, ACCEPTED, &nowhere, random, now);
    if (index == HF_BALANCE_NONE)
        index = pick_in_panic(v, s, ACCEPTED, random);
    /* Only when the accepted version has no endpoint at all does the candidate carry more than its
     * share: the last capacity is never taken away. */
    if (index == HF_BALANCE_NONE && s->candidate_share)
        index = pick_in_panic(v, s, CANDIDATE, random);
    if (index != HF_BALANCE_NONE) {
        uint32_t slot = endpoint_at(v, (uint32_t)index)->slot;
        if (hf_eject_state(v, slot, now) == HF_EJECT_HALF_OPEN)
            (void)hf_eject_take_trial(v,
                                      slot); /* lost to another worker: one request more, no harm */
    }
    return index;
}

bool hf_balance_elsewhere(const struct hf_view *v, const struct hf_plan_service *s,
                          const struct hf_tried *tried, struct hf_mono now)
{
    for (uint32_t i = 0; i < s->n_endpoints; i++) {
        if (eligible(v, s->first_endpoint + i, ACCEPTED, tried, now))
            return true;
    }
    return false;
}

void hf_balance_latency(struct hf_live_endpoint *ep, uint64_t us)
{
    uint64_t old = atomic_load_explicit(&ep->ewma_us, memory_order_relaxed);
    uint64_t next = old ? old + us / 8 - old / 8 : us;

    if (us > UINT32_MAX / 2)
        next = UINT32_MAX / 2;
    atomic_store_explicit(&ep->ewma_us, (uint32_t)next, memory_order_relaxed);
}
