#include "gateway/h1_client.h"

#include <errno.h>
#include <unistd.h>

#include "gateway/answer.h"
#include "gateway/exchange.h"
#include "gateway/h2_client.h"
#include "gateway/outcome.h"
#include "gateway/worker.h"

enum { LINGER_S = 2 /* how long an answer before the request's end may take to be read */ };

static void on_event(struct hf_watch *watch, uint32_t events);
static void on_timer(struct hf_timer *t);
static void give_way(struct hf_waiting *waiting);
static void take_kept(struct hf_h1_client *c);
static void read_on(struct hf_h1_client *c);

/* The one writer of a client's state. Each state has its own deadline. */
static void set_state(struct hf_h1_client *c, enum hf_h1_client_state next)
{
    const struct hf_plan_gateway *limits = hf_worker_limits(c->base.worker);
    struct hf_loop *loop = c->base.worker->loop;

    if (c->state == HF_H1_CLIENT_HANDSHAKE && next > HF_H1_CLIENT_HEAD)
        hf_count_add(&c->base.worker->live->handshakes_failed, 1);
    c->state = (uint8_t)next;
    hf_worker_await(c->base.worker, &c->waiting, next <= HF_H1_CLIENT_HEAD);
    switch (next) {
    case HF_H1_CLIENT_IDLE:
        hf_timer_after(loop, &c->timer, hf_ms(limits->idle_ms));
        break;
    case HF_H1_CLIENT_HANDSHAKE:
    case HF_H1_CLIENT_HEAD:
        hf_timer_after(loop, &c->timer, hf_ms(limits->header_ms));
        break;
    case HF_H1_CLIENT_FLUSH:
        hf_timer_after(loop, &c->timer, hf_ms(limits->progress_ms));
        break;
    case HF_H1_CLIENT_LINGER:
        hf_timer_after(loop, &c->timer, hf_seconds(LINGER_S));
        break;
    case HF_H1_CLIENT_BUSY: /* the exchange has deadlines; see hf_h1_client_await_progress() */
    case HF_H1_CLIENT_CLOSED:
        hf_timer_stop(&c->timer);
        break;
    }
}

static void on_go_on(struct hf_task *t)
{
    struct hf_h1_client *c = HF_CONTAINER(t, struct hf_h1_client, go_on);

    take_kept(c);
    read_on(c);
}

static struct hf_h1_client *client_get(struct hf_worker *w)
{
    struct hf_h1_client *c = hf_pool_get(&w->clients);
    size_t from = offsetof(struct hf_h1_client, base);

    if (!c)
        return NULL;
    if (!c->timer.on_fire)
        hf_timer_init(&c->timer, on_timer);
    memset((char *)c + from, 0, sizeof(*c) - from);
    hf_link_init(&c->link);
    c->base.ops = &hf_h1_client_ops;
    c->base.worker = w;
    c->base.peer = &c->peer;
    c->watch.on_event = on_event;
    hf_link_init(&c->waiting.link);
    c->waiting.give_way = give_way;
    hf_task_init(&c->go_on, on_go_on);
    return c;
}

void hf_h1_client_accept(struct hf_worker *w, int fd, const struct hf_peer *peer,
                         const struct hf_tls_listener *tls)
{
    struct hf_h1_client *c = client_get(w);
    int rc = 0;

    if (!c) {
        close(fd);
        return;
    }
    c->peer = *peer;
    c->watch.fd = fd;
    hf_wire_init(&c->wire, fd);
    if (tls)
        rc = hf_wire_start_tls(&c->wire, tls, true);
    hf_list_append(&w->all_clients, &c->link);
    hf_count_add(&w->live->accepted, 1);
    hf_count_add(&w->live->connections, 1);
    set_state(c, tls ? HF_H1_CLIENT_HANDSHAKE : HF_H1_CLIENT_IDLE);
    if (rc || hf_loop_watch(w->loop, &c->watch, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET))
        hf_h1_client_close(c);
}

/* Without the connection itself. */
static void retire(struct hf_h1_client *c)
{
    struct hf_worker *w = c->base.worker;

    set_state(c, HF_H1_CLIENT_CLOSED);
    hf_task_drop(&c->go_on);
    hf_buffer_drop(&w->buffers, &c->in);
    c->base.backlogged = false;
    hf_link_remove(&c->link);
    hf_list_append(&w->retired_clients, &c->link);
    hf_count_add(&w->live->connections, UINT64_MAX); /* minus one */
}

void hf_h1_client_close(struct hf_h1_client *c)
{
    if (c->state == HF_H1_CLIENT_CLOSED)
        return;
    hf_loop_forget(c->base.worker->loop, &c->watch);
    hf_wire_close(&c->wire, c->base.worker);
    retire(c);
}

/* The connection goes on as one of HTTP/2, which these bytes begin. */
static void hand_over(struct hf_h1_client *c, struct hf_str bytes)
{
    set_state(c, HF_H1_CLIENT_IDLE); /* no handshake failed */
    hf_loop_unwatch(c->base.worker->loop, &c->watch);
    hf_h2_client_take_over(c->base.worker, &c->wire, &c->peer, bytes);
    retire(c);
}

/* The connection is of no use any more: whatever was under way ends. */
static void lost(struct hf_h1_client *c)
{
    c->base.broken = true;
    if (c->base.exchange)
        hf_exchange_client_gone(c->base.exchange);
    hf_h1_client_close(c);
}

/* To a client that reads until the connection ends, an orderly end would look like the whole
 * message. */
static void reset(struct hf_h1_client *c)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};

    setsockopt(c->watch.fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}

bool hf_h1_client_said_all(const struct hf_h1_client *c)
{
    bool whole =
        c->body_kind == HF_H1_BODY_CHUNKED ? hf_h1_chunk_done(&c->chunk) : c->body_left == 0;

    return c->last && whole && !c->readable;
}

static void linger_or_close(struct hf_h1_client *c)
{
    if (c->cut)
        reset(c);
    if (c->base.eof || c->base.broken || c->cut || hf_h1_client_said_all(c)) {
        if (c->wire.tls && !c->base.broken && !c->cut)
            hf_wire_end(&c->wire, c->base.worker); /* the end is one that was meant */
        hf_h1_client_close(c);
        return;
    }
    hf_wire_end(&c->wire, c->base.worker);
    set_state(c, HF_H1_CLIENT_LINGER);
    c->readable = true;
    if (!c->taking)
        read_on(c);
}

/* Nothing more is said; what waits goes out, then the connection ends. */
static void finish(struct hf_h1_client *c)
{
    hf_buffer_drop(&c->base.worker->buffers, &c->in);
    if (c->base.backlogged)
        set_state(c, HF_H1_CLIENT_FLUSH);
    else
        linger_or_close(c);
}

/* Within a message, the client has neither sent nor taken a byte for so long: it is given up. */
void hf_h1_client_await_progress(struct hf_h1_client *c)
{
    switch (c->state) {
    case HF_H1_CLIENT_BUSY:
        hf_timer_after(c->base.worker->loop, &c->timer,
                       hf_ms(hf_worker_limits(c->base.worker)->progress_ms));
        break;
    case HF_H1_CLIENT_HANDSHAKE: /* it and the head have their time, whatever else moves */
    case HF_H1_CLIENT_HEAD:
        break;
    default:
        set_state(c, (enum hf_h1_client_state)c->state); /* its time begins anew */
        break;
    }
}

void hf_h1_client_tunnel(struct hf_h1_client *c)
{
    c->body_kind = HF_H1_BODY_TUNNEL;
    c->body_left = UINT64_MAX;
    hf_timer_stop(&c->timer);
    hf_task_add(&c->base.worker->tasks, &c->go_on); /* the read buffer is in use now */
}

static bool in_tunnel(const struct hf_h1_client *c)
{
    return c->state == HF_H1_CLIENT_BUSY && c->base.exchange->tunnel;
}

static void send_backlog(struct hf_h1_client *c)
{
    if (!hf_h1_client_send_backlog(c))
        lost(c);
    else if (c->base.backlogged)
        return;
    else if (c->state == HF_H1_CLIENT_FLUSH)
        linger_or_close(c);
    else if (c->base.exchange)
        hf_exchange_drained(c->base.exchange);
}

/* ---- receiving ---- */

static void refuse_with(struct hf_h1_client *c, unsigned status, const char *detail)
{
    c->base.keep_alive = c->last = false;
    c->minor = 1;
    hf_answer(&c->base, status, detail, status == 503);
    hf_outcome_refused(&c->base, status);
    finish(c);
}

static void refuse_for_memory(struct hf_h1_client *c)
{
    refuse_with(c, 503, HF_ANSWER_NO_MEMORY);
}

static void refuse(struct hf_h1_client *c, int h1_error)
{
    enum hf_h1_error err = (enum hf_h1_error) - h1_error;

    hf_count_add(&c->base.worker->live->bad_requests, 1);
    refuse_with(c, hf_h1_error_status(err), hf_h1_error_text(err));
}

/* HTTP/2's preface, or the beginning of one: RFC 9113 3.4. */
static bool is_h2_preface(struct hf_str bytes)
{
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    size_t n = sizeof(preface) - 1 < bytes.n ? sizeof(preface) - 1 : bytes.n;

    return memcmp(bytes.p, preface, n) == 0;
}

/* The connection's first bytes. Returns true if they are, or may become, HTTP/2. */
static bool take_preface(struct hf_h1_client *c, struct hf_str bytes)
{
    enum { PREFACE = 24 };

    if (!is_h2_preface(bytes)) {
        c->begun = true;
        return false;
    }
    if (bytes.n >= PREFACE)
        hand_over(c, bytes);
    return true;
}

/* A head, if it is whole. Returns bytes taken. */
static size_t take_head(struct hf_h1_client *c, struct hf_str bytes)
{
    struct hf_worker *w = c->base.worker;
    const struct hf_plan_gateway *g = hf_worker_limits(w);
    struct hf_h1_limits limits = {g->line, g->head, g->fields};
    struct hf_h1_framing framing;
    ssize_t n;
    int rc;

    if (c->state == HF_H1_CLIENT_IDLE)
        set_state(c, HF_H1_CLIENT_HEAD);
    if (!c->begun && take_preface(c, bytes))
        return c->state == HF_H1_CLIENT_CLOSED ? bytes.n : 0;
    n = hf_h1_parse_request(bytes, &c->scanned, &limits, &w->head);
    if (n == 0)
        return 0;
    rc = n < 0 ? (int)n : hf_h1_request_framing(&w->head, &framing);
    if (rc < 0) {
        refuse(c, rc);
        return bytes.n;
    }
    c->minor = w->head.minor;
    c->shut = false;
    c->body_kind = framing.kind;
    if (framing.kind == HF_H1_BODY_CHUNKED)
        hf_h1_chunk_init(&c->chunk);
    else
        c->body_left = framing.length;
    c->last = !framing.keep_alive;
    c->base.keep_alive = framing.keep_alive && !w->leaving && !c->base.eof;
    set_state(c, HF_H1_CLIENT_BUSY);
    c->base.body_follows =
        (size_t)n < bytes.n && (framing.kind == HF_H1_BODY_CHUNKED || framing.length > 0);
    hf_exchange_start(&c->base, &framing);
    return (size_t)n;
}

/* The steps of a body return bytes taken, 0 if more are needed or there is no room, < 0:
 * -(enum hf_h1_error). */
static ssize_t take_length(struct hf_h1_client *c, struct hf_str bytes)
{
    struct hf_exchange *x = c->base.exchange;
    size_t room = hf_exchange_room(x);

    if (bytes.n > room)
        bytes.n = room;
    if (bytes.n > c->body_left)
        bytes.n = (size_t)c->body_left;
    if (bytes.n == 0 || c->base.exchange != x)
        return 0;
    c->body_left -= bytes.n;
    hf_exchange_feed(x, bytes, c->body_left == 0);
    return (ssize_t)bytes.n;
}

static ssize_t take_chunked(struct hf_h1_client *c, struct hf_str bytes)
{
    struct hf_exchange *x = c->base.exchange;
    struct hf_h1_trailers trailers;
    struct hf_str data = {0};
    size_t room = hf_exchange_room(x);
    ssize_t n;

    if (room == 0 || c->base.exchange != x)
        return 0;
    if (room < HF_H1_TRAILER_BYTES)
        room = HF_H1_TRAILER_BYTES; /* a trailer section is taken whole, or never */
    if (bytes.n > room)
        bytes.n = room;
    n = hf_h1_chunk_feed(&c->chunk, bytes, &data, &trailers);
    if (n < 0)
        return n;
    if (data.n)
        hf_exchange_feed(x, data, false);
    if (c->base.exchange == x && hf_h1_chunk_done(&c->chunk))
        hf_exchange_feed_end(x, &trailers);
    return n;
}

static ssize_t take_body(struct hf_h1_client *c, struct hf_str bytes)
{
    ssize_t n = c->body_kind == HF_H1_BODY_CHUNKED ? take_chunked(c, bytes) : take_length(c, bytes);
    enum hf_h1_error err = n < 0 ? (enum hf_h1_error) - n : HF_H1_OK;

    if (err == HF_H1_OK)
        return n;
    /* Where the message ends is not known any more. */
    hf_count_add(&c->base.worker->live->bad_requests, 1);
    hf_exchange_bad_body(c->base.exchange, hf_h1_error_status(err), hf_h1_error_text(err));
    return (ssize_t)bytes.n;
}

/* What was taken of a request goes on, in one call. */
static void push(struct hf_h1_client *c)
{
    struct hf_exchange *x = c->base.exchange;

    c->base.body_follows = false;
    if (!x || c->state != HF_H1_CLIENT_BUSY)
        return;
    hf_exchange_push(x);
    if (c->base.exchange != x)
        return;
    if ((!x->request_done && !x->tunnel) || c->base.backlogged)
        hf_h1_client_await_progress(c);
    else
        hf_timer_stop(&c->timer);
}

/* More of the present request's body is to come. */
static bool awaits_body(const struct hf_h1_client *c)
{
    return c->base.exchange && !c->base.exchange->request_done;
}

/* Takes what can be taken now from the front; returns how much. */
static size_t take(struct hf_h1_client *c, struct hf_str bytes)
{
    bool body = false; /* of the request that is under way */
    size_t taken = 0, n = 1;

    c->taking = true;
    while (taken < bytes.n && n) {
        struct hf_str rest = {bytes.p + taken, bytes.n - taken};

        switch (c->state) {
        case HF_H1_CLIENT_IDLE:
        case HF_H1_CLIENT_HEAD:
            n = take_head(c, rest);
            body = awaits_body(c);
            break;
        case HF_H1_CLIENT_BUSY:
            n = awaits_body(c) ? (size_t)take_body(c, rest) : 0;
            body = body || n;
            break;
        default: /* nobody listens any more */
            n = rest.n;
            break;
        }
        taken += n;
    }
    if (body)
        push(c);
    c->taking = false;
    return taken;
}

static bool wants_bytes(const struct hf_h1_client *c)
{
    switch (c->state) {
    case HF_H1_CLIENT_HANDSHAKE:
    case HF_H1_CLIENT_IDLE:
    case HF_H1_CLIENT_HEAD:
    case HF_H1_CLIENT_LINGER:
        return true;
    case HF_H1_CLIENT_BUSY:
        return hf_exchange_wants_request(c->base.exchange);
    default:
        return false;
    }
}

/* The endpoint is told; what it still has to say is sent on. */
static void end_one_way(struct hf_h1_client *c)
{
    struct hf_exchange *x = c->base.exchange;

    if (x->request_done)
        return;
    hf_exchange_feed_end(x, NULL);
    if (c->base.exchange == x)
        hf_exchange_push(x);
}

static void end_of_input(struct hf_h1_client *c)
{
    c->base.eof = true;
    c->readable = false;
    switch (c->state) {
    case HF_H1_CLIENT_BUSY:
        c->base.keep_alive = false;
        if (in_tunnel(c))
            end_one_way(c);
        else if (!c->base.exchange->request_done)
            lost(c); /* half a request will never be whole */
        break;
    case HF_H1_CLIENT_FLUSH:
        break;
    case HF_H1_CLIENT_IDLE:
    case HF_H1_CLIENT_HEAD:
        finish(c); /* what it has asked for before is still sent */
        break;
    default:
        lost(c);
        break;
    }
}

/* Takes from what was received before. */
static void take_kept(struct hf_h1_client *c)
{
    size_t n;

    if (hf_buffer_used(&c->in) == 0)
        return;
    n = take(c, hf_buffer_str(&c->in));
    if (c->state == HF_H1_CLIENT_CLOSED || !c->in.p)
        return;
    c->in.start += (uint32_t)n;
    if (hf_buffer_used(&c->in) == 0)
        hf_buffer_drop(&c->base.worker->buffers, &c->in);
}

/* ---- TLS ---- */

/* It cannot go on. */
static void on_wire_error(struct hf_h1_client *c, int rc)
{
    if (rc == HF_EIO || c->state != HF_H1_CLIENT_HANDSHAKE)
        lost(c);
    else if (rc == HF_EINVAL)
        refuse_with(c, 400, "this port speaks HTTPS, and the request came without TLS");
    else
        finish(c); /* so that the alert arrives */
}

/* The handshake is over, or still is not. */
static void on_handshake(struct hf_h1_client *c)
{
    struct hf_live_worker *live = c->base.worker->live;

    if (!hf_tls_established(c->wire.tls))
        return;
    hf_count_add(&live->handshakes, 1);
    if (hf_tls_resumed(c->wire.tls))
        hf_count_add(&live->handshakes_resumed, 1);
    c->peer.subject = hf_tls_subject(c->wire.tls);
    set_state(c, c->base.worker->leaving ? HF_H1_CLIENT_HEAD : HF_H1_CLIENT_IDLE);
}

/* ---- receiving from the socket ---- */

/* Where the next bytes go: behind those that were kept, else into a buffer of the worker's. */
static int room_for_bytes(struct hf_h1_client *c, char **ret, size_t *ret_size)
{
    struct hf_worker *w = c->base.worker;

    if (hf_buffer_used(&c->in)) {
        if (hf_buffer_room(&w->buffers, &c->in, c->wire.tls ? HF_WIRE_ROOM : 4096))
            return HF_ELIMIT;
        *ret = c->in.p + c->in.end;
        *ret_size = c->in.size - c->in.end;
    } else {
        *ret = c->wire.tls ? w->wire_space.plain : w->in;
        *ret_size = hf_buffers_at_once(&w->buffers) + (c->wire.tls ? HF_TLS_RECORD : 0U);
    }
    return 0;
}

static void on_bytes(struct hf_h1_client *c, struct hf_str bytes, bool kept)
{
    size_t taken;

    if (kept) {
        c->in.end += (uint32_t)bytes.n;
        take_kept(c);
        return;
    }
    taken = take(c, bytes);
    if (taken == bytes.n || c->state == HF_H1_CLIENT_CLOSED)
        return;
    if (c->state == HF_H1_CLIENT_HEAD && hf_buffers_tight(&c->base.worker->buffers))
        refuse_for_memory(c);
    else if (hf_buffer_add(&c->base.worker->buffers, &c->in,
                           (struct hf_str){bytes.p + taken, bytes.n - taken}))
        lost(c);
}

/* One call of recv, and what follows from it. Returns false when there is nothing more to do now.
 */
static bool receive(struct hf_h1_client *c)
{
    bool kept = hf_buffer_used(&c->in) > 0;
    size_t size, n = 0;
    char *to;
    int rc;

    if (room_for_bytes(c, &to, &size)) {
        if (c->state != HF_H1_CLIENT_HEAD)
            lost(c);
        else if (hf_buffers_tight(&c->base.worker->buffers))
            refuse_for_memory(c);
        else
            refuse(c, -HF_H1_HEAD_LONG);
        return false;
    }
    rc = hf_wire_receive(&c->wire, c->base.worker, to, size, &n);
    c->base.backlogged = hf_wire_backlogged(&c->wire);
    if (rc == HF_EAGAIN) {
        c->readable = false;
        return false;
    }
    if (rc) {
        on_wire_error(c, rc);
        return false;
    }
    if (c->wire.dry && !c->ending && !c->wire.eof)
        c->readable = false; /* epoll(7): a short read means that it is dry, but for the end */
    if (c->state == HF_H1_CLIENT_HANDSHAKE)
        on_handshake(c);
    if (c->state != HF_H1_CLIENT_HANDSHAKE && !c->begun && c->wire.tls && hf_tls_h2(c->wire.tls)) {
        hand_over(c, (struct hf_str){to, n});
        return false;
    }
    if (n)
        on_bytes(c, (struct hf_str){to, n}, kept);
    if (!c->wire.eof || c->state == HF_H1_CLIENT_CLOSED || (n && hf_buffer_used(&c->in)))
        return true; /* what was kept comes before the end */
    end_of_input(c);
    return false;
}

static void read_on(struct hf_h1_client *c)
{
    for (int i = 0; c->state != HF_H1_CLIENT_CLOSED && c->readable && wants_bytes(c); i++) {
        if (i == HF_READS_AT_ONCE) {
            hf_task_add(&c->base.worker->tasks, &c->go_on);
            return;
        }
        if (!receive(c))
            return;
    }
}

void hf_h1_client_resume(struct hf_client *base)
{
    struct hf_h1_client *c = hf_h1_client_of(base);

    if (c->taking)
        return;
    take_kept(c);
    read_on(c);
}

void hf_h1_client_done(struct hf_client *base, bool whole)
{
    struct hf_h1_client *c = hf_h1_client_of(base);

    if (c->state == HF_H1_CLIENT_CLOSED)
        return;
    if (c->base.broken) {
        hf_h1_client_close(c);
        return;
    }
    if (!whole) { /* the message cannot be ended properly: the connection's end tells the client */
        c->cut = c->until_close;
        c->base.keep_alive = false;
    }
    if (!c->base.keep_alive) {
        finish(c);
        return;
    }
    set_state(c, HF_H1_CLIENT_IDLE);
    hf_h1_client_resume(base);
}

/* There is no room for those who come. What has arrived just now is still answered. */
static void give_way(struct hf_waiting *waiting)
{
    struct hf_h1_client *c = HF_CONTAINER(waiting, struct hf_h1_client, waiting);

    hf_count_add(&c->base.worker->live->gave_way, 1);
    if (c->state != HF_H1_CLIENT_HANDSHAKE) {
        c->readable = true;
        read_on(c);
    }
    if (c->state == HF_H1_CLIENT_HEAD)
        refuse_with(c, 503, "too many connections wait here, and this one for long");
    if (c->state == HF_H1_CLIENT_IDLE)
        hf_wire_end(&c->wire, c->base.worker);
    if (c->state != HF_H1_CLIENT_BUSY)
        hf_h1_client_close(c);
}

void hf_h1_client_leave(struct hf_h1_client *c)
{
    if (c->state != HF_H1_CLIENT_IDLE)
        return;
    c->readable = true; /* a request may have come just now: it is answered */
    read_on(c);
    if (c->state == HF_H1_CLIENT_IDLE)
        finish(c);
}

/* ---- events ---- */

static void on_event(struct hf_watch *watch, uint32_t events)
{
    struct hf_h1_client *c = HF_CONTAINER(watch, struct hf_h1_client, watch);

    c->ending = c->ending || (events & EPOLLRDHUP);
    if ((events & EPOLLERR) ||
        ((events & EPOLLHUP) && c->state != HF_H1_CLIENT_LINGER && !in_tunnel(c))) {
        lost(c);
        return;
    }
    if ((events & EPOLLOUT) && !c->wire.writable) {
        c->wire.writable = true;
        send_backlog(c);
    }
    if (c->state != HF_H1_CLIENT_CLOSED && (events & ~(uint32_t)EPOLLOUT)) {
        c->readable = true;
        read_on(c);
    }
}

static void on_timer(struct hf_timer *t)
{
    struct hf_h1_client *c = HF_CONTAINER(t, struct hf_h1_client, timer);

    switch (c->state) {
    case HF_H1_CLIENT_HEAD:
        refuse_with(c, 408, "the request did not arrive in time");
        break;
    case HF_H1_CLIENT_BUSY:
        if (c->base.backlogged)
            lost(c);
        else if (in_tunnel(c)) /* it has a time of its own */
            break;
        else if (hf_exchange_wants_request(c->base.exchange))
            hf_exchange_slow_body(c->base.exchange);
        else if (!c->base.exchange->request_done)
            hf_h1_client_await_progress(
                c); /* it is the endpoint that does not take it; the exchange sees to it */
        break;
    default:
        lost(c);
        break;
    }
}
