/* Responses on their way to an HTTP/1.1 client. What goes out with one flush is gathered in the
 * worker's struct hf_output: rendered text and slices of what was received. */
#include "gateway/exchange.h"
#include "gateway/h1_client.h"
#include "gateway/worker.h"

enum {
    COPIED_MOST = 2048,
    END_MOST = 2 * HF_H1_TRAILER_BYTES, /* what may follow the last slice */
};

/* All of a tunnel's one way was sent. */
static void shut_if_sent(struct hf_h1_client *c)
{
    if (!c->shut || c->base.backlogged || c->base.broken)
        return;
    hf_wire_shut(&c->wire, c->base.worker);
    c->base.backlogged = hf_wire_backlogged(&c->wire);
}

static void flush(struct hf_client *base)
{
    struct hf_h1_client *c = hf_h1_client_of(base);
    struct hf_output *out = &base->worker->out;

    if (out->n == 0) {
        shut_if_sent(c);
        return;
    }
    if (out->text.full)
        base->broken = true;
    if (!base->broken && c->state != HF_H1_CLIENT_CLOSED) {
        if (hf_wire_send(&c->wire, base->worker, out->piece, out->n, out->bytes))
            base->broken = true;
        else if (hf_wire_backlogged(&c->wire)) {
            base->backlogged = true;
            hf_h1_client_await_progress(c);
        }
    }
    hf_output_reset(out);
    shut_if_sent(c);
}

bool hf_h1_client_send_backlog(struct hf_h1_client *c)
{
    ssize_t sent = hf_wire_flush(&c->wire, c->base.worker);

    if (sent < 0)
        return false;
    c->base.backlogged = hf_wire_backlogged(&c->wire);
    if (sent)
        hf_h1_client_await_progress(c);
    shut_if_sent(c);
    return true;
}

/* ---- what is queued ---- */

/* Adds what was rendered into out->text since `from`. */
static void rendered(struct hf_worker *w, const char *from)
{
    hf_output_piece(&w->out, (struct hf_str){from, (size_t)(w->out.text.p - from)});
}

static void put_response_fields(struct hf_h1_out *o, const struct hf_h1_head *head)
{
    const uint64_t skip =
        HF_FIELD_BIT(HF_FIELD_CONTENT_LENGTH) | HF_FIELD_BIT(HF_FIELD_X_REQUEST_ID);

    for (unsigned i = 0; i < head->n_fields; i++) {
        const struct hf_h1_field *f = &head->fields[i];
        if (!(f->id && (skip & HF_FIELD_BIT(f->id))) && !hf_h1_hop_by_hop(head, i))
            hf_h1_put_field(o, f->name, f->value);
    }
}

/* How the client learns where the body ends. HTTP/1.0 knows no chunks: there, the connection's end.
 */
static void put_response_framing(struct hf_h1_client *c, struct hf_h1_out *o,
                                 const struct hf_h1_head *head, const struct hf_h1_framing *framing)
{
    const struct hf_exchange *x = c->base.exchange;
    bool unknown = framing->kind == HF_H1_BODY_CHUNKED || framing->kind == HF_H1_BODY_UNTIL_CLOSE;
    bool head_only = x && x->method == HF_METHOD_HEAD;

    /* Of HEAD and 304 as well, but never of 204: RFC 9110 8.6. */
    if ((head->seen & HF_FIELD_BIT(HF_FIELD_CONTENT_LENGTH)) && head->status != 204) {
        HF_H1_PUT(o, "content-length: ");
        hf_h1_put_decimal(o, framing->length);
        HF_H1_PUT(o, "\r\n");
    } else if (framing->kind == HF_H1_BODY_NONE && head->status != 204 && head->status != 304 &&
               !head_only) { /* HTTP/2 says by a flag that there is none */
        HF_H1_PUT(o, "content-length: 0\r\n");
    }
    c->chunked = unknown && c->minor;
    if (c->chunked ||
        (head_only && c->minor && (head->seen & HF_FIELD_BIT(HF_FIELD_TRANSFER_ENCODING))))
        HF_H1_PUT(o, "transfer-encoding: chunked\r\n");
    else if (unknown)
        c->base.keep_alive = false;
    c->until_close = (unknown && !c->chunked) || framing->kind == HF_H1_BODY_TUNNEL;
}

static void put_head(struct hf_client *base, const struct hf_h1_head *head,
                     const struct hf_h1_framing *framing)
{
    struct hf_h1_client *c = hf_h1_client_of(base);
    struct hf_worker *w = base->worker;
    struct hf_exchange *x = base->exchange;
    struct hf_h1_out *o = &w->out.text;
    char *from = o->p;

    hf_h1_put_status(o, head->status, head->reason);
    put_response_fields(o, head);
    put_response_framing(c, o, head, framing);
    if (!(head->seen & HF_FIELD_BIT(HF_FIELD_DATE)))
        hf_h1_put_field(
            o, HF_STR("date"),
            hf_date(&w->date, (struct hf_wall){hf_worker_wall_ns(w, hf_worker_now(w))}));
    if (x && x->id_n)
        hf_h1_put_field(o, HF_STR("x-request-id"), (struct hf_str){x->id, x->id_n});
    if (framing->kind == HF_H1_BODY_TUNNEL) {
        HF_H1_PUT(o, "connection: upgrade\r\n");
        hf_h1_put_field(o, HF_STR("upgrade"), hf_h1_field(head, HF_FIELD_UPGRADE)->value);
        hf_h1_client_tunnel(c);
    } else if (!base->keep_alive)
        HF_H1_PUT(o, "connection: close\r\n");
    else if (!c->minor)
        HF_H1_PUT(o, "connection: keep-alive\r\n");
    HF_H1_PUT(o, "\r\n");
    rendered(w, from);
}

static void put_interim(struct hf_client *base, const struct hf_h1_head *head)
{
    struct hf_h1_out *o = &base->worker->out.text;
    char *from = o->p;

    if (!hf_h1_client_of(base)->minor)
        return;
    hf_h1_put_status(o, head->status, head->reason);
    put_response_fields(o, head);
    HF_H1_PUT(o, "\r\n");
    rendered(base->worker, from);
    flush(base);
}

/* A small slice is copied behind what was rendered: one piece costs the kernel less than two. */
static void put_data(struct hf_worker *w, struct hf_str data)
{
    struct hf_h1_out *o = &w->out.text;
    char *from = o->p;

    if (data.n <= COPIED_MOST && o->end - from >= COPIED_MOST + END_MOST) {
        hf_h1_put(o, data);
        rendered(w, from);
    } else {
        hf_output_piece(&w->out, data);
    }
}

static void put_body(struct hf_client *base, struct hf_str data)
{
    struct hf_worker *w = base->worker;
    struct hf_output *out = &w->out;
    char *from = out->text.p;

    if (out->n + 3 > HF_PIECES || out->text.end - from < 2L * HF_H1_CHUNK_FRAME) {
        flush(base);
        from = out->text.p;
    }
    if (!hf_h1_client_of(base)->chunked) {
        put_data(w, data);
        return;
    }
    hf_h1_put_chunk(&out->text, data.n);
    rendered(w, from);
    put_data(w, data);
    from = out->text.p;
    HF_H1_PUT(&out->text, "\r\n");
    rendered(w, from);
}

static void put_end(struct hf_client *base, const struct hf_h1_trailers *trailers)
{
    struct hf_h1_client *c = hf_h1_client_of(base);
    struct hf_h1_out *o = &base->worker->out.text;
    char *from;

    c->shut = c->body_kind == HF_H1_BODY_TUNNEL;
    c->wire.ending = !base->keep_alive && hf_h1_client_said_all(c);
    if (!c->chunked)
        return;
    c->chunked = false;
    if (base->worker->out.n == HF_PIECES)
        flush(base);
    from = o->p;
    HF_H1_PUT(o, "0\r\n");
    for (unsigned i = 0; trailers && i < trailers->n; i++)
        hf_h1_put_field(o, trailers->fields[i].name, trailers->fields[i].value);
    HF_H1_PUT(o, "\r\n");
    rendered(base->worker, from);
}

const struct hf_client_ops hf_h1_client_ops = {
    .protocol = "HTTP/1.1",
    .head = put_head,
    .interim = put_interim,
    .body = put_body,
    .end = put_end,
    .flush = flush,
    .resume = hf_h1_client_resume,
    .done = hf_h1_client_done,
};
