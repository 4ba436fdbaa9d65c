#include "gateway/h2_client.h"

#include "base/log.h"
#include "base/mem.h"
#include "gateway/h2_stream.h"
#include "gateway/worker.h"

enum {
    LINGER_S = 2,      /* how long the last words may take to be read */
    NOTICE_S = 1,      /* how long a client may take to hear that we leave */
    QUEUE_MOST = 1024, /* frames of ours that wait: beyond, nothing more is received */
};

static void on_event(struct hf_watch *watch, uint32_t events);
static void on_timer(struct hf_timer *t);
static void give_way(struct hf_waiting *waiting);
static void on_go_on(struct hf_task *t);
static void on_send(struct hf_task *t);
static void read_on(struct hf_h2_client *c);

struct hf_h2 *hf_h2_new(void)
{
    struct hf_h2 *h2 = hf_alloc(sizeof(*h2));

    h2->callbacks = hf_h2_session_callbacks();
    h2->option = hf_h2_session_option();
    hf_pool_init(&h2->clients, sizeof(struct hf_h2_client), 0);
    hf_pool_init(&h2->streams, sizeof(struct hf_h2_stream), 0);
    hf_link_init(&h2->all);
    hf_link_init(&h2->retired);
    hf_link_init(&h2->retired_streams);
    return h2;
}

static void put_back(struct hf_link *retired, struct hf_pool *pool)
{
    while (!hf_link_alone(retired)) {
        struct hf_link *l = retired->next;
        hf_link_remove(l);
        hf_pool_put(pool, l); /* the link is the first member */
    }
}

void hf_h2_put_back(struct hf_h2 *h2)
{
    put_back(&h2->retired_streams, &h2->streams);
    put_back(&h2->retired, &h2->clients);
}

/* ---- deadlines ---- */

static void sooner(struct hf_mono *at, struct hf_mono t)
{
    if (t.ns && (!at->ns || hf_mono_before(t, *at)))
        *at = t;
}

/* The timer looks at the first of all deadlines. */
static void arm(struct hf_h2_client *c)
{
    struct hf_mono at = {0};

    sooner(&at, c->head_by);
    sooner(&at, c->idle_by);
    sooner(&at, c->write_by);
    sooner(&at, c->leave_by);
    if (at.ns)
        hf_timer_set(c->worker->loop, &c->timer, at);
    else
        hf_timer_stop(&c->timer);
}

static struct hf_mono after(const struct hf_h2_client *c, struct hf_duration d)
{
    return hf_mono_add(hf_worker_now(c->worker), d);
}

/* ---- the end ---- */

static void let_go_closed(struct hf_h2_client *c)
{
    while (!hf_link_alone(&c->closed))
        hf_h2_stream_let_go(HF_CONTAINER(c->closed.next, struct hf_h2_stream, link));
}

static void close_now(struct hf_h2_client *c)
{
    struct hf_worker *w = c->worker;

    if (c->state == HF_H2_CLIENT_CLOSED)
        return;
    c->state = HF_H2_CLIENT_CLOSED;
    hf_timer_stop(&c->timer);
    hf_link_remove(&c->waiting.link);
    hf_loop_forget(w->loop, &c->watch);
    while (!hf_link_alone(&c->streams)) {
        struct hf_link *l = c->streams.next;
        hf_link_remove(l);
        hf_list_append(&c->closed, l);
    }
    let_go_closed(c);
    nghttp2_session_del(c->session);
    hf_wire_close(&c->wire, w);
    hf_task_drop(&c->go_on);
    hf_task_drop(&c->send);
    hf_h2_fields_drop(&w->buffers, &c->fields);
    hf_link_remove(&c->link);
    hf_list_append(&w->h2->retired, &c->link);
    hf_count_add(&w->live->connections, UINT64_MAX); /* minus one */
}

/* All is said: the last words are given time to arrive. */
static void finish(struct hf_h2_client *c)
{
    while (!hf_link_alone(&c->streams)) {
        struct hf_link *l = c->streams.next;
        hf_link_remove(l);
        hf_list_append(&c->closed, l);
    }
    c->state = HF_H2_CLIENT_LINGER;
    hf_link_remove(&c->waiting.link);
    let_go_closed(c);
    hf_wire_end(&c->wire, c->worker);
    if (c->wire.eof) {
        close_now(c);
        return;
    }
    c->head_by = c->idle_by = c->write_by = (struct hf_mono){0};
    c->leave_by = after(c, hf_seconds(LINGER_S));
    arm(c);
    c->readable = true;
    hf_task_add(&c->worker->tasks, &c->go_on);
}

void hf_h2_client_fail(struct hf_h2_client *c, uint32_t error_code, const char *why)
{
    struct hf_str ip = {c->peer.ip, c->peer.ip_n};

    if (c->failed)
        return;
    c->failed = true;
    if (error_code != NGHTTP2_NO_ERROR)
        hf_count_add(&c->worker->live->h2_errors, 1);
    hf_debug("HTTP/2 connection ends client=" HF_STR_FMT " error=%s: %s", HF_STR_ARG(ip),
             nghttp2_http2_strerror(error_code), why);
    nghttp2_session_terminate_session(c->session, error_code);
    hf_h2_client_send_soon(c);
}

/* ---- sending ---- */

void hf_h2_client_send_soon(struct hf_h2_client *c)
{
    hf_task_add(&c->worker->tasks, &c->send);
}

/* Streams whose bytes are all framed take more of their responses. */
static void drain(struct hf_h2_client *c)
{
    struct hf_link now = c->drained;

    if (hf_link_alone(&c->drained))
        return;
    now.next->prev = now.prev->next = &now;
    hf_link_init(&c->drained);
    while (!hf_link_alone(&now))
        hf_h2_stream_drained(HF_CONTAINER(now.next, struct hf_h2_stream, drained));
}

static void push_fed(struct hf_h2_client *c)
{
    while (!hf_link_alone(&c->fed)) {
        struct hf_h2_stream *s = HF_CONTAINER(c->fed.next, struct hf_h2_stream, fed);
        hf_link_remove(&s->fed);
        hf_h2_stream_push(s);
    }
}

/* What follows from all that happened: called when nobody refers to a stream. */
static void settle(struct hf_h2_client *c)
{
    push_fed(c);
    let_go_closed(c);
    if (c->state != HF_H2_CLIENT_OPEN)
        return;
    if (c->broken) {
        close_now(c);
        return;
    }
    if (!hf_wire_backlogged(&c->wire)) {
        c->write_by = (struct hf_mono){0};
        if ((!nghttp2_session_want_read(c->session) && !nghttp2_session_want_write(c->session)) ||
            (c->wire.eof && c->n_streams == 0)) {
            finish(c);
            return;
        }
    }
    if (c->n_streams == 0 && !c->idle_by.ns)
        c->idle_by = after(c, hf_ms(hf_worker_limits(c->worker)->idle_ms));
    hf_worker_await(c->worker, &c->waiting, c->n_streams == 0);
    arm(c);
}

static void on_send(struct hf_task *t)
{
    struct hf_h2_client *c = HF_CONTAINER(t, struct hf_h2_client, send);

    if (c->state != HF_H2_CLIENT_OPEN)
        return;
    push_fed(c);
    hf_h2_output(c);
    drain(c);
    settle(c);
    if (c->state == HF_H2_CLIENT_OPEN && c->readable)
        read_on(c); /* it may have waited for the queue to get shorter */
}

/* ---- receiving ---- */

static bool wants_bytes(const struct hf_h2_client *c)
{
    if (c->state == HF_H2_CLIENT_LINGER)
        return true;
    return c->state == HF_H2_CLIENT_OPEN && !c->failed &&
           nghttp2_session_get_outbound_queue_size(c->session) < QUEUE_MOST;
}

/* Frame by frame, so that each is looked at when all before it are done. */
static void receive_frames(struct hf_h2_client *c, struct hf_str bytes)
{
    c->receiving = true;
    while (bytes.n && !c->failed) {
        struct hf_h2_frame frame;
        struct hf_str part;
        ssize_t n;

        if (hf_h2_frames_next(&c->frames, &bytes, &part, &frame))
            hf_h2_session_frame(c, &frame);
        if (c->failed)
            break;
        n = nghttp2_session_mem_recv(c->session, (const uint8_t *)part.p, part.n);
        if (n < 0)
            hf_h2_client_fail(c,
                              n == NGHTTP2_ERR_BAD_CLIENT_MAGIC ? NGHTTP2_PROTOCOL_ERROR
                                                                : NGHTTP2_ENHANCE_YOUR_CALM,
                              nghttp2_strerror((int)n));
    }
    c->receiving = false;
}

static void take(struct hf_h2_client *c, struct hf_str bytes)
{
    if (c->state != HF_H2_CLIENT_OPEN)
        return;
    receive_frames(c, bytes);
    settle(c);
    if (c->state == HF_H2_CLIENT_OPEN && nghttp2_session_want_write(c->session))
        hf_h2_client_send_soon(c);
}

/* The client sends no more. Half a request will never be whole; the others are answered. */
static void end_of_input(struct hf_h2_client *c)
{
    c->readable = false;
    if (c->state == HF_H2_CLIENT_LINGER) {
        close_now(c);
        return;
    }
    HF_LIST_EACH (l, &c->streams) {
        struct hf_h2_stream *s = HF_CONTAINER(l, struct hf_h2_stream, link);
        s->base.eof = true;
        if (!s->ended)
            hf_h2_stream_reset(s, NGHTTP2_CANCEL);
    }
    hf_h2_client_send_soon(c);
}

/* Returns false when there is nothing more to do now. */
static bool receive(struct hf_h2_client *c)
{
    struct hf_worker *w = c->worker;
    char *to = c->wire.tls ? w->wire_space.plain : w->in;
    size_t size = c->wire.tls ? HF_WIRE_PLAIN : HF_READ_SIZE, n = 0;
    int rc = hf_wire_receive(&c->wire, w, to, size, &n);

    if (rc == HF_EAGAIN) {
        c->readable = false;
        return false;
    }
    if (rc) {
        c->broken = true;
        close_now(c);
        return false;
    }
    if (c->wire.dry && !c->ending && !c->wire.eof)
        c->readable = false; /* epoll(7): a short read means that it is dry, but for the end */
    if (n)
        take(c, (struct hf_str){to, n});
    if (!c->wire.eof || c->state == HF_H2_CLIENT_CLOSED)
        return true;
    end_of_input(c);
    return false;
}

static void read_on(struct hf_h2_client *c)
{
    for (int i = 0; c->state != HF_H2_CLIENT_CLOSED && c->readable && wants_bytes(c); i++) {
        if (i == HF_READS_AT_ONCE) {
            hf_task_add(&c->worker->tasks, &c->go_on);
            return;
        }
        if (!receive(c))
            return;
    }
}

static void on_go_on(struct hf_task *t)
{
    read_on(HF_CONTAINER(t, struct hf_h2_client, go_on));
}

static void on_event(struct hf_watch *watch, uint32_t events)
{
    struct hf_h2_client *c = HF_CONTAINER(watch, struct hf_h2_client, watch);

    c->ending = c->ending || (events & EPOLLRDHUP);
    if ((events & EPOLLERR) || ((events & EPOLLHUP) && c->state == HF_H2_CLIENT_OPEN)) {
        c->broken = true;
        close_now(c);
        return;
    }
    if ((events & EPOLLOUT) && !c->wire.writable) {
        ssize_t sent;
        c->wire.writable = true;
        sent = hf_wire_flush(&c->wire, c->worker);
        c->broken = c->broken || sent < 0;
        if (sent > 0 && hf_wire_backlogged(&c->wire))
            c->write_by = after(c, hf_ms(hf_worker_limits(c->worker)->progress_ms));
        hf_h2_client_send_soon(c);
    }
    if (events & ~(uint32_t)EPOLLOUT) {
        c->readable = true;
        read_on(c);
    }
}

/* ---- leaving ---- */

void hf_h2_client_leave(struct hf_h2_client *c)
{
    static const uint8_t mark[8] = "holdfast";

    if (c->state != HF_H2_CLIENT_OPEN || c->leaving != HF_H2_CLIENT_STAYS)
        return;
    c->leaving = HF_H2_CLIENT_NOTICED;
    nghttp2_submit_shutdown_notice(c->session);
    nghttp2_submit_ping(c->session, NGHTTP2_FLAG_NONE, mark);
    c->leave_by = after(c, hf_seconds(NOTICE_S));
    hf_h2_client_send_soon(c);
}

/* What the client asked for before it heard of it has come: this is the last. */
static void leave_for_good(struct hf_h2_client *c)
{
    c->leave_by = (struct hf_mono){0};
    c->leaving = HF_H2_CLIENT_LEAVES;
    nghttp2_submit_goaway(c->session, NGHTTP2_FLAG_NONE,
                          nghttp2_session_get_last_proc_stream_id(c->session), NGHTTP2_NO_ERROR,
                          NULL, 0);
    hf_h2_client_send_soon(c);
}

/* There is no room for those who come. A request that has arrived just now was not taken, and
 * GOAWAY says so: it can be made again elsewhere. */
static void give_way(struct hf_waiting *waiting)
{
    struct hf_h2_client *c = HF_CONTAINER(waiting, struct hf_h2_client, waiting);

    hf_count_add(&c->worker->live->gave_way, 1);
    hf_h2_client_fail(c, NGHTTP2_NO_ERROR, "it gives way to others");
    hf_h2_output(c);
    hf_wire_end(&c->wire, c->worker);
    close_now(c);
}

static bool is_due(const struct hf_h2_client *c, struct hf_mono at)
{
    return at.ns && !hf_mono_before(hf_worker_now(c->worker), at);
}

static void on_timer(struct hf_timer *t)
{
    struct hf_h2_client *c = HF_CONTAINER(t, struct hf_h2_client, timer);

    if (c->state == HF_H2_CLIENT_LINGER || is_due(c, c->write_by)) {
        close_now(c);
        return;
    }
    if (is_due(c, c->leave_by) && c->leaving == HF_H2_CLIENT_NOTICED)
        leave_for_good(c);
    if (is_due(c, c->head_by)) {
        c->head_by = (struct hf_mono){0};
        hf_h2_client_fail(c, NGHTTP2_ENHANCE_YOUR_CALM, "a field section that does not arrive");
    }
    if (is_due(c, c->idle_by)) {
        c->idle_by = (struct hf_mono){0};
        hf_h2_client_fail(c, NGHTTP2_NO_ERROR, "idle");
    }
    arm(c);
}

/* ---- the beginning ---- */

static struct hf_h2_client *client_get(struct hf_worker *w)
{
    struct hf_h2_client *c = hf_pool_get(&w->h2->clients);
    size_t from = offsetof(struct hf_h2_client, worker);

    if (!c->timer.on_fire)
        hf_timer_init(&c->timer, on_timer);
    memset((char *)c + from, 0, sizeof(*c) - from);
    c->worker = w;
    hf_link_init(&c->link);
    hf_link_init(&c->streams);
    hf_link_init(&c->closed);
    hf_link_init(&c->fed);
    hf_link_init(&c->drained);
    hf_link_init(&c->waiting.link);
    c->waiting.give_way = give_way;
    hf_task_init(&c->go_on, on_go_on);
    hf_task_init(&c->send, on_send);
    return c;
}

void hf_h2_client_take_over(struct hf_worker *w, const struct hf_wire *wire,
                            const struct hf_peer *peer, struct hf_str bytes)
{
    struct hf_h2_client *c = client_get(w);

    c->watch = (struct hf_watch){wire->fd, on_event};
    c->wire = *wire;
    c->frames.left = HF_H2_PREFACE;
    c->peer = *peer;
    hf_h2_guard_init(&c->guard, hf_worker_limits(w)->h2_resets, hf_worker_now(w));
    hf_list_append(&w->h2->all, &c->link);
    hf_count_add(&w->live->connections, 1);
    hf_count_add(&w->live->h2_connections, 1);
    c->head_by = after(c, hf_ms(hf_worker_limits(w)->header_ms)); /* for the client's SETTINGS */
    if (hf_h2_session_new(c) ||
        hf_loop_watch(w->loop, &c->watch, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET)) {
        close_now(c);
        return;
    }
    if (w->leaving)
        hf_h2_client_leave(c);
    hf_h2_client_send_soon(c);
    take(c, bytes);
}
