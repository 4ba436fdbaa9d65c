/* gateway/rewrite.h - what a request's head becomes on its way to an endpoint. */
#pragma once
#include "gateway/exchange.h"
#include "gateway/routing.h"

/* "http" or "https": by which the client came, by a trusted proxy's word, else by the listener. */
struct hf_str hf_rewrite_scheme(const struct hf_exchange *x, const struct hf_h1_head *head);

/* Renders w->head into x->request: hop-by-hop fields go; the fields that tell of client and trace,
 * x-request-id and framing are set anew; the path is the route's. Fills x's id and the places of
 * url, host and what else the log wants. HF_ELIMIT: it does not fit.
 * For endpoints that speak HTTP/2 the text is the same, but for the framing: h2_upstream.c makes
 * its fields of the lines. */
HF_MUST_CHECK int hf_rewrite_request(struct hf_exchange *x, const struct hf_h1_head *head,
                                     const struct hf_h1_framing *framing,
                                     const struct hf_routing *r);
