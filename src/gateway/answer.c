#include "gateway/answer.h"

#include <stdio.h>

#include "gateway/exchange.h"
#include "gateway/worker.h"

void hf_answer(struct hf_client *c, unsigned status, const char *detail, unsigned retry_after,
               struct hf_str id, bool head_only)
{
    struct hf_worker *w = c->worker;
    struct hf_str reason = hf_http_reason(status);
    char body[512];
    int n = snprintf(body, sizeof(body),
                     "{\"type\":\"about:blank\",\"title\":\"" HF_STR_FMT
                     "\",\"status\":%u,\"detail\":\"%s\"%s" HF_STR_FMT "%s}\n",
                     HF_STR_ARG(reason), status, detail, id.n ? ",\"requestId\":\"" : "",
                     HF_STR_ARG(id), id.n ? "\"" : "");
    struct hf_str text = {body, (size_t)n < sizeof(body) ? (size_t)n : sizeof(body) - 1};
    struct hf_h1_out *o = &w->out.text;
    char *from = o->p;

    hf_h1_put_status(o, status, reason);
    HF_H1_PUT(o, "content-type: application/problem+json\r\ncontent-length: ");
    hf_h1_put_decimal(o, text.n);
    HF_H1_PUT(o, "\r\ndate: ");
    hf_h1_put(o, hf_date(&w->date, (struct hf_wall){hf_worker_wall_ns(w, hf_worker_now(w))}));
    HF_H1_PUT(o, "\r\ncache-control: no-store\r\n");
    if (id.n)
        hf_h1_put_field(o, HF_STR("x-request-id"), id);
    if (retry_after) {
        HF_H1_PUT(o, "retry-after: ");
        hf_h1_put_decimal(o, retry_after);
        HF_H1_PUT(o, "\r\n");
    }
    if (!c->keep_alive || w->leaving) {
        c->keep_alive = false;
        HF_H1_PUT(o, "connection: close\r\n");
    } else if (c->exchange && !c->exchange->minor) {
        HF_H1_PUT(o, "connection: keep-alive\r\n");
    }
    HF_H1_PUT(o, "\r\n");
    if (!head_only)
        hf_h1_put(o, text);
    hf_client_body(c, (struct hf_str){from, (size_t)(o->p - from)});
    hf_client_flush(c);
}
