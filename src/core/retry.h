/* core/retry.h - may a failed attempt be made again, and is there budget for it? Pure.
 *
 * The budget is per gateway and split evenly over its workers: in any 10 s at most retry_percent of
 * the requests, plus 100. */
#pragma once
#include "core/view.h"

enum hf_failure {
    HF_FAILURE_NONE,
    HF_FAILURE_LOCAL,   /* no descriptor, port or memory here: nothing was sent, nobody's fault */
    HF_FAILURE_CONNECT, /* refused, unreachable or timed out: nothing was sent */
    HF_FAILURE_STALE,   /* a kept connection was closed before a byte of the response */
    HF_FAILURE_REFUSED, /* the endpoint says that it has not begun it (RFC 9113 8.7) */
    HF_FAILURE_LOST,    /* a new connection was closed before the response's head was whole */
    HF_FAILURE_TRY,     /* timeout.try passed without a head */
    HF_FAILURE_INVALID, /* the response is no valid HTTP */
    HF_FAILURE_500,     /* the response's status; passed on to nobody yet */
    HF_FAILURE_502_4,
    HF_FAILURE_BROKEN,   /* lost after the head was passed on */
    HF_FAILURE_RESPONSE, /* timeout.response passed */
    HF_FAILURES,
};

struct hf_retry_case {
    enum hf_failure failure;
    bool idempotent;   /* by method, RFC 9110 section 9.2.2 */
    bool kept;         /* the whole request can be sent again */
    bool passed_on;    /* bytes of the response went to the client */
    uint32_t attempts; /* made so far */
};

/* Is another attempt allowed by its nature and by the service's policy? */
bool hf_retry_allowed(const struct hf_retry_case *c, const struct hf_plan_service *s);

/* A connection that the peer closed while it was idle says nothing of the endpoint: an idempotent
 * request is sent once more even where retries are off. So is any request that an endpoint has
 * refused before it looked at it, up to HF_RETRY_REFUSED times: one that leaves says so. */
enum { HF_RETRY_REFUSED = 3 };
bool hf_retry_is_free(const struct hf_retry_case *c);

enum { HF_RETRY_SECONDS = 10, HF_RETRY_BURST = 100 };
struct hf_retry_budget {
    uint32_t requests[HF_RETRY_SECONDS], retries[HF_RETRY_SECONDS];
    int64_t second; /* the newest that is counted, monotonic */
};

void hf_retry_budget_request(struct hf_retry_budget *b, struct hf_mono now);

/* Takes one retry from the budget; false: none is left. workers: among how many it is split. */
bool hf_retry_budget_take(struct hf_retry_budget *b, uint32_t percent, uint32_t workers,
                          struct hf_mono now);
