/* gateway/h1_upstream.h - an HTTP/1.1 connection to an endpoint. Carries one exchange at a time; in
 * between it is kept in its target's idle list.
 * Owner: its worker. Closed ones are retired until the next turn (worker.h). */
#pragma once
#include "gateway/pool.h"
#include "gateway/task.h"
#include "gateway/upstream.h"
#include "http/h1_chunk.h"
#include "net/loop.h"

struct hf_h1_upstream {
    struct hf_upstream base; /* first: a pool overwrites its link */
    struct hf_watch watch;
    struct hf_timer timer; /* idle: when it is closed */
    struct hf_buffer in;   /* a response head or trailer that is not whole yet */
    size_t scanned;
    struct hf_mono attached_at; /* the turn in which the present exchange took it */
    struct hf_task go_on;       /* to read on in the next turn */
    uint8_t proxy_version;      /* its first bytes are a PROXY protocol header; 0: they are not */
    uint8_t header_sent;        /* of that header */
    bool header_due;            /* it did not go out whole yet */
    bool readable, writable;
    bool shut;   /* nothing more is sent: the end of a tunnel's one way */
    bool ending; /* the other side has ended, or broken: what follows the last byte is known */

    /* the response */
    bool in_body;       /* its head was taken */
    uint8_t body_kind;  /* enum hf_h1_body */
    uint64_t body_left; /* of a body with a length */
    struct hf_h1_chunk chunk;
};

/* Begins to connect: HF_FAILURE_NONE and *ret, or why it failed at once. proxy_version: of the
 * PROXY protocol, which tells the endpoint who the client of the first exchange is; then there is
 * no second one. 0: it is not told. */
enum hf_failure hf_h1_upstream_connect(struct hf_worker *w, struct hf_target *t,
                                       uint8_t proxy_version, struct hf_upstream **ret);

/* ---- h1_response.c ---- */

/* Takes what can be taken of a response from the front, and hands it to the exchange. Returns how
 * much: what is left is to be kept, if u still has that exchange. */
size_t hf_h1_response_take(struct hf_h1_upstream *u, struct hf_str bytes);

/* The other side has closed in an orderly way. True: that was the response's end. */
bool hf_h1_response_ended(struct hf_h1_upstream *u);
