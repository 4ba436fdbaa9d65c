#include "test.h"

#include <sys/mman.h>

#include "gateway/keyring.h"
#include "tls_sample.h"

static struct sample_certificate certificate;

static int bundle(int seed)
{
    const struct hf_tls_certificate_source c = sample_source(&certificate);
    const struct hf_tls_listener_source l = {.address = sample_address, .certificates = &c, .n = 1};
    const struct hf_tls_ticket_key key = sample_ticket_key(seed);
    const struct hf_tls_bundle_source s = {&l, 1, &key, 1};
    int fd = hf_tls_bundle_write(&s, NULL);

    assert_true(fd >= 0);
    return fd;
}

static void a_new_set_replaces_the_one_before(void **state)
{
    struct hf_keyring *k = hf_keyring_new();
    struct hf_tls_set *first, *second;
    uint64_t version;
    int fd = bundle(1);

    (void)state;
    assert_int_equal(hf_keyring_version(k), 0);
    assert_null(hf_keyring_take(k, &version));
    hf_keyring_load(k, fd);
    assert_int_equal(close(fd), -1); /* it was taken */
    first = hf_keyring_take(k, &version);
    assert_int_equal(version, 1);
    hf_keyring_load(k, bundle(2));
    assert_int_equal(hf_keyring_version(k), 2);
    second = hf_keyring_take(k, &version);
    assert_ptr_not_equal(first, second);
    assert_non_null(hf_tls_set_listener(first, &sample_address)); /* whoever has it keeps it */
    hf_tls_set_unref(first);
    hf_tls_set_unref(second);
    hf_tls_set_unref(second); /* the keyring's own */
    free(k);
}

static void what_is_no_bundle_changes_nothing(void **state)
{
    struct hf_keyring *k = hf_keyring_new();
    struct hf_tls_set *set;
    uint64_t version;

    (void)state;
    hf_keyring_load(k, bundle(1));
    hf_keyring_load(k, memfd_create("x", MFD_CLOEXEC));
    set = hf_keyring_take(k, &version);
    assert_int_equal(version, 1);
    assert_non_null(hf_tls_set_listener(set, &sample_address));
    hf_tls_set_unref(set);
    hf_tls_set_unref(set);
    free(k);
}

static int setup(void **state)
{
    (void)state;
    certificate = sample_certificate("a", "DNS:a.example", "EC", NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    sample_certificate_done(&certificate);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_set_replaces_the_one_before),
        cmocka_unit_test(what_is_no_bundle_changes_nothing),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
