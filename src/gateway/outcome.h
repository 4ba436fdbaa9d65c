/* gateway/outcome.h - what became of a request: the meters and the line of the access log. */
#pragma once
#include "gateway/exchange.h"

enum hf_ending {
    HF_ENDING_WHOLE,       /* a response was sent to its end */
    HF_ENDING_BROKEN,      /* the response was cut by the upstream's fault */
    HF_ENDING_CLIENT_GONE, /* the client left first */
};

/* Does what was answered speak against the service? A status of 5xx, or a gRPC call's status. */
bool hf_outcome_failed(const struct hf_exchange *x);

void hf_outcome_arrived(struct hf_exchange *x);

/* It has become a tunnel. */
void hf_outcome_tunnel(struct hf_exchange *x);

/* A request that is not valid HTTP, or did not arrive in time, was answered with status. */
void hf_outcome_refused(const struct hf_client *c, unsigned status);

/* Once for each exchange that has arrived. */
void hf_outcome_book(struct hf_exchange *x, enum hf_ending ending);
