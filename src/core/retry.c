#include "core/retry.h"

bool hf_retry_is_free(const struct hf_retry_case *c)
{
    if (c->failure == HF_FAILURE_REFUSED)
        return c->kept && !c->passed_on && c->attempts <= HF_RETRY_REFUSED;
    return c->failure == HF_FAILURE_STALE && c->idempotent && c->kept && !c->passed_on &&
           c->attempts == 1;
}

bool hf_retry_allowed(const struct hf_retry_case *c, const struct hf_plan_service *s)
{
    if (c->attempts > s->retry_attempts || !c->kept || c->passed_on)
        return false;
    switch (c->failure) {
    case HF_FAILURE_CONNECT:
    case HF_FAILURE_REFUSED:
        return true;
    case HF_FAILURE_STALE:
    case HF_FAILURE_LOST:
    case HF_FAILURE_TRY:
    case HF_FAILURE_INVALID:
    case HF_FAILURE_502_4:
        return c->idempotent;
    case HF_FAILURE_500:
        return c->idempotent && s->retry_on_500;
    case HF_FAILURE_NONE:
    case HF_FAILURE_LOCAL: /* elsewhere it would be the same */
    case HF_FAILURE_BROKEN:
    case HF_FAILURE_RESPONSE:
    case HF_FAILURES:
        return false;
    }
    return false;
}

/* Zeroes the seconds that have passed since the last count. */
static uint32_t advance(struct hf_retry_budget *b, struct hf_mono now)
{
    int64_t second = now.ns / HF_NS_PER_S, missed = second - b->second;

    if (missed > 0) {
        if (missed > HF_RETRY_SECONDS)
            missed = HF_RETRY_SECONDS;
        for (int64_t i = 0; i < missed; i++) {
            b->requests[(second - i) % HF_RETRY_SECONDS] = 0;
            b->retries[(second - i) % HF_RETRY_SECONDS] = 0;
        }
        b->second = second;
    }
    return (uint32_t)(b->second % HF_RETRY_SECONDS);
}

void hf_retry_budget_request(struct hf_retry_budget *b, struct hf_mono now)
{
    b->requests[advance(b, now)]++;
}

bool hf_retry_budget_take(struct hf_retry_budget *b, uint32_t percent, uint32_t workers,
                          struct hf_mono now)
{
    uint32_t at = advance(b, now);
    uint64_t requests = 0, retries = 0, allowed;

    for (int i = 0; i < HF_RETRY_SECONDS; i++) {
        requests += b->requests[i];
        retries += b->retries[i];
    }
    allowed = requests * percent / 100 + (HF_RETRY_BURST + workers - 1) / workers;
    if (retries >= allowed)
        return false;
    b->retries[at]++;
    return true;
}
