/* http/h1_scan.h - finding the first byte that does not belong, 16 at a time where SSE2 is there.
 * For http/ alone. Each returns the first byte at or after p that is not of its class, or end;
 * nothing at or after end is read. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum {
    HF_CHAR_TOKEN = 1,  /* RFC 9110 5.6.2 */
    HF_CHAR_VALUE = 2,  /* HTAB, SP, visible, obs-text: RFC 9110 5.5 */
    HF_CHAR_TARGET = 4, /* visible ASCII but " # < > */
    HF_CHAR_HOST = 8,   /* letters, digits, - . _ */
};
extern const uint8_t hf_char_class[256];

static inline const char *hf_scan_class(const char *p, const char *end, unsigned class)
{
    while (p < end && (hf_char_class[(unsigned char)*p] & class))
        p++;
    return p;
}

#ifdef __SSE2__
static inline __m128i hf_scan_load(const char *p)
{
    return _mm_loadu_si128((const __m128i *)(const void *)p);
}
/* 0xff where low <= x <= high: a signed compare after moving the range to the lowest values. */
static inline __m128i hf_scan_range(__m128i x, int low, int high)
{
    return _mm_cmplt_epi8(_mm_add_epi8(x, _mm_set1_epi8((char)(-128 - low))),
                          _mm_set1_epi8((char)(-128 + high - low + 1)));
}
/* The letters, digits and '-' that all but rare names consist of, and `also`. */
static inline unsigned hf_scan_rare(__m128i x, char also)
{
    __m128i letter = hf_scan_range(_mm_or_si128(x, _mm_set1_epi8(0x20)), 'a', 'z');
    __m128i digit = hf_scan_range(x, '0', '9');
    __m128i dash =
        _mm_or_si128(_mm_cmpeq_epi8(x, _mm_set1_epi8('-')), _mm_cmpeq_epi8(x, _mm_set1_epi8(also)));
    __m128i good = _mm_or_si128(_mm_or_si128(letter, digit), dash);

    return (unsigned)_mm_movemask_epi8(good) ^ 0xffff;
}
#endif

static inline const char *hf_scan_name(const char *p, const char *end)
{
#ifdef __SSE2__
    while (end - p >= 16) {
        unsigned rare = hf_scan_rare(hf_scan_load(p), '_');
        if (!rare) {
            p += 16;
            continue;
        }
        p += __builtin_ctz(rare);
        if (!(hf_char_class[(unsigned char)*p] & HF_CHAR_TOKEN))
            return p;
        p++;
    }
#endif
    return hf_scan_class(p, end, HF_CHAR_TOKEN);
}

static inline const char *hf_scan_host(const char *p, const char *end)
{
#ifdef __SSE2__
    while (end - p >= 16) {
        unsigned rare = hf_scan_rare(hf_scan_load(p), '.');
        if (!rare) {
            p += 16;
            continue;
        }
        p += __builtin_ctz(rare);
        if (*p != '_')
            return p;
        p++;
    }
#endif
    return hf_scan_class(p, end, HF_CHAR_HOST);
}

static inline const char *hf_scan_value(const char *p, const char *end)
{
#ifdef __SSE2__
    while (end - p >= 16) {
        __m128i x = hf_scan_load(p);
        __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(x, _mm_set1_epi8(0x1f)), x);
        unsigned bad = (unsigned)_mm_movemask_epi8(
            _mm_or_si128(control, _mm_cmpeq_epi8(x, _mm_set1_epi8(0x7f))));
        if (!bad) {
            p += 16;
            continue;
        }
        p += __builtin_ctz(bad);
        if (*p != '\t')
            return p;
        p++;
    }
#endif
    return hf_scan_class(p, end, HF_CHAR_VALUE);
}

static inline const char *hf_scan_target(const char *p, const char *end)
{
#ifdef __SSE2__
    while (end - p >= 16) {
        __m128i x = hf_scan_load(p);
        __m128i visible = hf_scan_range(x, 0x21, 0x7e);
        __m128i odd = _mm_or_si128(_mm_cmpeq_epi8(x, _mm_set1_epi8('"')),
                                   _mm_cmpeq_epi8(x, _mm_set1_epi8('#')));
        odd = _mm_or_si128(odd, _mm_or_si128(_mm_cmpeq_epi8(x, _mm_set1_epi8('<')),
                                             _mm_cmpeq_epi8(x, _mm_set1_epi8('>'))));
        unsigned bad = (unsigned)_mm_movemask_epi8(_mm_andnot_si128(odd, visible)) ^ 0xffff;
        if (bad)
            return p + __builtin_ctz(bad);
        p += 16;
    }
#endif
    return hf_scan_class(p, end, HF_CHAR_TARGET);
}

/* What stands for itself inside of a JSON string: printable ASCII but " and \. */
static inline const char *hf_scan_plain(const char *p, const char *end)
{
#ifdef __SSE2__
    while (end - p >= 16) {
        __m128i x = hf_scan_load(p);
        __m128i odd = _mm_or_si128(_mm_cmpeq_epi8(x, _mm_set1_epi8('"')),
                                   _mm_cmpeq_epi8(x, _mm_set1_epi8('\\')));
        __m128i plain = _mm_andnot_si128(odd, hf_scan_range(x, 0x20, 0x7e));
        unsigned bad = (unsigned)_mm_movemask_epi8(plain) ^ 0xffff;
        if (bad)
            return p + __builtin_ctz(bad);
        p += 16;
    }
#endif
    while (p < end && *p >= 0x20 && *p < 0x7f && *p != '"' && *p != '\\')
        p++;
    return p;
}

static inline uint64_t hf_scan_lower8(const char *p)
{
    uint64_t w;

    memcpy(&w, p, 8);
    return w | UINT64_C(0x2020202020202020);
}
static inline uint32_t hf_scan_lower4(const char *p)
{
    uint32_t w;

    memcpy(&w, p, 4);
    return w | UINT32_C(0x20202020);
}

/* Are the n bytes at p, in any case, the lower-case letters and hyphens of name? n: a constant, at
 * most 24. Reads of constant length, which may overlap, so that a name costs one to three compares
 * and no byte outside of it is touched. OR 0x20 makes letters lower; it also maps CR to '-', so p
 * must have passed a scan for names or values before. */
static inline __attribute__((always_inline)) bool hf_scan_same(const char *p, const char *name,
                                                               size_t n)
{
    if (n >= 8) {
        if (n > 16 && hf_scan_lower8(p + 8) != hf_scan_lower8(name + 8))
            return false;
        return hf_scan_lower8(p + (n - 8)) == hf_scan_lower8(name + (n - 8)) &&
               hf_scan_lower8(p) == hf_scan_lower8(name);
    }
    if (n >= 4)
        return hf_scan_lower4(p) == hf_scan_lower4(name) &&
               hf_scan_lower4(p + (n - 4)) == hf_scan_lower4(name + (n - 4));
    for (size_t i = 0; i < n; i++) {
        if ((p[i] | 0x20) != name[i])
            return false;
    }
    return true;
}
