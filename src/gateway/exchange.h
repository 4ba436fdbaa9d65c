/* gateway/exchange.h - one request and its response: the state machine between a client and the
 * endpoints, whatever protocols they speak. Allocated when the request's head is parsed, retired
 * when the response is done.
 *
 *   new -> held <-> attempt -> streaming -> done
 *
 * held: no endpoint. attempt: sent to an endpoint, no byte of the response passed on; may be made
 * again elsewhere. streaming: the response's head was passed on; now it can only end or break. */
#pragma once
#include "core/balance.h"
#include "core/retry.h"
#include "gateway/client.h"
#include "gateway/pool.h"
#include "http/h1_chunk.h"
#include "http/h1_framing.h"
#include "http/websocket.h"
#include "net/loop.h"

struct hf_upstream;
struct hf_target;
struct hf_worker_service;

enum hf_exchange_state {
    HF_EXCHANGE_NEW,
    HF_EXCHANGE_HELD,
    HF_EXCHANGE_ATTEMPT,
    HF_EXCHANGE_STREAMING,
    HF_EXCHANGE_DONE,
};

enum { HF_REQUEST_ID = 64, HF_KEPT_BODY = 64 * 1024, HF_KEPT_BODY_TIGHT = 4096 };

struct hf_exchange {
    struct hf_link link; /* first: a pool overwrites it. In a service's held list, or retired */
    struct hf_timer timer;
    struct hf_worker *worker;
    struct hf_client *client;
    struct hf_worker_service *service; /* NULL: none was found */
    uint32_t service_incarnation;
    struct hf_upstream *upstream; /* while in attempt or streaming */
    struct hf_target *target;     /* the latest attempt's */
    uint8_t state;

    /* the request */
    uint8_t method;   /* enum hf_method */
    uint8_t protocol; /* enum hf_plan_protocol: it was rendered for endpoints that speak this */
    bool grpc;        /* it is a gRPC call */
    bool idempotent, probe, expect_continue;
    bool upgrade;         /* it offers another protocol, and the service may take that up */
    bool request_done;    /* all of it was received */
    bool kept;            /* request holds it from its first byte: it can be sent again */
    uint8_t request_kind; /* enum hf_h1_body: how it is sent to the endpoint */
    uint8_t form;         /* enum hf_answer_form: of an answer of our own */
    uint64_t body_bytes;
    struct hf_buffer request; /* rendered head, then body, framed as it is sent */
    uint32_t head_size;       /* of the rendered head, which stays at the front for the log */
    uint32_t trailers_n;      /* HTTP/2: bytes of trailer lines, at the end */
    uint32_t sent;            /* bytes of request that went out in this attempt */
    uint32_t url_at, url_n, host_at, host_n, method_n, upgrade_at, upgrade_n;
    /* Where the route has put another path in place of its prefix: of url, that path's bytes, and
     * the place of the prefix, which is empty when it is "/". */
    uint32_t replaced_n, prefix_at, prefix_n;
    uint32_t trace_at; /* the place of the traceparent that was made here; 0: none was */
    char id[HF_REQUEST_ID];
    uint8_t id_n;

    /* the attempts */
    struct hf_tried tried;
    uint16_t attempts, connects; /* in which something was sent; which could not connect */
    uint16_t retries;
    bool begun;     /* this attempt has begun to send */
    bool stale;     /* the latest one was on a kept connection that the other side had closed */
    bool try_noted; /* timeout.try passed, but the request could not go elsewhere */
    struct hf_mono arrived;
    struct hf_mono attempt_at;  /* when it began; from when all was sent on: that moment */
    struct hf_mono response_by; /* 0 until all of the request was sent */
    struct hf_mono deadline;    /* of grpc-timeout; 0: none */
    struct hf_mono hold_by;     /* 0 until it is held */
    int64_t second;             /* of arrival, wall */

    /* the response */
    uint16_t status;
    uint8_t grpc_status; /* enum hf_grpc_status */
    uint8_t interims;    /* 1xx responses so far in this attempt */
    bool passed_on;      /* its head went to the client */
    bool answered;       /* it is an answer of our own */
    uint64_t bytes_out;

    /* once it is a tunnel (tunnel.h); request and response are its two ways */
    bool tunnel;
    bool response_done; /* the endpoint sends no more */
    struct hf_mono established;
    char websocket_accept[HF_WEBSOCKET_ACCEPT]; /* what is to come, if the key is ours */
};

/* ---- called by the client's side; x may be over when a call returns: then c->exchange is another.
 * ---- */

/* A request's head was parsed into w->head. Starts it; may finish it at once. The exchange is
 * c->exchange from then on. */
void hf_exchange_start(struct hf_client *c, const struct hf_h1_framing *framing);

/* Bytes of the request's body that can be taken now; 0: hf_client_resume() follows. */
uint32_t hf_exchange_room(struct hf_exchange *x);

/* A slice of the body, not beyond the room; last: the body is whole with it. */
void hf_exchange_feed(struct hf_exchange *x, struct hf_str data, bool last);

/* The body is whole. */
void hf_exchange_feed_end(struct hf_exchange *x, const struct hf_h1_trailers *trailers);

/* Sends on what was fed. */
void hf_exchange_push(struct hf_exchange *x);

/* More of the request is to come, and there is room for it. */
bool hf_exchange_wants_request(struct hf_exchange *x);

/* The request's body is malformed, or stopped coming: the rest of it is not to be had. status: 4xx.
 */
void hf_exchange_bad_body(struct hf_exchange *x, unsigned status, const char *detail);
void hf_exchange_slow_body(struct hf_exchange *x);

void hf_exchange_client_gone(struct hf_exchange *x);
void hf_exchange_drained(struct hf_exchange *x); /* what was pending for the client went out */

/* ---- called by the upstream; responses: response.h ---- */

void hf_exchange_connected(struct hf_exchange *x);
void hf_exchange_writable(struct hf_exchange *x);
void hf_exchange_upstream_lost(struct hf_exchange *x);
bool hf_exchange_wants_response(const struct hf_exchange *x);

/* The endpoint is not fit any more: an idempotent request that waits there without a byte moves. */
void hf_exchange_move(struct hf_exchange *x);
