#include "test.h"

#include <sqlite3.h>
#include <string.h>

#include "base/random.h"
#include "continuity/account.h"
#include "continuity/report.h"
#include "scratch.h"

enum { START = 1800000000, SECONDS = 40000 }; /* 2027-01-15T08:00:00Z */

static char folder[200], warned[1000];
static struct hf_loop *loop;
static struct hf_store *store;
static struct hf_account *account;
static struct hf_account_config config;
static int64_t now;

/* The imagined board: what each second of each service holds. */
static struct hf_second seconds[2][SECONDS];
static const char *const names[] = {"orders", "carts"};

static void read_second(void *ctx, const char *service, int64_t second, struct hf_second *ret)
{
    (void)ctx;
    assert_in_range(second, now - 600, now);
    assert_true(second >= hf_wall_seconds(config.board_since));
    *ret = seconds[strcmp(service, "orders") != 0][second - START];
}

static void on_warning(void *ctx, const char *text)
{
    (void)ctx;
    snprintf(warned, sizeof(warned), "%s", text);
}

static struct hf_wall wall(int64_t second)
{
    return (struct hf_wall){second * HF_NS_PER_S + 123};
}

static void settle(void)
{
    struct hf_mono deadline = hf_mono_add(hf_mono_now(), hf_seconds(30));

    while (hf_store_pending(store)) {
        assert_true(hf_mono_before(hf_mono_now(), deadline));
        hf_loop_turn(loop, hf_ms(100));
    }
}

static void start(void)
{
    struct hf_error e;

    assert_int_equal(hf_store_open("sqlite", folder, loop, &store, NULL), 0);
    config.store = store;
    config.now = wall(now);
    if (hf_account_open(&config, &account, &e))
        fail_msg("%s", e.text);
    assert_int_equal(hf_account_services(account, names, 2, wall(now)), 0);
}

/* As if killed: what was not durable by now would be lost. */
static void end(void)
{
    store = hf_store_free(store);
    account = hf_account_free(account);
}

static int set_up(void **state)
{
    (void)state;
    now = START;
    warned[0] = 0;
    memset(seconds, 0, sizeof(seconds));
    config = (struct hf_account_config){.node = "a",
                                        .boot = "boot-1",
                                        .term = 1,
                                        .board_since = wall(START),
                                        .read = read_second,
                                        .warn = on_warning};
    scratch_make(folder, sizeof(folder));
    if (hf_loop_new(&loop, NULL))
        return 1;
    start();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    end();
    loop = hf_loop_free(loop);
    scratch_remove(folder);
    return 0;
}

static void fill(int64_t from, int64_t to, struct hf_second s)
{
    for (int which = 0; which < 2; which++) {
        for (int64_t t = from; t < to; t++)
            seconds[which][t] = s;
    }
}

static const struct hf_second good = {.counts = {10, 10, 0, 0}};
static const struct hf_second bad = {.counts = {10, 2, 8, 0}};

static void tick_to(int64_t offset)
{
    while (now < START + offset) {
        now++;
        hf_account_tick(account, wall(now));
        if (now % 8 == 0 || START + offset - now < 3) /* not always: an fsync takes its time */
            settle();
        else
            hf_loop_turn(loop, hf_ms(0));
    }
}

/* All that is booked of a service, from the ledger and what is open, as one letter a second. */
static char booked[SECONDS + 1];
static uint64_t booked_requests;
static struct hf_interval last_down;

static void put_interval(const struct hf_interval *i)
{
    for (int64_t t = i->from; t < i->to; t++) {
        assert_int_equal(booked[t - START], '.'); /* once */
        booked[t - START] = "?+~-"[i->state];
    }
    booked_requests += i->requests;
    if (i->state == HF_SECOND_DOWN)
        last_down = *i;
}

static const char *read_booked(const char *service)
{
    struct hf_interval open[2];
    struct hf_ledger_view view;
    size_t n;

    memset(booked, '.', SECONDS);
    booked_requests = 0;
    assert_int_equal(hf_ledger_load_wait(store, NULL, 0, INT64_MAX, &view, NULL), 0);
    for (size_t i = 0; i < view.streams_n; i++)
        assert_int_equal(view.streams[i].broken.code, 0);
    for (size_t i = 0; i < view.entries_n; i++) {
        if (strcmp(view.entries[i].interval.service, service) == 0)
            put_interval(&view.entries[i].interval);
    }
    hf_ledger_view_done(&view);
    n = hf_account_open_intervals(account, open, 2);
    for (size_t i = 0; i < n; i++) {
        if (strcmp(open[i].service, service) == 0)
            put_interval(&open[i]);
    }
    for (n = SECONDS; n > 0 && booked[n - 1] == '.'; n--)
        booked[n - 1] = 0;
    return booked;
}

static void seconds_are_booked_once_and_in_order(void **state)
{
    (void)state;
    fill(0, 100, good);
    seconds[0][20] = seconds[0][21] = bad;
    seconds[0][30] = (struct hf_second){.counts = {10, 9, 1, 0}};
    tick_to(41);
    assert_string_equal(read_booked("orders"), "++++++++++++++++++++--++++++++~+++++++++");
    assert_int_equal(booked_requests, 400);
    assert_string_equal(read_booked("carts"), "++++++++++++++++++++++++++++++++++++++++");
    hf_account_tick(account, wall(now - 20)); /* the wall clock went back */
    hf_account_tick(account, wall(now));
    assert_int_equal(strlen(read_booked("orders")), 40);
}

static void a_second_waits_for_its_requests(void **state)
{
    (void)state;
    fill(0, 2000, good);
    seconds[0][10].counts.ok = 9; /* one is under way */
    tick_to(300);
    assert_int_equal(strlen(read_booked("orders")), 10);
    seconds[0][10].counts.failed = 1;
    tick_to(301);
    assert_int_equal(strlen(read_booked("orders")), 300);
    assert_int_equal(booked[10], '~');
    seconds[0][400].counts.ok = 9;
    tick_to(400 + HF_ACCOUNT_PROVISIONAL - 1);
    assert_int_equal(strlen(read_booked("orders")), 400);
    tick_to(400 + HF_ACCOUNT_PROVISIONAL); /* for ever is too long */
    assert_int_equal(strlen(read_booked("orders")), 400 + HF_ACCOUNT_PROVISIONAL - 1);
}

static void quiet_seconds_wait_for_the_probe(void **state)
{
    (void)state;
    tick_to(4);
    assert_string_equal(read_booked("orders"), "");
    for (int t = 0; t < 10; t++)
        hf_account_probed(account, "orders", START + t, t != 7);
    hf_account_probed(account, "nobody", START, true);
    tick_to(12);
    assert_string_equal(read_booked("orders"), "+++++++-++");
    tick_to(20);
    assert_string_equal(read_booked("orders"), "+++++++-++?????");
    assert_string_equal(read_booked("carts"), "???????????????");
}

static void a_missing_record_is_waited_for(void **state)
{
    (void)state;
    fill(0, 100, good);
    seconds[0][5].missing = true;
    tick_to(8);
    assert_string_equal(read_booked("orders"), "+++++");
    seconds[0][5].missing = false; /* it came late */
    seconds[0][6].missing = true;
    tick_to(30);
    assert_string_equal(read_booked("orders"), "++++++?++++++++++++++++++++++");
}

static void a_killed_controller_goes_on(void **state)
{
    (void)state;
    fill(0, 3000, good);
    fill(50, 60, bad);
    tick_to(100);
    end();
    now += 30; /* the board remembers */
    start();
    tick_to(200);
    assert_int_equal(strlen(read_booked("orders")), 199);
    assert_int_equal(strspn(booked, "+"), 50);
    assert_int_equal(strspn(booked + 60, "+"), 139);
    assert_int_equal(booked_requests, 1990);
    end();
    now += 1000; /* for that long it does not */
    start();
    tick_to(1300);
    assert_int_equal(strlen(read_booked("orders")), 1299);
    assert_int_equal(strspn(booked + 60, "+"), 139);
    assert_null(memchr(booked, '?', 199));
    assert_int_equal(strspn(booked + 199, "?"), 1201 - 599 - 199); /* the first tick's window */
    assert_string_equal(warned, "");
}

static void probes_outlive_the_controller(void **state)
{
    (void)state;
    fill(0, 100, good);
    seconds[0][2].counts.ok = 9; /* holds up the booking */
    fill(5, 50, (struct hf_second){.missing = false});
    for (int t = 5; t < 20; t++)
        hf_account_probed(account, "orders", START + t, true);
    tick_to(20);
    tick_to(21); /* kept as of the tick before */
    end();
    start();
    seconds[0][2].counts.ok = 10;
    tick_to(40);
    assert_int_equal(strspn(read_booked("orders"), "+"), 20);
}

static void a_new_board_knows_nothing_of_before(void **state)
{
    (void)state;
    fill(0, 3000, good);
    tick_to(100);
    end();
    now += 50;
    config.board_since = wall(now);
    config.no_gateway_from = wall(START + 120);
    config.no_gateway_to = wall(START + 140);
    start();
    tick_to(160);
    assert_int_equal(strspn(read_booked("orders"), "+"), 99);
    assert_int_equal(strspn(booked + 99, "?"), 21);
    assert_int_equal(strspn(booked + 120, "-"), 20);
    assert_int_equal(strspn(booked + 140, "?"), 10);
    assert_int_equal(strspn(booked + 150, "+"), 9);
    assert_int_equal(last_down.cause, HF_CAUSE_INFRASTRUCTURE_DOWN);
    assert_false(last_down.planned);
}

static void a_clean_stop_is_planned_downtime(void **state)
{
    struct hf_error e;

    (void)state;
    fill(0, 300, good);
    tick_to(100);
    now++;
    hf_account_tick(account, wall(now)); /* its put is in flight */
    assert_int_equal(hf_account_stop(account, wall(now), &e), 0);
    hf_account_tick(account, wall(now + 5));
    end();
    now += 99;
    config.board_since = wall(now);
    start();
    tick_to(250);
    assert_int_equal(strspn(read_booked("orders"), "+"), 101);
    assert_int_equal(strspn(booked + 101, "-"), 99);
    assert_int_equal(strspn(booked + 200, "+"), 49);
    assert_string_equal(last_down.event, "stop");
    assert_true(last_down.planned);
    end(); /* the next end was not clean */
    now += 10;
    config.board_since = wall(now);
    start();
    tick_to(270);
    assert_int_equal(strspn(read_booked("orders") + 249, "?"), 11);
}

static void events_own_what_goes_wrong_in_them(void **state)
{
    struct hf_claim claim = {.event = "release orders 2",
                             .service = "orders",
                             .cause = HF_CAUSE_RELEASE,
                             .planned = true,
                             .from = START + 10,
                             .to = INT64_MAX};

    (void)state;
    fill(0, 100, good);
    fill(12, 14, bad);
    tick_to(10);
    assert_int_equal(hf_account_claim(account, &claim), 0);
    tick_to(13);
    end(); /* the claim is kept */
    start();
    tick_to(20);
    read_booked("orders");
    assert_int_equal(last_down.to - last_down.from, 2);
    assert_string_equal(last_down.event, claim.event);
    assert_int_equal(last_down.cause, HF_CAUSE_RELEASE);
    assert_int_equal(last_down.failed, 16);
    read_booked("carts");
    assert_int_equal(last_down.cause, HF_CAUSE_UNKNOWN);
    hf_account_claim_end(account, claim.event, START + 15);
    fill(20, 30, bad);
    tick_to(40);
    read_booked("orders");
    assert_int_equal(last_down.from, START + 20);
    assert_int_equal(last_down.cause, HF_CAUSE_UNKNOWN);
}

static void services_come_and_go(void **state)
{
    static const char *const carts_only[] = {"carts"};

    (void)state;
    fill(0, 200, good);
    tick_to(50);
    assert_int_equal(hf_account_services(account, carts_only, 1, wall(now)), 0);
    tick_to(100);
    assert_int_equal(strlen(read_booked("orders")), 50);
    assert_int_equal(strlen(read_booked("carts")), 99);
    assert_int_equal(hf_account_services(account, names, 2, wall(now)), 0);
    tick_to(120);
    assert_int_equal(strspn(read_booked("orders") + 50, "."), 50);
    assert_int_equal(strspn(booked + 100, "+"), 19);
}

static void a_cut_chain_is_told(void **state)
{
    char path[256];
    sqlite3 *raw;

    (void)state;
    fill(0, 200, good);
    seconds[0][10] = seconds[0][20] = bad;
    tick_to(30);
    end();
    snprintf(path, sizeof(path), "%s/holdfast.db", folder);
    assert_int_equal(sqlite3_open(path, &raw), 0);
    assert_int_equal(sqlite3_exec(raw,
                                  "DELETE FROM record WHERE sequence = 4;"
                                  "UPDATE stream SET last = 3",
                                  NULL, NULL, NULL),
                     0);
    sqlite3_close(raw);
    start();
    assert_non_null(strstr(warned, "was cut: it ends at record 3, not 4"));
}

static void a_state_that_cannot_be_read_is_not_overwritten(void **state)
{
    struct hf_store_answer a;
    struct hf_account *other;
    struct hf_error e;

    (void)state;
    tick_to(3);
    assert_int_equal(
        hf_store_wait(store, &(struct hf_store_op){HF_STORE_GET, .kind = "continuity", .key = "a"},
                      &a),
        0);
    assert_int_equal(hf_store_wait(store,
                                   &(struct hf_store_op){HF_STORE_PUT, .kind = "continuity",
                                                         .key = "a", .revision = a.docs[0].revision,
                                                         .term = 1, .value = HF_STR("{]")},
                                   &(struct hf_store_answer){0}),
                     0);
    hf_store_answer_done(&a);
    assert_int_equal(hf_account_open(&config, &other, &e), HF_ECORRUPT);
    assert_non_null(strstr(e.text, "accountant's state"));
}

/* Random outcomes, delays, probes, kills and stops: every second is booked exactly once, as its
 * last reading says, wherever the board still had it. */
static void every_second_is_booked_exactly_once(void **state)
{
    struct hf_random r;
    struct hf_error e;
    int64_t unseen_until = 0;
    static char blind[SECONDS];

    (void)state;
    hf_random_seed(&r, 11);
    memset(blind, 0, sizeof(blind));
    for (int t = 0; t < 1500; t++) {
        for (int which = 0; which < 2; which++) {
            struct hf_second *s = &seconds[which][t];
            uint32_t failed = hf_random_below(&r, 30) ? 0 : hf_random_below(&r, 11);
            s->counts = (struct hf_second_counts){10, 10 - failed, failed, 0};
        }
    }
    while (now < START + 1000) {
        uint32_t what = hf_random_below(&r, 20);
        tick_to(now - START + 1);
        if (what > 1)
            continue;
        if (what == 0) {
            assert_int_equal(hf_account_stop(account, wall(now), &e), 0);
            unseen_until = now;
        }
        end();
        now += hf_random_below(&r, 20);
        for (; what == 0 && unseen_until < now; unseen_until++)
            blind[unseen_until - START] = 1;
        start();
    }
    for (int which = 0; which < 2; which++) {
        size_t n = strlen(read_booked(names[which]));
        assert_in_range(n, 990, 1020);
        for (size_t t = 0; t < n; t++) {
            enum hf_second_state expected =
                blind[t] ? HF_SECOND_DOWN : hf_second_classify(&seconds[which][t]);
            if (booked[t] != "?+~-"[expected])
                fail_msg("%s second %zu: %c, expected %c", names[which], t, booked[t],
                         "?+~-"[expected]);
        }
    }
    assert_string_equal(warned, "");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(seconds_are_booked_once_and_in_order),
        TEST(a_second_waits_for_its_requests),
        TEST(quiet_seconds_wait_for_the_probe),
        TEST(a_missing_record_is_waited_for),
        TEST(a_killed_controller_goes_on),
        TEST(probes_outlive_the_controller),
        TEST(a_new_board_knows_nothing_of_before),
        TEST(a_clean_stop_is_planned_downtime),
        TEST(events_own_what_goes_wrong_in_them),
        TEST(services_come_and_go),
        TEST(a_cut_chain_is_told),
        TEST(a_state_that_cannot_be_read_is_not_overwritten),
        TEST(every_second_is_booked_exactly_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
