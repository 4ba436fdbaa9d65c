/* gateway/pool.h - memory of the request path: fixed-size pieces on free lists, and buffers in five
 * sizes. One worker owns each pool; nothing goes back to the system, so that a steady request
 * allocates nothing. What is put back last is taken first: it is still warm. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct hf_pool {
    size_t size; /* of a piece; a multiple of 64 */
    void *free;
    uint32_t in_use, most; /* pieces; most 0: no limit */
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

enum { HF_BUFFER_CLASSES = 5, HF_BUFFER_MOST = 256 * 1024 };
struct hf_buffers {
    struct hf_pool class[HF_BUFFER_CLASSES];
};

void hf_buffers_init(struct hf_buffers *b);

/* Makes room for n more bytes behind end, by moving the content to the front or into a larger
 * class. HF_ELIMIT beyond HF_BUFFER_MOST. Offsets change: start becomes 0. */
HF_MUST_CHECK int hf_buffer_room(struct hf_buffers *b, struct hf_buffer *buf, uint32_t n);
HF_MUST_CHECK int hf_buffer_add(struct hf_buffers *b, struct hf_buffer *buf, struct hf_str s);
void hf_buffer_drop(struct hf_buffers *b, struct hf_buffer *buf); /* gives the memory back */

static inline struct hf_str hf_buffer_str(const struct hf_buffer *buf)
{
    return (struct hf_str){buf->p + buf->start, buf->end - buf->start};
}
static inline uint32_t hf_buffer_used(const struct hf_buffer *buf)
{
    return buf->end - buf->start;
}
