/* bench/loadgen_tls.h - TLS of the load generator's clients: TLS 1.3, X25519 and
 * TLS_AES_128_GCM_SHA256 and nothing else, so that every server does the same work. No session is
 * resumed, no certificate is checked. Calls answer as those of sockets do. */
#pragma once
#include <openssl/ssl.h>
#include <stdbool.h>
#include <sys/types.h>

bool tls_setup(void); /* once; false: OpenSSL refuses */

SSL *tls_new(int fd, const char *name); /* a client's side over fd; NULL: no memory */

/* 1: done. 0: when there is more to read. -1: refused. */
int tls_handshake(SSL *tls);

/* -1 with EAGAIN: when there is more to read. 0: the server has ended. */
ssize_t tls_recv(SSL *tls, void *to, size_t size);
ssize_t tls_send(SSL *tls, const void *bytes, size_t n);
