#include "test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "controller/publisher.h"
#include "scratch.h"

static const struct hf_board_capacity capacity = {
    .workers = 1, .services = 4, .endpoints = 3, .routes = 8};

static struct hf_board *keeper, *controller, *gateway;
static struct hf_loop *loop;
static struct hf_catalog *catalog;
static struct hf_config *config;
static struct hf_publisher *publisher;
static uint32_t slot;
static char folder[128];

static struct hf_board *attach(enum hf_board_role role)
{
    struct hf_board_fds fds = hf_board_fds_for(keeper, role, slot);
    int *each = (int *)&fds;
    struct hf_board *b;

    for (size_t i = 0; i < sizeof(fds) / sizeof(int); i++) {
        if (each[i] >= 0)
            each[i] = fcntl(each[i], F_DUPFD_CLOEXEC, 3);
    }
    assert_int_equal(hf_board_attach(&capacity, &fds, role, slot, &b, NULL), 0);
    return b;
}

static struct hf_live_worker *worker(void)
{
    struct hf_live_view v = hf_board_live(gateway, slot);

    return hf_live_worker(&v, 0);
}

static struct hf_live_endpoint *endpoint(uint32_t of)
{
    struct hf_live_view v = hf_board_live(gateway, slot);

    return &hf_live_endpoints(&v, 0)[of];
}

static void acknowledge(void)
{
    atomic_store(&worker()->generation, hf_board_generation(gateway));
}

/* A controller that starts: it finds the board as the one before left it. */
static void start(void)
{
    static const char yaml[] =
        "gateway: { listen: [{ address: \"127.0.0.1:18080\", "
        "proxy_protocol: true }], trusted_proxies: [10.0.0.0/8],\n"
        "           forwarded: rfc7239, trace: { start: true, sample: 10% } }\n"
        "services:\n"
        "  orders:\n"
        "    route: [{ path: /orders, rewrite: / }, { path: /, host: shop.example },\n"
        "            { path: /old, redirect: \"/new{rest}\", status: 303 }]\n"
        "    proxy_protocol: v1\n"
        "    instances: [\"127.0.0.1:21001\"]\n";
    struct hf_config_errors errors = {0};

    controller = attach(HF_BOARD_CONTROLLER);
    catalog = hf_catalog_new();
    assert_int_equal(hf_config_parse("/etc/f", hf_str(yaml), &config, &errors), 0);
    assert_int_equal(hf_publisher_new(loop, controller, catalog, folder, &publisher, NULL), 0);
}

static void stop(void)
{
    publisher = hf_publisher_free(publisher);
    catalog = hf_catalog_free(catalog);
    config = hf_config_unref(config);
    controller = hf_board_free(controller);
}

static struct hf_service *add_service(void)
{
    struct hf_service *s;

    assert_int_equal(hf_catalog_service_add(catalog, "orders", &s), 0);
    hf_service_config_set(catalog, s, &config->services[0]);
    return s;
}

static struct hf_instance *add_instance(struct hf_service *s, const char *id, uint16_t port)
{
    struct hf_instance_spec spec = {.id = id, .version = "1.0.0", .node = "a"};
    struct hf_instance *i;

    spec.address = (struct hf_addr){.family = HF_ADDR_IP4, .port = port, .ip = {127, 0, 0, 1}};
    assert_int_equal(hf_catalog_instance_add(catalog, s, &spec, &i), 0);
    hf_instance_state_set(catalog, i, HF_INSTANCE_READY, "test");
    return i;
}

static int setup(void **state)
{
    (void)state;
    scratch_make(folder, sizeof(folder));
    assert_int_equal(hf_loop_new(&loop, NULL), 0);
    assert_int_equal(hf_board_create(&capacity, &keeper, NULL), 0);
    assert_int_equal(hf_board_claim(keeper, &slot), 0);
    gateway = attach(HF_BOARD_GATEWAY);
    start();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    stop();
    hf_board_free(gateway);
    hf_board_free(keeper);
    hf_loop_free(loop);
    scratch_remove(folder);
    return 0;
}

static struct hf_plan *plan(void)
{
    static _Alignas(64) char image[256 * 1024];

    assert_true(hf_plan_capacity(&capacity) <= sizeof(image));
    assert_int_equal(hf_board_read_plan(gateway, image, NULL), 0);
    return (void *)image;
}

static void nothing_is_published_without_a_configuration(void **state)
{
    (void)state;
    assert_int_equal(hf_publisher_publish(publisher), 0);
    assert_int_equal(hf_board_generation(gateway), 0);
}

static void the_configuration_is_in_it(void)
{
    const struct hf_plan *p = plan();
    const struct hf_plan_route *r = hf_plan_routes(p);

    assert_int_equal(p->gateway.n_listeners, 1);
    assert_int_equal(p->gateway.listeners[0].flags, HF_LISTENER_PROXY);
    assert_int_equal(p->gateway.forwarded, HF_FORWARDED_RFC7239);
    assert_true(p->gateway.trace);
    assert_int_equal(p->gateway.trace_sample, 1000);
    assert_int_equal(hf_plan_services(p)[0].proxy_version, 1);
    assert_int_equal(r[0].redirect, 0);
    assert_true(hf_str_eq(hf_plan_str(p, r[0].target), HF_STR("/")));
    assert_int_equal(r[1].redirect, 303);
    assert_true(hf_str_eq(hf_plan_str(p, r[1].target), HF_STR("/new{rest}")));
    assert_int_equal(r[2].redirect, 0);
    assert_int_equal(r[2].target.n, 0);
}

static void the_plan_shows_the_catalogue(void **state)
{
    struct hf_instance *i;

    (void)state;
    hf_publisher_configure(publisher, config);
    i = add_instance(add_service(), "orders-1", 21001);
    add_instance(i->service, "orders-2", 21002)->candidate = true;
    hf_service_candidate_share_set(catalog, i->service, 1000);
    assert_int_equal(hf_publisher_publish(publisher), 1);
    assert_int_equal(plan()->n_services, 1);
    assert_int_equal(plan()->n_routes, 3);
    the_configuration_is_in_it();
    assert_int_equal(plan()->n_endpoints, 2);
    assert_int_equal(hf_plan_services(plan())[0].candidate_share, 1000);
    assert_int_equal(hf_plan_endpoints(plan())[0].flags, 0);
    assert_int_equal(hf_plan_endpoints(plan())[1].flags, HF_ENDPOINT_CANDIDATE);
    hf_instance_state_set(catalog, i, HF_INSTANCE_DRAINING, "test");
    hf_publisher_publish(publisher);
    assert_int_equal(hf_plan_endpoints(plan())[0].state, HF_ENDPOINT_DRAINING);
}

static void a_change_is_published_before_long(void **state)
{
    struct hf_instance *i;

    (void)state;
    hf_publisher_configure(publisher, config);
    i = add_instance(add_service(), "orders-1", 21001);
    hf_publisher_publish(publisher);
    hf_instance_state_set(catalog, i, HF_INSTANCE_EJECTED, "test");
    for (int turns = 0; hf_board_generation(gateway) < 2 && turns < 1000; turns++)
        hf_loop_turn(loop, hf_seconds(1));
    assert_int_equal(hf_plan_endpoints(plan())[0].state, HF_ENDPOINT_EJECTED);
}

static void a_port_is_free_only_when_all_gateways_know(void **state)
{
    struct hf_instance *i;
    uint32_t of;

    (void)state;
    hf_publisher_configure(publisher, config);
    i = add_instance(add_service(), "orders-1", 21001);
    hf_publisher_publish(publisher);
    acknowledge();
    of = i->endpoint_slot;
    atomic_store(&endpoint(of)->in_flight, 1);
    hf_catalog_instance_remove(catalog, i);
    hf_publisher_publish(publisher);
    assert_true(hf_publisher_port_in_use(publisher, 21001)); /* not acknowledged */
    acknowledge();
    assert_true(hf_publisher_port_in_use(publisher, 21001)); /* a request is still there */
    atomic_store(&endpoint(of)->in_flight, 0);
    assert_false(hf_publisher_port_in_use(publisher, 21001));
}

static void slots_that_are_leaving_count_against_the_capacity(void **state)
{
    struct hf_service *s;
    struct hf_instance *i;

    (void)state;
    hf_publisher_configure(publisher, config);
    s = add_service();
    i = add_instance(s, "orders-1", 21001);
    add_instance(s, "orders-2", 21002);
    add_instance(s, "orders-3", 21003);
    assert_int_equal(hf_publisher_publish(publisher), 1);
    hf_catalog_instance_remove(catalog, i);
    assert_int_equal(hf_publisher_publish(publisher), 2);
    i = add_instance(s, "orders-4", 21004);
    assert_int_equal(hf_publisher_publish(publisher), 3);
    assert_int_equal(plan()->n_endpoints, 2); /* the slot is not free yet: it is left out */
    assert_int_equal(i->incarnation, 0);
    acknowledge();
    for (int turns = 0; i->incarnation == 0 && turns < 1000; turns++)
        hf_loop_turn(loop, hf_seconds(1));
    assert_int_equal(plan()->n_endpoints, 3);
}

static void another_controller_takes_the_slots_over(void **state)
{
    struct hf_instance *i;
    uint32_t incarnation, of;
    char token[33];

    (void)state;
    hf_publisher_configure(publisher, config);
    i = add_instance(add_service(), "orders-1", 21001);
    add_instance(i->service, "orders-2", 21002);
    hf_publisher_publish(publisher);
    acknowledge();
    of = i->endpoint_slot;
    incarnation = i->incarnation;
    snprintf(token, sizeof(token), "%s", hf_publisher_probe_token(publisher));
    stop();
    start();
    assert_string_equal(hf_publisher_probe_token(publisher), token);
    assert_true(hf_publisher_was_ready(publisher, "orders-1"));
    assert_false(hf_publisher_was_ready(publisher, "orders-9"));
    hf_publisher_configure(publisher, config);
    i = add_instance(add_service(), "orders-1", 21001);
    assert_int_equal(hf_publisher_publish(publisher), 2);
    assert_int_equal(i->endpoint_slot, of);
    assert_int_equal(i->incarnation, incarnation);
    assert_true(hf_publisher_port_in_use(publisher, 21002)); /* gone, but not acknowledged */
    acknowledge();
    assert_false(hf_publisher_port_in_use(publisher, 21002));
}

/* What left the plan before the change of controllers is in nobody's plan or table any more. */
static void what_left_just_before_is_not_given_away_early(void **state)
{
    struct hf_instance *i;
    uint32_t of;

    (void)state;
    hf_publisher_configure(publisher, config);
    i = add_instance(add_service(), "orders-1", 21001);
    hf_publisher_publish(publisher);
    acknowledge();
    of = i->endpoint_slot;
    atomic_store(&endpoint(of)->in_flight, 1);
    hf_catalog_instance_remove(catalog, i);
    hf_publisher_publish(publisher);
    stop();
    start();
    hf_publisher_configure(publisher, config);
    assert_true(hf_publisher_port_in_use(publisher, 21001));
    i = add_instance(add_service(), "orders-2", 21002);
    hf_publisher_publish(publisher);
    assert_int_equal(i->incarnation, 0); /* not acknowledged */
    acknowledge();
    assert_false(hf_publisher_port_in_use(publisher, 21001));
    hf_publisher_publish(publisher);
    assert_int_not_equal(i->incarnation, 0);
    assert_int_not_equal(i->endpoint_slot, of); /* a request is still there */
}

static void what_drains_keeps_its_slot_through_a_change(void **state)
{
    struct hf_instance *i;
    uint32_t of, incarnation;

    (void)state;
    hf_publisher_configure(publisher, config);
    i = add_instance(add_service(), "orders-1", 21001);
    add_instance(i->service, "orders-2", 21002);
    hf_instance_state_set(catalog, i, HF_INSTANCE_DRAINING, "test");
    hf_publisher_publish(publisher);
    of = i->endpoint_slot;
    incarnation = i->incarnation;
    stop();
    start();
    assert_true(hf_publisher_was_draining(publisher, "orders-1"));
    assert_false(hf_publisher_was_draining(publisher, "orders-2"));
    hf_publisher_configure(publisher, config);
    i = add_instance(add_service(), "orders-1", 21001);
    hf_instance_state_set(catalog, i, HF_INSTANCE_DRAINING, "test");
    hf_publisher_publish(publisher);
    assert_int_equal(i->endpoint_slot, of);
    assert_int_equal(i->incarnation, incarnation);
}

/* A board that is full of services must not keep those that leave. */
static void a_service_may_take_the_place_of_one_that_leaves(void **state)
{
    const char *const names[] = {"a", "b", "c", "d", "e"};
    struct hf_service *s[5];

    (void)state;
    hf_publisher_configure(publisher, config);
    for (int n = 0; n < 4; n++)
        assert_int_equal(hf_catalog_service_add(catalog, names[n], &s[n]), 0);
    assert_int_equal(hf_publisher_publish(publisher), 1);
    hf_catalog_service_remove(catalog, s[0]);
    assert_int_equal(hf_catalog_service_add(catalog, names[4], &s[4]), 0);
    assert_int_equal(hf_publisher_publish(publisher), 2);
    assert_int_equal(plan()->n_services, 3);
    acknowledge();
    for (int turns = 0; s[4]->plan_incarnation == 0 && turns < 1000; turns++)
        hf_loop_turn(loop, hf_seconds(1));
    assert_int_equal(plan()->n_services, 4);
}

static void the_plan_on_disk_is_the_plan(void **state)
{
    HF_AUTOFREE char *path = hf_asprintf("%s/plan", folder);
    static _Alignas(64) char image[256 * 1024];
    ssize_t n;
    int fd;

    (void)state;
    hf_publisher_configure(publisher, config);
    add_instance(add_service(), "orders-1", 21001);
    hf_publisher_publish(publisher);
    stop(); /* writes what is due */
    start();
    fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    n = read(fd, image, sizeof(image));
    close(fd);
    assert_true(n > 0);
    assert_int_equal(hf_plan_validate(image, (size_t)n, &capacity, NULL), 0);
    assert_memory_equal(image, plan(), (size_t)n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nothing_is_published_without_a_configuration, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(the_plan_shows_the_catalogue, setup, teardown),
        cmocka_unit_test_setup_teardown(a_change_is_published_before_long, setup, teardown),
        cmocka_unit_test_setup_teardown(a_port_is_free_only_when_all_gateways_know, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(slots_that_are_leaving_count_against_the_capacity, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(another_controller_takes_the_slots_over, setup, teardown),
        cmocka_unit_test_setup_teardown(what_left_just_before_is_not_given_away_early, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(what_drains_keeps_its_slot_through_a_change, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_service_may_take_the_place_of_one_that_leaves, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(the_plan_on_disk_is_the_plan, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
