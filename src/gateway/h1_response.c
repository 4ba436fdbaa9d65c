/* Takes the framing off HTTP/1.1 responses. An exchange that ends, or goes elsewhere, leaves its
 * upstream: that is looked at after every call. */
#include "gateway/attempt.h"
#include "gateway/h1_upstream.h"
#include "gateway/response.h"
#include "gateway/tunnel.h"
#include "gateway/worker.h"

/* Upstreams' heads have bounds of their own: they are the operator's, but may be compromised. */
static const struct hf_h1_limits limits = {.line = 8192, .head = 65536, .fields = HF_H1_FIELDS};

static void take_head(struct hf_h1_upstream *u)
{
    struct hf_exchange *x = u->base.exchange;
    struct hf_h1_head *head = &u->base.worker->head;
    struct hf_h1_framing framing;

    if (hf_h1_response_framing(head, x->method, &framing) < 0 ||
        (framing.kind == HF_H1_BODY_TUNNEL && !hf_tunnel_accepted(x, head))) {
        hf_attempt_failed(x, HF_FAILURE_INVALID);
        return;
    }
    u->in_body = true;
    u->body_kind = framing.kind;
    u->body_left = framing.kind == HF_H1_BODY_LENGTH ? framing.length : 0;
    u->base.reusable = framing.keep_alive && framing.kind != HF_H1_BODY_UNTIL_CLOSE;
    hf_h1_chunk_init(&u->chunk);
    if (framing.kind == HF_H1_BODY_TUNNEL)
        hf_tunnel_begin(x, head);
    else
        hf_response_head(x, head, &framing);
}

/* Returns the bytes taken; 0: the head is not whole. */
static size_t head_bytes(struct hf_h1_upstream *u, struct hf_str bytes)
{
    struct hf_exchange *x = u->base.exchange;
    struct hf_h1_head *head = &u->base.worker->head;
    struct hf_h1_framing framing;
    ssize_t n = hf_h1_parse_response(bytes, &u->scanned, &limits, head);

    if (n == 0)
        return 0;
    if (n < 0) {
        hf_attempt_failed(x, HF_FAILURE_INVALID);
        return bytes.n;
    }
    if (head->status >= 200 || head->status == 101)
        take_head(u);
    else if (hf_h1_response_framing(head, x->method, &framing))
        hf_attempt_failed(x, HF_FAILURE_INVALID);
    else
        hf_response_interim(x, head);
    return (size_t)n;
}

static size_t body_chunked(struct hf_h1_upstream *u, struct hf_str bytes)
{
    struct hf_exchange *x = u->base.exchange;
    struct hf_h1_trailers trailers;
    size_t taken = 0;

    while (taken < bytes.n) {
        struct hf_str data = {0};
        ssize_t n = hf_h1_chunk_feed(&u->chunk, (struct hf_str){bytes.p + taken, bytes.n - taken},
                                     &data, &trailers);
        if (n < 0) {
            hf_response_broken(x);
            return bytes.n;
        }
        if (data.n)
            hf_response_data(x, data);
        taken += (size_t)n;
        if (hf_h1_chunk_done(&u->chunk)) {
            u->base.reusable = u->base.reusable && taken == bytes.n;
            hf_response_end(x, &trailers);
            return taken;
        }
        if (n == 0)
            break;
    }
    return taken;
}

static size_t body_length(struct hf_h1_upstream *u, struct hf_str bytes)
{
    struct hf_exchange *x = u->base.exchange;
    size_t n = bytes.n < u->body_left ? bytes.n : (size_t)u->body_left;

    if (n)
        hf_response_data(x, (struct hf_str){bytes.p, n});
    u->body_left -= n;
    if (u->body_left == 0) {
        /* Bytes behind the end belong to no request: such a connection is not used again. */
        u->base.reusable = u->base.reusable && n == bytes.n;
        hf_response_end(x, NULL);
    }
    return n;
}

static size_t body_bytes(struct hf_h1_upstream *u, struct hf_str bytes)
{
    switch (u->body_kind) {
    case HF_H1_BODY_CHUNKED:
        return bytes.n ? body_chunked(u, bytes) : 0;
    case HF_H1_BODY_UNTIL_CLOSE:
    case HF_H1_BODY_TUNNEL:
        if (bytes.n)
            hf_response_data(u->base.exchange, bytes);
        return bytes.n;
    default: /* a length, or none */
        return body_length(u, bytes);
    }
}

size_t hf_h1_response_take(struct hf_h1_upstream *u, struct hf_str bytes)
{
    struct hf_exchange *x = u->base.exchange;
    size_t taken = 0;

    u->base.heard = true;
    while (!u->in_body) {
        size_t n = head_bytes(u, (struct hf_str){bytes.p + taken, bytes.n - taken});
        if (n == 0)
            return taken;
        taken += n;
        if (u->base.exchange != x)
            return bytes.n;
    }
    taken += body_bytes(u, (struct hf_str){bytes.p + taken, bytes.n - taken});
    if (u->base.exchange != x)
        return bytes.n;
    hf_response_flush(x);
    return u->base.exchange == x ? taken : bytes.n;
}

bool hf_h1_response_ended(struct hf_h1_upstream *u)
{
    if (!u->in_body)
        return false;
    if (u->body_kind == HF_H1_BODY_TUNNEL)
        hf_tunnel_response_end(u->base.exchange);
    else if (u->body_kind == HF_H1_BODY_UNTIL_CLOSE)
        hf_response_end(u->base.exchange, NULL);
    else
        return false;
    return true;
}
