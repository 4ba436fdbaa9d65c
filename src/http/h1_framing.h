/* http/h1_framing.h - where the body of a parsed HTTP/1 message ends (RFC 9112 6), and what becomes
 * of the connection behind it. No state. */
#pragma once
#include "http/h1_parse.h"

enum hf_h1_body {
    HF_H1_BODY_NONE,
    HF_H1_BODY_LENGTH,      /* `length` bytes, perhaps 0 */
    HF_H1_BODY_CHUNKED,     /* http/h1_chunk.h */
    HF_H1_BODY_UNTIL_CLOSE, /* responses only */
    HF_H1_BODY_TUNNEL,      /* behind 101: no longer HTTP */
};

struct hf_h1_framing {
    uint64_t length; /* as far as content-length says, with any kind; at most INT64_MAX */
    uint8_t kind;    /* enum hf_h1_body */
    bool keep_alive; /* the sender lets the connection go on behind this message */
    bool expect_continue;
    bool upgrade; /* a request offers an upgrade; its head has the upgrade field */
};

/* 0, or -(enum hf_h1_error), after which the connection cannot be used any more. */
HF_MUST_CHECK int hf_h1_request_framing(const struct hf_h1_head *head, struct hf_h1_framing *ret);

/* method: that of the request. 1xx: kind NONE (101: TUNNEL); the final response is yet to come. */
HF_MUST_CHECK int hf_h1_response_framing(const struct hf_h1_head *head, enum hf_method method,
                                         struct hf_h1_framing *ret);
