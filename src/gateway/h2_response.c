/* What endpoints say in HTTP/2. nghttp2 calls back for each frame; an exchange that ends, or goes
 * elsewhere, leaves its stream: that is looked at after every call. */
#include "gateway/attempt.h"
#include "gateway/h2_upstream.h"
#include "gateway/response.h"
#include "gateway/worker.h"

/* As of HTTP/1.1 responses. */
static const struct hf_h1_limits limits = {
    .line = 8192, .head = HF_H2_HEAD_MOST, .fields = HF_H1_FIELDS};

static struct hf_h2_upstream *stream_of(nghttp2_session *session, int32_t id)
{
    return nghttp2_session_get_stream_user_data(session, id);
}

/* ---- handing over ---- */

/* So much of the endpoint's window is free again; of the stream's, once its client has taken it. */
static void consumed(struct hf_h2_upstream *u)
{
    if (u->unconsumed && u->id && !u->on->lost)
        nghttp2_session_consume_stream(u->on->session, u->id, u->unconsumed);
    u->unconsumed = 0;
}

void hf_h2_response_flush(struct hf_h2_link *l)
{
    struct hf_h2_upstream *u = l->open;
    struct hf_exchange *x;

    if (!u)
        return;
    l->open = NULL;
    x = u->base.exchange;
    hf_response_flush(x);
    if (u->base.exchange == x && hf_exchange_wants_response(x))
        consumed(u);
}

/* What one exchange was handed goes out before another one is handed something. */
static void turn_to(struct hf_h2_link *l, struct hf_h2_upstream *u)
{
    if (l->open && l->open != u)
        hf_h2_response_flush(l);
}

static bool keep_data(struct hf_h2_upstream *u, struct hf_str data)
{
    return hf_buffer_add(&u->base.worker->buffers, &u->in, data) == 0;
}

/* Hands over what came while the client took nothing. False: the exchange is over. */
static bool hand_over_kept(struct hf_h2_upstream *u)
{
    struct hf_worker *w = u->base.worker;
    struct hf_exchange *x = u->base.exchange;
    struct hf_buffer kept = u->in;

    if (hf_buffer_used(&kept) == 0)
        return true;
    u->in = (struct hf_buffer){0};
    hf_response_data(x, hf_buffer_str(&kept));
    hf_response_flush(x);
    hf_buffer_drop(&w->buffers, &kept);
    return u->base.exchange == x;
}

void hf_h2_response_resume(struct hf_h2_upstream *u)
{
    struct hf_h2_link *l = u->on;

    if (l->lost || !hand_over_kept(u))
        return;
    if (!hf_exchange_wants_response(u->base.exchange))
        return;
    consumed(u);
    hf_h2_link_flush(l);
}

static void end_with(struct hf_h2_upstream *u, const struct hf_h1_trailers *trailers)
{
    struct hf_exchange *x = u->base.exchange;

    u->ended = true;
    u->base.reusable = true;
    if (hand_over_kept(u))
        hf_response_end(x, trailers);
}

/* ---- fields ---- */

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    struct hf_h2_link *l = arg;

    (void)session, (void)frame;
    hf_h2_fields_drop(&l->worker->buffers, &l->fields);
    return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_n, const uint8_t *value, size_t value_n, uint8_t flags, void *arg)
{
    struct hf_h2_link *l = arg;

    (void)session, (void)frame, (void)flags;
    hf_h2_fields_add(&l->worker->buffers, &l->fields, (struct hf_str){(const char *)name, name_n},
                     (struct hf_str){(const char *)value, value_n}, HF_H2_HEAD_MOST);
    return l->fields.over ? NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE : 0; /* the stream is reset */
}

static void take_head(struct hf_h2_upstream *u, bool ended)
{
    struct hf_exchange *x = u->base.exchange;
    struct hf_h1_head *head = &u->base.worker->head;
    struct hf_h1_framing framing;

    if (hf_h2_fields_response(&u->on->fields, ended, &limits, x->method, head, &framing)) {
        hf_h2_upstream_failed(u, HF_FAILURE_INVALID);
        return;
    }
    u->base.heard = true;
    if (head->status < 200) {
        hf_response_interim(x, head);
        return;
    }
    u->in_body = true;
    u->on->open = u;
    hf_response_head(x, head, &framing);
    if (u->base.exchange == x && ended)
        end_with(u, NULL);
}

static void take_trailers(struct hf_h2_upstream *u)
{
    struct hf_h1_trailers trailers;

    if (hf_h2_fields_trailers(&u->on->fields, &trailers))
        hf_h2_upstream_failed(u, HF_FAILURE_INVALID);
    else
        end_with(u, &trailers);
}

static void take_section(struct hf_h2_upstream *u, bool ended)
{
    struct hf_h2_link *l = u->on;

    turn_to(l, u);
    if (u->base.closed)
        return;
    if (!u->in_body)
        take_head(u, ended);
    else if (ended)
        take_trailers(u);
    else
        hf_h2_upstream_failed(u, HF_FAILURE_INVALID);
    hf_h2_fields_drop(&l->worker->buffers, &l->fields);
}

/* ---- frames ---- */

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    struct hf_h2_link *l = arg;
    struct hf_h2_upstream *u = stream_of(session, frame->hd.stream_id);
    bool ended = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;

    switch (frame->hd.type) {
    case NGHTTP2_SETTINGS:
        hf_h2_link_greeted(l);
        break;
    case NGHTTP2_GOAWAY:
        l->goaway = l->leaving = true;
        break;
    case NGHTTP2_RST_STREAM:
        if (u)
            u->reset_by_peer = true;
        break;
    case NGHTTP2_HEADERS:
        if (u)
            take_section(u, ended);
        break;
    case NGHTTP2_DATA:
        if (u && ended) {
            turn_to(l, u);
            if (!u->base.closed)
                end_with(u, NULL);
        }
        break;
    default:
        break;
    }
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data,
                   size_t n, void *arg)
{
    struct hf_h2_link *l = arg;
    struct hf_h2_upstream *u = stream_of(session, id);
    struct hf_str slice = {(const char *)data, n};

    (void)flags;
    nghttp2_session_consume_connection(session, n); /* one slow client keeps no other waiting */
    if (!u)
        return 0;
    turn_to(l, u);
    if (u->base.closed)
        return 0;
    u->unconsumed += (uint32_t)n;
    if (hf_buffer_used(&u->in) == 0 && hf_exchange_wants_response(u->base.exchange)) {
        l->open = u;
        hf_response_data(u->base.exchange, slice);
    } else if (!keep_data(u, slice)) {
        hf_h2_upstream_failed(u, HF_FAILURE_INVALID); /* the buffers of the worker are full */
    }
    return 0;
}

static int on_close(nghttp2_session *session, int32_t id, uint32_t code, void *arg)
{
    struct hf_h2_link *l = arg;
    struct hf_h2_upstream *u = stream_of(session, id);

    if (!u)
        return 0;
    turn_to(l, u);
    if (u->base.closed)
        return 0;
    u->id = 0; /* nghttp2 knows it no more */
    if (code == NGHTTP2_REFUSED_STREAM && !u->base.heard)
        hf_h2_upstream_failed(u, HF_FAILURE_REFUSED);
    else if (u->reset_by_peer || code == NGHTTP2_NO_ERROR)
        hf_h2_upstream_failed(u, HF_FAILURE_LOST);
    else
        hf_h2_upstream_failed(u, HF_FAILURE_INVALID);
    return 0;
}

static int on_sent(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    struct hf_h2_upstream *u = stream_of(session, frame->hd.stream_id);

    (void)arg;
    if (u && frame->hd.type == NGHTTP2_HEADERS)
        u->sent = true;
    return 0;
}

nghttp2_session_callbacks *hf_h2_response_callbacks(void)
{
    static _Thread_local nghttp2_session_callbacks *made;

    if (made || nghttp2_session_callbacks_new(&made))
        return made;
    nghttp2_session_callbacks_set_on_begin_headers_callback(made, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(made, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(made, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(made, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(made, on_close);
    nghttp2_session_callbacks_set_on_frame_send_callback(made, on_sent);
    return made;
}
