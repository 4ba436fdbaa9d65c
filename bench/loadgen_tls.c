#include "loadgen_tls.h"

#include <errno.h>
#include <openssl/err.h>

/* Several records a receive, in a buffer that is given back between responses: it stays warm. */
#define READ_BYTES (64u << 10)

static SSL_CTX *context;

bool tls_setup(void)
{
    context = SSL_CTX_new(TLS_client_method());
    if (context == NULL || !SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) ||
        !SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256") ||
        !SSL_CTX_set1_groups_list(context, "X25519"))
        return false;
    SSL_CTX_set_options(context, SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(context, 1);
    SSL_CTX_set_default_read_buffer_len(context, READ_BYTES);
    SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL);
    return true;
}

SSL *tls_new(int fd, const char *name)
{
    SSL *tls = SSL_new(context);

    if (tls != NULL && (!SSL_set_fd(tls, fd) || !SSL_set_tlsext_host_name(tls, name))) {
        SSL_free(tls);
        return NULL;
    }
    if (tls != NULL)
        SSL_set_connect_state(tls);
    return tls;
}

/* What a call of OpenSSL that did not succeed means, as errno and a return value. */
static ssize_t trouble(SSL *tls, int result)
{
    int saved = errno;

    switch (SSL_get_error(tls, result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        errno = EAGAIN;
        return -1;
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    default:
        ERR_clear_error();
        errno = saved != 0 && saved != EAGAIN ? saved : ECONNRESET;
        return -1;
    }
}

int tls_handshake(SSL *tls)
{
    int done = SSL_do_handshake(tls);

    if (done == 1)
        return 1;
    return trouble(tls, done) < 0 && errno == EAGAIN ? 0 : -1;
}

ssize_t tls_recv(SSL *tls, void *to, size_t size)
{
    size_t n;
    int done = SSL_read_ex(tls, to, size, &n);

    return done == 1 ? (ssize_t)n : trouble(tls, done);
}

ssize_t tls_send(SSL *tls, const void *bytes, size_t n)
{
    size_t sent;
    int done = SSL_write_ex(tls, bytes, n, &sent);

    return done == 1 ? (ssize_t)sent : trouble(tls, done);
}
