#include "test.h"

#include <sys/socket.h>
#include <unistd.h>

#include "keeper/mailbox.h"
#include "net/pass.h"

static struct hf_mailbox box;

static int setup(void **state)
{
    (void)state;
    return hf_mailbox_init(&box, NULL);
}

static int teardown(void **state)
{
    (void)state;
    hf_mailbox_done(&box);
    return 0;
}

static void send_orphan(int pid)
{
    const struct hf_keeper_message m = {.type = HF_KEEPER_ORPHAN_ENDED, .pid = pid};

    hf_mailbox_send(&box, &m);
}

/* What the controller reads next: its pid, or -1 if there is nothing. */
static int read_pid(void)
{
    struct hf_keeper_message m;

    return recv(box.controller_fd, &m, sizeof(m), 0) == sizeof(m) ? m.pid : -1;
}

static void messages_arrive_in_order(void **state)
{
    (void)state;
    for (int i = 1; i <= 100; i++)
        send_orphan(i);
    for (int i = 1; i <= 100; i++)
        assert_int_equal(read_pid(), i);
    assert_int_equal(read_pid(), -1);
}

/* More than the kernel queues: the rest is kept, and nothing is lost or out of order. */
static void what_the_kernel_does_not_take_is_kept(void **state)
{
    int sent = 0, got = 0;

    (void)state;
    while (box.n < HF_MAILBOX_KEPT)
        send_orphan(++sent);
    assert_true(sent > HF_MAILBOX_KEPT);
    while (got < sent) {
        int pid = read_pid();
        if (pid < 0)
            hf_mailbox_flush(&box);
        else
            assert_int_equal(pid, ++got);
    }
    assert_int_equal(read_pid(), -1);
    assert_int_equal(box.n, 0);
    assert_int_equal(box.lost, 0);
}

static void the_oldest_of_the_kept_go_first(void **state)
{
    int queued, sent = 0;

    (void)state;
    while (box.n == 0)
        send_orphan(++sent);
    queued = sent - 1;
    for (int i = 0; i < HF_MAILBOX_KEPT + 9; i++)
        send_orphan(++sent);
    assert_int_equal(box.n, HF_MAILBOX_KEPT);
    assert_int_equal(box.lost, 10);
    for (int i = 1; i <= queued; i++)
        assert_int_equal(read_pid(), i);
    for (int i = sent - HF_MAILBOX_KEPT + 1; i <= sent; i++) {
        hf_mailbox_flush(&box);
        assert_int_equal(read_pid(), i);
    }
    assert_int_equal(read_pid(), -1);
}

static void what_is_shorter_than_a_message_is_none(void **state)
{
    struct hf_keeper_message m = {.type = HF_KEEPER_STOP_LIMIT};
    struct hf_keeper_request got = {0};
    int fd = -1;

    (void)state;
    assert_int_equal(hf_mailbox_receive(&box, &got, &fd), HF_EAGAIN);
    assert_int_equal(send(box.controller_fd, &m, sizeof(m) - 1, 0), sizeof(m) - 1);
    assert_int_equal(send(box.controller_fd, &m, sizeof(m), 0), sizeof(m));
    assert_int_equal(hf_mailbox_receive(&box, &got, &fd), HF_EINVAL);
    assert_int_equal(got.head.type, 0);
    assert_int_equal(hf_mailbox_receive(&box, &got, &fd), 0);
    assert_int_equal(got.head.type, HF_KEEPER_STOP_LIMIT);
    assert_int_equal(fd, -1);
    assert_int_equal(hf_mailbox_receive(&box, &got, &fd), HF_EAGAIN);
}

/* The controller may be of another version: its requests may be shorter or longer. */
static void requests_of_other_sizes_are_taken(void **state)
{
    struct hf_keeper_request r = {.head.type = HF_KEEPER_SWITCH, .id = 7, .workers = 3}, got;
    char longer[sizeof(r) + 64] = {0};
    int fd;

    (void)state;
    memset(r.path, 'x', sizeof(r.path) - 1);
    memcpy(longer, &r, sizeof(r));
    assert_int_equal(send(box.controller_fd, longer, sizeof(longer), 0), sizeof(longer));
    assert_int_equal(send(box.controller_fd, &r, offsetof(struct hf_keeper_request, path), 0),
                     offsetof(struct hf_keeper_request, path));
    assert_int_equal(hf_mailbox_receive(&box, &got, &fd), 0);
    assert_memory_equal(&got, &r, sizeof(r));
    assert_int_equal(hf_mailbox_receive(&box, &got, &fd), 0);
    assert_int_equal(got.workers, 3);
    assert_string_equal(got.path, "");
}

static void a_descriptor_comes_with_its_message(void **state)
{
    struct hf_keeper_message m = {.type = HF_KEEPER_TLS};
    struct hf_keeper_request got = {0};
    int pair[2], fd = -1;
    char byte;

    (void)state;
    assert_int_equal(pipe(pair), 0);
    assert_int_equal(hf_pass_send(box.controller_fd, &m, sizeof(m), pair[0]), 0);
    assert_int_equal(hf_mailbox_receive(&box, &got, &fd), 0);
    assert_int_equal(got.head.type, HF_KEEPER_TLS);
    assert_int_equal(write(pair[1], "x", 1), 1);
    assert_int_equal(read(fd, &byte, 1), 1);
    close(fd);
    close(pair[0]);
    close(pair[1]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(messages_arrive_in_order),          TEST(what_the_kernel_does_not_take_is_kept),
        TEST(the_oldest_of_the_kept_go_first),   TEST(what_is_shorter_than_a_message_is_none),
        TEST(requests_of_other_sizes_are_taken), TEST(a_descriptor_comes_with_its_message),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
