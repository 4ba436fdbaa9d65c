#include "gateway/rewrite.h"

#include "gateway/tunnel.h"
#include "gateway/worker.h"

/* Fields that are set anew; `forwarded` is the client's word, which counts only from trusted ones.
 */
#define SET_ANEW                                                                                   \
    (HF_FIELD_BIT(HF_FIELD_HOST) | HF_FIELD_BIT(HF_FIELD_CONTENT_LENGTH) |                         \
     HF_FIELD_BIT(HF_FIELD_X_FORWARDED_FOR) | HF_FIELD_BIT(HF_FIELD_X_FORWARDED_HOST) |            \
     HF_FIELD_BIT(HF_FIELD_X_FORWARDED_PROTO) | HF_FIELD_BIT(HF_FIELD_X_REQUEST_ID) |              \
     HF_FIELD_BIT(HF_FIELD_X_HOLDFAST_PROBE) | HF_FIELD_BIT(HF_FIELD_X_CLIENT_SUBJECT))

static bool trusted(const struct hf_plan_gateway *limits, const struct hf_peer *peer)
{
    struct hf_addr a;

    if (limits->n_trusted == 0 || hf_addr_parse_ip((struct hf_str){peer->ip, peer->ip_n}, &a))
        return false;
    for (uint32_t i = 0; i < limits->n_trusted; i++) {
        if (hf_network_has(&limits->trusted[i], &a))
            return true;
    }
    return false;
}

static bool id_acceptable(struct hf_str id)
{
    if (id.n == 0 || id.n > HF_REQUEST_ID)
        return false;
    for (size_t i = 0; i < id.n; i++) {
        char ch = id.p[i];
        bool word = (ch >= '0' && ch <= '9') || (ch >= 'a' && ch <= 'z') ||
                    (ch >= 'A' && ch <= 'Z') || ch == '-' || ch == '_' || ch == '.';
        if (!word)
            return false;
    }
    return true;
}

/* The client's id if it is a plain word, so that a call can be followed across systems; else 128
 * random bits. */
static void choose_id(struct hf_exchange *x, const struct hf_h1_head *head)
{
    static const char digits[] = "0123456789abcdef";
    const struct hf_h1_field *f = hf_h1_field(head, HF_FIELD_X_REQUEST_ID);
    uint64_t bits = 0;

    if (f && id_acceptable(f->value)) {
        memcpy(x->id, f->value.p, f->value.n);
        x->id_n = (uint8_t)f->value.n;
        return;
    }
    for (int i = 0; i < 32; i++, bits >>= 4) {
        if (i % 16 == 0)
            bits = hf_random_next(&x->worker->random);
        x->id[i] = digits[bits & 15];
    }
    x->id_n = 32;
}

static void put_forwarded(struct hf_h1_out *o, const struct hf_exchange *x,
                          const struct hf_h1_head *head, bool trust)
{
    const struct hf_h1_field *proto = hf_h1_field(head, HF_FIELD_X_FORWARDED_PROTO);
    const struct hf_h1_field *host = hf_h1_field(head, HF_FIELD_X_FORWARDED_HOST);
    const struct hf_peer *peer = x->client->peer;

    HF_H1_PUT(o, "x-forwarded-for: ");
    if (trust) {
        for (unsigned i = 0; i < head->n_fields; i++) {
            if (head->fields[i].id == HF_FIELD_X_FORWARDED_FOR && head->fields[i].value.n) {
                hf_h1_put(o, head->fields[i].value);
                HF_H1_PUT(o, ", ");
            }
        }
    }
    hf_h1_put(o, (struct hf_str){peer->ip, peer->ip_n});
    HF_H1_PUT(o, "\r\nx-forwarded-proto: ");
    hf_h1_put(o, trust && proto                     ? proto->value
                 : peer->listener & HF_LISTENER_TLS ? HF_STR("https")
                                                    : HF_STR("http"));
    HF_H1_PUT(o, "\r\n");
    if (trust && host)
        hf_h1_put_field(o, HF_STR("x-forwarded-host"), host->value);
    else if (head->authority.n)
        hf_h1_put_field(o, HF_STR("x-forwarded-host"), head->authority);
    if (peer->subject.n)
        hf_h1_put_field(o, HF_STR("x-client-subject"), peer->subject);
}

static void put_fields(struct hf_h1_out *o, const struct hf_h1_head *head, bool trust)
{
    uint64_t skip = SET_ANEW | (trust ? 0 : HF_FIELD_BIT(HF_FIELD_FORWARDED));

    for (unsigned i = 0; i < head->n_fields; i++) {
        const struct hf_h1_field *f = &head->fields[i];
        if (f->id && (skip & HF_FIELD_BIT(f->id)))
            continue;
        if (!hf_h1_hop_by_hop(head, i))
            hf_h1_put_field(o, f->name, f->value);
    }
}

static void put_framing(struct hf_h1_out *o, const struct hf_h1_framing *framing)
{
    if (framing->kind == HF_H1_BODY_CHUNKED) {
        HF_H1_PUT(o, "transfer-encoding: chunked\r\n");
    } else if (framing->kind == HF_H1_BODY_LENGTH) {
        HF_H1_PUT(o, "content-length: ");
        hf_h1_put_decimal(o, framing->length);
        HF_H1_PUT(o, "\r\n");
    }
}

/* An upper bound of the rendered head: every field as it came, and what is added. */
static size_t bound(const struct hf_h1_head *head)
{
    size_t n = head->method.n + head->origin.n + 3 * head->authority.n + 300 + HF_REQUEST_ID +
               HF_TLS_SUBJECT;

    for (unsigned i = 0; i < head->n_fields; i++)
        n += head->fields[i].name.n + head->fields[i].value.n + 4;
    return n;
}

int hf_rewrite_request(struct hf_exchange *x, const struct hf_h1_head *head,
                       const struct hf_h1_framing *framing)
{
    struct hf_worker *w = x->worker;
    bool trust = trusted(hf_worker_limits(w), x->client->peer);
    struct hf_h1_out o;

    choose_id(x, head);
    if (hf_buffer_room(&w->buffers, &x->request, (uint32_t)bound(head)))
        return HF_ELIMIT;
    o = (struct hf_h1_out){x->request.p, x->request.p + x->request.size, false};
    if (x->upgrade)
        HF_H1_PUT(&o, "GET ");
    else {
        hf_h1_put(&o, head->method);
        HF_H1_PUT(&o, " ");
    }
    x->method_n = x->upgrade ? 3 : (uint32_t)head->method.n;
    x->url_at = (uint32_t)(o.p - x->request.p);
    x->url_n = (uint32_t)head->origin.n;
    hf_h1_put(&o, head->origin);
    HF_H1_PUT(&o, " HTTP/1.1\r\nhost: ");
    x->host_at = (uint32_t)(o.p - x->request.p);
    x->host_n = (uint32_t)head->authority.n;
    hf_h1_put(&o, head->authority);
    HF_H1_PUT(&o, "\r\n");
    put_fields(&o, head, trust);
    put_forwarded(&o, x, head, trust);
    hf_h1_put_field(&o, HF_STR("x-request-id"), (struct hf_str){x->id, x->id_n});
    put_framing(&o, framing);
    if (x->upgrade)
        hf_tunnel_put_request(&o, x, head);
    HF_H1_PUT(&o, "\r\n");
    if (o.full)
        return HF_ELIMIT;
    x->head_size = x->request.end = (uint32_t)(o.p - x->request.p);
    return 0;
}
