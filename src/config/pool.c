#include "config/pool.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

/* Small pieces come out of blocks; a larger one gets a block of its own. */
enum { BLOCK = 16384 };

struct block {
    struct block *next;
    size_t used, size;
    _Alignas(max_align_t) unsigned char bytes[];
};

struct hf_pool {
    struct block *blocks;
};

struct hf_pool *hf_pool_new(void)
{
    return hf_alloc(sizeof(struct hf_pool));
}

struct hf_pool *hf_pool_free(struct hf_pool *p)
{
    struct block *b = p ? p->blocks : NULL;

    while (b) {
        struct block *next = b->next;
        hf_free(b);
        b = next;
    }
    return hf_free(p);
}

void *hf_pool_alloc(struct hf_pool *p, size_t count, size_t size)
{
    size_t n = count * size, align = _Alignof(max_align_t);
    struct block *b = p->blocks;
    void *ret;

    n = (n + align - 1) / align * align;
    if (!b || b->size - b->used < n) {
        size_t room = n > BLOCK ? n : BLOCK;
        b = hf_alloc(sizeof(*b) + room);
        b->size = room;
        b->next = p->blocks;
        p->blocks = b;
    }
    ret = b->bytes + b->used;
    b->used += n;
    return ret;
}

char *hf_pool_strndup(struct hf_pool *p, const char *s, size_t n)
{
    char *copy = hf_pool_alloc(p, n + 1, 1);

    memcpy(copy, s, n);
    return copy;
}

char *hf_pool_strdup(struct hf_pool *p, const char *s)
{
    return hf_pool_strndup(p, s, strlen(s));
}

char *hf_pool_printf(struct hf_pool *p, const char *fmt, ...)
{
    va_list ap, again;
    char *text;
    int n;

    va_start(ap, fmt);
    va_copy(again, ap);
    n = vsnprintf(NULL, 0, fmt, again);
    va_end(again);
    text = hf_pool_alloc(p, (size_t)n + 1, 1);
    vsnprintf(text, (size_t)n + 1, fmt, ap);
    va_end(ap);
    return text;
}
