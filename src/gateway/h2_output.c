/* Frames on their way to an HTTP/2 client. What goes out in one call is gathered in the worker's
 * struct hf_output: small things copied, large slices of bodies from where they lie. */
#include "gateway/h2_stream.h"
#include "gateway/worker.h"

enum {
    AT_ONCE = 128 * 1024, /* bytes gathered for one call */
    SMALL = 2048,         /* copying so much costs less than one more piece */
    FRAME_HEAD = 9,
};

static bool room_for(const struct hf_output *out, size_t n)
{
    return out->bytes < AT_ONCE && out->n < HF_PIECES - 1 &&
           (size_t)(out->text.end - out->text.p) >= n;
}

static void put_copy(struct hf_output *out, const void *data, size_t n)
{
    char *from = out->text.p;

    hf_h1_put(&out->text, (struct hf_str){data, n});
    hf_output_piece(out, (struct hf_str){from, n});
}

/* A slice stays where it is if that is worth a piece of its own. */
static void put_slice(struct hf_output *out, struct hf_str s)
{
    if (s.n <= SMALL || out->n > HF_PIECES - 4)
        put_copy(out, s.p, s.n);
    else
        hf_output_piece(out, s);
}

ssize_t hf_h2_output_frames(nghttp2_session *session, const uint8_t *data, size_t n, int flags,
                            void *user)
{
    struct hf_h2_client *c = user;
    struct hf_output *out = &c->worker->out;

    (void)session;
    (void)flags;
    if (!room_for(out, n)) {
        c->cut = true;
        return NGHTTP2_ERR_WOULDBLOCK;
    }
    put_copy(out, data, n);
    return (ssize_t)n;
}

/* n bytes of what waits: first what was kept, then what has just come. */
static void put_body(struct hf_h2_stream *s, struct hf_output *out, size_t n)
{
    struct hf_h2 *h2 = s->base.worker->h2;
    size_t kept = hf_buffer_used(&s->out);

    if (kept && n) {
        size_t part = kept < n ? kept : n;
        put_slice(out, (struct hf_str){s->out.p + s->out.start, part});
        s->out.start += (uint32_t)part; /* it stays where it is until all was sent */
        n -= part;
    }
    while (n) {
        struct hf_str *slice = &h2->slice[h2->slice_at];
        size_t part = slice->n < n ? slice->n : n;
        put_slice(out, (struct hf_str){slice->p, part});
        *slice = (struct hf_str){slice->p + part, slice->n - part};
        h2->slice_at += slice->n == 0;
        h2->live_bytes -= part;
        n -= part;
    }
}

int hf_h2_output_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *head, size_t n,
                      nghttp2_data_source *source, void *user)
{
    struct hf_h2_client *c = user;
    struct hf_h2_stream *s = source->ptr;
    struct hf_output *out = &c->worker->out;

    (void)session;
    (void)frame; /* it has no padding */
    if (!room_for(out, FRAME_HEAD + n)) {
        c->cut = true;
        return NGHTTP2_ERR_WOULDBLOCK;
    }
    put_copy(out, head, FRAME_HEAD);
    put_body(s, out, n);
    hf_h2_guard_data(&c->guard);
    hf_h2_stream_await_progress(s);
    if (s->base.backlogged && hf_h2_stream_pending(s) == 0 && hf_link_alone(&s->drained))
        hf_list_append(&c->drained, &s->drained);
    return 0;
}

/* What is gathered goes to the socket, or is kept by the wire. */
static void send_gathered(struct hf_h2_client *c)
{
    struct hf_output *out = &c->worker->out;

    if (out->n && hf_wire_send(&c->wire, c->worker, out->piece, out->n, out->bytes))
        c->broken = true;
    hf_output_reset(out);
}

void hf_h2_output(struct hf_h2_client *c)
{
    do {
        c->cut = false;
        if (c->broken || hf_wire_backlogged(&c->wire))
            return;
        if (nghttp2_session_send(c->session))
            c->broken = true;
        send_gathered(c);
    } while (c->cut);
    if (hf_wire_backlogged(&c->wire) && !c->write_by.ns)
        c->write_by =
            hf_mono_add(hf_worker_now(c->worker), hf_ms(hf_worker_limits(c->worker)->progress_ms));
}
