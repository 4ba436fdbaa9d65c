#include "test.h"

#include "base/mem.h"
#include "board/live.h"

static const struct hf_board_capacity capacity = {3, 2, 5, 1};

static void buckets_cover_all_without_gaps(void **state)
{
    uint64_t from = 0;

    (void)state;
    for (uint32_t b = 0; b < HF_LATENCY_BUCKETS; b++) {
        uint64_t top = hf_latency_bucket_top(b);
        assert_true(top >= from);
        assert_int_equal(hf_latency_bucket(from), b);
        assert_int_equal(hf_latency_bucket(top), b);
        /* never wider than an eighth of what it holds */
        assert_true(from < 8 || top - from + 1 <= from / 8);
        from = top + 1;
    }
    assert_true(from > UINT64_C(10) * 1000 * 1000); /* 10 s still stand in a bucket of their own */
    assert_int_equal(hf_latency_bucket(UINT64_MAX), HF_LATENCY_BUCKETS - 1);
}

static uint32_t get(const _Atomic uint32_t *v)
{
    return atomic_load((_Atomic uint32_t *)v);
}

static void seconds_are_booked_where_they_arrived(void **state)
{
    struct hf_live_service *s = hf_alloc(sizeof(*s));
    const int64_t t = 1795456800;
    const struct hf_live_second *cell = &s->seconds[t % HF_SECONDS_RING];

    (void)state;
    hf_second_arrived(s, t);
    hf_second_arrived(s, t);
    hf_second_arrived(s, t);
    hf_second_arrived(s, t + 1);
    hf_second_ended(s, t, HF_OUTCOME_OK);
    hf_second_ended(s, t, HF_OUTCOME_FAILED);
    hf_second_ended(s, t, HF_OUTCOME_REFUSED);
    assert_int_equal(get(&cell->second), t);
    assert_int_equal(get(&cell->arrived), 3);
    assert_int_equal(get(&cell->ok), 1);
    assert_int_equal(get(&cell->failed), 1);
    assert_int_equal(get(&cell->refused), 1);
    assert_int_equal(hf_count_get(&s->late), 0);
    hf_free(s);
}

static void a_second_that_left_the_ring_counts_as_late(void **state)
{
    struct hf_live_service *s = hf_alloc(sizeof(*s));
    const int64_t t = 1795456800;
    const struct hf_live_second *cell = &s->seconds[t % HF_SECONDS_RING];

    (void)state;
    hf_second_arrived(s, t);
    hf_second_arrived(s, t + HF_SECONDS_RING);
    hf_second_ended(s, t, HF_OUTCOME_OK);
    assert_int_equal(hf_count_get(&s->late), 1);
    assert_int_equal(get(&cell->second), t + HF_SECONDS_RING);
    assert_int_equal(get(&cell->arrived), 1);
    assert_int_equal(get(&cell->ok), 0);
    hf_free(s);
}

/* Each part is written with a mark of its own; none may stand in another's place. */
static void parts_do_not_overlap(void **state)
{
    size_t size = hf_live_size(&capacity);
    struct hf_live *file = hf_alloc(size);
    const char *end = (const char *)file + size;
    struct hf_live_view v;
    const char *at;

    (void)state;
    hf_live_init(file, &capacity);
    v = hf_live_view(file, size, &capacity);
    at = (const char *)(v.live + 1);
    assert_true((const char *)hf_live_healths(&v) >= at);
    at = (const char *)(hf_live_healths(&v) + capacity.endpoints);
    assert_true((const char *)hf_live_floors(&v) >= at);
    at = (const char *)(hf_live_floors(&v) + capacity.services);
    for (uint32_t w = 0; w < capacity.workers; w++) {
        assert_true((const char *)hf_live_worker(&v, w) >= at);
        at = (const char *)(hf_live_worker(&v, w) + 1);
        assert_true((const char *)hf_live_endpoints(&v, w) >= at);
        at = (const char *)(hf_live_endpoints(&v, w) + capacity.endpoints);
        for (uint32_t s = 0; s < capacity.services; s++) {
            assert_true((const char *)hf_live_service(&v, w, s) >= at);
            at = (const char *)(hf_live_service(&v, w, s) + 1);
        }
    }
    assert_true(at <= end);
    assert_int_equal((size_t)((char *)hf_live_worker(&v, 1) - (char *)v.live) % 64, 0);
    hf_free(v.live);
}

static uint32_t workers_seen(struct hf_live *l, const struct hf_board_capacity *board)
{
    return hf_live_view(l, hf_live_size(&capacity), board).capacity.workers;
}

static void another_layout_is_seen(void **state)
{
    struct hf_live *l = hf_alloc(hf_live_size(&capacity));
    struct hf_board_capacity other = capacity;

    (void)state;
    assert_int_equal(workers_seen(l, &capacity), 0);
    hf_live_init(l, &capacity);
    assert_int_equal(workers_seen(l, &capacity), capacity.workers);
    other.workers = HF_BOARD_WORKERS_MAX; /* the file's own number counts */
    assert_int_equal(workers_seen(l, &other), capacity.workers);
    other.endpoints++;
    assert_int_equal(workers_seen(l, &other), 0);
    l->layout++;
    assert_int_equal(workers_seen(l, &capacity), 0);
    hf_free(l);
}

/* Whatever the writer says of sizes, nothing is read outside of the file. */
static void a_shape_that_does_not_fit_is_refused(void **state)
{
    struct hf_live *l = hf_alloc(hf_live_size(&capacity));
    struct hf_live_shape good;

    (void)state;
    hf_live_init(l, &capacity);
    good = l->shape;
#define REFUSED(change)                                                                            \
    do {                                                                                           \
        l->shape = good;                                                                           \
        change;                                                                                    \
        assert_int_equal(workers_seen(l, &capacity), 0);                                           \
    } while (0)
    REFUSED(l->shape.workers_at = UINT64_MAX - 63);
    REFUSED(l->shape.workers_at += 32);
    REFUSED(l->shape.worker_size = UINT64_C(1) << 62);
    REFUSED(l->shape.worker_size = 64);
    REFUSED(l->shape.services_in = UINT32_MAX - 63);
    REFUSED(l->shape.endpoints_in = UINT32_MAX - 63);
    REFUSED(l->shape.endpoint_size = UINT32_MAX - 63);
    REFUSED(l->shape.service_size = UINT32_MAX - 63);
    l->shape = good;
    l->capacity.workers = HF_BOARD_WORKERS_MAX + 1;
    assert_int_equal(workers_seen(l, &capacity), 0);
    l->capacity.workers = HF_BOARD_WORKERS_MAX; /* more than the file has room for */
    assert_int_equal(workers_seen(l, &capacity), 0);
    hf_free(l);
}

/* A gateway of the next version, whose entries have grown, is read by this one. */
static void larger_entries_are_read(void **state)
{
    struct hf_live *l = hf_alloc(hf_live_size(&capacity));
    struct hf_live_view v;

    (void)state;
    hf_live_init(l, &capacity);
    l->shape.service_size += 64;
    l->shape.endpoint_size += 64;
    l->shape.services_in += 64 * capacity.endpoints;
    l->shape.worker_size += UINT64_C(64) * (capacity.endpoints + capacity.services);
    v = hf_live_view(l, hf_live_size(&capacity), &capacity);
    assert_int_equal(v.capacity.workers, capacity.workers);
    assert_ptr_equal((char *)hf_live_endpoint(&v, 0, 1) - (char *)hf_live_endpoint(&v, 0, 0), 128);
    hf_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buckets_cover_all_without_gaps),
        cmocka_unit_test(seconds_are_booked_where_they_arrived),
        cmocka_unit_test(a_second_that_left_the_ring_counts_as_late),
        cmocka_unit_test(parts_do_not_overlap),
        cmocka_unit_test(another_layout_is_seen),
        cmocka_unit_test(a_shape_that_does_not_fit_is_refused),
        cmocka_unit_test(larger_entries_are_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
