#include "test.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/client.h"
#include "net/socket.h"

/* A peer with a script: reads until the request holds `wait_for`, then says `answer` and, if it is
 * to, closes. */
struct peer {
    struct hf_watch listener, connection;
    const char *wait_for;
    struct hf_str answer;
    bool close;
    char got[4096];
    size_t n;
};

static struct hf_loop *loop;
static struct hf_addr address;
static struct peer peer;

static void on_connection(struct hf_watch *w, uint32_t events)
{
    ssize_t n = recv(w->fd, peer.got + peer.n, sizeof(peer.got) - 1 - peer.n, 0);

    (void)events;
    if (n > 0) {
        peer.n += (size_t)n;
        peer.got[peer.n] = 0;
    }
    if (n <= 0 || strstr(peer.got, peer.wait_for)) {
        if (peer.answer.n)
            assert_int_equal(send(w->fd, peer.answer.p, peer.answer.n, MSG_NOSIGNAL),
                             peer.answer.n);
        hf_loop_unwatch(loop, w);
        if (peer.close) {
            close(w->fd);
            w->fd = -1;
        }
    }
}

static void on_listener(struct hf_watch *w, uint32_t events)
{
    (void)events;
    peer.connection.fd = accept4(w->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    peer.connection.on_event = on_connection;
    assert_int_equal(hf_loop_watch(loop, &peer.connection, EPOLLIN), 0);
}

static void script(const char *wait_for, struct hf_str answer, bool close_after)
{
    peer.wait_for = wait_for;
    peer.answer = answer;
    peer.close = close_after;
    peer.n = 0;
    peer.got[0] = 0;
}

static int set_up(void **state)
{
    struct hf_addr any = {.family = HF_ADDR_IP4, .ip = {127, 0, 0, 1}};
    struct sockaddr_storage ss;
    socklen_t n = sizeof(ss);

    (void)state;
    assert_int_equal(hf_loop_new(&loop, NULL), 0);
    peer = (struct peer){
        .listener = {.fd = hf_socket_listen(&any, 16, NULL), .on_event = on_listener},
        .connection = {.fd = -1},
    };
    assert_true(peer.listener.fd >= 0);
    assert_int_equal(getsockname(peer.listener.fd, (struct sockaddr *)&ss, &n), 0);
    assert_int_equal(hf_addr_from_sockaddr((struct sockaddr *)&ss, &address), 0);
    assert_int_equal(hf_loop_watch(loop, &peer.listener, EPOLLIN), 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    if (peer.connection.fd >= 0)
        close(peer.connection.fd);
    if (peer.listener.fd >= 0)
        close(peer.listener.fd);
    hf_loop_free(loop);
    return 0;
}

struct seen {
    int calls, code;
    unsigned status;
    char error[128], body[256], type[64], data[256];
    bool truncated;
};
static struct seen seen;

static void on_done(const struct hf_http_result *r, void *arg)
{
    struct seen *s = arg;
    const struct hf_h1_field *type;

    s->calls++;
    s->code = r->code;
    s->status = r->status;
    s->truncated = r->truncated;
    assert_true((r->code == 0) == (r->error == NULL));
    assert_true((r->status == 0) == (r->head == NULL));
    assert_true(r->took.ns >= 0);
    snprintf(s->error, sizeof(s->error), "%s", r->error ? r->error : "");
    hf_str_copy(r->body, s->body, sizeof(s->body));
    type = r->head ? hf_h1_field(r->head, HF_FIELD_CONTENT_TYPE) : NULL;
    if (type)
        hf_str_copy(type->value, s->type, sizeof(s->type));
}

static void on_data(struct hf_str data, void *arg)
{
    struct seen *s = arg;
    size_t n = strlen(s->data);

    hf_str_copy(data, s->data + n, sizeof(s->data) - n);
}

static struct hf_http_call_options get(const char *target)
{
    return (struct hf_http_call_options){
        .address = address,
        .method = HF_METHOD_GET,
        .target = hf_str(target),
        .deadline = hf_seconds(20),
        .body_most = 100,
        .on_done = on_done,
        .arg = &seen,
    };
}

static void run(const struct hf_http_call_options *o)
{
    memset(&seen, 0, sizeof(seen));
    hf_http_call(loop, o);
    assert_int_equal(seen.calls, 0);
    for (int i = 0; i < 10000 && !seen.calls; i++)
        hf_loop_turn(loop, hf_ms(10));
    assert_int_equal(seen.calls, 1);
}

static void a_request_is_written_and_its_answer_read(void **state)
{
    struct hf_http_field field = {HF_STR("x-holdfast-probe"), HF_STR("1")};
    struct hf_http_call_options o = get("/-/ready?x");
    char host[80], text[HF_ADDR_TEXT];

    (void)state;
    o.fields = &field;
    o.n_fields = 1;
    script("\r\n\r\n",
           HF_STR("HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n"
                  "HTTP/1.1 200 OK\r\ncontent-type: a/b\r\ncontent-length: 5\r\n\r\nready"),
           false);
    run(&o);
    assert_int_equal(seen.code, 0);
    assert_int_equal(seen.status, 200);
    assert_string_equal(seen.body, "ready");
    assert_string_equal(seen.type, "a/b");
    assert_memory_equal(peer.got, "GET /-/ready?x HTTP/1.1\r\nhost: ", 31);
    snprintf(host, sizeof(host), "host: %s\r\nx-holdfast-probe: 1\r\nconnection: close\r\n\r\n",
             hf_addr_format(&address, text));
    assert_non_null(strstr(peer.got, host));
    assert_null(strstr(peer.got, "content-length"));
}

static void a_body_is_sent(void **state)
{
    struct hf_http_call_options o = get("/");

    (void)state;
    o.method = HF_METHOD_POST;
    o.host = HF_STR("shop.example");
    o.body = HF_STR("{}");
    script("{}", HF_STR("HTTP/1.1 204 No Content\r\n\r\n"), false);
    run(&o);
    assert_int_equal(seen.status, 204);
    assert_non_null(strstr(peer.got,
                           "POST / HTTP/1.1\r\nhost: shop.example\r\ncontent-length: 2\r\n"
                           "connection: close\r\n\r\n{}"));
}

static const struct {
    const char *answer;
    bool close;
    int code;
    unsigned status;
    const char *text; /* the body, or the error */
} answers[] = {
    {"HTTP/1.0 200 OK\r\n\r\nall of it", true, 0, 200, "all of it"},
    {"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\nx: y\r\n\r\n",
     false, 0, 200, "abc"},
    {"HTTP/1.1 503 No\r\ncontent-length: 2\r\n\r\nno", false, 0, 503, "no"},
    {"", true, HF_EIO, 0, "the connection was closed before the response"},
    {"HTTP/1.1 200 OK\r\ncontent-le", true, HF_EIO, 0,
     "the connection was closed before the response"},
    {"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nab", true, HF_EIO, 0,
     "the connection was closed in the middle of the response"},
    {"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n", true, HF_EIO, 0,
     "the connection was closed in the middle of the response"},
    {"<html>", false, HF_ECORRUPT, 0, "the response does not begin with HTTP/1.1 and a status"},
    {"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n", false, HF_ECORRUPT, 0,
     "content-length is not one decimal number"},
    {"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nx", false, HF_ECORRUPT, 0,
     "a chunk size that is not a hexadecimal number of at most 16 digits"},
    {"HTTP/1.1 101 Switching Protocols\r\n\r\n", false, HF_ECORRUPT, 0,
     "the protocol is switched though nobody asked for it"},
};

static void answers_of_all_kinds_are_understood(void **state)
{
    struct hf_http_call_options o = get("/");

    (void)state;
    for (size_t i = 0; i < HF_COUNT(answers); i++) {
        script("\r\n\r\n", hf_str(answers[i].answer), answers[i].close);
        run(&o);
        assert_int_equal(seen.code, answers[i].code);
        assert_int_equal(seen.status, answers[i].status);
        assert_string_equal(answers[i].code ? seen.error : seen.body, answers[i].text);
        if (peer.connection.fd >= 0) {
            close(peer.connection.fd);
            peer.connection.fd = -1;
        }
    }
}

static void long_bodies_are_cut(void **state)
{
    struct hf_http_call_options o = get("/");

    (void)state;
    o.body_most = 4;
    script("\r\n\r\n", HF_STR("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nabcdefgh"), false);
    run(&o);
    assert_int_equal(seen.code, 0);
    assert_int_equal(seen.status, 200);
    assert_true(seen.truncated);
    assert_string_equal(seen.body, "abcd");
}

static void data_of_good_answers_streams(void **state)
{
    struct hf_http_call_options o = get("/");

    (void)state;
    o.on_data = on_data;
    o.body_most = 3;
    script(
        "\r\n\r\n",
        HF_STR("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nline1\r\n5\r\nline2\r\n"
               "0\r\n\r\n"),
        false);
    run(&o);
    assert_string_equal(seen.data, "line1line2");
    assert_false(seen.truncated);
    assert_string_equal(seen.body, "");
    close(peer.connection.fd);
    script("\r\n\r\n", HF_STR("HTTP/1.1 404 No\r\ncontent-length: 2\r\n\r\nno"), false);
    run(&o);
    assert_string_equal(seen.data, "");
    assert_string_equal(seen.body, "no");
}

static void time_is_limited(void **state)
{
    struct hf_http_call_options o = get("/");

    (void)state;
    o.deadline = hf_ms(50);
    script("never", HF_STR(""), false);
    run(&o);
    assert_int_equal(seen.code, HF_ETIMEOUT);
    assert_string_equal(seen.error, "timed out after 50ms, waiting for the response");
    close(peer.connection.fd);
    script("\r\n\r\n", HF_STR("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nre"), false);
    run(&o);
    assert_string_equal(seen.error, "timed out after 50ms, in the middle of the response");
}

static void no_connection_is_said_plainly(void **state)
{
    struct hf_http_call_options o = get("/");

    (void)state;
    hf_loop_unwatch(loop, &peer.listener);
    close(peer.listener.fd);
    peer.listener.fd = -1;
    run(&o);
    assert_int_equal(seen.code, HF_EREFUSED);
    assert_string_equal(seen.error, "connection refused");
    o.unix_path = "/nonexistent/socket";
    run(&o);
    assert_int_equal(seen.code, HF_EREFUSED);
    assert_string_equal(seen.error, "no such socket");
    o.target = HF_STR("/a b");
    run(&o);
    assert_int_equal(seen.code, HF_EINVAL);
    o.target = HF_STR("/");
    o.host = HF_STR("a\r\nx: y");
    run(&o);
    assert_int_equal(seen.code, HF_EINVAL);
}

static void a_cancelled_call_is_silent(void **state)
{
    struct hf_http_call_options o = get("/");
    struct hf_http_call *call;

    (void)state;
    memset(&seen, 0, sizeof(seen));
    script("\r\n\r\n", HF_STR("HTTP/1.1 200 OK\r\n\r\n"), false);
    call = hf_http_call(loop, &o);
    hf_loop_turn(loop, hf_ms(100));
    assert_null(hf_http_cancel(call));
    assert_null(hf_http_cancel(NULL));
    for (int i = 0; i < 5; i++)
        hf_loop_turn(loop, hf_ms(10));
    assert_int_equal(seen.calls, 0);
}

/* The CLI's way: a peer in a thread of its own, over a unix socket. */
static void *serve_one(void *arg)
{
    static const char *const pieces[] = {"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
                                         "3\r\none\r\n", "3\r\ntwo\r\n", "0\r\n\r\n"};
    struct pollfd ready = {.fd = *(int *)arg, .events = POLLIN};
    char buf[1024];
    int fd;

    if (poll(&ready, 1, 20000) != 1)
        return NULL;
    fd = accept(ready.fd, NULL, NULL);
    if (recv(fd, buf, sizeof(buf), 0) > 0) {
        for (size_t i = 0; i < HF_COUNT(pieces); i++) {
            if (send(fd, pieces[i], strlen(pieces[i]), MSG_NOSIGNAL) < 0)
                break;
        }
    }
    close(fd);
    return NULL;
}

static void the_cli_can_wait(void **state)
{
    char folder[] = "/tmp/holdfast-test-XXXXXX", path[64];
    struct hf_http_call_options o = get("/");
    struct hf_text body = {0};
    struct hf_error e = {0};
    unsigned status = 0;
    pthread_t thread;
    int listener;

    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/s", folder);
    listener = hf_socket_listen_unix(path, NULL);
    assert_true(listener >= 0);
    memset(&seen, 0, sizeof(seen));
    o.unix_path = path;
    for (int stream = 0; stream < 2; stream++) {
        o.on_data = stream ? on_data : NULL;
        assert_int_equal(pthread_create(&thread, NULL, serve_one, &listener), 0);
        assert_int_equal(hf_http_ask(&o, &status, &body, &e), 0);
        pthread_join(thread, NULL);
        assert_int_equal(status, 200);
        assert_true(hf_str_eq(hf_text_str(&body), stream ? HF_STR("") : HF_STR("onetwo")));
    }
    assert_string_equal(seen.data, "onetwo");
    o.body_most = 5;
    o.on_data = NULL;
    assert_int_equal(pthread_create(&thread, NULL, serve_one, &listener), 0);
    assert_int_equal(hf_http_ask(&o, &status, &body, &e), HF_ELIMIT);
    pthread_join(thread, NULL);
    close(listener);
    assert_int_equal(hf_http_ask(&o, &status, &body, &e), HF_EREFUSED);
    assert_string_equal(e.text, "connection refused");
    unlink(path);
    rmdir(folder);
    hf_text_done(&body);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_request_is_written_and_its_answer_read),
        T(a_body_is_sent),
        T(answers_of_all_kinds_are_understood),
        T(long_bodies_are_cut),
        T(data_of_good_answers_streams),
        T(time_is_limited),
        T(no_connection_is_said_plainly),
        T(a_cancelled_call_is_silent),
        T(the_cli_can_wait),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
