#include "gateway/trace.h"

enum { ID_AT = HF_TRACE_ID_AT, SPAN_AT = HF_TRACE_SPAN_AT, FLAGS_AT = 53 };

static const char digits[] = "0123456789abcdef";

/* The value of a lower-case digit; > 15: it is none. */
static unsigned digit(char c)
{
    if (c >= '0' && c <= '9')
        return (unsigned)(c - '0');
    return c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10 : 16;
}

/* n digits of which not all are zero. */
static bool is_id(const char *p, size_t n)
{
    unsigned any = 0;

    for (size_t i = 0; i < n; i++) {
        unsigned v = digit(p[i]);
        if (v > 15)
            return false;
        any |= v;
    }
    return any;
}

int hf_trace_parse(struct hf_str s, struct hf_trace *ret)
{
    const char *p = s.p;
    bool first;

    if (s.n < HF_TRACE_PARENT || digit(p[0]) > 15 || digit(p[1]) > 15 ||
        (p[0] == 'f' && p[1] == 'f'))
        return HF_EINVAL;
    first = p[0] == '0' && p[1] == '0';
    if (s.n > HF_TRACE_PARENT && (first || p[HF_TRACE_PARENT] != '-'))
        return HF_EINVAL;
    if (p[ID_AT - 1] != '-' || p[SPAN_AT - 1] != '-' || p[FLAGS_AT - 1] != '-' ||
        !is_id(p + ID_AT, HF_TRACE_ID) || !is_id(p + SPAN_AT, HF_TRACE_SPAN) ||
        digit(p[FLAGS_AT]) > 15 || digit(p[FLAGS_AT + 1]) > 15)
        return HF_EINVAL;
    memcpy(ret->id, p + ID_AT, HF_TRACE_ID);
    ret->flags = (uint8_t)(digit(p[FLAGS_AT]) << 4 | digit(p[FLAGS_AT + 1]));
    return 0;
}

/* 16 digits, not all zero. */
static void put_random(struct hf_random *random, char *out)
{
    uint64_t bits = hf_random_next(random);

    bits += bits == 0;
    for (int i = 0; i < 16; i++, bits >>= 4)
        out[i] = digits[bits & 15];
}

void hf_trace_begin(struct hf_random *random, uint32_t sample, struct hf_trace *ret)
{
    put_random(random, ret->id);
    put_random(random, ret->id + 16);
    ret->flags = hf_random_below(random, 10000) < sample ? HF_TRACE_SAMPLED : 0;
}

void hf_trace_write(const struct hf_trace *t, struct hf_random *random, char out[HF_TRACE_PARENT])
{
    memcpy(out, "00-", ID_AT);
    memcpy(out + ID_AT, t->id, HF_TRACE_ID);
    out[SPAN_AT - 1] = '-';
    put_random(random, out + SPAN_AT);
    out[FLAGS_AT - 1] = '-';
    out[FLAGS_AT] = '0'; /* of the flags, level 1 knows one */
    out[FLAGS_AT + 1] = digits[t->flags & HF_TRACE_SAMPLED];
}
