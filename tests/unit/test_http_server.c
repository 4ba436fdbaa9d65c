#include "test.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/server.h"
#include "net/socket.h"

/* What the handler does with a request, by its path. */
static struct hf_http_exchange *held;
static int requests, gone;
static void *last_listener;

static void on_gone(struct hf_http_exchange *x)
{
    assert_ptr_equal(x->user, &gone);
    gone++;
    held = NULL;
}

static void hold(struct hf_http_exchange *x)
{
    x->user = &gone;
    x->on_gone = on_gone;
    held = x;
}

static void on_request(struct hf_http_exchange *x, void *arg)
{
    char text[64];

    assert_ptr_equal(arg, &requests);
    requests++;
    last_listener = x->listener;
    if (hf_str_eq(x->path, HF_STR("/echo"))) {
        hf_http_answer_field(x, HF_STR("x-query"), x->query);
        hf_http_answer(x, 200, HF_STR("text/plain"), x->body);
    } else if (hf_str_eq(x->path, HF_STR("/size"))) {
        snprintf(text, sizeof(text), "%zu", x->body.n);
        hf_http_answer(x, 200, HF_STR("text/plain"), hf_str(text));
    } else if (hf_str_eq(x->path, HF_STR("/nothing"))) {
        hf_http_answer(x, 204, HF_STR(""), HF_STR(""));
    } else if (hf_str_eq(x->path, HF_STR("/stream"))) {
        hf_http_answer_begin(x, 200, HF_STR("text/plain"));
        assert_int_equal(hf_http_answer_data(x, HF_STR("one,")), 0);
        assert_int_equal(hf_http_answer_data(x, HF_STR("")), 0);
        assert_int_equal(hf_http_answer_data(x, HF_STR("two")), 0);
        hf_http_answer_end(x);
    } else if (hf_str_eq(x->path, HF_STR("/later"))) {
        hold(x);
    } else if (hf_str_eq(x->path, HF_STR("/open"))) {
        hold(x);
        hf_http_answer_begin(x, 200, HF_STR("text/plain"));
    } else {
        hf_http_answer_problem(x, 404, HF_STR("there is no \"such\" thing"));
    }
}

struct bench {
    struct hf_loop *loop;
    struct hf_http_server *server;
    struct hf_addr address;
    int fd; /* the client's */
    char got[1 << 16];
    size_t n;
    bool eof;
};
static struct bench b;

static void dial(void)
{
    if (b.fd >= 0)
        close(b.fd);
    b.fd = hf_socket_connect(&b.address, NULL);
    assert_true(b.fd >= 0);
    b.n = 0;
    b.eof = false;
}

static void start_with(const struct hf_http_server_options *o)
{
    struct hf_addr any = {.family = HF_ADDR_IP4, .ip = {127, 0, 0, 1}};
    struct sockaddr_storage ss;
    socklen_t n = sizeof(ss);
    int fd = hf_socket_listen(&any, 16, NULL);

    assert_true(fd >= 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&ss, &n), 0);
    assert_int_equal(hf_addr_from_sockaddr((struct sockaddr *)&ss, &b.address), 0);
    assert_int_equal(hf_loop_new(&b.loop, NULL), 0);
    assert_int_equal(hf_http_server_new(b.loop, o, &b.server), 0);
    assert_int_equal(hf_http_server_listen_take(b.server, fd, &b), 0);
    requests = gone = 0;
    held = NULL;
    b.fd = -1;
    dial();
}

static struct hf_http_server_options options(void)
{
    struct hf_http_server_options o = hf_http_server_defaults;

    o.on_request = on_request;
    o.arg = &requests;
    return o;
}

static int set_up(void **state)
{
    struct hf_http_server_options o = options();

    (void)state;
    start_with(&o);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    close(b.fd);
    hf_http_server_free(b.server);
    hf_loop_free(b.loop);
    return 0;
}

static void pull(void)
{
    ssize_t n = recv(b.fd, b.got + b.n, sizeof(b.got) - 1 - b.n, MSG_DONTWAIT);

    if (n > 0)
        b.n += (size_t)n;
    else if (n == 0 || (errno != EAGAIN && errno != ENOTCONN))
        b.eof = true;
    b.got[b.n] = 0;
}

#define UNTIL(condition)                                                                           \
    do {                                                                                           \
        struct hf_mono end_ = hf_mono_add(hf_mono_now(), hf_seconds(20));                          \
        while (!(condition)) {                                                                     \
            hf_loop_turn(b.loop, hf_ms(5));                                                        \
            pull();                                                                                \
            if (!hf_mono_before(hf_mono_now(), end_))                                              \
                fail_msg("never: %s; got '%s'", #condition, b.got);                                \
        }                                                                                          \
    } while (0)

static void say(struct hf_str text)
{
    UNTIL(hf_http_server_connections(b.server) > 0);
    while (text.n) {
        ssize_t n = send(b.fd, text.p, text.n, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n > 0) {
            text.p += n;
            text.n -= (size_t)n;
        }
        hf_loop_turn(b.loop, hf_ms(0));
    }
}
#define SAY(text) say(HF_STR(text))

static void expect(const char *part)
{
    UNTIL(strstr(b.got, part) || b.eof);
    if (!strstr(b.got, part))
        print_error("got '%s'\n", b.got);
    assert_non_null(strstr(b.got, part));
}

static void forget(void)
{
    b.n = 0;
    b.got[0] = 0;
}

static void requests_are_answered_on_one_connection(void **state)
{
    (void)state;
    SAY("POST /echo?a=1 HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nhello");
    expect("\r\n\r\nhello");
    assert_memory_equal(b.got, "HTTP/1.1 200 OK\r\ndate: ", 23);
    expect("\r\ncontent-type: text/plain\r\ncontent-length: 5\r\nx-query: a=1\r\n\r\n");
    assert_ptr_equal(last_listener, &b);
    forget();
    SAY("GET /x/../nothing HTTP/1.1\r\nhost: x\r\n\r\n");
    expect("HTTP/1.1 204 No Content\r\n");
    expect("\r\n\r\n");
    assert_null(strstr(b.got, "content-length"));
    forget();
    SAY("HEAD /size HTTP/1.1\r\nhost: x\r\n\r\n");
    expect("content-length: 1\r\n\r\n");
    forget();
    SAY("GET /other HTTP/1.1\r\nhost: x\r\n\r\n");
    expect("application/problem+json");
    expect("{\"type\": \"about:blank\", \"title\": \"Not Found\", \"status\": 404, "
           "\"detail\": \"there is no \\u0022such\\u0022 thing\"}\n");
    assert_false(b.eof);
    assert_int_equal(requests, 4);
    assert_int_equal(hf_http_server_connections(b.server), 1);
}

static void bodies_arrive_whole(void **state)
{
    static char body[300000];

    (void)state;
    memset(body, 'x', sizeof(body));
    SAY("POST /size HTTP/1.1\r\nhost: x\r\ncontent-length: 300000\r\n\r\n");
    say((struct hf_str){body, sizeof(body)});
    expect("\r\n\r\n300000");
    forget();
    SAY("POST /size HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n40000\r\n");
    say((struct hf_str){body, 0x40000});
    SAY("\r\n1;x\r\ny\r\n0\r\nx: 1\r\n\r\n");
    expect("\r\n\r\n262145");
}

static void bytes_may_come_one_by_one(void **state)
{
    static const char text[] =
        "POST /echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
        "2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"
        "PUT /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\nde";

    (void)state;
    for (size_t i = 0; i < sizeof(text) - 1; i++) {
        say((struct hf_str){text + i, 1});
        hf_loop_turn(b.loop, hf_ms(0));
    }
    expect("\r\n\r\nabc");
    expect("\r\n\r\nde");
}

static void pipelined_requests_keep_their_order(void **state)
{
    (void)state;
    SAY("PUT /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\n\r\n1"
        "GET /later HTTP/1.1\r\nhost: x\r\n\r\n"
        "PUT /echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n1\r\n3\r\n0\r\n\r\n"
        "GET /stream HTTP/1.0\r\n\r\n");
    expect("\r\n\r\n1");
    UNTIL(held);
    assert_int_equal(requests, 2);
    hf_http_answer(held, 202, HF_STR(""), HF_STR("2"));
    expect("\r\n\r\n2HTTP/1.1 200");
    expect("\r\n\r\n3HTTP/1.1 200");
    expect("connection: close\r\n\r\none,two");
    UNTIL(b.eof);
    assert_int_equal(requests, 4);
    assert_int_equal(gone, 0);
}

static void answers_stream(void **state)
{
    (void)state;
    SAY("GET /stream HTTP/1.1\r\nhost: x\r\n\r\n");
    expect("transfer-encoding: chunked\r\n\r\n4\r\none,\r\n3\r\ntwo\r\n0\r\n\r\n");
    forget();
    SAY("HEAD /stream HTTP/1.1\r\nhost: x\r\n\r\n");
    expect("\r\n\r\n");
    assert_null(strstr(b.got, "one"));
    forget();
    SAY("GET /open HTTP/1.1\r\nhost: x\r\n\r\n");
    expect("\r\n\r\n");
    assert_int_equal(hf_http_answer_data(held, HF_STR("tick")), 0);
    expect("4\r\ntick\r\n");
    hf_http_answer_end(held);
    expect("\r\n0\r\n\r\n");
    assert_int_equal(gone, 0);
}

static void who_leaves_is_noticed(void **state)
{
    (void)state;
    SAY("GET /open HTTP/1.1\r\nhost: x\r\n\r\n");
    expect("\r\n\r\n");
    dial();
    UNTIL(gone == 1);
    SAY("GET /later HTTP/1.1\r\nhost: x\r\n\r\n");
    UNTIL(held);
    dial();
    UNTIL(gone == 2);
    SAY("GET /later HTTP/1.1\r\nhost: x\r\n\r\n");
    UNTIL(held);
    b.server = hf_http_server_free(b.server); /* and so does the server */
    assert_int_equal(gone, 3);
}

static void who_does_not_read_meets_a_limit(void **state)
{
    static char piece[100000];
    int rc = 0, taken = 0;

    (void)state;
    memset(piece, 'x', sizeof(piece));
    SAY("GET /open HTTP/1.1\r\nhost: x\r\n\r\n");
    UNTIL(held);
    while (rc == 0 && taken < 1000) {
        rc = hf_http_answer_data(held, (struct hf_str){piece, sizeof(piece)});
        taken += rc == 0;
    }
    assert_int_equal(rc, HF_ELIMIT);
    assert_true(taken >= 10);
    hf_http_answer_cut(held);
    UNTIL(hf_http_server_connections(b.server) == 0);
    assert_int_equal(gone, 0);
}

static const struct {
    const char *request, *answer;
} refused[] = {
    {"GET / HTTP/1.1\r\n\r\n", "400 Bad Request"},
    {"GET /a/%2e%2e/.. HTTP/1.1\r\nhost: x\r\n\r\n", "the path has no normal form"},
    {"\x16\x03\x01", "400 Bad Request"},
    {"CONNECT a:1 HTTP/1.1\r\nhost: a:1\r\n\r\n", "501 Not Implemented"},
    {"GET / HTTP/2.0\r\n", "505 HTTP Version Not Supported"},
    {"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1048577\r\n\r\n", "413 Content Too Large"},
    {"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nx", "400 Bad Request"},
    {"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
     "both content-length and transfer-encoding"},
};

static void bad_requests_are_refused_and_cut_off(void **state)
{
    (void)state;
    for (size_t i = 0; i < HF_COUNT(refused); i++) {
        say(hf_str(refused[i].request));
        expect(refused[i].answer);
        expect("connection: close\r\n");
        UNTIL(b.eof);
        dial();
    }
    assert_int_equal(requests, 0);
}

static void the_body_is_asked_for(void **state)
{
    (void)state;
    SAY("PUT /echo HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n");
    expect("HTTP/1.1 100 Continue\r\n\r\n");
    assert_int_equal(requests, 0);
    SAY("ab");
    expect("\r\n\r\nab");
}

static void time_and_connections_are_limited(void **state)
{
    struct hf_http_server_options o = options();
    int first;

    tear_down(state);
    o.connections = 1;
    o.request = hf_ms(30);
    start_with(&o);
    SAY("GET / HTTP");
    expect("408 Request Timeout");
    UNTIL(b.eof);
    tear_down(state);
    o.request = hf_seconds(60);
    o.idle = hf_ms(30);
    start_with(&o); /* says nothing at all */
    UNTIL(hf_http_server_connections(b.server) == 1);
    UNTIL(b.eof);
    assert_int_equal(b.n, 0);
    dial();
    SAY("GET /later HTTP/1.1\r\nhost: x\r\n\r\n");
    UNTIL(held);
    first = b.fd;
    b.fd = -1;
    dial();
    expect("503 Service Unavailable");
    UNTIL(b.eof);
    assert_int_equal(gone, 0);
    close(first);
    UNTIL(gone == 1);
}

static void stopping_ends_what_is_idle(void **state)
{
    int idle;

    (void)state;
    SAY("GET /nothing HTTP/1.1\r\nhost: x\r\n\r\n");
    expect("204");
    idle = b.fd;
    b.fd = -1;
    dial();
    UNTIL(hf_http_server_connections(b.server) == 2);
    SAY("GET /later HTTP/1.1\r\nhost: x\r\n\r\n");
    UNTIL(held);
    hf_http_server_stop(b.server);
    assert_int_equal(hf_http_server_connections(b.server), 1);
    hf_http_answer(held, 200, HF_STR(""), HF_STR("done"));
    expect("connection: close\r\n\r\ndone");
    UNTIL(b.eof);
    close(b.fd);
    b.fd = hf_socket_connect(&b.address, NULL);
    if (b.fd >= 0) {
        b.eof = false;
        UNTIL(b.eof); /* refused */
    }
    close(idle);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(requests_are_answered_on_one_connection),
        T(bodies_arrive_whole),
        T(bytes_may_come_one_by_one),
        T(pipelined_requests_keep_their_order),
        T(answers_stream),
        T(who_leaves_is_noticed),
        T(who_does_not_read_meets_a_limit),
        T(bad_requests_are_refused_and_cut_off),
        T(the_body_is_asked_for),
        T(time_and_connections_are_limited),
        T(stopping_ends_what_is_idle),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
