/* net/proxy_protocol.h - the PROXY protocol, versions 1 and 2: with which addresses a connection
 * began, told ahead of all else by the proxy in front of it. Reads and writes headers; allocates
 * nothing and keeps no state.
 * Runs in: gateway (both ways), controller (writes: its checks of instances that expect a header).
 *
 * Strict: only the whole header of a TCP connection is taken, and everything in it that can be
 * checked is. Who may send one is the caller's business. */
#pragma once
#include <sys/types.h>

#include "base/str.h"
#include "net/addr.h"

enum {
    HF_PROXY_V1_MOST = 107, /* bytes of a header of version 1, its CRLF included */
    HF_PROXY_V2_MOST =
        1024,           /* of version 2: addresses, and room for what proxies say beside them */
    HF_PROXY_OUT = 108, /* room for any that is written */
};

struct hf_proxy {
    uint8_t version; /* 1 or 2 */
    bool known;      /* false: the sender speaks for itself (LOCAL), or does not know (UNKNOWN,
                        UNSPEC): the connection's own addresses stand */
    struct hf_addr source, destination; /* IPv4-mapped ones as IPv4 */
};

/* > 0: the header's bytes; *ret is filled. 0: more are needed: call again with the same bytes and
 * more behind them; never for more than HF_PROXY_V2_MOST. HF_EINVAL: this is no valid header, and
 * *why says what is wrong with it. However the bytes are cut, the answer is the same. */
ssize_t hf_proxy_parse(struct hf_str bytes, struct hf_proxy *ret, const char **why);

/* Writes a header of version 1 or 2 and returns its length. source NULL: one that says nothing of
 * addresses, as for connections on our own behalf. An IPv4 and an IPv6 address are both written as
 * IPv6. */
size_t hf_proxy_write(unsigned version, const struct hf_addr *source,
                      const struct hf_addr *destination, char out[HF_PROXY_OUT]);
