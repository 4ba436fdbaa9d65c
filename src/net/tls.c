#include "net/tls.h"

#include <assert.h>
#include <openssl/err.h>
#include <pthread.h>

#include "base/mem.h"
#include "net/tls_internal.h"

struct hf_tls {
    SSL *ssl;
    const struct hf_tls_listener *listener; /* a reference on its set is held */
    struct hf_str in;                       /* during a call: what OpenSSL has not taken yet */
    struct hf_tls_out *out;                 /* during a call */
    size_t handshake_n;                     /* bytes that the handshake has taken */
    bool offers_h2, h2, established, ended, failed;
    uint8_t subject_n;
    char *subject; /* NULL: none, as of most */
};

struct hf_tls *hf_tls_of(SSL *ssl)
{
    return SSL_get_app_data(ssl);
}

const struct hf_tls_listener *hf_tls_listener_of(const struct hf_tls *t)
{
    return t->listener;
}

bool hf_tls_offers_h2(const struct hf_tls *t)
{
    return t->offers_h2;
}

/* ---- OpenSSL's reads and writes ---- */

static int on_write(BIO *bio, const char *p, int n)
{
    struct hf_tls_out *out = ((struct hf_tls *)BIO_get_data(bio))->out;

    BIO_clear_retry_flags(bio);
    if (!out || (size_t)n > out->size - out->n) {
        BIO_set_retry_write(bio);
        return -1;
    }
    memcpy(out->p + out->n, p, (size_t)n);
    out->n += (size_t)n;
    return n;
}

static int on_read(BIO *bio, char *p, int n)
{
    struct hf_str *in = &((struct hf_tls *)BIO_get_data(bio))->in;

    BIO_clear_retry_flags(bio);
    if (in->n == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    if ((size_t)n > in->n)
        n = (int)in->n;
    memcpy(p, in->p, (size_t)n);
    in->p += n;
    in->n -= (size_t)n;
    return n;
}

static long on_control(BIO *bio, int command, long number, void *p)
{
    (void)bio;
    (void)number;
    (void)p;
    return command == BIO_CTRL_FLUSH;
}

static BIO_METHOD *memory_method;

static void make_memory_method(void)
{
    memory_method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "holdfast memory");
    if (memory_method) {
        BIO_meth_set_write(memory_method, on_write);
        BIO_meth_set_read(memory_method, on_read);
        BIO_meth_set_ctrl(memory_method, on_control);
    }
}

static BIO *memory_bio(struct hf_tls *t)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    BIO *bio;

    pthread_once(&once, make_memory_method);
    bio = memory_method ? BIO_new(memory_method) : NULL;
    if (bio) {
        BIO_set_data(bio, t);
        BIO_set_init(bio, 1);
    }
    return bio;
}

/* ---- connection ---- */

struct hf_tls *hf_tls_new(const struct hf_tls_listener *l, bool offer_h2)
{
    struct hf_tls *t = hf_alloc(sizeof(*t));
    BIO *bio = memory_bio(t);

    t->ssl = bio ? SSL_new(l->contexts[0]) : NULL;
    if (!t->ssl) {
        BIO_free(bio);
        ERR_clear_error();
        return hf_free(t);
    }
    SSL_set_bio(t->ssl, bio, bio);
    SSL_set_app_data(t->ssl, t);
    SSL_set_accept_state(t->ssl);
    t->listener = l;
    t->offers_h2 = offer_h2 && l->http2;
    hf_tls_set_ref(l->set);
    return t;
}

struct hf_tls *hf_tls_free(struct hf_tls *t)
{
    if (t) {
        SSL_free(t->ssl);
        hf_free(t->subject);
        hf_tls_set_unref(t->listener->set);
        hf_free(t);
    }
    return NULL;
}

/* What OpenSSL says after a call that did not succeed. 0: it wants more bytes. */
static int failure(struct hf_tls *t)
{
    int rc = HF_EREFUSED;

    switch (SSL_get_error(t->ssl, 0)) {
    case SSL_ERROR_WANT_READ:
        return 0;
    case SSL_ERROR_ZERO_RETURN:
        t->ended = true;
        return 0;
    case SSL_ERROR_WANT_WRITE:
        rc = HF_ELIMIT;
        break;
    case SSL_ERROR_SSL:
        if (ERR_GET_REASON(ERR_peek_error()) == SSL_R_HTTP_REQUEST)
            rc = HF_EINVAL;
        break;
    default:
        break;
    }
    ERR_clear_error();
    t->failed = true;
    return rc;
}

static void note_outcome(struct hf_tls *t)
{
    const unsigned char *protocol;
    const X509 *certificate = SSL_get0_peer_certificate(t->ssl);
    char subject[HF_TLS_SUBJECT];
    unsigned n;

    t->established = true;
    SSL_get0_alpn_selected(t->ssl, &protocol, &n);
    t->h2 = n == 2 && memcmp(protocol, "h2", 2) == 0;
    if (certificate) {
        t->subject_n = (uint8_t)hf_tls_name_of(certificate, subject);
        t->subject = hf_strndup(subject, t->subject_n);
    }
}

static int handshake(struct hf_tls *t)
{
    size_t before = t->in.n;
    int rc = 0;

    if (SSL_do_handshake(t->ssl) == 1)
        note_outcome(t);
    else
        rc = failure(t);
    t->handshake_n += before - t->in.n;
    if (!rc && t->handshake_n > HF_TLS_HANDSHAKE_MOST) {
        t->failed = true;
        rc = HF_EREFUSED;
    }
    return rc;
}

int hf_tls_receive(struct hf_tls *t, struct hf_str bytes, char *plain, size_t *ret_n,
                   struct hf_tls_out *out)
{
    size_t size = bytes.n + HF_TLS_RECORD, n = 0, got;
    int rc = t->failed ? HF_EREFUSED : 0;

    t->in = bytes;
    t->out = out;
    ERR_clear_error(); /* another connection's would be taken for this one's */
    if (!rc && !t->established)
        rc = handshake(t);
    while (!rc && t->established && !t->ended) {
        if (SSL_read_ex(t->ssl, plain + n, size - n, &got)) {
            n += got;
            assert(n < size);
            continue;
        }
        rc = failure(t);
        break;
    }
    t->in = (struct hf_str){0};
    t->out = NULL;
    *ret_n = n;
    return rc;
}

int hf_tls_send(struct hf_tls *t, struct hf_str plain, struct hf_tls_out *out)
{
    size_t sent;
    int rc = 0;

    assert(t->established);
    if (t->failed)
        return HF_EREFUSED;
    if (plain.n == 0)
        return 0;
    t->out = out;
    ERR_clear_error();
    if (!SSL_write_ex(t->ssl, plain.p, plain.n, &sent)) {
        rc = failure(t);
        t->failed = true;
        rc = rc ? rc : HF_EREFUSED;
    }
    t->out = NULL;
    return rc;
}

void hf_tls_end(struct hf_tls *t, struct hf_tls_out *out)
{
    if (!t->established || t->failed)
        return;
    t->out = out;
    if (SSL_shutdown(t->ssl) < 0)
        ERR_clear_error();
    t->out = NULL;
}

bool hf_tls_established(const struct hf_tls *t)
{
    return t->established;
}

bool hf_tls_ended(const struct hf_tls *t)
{
    return t->ended;
}

bool hf_tls_h2(const struct hf_tls *t)
{
    return t->h2;
}

bool hf_tls_resumed(const struct hf_tls *t)
{
    return SSL_session_reused(t->ssl);
}

enum hf_tls_version hf_tls_version(const struct hf_tls *t)
{
    return SSL_version(t->ssl) >= TLS1_3_VERSION ? HF_TLS_1_3 : HF_TLS_1_2;
}

struct hf_str hf_tls_subject(const struct hf_tls *t)
{
    return (struct hf_str){t->subject, t->subject_n};
}
