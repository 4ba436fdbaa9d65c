/* net/addr.h - an IPv4 or IPv6 address and port, and its text form.
 * Fixed size, no pointers: it can stand in shared memory. Literals only; names are resolved by the
 * controller. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/str.h"

enum hf_addr_family { HF_ADDR_NONE, HF_ADDR_IP4, HF_ADDR_IP6 };

struct hf_addr {
    uint8_t family; /* enum hf_addr_family */
    uint8_t zero;
    uint16_t port;  /* host byte order */
    uint8_t ip[16]; /* network byte order; IPv4 in the first four, the rest 0 */
};

/* "10.0.0.1:80", "[::1]:80". HF_EINVAL otherwise. */
HF_MUST_CHECK int hf_addr_parse(struct hf_str text, struct hf_addr *ret);

/* An address without a port, "10.0.0.1" or "::1"; port becomes 0. */
HF_MUST_CHECK int hf_addr_parse_ip(struct hf_str text, struct hf_addr *ret);

#define HF_ADDR_TEXT 56
char *hf_addr_format(const struct hf_addr *a, char buf[HF_ADDR_TEXT]);     /* "[::1]:80" */
size_t hf_addr_format_ip(const struct hf_addr *a, char buf[HF_ADDR_TEXT]); /* "::1"; its length */

bool hf_addr_eq(const struct hf_addr *a, const struct hf_addr *b);
socklen_t hf_addr_to_sockaddr(const struct hf_addr *a, struct sockaddr_storage *ret);
HF_MUST_CHECK int hf_addr_from_sockaddr(const struct sockaddr *sa, struct hf_addr *ret);

/* A network, "10.0.0.0/8", "fd00::/8"; a bare address is a network of one. */
struct hf_network {
    struct hf_addr base;
    uint8_t bits;
    uint8_t zero; /* networks stand in shared memory, byte for byte */
};
HF_MUST_CHECK int hf_network_parse(struct hf_str text, struct hf_network *ret);

/* IPv4-mapped IPv6 addresses match IPv4 networks. */
bool hf_network_has(const struct hf_network *n, const struct hf_addr *a);
