#include "gateway/upstream.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/worker.h"
#include "net/socket.h"

enum { IDLE_MS = 60000 /* a kept connection without use is closed after this time */ };

static void on_event(struct hf_watch *watch, uint32_t events);

static void on_idle(struct hf_timer *t)
{
    hf_upstream_close(HF_CONTAINER(t, struct hf_upstream, timer));
}

static void on_go_on(struct hf_task *t)
{
    hf_upstream_read(HF_CONTAINER(t, struct hf_upstream, go_on));
}

static struct hf_upstream *upstream_get(struct hf_worker *w)
{
    struct hf_upstream *u = hf_pool_get(&w->upstreams);
    size_t from = offsetof(struct hf_upstream, worker);

    if (!u->timer.on_fire)
        hf_timer_init(&u->timer, on_idle);
    memset((char *)u + from, 0, sizeof(*u) - from);
    hf_link_init(&u->link);
    u->worker = w;
    u->watch.on_event = on_event;
    hf_task_init(&u->go_on, on_go_on);
    return u;
}

/* Did it fail for want of something that this process, or this machine, has run out of? */
static enum hf_failure connect_failure(int error)
{
    switch (error) {
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
    case ENOSPC:
    case EADDRNOTAVAIL:
    case EAGAIN:
        return HF_FAILURE_LOCAL;
    default:
        return HF_FAILURE_CONNECT;
    }
}

enum hf_failure hf_upstream_connect(struct hf_worker *w, struct hf_target *t,
                                    struct hf_upstream **ret)
{
    struct sockaddr_storage ss;
    socklen_t size = hf_addr_to_sockaddr(&t->address, &ss);
    struct hf_upstream *u = upstream_get(w);
    int error;

    u->target = t;
    u->watch.fd = socket(ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (u->watch.fd >= 0) {
        hf_socket_nodelay(u->watch.fd);
        u->connected = u->writable = connect(u->watch.fd, (struct sockaddr *)&ss, size) == 0;
        if ((u->connected || errno == EINPROGRESS) &&
            !hf_loop_watch(w->loop, &u->watch, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET)) {
            *ret = u;
            return HF_FAILURE_NONE;
        }
    }
    error = errno;
    if (u->watch.fd >= 0)
        close(u->watch.fd);
    u->closed = true;
    hf_list_append(&w->retired_upstreams, &u->link);
    return connect_failure(error);
}

void hf_upstream_attach(struct hf_upstream *u, struct hf_exchange *x)
{
    u->exchange = x;
    hf_link_remove(&u->link);
    hf_list_append(&u->target->busy, &u->link);
    hf_timer_stop(&u->timer);
}

void hf_upstream_close(struct hf_upstream *u)
{
    struct hf_worker *w = u->worker;

    if (u->closed)
        return;
    u->closed = true;
    if (!u->exchange)
        u->target->n_idle--;
    u->exchange = NULL;
    hf_loop_unwatch(w->loop, &u->watch);
    close(u->watch.fd);
    hf_timer_stop(&u->timer);
    hf_task_drop(&u->go_on);
    hf_buffer_drop(&w->buffers, &u->in);
    hf_link_remove(&u->link);
    hf_list_append(&w->retired_upstreams, &u->link);
}

void hf_upstream_keep(struct hf_upstream *u)
{
    struct hf_target *t = u->target;
    struct hf_worker *w = u->worker;

    if (u->readable || hf_buffer_used(&u->in) || t->state != HF_ENDPOINT_READY || !t->known ||
        t->n_idle >= HF_TARGET_IDLE_MOST || w->leaving) {
        hf_upstream_close(u);
        return;
    }
    u->exchange = NULL;
    u->reused = true;
    u->idle_since = hf_worker_now(w);
    u->scanned = 0;
    hf_link_remove(&u->link);
    hf_list_push(&t->idle, &u->link);
    t->n_idle++;
    hf_timer_after(w->loop, &u->timer, hf_ms(IDLE_MS));
}

ssize_t hf_upstream_send(struct hf_upstream *u, struct hf_str bytes)
{
    ssize_t n;

    do
        n = send(u->watch.fd, bytes.p, bytes.n, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n < 0 && errno == EAGAIN) {
        u->writable = false;
        return 0;
    }
    return n;
}

/* An idle connection speaks only to end: remember how long this endpoint lets one wait. */
static void idle_event(struct hf_upstream *u)
{
    struct hf_target *t = u->target;
    int64_t ms = hf_duration_ms(hf_mono_sub(hf_worker_now(u->worker), u->idle_since));

    if (t->state == HF_ENDPOINT_READY && ms > 0 && (!t->idle_close_ms || ms < t->idle_close_ms))
        t->idle_close_ms = (uint32_t)ms;
    hf_upstream_close(u);
}

static void finish_connect(struct hf_upstream *u, uint32_t events)
{
    if (hf_socket_error(u->watch.fd)) {
        hf_exchange_upstream_lost(u->exchange, false);
        return;
    }
    if (events & EPOLLOUT) {
        u->connected = u->writable = true;
        hf_exchange_connected(u->exchange);
    }
}

static void on_event(struct hf_watch *watch, uint32_t events)
{
    struct hf_upstream *u = HF_CONTAINER(watch, struct hf_upstream, watch);

    u->ending = u->ending || (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR));
    if (!u->exchange) {
        if (events & ~(uint32_t)EPOLLOUT)
            idle_event(u);
        return;
    }
    if (!u->connected) {
        finish_connect(u, events);
    } else if ((events & EPOLLOUT) && !u->writable) {
        u->writable = true;
        hf_exchange_writable(u->exchange);
    }
    if (!u->closed && u->exchange && (events & ~(uint32_t)EPOLLOUT)) {
        u->readable = true;
        hf_upstream_read(u);
    }
}

/* Hands the bytes over; what the exchange does not take yet is kept. */
static void hand_over(struct hf_upstream *u, struct hf_str bytes)
{
    struct hf_exchange *x = u->exchange;
    size_t took = hf_exchange_received(x, bytes);

    if (u->closed || u->exchange != x)
        return; /* the response is whole, or was given up */
    if (took < bytes.n &&
        hf_buffer_add(&u->worker->buffers, &u->in, (struct hf_str){bytes.p + took, bytes.n - took}))
        hf_exchange_upstream_lost(x, false);
}

/* One call of recv: into the worker's buffer, or behind what is kept. */
static ssize_t receive(struct hf_upstream *u, struct hf_buffer *kept)
{
    struct hf_worker *w = u->worker;
    size_t size = HF_READ_SIZE;
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

void hf_upstream_read_soon(struct hf_upstream *u)
{
    u->readable = true;
    hf_task_add(&u->worker->tasks, &u->go_on);
}

void hf_upstream_read(struct hf_upstream *u)
{
    struct hf_worker *w = u->worker;

    for (int i = 0; u->readable && !u->closed && u->exchange; i++) {
        struct hf_buffer kept;
        ssize_t n;

        if (!hf_exchange_wants_response(u->exchange))
            return;
        if (i == HF_READS_AT_ONCE) {
            hf_upstream_read_soon(u);
            return;
        }
        n = receive(u, &u->in);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        if (n <= 0) {
            hf_exchange_upstream_lost(u->exchange, n == 0);
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
