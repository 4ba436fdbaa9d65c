/* gateway/upstream.h - the endpoint's side of an exchange, whatever protocol it speaks: what
 * carries one request to an endpoint and its response back. An HTTP/1.1 connection (h1_upstream.h)
 * carries one exchange at a time and is kept in its target's idle list in between; a stream of an
 * HTTP/2 connection (h2_upstream.h) is made for one exchange.
 *
 * The upstream takes the framing off a response and hands on a head, slices of the body and an end
 * (response.h). */
#pragma once
#include "gateway/exchange.h"
#include "gateway/target.h"

struct hf_upstream;
struct hf_upstream_ops {
    void (*attach)(struct hf_upstream *u);
    bool (*push)(struct hf_upstream *u);
    void (*read)(struct hf_upstream *u);
    void (*keep)(struct hf_upstream *u);
    void (*close)(struct hf_upstream *u);
};

struct hf_upstream {
    struct hf_link link; /* in target->idle, target->busy or retired */
    const struct hf_upstream_ops *ops;
    struct hf_worker *worker;
    struct hf_target *target;
    struct hf_exchange *exchange; /* NULL: idle */
    struct hf_mono idle_since;
    bool connected;
    bool reused;   /* it served before: the other side may close it at any time */
    bool heard;    /* bytes of a response have come in this attempt */
    bool reusable; /* the response allows it */
    bool deaf;     /* it takes no more of the request */
    bool closed;
};

/* Begins to connect watch, whose on_event is set, to address, and watches it. *connected: it is
 * already. HF_FAILURE_NONE, or why it failed at once. */
enum hf_failure hf_upstream_dial(struct hf_worker *w, const struct hf_addr *address,
                                 struct hf_watch *watch, bool *connected);

/* Closes a descriptor that it was dialled for, and that is not watched any more. */
void hf_upstream_hang_up(struct hf_worker *w, int fd);

/* Finds or makes one for a new attempt of x at t. HF_FAILURE_NONE and *ret, or why it failed at
 * once. */
enum hf_failure hf_upstream_open(struct hf_exchange *x, struct hf_target *t,
                                 struct hf_upstream **ret);

/* Makes x its exchange. */
void hf_upstream_attach(struct hf_upstream *u, struct hf_exchange *x);

/* Sends what is there of the exchange's request, and moves x->sent. False: the connection is lost,
 * or was answered and closed early; what is to be known of that comes by reading. */
static inline bool hf_upstream_push(struct hf_upstream *u)
{
    return u->ops->push(u);
}

/* Reads while there is something and the exchange wants it. */
static inline void hf_upstream_read(struct hf_upstream *u)
{
    u->ops->read(u);
}

/* The exchange is over: it can be kept, or not. */
static inline void hf_upstream_keep(struct hf_upstream *u)
{
    u->ops->keep(u);
}
static inline void hf_upstream_close(struct hf_upstream *u)
{
    u->ops->close(u);
}
