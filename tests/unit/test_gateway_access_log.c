#include "test.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/access_log.h"

enum { WORKERS = 3, LINES = 60000, RING = 1024 * 1024 };

static char path[] = "/tmp/holdfast-test-XXXXXX";
static int fd = -1;
static struct hf_access_log *log_;

static int setup(void **state)
{
    (void)state;
    strcpy(path + sizeof(path) - 7, "XXXXXX");
    fd = mkstemp(path);
    assert_true(fd >= 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    unlink(path);
    return 0;
}

static void start(int to, uint32_t workers)
{
    assert_int_equal(hf_access_log_start(to, workers, &log_, NULL), 0);
}

/* "W N abcd...\n", of a length that changes from line to line. */
static bool write_line(uint32_t worker, uint32_t number)
{
    struct hf_access_log_ring *r = hf_access_log_ring(log_, worker);
    size_t room = 400 + number % 700; /* more than is used, as in the gateway */
    char *line = hf_access_log_begin(r, room);
    int n;

    if (!line)
        return false;
    n = sprintf(line, "%u %u ", worker, number);
    for (uint32_t i = 0; i < number % 300; i++)
        line[n++] = (char)('a' + (number + i) % 26);
    line[n++] = '\n';
    hf_access_log_commit(r, (size_t)n);
    return true;
}

/* Every line is whole, and each worker's are in order. Returns how many there are. */
static uint32_t check_file(uint32_t workers)
{
    FILE *f = fopen(path, "r");
    uint32_t next[WORKERS] = {0}, n = 0;
    char line[2048];

    assert_non_null(f);
    while (fgets(line, sizeof(line), f)) {
        uint32_t worker, number;
        const char *text;
        if (sscanf(line, "%u %u", &worker, &number) != 2 || worker >= workers)
            fail_msg("line %u is \"%s\"", n, line);
        text = strchr(strchr(line, ' ') + 1, ' ') + 1;
        assert_true(number >= next[worker]);
        next[worker] = number + 1;
        assert_int_equal(strlen(text), number % 300 + 1);
        for (uint32_t i = 0; i < number % 300; i++)
            assert_int_equal(text[i], 'a' + (number + i) % 26);
        n++;
    }
    fclose(f);
    return n;
}

static void lines_arrive_whole_when_the_ring_wraps(void **state)
{
    (void)state;
    start(fd, 1);
    for (uint32_t i = 0; i < LINES; i++) {
        while (!write_line(0, i))
            ; /* the thread writes meanwhile */
    }
    log_ = hf_access_log_stop(log_);
    assert_int_equal(check_file(1), LINES);
}

static void *worker(void *arg)
{
    uint32_t self = (uint32_t)(uintptr_t)arg;
    uintptr_t written = 0;

    for (uint32_t i = 0; i < LINES / 2; i++)
        written += write_line(self, i);
    return (void *)written;
}

static void workers_do_not_wait_and_do_not_mix(void **state)
{
    pthread_t thread[WORKERS];
    uintptr_t written = 0;

    (void)state;
    start(fd, WORKERS);
    for (uintptr_t i = 0; i < WORKERS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, worker, (void *)i), 0);
    for (int i = 0; i < WORKERS; i++) {
        void *n;
        pthread_join(thread[i], &n);
        written += (uintptr_t)n;
    }
    log_ = hf_access_log_stop(log_);
    assert_int_equal(check_file(WORKERS), written);
}

/* A pipe that nobody reads: the thread is stuck, the ring gets full, lines are dropped. Then it is
 * read, and what was taken is all there. */
static void a_slow_disk_costs_lines_and_nothing_else(void **state)
{
    static char bytes[4 * RING];
    uint32_t written = 0, lines = 0;
    int ends[2];
    size_t n = 0;
    ssize_t got;

    (void)state;
    close(fd);
    assert_int_equal(pipe(ends), 0);
    start(ends[1], 1);
    for (uint32_t i = 0; i < LINES; i++)
        written += write_line(0, i);
    assert_true(written < LINES);
    assert_false(write_line(0, 1099)); /* still no room, and no waiting */
    fcntl(ends[0], F_SETPIPE_SZ, RING);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    while (lines < written) {
        got = read(ends[0], bytes + n, sizeof(bytes) - n);
        for (ssize_t i = 0; i < got; i++)
            lines += bytes[n + (size_t)i] == '\n';
        n += got > 0 ? (size_t)got : 0;
    }
    log_ = hf_access_log_stop(log_);
    assert_int_equal(read(ends[0], bytes, sizeof(bytes)), 0); /* nothing else came */
    close(ends[0]);
}

/* The ring is empty where a line does not fit before its end: nothing of the old lap is written. */
static void the_unused_end_of_a_lap_is_not_written(void **state)
{
    struct hf_access_log_ring *r;
    uint32_t n = 0, lines = 0;
    FILE *f;
    int c;

    (void)state;
    start(fd, 1);
    r = hf_access_log_ring(log_, 0);
    for (size_t at = 0; at < (size_t)5 * RING; n++) {
        char *line;
        size_t size = 100 + 997 * (n % 7);
        while (!(line = hf_access_log_begin(r, 9000)))
            ;
        memset(line, 'x', size - 1);
        line[size - 1] = '\n';
        hf_access_log_commit(r, size);
        at += size;
        /* One line at a time: wait until it is in the file, so that the next one finds it flushed.
         */
        if (at % RING > RING - 30000 || at % RING < 30000) {
            while (lseek(fd, 0, SEEK_END) < (off_t)at)
                ;
        }
    }
    log_ = hf_access_log_stop(log_);
    f = fopen(path, "r");
    assert_non_null(f);
    while ((c = fgetc(f)) != EOF) {
        assert_true(c == 'x' || c == '\n');
        lines += c == '\n';
    }
    fclose(f);
    assert_int_equal(lines, n);
}

static void switched_off_it_does_nothing(void **state)
{
    struct hf_access_log *off = (void *)1;

    (void)state;
    assert_int_equal(hf_access_log_start(-1, 1, &off, NULL), 0);
    assert_null(off);
    assert_null(hf_access_log_ring(off, 0));
    assert_null(hf_access_log_stop(off));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(lines_arrive_whole_when_the_ring_wraps),
        TEST(workers_do_not_wait_and_do_not_mix),
        TEST(a_slow_disk_costs_lines_and_nothing_else),
        TEST(the_unused_end_of_a_lap_is_not_written),
        cmocka_unit_test(switched_off_it_does_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
