/* http/server.h - a small HTTP/1.1 server on the event loop, for the admin API: few connections,
 * requests collected whole, answers at once, later, or as a stream.
 * Owner: the caller. Runs in: controller. Every size and time that a client influences is bounded
 * by the options. It logs nothing. */
#pragma once
#include "base/error.h"
#include "http/h1_parse.h"
#include "net/loop.h"

struct hf_http_server;

/* One request and its answer. Belongs to the handler from on_request until it calls
 * hf_http_answer() or hf_http_answer_end(), or until on_gone: do not touch it afterwards. */
struct hf_http_exchange {
    const struct hf_h1_head *head;
    struct hf_str path, query, body; /* path in normal form (http/url.h) */
    void *listener;                  /* what was given for the listener it came through */

    /* For the handler. A handler that returns without having answered must have set on_gone, which
     * is called if the client goes away, or the server is freed, before the answer has ended. */
    void *user;
    void (*on_gone)(struct hf_http_exchange *x);
};

struct hf_http_server_options {
    unsigned connections;        /* beyond: 503 at once */
    size_t body;                 /* bytes of a request body; beyond: 413 */
    size_t queue;                /* bytes of a stream that the client has not read yet */
    struct hf_duration idle;     /* between requests */
    struct hf_duration request;  /* from its first byte to its last */
    struct hf_duration progress; /* without the client reading a byte of what is ready */
    void (*on_request)(struct hf_http_exchange *x, void *arg);
    void *arg;
};

/* Good for an admin API; on_request is yet to be set. */
extern const struct hf_http_server_options hf_http_server_defaults;

HF_MUST_CHECK int hf_http_server_new(struct hf_loop *loop,
                                     const struct hf_http_server_options *options,
                                     struct hf_http_server **ret);
struct hf_http_server *hf_http_server_free(struct hf_http_server *s); /* NULL is fine */

/* Takes over a listening socket. `listener` tells requests from different ones apart. On failure
 * the descriptor stays the caller's. */
HF_MUST_CHECK int hf_http_server_listen_take(struct hf_http_server *s, int fd, void *listener);

/* Accepts nothing more, closes idle connections, and the others behind their present answer. */
void hf_http_server_stop(struct hf_http_server *s);
unsigned hf_http_server_connections(const struct hf_http_server *s);

/* Adds a field to the answer that has not begun yet. The caller vouches for name and value. */
void hf_http_answer_field(struct hf_http_exchange *x, struct hf_str name, struct hf_str value);

/* The whole answer. content_type may be empty if the body is. */
void hf_http_answer(struct hf_http_exchange *x, unsigned status, struct hf_str content_type,
                    struct hf_str body);

/* An RFC 9457 problem document with this detail. */
void hf_http_answer_problem(struct hf_http_exchange *x, unsigned status, struct hf_str detail);

/* An answer in pieces. HF_ELIMIT: the client reads too slowly and the piece was not taken. Better
 * end it then: hf_http_answer_cut() closes the connection, so that the client sees that the answer
 * is not whole. on_gone is not called by any of these. */
void hf_http_answer_begin(struct hf_http_exchange *x, unsigned status, struct hf_str content_type);
HF_MUST_CHECK int hf_http_answer_data(struct hf_http_exchange *x, struct hf_str data);
void hf_http_answer_end(struct hf_http_exchange *x);
void hf_http_answer_cut(struct hf_http_exchange *x);
