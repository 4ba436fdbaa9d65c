#include "test.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "net/tls_bundle.h"

static const struct hf_tls_certificate_source certificates[] = {{{"chain one", 9}, {"key one", 7}},
                                                                {{"chain two", 9}, {"key two", 7}}};
static const struct hf_tls_listener_source listeners[] = {
    {.address = {.family = HF_ADDR_IP4, .port = 1}, .certificates = certificates, .n = 2},
    {.address = {.family = HF_ADDR_IP6, .port = 2},
     .minimum = HF_TLS_1_3,
     .verify = HF_TLS_VERIFY_REQUIRED,
     .http2 = true,
     .ca = {"authority", 9},
     .certificates = &certificates[1],
     .n = 1},
};
static const struct hf_tls_ticket_key keys[2] = {{.name = "newest", .made_wall_s = 5},
                                                 {.name = "older", .made_wall_s = 4}};
static const struct hf_tls_bundle_source source = {listeners, 2, keys, 2};

static bool span_is(const struct hf_tls_bundle *b, struct hf_tls_span s, const char *text)
{
    return hf_str_eq(hf_tls_bundle_span(b, s), hf_str(text));
}

static void what_is_written_is_read(void **state)
{
    const struct hf_tls_bundle_certificate *c;
    const struct hf_tls_bundle_listener *l;
    const struct hf_tls_bundle *b;
    struct hf_error e;
    int fd = hf_tls_bundle_write(&source, &e);

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
    assert_int_equal(hf_tls_bundle_open(fd, &b, &e), 0);
    close(fd);
    l = hf_tls_bundle_listeners(b);
    c = hf_tls_bundle_certificates(b);
    assert_int_equal(b->n_listeners, 2);
    assert_int_equal(b->n_certificates, 3);
    assert_int_equal(b->n_keys, 2);
    assert_memory_equal(b->keys, keys, sizeof(keys));
    assert_true(hf_addr_eq(&l[0].address, &listeners[0].address));
    assert_int_equal(l[0].first, 0);
    assert_int_equal(l[0].n, 2);
    assert_int_equal(l[0].verify, HF_TLS_VERIFY_OFF);
    assert_int_equal(l[1].first, 2);
    assert_int_equal(l[1].n, 1);
    assert_int_equal(l[1].minimum, HF_TLS_1_3);
    assert_int_equal(l[1].verify, HF_TLS_VERIFY_REQUIRED);
    assert_int_equal(l[1].http2, 1);
    assert_true(span_is(b, l[1].ca, "authority"));
    assert_true(span_is(b, c[0].chain, "chain one"));
    assert_true(span_is(b, c[1].key, "key two"));
    assert_true(span_is(b, c[2].chain, "chain two"));
    assert_null(hf_tls_bundle_close(b));
}

static void ticket_keys_alone_are_a_bundle(void **state)
{
    const struct hf_tls_bundle_source alone = {NULL, 0, keys, 1};
    const struct hf_tls_bundle *b;
    struct hf_error e;
    int fd = hf_tls_bundle_write(&alone, &e);

    (void)state;
    assert_int_equal(hf_tls_bundle_open(fd, &b, &e), 0);
    assert_int_equal(b->n_listeners, 0);
    assert_string_equal((const char *)b->keys[0].name, "newest");
    hf_tls_bundle_close(b);
    close(fd);
}

static void only_sealed_files_are_read(void **state)
{
    const struct hf_tls_bundle *b = NULL;
    struct hf_error e;
    char bytes[4096];
    int sealed = hf_tls_bundle_write(&source, &e), copy = memfd_create("copy", MFD_CLOEXEC);
    ssize_t n = pread(sealed, bytes, sizeof(bytes), 0);

    (void)state;
    assert_int_equal(pwrite(sealed, "x", 1, 0), -1);
    assert_int_equal(ftruncate(sealed, 0), -1);
    assert_int_equal(write(copy, bytes, (size_t)n), n);
    assert_int_equal(hf_tls_bundle_open(copy, &b, &e), HF_ECORRUPT);
    assert_int_equal(hf_tls_bundle_open(-1, &b, &e), HF_ECORRUPT);
    assert_null(b);
    close(sealed);
    close(copy);
}

static void too_much_is_refused(void **state)
{
    static char large[HF_TLS_BUNDLE_MOST];
    const struct hf_tls_certificate_source c = {{large, sizeof(large)}, {"k", 1}};
    const struct hf_tls_listener_source l = {
        .address = {.family = HF_ADDR_IP4, .port = 1}, .certificates = &c, .n = 1};
    const struct hf_tls_bundle_source s = {&l, 1, keys, 1};
    struct hf_error e;

    (void)state;
    assert_int_equal(hf_tls_bundle_write(&s, &e), HF_ELIMIT);
}

/* Each field that says where something is, or how much, set to what it cannot be. */
static void a_bundle_is_not_believed(void **state)
{
    union {
        struct hf_tls_bundle b;
        char bytes[4096];
    } good, bad;
    struct hf_tls_bundle_listener *l;
    struct hf_tls_bundle_certificate *c;
    struct hf_error e;
    int fd = hf_tls_bundle_write(&source, &e);
    ssize_t got = pread(fd, good.bytes, sizeof(good.bytes), 0);
    size_t n = (size_t)got;

    (void)state;
    close(fd);
    assert_true(got > 0);
    assert_int_equal(hf_tls_bundle_check(&good, n, &e), 0);
    for (size_t less = 0; less < n; less++)
        assert_int_equal(hf_tls_bundle_check(&good, less, &e), HF_ECORRUPT);
    assert_int_equal(hf_tls_bundle_check(&good, n + 1, &e), HF_ECORRUPT);
#define BREAKS(assignment)                                                                         \
    do {                                                                                           \
        bad = good;                                                                                \
        l = (void *)(bad.bytes + bad.b.listeners_at);                                              \
        c = (void *)(bad.bytes + bad.b.certificates_at);                                           \
        assignment;                                                                                \
        assert_int_equal(hf_tls_bundle_check(&bad, n, &e), HF_ECORRUPT);                           \
    } while (0)
    BREAKS(bad.b.magic++);
    BREAKS(bad.b.version++);
    BREAKS(bad.b.size--);
    BREAKS(bad.b.n_keys = 0);
    BREAKS(bad.b.n_keys = HF_TLS_TICKET_KEYS + 1);
    BREAKS(bad.b.n_listeners = HF_TLS_LISTENERS + 1);
    BREAKS(bad.b.n_listeners = UINT32_MAX);
    BREAKS(bad.b.n_certificates = UINT32_MAX / 16 + 2);
    BREAKS(bad.b.n_certificates = 2);
    BREAKS(bad.b.listeners_at += 4);
    BREAKS(bad.b.listeners_at = 8);
    BREAKS(bad.b.listeners_at = UINT32_MAX - 7);
    BREAKS(bad.b.certificates_at = (uint32_t)(n + 7) / 8 * 8);
    BREAKS(c[0].chain.at = 0);
    BREAKS(c[0].chain.at = UINT32_MAX);
    BREAKS(c[0].chain.n = UINT32_MAX);
    BREAKS(c[2].key.n += 1);
    BREAKS(l[0].address.family = HF_ADDR_NONE);
    BREAKS(l[0].minimum = HF_TLS_1_3 + 1);
    BREAKS(l[0].verify = HF_TLS_VERIFY_REQUIRED + 1);
    BREAKS(l[0].verify = HF_TLS_VERIFY_OPTIONAL); /* without an authority */
    BREAKS(l[0].http2 = 2);
    BREAKS(l[0].n = 0);
    BREAKS(l[0].n = HF_TLS_CERTIFICATES + 1);
    BREAKS(l[0].first = 2);
    BREAKS(l[0].first = UINT32_MAX);
    BREAKS(l[1].ca.n = UINT32_MAX);
#undef BREAKS
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(ticket_keys_alone_are_a_bundle),
        cmocka_unit_test(only_sealed_files_are_read),
        cmocka_unit_test(too_much_is_refused),
        cmocka_unit_test(a_bundle_is_not_believed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
