#include "board/live.h"

#include <stdio.h>
#include <string.h>

#define ALIGN 64

static size_t aligned(size_t n)
{
    return (n + ALIGN - 1) / ALIGN * ALIGN;
}

/* The file: header, healths, floors, then per worker: worker, endpoints, services. */
static size_t healths_at(void)
{
    return aligned(sizeof(struct hf_live));
}

static size_t floors_at(const struct hf_board_capacity *c)
{
    return healths_at() + c->endpoints * sizeof(struct hf_live_health);
}

static size_t workers_at(const struct hf_board_capacity *c)
{
    return floors_at(c) + c->services * sizeof(struct hf_live_floor);
}

static size_t services_in_worker(const struct hf_board_capacity *c)
{
    return aligned(sizeof(struct hf_live_worker)) + c->endpoints * sizeof(struct hf_live_endpoint);
}

static size_t worker_size(const struct hf_board_capacity *c)
{
    return services_in_worker(c) + c->services * aligned(sizeof(struct hf_live_service));
}

_Static_assert(sizeof(struct hf_live_endpoint) == ALIGN, "one cache line each");
_Static_assert(sizeof(struct hf_live_health) == ALIGN, "one cache line each");
_Static_assert(sizeof(struct hf_live_floor) == ALIGN, "one cache line each");

size_t hf_live_size(const struct hf_board_capacity *c)
{
    return workers_at(c) + c->workers * worker_size(c);
}

void hf_live_init(struct hf_live *l, const struct hf_board_capacity *c)
{
    l->magic = HF_BOARD_MAGIC;
    l->layout = HF_BOARD_LAYOUT;
    l->capacity = *c;
}

bool hf_live_check(const struct hf_live *l, const struct hf_board_capacity *c)
{
    return l->magic == HF_BOARD_MAGIC && l->layout == HF_BOARD_LAYOUT &&
           memcmp(&l->capacity, c, sizeof(*c)) == 0;
}

static char *at(const struct hf_live_view *v, size_t offset)
{
    return (char *)v->live + offset;
}

struct hf_live_worker *hf_live_worker(const struct hf_live_view *v, uint32_t worker)
{
    return (void *)at(v, workers_at(&v->capacity) + worker * worker_size(&v->capacity));
}

struct hf_live_endpoint *hf_live_endpoints(const struct hf_live_view *v, uint32_t worker)
{
    return (void *)((char *)hf_live_worker(v, worker) + aligned(sizeof(struct hf_live_worker)));
}

struct hf_live_service *hf_live_service(const struct hf_live_view *v, uint32_t worker,
                                        uint32_t slot)
{
    return (void *)((char *)hf_live_worker(v, worker) + services_in_worker(&v->capacity) +
                    slot * aligned(sizeof(struct hf_live_service)));
}

struct hf_live_health *hf_live_healths(const struct hf_live_view *v)
{
    return (void *)at(v, healths_at());
}

struct hf_live_floor *hf_live_floors(const struct hf_live_view *v)
{
    return (void *)at(v, floors_at(&v->capacity));
}

/* 0..7 us stand alone; above, each power of two has eight buckets. */
uint32_t hf_latency_bucket(uint64_t us)
{
    uint32_t power, bucket;

    if (us < 8)
        return (uint32_t)us;
    power = 63 - (uint32_t)__builtin_clzll(us);
    bucket = (power - 2) * 8 + (uint32_t)(us >> (power - 3) & 7);
    return bucket < HF_LATENCY_BUCKETS ? bucket : HF_LATENCY_BUCKETS - 1;
}

uint64_t hf_latency_bucket_top(uint32_t bucket)
{
    uint32_t power = bucket / 8 + 2;

    if (bucket < 8)
        return bucket;
    return ((uint64_t)(bucket % 8 + 9) << (power - 3)) - 1;
}

static void set32(_Atomic uint32_t *c, uint32_t v)
{
    atomic_store_explicit(c, v, memory_order_relaxed);
}

static void bump32(_Atomic uint32_t *c)
{
    set32(c, atomic_load_explicit(c, memory_order_relaxed) + 1);
}

static uint32_t get32(const _Atomic uint32_t *c)
{
    return atomic_load_explicit((_Atomic uint32_t *)c, memory_order_relaxed);
}

void hf_second_arrived(struct hf_live_service *s, int64_t second)
{
    struct hf_live_second *cell = &s->seconds[second % HF_SECONDS_RING];

    if (get32(&cell->second) != (uint32_t)second) {
        /* The reader sees no second, or the new one with counts that begin at 0. */
        set32(&cell->second, 0);
        atomic_thread_fence(memory_order_release);
        set32(&cell->arrived, 0);
        set32(&cell->ok, 0);
        set32(&cell->failed, 0);
        set32(&cell->refused, 0);
        atomic_store_explicit(&cell->second, (uint32_t)second, memory_order_release);
    }
    bump32(&cell->arrived);
}

void hf_second_ended(struct hf_live_service *s, int64_t second, enum hf_outcome outcome)
{
    struct hf_live_second *cell = &s->seconds[second % HF_SECONDS_RING];

    if (get32(&cell->second) != (uint32_t)second) {
        hf_count_add(&s->late, 1);
        return;
    }
    switch (outcome) {
    case HF_OUTCOME_OK:
        bump32(&cell->ok);
        break;
    case HF_OUTCOME_FAILED:
        bump32(&cell->failed);
        break;
    case HF_OUTCOME_REFUSED:
        bump32(&cell->refused);
        break;
    }
}
