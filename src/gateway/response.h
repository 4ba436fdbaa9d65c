/* gateway/response.h - an upstream's response on its way to the client. */
#pragma once
#include "gateway/exchange.h"

/* The body is whole. trailers may be NULL. Finishes the exchange. */
void hf_response_end(struct hf_exchange *x, const struct hf_h1_trailers *trailers);
