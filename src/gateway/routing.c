#include "gateway/routing.h"

#include "core/route.h"
#include "http/url.h"

/* "TOKEN/SERVICE": a request of the controller itself, for that service whatever the route. */
static int probed_service(const struct hf_plan *plan, struct hf_str value)
{
    char token[2 * sizeof(plan->probe_token)];

    for (size_t i = 0; i < sizeof(plan->probe_token); i++) {
        token[2 * i] = "0123456789abcdef"[plan->probe_token[i] >> 4];
        token[2 * i + 1] = "0123456789abcdef"[plan->probe_token[i] & 15];
    }
    if (value.n < sizeof(token) + 1 || value.p[sizeof(token)] != '/')
        return HF_ROUTE_NONE;
    if (!hf_str_eq_secret((struct hf_str){value.p, sizeof(token)},
                          (struct hf_str){token, sizeof(token)}))
        return HF_ROUTE_NONE;
    value = (struct hf_str){value.p + sizeof(token) + 1, value.n - sizeof(token) - 1};
    for (uint32_t i = 0; i < plan->n_services; i++) {
        if (hf_str_eq(hf_plan_str(plan, hf_plan_services(plan)[i].name), value))
            return (int)i;
    }
    return HF_ROUTE_NONE;
}

int hf_routing_find(const struct hf_plan *plan, const struct hf_h1_head *head,
                    char normal[HF_ROUTING_PATH], struct hf_routing *ret)
{
    const struct hf_h1_field *probe = hf_h1_field(head, HF_FIELD_X_HOLDFAST_PROBE);
    struct hf_routing r = {.service = HF_ROUTE_NONE};
    char host[256];
    int route;

    hf_url_split(head->origin, &r.path, &r.query);
    if (probe) {
        r.service = probed_service(plan, probe->value);
        r.probe = r.service != HF_ROUTE_NONE;
    }
    if (!r.probe && head->host.n <= sizeof(host)) {
        for (size_t i = 0; i < head->host.n; i++)
            host[i] = hf_lower(head->host.p[i]);
        if (r.path.p[0] == '/' && hf_path_normalise(r.path, normal, HF_ROUTING_PATH, &r.path))
            return HF_EINVAL;
        route = hf_route_find(plan, (struct hf_str){host, head->host.n}, r.path);
        if (route != HF_ROUTE_NONE) {
            r.route = &hf_plan_routes(plan)[route];
            r.service = (int)r.route->service;
        }
    }
    *ret = r;
    return 0;
}

struct hf_str hf_routing_rest(const struct hf_plan *plan, const struct hf_routing *r)
{
    size_t n = hf_plan_str(plan, r->route->prefix).n;

    return n == 1 ? r->path : (struct hf_str){r->path.p + n, r->path.n - n};
}

/* Two slashes never meet: what follows "//" would be taken for a host. */
static void put_path(struct hf_h1_out *o, const char *from, struct hf_str path, struct hf_str query)
{
    if (path.n && o->p > from && o->p[-1] == '/')
        path = (struct hf_str){path.p + 1, path.n - 1};
    hf_h1_put(o, path);
    if (query.p) {
        HF_H1_PUT(o, "?");
        hf_h1_put(o, query);
    }
}

int hf_routing_location(const struct hf_plan *plan, const struct hf_routing *r, struct hf_str host,
                        struct hf_h1_out *o)
{
    struct hf_str rest = hf_plan_str(plan, r->route->target);
    const char *from = o->p;

    while (rest.n) {
        const char *open = memchr(rest.p, '{', rest.n);
        size_t n = open ? (size_t)(open - rest.p) : rest.n;

        hf_h1_put(o, (struct hf_str){rest.p, n});
        rest = (struct hf_str){rest.p + n, rest.n - n};
        if (hf_str_starts(rest, HF_STR("{host}"))) {
            if (!host.n)
                return HF_EINVAL;
            hf_h1_put(o, host);
        } else if (hf_str_starts(rest, HF_STR("{path}"))) {
            put_path(o, from, r->path, r->query);
        } else if (hf_str_starts(rest, HF_STR("{rest}"))) {
            put_path(o, from, hf_routing_rest(plan, r), r->query);
        } else if (rest.n) { /* the configuration knows no other */
            return HF_EINVAL;
        }
        n = rest.n < 6 ? rest.n : 6;
        rest = (struct hf_str){rest.p + n, rest.n - n};
    }
    return 0;
}

/* Takes it from the front of *rest, whatever its case. */
static bool skip(struct hf_str *rest, struct hf_str s)
{
    if (rest->n < s.n || !hf_str_eq_nocase((struct hf_str){rest->p, s.n}, s))
        return false;
    *rest = (struct hf_str){rest->p + s.n, rest->n - s.n};
    return true;
}

/* Without the port that is meant anyway. */
static struct hf_str plain_host(struct hf_str host, struct hf_str scheme)
{
    struct hf_str port = scheme.n == 5 ? HF_STR(":443") : HF_STR(":80");

    if (host.n > port.n && memcmp(host.p + host.n - port.n, port.p, port.n) == 0)
        host.n -= port.n;
    return host;
}

bool hf_routing_is_here(const struct hf_routing *r, struct hf_str location, struct hf_str scheme,
                        struct hf_str host)
{
    struct hf_str rest = location, there;
    const char *slash;

    if (location.p[0] != '/') {
        if (!skip(&rest, scheme) || !skip(&rest, HF_STR("://")))
            return false;
        slash = memchr(rest.p, '/', rest.n);
        there = (struct hf_str){rest.p, slash ? (size_t)(slash - rest.p) : rest.n};
        if (!hf_str_eq_nocase(plain_host(there, scheme), plain_host(host, scheme)))
            return false;
        rest = slash ? (struct hf_str){slash, rest.n - there.n} : HF_STR("/");
    }
    if (!hf_str_starts(rest, r->path))
        return false;
    rest = (struct hf_str){rest.p + r->path.n, rest.n - r->path.n};
    if (!r->query.p)
        return rest.n == 0;
    return rest.n > 0 && rest.p[0] == '?' &&
           hf_str_eq((struct hf_str){rest.p + 1, rest.n - 1}, r->query);
}
