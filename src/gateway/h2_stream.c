#include "gateway/h2_stream.h"

#include "gateway/answer.h"
#include "gateway/exchange.h"
#include "gateway/outcome.h"
#include "gateway/worker.h"

enum {
    AT_ONCE = 16 * 1024, /* a piece of a response from this size on is sent without being copied */
    RESPONSE_FIELDS = HF_H1_FIELDS + 4, /* with what we add */
};

static const struct hf_client_ops ops;

static void on_timer(struct hf_timer *t);

struct hf_h2_stream *hf_h2_stream_new(struct hf_h2_client *c, int32_t id)
{
    struct hf_worker *w = c->worker;
    size_t from = offsetof(struct hf_h2_stream, base);
    struct hf_h2_stream *s;

    if (w->h2->streams.in_use >= hf_worker_limits(w)->connections)
        return NULL;
    s = hf_pool_get(&w->h2->streams);
    if (!s->timer.on_fire)
        hf_timer_init(&s->timer, on_timer);
    memset((char *)s + from, 0, sizeof(*s) - from);
    hf_link_init(&s->link);
    hf_link_init(&s->fed);
    hf_link_init(&s->drained);
    s->base.ops = &ops;
    s->base.worker = w;
    s->base.peer = &c->peer;
    s->connection = c;
    s->id = id;
    nghttp2_session_set_stream_user_data(c->session, id, s);
    hf_list_append(&c->streams, &s->link);
    c->n_streams++;
    hf_count_add(&w->live->h2_streams, 1);
    c->idle_by = (struct hf_mono){0};
    return s;
}

void hf_h2_stream_await_progress(struct hf_h2_stream *s)
{
    hf_timer_after(s->base.worker->loop, &s->timer,
                   hf_ms(hf_worker_limits(s->base.worker)->progress_ms));
}

void hf_h2_stream_reset(struct hf_h2_stream *s, uint32_t error_code)
{
    if (s->reset || s->closed)
        return;
    s->reset = true;
    hf_timer_stop(&s->timer);
    nghttp2_submit_rst_stream(s->connection->session, NGHTTP2_FLAG_NONE, s->id, error_code);
    hf_h2_client_send_soon(s->connection);
}

void hf_h2_stream_let_go(struct hf_h2_stream *s)
{
    struct hf_worker *w = s->base.worker;

    s->closed = true;
    if (s->base.exchange) {
        s->base.broken = true;
        hf_exchange_client_gone(s->base.exchange);
    }
    hf_timer_stop(&s->timer);
    hf_buffer_drop(&w->buffers, &s->in);
    hf_buffer_drop(&w->buffers, &s->out);
    hf_h2_fields_drop(&w->buffers, &s->trailers);
    hf_h2_fields_drop(&w->buffers, &s->out_trailers);
    hf_link_remove(&s->fed);
    hf_link_remove(&s->drained);
    hf_link_remove(&s->link);
    hf_list_append(&w->h2->retired_streams, &s->link);
}

/* ---- the request ---- */

static void refuse(struct hf_h2_stream *s, enum hf_h1_error err)
{
    unsigned status = hf_h1_error_status(err);

    hf_count_add(&s->base.worker->live->bad_requests, 1);
    hf_outcome_refused(&s->base, status);
    if (status == 400) /* malformed: RFC 9113 8.1.1 */
        hf_h2_stream_reset(s, NGHTTP2_PROTOCOL_ERROR);
    else
        hf_answer(&s->base, status, hf_h1_error_text(err), 0);
}

/* Its bytes, or its end, go on when all that came in this read is taken. */
static void note_fed(struct hf_h2_stream *s)
{
    if (hf_link_alone(&s->fed))
        hf_list_append(&s->connection->fed, &s->fed);
}

/* An extended CONNECT becomes what an HTTP/1.1 client would say: an offer to switch (tunnel.h). */
static int as_offer(struct hf_h1_head *head, const struct hf_h2_request *more,
                    struct hf_h1_framing *framing)
{
    struct hf_h1_field *f = &head->fields[head->n_fields];

    if (head->n_fields == HF_H1_FIELDS)
        return -HF_H1_FIELDS_MANY;
    *f = (struct hf_h1_field){HF_STR("upgrade"), more->protocol, HF_FIELD_UPGRADE};
    head->seen |= HF_FIELD_BIT(HF_FIELD_UPGRADE);
    head->at[HF_FIELD_UPGRADE] = (uint8_t)head->n_fields++;
    framing->kind = HF_H1_BODY_NONE;
    framing->upgrade = true;
    return 0;
}

void hf_h2_stream_begin(struct hf_h2_stream *s, bool ended)
{
    struct hf_h2_client *c = s->connection;
    struct hf_worker *w = s->base.worker;
    const struct hf_plan_gateway *g = hf_worker_limits(w);
    struct hf_h1_limits limits = {g->line, g->head, g->fields};
    struct hf_h1_framing framing;
    struct hf_h2_request more;
    int rc;

    s->ended = ended;
    if (w->leaving)
        hf_h2_client_leave(c);
    rc = hf_h2_fields_request(&w->buffers, &c->fields, ended, &limits, &w->head, &more, &framing);
    if (!rc && more.protocol.p)
        rc = as_offer(&w->head, &more, &framing);
    if (rc) {
        refuse(s, (enum hf_h1_error) - rc);
        return;
    }
    s->kind = framing.kind;
    s->left = framing.kind == HF_H1_BODY_LENGTH ? framing.length : 0;
    s->base.keep_alive = true;
    s->base.eof = c->wire.eof;
    s->base.body_follows = framing.kind == HF_H1_BODY_CHUNKED || s->left > 0;
    if (s->base.body_follows)
        note_fed(s);
    hf_exchange_start(&s->base, &framing);
}

/* How much of the bytes the exchange takes now. */
static size_t feed(struct hf_h2_stream *s, struct hf_str data)
{
    struct hf_exchange *x = s->base.exchange;
    size_t fed = 0;

    while (fed < data.n && s->base.exchange == x && !x->request_done) {
        size_t room = hf_exchange_room(x), n = data.n - fed;
        if (s->base.exchange != x || room == 0)
            break;
        n = n < room ? n : room;
        if (s->kind == HF_H1_BODY_LENGTH)
            s->left -= n;
        hf_exchange_feed(x, (struct hf_str){data.p + fed, n},
                         s->kind == HF_H1_BODY_LENGTH && s->left == 0);
        fed += n;
    }
    return fed;
}

/* All bytes were fed, and there will be no more. */
static void feed_end(struct hf_h2_stream *s)
{
    struct hf_exchange *x = s->base.exchange;
    struct hf_h1_trailers trailers;
    int rc;

    if (!x || x->request_done || hf_buffer_used(&s->in))
        return;
    rc = hf_h2_fields_trailers(&s->trailers, &trailers);
    if (!rc) {
        hf_exchange_feed_end(x, &trailers);
    } else if (hf_h1_error_status((enum hf_h1_error) - rc) == 400) {
        hf_h2_stream_reset(s, NGHTTP2_PROTOCOL_ERROR);
        hf_exchange_client_gone(x);
    } else {
        hf_exchange_bad_body(x, 431, hf_h1_error_text((enum hf_h1_error) - rc));
    }
}

static void take_kept(struct hf_h2_stream *s)
{
    if (s->base.exchange && hf_buffer_used(&s->in)) {
        s->in.start += (uint32_t)feed(s, hf_buffer_str(&s->in));
        if (hf_buffer_used(&s->in) == 0)
            hf_buffer_drop(&s->base.worker->buffers, &s->in);
    }
    if (s->ended && s->base.exchange && s->kind != HF_H1_BODY_NONE)
        feed_end(s);
}

void hf_h2_stream_data(struct hf_h2_stream *s, struct hf_str data)
{
    struct hf_exchange *x = s->base.exchange;
    size_t fed = 0;

    if (!x || s->reset || (x->request_done && (!x->upgrade || x->tunnel)))
        return; /* nobody wants it any more */
    s->owed += (uint32_t)data.n;
    s->taking = true;
    if (hf_buffer_used(&s->in) == 0)
        fed = feed(s, data);
    s->taking = false;
    if (s->base.exchange != x)
        return;
    if (fed < data.n && hf_buffer_add(&s->base.worker->buffers, &s->in,
                                      (struct hf_str){data.p + fed, data.n - fed}))
        hf_h2_stream_reset(s, NGHTTP2_INTERNAL_ERROR); /* no memory is left for it */
    note_fed(s);
}

void hf_h2_stream_end(struct hf_h2_stream *s)
{
    s->ended = true;
    s->trailers = s->connection->fields;
    s->connection->fields = (struct hf_h2_fields){0};
    s->taking = true;
    take_kept(s);
    s->taking = false;
    note_fed(s);
}

/* The window is opened again by what the exchange has room for beyond what may still come. */
static void open_window(struct hf_h2_stream *s)
{
    struct hf_exchange *x = s->base.exchange;
    uint32_t room, coming = HF_H2_WINDOW - s->owed + hf_buffer_used(&s->in), n;

    if (!s->owed || !x || x->request_done || s->ended)
        return;
    room = hf_exchange_room(x);
    if (s->base.exchange != x || room <= coming)
        return;
    n = room - coming < s->owed ? room - coming : s->owed;
    s->owed -= n;
    nghttp2_session_consume_stream(s->connection->session, s->id, n);
    hf_h2_client_send_soon(s->connection);
}

void hf_h2_stream_push(struct hf_h2_stream *s)
{
    struct hf_exchange *x = s->base.exchange;

    s->base.body_follows = false;
    if (!x || s->closed)
        return;
    s->taking = true;
    hf_exchange_push(x);
    s->taking = false;
    if (s->base.exchange == x)
        hf_client_resume(&s->base);
    if (s->base.exchange != x)
        return;
    if ((!x->request_done && !x->tunnel) || s->base.backlogged)
        hf_h2_stream_await_progress(s);
    else
        hf_timer_stop(&s->timer);
}

static void resume(struct hf_client *base)
{
    struct hf_h2_stream *s = hf_h2_stream_of(base);
    bool more = hf_buffer_used(&s->in) || s->ended;

    if (s->taking || s->closed)
        return;
    s->taking = true;
    if (more) {
        take_kept(s);
        if (base->exchange)
            hf_exchange_push(base->exchange);
    }
    open_window(s);
    s->taking = false;
}

/* ---- the response ---- */

size_t hf_h2_stream_pending(const struct hf_h2_stream *s)
{
    const struct hf_h2 *h2 = s->base.worker->h2;

    return hf_buffer_used(&s->out) + (h2->live == s ? h2->live_bytes : 0);
}

static nghttp2_nv nv(struct hf_str name, struct hf_str value)
{
    return (nghttp2_nv){(uint8_t *)name.p, (uint8_t *)value.p, name.n, value.n,
                        NGHTTP2_NV_FLAG_NONE};
}

static void submit_trailers(struct hf_h2_stream *s)
{
    struct hf_str packed = hf_buffer_str(&s->out_trailers.text), name, value;
    nghttp2_nv fields[HF_H1_TRAILERS];
    size_t n = 0;

    while (n < HF_H1_TRAILERS && hf_h2_unpack(&packed, &name, &value))
        fields[n++] = nv(name, value);
    if (nghttp2_submit_trailer(s->connection->session, s->id, fields, n))
        hf_h2_stream_reset(s, NGHTTP2_INTERNAL_ERROR);
}

static ssize_t read_body(nghttp2_session *session, int32_t id, uint8_t *buf, size_t most,
                         uint32_t *flags, nghttp2_data_source *source, void *user)
{
    struct hf_h2_stream *s = source->ptr;
    size_t n = hf_h2_stream_pending(s);

    (void)session;
    (void)id;
    (void)buf;
    (void)user;
    if (n == 0 && !s->out_ended) {
        s->deferred = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (n > most)
        return (ssize_t)most;
    if (s->out_ended) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        if (s->out_trailers.text.p) {
            *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
            submit_trailers(s);
        }
    }
    return (ssize_t)n;
}

/* What goes on of the fields of a response. Returns how many. */
static size_t put_fields(nghttp2_nv *to, const struct hf_h1_head *head, bool tunnel)
{
    const uint64_t skip =
        HF_FIELD_BIT(HF_FIELD_CONTENT_LENGTH) | HF_FIELD_BIT(HF_FIELD_X_REQUEST_ID);
    size_t n = 0;

    for (unsigned i = 0; i < head->n_fields; i++) {
        const struct hf_h1_field *f = &head->fields[i];
        if ((f->id && (skip & HF_FIELD_BIT(f->id))) || hf_h1_hop_by_hop(head, i))
            continue;
        if (tunnel && hf_str_eq_nocase(f->name, HF_STR("sec-websocket-accept")))
            continue; /* RFC 8441 5: there is no key to accept */
        to[n++] = nv(f->name, f->value);
    }
    return n;
}

static bool has_body(const struct hf_h2_stream *s, const struct hf_h1_framing *framing)
{
    const struct hf_exchange *x = s->base.exchange;

    if (x && x->method == HF_METHOD_HEAD)
        return false;
    return framing->kind != HF_H1_BODY_NONE &&
           (framing->kind != HF_H1_BODY_LENGTH || framing->length > 0);
}

static void submit(struct hf_h2_stream *s, const nghttp2_nv *fields, size_t n, bool body)
{
    nghttp2_data_provider provider = {.source.ptr = s, .read_callback = read_body};

    if (s->submitted || s->closed || s->reset)
        return;
    s->submitted = true;
    if (nghttp2_submit_response(s->connection->session, s->id, fields, n, body ? &provider : NULL))
        hf_h2_stream_reset(s, NGHTTP2_INTERNAL_ERROR);
    hf_h2_client_send_soon(s->connection);
}

static void put_head(struct hf_client *base, const struct hf_h1_head *head,
                     const struct hf_h1_framing *framing)
{
    struct hf_h2_stream *s = hf_h2_stream_of(base);
    struct hf_worker *w = base->worker;
    const struct hf_exchange *x = base->exchange;
    bool tunnel = framing->kind == HF_H1_BODY_TUNNEL;
    unsigned status = tunnel ? 200 : head->status;
    nghttp2_nv fields[RESPONSE_FIELDS];
    char digits[3], length[HF_DECIMAL_MOST];
    size_t n = 0;

    digits[0] = (char)('0' + status / 100);
    digits[1] = (char)('0' + status / 10 % 10);
    digits[2] = (char)('0' + status % 10);
    fields[n++] = nv(HF_STR(":status"), (struct hf_str){digits, 3});
    n += put_fields(fields + n, head, tunnel);
    if ((head->seen & HF_FIELD_BIT(HF_FIELD_CONTENT_LENGTH)) && status != 204 && !tunnel)
        fields[n++] = nv(HF_STR("content-length"),
                         (struct hf_str){length, hf_decimal(framing->length, length)});
    if (!(head->seen & HF_FIELD_BIT(HF_FIELD_DATE)))
        fields[n++] =
            nv(HF_STR("date"),
               hf_date(&w->date, (struct hf_wall){hf_worker_wall_ns(w, hf_worker_now(w))}));
    if (x && x->id_n)
        fields[n++] = nv(HF_STR("x-request-id"), (struct hf_str){x->id, x->id_n});
    submit(s, fields, n, tunnel || has_body(s, framing));
    if (tunnel) {
        s->kind = HF_H1_BODY_TUNNEL;
        note_fed(s); /* bytes may have come before the answer */
        hf_timer_stop(&s->timer);
    }
}

static void put_interim(struct hf_client *base, const struct hf_h1_head *head)
{
    struct hf_h2_stream *s = hf_h2_stream_of(base);
    nghttp2_nv fields[RESPONSE_FIELDS];
    char digits[3] = {'1', (char)('0' + head->status / 10 % 10), (char)('0' + head->status % 10)};
    size_t n = 1;

    if (s->closed || s->reset || s->submitted)
        return;
    fields[0] = nv(HF_STR(":status"), (struct hf_str){digits, 3});
    n += put_fields(fields + n, head, false);
    if (nghttp2_submit_headers(s->connection->session, NGHTTP2_FLAG_NONE, s->id, NULL, fields, n,
                               NULL))
        hf_h2_stream_reset(s, NGHTTP2_INTERNAL_ERROR);
    hf_h2_client_send_soon(s->connection);
}

/* nghttp2 is told that there is something to frame again. */
static void undefer(struct hf_h2_stream *s)
{
    if (!s->deferred || s->closed || s->reset)
        return;
    s->deferred = false;
    if (nghttp2_session_resume_data(s->connection->session, s->id))
        hf_h2_stream_reset(s, NGHTTP2_INTERNAL_ERROR);
}

/* What was not framed is copied: the slices are the caller's. */
static void keep_rest(struct hf_h2_stream *s)
{
    struct hf_h2 *h2 = s->base.worker->h2;

    for (; h2->slice_at < h2->n_slices; h2->slice_at++) {
        if (!s->closed && !s->reset &&
            hf_buffer_add(&s->base.worker->buffers, &s->out, h2->slice[h2->slice_at]))
            s->base.broken = true; /* more than HF_BUFFER_MOST cannot be: reading stops before */
    }
    h2->live = NULL;
    h2->n_slices = h2->slice_at = 0;
    h2->live_bytes = 0;
}

static void flush(struct hf_client *base)
{
    struct hf_h2_stream *s = hf_h2_stream_of(base);
    struct hf_h2_client *c = s->connection;
    struct hf_h2 *h2 = base->worker->h2;
    bool large = h2->live == s && h2->live_bytes >= AT_ONCE;

    if (c->broken || c->state != HF_H2_CLIENT_OPEN || s->closed || s->reset)
        base->broken = true;
    if (!base->broken && (h2->live == s || s->out_ended))
        undefer(s);
    if (large && !base->broken && !c->receiving)
        hf_h2_output(c);
    if (h2->live == s)
        keep_rest(s);
    hf_h2_client_send_soon(c);
    base->broken = base->broken || c->broken;
    if (base->broken)
        return;
    base->backlogged = hf_buffer_used(&s->out) > 0;
    if (base->backlogged)
        hf_h2_stream_await_progress(s);
    hf_link_remove(&s->drained);
}

static void put_body(struct hf_client *base, struct hf_str data)
{
    struct hf_h2_stream *s = hf_h2_stream_of(base);
    struct hf_h2 *h2 = base->worker->h2;

    if (h2->n_slices == HF_COUNT(h2->slice))
        flush(base);
    h2->live = s;
    h2->slice[h2->n_slices++] = data;
    h2->live_bytes += data.n;
}

static void put_end(struct hf_client *base, const struct hf_h1_trailers *trailers)
{
    struct hf_h2_stream *s = hf_h2_stream_of(base);

    s->out_ended = true;
    for (unsigned i = 0; trailers && i < trailers->n; i++)
        hf_h2_fields_add(&base->worker->buffers, &s->out_trailers, trailers->fields[i].name,
                         trailers->fields[i].value, UINT32_MAX);
    base->broken = base->broken || s->out_trailers.over; /* no memory is left for them */
}

static void done(struct hf_client *base, bool whole)
{
    struct hf_h2_stream *s = hf_h2_stream_of(base);

    hf_buffer_drop(&base->worker->buffers, &s->in);
    if (s->closed)
        return;
    if (!whole) {
        hf_h2_stream_reset(s, NGHTTP2_INTERNAL_ERROR);
        return;
    }
    if (!base->backlogged)
        hf_timer_stop(&s->timer);
    if (!s->out_ended) { /* a tunnel in which nobody has anything to say any more */
        s->out_ended = true;
        undefer(s);
        hf_h2_client_send_soon(s->connection);
    }
}

void hf_h2_stream_drained(struct hf_h2_stream *s)
{
    hf_link_remove(&s->drained);
    s->base.backlogged = hf_h2_stream_pending(s) > 0;
    if (s->base.backlogged || s->closed)
        return;
    hf_buffer_drop(&s->base.worker->buffers, &s->out);
    if (!s->base.exchange || s->base.exchange->request_done)
        hf_timer_stop(&s->timer);
    if (s->base.exchange)
        hf_exchange_drained(s->base.exchange);
}

static const struct hf_client_ops ops = {
    .protocol = "HTTP/2",
    .head = put_head,
    .interim = put_interim,
    .body = put_body,
    .end = put_end,
    .flush = flush,
    .resume = resume,
    .done = done,
};

/* ---- deadlines ---- */

static void on_timer(struct hf_timer *t)
{
    struct hf_h2_stream *s = HF_CONTAINER(t, struct hf_h2_stream, timer);
    struct hf_exchange *x = s->base.exchange;

    if (s->base.backlogged) { /* its window stays shut */
        hf_h2_stream_reset(s, NGHTTP2_CANCEL);
        s->base.broken = true;
        if (x)
            hf_exchange_client_gone(x);
    } else if (x && x->tunnel) { /* it has a time of its own */
        return;
    } else if (x && hf_exchange_wants_request(x)) {
        hf_exchange_slow_body(x);
    } else if (x && !x->request_done) { /* it is the endpoint that does not take it */
        hf_h2_stream_await_progress(s);
    }
}
