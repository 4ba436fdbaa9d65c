/* keeper/courier.h - brings new certificates to a gateway that runs: the bundle as a descriptor
 * over a socket of its own (board/handover.h: HF_KEEPER_TLS). A gateway that does not read gets the
 * newest one later. Never blocks, never allocates. Owner: the caller, one for each gateway.
 * Runs in: keeper. */
#pragma once
#include "board/handover.h"

struct hf_courier {
    int fd;       /* the keeper's end; -1: no gateway */
    bool waiting; /* the gateway has not taken the newest bundle */
};

/* *ret_gateway_fd: the gateway's end, the caller's to hand over and then to close. */
HF_MUST_CHECK int hf_courier_init(struct hf_courier *c, int *ret_gateway_fd, struct hf_error *e);
void hf_courier_done(struct hf_courier *c);

/* There is a new bundle. */
void hf_courier_bring(struct hf_courier *c, int bundle_fd);

/* Once more, if the gateway did not take it. */
void hf_courier_again(struct hf_courier *c, int bundle_fd);
