/* net/tls_bundle.h - certificates, their keys, client CAs and session ticket keys as one sealed
 * memory file. The controller makes and checks it, the keeper holds it, gateways read it; no other
 * process ever sees a key, and a gateway opens no file.
 *
 * The reader distrusts it: versions, sizes, counts and offsets are checked before anything in it is
 * used. Texts and keys are spans of bytes in the same file.
 * Runs in: controller, gateway. */
#pragma once
#include "net/addr.h"

enum {
    HF_TLS_BUNDLE_VERSION = 1,
    HF_TLS_BUNDLE_MOST = 4 << 20, /* bytes */
    HF_TLS_LISTENERS = 16,
    HF_TLS_CERTIFICATES = 64,    /* of one listener */
    HF_TLS_TICKET_KEYS = 3,      /* the newest encrypts; the others still decrypt */
    HF_TLS_TICKET_ROTATE_H = 12, /* when a new one is due; so a ticket is good for a day at least */
};

enum hf_tls_verify { HF_TLS_VERIFY_OFF, HF_TLS_VERIFY_OPTIONAL, HF_TLS_VERIFY_REQUIRED };
enum hf_tls_version { HF_TLS_1_2, HF_TLS_1_3 };

/* --- the file --- */

struct hf_tls_span {
    uint32_t at, n;
};

struct hf_tls_ticket_key {
    uint8_t name[16], cipher[32], mac[32];
    int64_t made_wall_s;
};

struct hf_tls_bundle_certificate {
    struct hf_tls_span chain; /* DER, one after the other, the server's own first */
    struct hf_tls_span key;   /* DER, PKCS #8 */
};

struct hf_tls_bundle_listener {
    struct hf_addr address; /* as configured: which listener of the plan it is for */
    uint8_t minimum;        /* enum hf_tls_version */
    uint8_t verify;         /* enum hf_tls_verify */
    uint8_t http2;          /* offered */
    uint8_t zero;
    uint32_t first, n;     /* of its certificates; the first is for whom no name fits */
    struct hf_tls_span ca; /* DER, one after the other: who may sign the clients' */
};

struct hf_tls_bundle {
    uint64_t magic;
    uint32_t version, size;
    uint32_t n_keys, n_listeners, n_certificates;
    uint32_t listeners_at, certificates_at;
    uint32_t zero;
    struct hf_tls_ticket_key keys[HF_TLS_TICKET_KEYS]; /* the newest first */
};

/* --- reading --- */

/* Maps and checks the file. The map is the caller's, for hf_tls_bundle_close(); fd stays open. */
HF_MUST_CHECK int hf_tls_bundle_open(int fd, const struct hf_tls_bundle **ret, struct hf_error *e);
const struct hf_tls_bundle *hf_tls_bundle_close(const struct hf_tls_bundle *b); /* NULL ok */

/* Is what stands at p, 8-byte aligned, a whole bundle of n bytes? */
HF_MUST_CHECK int hf_tls_bundle_check(const void *p, size_t n, struct hf_error *e);

static inline const struct hf_tls_bundle_listener *
hf_tls_bundle_listeners(const struct hf_tls_bundle *b)
{
    return (const void *)((const char *)b + b->listeners_at);
}
static inline const struct hf_tls_bundle_certificate *
hf_tls_bundle_certificates(const struct hf_tls_bundle *b)
{
    return (const void *)((const char *)b + b->certificates_at);
}
static inline struct hf_str hf_tls_bundle_span(const struct hf_tls_bundle *b, struct hf_tls_span s)
{
    return (struct hf_str){(const char *)b + s.at, s.n};
}

/* --- writing --- */

struct hf_tls_certificate_source {
    struct hf_str chain, key; /* as in the file */
};
struct hf_tls_listener_source {
    struct hf_addr address;
    enum hf_tls_version minimum;
    enum hf_tls_verify verify;
    bool http2;
    struct hf_str ca;
    const struct hf_tls_certificate_source *certificates;
    uint32_t n; /* 1 .. HF_TLS_CERTIFICATES */
};
struct hf_tls_bundle_source {
    const struct hf_tls_listener_source *listeners;
    uint32_t n_listeners; /* 0 is fine: the ticket keys stay in force for later ones */
    const struct hf_tls_ticket_key *keys;
    uint32_t n_keys; /* 1 .. HF_TLS_TICKET_KEYS */
};

/* A sealed memory file, close-on-exec; the caller's. HF_ELIMIT: more than HF_TLS_BUNDLE_MOST. */
HF_MUST_CHECK int hf_tls_bundle_write(const struct hf_tls_bundle_source *s, struct hf_error *e);
