#include "gateway/answer.h"

#include "gateway/answer_body.h"
#include "gateway/exchange.h"
#include "gateway/worker.h"
#include "http/grpc.h"

static void add_field(struct hf_h1_head *head, struct hf_str name, struct hf_str value)
{
    head->fields[head->n_fields++] = (struct hf_h1_field){.name = name, .value = value};
}

/* To a gRPC client: a response of a head alone, which says it all (trailers-only). Of what the
 * gateway says, no byte needs the percent-encoding of grpc-message. */
static void answer_grpc(struct hf_client *c, uint8_t status, const char *detail,
                        unsigned retry_after)
{
    struct hf_h1_framing framing = {.kind = HF_H1_BODY_NONE};
    char status_digits[HF_DECIMAL_MOST], wait_digits[HF_DECIMAL_MOST];
    struct hf_h1_head head;

    head.status = 200;
    head.reason = hf_http_reason(200);
    head.connection = 0;
    head.n_fields = 0;
    head.seen = 0;
    add_field(&head, HF_STR("content-type"), HF_STR("application/grpc"));
    add_field(&head, HF_STR("grpc-status"),
              (struct hf_str){status_digits, hf_decimal(status, status_digits)});
    add_field(&head, HF_STR("grpc-message"), hf_str(detail));
    if (retry_after)
        add_field(&head, HF_STR("grpc-retry-pushback-ms"),
                  (struct hf_str){wait_digits, hf_decimal(1000UL * retry_after, wait_digits)});
    if (c->worker->leaving)
        c->keep_alive = false;
    hf_client_head(c, &head, &framing);
    hf_client_end(c, NULL);
    hf_client_flush(c);
}

/* location may be empty. */
static void answer(struct hf_client *c, const struct hf_answer_body *body, unsigned retry_after,
                   struct hf_str location)
{
    const struct hf_exchange *x = c->exchange;
    char text[HF_ANSWER_BODY_MOST], digits[HF_DECIMAL_MOST];
    struct hf_str rendered = hf_answer_render(body, text);
    struct hf_h1_framing framing = {.kind = HF_H1_BODY_LENGTH, .length = rendered.n};
    struct hf_h1_head head;

    head.status = (uint16_t)body->status;
    head.reason = hf_http_reason(body->status);
    head.connection = 0;
    head.n_fields = 0;
    head.seen = HF_FIELD_BIT(HF_FIELD_CONTENT_LENGTH);
    add_field(&head, HF_STR("content-type"), hf_answer_type(body->form));
    add_field(&head, HF_STR("cache-control"), HF_STR("no-store"));
    if (location.n)
        add_field(&head, HF_STR("location"), location);
    if (retry_after)
        add_field(&head, HF_STR("retry-after"),
                  (struct hf_str){digits, hf_decimal(retry_after, digits)});
    if (c->worker->leaving)
        c->keep_alive = false;
    hf_client_head(c, &head, &framing);
    if (rendered.n && (!x || x->method != HF_METHOD_HEAD))
        hf_client_body(c, rendered);
    hf_client_end(c, NULL);
    hf_client_flush(c);
}

static struct hf_answer_body body_for(const struct hf_client *c, unsigned status,
                                      const char *detail)
{
    const struct hf_exchange *x = c->exchange;

    return (struct hf_answer_body){
        .form = x ? (enum hf_answer_form)x->form : HF_ANSWER_JSON,
        .status = status,
        .detail = detail,
        .id = x ? (struct hf_str){x->id, x->id_n} : (struct hf_str){0},
    };
}

void hf_answer(struct hf_client *c, unsigned status, const char *detail, unsigned retry_after)
{
    struct hf_answer_body body = body_for(c, status, detail);

    if (c->exchange && c->exchange->grpc)
        answer_grpc(c, hf_grpc_from_http(status), detail, retry_after);
    else
        answer(c, &body, retry_after, (struct hf_str){0});
}

void hf_answer_redirect(struct hf_client *c, unsigned status, struct hf_str location)
{
    struct hf_answer_body body = body_for(c, status, "the location field says where to ask");

    answer(c, &body, 0, location);
}
