#include "http/client.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "http/grpc.h"
#include "http/h1_scan.h"
#include "http/h2_call.h"
#include "http/response.h"
#include "net/proxy_protocol.h"
#include "net/socket.h"

enum { BLOCK = 16384 };

struct hf_http_call {
    struct hf_loop *loop;
    struct hf_watch watch; /* fd < 0: no connection */
    struct hf_timer timer; /* the deadline, or a failure to be told at once */
    struct hf_mono begun;
    struct hf_duration deadline;
    bool connected, truncated;
    struct hf_text out, body;
    size_t sent, body_most;
    int early; /* the failure that the timer tells; 0: its firing is the deadline */
    char error[128];
    struct hf_response response;
    struct hf_h2_call *h2; /* NULL: HTTP/1.1 */
    void (*on_done)(const struct hf_http_result *r, void *arg);
    void (*on_data)(struct hf_str data, void *arg);
    void *arg;
};

static const char *const method_names[] = {
    [HF_METHOD_GET] = "GET",         [HF_METHOD_HEAD] = "HEAD",     [HF_METHOD_POST] = "POST",
    [HF_METHOD_PUT] = "PUT",         [HF_METHOD_DELETE] = "DELETE", [HF_METHOD_PATCH] = "PATCH",
    [HF_METHOD_OPTIONS] = "OPTIONS",
};

struct hf_http_call *hf_http_cancel(struct hf_http_call *c)
{
    if (!c)
        return NULL;
    if (c->watch.fd >= 0) {
        hf_loop_unwatch(c->loop, &c->watch);
        close(c->watch.fd);
    }
    hf_timer_done(&c->timer);
    hf_text_done(&c->out);
    hf_text_done(&c->body);
    hf_response_done(&c->response);
    hf_h2_call_free(c->h2);
    return hf_free(c);
}

static void finish(struct hf_http_call *c, int code)
{
    bool answered = c->response.state == HF_RESPONSE_BODY || c->response.state == HF_RESPONSE_DONE;
    struct hf_http_result r = {
        .code = code,
        .error = code ? c->error : NULL,
        .status = answered ? c->response.head.status : 0,
        .head = answered ? &c->response.head : NULL,
        .grpc_status = answered ? c->response.grpc_status : HF_GRPC_MISSING,
        .body = hf_text_str(&c->body),
        .truncated = c->truncated,
        .took = hf_mono_sub(hf_mono_now(), c->begun),
    };

    c->on_done(&r, c->arg);
    hf_http_cancel(c);
}

static const char *reason_of(int err, char *buf, size_t size)
{
    switch (err) {
    case ECONNREFUSED:
        return "connection refused";
    case ECONNRESET:
    case EPIPE:
        return "connection reset";
    case ETIMEDOUT:
        return "connection timed out";
    case EHOSTUNREACH:
        return "no route to host";
    case ENETUNREACH:
        return "network unreachable";
    case ENOENT:
        return "no such socket";
    case EACCES:
    case EPERM:
        return "permission denied";
    }
    snprintf(buf, size, "%s", strerror(err));
    return buf;
}

static void fail_errno(struct hf_http_call *c, int err)
{
    char buf[96];

    snprintf(c->error, sizeof(c->error), "%s", reason_of(err, buf, sizeof(buf)));
    finish(c, c->connected ? HF_EIO : HF_EREFUSED);
}

static void on_timer(struct hf_timer *t)
{
    struct hf_http_call *c = HF_CONTAINER(t, struct hf_http_call, timer);
    char text[32];

    if (c->early) {
        finish(c, c->early);
        return;
    }
    snprintf(c->error, sizeof(c->error), "timed out after %s, %s",
             hf_duration_format(c->deadline, text, sizeof(text)),
             !c->connected                           ? "connecting"
             : c->response.state == HF_RESPONSE_BODY ? "in the middle of the response"
                                                     : "waiting for the response");
    finish(c, HF_ETIMEOUT);
}

static void on_body(struct hf_response *r, struct hf_str data)
{
    struct hf_http_call *c = HF_CONTAINER(r, struct hf_http_call, response);
    size_t room = c->body_most - c->body.n;

    if (c->on_data && r->head.status >= 200 && r->head.status < 300) {
        c->on_data(data, c->arg);
        return;
    }
    if (data.n > room)
        c->truncated = true;
    hf_text_add(&c->body, (struct hf_str){data.p, data.n < room ? data.n : room});
}

/* True if the call has ended, and is gone. */
static bool ended(struct hf_http_call *c)
{
    if (c->response.state == HF_RESPONSE_DONE || c->truncated) {
        finish(c, 0);
        return true;
    }
    if (c->response.state == HF_RESPONSE_FAILED) {
        snprintf(c->error, sizeof(c->error), "%s", c->response.error);
        finish(c, HF_ECORRUPT);
        return true;
    }
    return false;
}

static void take(struct hf_http_call *c, struct hf_str bytes)
{
    if (!c->h2) {
        hf_response_feed(&c->response, bytes);
        ended(c);
        return;
    }
    hf_h2_call_feed(c->h2, bytes);
    hf_h2_call_write(c->h2, &c->out);
    if (!ended(c) && c->sent < c->out.n)
        hf_loop_rewatch(c->loop, &c->watch, EPOLLIN | EPOLLOUT);
}

static void read_some(struct hf_http_call *c)
{
    char block[BLOCK];
    ssize_t n = recv(c->watch.fd, block, sizeof(block), 0);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n < 0) {
        fail_errno(c, errno);
        return;
    }
    if (n > 0) {
        take(c, (struct hf_str){block, (size_t)n});
        return;
    }
    hf_response_eof(&c->response);
    if (c->response.state == HF_RESPONSE_FAILED) {
        snprintf(c->error, sizeof(c->error), "%s", c->response.error);
        finish(c, HF_EIO);
        return;
    }
    ended(c);
}

/* A peer may answer, and close, before it has read everything: then the answer counts. */
static void write_some(struct hf_http_call *c)
{
    ssize_t n = send(c->watch.fd, c->out.p + c->sent, c->out.n - c->sent, MSG_NOSIGNAL);

    if (n < 0 && errno != EAGAIN && errno != EINTR)
        c->sent = c->out.n;
    else if (n > 0)
        c->sent += (size_t)n;
    if (c->sent == c->out.n)
        hf_loop_rewatch(c->loop, &c->watch, EPOLLIN);
}

static void on_event(struct hf_watch *w, uint32_t events)
{
    struct hf_http_call *c = HF_CONTAINER(w, struct hf_http_call, watch);

    if (!c->connected) {
        int err = hf_socket_error(w->fd);
        if (err) {
            fail_errno(c, err);
            return;
        }
        c->connected = true;
    }
    if (events & EPOLLOUT && c->sent < c->out.n)
        write_some(c);
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        read_some(c);
}

static bool clean(const struct hf_http_field *f)
{
    const char *name_end = f->name.p + f->name.n, *value_end = f->value.p + f->value.n;

    return f->name.n && hf_scan_name(f->name.p, name_end) == name_end &&
           (f->value.n == 0 || hf_scan_value(f->value.p, value_end) == value_end);
}

static int write_http2(struct hf_http_call *c, const struct hf_http_call_options *o,
                       struct hf_str host, bool has_body)
{
    const struct hf_h2_call_request q = {
        .method = hf_str(method_names[o->method]),
        .target = o->target,
        .authority = host,
        .fields = o->fields,
        .n_fields = o->n_fields,
        .body = {has_body && !o->body.p ? "" : o->body.p, o->body.n},
    };

    for (size_t i = 0; i < o->n_fields; i++) {
        if (!clean(&o->fields[i]))
            return HF_EINVAL;
    }
    c->h2 = hf_h2_call_new(&q, &c->response);
    if (!c->h2)
        return HF_EIO;
    hf_h2_call_write(c->h2, &c->out);
    return 0;
}

static int write_request(struct hf_http_call *c, const struct hf_http_call_options *o)
{
    char address[HF_ADDR_TEXT] = "localhost", header[HF_PROXY_OUT];
    struct hf_http_field host = {HF_STR("host"), o->host};
    const char *target_end = o->target.p + o->target.n;
    bool has_body = o->body.n || o->method == HF_METHOD_POST || o->method == HF_METHOD_PUT ||
                    o->method == HF_METHOD_PATCH;

    if (!host.value.n) {
        if (!o->unix_path)
            hf_addr_format(&o->address, address);
        host.value = hf_str(address);
    }
    if (!o->target.n || o->target.p[0] != '/' ||
        hf_scan_target(o->target.p, target_end) != target_end || !clean(&host))
        return HF_EINVAL;
    if (o->proxy_version)
        hf_text_add(&c->out,
                    (struct hf_str){header, hf_proxy_write(o->proxy_version, NULL, NULL, header)});
    if (o->http2)
        return write_http2(c, o, host.value, has_body);
    hf_text_addf(&c->out, "%s ", method_names[o->method]);
    hf_text_add(&c->out, o->target);
    hf_text_addf(&c->out, " HTTP/1.1\r\nhost: " HF_STR_FMT "\r\n", HF_STR_ARG(host.value));
    for (size_t i = 0; i < o->n_fields; i++) {
        if (!clean(&o->fields[i]))
            return HF_EINVAL;
        hf_text_add(&c->out, o->fields[i].name);
        hf_text_add(&c->out, HF_STR(": "));
        hf_text_add(&c->out, o->fields[i].value);
        hf_text_add(&c->out, HF_STR("\r\n"));
    }
    if (has_body)
        hf_text_addf(&c->out, "content-length: %zu\r\n", o->body.n);
    hf_text_add(&c->out, HF_STR("connection: close\r\n\r\n"));
    hf_text_add(&c->out, o->body);
    return 0;
}

/* A failure before anything was begun: told from the loop, as all others are. */
static void tell_early(struct hf_http_call *c, int code, const char *text)
{
    c->early = code;
    snprintf(c->error, sizeof(c->error), "%s", text);
    hf_timer_set(c->loop, &c->timer, c->begun);
}

struct hf_http_call *hf_http_call(struct hf_loop *loop, const struct hf_http_call_options *o)
{
    struct hf_http_call *c = hf_alloc(sizeof(*c));
    char buf[96];
    int fd;

    assert(o->on_done && o->method < HF_COUNT(method_names) && method_names[o->method]);
    c->loop = loop;
    c->watch = (struct hf_watch){.fd = -1, .on_event = on_event};
    c->begun = hf_mono_now();
    c->deadline = o->deadline;
    c->body_most = o->body_most;
    c->on_done = o->on_done;
    c->on_data = o->on_data;
    c->arg = o->arg;
    c->response.method = o->method;
    c->response.on_data = on_body;
    hf_timer_init(&c->timer, on_timer);
    if (write_request(c, o)) {
        tell_early(c, HF_EINVAL, "the request's target or a field holds a forbidden character");
        return c;
    }
    fd = o->unix_path ? hf_socket_connect_unix(o->unix_path, NULL)
                      : hf_socket_connect(&o->address, NULL);
    if (fd == HF_EINVAL) {
        tell_early(c, HF_EINVAL, "the socket's path is too long");
        return c;
    }
    if (fd < 0) {
        tell_early(c, HF_EREFUSED, reason_of(errno, buf, sizeof(buf)));
        return c;
    }
    c->watch.fd = fd;
    if (hf_loop_watch(loop, &c->watch, EPOLLIN | EPOLLOUT)) {
        tell_early(c, HF_EIO, "the event loop takes no more descriptors");
        return c;
    }
    if (o->deadline.ns > 0)
        hf_timer_set(loop, &c->timer, hf_mono_add(c->begun, o->deadline));
    return c;
}

struct asked {
    struct hf_loop *loop;
    const struct hf_http_call_options *options;
    unsigned *status;
    struct hf_text *body;
    struct hf_error *e;
    int rc;
};

static void on_asked(const struct hf_http_result *r, void *arg)
{
    struct asked *a = arg;

    a->rc = r->code;
    if (r->truncated)
        a->rc = hf_error_set(a->e, HF_ELIMIT, "the response is longer than %zu bytes",
                             a->options->body_most);
    else if (r->code)
        hf_error_set(a->e, r->code, "%s", r->error);
    else {
        *a->status = r->status;
        hf_text_add(a->body, r->body);
    }
    hf_loop_stop(a->loop);
}

static void on_asked_data(struct hf_str data, void *arg)
{
    struct asked *a = arg;

    a->options->on_data(data, a->options->arg);
}

int hf_http_ask(const struct hf_http_call_options *options, unsigned *status, struct hf_text *body,
                struct hf_error *e)
{
    struct hf_http_call_options o = *options;
    struct asked a = {.options = options, .status = status, .body = body, .e = e};
    int rc = hf_loop_new(&a.loop, e);

    if (rc)
        return rc;
    hf_text_clear(body);
    o.on_done = on_asked;
    o.on_data = options->on_data ? on_asked_data : NULL;
    o.arg = &a;
    hf_http_call(a.loop, &o);
    hf_loop_run(a.loop);
    hf_loop_free(a.loop);
    return a.rc;
}
