/* gateway/trace.h - W3C Trace Context, level 1: the traceparent field. Pure; runs in a worker. */
#pragma once
#include <stdint.h>

#include "base/random.h"
#include "base/str.h"

enum {
    HF_TRACE_ID = 32,     /* hexadecimal digits */
    HF_TRACE_SPAN = 16,   /* the same */
    HF_TRACE_PARENT = 55, /* "00-<trace>-<span>-<flags>" */
    HF_TRACE_ID_AT = 3,   /* where they stand in it */
    HF_TRACE_SPAN_AT = 36,
    HF_TRACE_SAMPLED = 1,
};

struct hf_trace {
    char id[HF_TRACE_ID];
    uint8_t flags;
};

/* HF_EINVAL: it is not valid, and must not be passed on. Of later versions what version 00 has. */
HF_MUST_CHECK int hf_trace_parse(struct hf_str traceparent, struct hf_trace *ret);

/* Begins one; sampled with a probability of `sample` in 10000. */
void hf_trace_begin(struct hf_random *random, uint32_t sample, struct hf_trace *ret);

/* The field's value for the next step, with a new parent id. */
void hf_trace_write(const struct hf_trace *t, struct hf_random *random, char out[HF_TRACE_PARENT]);
