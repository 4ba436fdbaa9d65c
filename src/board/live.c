#include "board/live.h"

#include <stdio.h>
#include <string.h>

#define ALIGN 64
#define TAIL 65536UL /* bytes behind the last entry */

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

static struct hf_live_shape shape_for(const struct hf_board_capacity *c)
{
    struct hf_live_shape s = {
        .workers_at = floors_at(c) + c->services * sizeof(struct hf_live_floor),
        .endpoints_in = (uint32_t)aligned(sizeof(struct hf_live_worker)),
        .endpoint_size = sizeof(struct hf_live_endpoint),
        .service_size = (uint32_t)aligned(sizeof(struct hf_live_service)),
    };

    s.services_in = s.endpoints_in + c->endpoints * s.endpoint_size;
    s.worker_size = s.services_in + (uint64_t)c->services * s.service_size;
    return s;
}

/* Layout 1 said nothing of its sizes, which were these. */
static struct hf_live_shape shape_1(const struct hf_board_capacity *c)
{
    struct hf_live_shape s = {
        .workers_at = 64 + (uint64_t)c->endpoints * 64 + (uint64_t)c->services * 64,
        .endpoints_in = 128,
        .endpoint_size = 64,
        .service_size = 14976,
    };

    s.services_in = s.endpoints_in + c->endpoints * s.endpoint_size;
    s.worker_size = s.services_in + (uint64_t)c->services * s.service_size;
    return s;
}

_Static_assert(sizeof(struct hf_live_endpoint) == ALIGN, "one cache line each");
_Static_assert(sizeof(struct hf_live_health) == ALIGN, "one cache line each");
_Static_assert(sizeof(struct hf_live_floor) == ALIGN, "one cache line each");
_Static_assert(sizeof(struct hf_live_worker) <= TAIL && sizeof(struct hf_live_service) <= TAIL,
               "whatever entry begins within a file's layout ends within the file");

size_t hf_live_size(const struct hf_board_capacity *c)
{
    const struct hf_live_shape s = shape_for(c);

    return aligned((s.workers_at + c->workers * s.worker_size) / 4 * 5) + TAIL;
}

bool hf_live_fits(const struct hf_board_capacity *c, size_t size)
{
    const struct hf_live_shape s = shape_for(c);

    return s.workers_at + c->workers * s.worker_size + TAIL <= size;
}

void hf_live_init(struct hf_live *l, const struct hf_board_capacity *c)
{
    l->layout = HF_BOARD_LAYOUT;
    l->capacity = *c;
    l->shape = shape_for(c);
    atomic_store_explicit(&l->magic, HF_BOARD_MAGIC, memory_order_release);
}

/* Does all that the shape says lie within size bytes, and on the boundaries of its fields? */
static bool shape_fits(const struct hf_live_shape *s, const struct hf_board_capacity *c,
                       size_t size)
{
    const uint64_t all = s->workers_at | s->worker_size | s->endpoints_in | s->services_in |
                         s->endpoint_size | s->service_size;

    return all % ALIGN == 0 && s->workers_at <= size && s->worker_size <= size &&
           s->services_in + (uint64_t)c->services * s->service_size <= s->worker_size &&
           s->endpoints_in + (uint64_t)c->endpoints * s->endpoint_size <= s->worker_size &&
           s->workers_at + c->workers * s->worker_size + TAIL <= size;
}

struct hf_live_view hf_live_view(struct hf_live *l, size_t size,
                                 const struct hf_board_capacity *board)
{
    struct hf_live_view v = {.live = l, .capacity = *board};
    uint32_t layout, workers;

    v.capacity.workers = 0;
    if (atomic_load_explicit(&l->magic, memory_order_acquire) != HF_BOARD_MAGIC)
        return v;
    layout = l->layout;
    workers = l->capacity.workers;
    if (layout < 1 || layout > HF_BOARD_LAYOUT || l->capacity.services != board->services ||
        l->capacity.endpoints != board->endpoints || workers < 1 || workers > HF_BOARD_WORKERS_MAX)
        return v;
    v.capacity.workers = workers;
    v.shape = layout == 1 ? shape_1(board) : l->shape;
    if (!shape_fits(&v.shape, &v.capacity, size))
        v.capacity.workers = 0;
    return v;
}

static char *at(const struct hf_live_view *v, size_t offset)
{
    return (char *)v->live + offset;
}

struct hf_live_worker *hf_live_worker(const struct hf_live_view *v, uint32_t worker)
{
    return (void *)at(v, v->shape.workers_at + worker * v->shape.worker_size);
}

struct hf_live_endpoint *hf_live_endpoints(const struct hf_live_view *v, uint32_t worker)
{
    return (void *)((char *)hf_live_worker(v, worker) + v->shape.endpoints_in);
}

struct hf_live_endpoint *hf_live_endpoint(const struct hf_live_view *v, uint32_t worker,
                                          uint32_t slot)
{
    return (void *)((char *)hf_live_endpoints(v, worker) + (size_t)slot * v->shape.endpoint_size);
}

struct hf_live_service *hf_live_service(const struct hf_live_view *v, uint32_t worker,
                                        uint32_t slot)
{
    return (void *)((char *)hf_live_worker(v, worker) + v->shape.services_in +
                    (size_t)slot * v->shape.service_size);
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
