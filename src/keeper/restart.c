#include "keeper/restart.h"

#define MINUTE hf_seconds(60)
#define DELAY_FIRST hf_seconds(1)
#define DELAY_MOST hf_seconds(30)
#define RIGHT_AWAY hf_seconds(2)

static bool burst_is_used_up(const struct hf_restart *r, struct hf_mono now)
{
    return r->n == HF_RESTART_BURST && hf_mono_sub(now, r->at[r->next]).ns < MINUTE.ns;
}

static void book(struct hf_restart *r, struct hf_mono at)
{
    r->at[r->next] = at;
    r->next = (r->next + 1) % HF_RESTART_BURST;
    if (r->n < HF_RESTART_BURST)
        r->n++;
}

struct hf_duration hf_restart_delay(struct hf_restart *r, const struct hf_run *run)
{
    struct hf_duration lived = hf_mono_sub(run->ended, run->started);

    if (lived.ns >= MINUTE.ns)
        r->delay = (struct hf_duration){0};
    if (r->delay.ns)
        r->delay.ns = r->delay.ns * 2 < DELAY_MOST.ns ? r->delay.ns * 2 : DELAY_MOST.ns;
    else if (burst_is_used_up(r, run->ended) || (run->gave_up && lived.ns < RIGHT_AWAY.ns))
        r->delay = DELAY_FIRST;
    book(r, hf_mono_add(run->ended, r->delay));
    return r->delay;
}
