/* tests/unit/core_sample.h - one service with n endpoints and the live figures of one gateway, for
 * the tests of core/. A test changes the endpoints in place. */
#pragma once
#include <stdlib.h>

#include "base/mem.h"
#include "board/plan.h"
#include "core/view.h"

enum { SAMPLE_WORKERS = 4, SAMPLE_ENDPOINTS = 16 };

static const struct hf_board_capacity core_capacity = {SAMPLE_WORKERS, 2, SAMPLE_ENDPOINTS, 4};

struct core_sample {
    struct hf_plan_builder *builder;
    struct hf_plan *plan;
    struct hf_live_view live;
    struct hf_view view[SAMPLE_WORKERS];
};

static inline struct hf_plan_endpoint *sample_endpoint(struct core_sample *c, uint32_t index)
{
    return (struct hf_plan_endpoint *)hf_plan_endpoints(c->plan) + index;
}

static inline struct hf_plan_service *sample_service(struct core_sample *c)
{
    return (struct hf_plan_service *)hf_plan_services(c->plan);
}

/* The slot of endpoint i is n - 1 - i, so that an index taken for a slot shows. */
static inline void core_sample_init(struct core_sample *c, uint32_t n)
{
    const struct hf_plan_gateway gateway = {0};
    const struct hf_plan_service s = {.slot = 1,
                                      .incarnation = 1,
                                      .eject_failures = 3,
                                      .eject_ms = 1000,
                                      .eject_max_ms = 5000,
                                      .retry_attempts = 2,
                                      .retry_percent = 20};

    c->builder = hf_plan_builder_new(&core_capacity);
    hf_plan_builder_begin(c->builder, &gateway);
    assert_int_equal(hf_plan_builder_service(c->builder, &s), 0);
    for (uint32_t i = 0; i < n; i++) {
        struct hf_plan_endpoint ep = {.slot = n - 1 - i, .incarnation = 1, .weight = 100};
        ep.address.family = HF_ADDR_IP4;
        assert_int_equal(hf_plan_builder_endpoint(c->builder, &ep), (int)i);
    }
    assert_int_equal(hf_plan_builder_finish(c->builder, &c->plan, NULL), 0);
    c->live.live = aligned_alloc(64, hf_live_size(&core_capacity));
    memset(c->live.live, 0, hf_live_size(&core_capacity));
    hf_live_init(c->live.live, &core_capacity);
    c->live = hf_live_view(c->live.live, hf_live_size(&core_capacity), &core_capacity);
    for (uint32_t self = 0; self < SAMPLE_WORKERS; self++) {
        struct hf_view *v = &c->view[self];
        *v = (struct hf_view){.plan = c->plan, .workers = SAMPLE_WORKERS, .self = self};
        for (uint32_t w = 0; w < SAMPLE_WORKERS; w++)
            v->endpoints[w] = hf_live_endpoints(&c->live, w);
        v->healths = hf_live_healths(&c->live);
        v->floors = hf_live_floors(&c->live);
    }
}

static inline void core_sample_done(struct core_sample *c)
{
    hf_plan_builder_free(c->builder);
    free(c->live.live);
}
