#include "health/verdict.h"

#include <limits.h>

void hf_verdict_init(struct hf_verdict *v)
{
    *v = (struct hf_verdict){0};
}

int hf_verdict_feed(struct hf_verdict *v, const struct hf_verdict_policy *policy,
                    enum hf_probe_result r)
{
    bool passed = r == HF_PROBE_PASSED;
    enum hf_verdict_state towards = passed ? HF_VERDICT_UP : HF_VERDICT_DOWN;

    if (v->streak == 0 || v->last != r)
        v->streak = 1;
    else if (v->streak < UINT_MAX)
        v->streak++;
    v->last = r;
    if (v->state == towards || v->streak < (passed ? policy->rise : policy->fall))
        return 0;
    v->state = towards;
    return 1;
}

unsigned hf_verdict_lost(const struct hf_verdict *v)
{
    return v->last == HF_PROBE_LOST ? v->streak : 0;
}

bool hf_verdict_in_doubt(const struct hf_verdict *v)
{
    if (v->state == HF_VERDICT_UNKNOWN)
        return true;
    return v->streak && (v->last == HF_PROBE_PASSED) != (v->state == HF_VERDICT_UP);
}
