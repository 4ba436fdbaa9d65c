#include "test.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "orchestrator/output.h"

static char folder[64];
static char *path;

static int set_up(void **state)
{
    (void)state;
    snprintf(folder, sizeof(folder), "/tmp/hf-output-XXXXXX");
    if (!mkdtemp(folder))
        return 1;
    path = hf_output_path(folder, "orders", "orders-1-k3f9");
    return 0;
}

static int tear_down(void **state)
{
    HF_AUTOFREE char *service = hf_asprintf("%s/logs/orders", folder);
    HF_AUTOFREE char *logs = hf_asprintf("%s/logs", folder);

    (void)state;
    for (unsigned i = 0; i < 5; i++) {
        HF_AUTOFREE char *older = hf_asprintf("%s.%u", path, i);
        unlink(older);
    }
    unlink(path);
    path = hf_free(path);
    return rmdir(service) || rmdir(logs) || rmdir(folder);
}

static void put(int fd, const char *text)
{
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static int open_log(void)
{
    int fd = hf_output_open(path, NULL);

    assert_true(fd >= 0);
    return fd;
}

static void only_we_may_read(void **state)
{
    HF_AUTOFREE char *service = hf_asprintf("%s/logs/orders", folder);
    struct stat st;
    int fd = open_log();

    (void)state;
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(stat(service, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    close(fd);
}

static void tail_is(unsigned lines, const char *expected)
{
    HF_AUTOTEXT struct hf_text got = {0};

    hf_output_tail(path, lines, &got);
    assert_string_equal(got.p ? got.p : "", expected);
}

static void the_last_lines(void **state)
{
    int fd;

    (void)state;
    tail_is(5, "");
    fd = open_log();
    tail_is(5, "");
    put(fd, "one\ntwo\nthree\n");
    tail_is(0, "");
    tail_is(1, "three\n");
    tail_is(2, "two\nthree\n");
    tail_is(3, "one\ntwo\nthree\n");
    tail_is(9, "one\ntwo\nthree\n");
    put(fd, "unfinished");
    tail_is(1, "unfinished");
    tail_is(2, "three\nunfinished");
    close(fd);
}

static void rotation_keeps_the_writer_and_the_newest(void **state)
{
    HF_AUTOFREE char *third = hf_asprintf("%s.3", path), *first = hf_asprintf("%s.1", path);
    HF_AUTOFREE char *second = hf_asprintf("%s.2", path);
    HF_AUTOTEXT struct hf_text older = {0};
    int fd = open_log();
    char line[] = "0 ....................\n";
    struct stat st;

    (void)state;
    for (int i = 0; i < 4; i++) {
        line[0] = (char)('0' + i);
        put(fd, line);
        assert_int_equal(hf_output_rotate(path, 1000, 2, NULL), 0);
        assert_int_equal(hf_output_rotate(path, 10, 2, NULL), 1);
        assert_int_equal(fstat(fd, &st), 0);
        assert_int_equal(st.st_size, 0);
    }
    assert_int_equal(stat(first, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(stat(third, &st), -1); /* keep: 2 */
    hf_output_tail(second, 9, &older);
    assert_string_equal(older.p, "2 ....................\n");
    tail_is(1, "3 ....................\n"); /* from the file that was just rotated */
    put(fd, "after\n");                     /* by the same descriptor, at the start */
    tail_is(2, "3 ....................\nafter\n");
    assert_int_equal(hf_output_rotate(path, 1, 0, NULL), 1); /* keep nothing: just empties */
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_size, 0);
    close(fd);
}

static void a_full_disk_costs_no_older_log(void **state)
{
    HF_AUTOFREE char *first = hf_asprintf("%s.1", path);
    HF_AUTOTEXT struct hf_text older = {0};
    struct rlimit limit, small;
    int fd = open_log();

    (void)state;
    put(fd, "older\n");
    assert_int_equal(hf_output_rotate(path, 1, 2, NULL), 1);
    put(fd, "newer\n");
    getrlimit(RLIMIT_FSIZE, &limit);
    signal(SIGXFSZ, SIG_IGN);
    small = limit;
    small.rlim_cur = 3;
    setrlimit(RLIMIT_FSIZE, &small);
    for (int i = 0; i < 3; i++)
        assert_int_equal(hf_output_rotate(path, 1, 2, NULL), HF_EIO);
    setrlimit(RLIMIT_FSIZE, &limit);
    hf_output_tail(first, 9, &older);
    assert_string_equal(older.p, "older\n");
    tail_is(1, "newer\n");
    close(fd);
}

static void last_words_are_one_plain_line(void **state)
{
    char words[256];
    int fd = open_log();

    (void)state;
    assert_string_equal(hf_output_last_words(path, 5, words, sizeof(words)), "");
    put(fd, "skipped\n  a\tb \n\nbell\a caf\xc3\xa9 \xff\xc3\nno such table\n");
    assert_string_equal(hf_output_last_words(path, 4, words, sizeof(words)),
                        "a b | bell  caf\xc3\xa9 ?? | no such table");
    assert_string_equal(hf_output_last_words(path, 4, words, 36),
                        "bell  caf\xc3\xa9 ?? | no such table");
    assert_string_equal(hf_output_last_words(path, 4, words, 12), "no such ");
    for (size_t size = 5; size < 60; size++) {
        hf_output_last_words(path, 5, words, size);
        assert_true(strlen(words) < size);
    }
    close(fd);
}

static int keep_first(void *ctx, const char *instance)
{
    (void)ctx;
    return strcmp(instance, "orders-1-aaaa") == 0;
}

static void old_logs_are_removed_and_used_ones_kept(void **state)
{
    static const char *const names[] = {"orders-1-aaaa", "orders-1-bbbb", "orders-2-cccc",
                                        "orders-2-dddd"};
    static const bool kept[] = {true, false, false, true};
    struct timespec times[2] = {{0}};

    (void)state;
    for (size_t i = 0; i < HF_COUNT(names); i++) {
        HF_AUTOFREE char *log = hf_output_path(folder, "orders", names[i]);
        int fd = hf_output_open(log, NULL);
        times[1].tv_sec = (time_t)(1000 + i);
        assert_int_equal(futimens(fd, times), 0);
        close(fd);
    }
    hf_output_prune(folder, "orders", 1, keep_first, NULL);
    for (size_t i = 0; i < HF_COUNT(names); i++) {
        HF_AUTOFREE char *log = hf_output_path(folder, "orders", names[i]);
        assert_int_equal(access(log, F_OK) == 0, kept[i]);
        unlink(log);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(only_we_may_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_last_lines, set_up, tear_down),
        cmocka_unit_test_setup_teardown(rotation_keeps_the_writer_and_the_newest, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_full_disk_costs_no_older_log, set_up, tear_down),
        cmocka_unit_test_setup_teardown(last_words_are_one_plain_line, set_up, tear_down),
        cmocka_unit_test_setup_teardown(old_logs_are_removed_and_used_ones_kept, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
