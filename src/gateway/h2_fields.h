/* gateway/h2_fields.h - a field section of HTTP/2 as it arrives, field by field, perhaps over
 * several reads. Kept in a pooled buffer until it is whole; empty ones keep none.
 * Owner: the connection. At most one section arrives there at a time. */
#pragma once
#include "gateway/pool.h"
#include "http/h2_head.h"

struct hf_h2_fields {
    struct hf_buffer text; /* packed, see http/h2_head.h */
    uint64_t size;         /* as RFC 9113 6.5.2 counts: names, values, and 32 bytes a field */
    uint32_t cookies;      /* bytes of cookie fields, with what stands between them once joined */
    bool over;             /* the section is larger than the limit: nothing more is kept */
};

/* most: bytes; beyond them fields are counted, but not kept. */
void hf_h2_fields_add(struct hf_buffers *b, struct hf_h2_fields *f, struct hf_str name,
                      struct hf_str value, uint32_t most);
void hf_h2_fields_drop(struct hf_buffers *b, struct hf_h2_fields *f);

/* As in http/h2_head.h; a section that is too large is -HF_H1_HEAD_LONG. What they fill points into
 * f, until it is dropped. */
HF_MUST_CHECK int hf_h2_fields_request(struct hf_buffers *b, struct hf_h2_fields *f, bool ended,
                                       const struct hf_h1_limits *limits, struct hf_h1_head *ret,
                                       struct hf_h2_request *more, struct hf_h1_framing *framing);
HF_MUST_CHECK int hf_h2_fields_response(const struct hf_h2_fields *f, bool ended,
                                        const struct hf_h1_limits *limits, enum hf_method method,
                                        struct hf_h1_head *ret, struct hf_h1_framing *framing);
HF_MUST_CHECK int hf_h2_fields_trailers(const struct hf_h2_fields *f, struct hf_h1_trailers *ret);
