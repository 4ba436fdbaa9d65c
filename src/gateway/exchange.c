#include "gateway/exchange.h"

#include "core/eject.h"
#include "core/route.h"
#include "gateway/answer.h"
#include "gateway/attempt.h"
#include "gateway/hold.h"
#include "gateway/outcome.h"
#include "gateway/rewrite.h"
#include "gateway/tunnel.h"
#include "gateway/upstream.h"
#include "gateway/worker.h"
#include "http/url.h"

enum {
    PATH_MOST = 32 * 1024, /* a longer path that needs to be brought into normal form is refused */
    BAD_PATH = -2,
};

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

void hf_exchange_answer(struct hf_exchange *x, unsigned status, const char *detail,
                        unsigned retry_after)
{
    struct hf_client *c = x->client;

    x->status = (uint16_t)status;
    if (!x->request_done)
        c->keep_alive = false; /* what still comes of the request is thrown away */
    hf_answer(c, status, detail, retry_after);
    hf_exchange_finish(x, HF_ENDING_WHOLE);
}

/* ---- start ---- */

/* "TOKEN/SERVICE": a request of the controller itself, for that service whatever the route. */
static int probed_service(const struct hf_worker *w, struct hf_str value)
{
    const struct hf_plan *plan = w->view.plan;
    char token[2 * sizeof(plan->probe_token)];

    for (size_t i = 0; i < sizeof(plan->probe_token); i++) {
        token[2 * i] = "0123456789abcdef"[plan->probe_token[i] >> 4];
        token[2 * i + 1] = "0123456789abcdef"[plan->probe_token[i] & 15];
    }
    if (value.n < sizeof(token) + 1 || value.p[sizeof(token)] != '/')
        return HF_ROUTE_NONE;
    if (!hf_str_eq_secret((struct hf_str){value.p, sizeof(token)},
                          (struct hf_str){token, sizeof(token)}))
        return HF_ROUTE_NONE;
    value = (struct hf_str){value.p + sizeof(token) + 1, value.n - sizeof(token) - 1};
    for (uint32_t i = 0; i < plan->n_services; i++) {
        if (hf_str_eq(hf_plan_str(plan, hf_plan_services(plan)[i].name), value))
            return (int)i;
    }
    return HF_ROUTE_NONE;
}

static int find_service(struct hf_exchange *x, const struct hf_h1_head *head)
{
    const struct hf_h1_field *probe = hf_h1_field(head, HF_FIELD_X_HOLDFAST_PROBE);
    char host[256], normal[PATH_MOST];
    struct hf_str path, query;

    if (probe) {
        int service = probed_service(x->worker, probe->value);
        x->probe = service != HF_ROUTE_NONE;
        if (x->probe)
            return service;
    }
    if (head->host.n > sizeof(host))
        return HF_ROUTE_NONE;
    for (size_t i = 0; i < head->host.n; i++)
        host[i] = hf_lower(head->host.p[i]);
    hf_url_split(head->origin, &path, &query);
    if (path.p[0] == '/' && hf_path_normalise(path, normal, sizeof(normal), &path))
        return BAD_PATH;
    return hf_route_find(x->worker->view.plan, (struct hf_str){host, head->host.n}, path);
}

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

static void take_request(struct hf_exchange *x, const struct hf_h1_head *head,
                         const struct hf_h1_framing *framing)
{
    x->arrived = hf_worker_now(x->worker);
    x->second = hf_worker_wall_ns(x->worker, x->arrived) / HF_NS_PER_S;
    x->method = head->method_id;
    x->idempotent = is_idempotent(head->method_id);
    x->kept = true;
    x->expect_continue = framing->expect_continue;
    x->request_kind = framing->kind;
    x->request_done = framing->kind == HF_H1_BODY_NONE ||
                      (framing->kind == HF_H1_BODY_LENGTH && framing->length == 0);
}

static void serve(struct hf_exchange *x, int service, const struct hf_h1_framing *framing)
{
    struct hf_worker *w = x->worker;
    uint64_t most = hf_worker_limits(w)->body;

    x->service = &w->services[hf_plan_services(w->view.plan)[service].slot];
    x->service_incarnation = x->service->incarnation;
    hf_outcome_arrived(x);
    hf_retry_budget_request(&w->budget, x->arrived);
    if (most && framing->length > most)
        hf_exchange_answer(x, 413, "the request's body is larger than this gateway allows", 0);
    else
        hf_attempt_begin(x);
}

void hf_exchange_start(struct hf_client *c, const struct hf_h1_framing *framing)
{
    struct hf_worker *w = c->worker;
    const struct hf_h1_head *head = &w->head;
    struct hf_exchange *x = exchange_get(c);
    int service;

    c->exchange = x;
    hf_count_add(&w->live->requests, 1);
    take_request(x, head, framing);
    service = find_service(x, head);
    x->upgrade =
        service >= 0 && hf_tunnel_offered(head, framing, &hf_plan_services(w->view.plan)[service]);
    if (hf_rewrite_request(x, head, framing)) {
        hf_exchange_answer(x, 431, "the header section is too long", 0);
        return;
    }
    if (service == BAD_PATH) {
        c->keep_alive = false;
        hf_exchange_answer(x, 400, "the path is not valid, or leads out of the root", 0);
        return;
    }
    if (service == HF_ROUTE_NONE) {
        hf_count_add(&w->live->no_route, 1);
        hf_exchange_answer(x, 404, "no service has a route for this host and path", 0);
        return;
    }
    if (x->method == HF_METHOD_CONNECT && !x->upgrade) {
        hf_exchange_answer(x, 501, "the service does not offer this protocol", 0);
        return;
    }
    serve(x, service, framing);
}

/* ---- the request's body ---- */

/* Space in the buffer for body bytes; sent ones make room once the request is not kept any more. */
static uint32_t body_room(struct hf_exchange *x)
{
    uint32_t used = x->request.end - x->head_size;

    if (used < HF_KEPT_BODY && x->kept)
        return HF_KEPT_BODY - used;
    if (x->sent < x->head_size)
        return used < HF_KEPT_BODY ? HF_KEPT_BODY - used : 0;
    if (x->kept)
        x->kept = false; /* from here on it cannot be sent again */
    if (x->sent > x->head_size) {
        memmove(x->request.p + x->head_size, x->request.p + x->sent, x->request.end - x->sent);
        x->request.end -= x->sent - x->head_size;
        x->sent = x->head_size;
    }
    used = x->request.end - x->head_size;
    return used < HF_KEPT_BODY ? HF_KEPT_BODY - used : 0;
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

static int append_chunk(struct hf_exchange *x, struct hf_str data)
{
    char frame[HF_H1_CHUNK_FRAME];
    struct hf_h1_out o = {frame, frame + sizeof(frame), false};

    hf_h1_put_chunk(&o, data.n);
    if (append(x, (struct hf_str){frame, (size_t)(o.p - frame)}) || append(x, data))
        return HF_ELIMIT;
    return append(x, HF_STR("\r\n"));
}

static int append_end(struct hf_exchange *x, const struct hf_h1_trailers *trailers)
{
    int rc = append(x, HF_STR("0\r\n"));

    for (unsigned i = 0; !rc && trailers && i < trailers->n; i++) {
        rc = append(x, trailers->fields[i].name);
        rc = rc ? rc : append(x, HF_STR(": "));
        rc = rc ? rc : append(x, trailers->fields[i].value);
        rc = rc ? rc : append(x, HF_STR("\r\n"));
    }
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
    if ((most && x->body_bytes > most && !x->tunnel) ||
        (x->request_kind == HF_H1_BODY_CHUNKED ? append_chunk(x, data) : append(x, data)))
        too_large(x);
    else if (last)
        hf_exchange_feed_end(x, NULL);
}

void hf_exchange_feed_end(struct hf_exchange *x, const struct hf_h1_trailers *trailers)
{
    if (x->request_kind == HF_H1_BODY_CHUNKED && append_end(x, trailers))
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
