#include "health/judge.h"

#include <stdio.h>

enum {
    ATTEMPTS_MIN = 5, /* below these what users saw says nothing */
    DWELL_S = 5,
    DWELL_MAX_S = 60,
    PEACE_S = 60,
};

const char *hf_health_code_name(enum hf_health_code code)
{
    static const char *const names[HF_HEALTH_CODES] = {
        [HF_HEALTH_UNCERTAIN] = "uncertain",
        [HF_HEALTH_PASSING] = "passing",
        [HF_HEALTH_PROBES_LOST] = "probes-lost",
        [HF_HEALTH_USERS_FAIL] = "users-fail",
        [HF_HEALTH_DWELLING] = "dwelling",
        [HF_HEALTH_USERS_SERVED] = "users-served",
        [HF_HEALTH_LAST] = "last",
    };

    return names[code];
}

static bool users_fail(const struct hf_seen *seen)
{
    return seen->attempts >= ATTEMPTS_MIN && seen->failures >= (seen->attempts + 1) / 2;
}

static bool users_served(const struct hf_seen *seen)
{
    return seen->attempts >= ATTEMPTS_MIN && seen->failures < (seen->attempts + 9) / 10;
}

static void dwell_begin(struct hf_dwell *dwell, struct hf_mono now)
{
    int64_t seconds = DWELL_MAX_S;

    if (dwell->times && hf_mono_sub(now, dwell->until).ns >= hf_seconds(PEACE_S).ns)
        dwell->times = 0;
    if (((int64_t)DWELL_S << dwell->times) < DWELL_MAX_S)
        seconds = (int64_t)DWELL_S << dwell->times;
    if (dwell->times < 16)
        dwell->times++;
    dwell->until = hf_mono_add(now, hf_seconds(seconds));
}

/* The floor. */
static void down(const struct hf_evidence *e, struct hf_judgement *ret)
{
    char text[sizeof(ret->text)];

    ret->wanted = HF_DOWN;
    if (!e->ready || !e->last)
        return;
    snprintf(text, sizeof(text), "failing, but the last: %.120s", ret->text);
    *ret = (struct hf_judgement){.code = HF_HEALTH_LAST, .wanted = HF_KEEP};
    snprintf(ret->text, sizeof(ret->text), "%s", text);
}

static void judge_probes(const struct hf_evidence *e, struct hf_judgement *ret)
{
    unsigned lost = hf_verdict_lost(e->probes);

    if (e->probes->state == HF_VERDICT_UP) {
        ret->code = HF_HEALTH_PASSING;
        ret->wanted = HF_UP;
        snprintf(ret->text, sizeof(ret->text), "passes its checks: %.120s", e->probe_text);
    } else if (e->probes->state == HF_VERDICT_DOWN) {
        if (e->ready && users_served(&e->seen) && lost < 2 * e->policy.fall) {
            ret->code = HF_HEALTH_USERS_SERVED;
            snprintf(ret->text, sizeof(ret->text),
                     "%u checks lost, but %llu of %llu requests served: %.80s", lost,
                     (unsigned long long)(e->seen.attempts - e->seen.failures),
                     (unsigned long long)e->seen.attempts, e->probe_text);
            return;
        }
        ret->code = HF_HEALTH_PROBES_LOST;
        snprintf(ret->text, sizeof(ret->text), "%u checks lost: %.120s", lost, e->probe_text);
        down(e, ret);
    }
}

void hf_health_judge(const struct hf_evidence *e, struct hf_dwell *dwell, struct hf_mono now,
                     struct hf_judgement *ret)
{
    *ret = (struct hf_judgement){.code = HF_HEALTH_UNCERTAIN, .wanted = HF_KEEP};
    snprintf(ret->text, sizeof(ret->text), "not enough checks yet: %.120s", e->probe_text);
    if (e->ready && users_fail(&e->seen)) {
        ret->code = HF_HEALTH_USERS_FAIL;
        snprintf(ret->text, sizeof(ret->text), "fails users: %llu of %llu requests",
                 (unsigned long long)e->seen.failures, (unsigned long long)e->seen.attempts);
        down(e, ret);
        if (ret->wanted == HF_DOWN)
            dwell_begin(dwell, now);
        return;
    }
    if (!e->ready && dwell->times && hf_mono_before(now, dwell->until)) {
        ret->code = HF_HEALTH_DWELLING;
        ret->wanted = HF_DOWN;
        snprintf(ret->text, sizeof(ret->text), "failed users not long ago");
        return;
    }
    judge_probes(e, ret);
}
