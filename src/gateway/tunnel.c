#include "gateway/tunnel.h"

#include "gateway/attempt.h"
#include "gateway/hold.h"
#include "gateway/outcome.h"
#include "gateway/response.h"
#include "gateway/upstream.h"
#include "gateway/worker.h"
#include "http/websocket.h"

/* Protocols that would carry HTTP past the gateway: RFC 9113 3.1 gave h2c up, and where it is
 * passed on it smuggles requests. */
static bool carries_http(struct hf_str protocol)
{
    return hf_str_eq_nocase(protocol, HF_STR("h2c")) || hf_str_eq_nocase(protocol, HF_STR("h2")) ||
           (protocol.n >= 4 && hf_str_eq_nocase((struct hf_str){protocol.p, 4}, HF_STR("http"))) ||
           (protocol.n >= 3 && hf_str_eq_nocase((struct hf_str){protocol.p, 3}, HF_STR("tls")));
}

bool hf_tunnel_offered(const struct hf_h1_head *head, const struct hf_h1_framing *framing,
                       const struct hf_plan_service *s)
{
    const struct hf_h1_field *f = hf_h1_field(head, HF_FIELD_UPGRADE);

    if (!framing->upgrade || !f || framing->kind != HF_H1_BODY_NONE ||
        (head->method_id != HF_METHOD_GET && head->method_id != HF_METHOD_CONNECT) ||
        (head->twice & HF_FIELD_BIT(HF_FIELD_UPGRADE)) || memchr(f->value.p, ',', f->value.n))
        return false;
    if (s->upgrade == HF_UPGRADE_ANY)
        return !carries_http(f->value);
    return s->upgrade == HF_UPGRADE_WEBSOCKET && hf_str_eq_nocase(f->value, HF_STR("websocket"));
}

void hf_tunnel_put_request(struct hf_h1_out *o, struct hf_exchange *x,
                           const struct hf_h1_head *head)
{
    char key[HF_WEBSOCKET_KEY];

    if (head->method_id == HF_METHOD_CONNECT) {
        hf_websocket_key(&x->worker->random, key);
        hf_websocket_accept(key, x->websocket_accept);
        hf_h1_put_field(o, HF_STR("sec-websocket-key"), (struct hf_str){key, sizeof(key)});
    }
    HF_H1_PUT(o, "connection: upgrade\r\nupgrade: ");
    x->upgrade_at = (uint32_t)(o->p - x->request.p);
    x->upgrade_n = (uint32_t)hf_h1_field(head, HF_FIELD_UPGRADE)->value.n;
    hf_h1_put(o, hf_h1_field(head, HF_FIELD_UPGRADE)->value);
    HF_H1_PUT(o, "\r\n");
}

bool hf_tunnel_accepted(const struct hf_exchange *x, const struct hf_h1_head *head)
{
    const struct hf_h1_field *f = hf_h1_field(head, HF_FIELD_UPGRADE);
    const struct hf_h1_field *accept = hf_h1_field_named(head, HF_STR("sec-websocket-accept"));

    if (!x->upgrade || !f || !(head->connection & HF_CONNECTION_UPGRADE) ||
        !hf_str_eq_nocase(f->value, (struct hf_str){x->request.p + x->upgrade_at, x->upgrade_n}))
        return false;
    return x->method != HF_METHOD_CONNECT ||
           (accept && hf_str_eq(accept->value,
                                (struct hf_str){x->websocket_accept, sizeof(x->websocket_accept)}));
}

void hf_tunnel_begin(struct hf_exchange *x, const struct hf_h1_head *head)
{
    const struct hf_h1_framing framing = {.kind = HF_H1_BODY_TUNNEL};

    x->established = hf_worker_now(x->worker);
    x->tunnel = true;
    hf_outcome_tunnel(x);
    x->kept = false;
    x->request_done = false;
    x->request_kind = HF_H1_BODY_TUNNEL;
    hf_response_head(x, head, &framing);
}

void hf_tunnel_end(struct hf_exchange *x)
{
    hf_attempt_end(x, HF_RESULT_OK, false);
    x->client->keep_alive = false;
    hf_exchange_finish(x, HF_ENDING_WHOLE);
}

static bool sent_all(const struct hf_exchange *x)
{
    return x->request_done && x->sent == x->request.end;
}

void hf_tunnel_response_end(struct hf_exchange *x)
{
    if (x->response_done)
        return;
    x->response_done = true;
    hf_client_end(x->client, NULL);
    hf_client_flush(x->client);
    if (x->client->broken)
        hf_exchange_client_gone(x);
    else if (sent_all(x) || x->upstream->deaf)
        hf_tunnel_end(x);
    else
        hf_attempt_progress(x);
}

void hf_tunnel_sent(struct hf_exchange *x)
{
    if (x->state == HF_EXCHANGE_STREAMING && x->response_done && sent_all(x))
        hf_tunnel_end(x);
}
