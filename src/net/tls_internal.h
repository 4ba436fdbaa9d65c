/* net/tls_internal.h - what net/tls_set.c makes and net/tls.c uses. Not to be used elsewhere. */
#pragma once
#include <openssl/ssl.h>
#include <stdatomic.h>

#include "net/tls.h"

/* Either "shop.example" or, of a wildcard, ".shop.example"; lower case. */
struct hf_tls_name {
    char *text;
    uint32_t certificate;
};

struct hf_tls_listener {
    struct hf_tls_set *set;
    struct hf_addr address;
    bool http2;
    SSL_CTX *contexts[HF_TLS_CERTIFICATES]; /* by certificate */
    uint32_t n_contexts;
    struct hf_tls_name *names; /* in order, each once */
    uint32_t n_names;
};

struct hf_tls_set {
    _Atomic uint32_t references;
    uint32_t n_keys, n_listeners;
    struct hf_tls_ticket_key keys[HF_TLS_TICKET_KEYS];
    EVP_CIPHER *cipher; /* of tickets */
    struct hf_tls_listener *listeners;
};

/* The connection that a callback of OpenSSL is about. */
struct hf_tls *hf_tls_of(SSL *ssl);
const struct hf_tls_listener *hf_tls_listener_of(const struct hf_tls *t);
bool hf_tls_offers_h2(const struct hf_tls *t);

/* The name by which a certificate's owner is known (hf_tls_subject()); 0: it has none that is
 * acceptable. buf: HF_TLS_SUBJECT bytes. */
size_t hf_tls_name_of(const X509 *x, char *buf);

/* "what: OpenSSL's reason"; its queue of errors is empty then. */
int hf_tls_error(struct hf_error *e, int code, const char *what);
