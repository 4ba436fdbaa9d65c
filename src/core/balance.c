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

/* What decides between two. load: requests in flight there for each of 100 weight, times 10, plus
 * that of the one that comes. */
struct standing {
    int index;
    uint32_t slot, weight;
    uint64_t load, us;
};

static struct standing standing(const struct hf_view *v, int index)
{
    const struct hf_plan_endpoint *ep = endpoint_at(v, (uint32_t)index);
    struct standing s = {.index = index, .slot = ep->slot, .weight = ep->weight};
    uint64_t in_flight = 0;

    for (uint32_t w = 0; w < v->workers; w++)
        in_flight +=
            atomic_load_explicit(&v->endpoints[w][ep->slot].in_flight, memory_order_relaxed);
    s.load = in_flight * 1000 / ep->weight + 10;
    s.us = NOISE_US +
           atomic_load_explicit(&v->endpoints[v->self][ep->slot].ewma_us, memory_order_relaxed);
    return s;
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

static bool first_wins(const struct standing *a, const struct standing *b, struct hf_random *random)
{
    bool alike = a->us < 2 * b->us && b->us < 2 * a->us;
    uint64_t cost_a = a->load * (alike ? 1 : a->us), cost_b = b->load * (alike ? 1 : b->us);

    if (a->weight == b->weight)
        return cost_a <= cost_b; /* they were drawn in random order */
    if (hf_random_below(random, a->weight + b->weight) < a->weight)
        return cost_a < 2 * cost_b;
    return 2 * cost_a <= cost_b;
}

/* The one that loses forgets a little of its latency, so that a bad second does not shun it for
 * good. */
static int better(struct hf_view *v, int first, int second, struct hf_random *random)
{
    struct standing a = standing(v, first), b = standing(v, second);
    bool won = first_wins(&a, &b, random);
    _Atomic uint32_t *ewma = &v->endpoints[v->self][won ? b.slot : a.slot].ewma_us;
    uint32_t us = atomic_load_explicit(ewma, memory_order_relaxed);

    atomic_store_explicit(ewma, us - us / 128, memory_order_relaxed);
    return won ? a.index : b.index;
}

static int pick_in_group(struct hf_view *v, const struct hf_plan_service *s, enum group group,
                         const struct hf_tried *tried, struct hf_random *random, struct hf_mono now)
{
    int a = draw(v, s, group, tried, -1, random, now), b;

    if (a == HF_BALANCE_NONE || s->n_endpoints == 1)
        return a;
    b = draw(v, s, group, tried, a, random, now);
    return b == HF_BALANCE_NONE ? a : better(v, a, b, random);
}

/* A ready endpoint of the group although it is ejected: better than no answer. Draining and ejected
 * ones of the plan are never picked. */
static int pick_in_panic(struct hf_view *v, const struct hf_plan_service *s, enum group group,
                         struct hf_random *random)
{
    int index = HF_BALANCE_NONE;
    uint32_t n = 0;

    for (uint32_t i = s->first_endpoint; i < s->first_endpoint + s->n_endpoints; i++) {
        if (in_group(endpoint_at(v, i), group) && hf_random_below(random, ++n) == 0)
            index = (int)i; /* the n-th replaces what was chosen with a chance of 1/n */
    }
    return index;
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
    uint64_t next;

    if (us > UINT32_MAX / 2)
        us = UINT32_MAX / 2;
    next = old + us / 8 - old / 8;
    atomic_store_explicit(&ep->ewma_us, (uint32_t)next, memory_order_relaxed);
}
