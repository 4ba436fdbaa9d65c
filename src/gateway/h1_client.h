/* gateway/h1_client.h - a client's HTTP/1.1 connection: reads requests, writes responses.
 * Owner: its worker. Closed ones are retired until the next turn (worker.h). */
#pragma once
#include <sys/socket.h>

#include "base/list.h"
#include "gateway/client.h"
#include "gateway/pool.h"
#include "gateway/task.h"
#include "gateway/wire.h"
#include "http/h1_chunk.h"
#include "net/loop.h"

enum hf_h1_client_state {
    HF_H1_CLIENT_HANDSHAKE, /* of TLS */
    HF_H1_CLIENT_IDLE,      /* between requests */
    HF_H1_CLIENT_HEAD,      /* a request's head is arriving */
    HF_H1_CLIENT_BUSY,      /* an exchange is under way */
    HF_H1_CLIENT_FLUSH,     /* the last answer goes out, then the end */
    HF_H1_CLIENT_LINGER, /* all is sent; what still comes is thrown away, so that no reset eats the
                            answer */
    HF_H1_CLIENT_CLOSED,
};

struct hf_h1_client {
    struct hf_link link; /* first: a pool overwrites it. In w->all_clients or retired */
    struct hf_watch watch;
    struct hf_timer timer;
    struct hf_client base;
    struct hf_waiting waiting; /* up to and with HEAD */
    struct hf_peer peer;
    struct hf_wire wire;
    struct hf_buffer in; /* received, not yet taken */
    size_t scanned;
    struct hf_task go_on; /* to read on in the next turn */
    uint8_t state;
    bool readable : 1;
    bool begun : 1;  /* it speaks HTTP/1: what its first bytes could have been otherwise is ruled
                        out */
    bool ending : 1; /* the client sends no more; base.eof: and all that it sent was received */
    bool taking : 1; /* bytes are being taken: an exchange that ends now is followed up there */

    /* the present response */
    bool chunked : 1;     /* it is sent in chunks */
    bool until_close : 1; /* it ends with the connection */
    bool shut : 1;        /* nothing more is sent: the end of a tunnel's one way */
    bool cut : 1;         /* it ended too early, and only a reset can say so */

    /* the present request */
    bool last : 1;     /* the client said that none follows it */
    uint8_t minor;     /* HTTP/1.minor */
    uint8_t body_kind; /* enum hf_h1_body */
    union {
        uint64_t body_left;       /* of a body with a length, and of none */
        struct hf_h1_chunk chunk; /* of a chunked one */
    };
};
_Static_assert(sizeof(struct hf_h1_client) <= 384, "an idle connection keeps six cache lines");

/* Takes fd over. tls: of a listener with TLS, else NULL. */
void hf_h1_client_accept(struct hf_worker *w, int fd, const struct hf_peer *peer,
                         const struct hf_tls_listener *tls);
void hf_h1_client_close(struct hf_h1_client *c);

/* The gateway is leaving: if no request is under way, close it. */
void hf_h1_client_leave(struct hf_h1_client *c);

/* ---- h1_output.c ---- */

extern const struct hf_client_ops hf_h1_client_ops;

/* Sends what the socket did not take before. Returns false if the connection is lost. */
HF_MUST_CHECK bool hf_h1_client_send_backlog(struct hf_h1_client *c);

/* ---- in h1_client.c, for the output ---- */

/* The client said that this request was its last, and all of it was received: nothing can come that
 * would have the kernel answer an orderly end with a reset. */
bool hf_h1_client_said_all(const struct hf_h1_client *c);

void hf_h1_client_await_progress(struct hf_h1_client *c);
void hf_h1_client_tunnel(struct hf_h1_client *c); /* what comes now are a tunnel's bytes */
void hf_h1_client_resume(struct hf_client *base);
void hf_h1_client_done(struct hf_client *base, bool whole);

static inline struct hf_h1_client *hf_h1_client_of(struct hf_client *base)
{
    return HF_CONTAINER(base, struct hf_h1_client, base);
}
