#include "continuity/second.h"

#include <string.h>

static const char *const names[] = {
    [HF_SECOND_UNKNOWN] = "unknown",
    [HF_SECOND_UP] = "up",
    [HF_SECOND_DEGRADED] = "degraded",
    [HF_SECOND_DOWN] = "down",
};

bool hf_second_ended_all(const struct hf_second_counts *c)
{
    return c->ok + c->failed + c->refused >= c->arrived;
}

/* By the requests alone; total > 0. */
static enum hf_second_state by_requests(uint64_t total, uint64_t failed, uint64_t refused)
{
    uint64_t admitted = total - refused;

    if ((failed + refused) * 2 >= total) {
        /* 95 % of the admitted succeed: it is the refusals that make the half. */
        bool serves = refused > 0 && admitted > 0 && failed * 100 <= admitted * 5;
        return serves ? HF_SECOND_DEGRADED : HF_SECOND_DOWN;
    }
    return (failed + refused) * 100 >= total ? HF_SECOND_DEGRADED : HF_SECOND_UP;
}

enum hf_second_state hf_second_classify(const struct hf_second *s)
{
    const struct hf_second_counts *c = &s->counts;
    uint64_t ended = c->ok + c->failed + c->refused, failed = c->failed;
    uint64_t total = ended > c->arrived ? ended : c->arrived;
    enum hf_second_state state;

    if (s->no_gateway)
        return HF_SECOND_DOWN;
    if (total < HF_SECOND_FEW && s->probe != HF_PROBED_NOT) {
        total++;
        failed += s->probe == HF_PROBED_FAILED;
    }
    if (total == 0)
        return HF_SECOND_UNKNOWN;
    state = by_requests(total, failed, c->refused);
    /* What is missing might have been better; it cannot make a proven outage undone. */
    return s->missing && state != HF_SECOND_DOWN ? HF_SECOND_UNKNOWN : state;
}

const char *hf_second_state_name(enum hf_second_state state)
{
    return names[state];
}

int hf_second_state_parse(const char *name, enum hf_second_state *ret)
{
    for (size_t i = 0; i < HF_COUNT(names); i++) {
        if (strcmp(names[i], name) == 0) {
            *ret = (enum hf_second_state)i;
            return 0;
        }
    }
    return HF_EINVAL;
}
