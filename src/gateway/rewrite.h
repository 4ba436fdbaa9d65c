/* gateway/rewrite.h - what a request's head becomes on its way to an endpoint. */
#pragma once
#include "gateway/exchange.h"

/* Renders w->head into x->request: hop-by-hop fields go, x-forwarded-*, x-request-id and framing
 * are set anew. Fills x's id and the places of url and host. HF_ELIMIT: it does not fit. */
HF_MUST_CHECK int hf_rewrite_request(struct hf_exchange *x, const struct hf_h1_head *head,
                                     const struct hf_h1_framing *framing);
