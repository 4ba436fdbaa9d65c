#include "base/error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

const char *hf_error_name(int code)
{
    switch (code) {
    case HF_OK:
        return "ok";
    case HF_EINVAL:
        return "invalid";
    case HF_ENOENT:
        return "not found";
    case HF_EEXIST:
        return "exists";
    case HF_ELIMIT:
        return "limit reached";
    case HF_EIO:
        return "input/output";
    case HF_ECONFLICT:
        return "conflict";
    case HF_ETIMEOUT:
        return "timed out";
    case HF_EREFUSED:
        return "refused";
    case HF_ECORRUPT:
        return "corrupt";
    case HF_EAGAIN:
        return "try again";
    default:
        return "unknown error";
    }
}

int hf_error_set(struct hf_error *e, int code, const char *fmt, ...)
{
    if (e) {
        va_list ap;
        va_start(ap, fmt);
        e->code = code;
        vsnprintf(e->text, sizeof(e->text), fmt, ap);
        va_end(ap);
    }
    return code;
}

int hf_error_errno(struct hf_error *e, int code, const char *fmt, ...)
{
    int saved = errno;

    if (e) {
        va_list ap;
        size_t n;
        va_start(ap, fmt);
        e->code = code;
        vsnprintf(e->text, sizeof(e->text), fmt, ap);
        va_end(ap);
        n = strlen(e->text);
        snprintf(e->text + n, sizeof(e->text) - n, ": %s", strerror(saved));
    }
    return code;
}

int hf_error_prefix(struct hf_error *e, const char *fmt, ...)
{
    char prefix[200];
    size_t n, old = strlen(e->text);
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(prefix, sizeof(prefix) - 2, fmt, ap);
    va_end(ap);
    n = strlen(prefix);
    memcpy(prefix + n, ": ", 2);
    n += 2;
    if (old > sizeof(e->text) - 1 - n)
        old = sizeof(e->text) - 1 - n;
    memmove(e->text + n, e->text, old);
    memcpy(e->text, prefix, n);
    e->text[n + old] = 0;
    return e->code;
}
