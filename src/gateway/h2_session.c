/* nghttp2's side of a client's connection: what it calls, and how it is set up. */
#include <stdlib.h>

#include "base/log.h"
#include "gateway/h2_stream.h"
#include "gateway/worker.h"

enum {
    FRAME_LARGEST = 16384,        /* that we take: the default */
    CONNECTION_WINDOW = 16 << 20, /* the streams' windows bound what is kept */
    OUTBOUND_ACKS = 1000,         /* of SETTINGS and PING that wait to be sent */
};

/* ---- receiving ---- */

static struct hf_h2_stream *stream_of(nghttp2_session *session, int32_t id)
{
    return nghttp2_session_get_stream_user_data(session, id);
}

static uint32_t resets(const struct hf_h2_client *c)
{
    return hf_worker_limits(c->worker)->h2_resets;
}

/* Is it of no use to anybody by itself? Those that are, do work or end in it. */
static bool is_idle_frame(const struct hf_h2_frame *f)
{
    switch (f->kind) {
    case NGHTTP2_HEADERS:
    case NGHTTP2_CONTINUATION: /* has a limit of its own */
        return false;
    case NGHTTP2_DATA:
        return f->length == 0 && !(f->flags & NGHTTP2_FLAG_END_STREAM);
    default:
        return true;
    }
}

/* What comes for a stream that we have reset may have been sent before the client knew. What comes
 * for one that the client itself has ended, or never used, is an error: RFC 9113 5.1, 5.1.1. */
static uint32_t misplaced(const struct hf_h2_client *c, int32_t id)
{
    if (id >= c->skipped_from && id <= c->skipped_to)
        return NGHTTP2_PROTOCOL_ERROR;
    for (uint32_t i = 0; i < HF_COUNT(c->ended); i++) {
        if (c->ended[i] == id)
            return NGHTTP2_STREAM_CLOSED;
    }
    return NGHTTP2_NO_ERROR;
}

/* Errors that nghttp2 lets pass. */
static uint32_t frame_error(const struct hf_h2_client *c, const struct hf_h2_frame *f)
{
    if (f->kind == NGHTTP2_PRIORITY && f->stream == 0)
        return NGHTTP2_PROTOCOL_ERROR; /* 6.3 */
    if ((f->kind != NGHTTP2_HEADERS && f->kind != NGHTTP2_DATA) || f->stream == 0 ||
        f->stream > c->latest || nghttp2_session_find_stream(c->session, f->stream))
        return NGHTTP2_NO_ERROR;
    return misplaced(c, f->stream);
}

void hf_h2_session_frame(struct hf_h2_client *c, const struct hf_h2_frame *f)
{
    struct hf_mono now = hf_worker_now(c->worker);
    uint32_t error = frame_error(c, f);

    if (error)
        hf_h2_client_fail(c, error, "a frame out of place");
    if (f->kind == NGHTTP2_HEADERS && !c->head_by.ns)
        c->head_by = hf_mono_add(now, hf_ms(hf_worker_limits(c->worker)->header_ms));
    if (f->kind == NGHTTP2_CONTINUATION && !hf_h2_guard_continuation(&c->guard))
        hf_h2_client_fail(c, NGHTTP2_ENHANCE_YOUR_CALM, "a field section of too many frames");
    else if (is_idle_frame(f) && !hf_h2_guard_idle_frame(&c->guard, resets(c), now))
        hf_h2_client_fail(c, NGHTTP2_ENHANCE_YOUR_CALM, "too many frames that carry nothing");
}

static void note_new(struct hf_h2_client *c, int32_t id)
{
    if (id > c->latest + 2) {
        c->skipped_from = c->latest + 1;
        c->skipped_to = id - 1;
    }
    c->latest = id;
}

/* A frame for each stream in turn, whatever the client prefers (RFC 9218 2). */
static void take_turns(nghttp2_session *session, int32_t id)
{
    const nghttp2_extpri turns = {.urgency = NGHTTP2_EXTPRI_DEFAULT_URGENCY, .inc = 1};

    if (nghttp2_session_change_extpri_stream_priority(session, id, &turns, 1))
        hf_warn("HTTP/2: a stream has no turn");
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct hf_h2_client *c = user;

    hf_h2_fields_drop(&c->worker->buffers, &c->fields);
    if (frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    note_new(c, frame->hd.stream_id);
    if (c->failed || !hf_h2_stream_new(c, frame->hd.stream_id)) {
        nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id,
                                  NGHTTP2_REFUSED_STREAM);
        c->head_by = (struct hf_mono){0};
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    take_turns(session, frame->hd.stream_id);
    return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_n, const uint8_t *value, size_t value_n, uint8_t flags, void *user)
{
    struct hf_h2_client *c = user;
    bool trailers = frame->headers.cat != NGHTTP2_HCAT_REQUEST;
    uint32_t most = trailers ? HF_H1_TRAILER_BYTES : hf_worker_limits(c->worker)->head;

    (void)session;
    (void)flags;
    hf_h2_fields_add(&c->worker->buffers, &c->fields, (struct hf_str){(const char *)name, name_n},
                     (struct hf_str){(const char *)value, value_n}, most);
    /* What is too large is answered; what is absurd, as small bytes on the wire can become large
     * here, ends the connection. */
    if (c->fields.size > 16UL * hf_worker_limits(c->worker)->head)
        hf_h2_client_fail(c, NGHTTP2_ENHANCE_YOUR_CALM, "a field section without end");
    return 0;
}

/* nghttp2 would leave such a field out, and go on. */
static int on_invalid_header(nghttp2_session *session, const nghttp2_frame *frame,
                             const uint8_t *name, size_t name_n, const uint8_t *value,
                             size_t value_n, uint8_t flags, void *user)
{
    return on_header(session, frame, name, name_n, value, value_n, flags, user);
}

static int on_invalid_frame(nghttp2_session *session, const nghttp2_frame *frame, int error,
                            void *user)
{
    struct hf_h2_client *c = user;

    (void)session;
    (void)error;
    hf_count_add(&c->worker->live->h2_errors, 1);
    if (frame->hd.type == NGHTTP2_HEADERS)
        c->head_by = (struct hf_mono){0}; /* it is not waited for any more */
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data,
                   size_t n, void *user)
{
    struct hf_h2_stream *s = stream_of(session, id);
    struct hf_h2_client *c = user;

    (void)flags;
    hf_h2_guard_data(&c->guard);
    nghttp2_session_consume_connection(session, n);
    if (s)
        hf_h2_stream_data(s, (struct hf_str){(const char *)data, n});
    return 0;
}

static void on_headers(struct hf_h2_client *c, struct hf_h2_stream *s, const nghttp2_frame *frame)
{
    bool ended = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;

    c->head_by = (struct hf_mono){0};
    hf_h2_guard_request(&c->guard);
    if (s && frame->headers.cat == NGHTTP2_HCAT_REQUEST)
        hf_h2_stream_begin(s, ended);
    else if (s && ended)
        hf_h2_stream_end(s);
    hf_h2_fields_drop(&c->worker->buffers, &c->fields);
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct hf_h2_client *c = user;
    struct hf_h2_stream *s = frame->hd.stream_id ? stream_of(session, frame->hd.stream_id) : NULL;

    switch (frame->hd.type) {
    case NGHTTP2_HEADERS:
        on_headers(c, s, frame);
        break;
    case NGHTTP2_DATA:
        if (s && frame->hd.flags & NGHTTP2_FLAG_END_STREAM)
            hf_h2_stream_end(s);
        break;
    case NGHTTP2_SETTINGS:
        c->head_by = (struct hf_mono){0}; /* the client's preface is whole */
        break;
    case NGHTTP2_PING:
        if (frame->hd.flags & NGHTTP2_FLAG_ACK && c->leaving == HF_H2_CLIENT_NOTICED)
            c->leave_by = hf_worker_now(c->worker); /* what was asked before has come */
        break;
    case NGHTTP2_RST_STREAM:
        if (s)
            s->abandoned = true;
        if (s && !hf_h2_guard_reset(&c->guard, resets(c), hf_worker_now(c->worker)))
            hf_h2_client_fail(c, NGHTTP2_ENHANCE_YOUR_CALM, "too many streams reset");
        break;
    default:
        break;
    }
    return 0;
}

/* ---- sending ---- */

/* A reset that the client has brought about by what it sent costs it the same as one of its own. */
static void on_reset_sent(struct hf_h2_client *c, uint32_t error_code)
{
    switch (error_code) {
    case NGHTTP2_NO_ERROR:
    case NGHTTP2_INTERNAL_ERROR:
        return;
    case NGHTTP2_FLOW_CONTROL_ERROR: /* 6.9.2 asks for it where a setting was the cause */
        hf_h2_client_fail(c, error_code, "a window over its limit");
        return;
    default:
        if (!hf_h2_guard_reset(&c->guard, resets(c), hf_worker_now(c->worker)))
            hf_h2_client_fail(c, NGHTTP2_ENHANCE_YOUR_CALM, "too many streams in error");
    }
}

static int on_frame_sent(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct hf_h2_client *c = user;
    struct hf_h2_stream *s;

    if (frame->hd.type == NGHTTP2_RST_STREAM)
        on_reset_sent(c, frame->rst_stream.error_code);
    if ((frame->hd.type != NGHTTP2_DATA && frame->hd.type != NGHTTP2_HEADERS) ||
        !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
        return 0;
    s = stream_of(session, frame->hd.stream_id);
    /* RFC 9113 8.1: the response is whole, and the rest of the request is not wanted. */
    if (s && !s->ended && !s->reset)
        hf_h2_stream_reset(s, NGHTTP2_NO_ERROR);
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t error_code, void *user)
{
    struct hf_h2_client *c = user;
    struct hf_h2_stream *s = stream_of(session, id);

    if (!s)
        return 0;
    if (error_code == NGHTTP2_NO_ERROR)
        hf_h2_guard_answered(&c->guard, resets(c));
    if (s->ended || s->abandoned)
        c->ended[c->n_ended++ % HF_COUNT(c->ended)] = id;
    s->closed = true;
    c->n_streams--;
    hf_link_remove(&s->link);
    hf_list_append(&c->closed, &s->link);
    return 0;
}

/* ---- setting up ---- */

nghttp2_session_callbacks *hf_h2_session_callbacks(void)
{
    nghttp2_session_callbacks *cb;

    if (nghttp2_session_callbacks_new(&cb)) {
        hf_err("out of memory: HTTP/2 cannot be set up");
        abort();
    }
    nghttp2_session_callbacks_set_on_begin_headers_callback(cb, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
    nghttp2_session_callbacks_set_on_invalid_header_callback(cb, on_invalid_header);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(cb, on_invalid_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame);
    nghttp2_session_callbacks_set_on_frame_send_callback(cb, on_frame_sent);
    nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_stream_close);
    nghttp2_session_callbacks_set_send_callback(cb, hf_h2_output_frames);
    nghttp2_session_callbacks_set_send_data_callback(cb, hf_h2_output_data);
    return cb;
}

nghttp2_option *hf_h2_session_option(void)
{
    nghttp2_option *o;

    if (nghttp2_option_new(&o)) {
        hf_err("out of memory: HTTP/2 cannot be set up");
        abort();
    }
    nghttp2_option_set_no_auto_window_update(o, 1);
    nghttp2_option_set_no_closed_streams(o, 1);
    nghttp2_option_set_max_outbound_ack(o, OUTBOUND_ACKS);
    return o;
}

int hf_h2_session_new(struct hf_h2_client *c)
{
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, hf_worker_limits(c->worker)->h2_streams},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, HF_H2_WINDOW},
        {NGHTTP2_SETTINGS_MAX_FRAME_SIZE, FRAME_LARGEST},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, hf_worker_limits(c->worker)->head},
        {NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1},
        {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
    };
    struct hf_h2 *h2 = c->worker->h2;

    if (nghttp2_session_server_new3(&c->session, h2->callbacks, c, h2->option,
                                    &c->worker->h2_memory.mem))
        return HF_ELIMIT;
    if (nghttp2_submit_settings(c->session, NGHTTP2_FLAG_NONE, settings, HF_COUNT(settings)) ||
        nghttp2_session_set_local_window_size(c->session, NGHTTP2_FLAG_NONE, 0, CONNECTION_WINDOW))
        return HF_ELIMIT;
    return 0;
}
