#include "gateway/rewrite.h"

#include "gateway/trace.h"
#include "gateway/tunnel.h"
#include "gateway/worker.h"

/* Fields that are always set anew. */
#define SET_ANEW                                                                                   \
    (HF_FIELD_BIT(HF_FIELD_HOST) | HF_FIELD_BIT(HF_FIELD_CONTENT_LENGTH) |                         \
     HF_FIELD_BIT(HF_FIELD_X_REQUEST_ID) | HF_FIELD_BIT(HF_FIELD_X_HOLDFAST_PROBE) |               \
     HF_FIELD_BIT(HF_FIELD_X_CLIENT_SUBJECT))
#define X_FORWARDED                                                                                \
    (HF_FIELD_BIT(HF_FIELD_X_FORWARDED_FOR) | HF_FIELD_BIT(HF_FIELD_X_FORWARDED_HOST) |            \
     HF_FIELD_BIT(HF_FIELD_X_FORWARDED_PROTO))

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

static void put_list(struct hf_h1_out *o, const struct hf_h1_head *head, enum hf_field_id id)
{
    for (unsigned i = 0; i < head->n_fields; i++) {
        if (head->fields[i].id == id && head->fields[i].value.n) {
            hf_h1_put(o, head->fields[i].value);
            HF_H1_PUT(o, ", ");
        }
    }
}

static struct hf_str scheme(const struct hf_peer *peer)
{
    return peer->listener & HF_LISTENER_TLS ? HF_STR("https") : HF_STR("http");
}

static void put_x_forwarded(struct hf_h1_out *o, const struct hf_peer *peer,
                            const struct hf_h1_head *head, bool trust)
{
    const struct hf_h1_field *proto = hf_h1_field(head, HF_FIELD_X_FORWARDED_PROTO);
    const struct hf_h1_field *host = hf_h1_field(head, HF_FIELD_X_FORWARDED_HOST);

    HF_H1_PUT(o, "x-forwarded-for: ");
    if (trust)
        put_list(o, head, HF_FIELD_X_FORWARDED_FOR);
    hf_h1_put(o, (struct hf_str){peer->ip, peer->ip_n});
    HF_H1_PUT(o, "\r\nx-forwarded-proto: ");
    hf_h1_put(o, trust && proto ? proto->value : scheme(peer));
    HF_H1_PUT(o, "\r\n");
    if (trust && host)
        hf_h1_put_field(o, HF_STR("x-forwarded-host"), host->value);
    else if (head->authority.n)
        hf_h1_put_field(o, HF_STR("x-forwarded-host"), head->authority);
}

/* What is no token is quoted; a host and an address have nothing that needs more than that. */
static void put_quoted(struct hf_h1_out *o, struct hf_str s)
{
    if (s.n && memchr(s.p, ':', s.n)) {
        HF_H1_PUT(o, "\"");
        hf_h1_put(o, s);
        HF_H1_PUT(o, "\"");
    } else {
        hf_h1_put(o, s);
    }
}

/* RFC 7239: one element a hop, the latest last. */
static void put_rfc7239(struct hf_h1_out *o, const struct hf_peer *peer,
                        const struct hf_h1_head *head, bool trust)
{
    struct hf_str ip = {peer->ip, peer->ip_n};

    HF_H1_PUT(o, "forwarded: ");
    if (trust)
        put_list(o, head, HF_FIELD_FORWARDED);
    if (ip.n && memchr(ip.p, ':', ip.n)) {
        HF_H1_PUT(o, "for=\"[");
        hf_h1_put(o, ip);
        HF_H1_PUT(o, "]\"");
    } else {
        HF_H1_PUT(o, "for=");
        hf_h1_put(o, ip.n ? ip : HF_STR("unknown"));
    }
    HF_H1_PUT(o, ";proto=");
    hf_h1_put(o, scheme(peer));
    if (head->authority.n) {
        HF_H1_PUT(o, ";host=");
        put_quoted(o, head->authority);
    }
    HF_H1_PUT(o, "\r\n");
}

/* Of the fields that are for one of the two, those of the other pass from trusted clients only. */
static void put_forwarded(struct hf_h1_out *o, const struct hf_exchange *x,
                          const struct hf_h1_head *head, bool trust)
{
    uint8_t fields = hf_worker_limits(x->worker)->forwarded;

    if (fields & HF_FORWARDED_X)
        put_x_forwarded(o, x->client->peer, head, trust);
    if (fields & HF_FORWARDED_RFC7239)
        put_rfc7239(o, x->client->peer, head, trust);
    if (x->client->peer->subject.n)
        hf_h1_put_field(o, HF_STR("x-client-subject"), x->client->peer->subject);
}

/* The trace goes on with a step of ours, or begins here. */
static void put_trace(struct hf_h1_out *o, struct hf_exchange *x, const struct hf_trace *given)
{
    const struct hf_plan_gateway *g = hf_worker_limits(x->worker);
    char value[HF_TRACE_PARENT];
    struct hf_trace begun;

    if (!g->trace)
        return;
    if (!given) {
        hf_trace_begin(&x->worker->random, g->trace_sample, &begun);
        given = &begun;
    }
    hf_trace_write(given, &x->worker->random, value);
    HF_H1_PUT(o, "traceparent: ");
    x->trace_at = (uint32_t)(o->p - x->request.p);
    hf_h1_put(o, (struct hf_str){value, sizeof(value)});
    HF_H1_PUT(o, "\r\n");
}

/* Is there a valid one, and once? */
static bool given_trace(const struct hf_h1_head *head, struct hf_trace *t)
{
    const struct hf_h1_field *f = hf_h1_field(head, HF_FIELD_TRACEPARENT);
    bool twice = head->twice & HF_FIELD_BIT(HF_FIELD_TRACEPARENT);

    return f && !twice && !hf_trace_parse(f->value, t);
}

/* The fields that do not pass as they are. */
static uint64_t skipped(const struct hf_plan_gateway *g, bool trust, bool prefix,
                        const struct hf_trace *trace)
{
    uint64_t skip = SET_ANEW;

    if (!trust)
        skip |= X_FORWARDED | HF_FIELD_BIT(HF_FIELD_FORWARDED);
    if (!trust || prefix)
        skip |= HF_FIELD_BIT(HF_FIELD_X_FORWARDED_PREFIX);
    if (g->forwarded & HF_FORWARDED_X)
        skip |= X_FORWARDED;
    if (g->forwarded & HF_FORWARDED_RFC7239)
        skip |= HF_FIELD_BIT(HF_FIELD_FORWARDED);
    if (!trace)
        skip |= HF_FIELD_BIT(HF_FIELD_TRACEPARENT) | HF_FIELD_BIT(HF_FIELD_TRACESTATE);
    if (g->trace)
        skip |= HF_FIELD_BIT(HF_FIELD_TRACEPARENT);
    return skip;
}

static void put_fields(struct hf_h1_out *o, const struct hf_h1_head *head, uint64_t skip)
{
    for (unsigned i = 0; i < head->n_fields; i++) {
        const struct hf_h1_field *f = &head->fields[i];
        if (f->id && (skip & HF_FIELD_BIT(f->id)))
            continue;
        if (!hf_h1_hop_by_hop(head, i))
            hf_h1_put_field(o, f->name, f->value);
    }
}

static bool wants_trailers(const struct hf_h1_head *head)
{
    const struct hf_h1_field *te = hf_h1_field(head, HF_FIELD_TE);
    struct hf_str rest = te ? te->value : HF_STR(""), element;

    while (hf_h1_list_next(&rest, &element)) {
        if (hf_str_eq_nocase(element, HF_STR("trailers")))
            return true;
    }
    return false;
}

/* HTTP/2 frames bodies itself, and always has room for trailers. */
static void put_framing(struct hf_h1_out *o, const struct hf_exchange *x,
                        const struct hf_h1_head *head, const struct hf_h1_framing *framing)
{
    if (x->protocol != HF_PROTOCOL_HTTP1 && (x->grpc || wants_trailers(head)))
        HF_H1_PUT(o, "te: trailers\r\n");
    if (framing->kind == HF_H1_BODY_CHUNKED) {
        if (x->protocol == HF_PROTOCOL_HTTP1)
            HF_H1_PUT(o, "transfer-encoding: chunked\r\n");
    } else if (framing->kind == HF_H1_BODY_LENGTH) {
        HF_H1_PUT(o, "content-length: ");
        hf_h1_put_decimal(o, framing->length);
        HF_H1_PUT(o, "\r\n");
    }
}

/* The path and query that the endpoint sees. */
static void put_url(struct hf_h1_out *o, struct hf_exchange *x, const struct hf_h1_head *head,
                    const struct hf_routing *r)
{
    const struct hf_plan *plan = x->worker->view.plan;
    struct hf_str target, rest;
    char *from = o->p;

    x->url_at = (uint32_t)(from - x->request.p);
    if (hf_routing_rewrites(r)) {
        target = hf_plan_str(plan, r->route->target);
        rest = hf_routing_rest(plan, r);
        if (target.n == 1 && rest.n)
            target.n = 0; /* rest begins with the slash */
        x->replaced_n = (uint32_t)target.n;
        hf_h1_put(o, target);
        hf_h1_put(o, rest);
        if (r->query.p) {
            HF_H1_PUT(o, "?");
            hf_h1_put(o, r->query);
        }
    } else {
        hf_h1_put(o, head->origin);
    }
    x->url_n = (uint32_t)(o->p - from);
}

/* What the client calls the place where the endpoint's root is. */
static void put_prefix(struct hf_h1_out *o, struct hf_exchange *x, const struct hf_h1_head *head,
                       struct hf_str prefix, bool trust)
{
    const struct hf_h1_field *before = hf_h1_field(head, HF_FIELD_X_FORWARDED_PREFIX);

    HF_H1_PUT(o, "x-forwarded-prefix: ");
    if (trust && before)
        hf_h1_put(o, before->value);
    x->prefix_at = (uint32_t)(o->p - x->request.p);
    x->prefix_n = (uint32_t)prefix.n;
    hf_h1_put(o, prefix);
    HF_H1_PUT(o, "\r\n");
}

/* The prefix that the route replaces; empty if none, or if there is nothing in it. */
static struct hf_str replaced(const struct hf_plan *plan, const struct hf_routing *r)
{
    struct hf_str prefix = {0};

    if (hf_routing_rewrites(r))
        prefix = hf_plan_str(plan, r->route->prefix);
    return prefix.n > 1 ? prefix : (struct hf_str){0};
}

/* An upper bound of the rendered head: every field as it came, and what is added. */
static size_t bound(const struct hf_plan *plan, const struct hf_h1_head *head,
                    const struct hf_routing *r)
{
    size_t n = head->method.n + head->origin.n + 4 * head->authority.n + 512 + HF_REQUEST_ID +
               HF_TLS_SUBJECT;

    if (hf_routing_rewrites(r))
        n += r->route->target.n + hf_plan_str(plan, r->route->prefix).n;
    for (unsigned i = 0; i < head->n_fields; i++)
        n += head->fields[i].name.n + head->fields[i].value.n + 4;
    return n;
}

/* Method, url and host, and where they stand. */
static void put_request_line(struct hf_h1_out *o, struct hf_exchange *x,
                             const struct hf_h1_head *head, const struct hf_routing *r)
{
    struct hf_str method = x->upgrade ? HF_STR("GET") : head->method;

    hf_h1_put(o, method);
    HF_H1_PUT(o, " ");
    x->method_n = (uint32_t)method.n;
    put_url(o, x, head, r);
    HF_H1_PUT(o, " HTTP/1.1\r\nhost: ");
    x->host_at = (uint32_t)(o->p - x->request.p);
    x->host_n = (uint32_t)head->authority.n;
    hf_h1_put(o, head->authority);
    HF_H1_PUT(o, "\r\n");
}

struct hf_str hf_rewrite_scheme(const struct hf_exchange *x, const struct hf_h1_head *head)
{
    const struct hf_h1_field *proto = hf_h1_field(head, HF_FIELD_X_FORWARDED_PROTO);
    const struct hf_peer *peer = x->client->peer;

    return proto && hf_peer_trusted(hf_worker_limits(x->worker), &peer->address) ? proto->value
                                                                                 : scheme(peer);
}

int hf_rewrite_request(struct hf_exchange *x, const struct hf_h1_head *head,
                       const struct hf_h1_framing *framing, const struct hf_routing *r)
{
    struct hf_worker *w = x->worker;
    const struct hf_plan_gateway *g = hf_worker_limits(w);
    bool trust = hf_peer_trusted(g, &x->client->peer->address);
    struct hf_str prefix = replaced(w->view.plan, r);
    struct hf_trace given, *trace = given_trace(head, &given) ? &given : NULL;
    struct hf_h1_out o;

    choose_id(x, head);
    if (hf_buffer_room(&w->buffers, &x->request, (uint32_t)bound(w->view.plan, head, r)))
        return HF_ELIMIT;
    o = (struct hf_h1_out){x->request.p, x->request.p + x->request.size, false};
    put_request_line(&o, x, head, r);
    put_fields(&o, head, skipped(g, trust, prefix.n, trace));
    put_forwarded(&o, x, head, trust);
    if (prefix.n)
        put_prefix(&o, x, head, prefix, trust);
    put_trace(&o, x, trace);
    hf_h1_put_field(&o, HF_STR("x-request-id"), (struct hf_str){x->id, x->id_n});
    put_framing(&o, x, head, framing);
    if (x->upgrade)
        hf_tunnel_put_request(&o, x, head);
    else if (r->service >= 0 && hf_plan_services(w->view.plan)[r->service].proxy_version)
        HF_H1_PUT(&o, "connection: close\r\n"); /* it is this client's alone */
    HF_H1_PUT(&o, "\r\n");
    if (o.full)
        return HF_ELIMIT;
    x->head_size = x->request.end = (uint32_t)(o.p - x->request.p);
    return 0;
}
