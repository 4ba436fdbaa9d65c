/* shop/server.h - a small HTTP/1.1 server: one thread a connection, blocking calls, keep-alive.
 *
 * It is what a plain service looks like: it installs no signal handler, so SIGTERM ends it at once,
 * whatever is in flight. Requests are limited to SHOP_REQUEST_MAX bytes with their body; chunked
 * request bodies are answered 411. It listens on 127.0.0.1 only. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SHOP_REQUEST_MAX 32768

struct shop_client; /* one connection; valid during the call of the handler */

struct shop_request {
    const char *method;
    const char *target; /* as received: path and query */
    const char *body;   /* not terminated by NUL */
    size_t body_len;
    uint32_t checksum; /* shop/checksum.h, over this request */
};

struct shop_server {
    int port;
    const char *version; /* sent back as x-version with every answer */
    /* Answers one request; runs on the connection's thread. */
    void (*handle)(struct shop_client *client, const struct shop_request *request);
};

/* Serves until the process is ended; returns only if it cannot listen, with an exit code after
 * having said why on stderr. */
int shop_serve(const struct shop_server *server);

/* Sends a whole answer; `body` is JSON. */
void shop_answer(struct shop_client *client, int status, const char *body);

/* Sends an answer in chunks: begin, any number of chunks, end. */
void shop_stream_begin(struct shop_client *client);
void shop_stream_chunk(struct shop_client *client, const char *data, size_t len);
void shop_stream_end(struct shop_client *client);

/* True once sending to the client has failed; a long answer should stop then. */
bool shop_client_gone(const struct shop_client *client);

/* Answers "TARGET?ms=M&chunks=N" with N lines "CHECKSUM NUMBER\n", evenly over M milliseconds. */
void shop_stream_lines(struct shop_client *client, const struct shop_request *request);

/* The number behind `name=` in the target's query, or `fallback`. */
long shop_query_number(const char *target, const char *name, long fallback);

void shop_sleep_ms(long ms);
