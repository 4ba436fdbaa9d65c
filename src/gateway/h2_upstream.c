#include "gateway/h2_upstream.h"

#include "gateway/attempt.h"
#include "gateway/response.h"
#include "gateway/worker.h"

enum {
    FRESH_MS = 1000,   /* idle for at most this long: good for what cannot be repeated */
    SUSPECT_MS = 1000, /* given up after so long without a byte on the link: it may be dead */
    FIELDS_MOST = HF_H1_FIELDS + 16,
};

static const struct hf_upstream_ops ops;

static struct hf_h2_upstream *of(struct hf_upstream *base)
{
    return HF_CONTAINER(base, struct hf_h2_upstream, base);
}

/* ---- finding a link ---- */

static bool idle_ms_at_most(const struct hf_h2_link *l, int64_t most)
{
    return l->n_streams ||
           hf_duration_ms(hf_mono_sub(hf_worker_now(l->worker), l->idle_since)) <= most;
}

/* As with kept connections of HTTP/1.1: a request that cannot be repeated takes no link that the
 * other side may be about to close; one that has just met such a link takes only a younger one. */
static bool fits(const struct hf_h2_link *l, const struct hf_exchange *x)
{
    int64_t most = FRESH_MS;

    if (l->leaving || l->lost || !nghttp2_session_check_request_allowed(l->session))
        return false;
    if (x->stale && hf_mono_before(l->born, x->arrived))
        return false;
    if (x->idempotent || !l->connected)
        return true;
    if (l->target->idle_close_ms && l->target->idle_close_ms / 2 < most)
        most = l->target->idle_close_ms / 2;
    return idle_ms_at_most(l, most);
}

static enum hf_failure find_link(struct hf_exchange *x, struct hf_target *t,
                                 struct hf_h2_link **ret)
{
    struct hf_h2_link *emptiest = NULL;

    HF_LIST_EACH (at, &t->links) {
        struct hf_h2_link *l = HF_CONTAINER(at, struct hf_h2_link, link);
        if (!fits(l, x))
            continue;
        if (hf_h2_link_has_room(l)) {
            *ret = l;
            return HF_FAILURE_NONE;
        }
        if (!emptiest || l->n_streams < emptiest->n_streams)
            emptiest = l;
    }
    if (t->n_links < HF_H2_LINKS_MOST || !emptiest)
        return hf_h2_link_connect(x->worker, t, ret);
    *ret = emptiest; /* it waits there for another one's end */
    return HF_FAILURE_NONE;
}

enum hf_failure hf_h2_upstream_open(struct hf_exchange *x, struct hf_target *t,
                                    struct hf_upstream **ret)
{
    struct hf_worker *w = x->worker;
    struct hf_h2_link *l;
    struct hf_h2_upstream *u;
    enum hf_failure failure = find_link(x, t, &l);

    if (failure != HF_FAILURE_NONE)
        return failure;
    u = hf_pool_get(&w->h2_upstreams);
    memset(u, 0, sizeof(*u));
    u->base = (struct hf_upstream){.ops = &ops, .worker = w, .target = t};
    u->base.connected = l->connected;
    u->base.reused = l->greeted;
    u->on = l;
    u->opened_at = hf_worker_now(w);
    hf_link_init(&u->base.link);
    hf_link_init(&u->moved);
    hf_link_init(&u->at_link);
    hf_list_append(&l->streams, &u->at_link);
    l->n_streams++;
    *ret = &u->base;
    return HF_FAILURE_NONE;
}

/* ---- leaving it ---- */

void hf_h2_upstream_detach(struct hf_h2_upstream *u)
{
    struct hf_h2_link *l = u->on;
    struct hf_worker *w = u->base.worker;

    if (u->base.closed)
        return;
    u->base.closed = true;
    u->base.exchange = NULL;
    if (u->id && !l->lost)
        nghttp2_session_set_stream_user_data(l->session, u->id, NULL);
    if (l->open == u)
        l->open = NULL;
    hf_buffer_drop(&w->buffers, &u->in);
    hf_link_remove(&u->moved);
    hf_link_remove(&u->at_link);
    hf_link_remove(&u->base.link);
    hf_list_append(&w->retired_h2_upstreams, &u->base.link);
    l->n_streams--;
    hf_h2_link_settle(l);
}

static bool over(const struct hf_h2_upstream *u)
{
    return nghttp2_session_get_stream_local_close(u->on->session, u->id) == 1 && u->ended;
}

static void close_now(struct hf_upstream *base)
{
    struct hf_h2_upstream *u = of(base);
    struct hf_h2_link *l = u->on;
    struct hf_duration lasted = hf_mono_sub(hf_worker_now(base->worker), u->opened_at);
    bool reset = u->id && !l->lost && !base->closed && !over(u);

    if (reset) {
        /* Given up, and not a byte of anything came meanwhile: it gets no more. */
        l->leaving = l->leaving || (hf_mono_before(l->heard_at, u->opened_at) &&
                                    lasted.ns >= hf_ms(SUSPECT_MS).ns);
        nghttp2_submit_rst_stream(l->session, NGHTTP2_FLAG_NONE, u->id, NGHTTP2_CANCEL);
    }
    hf_h2_upstream_detach(u);
    if (reset)
        hf_h2_link_flush(l);
}

void hf_h2_upstream_failed(struct hf_h2_upstream *u, enum hf_failure failure)
{
    struct hf_exchange *x = u->base.exchange;

    hf_h2_response_flush(u->on);
    if (u->base.exchange != x)
        return; /* its client left just now */
    if (x->state == HF_EXCHANGE_STREAMING)
        hf_response_broken(x);
    else if (u->base.connected && !u->sent)
        hf_attempt_failed(x, HF_FAILURE_REFUSED); /* it waited for its turn */
    else if (failure == HF_FAILURE_LOST || failure == HF_FAILURE_CONNECT)
        hf_exchange_upstream_lost(x);
    else
        hf_attempt_failed(x, failure);
}

/* ---- the request ---- */

struct fields {
    nghttp2_nv nv[FIELDS_MOST];
    size_t n;
    bool full;
};

static void add(struct fields *f, struct hf_str name, struct hf_str value)
{
    if (f->n == FIELDS_MOST) {
        f->full = true;
        return;
    }
    f->nv[f->n++] = (nghttp2_nv){.name = (uint8_t *)name.p,
                                 .namelen = name.n,
                                 .value = (uint8_t *)value.p,
                                 .valuelen = value.n};
}

/* Lines as rewrite.c writes them, "name: value\r\n", from p to end. Names in lower case already. */
static void add_lines(struct fields *f, const char *p, const char *end)
{
    while (p < end && !f->full) {
        const char *colon = memchr(p, ':', (size_t)(end - p));
        const char *cr = memchr(p, '\r', (size_t)(end - p));

        if (!colon || !cr || cr < colon + 2)
            return; /* the empty line */
        add(f, (struct hf_str){p, (size_t)(colon - p)},
            (struct hf_str){colon + 2, (size_t)(cr - colon - 2)});
        p = cr + 2;
    }
}

/* "POST /a HTTP/1.1\r\nhost: b\r\nname: value\r\n\r\n" */
static void add_head(struct fields *f, const struct hf_exchange *x)
{
    const char *p = x->request.p, *host = p + x->host_at;

    add(f, HF_STR(":method"), (struct hf_str){p, x->method_n});
    add(f, HF_STR(":scheme"), HF_STR("http"));
    if (x->host_n)
        add(f, HF_STR(":authority"), (struct hf_str){host, x->host_n});
    add(f, HF_STR(":path"), (struct hf_str){p + x->url_at, x->url_n});
    add_lines(f, host + x->host_n + 2, p + x->head_size);
}

/* Where the trailer lines begin. */
static uint32_t body_end(const struct hf_exchange *x)
{
    return x->request.end - x->trailers_n;
}

static bool submit_trailers(struct hf_h2_upstream *u, const struct hf_exchange *x)
{
    struct fields f;

    f.n = 0;
    f.full = false;
    add_lines(&f, x->request.p + body_end(x), x->request.p + x->request.end);
    return nghttp2_submit_trailer(u->on->session, u->id, f.nv, f.n) == 0;
}

ssize_t hf_h2_request_read(nghttp2_session *session, int32_t id, uint8_t *buf, size_t size,
                           uint32_t *flags, nghttp2_data_source *source, void *arg)
{
    struct hf_h2_upstream *u = nghttp2_session_get_stream_user_data(session, id);
    struct hf_h2_link *l = arg;
    struct hf_exchange *x;
    size_t n;

    (void)source;
    if (!u)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE; /* given up: a reset is on its way */
    x = u->base.exchange;
    n = body_end(x) - x->sent;
    if (n > size)
        n = size;
    if (n)
        memcpy(buf, x->request.p + x->sent, n);
    x->sent += (uint32_t)n;
    if (x->request_done && x->sent == body_end(x)) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        if (x->trailers_n) {
            *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
            if (!submit_trailers(u, x))
                return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
            x->sent = x->request.end;
        }
    } else if (n == 0) {
        u->deferred = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    if (!u->pushing && hf_link_alone(&u->moved))
        hf_list_append(&l->moved, &u->moved);
    return (ssize_t)n;
}

static bool open_stream(struct hf_h2_upstream *u)
{
    struct hf_exchange *x = u->base.exchange;
    nghttp2_data_provider body = {.read_callback = hf_h2_request_read};
    bool has_body = !x->request_done || x->request.end > x->head_size;
    struct fields f;
    int32_t id;

    f.n = 0;
    f.full = false;
    add_head(&f, x);
    id = nghttp2_submit_request(u->on->session, NULL, f.nv, f.n, has_body ? &body : NULL, u);
    if (id < 0 || f.full)
        return false;
    u->id = id;
    x->sent = x->head_size;
    return true;
}

static bool push(struct hf_upstream *base)
{
    struct hf_h2_upstream *u = of(base);
    struct hf_h2_link *l = u->on;

    if (l->lost)
        return false;
    if (!u->id && !open_stream(u)) {
        l->lost = true; /* no memory, or its numbers are used up: a new link takes them all */
        hf_task_add(&base->worker->tasks, &l->go_on);
        return false;
    }
    if (u->deferred) {
        struct hf_exchange *x = base->exchange;
        if (x->sent < x->request.end || x->request_done) {
            u->deferred = false;
            nghttp2_session_resume_data(l->session, u->id);
        }
    }
    u->pushing = true;
    hf_h2_link_flush(l);
    u->pushing = false;
    return !l->lost;
}

/* ---- the other operations ---- */

static void attach(struct hf_upstream *base)
{
    (void)base; /* a stream is new with each exchange */
}

static void read_on(struct hf_upstream *base)
{
    hf_h2_response_resume(of(base));
}

static const struct hf_upstream_ops ops = {
    .attach = attach, .push = push, .read = read_on, .keep = close_now, .close = close_now};
