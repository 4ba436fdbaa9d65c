/* gateway/h2_stream.h - one request of an HTTP/2 client and its response. Owner: its connection.
 * Memory is bounded by the windows: what the client may send is at most what the exchange and the
 * stream's own buffer have room for; of the response, at most what one read of the endpoint brought
 * is kept. */
#pragma once
#include "gateway/h2_client.h"

/* What a client may have under way to us in one stream: as much as an exchange keeps of a body. */
enum { HF_H2_WINDOW = 64 * 1024 };

struct hf_h2_stream {
    struct hf_link link; /* first: a pool overwrites it. In c->streams, c->closed or retired */
    struct hf_link fed, drained; /* in the connection's lists */
    struct hf_timer timer;       /* within a message the client neither sends nor takes a byte */
    struct hf_client base;
    struct hf_h2_client *connection;
    int32_t id;

    /* the request */
    struct hf_buffer in; /* received; the exchange had no room */
    struct hf_h2_fields trailers;
    uint64_t left; /* of a body with a length */
    uint32_t owed; /* bytes received, for which the window was not opened again */
    uint8_t kind;  /* enum hf_h1_body */
    bool taking;
    bool ended;     /* END_STREAM has come */
    bool abandoned; /* RST_STREAM has come */

    /* the response */
    struct hf_buffer out; /* not framed yet */
    struct hf_h2_fields out_trailers;
    bool out_ended; /* out is the rest of it */
    bool submitted; /* its head was handed to nghttp2 */
    bool deferred;  /* nghttp2 waits for bytes */
    bool reset;     /* we have ended it early */
    bool closed;    /* nghttp2 has ended it */
};

/* NULL: there are too many. */
struct hf_h2_stream *hf_h2_stream_new(struct hf_h2_client *c, int32_t id);

/* Its head has come, in c->fields. */
void hf_h2_stream_begin(struct hf_h2_stream *s, bool ended);

/* Bytes of the body; its end, with trailers in c->fields if they came. */
void hf_h2_stream_data(struct hf_h2_stream *s, struct hf_str data);
void hf_h2_stream_end(struct hf_h2_stream *s);

/* What was fed goes on. */
void hf_h2_stream_push(struct hf_h2_stream *s);

/* All that was kept of the response is framed. */
void hf_h2_stream_drained(struct hf_h2_stream *s);

/* Ends it early. */
void hf_h2_stream_reset(struct hf_h2_stream *s, uint32_t error_code);

/* nghttp2 has closed it: whatever is under way ends. Nobody refers to it any more. */
void hf_h2_stream_let_go(struct hf_h2_stream *s);

/* Bytes of the response that can be framed now, and taking so many from the front. */
size_t hf_h2_stream_pending(const struct hf_h2_stream *s);
void hf_h2_stream_await_progress(struct hf_h2_stream *s);

static inline struct hf_h2_stream *hf_h2_stream_of(struct hf_client *base)
{
    return HF_CONTAINER(base, struct hf_h2_stream, base);
}
