/* gateway/response.h - an upstream's response on its way to the client. Called by the upstream;
 * when the exchange ends, or the request goes elsewhere, u->exchange is another one on return. */
#pragma once
#include "gateway/exchange.h"

/* The head, with a status of 200 and more. framing.kind: NONE, LENGTH, or one without a known
 * length. */
void hf_response_head(struct hf_exchange *x, const struct hf_h1_head *head,
                      const struct hf_h1_framing *framing);

/* A 1xx head. */
void hf_response_interim(struct hf_exchange *x, const struct hf_h1_head *head);

/* A slice of the body; it must stay where it is until the flush. */
void hf_response_data(struct hf_exchange *x, struct hf_str data);

/* The body is whole. trailers may be NULL. Finishes the exchange. */
void hf_response_end(struct hf_exchange *x, const struct hf_h1_trailers *trailers);

/* So much for now: what was handed over is sent. */
void hf_response_flush(struct hf_exchange *x);

/* The response's framing is broken, or it was cut, behind its head. */
void hf_response_broken(struct hf_exchange *x);
