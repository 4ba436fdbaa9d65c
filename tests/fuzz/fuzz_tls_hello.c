/* What strangers say first on a port with TLS: a whole input as client hello and more, in parts of
 * a size that the input chooses; and as a name that a certificate is looked for by. */
#include <assert.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net/tls.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct hf_addr address = {.family = HF_ADDR_IP4, .port = 1};

struct made {
    unsigned char *certificate, *key;
    int certificate_n, key_n;
};

static struct made make(const char *names)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x = X509_new();
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, names);
    struct made m = {0};

    X509_set_version(x, X509_VERSION_3);
    X509_gmtime_adj(X509_getm_notBefore(x), -3600);
    X509_gmtime_adj(X509_getm_notAfter(x), 3600 * 24);
    X509_set_pubkey(x, key);
    X509_add_ext(x, e, -1);
    X509_sign(x, key, EVP_sha256());
    m.certificate_n = i2d_X509(x, &m.certificate);
    m.key_n = i2d_PrivateKey(key, &m.key);
    X509_EXTENSION_free(e);
    X509_free(x);
    EVP_PKEY_free(key);
    return m;
}

static struct hf_tls_certificate_source source(const struct made *m)
{
    return (struct hf_tls_certificate_source){{(char *)m->certificate, (size_t)m->certificate_n},
                                              {(char *)m->key, (size_t)m->key_n}};
}

/* One listener that asks for clients' certificates, so that all of the handshake is in reach. */
static const struct hf_tls_listener *listener(void)
{
    const struct made first = make("DNS:first.example");
    const struct made second = make("DNS:shop.example,DNS:*.shop.example");
    const struct hf_tls_certificate_source certificates[] = {source(&first), source(&second)};
    const struct hf_tls_listener_source l = {.address = address,
                                             .verify = HF_TLS_VERIFY_OPTIONAL,
                                             .http2 = true,
                                             .ca = certificates[0].chain,
                                             .certificates = certificates,
                                             .n = 2};
    const struct hf_tls_ticket_key key = {.name = "key"};
    const struct hf_tls_bundle_source s = {&l, 1, &key, 1};
    const struct hf_tls_bundle *b;
    struct hf_tls_set *set;
    struct hf_error e;
    int fd = hf_tls_bundle_write(&s, &e);

    if (fd < 0 || hf_tls_bundle_open(fd, &b, &e) || hf_tls_set_new(b, &set, &e))
        abort();
    hf_tls_bundle_close(b);
    close(fd);
    OPENSSL_free(first.certificate);
    OPENSSL_free(first.key);
    OPENSSL_free(second.certificate);
    OPENSSL_free(second.key);
    return hf_tls_set_listener(set, &address);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char plain[4096 + HF_TLS_RECORD], records[65536];
    static const struct hf_tls_listener *l;
    struct hf_tls *t;
    size_t step, at = 1, n = 0;
    int rc = 0;

    if (size < 2 || size > 4096)
        return 0;
    if (!l)
        l = listener();
    assert(hf_tls_choose(l, (struct hf_str){(const char *)data, size}) < 2);
    step = data[0] ? data[0] : size;
    t = hf_tls_new(l, true);
    assert(t);
    while (at < size && !rc) {
        struct hf_tls_out out = {records, 0, sizeof(records)};
        size_t part = step < size - at ? step : size - at;
        rc = hf_tls_receive(t, (struct hf_str){(const char *)data + at, part}, plain, &n, &out);
        assert(out.n <= out.size && n <= part + HF_TLS_RECORD);
        assert(rc == 0 || rc == HF_EINVAL || rc == HF_EREFUSED || rc == HF_ELIMIT);
        /* nobody gets through a handshake by replaying bytes */
        assert(n == 0 && !hf_tls_established(t) && hf_tls_subject(t).n == 0);
        at += part;
    }
    if (rc) {
        struct hf_tls_out out = {records, 0, sizeof(records)};
        int again = hf_tls_receive(t, HF_STR("x"), plain, &n, &out);
        assert(again == HF_EREFUSED && n == 0);
    }
    hf_tls_free(t);
    return 0;
}
