#include "test.h"

#include <string.h>

#include "base/mem.h"
#include "plan_sample.h"

static struct hf_plan_builder *builder;

static int valid(const struct hf_plan *p)
{
    return hf_plan_validate(p, p->size, &sample_capacity, NULL);
}

static struct hf_plan_service *services(struct hf_plan *p)
{
    return (void *)((char *)p + p->services_at);
}

static struct hf_plan_endpoint *endpoints(struct hf_plan *p)
{
    return (void *)((char *)p + p->endpoints_at);
}

static struct hf_plan_route *routes(struct hf_plan *p)
{
    return (void *)((char *)p + p->routes_at);
}

static void what_is_built_is_valid_and_sorted(void **state)
{
    static const char *const order[][2] = {{"", "/"},
                                           {"shop.example", "/orders/history"},
                                           {"shop.example", "/catalog"},
                                           {"shop.example", "/orders"}};
    struct hf_plan *p = sample_plan(builder);

    (void)state;
    hf_plan_seal(p, 5);
    assert_int_equal(valid(p), 0);
    assert_int_equal(p->generation, 5);
    assert_int_equal(p->n_services, 2);
    assert_int_equal(p->n_endpoints, 3);
    assert_int_equal(services(p)[1].first_endpoint, 2);
    assert_true(hf_str_eq(hf_plan_str(p, services(p)[1].name), HF_STR("catalog")));
    assert_int_equal(endpoints(p)[2].service, 1);
    for (size_t i = 0; i < HF_COUNT(order); i++) {
        assert_true(hf_str_eq(hf_plan_str(p, routes(p)[i].host), hf_str(order[i][0])));
        assert_true(hf_str_eq(hf_plan_str(p, routes(p)[i].prefix), hf_str(order[i][1])));
    }
}

static void an_empty_plan_is_valid(void **state)
{
    const struct hf_plan_gateway gateway = {0};
    struct hf_plan *p;

    (void)state;
    hf_plan_builder_begin(builder, &gateway);
    assert_int_equal(hf_plan_builder_finish(builder, &p, NULL), 0);
    hf_plan_seal(p, 1);
    assert_int_equal(valid(p), 0);
}

static void every_flipped_bit_is_refused(void **state)
{
    struct hf_plan *p = sample_plan(builder);
    char *bytes = (char *)p;
    size_t size;

    (void)state;
    hf_plan_seal(p, 5);
    size = p->size;
    for (size_t i = 0; i < size * 8; i++) {
        bytes[i / 8] ^= (char)(1 << i % 8);
        if (hf_plan_validate(p, size, &sample_capacity, NULL) != HF_ECORRUPT)
            fail_msg("bit %zu of byte %zu was flipped, and it went unseen", i % 8, i / 8);
        bytes[i / 8] ^= (char)(1 << i % 8);
    }
    assert_int_equal(valid(p), 0);
}

static void every_shortened_image_is_refused(void **state)
{
    struct hf_plan *p = sample_plan(builder);
    char *copy;

    (void)state;
    hf_plan_seal(p, 5);
    for (size_t n = 0; n < p->size; n++) {
        copy = hf_alloc(n ? n : 1); /* of its very size: a sanitizer sees what is read beyond */
        memcpy(copy, p, n);
        assert_int_equal(hf_plan_validate(copy, n, &sample_capacity, NULL), HF_ECORRUPT);
        hf_free(copy);
    }
}

/* Each makes one thing wrong; the checksum is right. */
static void bad_slot(struct hf_plan *p)
{
    services(p)[0].slot = sample_capacity.services;
}
static void shared_service_slot(struct hf_plan *p)
{
    services(p)[0].slot = services(p)[1].slot;
}
static void name_outside(struct hf_plan *p)
{
    services(p)[0].name.n = p->text_size + 1;
}
static void name_wraps(struct hf_plan *p)
{
    services(p)[0].name = (struct hf_plan_text){UINT32_MAX, 2};
}
static void endpoints_outside(struct hf_plan *p)
{
    services(p)[1].n_endpoints = 2;
}
static void endpoints_overlap(struct hf_plan *p)
{
    services(p)[1].first_endpoint = 1;
    services(p)[1].n_endpoints = 2;
}
static void share_above_one(struct hf_plan *p)
{
    services(p)[0].candidate_share = 10001;
}
static void endpoint_slot_outside(struct hf_plan *p)
{
    endpoints(p)[0].slot = sample_capacity.endpoints;
}
static void shared_endpoint_slot(struct hf_plan *p)
{
    endpoints(p)[0].slot = endpoints(p)[2].slot;
}
static void endpoint_of_another(struct hf_plan *p)
{
    endpoints(p)[0].service = 1;
}
static void no_weight(struct hf_plan *p)
{
    endpoints(p)[0].weight = 0;
}
static void odd_state(struct hf_plan *p)
{
    endpoints(p)[0].state = HF_ENDPOINT_STATES;
}
static void no_address(struct hf_plan *p)
{
    endpoints(p)[0].address.family = HF_ADDR_NONE;
}
static void routes_unsorted(struct hf_plan *p)
{
    struct hf_plan_route r = routes(p)[1];
    routes(p)[1] = routes(p)[2];
    routes(p)[2] = r;
}
static void route_twice(struct hf_plan *p)
{
    routes(p)[1] = routes(p)[2];
}
static void route_to_nowhere(struct hf_plan *p)
{
    routes(p)[0].service = 2;
}
static void prefix_without_slash(struct hf_plan *p)
{
    routes(p)[0].prefix.at++;
}
static void empty_prefix(struct hf_plan *p)
{
    routes(p)[0].prefix.n = 0;
}
static void proxy_protocol_of_the_future(struct hf_plan *p)
{
    services(p)[0].proxy_version = 3;
}
static void target_outside(struct hf_plan *p)
{
    routes(p)[0].target = (struct hf_plan_text){p->text_size, 1};
}
static void redirect_to_nowhere(struct hf_plan *p)
{
    routes(p)[0].redirect = 308;
}
static void redirect_that_is_none(struct hf_plan *p)
{
    routes(p)[0].redirect = 200;
    routes(p)[0].target = routes(p)[0].prefix;
}
static void rewrite_without_slash(struct hf_plan *p)
{
    routes(p)[0].target = hf_plan_services(p)[0].name;
}
static void rewrite_that_ends_in_a_slash(struct hf_plan *p)
{
    for (uint32_t i = 0; i < p->n_routes; i++) {
        if (routes(p)[i].prefix.n == strlen("/orders/history"))
            routes(p)[i].target = (struct hf_plan_text){routes(p)[i].prefix.at, strlen("/orders/")};
    }
}
static void sections_outside(struct hf_plan *p)
{
    p->endpoints_at = (uint32_t)p->size;
}
static void section_unaligned(struct hf_plan *p)
{
    p->routes_at += 4;
}
static void section_over_the_header(struct hf_plan *p)
{
    p->routes_at = 8;
}
static void more_than_capacity(struct hf_plan *p)
{
    p->n_services = sample_capacity.services + 1;
}
static void too_many_trusted(struct hf_plan *p)
{
    p->gateway.n_trusted = HF_PLAN_TRUSTED + 1;
}
static void trusted_bits(struct hf_plan *p)
{
    p->gateway.trusted[0].bits = 33;
}
static void too_many_listeners(struct hf_plan *p)
{
    p->gateway.n_listeners = HF_LISTENERS_MAX + 1;
}
static void listener_without_address(struct hf_plan *p)
{
    p->gateway.n_listeners = 1;
}
static void other_layout(struct hf_plan *p)
{
    p->layout++;
}

static void every_wrong_field_is_refused(void **state)
{
    static void (*const spoil[])(struct hf_plan *) = {bad_slot,
                                                      shared_service_slot,
                                                      name_outside,
                                                      name_wraps,
                                                      endpoints_outside,
                                                      endpoints_overlap,
                                                      share_above_one,
                                                      endpoint_slot_outside,
                                                      no_weight,
                                                      shared_endpoint_slot,
                                                      endpoint_of_another,
                                                      odd_state,
                                                      no_address,
                                                      routes_unsorted,
                                                      route_twice,
                                                      route_to_nowhere,
                                                      empty_prefix,
                                                      prefix_without_slash,
                                                      proxy_protocol_of_the_future,
                                                      target_outside,
                                                      redirect_to_nowhere,
                                                      redirect_that_is_none,
                                                      rewrite_without_slash,
                                                      rewrite_that_ends_in_a_slash,
                                                      sections_outside,
                                                      section_unaligned,
                                                      other_layout,
                                                      more_than_capacity,
                                                      section_over_the_header,
                                                      too_many_trusted,
                                                      trusted_bits,
                                                      too_many_listeners,
                                                      listener_without_address};

    (void)state;
    for (size_t i = 0; i < HF_COUNT(spoil); i++) {
        struct hf_plan *p = sample_plan(builder);
        struct hf_error e = {0};
        spoil[i](p);
        hf_plan_seal(p, 5);
        if (hf_plan_validate(p, p->size, &sample_capacity, &e) != HF_ECORRUPT || !e.text[0])
            fail_msg("case %zu was not refused", i);
    }
}

static void capacities_hold(void **state)
{
    const struct hf_plan_gateway gateway = {0};
    struct hf_plan_service s = {0};
    struct hf_plan_endpoint e = {0};
    struct hf_plan_route r = {0};
    struct hf_error error;
    struct hf_plan *p = NULL;
    static char long_name[8192];

    (void)state;
    hf_plan_builder_begin(builder, &gateway);
    for (uint32_t i = 0; i < sample_capacity.services; i++)
        assert_int_equal(hf_plan_builder_service(builder, &s), i);
    assert_int_equal(hf_plan_builder_service(builder, &s), HF_ELIMIT);
    for (uint32_t i = 0; i < sample_capacity.endpoints; i++)
        assert_int_equal(hf_plan_builder_endpoint(builder, &e), i);
    assert_int_equal(hf_plan_builder_endpoint(builder, &e), HF_ELIMIT);
    for (uint32_t i = 0; i < sample_capacity.routes; i++)
        assert_int_equal(hf_plan_builder_route(builder, &r), i);
    assert_int_equal(hf_plan_builder_route(builder, &r), HF_ELIMIT);
    memset(long_name, 'x', sizeof(long_name));
    hf_plan_builder_text(builder, (struct hf_str){long_name, sizeof(long_name)});
    assert_int_equal(hf_plan_builder_finish(builder, &p, &error), HF_ELIMIT);
    assert_null(p);
    assert_non_null(strstr(error.text, "8192"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_built_is_valid_and_sorted),
        cmocka_unit_test(an_empty_plan_is_valid),
        cmocka_unit_test(every_flipped_bit_is_refused),
        cmocka_unit_test(every_shortened_image_is_refused),
        cmocka_unit_test(every_wrong_field_is_refused),
        cmocka_unit_test(capacities_hold),
    };
    int rc;

    builder = hf_plan_builder_new(&sample_capacity);
    rc = cmocka_run_group_tests(tests, NULL, NULL);
    hf_plan_builder_free(builder);
    return rc;
}
