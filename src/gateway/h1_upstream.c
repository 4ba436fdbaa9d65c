#include "gateway/h1_upstream.h"

#include <errno.h>
#include <sys/socket.h>

#include "gateway/worker.h"
#include "net/proxy_protocol.h"
#include "net/socket.h"

enum { IDLE_MS = 60000 /* a kept connection without use is closed after this time */ };

static const struct hf_upstream_ops ops;

static void on_event(struct hf_watch *watch, uint32_t events);
static void read_on(struct hf_upstream *base);

static struct hf_h1_upstream *of(struct hf_upstream *base)
{
    return HF_CONTAINER(base, struct hf_h1_upstream, base);
}

static void on_idle(struct hf_timer *t)
{
    hf_upstream_close(&HF_CONTAINER(t, struct hf_h1_upstream, timer)->base);
}

static void on_go_on(struct hf_task *t)
{
    read_on(&HF_CONTAINER(t, struct hf_h1_upstream, go_on)->base);
}

static struct hf_h1_upstream *upstream_get(struct hf_worker *w)
{
    struct hf_h1_upstream *u = hf_pool_get(&w->upstreams);
    size_t from = offsetof(struct hf_h1_upstream, in);

    if (!u->timer.on_fire)
        hf_timer_init(&u->timer, on_idle);
    memset((char *)u + from, 0, sizeof(*u) - from);
    u->base = (struct hf_upstream){.ops = &ops, .worker = w};
    hf_link_init(&u->base.link);
    u->watch = (struct hf_watch){.on_event = on_event};
    hf_task_init(&u->go_on, on_go_on);
    return u;
}

enum hf_failure hf_h1_upstream_connect(struct hf_worker *w, struct hf_target *t,
                                       uint8_t proxy_version, struct hf_upstream **ret)
{
    struct hf_h1_upstream *u = upstream_get(w);
    enum hf_failure failure = hf_upstream_dial(w, &t->address, &u->watch, &u->base.connected);

    u->base.target = t;
    u->proxy_version = proxy_version;
    u->header_due = proxy_version != 0;
    u->writable = u->base.connected;
    if (failure == HF_FAILURE_NONE) {
        *ret = &u->base;
        return HF_FAILURE_NONE;
    }
    u->base.closed = true;
    hf_list_append(&w->retired_upstreams, &u->base.link);
    return failure;
}

static void attach(struct hf_upstream *base)
{
    struct hf_h1_upstream *u = of(base);

    hf_timer_stop(&u->timer);
    u->in_body = false;
    u->scanned = 0;
    u->attached_at = hf_worker_now(base->worker);
}

static void close_now(struct hf_upstream *base)
{
    struct hf_h1_upstream *u = of(base);
    struct hf_worker *w = base->worker;

    if (base->closed)
        return;
    base->closed = true;
    if (!base->exchange)
        base->target->n_idle--;
    base->exchange = NULL;
    hf_loop_forget(w->loop, &u->watch);
    hf_upstream_hang_up(w, u->watch.fd);
    hf_timer_stop(&u->timer);
    hf_task_drop(&u->go_on);
    hf_buffer_drop(&w->buffers, &u->in);
    hf_link_remove(&base->link);
    hf_list_append(&w->retired_upstreams, &base->link);
}

static void keep(struct hf_upstream *base)
{
    struct hf_h1_upstream *u = of(base);
    struct hf_target *t = base->target;
    struct hf_worker *w = base->worker;

    if (u->readable || hf_buffer_used(&u->in) || u->proxy_version ||
        t->state != HF_ENDPOINT_READY || !t->known || t->n_idle >= HF_TARGET_IDLE_MOST ||
        w->leaving) {
        close_now(base);
        return;
    }
    base->exchange = NULL;
    base->reused = true;
    base->idle_since = hf_worker_now(w);
    hf_link_remove(&base->link);
    hf_list_push(&t->idle, &base->link);
    t->n_idle++;
    hf_timer_after(w->loop, &u->timer, hf_ms(IDLE_MS));
}

static void read_soon(struct hf_h1_upstream *u)
{
    u->readable = true;
    hf_task_add(&u->base.worker->tasks, &u->go_on);
}

/* The header goes with the request's first bytes. It names the client, or none for a request of the
 * controller's own. Returns bytes of the request, which are none while the header is not out. */
static ssize_t send_with_header(struct hf_h1_upstream *u, struct hf_exchange *x)
{
    const struct hf_peer *peer = x->client->peer;
    struct hf_addr to = peer->destination;
    char header[HF_PROXY_OUT];
    struct iovec pieces[2];
    struct msghdr m = {.msg_iov = pieces, .msg_iovlen = 2};
    size_t size, rest;
    ssize_t n;

    if (to.family == HF_ADDR_NONE) /* it came before anybody wanted to know */
        to.family = peer->address.family;
    size = hf_proxy_write(u->proxy_version, x->probe ? NULL : &peer->address, &to, header);
    rest = size - u->header_sent;
    pieces[0] = (struct iovec){header + u->header_sent, rest};
    pieces[1] = (struct iovec){x->request.p + x->sent, x->request.end - x->sent};
    n = sendmsg(u->watch.fd, &m, MSG_NOSIGNAL);
    if (n < 0)
        return n;
    u->header_due = (size_t)n < rest;
    u->header_sent = (uint8_t)(u->header_due ? u->header_sent + (size_t)n : size);
    return u->header_due ? 0 : n - (ssize_t)rest;
}

static ssize_t send_request(struct hf_h1_upstream *u, struct hf_exchange *x)
{
    if (u->header_due)
        return send_with_header(u, x);
    return send(u->watch.fd, x->request.p + x->sent, x->request.end - x->sent, MSG_NOSIGNAL);
}

static bool push(struct hf_upstream *base)
{
    struct hf_h1_upstream *u = of(base);
    struct hf_exchange *x = base->exchange;

    while (x->sent < x->request.end && u->writable) {
        ssize_t n = send_request(u, x);
        if (n < 0 && errno == EINTR)
            continue;
        if (n >= 0) {
            x->sent += (uint32_t)n;
            continue;
        }
        u->writable = false;
        if (errno != EAGAIN) {
            /* The other side may have answered before it closed: the end shows there. */
            base->deaf = true;
            read_soon(u);
            return false;
        }
    }
    if (x->tunnel && x->request_done && x->sent == x->request.end && !u->shut) {
        u->shut = true;
        shutdown(u->watch.fd, SHUT_WR);
    }
    return true;
}

/* An idle connection speaks only to end: remember how long this endpoint lets one wait. */
static void idle_event(struct hf_h1_upstream *u)
{
    struct hf_target *t = u->base.target;
    int64_t ms = hf_duration_ms(hf_mono_sub(hf_worker_now(u->base.worker), u->base.idle_since));

    if (t->state == HF_ENDPOINT_READY && ms > 0 && (!t->idle_close_ms || ms < t->idle_close_ms))
        t->idle_close_ms = (uint32_t)ms;
    close_now(&u->base);
}

static void finish_connect(struct hf_h1_upstream *u, uint32_t events)
{
    if (hf_socket_error(u->watch.fd)) {
        hf_exchange_upstream_lost(u->base.exchange);
        return;
    }
    if (events & EPOLLOUT) {
        u->base.connected = u->writable = true;
        hf_exchange_connected(u->base.exchange);
    }
}

/* An event of the turn in which a kept connection was taken is older than the request: what came,
 * bytes or an end, answers nothing that was asked there. */
static bool older_than_request(const struct hf_h1_upstream *u, uint32_t events)
{
    return u->base.reused && events & ~(uint32_t)EPOLLOUT &&
           u->attached_at.ns == hf_worker_now(u->base.worker).ns;
}

static void on_event(struct hf_watch *watch, uint32_t events)
{
    struct hf_h1_upstream *u = HF_CONTAINER(watch, struct hf_h1_upstream, watch);

    u->ending = u->ending || (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR));
    if (!u->base.exchange) {
        if (events & ~(uint32_t)EPOLLOUT)
            idle_event(u);
        return;
    }
    if (older_than_request(u, events)) {
        hf_exchange_upstream_lost(u->base.exchange);
        return;
    }
    if (!u->base.connected) {
        finish_connect(u, events);
    } else if ((events & EPOLLOUT) && !u->writable) {
        u->writable = true;
        hf_exchange_writable(u->base.exchange);
    }
    if (!u->base.closed && u->base.exchange && (events & ~(uint32_t)EPOLLOUT)) {
        u->readable = true;
        read_on(&u->base);
    }
}

/* Hands the bytes over; what the exchange does not take yet is kept. */
static void hand_over(struct hf_h1_upstream *u, struct hf_str bytes)
{
    struct hf_exchange *x = u->base.exchange;
    size_t took = hf_h1_response_take(u, bytes);

    if (u->base.closed || u->base.exchange != x)
        return; /* the response is whole, or was given up */
    if (took < bytes.n && hf_buffer_add(&u->base.worker->buffers, &u->in,
                                        (struct hf_str){bytes.p + took, bytes.n - took}))
        hf_exchange_upstream_lost(x);
}

/* One call of recv: into the worker's buffer, or behind what is kept. */
static ssize_t receive(struct hf_h1_upstream *u, struct hf_buffer *kept)
{
    struct hf_worker *w = u->base.worker;
    size_t size = hf_buffers_at_once(&w->buffers);
    char *to = w->in;
    ssize_t n;

    if (hf_buffer_used(kept)) {
        if (hf_buffer_room(&w->buffers, kept, 16384)) {
            errno = EMSGSIZE;
            return -1;
        }
        to = kept->p + kept->end;
        size = kept->size - kept->end;
    }
    n = recv(u->watch.fd, to, size, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        u->readable = errno == EINTR;
        return n;
    }
    if (n >= 0 && (size_t)n < size && !u->ending)
        u->readable = false; /* epoll(7): a short read means that it is dry, but for the end */
    if (n > 0 && hf_buffer_used(kept))
        kept->end += (uint32_t)n;
    return n;
}

static void read_on(struct hf_upstream *base)
{
    struct hf_h1_upstream *u = of(base);
    struct hf_worker *w = base->worker;

    for (int i = 0; u->readable && !u->base.closed && u->base.exchange; i++) {
        struct hf_buffer kept;
        ssize_t n;

        if (!hf_exchange_wants_response(u->base.exchange))
            return;
        if (i == HF_READS_AT_ONCE) {
            read_soon(u);
            return;
        }
        n = receive(u, &u->in);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        if (n <= 0) {
            if (n < 0 || !hf_h1_response_ended(u))
                hf_exchange_upstream_lost(u->base.exchange);
            return;
        }
        /* The exchange may end, and the connection go on with another: it is left clean before. */
        kept = u->in;
        u->in = (struct hf_buffer){0};
        hand_over(u,
                  hf_buffer_used(&kept) ? hf_buffer_str(&kept) : (struct hf_str){w->in, (size_t)n});
        hf_buffer_drop(&w->buffers, &kept);
    }
}

static const struct hf_upstream_ops ops = {
    .attach = attach, .push = push, .read = read_on, .keep = keep, .close = close_now};
