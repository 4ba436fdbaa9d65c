/* base/str.h - a slice of bytes that somebody else owns, and a growing text buffer.
 * Slices are not NUL-terminated. Nothing here depends on the locale. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/error.h"

struct hf_str {
    const char *p; /* may be NULL when n is 0 */
    size_t n;
};

#define HF_STR(literal) ((struct hf_str){("" literal), sizeof(literal) - 1})
#define HF_STR_FMT "%.*s"
#define HF_STR_ARG(s) (int)(s).n, (s).p

static inline struct hf_str hf_str(const char *c)
{
    return (struct hf_str){c, c ? strlen(c) : 0};
}
static inline bool hf_str_eq(struct hf_str a, struct hf_str b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}
static inline bool hf_str_starts(struct hf_str s, struct hf_str prefix)
{
    return s.n >= prefix.n && (prefix.n == 0 || memcmp(s.p, prefix.p, prefix.n) == 0);
}
static inline char hf_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

/* ASCII case-insensitive. */
bool hf_str_eq_nocase(struct hf_str a, struct hf_str b);

/* Decimal digits only, whole slice, no sign, no overflow. */
HF_MUST_CHECK int hf_str_to_u64(struct hf_str s, uint64_t *ret);

/* Without leading and trailing SP and HTAB. */
struct hf_str hf_str_trim(struct hf_str s);

/* Same length and same bytes, in time that depends on the lengths alone: for secrets. */
bool hf_str_eq_secret(struct hf_str a, struct hf_str b);

/* Copies into buf, cut at size - 1, NUL-terminated. Returns buf. */
char *hf_str_copy(struct hf_str s, char *buf, size_t size);

/* A text that grows; always NUL-terminated once something was added. Owner: the caller. */
struct hf_text {
    char *p;
    size_t n, size;
};
void hf_text_done(struct hf_text *t);
void hf_text_clear(struct hf_text *t);
void hf_text_add(struct hf_text *t, struct hf_str s);
void hf_text_addf(struct hf_text *t, const char *fmt, ...) HF_PRINTF(2, 3);
static inline struct hf_str hf_text_str(const struct hf_text *t)
{
    return (struct hf_str){t->p, t->n};
}
#define HF_AUTOTEXT __attribute__((cleanup(hf_text_done)))
