#include "base/str.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"

bool hf_str_eq_nocase(struct hf_str a, struct hf_str b)
{
    if (a.n != b.n)
        return false;
    for (size_t i = 0; i < a.n; i++) {
        if (hf_lower(a.p[i]) != hf_lower(b.p[i]))
            return false;
    }
    return true;
}

int hf_str_to_u64(struct hf_str s, uint64_t *ret)
{
    uint64_t value = 0;

    if (s.n == 0)
        return HF_EINVAL;
    for (size_t i = 0; i < s.n; i++) {
        unsigned digit = (unsigned char)s.p[i] - (unsigned)'0';
        if (digit > 9 || value > (UINT64_MAX - digit) / 10)
            return HF_EINVAL;
        value = value * 10 + digit;
    }
    *ret = value;
    return 0;
}

struct hf_str hf_str_trim(struct hf_str s)
{
    while (s.n && (s.p[0] == ' ' || s.p[0] == '\t')) {
        s.p++;
        s.n--;
    }
    while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
        s.n--;
    return s;
}

bool hf_str_eq_secret(struct hf_str a, struct hf_str b)
{
    volatile unsigned char diff = 0;

    if (a.n != b.n)
        return false;
    for (size_t i = 0; i < a.n; i++)
        diff |= (unsigned char)(a.p[i] ^ b.p[i]);
    return diff == 0;
}

char *hf_str_copy(struct hf_str s, char *buf, size_t size)
{
    size_t n = s.n < size - 1 ? s.n : size - 1;

    if (n)
        memcpy(buf, s.p, n);
    buf[n] = 0;
    return buf;
}

void hf_text_done(struct hf_text *t)
{
    free(t->p);
    *t = (struct hf_text){0};
}

void hf_text_clear(struct hf_text *t)
{
    t->n = 0;
    if (t->p)
        t->p[0] = 0;
}

static void text_reserve(struct hf_text *t, size_t more)
{
    if (t->size - t->n > more)
        return;
    t->size = (t->n + more + 1) * 2 < 256 ? 256 : (t->n + more + 1) * 2;
    t->p = hf_realloc(t->p, t->size, 1);
}

void hf_text_add(struct hf_text *t, struct hf_str s)
{
    text_reserve(t, s.n);
    if (s.n)
        memcpy(t->p + t->n, s.p, s.n);
    t->n += s.n;
    t->p[t->n] = 0;
}

void hf_text_addf(struct hf_text *t, const char *fmt, ...)
{
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    text_reserve(t, (size_t)n);
    va_start(ap, fmt);
    vsnprintf(t->p + t->n, t->size - t->n, fmt, ap);
    va_end(ap);
    t->n += (size_t)n;
}
