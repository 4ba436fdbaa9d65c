#include "gateway/client.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/answer.h"
#include "gateway/exchange.h"
#include "gateway/outcome.h"
#include "gateway/worker.h"
#include "net/socket.h"

enum { LINGER_S = 2 /* how long an answer before the request's end may take to be read */ };

static void on_event(struct hf_watch *watch, uint32_t events);
static void on_timer(struct hf_timer *t);
static void take_kept(struct hf_client *c);
static void read_on(struct hf_client *c);

/* The one writer of a client's state. Each state has its own deadline. */
static void set_state(struct hf_client *c, enum hf_client_state next)
{
    const struct hf_plan_gateway *limits = hf_worker_limits(c->worker);
    struct hf_loop *loop = c->worker->loop;

    c->state = (uint8_t)next;
    switch (next) {
    case HF_CLIENT_IDLE:
        hf_timer_after(loop, &c->timer, hf_ms(limits->idle_ms));
        break;
    case HF_CLIENT_HEAD:
        hf_timer_after(loop, &c->timer, hf_ms(limits->header_ms));
        break;
    case HF_CLIENT_FLUSH:
        hf_timer_after(loop, &c->timer, hf_ms(limits->progress_ms));
        break;
    case HF_CLIENT_LINGER:
        hf_timer_after(loop, &c->timer, hf_seconds(LINGER_S));
        break;
    case HF_CLIENT_BUSY: /* the exchange has deadlines; see await_progress() */
    case HF_CLIENT_CLOSED:
        hf_timer_stop(&c->timer);
        break;
    }
}

static void on_go_on(struct hf_task *t)
{
    struct hf_client *c = HF_CONTAINER(t, struct hf_client, go_on);

    take_kept(c);
    read_on(c);
}

static struct hf_client *client_get(struct hf_worker *w)
{
    struct hf_client *c = hf_pool_get(&w->clients);
    size_t from = offsetof(struct hf_client, worker);

    if (!c)
        return NULL;
    if (!c->timer.on_fire)
        hf_timer_init(&c->timer, on_timer);
    memset((char *)c + from, 0, sizeof(*c) - from);
    hf_link_init(&c->link);
    c->worker = w;
    c->watch.on_event = on_event;
    hf_task_init(&c->go_on, on_go_on);
    return c;
}

void hf_client_accept(struct hf_worker *w, int fd, const struct sockaddr *address)
{
    struct hf_client *c = client_get(w);
    char ip[HF_ADDR_TEXT];
    struct hf_addr a;

    if (!c) {
        close(fd);
        return;
    }
    if (hf_addr_from_sockaddr(address, &a) == 0) {
        c->ip_n = (uint8_t)hf_addr_format_ip(&a, ip);
        memcpy(c->ip, ip, c->ip_n);
    }
    hf_socket_nodelay(fd);
    c->watch.fd = fd;
    c->writable = true;
    hf_list_append(&w->all_clients, &c->link);
    hf_count_add(&w->live->accepted, 1);
    hf_count_add(&w->live->connections, 1);
    set_state(c, HF_CLIENT_IDLE);
    if (hf_loop_watch(w->loop, &c->watch, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET))
        hf_client_close(c);
}

void hf_client_close(struct hf_client *c)
{
    struct hf_worker *w = c->worker;

    if (c->state == HF_CLIENT_CLOSED)
        return;
    set_state(c, HF_CLIENT_CLOSED);
    hf_loop_unwatch(w->loop, &c->watch);
    close(c->watch.fd);
    hf_task_drop(&c->go_on);
    hf_buffer_drop(&w->buffers, &c->in);
    hf_buffer_drop(&w->buffers, &c->out);
    hf_link_remove(&c->link);
    hf_list_append(&w->retired_clients, &c->link);
    hf_count_add(&w->live->connections, UINT64_MAX); /* minus one */
}

/* The connection is of no use any more: whatever was under way ends. */
static void lost(struct hf_client *c)
{
    c->broken = true;
    if (c->exchange)
        hf_exchange_client_gone(c->exchange);
    hf_client_close(c);
}

/* To a client that reads until the connection ends, an orderly end would look like the whole
 * message. */
static void reset(struct hf_client *c)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};

    setsockopt(c->watch.fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}

static void linger_or_close(struct hf_client *c)
{
    if (c->cut)
        reset(c);
    if (c->eof || c->broken || c->cut) {
        hf_client_close(c);
        return;
    }
    shutdown(c->watch.fd, SHUT_WR);
    set_state(c, HF_CLIENT_LINGER);
    c->readable = true;
    if (!c->taking)
        read_on(c);
}

/* Nothing more is said; what waits goes out, then the connection ends. */
static void finish(struct hf_client *c)
{
    hf_buffer_drop(&c->worker->buffers, &c->in);
    if (hf_client_backlogged(c))
        set_state(c, HF_CLIENT_FLUSH);
    else
        linger_or_close(c);
}

/* Within a message, the client has neither sent nor taken a byte for so long: it is given up. */
static void await_progress(struct hf_client *c)
{
    if (c->state == HF_CLIENT_BUSY)
        hf_timer_after(c->worker->loop, &c->timer, hf_ms(hf_worker_limits(c->worker)->progress_ms));
}

/* ---- sending ---- */

static void out_reset(struct hf_output *out)
{
    out->n = 0;
    out->bytes = 0;
    out->text = (struct hf_h1_out){out->space, out->space + HF_HEAD_OUT, false};
}

static void keep_rest(struct hf_client *c, struct hf_output *out, size_t sent)
{
    for (uint32_t i = 0; i < out->n; i++) {
        struct hf_str piece = {out->piece[i].iov_base, out->piece[i].iov_len};
        if (sent >= piece.n) {
            sent -= piece.n;
            continue;
        }
        if (hf_buffer_add(&c->worker->buffers, &c->out,
                          (struct hf_str){piece.p + sent, piece.n - sent}))
            c->broken = true; /* more than HF_BUFFER_MOST cannot be: reading stops before */
        sent = 0;
    }
}

void hf_client_flush(struct hf_client *c)
{
    struct hf_output *out = &c->worker->out;
    size_t sent = 0;

    if (out->n == 0)
        return;
    if (out->text.full)
        c->broken = true;
    if (!hf_client_backlogged(c) && !c->broken && c->state != HF_CLIENT_CLOSED) {
        struct msghdr m = {.msg_iov = out->piece, .msg_iovlen = out->n};
        ssize_t n;
        do
            n = out->n == 1 ? send(c->watch.fd, out->piece[0].iov_base, out->bytes, MSG_NOSIGNAL)
                            : sendmsg(c->watch.fd, &m, MSG_NOSIGNAL);
        while (n < 0 && errno == EINTR);
        if (n < 0 && errno != EAGAIN)
            c->broken = true;
        sent = n < 0 ? 0 : (size_t)n;
    }
    if (!c->broken && sent < out->bytes) {
        c->writable = false;
        keep_rest(c, out, sent);
        await_progress(c);
    }
    out_reset(out);
}

static void piece(struct hf_client *c, struct hf_str s)
{
    struct hf_output *out = &c->worker->out;

    if (out->n && (char *)out->piece[out->n - 1].iov_base + out->piece[out->n - 1].iov_len == s.p) {
        out->piece[out->n - 1].iov_len += s.n; /* rendered one behind the other */
    } else {
        out->piece[out->n++] = (struct iovec){(void *)s.p, s.n};
    }
    out->bytes += s.n;
}

/* Adds what was rendered into out->text since `from`. */
static void rendered(struct hf_client *c, const char *from)
{
    piece(c, (struct hf_str){from, (size_t)(c->worker->out.text.p - from)});
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
static void put_response_framing(struct hf_client *c, struct hf_h1_out *o,
                                 const struct hf_h1_head *head, const struct hf_h1_framing *framing)
{
    bool unknown = framing->kind == HF_H1_BODY_CHUNKED || framing->kind == HF_H1_BODY_UNTIL_CLOSE;

    /* Of HEAD and 304 as well, but never of 204: RFC 9110 8.6. */
    if ((head->seen & HF_FIELD_BIT(HF_FIELD_CONTENT_LENGTH)) && head->status != 204) {
        HF_H1_PUT(o, "content-length: ");
        hf_h1_put_decimal(o, framing->length);
        HF_H1_PUT(o, "\r\n");
    }
    c->chunked = unknown && c->exchange->minor;
    if (c->chunked || (c->exchange->method == HF_METHOD_HEAD && c->exchange->minor &&
                       (head->seen & HF_FIELD_BIT(HF_FIELD_TRANSFER_ENCODING))))
        HF_H1_PUT(o, "transfer-encoding: chunked\r\n");
    else if (unknown)
        c->keep_alive = false;
    c->until_close = unknown && !c->chunked;
}

void hf_client_head(struct hf_client *c, const struct hf_h1_head *head,
                    const struct hf_h1_framing *framing)
{
    struct hf_worker *w = c->worker;
    struct hf_exchange *x = c->exchange;
    struct hf_h1_out *o = &w->out.text;
    char *from = o->p;

    hf_h1_put_status(o, head->status, head->reason);
    put_response_fields(o, head);
    put_response_framing(c, o, head, framing);
    if (!(head->seen & HF_FIELD_BIT(HF_FIELD_DATE)))
        hf_h1_put_field(
            o, HF_STR("date"),
            hf_date(&w->date, (struct hf_wall){hf_worker_wall_ns(w, hf_worker_now(w))}));
    hf_h1_put_field(o, HF_STR("x-request-id"), (struct hf_str){x->id, x->id_n});
    if (!c->keep_alive)
        HF_H1_PUT(o, "connection: close\r\n");
    else if (!x->minor)
        HF_H1_PUT(o, "connection: keep-alive\r\n");
    HF_H1_PUT(o, "\r\n");
    rendered(c, from);
}

void hf_client_interim(struct hf_client *c, const struct hf_h1_head *head)
{
    struct hf_h1_out *o = &c->worker->out.text;
    char *from = o->p;

    hf_h1_put_status(o, head->status, head->reason);
    put_response_fields(o, head);
    HF_H1_PUT(o, "\r\n");
    rendered(c, from);
    hf_client_flush(c);
}

void hf_client_body(struct hf_client *c, struct hf_str data)
{
    struct hf_output *out = &c->worker->out;
    char *from = out->text.p;

    if (out->n + 3 > HF_PIECES || out->text.end - from < 2L * HF_H1_CHUNK_FRAME) {
        hf_client_flush(c);
        from = out->text.p;
    }
    if (!c->chunked) {
        piece(c, data);
        return;
    }
    hf_h1_put_chunk(&out->text, data.n);
    rendered(c, from);
    piece(c, data);
    from = out->text.p;
    HF_H1_PUT(&out->text, "\r\n");
    rendered(c, from);
}

void hf_client_end(struct hf_client *c, const struct hf_h1_trailers *trailers)
{
    struct hf_h1_out *o = &c->worker->out.text;
    char *from;

    if (!c->chunked)
        return;
    c->chunked = false;
    if (c->worker->out.n == HF_PIECES)
        hf_client_flush(c);
    from = o->p;
    HF_H1_PUT(o, "0\r\n");
    for (unsigned i = 0; trailers && i < trailers->n; i++)
        hf_h1_put_field(o, trailers->fields[i].name, trailers->fields[i].value);
    HF_H1_PUT(o, "\r\n");
    rendered(c, from);
}

static void send_backlog(struct hf_client *c)
{
    while (hf_client_backlogged(c) && c->writable) {
        struct hf_str rest = hf_buffer_str(&c->out);
        ssize_t n = send(c->watch.fd, rest.p, rest.n, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN) {
            c->writable = false;
            return;
        }
        if (n < 0) {
            lost(c);
            return;
        }
        c->out.start += (uint32_t)n;
        if (c->state == HF_CLIENT_BUSY)
            await_progress(c);
        else if (c->state != HF_CLIENT_HEAD)
            set_state(c, (enum hf_client_state)c->state); /* its time begins anew */
    }
    if (hf_client_backlogged(c))
        return;
    hf_buffer_drop(&c->worker->buffers, &c->out);
    if (c->state == HF_CLIENT_FLUSH)
        linger_or_close(c);
    else if (c->exchange)
        hf_exchange_drained(c->exchange);
}

/* ---- receiving ---- */

static void refuse(struct hf_client *c, int h1_error)
{
    enum hf_h1_error err = (enum hf_h1_error) - h1_error;

    hf_count_add(&c->worker->live->bad_requests, 1);
    c->keep_alive = false;
    hf_answer(c, hf_h1_error_status(err), hf_h1_error_text(err), 0, (struct hf_str){0}, false);
    hf_outcome_refused(c, hf_h1_error_status(err));
    finish(c);
}

/* A head, if it is whole. Returns bytes taken. */
static size_t take_head(struct hf_client *c, struct hf_str bytes)
{
    struct hf_worker *w = c->worker;
    const struct hf_plan_gateway *g = hf_worker_limits(w);
    struct hf_h1_limits limits = {g->line, g->head, g->fields};
    struct hf_h1_framing framing;
    ssize_t n;
    int rc;

    if (c->state == HF_CLIENT_IDLE)
        set_state(c, HF_CLIENT_HEAD);
    n = hf_h1_parse_request(bytes, &c->scanned, &limits, &w->head);
    if (n == 0)
        return 0;
    rc = n < 0 ? (int)n : hf_h1_request_framing(&w->head, &framing);
    if (rc < 0) {
        refuse(c, rc);
        return bytes.n;
    }
    c->keep_alive = framing.keep_alive && !w->leaving && !c->eof;
    set_state(c, HF_CLIENT_BUSY);
    c->body_follows = (size_t)n < bytes.n && framing.kind != HF_H1_BODY_NONE;
    hf_exchange_start(c, &framing);
    c->body_follows = false;
    if (c->exchange && !c->exchange->request_done)
        await_progress(c);
    return (size_t)n;
}

static ssize_t take_body(struct hf_client *c, struct hf_str bytes)
{
    struct hf_exchange *x = c->exchange;
    ssize_t n = hf_exchange_feed(x, bytes);

    if (n >= 0) {
        if (c->exchange == x && (!x->request_done || hf_client_backlogged(c)))
            await_progress(c);
        else if (c->exchange == x)
            hf_timer_stop(&c->timer);
        return n;
    }
    /* Where the message ends is not known any more. */
    hf_count_add(&c->worker->live->bad_requests, 1);
    hf_exchange_bad_body(x, hf_h1_error_text((enum hf_h1_error) - n));
    return (ssize_t)bytes.n;
}

/* Takes what can be taken now from the front; returns how much. */
static size_t take(struct hf_client *c, struct hf_str bytes)
{
    size_t taken = 0;

    c->taking = true;
    while (taken < bytes.n) {
        struct hf_str rest = {bytes.p + taken, bytes.n - taken};
        size_t n = 0;

        switch (c->state) {
        case HF_CLIENT_IDLE:
        case HF_CLIENT_HEAD:
            n = take_head(c, rest);
            break;
        case HF_CLIENT_BUSY:
            n = c->exchange->request_done ? 0 : (size_t)take_body(c, rest);
            break;
        default: /* nobody listens any more */
            n = rest.n;
            break;
        }
        taken += n;
        if (n == 0)
            break;
    }
    c->taking = false;
    return taken;
}

static bool wants_bytes(const struct hf_client *c)
{
    switch (c->state) {
    case HF_CLIENT_IDLE:
    case HF_CLIENT_HEAD:
    case HF_CLIENT_LINGER:
        return true;
    case HF_CLIENT_BUSY:
        return hf_exchange_wants_request(c->exchange);
    default:
        return false;
    }
}

static void end_of_input(struct hf_client *c)
{
    c->eof = true;
    c->readable = false;
    switch (c->state) {
    case HF_CLIENT_BUSY:
        c->keep_alive = false;
        if (!c->exchange->request_done)
            lost(c); /* half a request will never be whole */
        break;
    case HF_CLIENT_FLUSH:
        break;
    case HF_CLIENT_IDLE:
    case HF_CLIENT_HEAD:
        finish(c); /* what it has asked for before is still sent */
        break;
    default:
        lost(c);
        break;
    }
}

/* Takes from what was received before. */
static void take_kept(struct hf_client *c)
{
    size_t n;

    if (hf_buffer_used(&c->in) == 0)
        return;
    n = take(c, hf_buffer_str(&c->in));
    if (c->state == HF_CLIENT_CLOSED || !c->in.p)
        return;
    c->in.start += (uint32_t)n;
    if (hf_buffer_used(&c->in) == 0)
        hf_buffer_drop(&c->worker->buffers, &c->in);
}

/* One call of recv, and what follows from it. Returns false when there is nothing more to do now.
 */
static bool receive(struct hf_client *c)
{
    struct hf_worker *w = c->worker;
    bool kept = hf_buffer_used(&c->in) > 0;
    char *to = w->in;
    size_t size = HF_READ_SIZE, taken;
    ssize_t n;

    if (kept) {
        if (hf_buffer_room(&w->buffers, &c->in, 4096)) {
            refuse(c, -HF_H1_HEAD_LONG);
            return false;
        }
        to = c->in.p + c->in.end;
        size = c->in.size - c->in.end;
    }
    n = recv(c->watch.fd, to, size, 0);
    if (n < 0 && errno == EINTR)
        return true;
    if (n < 0 && errno == EAGAIN) {
        c->readable = false;
        return false;
    }
    if (n <= 0) {
        if (n == 0)
            end_of_input(c);
        else
            lost(c);
        return false;
    }
    if ((size_t)n < size && !c->ending)
        c->readable = false; /* epoll(7): a short read means that it is dry, but for the end */
    if (kept) {
        c->in.end += (uint32_t)n;
        take_kept(c);
        return true;
    }
    taken = take(c, (struct hf_str){to, (size_t)n});
    if (taken < (size_t)n && c->state != HF_CLIENT_CLOSED &&
        hf_buffer_add(&w->buffers, &c->in, (struct hf_str){to + taken, (size_t)n - taken}))
        lost(c);
    return true;
}

static void read_on(struct hf_client *c)
{
    for (int i = 0; c->state != HF_CLIENT_CLOSED && c->readable && wants_bytes(c); i++) {
        if (i == HF_READS_AT_ONCE) {
            hf_task_add(&c->worker->tasks, &c->go_on);
            return;
        }
        if (!receive(c))
            return;
    }
}

void hf_client_resume(struct hf_client *c)
{
    if (c->taking)
        return;
    take_kept(c);
    read_on(c);
}

void hf_client_exchange_done(struct hf_client *c, bool whole)
{
    if (c->state == HF_CLIENT_CLOSED)
        return;
    if (c->broken) {
        hf_client_close(c);
        return;
    }
    if (!whole) { /* the message cannot be ended properly: the connection's end tells the client */
        c->cut = c->until_close;
        c->keep_alive = false;
    }
    if (!c->keep_alive) {
        finish(c);
        return;
    }
    set_state(c, HF_CLIENT_IDLE);
    hf_client_resume(c);
}

void hf_client_leave(struct hf_client *c)
{
    if (c->state != HF_CLIENT_IDLE)
        return;
    c->readable = true; /* a request may have come just now: it is answered */
    read_on(c);
    if (c->state == HF_CLIENT_IDLE)
        finish(c);
}

/* ---- events ---- */

static void on_event(struct hf_watch *watch, uint32_t events)
{
    struct hf_client *c = HF_CONTAINER(watch, struct hf_client, watch);

    c->ending = c->ending || (events & EPOLLRDHUP);
    if (events & (EPOLLERR | EPOLLHUP)) {
        if (c->state != HF_CLIENT_LINGER || (events & EPOLLERR)) {
            lost(c);
            return;
        }
    }
    if ((events & EPOLLOUT) && !c->writable) {
        c->writable = true;
        send_backlog(c);
    }
    if (c->state != HF_CLIENT_CLOSED && (events & ~(uint32_t)EPOLLOUT)) {
        c->readable = true;
        read_on(c);
    }
}

static void on_timer(struct hf_timer *t)
{
    struct hf_client *c = HF_CONTAINER(t, struct hf_client, timer);

    switch (c->state) {
    case HF_CLIENT_HEAD:
        c->keep_alive = false;
        hf_answer(c, 408, "the request did not arrive in time", 0, (struct hf_str){0}, false);
        hf_outcome_refused(c, 408);
        finish(c);
        break;
    case HF_CLIENT_BUSY:
        if (hf_client_backlogged(c))
            lost(c);
        else if (hf_exchange_wants_request(c->exchange))
            hf_exchange_slow_body(c->exchange);
        else if (!c->exchange->request_done)
            await_progress(
                c); /* it is the endpoint that does not take it; the exchange sees to it */
        break;
    default:
        lost(c);
        break;
    }
}
