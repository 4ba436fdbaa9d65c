#include "http/h2_call.h"

#include <nghttp2/nghttp2.h>

#include "base/mem.h"
#include "http/client.h"
#include "http/grpc.h"
#include "http/h2_head.h"

enum { FIELDS_MOST = 32, HEAD_MOST = 16384 };

struct hf_h2_call {
    nghttp2_session *session;
    struct hf_response *response;
    struct hf_text packed; /* the field section that is arriving */
    struct hf_text body;   /* of the request */
    size_t sent;
    bool greeted; /* the other side's SETTINGS have come: it does speak HTTP/2 */
};

static void fail(struct hf_h2_call *c, const char *error)
{
    if (c->response->state >= HF_RESPONSE_DONE)
        return;
    c->response->state = HF_RESPONSE_FAILED;
    c->response->error = error;
}

/* ---- callbacks ---- */

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    struct hf_h2_call *c = arg;

    (void)session, (void)frame;
    hf_text_clear(&c->packed);
    return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_n, const uint8_t *value, size_t value_n, uint8_t flags, void *arg)
{
    struct hf_h2_call *c = arg;
    struct hf_str n = {(const char *)name, name_n}, v = {(const char *)value, value_n};
    char field[HEAD_MOST];
    size_t size = HF_H2_PACKED + name_n + value_n;

    (void)session, (void)frame, (void)flags;
    if (c->packed.n + size > sizeof(field)) {
        fail(c, hf_h1_error_text(HF_H1_HEAD_LONG));
        return 0;
    }
    hf_h2_pack(field, n, v);
    hf_text_add(&c->packed, (struct hf_str){field, size});
    return 0;
}

static void take_head(struct hf_h2_call *c, bool ended)
{
    struct hf_response *r = c->response;
    int err;

    /* The head's slices point into what it keeps. */
    hf_text_clear(&r->head_bytes);
    hf_text_add(&r->head_bytes, hf_text_str(&c->packed));
    err = hf_h2_response_head(hf_text_str(&r->head_bytes), ended, &hf_h1_limits_control, r->method,
                              &r->head, &r->framing);
    if (err) {
        fail(c, hf_h1_error_text((enum hf_h1_error) - err));
        return;
    }
    if (r->head.status < 200)
        return; /* the final one is still to come */
    hf_response_note_grpc(r, hf_h1_field_named(&r->head, HF_STR("grpc-status")));
    if (r->framing.kind == HF_H1_BODY_UNTIL_CLOSE)
        r->framing.kind = HF_H1_BODY_CHUNKED; /* the connection's end is not the body's */
    r->state = ended ? HF_RESPONSE_DONE : HF_RESPONSE_BODY;
}

static void take_trailers(struct hf_h2_call *c)
{
    struct hf_h1_trailers trailers;
    int err = hf_h2_trailers(hf_text_str(&c->packed), &trailers);

    if (err) {
        fail(c, hf_h1_error_text((enum hf_h1_error) - err));
        return;
    }
    hf_response_note_trailers(c->response, &trailers);
    c->response->state = HF_RESPONSE_DONE;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    struct hf_h2_call *c = arg;
    struct hf_response *r = c->response;
    bool ended = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;

    (void)session;
    if (frame->hd.type == NGHTTP2_SETTINGS)
        c->greeted = true;
    else if (r->state >= HF_RESPONSE_DONE)
        return 0;
    else if (frame->hd.type == NGHTTP2_HEADERS && r->state == HF_RESPONSE_HEAD)
        take_head(c, ended);
    else if (frame->hd.type == NGHTTP2_HEADERS)
        take_trailers(c);
    else if (frame->hd.type == NGHTTP2_DATA && ended)
        r->state = HF_RESPONSE_DONE;
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data,
                   size_t n, void *arg)
{
    struct hf_response *r = ((struct hf_h2_call *)arg)->response;

    (void)session, (void)flags, (void)id;
    if (r->state == HF_RESPONSE_BODY)
        r->on_data(r, (struct hf_str){(const char *)data, n});
    return 0;
}

static int on_close(nghttp2_session *session, int32_t id, uint32_t code, void *arg)
{
    (void)session, (void)id;
    fail(arg, code == NGHTTP2_REFUSED_STREAM ? "the instance refused the request"
              : code == NGHTTP2_NO_ERROR     ? "the stream was ended before the response was whole"
                                             : nghttp2_http2_strerror(code));
    return 0;
}

static ssize_t read_body(nghttp2_session *session, int32_t id, uint8_t *buf, size_t size,
                         uint32_t *flags, nghttp2_data_source *source, void *arg)
{
    struct hf_h2_call *c = arg;
    size_t n = c->body.n - c->sent;

    (void)session, (void)id, (void)source;
    if (n > size)
        n = size;
    if (n)
        memcpy(buf, c->body.p + c->sent, n);
    c->sent += n;
    if (c->sent == c->body.n)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)n;
}

/* ---- the call ---- */

static nghttp2_nv pair(struct hf_str name, struct hf_str value)
{
    return (nghttp2_nv){.name = (uint8_t *)name.p,
                        .namelen = name.n,
                        .value = (uint8_t *)value.p,
                        .valuelen = value.n};
}

static int submit(struct hf_h2_call *c, const struct hf_h2_call_request *q)
{
    static const nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_ENABLE_PUSH, 0}};
    nghttp2_data_provider body = {.read_callback = read_body};
    nghttp2_nv nv[FIELDS_MOST];
    size_t n = 0;

    nv[n++] = pair(HF_STR(":method"), q->method);
    nv[n++] = pair(HF_STR(":scheme"), HF_STR("http"));
    nv[n++] = pair(HF_STR(":authority"), q->authority);
    nv[n++] = pair(HF_STR(":path"), q->target);
    for (size_t i = 0; i < q->n_fields && n < FIELDS_MOST; i++)
        nv[n++] = pair(q->fields[i].name, q->fields[i].value);
    if (nghttp2_submit_settings(c->session, NGHTTP2_FLAG_NONE, settings, HF_COUNT(settings)))
        return HF_EIO;
    return nghttp2_submit_request(c->session, NULL, nv, n, q->body.p ? &body : NULL, NULL) < 0
               ? HF_EIO
               : 0;
}

static int begin_session(struct hf_h2_call *c)
{
    nghttp2_session_callbacks *callbacks;
    int rc = nghttp2_session_callbacks_new(&callbacks);

    if (rc)
        return rc;
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    rc = nghttp2_session_client_new(&c->session, callbacks, c);
    nghttp2_session_callbacks_del(callbacks);
    return rc;
}

struct hf_h2_call *hf_h2_call_new(const struct hf_h2_call_request *request,
                                  struct hf_response *response)
{
    struct hf_h2_call *c = hf_alloc(sizeof(*c));

    c->response = response;
    hf_text_add(&c->body, request->body);
    if (begin_session(c) || submit(c, request))
        return hf_h2_call_free(c);
    return c;
}

struct hf_h2_call *hf_h2_call_free(struct hf_h2_call *c)
{
    if (!c)
        return NULL;
    nghttp2_session_del(c->session);
    hf_text_done(&c->packed);
    hf_text_done(&c->body);
    return hf_free(c);
}

static void invalid(struct hf_h2_call *c)
{
    fail(c, c->greeted ? "the response is not valid HTTP/2" : "the answer is not in HTTP/2");
}

void hf_h2_call_feed(struct hf_h2_call *c, struct hf_str bytes)
{
    ssize_t n;

    if (c->response->state >= HF_RESPONSE_DONE)
        return;
    n = nghttp2_session_mem_recv(c->session, (const uint8_t *)bytes.p, bytes.n);
    if (n < 0)
        invalid(c);
}

void hf_h2_call_write(struct hf_h2_call *c, struct hf_text *out)
{
    const uint8_t *p;
    ssize_t n;

    while ((n = nghttp2_session_mem_send(c->session, &p)) > 0)
        hf_text_add(out, (struct hf_str){(const char *)p, (size_t)n});
    if (n < 0)
        fail(c, nghttp2_strerror((int)n));
    else if (!nghttp2_session_want_read(c->session))
        invalid(c);
}
