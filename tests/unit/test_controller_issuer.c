#include "test.h"

#include <openssl/pem.h>
#include <stdio.h>
#include <sys/stat.h>

#include "board/handover.h"
#include "controller/issuer.h"
#include "net/pass.h"
#include "scratch.h"
#include "tls_sample.h"

#define DAY_S (INT64_C(24) * 3600)

static char folder[64];
static struct hf_loop *loop;
static struct hf_store *store;
static struct hf_events *events;
static struct sample_certificate certificate;
static struct hf_config *config;
static int ends[2];

static void write_certificate(void)
{
    char path[100];
    FILE *f;

    snprintf(path, sizeof(path), "%s/a.pem", folder);
    f = fopen(path, "w");
    PEM_write_X509(f, certificate.x509);
    fclose(f);
    snprintf(path, sizeof(path), "%s/a.key", folder);
    f = fopen(path, "w");
    PEM_write_PrivateKey(f, certificate.key, NULL, NULL, 0, NULL, NULL);
    fclose(f);
    chmod(path, 0600);
}

static int setup(void **state)
{
    static const char yaml[] = "gateway: { listen: [{ address: \"127.0.0.1:8443\", tls: {"
                               " certificate: a.pem, key: a.key } }] }\n";
    struct hf_config_errors errors;
    char path[100];

    (void)state;
    scratch_make(folder, sizeof(folder));
    certificate = sample_certificate("a", "DNS:a.example", "EC", NULL);
    write_certificate();
    snprintf(path, sizeof(path), "%s/f.yaml", folder);
    assert_int_equal(hf_config_parse(path, hf_str(yaml), &config, &errors), 0);
    assert_int_equal(hf_loop_new(&loop, NULL), 0);
    assert_int_equal(hf_store_open("sqlite", folder, loop, &store, NULL), 0);
    events = hf_events_new(store, 1);
    return hf_pass_pair(ends, NULL);
}

static int teardown(void **state)
{
    (void)state;
    hf_store_free(store);
    hf_events_free(events);
    hf_config_unref(config);
    hf_loop_free(loop);
    sample_certificate_done(&certificate);
    close(ends[0]);
    close(ends[1]);
    scratch_remove(folder);
    return 0;
}

static struct hf_issuer *start(int bundle_fd)
{
    const struct hf_issuer_options o = {.loop = loop,
                                        .store = store,
                                        .events = events,
                                        .term = 1,
                                        .keeper_fd = ends[0],
                                        .bundle_fd = bundle_fd};
    struct hf_issuer *i;

    assert_int_equal(hf_issuer_new(&o, &i, NULL), 0);
    hf_issuer_load(i, config);
    return i;
}

/* The bundle that came to the keeper; -1: none. */
static int brought(void)
{
    struct hf_keeper_message m;
    int fd;

    if (hf_pass_receive(ends[1], &m, sizeof(m), &fd))
        return -1;
    assert_int_equal(m.type, HF_KEEPER_TLS);
    return fd;
}

static struct hf_tls_ticket_key newest_key(int fd)
{
    const struct hf_tls_bundle *b;
    struct hf_tls_ticket_key key;

    assert_int_equal(hf_tls_bundle_open(fd, &b, NULL), 0);
    key = b->keys[0];
    hf_tls_bundle_close(b);
    return key;
}

static size_t count_events(void)
{
    struct hf_store_op op = {HF_STORE_LAST, .stream = "events"};
    struct hf_store_answer answer;
    size_t n;

    while (hf_store_pending(store))
        hf_loop_turn(loop, hf_ms(100));
    assert_int_equal(hf_store_wait(store, &op, &answer), 0);
    n = answer.sequence;
    hf_store_answer_done(&answer);
    return n;
}

/* The store's answers first, as at the controller's end. */
static void stop(struct hf_issuer *i)
{
    count_events();
    hf_issuer_free(i);
}

static void what_is_new_is_sent_once(void **state)
{
    struct hf_issuer *i = start(-1);
    int first = brought(), second;

    (void)state;
    assert_true(first >= 0);
    hf_issuer_load(i, config); /* nothing has changed */
    assert_int_equal(brought(), -1);
    sample_certificate_done(&certificate);
    certificate = sample_certificate("b", "DNS:b.example", "EC", NULL);
    write_certificate();
    hf_issuer_load(i, config);
    second = brought();
    assert_true(second >= 0);
    assert_memory_equal(&(struct hf_tls_ticket_key[]){newest_key(first)},
                        &(struct hf_tls_ticket_key[]){newest_key(second)},
                        sizeof(struct hf_tls_ticket_key));
    stop(i);
    close(first);
    close(second);
}

static void what_is_bad_changes_nothing(void **state)
{
    struct hf_issuer *i = start(-1);
    char path[100];
    size_t before;

    (void)state;
    close(brought());
    before = count_events();
    snprintf(path, sizeof(path), "%s/a.key", folder);
    assert_int_equal(remove(path), 0);
    hf_issuer_load(i, config);
    assert_int_equal(brought(), -1);
    assert_int_equal(count_events(), before + 1);
    stop(i);
}

/* The one before has died; its bundle is with the keeper. */
static void the_next_controller_goes_on_with_the_keys(void **state)
{
    struct hf_issuer *i = start(-1);
    int fd = brought();

    (void)state;
    stop(i);
    i = start(fd); /* takes the descriptor */
    assert_int_equal(brought(), -1);
    stop(i);
}

static void expiry_is_told_of_once(void **state)
{
    struct hf_issuer *i;
    size_t before;

    (void)state;
    i = start(-1); /* the sample's certificate lives for an hour */
    close(brought());
    assert_int_equal(count_events(), 1);
    hf_issuer_load(i, config);
    stop(i);
    before = count_events();
    i = start(-1);
    close(brought());
    assert_int_equal(count_events(), before);
    stop(i);
}

static void keys_change_and_the_last_ones_stay(void **state)
{
    struct hf_tls_ticket_key keys[HF_TLS_TICKET_KEYS], before;
    struct hf_wall now = {.ns = INT64_C(1790000000) * HF_NS_PER_S};
    uint32_t n = 0;

    (void)state;
    assert_true(hf_issuer_rotate(keys, &n, now));
    assert_int_equal(n, 1);
    for (uint32_t i = 2; i < 6; i++) {
        before = keys[0];
        now.ns += (HF_TLS_TICKET_ROTATE_H * INT64_C(3600) - 1) * HF_NS_PER_S;
        assert_false(hf_issuer_rotate(keys, &n, now));
        now.ns += HF_NS_PER_S;
        assert_true(hf_issuer_rotate(keys, &n, now));
        assert_int_equal(n, i < HF_TLS_TICKET_KEYS ? i : HF_TLS_TICKET_KEYS);
        assert_memory_equal(&keys[1], &before, sizeof(before));
        assert_memory_not_equal(keys[0].cipher, keys[1].cipher, sizeof(keys[0].cipher));
    }
}

static void notices_come_in_time(void **state)
{
    static const struct {
        int64_t left_s;
        int days;
    } cases[] = {
        {31 * DAY_S, -1}, {30 * DAY_S + 1, -1}, {30 * DAY_S, 30}, {8 * DAY_S, 30}, {7 * DAY_S, 7},
        {DAY_S + 1, 7},   {DAY_S, 1},           {1, 1},           {0, 0},          {-DAY_S, 0},
    };
    struct hf_wall now = {.ns = INT64_C(1790000000) * HF_NS_PER_S};

    (void)state;
    for (size_t i = 0; i < HF_COUNT(cases); i++) {
        struct hf_wall expires = {now.ns + cases[i].left_s * HF_NS_PER_S};
        assert_int_equal(hf_issuer_notice(expires, now), cases[i].days);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_new_is_sent_once),
        TEST(what_is_bad_changes_nothing),
        TEST(the_next_controller_goes_on_with_the_keys),
        TEST(expiry_is_told_of_once),
        cmocka_unit_test(keys_change_and_the_last_ones_stay),
        cmocka_unit_test(notices_come_in_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
