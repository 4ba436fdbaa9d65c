#include "test.h"

#include <signal.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "scratch.h"
#include "store/store.h"

static char folder[200];
static struct hf_loop *loop;
static struct hf_store *store;
static int answers, codes[HF_STORE_QUEUE_MAX];
static uint64_t last_sequence;

static int set_up(void **state)
{
    (void)state;
    answers = 0;
    last_sequence = 0;
    scratch_make(folder, sizeof(folder));
    if (hf_loop_new(&loop, NULL))
        return 1;
    return hf_store_open("sqlite", folder, loop, &store, NULL);
}

static int tear_down(void **state)
{
    (void)state;
    store = hf_store_free(store);
    loop = hf_loop_free(loop);
    scratch_remove(folder);
    return 0;
}

static void on_done(void *ctx, const struct hf_store_answer *answer)
{
    assert_ptr_equal(ctx, &answers);
    codes[answers++] = answer->error.code;
    if (answer->sequence) {
        assert_int_equal(answer->sequence, last_sequence + 1);
        last_sequence = answer->sequence;
    }
}

static void turn_until(int n)
{
    struct hf_mono deadline = hf_mono_add(hf_mono_now(), hf_seconds(30));

    while (answers < n) {
        assert_true(hf_mono_before(hf_mono_now(), deadline));
        hf_loop_turn(loop, hf_seconds(1));
    }
    assert_int_equal(answers, n);
}

static const struct hf_store_op append = {HF_STORE_APPEND, .stream = "log", .value = HF_STR("x")};
static const struct hf_store_op create = {HF_STORE_PUT, .kind = "k", .key = "a",
                                          .value = HF_STR("1")};

static void answers_come_in_order(void **state)
{
    (void)state;
    for (int i = 0; i < 1000; i++)
        assert_int_equal(hf_store_submit(store, &append, on_done, &answers), 0);
    assert_int_equal(hf_store_pending(store), 1000);
    turn_until(1000);
    assert_int_equal(hf_store_pending(store), 0);
    assert_int_equal(last_sequence, 1000);
}

static void each_has_its_own_answer(void **state)
{
    (void)state;
    assert_int_equal(hf_store_submit(store, &create, on_done, &answers), 0);
    assert_int_equal(hf_store_submit(store, &create, on_done, &answers), 0);
    assert_int_equal(hf_store_submit(store, &append, on_done, &answers), 0);
    turn_until(3);
    assert_int_equal(codes[0], 0);
    assert_int_equal(codes[1], HF_ECONFLICT);
    assert_int_equal(codes[2], 0);
}

static void waiting_is_ordered_with_the_rest(void **state)
{
    struct hf_store_answer a;

    (void)state;
    assert_int_equal(hf_store_submit(store, &create, on_done, &answers), 0);
    assert_int_equal(
        hf_store_wait(store, &(struct hf_store_op){HF_STORE_GET, .kind = "k", .key = "a"}, &a), 0);
    assert_string_equal(a.docs[0].value, "1");
    hf_store_answer_done(&a);
    assert_int_equal(answers, 0); /* it comes on the loop, not from within */
    turn_until(1);
    assert_int_equal(
        hf_store_wait(store, &(struct hf_store_op){HF_STORE_GET, .kind = "k", .key = "b"}, &a),
        HF_ENOENT);
    assert_non_null(strstr(a.error.text, "no k \"b\""));
    assert_int_equal(hf_store_wait(store, &(struct hf_store_op){HF_STORE_GET}, &a), HF_EINVAL);
}

static void the_queue_is_bounded(void **state)
{
    static char big[HF_STORE_VALUE_MAX];
    const struct hf_store_op op = {HF_STORE_APPEND, .stream = "log", .value = {big, sizeof(big)}};
    int n;

    (void)state;
    for (n = 0; n < HF_STORE_QUEUE_MAX; n++)
        assert_int_equal(hf_store_submit(store, &append, on_done, &answers), 0);
    assert_int_equal(hf_store_submit(store, &append, on_done, &answers), HF_ELIMIT);
    turn_until(HF_STORE_QUEUE_MAX);
    answers = 0;
    for (n = 0; hf_store_submit(store, &op, on_done, &answers) == 0; n++)
        ;
    assert_int_equal(n, HF_STORE_QUEUE_BYTES_MAX / sizeof(big));
    turn_until(n);
    assert_int_equal(hf_store_submit(store, &append, on_done, &answers), 0);
    turn_until(n + 1);
}

static void submit_from_answer(void *ctx, const struct hf_store_answer *answer)
{
    on_done(ctx, answer);
    assert_int_equal(hf_store_submit(store, &append, on_done, ctx), HF_EREFUSED);
}

static void closing_finishes_what_was_queued(void **state)
{
    struct hf_store_answer a;

    (void)state;
    for (int i = 0; i < 100; i++)
        assert_int_equal(hf_store_submit(store, &append, submit_from_answer, &answers), 0);
    store = hf_store_free(store);
    assert_int_equal(answers, 100);
    assert_int_equal(hf_store_open("sqlite", folder, NULL, &store, NULL), 0);
    assert_int_equal(
        hf_store_wait(store, &(struct hf_store_op){HF_STORE_LAST, .stream = "log"}, &a), 0);
    assert_int_equal(a.sequence, 100);
    hf_store_answer_done(&a);
}

static void answer_may_submit(void *ctx, const struct hf_store_answer *answer)
{
    on_done(ctx, answer);
    if (answers < 50)
        assert_int_equal(hf_store_submit(store, &append, answer_may_submit, ctx), 0);
}

static void an_answer_may_submit_more(void **state)
{
    (void)state;
    assert_int_equal(hf_store_submit(store, &append, answer_may_submit, &answers), 0);
    assert_int_equal(hf_store_submit(store, &create, NULL, NULL), 0);
    turn_until(50);
}

static void other_stores_are_refused_by_name(void **state)
{
    struct hf_store *other;
    struct hf_error e;

    (void)state;
    assert_int_equal(hf_store_open("mongodb://a,b/holdfast", folder, loop, &other, &e),
                     HF_EREFUSED);
    assert_non_null(strstr(e.text, "not yet: mongodb comes later"));
    assert_int_equal(hf_store_open("postgres://a", folder, loop, &other, &e), HF_EINVAL);
    assert_non_null(strstr(e.text, "postgres"));
    assert_int_equal(hf_store_open("sqlite", "/nonexistent", loop, &other, &e), HF_EIO);
    assert_non_null(strstr(e.text, "/nonexistent/holdfast.db"));
}

/* In a child with a limit on the size of files: of a batch with one that does not fit, the others
 * are kept. A blocker holds the file until all are queued, so that they are one batch. */
static int batch_with_one_too_big(void)
{
    static char big[3 << 20];
    const struct hf_store_op put_big = {HF_STORE_PUT, .kind = "k", .key = "big",
                                        .value = {big, sizeof(big)}};
    char path[256];
    sqlite3 *raw;

    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &(struct rlimit){2 << 20, 2 << 20});
    snprintf(path, sizeof(path), "%s/holdfast.db", folder);
    if (hf_store_open("sqlite", folder, loop, &store, NULL) || sqlite3_open(path, &raw) ||
        sqlite3_exec(raw, "BEGIN IMMEDIATE", NULL, NULL, NULL))
        return 1;
    for (int i = 0; i < 2; i++) { /* the first round may run alone, the second is behind it */
        if (hf_store_submit(store, &append, on_done, &answers) ||
            hf_store_submit(store, &put_big, on_done, &answers) ||
            hf_store_submit(store, &append, on_done, &answers))
            return 2;
    }
    sqlite3_exec(raw, "COMMIT", NULL, NULL, NULL);
    sqlite3_close(raw);
    while (answers < 6)
        hf_loop_turn(loop, hf_seconds(1));
    for (int i = 0; i < 6; i++) {
        if (codes[i] != (i % 3 == 1 ? HF_EIO : 0))
            return 10 + i;
    }
    return last_sequence == 4 ? 0 : 3;
}

static void one_that_does_not_fit_leaves_the_others(void **state)
{
    pid_t pid;
    int status;

    (void)state;
    store = hf_store_free(store); /* its thread would not come along */
    pid = fork();
    if (pid == 0)
        _exit(batch_with_one_too_big());
    waitpid(pid, &status, 0);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(answers_come_in_order),
        TEST(each_has_its_own_answer),
        TEST(waiting_is_ordered_with_the_rest),
        TEST(the_queue_is_bounded),
        TEST(closing_finishes_what_was_queued),
        TEST(an_answer_may_submit_more),
        TEST(other_stores_are_refused_by_name),
        TEST(one_that_does_not_fit_leaves_the_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
