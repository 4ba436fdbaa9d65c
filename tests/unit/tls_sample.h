/* Certificates made for one test run, bundles of them, and an OpenSSL client that talks to a
 * struct hf_tls from memory to memory. */
#pragma once
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "net/tls.h"

struct sample_certificate {
    X509 *x509;
    EVP_PKEY *key;
    unsigned char *chain_der, *key_der;
    int chain_n, key_n;
};

static inline EVP_PKEY *sample_key(const char *kind)
{
    EVP_PKEY *key = strcmp(kind, "RSA") == 0 ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256");

    assert_non_null(key);
    return key;
}

static inline void sample_extension(X509 *x, int nid, const char *value)
{
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

    assert_non_null(e);
    assert_int_equal(X509_add_ext(x, e, -1), 1);
    X509_EXTENSION_free(e);
}

/* names: as in openssl.cnf, "DNS:a.example,URI:spiffe://x"; NULL: none. issuer NULL: its own. */
static inline struct sample_certificate sample_certificate(const char *common_name,
                                                           const char *names, const char *kind,
                                                           const struct sample_certificate *issuer)
{
    static long serial;
    struct sample_certificate c = {.x509 = X509_new(), .key = sample_key(kind)};
    X509_NAME *name = X509_get_subject_name(c.x509);

    X509_set_version(c.x509, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(c.x509), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(c.x509), -3600);
    X509_gmtime_adj(X509_getm_notAfter(c.x509), 3600);
    if (common_name)
        X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)common_name,
                                   -1, -1, 0);
    X509_set_issuer_name(c.x509, issuer ? X509_get_subject_name(issuer->x509) : name);
    X509_set_pubkey(c.x509, c.key);
    if (names)
        sample_extension(c.x509, NID_subject_alt_name, names);
    if (!issuer)
        sample_extension(c.x509, NID_basic_constraints, "critical,CA:TRUE");
    assert_true(X509_sign(c.x509, issuer ? issuer->key : c.key, EVP_sha256()) > 0);
    c.chain_n = i2d_X509(c.x509, &c.chain_der);
    c.key_n = i2d_PrivateKey(c.key, &c.key_der);
    return c;
}

static inline void sample_certificate_done(struct sample_certificate *c)
{
    X509_free(c->x509);
    EVP_PKEY_free(c->key);
    OPENSSL_free(c->chain_der);
    OPENSSL_free(c->key_der);
    *c = (struct sample_certificate){0};
}

static inline struct hf_str sample_der(const struct sample_certificate *c)
{
    return (struct hf_str){(const char *)c->chain_der, (size_t)c->chain_n};
}

static inline struct hf_tls_certificate_source sample_source(const struct sample_certificate *c)
{
    return (struct hf_tls_certificate_source){sample_der(c),
                                              {(const char *)c->key_der, (size_t)c->key_n}};
}

static inline struct hf_tls_ticket_key sample_ticket_key(int seed)
{
    struct hf_tls_ticket_key k = {.made_wall_s = seed};

    memset(k.name, seed, sizeof(k.name));
    memset(k.cipher, seed + 1, sizeof(k.cipher));
    memset(k.mac, seed + 2, sizeof(k.mac));
    return k;
}

static const struct hf_addr sample_address = {
    .family = HF_ADDR_IP4, .port = 8443, .ip = {127, 0, 0, 1}};

/* A set of one listener; ticket keys from seeds, the newest first, ended by 0. */
static inline struct hf_tls_set *sample_set(struct hf_tls_listener_source *l, const int *seeds)
{
    struct hf_tls_ticket_key keys[HF_TLS_TICKET_KEYS];
    struct hf_tls_bundle_source s = {.listeners = l, .n_listeners = 1, .keys = keys};
    const struct hf_tls_bundle *b;
    struct hf_tls_set *set;
    struct hf_error e = {0};
    int fd;

    while (seeds[s.n_keys]) {
        keys[s.n_keys] = sample_ticket_key(seeds[s.n_keys]);
        s.n_keys++;
    }
    l->address = sample_address;
    fd = hf_tls_bundle_write(&s, &e);
    assert_true(fd >= 0);
    assert_int_equal(hf_tls_bundle_open(fd, &b, &e), 0);
    close(fd);
    if (hf_tls_set_new(b, &set, &e))
        fail_msg("%s", e.text);
    hf_tls_bundle_close(b);
    return set;
}

/* A client and the connection that it talks to. */
struct sample_talk {
    SSL_CTX *ctx;
    SSL *client;
    struct hf_tls *server;
    size_t step;         /* bytes that go from client to server at once; 0: all */
    int rc;              /* the server's last answer */
    char plain[1 << 19]; /* what the server understood */
    size_t plain_n;
};

static inline void sample_talk_init(struct sample_talk *t, struct hf_tls_set *set, bool h2)
{
    memset(t, 0, sizeof(*t));
    t->ctx = SSL_CTX_new(TLS_client_method());
    t->client = SSL_new(t->ctx);
    SSL_set_bio(t->client, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_connect_state(t->client);
    t->server = hf_tls_new(hf_tls_set_listener(set, &sample_address), h2);
    assert_non_null(t->server);
}

static inline void sample_talk_done(struct sample_talk *t)
{
    SSL_free(t->client);
    SSL_CTX_free(t->ctx);
    hf_tls_free(t->server);
    ERR_clear_error();
}

/* Bytes reach the server; its answers reach the client. */
static inline void sample_feed(struct sample_talk *t, const char *p, size_t n)
{
    static char records[1 << 18], buffer[(1 << 18) + HF_TLS_RECORD];
    size_t got;

    for (size_t at = 0, part; at < n; at += part) {
        struct hf_tls_out out = {records, 0, sizeof(records)};
        part = t->step && t->step < n - at ? t->step : n - at;
        t->rc = hf_tls_receive(t->server, (struct hf_str){p + at, part}, buffer, &got, &out);
        assert_true(t->plain_n + got <= sizeof(t->plain));
        memcpy(t->plain + t->plain_n, buffer, got);
        t->plain_n += got;
        if (out.n)
            assert_int_equal(BIO_write(SSL_get_rbio(t->client), records, (int)out.n), out.n);
    }
}

/* What the client has to send goes to the server. Returns whether there was anything. */
static inline bool sample_deliver(struct sample_talk *t)
{
    static char bytes[1 << 18];
    int n = BIO_read(SSL_get_wbio(t->client), bytes, sizeof(bytes));

    if (n > 0)
        sample_feed(t, bytes, (size_t)n);
    return n > 0;
}

/* Until nobody has anything to say. Returns whether both sides are content. */
static inline bool sample_handshake(struct sample_talk *t)
{
    bool done;

    do
        done = SSL_do_handshake(t->client) == 1;
    while (sample_deliver(t));
    ERR_clear_error();
    return done && t->rc == 0 && hf_tls_established(t->server);
}

static inline void sample_say(struct sample_talk *t, const void *p, size_t n)
{
    assert_int_equal(SSL_write(t->client, p, (int)n), n);
    sample_deliver(t);
}

/* The server says something. Returns how many bytes of records it took. */
static inline size_t sample_answer(struct sample_talk *t, const void *p, size_t n)
{
    struct hf_tls_out out = {malloc(HF_TLS_SEALED(n)), 0, HF_TLS_SEALED(n)};
    size_t used;

    assert_int_equal(hf_tls_send(t->server, (struct hf_str){p, n}, &out), 0);
    assert_int_equal(BIO_write(SSL_get_rbio(t->client), out.p, (int)out.n), out.n);
    used = out.n;
    free(out.p);
    return used;
}
