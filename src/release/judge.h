/* release/judge.h - does the instance under test fail users more often than the old version?
 * Pure. Runs in: controller.
 *
 * Rates are attempts that failed (before any retry) of all attempts in the bake's window. The
 * threshold is the old version's rate plus what the policy allows.
 *   - At any time: at least 5 failures and a rate above the threshold: failed, without waiting for
 *     the end.
 *   - At the end, with at least `requests` attempts: failed if above the threshold, else passed.
 *   - At the end, with fewer: they are too few for a rate. Failed if at least two, and half of
 *     them, failed while the old version did better; else passed, and said to be judged by smoke
 *     alone. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/time.h"

struct hf_release_count {
    uint64_t attempts, failures;
};

struct hf_release_policy {
    uint32_t errors;   /* of 10000: by how much the rate may be above the old version's */
    uint32_t requests; /* attempts below which a rate says nothing */
};

enum hf_release_verdict { HF_RELEASE_UNDECIDED, HF_RELEASE_PASS, HF_RELEASE_FAIL };

enum { HF_RELEASE_EARLY_FAILURES = 5 };

/* window: how long the bake has lasted; over: that was all of it. text gets the evidence. */
enum hf_release_verdict hf_release_judge(const struct hf_release_policy *policy,
                                         struct hf_release_count candidate,
                                         struct hf_release_count others, struct hf_duration window,
                                         bool over, char *text, size_t size);
