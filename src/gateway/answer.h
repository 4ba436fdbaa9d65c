/* gateway/answer.h - the gateway's own answers, with the request id, in the form that the client
 * prefers (accept.h, answer_body.h). None may be cached: what they tell changes with the plan. */
#pragma once
#include "gateway/client.h"

/* Beyond three quarters of gateway.limits.buffers: 503. */
#define HF_ANSWER_NO_MEMORY "the gateway holds as much as it may already"

/* Answers and, unless the request was whole and understood, closes the connection. retry_after:
 * seconds; 0: none. detail: words without a full stop. */
void hf_answer(struct hf_client *c, unsigned status, const char *detail, unsigned retry_after);

void hf_answer_redirect(struct hf_client *c, unsigned status, struct hf_str location);
