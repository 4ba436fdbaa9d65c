#include "gateway/pool.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "base/log.h"

enum {
    PIECES_AT_ONCE = 16,
    LARGE = 65536,            /* pieces of this size, or larger ones, */
    RESERVE = 4 * 1024 * 1024 /* are kept up to so many bytes of each pool */
};

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_ASAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(HAS_ASAN)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#endif

static const uint32_t class_size[HF_BUFFER_CLASSES] = {1024, 4096, 16384, 73728, HF_BUFFER_MOST};

void hf_pool_init(struct hf_pool *p, size_t size, uint32_t most)
{
    *p = (struct hf_pool){.size = (size + 63) / 64 * 64, .most = most};
}

static _Noreturn void out_of_memory(size_t n)
{
    hf_err("out of memory: %zu bytes for the request path", n);
    abort();
}

static void *map(size_t n)
{
    void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED)
        out_of_memory(n);
    return p;
}

static void *grow(struct hf_pool *p)
{
    size_t pieces = p->size > 16384 ? 1 : PIECES_AT_ONCE;
    char *block;

    if (p->size >= LARGE)
        return map(p->size);
    block = aligned_alloc(64, pieces * p->size);
    if (!block)
        out_of_memory(pieces * p->size);
    memset(block, 0, pieces * p->size);
    for (size_t i = 1; i < pieces; i++) {
        *(void **)(void *)(block + i * p->size) = p->free;
        p->free = block + i * p->size;
    }
    return block;
}

void *hf_pool_get(struct hf_pool *p)
{
    void *piece = p->free;

    if (p->most && p->in_use == p->most)
        return NULL;
    p->in_use++;
    if (!piece)
        return grow(p);
    p->free = *(void **)piece;
    p->n_free -= p->size >= LARGE;
    if (p->hidden)
        ASAN_UNPOISON_MEMORY_REGION(piece, p->size);
    return piece;
}

void hf_pool_put(struct hf_pool *p, void *piece)
{
    p->in_use--;
    if (p->size >= LARGE && p->n_free >= RESERVE / p->size) {
        munmap(piece, p->size);
        return;
    }
    *(void **)piece = p->free;
    p->free = piece;
    p->n_free += p->size >= LARGE;
    if (p->hidden)
        ASAN_POISON_MEMORY_REGION((void **)piece + 1, p->size - sizeof(void *));
}

void hf_buffers_init(struct hf_buffers *b)
{
    b->used = b->most = 0;
    for (int i = 0; i < HF_BUFFER_CLASSES; i++) {
        hf_pool_init(&b->class[i], class_size[i], 0);
        b->class[i].hidden = true;
    }
}

static int class_for(uint32_t n)
{
    for (int i = 0; i < HF_BUFFER_CLASSES; i++) {
        if (n <= class_size[i])
            return i;
    }
    return -1;
}

int hf_buffer_room(struct hf_buffers *b, struct hf_buffer *buf, uint32_t n)
{
    uint32_t used = hf_buffer_used(buf);
    int class;
    char *p;

    if (buf->size - buf->end >= n)
        return 0;
    if (buf->size - used >= n) {
        memmove(buf->p, buf->p + buf->start, used);
        buf->start = 0;
        buf->end = used;
        return 0;
    }
    if (n > HF_BUFFER_MOST - used)
        return HF_ELIMIT;
    class = class_for(used + n);
    if (b->most && b->used + class_size[class] > b->most)
        return HF_ELIMIT;
    p = hf_pool_get(&b->class[class]);
    b->used += class_size[class];
    if (used)
        memcpy(p, buf->p + buf->start, used);
    hf_buffer_drop(b, buf);
    *buf = (struct hf_buffer){p, 0, used, class_size[class]};
    return 0;
}

int hf_buffer_add(struct hf_buffers *b, struct hf_buffer *buf, struct hf_str s)
{
    if (s.n > HF_BUFFER_MOST || hf_buffer_room(b, buf, (uint32_t)s.n))
        return HF_ELIMIT;
    if (s.n)
        memcpy(buf->p + buf->end, s.p, s.n);
    buf->end += (uint32_t)s.n;
    return 0;
}

void hf_buffer_drop(struct hf_buffers *b, struct hf_buffer *buf)
{
    if (buf->p) {
        hf_pool_put(&b->class[class_for(buf->size)], buf -> p);
        b->used -= buf->size;
    }
    *buf = (struct hf_buffer){0};
}
