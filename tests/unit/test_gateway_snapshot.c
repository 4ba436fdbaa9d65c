#include "test.h"

#include <fcntl.h>
#include <pthread.h>

#include "gateway/snapshot.h"

#include "plan_sample.h"

static struct hf_board *keeper, *controller, *gateway;
static struct hf_plan_builder *builder;
static struct hf_snapshots *snapshots;

static struct hf_board *attach(enum hf_board_role role, uint32_t slot)
{
    struct hf_board_fds fds = hf_board_fds_for(keeper, role, slot);
    int *each = (int *)&fds;
    struct hf_board *b;

    for (size_t i = 0; i < sizeof(fds) / sizeof(int); i++) {
        if (each[i] >= 0)
            each[i] = fcntl(each[i], F_DUPFD_CLOEXEC, 3);
    }
    assert_int_equal(hf_board_attach(&sample_capacity, &fds, role, slot, &b, NULL), 0);
    return b;
}

static int setup(void **state)
{
    uint32_t slot;

    (void)state;
    assert_int_equal(hf_board_create(&sample_capacity, &keeper, NULL), 0);
    assert_int_equal(hf_board_claim(keeper, &slot), 0);
    controller = attach(HF_BOARD_CONTROLLER, 0);
    gateway = attach(HF_BOARD_GATEWAY, slot);
    builder = hf_plan_builder_new(&sample_capacity);
    snapshots = hf_snapshots_new(gateway);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    snapshots = hf_snapshots_free(snapshots);
    hf_plan_builder_free(builder);
    hf_board_free(gateway);
    hf_board_free(controller);
    hf_board_free(keeper);
    return 0;
}

static void there_is_none_before_the_first_plan(void **state)
{
    (void)state;
    assert_null(hf_snapshots_take(snapshots));
}

static void the_newest_one_is_taken_and_indexed(void **state)
{
    struct hf_plan *p = sample_plan(builder);
    struct hf_snapshot *s;

    (void)state;
    ((struct hf_plan_service *)hf_plan_services(p))[1].slot = 3;
    hf_board_publish(controller, p);
    s = hf_snapshots_take(snapshots);
    assert_non_null(s);
    assert_int_equal(s->generation, hf_board_generation(gateway));
    assert_int_equal(s->plan->n_services, 2);
    for (uint32_t slot = 0; slot < sample_capacity.endpoints; slot++) {
        int32_t at = s->endpoint_at[slot];
        if (at >= 0)
            assert_int_equal(hf_plan_endpoints(s->plan)[at].slot, slot);
    }
    assert_int_equal(s->endpoint_at[3], 2);
    assert_int_equal(s->endpoint_at[2], -1);
    assert_int_equal(s->service_at[3], 1);
    assert_int_equal(s->service_at[1], -1);
    assert_null(hf_snapshot_unref(s));
}

static void it_is_shared_until_the_next_plan(void **state)
{
    struct hf_snapshot *first, *again, *next;

    (void)state;
    hf_board_publish(controller, sample_plan(builder));
    first = hf_snapshots_take(snapshots);
    again = hf_snapshots_take(snapshots);
    assert_ptr_equal(first, again);
    hf_snapshot_unref(again);
    hf_board_publish(controller, sample_plan(builder));
    next = hf_snapshots_take(snapshots);
    assert_ptr_not_equal(next, first);
    assert_int_equal(next->generation, first->generation + 1);
    /* Who still holds the old one can still read it. */
    assert_int_equal(first->plan->n_endpoints, 3);
    hf_snapshot_unref(first);
    hf_snapshot_unref(next);
}

static void a_plan_that_is_not_valid_is_refused(void **state)
{
    struct hf_snapshot *before, *after;
    struct hf_plan *p;

    (void)state;
    hf_board_publish(controller, sample_plan(builder));
    before = hf_snapshots_take(snapshots);
    p = sample_plan(builder);
    ((struct hf_plan_endpoint *)hf_plan_endpoints(p))->weight = 0;
    hf_board_publish(controller, p);
    after = hf_snapshots_take(snapshots);
    assert_ptr_equal(after, before);
    hf_snapshot_unref(after);
    hf_board_publish(controller, sample_plan(builder));
    after = hf_snapshots_take(snapshots);
    assert_int_equal(after->generation, before->generation + 2);
    hf_snapshot_unref(before);
    hf_snapshot_unref(after);
}

static void the_plan_of_the_file_serves_until_one_is_published(void **state)
{
    struct hf_plan *p = sample_plan(builder);
    struct hf_snapshot *s;
    struct hf_error e;

    (void)state;
    hf_plan_seal(p, 99);
    assert_int_equal(hf_snapshots_load(snapshots, p, p->size - 1, &e), HF_ECORRUPT);
    assert_null(hf_snapshots_take(snapshots));
    assert_int_equal(hf_snapshots_load(snapshots, p, p->size, &e), 0);
    s = hf_snapshots_take(snapshots);
    assert_int_equal(s->generation, 0);
    hf_snapshot_unref(s);
    hf_board_publish(controller, sample_plan(builder));
    s = hf_snapshots_take(snapshots);
    assert_int_equal(s->generation, 1);
    hf_snapshot_unref(s);
    /* Too late: what was published stays. */
    hf_plan_seal(p, 99);
    assert_int_equal(hf_snapshots_load(snapshots, p, p->size, &e), 0);
    s = hf_snapshots_take(snapshots);
    assert_int_equal(s->generation, 1);
    hf_snapshot_unref(s);
}

enum { PLANS = 300 };
static _Atomic bool done;

static void *taker(void *arg)
{
    uint64_t last = 0;

    while (!atomic_load(&done)) {
        struct hf_snapshot *s = hf_snapshots_take(snapshots);
        if (s && (s->generation < last || s->plan->generation != s->generation))
            return arg;
        last = s ? s->generation : 0;
        hf_snapshot_unref(s);
    }
    return NULL;
}

static void workers_take_while_plans_are_published(void **state)
{
    pthread_t thread[3];

    (void)state;
    atomic_store(&done, false);
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, taker, snapshots), 0);
    for (int i = 0; i < PLANS; i++)
        hf_board_publish(controller, sample_plan(builder));
    atomic_store(&done, true);
    for (int i = 0; i < 3; i++) {
        void *wrong;
        pthread_join(thread[i], &wrong);
        assert_null(wrong);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(there_is_none_before_the_first_plan),
        TEST(the_newest_one_is_taken_and_indexed),
        TEST(it_is_shared_until_the_next_plan),
        TEST(a_plan_that_is_not_valid_is_refused),
        TEST(the_plan_of_the_file_serves_until_one_is_published),
        TEST(workers_take_while_plans_are_published),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
