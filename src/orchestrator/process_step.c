#include "orchestrator/process_step.h"

enum {
    PAUSE_MS = 200,
    PAUSE_MAX_MS = 30000,
    STEADY_S = 60,
    KILL_AGAIN_MS = 1000, /* SIGKILL may have missed a process that was just being forked */
};

const char *hf_process_state_name(enum hf_process_state s)
{
    static const char *const names[] = {
        [HF_PROCESS_INTENDED] = "intended", [HF_PROCESS_STARTING] = "starting",
        [HF_PROCESS_RUNNING] = "running",   [HF_PROCESS_STOPPING] = "stopping",
        [HF_PROCESS_GONE] = "gone",
    };

    return names[s];
}

static enum hf_process_action intended(struct hf_process *p, enum hf_process_event event)
{
    switch (event) {
    case HF_PROCESS_STORED:
        return HF_PROCESS_SPAWN;
    case HF_PROCESS_SPAWNED:
        p->state = HF_PROCESS_STARTING;
        return HF_PROCESS_NOTHING;
    case HF_PROCESS_STOP: /* nothing was started yet */
    case HF_PROCESS_EXITED:
        p->state = HF_PROCESS_GONE;
        return HF_PROCESS_CLEAN;
    default:
        return HF_PROCESS_NOTHING;
    }
}

static enum hf_process_action alive(struct hf_process *p, enum hf_process_event event,
                                    struct hf_mono now)
{
    switch (event) {
    case HF_PROCESS_READY:
        if (!p->was_ready)
            p->ready_at = now;
        p->was_ready = true;
        p->state = HF_PROCESS_RUNNING;
        return HF_PROCESS_NOTHING;
    case HF_PROCESS_STOP:
        p->state = HF_PROCESS_STOPPING;
        p->deadline = hf_mono_add(now, p->stop_timeout);
        return HF_PROCESS_TERMINATE;
    case HF_PROCESS_EXITED:
        p->state = HF_PROCESS_GONE;
        return HF_PROCESS_CLEAN;
    default:
        return HF_PROCESS_NOTHING;
    }
}

static enum hf_process_action stopping(struct hf_process *p, enum hf_process_event event,
                                       struct hf_mono now)
{
    if (event == HF_PROCESS_EXITED) {
        p->state = HF_PROCESS_GONE;
        return HF_PROCESS_CLEAN;
    }
    if (event == HF_PROCESS_DEADLINE && !hf_mono_before(now, p->deadline)) {
        p->deadline = hf_mono_add(now, hf_ms(KILL_AGAIN_MS));
        return HF_PROCESS_KILL;
    }
    return HF_PROCESS_NOTHING;
}

enum hf_process_action hf_process_step(struct hf_process *p, enum hf_process_event event,
                                       struct hf_mono now)
{
    switch (p->state) {
    case HF_PROCESS_INTENDED:
        return intended(p, event);
    case HF_PROCESS_STARTING:
    case HF_PROCESS_RUNNING:
        return alive(p, event, now);
    case HF_PROCESS_STOPPING:
        return stopping(p, event, now);
    case HF_PROCESS_GONE:
        break;
    }
    return HF_PROCESS_NOTHING;
}

struct hf_duration hf_restart_next(struct hf_restart *r, const struct hf_process *p,
                                   struct hf_mono now)
{
    struct hf_duration pause = hf_ms(PAUSE_MAX_MS);

    if (p->was_ready)
        r->failures = 0;
    else
        r->failures++;
    if (r->failures >= HF_RESTART_FAILURES_MAX)
        r->given_up = true;
    if (p->was_ready && hf_mono_sub(now, p->ready_at).ns >= hf_seconds(STEADY_S).ns)
        r->doublings = 0;
    if ((PAUSE_MS << r->doublings) < PAUSE_MAX_MS)
        pause = hf_ms(PAUSE_MS << r->doublings++);
    return pause;
}

void hf_restart_reset(struct hf_restart *r)
{
    *r = (struct hf_restart){0};
}
