/* bench/loadgen.c - both ends of a proxy under measurement: N clients in a closed loop, and the
 * origin that answers them through the proxy.
 *
 * One thread that never sleeps while it measures, so that it is never what the proxy waits for:
 * meant to have a core to itself. Every response is checked for status, content-length and the
 * bytes that came; anything else is an error. Bounded by --requests and by time: warm-up + seconds
 * + DRAIN_NS at most, and longer only until each client has had its first response (10 s at most).
 * The meters (schedstat files, one core's line of /proc/stat) are read here, at the very edges of
 * the measured window. Prints one line of JSON.
 *
 * usage: loadgen --target PORT --origin PORT [--connections N] [--size BYTES] [--warmup S]
 *                [--seconds S] [--requests N] [--core N] [--tls] [--fresh] [--idle] [--external]
 *                [--hold]
 * --tls: as loadgen_tls.h says.
 * --fresh: a connection for each request, which says "connection: close"; the proxy ends it.
 * --idle: each client sends one request and then keeps its connection; when all have, prints a line
 * of JSON, and stays until stdin ends.
 * --external: the clients are another program's, so it is the origin that counts requests, and it
 * sleeps between them. Stays the origin until stdin ends.
 * --hold: only play the origin until a line comes on stdin: the schedstat files to sum,
 * space-separated. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "loadgen_tls.h"

#define MAX_CONNECTIONS 32768u
#define IDLE_AT_ONCE 64u /* clients of --idle that are at work at the same time */
#define MAX_BODY (16u << 20)
#define MAX_SECONDS 600.0
#define MAX_METERS 512u
#define MAX_ERRORS 1000000u
#define HEAD_BYTES 2048u
#define DRAIN_NS (5 * INT64_C(1000000000))
#define WARM_MOST_NS (10 * INT64_C(1000000000))
#define EVENTS 256
#define SUB_BITS 5 /* of the latency histogram: buckets are 1/32 wide, an error of 3 % */
#define BUCKETS (64u << SUB_BITS)

enum kind { STDIN, LISTENER, CLIENT, ORIGIN };
enum phase { HOLD, WARM, MEASURE, DRAIN, IDLE, DONE };

struct peer {
    struct peer *next, **at; /* accepted ones: in run.accepted_peers */
    enum kind kind;
    int fd;
    bool connecting, shaking; /* clients: the TCP connection, the TLS session is under way */
    bool waiting, closing;    /* has a request out; the response said connection: close */
    bool whole;               /* --fresh: the response was, and the connection's end is to come */
    bool met;                 /* a response was */
    SSL *tls;
    uint32_t head_used;
    uint64_t body_left; /* client: of the response; origin: not yet sent */
    int64_t sent_ns;
    const char *answer; /* origin: what it is sending */
    size_t answer_length;
    char head[HEAD_BYTES];
};

struct core_ticks {
    uint64_t total, idle, steal;
};

struct meters {
    int fds[MAX_METERS];
    int64_t last_ns[MAX_METERS];
    unsigned count, lost;
    int64_t cpu_ns;
    struct core_ticks core, own; /* the subject's core; this program's */
};

static struct {
    unsigned target_port, origin_port, connections, core;
    uint64_t size, max_requests;
    double warmup, seconds;
    bool hold, tls, fresh, idle, external;
} options = {
    .connections = 64, .size = 200, .max_requests = 1000000000, .warmup = 0.5, .seconds = 2};

static struct {
    struct peer *clients, *accepted_peers;
    int epoll;
    enum phase phase;
    unsigned waiting;          /* clients that have a request out */
    unsigned met;              /* clients that have had a response */
    unsigned started, settled; /* of --idle's clients */
    uint64_t served_before;    /* the window */
    uint64_t requests, total, errors, reconnects, served, accepted;
    int64_t started_ns, ended_ns, idle_ns;
    uint64_t latency[BUCKETS];
    char first_error[160];
    struct meters meters;
    int64_t cpu_ns; /* of the window, as the next three */
    double busy, steal, spare;
} run = {.epoll = -1};

static char request[256], *answer, ready_answer[128];
static size_t request_length, answer_length, ready_length;

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "loadgen: %s: %s\n", what, strerror(errno));
    exit(2);
}

static int64_t now_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

__attribute__((format(printf, 1, 2))) static void failed(const char *format, ...)
{
    if (run.errors++ > 0)
        return;
    va_list list;
    va_start(list, format);
    vsnprintf(run.first_error, sizeof run.first_error, format, list);
    va_end(list);
    for (char *c = run.first_error; *c != '\0'; c++)
        if (*c < ' ' || *c > '~' || *c == '"' || *c == '\\')
            *c = '?';
}

/* ---- latency: log-linear, in nanoseconds ---- */

static unsigned bucket_of(uint64_t ns)
{
    if (ns < (1u << SUB_BITS))
        return (unsigned)ns;
    unsigned shift = 63u - (unsigned)__builtin_clzll(ns) - SUB_BITS;
    return ((shift + 1) << SUB_BITS) + (unsigned)((ns >> shift) - (1u << SUB_BITS));
}

static uint64_t bucket_low(unsigned bucket)
{
    unsigned group = bucket >> SUB_BITS, sub = bucket & ((1u << SUB_BITS) - 1);
    return group == 0 ? sub : (uint64_t)(sub + (1u << SUB_BITS)) << (group - 1);
}

static double percentile_us(double share)
{
    uint64_t rank = (uint64_t)((double)run.requests * share), seen = 0;
    for (unsigned b = 0; b < BUCKETS; b++) {
        seen += run.latency[b];
        if (seen > rank)
            return (double)bucket_low(b) / 1000;
    }
    return 0;
}

/* ---- meters ---- */

static void meters_open(char *paths)
{
    char *rest = NULL;
    for (char *path = strtok_r(paths, " \n", &rest); path != NULL;
         path = strtok_r(NULL, " \n", &rest)) {
        if (run.meters.count == MAX_METERS) {
            errno = E2BIG;
            die("schedstat files");
        }
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            die(path);
        run.meters.fds[run.meters.count++] = fd;
    }
}

static void core_read(unsigned core, struct core_ticks *ret)
{
    static char text[16384];
    char label[24];
    snprintf(label, sizeof label, "\ncpu%u ", core);
    int fd = open("/proc/stat", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (n < 0)
        die("/proc/stat");
    close(fd);
    text[n] = '\0';
    const char *line = strstr(text, label);
    uint64_t v[8]; /* user nice system idle iowait irq softirq steal */
    if (line == NULL || sscanf(line + strlen(label),
                               "%" SCNu64 "%" SCNu64 "%" SCNu64 "%" SCNu64 "%" SCNu64 "%" SCNu64
                               "%" SCNu64 "%" SCNu64,
                               &v[0], &v[1], &v[2], &v[3], &v[4], &v[5], &v[6], &v[7]) != 8) {
        errno = ENOENT;
        die("the core's line in /proc/stat");
    }
    ret->total = v[0] + v[1] + v[2] + v[3] + v[4] + v[5] + v[6] + v[7];
    ret->idle = v[3] + v[4];
    ret->steal = v[7];
}

/* A task that has ended cannot be read any more: what it took since the last reading is lost, and
 * counted. */
static void meters_read(struct meters *m)
{
    m->cpu_ns = 0;
    m->lost = 0;
    for (unsigned i = 0; i < m->count; i++) {
        char text[96];
        ssize_t n = pread(m->fds[i], text, sizeof text - 1, 0);
        if (n > 0) {
            text[n] = '\0';
            m->last_ns[i] = strtoll(text, NULL, 10);
        } else {
            m->lost++;
        }
        m->cpu_ns += m->last_ns[i];
    }
    core_read(options.core, &m->core);
    core_read((unsigned)sched_getcpu(), &m->own);
}

static void window_begin(void)
{
    meters_read(&run.meters);
    run.started_ns = now_ns();
    run.idle_ns = 0;
    run.served_before = run.served;
    run.phase = MEASURE;
}

static void window_end(void)
{
    static struct meters then;
    then = run.meters;
    run.ended_ns = now_ns();
    meters_read(&run.meters);
    run.cpu_ns = run.meters.cpu_ns - then.cpu_ns;
    uint64_t ticks = run.meters.core.total - then.core.total;
    if (ticks > 0) {
        run.busy = 1 - (double)(run.meters.core.idle - then.core.idle) / (double)ticks;
        run.steal = (double)(run.meters.core.steal - then.core.steal) / (double)ticks;
    }
    run.spare = (double)run.idle_ns / (double)(run.ended_ns - run.started_ns);
    ticks = run.meters.own.total - then.own.total;
    if (options.external) {
        run.spare = (double)(run.meters.own.idle - then.own.idle) / (double)(ticks ? ticks : 1);
        run.requests = run.served - run.served_before;
    }
    run.phase = DRAIN;
}

/* ---- peers ---- */

static void watch(int operation, struct peer *p, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = p};
    if (epoll_ctl(run.epoll, operation, p->fd, &event) < 0)
        die("epoll_ctl");
}

static struct sockaddr_in loopback(unsigned port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

/* Reset instead of TIME_WAIT: hundreds of connections a measurement would use up the ports. */
static void reset_on_close(int fd)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
}

/* Without it, a second message waits until the first one is acknowledged. */
static void send_at_once(int fd)
{
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

/* Returns whether it could be sent; false: not connected yet. */
static bool client_send(struct peer *p)
{
    if (run.phase >= DRAIN)
        return true;
    p->sent_ns = now_ns();
    p->head_used = 0;
    p->body_left = 0;
    p->closing = false;
    ssize_t n = p->tls ? tls_send(p->tls, request, request_length)
                       : send(p->fd, request, request_length, MSG_NOSIGNAL);
    if (n < 0 && p->connecting && (errno == EAGAIN || errno == ENOTCONN))
        return false;
    if (n != (ssize_t)request_length)
        failed("request not sent whole: %s", strerror(errno));
    p->connecting = false;
    p->waiting = true;
    run.waiting++;
    return true;
}

/* On loopback the connection stands when connect() returns, though it says that it is in progress:
 * without TLS the request can mostly go out at once, which saves this program two calls. */
static void client_connect(struct peer *p)
{
    struct sockaddr_in address = loopback(options.target_port);
    *p = (struct peer){.kind = CLIENT, .connecting = true, .met = p->met};
    p->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (p->fd < 0)
        die("socket");
    reset_on_close(p->fd);
    if (connect(p->fd, (struct sockaddr *)&address, sizeof address) < 0 && errno != EINPROGRESS)
        die("connect");
    if (options.tls) {
        send_at_once(p->fd);
        if ((p->tls = tls_new(p->fd, "bench.example")) == NULL)
            die("memory");
    }
    watch(EPOLL_CTL_ADD, p, !options.tls && client_send(p) ? EPOLLIN : EPOLLOUT);
}

static void client_stop_waiting(struct peer *p)
{
    if (p->waiting)
        run.waiting--;
    p->waiting = false;
}

/* An error costs the connection; one that comes up too often ends the run instead of spinning. */
static void client_again(struct peer *p)
{
    client_stop_waiting(p);
    SSL_free(p->tls);
    p->tls = NULL;
    close(p->fd);
    run.reconnects++;
    if (run.errors > MAX_ERRORS) {
        fprintf(stderr, "loadgen: too many errors; the first: %s\n", run.first_error);
        exit(2);
    }
    if (run.phase < DRAIN)
        client_connect(p);
    else
        p->fd = -1;
}

/* --idle: the next one's turn; the last one's is said. */
static void client_settled(void)
{
    run.settled++;
    if (run.started < options.connections)
        client_connect(&run.clients[run.started++]);
    if (run.settled < options.connections)
        return;
    printf("{\"settled\": %u, \"errors\": %" PRIu64 ", \"first_error\": \"%s\"}\n", run.settled,
           run.errors, run.first_error);
    fflush(stdout);
    run.phase = IDLE;
}

static void client_done(struct peer *p)
{
    client_stop_waiting(p);
    run.total++;
    run.met += !p->met;
    p->met = true;
    if (run.phase == MEASURE) {
        run.requests++;
        run.latency[bucket_of((uint64_t)(now_ns() - p->sent_ns))]++;
        if (run.requests >= options.max_requests)
            window_end();
    }
    if (options.idle)
        client_settled();
    else if (options.fresh)
        p->whole = true;
    else if (p->closing)
        client_again(p);
    else
        client_send(p);
}

/* The head ends at head_end. Returns whether it is as it must be. */
static bool client_head(struct peer *p, const char *head_end)
{
    unsigned status = 0;
    size_t left_over = p->head_used - (size_t)(head_end - p->head);
    p->head[head_end - p->head - 1] = '\0';
    if (sscanf(p->head, "HTTP/1.1 %3u ", &status) != 1 || status != 200) {
        failed("status %u: %.60s", status, p->head);
        return false;
    }
    const char *length = strcasestr(p->head, "\r\ncontent-length:");
    if (length == NULL || strtoull(length + 17, NULL, 10) != options.size) {
        failed("content-length missing or wrong");
        return false;
    }
    if (left_over > options.size) {
        failed("more bytes than content-length");
        return false;
    }
    p->closing = strcasestr(p->head, "\r\nconnection: close") != NULL;
    p->body_left = options.size - left_over;
    return true;
}

/* Body bytes are counted and dropped; without TLS in the kernel (MSG_TRUNC), for no copy of them is
 * needed. */
static ssize_t client_receive(struct peer *p)
{
    static char body[64u << 10];
    bool in_body = p->body_left > 0;
    char *to = in_body ? body : p->head + p->head_used;
    size_t most = in_body ? p->body_left : HEAD_BYTES - p->head_used;

    if (p->tls)
        return tls_recv(p->tls, to, in_body && most > sizeof body ? sizeof body : most);
    return recv(p->fd, in_body ? NULL : to, most, in_body ? MSG_TRUNC : 0);
}

/* What an end of the connection, or bytes while none are due, mean. */
static void client_unasked(struct peer *p, ssize_t n)
{
    if (n > 0)
        failed("bytes that nobody asked for");
    else if (p->waiting || options.idle || (p->whole && n < 0))
        failed("connection lost, %s", p->waiting ? "with a request out" : "not closed");
    client_again(p);
}

/* Returns whether there may be more at once. */
static bool client_read(struct peer *p)
{
    bool in_body = p->body_left > 0;
    ssize_t n = client_receive(p);
    if (n < 0 && errno == EAGAIN)
        return false;
    if (n <= 0 || !p->waiting) {
        client_unasked(p, n);
        return false;
    }
    if (in_body) {
        p->body_left -= (uint64_t)n;
    } else {
        p->head_used += (uint32_t)n;
        char *end = memmem(p->head, p->head_used, "\r\n\r\n", 4);
        if (end == NULL && p->head_used < HEAD_BYTES)
            return true;
        if (end == NULL)
            failed("response head over %u bytes", HEAD_BYTES);
        if (end == NULL || !client_head(p, end + 4)) {
            client_again(p);
            return false;
        }
    }
    if (p->body_left == 0)
        client_done(p);
    return true;
}

static void client_connected(struct peer *p, uint32_t events)
{
    if (events & (EPOLLERR | EPOLLHUP)) {
        failed("connection refused or reset");
        client_again(p);
        return;
    }
    p->connecting = false;
    p->shaking = p->tls != NULL;
    watch(EPOLL_CTL_MOD, p, EPOLLIN);
    if (!p->shaking)
        client_send(p);
}

static void client_shake(struct peer *p)
{
    int done = tls_handshake(p->tls);
    if (done < 0) {
        failed("TLS handshake refused");
        client_again(p);
    } else if (done > 0) {
        p->shaking = false;
        client_send(p);
    }
}

static void client_event(struct peer *p, uint32_t events)
{
    if (p->connecting)
        client_connected(p, events);
    if (p->shaking)
        client_shake(p);
    else if (!p->connecting)
        while (client_read(p) && p->tls && !p->connecting && SSL_has_pending(p->tls))
            ;
}

static void origin_close(struct peer *p)
{
    close(p->fd);
    *p->at = p->next;
    if (p->next)
        p->next->at = p->at;
    free(p);
}

static void origin_send(struct peer *p)
{
    const char *from = p->answer + (p->answer_length - p->body_left);
    bool was_blocked = p->body_left != p->answer_length;
    ssize_t n = send(p->fd, from, p->body_left, MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN) {
        origin_close(p);
        return;
    }
    if (n > 0)
        p->body_left -= (uint64_t)n;
    if (p->body_left > 0)
        watch(EPOLL_CTL_MOD, p, EPOLLOUT);
    else if (was_blocked)
        watch(EPOLL_CTL_MOD, p, EPOLLIN);
    run.served += p->body_left == 0;
}

/* Requests have no body and are not pipelined, so a head ends what has come. */
static void origin_read(struct peer *p)
{
    ssize_t n = recv(p->fd, p->head + p->head_used, HEAD_BYTES - p->head_used, 0);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        origin_close(p);
        return;
    }
    p->head_used += (uint32_t)n;
    if (memmem(p->head, p->head_used, "\r\n\r\n", 4) == NULL) {
        if (p->head_used == HEAD_BYTES) {
            failed("request head over %u bytes at the origin", HEAD_BYTES);
            origin_close(p);
        }
        return;
    }
    bool probe = p->head_used > 12 && memcmp(p->head, "GET /-/ready", 12) == 0;
    p->head_used = 0;
    p->answer = probe ? ready_answer : answer;
    p->answer_length = p->body_left = probe ? ready_length : answer_length;
    origin_send(p);
}

static void listener_accept(struct peer *listener)
{
    int fd;
    while ((fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct peer *p = calloc(1, sizeof *p);
        if (p == NULL)
            die("memory");
        *p = (struct peer){
            .next = run.accepted_peers, .at = &run.accepted_peers, .kind = ORIGIN, .fd = fd};
        if (p->next)
            p->next->at = &p->next;
        run.accepted_peers = p;
        reset_on_close(fd);
        send_at_once(fd);
        watch(EPOLL_CTL_ADD, p, EPOLLIN);
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): the kernel holds it, as epoll's data */
        run.accepted++;
    }
    if (errno != EAGAIN && errno != ECONNABORTED)
        die("accept");
}

static void listener_open(struct peer *p)
{
    struct sockaddr_in address = loopback(options.origin_port);
    int on = 1;
    *p = (struct peer){.kind = LISTENER};
    p->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (p->fd < 0 || setsockopt(p->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
        bind(p->fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(p->fd, 4096) < 0)
        die("listening as the origin");
    watch(EPOLL_CTL_ADD, p, EPOLLIN);
}

/* ---- the run ---- */

static void messages_build(void)
{
    request_length = (size_t)snprintf(request, sizeof request,
                                      "GET /bench/item?size=%" PRIu64 " HTTP/1.1\r\n"
                                      "Host: bench.example\r\n"
                                      "User-Agent: loadgen\r\n"
                                      "Accept: */*\r\n%s\r\n",
                                      options.size, options.fresh ? "Connection: close\r\n" : "");
    ready_length = (size_t)snprintf(ready_answer, sizeof ready_answer,
                                    "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n");
    answer = malloc(options.size + 256);
    if (answer == NULL)
        die("memory");
    int head = sprintf(answer,
                       "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n"
                       "Content-Length: %" PRIu64 "\r\n\r\n",
                       options.size);
    memset(answer + head, 'x', options.size);
    answer_length = (size_t)head + options.size;
}

static void clients_start(struct peer *clients)
{
    unsigned first = options.connections;
    if (options.idle && first > IDLE_AT_ONCE)
        first = IDLE_AT_ONCE;
    for (run.started = 0; !options.external && run.started < first; run.started++)
        client_connect(&clients[run.started]);
    run.phase = options.idle ? HOLD : WARM;
    run.started_ns = now_ns();
}

/* A line with the schedstat files begins the run. Later only the end comes. */
static void standard_input(struct peer *p, struct peer *clients)
{
    static char paths[MAX_METERS * 64];
    size_t used = 0;
    ssize_t n;
    if (run.phase != HOLD || run.started > 0) {
        run.phase = DONE;
        return;
    }
    while (used < sizeof paths - 1 && memchr(paths, '\n', used) == NULL &&
           (n = read(p->fd, paths + used, sizeof paths - 1 - used)) > 0)
        used += (size_t)n;
    if (memchr(paths, '\n', used) == NULL) /* whoever started it has gone, or speaks nonsense */
        exit(2);
    if (!options.idle && !options.external)
        epoll_ctl(run.epoll, EPOLL_CTL_DEL, p->fd, NULL);
    meters_open(paths);
    clients_start(clients);
}

static void report(void)
{
    for (unsigned left = run.waiting; left > 0; left--)
        failed("no answer within %d s of the end", (int)(DRAIN_NS / 1000000000));
    printf("{\"requests\": %" PRIu64 ", \"seconds\": %.4f, \"errors\": %" PRIu64
           ", \"median_us\": %.1f, \"p99_us\": %.1f, \"total\": %" PRIu64 ", \"served\": %" PRIu64
           ", \"reconnects\": %" PRIu64 ", \"accepted\": %" PRIu64 ", \"cpu_ns\": %" PRId64
           ", \"busy\": %.4f, \"steal\": %.4f, \"spare\": %.4f, \"lost_tasks\": %u, "
           "\"first_error\": \"%s\"}\n",
           run.requests, (double)(run.ended_ns - run.started_ns) / 1e9, run.errors,
           percentile_us(0.5), percentile_us(0.99), run.total, run.served, run.reconnects,
           run.accepted, run.cpu_ns, run.busy, run.steal, run.spare, run.meters.lost,
           run.first_error);
    fflush(stdout);
}

/* No first connections, nor handshakes of TLS, in the window. */
static bool is_warm(int64_t ns)
{
    return ns >= (int64_t)(options.warmup * 1e9) &&
           (options.external || run.met >= options.connections || ns >= WARM_MOST_NS);
}

/* The end of an external run is said at once; the origin stays as long as the clients do. */
static void phase_step(int64_t now)
{
    if (run.phase == WARM && is_warm(now - run.started_ns)) {
        window_begin();
    } else if (run.phase == MEASURE && now - run.started_ns >= (int64_t)(options.seconds * 1e9)) {
        window_end();
        if (options.external) {
            report();
            run.phase = IDLE;
        }
    } else if (run.phase == DRAIN && (run.waiting == 0 || now - run.ended_ns > DRAIN_NS)) {
        run.phase = DONE;
    }
}

static int wait_ms(void)
{
    if (run.phase == IDLE || (run.phase == HOLD && run.started == 0))
        return -1;
    return options.external ? 1 : 0;
}

static void loop(struct peer *clients)
{
    static struct epoll_event events[EVENTS];
    int64_t now = now_ns();
    while (run.phase != DONE) {
        int n = epoll_wait(run.epoll, events, EVENTS, wait_ms());
        if (n < 0 && errno != EINTR)
            die("epoll_wait");
        for (int i = 0; i < n; i++) {
            struct peer *p = events[i].data.ptr;
            if (p->kind == CLIENT)
                client_event(p, events[i].events);
            else if (p->kind == LISTENER)
                listener_accept(p);
            else if (p->kind == STDIN)
                standard_input(p, clients);
            else if (p->body_left > 0 && (events[i].events & EPOLLOUT))
                origin_send(p);
            else
                origin_read(p);
        }
        int64_t then = now;
        now = now_ns();
        if (n <= 0)
            run.idle_ns += now - then;
        phase_step(now);
    }
}

static double number(const char *name, const char *text, double low, double high)
{
    char *end;
    double value = strtod(text, &end);
    if (*text == '\0' || *end != '\0' || !(value >= low && value <= high)) {
        fprintf(stderr, "loadgen: --%s %s: expected a number from %g to %g\n", name, text, low,
                high);
        exit(2);
    }
    return value;
}

static void usage(void)
{
    fprintf(stderr, "usage: loadgen --target PORT --origin PORT [--connections N] [--size BYTES] "
                    "[--warmup S] [--seconds S] [--requests N] [--core N] [--tls] [--fresh] "
                    "[--idle] [--external] [--hold]\n");
    exit(2);
}

static void options_read(int argc, char **argv)
{
    static const struct option table[] = {{"target", 1, NULL, 't'},      {"origin", 1, NULL, 'o'},
                                          {"connections", 1, NULL, 'c'}, {"size", 1, NULL, 's'},
                                          {"warmup", 1, NULL, 'w'},      {"seconds", 1, NULL, 'd'},
                                          {"requests", 1, NULL, 'r'},    {"core", 1, NULL, 'p'},
                                          {"hold", 0, NULL, 'h'},        {"tls", 0, NULL, 'T'},
                                          {"fresh", 0, NULL, 'F'},       {"idle", 0, NULL, 'I'},
                                          {"external", 0, NULL, 'E'},    {0}};
    for (int c, i; (c = getopt_long(argc, argv, "", table, &i)) != -1;) {
        if (c == 't')
            options.target_port = (unsigned)number("target", optarg, 1, 65535);
        else if (c == 'o')
            options.origin_port = (unsigned)number("origin", optarg, 1, 65535);
        else if (c == 'c')
            options.connections = (unsigned)number("connections", optarg, 1, MAX_CONNECTIONS);
        else if (c == 's')
            options.size = (uint64_t)number("size", optarg, 1, MAX_BODY);
        else if (c == 'w')
            options.warmup = number("warmup", optarg, 0, MAX_SECONDS);
        else if (c == 'd')
            options.seconds = number("seconds", optarg, 0.01, MAX_SECONDS);
        else if (c == 'r')
            options.max_requests = (uint64_t)number("requests", optarg, 1, 1e9);
        else if (c == 'p')
            options.core = (unsigned)number("core", optarg, 0, 4095);
        else if (c == 'h')
            options.hold = true;
        else if (c == 'T')
            options.tls = true;
        else if (c == 'F')
            options.fresh = true;
        else if (c == 'I')
            options.idle = true;
        else if (c == 'E')
            options.external = true;
        else
            usage();
    }
    if (options.target_port == 0 || options.origin_port == 0 || optind != argc ||
        options.idle + options.fresh + options.external > 1)
        usage();
}

int main(int argc, char **argv)
{
    static struct peer listener, input = {.kind = STDIN, .fd = STDIN_FILENO};
    options_read(argc, argv);
    signal(SIGPIPE, SIG_IGN);
    run.clients = calloc(options.connections, sizeof *run.clients);
    run.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (run.clients == NULL || run.epoll < 0 || (options.tls && !tls_setup()))
        die("start");
    messages_build();
    listener_open(&listener);
    if (options.hold)
        watch(EPOLL_CTL_ADD, &input, EPOLLIN);
    else
        clients_start(run.clients);
    loop(run.clients);
    if (!options.external && !options.idle)
        report();
    return 0;
}
