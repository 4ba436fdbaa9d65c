#include "test.h"

#include "net/tls.h"
#include "tls_sample.h"

static struct sample_certificate plain, wild, twin, authority, alice, odd, stranger;
static const int one_key[] = {1, 0};

static int make_all(void **state)
{
    (void)state;
    plain = sample_certificate("plain", "DNS:first.example,DNS:other.example", "EC", NULL);
    wild = sample_certificate("wild", "DNS:*.shop.example,DNS:shop.example", "EC", NULL);
    twin = sample_certificate("twin", "DNS:first.example,DNS:other.example", "RSA", NULL);
    authority = sample_certificate("authority", NULL, "EC", NULL);
    alice = sample_certificate("Alice B 100%", NULL, "EC", &authority);
    odd = sample_certificate("odd", "DNS:with space", "EC", &authority);
    stranger = sample_certificate("stranger", "DNS:stranger.example", "EC", NULL);
    return 0;
}

static int drop_all(void **state)
{
    struct sample_certificate *all[] = {&plain, &wild, &twin, &authority, &alice, &odd, &stranger};

    (void)state;
    for (size_t i = 0; i < HF_COUNT(all); i++)
        sample_certificate_done(all[i]);
    return 0;
}

static struct hf_tls_set *set_of(const struct sample_certificate *a,
                                 const struct sample_certificate *b, const int *keys)
{
    struct hf_tls_certificate_source certificates[2] = {sample_source(a)};
    struct hf_tls_listener_source l = {.http2 = true, .certificates = certificates, .n = 1};

    if (b)
        certificates[l.n++] = sample_source(b);
    return sample_set(&l, keys);
}

static struct hf_tls_set *set_with_clients(enum hf_tls_verify verify, const int *keys)
{
    struct hf_tls_certificate_source certificate = sample_source(&plain);
    struct hf_tls_listener_source l = {
        .certificates = &certificate, .n = 1, .verify = verify, .ca = sample_der(&authority)};

    return sample_set(&l, keys);
}

/* ---- handshake and data ---- */

static void talk_both_ways(struct hf_tls_set *set, int version, size_t step)
{
    struct sample_talk t;
    char got[16];

    sample_talk_init(&t, set, true);
    t.step = step;
    SSL_set_min_proto_version(t.client, version);
    SSL_set_max_proto_version(t.client, version);
    assert_true(sample_handshake(&t));
    assert_int_equal(hf_tls_version(t.server), version == TLS1_3_VERSION ? HF_TLS_1_3 : HF_TLS_1_2);
    assert_false(hf_tls_resumed(t.server));
    assert_false(hf_tls_h2(t.server));
    assert_int_equal(hf_tls_subject(t.server).n, 0);
    sample_say(&t, "hello", 5);
    assert_int_equal(t.rc, 0);
    assert_int_equal(t.plain_n, 5);
    assert_memory_equal(t.plain, "hello", 5);
    sample_answer(&t, "world", 5);
    assert_int_equal(SSL_read(t.client, got, sizeof(got)), 5);
    assert_memory_equal(got, "world", 5);
    sample_talk_done(&t);
}

static void bytes_go_both_ways(void **state)
{
    static const size_t steps[] = {0, 1, 7, 1000};
    struct hf_tls_set *set = set_of(&plain, NULL, one_key);

    (void)state;
    for (size_t i = 0; i < HF_COUNT(steps); i++) {
        talk_both_ways(set, TLS1_2_VERSION, steps[i]);
        talk_both_ways(set, TLS1_3_VERSION, steps[i]);
    }
    hf_tls_set_unref(set);
}

/* OpenSSL keeps one queue of errors for all connections of a thread. */
static void what_another_one_left_is_not_its_error(void **state)
{
    struct hf_tls_set *set = set_of(&plain, NULL, one_key);
    struct sample_talk t;

    (void)state;
    sample_talk_init(&t, set, false);
    assert_true(sample_handshake(&t));
    ERR_raise(ERR_LIB_SSL, SSL_R_HTTP_REQUEST);
    sample_say(&t, "hello", 5);
    assert_int_equal(t.rc, 0);
    assert_int_equal(t.plain_n, 5);
    sample_talk_done(&t);
    hf_tls_set_unref(set);
}

/* One read feeds many records, and a record may come in parts. */
static void many_records_at_once(void **state)
{
    static const size_t steps[] = {0, 100000, 16383, 5};
    struct hf_tls_set *set = set_of(&plain, NULL, one_key);
    static char body[200000], got[200000];

    (void)state;
    for (size_t i = 0; i < sizeof(body); i++)
        body[i] = (char)(i * 7 + i / 251);
    for (size_t i = 0; i < HF_COUNT(steps); i++) {
        struct sample_talk t;
        size_t n = 0;
        int part;
        sample_talk_init(&t, set, false);
        assert_true(sample_handshake(&t));
        t.step = steps[i];
        sample_say(&t, body, sizeof(body));
        assert_int_equal(t.plain_n, sizeof(body));
        assert_memory_equal(t.plain, body, sizeof(body));
        assert_true(sample_answer(&t, body, sizeof(body)) <= HF_TLS_SEALED(sizeof(body)));
        while ((part = SSL_read(t.client, got + n, (int)(sizeof(got) - n))) > 0)
            n += (size_t)part;
        assert_int_equal(n, sizeof(body));
        assert_memory_equal(got, body, sizeof(body));
        sample_talk_done(&t);
    }
    hf_tls_set_unref(set);
}

static void an_end_is_said_and_heard(void **state)
{
    struct hf_tls_set *set = set_of(&plain, NULL, one_key);
    char records[100], got;
    struct hf_tls_out out = {records, 0, sizeof(records)};
    struct sample_talk t;

    (void)state;
    sample_talk_init(&t, set, false);
    assert_true(sample_handshake(&t));
    SSL_write(t.client, "last", 4);
    SSL_shutdown(t.client);
    sample_deliver(&t);
    assert_int_equal(t.rc, 0);
    assert_int_equal(t.plain_n, 4);
    assert_true(hf_tls_ended(t.server));
    sample_answer(&t, "bye", 3); /* the other direction is still open */
    hf_tls_end(t.server, &out);
    assert_true(out.n > 0);
    assert_int_equal(BIO_write(SSL_get_rbio(t.client), records, (int)out.n), out.n);
    out.n = 0;
    assert_int_equal(SSL_get_shutdown(t.client) & SSL_RECEIVED_SHUTDOWN, 0);
    sample_talk_done(&t);
    sample_talk_init(&t, set, false);
    assert_true(sample_handshake(&t));
    hf_tls_end(t.server, &out);
    BIO_write(SSL_get_rbio(t.client), records, (int)out.n);
    assert_int_equal(SSL_read(t.client, &got, 1), 0);
    assert_int_equal(SSL_get_shutdown(t.client) & SSL_RECEIVED_SHUTDOWN, SSL_RECEIVED_SHUTDOWN);
    sample_talk_done(&t);
    hf_tls_set_unref(set);
}

static void keys_may_be_changed_on_the_way(void **state)
{
    struct hf_tls_set *set = set_of(&plain, NULL, one_key);
    struct sample_talk t;
    char got[3];

    (void)state;
    sample_talk_init(&t, set, false);
    assert_true(sample_handshake(&t));
    for (int i = 0; i < 5; i++) {
        assert_int_equal(SSL_key_update(t.client, SSL_KEY_UPDATE_REQUESTED), 1);
        sample_say(&t, "abc", 3);
        assert_int_equal(t.rc, 0);
        sample_answer(&t, "xyz", 3);
        assert_int_equal(SSL_read(t.client, got, 3), 3);
    }
    assert_int_equal(t.plain_n, 15);
    sample_talk_done(&t);
    hf_tls_set_unref(set);
}

/* ---- what is not let in ---- */

static void only_good_versions_and_ciphers(void **state)
{
    static const char *const refused[] = {"AES128-SHA256", "ECDHE-ECDSA-AES128-SHA256",
                                          "DHE-RSA-AES128-GCM-SHA256"};
    struct hf_tls_set *set = set_of(&plain, NULL, one_key);
    struct sample_talk t;

    (void)state;
    sample_talk_init(&t, set, false);
    SSL_set_security_level(t.client, 0);
    SSL_set_min_proto_version(t.client, TLS1_VERSION);
    SSL_set_max_proto_version(t.client, TLS1_1_VERSION);
    SSL_set_cipher_list(t.client, "ALL:@SECLEVEL=0");
    assert_false(sample_handshake(&t));
    assert_int_equal(t.rc, HF_EREFUSED);
    sample_talk_done(&t);
    for (size_t i = 0; i < HF_COUNT(refused); i++) {
        sample_talk_init(&t, set, false);
        SSL_set_max_proto_version(t.client, TLS1_2_VERSION);
        assert_int_equal(SSL_set_cipher_list(t.client, refused[i]), 1);
        assert_false(sample_handshake(&t));
        assert_int_equal(t.rc, HF_EREFUSED);
        sample_talk_done(&t);
    }
    hf_tls_set_unref(set);
}

static void the_lowest_version_can_be_raised(void **state)
{
    struct hf_tls_certificate_source certificate = sample_source(&plain);
    struct hf_tls_listener_source l = {.certificates = &certificate, .n = 1, .minimum = HF_TLS_1_3};
    struct hf_tls_set *set = sample_set(&l, one_key);
    struct sample_talk t;

    (void)state;
    sample_talk_init(&t, set, false);
    SSL_set_max_proto_version(t.client, TLS1_2_VERSION);
    assert_false(sample_handshake(&t));
    sample_talk_done(&t);
    talk_both_ways(set, TLS1_3_VERSION, 0);
    hf_tls_set_unref(set);
}

static void nobody_renegotiates(void **state)
{
    struct hf_tls_set *set = set_of(&plain, NULL, one_key);
    struct sample_talk t;

    (void)state;
    sample_talk_init(&t, set, false);
    SSL_set_max_proto_version(t.client, TLS1_2_VERSION);
    assert_true(sample_handshake(&t));
    assert_int_equal(SSL_renegotiate(t.client), 1);
    SSL_do_handshake(t.client);
    sample_deliver(&t);
    SSL_do_handshake(t.client);
    assert_false(SSL_is_init_finished(t.client) && SSL_num_renegotiations(t.client) > 0 &&
                 SSL_get_state(t.client) == TLS_ST_OK && !SSL_renegotiate_pending(t.client));
    ERR_clear_error();
    sample_talk_done(&t);
    hf_tls_set_unref(set);
}

static void garbage_is_refused(void **state)
{
    static const struct {
        const char *text;
        size_t n;
        int rc;
    } cases[] = {
        {"GET / HTTP/1.1\r\nhost: a\r\n\r\n", 27, HF_EINVAL},
        {"POST / HTTP/1.1\r\n", 17, HF_EINVAL},
        {"\0\0\0\0\0\0\0\0\0\0\0", 11, HF_EREFUSED},
        {"SSH-2.0-OpenSSH_9\r\n", 19, HF_EREFUSED},
        {"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00", 10, HF_EREFUSED},
        {"\x16\x03\x01\xff\xff\x01", 6, HF_EREFUSED},
        {"\x15\x03\x01\x00\x02\x02\x28", 7, HF_EREFUSED},
        {"\x17\x03\x03\x00\x01\x00", 6, HF_EREFUSED},
    };
    struct hf_tls_set *set = set_of(&plain, NULL, one_key);
    struct sample_talk t;

    (void)state;
    for (size_t i = 0; i < HF_COUNT(cases); i++) {
        for (size_t step = 0; step < 2; step++) {
            sample_talk_init(&t, set, false);
            t.step = step;
            sample_feed(&t, cases[i].text, cases[i].n);
            if (step == 0)
                assert_int_equal(t.rc, cases[i].rc);
            assert_int_not_equal(t.rc, 0);
            assert_false(hf_tls_established(t.server));
            sample_feed(&t, "more", 4);
            assert_int_equal(t.rc, HF_EREFUSED);
            sample_talk_done(&t);
        }
    }
    hf_tls_set_unref(set);
}

static void a_changed_record_ends_it(void **state)
{
    struct hf_tls_set *set = set_of(&plain, NULL, one_key);
    struct sample_talk t;
    char bytes[200];
    int n;

    (void)state;
    sample_talk_init(&t, set, false);
    assert_true(sample_handshake(&t));
    SSL_write(t.client, "hello", 5);
    n = BIO_read(SSL_get_wbio(t.client), bytes, sizeof(bytes));
    bytes[n - 1] ^= 1;
    sample_feed(&t, bytes, (size_t)n);
    assert_int_equal(t.rc, HF_EREFUSED);
    assert_int_equal(t.plain_n, 0);
    n = SSL_read(t.client, bytes, 1); /* it was told by an alert */
    assert_int_equal(SSL_get_error(t.client, n), SSL_ERROR_SSL);
    sample_talk_done(&t);
    hf_tls_set_unref(set);
}

static void a_handshake_has_a_largest_size(void **state)
{
    struct hf_tls_set *set = set_of(&plain, NULL, one_key);
    static char hello[80000];
    struct sample_talk t;
    size_t at = 0, body = 70000;

    (void)state;
    for (size_t left = body + 4, first = 1; left; first = 0) {
        size_t n = left < 16000 ? left : 16000;
        char *p = hello + at;
        memcpy(p, "\x16\x03\x01", 3);
        p[3] = (char)(n >> 8);
        p[4] = (char)n;
        if (first)
            memcpy(p + 5, (char[]){1, (char)(body >> 16), (char)(body >> 8), (char)body}, 4);
        at += 5 + n;
        left -= n;
    }
    sample_talk_init(&t, set, false);
    sample_feed(&t, hello, at - 100);
    assert_int_equal(t.rc, HF_EREFUSED);
    sample_talk_done(&t);
    hf_tls_set_unref(set);
}

/* ---- certificates by name ---- */

static const X509 *shown(struct hf_tls_set *set, const char *name, const char *kind)
{
    struct sample_talk t;
    const X509 *x;

    sample_talk_init(&t, set, false);
    if (name)
        SSL_set_tlsext_host_name(t.client, name);
    if (kind)
        SSL_set1_sigalgs_list(t.client, kind);
    assert_true(sample_handshake(&t));
    x = SSL_get0_peer_certificate(t.client);
    for (const struct sample_certificate *c = NULL;;) {
        c = X509_cmp(x, plain.x509) == 0 ? &plain : X509_cmp(x, wild.x509) == 0 ? &wild : &twin;
        assert_int_equal(X509_cmp(x, c->x509), 0);
        x = c->x509;
        break;
    }
    sample_talk_done(&t);
    return x;
}

static void the_name_chooses_the_certificate(void **state)
{
    static const struct {
        const char *name;
        uint32_t certificate;
    } cases[] = {
        {"first.example", 0},
        {"other.example", 0},
        {"shop.example", 1},
        {"SHOP.Example", 1},
        {"a.shop.example", 1},
        {"a.b.shop.example", 0},
        {"unknown.example", 0},
        {"a.shop.example.", 1},
        {".shop.example", 0},
        {"*.shop.example", 1},
        {"", 0},
        {".", 0},
        {"xshop.example", 0},
    };
    struct hf_tls_set *set = set_of(&plain, &wild, one_key);
    const struct hf_tls_listener *l = hf_tls_set_listener(set, &sample_address);
    char longest[400];

    (void)state;
    for (size_t i = 0; i < HF_COUNT(cases); i++)
        assert_int_equal(hf_tls_choose(l, hf_str(cases[i].name)), cases[i].certificate);
    memset(longest, 'a', sizeof(longest));
    assert_int_equal(hf_tls_choose(l, (struct hf_str){longest, sizeof(longest)}), 0);
    assert_int_equal(hf_tls_choose(l, (struct hf_str){"shop.example\0x", 14}), 0);
    assert_ptr_equal(shown(set, NULL, NULL), plain.x509);
    assert_ptr_equal(shown(set, "nobody.example", NULL), plain.x509);
    assert_ptr_equal(shown(set, "first.example", NULL), plain.x509);
    assert_ptr_equal(shown(set, "x.shop.example", NULL), wild.x509);
    hf_tls_set_unref(set);
}

static void two_kinds_of_key_for_the_same_names(void **state)
{
    struct hf_tls_set *set = set_of(&plain, &twin, one_key);

    (void)state;
    assert_ptr_equal(shown(set, "first.example", "ECDSA+SHA256"), plain.x509);
    assert_ptr_equal(shown(set, "first.example", "rsa_pss_rsae_sha256:RSA+SHA256"), twin.x509);
    hf_tls_set_unref(set);
}

static void protocols_are_agreed_on(void **state)
{
    static const struct {
        const char *offer;
        unsigned n;
        bool we, done, h2;
    } cases[] = {
        {"\x02h2\x08http/1.1", 12, true, true, true},
        {"\x08http/1.1\x02h2", 12, true, true, true},
        {"\x02h2\x08http/1.1", 12, false, true, false},
        {"\x08http/1.1", 9, true, true, false},
        {"\x02h2", 3, false, false, false},
        {"\x03"
         "foo",
         4, true, false, false},
    };
    struct hf_tls_set *set = set_of(&plain, NULL, one_key);

    (void)state;
    for (size_t i = 0; i < HF_COUNT(cases); i++) {
        struct sample_talk t;
        sample_talk_init(&t, set, cases[i].we);
        SSL_set_alpn_protos(t.client, (const unsigned char *)cases[i].offer, cases[i].n);
        assert_int_equal(sample_handshake(&t), cases[i].done);
        if (cases[i].done)
            assert_int_equal(hf_tls_h2(t.server), cases[i].h2);
        sample_talk_done(&t);
    }
    hf_tls_set_unref(set);
}

/* ---- sessions ---- */

static SSL_SESSION *kept;

static int keep_session(SSL *ssl, SSL_SESSION *s)
{
    (void)ssl;
    SSL_SESSION_free(kept);
    kept = s;
    return 1;
}

static void forget_session(void)
{
    SSL_SESSION_free(kept);
    kept = NULL;
}

/* A connection that shows the kept session, and keeps the one that it gets. */
static bool resumes(struct hf_tls_set *set, int version, const struct sample_certificate *own)
{
    struct sample_talk t;
    bool resumed;
    char byte;

    sample_talk_init(&t, set, false);
    SSL_CTX_set_session_cache_mode(t.ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(t.ctx, keep_session);
    SSL_set_max_proto_version(t.client, version);
    if (own) {
        SSL_use_certificate(t.client, own->x509);
        SSL_use_PrivateKey(t.client, own->key);
    }
    if (kept)
        SSL_set_session(t.client, kept);
    assert_true(sample_handshake(&t));
    assert_int_equal(SSL_read(t.client, &byte, 1), -1); /* tickets of TLS 1.3 */
    resumed = hf_tls_resumed(t.server);
    assert_int_equal(resumed, SSL_session_reused(t.client));
    if (version == TLS1_2_VERSION) /* the callback is not told of a ticket that was renewed */
        keep_session(t.client, SSL_get1_session(t.client));
    if (own)
        assert_int_equal(hf_tls_subject(t.server).n, strlen("Alice%20B%20100%25"));
    SSL_set_shutdown(t.client, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN); /* the session is good */
    sample_talk_done(&t);
    return resumed;
}

static void sessions_outlive_the_set(int version)
{
    static const int first[] = {1, 0}, rotated[] = {11, 1, 0}, later[] = {21, 11, 0};
    struct hf_tls_set *a = set_of(&plain, NULL, first), *b = set_of(&plain, NULL, first);
    struct hf_tls_set *c = set_of(&plain, NULL, rotated), *d = set_of(&plain, NULL, later);

    assert_false(resumes(a, version, NULL));
    hf_tls_set_unref(a);
    assert_true(resumes(b, version, NULL)); /* another process, the same keys */
    assert_true(resumes(b, version, NULL));
    assert_true(resumes(c, version, NULL));  /* an older key is good, and the ticket renewed */
    assert_true(resumes(d, version, NULL));  /* of the key in the middle now */
    assert_false(resumes(b, version, NULL)); /* which knows nothing of the new key */
    forget_session();
    hf_tls_set_unref(b);
    hf_tls_set_unref(c);
    hf_tls_set_unref(d);
}

static void sessions_outlive_the_process(void **state)
{
    (void)state;
    sessions_outlive_the_set(TLS1_2_VERSION);
    sessions_outlive_the_set(TLS1_3_VERSION);
}

static void a_session_is_good_for_its_clients_alone(void **state)
{
    struct hf_tls_set *off = set_of(&plain, NULL, one_key);
    struct hf_tls_set *required = set_with_clients(HF_TLS_VERIFY_REQUIRED, one_key);

    (void)state;
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        assert_false(resumes(off, version, NULL));
        assert_false(resumes(required, version, &alice));
        assert_true(resumes(required, version, &alice));
        forget_session();
    }
    hf_tls_set_unref(off);
    hf_tls_set_unref(required);
}

/* ---- clients with certificates ---- */

static void clients_show_who_they_are(void **state)
{
    struct sample_certificate spiffe = sample_certificate(
        "x", "email:a@b.example,URI:spiffe://shop/orders,DNS:orders", "EC", &authority);
    struct sample_certificate nobody = sample_certificate(NULL, NULL, "EC", &authority);
    const struct {
        enum hf_tls_verify verify;
        const struct sample_certificate *client;
        bool done;
        const char *subject;
    } cases[] = {
        {HF_TLS_VERIFY_OPTIONAL, NULL, true, ""},
        {HF_TLS_VERIFY_OPTIONAL, &alice, true, "Alice%20B%20100%25"},
        {HF_TLS_VERIFY_OPTIONAL, &spiffe, true, "spiffe://shop/orders"},
        {HF_TLS_VERIFY_OPTIONAL, &stranger, false, ""},
        {HF_TLS_VERIFY_OPTIONAL, &odd, false, ""},
        {HF_TLS_VERIFY_OPTIONAL, &nobody, false, ""},
        {HF_TLS_VERIFY_REQUIRED, NULL, false, ""},
        {HF_TLS_VERIFY_REQUIRED, &spiffe, true, "spiffe://shop/orders"},
        {HF_TLS_VERIFY_OFF, &alice, true, ""},
    };

    (void)state;
    for (size_t i = 0; i < 2 * HF_COUNT(cases); i++) {
        size_t at = i / 2;
        struct hf_tls_set *set = set_with_clients(cases[at].verify, one_key);
        struct sample_talk t;
        bool done;
        sample_talk_init(&t, set, false);
        if (i % 2)
            SSL_set_max_proto_version(t.client, TLS1_2_VERSION);
        if (cases[at].client) {
            SSL_use_certificate(t.client, cases[at].client->x509);
            SSL_use_PrivateKey(t.client, cases[at].client->key);
        }
        done = sample_handshake(&t);
        assert_int_equal(done, cases[at].done);
        if (done) {
            struct hf_str subject = hf_tls_subject(t.server);
            assert_int_equal(subject.n, strlen(cases[at].subject));
            assert_memory_equal(subject.p, cases[at].subject, subject.n);
        }
        sample_talk_done(&t);
        hf_tls_set_unref(set);
    }
    sample_certificate_done(&spiffe);
    sample_certificate_done(&nobody);
}

/* ---- limits of the output ---- */

static void more_answers_than_there_is_room_for(void **state)
{
    struct hf_tls_set *set = set_of(&plain, NULL, one_key);
    static char bytes[4096], buffer[4096 + HF_TLS_RECORD];
    struct hf_tls_out none = {NULL, 0, 0};
    struct sample_talk t;
    size_t got;
    int n;

    (void)state;
    sample_talk_init(&t, set, false);
    SSL_do_handshake(t.client);
    n = BIO_read(SSL_get_wbio(t.client), bytes, sizeof(bytes));
    assert_true(n > 0);
    assert_int_equal(
        hf_tls_receive(t.server, (struct hf_str){bytes, (size_t)n}, buffer, &got, &none),
        HF_ELIMIT);
    sample_talk_done(&t);
    hf_tls_set_unref(set);
}

static void a_set_says_what_it_does_not_take(void **state)
{
    struct hf_tls_certificate_source bad = {sample_der(&plain), sample_source(&wild).key};
    struct hf_tls_listener_source l = {.address = sample_address, .certificates = &bad, .n = 1};
    struct hf_tls_ticket_key key = sample_ticket_key(1);
    struct hf_tls_bundle_source s = {&l, 1, &key, 1};
    const struct hf_tls_bundle *b;
    struct hf_tls_set *set = NULL;
    struct hf_error e = {0};
    int fd = hf_tls_bundle_write(&s, &e);

    (void)state;
    assert_int_equal(hf_tls_bundle_open(fd, &b, &e), 0);
    assert_int_equal(hf_tls_set_new(b, &set, &e), HF_EINVAL);
    assert_null(set);
    assert_non_null(strstr(e.text, "certificate 0 of the listener 127.0.0.1:8443"));
    hf_tls_bundle_close(b);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_go_both_ways),
        cmocka_unit_test(what_another_one_left_is_not_its_error),
        cmocka_unit_test(many_records_at_once),
        cmocka_unit_test(an_end_is_said_and_heard),
        cmocka_unit_test(keys_may_be_changed_on_the_way),
        cmocka_unit_test(only_good_versions_and_ciphers),
        cmocka_unit_test(the_lowest_version_can_be_raised),
        cmocka_unit_test(nobody_renegotiates),
        cmocka_unit_test(garbage_is_refused),
        cmocka_unit_test(a_changed_record_ends_it),
        cmocka_unit_test(a_handshake_has_a_largest_size),
        cmocka_unit_test(the_name_chooses_the_certificate),
        cmocka_unit_test(two_kinds_of_key_for_the_same_names),
        cmocka_unit_test(protocols_are_agreed_on),
        cmocka_unit_test(sessions_outlive_the_process),
        cmocka_unit_test(a_session_is_good_for_its_clients_alone),
        cmocka_unit_test(clients_show_who_they_are),
        cmocka_unit_test(more_answers_than_there_is_room_for),
        cmocka_unit_test(a_set_says_what_it_does_not_take),
    };

    return cmocka_run_group_tests(tests, make_all, drop_all);
}
