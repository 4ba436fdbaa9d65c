/* http/h1_write.h - putting HTTP/1 heads and chunk frames together in a buffer of fixed size.
 * No printf, no allocation. Runs in gateway, controller, CLI.
 *
 * Each hf_h1_put_*() appends; what does not fit sets `full` and appends nothing, and so does
 * everything after it: check `full` once, at the end. Values are not checked: they come from a
 * parsed head, or from the caller, who vouches for them. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "base/time.h"

struct hf_h1_out {
    char *p, *end; /* the next byte, and the first one that is not ours */
    bool full;
};

static inline void hf_h1_put(struct hf_h1_out *o, struct hf_str s)
{
    if (__builtin_expect(o->full || (size_t)(o->end - o->p) < s.n, 0)) {
        o->full = true;
        return;
    }
    if (s.n)
        memcpy(o->p, s.p, s.n);
    o->p += s.n;
}
#define HF_H1_PUT(o, literal) hf_h1_put(o, HF_STR(literal))

/* "name: value\r\n" */
static inline void hf_h1_put_field(struct hf_h1_out *o, struct hf_str name, struct hf_str value)
{
    size_t n = name.n + value.n + 4;
    char *p = o->p;

    if (__builtin_expect(o->full || (size_t)(o->end - p) < n, 0)) {
        o->full = true;
        return;
    }
    memcpy(p, name.p, name.n);
    p += name.n;
    memcpy(p, ": ", 2);
    if (value.n)
        memcpy(p + 2, value.p, value.n);
    memcpy(p + 2 + value.n, "\r\n", 2);
    o->p += n;
}

/* As the inside of a JSON string; each byte that is not ASCII as the character of its number. */
void hf_h1_put_escaped(struct hf_h1_out *o, struct hf_str s);

void hf_h1_put_decimal(struct hf_h1_out *o, uint64_t v);
void hf_h1_put_hex(struct hf_h1_out *o, uint64_t v); /* lower case, no leading zeros */

/* "HTTP/1.1 404 Not Found\r\n"; an empty reason stands for the usual one. */
void hf_h1_put_status(struct hf_h1_out *o, unsigned status, struct hf_str reason);

/* "1a2b\r\n", to stand before a chunk of n > 0 bytes, which "\r\n" ends; behind the last one comes
 * "0\r\n", trailer fields and "\r\n". */
#define HF_H1_CHUNK_FRAME 18 /* the most it takes */
void hf_h1_put_chunk(struct hf_h1_out *o, uint64_t n);

/* "Not Found"; "Unknown" for a status without a name. Never NULL. */
struct hf_str hf_http_reason(unsigned status);

/* Decimal digits of v into buf, no NUL; returns how many. */
#define HF_DECIMAL_MOST 20
size_t hf_decimal(uint64_t v, char buf[HF_DECIMAL_MOST]);

/* The date of RFC 9110 5.6.7, "Sun, 06 Nov 1994 08:49:37 GMT", formatted anew only when the second
 * has changed. One cache a thread; all zero to begin with. The slice points into it. */
#define HF_DATE_TEXT 29
struct hf_date_cache {
    int64_t second;
    char text[HF_DATE_TEXT];
};
struct hf_str hf_date(struct hf_date_cache *cache, struct hf_wall now);
