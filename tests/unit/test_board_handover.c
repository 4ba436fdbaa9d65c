#include "test.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "board/handover.h"

static struct hf_setup good_setup(void)
{
    struct hf_setup s = {.magic = HF_SETUP_MAGIC,
                         .layout = HF_BOARD_LAYOUT,
                         .size = sizeof(s),
                         .capacity = {2, 4, 8, 8},
                         .n_listeners = 1,
                         .listeners = {{.family = HF_ADDR_IP4, .port = 8080}},
                         .bound = {{.family = HF_ADDR_IP4, .port = 8080}},
                         .admin = {.family = HF_ADDR_IP4, .port = 8400},
                         .state = "/state",
                         .config = "/holdfast.yaml",
                         .stop_ms = 1000,
                         .workers = 2};
    return s;
}

static struct hf_handover good_handover(void)
{
    struct hf_handover h = {.magic = HF_BOARD_MAGIC,
                            .layout = HF_BOARD_LAYOUT,
                            .size = sizeof(h),
                            .build = "1.0-a",
                            .role = HF_ROLE_GATEWAY,
                            .slot = 3,
                            .keeper_fd = -1,
                            .tls_fd = -1,
                            .access_log_fd = -1,
                            .last_plan_fd = -1,
                            .setup = good_setup()};

    memset(h.listener_fd, -1, sizeof(h.listener_fd));
    memset(&h.board, -1, sizeof(h.board));
    return h;
}

/* As if this process had been started with it. */
static int read_back(const struct hf_handover *h, struct hf_handover *ret)
{
    int fd = hf_handover_write(h, NULL);

    assert_true(fd >= 0);
    if (fd != HF_HANDOVER_FD) {
        assert_int_equal(dup2(fd, HF_HANDOVER_FD), HF_HANDOVER_FD);
        close(fd);
    }
    return hf_handover_read("1.0-a", ret, NULL);
}

static void a_handover_arrives_whole(void **state)
{
    struct hf_handover h = good_handover(), got;
    int pair[2];

    (void)state;
    assert_int_equal(pipe(pair), 0);
    h.listener_fd[0] = fcntl(pair[0], F_DUPFD, 20);
    h.board.bell = fcntl(pair[0], F_DUPFD, 20);
    assert_int_equal(read_back(&h, &got), 0);
    assert_memory_equal(&got, &h, sizeof(h));
    assert_int_equal(fcntl(HF_HANDOVER_FD, F_GETFD), -1);
    assert_int_equal(fcntl(h.listener_fd[0], F_GETFD), FD_CLOEXEC);
    assert_int_equal(fcntl(h.board.bell, F_GETFD), FD_CLOEXEC);
    close(h.listener_fd[0]);
    close(h.board.bell);
    close(pair[0]);
    close(pair[1]);
}

static void a_sealed_handover_cannot_be_changed(void **state)
{
    struct hf_handover h = good_handover();
    int fd = hf_handover_write(&h, NULL);

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, "x", 1, 0), -1);
    assert_int_equal(ftruncate(fd, 0), -1);
    close(fd);
}

static void odd_handovers_are_refused(void **state)
{
    struct hf_handover h, got;

    (void)state;
    assert_int_equal(hf_handover_read("1.0-a", &got, NULL), HF_ECORRUPT); /* there is none */
    h = good_handover();
    h.slot = HF_BOARD_SLOTS;
    assert_int_equal(read_back(&h, &got), HF_ECORRUPT);
    h = good_handover();
    h.setup.n_listeners = 0;
    assert_int_equal(read_back(&h, &got), HF_ECORRUPT);
    close(HF_HANDOVER_FD);
}

static void another_build_is_named(void **state)
{
    struct hf_error e = {0};
    struct hf_handover h, got;

    (void)state;
    h = good_handover();
    h.build[4]++;
    assert_int_equal(read_back(&h, &got), HF_EREFUSED);
    assert_int_equal(hf_handover_read("1.0-a", &got, &e), HF_EREFUSED);
    assert_string_equal(e.text, "the keeper means to start build 1.0-b, this is 1.0-a");
    close(HF_HANDOVER_FD);
}

static void refused(struct hf_setup s)
{
    struct hf_error e = {0};

    assert_int_equal(hf_setup_check(&s, &e), HF_ECORRUPT);
    assert_true(e.text[0]);
}

#define REFUSED(change)                                                                            \
    do {                                                                                           \
        struct hf_setup s = good_setup();                                                          \
        change;                                                                                    \
        refused(s);                                                                                \
    } while (0)

static void bounds_of_a_setup_are_checked(void **state)
{
    struct hf_setup fine = good_setup();

    (void)state;
    assert_int_equal(hf_setup_check(&fine, NULL), 0);
    REFUSED(s.magic++);
    REFUSED(s.layout++);
    REFUSED(s.size++);
    REFUSED(s.capacity.workers = 0);
    REFUSED(s.capacity.workers = HF_BOARD_WORKERS_MAX + 1);
    REFUSED(s.capacity.services = 0);
    REFUSED(s.capacity.services = HF_BOARD_SERVICES_MAX + 1);
    REFUSED(s.capacity.endpoints = 0);
    REFUSED(s.capacity.endpoints = HF_BOARD_ENDPOINTS_MAX + 1);
    REFUSED(s.capacity.routes = 0);
    REFUSED(s.capacity.routes = HF_BOARD_ROUTES_MAX + 1);
    REFUSED(s.stop_ms = HF_STOP_MS_MAX + 1);
    REFUSED(s.workers = 0);
    REFUSED(s.workers = s.capacity.workers + 1);
}

static void addresses_and_paths_of_a_setup_are_checked(void **state)
{
    (void)state;
    REFUSED(s.n_listeners = 0);
    REFUSED(s.n_listeners = HF_LISTENERS_MAX + 1);
    REFUSED(s.n_listeners = 2); /* the second has no address */
    REFUSED(s.admin.family = HF_ADDR_NONE);
    REFUSED(s.state[0] = 's');
    REFUSED(s.state[0] = 0);
    REFUSED(memset(s.state, '/', sizeof(s.state)));
    REFUSED(s.config[0] = 0);
    REFUSED(memset(s.config, '/', sizeof(s.config)));
    REFUSED(s.access_log[0] = 'l');
    REFUSED(memset(s.access_log, '/', sizeof(s.access_log)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_handover_arrives_whole),
        cmocka_unit_test(a_sealed_handover_cannot_be_changed),
        cmocka_unit_test(odd_handovers_are_refused),
        cmocka_unit_test(another_build_is_named),
        cmocka_unit_test(bounds_of_a_setup_are_checked),
        cmocka_unit_test(addresses_and_paths_of_a_setup_are_checked),
    };

    close(HF_HANDOVER_FD); /* whatever this process may have been started with */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
