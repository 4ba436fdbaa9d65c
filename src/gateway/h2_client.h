/* gateway/h2_client.h - a client's HTTP/2 connection (RFC 9113): frames by nghttp2, and what it
 * leaves to its user: limits, floods, windows, deadlines, the last words.
 * Owner: its worker. Closed ones are retired until the next turn (worker.h).
 *
 * A connection begins as a struct hf_h1_client, which hands it over when TLS has agreed on HTTP/2
 * or its first bytes are HTTP/2's preface. Each request is a stream (h2_stream.h).
 *
 * Nothing is sent while bytes are received: what is queued goes out once a turn, in one call, by a
 * task. Only a large piece of a response is sent at once, from where it lies. */
#pragma once
#include <nghttp2/nghttp2.h>

#include "gateway/client.h"
#include "gateway/h2_fields.h"
#include "gateway/h2_frames.h"
#include "gateway/h2_guard.h"
#include "gateway/task.h"
#include "gateway/wire.h"
#include "net/loop.h"

struct hf_h2_stream;
struct hf_worker;

enum { HF_H2_ENDED = 32 };

enum hf_h2_client_state {
    HF_H2_CLIENT_OPEN,
    HF_H2_CLIENT_LINGER, /* all is said; what still comes is thrown away, so that no reset eats the
                            last words */
    HF_H2_CLIENT_CLOSED,
};

enum hf_h2_client_leaving {
    HF_H2_CLIENT_STAYS,
    HF_H2_CLIENT_NOTICED, /* the client knows; what it has asked for before is still taken */
    HF_H2_CLIENT_LEAVES,  /* nothing new is taken */
};

struct hf_h2_client {
    struct hf_link link; /* first: a pool overwrites it. In w->h2->all or retired */
    struct hf_watch watch;
    struct hf_timer timer;
    struct hf_worker *worker;
    struct hf_waiting waiting; /* while no stream is under way */
    struct hf_peer peer;
    struct hf_wire wire;
    nghttp2_session *session;
    struct hf_task go_on;   /* to read on in the next turn */
    struct hf_task send;    /* to send what is queued */
    struct hf_link streams; /* under way */
    struct hf_link closed;  /* nghttp2 is done with them; let go when nobody refers to them */
    struct hf_link fed;     /* got body bytes, or began, in this read: to be pushed */
    struct hf_link drained; /* all that was kept of their responses is framed: they take more */
    uint32_t n_streams;
    uint8_t state, leaving;
    bool readable, ending;
    bool receiving; /* nghttp2 is at work on received bytes: nothing may be sent */
    bool cut;       /* what is queued did not fit into one call */
    bool broken;    /* it is lost; noticed by the task */
    bool failed;    /* it ends with GOAWAY */

    int32_t latest;                   /* the number of the newest stream */
    int32_t skipped_from, skipped_to; /* numbers that were never used, the latest of them */
    int32_t ended[HF_H2_ENDED];       /* streams that the client has ended, the latest ones */
    uint32_t n_ended;
    struct hf_h2_fields fields; /* the section that is arriving */
    struct hf_h2_frames frames;
    struct hf_h2_guard guard;
    struct hf_mono head_by, idle_by, write_by, leave_by; /* deadlines; 0: none */
};

/* What a worker keeps for all of them. */
struct hf_h2 {
    nghttp2_session_callbacks *callbacks;
    nghttp2_option *option;
    struct hf_pool clients, streams;
    struct hf_link all; /* struct hf_h2_client */
    struct hf_link retired, retired_streams;

    /* slices of one stream's response that are not sent yet, in the present call */
    struct hf_h2_stream *live;
    struct hf_str slice[64];
    uint32_t n_slices, slice_at;
    size_t live_bytes;
};

struct hf_h2 *hf_h2_new(void);

/* At the top of a turn: what was retired can be used again. */
void hf_h2_put_back(struct hf_h2 *h2);

/* Goes on with a connection that has begun: *wire and its descriptor are taken over, and bytes were
 * received already. */
void hf_h2_client_take_over(struct hf_worker *w, const struct hf_wire *wire,
                            const struct hf_peer *peer, struct hf_str bytes);

/* The gateway is leaving: the client is told to go elsewhere; what is under way is finished. */
void hf_h2_client_leave(struct hf_h2_client *c);

/* ---- among the parts of a connection ---- */

/* Something is queued in the session: it goes out at the end of the turn. */
void hf_h2_client_send_soon(struct hf_h2_client *c);

/* Error codes of RFC 9113 7. The connection ends with it. */
void hf_h2_client_fail(struct hf_h2_client *c, uint32_t error_code, const char *why);

/* h2_session.c */

/* A frame begins; nghttp2 has not seen it. */
void hf_h2_session_frame(struct hf_h2_client *c, const struct hf_h2_frame *f);
nghttp2_session_callbacks *hf_h2_session_callbacks(void);
nghttp2_option *hf_h2_session_option(void);
HF_MUST_CHECK int hf_h2_session_new(struct hf_h2_client *c);

/* h2_output.c: frames what is queued as far as windows and the socket allow, and sends it. */
void hf_h2_output(struct hf_h2_client *c);
ssize_t hf_h2_output_frames(nghttp2_session *session, const uint8_t *data, size_t n, int flags,
                            void *user);
int hf_h2_output_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *head, size_t n,
                      nghttp2_data_source *source, void *user);
