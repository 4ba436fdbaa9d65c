#include "test.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "orchestrator/ports.h"

static uint16_t claimed;

static bool taken(void *ctx, uint16_t port)
{
    (void)ctx;
    return port == claimed;
}

/* Three ports in a row below the ephemeral range, free when looked at. */
static struct hf_port_range free_range(void)
{
    for (uint16_t port = 20000; port < 32000; port = (uint16_t)(port + 3)) {
        struct hf_port_range range = {port, (uint16_t)(port + 2)};
        uint16_t next = 0, got[3] = {0};
        claimed = 0;
        for (int i = 0; i < 3; i++) {
            if (hf_ports_choose(&range, &next, taken, NULL, &got[i], NULL))
                break;
        }
        if (got[0] == port && got[2] == port + 2)
            return range;
    }
    fail_msg("no free ports");
    return (struct hf_port_range){0};
}

static void ports_go_round(void **state)
{
    struct hf_port_range range = free_range();
    uint16_t next = 0, got = 0;

    (void)state;
    for (int i = 0; i < 7; i++) {
        assert_int_equal(hf_ports_choose(&range, &next, taken, NULL, &got, NULL), 0);
        assert_int_equal(got, range.first + i % 3);
    }
}

static void claimed_and_bound_ports_are_left_out(void **state)
{
    struct hf_port_range range = free_range();
    struct sockaddr_in sa = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                             .sin_port = htons(range.first)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    uint16_t next = range.first, got = 0;
    struct hf_error e;

    (void)state;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
    assert_int_equal(listen(fd, 1), 0);
    claimed = (uint16_t)(range.first + 1);
    assert_int_equal(hf_ports_choose(&range, &next, taken, NULL, &got, &e), 0);
    assert_int_equal(got, range.last);
    range.last = claimed;
    got = 7;
    assert_int_equal(hf_ports_choose(&range, &next, taken, NULL, &got, &e), HF_ELIMIT);
    assert_int_equal(got, 7);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ports_go_round),
        cmocka_unit_test(claimed_and_bound_ports_are_left_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
