/* Reading across gateways: the drain check and sums. Everything read here was written by processes
 * that face the network, so it only ever becomes a number. */
#include <string.h>

#include "board/board.h"

static bool claimed(const struct hf_board *b, uint32_t slot)
{
    return atomic_load(&hf_board_slot(b, slot)->state) == HF_SLOT_CLAIMED;
}

static uint32_t load32(const _Atomic uint32_t *v)
{
    return atomic_load_explicit((_Atomic uint32_t *)v, memory_order_relaxed);
}

bool hf_board_acknowledged(const struct hf_board *b, uint64_t generation)
{
    for (uint32_t slot = 0; slot < HF_BOARD_SLOTS; slot++) {
        struct hf_live_view v = hf_board_live(b, slot);
        if (!claimed(b, slot))
            continue;
        if (v.capacity.workers == 0) /* it has yet to start */
            return false;
        for (uint32_t w = 0; w < v.capacity.workers; w++) {
            if (atomic_load_explicit(&hf_live_worker(&v, w)->generation, memory_order_acquire) <
                generation)
                return false;
        }
    }
    return true;
}

bool hf_board_drained(const struct hf_board *b, uint64_t generation, uint32_t endpoint_slot,
                      uint32_t *ret_in_flight)
{
    /* The order is the proof: generations first, then counts. */
    bool acknowledged = hf_board_acknowledged(b, generation);
    uint32_t in_flight = 0;

    for (uint32_t slot = 0; slot < HF_BOARD_SLOTS; slot++) {
        struct hf_live_view v = hf_board_live(b, slot);
        if (!claimed(b, slot))
            continue;
        for (uint32_t w = 0; w < v.capacity.workers; w++)
            in_flight += load32(&hf_live_endpoint(&v, w, endpoint_slot)->in_flight);
    }
    if (ret_in_flight)
        *ret_in_flight = in_flight;
    return acknowledged && in_flight == 0;
}

/* One worker's block of a live file; slot is HF_BOARD_SLOTS behind the last one. */
struct block {
    struct hf_live_view view;
    uint32_t slot, worker;
    bool alive;
};

/* Goes on to the first file from k->slot on that is laid out: also of a gateway that is gone. */
static void open_file(const struct hf_board *b, struct block *k)
{
    for (k->worker = 0; k->slot < HF_BOARD_SLOTS; k->slot++) {
        k->view = hf_board_live(b, k->slot);
        k->alive = claimed(b, k->slot);
        if (k->view.capacity.workers)
            return;
    }
}

static struct block first_block(const struct hf_board *b)
{
    struct block k = {0};

    open_file(b, &k);
    return k;
}

static void next_block(const struct hf_board *b, struct block *k)
{
    if (++k->worker < k->view.capacity.workers)
        return;
    k->slot++;
    open_file(b, k);
}

void hf_board_sum_endpoint(const struct hf_board *b, uint32_t endpoint_slot, uint32_t incarnation,
                           struct hf_endpoint_sum *ret)
{
    memset(ret, 0, sizeof(*ret));
    for (struct block k = first_block(b); k.slot < HF_BOARD_SLOTS; next_block(b, &k)) {
        const struct hf_live_endpoint *ep = hf_live_endpoint(&k.view, k.worker, endpoint_slot);
        if (load32(&ep->incarnation) != incarnation)
            continue;
        if (k.alive)
            ret->in_flight += load32(&ep->in_flight);
        ret->attempts += hf_count_get(&ep->attempts);
        ret->failures += hf_count_get(&ep->failures);
        ret->refused += hf_count_get(&ep->refused);
        ret->timeouts += hf_count_get(&ep->timeouts);
        ret->status_5xx += hf_count_get(&ep->status_5xx);
    }
}

static void add_second(const struct hf_live_service *s, int64_t second, bool alive,
                       struct hf_second_sum *ret)
{
    const struct hf_live_second *cell = &s->seconds[second % HF_SECONDS_RING];
    uint32_t arrived, ok, failed, refused;

    if (atomic_load_explicit((_Atomic uint32_t *)&cell->second, memory_order_acquire) !=
        (uint32_t)second)
        return;
    ok = load32(&cell->ok);
    failed = load32(&cell->failed);
    refused = load32(&cell->refused);
    arrived = load32(&cell->arrived);
    /* Was the cell given to another second meanwhile? */
    atomic_thread_fence(memory_order_acquire);
    if (load32(&cell->second) != (uint32_t)second)
        return;
    ret->ok += ok;
    ret->failed += failed;
    ret->refused += refused;
    ret->arrived += arrived;
    if (!alive && arrived > ok + failed + refused)
        ret->lost += arrived - ok - failed - refused;
}

void hf_board_sum_second(const struct hf_board *b, uint32_t service_slot, uint32_t incarnation,
                         int64_t second, struct hf_second_sum *ret)
{
    memset(ret, 0, sizeof(*ret));
    for (struct block k = first_block(b); k.slot < HF_BOARD_SLOTS; next_block(b, &k)) {
        const struct hf_live_service *s = hf_live_service(&k.view, k.worker, service_slot);
        if (load32(&s->incarnation) == incarnation)
            add_second(s, second, k.alive, ret);
    }
}

static void add_service(const struct hf_live_service *s, bool alive, struct hf_service_sum *ret)
{
    ret->requests += hf_count_get(&s->requests);
    ret->failed += hf_count_get(&s->failed);
    ret->refused += hf_count_get(&s->refused);
    ret->retries += hf_count_get(&s->retries);
    ret->retries_denied += hf_count_get(&s->retries_denied);
    ret->hold_expired += hf_count_get(&s->hold_expired);
    ret->late += hf_count_get(&s->late);
    for (int i = 0; i < 6; i++)
        ret->status[i] += hf_count_get(&s->status[i]);
    ret->bytes_in += hf_count_get(&s->bytes_in);
    ret->bytes_out += hf_count_get(&s->bytes_out);
    if (alive) {
        ret->in_progress += load32(&s->in_progress);
        ret->held += load32(&s->held);
    }
}

/* What layout 1 did not have. */
static void add_service_2(const struct hf_live_service *s, bool alive, struct hf_service_sum *ret)
{
    ret->answered += hf_count_get(&s->answered);
    ret->client_gone += hf_count_get(&s->client_gone);
    ret->tunnels_opened += hf_count_get(&s->tunnels_opened);
    ret->latency_us[0] += hf_count_get(&s->latency_us[0]);
    ret->latency_us[1] += hf_count_get(&s->latency_us[1]);
    if (alive)
        ret->tunnels += load32(&s->tunnels);
}

void hf_board_sum_service(const struct hf_board *b, uint32_t service_slot, uint32_t incarnation,
                          struct hf_service_sum *ret)
{
    memset(ret, 0, sizeof(*ret));
    for (struct block k = first_block(b); k.slot < HF_BOARD_SLOTS; next_block(b, &k)) {
        const struct hf_live_service *s = hf_live_service(&k.view, k.worker, service_slot);
        if (load32(&s->incarnation) != incarnation)
            continue;
        add_service(s, k.alive, ret);
        if (HF_LIVE_HAS(k.view.shape.service_size, struct hf_live_service, tunnels))
            add_service_2(s, k.alive, ret);
    }
}
