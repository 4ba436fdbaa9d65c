#include "gateway/exchange.h"

#include "core/eject.h"
#include "core/route.h"
#include "gateway/accept.h"
#include "gateway/answer.h"
#include "gateway/attempt.h"
#include "gateway/hold.h"
#include "gateway/outcome.h"
#include "gateway/rewrite.h"
#include "gateway/routing.h"
#include "gateway/tunnel.h"
#include "gateway/upstream.h"
#include "gateway/worker.h"
#include "http/grpc.h"

static void on_timer(struct hf_timer *t);

/* The one writer of an exchange's state. */
void hf_exchange_state_set(struct hf_exchange *x, enum hf_exchange_state next)
{
    x->state = (uint8_t)next;
}

static struct hf_exchange *exchange_get(struct hf_client *c)
{
    struct hf_worker *w = c->worker;
    struct hf_exchange *x = hf_pool_get(&w->exchanges);
    size_t from = offsetof(struct hf_exchange, worker);

    if (!x->timer.on_fire)
        hf_timer_init(&x->timer, on_timer);
    memset((char *)x + from, 0, sizeof(*x) - from);
    hf_link_init(&x->link);
    x->worker = w;
    x->client = c;
    return x;
}

void hf_exchange_finish(struct hf_exchange *x, enum hf_ending ending)
{
    struct hf_worker *w = x->worker;
    struct hf_client *c = x->client;

    hf_outcome_book(x, ending);
    hf_exchange_state_set(x, HF_EXCHANGE_DONE);
    hf_timer_stop(&x->timer);
    hf_buffer_drop(&w->buffers, &x->request);
    hf_link_remove(&x->link);
    hf_list_append(&w->retired_exchanges, &x->link);
    c->exchange = NULL;
    hf_client_done(c, ending == HF_ENDING_WHOLE);
}

static void before_answer(struct hf_exchange *x, unsigned status)
{
    x->status = (uint16_t)status;
    x->answered = true;
    if (!x->request_done)
        x->client->keep_alive = false; /* what still comes of the request is thrown away */
    if (x->grpc) {
        x->status = 200;
        x->grpc_status = hf_grpc_from_http(status);
    }
}

void hf_exchange_answer(struct hf_exchange *x, unsigned status, const char *detail,
                        unsigned retry_after)
{
    before_answer(x, status);
    hf_answer(x->client, status, detail, retry_after);
    hf_exchange_finish(x, HF_ENDING_WHOLE);
}

/* ---- start ---- */

static bool is_idempotent(uint8_t method)
{
    switch (method) {
    case HF_METHOD_GET:
    case HF_METHOD_HEAD:
    case HF_METHOD_PUT:
    case HF_METHOD_DELETE:
    case HF_METHOD_OPTIONS:
    case HF_METHOD_TRACE:
        return true;
    default:
        return false;
    }
}

/* The form of an answer of our own. */
static enum hf_answer_form wanted_form(const struct hf_h1_head *head)
{
    struct hf_accept accept = {0};

    if (!(head->seen & HF_FIELD_BIT(HF_FIELD_ACCEPT)))
        return HF_ANSWER_JSON;
    for (unsigned i = head->at[HF_FIELD_ACCEPT]; i < head->n_fields; i++) {
        if (head->fields[i].id == HF_FIELD_ACCEPT)
            hf_accept_add(&accept, head->fields[i].value);
    }
    return hf_accept_choose(&accept);
}

/* How long the client waits; it may be an upper bound of what the service's policy allows. */
static void take_deadline(struct hf_exchange *x, const struct hf_h1_head *head)
{
    const struct hf_h1_field *f = hf_h1_field_named(head, HF_STR("grpc-timeout"));
    struct hf_duration wait;

    if (f && hf_grpc_timeout_parse(f->value, &wait) == 0)
        x->deadline = hf_mono_add(x->arrived, wait);
}

static void take_request(struct hf_exchange *x, const struct hf_h1_head *head,
                         const struct hf_h1_framing *framing)
{
    const struct hf_h1_field *type = hf_h1_field(head, HF_FIELD_CONTENT_TYPE);

    x->arrived = hf_worker_now(x->worker);
    x->second = hf_worker_wall_ns(x->worker, x->arrived) / HF_NS_PER_S;
    x->method = head->method_id;
    x->idempotent = is_idempotent(head->method_id);
    x->form = (uint8_t)wanted_form(head);
    x->kept = true;
    x->grpc = type && hf_grpc_content_type(type->value);
    x->grpc_status = HF_GRPC_MISSING;
    if (x->grpc)
        take_deadline(x, head);
    x->expect_continue = framing->expect_continue;
    x->request_kind = framing->kind;
    x->request_done = framing->kind == HF_H1_BODY_NONE ||
                      (framing->kind == HF_H1_BODY_LENGTH && framing->length == 0);
}

/* Sends the client elsewhere; who is there already is served. */
static void redirect(struct hf_exchange *x, const struct hf_routing *r,
                     const struct hf_h1_head *head)
{
    char buf[HF_LOCATION_MOST];
    struct hf_h1_out o = {buf, buf + sizeof(buf), false};
    struct hf_str location;

    if (hf_routing_location(x->worker->view.plan, r, head->host, &o)) {
        hf_exchange_answer(x, 400, "a host is needed", 0);
        return;
    }
    if (o.full) {
        hf_exchange_answer(x, 414, "the address is too long to be redirected", 0);
        return;
    }
    location = (struct hf_str){buf, (size_t)(o.p - buf)};
    if (hf_routing_is_here(r, location, hf_rewrite_scheme(x, head), head->authority)) {
        hf_attempt_begin(x);
        return;
    }
    before_answer(x, r->route->redirect);
    hf_answer_redirect(x->client, r->route->redirect, location);
    hf_exchange_finish(x, HF_ENDING_WHOLE);
}

static void serve(struct hf_exchange *x, const struct hf_routing *r, const struct hf_h1_head *head,
                  const struct hf_h1_framing *framing)
{
    struct hf_worker *w = x->worker;
    uint64_t most = hf_worker_limits(w)->body;

    x->service = &w->services[hf_plan_services(w->view.plan)[r->service].slot];
    x->service_incarnation = x->service->incarnation;
    hf_outcome_arrived(x);
    hf_retry_budget_request(&w->budget, x->arrived);
    if (hf_buffers_tight(&w->buffers))
        hf_exchange_answer(x, 503, HF_ANSWER_NO_MEMORY, 1);
    else if (most && framing->length > most)
        hf_exchange_answer(x, 413, "the request's body is larger than this gateway allows", 0);
    else if (r->route && r->route->redirect)
        redirect(x, r, head);
    else
        hf_attempt_begin(x);
}

/* In what the service's endpoints are asked. */
static void offers(struct hf_exchange *x, const struct hf_plan_service *s,
                   const struct hf_h1_head *head, const struct hf_h1_framing *framing)
{
    x->protocol = s->protocol;
    x->upgrade = s->protocol == HF_PROTOCOL_HTTP1 && hf_tunnel_offered(head, framing, s);
    x->idempotent = x->idempotent || (x->grpc && s->retry_grpc);
}

void hf_exchange_start(struct hf_client *c, const struct hf_h1_framing *framing)
{
    struct hf_worker *w = c->worker;
    const struct hf_h1_head *head = &w->head;
    struct hf_exchange *x = exchange_get(c);
    char normal[HF_ROUTING_PATH];
    struct hf_routing r = {.service = HF_ROUTE_NONE};
    bool bad;

    c->exchange = x;
    hf_count_add(&w->live->requests, 1);
    take_request(x, head, framing);
    bad = hf_routing_find(w->view.plan, head, normal, &r);
    x->probe = r.probe;
    if ((c->peer->listener & HF_LISTENER_PROBE) && !r.probe) /* nobody else comes by there */
        r = (struct hf_routing){.service = HF_ROUTE_NONE};
    if (r.service >= 0)
        offers(x, &hf_plan_services(w->view.plan)[r.service], head, framing);
    if (hf_rewrite_request(x, head, framing, &r)) {
        hf_exchange_answer(x, 431, "the header section is too long", 0);
    } else if (bad) {
        c->keep_alive = false;
        hf_exchange_answer(x, 400, "the path is not valid, or leads out of the root", 0);
    } else if (r.service == HF_ROUTE_NONE) {
        hf_count_add(&w->live->no_route, 1);
        hf_exchange_answer(x, 404, "no service has a route for this host and path", 0);
    } else if (x->method == HF_METHOD_CONNECT && !x->upgrade) {
        hf_exchange_answer(x, 501, "the service does not offer this protocol", 0);
    } else {
        serve(x, &r, head, framing);
    }
}

/* ---- the request's body ---- */

/* Space in the buffer for body bytes; sent ones make room once the request is not kept any more. */
static uint32_t body_room(struct hf_exchange *x)
{
    uint32_t most = hf_buffers_half_full(&x->worker->buffers) ? HF_KEPT_BODY_TIGHT : HF_KEPT_BODY;
    uint32_t used = x->request.end - x->head_size;

    if (used < most && x->kept)
        return most - used;
    if (x->sent < x->head_size)
        return used < most ? most - used : 0;
    if (x->kept)
        x->kept = false; /* from here on it cannot be sent again */
    if (x->sent > x->head_size) {
        memmove(x->request.p + x->head_size, x->request.p + x->sent, x->request.end - x->sent);
        x->request.end -= x->sent - x->head_size;
        x->sent = x->head_size;
    }
    used = x->request.end - x->head_size;
    return used < most ? most - used : 0;
}

bool hf_exchange_wants_request(struct hf_exchange *x)
{
    return !x->request_done && body_room(x) > 0;
}

uint32_t hf_exchange_room(struct hf_exchange *x)
{
    struct hf_client *c = x->client;
    uint32_t room = x->request_done ? 0 : body_room(x);

    if (room || x->request_done)
        return room;
    hf_exchange_push(x);
    return c->exchange == x ? body_room(x) : 0;
}

static int append(struct hf_exchange *x, struct hf_str s)
{
    return hf_buffer_add(&x->worker->buffers, &x->request, s);
}

static bool in_chunks(const struct hf_exchange *x)
{
    return x->request_kind == HF_H1_BODY_CHUNKED && x->protocol == HF_PROTOCOL_HTTP1;
}

static int append_chunk(struct hf_exchange *x, struct hf_str data)
{
    char frame[HF_H1_CHUNK_FRAME];
    struct hf_h1_out o = {frame, frame + sizeof(frame), false};

    hf_h1_put_chunk(&o, data.n);
    if (append(x, (struct hf_str){frame, (size_t)(o.p - frame)}) || append(x, data))
        return HF_ELIMIT;
    return append(x, HF_STR("\r\n"));
}

static int append_trailers(struct hf_exchange *x, const struct hf_h1_trailers *trailers)
{
    int rc = 0;

    for (unsigned i = 0; !rc && trailers && i < trailers->n; i++) {
        rc = append(x, trailers->fields[i].name);
        rc = rc ? rc : append(x, HF_STR(": "));
        rc = rc ? rc : append(x, trailers->fields[i].value);
        rc = rc ? rc : append(x, HF_STR("\r\n"));
    }
    return rc;
}

/* HTTP/2 frames the body itself, when it is sent. */
static int append_end(struct hf_exchange *x, const struct hf_h1_trailers *trailers)
{
    uint32_t before = x->request.end;
    int rc = 0;

    if (x->protocol != HF_PROTOCOL_HTTP1) {
        rc = append_trailers(x, trailers);
        x->trailers_n = x->request.end - before;
        return rc;
    }
    if (!in_chunks(x))
        return 0;
    rc = append(x, HF_STR("0\r\n"));
    rc = rc ? rc : append_trailers(x, trailers);
    return rc ? rc : append(x, HF_STR("\r\n"));
}

static void too_large(struct hf_exchange *x)
{
    hf_exchange_give_up(x, 413, "the request's body is larger than this gateway allows");
}

void hf_exchange_feed(struct hf_exchange *x, struct hf_str data, bool last)
{
    uint64_t most = hf_worker_limits(x->worker)->body;

    x->body_bytes += data.n;
    if (most && x->body_bytes > most && !x->tunnel)
        too_large(x);
    else if (in_chunks(x) ? append_chunk(x, data) : append(x, data))
        hf_exchange_give_up(x, 503, "this gateway holds as much of messages as it may");
    else if (last)
        hf_exchange_feed_end(x, NULL);
}

void hf_exchange_feed_end(struct hf_exchange *x, const struct hf_h1_trailers *trailers)
{
    if (append_end(x, trailers))
        hf_exchange_bad_body(x, 431, hf_h1_error_text(HF_H1_TRAILER_LONG));
    else
        x->request_done = true;
}

void hf_exchange_push(struct hf_exchange *x)
{
    if (x->state == HF_EXCHANGE_ATTEMPT || x->state == HF_EXCHANGE_STREAMING)
        hf_attempt_send(x);
}

/* ---- ends ---- */

void hf_exchange_give_up(struct hf_exchange *x, unsigned status, const char *detail)
{
    bool streaming = x->state == HF_EXCHANGE_STREAMING;

    hf_hold_leave(x);
    hf_attempt_end(x, HF_RESULT_NONE, false);
    x->client->keep_alive = false;
    if (streaming)
        hf_exchange_finish(x, HF_ENDING_CLIENT_GONE); /* its response was begun; it ends here */
    else
        hf_exchange_answer(x, status, detail, 0);
}

void hf_exchange_bad_body(struct hf_exchange *x, unsigned status, const char *detail)
{
    hf_exchange_give_up(x, status, detail);
}

void hf_exchange_slow_body(struct hf_exchange *x)
{
    hf_exchange_give_up(x, 408, "the request's body did not arrive in time");
}

/* The response was cut after its head had gone out: the client must see that, so its connection
 * ends before the message does. */
void hf_exchange_break(struct hf_exchange *x)
{
    struct hf_client *c = x->client;

    c->keep_alive = false;
    hf_exchange_finish(x, HF_ENDING_BROKEN);
}

void hf_exchange_client_gone(struct hf_exchange *x)
{
    hf_hold_leave(x);
    hf_attempt_end(x, HF_RESULT_NONE, false);
    x->client->keep_alive = false;
    hf_exchange_finish(x, HF_ENDING_CLIENT_GONE);
}

static void on_timer(struct hf_timer *t)
{
    struct hf_exchange *x = HF_CONTAINER(t, struct hf_exchange, timer);

    switch (x->state) {
    case HF_EXCHANGE_HELD:
        hf_hold_expired(x);
        break;
    case HF_EXCHANGE_ATTEMPT:
        hf_attempt_timeout(x);
        break;
    case HF_EXCHANGE_STREAMING:
        hf_attempt_stalled(x);
        break;
    case HF_EXCHANGE_NEW:
    case HF_EXCHANGE_DONE:
        break;
    }
}
