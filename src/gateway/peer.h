/* gateway/peer.h - who is at the other end of a client's connection. */
#pragma once
#include "board/plan.h"

struct hf_peer {
    struct hf_addr address; /* with its port; from the PROXY protocol's header if there was one */
    struct hf_addr destination; /* where it has connected to; family HF_ADDR_NONE: not known */
    uint8_t listener;           /* HF_LISTENER_... of the listener that it came by */
    uint8_t ip_n;
    char ip[46];           /* of address, as text */
    struct hf_str subject; /* of its verified certificate (net/tls.h); empty: it showed none */
};

/* Fills *ret: a client at that address which came by a listener with those flags. */
void hf_peer_init(struct hf_peer *ret, const struct hf_addr *address, uint8_t listener);

/* Is the address one of gateway.trusted_proxies? */
bool hf_peer_trusted(const struct hf_plan_gateway *g, const struct hf_addr *address);
