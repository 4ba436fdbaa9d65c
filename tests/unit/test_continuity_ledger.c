#include "test.h"

#include <signal.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/wait.h>

#include "continuity/ledger.h"
#include "scratch.h"

static char folder[200], path[256];
static struct hf_loop *loop;
static struct hf_store *store;
static struct hf_ledger *ledger;
static struct hf_ledger_view view;
static int loaded;

static void open_store(void)
{
    assert_int_equal(hf_store_open("sqlite", folder, loop, &store, NULL), 0);
}

static void load(void)
{
    hf_ledger_view_done(&view);
    assert_int_equal(hf_ledger_load_wait(store, NULL, 0, INT64_MAX, &view, NULL), 0);
}

static void open_ledger(void)
{
    load();
    assert_int_equal(hf_ledger_open(store, "a", "boot-1", 1, &view, &ledger, NULL), 0);
}

static int set_up(void **state)
{
    (void)state;
    scratch_make(folder, sizeof(folder));
    snprintf(path, sizeof(path), "%s/holdfast.db", folder);
    if (hf_loop_new(&loop, NULL))
        return 1;
    open_store();
    open_ledger();
    return 0;
}

static void close_all(void)
{
    store = hf_store_free(store);
    ledger = hf_ledger_free(ledger);
}

static int tear_down(void **state)
{
    (void)state;
    close_all();
    hf_ledger_view_done(&view);
    loop = hf_loop_free(loop);
    scratch_remove(folder);
    return 0;
}

static void append(int64_t from)
{
    struct hf_interval i = {.service = "orders",
                            .state = HF_SECOND_DOWN,
                            .from = from,
                            .to = from + 10,
                            .requests = 5,
                            .failed = 5};

    hf_interval_blame(&i, NULL);
    assert_int_equal(hf_ledger_append(ledger, &i), 0);
}

static void turn_until_durable(void)
{
    struct hf_mono deadline = hf_mono_add(hf_mono_now(), hf_seconds(30));

    while (hf_ledger_pending(ledger) || hf_store_pending(store)) {
        assert_true(hf_mono_before(hf_mono_now(), deadline));
        hf_loop_turn(loop, hf_ms(100));
        hf_ledger_flush(ledger);
    }
}

static void execute(const char *sql)
{
    sqlite3 *raw;

    assert_int_equal(sqlite3_open(path, &raw), 0);
    sqlite3_busy_timeout(raw, 5000);
    assert_int_equal(sqlite3_exec(raw, sql, NULL, NULL, NULL), 0);
    sqlite3_close(raw);
}

static void records_are_read_back_in_order(void **state)
{
    (void)state;
    for (int i = 0; i < 1200; i++)
        append(1000 + i * 10);
    turn_until_durable();
    load();
    assert_int_equal(view.entries_n, 1200);
    assert_int_equal(view.streams_n, 1);
    assert_string_equal(view.streams[0].name, "ledger/a/boot-1");
    assert_int_equal(view.streams[0].broken.code, 0);
    assert_string_equal(view.streams[0].chain.hash, hf_ledger_chain(ledger)->hash);
    for (size_t i = 0; i < view.entries_n; i++)
        assert_int_equal(view.entries[i].interval.from, 1000 + (int64_t)i * 10);
    hf_ledger_view_done(&view);
    assert_int_equal(hf_ledger_load_wait(store, "a", 1015, 1030, &view, NULL), 0);
    assert_int_equal(view.entries_n, 2);
    hf_ledger_view_done(&view);
    assert_int_equal(hf_ledger_load_wait(store, "b", 0, INT64_MAX, &view, NULL), 0);
    assert_int_equal(view.streams_n, 0);
}

static void on_loaded(void *ctx, struct hf_ledger_view *v, const struct hf_error *e)
{
    assert_ptr_equal(ctx, &loaded);
    assert_null(e);
    hf_ledger_view_done(&view);
    view = *v;
    loaded++;
}

static void it_is_read_while_the_loop_goes_on(void **state)
{
    (void)state;
    loaded = 0;
    for (int i = 0; i < 600; i++)
        append(1000 + i * 10);
    assert_int_equal(hf_ledger_load(store, NULL, 0, INT64_MAX, on_loaded, &loaded), 0);
    while (!loaded)
        hf_loop_turn(loop, hf_seconds(1));
    assert_int_equal(view.entries_n, 600);
}

static void a_chain_goes_on_after_a_restart(void **state)
{
    (void)state;
    append(100);
    turn_until_durable();
    close_all();
    open_store();
    open_ledger();
    append(200);
    turn_until_durable();
    load();
    assert_int_equal(view.streams_n, 1);
    assert_int_equal(view.entries_n, 2);
    assert_int_equal(view.streams[0].broken.code, 0);
}

static void every_writer_has_its_own_chain(void **state)
{
    struct hf_ledger *other;

    (void)state;
    append(100);
    assert_int_equal(hf_ledger_open(store, "b", "boot-1", 1, &view, &other, NULL), 0);
    assert_string_equal(hf_ledger_stream(other), "ledger/b/boot-1");
    assert_string_not_equal(hf_ledger_chain(other)->hash, hf_ledger_chain(ledger)->hash);
    hf_ledger_free(other);
    assert_int_equal(hf_ledger_open(store, "b/c", "1", 1, &view, &other, NULL), HF_EINVAL);
    assert_int_equal(hf_ledger_open(store, "b", "", 1, &view, &other, NULL), HF_EINVAL);
}

/* One byte in the store changed behind its back. */
static void a_broken_chain_is_reported_and_left(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++)
        append(100 + i * 10);
    turn_until_durable();
    close_all();
    execute("UPDATE record SET body = cast(replace(cast(body AS TEXT), '\"failed\":5', "
            "'\"failed\":0') AS BLOB) WHERE sequence = 3");
    open_store();
    load();
    assert_int_equal(view.entries_n, 2); /* what stands before is good */
    assert_int_equal(view.streams[0].broken.code, HF_ECORRUPT);
    assert_non_null(strstr(view.streams[0].broken.text, "record 3 was changed"));
    open_ledger();
    assert_string_equal(hf_ledger_stream(ledger), "ledger/a/boot-1.2");
    append(300);
    turn_until_durable();
    load();
    assert_int_equal(view.streams_n, 2);
    assert_int_equal(view.streams[0].broken.code, HF_ECORRUPT); /* still, and for good */
    assert_int_equal(view.streams[1].broken.code, 0);
    assert_int_equal(view.streams[1].chain.sequence, 2); /* the first says what is broken */
    assert_int_equal(view.entries_n, 3);
}

static void missing_records_are_reported(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++)
        append(100 + i * 10);
    turn_until_durable();
    execute("DELETE FROM record WHERE sequence = 2");
    load();
    assert_non_null(strstr(view.streams[0].broken.text, "record 3 stands where 2 should"));
    execute("DELETE FROM record WHERE sequence > 1");
    load();
    assert_non_null(strstr(view.streams[0].broken.text, "records 2 to 5 are missing"));
    assert_int_equal(view.entries_n, 1);
}

static void a_correction_is_a_record_of_its_own(void **state)
{
    struct hf_ledger_correction c = {.stream = "ledger/a/boot-1",
                                     .sequence = 2,
                                     .cause = HF_CAUSE_HUMAN_ERROR,
                                     .event = "cable",
                                     .who = "ann",
                                     .why = "pulled",
                                     .at = {1}};

    (void)state;
    append(100);
    append(200);
    append(300);
    assert_int_equal(hf_ledger_correct(ledger, &c), 0);
    c.cause = HF_CAUSE_DEPENDENCY; /* a later one counts */
    c.planned = true;
    assert_int_equal(hf_ledger_correct(ledger, &c), 0);
    turn_until_durable();
    load();
    assert_int_equal(view.streams[0].chain.sequence, 5);
    assert_int_equal(view.entries_n, 3);
    assert_int_equal(view.entries[0].interval.cause, HF_CAUSE_UNKNOWN);
    assert_null(view.entries[0].who);
    assert_int_equal(view.entries[1].interval.cause, HF_CAUSE_DEPENDENCY);
    assert_true(view.entries[1].interval.planned);
    assert_string_equal(view.entries[1].interval.event, "cable");
    assert_string_equal(view.entries[1].who, "ann");
    assert_string_equal(view.entries[1].why, "pulled");
}

/* Another process holds the database for longer than the store waits. */
static void what_the_store_refuses_is_sent_again(void **state)
{
    sqlite3 *raw;

    (void)state;
    assert_int_equal(sqlite3_open(path, &raw), 0);
    assert_int_equal(sqlite3_exec(raw, "BEGIN IMMEDIATE", NULL, NULL, NULL), 0);
    append(100);
    append(200);
    append(300);
    while (!hf_ledger_error(ledger)->code)
        hf_loop_turn(loop, hf_ms(100));
    assert_int_equal(hf_ledger_error(ledger)->code, HF_EAGAIN);
    assert_int_equal(hf_ledger_pending(ledger), 3);
    append(400);
    assert_int_equal(sqlite3_exec(raw, "COMMIT", NULL, NULL, NULL), 0);
    sqlite3_close(raw);
    turn_until_durable();
    assert_int_equal(hf_ledger_error(ledger)->code, 0);
    load();
    assert_int_equal(view.entries_n, 4);
    assert_int_equal(view.streams[0].broken.code, 0);
}

#define REFUSE_200                                                                                 \
    "CREATE TRIGGER refuse BEFORE INSERT ON record WHEN instr(new.body, '\"from\":200,')"          \
    " BEGIN SELECT RAISE(ABORT, 'refused'); END"

/* The store may have taken the one behind it: then the chain would be torn. */
static void behind_a_refused_record_none_is_taken(void **state)
{
    (void)state;
    execute(REFUSE_200);
    append(100);
    append(200);
    append(300);
    while (!hf_ledger_error(ledger)->code)
        hf_loop_turn(loop, hf_ms(100));
    assert_non_null(strstr(hf_ledger_error(ledger)->text, "refused"));
    assert_int_equal(hf_ledger_pending(ledger), 2);
    execute("DROP TRIGGER refuse");
    turn_until_durable();
    load();
    assert_int_equal(view.entries_n, 3);
    assert_int_equal(view.streams[0].broken.code, 0);
}

static void waiting_sends_again_what_failed(void **state)
{
    struct hf_store_answer a;
    struct hf_error e;

    (void)state;
    execute(REFUSE_200);
    append(100);
    append(200);
    append(300);
    assert_int_equal(hf_ledger_flush_wait(ledger, &e), HF_EIO);
    assert_int_equal(
        hf_store_wait(store, &(struct hf_store_op){HF_STORE_LAST, .stream = "ledger/a/boot-1"}, &a),
        0);
    assert_int_equal(a.sequence, 1);
    execute("DROP TRIGGER refuse");
    assert_int_equal(hf_ledger_flush_wait(ledger, &e), 0);
    turn_until_durable(); /* the failures are answered now: nothing is sent a third time */
    assert_int_equal(hf_store_pending(store), 0);
    append(400);
    turn_until_durable();
    load();
    assert_int_equal(view.entries_n, 4);
    assert_int_equal(view.streams[0].broken.code, 0);
}

static void waiting_makes_all_of_it_durable(void **state)
{
    struct hf_error e;

    (void)state;
    for (int i = 0; i < 20; i++)
        append(100 + i * 10);
    assert_int_equal(hf_ledger_flush_wait(ledger, &e), 0);
    append(500);
    assert_int_equal(hf_ledger_flush_wait(ledger, &e), 0);
    load();
    assert_int_equal(view.entries_n, 21);
    turn_until_durable(); /* the answers on the loop find it so */
    append(600);
    turn_until_durable();
    load();
    assert_int_equal(view.entries_n, 22);
    assert_int_equal(view.streams[0].broken.code, 0);
}

static void append_until_killed(int fd)
{
    if (hf_loop_new(&loop, NULL))
        _exit(1);
    open_store();
    open_ledger();
    for (int64_t i = 0;; i++) {
        append(i * 10);
        turn_until_durable();
        if (write(fd, &i, sizeof(i)) != sizeof(i))
            _exit(1);
    }
}

static void a_kill_leaves_a_whole_chain(void **state)
{
    int64_t acknowledged = 0, n;
    int fds[2], status;
    pid_t pid;

    (void)state;
    close_all();
    assert_int_equal(pipe(fds), 0);
    pid = fork();
    if (pid == 0)
        append_until_killed(fds[1]);
    close(fds[1]);
    while (read(fds[0], &n, sizeof(n)) == sizeof(n)) {
        acknowledged = n + 1;
        if (n == 50)
            kill(pid, SIGKILL);
    }
    close(fds[0]);
    waitpid(pid, &status, 0);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    open_store();
    load();
    assert_int_equal(view.streams[0].broken.code, 0);
    assert_in_range(view.entries_n, acknowledged, acknowledged + 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(records_are_read_back_in_order),        TEST(it_is_read_while_the_loop_goes_on),
        TEST(a_chain_goes_on_after_a_restart),       TEST(every_writer_has_its_own_chain),
        TEST(a_broken_chain_is_reported_and_left),   TEST(missing_records_are_reported),
        TEST(a_correction_is_a_record_of_its_own),   TEST(what_the_store_refuses_is_sent_again),
        TEST(behind_a_refused_record_none_is_taken), TEST(waiting_sends_again_what_failed),
        TEST(waiting_makes_all_of_it_durable),       TEST(a_kill_leaves_a_whole_chain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
