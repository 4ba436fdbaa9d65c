#include "test.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/pass.h"

static int ends[2];

static int setup(void **state)
{
    (void)state;
    return hf_pass_pair(ends, NULL);
}

static int teardown(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        if (ends[i] >= 0)
            close(ends[i]);
    }
    return 0;
}

/* How many descriptors this process has open, by trying. */
static int open_descriptors(void)
{
    int n = 0;

    for (int fd = 0; fd < 256; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

static int memory(int seals, off_t size)
{
    int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, size), 0);
    assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
    return fd;
}

static void a_descriptor_goes_across(void **state)
{
    char got[3] = "", text[3] = "";
    int pair[2], fd = -2;

    (void)state;
    assert_int_equal(pipe(pair), 0);
    assert_int_equal(hf_pass_send(ends[0], "ab", 3, pair[0]), 0);
    assert_int_equal(hf_pass_receive(ends[1], got, sizeof(got), &fd), 0);
    assert_string_equal(got, "ab");
    assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
    assert_int_equal(write(pair[1], "xyz", 3), 3);
    assert_int_equal(read(fd, text, 3), 3);
    assert_memory_equal(text, "xyz", 3);
    close(fd);
    close(pair[0]);
    close(pair[1]);
}

static void a_message_may_come_without_one(void **state)
{
    char got[3];
    int fd = -2;

    (void)state;
    assert_int_equal(hf_pass_receive(ends[1], got, sizeof(got), &fd), HF_EAGAIN);
    assert_int_equal(fd, -2);
    assert_int_equal(hf_pass_send(ends[0], "ab", 3, -1), 0);
    assert_int_equal(hf_pass_receive(ends[1], got, sizeof(got), &fd), 0);
    assert_int_equal(fd, -1);
}

/* Of another size: neither the message nor what came with it stays. */
static void misfits_are_dropped_with_their_descriptors(void **state)
{
    int before = open_descriptors(), fd = -2;
    char got[3];

    (void)state;
    assert_int_equal(hf_pass_send(ends[0], "a", 2, STDIN_FILENO), 0);
    assert_int_equal(hf_pass_send(ends[0], "abc", 4, STDIN_FILENO), 0);
    assert_int_equal(hf_pass_receive(ends[1], got, sizeof(got), &fd), HF_EINVAL);
    assert_int_equal(hf_pass_receive(ends[1], got, sizeof(got), &fd), HF_EINVAL);
    assert_int_equal(fd, -2);
    assert_int_equal(open_descriptors(), before);
}

/* The sender is another process, and may send more than was agreed. */
static void a_second_descriptor_is_not_let_in(void **state)
{
    int both[2] = {STDIN_FILENO, STDOUT_FILENO}, before = open_descriptors(), fd = -2;
    char control[CMSG_SPACE(sizeof(both))] = {0}, got[3];
    struct iovec piece = {.iov_base = got, .iov_len = sizeof(got)};
    struct msghdr m = {.msg_iov = &piece,
                       .msg_iovlen = 1,
                       .msg_control = control,
                       .msg_controllen = sizeof(control)};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);

    (void)state;
    c->cmsg_len = CMSG_LEN(sizeof(both));
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    memcpy(CMSG_DATA(c), both, sizeof(both));
    assert_int_equal(sendmsg(ends[0], &m, 0), sizeof(got));
    assert_int_equal(hf_pass_receive(ends[1], got, sizeof(got), &fd), 0);
    assert_int_equal(open_descriptors(), before + 1);
    close(fd);
}

static void a_full_queue_and_a_gone_reader_differ(void **state)
{
    char got[3];
    int rc, fd, n = 0;

    (void)state;
    while ((rc = hf_pass_send(ends[0], "ab", 3, -1)) == 0)
        n++;
    assert_int_equal(rc, HF_EAGAIN);
    assert_true(n > 1);
    close(ends[1]);
    ends[1] = -1;
    assert_int_equal(hf_pass_send(ends[0], "ab", 3, -1), HF_EIO);
    assert_int_equal(hf_pass_receive(ends[0], got, sizeof(got), &fd), HF_EIO);
}

static void only_what_cannot_change_counts_as_sealed(void **state)
{
    const int all = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
    const struct {
        int seals;
        off_t size;
        bool sealed;
    } cases[] = {
        {all, 10, true},
        {all, 1, true},
        {all, 11, false},
        {all, 0, false},
        {all & ~F_SEAL_WRITE, 10, false},
        {all & ~F_SEAL_GROW, 10, false},
        {all & ~F_SEAL_SHRINK, 10, false},
    };

    (void)state;
    for (size_t i = 0; i < HF_COUNT(cases); i++) {
        int fd = memory(cases[i].seals, cases[i].size);
        assert_int_equal(hf_pass_sealed(fd, 10), cases[i].sealed);
        close(fd);
    }
    assert_false(hf_pass_sealed(ends[0], 10));
    assert_false(hf_pass_sealed(-1, 10));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_descriptor_goes_across),
        TEST(a_message_may_come_without_one),
        TEST(misfits_are_dropped_with_their_descriptors),
        TEST(a_second_descriptor_is_not_let_in),
        TEST(a_full_queue_and_a_gone_reader_differ),
        TEST(only_what_cannot_change_counts_as_sealed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
