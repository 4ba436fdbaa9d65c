/* gateway/pool.h - memory of the request path: fixed-size pieces on free lists, and buffers in five
 * sizes. One worker owns each pool; a steady request allocates nothing. What is put back last is
 * taken first: it is still warm. Small pieces are kept for good; large ones come from the system
 * one by one, and go back to it beyond a reserve, so that a flood leaves nothing behind. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct hf_pool {
    size_t size; /* of a piece; a multiple of 64 */
    void *free;
    uint32_t in_use, most; /* pieces; most 0: no limit */
    uint32_t n_free;       /* of large ones */
    bool hidden;           /* AddressSanitizer sees every use of a free piece */
};

void hf_pool_init(struct hf_pool *p, size_t size, uint32_t most);

/* NULL when `most` pieces are in use. A new piece is zeroed; one that was put back is as it was but
 * for its first pointer. */
void *hf_pool_get(struct hf_pool *p);
void hf_pool_put(struct hf_pool *p, void *piece);

/* Bytes [start, end) of p are in use. p is NULL when the buffer is empty and was given back. */
struct hf_buffer {
    char *p;
    uint32_t start, end, size;
};

enum {
    HF_BUFFER_CLASSES = 5,
    HF_BUFFER_MOST = 256 * 1024,
    HF_BUFFER_WHOLE = 128 * 1024, /* what is received by one call at most */
};

/* `most` bounds what all connections of a worker hold together, whoever they are. From half of it
 * on less is received at once, so that less has to be kept where it cannot go on; from three
 * quarters on new requests are refused; the rest is for responses that are under way. */
struct hf_buffers {
    struct hf_pool class[HF_BUFFER_CLASSES];
    uint64_t used, most; /* bytes; most 0: no limit */
};

void hf_buffers_init(struct hf_buffers *b);

static inline bool hf_buffers_half_full(const struct hf_buffers *b)
{
    return b->most && b->used >= b->most / 2;
}
static inline bool hf_buffers_tight(const struct hf_buffers *b)
{
    return b->most && b->used >= b->most / 4 * 3;
}

/* Bytes to be received by one call: such that, with what frames them, they fit into a small class.
 */
static inline uint32_t hf_buffers_at_once(const struct hf_buffers *b)
{
    return !hf_buffers_half_full(b) ? HF_BUFFER_WHOLE : hf_buffers_tight(b) ? 3072 : 12288;
}

/* Makes room for n more bytes behind end, by moving the content to the front or into a larger
 * class. HF_ELIMIT beyond HF_BUFFER_MOST or b->most. Offsets change: start becomes 0. */
HF_MUST_CHECK int hf_buffer_room(struct hf_buffers *b, struct hf_buffer *buf, uint32_t n);
HF_MUST_CHECK int hf_buffer_add(struct hf_buffers *b, struct hf_buffer *buf, struct hf_str s);
void hf_buffer_drop(struct hf_buffers *b, struct hf_buffer *buf); /* gives the memory back */

static inline struct hf_str hf_buffer_str(const struct hf_buffer *buf)
{
    return (struct hf_str){buf->p ? buf->p + buf->start : NULL, buf->end - buf->start};
}
static inline uint32_t hf_buffer_used(const struct hf_buffer *buf)
{
    return buf->end - buf->start;
}
