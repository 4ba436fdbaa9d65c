#include "gateway/response.h"

#include "gateway/attempt.h"
#include "gateway/hold.h"
#include "gateway/outcome.h"
#include "gateway/upstream.h"
#include "gateway/worker.h"
#include "http/grpc.h"

enum { INTERIM_MOST = 16 /* 1xx responses in a row that an upstream may send */ };

bool hf_exchange_wants_response(const struct hf_exchange *x)
{
    return !x->client->backlogged && !x->response_done;
}

void hf_exchange_drained(struct hf_exchange *x)
{
    if (x->state == HF_EXCHANGE_STREAMING)
        hf_attempt_progress(x);
    if (x->upstream)
        hf_upstream_read(x->upstream);
}

static void measure(struct hf_exchange *x)
{
    int64_t us = hf_mono_sub(hf_worker_now(x->worker), x->attempt_at).ns / 1000;

    hf_balance_latency(x->target->live, us > 0 ? (uint64_t)us : 1);
}

static void note_grpc(struct hf_exchange *x, const struct hf_h1_field *f)
{
    if (f)
        x->grpc_status = hf_grpc_status_parse(f->value);
}

void hf_response_head(struct hf_exchange *x, const struct hf_h1_head *head,
                      const struct hf_h1_framing *framing)
{
    struct hf_client *c = x->client;

    x->status = head->status;
    if (x->grpc)
        note_grpc(x, hf_h1_field_named(head, HF_STR("grpc-status")));
    if (x->status >= 500 || (x->grpc_status != HF_GRPC_MISSING && hf_outcome_failed(x))) {
        if (hf_attempt_retry_status(x))
            return;
    } else {
        measure(x);
    }
    hf_hold_answered(x->service);
    x->passed_on = true;
    hf_exchange_state_set(x, HF_EXCHANGE_STREAMING);
    hf_attempt_progress(x);
    if (!x->request_done || c->eof || x->worker->leaving) /* a tunnel's request is not done */
        c->keep_alive = false; /* said in the head, while it can be said */
    hf_client_head(c, head, framing);
}

void hf_response_interim(struct hf_exchange *x, const struct hf_h1_head *head)
{
    if (++x->interims > INTERIM_MOST)
        hf_attempt_failed(x, HF_FAILURE_INVALID);
    else
        hf_client_interim(x->client, head);
}

void hf_response_data(struct hf_exchange *x, struct hf_str data)
{
    hf_client_body(x->client, data);
    x->bytes_out += data.n;
}

void hf_response_end(struct hf_exchange *x, const struct hf_h1_trailers *trailers)
{
    struct hf_client *c = x->client;
    bool sent_all = x->request_done && x->sent == x->request.end;
    enum hf_result result;

    for (unsigned i = 0; x->grpc && trailers && i < trailers->n; i++) {
        if (hf_str_eq(trailers->fields[i].name, HF_STR("grpc-status")))
            note_grpc(x, &trailers->fields[i]);
    }
    result = hf_outcome_failed(x) ? HF_RESULT_FAILED : HF_RESULT_OK;
    hf_client_end(c, trailers);
    hf_client_flush(c);
    hf_attempt_end(x, result, x->upstream->reusable && sent_all);
    if (!x->request_done)
        c->keep_alive = false;
    hf_exchange_finish(x, c->broken ? HF_ENDING_CLIENT_GONE : HF_ENDING_WHOLE);
}

void hf_response_flush(struct hf_exchange *x)
{
    hf_client_flush(x->client);
    if (x->client->broken)
        hf_exchange_client_gone(x);
    else
        hf_attempt_progress(x);
}

void hf_response_broken(struct hf_exchange *x)
{
    hf_client_flush(x->client);
    hf_attempt_end(x, HF_RESULT_FAILED, false);
    hf_exchange_break(x);
}
