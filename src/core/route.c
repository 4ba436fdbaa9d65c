#include "core/route.h"

static int compare(struct hf_str a, struct hf_str b)
{
    int order = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);

    return order ? order : (a.n > b.n) - (a.n < b.n);
}

/* The first route whose host is not below host; the validator has checked the order. */
static uint32_t first_of_host(const struct hf_plan *plan, struct hf_str host)
{
    uint32_t low = 0, high = plan->n_routes;

    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (compare(hf_plan_str(plan, hf_plan_routes(plan)[middle].host), host) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool prefix_matches(struct hf_str prefix, struct hf_str path)
{
    if (!hf_str_starts(path, prefix))
        return false;
    return path.n == prefix.n || prefix.p[prefix.n - 1] == '/' || path.p[prefix.n] == '/';
}

static int find_in_host(const struct hf_plan *plan, struct hf_str host, struct hf_str path)
{
    const struct hf_plan_route *routes = hf_plan_routes(plan);

    for (uint32_t i = first_of_host(plan, host); i < plan->n_routes; i++) {
        if (!hf_str_eq(hf_plan_str(plan, routes[i].host), host))
            break;
        if (prefix_matches(hf_plan_str(plan, routes[i].prefix), path))
            return (int)i;
    }
    return HF_ROUTE_NONE;
}

int hf_route_find(const struct hf_plan *plan, struct hf_str host, struct hf_str path)
{
    int route = host.n ? find_in_host(plan, host, path) : HF_ROUTE_NONE;

    return route != HF_ROUTE_NONE ? route : find_in_host(plan, HF_STR(""), path);
}
