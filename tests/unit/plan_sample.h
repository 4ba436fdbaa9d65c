/* tests/unit/plan_sample.h - a small plan: two services, three endpoints, four routes. */
#pragma once
#include "board/plan.h"

static const struct hf_board_capacity sample_capacity = {2, 4, 8, 8};

static inline void sample_service(struct hf_plan_builder *b, const char *name, uint32_t slot,
                                  uint32_t endpoints)
{
    struct hf_plan_service s = {.slot = slot, .incarnation = 1, .retry_percent = 20};

    s.name = hf_plan_builder_text(b, hf_str(name));
    assert_true(hf_plan_builder_service(b, &s) >= 0);
    for (uint32_t i = 0; i < endpoints; i++) {
        struct hf_plan_endpoint e = {.slot = slot * 3 + i, .incarnation = 7, .weight = 100};
        assert_int_equal(hf_addr_parse(HF_STR("127.0.0.1:9000"), &e.address), 0);
        e.address.port = (uint16_t)(9000 + slot * 10 + i);
        e.id = hf_plan_builder_text(b, HF_STR("orders-a-1"));
        e.version = hf_plan_builder_text(b, HF_STR("1.3.0"));
        e.node = hf_plan_builder_text(b, HF_STR("a"));
        assert_true(hf_plan_builder_endpoint(b, &e) >= 0);
    }
}

static inline void sample_route(struct hf_plan_builder *b, const char *host, const char *prefix,
                                uint32_t service)
{
    struct hf_plan_route r = {.service = service};

    r.host = hf_plan_builder_text(b, hf_str(host));
    r.prefix = hf_plan_builder_text(b, hf_str(prefix));
    assert_true(hf_plan_builder_route(b, &r) >= 0);
}

/* Not sealed yet. */
static inline struct hf_plan *sample_plan(struct hf_plan_builder *b)
{
    struct hf_plan_gateway gateway = {.line = 8192, .head = 65536, .fields = 100, .n_trusted = 1};
    struct hf_plan *p;

    assert_int_equal(hf_network_parse(HF_STR("10.0.0.0/8"), &gateway.trusted[0]), 0);
    hf_plan_builder_begin(b, &gateway);
    sample_service(b, "orders", 0, 2);
    sample_service(b, "catalog", 1, 1);
    sample_route(b, "shop.example", "/orders", 0);
    sample_route(b, "shop.example", "/orders/history", 1);
    sample_route(b, "", "/", 0);
    sample_route(b, "shop.example", "/catalog", 1);
    assert_int_equal(hf_plan_builder_finish(b, &p, NULL), 0);
    return p;
}
