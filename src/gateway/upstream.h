/* gateway/upstream.h - a connection to an endpoint. Carries one exchange at a time; in between it
 * is kept in its target's idle list. */
#pragma once
#include "gateway/exchange.h"
#include "gateway/target.h"

struct hf_upstream {
    struct hf_link link; /* first: a pool overwrites it. In target->idle, target->busy or retired */
    struct hf_watch watch;
    struct hf_timer timer; /* idle: when it is closed */
    struct hf_worker *worker;
    struct hf_target *target;
    struct hf_exchange *exchange; /* NULL: idle */
    struct hf_buffer in;          /* a response head or trailer that is not whole yet */
    size_t scanned;
    struct hf_mono idle_since;
    struct hf_task go_on; /* to read on in the next turn */
    bool connected, readable, writable, reused, closed;
    bool ending; /* the other side has ended, or broken: what follows the last byte is known */
};

/* Begins to connect: HF_FAILURE_NONE and *ret, or why it failed at once. */
enum hf_failure hf_upstream_connect(struct hf_worker *w, struct hf_target *t,
                                    struct hf_upstream **ret);

/* Makes x its exchange, or takes the exchange away. */
void hf_upstream_attach(struct hf_upstream *u, struct hf_exchange *x);

/* Sends n bytes. Returns how many went, 0 if none do now, < 0 if the connection is lost. */
ssize_t hf_upstream_send(struct hf_upstream *u, struct hf_str bytes);

/* Reads while there is something and the exchange wants it. */
void hf_upstream_read(struct hf_upstream *u);
void hf_upstream_read_soon(struct hf_upstream *u); /* in the next turn, whatever epoll says */

/* The exchange is over: keep the connection, or close it. */
void hf_upstream_keep(struct hf_upstream *u);
void hf_upstream_close(struct hf_upstream *u);
