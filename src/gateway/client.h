/* gateway/client.h - a client's HTTP/1.1 connection: reads requests, writes responses.
 *
 * The seam for other protocols: an exchange knows its client by the calls below and by five fields
 * (ip, exchange, keep_alive, eof and broken; body_follows is a hint). TLS enters under receive()
 * and hf_client_flush(), HTTP/2 as another implementation of these calls for each of its streams, a
 * tunnel where a response's framing is HF_H1_BODY_TUNNEL. */
#pragma once
#include "base/list.h"
#include "gateway/pool.h"
#include "gateway/task.h"
#include "http/h1_framing.h"
#include "net/addr.h"
#include "net/loop.h"

struct hf_worker;
struct hf_exchange;

enum hf_client_state {
    HF_CLIENT_IDLE,   /* between requests */
    HF_CLIENT_HEAD,   /* a request's head is arriving */
    HF_CLIENT_BUSY,   /* an exchange is under way */
    HF_CLIENT_FLUSH,  /* the last answer goes out, then the end */
    HF_CLIENT_LINGER, /* all is sent; what still comes is thrown away, so that no reset eats the
                         answer */
    HF_CLIENT_CLOSED,
};

struct hf_client {
    struct hf_link link; /* first: a pool overwrites it. In w->all_clients or retired */
    struct hf_watch watch;
    struct hf_timer timer;
    struct hf_worker *worker;
    struct hf_exchange *exchange;
    struct hf_buffer in;  /* received, not yet taken */
    struct hf_buffer out; /* to be sent, when the socket takes no more */
    size_t scanned;
    uint8_t state;
    struct hf_task go_on; /* to read on in the next turn */
    bool readable, writable;
    bool ending; /* the client sends no more; eof: and all that it sent was received */
    bool eof;
    bool broken;       /* the connection is lost; noticed by whoever goes on with it */
    bool taking;       /* bytes are being taken: an exchange that ends now is followed up there */
    bool body_follows; /* a request is begun, and bytes of its body are at hand */
    bool keep_alive;   /* the present request lets the connection go on */
    bool chunked;      /* the present response is sent in chunks */
    bool until_close;  /* the present response ends with the connection */
    bool cut;          /* it ended too early, and only a reset can say so */
    uint8_t ip_n;
    char ip[46];
};

void hf_client_accept(struct hf_worker *w, int fd, const struct sockaddr *address);

/* ---- for the exchange ---- */

/* Queues the response's head, made of the upstream's (or of an answer of the gateway's own).
 * length_known: framing.length bytes follow; otherwise the client's side frames the body itself. */
void hf_client_head(struct hf_client *c, const struct hf_h1_head *head,
                    const struct hf_h1_framing *framing);

/* A 1xx response. */
void hf_client_interim(struct hf_client *c, const struct hf_h1_head *head);

/* Queues a slice of the body; it must stay where it is until the flush. */
void hf_client_body(struct hf_client *c, struct hf_str data);

/* The end of the body; trailers may be NULL. */
struct hf_h1_trailers;
void hf_client_end(struct hf_client *c, const struct hf_h1_trailers *trailers);

/* Sends what is queued in one call. What the socket does not take is copied and sent later. */
void hf_client_flush(struct hf_client *c);

/* Bytes wait for the socket: the exchange should not read more. */
static inline bool hf_client_backlogged(const struct hf_client *c)
{
    return c->out.end != c->out.start;
}

/* The exchange is over and retired. whole: the response was sent to its end. */
void hf_client_exchange_done(struct hf_client *c, bool whole);

/* The exchange takes request bytes again. */
void hf_client_resume(struct hf_client *c);

void hf_client_close(struct hf_client *c);

/* No request is under way: close it, the gateway is leaving. */
void hf_client_leave(struct hf_client *c);
