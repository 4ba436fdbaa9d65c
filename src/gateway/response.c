#include "gateway/response.h"

#include "gateway/attempt.h"
#include "gateway/hold.h"
#include "gateway/upstream.h"
#include "gateway/worker.h"

enum { INTERIM_MOST = 16 /* 1xx responses in a row that an upstream may send */ };

/* Upstreams' heads have bounds of their own: they are the operator's, but may be compromised. */
static const struct hf_h1_limits response_limits = {
    .line = 8192, .head = 65536, .fields = HF_H1_FIELDS};

bool hf_exchange_wants_response(const struct hf_exchange *x)
{
    return !hf_client_backlogged(x->client);
}

void hf_exchange_drained(struct hf_exchange *x)
{
    if (x->state == HF_EXCHANGE_STREAMING)
        hf_attempt_progress(x);
    if (x->upstream)
        hf_upstream_read(x->upstream);
}

void hf_response_end(struct hf_exchange *x, const struct hf_h1_trailers *trailers)
{
    struct hf_client *c = x->client;
    bool sent_all = x->request_done && x->sent == x->request.end;
    enum hf_result result = x->status >= 500 ? HF_RESULT_FAILED : HF_RESULT_OK;

    hf_client_end(c, trailers);
    hf_client_flush(c);
    hf_attempt_end(x, result, x->upstream_keep && sent_all);
    if (!x->request_done)
        c->keep_alive = false;
    hf_exchange_finish(x, c->broken ? HF_ENDING_CLIENT_GONE : HF_ENDING_WHOLE);
}

/* ---- the head ---- */

static void measure(struct hf_exchange *x)
{
    int64_t us = hf_mono_sub(hf_worker_now(x->worker), x->attempt_at).ns / 1000;

    hf_balance_latency(x->target->live, us > 0 ? (uint64_t)us : 1);
}

/* A head was parsed into w->head. Returns false if the exchange went on elsewhere or failed. */
static bool take_head(struct hf_exchange *x)
{
    struct hf_worker *w = x->worker;
    struct hf_client *c = x->client;
    struct hf_h1_framing framing;

    if (hf_h1_response_framing(&w->head, x->method, &framing) < 0 ||
        framing.kind == HF_H1_BODY_TUNNEL) {
        hf_attempt_failed(x, HF_FAILURE_INVALID);
        return false;
    }
    x->status = w->head.status;
    if (x->status >= 500) {
        if (hf_attempt_retry_status(x))
            return false;
    } else {
        measure(x);
    }
    hf_hold_answered(x->service);
    x->response_kind = framing.kind;
    x->response_left = framing.kind == HF_H1_BODY_LENGTH ? framing.length : 0;
    x->upstream_keep = framing.keep_alive && framing.kind != HF_H1_BODY_UNTIL_CLOSE;
    hf_h1_chunk_init(&x->response_chunk);
    x->passed_on = true;
    hf_exchange_state_set(x, HF_EXCHANGE_STREAMING);
    hf_attempt_progress(x);
    if (!x->request_done || c->eof || w->leaving)
        c->keep_alive = false; /* said in the head, while it can be said */
    hf_client_head(c, &w->head, &framing);
    return true;
}

/* Returns the bytes taken; 0: the head is not whole. */
static size_t head_bytes(struct hf_exchange *x, struct hf_str bytes)
{
    struct hf_worker *w = x->worker;
    struct hf_upstream *u = x->upstream;
    ssize_t n = hf_h1_parse_response(bytes, &u->scanned, &response_limits, &w->head);

    if (n == 0)
        return 0;
    if (n < 0) {
        hf_attempt_failed(x, HF_FAILURE_INVALID);
        return bytes.n;
    }
    if (w->head.status >= 200 || w->head.status == 101) {
        take_head(x);
        return (size_t)n;
    }
    if (++x->interims > INTERIM_MOST) {
        hf_attempt_failed(x, HF_FAILURE_INVALID);
        return bytes.n;
    }
    if (x->minor)
        hf_client_interim(x->client, &w->head);
    return (size_t)n;
}

/* ---- the body ---- */

static void broken(struct hf_exchange *x)
{
    hf_client_flush(x->client);
    hf_attempt_end(x, HF_RESULT_FAILED, false);
    hf_exchange_break(x);
}

static size_t body_chunked(struct hf_exchange *x, struct hf_str bytes)
{
    struct hf_h1_trailers trailers;
    size_t taken = 0;

    while (taken < bytes.n) {
        struct hf_str data = {0};
        ssize_t n =
            hf_h1_chunk_feed(&x->response_chunk, (struct hf_str){bytes.p + taken, bytes.n - taken},
                             &data, &trailers);
        if (n < 0) {
            broken(x);
            return bytes.n;
        }
        if (data.n)
            hf_client_body(x->client, data);
        x->bytes_out += data.n;
        taken += (size_t)n;
        if (hf_h1_chunk_done(&x->response_chunk)) {
            x->upstream_keep = x->upstream_keep && taken == bytes.n;
            hf_response_end(x, &trailers);
            return taken;
        }
        if (n == 0)
            break;
    }
    return taken;
}

static size_t body_length(struct hf_exchange *x, struct hf_str bytes)
{
    size_t n = bytes.n < x->response_left ? bytes.n : (size_t)x->response_left;

    if (n)
        hf_client_body(x->client, (struct hf_str){bytes.p, n});
    x->bytes_out += n;
    x->response_left -= n;
    if (x->response_left == 0) {
        /* Bytes behind the end belong to no request: such a connection is not used again. */
        x->upstream_keep = x->upstream_keep && n == bytes.n;
        hf_response_end(x, NULL);
    }
    return n;
}

static size_t body_bytes(struct hf_exchange *x, struct hf_str bytes)
{
    switch (x->response_kind) {
    case HF_H1_BODY_CHUNKED:
        return bytes.n ? body_chunked(x, bytes) : 0;
    case HF_H1_BODY_UNTIL_CLOSE:
        if (bytes.n)
            hf_client_body(x->client, bytes);
        x->bytes_out += bytes.n;
        return bytes.n;
    default: /* a length, or none */
        return body_length(x, bytes);
    }
}

size_t hf_exchange_received(struct hf_exchange *x, struct hf_str bytes)
{
    struct hf_client *c = x->client;
    struct hf_upstream *u = x->upstream;
    size_t taken = 0;

    while (x->state == HF_EXCHANGE_ATTEMPT) {
        size_t n = head_bytes(x, (struct hf_str){bytes.p + taken, bytes.n - taken});
        if (n == 0)
            return taken;
        taken += n;
        if (c->exchange != x || x->upstream != u)
            return bytes.n;
    }
    taken += body_bytes(x, (struct hf_str){bytes.p + taken, bytes.n - taken});
    if (c->exchange != x)
        return bytes.n;
    hf_client_flush(c);
    if (c->broken) {
        hf_exchange_client_gone(x);
        return bytes.n;
    }
    hf_attempt_progress(x);
    return taken;
}
