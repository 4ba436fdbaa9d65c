/* health/verdict.h - turns probe results into one up/down verdict, by counting those in a row.
 * Pure. Owner: whoever embeds it. Runs in: controller. */
#pragma once
#include <stdbool.h>

#include "base/error.h"

enum hf_probe_result { HF_PROBE_LOST, HF_PROBE_PASSED };

enum hf_verdict_state { HF_VERDICT_UNKNOWN, HF_VERDICT_UP, HF_VERDICT_DOWN };

struct hf_verdict_policy {
    unsigned rise, fall; /* results in a row; each at least 1 */
};

struct hf_verdict {
    enum hf_verdict_state state;
    enum hf_probe_result last;
    unsigned streak; /* how often the last result came in a row; 0: there was none */
};

/* Unknown again, with nothing counted. */
void hf_verdict_init(struct hf_verdict *v);

/* Returns 1 if the state changed, 0 if not. */
HF_MUST_CHECK int hf_verdict_feed(struct hf_verdict *v, const struct hf_verdict_policy *policy,
                                  enum hf_probe_result r);

/* How many were lost in a row until now. */
unsigned hf_verdict_lost(const struct hf_verdict *v);

/* Unknown, or the last result speaks against the state: worth asking again soon. */
bool hf_verdict_in_doubt(const struct hf_verdict *v);
