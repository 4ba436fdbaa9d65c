#include "gateway/answer.h"

#include <stdio.h>

#include "gateway/exchange.h"
#include "gateway/worker.h"

static void add_field(struct hf_h1_head *head, struct hf_str name, struct hf_str value)
{
    head->fields[head->n_fields++] = (struct hf_h1_field){.name = name, .value = value};
}

void hf_answer(struct hf_client *c, unsigned status, const char *detail, unsigned retry_after)
{
    const struct hf_exchange *x = c->exchange;
    struct hf_str id = x ? (struct hf_str){x->id, x->id_n} : (struct hf_str){0};
    struct hf_h1_framing framing = {.kind = HF_H1_BODY_LENGTH};
    struct hf_h1_head head;
    char body[512], digits[HF_DECIMAL_MOST];
    int n;

    head.status = (uint16_t)status;
    head.reason = hf_http_reason(status);
    head.connection = 0;
    head.n_fields = 0;
    head.seen = HF_FIELD_BIT(HF_FIELD_CONTENT_LENGTH);
    n = snprintf(body, sizeof(body),
                 "{\"type\":\"about:blank\",\"title\":\"" HF_STR_FMT
                 "\",\"status\":%u,\"detail\":\"%s\"%s" HF_STR_FMT "%s}\n",
                 HF_STR_ARG(head.reason), status, detail, id.n ? ",\"requestId\":\"" : "",
                 HF_STR_ARG(id), id.n ? "\"" : "");
    framing.length = (size_t)n < sizeof(body) ? (size_t)n : sizeof(body) - 1;
    add_field(&head, HF_STR("content-type"), HF_STR("application/problem+json"));
    add_field(&head, HF_STR("cache-control"), HF_STR("no-store"));
    if (retry_after)
        add_field(&head, HF_STR("retry-after"),
                  (struct hf_str){digits, hf_decimal(retry_after, digits)});
    if (c->worker->leaving)
        c->keep_alive = false;
    hf_client_head(c, &head, &framing);
    if (!x || x->method != HF_METHOD_HEAD)
        hf_client_body(c, (struct hf_str){body, framing.length});
    hf_client_end(c, NULL);
    hf_client_flush(c);
}
