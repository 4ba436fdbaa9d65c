/* gateway/h2_upstream.h - HTTP/2 to endpoints, in cleartext and by prior knowledge: connections
 * ("links"), each of which carries the streams of many exchanges.
 *
 * A link hangs on its target. A stream (struct hf_h2_upstream) is an exchange's upstream: it is
 * opened with the request's head, fed from x->request under flow control, and takes no more of a
 * response than the client does: what it has not taken is not consumed, so that the endpoint stops
 * at HF_H2_WINDOW bytes.
 *
 * Owner: the worker. Links and streams that ended are retired until the next turn (worker.h). A
 * link is closed from its own events and tasks alone, never from within a stream's operation, nor
 * from within nghttp2. */
#pragma once
#include <nghttp2/nghttp2.h>

#include "gateway/h2_fields.h"
#include "gateway/pool.h"
#include "gateway/task.h"
#include "gateway/upstream.h"
#include "net/loop.h"

enum {
    HF_H2_WINDOW = 128 * 1024, /* of a stream: what may wait in the gateway for its client */
    HF_H2_LINK_WINDOW = 16 << 20 /* of a link: for streams whose clients do take */,
    HF_H2_LINK_STREAMS = 100,    /* on one link at once; fewer if the endpoint says so */
    HF_H2_LINKS_MOST = 8,        /* to one endpoint from one worker; beyond, streams wait on them */
    HF_H2_HEAD_MOST = 65536,     /* bytes of a response's fields */
    HF_H2_SEND_SIZE = 64 * 1024, /* gathered for one send */
};

struct hf_h2_link {
    struct hf_link link; /* first: a pool overwrites it. In target->links, or retired */
    struct hf_watch watch;
    struct hf_timer timer; /* looks after it, however it is */
    struct hf_worker *worker;
    struct hf_target *target;
    nghttp2_session *session;
    struct hf_link streams;
    uint32_t n_streams;
    struct hf_link moved;        /* streams of whose requests something went out on the way */
    struct hf_buffer out;        /* what the socket does not take */
    struct hf_h2_fields fields;  /* the field section that is arriving */
    struct hf_h2_upstream *open; /* has handed slices to its client which are not flushed */
    struct hf_task go_on;        /* to read on, or to end, in the next turn */
    struct hf_mono born, idle_since, heard_at, pinged_at;
    bool connected, readable, writable;
    bool ending;     /* the other side has ended, or broken */
    bool in_session; /* within nghttp2: nothing is sent */
    bool greeted;    /* its SETTINGS have come: it does speak HTTP/2 */
    bool goaway;     /* it has said that it leaves */
    bool leaving;    /* takes no new stream; ends with its last one */
    bool lost;       /* takes nothing at all; ends soon */
    bool closed;
};

struct hf_h2_upstream {
    struct hf_upstream base; /* first: a pool overwrites its link */
    struct hf_h2_link *on;
    struct hf_link at_link; /* in on->streams */
    struct hf_link moved;   /* in on->moved */
    int32_t id;             /* 0: not opened */
    struct hf_buffer in;    /* of the response's body, while the client takes nothing */
    uint32_t unconsumed;    /* bytes that the endpoint's window lacks */
    struct hf_mono opened_at;
    bool sent;          /* its HEADERS went out */
    bool deferred;      /* nghttp2 was told that there is no more to send now */
    bool in_body;       /* the response's head was taken */
    bool ended;         /* the endpoint has ended its side */
    bool reset_by_peer; /* by a RST_STREAM of the endpoint's */
    bool pushing;       /* its exchange asks for it to be sent */
};

/* ---- h2_upstream.c: streams ---- */

/* Finds or makes a link with room, and a stream on it: HF_FAILURE_NONE and *ret, or why it failed
 * at once. */
enum hf_failure hf_h2_upstream_open(struct hf_exchange *x, struct hf_target *t,
                                    struct hf_upstream **ret);

/* Takes u off its link, which forgets it. */
void hf_h2_upstream_detach(struct hf_h2_upstream *u);

/* The attempt has failed. failure: STALE or LOST (which of them, is seen here), REFUSED, INVALID.
 */
void hf_h2_upstream_failed(struct hf_h2_upstream *u, enum hf_failure failure);

/* ---- h2_link.c: connections ---- */

/* Begins to connect. */
enum hf_failure hf_h2_link_connect(struct hf_worker *w, struct hf_target *t,
                                   struct hf_h2_link **ret);

/* Is there room for one more stream, without waiting? */
bool hf_h2_link_has_room(const struct hf_h2_link *l);

/* Sends what nghttp2 has to send, and the socket takes. */
void hf_h2_link_flush(struct hf_h2_link *l);

/* The endpoint's SETTINGS have come. */
void hf_h2_link_greeted(struct hf_h2_link *l);

/* A stream has left: the link may have to end. */
void hf_h2_link_settle(struct hf_h2_link *l);

/* The endpoint gets nothing new: links without streams end, the others with their last one. */
void hf_h2_links_leave(struct hf_target *t);

/* ---- h2_response.c: what comes ---- */

/* The callbacks; made once, never freed. */
nghttp2_session_callbacks *hf_h2_response_callbacks(void);

/* Sends on what an exchange was handed. */
void hf_h2_response_flush(struct hf_h2_link *l);

/* The client takes bytes again. */
void hf_h2_response_resume(struct hf_h2_upstream *u);

/* How DATA frames of requests are filled. */
ssize_t hf_h2_request_read(nghttp2_session *session, int32_t id, uint8_t *buf, size_t size,
                           uint32_t *flags, nghttp2_data_source *source, void *arg);
