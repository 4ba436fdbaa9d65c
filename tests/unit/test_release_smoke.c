#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "http/server.h"
#include "net/socket.h"
#include "release/smoke.h"
#include "scratch.h"

static char folder[200];
static struct hf_loop *loop;
static struct hf_http_server *server;
static struct hf_catalog *catalog;
static struct hf_instance *instance;
static struct hf_smoke *smoke;
static struct hf_config_service config;
static struct hf_config_smoke requests[3];
static char *argv[6];
static char seen[256]; /* what the server was asked */
static char text[320];
static int result; /* -1: not yet; 0 failed, 1 passed */

static char *c(const char *literal)
{
    return (char *)(uintptr_t)literal;
}

static void on_gone(struct hf_http_exchange *x)
{
    (void)x;
}

static void on_request(struct hf_http_exchange *x, void *arg)
{
    size_t n = strlen(seen);

    (void)arg;
    snprintf(seen + n, sizeof(seen) - n, "%s " HF_STR_FMT ";",
             x->head->method_id == HF_METHOD_POST ? "POST" : "GET", HF_STR_ARG(x->path));
    if (hf_str_eq(x->path, HF_STR("/silent")))
        x->on_gone = on_gone;
    else if (hf_str_eq(x->path, HF_STR("/bad")))
        hf_http_answer(x, 500, HF_STR("text/plain"), HF_STR("no"));
    else
        hf_http_answer(x, 200, HF_STR("text/plain"), HF_STR("order 1 is here"));
}

static int set_up(void **state)
{
    struct hf_http_server_options options = hf_http_server_defaults;
    static struct hf_config_route route;
    static struct hf_config_version version;
    struct hf_instance_spec spec = {.id = "orders-2", .version = "1.4.0", .node = "b"};
    struct sockaddr_storage address;
    socklen_t size = sizeof(address);
    struct hf_service *service;
    struct hf_error e;
    struct hf_addr any;
    int fd;

    (void)state;
    scratch_make(folder, sizeof(folder));
    memset(&config, 0, sizeof(config));
    memset(requests, 0, sizeof(requests));
    memset(argv, 0, sizeof(argv));
    seen[0] = text[0] = '\0';
    result = -1;
    route.host = c("shop.example");
    version.name = c("1.4.0");
    version.directory = folder;
    config.name = c("orders");
    config.route = &route;
    config.n_route = 1;
    config.versions = &version;
    config.n_versions = 1;
    config.release.smoke = requests;
    config.release.test.argv = argv;
    config.release.timeout = hf_seconds(20);
    options.on_request = on_request;
    catalog = hf_catalog_new();
    if (hf_loop_new(&loop, NULL) || hf_addr_parse(HF_STR("127.0.0.1:0"), &any) ||
        (fd = hf_socket_listen(&any, 16, &e)) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) ||
        hf_addr_from_sockaddr((struct sockaddr *)&address, &spec.address) ||
        hf_http_server_new(loop, &options, &server) ||
        hf_http_server_listen_take(server, fd, NULL) ||
        hf_catalog_service_add(catalog, "orders", &service) ||
        hf_catalog_instance_add(catalog, service, &spec, &instance))
        return 1;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    smoke = hf_smoke_free(smoke);
    server = hf_http_server_free(server);
    catalog = hf_catalog_free(catalog);
    loop = hf_loop_free(loop);
    scratch_remove(folder);
    return 0;
}

static void on_done(void *ctx, bool passed, const char *evidence)
{
    assert_ptr_equal(ctx, &smoke);
    assert_int_equal(result, -1);
    result = passed;
    snprintf(text, sizeof(text), "%s", evidence);
    smoke = hf_smoke_free(smoke);
}

static void command(const char *a, const char *b, const char *script)
{
    argv[0] = c(a);
    argv[1] = c(b);
    argv[2] = c(script);
    config.release.test.n = script ? 3 : b ? 2 : 1;
}

static void start(void)
{
    smoke = hf_smoke_new(&(struct hf_smoke_options){.loop = loop,
                                                    .config = &config,
                                                    .instance = instance,
                                                    .state = folder,
                                                    .on_done = on_done,
                                                    .ctx = &smoke});
    assert_int_equal(result, -1);
}

static void expect(bool passed, const char *evidence)
{
    struct hf_mono deadline = hf_mono_add(hf_mono_now(), hf_seconds(30));

    start();
    while (result < 0 && hf_mono_before(hf_mono_now(), deadline))
        hf_loop_turn(loop, hf_ms(50));
    if (result != (int)passed || !strstr(text, evidence))
        fail_msg("%d: %s", result, text);
}

static void without_anything_it_passes_and_says_so(void **state)
{
    (void)state;
    expect(true, "no smoke requests and no test are configured");
    assert_string_equal(seen, "");
}

static void requests_in_order(void **state)
{
    (void)state;
    requests[0] = (struct hf_config_smoke){.get = c("/orders/1"), .expect = 200};
    requests[1] = (struct hf_config_smoke){.post = c("/orders"), .expect = 200};
    requests[2] =
        (struct hf_config_smoke){.get = c("/orders/2"), .expect = 200, .body = c("is here")};
    config.release.n_smoke = 3;
    expect(true, "3 smoke requests passed in ");
    assert_string_equal(seen, "GET /orders/1;POST /orders;GET /orders/2;");
}

static void the_first_that_fails_ends_it(void **state)
{
    (void)state;
    requests[0] = (struct hf_config_smoke){.get = c("/bad"), .expect = 200};
    requests[1] = (struct hf_config_smoke){.get = c("/orders"), .expect = 200};
    config.release.n_smoke = 2;
    command("/bin/true", NULL, NULL);
    expect(false, "GET /bad: status 500, expected 200");
    assert_string_equal(seen, "GET /bad;");
}

static void another_status_may_be_right(void **state)
{
    (void)state;
    requests[0] = (struct hf_config_smoke){.get = c("/bad"), .expect = 500};
    config.release.n_smoke = 1;
    expect(true, "1 smoke request passed in ");
}

static void success_is_not_what_was_expected(void **state)
{
    (void)state;
    requests[0] = (struct hf_config_smoke){.get = c("/orders"), .expect = 404};
    config.release.n_smoke = 1;
    expect(false, "GET /orders: status 200, expected 404");
}

static void body(void **state)
{
    (void)state;
    requests[0] =
        (struct hf_config_smoke){.get = c("/orders"), .expect = 200, .body = c("order 2")};
    config.release.n_smoke = 1;
    expect(false, "GET /orders: the body does not contain \"order 2\"");
}

static void no_answer(void **state)
{
    (void)state;
    requests[0] = (struct hf_config_smoke){.get = c("/silent"), .expect = 200};
    config.release.n_smoke = 1;
    config.release.timeout = hf_ms(50);
    expect(false, "GET /silent: timed out after 50ms");
}

static void nobody_there(void **state)
{
    (void)state;
    server = hf_http_server_free(server);
    requests[0] = (struct hf_config_smoke){.get = c("/orders"), .expect = 200};
    config.release.n_smoke = 1;
    expect(false, "GET /orders: ");
}

static void command_sees_what_it_tests(void **state)
{
    char expected[300], got[300] = "", path[260];
    FILE *f;

    (void)state;
    requests[0] = (struct hf_config_smoke){.get = c("/orders"), .expect = 200};
    config.release.n_smoke = 1;
    command("/bin/sh", "-c",
            "echo {service} {version} {instance} {node} {port} $HOLDFAST_SERVICE $HOLDFAST_VERSION "
            "$HOLDFAST_INSTANCE $HOLDFAST_NODE $HOLDFAST_ADDRESS $(pwd)");
    expect(true, "1 smoke request and the test command passed in ");
    snprintf(path, sizeof(path), "%s/logs/orders/release-test.log", folder);
    assert_non_null(f = fopen(path, "r"));
    assert_non_null(fgets(got, sizeof(got), f));
    fclose(f);
    snprintf(expected, sizeof(expected),
             "orders 1.4.0 orders-2 b %u orders 1.4.0 orders-2 b 127.0.0.1:%u %s\n",
             instance->address.port, instance->address.port, folder);
    assert_string_equal(got, expected);
}

static void command_that_fails(void **state)
{
    (void)state;
    command("/bin/sh", "-c", "echo total is wrong >&2; exit 3");
    expect(false, "the test command exited with 3: total is wrong");
}

static void command_that_dies(void **state)
{
    (void)state;
    command("/bin/sh", "-c", "kill -9 $$");
    expect(false, "the test command was ended by signal 9");
}

static void command_that_is_not_there(void **state)
{
    (void)state;
    command("./no-such-test", NULL, NULL);
    expect(false, "the test command: cannot run ./no-such-test");
}

static bool holds(const char *name)
{
    char path[260];
    struct stat st;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return stat(path, &st) == 0;
}

/* What it started goes with it: the pipe's other end is closed only when all of them are dead. */
static void command_that_does_not_end(void **state)
{
    (void)state;
    command("/bin/sh", "-c", "sleep 1000 & sleep 1000; touch survived");
    config.release.timeout = hf_ms(100);
    expect(false, "the test command did not end within 100ms");
    assert_false(holds("survived"));
}

static void given_up_while_it_runs(void **state)
{
    struct hf_mono deadline = hf_mono_add(hf_mono_now(), hf_seconds(30));

    (void)state;
    command("/bin/sh", "-c", "touch began; sleep 1000; touch survived");
    start();
    while (!holds("began")) {
        assert_true(hf_mono_before(hf_mono_now(), deadline));
        hf_loop_turn(loop, hf_ms(5));
    }
    smoke = hf_smoke_free(smoke);
    hf_loop_turn(loop, hf_ms(5));
    assert_int_equal(result, -1);
    assert_false(holds("survived"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(without_anything_it_passes_and_says_so),
        TEST(requests_in_order),
        TEST(the_first_that_fails_ends_it),
        TEST(another_status_may_be_right),
        TEST(success_is_not_what_was_expected),
        TEST(body),
        TEST(no_answer),
        TEST(nobody_there),
        TEST(command_sees_what_it_tests),
        TEST(command_that_fails),
        TEST(command_that_dies),
        TEST(command_that_is_not_there),
        TEST(command_that_does_not_end),
        TEST(given_up_while_it_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
