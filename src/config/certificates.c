#include "config/certificates.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/mem.h"
#include "net/tls.h"

enum { FILE_MOST = 1 << 20, CHAIN_MOST = 64 };

struct reading {
    struct hf_config_errors *errors, *warnings;
    char key[80]; /* "gateway.listen[0].tls.certificate" */
};

static void say(struct hf_config_errors *to, const struct reading *r,
                const struct hf_config_file *file, const char *what)
{
    hf_config_errors_add(to, file->place.line, file->place.column, "%s: %s %s", r->key, file->path,
                         what);
}

static int wrong(struct reading *r, const struct hf_config_file *file, const char *what)
{
    ERR_clear_error();
    say(r->errors, r, file, what);
    return HF_EINVAL;
}

/* ---- files ---- */

static int read_whole(int fd, struct hf_text *text)
{
    char buf[16384];
    ssize_t n;

    while ((n = read(fd, buf, sizeof(buf))) > 0 && text->n <= FILE_MOST)
        hf_text_add(text, (struct hf_str){buf, (size_t)n});
    OPENSSL_cleanse(buf, sizeof(buf));
    return n < 0 ? HF_EIO : 0;
}

static int read_file(struct reading *r, const struct hf_config_file *file, bool secret,
                     struct hf_text *text)
{
    HF_AUTOCLOSE int fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    char what[160];
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0 || (S_ISREG(st.st_mode) && read_whole(fd, text))) {
        snprintf(what, sizeof(what), "cannot be read: %s", strerror(errno));
        return wrong(r, file, what);
    }
    if (!S_ISREG(st.st_mode))
        return wrong(r, file, "is not a file; expected a PEM file");
    if (text->n > FILE_MOST)
        return wrong(r, file, "is larger than 1MiB; expected a PEM file");
    if (secret && (st.st_mode & 0004)) {
        snprintf(what, sizeof(what), "can be read by everybody (mode %04o); expected 0600",
                 (unsigned)st.st_mode & 07777);
        say(r->warnings, r, file, what);
    }
    return 0;
}

static void forget(struct hf_text *text)
{
    if (text->p)
        OPENSSL_cleanse(text->p, text->n);
    hf_text_done(text);
}

static bool add_der(struct hf_text *to, const X509 *x)
{
    unsigned char *der = NULL;
    int n = i2d_X509(x, &der);

    if (n > 0)
        hf_text_add(to, (struct hf_str){(const char *)der, (size_t)n});
    OPENSSL_free(der);
    return n > 0;
}

/* All certificates of a file, one behind the other. */
static int read_certificates(struct reading *r, const struct hf_config_file *file,
                             struct hf_text *ret, X509 **ret_first)
{
    HF_AUTOTEXT struct hf_text text = {0};
    X509 *x, *first = NULL;
    unsigned n = 0;
    BIO *bio;
    int rc = read_file(r, file, false, &text);

    if (rc)
        return rc;
    bio = BIO_new_mem_buf(text.p ? text.p : "", (int)text.n);
    while (bio && n <= CHAIN_MOST && (x = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
        if (!add_der(ret, x))
            rc = HF_EINVAL;
        if (n++ == 0)
            first = x;
        else
            X509_free(x);
    }
    BIO_free(bio);
    if (n > CHAIN_MOST)
        rc = wrong(r, file, "has more than 64 certificates; expected the one and those above it");
    else if (rc || ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
        rc = wrong(r, file, "has a certificate that is damaged; expected whole ones in PEM form");
    else if (n == 0)
        rc = wrong(r, file, "has no certificate in it; expected PEM: -----BEGIN CERTIFICATE-----");
    ERR_clear_error();
    if (!rc && ret_first)
        *ret_first = first;
    else
        X509_free(first);
    return rc;
}

static int no_passphrase(char *buf, int size, int rwflag, void *arg)
{
    (void)buf;
    (void)size;
    (void)rwflag;
    *(bool *)arg = true;
    return -1;
}

static int read_key(struct reading *r, const struct hf_config_file *file, struct hf_text *ret,
                    EVP_PKEY **ret_key)
{
    struct hf_text text = {0};
    PKCS8_PRIV_KEY_INFO *plain;
    unsigned char *der = NULL;
    bool asked = false;
    EVP_PKEY *key;
    BIO *bio;
    int n, rc = read_file(r, file, true, &text);

    if (rc) {
        forget(&text);
        return rc;
    }
    bio = BIO_new_mem_buf(text.p ? text.p : "", (int)text.n);
    key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, &asked) : NULL;
    BIO_free(bio);
    forget(&text);
    if (!key)
        return wrong(r, file,
                     asked ? "has a passphrase; expected a key without one"
                           : "has no private key in it; expected PEM: -----BEGIN PRIVATE KEY-----");
    plain = EVP_PKEY2PKCS8(key);
    n = plain ? i2d_PKCS8_PRIV_KEY_INFO(plain, &der) : -1;
    PKCS8_PRIV_KEY_INFO_free(plain);
    if (n <= 0) {
        EVP_PKEY_free(key);
        return wrong(r, file, "has a key of a kind that cannot be used");
    }
    hf_text_add(ret, (struct hf_str){(const char *)der, (size_t)n});
    OPENSSL_clear_free(der, (size_t)n);
    *ret_key = key;
    return 0;
}

/* ---- what a certificate says ---- */

static void put_subject(const X509 *x, char *buf, size_t size)
{
    GENERAL_NAMES *all = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
    int n = all ? sk_GENERAL_NAME_num(all) : 0;
    size_t used = 0;

    buf[0] = 0;
    for (int i = 0; i < n; i++) {
        const GENERAL_NAME *g = sk_GENERAL_NAME_value(all, i);
        const ASN1_STRING *s = g->type == GEN_DNS ? g->d.dNSName : NULL;
        int length = s ? ASN1_STRING_length(s) : 0;
        if (!s || used + (size_t)length + 3 > size)
            continue;
        used += (size_t)snprintf(buf + used, size - used, "%s%.*s", used ? ", " : "", length,
                                 (const char *)ASN1_STRING_get0_data(s));
    }
    GENERAL_NAMES_free(all);
    if (!used)
        X509_NAME_oneline(X509_get_subject_name(x), buf, (int)size);
}

static void describe(const X509 *x, struct hf_certificate *c)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    struct tm tm;
    unsigned n = 0;

    put_subject(x, c->subject, sizeof(c->subject));
    X509_digest(x, EVP_sha256(), digest, &n);
    for (unsigned i = 0; i < n && i < 32; i++)
        snprintf(c->digest + 2 * (size_t)i, 3, "%02x", digest[i]);
    if (ASN1_TIME_to_tm(X509_get0_notAfter(x), &tm))
        c->expires.ns = (int64_t)timegm(&tm) * HF_NS_PER_S;
}

static void warn_of_expiry(struct reading *r, const struct hf_certificate *c, const X509 *x)
{
    char what[160], when[HF_WALL_TEXT];

    if (c->expires.ns <= hf_wall_now().ns) {
        snprintf(what, sizeof(what), "has expired, at %s", hf_wall_format(c->expires, when));
        say(r->warnings, r, &c->config->certificate, what);
    } else if (X509_cmp_current_time(X509_get0_notBefore(x)) > 0) {
        say(r->warnings, r, &c->config->certificate, "is not valid yet");
    }
}

/* ---- all of them ---- */

static int load_one(struct reading *r, struct hf_certificate *c, const char *of)
{
    EVP_PKEY *key = NULL;
    X509 *own = NULL;
    int rc, key_rc;

    snprintf(r->key, sizeof(r->key), "%s.certificate", of);
    rc = read_certificates(r, &c->config->certificate, &c->chain, &own);
    if (!rc) {
        describe(own, c);
        warn_of_expiry(r, c, own);
    }
    snprintf(r->key, sizeof(r->key), "%s.key", of);
    key_rc = read_key(r, &c->config->key, &c->key, &key);
    if (!rc && !key_rc && !X509_check_private_key(own, key))
        rc = wrong(r, &c->config->key, "does not belong to the certificate; expected its key");
    X509_free(own);
    EVP_PKEY_free(key);
    return rc ? rc : key_rc;
}

static int load_listener(struct reading *r, struct hf_certificates *x, uint32_t at)
{
    const struct hf_config_tls *t = &x->config->gateway.listen[at].tls;
    size_t listed = t->certificate.path ? 1 : 0; /* where the list begins */
    int rc = 0;

    for (size_t i = 0; i < t->n_certificates; i++) {
        struct hf_certificate *c = &x->certificates[x->n++];
        char of[64];
        *c = (struct hf_certificate){.config = &t->certificates[i], .listener = at};
        if (i < listed)
            snprintf(of, sizeof(of), "gateway.listen[%u].tls", at);
        else
            snprintf(of, sizeof(of), "gateway.listen[%u].tls.certificates[%zu]", at, i - listed);
        if (load_one(r, c, of))
            rc = HF_EINVAL;
    }
    if (t->client.ca.path) {
        snprintf(r->key, sizeof(r->key), "gateway.listen[%u].tls.client.ca", at);
        if (read_certificates(r, &t->client.ca, &x->authorities[at], NULL))
            rc = HF_EINVAL;
    }
    return rc;
}

/* Whatever else OpenSSL minds: keys that are too weak, kinds that TLS does not know. */
static int try_them(const struct hf_certificates *x, struct hf_config_errors *errors)
{
    const struct hf_tls_ticket_key none = {0};
    struct hf_error e;
    int fd = x->n ? hf_certificates_bundle(x, &none, 1, &e) : -1;

    if (fd >= 0)
        close(fd);
    if (fd >= 0 || x->n == 0)
        return 0;
    hf_config_errors_add(errors, 0, 0, "%s", e.text);
    return HF_EINVAL;
}

int hf_certificates_load(struct hf_config *c, struct hf_certificates **ret,
                         struct hf_config_errors *errors, struct hf_config_errors *warnings)
{
    struct reading r = {.errors = errors, .warnings = warnings};
    struct hf_certificates *x = hf_alloc(sizeof(*x));
    size_t n = 0;
    int rc = 0;

    if (!errors->file[0])
        hf_config_errors_clear(errors, c->file);
    hf_config_errors_clear(warnings, errors->file);
    for (size_t i = 0; i < c->gateway.n_listen; i++)
        n += c->gateway.listen[i].tls.n_certificates;
    x->config = hf_config_ref(c);
    x->certificates = hf_alloc_array(n + 1, sizeof(*x->certificates));
    x->authorities = hf_alloc_array(c->gateway.n_listen + 1, sizeof(*x->authorities));
    for (uint32_t i = 0; i < c->gateway.n_listen; i++) {
        if (load_listener(&r, x, i))
            rc = HF_EINVAL;
    }
    if (!rc)
        rc = try_them(x, errors);
    hf_config_errors_sort(errors);
    hf_config_errors_sort(warnings);
    if (rc)
        hf_certificates_free(x);
    else
        *ret = x;
    return rc;
}

struct hf_certificates *hf_certificates_free(struct hf_certificates *x)
{
    if (!x)
        return NULL;
    for (size_t i = 0; i < x->n; i++) {
        hf_text_done(&x->certificates[i].chain);
        forget(&x->certificates[i].key);
    }
    for (size_t i = 0; i < x->config->gateway.n_listen; i++)
        hf_text_done(&x->authorities[i]);
    hf_free(x->certificates);
    hf_free(x->authorities);
    hf_config_unref(x->config);
    return hf_free(x);
}

/* ---- the bundle ---- */

static int try_bundle(int fd, struct hf_error *e)
{
    const struct hf_tls_bundle *b;
    struct hf_tls_set *set = NULL;
    int rc = hf_tls_bundle_open(fd, &b, e);

    if (rc)
        return rc;
    rc = hf_tls_set_new(b, &set, e);
    hf_tls_set_unref(set);
    hf_tls_bundle_close(b);
    return rc;
}

int hf_certificates_bundle(const struct hf_certificates *x, const struct hf_tls_ticket_key *keys,
                           uint32_t n_keys, struct hf_error *e)
{
    HF_AUTOFREE struct hf_tls_certificate_source *sources =
        hf_alloc_array(x->n + 1, sizeof(*sources));
    struct hf_tls_listener_source listeners[HF_TLS_LISTENERS];
    struct hf_tls_bundle_source s = {.listeners = listeners, .keys = keys, .n_keys = n_keys};
    int fd, rc;

    for (size_t i = 0; i < x->n; i++) {
        const struct hf_certificate *c = &x->certificates[i];
        const struct hf_config_listener *l = &x->config->gateway.listen[c->listener];
        sources[i] =
            (struct hf_tls_certificate_source){hf_text_str(&c->chain), hf_text_str(&c->key)};
        if (i && c->listener == x->certificates[i - 1].listener) {
            listeners[s.n_listeners - 1].n++;
            continue;
        }
        listeners[s.n_listeners++] = (struct hf_tls_listener_source){
            .address = l->address,
            .minimum = l->tls.minimum,
            .verify = l->tls.client.ca.path ? l->tls.client.verify + HF_TLS_VERIFY_OPTIONAL
                                            : HF_TLS_VERIFY_OFF,
            .http2 = l->tls.http2,
            .ca = hf_text_str(&x->authorities[c->listener]),
            .certificates = &sources[i],
            .n = 1,
        };
    }
    fd = hf_tls_bundle_write(&s, e);
    if (fd < 0)
        return fd;
    rc = try_bundle(fd, e);
    if (rc) {
        close(fd);
        return rc;
    }
    return fd;
}

/* ---- changes ---- */

static void add_stamp(XXH3_state_t *hash, const struct hf_config_file *file)
{
    struct stat st = {0};
    struct {
        uint64_t device, inode, size, seconds, nanoseconds;
    } is;

    if (!file->path)
        return;
    if (stat(file->path, &st) < 0)
        memset(&st, 0, sizeof(st));
    is.device = st.st_dev;
    is.inode = st.st_ino;
    is.size = (uint64_t)st.st_size;
    is.seconds = (uint64_t)st.st_mtim.tv_sec;
    is.nanoseconds = (uint64_t)st.st_mtim.tv_nsec;
    XXH3_64bits_update(hash, &is, sizeof(is));
}

uint64_t hf_certificates_stamp(const struct hf_config *c)
{
    XXH3_state_t *hash = XXH3_createState();
    uint64_t stamp;

    XXH3_64bits_reset(hash);
    for (size_t i = 0; i < c->gateway.n_listen; i++) {
        const struct hf_config_tls *t = &c->gateway.listen[i].tls;
        for (size_t j = 0; j < t->n_certificates; j++) {
            add_stamp(hash, &t->certificates[j].certificate);
            add_stamp(hash, &t->certificates[j].key);
        }
        add_stamp(hash, &t->client.ca);
    }
    stamp = XXH3_64bits_digest(hash);
    XXH3_freeState(hash);
    return stamp;
}
