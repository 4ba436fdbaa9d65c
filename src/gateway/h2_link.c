#include <errno.h>
#include <sys/socket.h>

#include "base/log.h"
#include "gateway/attempt.h"
#include "gateway/h2_upstream.h"
#include "gateway/worker.h"
#include "net/socket.h"

enum {
    IDLE_MS = 60000,       /* a link without streams is closed after this time */
    LOOK_MS = 5000,        /* how often a link is looked after */
    PING_AGAIN_MS = 300000 /* servers take offence at more, where nothing else moves */
};

static void on_event(struct hf_watch *watch, uint32_t events);
static void read_on(struct hf_h2_link *l);

/* ---- the end ---- */

static void close_now(struct hf_h2_link *l)
{
    struct hf_worker *w = l->worker;

    if (l->closed)
        return;
    l->closed = l->lost = true;
    hf_loop_unwatch(w->loop, &l->watch);
    hf_upstream_hang_up(w, l->watch.fd);
    hf_timer_stop(&l->timer);
    hf_task_drop(&l->go_on);
    nghttp2_session_del(l->session);
    l->session = NULL;
    hf_buffer_drop(&w->buffers, &l->out);
    hf_h2_fields_drop(&w->buffers, &l->fields);
    l->target->n_links--;
    hf_link_remove(&l->link);
    hf_list_append(&w->retired_links, &l->link);
}

/* With a word of farewell, so that the other side knows that nothing was lost. */
static void close_idle(struct hf_h2_link *l)
{
    if (!l->lost && l->connected && nghttp2_session_terminate_session(l->session, 0) == 0)
        hf_h2_link_flush(l);
    close_now(l);
}

/* All of its streams fail. */
static void lose(struct hf_h2_link *l, enum hf_failure failure)
{
    if (l->closed)
        return;
    l->lost = true;
    hf_h2_response_flush(l);
    while (!hf_link_alone(&l->streams))
        hf_h2_upstream_failed(HF_CONTAINER(l->streams.next, struct hf_h2_upstream, at_link),
                              failure);
    close_now(l);
}

void hf_h2_link_greeted(struct hf_h2_link *l)
{
    uint32_t most =
        nghttp2_session_get_remote_settings(l->session, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);

    l->greeted = true;
    l->target->link_streams = most ? most : 1;
}

void hf_h2_link_settle(struct hf_h2_link *l)
{
    if (l->n_streams)
        return;
    l->idle_since = hf_worker_now(l->worker);
    if (l->leaving || !l->connected)
        hf_task_add(&l->worker->tasks, &l->go_on);
}

void hf_h2_links_leave(struct hf_target *t)
{
    HF_LIST_EACH (at, &t->links) {
        struct hf_h2_link *l = HF_CONTAINER(at, struct hf_h2_link, link);
        l->leaving = true;
        if (l->n_streams == 0)
            hf_task_add(&l->worker->tasks, &l->go_on);
    }
}

/* ---- sending ---- */

/* False: the socket takes no more now, or nothing ever again. */
static bool send_out(struct hf_h2_link *l, struct hf_str s, size_t *sent)
{
    *sent = 0;
    while (*sent < s.n) {
        ssize_t n = send(l->watch.fd, s.p + *sent, s.n - *sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            l->writable = false;
            if (errno != EAGAIN) { /* what it said before it went is still to be read */
                l->readable = true;
                hf_task_add(&l->worker->tasks, &l->go_on);
            }
            return false;
        }
        *sent += (size_t)n;
    }
    return true;
}

/* Sends what is gathered; what the socket does not take is kept. */
static bool send_gathered(struct hf_h2_link *l, struct hf_str s)
{
    size_t sent;

    if (send_out(l, s, &sent))
        return true;
    if (hf_buffer_add(&l->worker->buffers, &l->out, (struct hf_str){s.p + sent, s.n - sent}))
        l->lost = true; /* the buffers of the worker are full */
    return false;
}

static bool send_kept(struct hf_h2_link *l)
{
    size_t sent;
    bool all = send_out(l, hf_buffer_str(&l->out), &sent);

    l->out.start += (uint32_t)sent;
    if (all)
        hf_buffer_drop(&l->worker->buffers, &l->out);
    return all;
}

/* Frames, until there are no more or `to` might not take another one. Returns bytes; *more: there
 * may be more. */
static size_t gather(struct hf_h2_link *l, char *to, bool *more)
{
    const size_t frame = 16384 + 9 + 256;
    size_t used = 0;

    *more = true;
    while (used + frame <= HF_H2_SEND_SIZE) {
        const uint8_t *p;
        ssize_t n = nghttp2_session_mem_send(l->session, &p);

        if (n <= 0 || used + (size_t)n > HF_H2_SEND_SIZE) {
            /* Less than nothing: no memory; more than a frame: nghttp2 is not as we know it. */
            l->lost = l->lost || n != 0;
            *more = false;
            return used;
        }
        memcpy(to + used, p, (size_t)n);
        used += (size_t)n;
    }
    return used;
}

void hf_h2_link_flush(struct hf_h2_link *l)
{
    bool more = true;

    if (l->in_session || !l->connected || l->closed)
        return;
    if (hf_buffer_used(&l->out) && (!l->writable || !send_kept(l)))
        return;
    while (more && l->writable && !l->lost) {
        struct hf_str gathered = {l->worker->h2_out, 0};

        l->in_session = true;
        gathered.n = gather(l, l->worker->h2_out, &more);
        l->in_session = false;
        if (!send_gathered(l, gathered))
            break;
    }
    if (l->lost || !hf_link_alone(&l->moved))
        hf_task_add(&l->worker->tasks, &l->go_on);
}

/* Of these requests more has gone out, when others were pushed or a window opened: their clients
 * may go on, and their clocks run. */
static void tell_moved(struct hf_h2_link *l)
{
    while (!l->closed && !hf_link_alone(&l->moved)) {
        struct hf_h2_upstream *u = HF_CONTAINER(l->moved.next, struct hf_h2_upstream, moved);
        struct hf_exchange *x = u->base.exchange;
        hf_link_remove(&u->moved);
        if (x->state == HF_EXCHANGE_STREAMING)
            hf_attempt_progress(x);
        hf_exchange_writable(x);
    }
}

/* ---- receiving ---- */

static void says_no_http2(const struct hf_h2_link *l)
{
    const struct hf_target *t = l->target;

    hf_warn("endpoint does not answer in HTTP/2, which its service's protocol expects %.*s",
            (int)t->label_n, t->label);
}

/* What came is not HTTP/2. */
static void broken(struct hf_h2_link *l)
{
    if (!l->greeted)
        says_no_http2(l);
    hf_h2_link_flush(l); /* tells the other side why */
    lose(l, HF_FAILURE_INVALID);
}

static void take(struct hf_h2_link *l, struct hf_str bytes)
{
    ssize_t n;

    l->heard_at = hf_worker_now(l->worker);
    l->in_session = true;
    n = nghttp2_session_mem_recv(l->session, (const uint8_t *)bytes.p, bytes.n);
    l->in_session = false;
    hf_h2_response_flush(l);
    if (n < 0) {
        broken(l);
        return;
    }
    hf_h2_link_flush(l);
    if (nghttp2_session_want_read(l->session))
        return;
    if (l->goaway)
        lose(l, HF_FAILURE_LOST);
    else
        broken(l);
}

/* An idle link ends: remember how long this endpoint lets one wait. */
static void ended(struct hf_h2_link *l)
{
    struct hf_target *t = l->target;
    int64_t ms = hf_duration_ms(hf_mono_sub(hf_worker_now(l->worker), l->idle_since));

    if (!l->n_streams && !l->leaving && t->state == HF_ENDPOINT_READY && ms > 0 &&
        (!t->idle_close_ms || ms < t->idle_close_ms))
        t->idle_close_ms = (uint32_t)ms;
    lose(l, HF_FAILURE_LOST);
}

static void read_on(struct hf_h2_link *l)
{
    struct hf_worker *w = l->worker;

    for (int i = 0; l->readable && !l->closed; i++) {
        ssize_t n;

        if (i == HF_READS_AT_ONCE) {
            hf_task_add(&w->tasks, &l->go_on);
            break;
        }
        n = recv(l->watch.fd, w->h2_in, HF_READ_SIZE, 0);
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
            l->readable = errno == EINTR;
            continue;
        }
        if (n <= 0) {
            ended(l);
            return;
        }
        if (n < HF_READ_SIZE && !l->ending)
            l->readable = false; /* epoll(7): a short read means that it is dry, but for the end */
        take(l, (struct hf_str){w->h2_in, (size_t)n});
    }
    tell_moved(l);
}

static void on_go_on(struct hf_task *t)
{
    struct hf_h2_link *l = HF_CONTAINER(t, struct hf_h2_link, go_on);

    if (l->lost) {
        lose(l, HF_FAILURE_LOST);
        return;
    }
    if (l->readable)
        read_on(l);
    tell_moved(l);
    if (!l->closed && l->n_streams == 0 && (l->leaving || !l->connected))
        close_idle(l);
}

/* ---- connecting ---- */

static void connected(struct hf_h2_link *l)
{
    struct hf_link waiting;

    l->connected = l->writable = true;
    l->heard_at = hf_worker_now(l->worker);
    l->in_session = true; /* all of them go out together */
    /* An exchange that is told may end, and others come: those that wait now are told once. */
    hf_link_init(&waiting);
    while (!hf_link_alone(&l->streams)) {
        struct hf_link *at = l->streams.next;
        hf_link_remove(at);
        hf_list_append(&waiting, at);
    }
    while (!hf_link_alone(&waiting)) {
        struct hf_h2_upstream *u = HF_CONTAINER(waiting.next, struct hf_h2_upstream, at_link);
        hf_link_remove(&u->at_link);
        hf_list_append(&l->streams, &u->at_link);
        u->base.connected = true;
        hf_exchange_connected(u->base.exchange);
    }
    l->in_session = false;
    hf_h2_link_flush(l);
}

static void on_event(struct hf_watch *watch, uint32_t events)
{
    struct hf_h2_link *l = HF_CONTAINER(watch, struct hf_h2_link, watch);

    l->ending = l->ending || (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR));
    if (!l->connected) {
        if (hf_socket_error(l->watch.fd)) {
            lose(l, HF_FAILURE_CONNECT);
            return;
        }
        if (events & EPOLLOUT)
            connected(l);
    } else if ((events & EPOLLOUT) && !l->writable) {
        l->writable = true;
        hf_h2_link_flush(l);
    }
    if (!l->closed && (events & ~(uint32_t)EPOLLOUT)) {
        l->readable = true;
        read_on(l);
    }
    tell_moved(l);
}

/* ---- looking after it ---- */

static struct hf_duration silence(const struct hf_h2_link *l)
{
    const struct hf_worker_service *ws = &l->worker->services[l->target->service_slot];
    const struct hf_plan_service *s = hf_worker_policy(l->worker, ws);

    return hf_ms(s && s->idle_ms ? s->idle_ms : IDLE_MS);
}

/* With streams on it, and without a byte for timeout.idle: is anybody there? */
static void ask_if_silent(struct hf_h2_link *l)
{
    struct hf_mono now = hf_worker_now(l->worker);

    if (hf_mono_sub(now, l->heard_at).ns < silence(l).ns)
        return;
    if (hf_mono_before(l->heard_at, l->pinged_at)) { /* the ping was not answered */
        lose(l, HF_FAILURE_LOST);
        return;
    }
    if (l->pinged_at.ns && hf_mono_sub(now, l->pinged_at).ns < hf_ms(PING_AGAIN_MS).ns)
        return;
    l->pinged_at = now;
    if (nghttp2_submit_ping(l->session, NGHTTP2_FLAG_NONE, NULL) == 0)
        hf_h2_link_flush(l);
}

static void on_timer(struct hf_timer *t)
{
    struct hf_h2_link *l = HF_CONTAINER(t, struct hf_h2_link, timer);

    if (l->n_streams && l->connected) {
        ask_if_silent(l);
    } else if (!l->n_streams &&
               hf_mono_sub(hf_worker_now(l->worker), l->idle_since).ns >= hf_ms(IDLE_MS).ns) {
        close_idle(l);
    }
    if (!l->closed)
        hf_timer_after(l->worker->loop, &l->timer, hf_ms(LOOK_MS));
}

/* ---- the beginning ---- */

static uint32_t most_streams(const struct hf_target *t)
{
    uint32_t said = t->link_streams;

    return said && said < HF_H2_LINK_STREAMS ? said : HF_H2_LINK_STREAMS;
}

bool hf_h2_link_has_room(const struct hf_h2_link *l)
{
    return l->n_streams < most_streams(l->target);
}

static struct hf_h2_link *link_get(struct hf_worker *w)
{
    struct hf_h2_link *l = hf_pool_get(&w->h2_links);
    size_t from = offsetof(struct hf_h2_link, worker);

    if (!l->timer.on_fire)
        hf_timer_init(&l->timer, on_timer);
    memset((char *)l + from, 0, sizeof(*l) - from);
    l->worker = w;
    l->watch = (struct hf_watch){.on_event = on_event};
    l->born = l->idle_since = hf_worker_now(w);
    hf_link_init(&l->link);
    hf_link_init(&l->streams);
    hf_link_init(&l->moved);
    hf_task_init(&l->go_on, on_go_on);
    return l;
}

static int begin_session(struct hf_h2_link *l)
{
    static const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, HF_H2_WINDOW},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, HF_H2_HEAD_MOST},
    };
    nghttp2_option *option;
    int rc = nghttp2_option_new(&option);

    if (rc)
        return rc;
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_option_set_peer_max_concurrent_streams(option, most_streams(l->target));
    rc = nghttp2_session_client_new3(&l->session, hf_h2_response_callbacks(), l, option,
                                     &l->worker->h2_memory.mem);
    nghttp2_option_del(option);
    if (!rc)
        rc = nghttp2_submit_settings(l->session, NGHTTP2_FLAG_NONE, settings, HF_COUNT(settings));
    if (!rc)
        rc = nghttp2_session_set_local_window_size(l->session, NGHTTP2_FLAG_NONE, 0,
                                                   HF_H2_LINK_WINDOW);
    return rc;
}

enum hf_failure hf_h2_link_connect(struct hf_worker *w, struct hf_target *t,
                                   struct hf_h2_link **ret)
{
    struct hf_h2_link *l = link_get(w);
    enum hf_failure failure = hf_upstream_dial(w, &t->address, &l->watch, &l->connected);

    l->target = t;
    l->writable = l->connected;
    if (failure == HF_FAILURE_NONE && begin_session(l)) {
        hf_loop_unwatch(w->loop, &l->watch);
        hf_upstream_hang_up(w, l->watch.fd);
        nghttp2_session_del(l->session);
        failure = HF_FAILURE_LOCAL;
    }
    if (failure != HF_FAILURE_NONE) {
        l->closed = true;
        hf_list_append(&w->retired_links, &l->link);
        return failure;
    }
    hf_list_append(&t->links, &l->link);
    t->n_links++;
    hf_timer_after(w->loop, &l->timer, hf_ms(LOOK_MS));
    *ret = l;
    return HF_FAILURE_NONE;
}
