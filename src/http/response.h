/* http/response.h - reads one response from the bytes of a connection as they come: head, framing,
 * body. For http/client.c; no I/O here, so it can be tested and fuzzed alone.
 * Owner: the caller. Bounded: hf_h1_limits_control for heads; body data is passed on, not kept. */
#pragma once
#include "http/h1_chunk.h"
#include "http/h1_framing.h"

/* What the admin API's server and the clients accept: 16 KiB a head. */
extern const struct hf_h1_limits hf_h1_limits_control;

enum hf_response_state { HF_RESPONSE_HEAD, HF_RESPONSE_BODY, HF_RESPONSE_DONE, HF_RESPONSE_FAILED };

struct hf_response {
    /* set by the caller; on_data is called with each piece of body, and may be told to stop */
    enum hf_method method; /* of the request */
    void (*on_data)(struct hf_response *r, struct hf_str data);

    enum hf_response_state state;
    const char *error;      /* when FAILED: static text */
    struct hf_h1_head head; /* from BODY on; slices of head_bytes */
    struct hf_h1_framing framing;
    uint8_t grpc_status; /* from BODY on: enum hf_grpc_status, of the head or the trailers */
    struct hf_text head_bytes, in;
    size_t scanned;
    uint64_t left;
    struct hf_h1_chunk chunk;
};

/* All but method and on_data may be zero. */
void hf_response_done(struct hf_response *r);

/* For who takes off the framing: what the head (NULL: it has no such field) and the trailers say.
 */
void hf_response_note_grpc(struct hf_response *r, const struct hf_h1_field *grpc_status);
void hf_response_note_trailers(struct hf_response *r, const struct hf_h1_trailers *trailers);

/* Takes all bytes. Does nothing once DONE or FAILED. */
void hf_response_feed(struct hf_response *r, struct hf_str bytes);

/* The peer has closed: DONE if the body ends so, else FAILED. */
void hf_response_eof(struct hf_response *r);
