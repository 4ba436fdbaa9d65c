/* core/balance.h - which endpoint gets a request.
 *
 * The version's share is drawn first: a candidate gets candidate_share and nothing else, so that
 * users never meet it more often. Then power of two choices inside the group: of two endpoints
 * drawn at random, the one with the lower in-flight x latency / weight. Latencies within a factor
 * of two count as equal; between two that are about as good, weights decide. */
#pragma once
#include "core/view.h"

enum { HF_BALANCE_NONE = -1, HF_TRIED_MAX = 8 };

/* Endpoints that this request has been to; a retry goes elsewhere if there is an elsewhere. */
struct hf_tried {
    uint32_t n;
    uint32_t slot[HF_TRIED_MAX];
};

/* Returns the endpoint's index in the plan, or HF_BALANCE_NONE if no ready one is there. Takes the
 * trial if the choice is half open. Counts nothing in flight: the caller does, in the same turn. */
int hf_balance_pick(struct hf_view *v, const struct hf_plan_service *s,
                    const struct hf_tried *tried, struct hf_random *random, struct hf_mono now);

/* Is there a ready endpoint that this request has not been to? */
bool hf_balance_elsewhere(const struct hf_view *v, const struct hf_plan_service *s,
                          const struct hf_tried *tried, struct hf_mono now);

/* The time to the response's head, or timeout.try for a failure, so that failing fast attracts
 * nothing. Moves the average by an eighth, from 0: one slow first answer shuns nobody. */
void hf_balance_latency(struct hf_live_endpoint *ep, uint64_t us);
