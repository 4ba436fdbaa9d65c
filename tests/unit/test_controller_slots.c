#include "test.h"

#include <string.h>

#include "controller/slots.h"

enum { SLOTS = 3 };
static struct hf_slot_table table;

static int setup(void **state)
{
    (void)state;
    hf_slot_table_init(&table, SLOTS);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    hf_slot_table_done(&table);
    return 0;
}

static uint32_t get(const char *owner, uint16_t port)
{
    uint32_t slot = SLOTS;

    assert_int_equal(hf_slot_table_get(&table, owner, port, &slot), 0);
    assert_true(slot < SLOTS);
    return slot;
}

/* A plan with these owners, published as that generation. */
static void plan(uint64_t generation, const char *a, const char *b)
{
    hf_slot_table_unmark(&table);
    if (a)
        get(a, 1);
    if (b)
        get(b, 1);
    hf_slot_table_sweep(&table, generation);
}

static uint32_t asked[SLOTS];
static uint64_t asked_generation;
static bool answer;

static bool gone(void *ctx, uint32_t slot, const struct hf_slot_entry *e)
{
    assert_ptr_equal(ctx, asked);
    asked[slot]++;
    asked_generation = e->generation;
    return answer;
}

static void reap(bool say)
{
    memset(asked, 0, sizeof(asked));
    answer = say;
    hf_slot_table_reap(&table, gone, asked);
}

static void an_owner_keeps_its_slot(void **state)
{
    uint32_t a = get("a", 1), b = get("b", 1);

    (void)state;
    assert_int_not_equal(a, b);
    assert_int_equal(get("a", 1), a);
    plan(1, "b", "a");
    assert_int_equal(get("b", 1), b);
    assert_int_not_equal(table.entry[a].incarnation, 0);
    assert_int_not_equal(table.entry[a].incarnation, table.entry[b].incarnation);
}

static void another_port_is_another_owner(void **state)
{
    (void)state;
    assert_int_not_equal(get("a", 1), get("a", 2));
}

static void a_slot_is_given_away_only_when_it_is_known_to_be_gone(void **state)
{
    uint32_t a = get("a", 1), incarnation = table.entry[a].incarnation, slot = 99;

    (void)state;
    plan(7, "b", "c");
    assert_int_equal(hf_slot_table_get(&table, "d", 1, &slot), HF_ELIMIT);
    assert_int_equal(slot, 99);
    reap(false);
    assert_int_equal(asked[a], 1);
    assert_int_equal(asked[0] + asked[1] + asked[2], 1); /* only what is leaving is asked for */
    assert_int_equal(asked_generation, 7);
    assert_int_equal(hf_slot_table_get(&table, "d", 1, &slot), HF_ELIMIT);
    reap(true);
    assert_int_equal(get("d", 1), a);
    assert_int_not_equal(table.entry[a].incarnation, incarnation);
}

/* It may still have requests in flight by the old plan: it is a new owner in a new slot. */
static void who_comes_back_gets_another_slot(void **state)
{
    uint32_t a = get("a", 1);

    (void)state;
    plan(7, "b", NULL);
    assert_int_not_equal(get("a", 1), a);
}

static void a_later_plan_does_not_move_the_generation_of_a_leaving_one(void **state)
{
    (void)state;
    get("a", 1);
    plan(7, "b", NULL);
    plan(8, "b", NULL);
    reap(false);
    assert_int_equal(asked_generation, 7);
}

static void what_a_controller_before_gave_is_taken_over(void **state)
{
    (void)state;
    hf_slot_table_restore(&table, 2, 4711, "a", 80, true);
    hf_slot_table_restore(&table, SLOTS, 1, "b", 80, true); /* a board that was larger */
    assert_int_equal(get("a", 80), 2);
    assert_int_equal(table.entry[2].incarnation, 4711);
    assert_true(table.entry[2].was_ready);
    assert_int_equal(get("b", 80), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(an_owner_keeps_its_slot),
        TEST(another_port_is_another_owner),
        TEST(a_slot_is_given_away_only_when_it_is_known_to_be_gone),
        TEST(who_comes_back_gets_another_slot),
        TEST(a_later_plan_does_not_move_the_generation_of_a_leaving_one),
        TEST(what_a_controller_before_gave_is_taken_over),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
