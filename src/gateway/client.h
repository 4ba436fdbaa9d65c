/* gateway/client.h - the user's side of an exchange, whatever protocol it speaks: HTTP/1.1
 * connections (h1_client.h) and HTTP/2 streams embed one.
 *
 * The client's side takes the framing off a request and hands on a head, slices of the body and an
 * end (exchange.h); the exchange hands back a head, slices of the body and an end, by the calls
 * below, and asks for what was handed over to be sent by hf_client_flush(). */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "base/str.h"
#include "base/time.h"
#include "gateway/peer.h"
#include "http/h1_chunk.h"
#include "http/h1_framing.h"

struct hf_worker;
struct hf_exchange;
struct hf_client;

/* A client's connection without a request under way. Where there is no room for another connection,
 * the one that waits longest gives way: silence shall keep nobody out. */
struct hf_waiting {
    struct hf_link link;                          /* alone: a request is under way */
    struct hf_mono since;                         /* it waits */
    void (*give_way)(struct hf_waiting *waiting); /* closes the connection now */
};

struct hf_client_ops {
    const char *protocol; /* for the access log */
    void (*head)(struct hf_client *c, const struct hf_h1_head *head,
                 const struct hf_h1_framing *framing);
    void (*interim)(struct hf_client *c, const struct hf_h1_head *head);
    void (*body)(struct hf_client *c, struct hf_str data);
    void (*end)(struct hf_client *c, const struct hf_h1_trailers *trailers);
    void (*flush)(struct hf_client *c);
    void (*resume)(struct hf_client *c);
    void (*done)(struct hf_client *c, bool whole);
};

struct hf_client {
    const struct hf_client_ops *ops;
    struct hf_worker *worker;
    struct hf_exchange *exchange; /* the one under way, or NULL */
    const struct hf_peer *peer;
    bool backlogged;   /* bytes wait for the client: the exchange should not read more */
    bool eof;          /* the client sends no more, and all that it sent was received */
    bool broken;       /* it is lost; noticed by whoever goes on with it */
    bool keep_alive;   /* the present request lets the connection go on */
    bool body_follows; /* a request is begun, and bytes of its body are at hand */
};

/* Queues the response's head, made of the upstream's (or of an answer of the gateway's own).
 * Hop-by-hop fields are left out; framing says what is known of the body's length. */
static inline void hf_client_head(struct hf_client *c, const struct hf_h1_head *head,
                                  const struct hf_h1_framing *framing)
{
    c->ops->head(c, head, framing);
}

/* A 1xx response; sent at once, or dropped where the client cannot know it. */
static inline void hf_client_interim(struct hf_client *c, const struct hf_h1_head *head)
{
    c->ops->interim(c, head);
}

/* Queues a slice of the body; it must stay where it is until the flush. */
static inline void hf_client_body(struct hf_client *c, struct hf_str data)
{
    c->ops->body(c, data);
}

/* The end of the body; trailers may be NULL. */
static inline void hf_client_end(struct hf_client *c, const struct hf_h1_trailers *trailers)
{
    c->ops->end(c, trailers);
}

/* Sends what is queued in one call. What the client does not take now is copied and sent later. */
static inline void hf_client_flush(struct hf_client *c)
{
    c->ops->flush(c);
}

/* The exchange takes request bytes again. */
static inline void hf_client_resume(struct hf_client *c)
{
    c->ops->resume(c);
}

/* The exchange is over and retired; c may be gone when this returns. whole: the response was sent
 * to its end. */
static inline void hf_client_done(struct hf_client *c, bool whole)
{
    c->ops->done(c, whole);
}
