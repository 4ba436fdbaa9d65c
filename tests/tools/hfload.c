/* hfload - verified load: every response's status and body is checked against its request.
 *
 *     hfload --address 127.0.0.1:8080 --host shop.example --connections 32
 *            --get '/orders/{id}' --post /orders --post-share 25 --seconds 10
 *
 * N connections with keep-alive, each with one request under way; ids are unique. It can be led on
 * stdin: `mark NAME` prints the window since the last mark as a line of JSON and begins a new one,
 * `peek` prints without beginning, `stop` ends. At the end the total is printed. Exit code: 0 no
 * request failed, 1 some did, 2 usage. */
#include "response.h"
#include "window.h"

#include "shop/checksum.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CONNECTIONS_MAX 4096
#define REST_US 2000 /* so that refusals do not come in thousands */

enum connection_state { IDLE, CONNECTING, WAITING };

struct target {
    enum { GET, POST, STREAM } kind;
    const char *path; /* with {id} */
    unsigned stream_lines;
    char name[256]; /* "GET /orders/{id}" */
};

struct connection {
    int fd; /* -1: none */
    enum connection_state state;
    bool for_streams;
    bool reused; /* the connection has answered before */
    unsigned target;
    uint64_t begun_us, heard_us;
    uint64_t rest_us; /* until then no new request: after a failure */
    size_t len, sent;
    char request[2048];
    struct response response;
};

static struct {
    struct sockaddr_in address;
    const char *host, *tag;
    unsigned connections, streams, post_share;
    bool fresh; /* a connection for each request */
    double rate;
    uint64_t seconds, requests, limit_us;
    struct target targets[WINDOW_TARGETS];
    const char *names[WINDOW_TARGETS];
    unsigned target_count, gets, posts, stream_targets;
} option = {.host = NULL, .connections = 16, .post_share = 25, .limit_us = 5000000};

static struct connection connections[CONNECTIONS_MAX];
static struct window window, total;
static int epoll_fd;
static uint64_t begun_us, started, next_id, rate_begun;
static unsigned in_flight;
static bool stopping;

static uint64_t now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void drop(struct connection *c)
{
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    c->reused = false;
}

static void finish(struct connection *c, enum failure kind, const char *detail)
{
    uint64_t now = now_us();
    struct window_result result = {.target = c->target,
                                   .post = option.targets[c->target].kind == POST,
                                   .stream = option.targets[c->target].kind == STREAM,
                                   .kind = kind,
                                   .took_us = now - c->begun_us,
                                   .bytes = c->response.bytes,
                                   .version = c->response.version,
                                   .detail = detail};

    window_add(&window, &result, now);
    in_flight--;
    c->state = IDLE;
    if (kind != FAILURE_NONE)
        c->rest_us = now + REST_US;
    if (kind != FAILURE_NONE || c->response.close)
        drop(c);
    else
        c->reused = true;
}

static void fail_errno(struct connection *c, int error)
{
    enum failure kind = c->state == CONNECTING ? FAILURE_CONNECT : FAILURE_RESET;
    char detail[160];

    if (error == ECONNREFUSED)
        kind = FAILURE_REFUSED;
    snprintf(detail, sizeof(detail), "%s%s", strerror(error), c->reused ? " (reused)" : "");
    finish(c, kind, detail);
}

/* The next target of the kind that this request shall have; shares are kept by counting. */
static unsigned choose_target(bool stream)
{
    static uint64_t turn[3], posts_due;
    unsigned kind = stream ? STREAM : GET, count = stream ? option.stream_targets : option.gets;

    if (!stream && option.posts) {
        posts_due += option.post_share;
        if (posts_due >= 100 || !option.gets) {
            posts_due = posts_due >= 100 ? posts_due - 100 : 0;
            kind = POST;
            count = option.posts;
        }
    }
    uint64_t nth = turn[kind]++ % count;

    for (unsigned i = 0;; i++)
        if (option.targets[i].kind == kind && nth-- == 0)
            return i;
}

/* Writes the request and what its answer has to be into `c`. */
static void compose(struct connection *c)
{
    uint64_t id = next_id++;

    c->target = choose_target(c->for_streams);
    const struct target *t = &option.targets[c->target];
    const char *at = strstr(t->path, "{id}");
    char path[512], body[128] = "";
    int body_len = 0;

    if (at)
        snprintf(path, sizeof(path), "%.*s%s-%llu%s", (int)(at - t->path), t->path, option.tag,
                 (unsigned long long)id, at + 4);
    else
        snprintf(path, sizeof(path), "%s", t->path);
    if (t->kind == POST)
        body_len = snprintf(body, sizeof(body), "{\"id\":\"%s-%llu\"}", option.tag,
                            (unsigned long long)id);
    const char *method = t->kind == POST ? "POST" : "GET";
    int len = snprintf(c->request, sizeof(c->request), "%s %s HTTP/1.1\r\nhost: %s\r\n", method,
                       path, option.host);

    if (t->kind == POST)
        len += snprintf(c->request + len, sizeof(c->request) - (size_t)len,
                        "content-type: application/json\r\ncontent-length: %d\r\n", body_len);
    len += snprintf(c->request + len, sizeof(c->request) - (size_t)len, "%s\r\n%s",
                    option.fresh ? "connection: close\r\n" : "", body);
    c->len = (size_t)len;
    c->sent = 0;
    response_begin(&c->response, shop_checksum(method, path, body, (size_t)body_len),
                   t->stream_lines);
}

static void watch(struct connection *c, int operation, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = c};

    if (epoll_ctl(epoll_fd, operation, c->fd, &event)) {
        perror("hfload: epoll_ctl");
        exit(2);
    }
}

static void send_request(struct connection *c)
{
    ssize_t n = send(c->fd, c->request + c->sent, c->len - c->sent, MSG_NOSIGNAL);

    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        fail_errno(c, errno);
        return;
    }
    c->state = WAITING;
    if (n > 0)
        c->sent += (size_t)n;
    if (c->sent < c->len)
        watch(c, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
}

static void open_connection(struct connection *c)
{
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0) {
        perror("hfload: socket");
        exit(2);
    }
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    c->state = CONNECTING;
    if (connect(c->fd, (struct sockaddr *)&option.address, sizeof(option.address)) &&
        errno != EINPROGRESS) {
        fail_errno(c, errno);
        return;
    }
    watch(c, EPOLL_CTL_ADD, EPOLLIN | EPOLLOUT);
}

static void begin_request(struct connection *c)
{
    compose(c);
    c->begun_us = c->heard_us = now_us();
    started++;
    in_flight++;
    if (c->fd < 0)
        open_connection(c);
    else
        send_request(c);
}

static void connected(struct connection *c)
{
    int error = 0;

    getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &(socklen_t){sizeof(error)});
    if (error) {
        fail_errno(c, error);
        return;
    }
    watch(c, EPOLL_CTL_MOD, EPOLLIN);
    send_request(c);
}

static void response_done(struct connection *c, bool trailing)
{
    char detail[160];

    if (c->response.status / 100 != 2) {
        snprintf(detail, sizeof(detail), "%d %.*s", c->response.status,
                 (int)(c->response.kept_len < 140 ? c->response.kept_len : 140), c->response.kept);
        finish(c, FAILURE_STATUS, detail);
    } else if (trailing) {
        finish(c, FAILURE_FRAMING, "bytes after the response");
    } else if (!response_verified(&c->response)) {
        snprintf(detail, sizeof(detail), "want %08x, got %.*s", c->response.checksum,
                 (int)(c->response.kept_len < 120 ? c->response.kept_len : 120), c->response.kept);
        finish(c, FAILURE_BODY, detail);
    } else if (!c->response.stream_lines && now_us() - c->begun_us > option.limit_us) {
        finish(c, FAILURE_SLOW, "the response took longer than the limit");
    } else {
        finish(c, FAILURE_NONE, "");
    }
}

static void read_response(struct connection *c)
{
    static char buffer[65536];
    ssize_t n = recv(c->fd, buffer, sizeof(buffer), 0);
    size_t used;

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (c->state == IDLE) {
        drop(c); /* closed between two requests, as a server may */
    } else if (n < 0) {
        fail_errno(c, errno);
    } else if (n == 0) {
        finish(c, FAILURE_CLOSED,
               c->response.step || c->response.line_len ? "closed within the response"
               : c->reused                              ? "closed before a response (reused)"
                                                        : "closed before a response");
    } else {
        c->heard_us = now_us();
        enum response_state state = response_feed(&c->response, buffer, (size_t)n, &used);

        if (state == RESPONSE_BAD)
            finish(c, FAILURE_FRAMING, c->response.error);
        else if (state == RESPONSE_DONE)
            response_done(c, used < (size_t)n);
    }
}

static void on_event(struct connection *c, uint32_t events)
{
    if (c->fd < 0)
        return;
    if (c->state == CONNECTING) {
        connected(c);
        return;
    }
    if (events & EPOLLOUT && c->state == WAITING && c->sent < c->len) {
        send_request(c);
        if (c->fd >= 0 && c->sent == c->len)
            watch(c, EPOLL_CTL_MOD, EPOLLIN);
    }
    if (c->fd >= 0 && events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        read_response(c);
}

static void check_limits(void)
{
    uint64_t now = now_us();

    for (unsigned i = 0; i < option.connections + option.streams; i++) {
        struct connection *c = &connections[i];

        if (c->state != IDLE &&
            now - (c->for_streams ? c->heard_us : c->begun_us) > option.limit_us)
            finish(c, FAILURE_SLOW, c->state == CONNECTING ? "no connection" : "no answer in time");
    }
}

static void next_window(const char *name)
{
    uint64_t now = now_us();

    window_merge(&total, &window);
    window_begin(&window, name, option.target_count, now);
}

static void obey(char *line)
{
    if (strncmp(line, "mark ", 5) == 0) {
        window_print(&window, stdout, option.names, in_flight, now_us());
        next_window(line + 5);
    } else if (strcmp(line, "peek") == 0) {
        window_print(&window, stdout, option.names, in_flight, now_us());
    } else if (strcmp(line, "stop") == 0) {
        stopping = true;
    } else {
        fprintf(stderr, "hfload: unknown command: %s\n", line);
    }
}

/* Reads commands; false at the end of stdin. */
static bool read_commands(void)
{
    static char buffer[512];
    static size_t used;
    ssize_t n = read(STDIN_FILENO, buffer + used, sizeof(buffer) - 1 - used);
    char *line = buffer, *end;

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return true;
    if (n <= 0)
        return false;
    used += (size_t)n;
    buffer[used] = '\0';
    while ((end = strchr(line, '\n'))) {
        *end = '\0';
        obey(line);
        line = end + 1;
    }
    used -= (size_t)(line - buffer);
    if (used == sizeof(buffer) - 1)
        used = 0;
    memmove(buffer, line, used);
    return true;
}

/* How many more requests may begin now. */
static uint64_t allowance(uint64_t now)
{
    uint64_t left = UINT64_MAX;

    if (stopping)
        return 0;
    if (option.requests)
        left = option.requests > started ? option.requests - started : 0;
    if (option.rate > 0) {
        uint64_t due = (uint64_t)((double)(now - begun_us) * option.rate / 1e6) + 1;

        /* A stall is not made up for with a burst of more than a tenth of a second. */
        uint64_t burst = (uint64_t)(option.rate / 10) + 1;

        if (due > rate_begun + burst)
            rate_begun = due - burst;
        left = due > rate_begun && due - rate_begun < left ? due - rate_begun
               : due > rate_begun                          ? left
                                                           : 0;
    }
    return left;
}

static void begin_requests(uint64_t now)
{
    static unsigned next;
    unsigned count = option.connections;
    uint64_t left = allowance(now);

    for (unsigned i = 0; i < count && left > 0; i++) {
        struct connection *c = &connections[(next + i) % count];

        if (c->state != IDLE || c->rest_us > now)
            continue;
        left--;
        rate_begun++;
        begin_request(c);
    }
    next = (next + 1) % count;
    if (stopping || (option.requests && started >= option.requests))
        return;
    for (unsigned i = count; i < count + option.streams; i++)
        if (connections[i].state == IDLE && connections[i].rest_us <= now)
            begin_request(&connections[i]);
}

static void turn(bool *led)
{
    struct epoll_event events[256];
    int n = epoll_wait(epoll_fd, events, 256, 1);
    static uint64_t checked_us;

    for (int i = 0; i < n; i++) {
        if (events[i].data.ptr)
            on_event(events[i].data.ptr, events[i].events);
        else if (!read_commands())
            *led = false;
    }
    uint64_t now = now_us();

    if (now - checked_us > 20000) {
        check_limits();
        checked_us = now;
    }
    if (option.seconds && now - begun_us >= option.seconds * 1000000)
        stopping = true;
    begin_requests(now);
}

static int run(void)
{
    struct epoll_event event = {.events = EPOLLIN};
    bool led = true, watched = true;

    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    fcntl(STDIN_FILENO, F_SETFL, fcntl(STDIN_FILENO, F_GETFL) | O_NONBLOCK);
    watched = epoll_ctl(epoll_fd, EPOLL_CTL_ADD, STDIN_FILENO, &event) == 0;
    begun_us = now_us();
    window_begin(&window, "start", option.target_count, begun_us);
    window_begin(&total, "total", option.target_count, begun_us);
    while (!stopping || in_flight > 0) {
        turn(&led);
        if (!led && watched) {
            epoll_ctl(epoll_fd, EPOLL_CTL_DEL, STDIN_FILENO, NULL);
            watched = false;
            if (!option.seconds && !option.requests)
                stopping = true; /* nobody is left to say stop */
        }
        if (option.requests && started >= option.requests && in_flight == 0)
            stopping = true;
    }
    next_window("end");
    /* Gaps at the end belong to the stop, not to the service. */
    for (unsigned i = 0; i < option.target_count; i++)
        total.targets[i].last_success_us = now_us();
    window_print(&total, stdout, option.names, 0, now_us());
    return total.failed ? 1 : 0;
}

static void usage(const char *why)
{
    fprintf(
        stderr,
        "hfload: %s\n"
        "usage: hfload --address IP:PORT [--host NAME] [--connections N] [--get TARGET]...\n"
        "              [--post TARGET]... [--post-share PERCENT] [--stream TARGET --streams N]\n"
        "              [--rate PER-SECOND] [--seconds N] [--requests N] [--limit-ms N]"
        " [--tag TEXT] [--fresh]\n"
        "TARGET is a path in which {id} is replaced; a stream's has chunks=N in its query.\n",
        why);
    exit(2);
}

static void add_target(int kind, const char *path)
{
    static const char *const names[] = {"GET", "POST", "STREAM"};
    struct target *t = &option.targets[option.target_count];
    const char *chunks = strstr(path, "chunks=");

    if (option.target_count == WINDOW_TARGETS)
        usage("too many targets");
    if (strlen(path) > 200 || path[0] != '/')
        usage("a target begins with / and has at most 200 characters");
    t->kind = kind;
    t->path = path;
    if (kind == STREAM)
        t->stream_lines = chunks ? (unsigned)atoi(chunks + 7) : 0;
    if (kind == STREAM && t->stream_lines == 0)
        usage("a stream's target needs chunks=N");
    snprintf(t->name, sizeof(t->name), "%s %s", names[kind], path);
    option.names[option.target_count++] = t->name;
    option.gets += kind == GET;
    option.posts += kind == POST;
    option.stream_targets += kind == STREAM;
}

static void set_address(char *text)
{
    char *colon = strrchr(text, ':');

    if (!option.host)
        option.host = strdup(text);
    if (!colon)
        usage("--address is IP:PORT");
    *colon = '\0';
    option.address.sin_family = AF_INET;
    option.address.sin_port = htons((uint16_t)atoi(colon + 1));
    if (inet_pton(AF_INET, text, &option.address.sin_addr) != 1)
        usage("--address is IP:PORT");
}

static void set_option(int which)
{
    switch (which) {
    case 'a':
        set_address(optarg);
        break;
    case 'h':
        option.host = optarg;
        break;
    case 'c':
        option.connections = (unsigned)atoi(optarg);
        break;
    case 'S':
        option.streams = (unsigned)atoi(optarg);
        break;
    case 'P':
        option.post_share = (unsigned)atoi(optarg);
        break;
    case 'r':
        option.rate = atof(optarg);
        break;
    case 's':
        option.seconds = strtoull(optarg, NULL, 10);
        break;
    case 'n':
        option.requests = strtoull(optarg, NULL, 10);
        break;
    case 'l':
        option.limit_us = strtoull(optarg, NULL, 10) * 1000;
        break;
    case 't':
        option.tag = optarg;
        break;
    case 'F':
        option.fresh = true;
        break;
    case 'G':
        add_target(GET, optarg);
        break;
    case 'O':
        add_target(POST, optarg);
        break;
    case 'M':
        add_target(STREAM, optarg);
        break;
    default:
        usage("unknown option");
    }
}

static void read_options(int argc, char **argv)
{
    static const struct option options[] = {{"address", required_argument, NULL, 'a'},
                                            {"host", required_argument, NULL, 'h'},
                                            {"connections", required_argument, NULL, 'c'},
                                            {"streams", required_argument, NULL, 'S'},
                                            {"post-share", required_argument, NULL, 'P'},
                                            {"rate", required_argument, NULL, 'r'},
                                            {"seconds", required_argument, NULL, 's'},
                                            {"requests", required_argument, NULL, 'n'},
                                            {"limit-ms", required_argument, NULL, 'l'},
                                            {"tag", required_argument, NULL, 't'},
                                            {"get", required_argument, NULL, 'G'},
                                            {"post", required_argument, NULL, 'O'},
                                            {"stream", required_argument, NULL, 'M'},
                                            {"fresh", no_argument, NULL, 'F'},
                                            {0}};
    static char tag[32];
    int which;

    while ((which = getopt_long(argc, argv, "", options, NULL)) != -1)
        set_option(which);
    if (!option.address.sin_port)
        usage("--address is missing");
    if (!option.gets && !option.posts)
        usage("no --get and no --post");
    if (option.connections < 1 || option.connections + option.streams > CONNECTIONS_MAX)
        usage("connections and streams must be between 1 and 4096");
    if (!option.stream_targets)
        option.streams = 0;
    if (!option.posts || option.post_share > 100)
        option.post_share = option.posts ? 100 : 0;
    if (!option.tag) {
        snprintf(tag, sizeof(tag), "%x%llx", (unsigned)getpid(), (unsigned long long)time(NULL));
        option.tag = tag;
    }
}

int main(int argc, char **argv)
{
    struct rlimit files;

    read_options(argc, argv);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    for (unsigned i = 0; i < option.connections + option.streams; i++) {
        connections[i].fd = -1;
        connections[i].for_streams = i >= option.connections;
    }
    return run();
}
