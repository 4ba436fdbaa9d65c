/* config/pool.h - memory of one configuration: taken piece by piece, given back all at once.
 * Not to be used outside of config/. What can be asked for is bounded by the size of the file. */
#pragma once
#include <stddef.h>

#include "base/str.h"

struct hf_pool;

struct hf_pool *hf_pool_new(void) __attribute__((returns_nonnull));
struct hf_pool *hf_pool_free(struct hf_pool *p); /* NULL is fine */
void *hf_pool_alloc(struct hf_pool *p, size_t count, size_t size)
    __attribute__((returns_nonnull)); /* zeroed */
char *hf_pool_strndup(struct hf_pool *p, const char *s, size_t n) __attribute__((returns_nonnull));
char *hf_pool_strdup(struct hf_pool *p, const char *s) __attribute__((returns_nonnull));
char *hf_pool_printf(struct hf_pool *p, const char *fmt, ...)
    __attribute__((returns_nonnull, format(printf, 2, 3)));
