#include "test.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "keeper/courier.h"
#include "net/pass.h"

static struct hf_courier courier;
static int gateway_fd, bundles[2];

static int setup(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++)
        bundles[i] = memfd_create("bundle", MFD_CLOEXEC);
    return hf_courier_init(&courier, &gateway_fd, NULL);
}

static int teardown(void **state)
{
    (void)state;
    hf_courier_done(&courier);
    close(gateway_fd);
    close(bundles[0]);
    close(bundles[1]);
    return 0;
}

/* The bundle that the gateway reads next, by number; -1: there is none. */
static int read_bundle(void)
{
    struct hf_keeper_message m;
    struct stat got, st;
    int fd;

    if (hf_pass_receive(gateway_fd, &m, sizeof(m), &fd))
        return -1;
    assert_int_equal(m.type, HF_KEEPER_TLS);
    assert_int_equal(fstat(fd, &got), 0);
    close(fd);
    for (int i = 0; i < 2; i++) {
        if (fstat(bundles[i], &st) == 0 && st.st_ino == got.st_ino)
            return i;
    }
    return -1;
}

static void a_bundle_is_brought(void **state)
{
    (void)state;
    hf_courier_bring(&courier, bundles[1]);
    assert_false(courier.waiting);
    hf_courier_again(&courier, bundles[1]);
    assert_int_equal(read_bundle(), 1);
    assert_int_equal(read_bundle(), -1);
}

static void a_gateway_that_does_not_read_gets_the_newest_later(void **state)
{
    (void)state;
    while (!courier.waiting)
        hf_courier_bring(&courier, bundles[0]);
    hf_courier_again(&courier, bundles[1]);
    assert_true(courier.waiting);
    while (read_bundle() == 0)
        continue;
    hf_courier_again(&courier, bundles[1]);
    assert_false(courier.waiting);
    assert_int_equal(read_bundle(), 1);
    assert_int_equal(read_bundle(), -1);
}

static void without_a_gateway_nothing_happens(void **state)
{
    (void)state;
    hf_courier_done(&courier);
    hf_courier_bring(&courier, bundles[0]);
    assert_false(courier.waiting);
    assert_int_equal(read_bundle(), -1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_bundle_is_brought),
        TEST(a_gateway_that_does_not_read_gets_the_newest_later),
        TEST(without_a_gateway_nothing_happens),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
