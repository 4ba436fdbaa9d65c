#include "test.h"

#include <stdio.h>

#include "base/mem.h"
#include "controller/names.h"
#include "dns_server.h"

#define CONFIG(instances, more)                                                                    \
    "gateway: { listen: [\"127.0.0.1:8080\"] }\n"                                                  \
    "services: { s: { route: [{}], instances: [" instances "] } " more " }\n"

static struct hf_loop *loop;
static struct dns_server server;
static struct hf_names *names;
static unsigned changes, events, failures;
static char last[512]; /* event */

static void on_change(void *ctx, const char *service)
{
    assert_null(ctx);
    assert_string_equal(service, "s");
    changes++;
}

static void on_event(void *ctx, const char *service, const char *host, bool failed,
                     const char *text)
{
    assert_null(ctx);
    assert_string_equal(service, "s");
    assert_non_null(strstr(text, host));
    snprintf(last, sizeof(last), "%s", text);
    events++;
    failures += failed;
}

/* At intervals that only a test may have. */
static void configure(const char *yaml)
{
    struct hf_config_errors errors;
    struct hf_config *c;

    assert_int_equal(hf_config_parse("f", hf_str(yaml), &c, &errors), 0);
    c->dns.servers = &server.address;
    c->dns.n_servers = 1;
    c->dns.interval = hf_ms(20);
    hf_names_configure(names, c);
    hf_config_unref(c);
}

#define UNTIL(condition)                                                                           \
    do {                                                                                           \
        struct hf_mono limit = hf_mono_add(hf_mono_now(), hf_seconds(20));                         \
        while (!(condition)) {                                                                     \
            hf_loop_turn(loop, hf_ms(100));                                                        \
            assert_true(hf_mono_before(hf_mono_now(), limit));                                     \
        }                                                                                          \
    } while (0)

#define SCRIPT(...)                                                                                \
    do {                                                                                           \
        static const struct dns_name script[] = {__VA_ARGS__};                                     \
        dns_script(&server, script, HF_COUNT(script));                                             \
    } while (0)

static void add_shown(void *ctx, const struct hf_addr *address, uint32_t weight)
{
    char text[HF_ADDR_TEXT];

    hf_text_addf(ctx, "%s*%u ", hf_addr_format(address, text), weight);
}

static void shows(const char *service, const char *expected)
{
    HF_AUTOTEXT struct hf_text shown = {0};

    hf_text_add(&shown, HF_STR(""));
    hf_names_each(names, service, add_shown, &shown);
    assert_string_equal(shown.p ? shown.p : "", expected);
}

/* Asked for `n` times more, whatever the answers. */
static void wait_asked(unsigned n)
{
    n += server.asked4;
    UNTIL(server.asked4 >= n);
}

static void follows_its_name(void **state)
{
    struct hf_addr address;

    (void)state;
    SCRIPT({.name = "a.example", .ip4 = "10.0.0.2 10.0.0.1"});
    configure(CONFIG("\"a.example:80\"", ""));
    assert_true(hf_names_waits(names, "s", 80));
    assert_false(hf_names_waits(names, "s", 81));
    assert_false(hf_names_waits(names, "t", 80));
    UNTIL(changes == 1);
    assert_string_equal(last, "a.example is 10.0.0.1, 10.0.0.2");
    shows("s", "10.0.0.1:80*100 10.0.0.2:80*100 ");
    shows("t", "");
    assert_false(hf_names_waits(names, "s", 80));
    wait_asked(3);
    assert_int_equal(events, 1); /* the same again is not worth a word */
    SCRIPT({.name = "a.example", .ip4 = "10.0.0.2 10.0.0.3"});
    UNTIL(changes == 2);
    assert_string_equal(last, "a.example is 10.0.0.2, 10.0.0.3; it was 10.0.0.1, 10.0.0.2");
    assert_int_equal(hf_addr_parse(HF_STR("10.0.0.3:80"), &address), 0);
    assert_true(hf_names_has(names, "s", &address));
    assert_false(hf_names_has(names, "t", &address));
    address.port = 81;
    assert_false(hf_names_has(names, "s", &address));
}

static void failures_change_nothing(void **state)
{
    (void)state;
    SCRIPT({.name = "a.example", .how4 = DNS_FAILS});
    configure(CONFIG("\"a.example:80\"", ""));
    UNTIL(failures == 1);
    assert_non_null(strstr(last, "a.example is not found: "));
    assert_non_null(strstr(last, "; no address of it is known yet"));
    wait_asked(12); /* each lookup asks several times */
    assert_int_equal(events, 1);
    assert_true(hf_names_waits(names, "s", 80));
    SCRIPT({.name = "a.example", .ip4 = "10.0.0.1"});
    UNTIL(changes == 1);
    SCRIPT({.name = "a.example", .how4 = DNS_FAILS});
    UNTIL(failures == 2);
    assert_non_null(strstr(last, "; it stays 10.0.0.1"));
    SCRIPT({.name = "a.example"});
    UNTIL(failures == 3);
    assert_string_equal(last, "a.example is not found: the name has no address; it stays 10.0.0.1");
    shows("s", "10.0.0.1:80*100 ");
    SCRIPT({.name = "a.example", .ip4 = "10.0.0.1"});
    UNTIL(events == 5);
    assert_string_equal(last, "a.example is 10.0.0.1, as before; it is found again");
    assert_int_equal(changes, 1);
}

static void configured_anew(void **state)
{
    (void)state;
    SCRIPT({.name = "a.example", .ip4 = "10.0.0.1"},
           {.name = "b.example", .ip4 = "10.0.0.1 10.0.0.2"});
    configure(
        CONFIG("\"b.example:80\", { address: \"a.example:80\", weight: 7 }, \"b.example:81\"", ""));
    UNTIL(changes == 3);
    shows("s", "10.0.0.1:80*100 10.0.0.2:80*100 10.0.0.1:81*100 10.0.0.2:81*100 ");
    dns_script(&server, NULL, 0);
    configure(CONFIG("{ address: \"a.example:80\", weight: 8 }, \"b.example:80\"", ""));
    shows("s", "10.0.0.1:80*8 10.0.0.2:80*100 ");
    UNTIL(failures == 2);
    shows("s", "10.0.0.1:80*8 10.0.0.2:80*100 ");
    configure(CONFIG("\"a.example:81\"", ""));
    shows("s", "");
    assert_true(hf_names_waits(names, "s", 81));
}

/* More than may be looked up at once, and a configuration that comes while they are. */
static void many(void **state)
{
    HF_AUTOTEXT struct hf_text yaml = {0};

    (void)state;
    hf_text_addf(&yaml, "gateway: { listen: [\"127.0.0.1:8080\"] }\nboard: { endpoints: 8000 }\n"
                        "services: { s: { route: [{}], instances: [");
    for (int i = 0; i < 100; i++)
        hf_text_addf(&yaml, "%s\"a.example:%d\"", i ? ", " : "", 8000 + i);
    hf_text_addf(&yaml, "] } }\n");
    SCRIPT({.name = "a.example", .ip4 = "10.0.0.1"});
    configure(yaml.p);
    UNTIL(changes > 0);
    configure(yaml.p);
    UNTIL(changes == 100);
    configure(yaml.p);
}

static int setup(void **state)
{
    static const struct hf_names_hooks hooks = {NULL, on_change, on_event};

    (void)state;
    assert_int_equal(hf_loop_new(&loop, NULL), 0);
    dns_open(&server, loop);
    names = hf_names_new(loop, &hooks);
    changes = events = failures = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    names = hf_names_free(names);
    assert_null(hf_names_free(NULL));
    dns_close(&server);
    hf_loop_free(loop);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(follows_its_name),
        TEST(failures_change_nothing),
        TEST(configured_anew),
        TEST(many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
