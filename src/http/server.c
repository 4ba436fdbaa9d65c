#include "http/server.h"

#include <assert.h>
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "http/h1_chunk.h"
#include "http/h1_framing.h"
#include "http/h1_write.h"
#include "http/response.h"
#include "http/url.h"
#include "net/socket.h"

enum { BLOCK = 16384, PATH_MOST = 8192, ACCEPT_BATCH = 16 };

struct hf_http_server {
    struct hf_loop *loop;
    struct hf_http_server_options options;
    struct hf_link listeners, connections;
    unsigned n_connections;
    bool stopping;
    struct hf_date_cache date;
};

struct listener {
    struct hf_link link;
    struct hf_http_server *server;
    struct hf_watch watch;
    struct hf_timer pause; /* out of descriptors: accepts again when it fires */
    void *tag;
};

enum state {
    READING,   /* a request, or nothing yet */
    HANDLING,  /* the handler has it, and has not answered */
    STREAMING, /* the answer has begun */
    FLUSHING,  /* the answer is complete and on its way */
    CLOSING,   /* closing at once could destroy the answer on its way: reads, and throws away */
};

struct connection {
    struct hf_link link;
    struct hf_http_server *server;
    struct hf_watch watch;
    uint32_t events;
    struct hf_timer timer;
    enum state state;
    bool advancing; /* advance() is on the stack and will look at `in` again */
    bool resume;    /* bytes of a further request are in `in`: to be looked at in the next turn */
    bool broken;    /* to be freed as soon as no caller has it in hand */
    bool keep_alive, chunked_answer, no_body, continued;
    struct hf_text in, body, out, fields;
    size_t scanned, head_bytes, sent;
    const char *parsed_at; /* where `in` was when the head was parsed */
    struct hf_h1_head head;
    struct hf_h1_framing framing;
    struct hf_h1_chunk chunk;
    char path[PATH_MOST];
    struct hf_http_exchange exchange;
};

const struct hf_http_server_options hf_http_server_defaults = {
    .connections = 256,
    .body = 1 << 20,
    .queue = 1 << 20,
    .idle = {60 * HF_NS_PER_S},
    .request = {10 * HF_NS_PER_S},
    .progress = {30 * HF_NS_PER_S},
};
static const struct hf_duration lingering = {2 * HF_NS_PER_S};
static const struct hf_duration accept_pause = {100 * HF_NS_PER_MS};

static struct connection *connection_of(struct hf_http_exchange *x)
{
    return HF_CONTAINER(x, struct connection, exchange);
}

static bool pending(const struct connection *c)
{
    return c->sent < c->out.n;
}

static void connection_free(struct connection *c)
{
    bool open = c->state == HANDLING || c->state == STREAMING;

    hf_loop_unwatch(c->server->loop, &c->watch);
    close(c->watch.fd);
    hf_timer_done(&c->timer);
    hf_link_remove(&c->link);
    c->server->n_connections--;
    if (open && c->exchange.on_gone)
        c->exchange.on_gone(&c->exchange);
    hf_text_done(&c->in);
    hf_text_done(&c->body);
    hf_text_done(&c->out);
    hf_text_done(&c->fields);
    hf_free(c);
}

/* Who calls the answer functions may be anywhere; so a connection is freed from its own events and
 * timer only. */
static void set_broken(struct connection *c)
{
    c->broken = true;
    hf_timer_set(c->server->loop, &c->timer, hf_loop_now(c->server->loop));
}

static void update_events(struct connection *c)
{
    uint32_t events = 0;

    switch (c->state) {
    case READING:
        events = EPOLLIN | (c->resume ? EPOLLOUT : 0U);
        break;
    case HANDLING:
    case STREAMING:
        events = EPOLLRDHUP | (pending(c) ? EPOLLOUT : 0U);
        break;
    case FLUSHING:
        events = EPOLLOUT;
        break;
    case CLOSING:
        events = EPOLLIN;
        break;
    }
    if (events != c->events)
        hf_loop_rewatch(c->server->loop, &c->watch, events);
    c->events = events;
}

/* One timer for whatever the state has to wait for. */
static void update_timer(struct connection *c)
{
    const struct hf_http_server_options *o = &c->server->options;
    struct hf_loop *loop = c->server->loop;

    if (c->broken)
        return;
    switch (c->state) {
    case READING:
        hf_timer_after(loop, &c->timer, c->in.n ? o->request : o->idle);
        break;
    case HANDLING:
    case STREAMING:
    case FLUSHING:
        if (pending(c))
            hf_timer_after(loop, &c->timer, o->progress);
        else
            hf_timer_stop(&c->timer);
        break;
    case CLOSING:
        hf_timer_after(loop, &c->timer, lingering);
        break;
    }
}

static void set_state(struct connection *c, enum state state)
{
    c->state = state;
    update_events(c);
    update_timer(c);
}

static void cut_front(struct hf_text *t, size_t at, size_t n)
{
    memmove(t->p + at, t->p + at + n, t->n - at - n);
    t->n -= n;
}

/* The answer is out. A connection that goes on may have the next request in `in` already. */
static void answer_complete(struct connection *c)
{
    size_t used = c->head_bytes;

    if (c->framing.kind == HF_H1_BODY_LENGTH)
        used += (size_t)c->framing.length;
    if (!c->keep_alive || c->server->stopping) {
        shutdown(c->watch.fd, SHUT_WR);
        set_state(c, CLOSING);
        return;
    }
    cut_front(&c->in, 0, used);
    c->head_bytes = c->scanned = 0;
    c->continued = false;
    hf_text_clear(&c->body);
    c->resume = c->in.n && !c->advancing;
    set_state(c, READING);
}

static void flush(struct connection *c)
{
    while (pending(c) && !c->broken) {
        ssize_t n = send(c->watch.fd, c->out.p + c->sent, c->out.n - c->sent, MSG_NOSIGNAL);
        if (n > 0) {
            c->sent += (size_t)n;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            if (c->sent > c->server->options.queue) {
                cut_front(&c->out, 0, c->sent);
                c->sent = 0;
            }
            break;
        } else if (errno != EINTR) {
            set_broken(c);
        }
    }
    if (!pending(c)) {
        hf_text_clear(&c->out);
        c->sent = 0;
        if (c->state == FLUSHING && !c->broken) {
            answer_complete(c);
            return;
        }
    }
    update_events(c);
    update_timer(c);
}

/* A negative length: an answer in pieces. */
static void put_head(struct connection *c, unsigned status, struct hf_str type, ssize_t length)
{
    struct hf_str date = hf_date(&c->server->date, hf_wall_now());

    c->no_body = c->head.method_id == HF_METHOD_HEAD || status == 204 || status == 304;
    c->chunked_answer = length < 0 && c->head.minor && !c->no_body;
    if ((length < 0 && !c->chunked_answer && !c->no_body) || c->server->stopping)
        c->keep_alive = false;
    hf_text_addf(&c->out, "HTTP/1.1 %u " HF_STR_FMT "\r\ndate: " HF_STR_FMT "\r\n", status,
                 HF_STR_ARG(hf_http_reason(status)), HF_STR_ARG(date));
    if (type.n)
        hf_text_addf(&c->out, "content-type: " HF_STR_FMT "\r\n", HF_STR_ARG(type));
    if (length >= 0 && status != 204 && status != 304)
        hf_text_addf(&c->out, "content-length: %zd\r\n", length);
    if (c->chunked_answer)
        hf_text_add(&c->out, HF_STR("transfer-encoding: chunked\r\n"));
    if (!c->keep_alive)
        hf_text_add(&c->out, HF_STR("connection: close\r\n"));
    else if (!c->head.minor)
        hf_text_add(&c->out, HF_STR("connection: keep-alive\r\n"));
    hf_text_add(&c->out, hf_text_str(&c->fields));
    hf_text_add(&c->out, HF_STR("\r\n"));
    hf_text_clear(&c->fields);
}

static void put_answer(struct connection *c, unsigned status, struct hf_str type,
                       struct hf_str body)
{
    put_head(c, status, type, (ssize_t)body.n);
    if (!c->no_body)
        hf_text_add(&c->out, body);
    c->state = FLUSHING;
    flush(c);
}

static void add_json(struct hf_text *t, struct hf_str s)
{
    hf_text_add(t, HF_STR("\""));
    for (size_t i = 0; i < s.n; i++) {
        unsigned char b = (unsigned char)s.p[i];
        if (b < 0x20 || b == '"' || b == '\\' || b == 0x7f)
            hf_text_addf(t, "\\u%04x", b);
        else
            hf_text_add(t, (struct hf_str){s.p + i, 1});
    }
    hf_text_add(t, HF_STR("\""));
}

static void put_problem(struct connection *c, unsigned status, struct hf_str detail)
{
    struct hf_text HF_AUTOTEXT t = {0};

    hf_text_add(&t, HF_STR("{\"type\": \"about:blank\", \"title\": "));
    add_json(&t, hf_http_reason(status));
    hf_text_addf(&t, ", \"status\": %u, \"detail\": ", status);
    add_json(&t, detail);
    hf_text_add(&t, HF_STR("}\n"));
    put_answer(c, status, HF_STR("application/problem+json"), hf_text_str(&t));
}

/* An answer of the server itself, to what never becomes a request. */
static void refuse(struct connection *c, unsigned status, const char *detail)
{
    c->keep_alive = false;
    put_problem(c, status, hf_str(detail));
}

static void refuse_error(struct connection *c, ssize_t rc)
{
    enum hf_h1_error err = (enum hf_h1_error) - rc;

    refuse(c, hf_h1_error_status(err), hf_h1_error_text(err));
}

static void dispatch(struct connection *c, struct hf_str body)
{
    struct hf_http_server *s = c->server;
    struct hf_http_exchange *x = &c->exchange;
    struct hf_str path;

    if (c->parsed_at != c->in.p) { /* the bytes have moved since */
        size_t scanned = 0;
        ssize_t rc =
            hf_h1_parse_request(hf_text_str(&c->in), &scanned, &hf_h1_limits_control, &c->head);
        assert(rc == (ssize_t)c->head_bytes);
    }
    *x = (struct hf_http_exchange){.head = &c->head, .body = body, .listener = x->listener};
    hf_url_split(c->head.origin, &path, &x->query);
    if (hf_str_eq(path, HF_STR("*"))) {
        x->path = path;
    } else if (hf_path_normalise(path, c->path, sizeof(c->path), &x->path)) {
        refuse(c, 400, "the path has no normal form");
        return;
    }
    set_state(c, HANDLING);
    s->options.on_request(x, s->options.arg);
    assert((c->state != HANDLING && c->state != STREAMING) || x->on_gone || c->broken);
}

static void ask_for_body(struct connection *c)
{
    if (!c->framing.expect_continue || c->continued || c->in.n > c->head_bytes)
        return;
    c->continued = true;
    hf_text_add(&c->out, HF_STR("HTTP/1.1 100 Continue\r\n\r\n"));
    flush(c);
}

/* Takes the coding off what is there. Returns true when the request has been taken care of. */
static bool read_chunked(struct connection *c)
{
    struct hf_h1_trailers trailers;
    struct hf_str data;
    ssize_t rc;

    do {
        struct hf_str bytes = {c->in.p + c->head_bytes, c->in.n - c->head_bytes};
        rc = hf_h1_chunk_feed(&c->chunk, bytes, &data, &trailers);
        if (rc < 0) {
            refuse_error(c, rc);
            return true;
        }
        if (data.n > c->server->options.body - c->body.n) {
            refuse(c, 413, "the request body is too large");
            return true;
        }
        hf_text_add(&c->body, data);
        cut_front(&c->in, c->head_bytes, (size_t)rc);
    } while (rc > 0 && !hf_h1_chunk_done(&c->chunk));
    if (!hf_h1_chunk_done(&c->chunk))
        return false;
    dispatch(c, hf_text_str(&c->body));
    return true;
}

static bool read_head(struct connection *c)
{
    ssize_t rc =
        hf_h1_parse_request(hf_text_str(&c->in), &c->scanned, &hf_h1_limits_control, &c->head);
    int err;

    if (rc == 0)
        return false;
    if (rc < 0) {
        c->head.method_id = HF_METHOD_OTHER;
        c->head.minor = 1;
        refuse_error(c, rc);
        return true;
    }
    c->parsed_at = c->in.p;
    err = hf_h1_request_framing(&c->head, &c->framing);
    if (err) {
        refuse_error(c, err);
        return true;
    }
    if (c->framing.length > c->server->options.body) {
        refuse(c, 413, "the request body is too large");
        return true;
    }
    c->head_bytes = (size_t)rc;
    c->keep_alive = c->framing.keep_alive;
    hf_h1_chunk_init(&c->chunk);
    return true;
}

/* Goes as far as the bytes in `in` allow. */
static void advance(struct connection *c)
{
    c->resume = false;
    c->advancing = true;
    while (c->state == READING && !c->broken && c->in.n) {
        struct hf_str body;
        if (c->head_bytes == 0) {
            if (!read_head(c))
                break;
            continue;
        }
        if (c->framing.kind == HF_H1_BODY_CHUNKED) {
            if (read_chunked(c))
                continue;
            ask_for_body(c);
            break;
        }
        body = (struct hf_str){c->in.p + c->head_bytes, (size_t)c->framing.length};
        if (c->in.n - c->head_bytes < body.n) {
            ask_for_body(c);
            break;
        }
        dispatch(c, body);
    }
    c->advancing = false;
}

/* Returns false at the end of the stream. */
static bool read_some(struct connection *c)
{
    char block[BLOCK];
    ssize_t n = recv(c->watch.fd, block, sizeof(block), 0);
    bool first = c->in.n == 0;

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return true;
    if (n <= 0)
        return false;
    if (c->state == READING) {
        hf_text_add(&c->in, (struct hf_str){block, (size_t)n});
        if (first)
            update_timer(c); /* from the first byte on, whatever comes later */
    }
    return true;
}

static void on_connection(struct hf_watch *w, uint32_t events)
{
    struct connection *c = HF_CONTAINER(w, struct connection, watch);
    bool gone = false;

    switch (c->state) {
    case READING:
        if (events & ~(uint32_t)EPOLLOUT)
            gone = !read_some(c);
        if (!gone)
            advance(c);
        break;
    case HANDLING:
    case STREAMING:
        gone = (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
        if (!gone)
            flush(c);
        break;
    case FLUSHING:
        flush(c);
        break;
    case CLOSING:
        gone = !read_some(c);
        break;
    }
    if (gone || c->broken)
        connection_free(c);
}

static void on_timer(struct hf_timer *t)
{
    struct connection *c = HF_CONTAINER(t, struct connection, timer);

    if (c->broken || c->state != READING || c->in.n == 0) {
        connection_free(c);
        return;
    }
    c->head.method_id = HF_METHOD_OTHER;
    c->head.minor = 1;
    refuse(c, 408, "the request did not arrive in time");
}

static void take_connection(struct listener *l, int fd)
{
    static const char busy[] = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n"
                               "retry-after: 1\r\nconnection: close\r\n\r\n";
    struct hf_http_server *s = l->server;
    struct connection *c;

    if (s->n_connections >= s->options.connections) {
        ssize_t sent = send(fd, busy, sizeof(busy) - 1, MSG_NOSIGNAL);
        (void)sent; /* it is a courtesy */
        close(fd);
        return;
    }
    hf_socket_nodelay(fd);
    c = hf_alloc(sizeof(*c));
    c->server = s;
    c->watch = (struct hf_watch){.fd = fd, .on_event = on_connection};
    c->exchange.listener = l->tag;
    hf_timer_init(&c->timer, on_timer);
    c->events = EPOLLIN;
    if (hf_loop_watch(s->loop, &c->watch, c->events)) {
        close(fd);
        hf_free(c);
        return;
    }
    hf_list_append(&s->connections, &c->link);
    s->n_connections++;
    set_state(c, READING);
}

static void on_listener(struct hf_watch *w, uint32_t events)
{
    struct listener *l = HF_CONTAINER(w, struct listener, watch);

    (void)events;
    for (int i = 0; i < ACCEPT_BATCH; i++) {
        int fd = accept4(w->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            take_connection(l, fd);
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            hf_loop_unwatch(l->server->loop, w);
            hf_timer_after(l->server->loop, &l->pause, accept_pause);
        }
        if (errno != ECONNABORTED && errno != EINTR)
            return;
    }
}

static void on_pause_over(struct hf_timer *t)
{
    struct listener *l = HF_CONTAINER(t, struct listener, pause);

    if (hf_loop_watch(l->server->loop, &l->watch, EPOLLIN))
        hf_timer_after(l->server->loop, &l->pause, accept_pause);
}

int hf_http_server_new(struct hf_loop *loop, const struct hf_http_server_options *options,
                       struct hf_http_server **ret)
{
    struct hf_http_server *s;

    if (!options->on_request || options->connections == 0)
        return HF_EINVAL;
    s = hf_alloc(sizeof(*s));
    s->loop = loop;
    s->options = *options;
    hf_link_init(&s->listeners);
    hf_link_init(&s->connections);
    *ret = s;
    return 0;
}

int hf_http_server_listen_take(struct hf_http_server *s, int fd, void *tag)
{
    struct listener *l = hf_alloc(sizeof(*l));

    l->server = s;
    l->watch = (struct hf_watch){.fd = fd, .on_event = on_listener};
    l->tag = tag;
    hf_timer_init(&l->pause, on_pause_over);
    if (hf_loop_watch(s->loop, &l->watch, EPOLLIN)) {
        hf_free(l);
        return HF_EIO;
    }
    hf_list_append(&s->listeners, &l->link);
    return 0;
}

void hf_http_server_stop(struct hf_http_server *s)
{
    s->stopping = true;
    HF_LIST_EACH (it, &s->listeners) {
        struct listener *l = HF_CONTAINER(it, struct listener, link);
        hf_loop_unwatch(s->loop, &l->watch);
        hf_timer_done(&l->pause);
        hf_link_remove(&l->link);
        close(l->watch.fd);
        hf_free(l);
    }
    HF_LIST_EACH (it, &s->connections) {
        struct connection *c = HF_CONTAINER(it, struct connection, link);
        if (c->state == READING && c->in.n == 0)
            connection_free(c);
    }
}

struct hf_http_server *hf_http_server_free(struct hf_http_server *s)
{
    if (!s)
        return NULL;
    hf_http_server_stop(s);
    while (!hf_link_alone(&s->connections))
        connection_free(HF_CONTAINER(s->connections.next, struct connection, link));
    return hf_free(s);
}

unsigned hf_http_server_connections(const struct hf_http_server *s)
{
    return s->n_connections;
}

void hf_http_answer_field(struct hf_http_exchange *x, struct hf_str name, struct hf_str value)
{
    struct connection *c = connection_of(x);

    assert(c->state == HANDLING);
    hf_text_add(&c->fields, name);
    hf_text_add(&c->fields, HF_STR(": "));
    hf_text_add(&c->fields, value);
    hf_text_add(&c->fields, HF_STR("\r\n"));
}

void hf_http_answer(struct hf_http_exchange *x, unsigned status, struct hf_str content_type,
                    struct hf_str body)
{
    struct connection *c = connection_of(x);

    assert(c->state == HANDLING);
    put_answer(c, status, content_type, body);
}

void hf_http_answer_problem(struct hf_http_exchange *x, unsigned status, struct hf_str detail)
{
    struct connection *c = connection_of(x);

    assert(c->state == HANDLING);
    put_problem(c, status, detail);
}

void hf_http_answer_begin(struct hf_http_exchange *x, unsigned status, struct hf_str content_type)
{
    struct connection *c = connection_of(x);

    assert(c->state == HANDLING);
    put_head(c, status, content_type, -1);
    c->state = STREAMING;
    flush(c);
}

int hf_http_answer_data(struct hf_http_exchange *x, struct hf_str data)
{
    struct connection *c = connection_of(x);

    assert(c->state == STREAMING);
    if (data.n == 0 || c->no_body || c->broken)
        return 0;
    if (c->out.n - c->sent + data.n > c->server->options.queue)
        return HF_ELIMIT;
    if (c->chunked_answer)
        hf_text_addf(&c->out, "%zx\r\n", data.n);
    hf_text_add(&c->out, data);
    if (c->chunked_answer)
        hf_text_add(&c->out, HF_STR("\r\n"));
    flush(c);
    return 0;
}

void hf_http_answer_end(struct hf_http_exchange *x)
{
    struct connection *c = connection_of(x);

    assert(c->state == STREAMING);
    if (c->chunked_answer)
        hf_text_add(&c->out, HF_STR("0\r\n\r\n"));
    c->state = FLUSHING;
    flush(c);
}

/* Reset, since an answer that is delimited by the end of the connection would look whole. */
void hf_http_answer_cut(struct hf_http_exchange *x)
{
    struct connection *c = connection_of(x);
    struct linger hard = {.l_onoff = 1, .l_linger = 0};

    assert(c->state == HANDLING || c->state == STREAMING);
    setsockopt(c->watch.fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    c->state = CLOSING;
    set_broken(c);
}
