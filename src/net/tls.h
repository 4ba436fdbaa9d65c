/* net/tls.h - the server's side of TLS 1.2 and 1.3 (OpenSSL), from memory: there is no socket
 * inside. Received bytes go in, and what they say comes out; what is to be said goes in, and
 * records come out. So one recv() feeds many records, and many records leave in one send().
 *
 * A set is what a bundle (net/tls_bundle.h) makes of itself: for each listener the contexts with
 * its certificates. It never changes; a connection keeps the set that it began with. Session
 * tickets are made with the bundle's newest key, so that a session outlives the process.
 *
 * An idle connection keeps no buffers. Runs in: gateway; controller, which tries a bundle before
 * it sends it. One connection belongs to one thread; a set may be used by many. */
#pragma once
#include "net/tls_bundle.h"

/* --- set --- */

struct hf_tls_set;
struct hf_tls_listener;

/* From a checked bundle, which is not needed any more then. HF_ECORRUPT, HF_EINVAL: OpenSSL does
 * not take what is in it; e says what. */
HF_MUST_CHECK int hf_tls_set_new(const struct hf_tls_bundle *b, struct hf_tls_set **ret,
                                 struct hf_error *e);
struct hf_tls_set *hf_tls_set_ref(struct hf_tls_set *s);
struct hf_tls_set *hf_tls_set_unref(struct hf_tls_set *s); /* NULL ok; returns NULL */

/* NULL: the set has nothing for this address (as configured). */
const struct hf_tls_listener *hf_tls_set_listener(const struct hf_tls_set *s,
                                                  const struct hf_addr *address);

/* Which of the listener's certificates a client gets that asks for this name: of the exact name,
 * else of the wildcard over it, else the first (0). */
uint32_t hf_tls_choose(const struct hf_tls_listener *l, struct hf_str server_name);

/* --- connection --- */

enum {
    HF_TLS_RECORD = 16 * 1024, /* plain bytes of a record at most */
    HF_TLS_SUBJECT = 255,      /* bytes of a client's name at most; a certificate of none or a
                                  longer one is refused */
    HF_TLS_HANDSHAKE_MOST = 64 * 1024, /* bytes from the client */
};

struct hf_tls;

/* Where records to be sent are put: n of size bytes are in use. */
struct hf_tls_out {
    char *p;
    size_t n, size;
};

/* Room that hf_tls_send() of n bytes needs at most. */
#define HF_TLS_SEALED(n) ((n) + ((n) / HF_TLS_RECORD + 2) * 64)

/* offer_h2: this program speaks HTTP/2; it is offered if the listener's configuration says so too.
 * NULL: OpenSSL has no memory. */
struct hf_tls *hf_tls_new(const struct hf_tls_listener *l, bool offer_h2);
struct hf_tls *hf_tls_free(struct hf_tls *t); /* NULL ok; returns NULL */

/* Takes all of bytes, puts what they say to plain, which has room for bytes.n + HF_TLS_RECORD, and
 * its length to *ret_n. What has to be answered at once (handshake, alerts) is put to out, also on
 * failure. HF_EINVAL: it is HTTP without TLS; HF_EREFUSED: it cannot go on, *ret_n bytes were good;
 * HF_ELIMIT: the client asks for more records than out has room for. */
HF_MUST_CHECK int hf_tls_receive(struct hf_tls *t, struct hf_str bytes, char *plain, size_t *ret_n,
                                 struct hf_tls_out *out);

/* Puts the records for plain to out, which has room for HF_TLS_SEALED(plain.n). Only when
 * hf_tls_established(). */
HF_MUST_CHECK int hf_tls_send(struct hf_tls *t, struct hf_str plain, struct hf_tls_out *out);

/* Nothing more will be sent: puts close_notify to out. The other side may go on sending. */
void hf_tls_end(struct hf_tls *t, struct hf_tls_out *out);

bool hf_tls_established(const struct hf_tls *t); /* the handshake is done */
bool hf_tls_ended(const struct hf_tls *t);       /* the client has said that it sends no more */

/* Once established: */
bool hf_tls_h2(const struct hf_tls *t); /* HTTP/2 was agreed on */
bool hf_tls_resumed(const struct hf_tls *t);
enum hf_tls_version hf_tls_version(const struct hf_tls *t);

/* Who the client is, by its verified certificate: the first URI or DNS name, else the common name
 * with what is not visible ASCII (and '%') percent-encoded. Empty: it showed none. */
struct hf_str hf_tls_subject(const struct hf_tls *t);
