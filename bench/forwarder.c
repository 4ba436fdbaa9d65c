/* bench/forwarder.c - copies bytes between a client and the origin, one connection for one, and
 * nothing else: the least that any proxy in user space can cost. One thread, epoll, two receives
 * and two sends a request.
 *
 * usage: forwarder LISTEN_PORT ORIGIN_PORT      (loopback; ends by a signal) */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define BUFFER_BYTES (128u << 10)
#define EVENTS 256

/* One end of a pair. What it could not take yet is kept in pending, and the other end is not read
 * meanwhile. */
struct end {
    int fd;
    struct end *other, *next_dead;
    char *pending;
    size_t pending_from, pending_to;
    bool dead;
};

static int epoll_fd, listen_fd;
static unsigned origin_port;
static struct end *dead_list;
static char buffer[BUFFER_BYTES];

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "forwarder: %s: %s\n", what, strerror(errno));
    exit(2);
}

static struct sockaddr_in loopback(unsigned port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static void watch(int operation, struct end *e, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = e};
    if (epoll_ctl(epoll_fd, operation, e->fd, &event) < 0)
        die("epoll_ctl");
}

/* Freed at the end of the turn: events of this turn may still name it. */
static void end_close(struct end *e)
{
    if (e->dead)
        return;
    e->dead = true;
    close(e->fd);
    e->next_dead = dead_list;
    dead_list = e;
    end_close(e->other);
}

static void dead_free(void)
{
    for (struct end *e = dead_list, *next; e != NULL; e = next) {
        next = e->next_dead;
        free(e->pending);
        free(e);
    }
    dead_list = NULL;
}

static void end_read(struct end *e)
{
    struct end *to = e->other;
    ssize_t got = recv(e->fd, buffer, sizeof buffer, MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN)
        return;
    ssize_t sent = got <= 0 ? -1 : send(to->fd, buffer, (size_t)got, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (got <= 0 || (sent < 0 && errno != EAGAIN)) {
        end_close(e);
        return;
    }
    if (sent < 0)
        sent = 0;
    if (sent == got)
        return;
    if (to->pending == NULL && (to->pending = malloc(BUFFER_BYTES)) == NULL)
        die("memory");
    to->pending_from = 0;
    to->pending_to = (size_t)(got - sent);
    memcpy(to->pending, buffer + sent, to->pending_to);
    watch(EPOLL_CTL_MOD, to, EPOLLOUT);
    watch(EPOLL_CTL_MOD, e, 0);
}

static void end_write(struct end *e)
{
    ssize_t sent = send(e->fd, e->pending + e->pending_from, e->pending_to - e->pending_from,
                        MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno != EAGAIN) {
        end_close(e);
        return;
    }
    e->pending_from += sent > 0 ? (size_t)sent : 0;
    if (e->pending_from < e->pending_to)
        return;
    e->pending_from = e->pending_to = 0;
    watch(EPOLL_CTL_MOD, e, EPOLLIN);
    watch(EPOLL_CTL_MOD, e->other, EPOLLIN);
}

/* Connecting is waited for: on loopback it takes microseconds, and it is not what is measured. */
static int origin_connect(void)
{
    struct sockaddr_in address = loopback(origin_port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static void pair_new(int client)
{
    int origin = origin_connect(), on = 1;
    struct end *a = calloc(1, sizeof *a), *b = calloc(1, sizeof *b);
    if (a == NULL || b == NULL)
        die("memory");
    if (origin < 0) {
        close(client);
        free(a);
        free(b);
        return;
    }
    *a = (struct end){.fd = client, .other = b};
    *b = (struct end){.fd = origin, .other = a};
    for (struct end *e = a; e != NULL; e = e == a ? b : NULL) {
        setsockopt(e->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        watch(EPOLL_CTL_ADD, e, EPOLLIN);
    }
}

static void accept_all(void)
{
    int fd;
    while ((fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC)) >= 0)
        pair_new(fd);
    if (errno != EAGAIN && errno != ECONNABORTED)
        die("accept");
}

static void turn(void)
{
    static struct epoll_event events[EVENTS];
    int n = epoll_wait(epoll_fd, events, EVENTS, -1);
    if (n < 0 && errno != EINTR)
        die("epoll_wait");
    for (int i = 0; i < n; i++) {
        struct end *e = events[i].data.ptr;
        if (e == NULL)
            accept_all();
        else if (e->dead)
            continue;
        else if (e->pending_to > 0)
            end_write(e);
        else if (events[i].events & EPOLLIN)
            end_read(e);
        else
            end_close(e);
    }
    dead_free();
}

int main(int argc, char **argv)
{
    int on = 1;
    unsigned port = argc == 3 ? (unsigned)atoi(argv[1]) : 0;
    origin_port = argc == 3 ? (unsigned)atoi(argv[2]) : 0;
    if (port == 0 || port > 65535 || origin_port == 0 || origin_port > 65535) {
        fprintf(stderr, "usage: forwarder LISTEN_PORT ORIGIN_PORT\n");
        return 2;
    }
    struct sockaddr_in address = loopback(port);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (listen_fd < 0 || epoll_fd < 0 ||
        setsockopt(listen_fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
        bind(listen_fd, (struct sockaddr *)&address, sizeof address) < 0 ||
        listen(listen_fd, 4096) < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listen_fd, &event) < 0)
        die("listening");
    for (;;)
        turn();
}
