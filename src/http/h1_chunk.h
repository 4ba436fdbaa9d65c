/* http/h1_chunk.h - takes the chunked coding off a body as it arrives (RFC 9112 7.1), zero copy.
 * Owner: the caller; 16 bytes a body. Allocates nothing.
 *
 * Extensions are checked, bounded and dropped; trailer fields are returned when the body is done.
 */
#pragma once
#include "http/h1_parse.h"

#define HF_H1_TRAILERS 24           /* fields */
#define HF_H1_TRAILER_BYTES 4096    /* of a whole trailer section */
#define HF_H1_CHUNK_EXTENSIONS 4096 /* bytes of all extensions of a body */

struct hf_h1_chunk {
    uint64_t left; /* of the present chunk */
    uint32_t extensions;
    uint8_t state, digits;
};

struct hf_h1_trailers {
    unsigned n;
    struct hf_h1_field fields[HF_H1_TRAILERS]; /* slices of the bytes that were fed */
};

void hf_h1_chunk_init(struct hf_h1_chunk *c);
bool hf_h1_chunk_done(const struct hf_h1_chunk *c);

/* >= 0: so many bytes were taken from the front; *data is the slice of payload among them, perhaps
 * empty. Feed the rest again until all is taken or the body is done: what is left then belongs to
 * the next message. 0 taken: the trailer section, at most HF_H1_TRAILER_BYTES, is not whole; keep
 * the bytes and feed them again with more behind them.
 * < 0: -(enum hf_h1_error).
 * trailers is filled when the body gets done; fields that have an id (framing, routing and the
 * like) do not belong there and are left out. */
ssize_t hf_h1_chunk_feed(struct hf_h1_chunk *c, struct hf_str bytes, struct hf_str *data,
                         struct hf_h1_trailers *trailers);
