/* base/mem.h - memory that is never NULL, and cleanup at the end of a scope.
 * For small, fixed-size needs of control code: running out aborts with a line. What input can size
 * is bounded by its parser before it comes here. The gateway's request path uses http and gateway
 * pools instead and never calls these. */
#pragma once
#include <stddef.h>

void *hf_alloc(size_t size) __attribute__((malloc, returns_nonnull));             /* zeroed */
void *hf_alloc_array(size_t count, size_t size) __attribute__((returns_nonnull)); /* zeroed */
void *hf_realloc(void *p, size_t count, size_t size) __attribute__((returns_nonnull));
char *hf_strdup(const char *s) __attribute__((returns_nonnull));
char *hf_strndup(const char *s, size_t n) __attribute__((returns_nonnull));
char *hf_asprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2), returns_nonnull));

/* Returns NULL, so that `x = hf_free(x)` reads well. NULL is fine. */
void *hf_free(void *p);

void hf_cleanup_free(void *pp); /* for HF_AUTOFREE */
void hf_cleanup_close(int *fd);

#define HF_AUTOFREE __attribute__((cleanup(hf_cleanup_free)))
#define HF_AUTOCLOSE __attribute__((cleanup(hf_cleanup_close))) /* an int; < 0 means none */
