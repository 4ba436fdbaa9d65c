#include "release/judge.h"

#include <stdio.h>

static double rate(struct hf_release_count c)
{
    return c.attempts ? (double)c.failures / (double)c.attempts : 0;
}

enum hf_release_verdict hf_release_judge(const struct hf_release_policy *policy,
                                         struct hf_release_count candidate,
                                         struct hf_release_count others, struct hf_duration window,
                                         bool over, char *text, size_t size)
{
    double threshold = rate(others) + (double)policy->errors / 10000;
    bool broken = rate(candidate) > threshold;
    bool few = candidate.attempts < policy->requests;
    char lasted[32], figures[160];

    hf_duration_format(window, lasted, sizeof(lasted));
    snprintf(figures, sizeof(figures),
             "%llu of %llu requests failed (%.2f%%), the old version's %.2f%% of %llu",
             (unsigned long long)candidate.failures, (unsigned long long)candidate.attempts,
             rate(candidate) * 100, rate(others) * 100, (unsigned long long)others.attempts);

    if (broken && candidate.failures >= HF_RELEASE_EARLY_FAILURES) {
        snprintf(text, size, "fails users: %s, after %s", figures, lasted);
        return HF_RELEASE_FAIL;
    }
    if (!over)
        return HF_RELEASE_UNDECIDED;
    if (few && broken && candidate.failures >= 2 && candidate.failures * 2 >= candidate.attempts) {
        snprintf(text, size, "fails users: %s, in %s", figures, lasted);
        return HF_RELEASE_FAIL;
    }
    if (few) {
        snprintf(text, size, "judged by smoke alone: %llu requests in %s, %llu failed",
                 (unsigned long long)candidate.attempts, lasted,
                 (unsigned long long)candidate.failures);
        return HF_RELEASE_PASS;
    }
    snprintf(text, size, "%s: %s, in %s", broken ? "fails users" : "serves users", figures, lasted);
    return broken ? HF_RELEASE_FAIL : HF_RELEASE_PASS;
}
