#include "gateway/peer.h"

void hf_peer_init(struct hf_peer *ret, const struct hf_addr *address, uint8_t listener)
{
    char ip[HF_ADDR_TEXT];

    *ret = (struct hf_peer){.address = *address, .listener = listener};
    ret->ip_n = (uint8_t)hf_addr_format_ip(address, ip);
    memcpy(ret->ip, ip, ret->ip_n);
}

bool hf_peer_trusted(const struct hf_plan_gateway *g, const struct hf_addr *address)
{
    for (uint32_t i = 0; i < g->n_trusted; i++) {
        if (hf_network_has(&g->trusted[i], address))
            return true;
    }
    return false;
}
