#include "test.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "config/config.h"
#include "health/check.h"
#include "net/socket.h"

/* A listener that answers as it is told; one client after the other. */
struct backend {
    struct hf_watch listener, client; /* fd < 0: none */
    struct hf_addr address;
    unsigned status; /* 0: takes the connection, says nothing */
    unsigned asked;
};

static struct hf_loop *loop;
static struct hf_catalog *catalog;
static struct hf_config *config;
static struct hf_service *service;
static struct hf_health *health;
static struct backend backends[2];
static struct hf_instance *instances[2];
static struct hf_seen seen_total[2];
static const char *words;

static void close_watch(struct hf_watch *w)
{
    if (w->fd < 0)
        return;
    hf_loop_unwatch(loop, w);
    close(w->fd);
    w->fd = -1;
}

static void on_request(struct hf_watch *w, uint32_t events)
{
    struct backend *b = HF_CONTAINER(w, struct backend, client);
    char request[1024] = "", answer[128];
    ssize_t n = read(w->fd, request, sizeof(request) - 1);

    (void)events;
    if (n > 0) {
        b->asked++;
        assert_non_null(strstr(request, "GET /-/ready HTTP/1.1\r\n"));
        if (!b->status)
            return;
        snprintf(answer, sizeof(answer), "HTTP/1.1 %u X\r\ncontent-length: 0\r\n\r\n", b->status);
        assert_true(write(w->fd, answer, strlen(answer)) > 0);
    }
    close_watch(w);
}

static void on_connection(struct hf_watch *w, uint32_t events)
{
    struct backend *b = HF_CONTAINER(w, struct backend, listener);

    (void)events;
    close_watch(&b->client);
    b->client.fd = accept4(w->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (b->client.fd >= 0)
        assert_int_equal(hf_loop_watch(loop, &b->client, EPOLLIN), 0);
}

static void backend_opens(struct backend *b)
{
    struct sockaddr_storage sa;
    socklen_t n = sizeof(sa);
    int fd;

    assert_int_equal(hf_addr_parse_ip(HF_STR("127.0.0.1"), &b->address), 0);
    fd = hf_socket_listen(&b->address, 16, NULL);
    assert_true(fd >= 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &n), 0);
    assert_int_equal(hf_addr_from_sockaddr((struct sockaddr *)&sa, &b->address), 0);
    b->listener = (struct hf_watch){.fd = fd, .on_event = on_connection};
    b->client = (struct hf_watch){.fd = -1, .on_event = on_request};
    b->status = 200;
    b->asked = 0;
    assert_int_equal(hf_loop_watch(loop, &b->listener, EPOLLIN), 0);
}

static bool seen(void *ctx, const struct hf_instance *i, struct hf_seen *ret)
{
    (void)ctx;
    *ret = seen_total[i == instances[1]];
    return true;
}

static void last_words(void *ctx, const struct hf_instance *i, char *buf, size_t size)
{
    (void)ctx;
    (void)i;
    snprintf(buf, size, "%s", words);
}

/* count instances of one service, checked as `how` says. */
static void begin(const char *how, int count, bool process)
{
    static const struct hf_health_hooks hooks = {.seen = seen, .last_words = last_words};
    HF_AUTOFREE char *text = hf_asprintf("state: /tmp\n"
                                         "gateway: { listen: [\"127.0.0.1:18080\"] }\n"
                                         "services:\n"
                                         "  orders:\n"
                                         "    route: [{ path: / }]\n"
                                         "    instances: [\"127.0.0.1:1\"]\n"
                                         "    health: { %s }\n",
                                         how);
    struct hf_config_errors errors = {0};

    if (hf_config_parse("test.yaml", hf_str(text), &config, &errors))
        hf_config_errors_print(&errors, stderr);
    assert_non_null(config);
    assert_int_equal(hf_catalog_service_add(catalog, "orders", &service), 0);
    hf_service_config_set(catalog, service, &config->services[0]);
    health = hf_health_new(loop, catalog, &hooks);
    for (int n = 0; n < count; n++) {
        char id[16];
        struct hf_instance_spec spec = {.id = id, .process = process};
        snprintf(id, sizeof(id), "orders-%d", n + 1);
        backend_opens(&backends[n]);
        spec.address = backends[n].address;
        assert_int_equal(hf_catalog_instance_add(catalog, service, &spec, &instances[n]), 0);
    }
}

static int set_up(void **state)
{
    (void)state;
    hf_log_level_set(HF_LOG_ERROR + 1);
    memset(seen_total, 0, sizeof(seen_total));
    memset(instances, 0, sizeof(instances));
    for (int n = 0; n < 2; n++)
        backends[n] = (struct backend){.listener.fd = -1, .client.fd = -1};
    words = "";
    catalog = hf_catalog_new();
    return hf_loop_new(&loop, NULL);
}

static int tear_down(void **state)
{
    (void)state;
    health = hf_health_free(health);
    for (int n = 0; n < 2; n++) {
        close_watch(&backends[n].listener);
        close_watch(&backends[n].client);
    }
    catalog = hf_catalog_free(catalog);
    config = hf_config_unref(config);
    loop = hf_loop_free(loop);
    return 0;
}

#define WAIT_UNTIL(condition)                                                                      \
    do {                                                                                           \
        struct hf_mono limit = hf_mono_add(hf_mono_now(), hf_seconds(20));                         \
        while (!(condition)) {                                                                     \
            if (!hf_mono_before(hf_mono_now(), limit))                                             \
                fail_msg("never: %s", #condition);                                                 \
            hf_loop_turn(loop, hf_ms(20));                                                         \
        }                                                                                          \
    } while (0)

#define QUICK "interval: 100ms, timeout: 200ms, rise: 2, fall: 3"

static bool is(int n, enum hf_instance_state state)
{
    return instances[n]->state == state;
}

static enum hf_health_code code_of(int n)
{
    const char *text;

    return hf_health_verdict(health, instances[n], &text);
}

static void good_answers_make_ready(void **state)
{
    (void)state;
    begin(QUICK, 1, true);
    backends[0].status = 503;
    WAIT_UNTIL(backends[0].asked >= 4);
    assert_true(is(0, HF_INSTANCE_STARTING));
    backends[0].status = 204;
    backends[0].asked = 0;
    WAIT_UNTIL(is(0, HF_INSTANCE_READY));
    assert_true(backends[0].asked >= 2);
    assert_true(strncmp(instances[0]->why, "ready after ", 12) == 0);
    assert_non_null(strstr(instances[0]->why, "GET /-/ready: 204"));
    assert_int_equal(code_of(0), HF_HEALTH_PASSING);
}

static void bad_answers_eject_and_good_ones_bring_back(void **state)
{
    static const unsigned bad[] = {503, 302, 404, 0};

    (void)state;
    begin(QUICK, 2, true);
    WAIT_UNTIL(is(0, HF_INSTANCE_READY) && is(1, HF_INSTANCE_READY));
    for (size_t n = 0; n < HF_COUNT(bad); n++) {
        backends[0].status = bad[n];
        backends[0].asked = 0;
        WAIT_UNTIL(is(0, HF_INSTANCE_EJECTED));
        assert_true(backends[0].asked >= 3);
        assert_non_null(strstr(instances[0]->why, "checks lost: GET /-/ready: "));
        assert_int_equal(code_of(0), HF_HEALTH_PROBES_LOST);
        backends[0].status = 200;
        WAIT_UNTIL(is(0, HF_INSTANCE_READY));
    }
    assert_true(is(1, HF_INSTANCE_READY));
}

static void one_lost_check_ejects_nobody(void **state)
{
    (void)state;
    begin(QUICK, 2, true);
    WAIT_UNTIL(is(0, HF_INSTANCE_READY) && is(1, HF_INSTANCE_READY));
    backends[0].status = 503;
    backends[0].asked = 0;
    WAIT_UNTIL(backends[0].asked == 1);
    backends[0].status = 200;
    WAIT_UNTIL(backends[0].asked >= 6);
    assert_true(is(0, HF_INSTANCE_READY));
}

static void the_last_one_stays_and_says_so(void **state)
{
    (void)state;
    begin(QUICK, 2, true);
    WAIT_UNTIL(is(0, HF_INSTANCE_READY) && is(1, HF_INSTANCE_READY));
    close_watch(&backends[0].listener);
    close_watch(&backends[1].listener);
    WAIT_UNTIL(is(0, HF_INSTANCE_EJECTED) || is(1, HF_INSTANCE_EJECTED));
    int last = is(0, HF_INSTANCE_EJECTED);
    WAIT_UNTIL(code_of(last) == HF_HEALTH_LAST);
    assert_true(is(last, HF_INSTANCE_READY));
    assert_true(strncmp(instances[last]->why, "failing, but the last: ", 23) == 0);
    assert_non_null(strstr(instances[last]->why, "connection refused"));
}

static void not_ready_in_time_has_failed(void **state)
{
    (void)state;
    words = "no such table | giving up";
    begin(QUICK ", start: 300ms", 1, true);
    close_watch(&backends[0].listener);
    WAIT_UNTIL(is(0, HF_INSTANCE_FAILED));
    assert_string_equal(instances[0]->why,
                        "not ready within 300ms: GET /-/ready: connection refused; last log lines: "
                        "no such table | giving up");
}

static void a_fixed_instance_is_ejected_until_it_answers(void **state)
{
    (void)state;
    begin(QUICK ", start: 100ms", 1, false);
    backends[0].status = 500;
    WAIT_UNTIL(is(0, HF_INSTANCE_EJECTED));
    backends[0].status = 200;
    WAIT_UNTIL(is(0, HF_INSTANCE_READY));
}

static void a_connection_is_enough_for_tcp(void **state)
{
    (void)state;
    begin("tcp: true, " QUICK, 2, true);
    WAIT_UNTIL(is(0, HF_INSTANCE_READY) && is(1, HF_INSTANCE_READY));
    assert_int_equal(backends[0].asked, 0);
    assert_non_null(strstr(instances[0]->why, "connect: connected"));
    close_watch(&backends[0].listener);
    WAIT_UNTIL(is(0, HF_INSTANCE_EJECTED));
    assert_non_null(strstr(instances[0]->why, "refused"));
}

static void who_fails_users_is_ejected_with_green_probes(void **state)
{
    (void)state;
    begin(QUICK, 2, true);
    WAIT_UNTIL(is(0, HF_INSTANCE_READY) && is(1, HF_INSTANCE_READY));
    backends[0].asked = 0;
    WAIT_UNTIL(backends[0].asked >= 3); /* the window begins when it is ready */
    seen_total[0] = (struct hf_seen){.attempts = 10, .failures = 5};
    WAIT_UNTIL(is(0, HF_INSTANCE_EJECTED));
    assert_string_equal(instances[0]->why, "fails users: 5 of 10 requests");
    WAIT_UNTIL(code_of(0) == HF_HEALTH_DWELLING);
    backends[0].asked = 0;
    WAIT_UNTIL(backends[0].asked >= 5);
    assert_true(is(0, HF_INSTANCE_EJECTED));
}

static void the_draining_are_left_alone(void **state)
{
    (void)state;
    begin(QUICK, 2, true);
    WAIT_UNTIL(is(0, HF_INSTANCE_READY) && is(1, HF_INSTANCE_READY));
    hf_instance_state_set(catalog, instances[0], HF_INSTANCE_DRAINING, "by the test");
    backends[0].asked = backends[1].asked = 0;
    WAIT_UNTIL(backends[1].asked >= 5);
    assert_int_equal(backends[0].asked, 0);
    hf_instance_state_set(catalog, instances[0], HF_INSTANCE_READY, "by the test");
    WAIT_UNTIL(backends[0].asked >= 2);
    hf_catalog_instance_remove(catalog, instances[0]);
    backends[0].asked = backends[1].asked = 0;
    WAIT_UNTIL(backends[1].asked >= 5);
    assert_int_equal(backends[0].asked, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(good_answers_make_ready),        TEST(bad_answers_eject_and_good_ones_bring_back),
        TEST(one_lost_check_ejects_nobody),   TEST(the_last_one_stays_and_says_so),
        TEST(not_ready_in_time_has_failed),   TEST(a_fixed_instance_is_ejected_until_it_answers),
        TEST(a_connection_is_enough_for_tcp), TEST(who_fails_users_is_ejected_with_green_probes),
        TEST(the_draining_are_left_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
