#include "test.h"

#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "scratch.h"
#include "store/sqlite.h"

static char folder[200], path[256];
static struct hf_backend *db;
static struct hf_store_answer a;

static int set_up(void **state)
{
    (void)state;
    scratch_make(folder, sizeof(folder));
    snprintf(path, sizeof(path), "%s/holdfast.db", folder);
    return hf_sqlite_open(path, &db, NULL);
}

static int tear_down(void **state)
{
    (void)state;
    hf_store_answer_done(&a);
    if (db)
        db->type->close(db);
    db = NULL;
    scratch_remove(folder);
    return 0;
}

static int run(const struct hf_store_op *op)
{
    hf_store_answer_done(&a);
    db->type->run(db, op, &a);
    return a.error.code;
}

/* One operation in a batch of its own. */
static int alone(const struct hf_store_op *op)
{
    struct hf_error e;
    int rc;

    if (db->type->begin(db, hf_store_verb_writes(op->verb), &e))
        return e.code;
    rc = run(op);
    if (db->type->commit(db, &e))
        return e.code;
    return rc;
}

static int put(const char *key, uint64_t revision, uint64_t term, const char *value)
{
    return alone(&(struct hf_store_op){HF_STORE_PUT, .kind = "service", .key = key,
                                       .revision = revision, .term = term, .value = hf_str(value)});
}

static int del(const char *key, uint64_t revision, uint64_t term)
{
    return alone(&(struct hf_store_op){HF_STORE_DELETE, .kind = "service", .key = key,
                                       .revision = revision, .term = term});
}

static int get(const char *key)
{
    return alone(&(struct hf_store_op){HF_STORE_GET, .kind = "service", .key = key});
}

static int append(const char *stream, uint64_t term, const char *value)
{
    return alone(&(struct hf_store_op){HF_STORE_APPEND, .stream = stream, .term = term,
                                       .value = hf_str(value)});
}

static void documents_change_by_compare_and_swap(void **state)
{
    uint64_t first;

    (void)state;
    assert_int_equal(get("orders"), HF_ENOENT);
    assert_int_equal(put("orders", 7, 1, "{}"), HF_ECONFLICT);
    assert_int_equal(a.revision, 0);
    assert_int_equal(put("orders", 0, 1, "one"), 0);
    first = a.revision;
    assert_true(first > 0);
    assert_int_equal(put("orders", 0, 1, "again"), HF_ECONFLICT);
    assert_int_equal(a.revision, first);
    assert_int_equal(put("orders", first, 1, "two"), 0);
    assert_true(a.revision > first);
    assert_int_equal(put("orders", first, 1, "late"), HF_ECONFLICT);
    assert_int_equal(get("orders"), 0);
    assert_int_equal(a.docs_n, 1);
    assert_string_equal(a.docs[0].value, "two");
    assert_int_equal(a.docs[0].n, 3);
    assert_int_equal(a.docs[0].term, 1);
}

static void revisions_grow_over_a_deletion(void **state)
{
    uint64_t first;

    (void)state;
    assert_int_equal(put("orders", 0, 0, "one"), 0);
    first = a.revision;
    assert_int_equal(del("orders", first + 1, 0), HF_ECONFLICT);
    assert_int_equal(del("orders", first, 0), 0);
    assert_int_equal(del("orders", first, 0), HF_ECONFLICT);
    assert_int_equal(del("orders", 0, 0), 0); /* it is gone, as wished */
    assert_int_equal(put("orders", 0, 0, "two"), 0);
    assert_true(a.revision > first);
    assert_int_equal(put("orders", first, 0, "a writer of the old one"), HF_ECONFLICT);
}

static void lists_are_ordered_and_of_one_kind(void **state)
{
    (void)state;
    for (const char *key = "dbeca"; *key; key++)
        assert_int_equal(put((char[]){*key, 0}, 0, 0, key), 0);
    assert_int_equal(alone(&(struct hf_store_op){HF_STORE_PUT, .kind = "services", .key = "b2"}),
                     0);
    assert_int_equal(alone(&(struct hf_store_op){HF_STORE_LIST, .kind = "service"}), 0);
    assert_int_equal(a.docs_n, 5);
    for (size_t i = 0; i < 5; i++)
        assert_string_equal(a.docs[i].key, ((char[]){(char)('a' + i), 0}));
    assert_int_equal(alone(&(struct hf_store_op){HF_STORE_LIST, .kind = "none"}), 0);
    assert_int_equal(a.docs_n, 0);
}

static void bytes_come_back_as_they_were(void **state)
{
    static char big[HF_STORE_VALUE_MAX];
    struct hf_store_op op = {HF_STORE_PUT, .kind = "k", .key = "big", .value = {big, sizeof(big)}};

    (void)state;
    for (size_t i = 0; i < sizeof(big); i++)
        big[i] = (char)(i * 7);
    assert_int_equal(alone(&op), 0);
    op.verb = HF_STORE_GET;
    assert_int_equal(alone(&op), 0);
    assert_int_equal(a.docs[0].n, sizeof(big));
    assert_memory_equal(a.docs[0].value, big, sizeof(big));
    assert_int_equal(a.docs[0].value[sizeof(big)], 0);
}

static void a_superseded_term_writes_nothing(void **state)
{
    uint64_t revision;

    (void)state;
    assert_int_equal(put("orders", 0, 5, "five"), 0);
    revision = a.revision;
    assert_int_equal(put("orders", revision, 4, "four"), HF_EREFUSED);
    assert_non_null(strstr(a.error.text, "term 5"));
    assert_int_equal(del("orders", revision, 4), HF_EREFUSED);
    assert_int_equal(put("orders", revision, 6, "six"), 0);
    assert_int_equal(del("orders", a.revision, 6), 0);
    assert_int_equal(put("orders", 0, 5, "back from the dead"), HF_EREFUSED);
    assert_int_equal(put("other", 0, 5, "new, by the old leader"), HF_EREFUSED);
    assert_int_equal(put("orders", 0, 6, "six again"), 0);

    assert_int_equal(append("events", 5, "x"), 0);
    assert_int_equal(append("events", 4, "x"), HF_EREFUSED);
    assert_int_equal(append("events", 6, "x"), 0);
    assert_int_equal(append("other", 0, "x"), 0); /* a stream of its own */
}

static void a_trimmed_stream_goes_on_where_it_was(void **state)
{
    const struct hf_store_op read = {HF_STORE_READ, .stream = "events", .max = 100};

    (void)state;
    for (int i = 1; i <= 5; i++)
        assert_int_equal(append("events", 2, "x"), 0);
    assert_int_equal(append("other", 2, "x"), 0);
    assert_int_equal(
        alone(&(struct hf_store_op){HF_STORE_TRIM, .stream = "events", .from = 9, .term = 1}),
        HF_EREFUSED);
    assert_int_equal(
        alone(&(struct hf_store_op){HF_STORE_TRIM, .stream = "events", .from = 4, .term = 2}), 0);
    assert_int_equal(alone(&read), 0);
    assert_int_equal(a.records_n, 2);
    assert_int_equal(a.records[0].sequence, 4);
    assert_int_equal(
        alone(&(struct hf_store_op){HF_STORE_TRIM, .stream = "events", .from = 9, .term = 2}), 0);
    assert_int_equal(alone(&read), 0);
    assert_int_equal(a.records_n, 0);
    assert_int_equal(append("events", 2, "x"), 0);
    assert_int_equal(a.sequence, 6);
    assert_int_equal(alone(&(struct hf_store_op){HF_STORE_LAST, .stream = "other"}), 0);
    assert_int_equal(a.sequence, 1);
}

static void streams_number_their_records(void **state)
{
    char text[16];

    (void)state;
    assert_int_equal(alone(&(struct hf_store_op){HF_STORE_LAST, .stream = "events"}), 0);
    assert_int_equal(a.sequence, 0);
    for (int i = 1; i <= 20; i++) {
        snprintf(text, sizeof(text), "event %d", i);
        assert_int_equal(append("events", 0, text), 0);
        assert_int_equal(a.sequence, i);
        assert_int_equal(append("ledger/a/1", 0, "{}"), 0);
    }
    assert_int_equal(append("ledger/b/1", 0, "{}"), 0);
    assert_int_equal(
        alone(&(struct hf_store_op){HF_STORE_READ, .stream = "events", .from = 18, .max = 2}), 0);
    assert_int_equal(a.records_n, 2);
    assert_int_equal(a.records[0].sequence, 18);
    assert_string_equal(a.records[1].value, "event 19");
    assert_int_equal(
        alone(&(struct hf_store_op){HF_STORE_READ, .stream = "events", .from = 0, .max = 100}), 0);
    assert_int_equal(a.records_n, 20);
    assert_int_equal(alone(&(struct hf_store_op){HF_STORE_STREAMS, .stream = "ledger/"}), 0);
    assert_int_equal(a.docs_n, 2);
    assert_string_equal(a.docs[0].key, "ledger/a/1");
    assert_int_equal(a.docs[0].revision, 20);
    assert_int_equal(alone(&(struct hf_store_op){HF_STORE_STREAMS}), 0);
    assert_int_equal(a.docs_n, 3);
}

static void a_record_may_ask_for_its_sequence(void **state)
{
    struct hf_store_op op = {HF_STORE_APPEND, .stream = "s", .revision = 2, .value = HF_STR("x")};

    (void)state;
    assert_int_equal(alone(&op), HF_ECONFLICT);
    op.revision = 1;
    assert_int_equal(alone(&op), 0);
    assert_int_equal(alone(&op), HF_ECONFLICT);
    assert_int_equal(a.sequence, 0);
    op.revision = 2;
    assert_int_equal(alone(&op), 0);
    assert_int_equal(a.sequence, 2);
}

static int acquire(const char *holder, uint64_t term, uint64_t counter)
{
    return alone(&(struct hf_store_op){HF_STORE_ACQUIRE, .lease = "leader", .holder = holder,
                                       .term = term, .counter = counter});
}

static int renew(const char *holder, uint64_t term)
{
    return alone(
        &(struct hf_store_op){HF_STORE_RENEW, .lease = "leader", .holder = holder, .term = term});
}

static void a_lease_has_one_holder_a_term(void **state)
{
    (void)state;
    assert_int_equal(alone(&(struct hf_store_op){HF_STORE_LEASE, .lease = "leader"}), HF_ENOENT);
    assert_int_equal(renew("a", 0), HF_EREFUSED);
    assert_int_equal(acquire("a", 0, 0), 0);
    assert_int_equal(a.lease.term, 1);
    assert_int_equal(acquire("b", 0, 0), HF_ECONFLICT);
    assert_string_equal(a.lease.holder, "a");
    assert_int_equal(renew("a", 1), 0);
    assert_int_equal(a.lease.counter, 2);
    assert_int_equal(acquire("b", 1, 1), HF_ECONFLICT); /* it was renewed meanwhile */
    assert_int_equal(acquire("b", 1, 2), 0);
    assert_int_equal(a.lease.term, 2);
    assert_int_equal(renew("a", 1), HF_EREFUSED);
    assert_int_equal(renew("a", 2), HF_EREFUSED);
    assert_int_equal(renew("b", 2), 0);
    assert_int_equal(alone(&(struct hf_store_op){HF_STORE_LEASE, .lease = "leader"}), 0);
    assert_string_equal(a.lease.holder, "b");
}

static void each_of_a_batch_has_its_own_result(void **state)
{
    struct hf_store_op put_a = {HF_STORE_PUT, .kind = "k", .key = "a", .value = HF_STR("1")};
    struct hf_store_op put_b = {HF_STORE_PUT, .kind = "k", .key = "b", .value = HF_STR("2")};

    (void)state;
    assert_int_equal(db->type->begin(db, true, NULL), 0);
    assert_int_equal(run(&put_a), 0);
    assert_int_equal(run(&put_a), HF_ECONFLICT);
    assert_int_equal(run(&put_b), 0);
    put_a.verb = HF_STORE_GET;
    assert_int_equal(run(&put_a), 0); /* sees what ran before it */
    assert_int_equal(db->type->commit(db, NULL), 0);
    assert_int_equal(alone(&(struct hf_store_op){HF_STORE_LIST, .kind = "k"}), 0);
    assert_int_equal(a.docs_n, 2);
}

static void it_is_all_there_after_opening_again(void **state)
{
    struct stat st;

    (void)state;
    assert_int_equal(put("orders", 0, 3, "kept"), 0);
    assert_int_equal(append("events", 3, "kept"), 0);
    assert_int_equal(acquire("a", 0, 0), 0);
    db->type->close(db);
    db = NULL;
    assert_int_equal(chmod(path, 0644), 0);
    assert_int_equal(hf_sqlite_open(path, &db, NULL), 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(get("orders"), 0);
    assert_string_equal(a.docs[0].value, "kept");
    assert_int_equal(append("events", 3, "next"), 0);
    assert_int_equal(a.sequence, 2);
    assert_int_equal(acquire("b", 1, 1), 0);
}

/* What a foreign or damaged file answers; the file must be the same afterwards. */
static void expect_refusal(int code, const char *text)
{
    struct hf_backend *other;
    struct hf_error e = {0};

    assert_int_equal(hf_sqlite_open(path, &other, &e), code);
    if (!strstr(e.text, text) || !strstr(e.text, path))
        fail_msg("unexpected text: %s", e.text);
}

static void execute(const char *sql)
{
    sqlite3 *raw;

    assert_int_equal(sqlite3_open(path, &raw), 0);
    assert_int_equal(sqlite3_exec(raw, sql, NULL, NULL, NULL), 0);
    sqlite3_close(raw);
}

static void foreign_files_are_refused(void **state)
{
    FILE *f;

    (void)state;
    db->type->close(db);
    db = NULL;
    execute("PRAGMA user_version = 99");
    expect_refusal(HF_EREFUSED, "version 99");
    execute("PRAGMA application_id = 4711");
    expect_refusal(HF_EREFUSED, "another program (application id 4711)");
    unlink(path);
    execute("CREATE TABLE theirs (x)");
    expect_refusal(HF_EREFUSED, "another program");
    f = fopen(path, "w");
    for (int i = 0; i < 1000; i++)
        fputs("this is not a database\n", f);
    fclose(f);
    expect_refusal(HF_ECORRUPT, "not a database");
    unlink(path);
    assert_int_equal(mkdir(path, 0700), 0);
    expect_refusal(HF_EIO, "Is a directory");
    rmdir(path);
    assert_int_equal(mkfifo(path, 0600), 0);
    expect_refusal(HF_EREFUSED, "not a regular file");
    snprintf(path, sizeof(path), "%s/missing/holdfast.db", folder);
    expect_refusal(HF_EIO, "No such file or directory");
}

static void a_damaged_file_is_refused(void **state)
{
    char page[4096];
    int fd;

    (void)state;
    for (int i = 0; i < 200; i++)
        assert_int_equal(append("events", 0, "some text to fill a few pages of the file with"), 0);
    db->type->close(db);
    db = NULL;
    memset(page, 0xa5, sizeof(page));
    fd = open(path, O_WRONLY);
    for (int i = 3; i < 16; i++)
        assert_int_equal(pwrite(fd, page, sizeof(page), i * (off_t)sizeof(page)), sizeof(page));
    close(fd);
    expect_refusal(HF_ECORRUPT, "");
}

static void an_empty_file_becomes_a_store(void **state)
{
    (void)state;
    db->type->close(db);
    db = NULL;
    assert_int_equal(truncate(path, 0), 0);
    assert_int_equal(hf_sqlite_open(path, &db, NULL), 0);
    assert_int_equal(put("orders", 0, 0, "new"), 0);
}

/* Appends numbers and says each on the pipe once it is acknowledged, until it is killed. */
static void append_for_ever(int fd)
{
    struct hf_backend *own;
    char text[16];

    if (hf_sqlite_open(path, &own, NULL))
        _exit(1);
    db = own;
    for (uint32_t i = 1;; i++) {
        snprintf(text, sizeof(text), "%u", i);
        if (append("log", 0, text) || write(fd, &i, sizeof(i)) != sizeof(i))
            _exit(1);
    }
}

static void what_was_acknowledged_survives_a_kill(void **state)
{
    uint32_t acknowledged = 0, n;

    (void)state;
    db->type->close(db);
    db = NULL;
    for (int round = 1; round <= 3; round++) {
        int fds[2], status;
        pid_t pid;

        unlink(path);
        assert_int_equal(pipe(fds), 0);
        pid = fork();
        if (pid == 0)
            append_for_ever(fds[1]);
        close(fds[1]);
        while (read(fds[0], &n, sizeof(n)) == sizeof(n)) {
            acknowledged = n;
            if (n == 40u * (unsigned)round)
                kill(pid, SIGKILL);
        }
        close(fds[0]);
        waitpid(pid, &status, 0);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        assert_int_equal(hf_sqlite_open(path, &db, NULL), 0);
        assert_int_equal(alone(&(struct hf_store_op){HF_STORE_READ, .stream = "log", .max = 10000}),
                         0);
        assert_in_range(a.records_n, acknowledged, acknowledged + 1);
        for (size_t i = 0; i < a.records_n; i++)
            assert_int_equal(strtoul(a.records[i].value, NULL, 10), i + 1);
        db->type->close(db);
        db = NULL;
    }
}

/* For a child: says what went wrong and leaves. */
static void expect(bool held, int line, const char *text)
{
    if (held)
        return;
    fprintf(stderr, "%s:%d: %s\n", __FILE__, line, text);
    _exit(1);
}
#define EXPECT(condition, text) expect(condition, __LINE__, text)

/* In a child, where space is short: fills it, then checks that nothing is half done. */
static void fill_up(void)
{
    static char big[1 << 20];
    struct hf_store_op op = {HF_STORE_PUT, .kind = "k", .key = "big", .value = {big, sizeof(big)}};
    struct hf_error e = {0}, ended;
    int rc = 0;

    EXPECT(hf_sqlite_open(path, &db, &e) == 0, e.text);
    EXPECT(put("small", 0, 0, "kept") == 0, a.error.text);
    for (int i = 0; i < 8 && rc == 0; i++) {
        memset(big, 'a' + i, sizeof(big)); /* SQLite writes no page that did not change */
        hf_store_answer_done(&a);
        EXPECT(db->type->begin(db, true, &e) == 0, e.text);
        db->type->run(db, &op, &a);
        e = a.error;
        if (db->type->commit(db, &ended) && e.code == 0)
            e = ended;
        rc = e.code;
        op.revision = a.revision;
    }
    EXPECT(rc == HF_EIO, e.text);
    EXPECT(strstr(e.text, "disk is full") || strstr(e.text, "disk I/O error"), e.text);
    EXPECT(strstr(e.text, path), e.text);
    EXPECT(get("small") == 0, a.error.text);
    EXPECT(strcmp(a.docs[0].value, "kept") == 0, a.docs[0].value);
    db->type->close(db);
    EXPECT(hf_sqlite_open(path, &db, &e) == 0, e.text); /* it looks for damage */
    EXPECT(get("small") == 0, a.error.text);
    _exit(0);
}

static void expect_child_ok(pid_t pid)
{
    int status;

    assert_true(pid > 0);
    waitpid(pid, &status, 0);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void a_file_at_its_size_limit_is_an_error_with_a_text(void **state)
{
    pid_t pid = fork();

    (void)state;
    if (pid == 0) {
        signal(SIGXFSZ, SIG_IGN);
        setrlimit(RLIMIT_FSIZE, &(struct rlimit){2 << 20, 2 << 20});
        fill_up();
    }
    expect_child_ok(pid);
}

/* Needs the right to mount; the test above covers the same without it. */
static void a_full_disk_is_an_error_with_a_text(void **state)
{
    (void)state;
    db->type->close(db);
    db = NULL;
    if (mount("none", folder, "tmpfs", 0, "size=2m,mode=0700") < 0) {
        print_message("cannot mount a small tmpfs here\n");
        skip();
    }
    pid_t pid = fork();
    if (pid == 0)
        fill_up();
    expect_child_ok(pid);
    umount2(folder, MNT_DETACH);
}

static void another_writer_makes_it_try_again(void **state)
{
    sqlite3 *raw;

    (void)state;
    assert_int_equal(sqlite3_open(path, &raw), 0);
    assert_int_equal(sqlite3_exec(raw, "BEGIN IMMEDIATE", NULL, NULL, NULL), 0);
    assert_int_equal(get("orders"), HF_ENOENT); /* reads are not in its way */
    assert_int_equal(put("orders", 0, 0, "x"), HF_EAGAIN);
    assert_int_equal(sqlite3_exec(raw, "COMMIT", NULL, NULL, NULL), 0);
    assert_int_equal(put("orders", 0, 0, "x"), 0);
    sqlite3_close(raw);
}

static void operations_are_checked(void **state)
{
    static char name[HF_STORE_NAME_MAX + 2];
    struct hf_error e;
    const struct {
        struct hf_store_op op;
        int code;
    } cases[] = {
        {{HF_STORE_GET, .kind = "k"}, HF_EINVAL},
        {{HF_STORE_GET, .kind = "", .key = "k"}, HF_EINVAL},
        {{HF_STORE_LIST}, HF_EINVAL},
        {{HF_STORE_PUT, .kind = "k", .key = name}, HF_ELIMIT},
        {{HF_STORE_PUT, .kind = "k", .key = "k", .term = UINT64_MAX}, HF_EINVAL},
        {{HF_STORE_PUT, .kind = "k", .key = "k", .value = {name, HF_STORE_VALUE_MAX + 1}},
         HF_ELIMIT},
        {{HF_STORE_APPEND, .value = HF_STR("x")}, HF_EINVAL},
        {{HF_STORE_READ, .stream = "s"}, HF_EINVAL},
        {{HF_STORE_READ, .stream = "s", .max = HF_STORE_READ_MAX + 1}, HF_EINVAL},
        {{HF_STORE_ACQUIRE, .lease = "l"}, HF_EINVAL},
        {{HF_STORE_RENEW, .holder = "h"}, HF_EINVAL},
        {{.verb = 99}, HF_EINVAL},
        {{HF_STORE_STREAMS}, 0},
        {{HF_STORE_PUT, .kind = "k", .key = "k"}, 0},
    };

    (void)state;
    memset(name, 'n', sizeof(name) - 1);
    for (size_t i = 0; i < HF_COUNT(cases); i++)
        assert_int_equal(hf_store_op_check(&cases[i].op, &e), cases[i].code);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(documents_change_by_compare_and_swap),
        TEST(revisions_grow_over_a_deletion),
        TEST(lists_are_ordered_and_of_one_kind),
        TEST(bytes_come_back_as_they_were),
        TEST(a_superseded_term_writes_nothing),
        TEST(a_trimmed_stream_goes_on_where_it_was),
        TEST(streams_number_their_records),
        TEST(a_record_may_ask_for_its_sequence),
        TEST(a_lease_has_one_holder_a_term),
        TEST(each_of_a_batch_has_its_own_result),
        TEST(it_is_all_there_after_opening_again),
        TEST(foreign_files_are_refused),
        TEST(a_damaged_file_is_refused),
        TEST(an_empty_file_becomes_a_store),
        TEST(what_was_acknowledged_survives_a_kill),
        TEST(a_file_at_its_size_limit_is_an_error_with_a_text),
        TEST(a_full_disk_is_an_error_with_a_text),
        TEST(another_writer_makes_it_try_again),
        cmocka_unit_test(operations_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
