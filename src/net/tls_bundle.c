#include "net/tls_bundle.h"

#include <assert.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/pass.h"

#define MAGIC UINT64_C(0x656c646e7542536c) /* "lSBundle", as a little-endian machine reads it */

/* ---- reading ---- */

static int corrupt(struct hf_error *e, const char *what)
{
    return hf_error_set(e, HF_ECORRUPT, "the bundle of certificates has %s", what);
}

static bool span_fits(struct hf_tls_span s, size_t size)
{
    return s.at >= sizeof(struct hf_tls_bundle) && s.at <= size && s.n <= size - s.at;
}

static bool table_fits(uint32_t at, uint32_t n, size_t each, size_t size)
{
    return at % 8 == 0 && at >= sizeof(struct hf_tls_bundle) && at <= size &&
           n <= (size - at) / each;
}

static bool listener_valid(const struct hf_tls_bundle_listener *l, const struct hf_tls_bundle *b)
{
    return (l->address.family == HF_ADDR_IP4 || l->address.family == HF_ADDR_IP6) &&
           l->minimum <= HF_TLS_1_3 && l->verify <= HF_TLS_VERIFY_REQUIRED && l->http2 <= 1 &&
           l->n >= 1 && l->n <= HF_TLS_CERTIFICATES && l->first <= b->n_certificates &&
           l->n <= b->n_certificates - l->first &&
           (l->verify == HF_TLS_VERIFY_OFF || (l->ca.n && span_fits(l->ca, b->size)));
}

int hf_tls_bundle_check(const void *p, size_t n, struct hf_error *e)
{
    const struct hf_tls_bundle *b = p;

    if (n < sizeof(*b) || n > HF_TLS_BUNDLE_MOST)
        return corrupt(e, "a size that none can have");
    if (b->magic != MAGIC || b->version != HF_TLS_BUNDLE_VERSION || b->size != n)
        return corrupt(e, "the header of another build");
    if (b->n_keys < 1 || b->n_keys > HF_TLS_TICKET_KEYS || b->n_listeners > HF_TLS_LISTENERS)
        return corrupt(e, "counts out of bounds");
    if (!table_fits(b->listeners_at, b->n_listeners, sizeof(struct hf_tls_bundle_listener), n) ||
        !table_fits(b->certificates_at, b->n_certificates, sizeof(struct hf_tls_bundle_certificate),
                    n))
        return corrupt(e, "a table beyond its end");
    for (uint32_t i = 0; i < b->n_certificates; i++) {
        const struct hf_tls_bundle_certificate *c = &hf_tls_bundle_certificates(b)[i];
        if (!span_fits(c->chain, n) || !span_fits(c->key, n))
            return corrupt(e, "a certificate beyond its end");
    }
    for (uint32_t i = 0; i < b->n_listeners; i++) {
        if (!listener_valid(&hf_tls_bundle_listeners(b)[i], b))
            return corrupt(e, "a listener that is not valid");
    }
    return 0;
}

int hf_tls_bundle_open(int fd, const struct hf_tls_bundle **ret, struct hf_error *e)
{
    struct stat st;
    void *p;
    int rc;

    if (!hf_pass_sealed(fd, HF_TLS_BUNDLE_MOST) || fstat(fd, &st) < 0)
        return corrupt(e, "no seals, or a size that none can have");
    p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (p == MAP_FAILED)
        return hf_error_errno(e, HF_EIO, "cannot map the bundle of certificates");
    rc = hf_tls_bundle_check(p, (size_t)st.st_size, e);
    if (rc) {
        munmap(p, (size_t)st.st_size);
        return rc;
    }
    *ret = p;
    return 0;
}

const struct hf_tls_bundle *hf_tls_bundle_close(const struct hf_tls_bundle *b)
{
    if (b)
        munmap((void *)b, b->size);
    return NULL;
}

/* ---- writing ---- */

static size_t bytes_of(const struct hf_tls_bundle_source *s, uint32_t *ret_certificates)
{
    size_t n = sizeof(struct hf_tls_bundle);

    *ret_certificates = 0;
    for (uint32_t i = 0; i < s->n_listeners; i++) {
        const struct hf_tls_listener_source *l = &s->listeners[i];
        n += sizeof(struct hf_tls_bundle_listener) + l->ca.n;
        *ret_certificates += l->n;
        for (uint32_t j = 0; j < l->n; j++)
            n += sizeof(struct hf_tls_bundle_certificate) + l->certificates[j].chain.n +
                 l->certificates[j].key.n;
    }
    return n;
}

static struct hf_tls_span put(struct hf_tls_bundle *b, size_t *at, struct hf_str s)
{
    struct hf_tls_span span = {(uint32_t)*at, (uint32_t)s.n};

    if (s.n)
        memcpy((char *)b + *at, s.p, s.n);
    *at += s.n;
    return span;
}

static void fill(struct hf_tls_bundle *b, const struct hf_tls_bundle_source *s, size_t size,
                 uint32_t n_certificates)
{
    struct hf_tls_bundle_listener *to = (void *)(b + 1);
    struct hf_tls_bundle_certificate *certificate = (void *)(to + s->n_listeners);
    size_t at = (size_t)((char *)(certificate + n_certificates) - (char *)b);

    *b = (struct hf_tls_bundle){
        .magic = MAGIC,
        .version = HF_TLS_BUNDLE_VERSION,
        .size = (uint32_t)size,
        .n_keys = s->n_keys,
        .n_listeners = s->n_listeners,
        .n_certificates = n_certificates,
        .listeners_at = sizeof(*b),
        .certificates_at = (uint32_t)((char *)certificate - (char *)b),
    };
    memcpy(b->keys, s->keys, s->n_keys * sizeof(*s->keys));
    for (uint32_t i = 0, first = 0; i < s->n_listeners; first += s->listeners[i++].n) {
        const struct hf_tls_listener_source *l = &s->listeners[i];
        to[i] = (struct hf_tls_bundle_listener){
            .address = l->address,
            .minimum = (uint8_t)l->minimum,
            .verify = (uint8_t)l->verify,
            .http2 = l->http2,
            .first = first,
            .n = l->n,
            .ca = put(b, &at, l->ca),
        };
        for (uint32_t j = 0; j < l->n; j++, certificate++) {
            certificate->chain = put(b, &at, l->certificates[j].chain);
            certificate->key = put(b, &at, l->certificates[j].key);
        }
    }
    assert(at == size);
}

int hf_tls_bundle_write(const struct hf_tls_bundle_source *s, struct hf_error *e)
{
    uint32_t n_certificates;
    size_t size = bytes_of(s, &n_certificates);
    int fd, rc;
    void *p;

    assert(s->n_listeners <= HF_TLS_LISTENERS && s->n_keys >= 1 && s->n_keys <= HF_TLS_TICKET_KEYS);
    if (size > HF_TLS_BUNDLE_MOST)
        return hf_error_set(e, HF_ELIMIT,
                            "the certificates are %zu bytes together; expected at most %d", size,
                            HF_TLS_BUNDLE_MOST);
    fd = memfd_create("holdfast-tls", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0 || ftruncate(fd, (off_t)size) < 0)
        goto failed;
    p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED)
        goto failed;
    fill(p, s, size, n_certificates);
    rc = hf_tls_bundle_check(p, size, e);
    munmap(p, size); /* what can still be written to cannot be sealed */
    if (rc) {
        close(fd);
        return rc;
    }
    if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) == 0)
        return fd;
failed:
    hf_error_errno(e, HF_EIO, "cannot make the file for the certificates");
    if (fd >= 0)
        close(fd);
    return HF_EIO;
}
