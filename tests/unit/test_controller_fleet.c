#include "test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "controller/fleet.h"
#include "dns_server.h"
#include "scratch.h"

static const struct hf_board_capacity capacity = {
    .workers = 1, .services = 4, .endpoints = 64, .routes = 8};

static struct hf_board *keeper, *controller, *gateway;
static uint32_t slot;
static struct hf_loop *loop;
static struct dns_server server;
static struct hf_catalog *catalog;
static struct hf_publisher *publisher;
static struct hf_fleet fleet;
static unsigned events;
static char folder[128];

#define SCRIPT(...)                                                                                \
    do {                                                                                           \
        static const struct dns_name script[] = {__VA_ARGS__};                                     \
        dns_script(&server, script, HF_COUNT(script));                                             \
    } while (0)

#define UNTIL(condition)                                                                           \
    do {                                                                                           \
        struct hf_mono limit = hf_mono_add(hf_mono_now(), hf_seconds(20));                         \
        while (!(condition)) {                                                                     \
            hf_loop_turn(loop, hf_ms(100));                                                        \
            assert_true(hf_mono_before(hf_mono_now(), limit));                                     \
        }                                                                                          \
    } while (0)

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

/* Of the one worker there is: until it does so again, no drain that begins now ends. */
static void acknowledge(void)
{
    struct hf_live_view v = hf_board_live(gateway, slot);

    atomic_store(&hf_live_worker(&v, 0)->generation, hf_board_generation(gateway));
}

static void on_change(void *ctx, const char *service)
{
    (void)ctx;
    hf_fleet_renamed(&fleet, service);
}

static void on_event(void *ctx, const char *service, const char *host, bool failed,
                     const char *text)
{
    (void)ctx, (void)service, (void)host, (void)failed, (void)text;
    events++;
}

static uint64_t publish(void *ctx)
{
    (void)ctx;
    return hf_publisher_publish(publisher);
}

static void on_drained(void *ctx, const char *id, const struct hf_drain_seen *seen)
{
    struct hf_instance *i = hf_catalog_instance_find(catalog, id);

    (void)ctx, (void)seen;
    hf_drain_forget(fleet.drainer, id); /* with the id */
    hf_fleet_drained(&fleet, i);
}

static void configure(const char *services)
{
    struct hf_config_errors errors;
    HF_AUTOTEXT struct hf_text yaml = {0};
    static struct hf_config *config; /* what the catalogue's services point to */
    struct hf_config *next = NULL;

    if (services) {
        hf_text_addf(&yaml, "gateway: { listen: [\"127.0.0.1:8080\"] }\nservices: { %s }\n",
                     services);
        assert_int_equal(hf_config_parse("f", hf_text_str(&yaml), &next, &errors), 0);
        next->dns.servers = &server.address;
        next->dns.n_servers = 1;
        next->dns.interval = hf_ms(20);
        hf_publisher_configure(publisher, next);
        hf_fleet_apply(&fleet, next);
    }
    hf_config_unref(config);
    config = next;
}

/* A controller that starts: it finds the board as the one before left it. */
static void start(const char *services)
{
    static const struct hf_names_hooks hooks = {NULL, on_change, on_event};
    struct hf_drainer_needs needs;

    controller = attach(HF_BOARD_CONTROLLER);
    catalog = hf_catalog_new();
    assert_int_equal(hf_publisher_new(loop, controller, catalog, folder, &publisher, NULL), 0);
    needs = (struct hf_drainer_needs){.loop = loop,
                                      .catalog = catalog,
                                      .board = controller,
                                      .publish = publish,
                                      .on_end = on_drained};
    events = 0;
    fleet = (struct hf_fleet){.catalog = catalog,
                              .publisher = publisher,
                              .drainer = hf_drainer_new(&needs),
                              .names = hf_names_new(loop, &hooks)};
    configure(services);
    hf_fleet_adopt(&fleet);
    assert_true(hf_publisher_publish(publisher) > 0);
    acknowledge();
}

static void stop(void)
{
    hf_names_free(fleet.names);
    hf_drainer_free(fleet.drainer);
    hf_publisher_free(publisher);
    hf_catalog_free(catalog);
    configure(NULL);
    hf_board_free(controller);
}

static struct hf_instance *instance(const char *id)
{
    return hf_catalog_instance_find(catalog, id);
}

static bool is(const char *id, enum hf_instance_state state)
{
    return instance(id) && instance(id)->state == state;
}

static void set(const char *id, enum hf_instance_state state)
{
    hf_instance_state_set(catalog, instance(id), state, "test");
}

/* Several lookups later. */
static void some_time(void)
{
    unsigned until = server.asked4 + 5;

    UNTIL(server.asked4 >= until);
}

static void literal_before_name(void **state)
{
    (void)state;
    SCRIPT({.name = "a.example", .ip4 = "10.0.0.1 10.0.0.2"});
    start("s: { route: [{}], instances: [{ address: \"a.example:80\", weight: 7 }, "
          "\"10.0.0.1:80\"] }");
    assert_int_equal(hf_catalog_instance_count(catalog), 1);
    UNTIL(instance("s-10.0.0.2:80"));
    assert_int_equal(instance("s-10.0.0.1:80")->weight, 100);
    assert_int_equal(instance("s-10.0.0.2:80")->weight, 7);
    assert_int_equal(hf_catalog_instance_count(catalog), 2);
}

/* The last one that is ready is held back; wanted again, it is so no more. */
static void held_drain_is_forgotten(void **state)
{
    (void)state;
    SCRIPT({.name = "a.example", .ip4 = "10.0.0.1"});
    start("s: { route: [{}], instances: [\"a.example:80\"] }");
    UNTIL(instance("s-10.0.0.1:80"));
    set("s-10.0.0.1:80", HF_INSTANCE_READY);
    SCRIPT({.name = "a.example", .ip4 = "10.0.0.2"});
    UNTIL(instance("s-10.0.0.2:80"));
    some_time();
    assert_true(is("s-10.0.0.1:80", HF_INSTANCE_READY));
    SCRIPT({.name = "a.example", .ip4 = "10.0.0.1 10.0.0.3"});
    UNTIL(instance("s-10.0.0.3:80"));
    assert_null(instance("s-10.0.0.2:80")); /* was not ready yet */
    set("s-10.0.0.3:80", HF_INSTANCE_READY);
    some_time();
    assert_true(is("s-10.0.0.1:80", HF_INSTANCE_READY));
}

static void wanted_again_while_it_drains(void **state)
{
    (void)state;
    SCRIPT({.name = "a.example", .ip4 = "10.0.0.1 10.0.0.2"});
    start("s: { route: [{}], instances: [\"a.example:80\"] }");
    UNTIL(instance("s-10.0.0.2:80"));
    set("s-10.0.0.1:80", HF_INSTANCE_READY);
    set("s-10.0.0.2:80", HF_INSTANCE_READY);
    SCRIPT({.name = "a.example", .ip4 = "10.0.0.2"});
    UNTIL(is("s-10.0.0.1:80", HF_INSTANCE_DRAINING));
    SCRIPT({.name = "a.example", .ip4 = "10.0.0.1 10.0.0.2"});
    UNTIL(is("s-10.0.0.1:80", HF_INSTANCE_READY));
    acknowledge();
    some_time();
    assert_true(is("s-10.0.0.1:80", HF_INSTANCE_READY));
    SCRIPT({.name = "a.example", .ip4 = "10.0.0.2"});
    UNTIL(is("s-10.0.0.1:80", HF_INSTANCE_DRAINING));
    some_time();
    assert_non_null(instance("s-10.0.0.1:80")); /* not acknowledged */
    acknowledge();
    UNTIL(!instance("s-10.0.0.1:80"));
}

static void another_controller_without_dns(void **state)
{
    static const char services[] =
        "s: { route: [{}], instances: [\"a.example:80\"] }, s-x: { route: "
        "[{ path: /x }], instances: [\"b.example:80\"] }";

    (void)state;
    SCRIPT({.name = "a.example", .ip4 = "10.0.0.1 10.0.0.2 10.0.0.3 10.0.0.4"},
           {.name = "b.example", .ip4 = "10.0.0.1"});
    start(services);
    UNTIL(hf_catalog_instance_count(catalog) == 5);
    set("s-10.0.0.1:80", HF_INSTANCE_READY);
    set("s-10.0.0.2:80", HF_INSTANCE_READY);
    set("s-10.0.0.3:80", HF_INSTANCE_READY);
    set("s-10.0.0.4:80", HF_INSTANCE_EJECTED);
    set("s-x-10.0.0.1:80", HF_INSTANCE_READY);
    SCRIPT({.name = "a.example", .ip4 = "10.0.0.1 10.0.0.2 10.0.0.4"},
           {.name = "b.example", .ip4 = "10.0.0.1"});
    UNTIL(is("s-10.0.0.3:80", HF_INSTANCE_DRAINING));
    dns_script(&server, NULL, 0);
    stop();
    start(services);
    UNTIL(events == 2);
    some_time();
    assert_true(is("s-10.0.0.1:80", HF_INSTANCE_READY));
    assert_true(is("s-10.0.0.2:80", HF_INSTANCE_READY));
    assert_null(instance("s-10.0.0.3:80"));
    assert_true(is("s-10.0.0.4:80", HF_INSTANCE_STARTING));
    assert_true(is("s-x-10.0.0.1:80", HF_INSTANCE_READY));
    assert_int_equal(hf_catalog_instance_count(catalog), 4);
    SCRIPT({.name = "a.example", .ip4 = "10.0.0.2"}, {.name = "b.example", .ip4 = "10.0.0.1"});
    UNTIL(is("s-10.0.0.1:80", HF_INSTANCE_DRAINING));
    assert_null(instance("s-10.0.0.4:80"));
    assert_true(is("s-x-10.0.0.1:80", HF_INSTANCE_READY));
}

/* The board has room for so many, whatever DNS says. */
static void no_more_than_there_is_room_for(void **state)
{
    char id[HF_INSTANCE_ID];

    (void)state;
    SCRIPT({.name = "a.example",
            .ip4 = "10.0.0.1 10.0.0.2 10.0.0.3 10.0.0.4 10.0.0.5 10.0.0.6 10.0.0.7 10.0.0.8 "
                   "10.0.0.9 10.0.0.10 10.0.0.11 10.0.0.12 10.0.0.13 10.0.0.14 10.0.0.15"});
    start("s: { route: [{}], instances: [\"a.example:80\"] }");
    UNTIL(hf_catalog_instance_count(catalog) == 15);
    for (int i = 1; i <= 15; i++) {
        snprintf(id, sizeof(id), "s-10.0.0.%d:80", i);
        set(id, HF_INSTANCE_READY);
    }
    SCRIPT({.name = "a.example", .ip4 = "10.1.0.1 10.1.0.2 10.1.0.3"});
    UNTIL(is("s-10.0.0.1:80", HF_INSTANCE_DRAINING) && instance("s-10.1.0.1:80"));
    some_time();
    assert_int_equal(hf_catalog_instance_count(catalog), 16);
    acknowledge();
    UNTIL(instance("s-10.1.0.3:80") && instance("s-10.1.0.2:80"));
    UNTIL(hf_catalog_instance_count(catalog) == 4); /* with the last one that is ready */
}

static void gone_from_the_configuration(void **state)
{
    (void)state;
    SCRIPT({.name = "a.example", .ip4 = "10.0.0.1"});
    start("s: { route: [{}], instances: [\"a.example:80\"] }");
    UNTIL(instance("s-10.0.0.1:80"));
    set("s-10.0.0.1:80", HF_INSTANCE_READY);
    configure("t: { route: [{}], instances: [\"a.example:80\"] }");
    UNTIL(instance("t-10.0.0.1:80"));
    UNTIL(is("s-10.0.0.1:80", HF_INSTANCE_DRAINING));
    acknowledge();
    UNTIL(!instance("s-10.0.0.1:80"));
    hf_fleet_sweep(&fleet);
    assert_null(hf_catalog_service_find(catalog, "s"));
}

static int setup(void **state)
{
    (void)state;
    scratch_make(folder, sizeof(folder));
    assert_int_equal(hf_loop_new(&loop, NULL), 0);
    dns_open(&server, loop);
    assert_int_equal(hf_board_create(&capacity, &keeper, NULL), 0);
    assert_int_equal(hf_board_claim(keeper, &slot), 0);
    gateway = attach(HF_BOARD_GATEWAY);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    stop();
    hf_board_free(gateway);
    hf_board_free(keeper);
    dns_close(&server);
    hf_loop_free(loop);
    scratch_remove(folder);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(literal_before_name),
        TEST(held_drain_is_forgotten),
        TEST(wanted_again_while_it_drains),
        TEST(another_controller_without_dns),
        TEST(no_more_than_there_is_room_for),
        TEST(gone_from_the_configuration),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
