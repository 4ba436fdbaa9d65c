#include "gateway/h2_memory.h"

#include <stdlib.h>
#include <string.h>

enum { LARGE = HF_H2_MEMORY_CLASSES /* the class of what comes from the system */ };

/* With the piece's own head. A session keeps one buffer of a frame, 16 KiB and a little. */
static const uint32_t class_size[HF_H2_MEMORY_CLASSES] = {64,   128,  256,  512,   1024,
                                                          2048, 4096, 8192, 16896, 33792};

/* In front of each piece, so that it can be given back without its size. */
struct piece {
    _Alignas(16) uint32_t class, size; /* size: without this */
};

static uint32_t class_for(size_t n)
{
    uint32_t class = 0;

    while (class < HF_H2_MEMORY_CLASSES && class_size[class] < n)
        class ++;
    return class;
}

static void *get(size_t size, void *user)
{
    struct hf_h2_memory *m = user;
    size_t n = size + sizeof(struct piece);
    uint32_t class = class_for(n);
    struct piece *p;

    if (size > UINT32_MAX / 2)
        return NULL;
    p = class == LARGE ? malloc(n) : hf_pool_get(&m->class[class]);
    if (!p)
        return NULL;
    p->class = class;
    p->size = class == LARGE ? (uint32_t)size : class_size[class] - (uint32_t)sizeof(*p);
    return p + 1;
}

static void put(void *at, void *user)
{
    struct hf_h2_memory *m = user;
    struct piece *p;

    if (!at)
        return;
    p = (struct piece *)at - 1;
    if (p->class == LARGE)
        free(p);
    else
        hf_pool_put(&m->class[p->class], p);
}

static void *get_zeroed(size_t n, size_t size, void *user)
{
    void *at;

    if (size && n > UINT32_MAX / size)
        return NULL;
    at = get(n * size, user);
    if (at)
        memset(at, 0, n * size);
    return at;
}

static void *resize(void *at, size_t size, void *user)
{
    const struct piece *p = at;
    void *next;

    if (!p)
        return get(size, user);
    p--;
    if (size <= p->size)
        return at;
    next = get(size, user);
    if (next) {
        memcpy(next, at, p->size);
        put(at, user);
    }
    return next;
}

void hf_h2_memory_init(struct hf_h2_memory *m)
{
    for (uint32_t i = 0; i < HF_H2_MEMORY_CLASSES; i++)
        hf_pool_init(&m->class[i], class_size[i], 0);
    m->mem = (nghttp2_mem){m, get, put, get_zeroed, resize};
}
