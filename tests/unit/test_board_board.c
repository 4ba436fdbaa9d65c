#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "board/board.h"
#include "plan_sample.h"

/* The three ends of one board, as they are in three processes. */
static struct hf_board *keeper, *controller, *gateway;
static uint32_t slot;
static struct hf_plan_builder *builder;

/* attach takes the descriptors over, and the keeper keeps its own. */
static struct hf_board_fds inherited(enum hf_board_role role, uint32_t of)
{
    struct hf_board_fds fds = hf_board_fds_for(keeper, role, of);
    int *each = (int *)&fds;

    for (size_t i = 0; i < sizeof(fds) / sizeof(int); i++) {
        if (each[i] >= 0)
            each[i] = fcntl(each[i], F_DUPFD_CLOEXEC, 3);
    }
    return fds;
}

static struct hf_board *attach(enum hf_board_role role, uint32_t of)
{
    struct hf_board_fds fds = inherited(role, of);
    struct hf_board *b;

    assert_int_equal(hf_board_attach(&sample_capacity, &fds, role, of, &b, NULL), 0);
    return b;
}

static int setup(void **state)
{
    (void)state;
    assert_int_equal(hf_board_create(&sample_capacity, &keeper, NULL), 0);
    assert_int_equal(hf_board_claim(keeper, &slot), 0);
    controller = attach(HF_BOARD_CONTROLLER, 0);
    gateway = attach(HF_BOARD_GATEWAY, slot);
    builder = hf_plan_builder_new(&sample_capacity);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    hf_plan_builder_free(builder);
    hf_board_free(gateway);
    hf_board_free(controller);
    hf_board_free(keeper);
    return 0;
}

static struct hf_live_view live(void)
{
    return hf_board_live(gateway, slot);
}

static struct hf_live *live_file(uint32_t of)
{
    return hf_board_live(keeper, of).live;
}

static void acknowledge(uint64_t generation)
{
    struct hf_live_view v = live();

    for (uint32_t w = 0; w < v.capacity.workers; w++)
        atomic_store(&hf_live_worker(&v, w)->generation, generation);
}

/* --- plan --- */

static void a_plan_is_read_as_it_was_published(void **state)
{
    void *buf = hf_alloc(hf_plan_capacity(&sample_capacity));
    struct hf_plan *read = buf;
    struct hf_error e;

    (void)state;
    assert_int_equal(hf_board_read_plan(gateway, buf, &e), HF_ENOENT);
    assert_int_equal(hf_board_publish(controller, sample_plan(builder)), 1);
    assert_int_equal(hf_board_publish(controller, sample_plan(builder)), 2);
    assert_int_equal(hf_board_generation(gateway), 2);
    assert_int_equal(hf_board_read_plan(gateway, buf, &e), 0);
    assert_int_equal(read->generation, 2);
    assert_int_equal(read->n_endpoints, 3);
    hf_free(buf);
}

static void a_publication_rings(void **state)
{
    struct hf_board_fds fds = hf_board_fds_for(keeper, HF_BOARD_GATEWAY, slot);
    struct pollfd p = {.fd = fds.bell, .events = POLLIN};

    (void)state;
    assert_int_equal(poll(&p, 1, 0), 0);
    hf_board_publish(controller, sample_plan(builder));
    assert_int_equal(poll(&p, 1, 0), 1);
}

/* A plan that takes long enough to copy that a publication falls into it. */
static struct hf_plan *large_plan(struct hf_plan_builder *b, uint32_t endpoints)
{
    const struct hf_plan_gateway limits = {0};
    const struct hf_plan_service s = {.slot = 0};
    struct hf_plan *p;

    hf_plan_builder_begin(b, &limits);
    assert_int_equal(hf_plan_builder_service(b, &s), 0);
    for (uint32_t i = 0; i < endpoints; i++) {
        struct hf_plan_endpoint e = {.slot = i, .weight = 1, .address = {.family = HF_ADDR_IP4}};
        assert_int_equal(hf_plan_builder_endpoint(b, &e), i);
    }
    assert_int_equal(hf_plan_builder_finish(b, &p, NULL), 0);
    return p;
}

static void share_one_processor(void)
{
    cpu_set_t set;

    assert_int_equal(sched_getaffinity(0, sizeof(set), &set), 0);
    for (int i = 0, found = 0; i < CPU_SETSIZE; i++) {
        if (found)
            CPU_CLR(i, &set);
        found |= CPU_ISSET(i, &set) != 0;
    }
    assert_int_equal(sched_setaffinity(0, sizeof(set), &set), 0);
}

/* A process publishes as fast as it can; no read may ever see half of one and half of another. On
 * one processor a reader is often stopped in the middle of its copy. */
static void reads_are_whole_while_another_process_publishes(void **state)
{
    enum { CHANGES = 200 };
    const struct hf_board_capacity capacity = {1, 1, 1000, 1};
    struct hf_plan_builder *b = hf_plan_builder_new(&capacity);
    void *buf = hf_alloc(hf_plan_capacity(&capacity));
    struct hf_board *large, *reader, *writer;
    struct hf_board_fds fds;
    uint64_t last = 0;
    int status, changes = 0;
    uint32_t claimed;
    pid_t pid;

    (void)state;
    hf_board_free(gateway); /* those of the setup make way for larger ones */
    hf_board_free(controller);
    hf_board_free(keeper);
    assert_int_equal(hf_board_create(&capacity, &large, NULL), 0);
    assert_int_equal(hf_board_claim(large, &claimed), 0);
    keeper = large;
    fds = inherited(HF_BOARD_CONTROLLER, 0);
    assert_int_equal(hf_board_attach(&capacity, &fds, HF_BOARD_CONTROLLER, 0, &writer, NULL), 0);
    fds = inherited(HF_BOARD_GATEWAY, claimed);
    assert_int_equal(hf_board_attach(&capacity, &fds, HF_BOARD_GATEWAY, claimed, &reader, NULL), 0);
    controller = writer;
    gateway = reader;
    hf_board_publish(writer, large_plan(b, 1));
    share_one_processor();
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (uint32_t n = 2;; n++)
            hf_board_publish(writer, large_plan(b, 500 + n % 500));
    }
    while (changes < CHANGES) {
        struct hf_error e = {0};
        uint64_t generation;
        if (hf_board_read_plan(reader, buf, &e))
            fail_msg("after %d changes: %s", changes, e.text);
        generation = ((struct hf_plan *)buf)->generation;
        assert_true(generation >= last);
        changes += generation != last;
        last = generation;
    }
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    /* It was killed anywhere; what is current is whole. */
    assert_int_equal(hf_board_read_plan(reader, buf, NULL), 0);
    hf_free(buf);
    hf_plan_builder_free(b);
}

static void a_damaged_plan_is_refused(void **state)
{
    void *buf = hf_alloc(hf_plan_capacity(&sample_capacity));
    struct hf_board_fds fds = hf_board_fds_for(keeper, HF_BOARD_CONTROLLER, 0);
    char byte;
    struct hf_error e;

    (void)state;
    hf_board_publish(controller, sample_plan(builder));
    hf_board_publish(controller, sample_plan(builder)); /* in image 0, behind the 64-byte header */
    assert_int_equal(pread(fds.plan, &byte, 1, 64 + 200), 1);
    byte ^= 1;
    assert_int_equal(pwrite(fds.plan, &byte, 1, 64 + 200), 1);
    assert_int_equal(hf_board_read_plan(gateway, buf, &e), HF_ECORRUPT);
    hf_free(buf);
}

/* --- who may what --- */

static void a_gateway_cannot_write_the_plan(void **state)
{
    struct hf_board_fds fds = hf_board_fds_for(keeper, HF_BOARD_GATEWAY, slot);

    (void)state;
    assert_int_equal(fds.plan, -1);
    assert_int_equal(fds.slots, -1);
    assert_int_equal(fds.slots_read_only, -1);
    for (uint32_t i = 0; i < HF_BOARD_SLOTS; i++)
        assert_true((fds.live[i] >= 0) == (i == slot));
    assert_ptr_equal(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fds.plan_read_only, 0),
                     MAP_FAILED);
    assert_int_equal(write(fds.plan_read_only, "x", 1), -1);
    assert_int_equal(ftruncate(fds.live[slot], 0), -1);
}

static void a_controller_cannot_write_what_gateways_say(void **state)
{
    struct hf_board_fds fds = hf_board_fds_for(keeper, HF_BOARD_CONTROLLER, 0);

    (void)state;
    assert_int_equal(fds.slots, -1);
    assert_int_equal(write(fds.slots_read_only, "x", 1), -1);
    for (uint32_t i = 0; i < HF_BOARD_SLOTS; i++) {
        assert_int_equal(fds.live[i], -1);
        assert_int_equal(write(fds.live_read_only[i], "x", 1), -1);
    }
    assert_int_equal(ftruncate(fds.plan, 0), -1);
}

static void a_file_that_is_too_small_is_not_attached_to(void **state)
{
    struct hf_board_fds fds = inherited(HF_BOARD_GATEWAY, slot);
    struct hf_board_capacity more = sample_capacity;
    struct hf_board *b = NULL;

    (void)state;
    more.workers = HF_BOARD_WORKERS_MAX;
    assert_int_equal(hf_board_attach(&more, &fds, HF_BOARD_GATEWAY, slot, &b, NULL), HF_ELIMIT);
    assert_null(b);
}

/* --- slots --- */

static void slots_are_claimed_once_and_run_out(void **state)
{
    bool seen[HF_BOARD_SLOTS] = {0};
    uint32_t next;

    (void)state;
    seen[slot] = true;
    for (int i = 1; i < HF_BOARD_SLOTS; i++) {
        assert_int_equal(hf_board_claim(keeper, &next), 0);
        assert_false(seen[next]);
        seen[next] = true;
        hf_board_claim_pid(keeper, next, 1000 + i);
        assert_int_equal(atomic_load(&hf_board_slot(controller, next)->pid), 1000 + i);
        assert_int_equal(atomic_load(&hf_board_slot(controller, next)->claim), i + 1);
    }
    assert_int_equal(hf_board_claim(keeper, &next), HF_ELIMIT);
    hf_board_release(keeper, 7);
    assert_int_equal(hf_board_claim(keeper, &next), 0);
    assert_int_equal(next, 7);
    assert_int_equal(atomic_load(&hf_board_slot(controller, 7)->pid), 0);
}

static void figures_outlive_their_gateway_until_the_next_claim(void **state)
{
    struct hf_live_view v = live();
    uint32_t next;

    (void)state;
    atomic_store(&hf_live_worker(&v, 1)->requests, 42);
    hf_board_release(keeper, slot);
    v = hf_board_live(controller, slot);
    assert_int_equal(hf_count_get(&hf_live_worker(&v, 1)->requests), 42);
    for (int i = 0; i < HF_BOARD_SLOTS; i++) { /* all others come first */
        assert_int_equal(hf_board_claim(keeper, &next), 0);
        assert_true((next == slot) == (i == HF_BOARD_SLOTS - 1));
    }
    assert_int_equal(hf_count_get(&hf_live_worker(&v, 1)->requests), 0);
    assert_int_equal(hf_board_live(controller, slot).capacity.workers, 0);
    hf_live_init(live_file(slot), &sample_capacity);
    assert_int_equal(hf_board_live(controller, slot).capacity.workers, sample_capacity.workers);
}

/* --- drain --- */

static void drained_needs_acknowledgement_of_every_worker(void **state)
{
    uint64_t generation = hf_board_publish(controller, sample_plan(builder));
    struct hf_live_view v = live();

    (void)state;
    assert_false(hf_board_drained(controller, generation, 0, NULL));
    atomic_store(&hf_live_worker(&v, 0)->generation, generation);
    assert_false(hf_board_acknowledged(controller, generation));
    atomic_store(&hf_live_worker(&v, 1)->generation, generation + 1);
    assert_true(hf_board_acknowledged(controller, generation));
    assert_true(hf_board_drained(controller, generation, 0, NULL));
    assert_false(hf_board_drained(controller, generation + 1, 0, NULL));
}

static void drained_needs_nothing_in_flight_at_any_worker(void **state)
{
    uint64_t generation = hf_board_publish(controller, sample_plan(builder));
    struct hf_live_view v = live();
    uint32_t in_flight;

    (void)state;
    acknowledge(generation);
    atomic_store(&hf_live_endpoints(&v, 0)[3].in_flight, 2);
    atomic_store(&hf_live_endpoints(&v, 1)[3].in_flight, 3);
    assert_false(hf_board_drained(controller, generation, 3, &in_flight));
    assert_int_equal(in_flight, 5);
    assert_true(hf_board_drained(controller, generation, 2, &in_flight));
    assert_int_equal(in_flight, 0);
    atomic_store(&hf_live_endpoints(&v, 0)[3].in_flight, 0);
    assert_false(hf_board_drained(controller, generation, 3, NULL));
    atomic_store(&hf_live_endpoints(&v, 1)[3].in_flight, 0);
    assert_true(hf_board_drained(controller, generation, 3, NULL));
}

static void a_claimed_slot_withholds_until_it_is_released(void **state)
{
    uint64_t generation = hf_board_publish(controller, sample_plan(builder));
    uint32_t second;

    (void)state;
    acknowledge(generation);
    assert_true(hf_board_drained(controller, generation, 0, NULL));
    assert_int_equal(hf_board_claim(keeper, &second), 0); /* before the fork: it says nothing yet */
    assert_false(hf_board_drained(controller, generation, 0, NULL));
    hf_board_release(keeper, second);
    assert_true(hf_board_drained(controller, generation, 0, NULL));
}

/* --- sums --- */

static void endpoint_sums_cover_the_dead_but_not_their_in_flight(void **state)
{
    struct hf_live_view v = live();
    struct hf_endpoint_sum sum;
    struct hf_board *other;
    uint32_t second;

    (void)state;
    assert_int_equal(hf_board_claim(keeper, &second), 0);
    other = attach(HF_BOARD_GATEWAY, second);
    for (int i = 0; i < 2; i++) {
        struct hf_live_view views[] = {v, hf_board_live(other, second)};
        struct hf_live_endpoint *ep = &hf_live_endpoints(&views[i], 1)[4];
        atomic_store(&ep->incarnation, 9);
        atomic_store(&ep->in_flight, 3);
        hf_count_add(&ep->attempts, 10);
        hf_count_add(&ep->failures, 2);
        hf_count_add(&ep->status_5xx, 1);
    }
    hf_board_release(keeper, second);
    hf_board_sum_endpoint(controller, 4, 9, &sum);
    assert_int_equal(sum.attempts, 20);
    assert_int_equal(sum.failures, 4);
    assert_int_equal(sum.status_5xx, 2);
    assert_int_equal(sum.in_flight, 3);
    hf_board_sum_endpoint(controller, 4, 8, &sum); /* whoever had the slot before */
    assert_int_equal(sum.attempts, 0);
    hf_board_free(other);
}

static void seconds_of_a_dead_gateway_are_lost_where_they_did_not_end(void **state)
{
    const int64_t t = 1795456800;
    struct hf_live_view v = live();
    struct hf_live_service *s = hf_live_service(&v, 0, 2);
    struct hf_second_sum sum;

    (void)state;
    atomic_store(&s->incarnation, 5);
    for (int i = 0; i < 4; i++)
        hf_second_arrived(s, t);
    hf_second_ended(s, t, HF_OUTCOME_OK);
    hf_second_ended(s, t, HF_OUTCOME_FAILED);
    hf_board_sum_second(controller, 2, 5, t, &sum);
    assert_int_equal(sum.arrived, 4);
    assert_int_equal(sum.ok, 1);
    assert_int_equal(sum.failed, 1);
    assert_int_equal(sum.lost, 0); /* it lives: they are under way */
    hf_board_release(keeper, slot);
    hf_board_sum_second(controller, 2, 5, t, &sum);
    assert_int_equal(sum.lost, 2);
    hf_board_sum_second(controller, 2, 5, t - HF_SECONDS_RING, &sum);
    assert_int_equal(sum.arrived, 0);
    hf_board_sum_second(controller, 2, 6, t, &sum);
    assert_int_equal(sum.arrived, 0);
}

static void service_sums_add_workers(void **state)
{
    struct hf_live_view v = live();
    struct hf_service_sum sum;

    (void)state;
    for (uint32_t w = 0; w < 2; w++) {
        struct hf_live_service *s = hf_live_service(&v, w, 1);
        atomic_store(&s->incarnation, 5);
        atomic_store(&s->held, 2);
        hf_count_add(&s->requests, 100);
        hf_count_add(&s->status[5], 3);
        hf_count_add(&s->bytes_out, 1000);
        hf_count_add(&s->answered, 7);
        hf_count_add(&s->client_gone, 8);
        hf_count_add(&s->tunnels_opened, 9);
        hf_count_add(&s->latency_us[0], 10);
        hf_count_add(&s->latency_us[1], 11);
        atomic_store(&s->tunnels, 3);
    }
    hf_board_sum_service(controller, 1, 5, &sum);
    assert_int_equal(sum.requests, 200);
    assert_int_equal(sum.status[5], 6);
    assert_int_equal(sum.bytes_out, 2000);
    assert_int_equal(sum.held, 4);
    assert_int_equal(sum.tunnels, 6);
    assert_int_equal(sum.answered, 14);
    assert_int_equal(sum.client_gone, 16);
    assert_int_equal(sum.tunnels_opened, 18);
    assert_int_equal(sum.latency_us[0], 20);
    assert_int_equal(sum.latency_us[1], 22);
    hf_board_release(keeper, slot);
    hf_board_sum_service(controller, 1, 5, &sum);
    assert_int_equal(sum.requests, 200);
    assert_int_equal(sum.tunnels_opened, 18);
    assert_int_equal(sum.held, 0);
    assert_int_equal(sum.tunnels, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_plan_is_read_as_it_was_published),
        TEST(a_publication_rings),
        TEST(reads_are_whole_while_another_process_publishes),
        TEST(a_damaged_plan_is_refused),
        TEST(a_gateway_cannot_write_the_plan),
        TEST(a_controller_cannot_write_what_gateways_say),
        TEST(a_file_that_is_too_small_is_not_attached_to),
        TEST(slots_are_claimed_once_and_run_out),
        TEST(figures_outlive_their_gateway_until_the_next_claim),
        TEST(drained_needs_acknowledgement_of_every_worker),
        TEST(drained_needs_nothing_in_flight_at_any_worker),
        TEST(a_claimed_slot_withholds_until_it_is_released),
        TEST(endpoint_sums_cover_the_dead_but_not_their_in_flight),
        TEST(seconds_of_a_dead_gateway_are_lost_where_they_did_not_end),
        TEST(service_sums_add_workers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
