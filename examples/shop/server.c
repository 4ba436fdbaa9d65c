#include "shop/server.h"
#include "shop/checksum.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct shop_client {
    const struct shop_server *server;
    int fd;
    bool close; /* after this answer */
    bool gone;
    size_t used;
    char buffer[SHOP_REQUEST_MAX + 1];
};

static const char *reason(int status)
{
    switch (status) {
    case 200:
        return "OK";
    case 201:
        return "Created";
    case 400:
        return "Bad Request";
    case 404:
        return "Not Found";
    case 411:
        return "Length Required";
    case 413:
        return "Content Too Large";
    case 500:
        return "Internal Server Error";
    case 503:
        return "Service Unavailable";
    default:
        return "Status";
    }
}

static void send_all(struct shop_client *client, const char *data, size_t len)
{
    while (len > 0 && !client->gone) {
        ssize_t n = send(client->fd, data, len, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            client->gone = true;
            return;
        }
        data += n;
        len -= (size_t)n;
    }
}

bool shop_client_gone(const struct shop_client *client)
{
    return client->gone;
}

void shop_sleep_ms(long ms)
{
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

    while (nanosleep(&t, &t) < 0 && errno == EINTR) {
    }
}

void shop_answer(struct shop_client *client, int status, const char *body)
{
    size_t len = strlen(body);
    char small[4096];
    int head = snprintf(small, sizeof(small),
                        "HTTP/1.1 %d %s\r\ncontent-type: application/json\r\nx-version: %s\r\n"
                        "content-length: %zu\r\n%s\r\n",
                        status, reason(status), client->server->version, len,
                        client->close ? "connection: close\r\n" : "");

    if ((size_t)head + len < sizeof(small)) {
        memcpy(small + head, body, len);
        send_all(client, small, (size_t)head + len);
    } else {
        send_all(client, small, (size_t)head);
        send_all(client, body, len);
    }
}

void shop_stream_begin(struct shop_client *client)
{
    char head[512];
    int len = snprintf(head, sizeof(head),
                       "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nx-version: %s\r\n"
                       "transfer-encoding: chunked\r\n%s\r\n",
                       client->server->version, client->close ? "connection: close\r\n" : "");

    send_all(client, head, (size_t)len);
}

void shop_stream_chunk(struct shop_client *client, const char *data, size_t len)
{
    char chunk[4096];
    int head = snprintf(chunk, sizeof(chunk), "%zx\r\n", len);

    if ((size_t)head + len + 2 > sizeof(chunk)) {
        send_all(client, chunk, (size_t)head);
        send_all(client, data, len);
        send_all(client, "\r\n", 2);
        return;
    }
    memcpy(chunk + head, data, len);
    memcpy(chunk + head + len, "\r\n", 2);
    send_all(client, chunk, (size_t)head + len + 2);
}

void shop_stream_end(struct shop_client *client)
{
    send_all(client, "0\r\n\r\n", 5);
}

long shop_query_number(const char *target, const char *name, long fallback)
{
    size_t len = strlen(name);
    const char *at = strchr(target, '?');

    while (at) {
        at++;
        if (strncmp(at, name, len) == 0 && at[len] == '=')
            return strtol(at + len + 1, NULL, 10);
        at = strchr(at, '&');
    }
    return fallback;
}

void shop_stream_lines(struct shop_client *client, const struct shop_request *request)
{
    long ms = shop_query_number(request->target, "ms", 1000);
    long chunks = shop_query_number(request->target, "chunks", 10);

    if (ms < 0 || ms > 600000 || chunks < 1 || chunks > 1000000) {
        shop_answer(client, 400, "{\"error\":\"ms or chunks out of range\"}\n");
        return;
    }
    shop_stream_begin(client);
    for (long i = 0; i < chunks && !client->gone; i++) {
        char line[64];
        int len = snprintf(line, sizeof(line), "%08x %ld\n", request->checksum, i);

        shop_stream_chunk(client, line, (size_t)len);
        shop_sleep_ms(ms / chunks);
    }
    shop_stream_end(client);
}

/* Receives more; false when the client has closed, failed, or sent too much. */
static bool receive(struct shop_client *client)
{
    ssize_t n;

    if (client->used == SHOP_REQUEST_MAX)
        return false;
    do
        n = recv(client->fd, client->buffer + client->used, SHOP_REQUEST_MAX - client->used, 0);
    while (n < 0 && errno == EINTR);
    if (n <= 0)
        return false;
    client->used += (size_t)n;
    client->buffer[client->used] = '\0';
    return true;
}

/* Reads the header lines that matter here; 0, or the status to refuse the request with. */
static int read_headers(struct shop_client *client, char *line, size_t *body_len)
{
    *body_len = 0;
    while (*line) {
        char *end = strstr(line, "\r\n");

        *end = '\0';
        if (strncasecmp(line, "content-length:", 15) == 0)
            *body_len = strtoul(line + 15, NULL, 10);
        else if (strncasecmp(line, "transfer-encoding:", 18) == 0)
            return 411;
        else if (strncasecmp(line, "connection:", 11) == 0 && strcasestr(line + 11, "close"))
            client->close = true;
        line = end + 2;
    }
    return 0;
}

/* Splits "METHOD TARGET HTTP/1.1"; false if it is not that. */
static bool split_request_line(char *line, struct shop_request *request)
{
    char *target = strchr(line, ' ');
    char *version = target ? strchr(target + 1, ' ') : NULL;

    if (!version)
        return false;
    *target++ = '\0';
    *version++ = '\0';
    request->method = line;
    request->target = target;
    return strncmp(version, "HTTP/1.", 7) == 0;
}

static void refuse(struct shop_client *client, int status)
{
    client->close = true;
    shop_answer(client, status, "{\"error\":\"bad request\"}\n");
}

/* Reads and answers one request; false when the connection is to be closed. */
static bool serve_request(struct shop_client *client)
{
    struct shop_request request = {0};
    char *end;
    size_t head, body_len = 0;
    int status;

    while (!(end = strstr(client->buffer, "\r\n\r\n")))
        if (!receive(client))
            return false;
    head = (size_t)(end - client->buffer) + 4;
    end[2] = '\0'; /* header lines end at the empty string */
    char *headers = strstr(client->buffer, "\r\n");

    *headers = '\0';
    if (!split_request_line(client->buffer, &request)) {
        refuse(client, 400);
        return false;
    }
    status = read_headers(client, headers + 2, &body_len);
    if (!status && body_len > SHOP_REQUEST_MAX - head)
        status = 413;
    if (status) {
        refuse(client, status);
        return false;
    }
    while (client->used < head + body_len)
        if (!receive(client))
            return false;
    request.body = client->buffer + head;
    request.body_len = body_len;
    request.checksum = shop_checksum(request.method, request.target, request.body, body_len);
    client->server->handle(client, &request);

    client->used -= head + body_len;
    memmove(client->buffer, client->buffer + head + body_len, client->used);
    client->buffer[client->used] = '\0';
    return !client->close && !client->gone;
}

static void *serve_client(void *arg)
{
    struct shop_client *client = arg;

    while (serve_request(client)) {
    }
    close(client->fd);
    free(client);
    return NULL;
}

static void accept_client(const struct shop_server *server, int fd, const pthread_attr_t *attr)
{
    struct shop_client *client = malloc(sizeof(*client));
    pthread_t thread;

    if (!client) {
        close(fd);
        return;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    client->server = server;
    client->fd = fd;
    client->close = client->gone = false;
    client->used = 0;
    client->buffer[0] = '\0';
    if (pthread_create(&thread, attr, serve_client, client)) {
        close(fd);
        free(client);
    }
}

int shop_serve(const struct shop_server *server)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)server->port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    pthread_attr_t attr;

    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    if (bind(listener, (struct sockaddr *)&address, sizeof(address)) || listen(listener, 1024)) {
        fprintf(stderr, "cannot listen on 127.0.0.1:%d: %s\n", server->port, strerror(errno));
        close(listener);
        return 1;
    }
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attr, (size_t)128 * 1024);
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

        if (fd >= 0)
            accept_client(server, fd, &attr);
        else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
            shop_sleep_ms(10);
    }
}
