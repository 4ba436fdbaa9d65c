/* gateway/routing.h - where a request goes: its route, and what the route does with its path.
 * Pure but for the plan; runs in a worker. */
#pragma once
#include "board/plan.h"
#include "http/h1_parse.h"
#include "http/h1_write.h"

enum {
    HF_ROUTING_PATH = 32 * 1024, /* a longer path that is not in normal form is refused */
    HF_LOCATION_MOST = 8 * 1024, /* of a redirect */
};

struct hf_routing {
    int service;                       /* index in the plan, or HF_ROUTE_NONE */
    const struct hf_plan_route *route; /* NULL: none was found, or none was asked */
    bool probe;                        /* a request of the controller itself */
    struct hf_str path, query;         /* in normal form, which `normal` may hold; query.p NULL:
                                          there is none */
};

/* HF_EINVAL: the path is not valid. */
HF_MUST_CHECK int hf_routing_find(const struct hf_plan *plan, const struct hf_h1_head *head,
                                  char normal[HF_ROUTING_PATH], struct hf_routing *ret);

/* What follows the route's prefix in the path: empty, or it begins with '/'. */
struct hf_str hf_routing_rest(const struct hf_plan *plan, const struct hf_routing *r);

/* Does the route put another path in place of its prefix? */
static inline bool hf_routing_rewrites(const struct hf_routing *r)
{
    return r->route && !r->route->redirect && r->route->target.n;
}

/* Where the route's redirect leads: its template with {host}, {path} (and query), {rest} (the path
 * behind the prefix, and the query) filled in. HF_EINVAL: the template needs a host, and the
 * request has none. */
HF_MUST_CHECK int hf_routing_location(const struct hf_plan *plan, const struct hf_routing *r,
                                      struct hf_str host, struct hf_h1_out *o);

/* Is that location the one that was asked for? Then it is no redirect that the client needs: it
 * would come back for ever. scheme: "http" or "https", by which it came; host: its authority. */
bool hf_routing_is_here(const struct hf_routing *r, struct hf_str location, struct hf_str scheme,
                        struct hf_str host);
