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
    struct hf_live_view v = {hf_alloc(size), capacity};
    const char *end = (const char *)v.live + size;
    const char *at;

    (void)state;
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

static void another_layout_is_seen(void **state)
{
    struct hf_live *l = hf_alloc(hf_live_size(&capacity));
    struct hf_board_capacity other = capacity;

    (void)state;
    assert_false(hf_live_check(l, &capacity));
    hf_live_init(l, &capacity);
    assert_true(hf_live_check(l, &capacity));
    other.endpoints++;
    assert_false(hf_live_check(l, &other));
    l->layout++;
    assert_false(hf_live_check(l, &capacity));
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
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
