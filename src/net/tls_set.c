#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#include "base/mem.h"
#include "net/tls_internal.h"

/* Mozilla's intermediate set; TLS 1.3 has only good ones. */
#define CIPHERS                                                                                    \
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"     \
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
#define GROUPS "X25519:P-256:P-384"
#define GROUPS_AFTER_QUANTUM "X25519MLKEM768:" GROUPS /* OpenSSL 3.5 knows it */

enum {
    NAMES_MOST = 1024,             /* of one certificate */
    HOST_MOST = 253,               /* bytes of a host name */
    CLIENT_CHAIN_MOST = 32 * 1024, /* bytes of the certificates that a client may show */
    SESSION_LIFE_S = 24 * 3600,
};

int hf_tls_error(struct hf_error *e, int code, const char *what)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());

    ERR_clear_error();
    return hf_error_set(e, code, "%s: %s", what, reason ? reason : "OpenSSL gives no reason");
}

/* ---- names ---- */

static char *lower_name(struct hf_str s)
{
    char *text = hf_strndup(s.p, s.n);

    for (char *p = text; *p; p++)
        *p = hf_lower(*p);
    return text;
}

/* The name at which a lookup would find it; without the star of a wildcard. */
static void add_name(struct hf_tls_listener *l, struct hf_str s, uint32_t certificate)
{
    if (s.n > 2 && s.p[0] == '*' && s.p[1] == '.')
        s = (struct hf_str){s.p + 1, s.n - 1};
    if (s.n == 0 || s.n > HOST_MOST || memchr(s.p, '*', s.n) || memchr(s.p, 0, s.n))
        return;
    l->names = hf_realloc(l->names, l->n_names + 1, sizeof(*l->names));
    l->names[l->n_names++] = (struct hf_tls_name){lower_name(s), certificate};
}

static struct hf_str asn1_text(const ASN1_STRING *s)
{
    return (struct hf_str){(const char *)ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s)};
}

static struct hf_str common_name(const X509 *x)
{
    const X509_NAME *name = X509_get_subject_name(x);
    int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
    const ASN1_STRING *s = at < 0 ? NULL : X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at));

    return s ? asn1_text(s) : (struct hf_str){0};
}

static void add_names(struct hf_tls_listener *l, const X509 *x, uint32_t certificate)
{
    GENERAL_NAMES *all = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
    int n = all ? sk_GENERAL_NAME_num(all) : 0, dns = 0;

    for (int i = 0; i < n && i < NAMES_MOST; i++) {
        const GENERAL_NAME *g = sk_GENERAL_NAME_value(all, i);
        if (g->type != GEN_DNS)
            continue;
        add_name(l, asn1_text(g->d.dNSName), certificate);
        dns++;
    }
    GENERAL_NAMES_free(all);
    if (!dns)
        add_name(l, common_name(x), certificate);
}

static int by_text_then_certificate(const void *a, const void *b)
{
    const struct hf_tls_name *x = a, *y = b;
    int order = strcmp(x->text, y->text);

    return order ? order : x->certificate < y->certificate ? -1 : x->certificate > y->certificate;
}

/* In order; of two certificates with the same name the first is taken. */
static void sort_names(struct hf_tls_listener *l)
{
    uint32_t kept = 0;

    if (l->n_names)
        qsort(l->names, l->n_names, sizeof(*l->names), by_text_then_certificate);
    for (uint32_t i = 0; i < l->n_names; i++) {
        if (kept && strcmp(l->names[kept - 1].text, l->names[i].text) == 0)
            hf_free(l->names[i].text);
        else
            l->names[kept++] = l->names[i];
    }
    l->n_names = kept;
}

static int by_text(const void *key, const void *element)
{
    return strcmp(key, ((const struct hf_tls_name *)element)->text);
}

static const struct hf_tls_name *find_name(const struct hf_tls_listener *l, const char *text)
{
    return l->n_names ? bsearch(text, l->names, l->n_names, sizeof(*l->names), by_text) : NULL;
}

uint32_t hf_tls_choose(const struct hf_tls_listener *l, struct hf_str server_name)
{
    const struct hf_tls_name *found;
    char text[HOST_MOST + 1];
    const char *dot;

    if (server_name.n && server_name.p[server_name.n - 1] == '.')
        server_name.n--;
    if (server_name.n == 0 || server_name.n > HOST_MOST || server_name.p[0] == '.' ||
        memchr(server_name.p, 0, server_name.n))
        return 0;
    for (size_t i = 0; i < server_name.n; i++)
        text[i] = hf_lower(server_name.p[i]);
    text[server_name.n] = 0;
    found = find_name(l, text);
    dot = strchr(text, '.');
    if (!found && dot)
        found = find_name(l, dot);
    return found ? found->certificate : 0;
}

/* ---- who a client is ---- */

static bool visible(struct hf_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] <= 0x20 || s.p[i] >= 0x7f)
            return false;
    }
    return s.n > 0 && s.n <= HF_TLS_SUBJECT;
}

static size_t put_escaped(struct hf_str s, char *buf)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        bool plain = c > 0x20 && c < 0x7f && c != '%';
        if (n + (plain ? 1 : 3) > HF_TLS_SUBJECT)
            return 0;
        if (plain) {
            buf[n++] = (char)c;
        } else {
            buf[n++] = '%';
            buf[n++] = digits[c >> 4];
            buf[n++] = digits[c & 15];
        }
    }
    return n;
}

size_t hf_tls_name_of(const X509 *x, char *buf)
{
    GENERAL_NAMES *all;
    bool found = false;
    size_t n = 0;
    int count;

    ERR_set_mark(); /* names that cannot be read are no error of the handshake */
    all = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
    ERR_pop_to_mark();
    count = all ? sk_GENERAL_NAME_num(all) : 0;
    for (int i = 0; i < count && !found; i++) {
        const GENERAL_NAME *g = sk_GENERAL_NAME_value(all, i);
        struct hf_str s;
        if (g->type != GEN_URI && g->type != GEN_DNS)
            continue;
        s = asn1_text(g->type == GEN_URI ? g->d.uniformResourceIdentifier : g->d.dNSName);
        found = true;
        if (visible(s)) {
            memcpy(buf, s.p, s.n);
            n = s.n;
        }
    }
    GENERAL_NAMES_free(all);
    return found ? n : put_escaped(common_name(x), buf);
}

/* ---- OpenSSL's questions ---- */

static int on_server_name(SSL *ssl, int *alert, void *arg)
{
    const struct hf_tls_listener *l = hf_tls_listener_of(hf_tls_of(ssl));
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    uint32_t at = hf_tls_choose(l, hf_str(name));

    (void)alert;
    (void)arg;
    if (at && !SSL_set_SSL_CTX(ssl, l->contexts[at]))
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    return SSL_TLSEXT_ERR_OK;
}

static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_n,
                   const unsigned char *in, unsigned in_n, void *arg)
{
    static const unsigned char ours[] = "\x02h2\x08http/1.1";
    unsigned skip = hf_tls_offers_h2(hf_tls_of(ssl)) ? 0 : 3;
    unsigned char *chosen;

    (void)arg;
    if (SSL_select_next_proto(&chosen, out_n, ours + skip, sizeof(ours) - 1 - skip, in, in_n) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static bool set_mac_key(EVP_MAC_CTX *mac, const struct hf_tls_ticket_key *key)
{
    const OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, (void *)key->mac, sizeof(key->mac)),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)"SHA256", 0),
        OSSL_PARAM_construct_end()};

    return EVP_MAC_CTX_set_params(mac, parameters);
}

/* -1: an error, 0: no ticket, 1: fine, 2: fine, but give the client a new one. */
static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                     EVP_MAC_CTX *mac, int encrypt)
{
    const struct hf_tls_set *s = hf_tls_listener_of(hf_tls_of(ssl))->set;
    const struct hf_tls_ticket_key *key = s->keys;
    uint32_t at = 0;

    if (encrypt) {
        memcpy(name, key->name, sizeof(key->name));
        if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(s->cipher)) != 1)
            return -1;
    } else {
        while (at < s->n_keys && memcmp(name, s->keys[at].name, sizeof(key->name)) != 0)
            at++;
        if (at == s->n_keys)
            return 0;
        key = &s->keys[at];
    }
    if (!EVP_CipherInit_ex(cipher, s->cipher, NULL, key->cipher, iv, encrypt) ||
        !set_mac_key(mac, key))
        return -1;
    /* A ticket of TLS 1.3 is used once, so each use gets a new one. */
    return at || SSL_version(ssl) >= TLS1_3_VERSION ? 2 : 1;
}

/* A client that is nobody by name is no client whose certificate is asked for. */
static int on_verify(X509_STORE_CTX *store, void *arg)
{
    char name[HF_TLS_SUBJECT];
    int ok = X509_verify_cert(store);

    (void)arg;
    if (ok == 1 && hf_tls_name_of(X509_STORE_CTX_get0_cert(store), name) == 0) {
        X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
        ok = 0;
    }
    return ok;
}

/* ---- contexts ---- */

static int set_rules(SSL_CTX *ctx, const struct hf_tls_bundle_listener *l)
{
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_clear_options(ctx, SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_timeout(ctx, SESSION_LIFE_S);
    SSL_CTX_set_max_cert_list(ctx, CLIENT_CHAIN_MOST);
    SSL_CTX_set_tlsext_servername_callback(ctx, on_server_name);
    SSL_CTX_set_alpn_select_cb(ctx, on_alpn, NULL);
    SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, on_ticket);
    return SSL_CTX_set_min_proto_version(ctx, l->minimum == HF_TLS_1_3 ? TLS1_3_VERSION
                                                                       : TLS1_2_VERSION) &&
           SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION) &&
           SSL_CTX_set_cipher_list(ctx, CIPHERS) &&
           (SSL_CTX_set1_groups_list(ctx, GROUPS_AFTER_QUANTUM) ||
            SSL_CTX_set1_groups_list(ctx, GROUPS));
}

/* Sessions of one listener are worth nothing at another that asks for other clients. */
static int set_session_scope(SSL_CTX *ctx, const struct hf_tls_bundle *b,
                             const struct hf_tls_bundle_listener *l)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    struct hf_str ca = hf_tls_bundle_span(b, l->ca);
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    bool ok = md && EVP_DigestInit_ex(md, EVP_sha256(), NULL) &&
              EVP_DigestUpdate(md, &l->address, sizeof(l->address)) &&
              EVP_DigestUpdate(md, &l->verify, sizeof(l->verify)) &&
              (l->verify == HF_TLS_VERIFY_OFF || EVP_DigestUpdate(md, ca.p, ca.n)) &&
              EVP_DigestFinal_ex(md, digest, NULL);

    EVP_MD_CTX_free(md);
    return ok && SSL_CTX_set_session_id_context(ctx, digest, SSL_MAX_SID_CTX_LENGTH);
}

static int set_clients(SSL_CTX *ctx, const struct hf_tls_bundle *b,
                       const struct hf_tls_bundle_listener *l)
{
    struct hf_str ca = hf_tls_bundle_span(b, l->ca);
    const unsigned char *p = (const unsigned char *)ca.p, *end = p + ca.n;
    X509_STORE *store = SSL_CTX_get_cert_store(ctx);
    bool ok = true;

    if (l->verify == HF_TLS_VERIFY_OFF)
        return 1;
    while (ok && p < end) {
        X509 *x = d2i_X509(NULL, &p, end - p);
        ok = x && X509_STORE_add_cert(store, x) && SSL_CTX_add_client_CA(ctx, x);
        X509_free(x);
    }
    X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN); /* what is named is trusted */
    SSL_CTX_set_verify(
        ctx,
        SSL_VERIFY_PEER |
            (l->verify == HF_TLS_VERIFY_REQUIRED ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
        NULL);
    SSL_CTX_set_cert_verify_callback(ctx, on_verify, NULL);
    return ok;
}

static int use_certificate(SSL_CTX *ctx, const struct hf_tls_bundle *b,
                           const struct hf_tls_bundle_certificate *c)
{
    struct hf_str chain = hf_tls_bundle_span(b, c->chain), key = hf_tls_bundle_span(b, c->key);
    const unsigned char *p = (const unsigned char *)chain.p, *end = p + chain.n;
    const unsigned char *k = (const unsigned char *)key.p;
    EVP_PKEY *pkey = d2i_AutoPrivateKey(NULL, &k, (long)key.n);
    STACK_OF(X509) *rest = sk_X509_new_null();
    X509 *own = d2i_X509(NULL, &p, end - p);
    bool ok = pkey && rest && own;

    while (ok && p < end) {
        X509 *x = d2i_X509(NULL, &p, end - p);
        ok = x && sk_X509_push(rest, x);
        if (!ok)
            X509_free(x);
    }
    ok = ok && SSL_CTX_use_cert_and_key(ctx, own, pkey, rest, 1);
    EVP_PKEY_free(pkey);
    sk_X509_pop_free(rest, X509_free);
    X509_free(own);
    return ok;
}

static const ASN1_OCTET_STRING *alternative_names(const X509 *x)
{
    int at = X509_get_ext_by_NID(x, NID_subject_alt_name, -1);

    return at < 0 ? NULL : X509_EXTENSION_get_data(X509_get_ext(x, at));
}

/* Two certificates for the same names with keys of two kinds: the client says which it can use. */
static bool are_twins(const X509 *a, const X509 *b)
{
    const ASN1_OCTET_STRING *x = alternative_names(a), *y = alternative_names(b);

    return x && y && ASN1_OCTET_STRING_cmp(x, y) == 0 &&
           EVP_PKEY_get_base_id(X509_get0_pubkey(a)) != EVP_PKEY_get_base_id(X509_get0_pubkey(b));
}

static int add_context(struct hf_tls_listener *l, const struct hf_tls_bundle *b,
                       const struct hf_tls_bundle_listener *from, uint32_t i)
{
    const struct hf_tls_bundle_certificate *c = &hf_tls_bundle_certificates(b)[from->first + i];
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    X509 *own;

    if (!ctx)
        return 0;
    l->contexts[l->n_contexts++] = ctx;
    if (!set_rules(ctx, from) || !set_session_scope(ctx, b, from) || !set_clients(ctx, b, from) ||
        !use_certificate(ctx, b, c))
        return 0;
    own = SSL_CTX_get0_certificate(ctx);
    add_names(l, own, i);
    for (uint32_t j = 0; j < i; j++) {
        if (are_twins(SSL_CTX_get0_certificate(l->contexts[j]), own) &&
            !use_certificate(l->contexts[j], b, c))
            return 0;
    }
    return 1;
}

/* ---- set ---- */

static int fill_listener(struct hf_tls_listener *l, const struct hf_tls_bundle *b,
                         const struct hf_tls_bundle_listener *from, struct hf_error *e)
{
    char where[HF_ADDR_TEXT], what[120];

    l->address = from->address;
    l->http2 = from->http2;
    for (uint32_t i = 0; i < from->n; i++) {
        if (add_context(l, b, from, i))
            continue;
        snprintf(what, sizeof(what), "certificate %u of the listener %s cannot be used", i,
                 hf_addr_format(&from->address, where));
        return hf_tls_error(e, HF_EINVAL, what);
    }
    sort_names(l);
    return 0;
}

static void destroy(struct hf_tls_set *s)
{
    for (uint32_t i = 0; i < s->n_listeners; i++) {
        struct hf_tls_listener *l = &s->listeners[i];
        for (uint32_t j = 0; j < l->n_contexts; j++)
            SSL_CTX_free(l->contexts[j]);
        for (uint32_t j = 0; j < l->n_names; j++)
            hf_free(l->names[j].text);
        hf_free(l->names);
    }
    EVP_CIPHER_free(s->cipher);
    OPENSSL_cleanse(s->keys, sizeof(s->keys));
    hf_free(s->listeners);
    hf_free(s);
}

int hf_tls_set_new(const struct hf_tls_bundle *b, struct hf_tls_set **ret, struct hf_error *e)
{
    struct hf_tls_set *s = hf_alloc(sizeof(*s));
    int rc = 0;

    /* No file of the system's decides how the gateway speaks. */
    OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
    atomic_init(&s->references, 1);
    s->n_keys = b->n_keys;
    memcpy(s->keys, b->keys, sizeof(s->keys));
    s->listeners = hf_alloc_array(b->n_listeners + 1, sizeof(*s->listeners));
    s->cipher = EVP_CIPHER_fetch(NULL, "AES-256-CBC", NULL);
    if (!s->cipher)
        rc = hf_tls_error(e, HF_EINVAL, "no cipher for session tickets");
    while (!rc && s->n_listeners < b->n_listeners) {
        struct hf_tls_listener *l = &s->listeners[s->n_listeners];
        l->set = s;
        rc = fill_listener(l, b, &hf_tls_bundle_listeners(b)[s->n_listeners++], e);
    }
    if (rc) {
        destroy(s);
        return rc;
    }
    *ret = s;
    return 0;
}

struct hf_tls_set *hf_tls_set_ref(struct hf_tls_set *s)
{
    atomic_fetch_add_explicit(&s->references, 1, memory_order_relaxed);
    return s;
}

struct hf_tls_set *hf_tls_set_unref(struct hf_tls_set *s)
{
    if (s && atomic_fetch_sub(&s->references, 1) == 1)
        destroy(s);
    return NULL;
}

const struct hf_tls_listener *hf_tls_set_listener(const struct hf_tls_set *s,
                                                  const struct hf_addr *address)
{
    for (uint32_t i = 0; i < s->n_listeners; i++) {
        if (hf_addr_eq(&s->listeners[i].address, address))
            return &s->listeners[i];
    }
    return NULL;
}
