#include "board/plan.h"

#include <assert.h>
#include <string.h>
#include <xxhash.h>

#include "base/mem.h"
#include "base/time.h"

enum {
    TEXT_PER_ENTRY = 160
}; /* bytes of text that capacity plans for each service, route, endpoint */

static size_t text_capacity(const struct hf_board_capacity *c)
{
    return ((size_t)c->services + c->routes + c->endpoints) * TEXT_PER_ENTRY;
}

size_t hf_plan_capacity(const struct hf_board_capacity *c)
{
    return sizeof(struct hf_plan) + c->services * sizeof(struct hf_plan_service) +
           c->routes * sizeof(struct hf_plan_route) +
           c->endpoints * sizeof(struct hf_plan_endpoint) + text_capacity(c) + 64;
}

/* How large the structs of an image are, and where its gateway part is. */
struct sizes {
    uint32_t gateway_at, gateway, service, route, endpoint;
};
static const struct sizes own_sizes = {
    offsetof(struct hf_plan, gateway), sizeof(struct hf_plan_gateway),
    sizeof(struct hf_plan_service), sizeof(struct hf_plan_route), sizeof(struct hf_plan_endpoint)};
/* Layout 1 did not say; these were its. */
static const struct sizes sizes_1 = {112, 752, 72, 20, 60};

static bool sizes_eq(const struct hf_plan *p, const struct sizes *s)
{
    return p->gateway_at == s->gateway_at && p->gateway_size == s->gateway &&
           p->service_size == s->service && p->route_size == s->route &&
           p->endpoint_size == s->endpoint;
}

static uint64_t checksum(const struct hf_plan *p)
{
    size_t from = offsetof(struct hf_plan, layout);

    return XXH3_64bits((const char *)p + from, p->size - from);
}

void hf_plan_seal(struct hf_plan *p, uint64_t generation)
{
    p->generation = generation;
    p->made_wall_ns = hf_wall_now().ns;
    p->checksum = checksum(p);
}

/* ---- validate ---- */

static int validate_frame(const struct hf_plan *p, size_t size, struct hf_error *e)
{
    if (p->size > size)
        return hf_error_set(e, HF_ECORRUPT, "the plan says %llu bytes, there are %zu",
                            (unsigned long long)p->size, size);
    if (checksum(p) != p->checksum)
        return hf_error_set(e, HF_ECORRUPT, "the plan's checksum does not match");
    return 0;
}

static bool section_fits(const struct hf_plan *p, uint32_t at, uint32_t n, size_t each)
{
    return at % 8 == 0 && at >= sizeof(*p) && at <= p->size && n <= (p->size - at) / each;
}

static bool text_fits(const struct hf_plan *p, struct hf_plan_text t)
{
    return t.at <= p->text_size && t.n <= p->text_size - t.at;
}

static bool network_valid(const struct hf_network *n)
{
    return (n->base.family == HF_ADDR_IP4 && n->bits <= 32) ||
           (n->base.family == HF_ADDR_IP6 && n->bits <= 128);
}

static int validate_listeners(const struct hf_plan_gateway *g, struct hf_error *e)
{
    if (g->n_listeners > HF_LISTENERS_MAX)
        return hf_error_set(e, HF_ECORRUPT, "the plan has too many listeners");
    for (uint32_t i = 0; i < g->n_listeners; i++) {
        uint8_t family = g->listeners[i].address.family;
        if (family != HF_ADDR_IP4 && family != HF_ADDR_IP6)
            return hf_error_set(e, HF_ECORRUPT, "listener %u of the plan is not valid", i);
    }
    return 0;
}

static int validate_header(const struct hf_plan *p, size_t size, const struct hf_board_capacity *c,
                           struct hf_error *e)
{
    if (size < sizeof(*p) || p->magic != HF_PLAN_MAGIC)
        return hf_error_set(e, HF_ECORRUPT, "this is no plan");
    if (!sizes_eq(p, &own_sizes) || p->layout != HF_BOARD_LAYOUT || p->size < sizeof(*p))
        return hf_error_set(e, HF_ECORRUPT, "the plan has not the layout of this program");
    if (validate_frame(p, size, e))
        return HF_ECORRUPT;
    if (p->n_services > c->services || p->n_routes > c->routes || p->n_endpoints > c->endpoints)
        return hf_error_set(e, HF_ECORRUPT, "the plan exceeds the board's capacity");
    if (!section_fits(p, p->services_at, p->n_services, sizeof(struct hf_plan_service)) ||
        !section_fits(p, p->routes_at, p->n_routes, sizeof(struct hf_plan_route)) ||
        !section_fits(p, p->endpoints_at, p->n_endpoints, sizeof(struct hf_plan_endpoint)) ||
        !section_fits(p, p->text_at, p->text_size, 1))
        return hf_error_set(e, HF_ECORRUPT, "a section of the plan lies outside it");
    if (p->gateway.n_trusted > HF_PLAN_TRUSTED)
        return hf_error_set(e, HF_ECORRUPT, "the plan trusts too many networks");
    for (uint32_t i = 0; i < p->gateway.n_trusted; i++) {
        if (!network_valid(&p->gateway.trusted[i]))
            return hf_error_set(e, HF_ECORRUPT, "trusted network %u of the plan is not valid", i);
    }
    return validate_listeners(&p->gateway, e);
}

/* The endpoints of one service begin where those of the one before end. */
static bool service_valid(const struct hf_plan *p, uint32_t index,
                          const struct hf_board_capacity *c)
{
    const struct hf_plan_service *s = &hf_plan_services(p)[index];
    uint32_t first = index ? s[-1].first_endpoint + s[-1].n_endpoints : 0;

    return s->slot < c->services && text_fits(p, s->name) && s->first_endpoint == first &&
           s->n_endpoints <= p->n_endpoints - first && s->candidate_share <= 10000 &&
           s->retry_percent <= 100 && s->upgrade < HF_UPGRADES && s->proxy_version <= 2 &&
           s->protocol < HF_PROTOCOLS;
}

static bool endpoint_valid(const struct hf_plan *p, uint32_t index,
                           const struct hf_board_capacity *c)
{
    const struct hf_plan_endpoint *ep = &hf_plan_endpoints(p)[index];
    const struct hf_plan_service *s;

    if (ep->slot >= c->endpoints || ep->service >= p->n_services || ep->weight < 1 ||
        ep->weight > 1000 || ep->state >= HF_ENDPOINT_STATES || !text_fits(p, ep->id) ||
        !text_fits(p, ep->version) || !text_fits(p, ep->node))
        return false;
    if (ep->address.family != HF_ADDR_IP4 && ep->address.family != HF_ADDR_IP6)
        return false;
    s = &hf_plan_services(p)[ep->service];
    return index >= s->first_endpoint && index < s->first_endpoint + s->n_endpoints;
}

/* By host, then longest prefix first; equal ones are not allowed. */
static int compare_routes(const struct hf_plan *p, const struct hf_plan_route *a,
                          const struct hf_plan_route *b)
{
    struct hf_str ha = hf_plan_str(p, a->host), hb = hf_plan_str(p, b->host);
    struct hf_str pa = hf_plan_str(p, a->prefix), pb = hf_plan_str(p, b->prefix);
    int order = memcmp(ha.p, hb.p, ha.n < hb.n ? ha.n : hb.n);

    if (order == 0 && ha.n != hb.n)
        order = ha.n < hb.n ? -1 : 1;
    if (order == 0 && pa.n != pb.n)
        order = pa.n > pb.n ? -1 : 1;
    return order ? order : memcmp(pa.p, pb.p, pa.n);
}

static bool target_valid(const struct hf_plan *p, const struct hf_plan_route *r)
{
    struct hf_str target;

    if (!text_fits(p, r->target))
        return false;
    target = hf_plan_str(p, r->target);
    if (r->redirect)
        return r->redirect >= 300 && r->redirect <= 399 && target.n > 0;
    return target.n == 0 ||
           (target.p[0] == '/' && (target.n == 1 || target.p[target.n - 1] != '/'));
}

static bool route_valid(const struct hf_plan *p, uint32_t index)
{
    const struct hf_plan_route *r = &hf_plan_routes(p)[index];

    if (r->service >= p->n_services || !text_fits(p, r->host) || !text_fits(p, r->prefix))
        return false;
    if (r->prefix.n == 0 || hf_plan_str(p, r->prefix).p[0] != '/' || !target_valid(p, r))
        return false;
    return index == 0 || compare_routes(p, r - 1, r) < 0;
}

/* Two users of one live counter would each see the other's calls. */
static bool slots_unique(const struct hf_plan *p, const struct hf_board_capacity *c)
{
    uint64_t seen[HF_BOARD_ENDPOINTS_MAX / 64] = {0};

    if (c->endpoints > HF_BOARD_ENDPOINTS_MAX || c->services > HF_BOARD_SERVICES_MAX)
        return false;
    for (uint32_t i = 0; i < p->n_endpoints; i++) {
        uint32_t slot = hf_plan_endpoints(p)[i].slot;
        if (seen[slot / 64] & UINT64_C(1) << slot % 64)
            return false;
        seen[slot / 64] |= UINT64_C(1) << slot % 64;
    }
    memset(seen, 0, sizeof(seen));
    for (uint32_t i = 0; i < p->n_services; i++) {
        uint32_t slot = hf_plan_services(p)[i].slot;
        if (seen[slot / 64] & UINT64_C(1) << slot % 64)
            return false;
        seen[slot / 64] |= UINT64_C(1) << slot % 64;
    }
    return true;
}

int hf_plan_validate(const void *image, size_t size, const struct hf_board_capacity *c,
                     struct hf_error *e)
{
    const struct hf_plan *p = image;
    int rc = validate_header(p, size, c, e);

    if (rc)
        return rc;
    for (uint32_t i = 0; i < p->n_services; i++) {
        if (!service_valid(p, i, c))
            return hf_error_set(e, HF_ECORRUPT, "service %u of the plan is not valid", i);
    }
    for (uint32_t i = 0; i < p->n_endpoints; i++) {
        if (!endpoint_valid(p, i, c))
            return hf_error_set(e, HF_ECORRUPT, "endpoint %u of the plan is not valid", i);
    }
    for (uint32_t i = 0; i < p->n_routes; i++) {
        if (!route_valid(p, i))
            return hf_error_set(e, HF_ECORRUPT, "route %u of the plan is not valid", i);
    }
    if (!slots_unique(p, c))
        return hf_error_set(e, HF_ECORRUPT, "two entries of the plan share a slot");
    return 0;
}

static void set_own_layout(struct hf_plan *p)
{
    p->layout = HF_BOARD_LAYOUT;
    p->gateway_at = own_sizes.gateway_at;
    p->gateway_size = own_sizes.gateway;
    p->service_size = own_sizes.service;
    p->route_size = own_sizes.route;
    p->endpoint_size = own_sizes.endpoint;
}

/* ---- load ---- */

/* A section of the image that is read: n entries of `each` bytes. */
struct section {
    uint32_t at, n, each;
};

/* What is read of a header before its layout is known is what all layouts have. */
static int read_sizes(const struct hf_plan *p, size_t size, struct sizes *ret, struct hf_error *e)
{
    if (size < sizes_1.gateway_at + sizes_1.gateway || p->magic != HF_PLAN_MAGIC)
        return hf_error_set(e, HF_ECORRUPT, "this is no plan");
    if (p->layout < 1 || p->layout > HF_BOARD_LAYOUT)
        return hf_error_set(e, HF_ECORRUPT, "the plan has layout %u, this program reads up to %u",
                            p->layout, HF_BOARD_LAYOUT);
    if (p->layout == 1)
        *ret = sizes_1;
    else
        *ret = (struct sizes){p->gateway_at, p->gateway_size, p->service_size, p->route_size,
                              p->endpoint_size};
    if (p->size < sizes_1.gateway_at + sizes_1.gateway || ret->gateway_at < sizes_1.gateway_at ||
        ret->gateway < sizes_1.gateway || ret->service < sizes_1.service ||
        ret->route < sizes_1.route || ret->endpoint < sizes_1.endpoint)
        return hf_error_set(e, HF_ECORRUPT, "the plan's header is too short");
    return validate_frame(p, size, e);
}

static uint32_t least(size_t a, size_t b)
{
    return (uint32_t)(a < b ? a : b);
}

static bool section_in(const struct hf_plan *from, const struct section *s)
{
    return s->at <= from->size && (uint64_t)s->n * s->each <= from->size - s->at;
}

/* Puts a section behind what is there, each entry `each` bytes. */
static uint32_t take_section(struct hf_plan *to, const struct hf_plan *from,
                             const struct section *s, uint32_t each)
{
    uint32_t at = (uint32_t)((to->size + 7) / 8 * 8), known = least(s->each, each);
    char *entry = (char *)to + at;

    memset((char *)to + to->size, 0, at - to->size);
    for (uint32_t i = 0; i < s->n; i++, entry += each) {
        memcpy(entry, (const char *)from + s->at + (size_t)i * s->each, known);
        memset(entry + known, 0, each - known);
    }
    to->size = at + (uint64_t)s->n * each;
    return at;
}

int hf_plan_load(const void *image, size_t size, const struct hf_board_capacity *c, void *ret,
                 struct hf_error *e)
{
    const struct hf_plan *from = image;
    struct hf_plan *to = ret;
    struct sizes sizes = {0};
    struct section services, routes, endpoints, text;
    int rc = read_sizes(from, size, &sizes, e);

    if (rc)
        return rc;
    services = (struct section){from->services_at, from->n_services, sizes.service};
    routes = (struct section){from->routes_at, from->n_routes, sizes.route};
    endpoints = (struct section){from->endpoints_at, from->n_endpoints, sizes.endpoint};
    text = (struct section){from->text_at, from->text_size, 1};
    if (sizes.gateway_at > from->size || sizes.gateway > from->size - sizes.gateway_at ||
        !section_in(from, &services) || !section_in(from, &routes) ||
        !section_in(from, &endpoints) || !section_in(from, &text))
        return hf_error_set(e, HF_ECORRUPT, "a section of the plan lies outside it");
    if (services.n > c->services || routes.n > c->routes || endpoints.n > c->endpoints ||
        text.n > text_capacity(c))
        return hf_error_set(e, HF_ECORRUPT, "the plan exceeds the board's capacity");
    memset(to, 0, sizeof(*to));
    memcpy(to, from, least(sizes.gateway_at, own_sizes.gateway_at));
    memcpy(&to->gateway, (const char *)from + sizes.gateway_at,
           least(sizes.gateway, own_sizes.gateway));
    if (from->layout == 1)
        to->gateway.forwarded = HF_FORWARDED_X; /* it had no choice */
    set_own_layout(to);
    to->size = sizeof(*to);
    to->services_at = take_section(to, from, &services, own_sizes.service);
    to->routes_at = take_section(to, from, &routes, own_sizes.route);
    to->endpoints_at = take_section(to, from, &endpoints, own_sizes.endpoint);
    to->text_at = take_section(to, from, &text, 1);
    to->checksum = checksum(to);
    return hf_plan_validate(to, to->size, c, e);
}

/* ---- build ---- */

struct hf_plan_builder {
    struct hf_board_capacity capacity;
    struct hf_plan_gateway gateway;
    struct hf_plan_service *services;
    struct hf_plan_route *routes;
    struct hf_plan_endpoint *endpoints;
    uint32_t n_services, n_routes, n_endpoints;
    struct hf_text text;
    struct hf_plan *image;
};

struct hf_plan_builder *hf_plan_builder_new(const struct hf_board_capacity *c)
{
    struct hf_plan_builder *b = hf_alloc(sizeof(*b));

    b->capacity = *c;
    b->services = hf_alloc_array(c->services, sizeof(*b->services));
    b->routes = hf_alloc_array(c->routes, sizeof(*b->routes));
    b->endpoints = hf_alloc_array(c->endpoints, sizeof(*b->endpoints));
    b->image = hf_alloc(hf_plan_capacity(c));
    return b;
}

struct hf_plan_builder *hf_plan_builder_free(struct hf_plan_builder *b)
{
    if (b) {
        hf_free(b->services);
        hf_free(b->routes);
        hf_free(b->endpoints);
        hf_free(b->image);
        hf_text_done(&b->text);
        hf_free(b);
    }
    return NULL;
}

void hf_plan_builder_begin(struct hf_plan_builder *b, const struct hf_plan_gateway *gateway)
{
    b->gateway = *gateway;
    b->n_services = b->n_routes = b->n_endpoints = 0;
    hf_text_clear(&b->text);
}

struct hf_plan_text hf_plan_builder_text(struct hf_plan_builder *b, struct hf_str s)
{
    struct hf_plan_text t = {(uint32_t)b->text.n, (uint32_t)s.n};

    hf_text_add(&b->text, s);
    return t;
}

int hf_plan_builder_service(struct hf_plan_builder *b, const struct hf_plan_service *s)
{
    if (b->n_services == b->capacity.services)
        return HF_ELIMIT;
    b->services[b->n_services] = *s;
    b->services[b->n_services].first_endpoint = b->n_endpoints;
    b->services[b->n_services].n_endpoints = 0;
    return (int)b->n_services++;
}

int hf_plan_builder_endpoint(struct hf_plan_builder *b, const struct hf_plan_endpoint *e)
{
    assert(b->n_services > 0);
    if (b->n_endpoints == b->capacity.endpoints)
        return HF_ELIMIT;
    b->endpoints[b->n_endpoints] = *e;
    b->endpoints[b->n_endpoints].service = b->n_services - 1;
    b->services[b->n_services - 1].n_endpoints++;
    return (int)b->n_endpoints++;
}

int hf_plan_builder_route(struct hf_plan_builder *b, const struct hf_plan_route *r)
{
    if (b->n_routes == b->capacity.routes)
        return HF_ELIMIT;
    b->routes[b->n_routes] = *r;
    return (int)b->n_routes++;
}

static uint32_t put_section(struct hf_plan *p, const void *from, size_t bytes)
{
    uint32_t at = (uint32_t)((p->size + 7) / 8 * 8);

    memset((char *)p + p->size, 0, at - p->size);
    if (bytes)
        memcpy((char *)p + at, from, bytes);
    p->size = at + bytes;
    return at;
}

/* Insertion sort: routes are few, mostly sorted already, and this runs in the controller. */
static void sort_routes(struct hf_plan *p)
{
    struct hf_plan_route *r = (struct hf_plan_route *)(void *)((char *)p + p->routes_at);

    for (uint32_t i = 1; i < p->n_routes; i++) {
        struct hf_plan_route moved = r[i];
        uint32_t j = i;
        for (; j > 0 && compare_routes(p, &r[j - 1], &moved) > 0; j--)
            r[j] = r[j - 1];
        r[j] = moved;
    }
}

int hf_plan_builder_finish(struct hf_plan_builder *b, struct hf_plan **ret, struct hf_error *e)
{
    struct hf_plan *p = b->image;

    if (b->text.n > text_capacity(&b->capacity))
        return hf_error_set(e, HF_ELIMIT,
                            "the names of services, routes and instances need %zu bytes on the "
                            "board, its capacity is %zu; raise board.endpoints",
                            b->text.n, text_capacity(&b->capacity));
    memset(p, 0, sizeof(*p));
    p->magic = HF_PLAN_MAGIC;
    set_own_layout(p);
    p->size = sizeof(*p);
    p->gateway = b->gateway;
    p->n_services = b->n_services;
    p->n_routes = b->n_routes;
    p->n_endpoints = b->n_endpoints;
    p->text_size = (uint32_t)b->text.n;
    p->services_at = put_section(p, b->services, b->n_services * sizeof(*b->services));
    p->routes_at = put_section(p, b->routes, b->n_routes * sizeof(*b->routes));
    p->endpoints_at = put_section(p, b->endpoints, b->n_endpoints * sizeof(*b->endpoints));
    p->text_at = put_section(p, b->text.p, b->text.n);
    sort_routes(p);
    *ret = p;
    return 0;
}
