#include "test.h"

#include <string.h>

#include "gateway/pool.h"

/* Pools keep small pieces for good: one of each for all tests, so that what grew stays in sight of
 * the leak detector. */
static struct hf_pool pool;
static struct hf_buffers buffers;

static void pieces_come_zeroed_and_are_used_again(void **state)
{
    char *a, *b;

    (void)state;
    hf_pool_init(&pool, 100, 0);
    assert_int_equal(pool.size, 128);
    a = hf_pool_get(&pool);
    assert_int_equal((uintptr_t)a % 64, 0);
    for (int i = 0; i < 100; i++)
        assert_int_equal(a[i], 0);
    b = hf_pool_get(&pool);
    assert_ptr_not_equal(a, b);
    assert_int_equal(pool.in_use, 2);
    memset(a, 1, 100);
    hf_pool_put(&pool, a);
    assert_int_equal(pool.in_use, 1);
    assert_ptr_equal(hf_pool_get(&pool), a); /* the last one back is the first one out */
    assert_int_equal(a[99], 1);
}

static void the_limit_holds(void **state)
{
    static void *piece[40]; /* pools keep their memory; so that it is not taken for lost */
    static struct hf_pool small;

    (void)state;
    hf_pool_init(&small, 64, 40);
    for (int i = 0; i < 40; i++) {
        piece[i] = hf_pool_get(&small);
        assert_non_null(piece[i]);
        for (int k = 0; k < i; k++)
            assert_ptr_not_equal(piece[k], piece[i]);
    }
    assert_null(hf_pool_get(&small));
    hf_pool_put(&small, piece[7]);
    assert_ptr_equal(hf_pool_get(&small), piece[7]);
    assert_null(hf_pool_get(&small));
}

static void put(struct hf_buffer *buf, size_t n)
{
    static char text[HF_BUFFER_MOST];

    for (size_t i = 0; i < n; i++)
        text[i] = (char)('a' + (hf_buffer_used(buf) + i) % 26);
    assert_int_equal(hf_buffer_add(&buffers, buf, (struct hf_str){text, n}), 0);
}

static void holds(const struct hf_buffer *buf, size_t skipped, size_t n)
{
    assert_int_equal(hf_buffer_used(buf), n);
    for (size_t i = 0; i < n; i++) {
        if (buf->p[buf->start + i] != (char)('a' + (skipped + i) % 26))
            fail_msg("byte %zu is wrong", i);
    }
}

static void a_buffer_grows_and_keeps_what_it_holds(void **state)
{
    struct hf_buffer buf = {0};

    (void)state;
    hf_buffers_init(&buffers);
    for (size_t n = 0; n < 200000; n += 997) {
        put(&buf, 997);
        holds(&buf, 0, n + 997);
    }
    assert_int_equal(buf.size, HF_BUFFER_MOST);
    hf_buffer_drop(&buffers, &buf);
    assert_null(buf.p);
    hf_buffer_drop(&buffers, &buf); /* empty: nothing happens */
    for (int i = 0; i < HF_BUFFER_CLASSES; i++)
        assert_int_equal(buffers.class[i].in_use, 0);
}

static void room_is_made_by_moving_before_growing(void **state)
{
    struct hf_buffer buf = {0};
    char *p;

    (void)state;
    put(&buf, 1024);
    p = buf.p;
    assert_int_equal(buf.size, 1024);
    buf.start += 600;
    assert_int_equal(hf_buffer_room(&buffers, &buf, 600), 0);
    assert_ptr_equal(buf.p, p);
    assert_int_equal(buf.start, 0);
    holds(&buf, 600, 424);
    assert_int_equal(hf_buffer_room(&buffers, &buf, 601), 0);
    assert_int_equal(buf.size, 4096);
    holds(&buf, 600, 424);
    buf.start += 24;
    assert_int_equal(hf_buffer_room(&buffers, &buf, 4000), 0);
    assert_int_equal(buf.size, 16384);
    holds(&buf, 624, 400);
    hf_buffer_drop(&buffers, &buf);
}

static void what_does_not_fit_changes_nothing(void **state)
{
    struct hf_buffer buf = {0};

    (void)state;
    put(&buf, 1000);
    assert_int_equal(hf_buffer_room(&buffers, &buf, HF_BUFFER_MOST - 999), HF_ELIMIT);
    assert_int_equal(hf_buffer_room(&buffers, &buf, UINT32_MAX), HF_ELIMIT);
    assert_int_equal(hf_buffer_add(&buffers, &buf, (struct hf_str){"", SIZE_MAX}), HF_ELIMIT);
    holds(&buf, 0, 1000);
    assert_int_equal(hf_buffer_room(&buffers, &buf, HF_BUFFER_MOST - 1000), 0);
    holds(&buf, 0, 1000);
    hf_buffer_drop(&buffers, &buf);
}

/* The bound holds over all buffers together; near it, less is received at once. */
static void all_buffers_have_one_bound(void **state)
{
    static const uint32_t at_once[] = {HF_BUFFER_WHOLE, HF_BUFFER_WHOLE, 12288, 3072, 3072};
    struct hf_buffer buf[5] = {0};

    (void)state;
    assert_int_equal(buffers.used, 0);
    buffers.most = UINT64_C(4) * HF_BUFFER_MOST;
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(hf_buffers_at_once(&buffers), at_once[i]);
        assert_int_equal(hf_buffers_half_full(&buffers), i >= 2);
        assert_int_equal(hf_buffers_tight(&buffers), i >= 3);
        assert_int_equal(hf_buffer_room(&buffers, &buf[i], HF_BUFFER_MOST), i < 4 ? 0 : HF_ELIMIT);
    }
    assert_null(buf[4].p);
    assert_int_equal(hf_buffer_room(&buffers, &buf[4], 1), HF_ELIMIT);
    hf_buffer_drop(&buffers, &buf[0]);
    assert_int_equal(hf_buffer_room(&buffers, &buf[4], 1), 0);
    for (unsigned i = 0; i < 5; i++)
        hf_buffer_drop(&buffers, &buf[i]);
    assert_int_equal(buffers.used, 0);
    buffers.most = 0;
}

/* 4 MiB of a large size stay at hand, what is beyond goes back. */
static void a_flood_of_large_buffers_leaves_a_reserve(void **state)
{
    enum { MANY = 100, RESERVE = 4 * 1024 * 1024 / HF_BUFFER_MOST };
    struct hf_buffer buf[MANY] = {0};

    (void)state;
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < MANY; i++) {
            assert_int_equal(hf_buffer_room(&buffers, &buf[i], HF_BUFFER_MOST), 0);
            buf[i].p[0] = buf[i].p[HF_BUFFER_MOST - 1] = 'x';
        }
        assert_int_equal(buffers.class[HF_BUFFER_CLASSES - 1].n_free, 0);
        for (int i = 0; i < MANY; i++)
            hf_buffer_drop(&buffers, &buf[i]);
        assert_int_equal(buffers.class[HF_BUFFER_CLASSES - 1].n_free, RESERVE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_come_zeroed_and_are_used_again),
        cmocka_unit_test(the_limit_holds),
        cmocka_unit_test(a_buffer_grows_and_keeps_what_it_holds),
        cmocka_unit_test(room_is_made_by_moving_before_growing),
        cmocka_unit_test(what_does_not_fit_changes_nothing),
        cmocka_unit_test(all_buffers_have_one_bound),
        cmocka_unit_test(a_flood_of_large_buffers_leaves_a_reserve),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
