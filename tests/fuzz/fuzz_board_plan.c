/* hf_plan_validate() on what a broken or hostile controller could publish. The first byte says
 * whether the image gets the magic, layout, size and checksum that it should have: without them
 * nothing behind the header is ever looked at. What is accepted has to be safe to walk. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "board/plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct hf_board_capacity capacity = {2, 8, 32, 16};
static volatile unsigned sink;

static void read_all(struct hf_str s)
{
    for (size_t i = 0; i < s.n; i++)
        sink += (unsigned char)s.p[i];
}

static void walk(const struct hf_plan *p)
{
    const struct hf_addr any = {.family = HF_ADDR_IP6};
    uint32_t covered = 0;

    for (uint32_t i = 0; i < p->gateway.n_trusted; i++)
        sink += hf_network_has(&p->gateway.trusted[i], &any);
    for (uint32_t i = 0; i < p->n_services; i++) {
        const struct hf_plan_service *s = &hf_plan_services(p)[i];
        assert(s->slot < capacity.services);
        read_all(hf_plan_str(p, s->name));
        for (uint32_t j = 0; j < s->n_endpoints; j++) {
            const struct hf_plan_endpoint *e = &hf_plan_endpoints(p)[s->first_endpoint + j];
            assert(e->service == i && e->slot < capacity.endpoints && e->weight > 0);
            read_all(hf_plan_str(p, e->id));
            read_all(hf_plan_str(p, e->version));
            read_all(hf_plan_str(p, e->node));
            covered++;
        }
    }
    assert(covered == p->n_endpoints);
    for (uint32_t i = 0; i < p->n_routes; i++) {
        const struct hf_plan_route *r = &hf_plan_routes(p)[i];
        assert(r->service < p->n_services);
        read_all(hf_plan_str(p, r->host));
        read_all(hf_plan_str(p, r->prefix));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hf_plan *p;
    size_t n = size ? size - 1 : 0;

    p = malloc(n ? n : 1); /* of its very size: a sanitizer sees what is read beyond */
    if (!p)
        return 0;
    if (n)
        memcpy(p, data + 1, n);
    if (size && data[0] & 1 && n >= sizeof(*p)) {
        p->magic = HF_PLAN_MAGIC;
        p->layout = HF_BOARD_LAYOUT;
        p->size = n;
        hf_plan_seal(p, p->generation);
    }
    if (hf_plan_validate(p, n, &capacity, NULL) == 0)
        walk(p);
    free(p);
    return 0;
}
