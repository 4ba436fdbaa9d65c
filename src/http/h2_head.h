/* http/h2_head.h - HTTP/2 field sections (RFC 9113 8) and the heads that requests and responses are
 * known by everywhere else. Strict: what is malformed is refused whole. Runs in: gateway, for users
 * and for endpoints. Allocates nothing; all slices point into the caller's bytes.
 *
 * A section arrives field by field, perhaps over several reads. Its owner packs the fields one
 * behind the other, and has them read when the section is whole. */
#pragma once
#include "http/h1_chunk.h"
#include "http/h1_framing.h"
#include "http/h1_write.h"

#define HF_H2_PACKED 8 /* bytes that a packed field takes beside its name and value */

/* Writes one field to `at`, which has HF_H2_PACKED + name.n + value.n bytes. */
void hf_h2_pack(char *at, struct hf_str name, struct hf_str value);

/* The next field, taken from the front of *packed. False at the end. */
bool hf_h2_unpack(struct hf_str *packed, struct hf_str *name, struct hf_str *value);

/* The pseudo-header fields that a request's head has beside the others. */
struct hf_h2_request {
    struct hf_str scheme;
    struct hf_str protocol; /* of an extended CONNECT (RFC 8441); p NULL: it is none */
};

/* Each returns 0, or -(enum hf_h1_error). What has the status 400 there makes the message
 * malformed: a stream error (RFC 9113 8.1.1). Other statuses are answers.
 *
 * ended: END_STREAM came with the section. cookies: space for the crumbs of all cookie fields,
 * which become one (RFC 9113 8.2.3): packed.n bytes are enough. A body of unknown length is
 * CHUNKED. */
HF_MUST_CHECK int hf_h2_request_head(struct hf_str packed, bool ended,
                                     const struct hf_h1_limits *limits, struct hf_h1_out *cookies,
                                     struct hf_h1_head *ret, struct hf_h2_request *more,
                                     struct hf_h1_framing *framing);

/* framing.kind is NONE where END_STREAM came with it, LENGTH, or UNTIL_CLOSE: until the stream's
 * end. method: that of the request. */
HF_MUST_CHECK int hf_h2_response_head(struct hf_str packed, bool ended,
                                      const struct hf_h1_limits *limits, enum hf_method method,
                                      struct hf_h1_head *ret, struct hf_h1_framing *framing);

/* Fields that have an id (framing, routing and the like) do not belong there and are left out. */
HF_MUST_CHECK int hf_h2_trailers(struct hf_str packed, struct hf_h1_trailers *ret);
