#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

static void *must(void *p)
{
    if (!p) {
        hf_err("out of memory");
        abort();
    }
    return p;
}

void *hf_alloc(size_t size)
{
    return must(calloc(1, size ? size : 1));
}

void *hf_alloc_array(size_t count, size_t size)
{
    return must(calloc(count ? count : 1, size));
}

void *hf_realloc(void *p, size_t count, size_t size)
{
    return must(reallocarray(p, count ? count : 1, size));
}

char *hf_strdup(const char *s)
{
    return must(strdup(s));
}

char *hf_strndup(const char *s, size_t n)
{
    return must(strndup(s, n));
}

char *hf_asprintf(const char *fmt, ...)
{
    va_list ap;
    char *s = NULL;

    va_start(ap, fmt);
    if (vasprintf(&s, fmt, ap) < 0)
        s = NULL;
    va_end(ap);
    return must(s);
}

void *hf_free(void *p)
{
    free(p);
    return NULL;
}

void hf_cleanup_free(void *pp)
{
    free(*(void **)pp);
}

void hf_cleanup_close(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}
