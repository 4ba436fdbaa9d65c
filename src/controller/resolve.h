/* controller/resolve.h - looks up the addresses of a host name without holding up the loop
 * (c-ares).
 *
 * /etc/hosts first, then the name servers of /etc/resolv.conf, whose search list and options count;
 * both files are read for each lookup, so that their changes are seen. A host with two families is
 * one host: the IPv6 addresses are asked for only if it certainly has no IPv4 ones. A failure to
 * get one answer is a failure of the lookup, never half an answer. Owner: the caller. Runs in:
 * controller, on its loop's thread. The gateway never looks up names. */
#pragma once
#include "net/addr.h"
#include "net/loop.h"

enum { HF_RESOLVE_MOST = 16 };

struct hf_resolve_options {
    struct hf_loop *loop;
    const struct hf_addr *servers; /* with ports; instead of the system's, if there are any */
    size_t n_servers;
    struct hf_duration limit; /* for all of it; then HF_ETIMEOUT */
};

/* code: 0; HF_ENOENT: no such name, or it has no address; HF_ETIMEOUT; HF_EIO: anything else, such
 * as a name server that refuses. */
struct hf_resolve_answer {
    int code;
    char why[120];                           /* unless code is 0 */
    struct hf_addr address[HF_RESOLVE_MOST]; /* each once, sorted; the first ones of more */
    size_t n;                                /* at least 1 if code is 0 */
    bool more;                               /* there were more than fit */
};

struct hf_resolve;

/* on_answer is called once, in a later turn, unless hf_resolve_free() comes before it; it may call
 * that itself. options->servers is not needed after the return. HF_EIO: out of descriptors or
 * memory. */
HF_MUST_CHECK int hf_resolve_new(const struct hf_resolve_options *options, const char *host,
                                 uint16_t port,
                                 void (*on_answer)(void *ctx, const struct hf_resolve_answer *),
                                 void *ctx, struct hf_resolve **ret, struct hf_error *e);

/* Cancels it if it is still under way. NULL is fine; returns NULL. */
struct hf_resolve *hf_resolve_free(struct hf_resolve *r);
