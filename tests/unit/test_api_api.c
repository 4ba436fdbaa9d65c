#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/api.h"
#include "base/mem.h"
#include "http/client.h"
#include "net/socket.h"

/* The controller's part, played. */
static struct hf_loop *loop;
static struct hf_store *store;
static struct hf_api *api;
static struct hf_addr address;
static char folder[] = "/tmp/holdfast-api-XXXXXX";
static struct hf_api_reply *held;
static bool is_ready;
static json_t *release;
static struct hf_api_report_query asked;
static char asked_service[64], asked_version[64], asked_by[64];

static json_t *on_status(void *ctx)
{
    assert_ptr_equal(ctx, &loop);
    return json_pack("{s:{s:i}, s:[{s:s, s:[]}, {s:s, s:[]}], s:n}", "keeper", "pid", 7, "services",
                     "name", "orders", "instances", "name", "catalog", "instances", "release");
}

static bool on_ready(void *ctx, const char **why)
{
    (void)ctx;
    *why = "no plan is published";
    return is_ready;
}

static void on_reload(void *ctx, struct hf_api_reply *r)
{
    (void)ctx;
    held = r; /* answered later */
}

static void on_release(void *ctx, const char *service, const char *version, const char *by,
                       struct hf_api_reply *r)
{
    (void)ctx;
    snprintf(asked_service, sizeof(asked_service), "%s", service);
    snprintf(asked_version, sizeof(asked_version), "%s", version);
    snprintf(asked_by, sizeof(asked_by), "%s", by);
    if (strcmp(service, "orders") == 0)
        hf_api_reply_json(r, 202, json_pack("{s:i}", "release", 3));
    else
        hf_api_reply_problem(r, 404, "there is no service %s", service);
}

static json_t *on_release_get(void *ctx, uint32_t id)
{
    (void)ctx;
    return id == 3 ? json_deep_copy(release) : NULL;
}

static json_t *on_release_list(void *ctx)
{
    (void)ctx;
    return json_pack("[{s:i}]", "release", 3);
}

static void on_report(void *ctx, const struct hf_api_report_query *q, struct hf_api_reply *r)
{
    (void)ctx;
    asked = *q;
    snprintf(asked_service, sizeof(asked_service), "%s", q->service ? q->service : "(all)");
    if (q->text)
        hf_api_reply_text(r, HF_STR("SERVICE  UP\n"));
    else
        hf_api_reply_json(r, 200, json_pack("{s:i}", "year", q->year));
}

/* --- a client --- */

struct answer {
    bool done;
    unsigned status;
    int code;
    char text[1 << 16];
    json_t *json; /* of a whole answer that is JSON */
    struct hf_http_call *call;
};

static void on_data(struct hf_str data, void *arg)
{
    struct answer *a = arg;

    assert_true(strlen(a->text) + data.n < sizeof(a->text));
    strncat(a->text, data.p, data.n);
}

static void on_done(const struct hf_http_result *r, void *arg)
{
    struct answer *a = arg;

    a->done = true;
    a->status = r->status;
    a->code = r->code;
    if (r->body.n)
        on_data(r->body, a);
    a->json = json_loads(a->text, 0, NULL);
}

static char *socket_path(void)
{
    return hf_asprintf("%s/admin.sock", folder);
}

static void begin(struct answer *a, enum hf_method method, bool network, const char *target,
                  const char *body)
{
    HF_AUTOFREE char *path = socket_path();
    const struct hf_http_call_options options = {
        .address = address,
        .unix_path = network ? NULL : path,
        .method = method,
        .target = hf_str(target),
        .body = hf_str(body),
        .deadline = hf_seconds(30),
        .body_most = sizeof(a->text) - 1,
        .on_done = on_done,
        .on_data = on_data,
        .arg = a,
    };

    json_decref(a->json);
    memset(a, 0, sizeof(*a));
    a->call = hf_http_call(loop, &options);
}

static void wait_done(struct answer *a)
{
    while (!a->done)
        hf_loop_turn(loop, hf_seconds(10));
}

static unsigned get(struct answer *a, const char *target)
{
    begin(a, HF_METHOD_GET, false, target, NULL);
    wait_done(a);
    return a->status;
}

static unsigned post(struct answer *a, const char *target, const char *body)
{
    begin(a, HF_METHOD_POST, false, target, body);
    wait_done(a);
    return a->status;
}

static const char *text(const struct answer *a, const char *key)
{
    const char *value = json_string_value(json_object_get(a->json, key));

    return value ? value : "";
}

static struct answer a, b;

/* --- routes --- */

static void status_has_name_and_version(void **state)
{
    (void)state;
    assert_int_equal(get(&a, "/v1/status"), 200);
    assert_string_equal(text(&a, "name"), "holdfast");
    assert_string_equal(text(&a, "version"), HF_VERSION);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(a.json, "keeper"), "pid")),
                     7);
    assert_true(json_is_null(json_object_get(a.json, "release")));
}

static void services_and_one_of_them(void **state)
{
    (void)state;
    assert_int_equal(get(&a, "/v1/services"), 200);
    assert_int_equal(json_array_size(json_object_get(a.json, "services")), 2);
    assert_int_equal(get(&a, "/v1/services/catalog"), 200);
    assert_string_equal(text(&a, "name"), "catalog");
    assert_int_equal(get(&a, "/v1/services/nope"), 404);
    assert_string_equal(text(&a, "detail"), "there is no service nope");
    assert_int_equal(get(&a, "/v1/services/"), 404);
    assert_int_equal(get(&a, "/v1/services/a/b"), 404);
}

static void probes_tell_ready_from_alive(void **state)
{
    (void)state;
    is_ready = false;
    assert_int_equal(get(&a, "/-/healthz"), 200);
    assert_int_equal(get(&a, "/-/ready"), 503);
    assert_string_equal(text(&a, "why"), "no plan is published");
    assert_int_equal(get(&a, "/-/check-up"), 503);
    is_ready = true;
    assert_int_equal(get(&a, "/-/ready"), 200);
    assert_int_equal(get(&a, "/-/check-up"), 200);
    assert_string_equal(text(&a, "status"), "OK");
    assert_string_equal(text(&a, "name"), "holdfast");
    assert_string_equal(text(&a, "version"), HF_VERSION);
}

static void the_network_gets_probes_alone(void **state)
{
    static const char *const refused[] = {"/v1/status", "/v1/events", "/", "/-", "/nothing"};

    (void)state;
    begin(&a, HF_METHOD_GET, true, "/-/healthz", NULL);
    wait_done(&a);
    assert_int_equal(a.status, 200);
    for (size_t i = 0; i < HF_COUNT(refused); i++) {
        begin(&a, HF_METHOD_GET, true, refused[i], NULL);
        wait_done(&a);
        assert_int_equal(a.status, 401);
        assert_string_equal(text(&a, "title"), "Unauthorized");
    }
    begin(&a, HF_METHOD_POST, true, "/v1/releases", "{}");
    wait_done(&a);
    assert_int_equal(a.status, 401);
    begin(&a, HF_METHOD_GET, true, "/-/../v1/status", NULL);
    wait_done(&a);
    assert_int_equal(a.status, 401);
}

static void what_is_no_route_is_a_problem(void **state)
{
    (void)state;
    assert_int_equal(get(&a, "/v1/nope"), 404);
    assert_string_equal(text(&a, "type"), "about:blank");
    assert_string_equal(text(&a, "title"), "Not Found");
    assert_int_equal(json_integer_value(json_object_get(a.json, "status")), 404);
    assert_string_equal(text(&a, "detail"), "there is no /v1/nope here");
    assert_int_equal(post(&a, "/v1/status", ""), 405);
    assert_string_equal(text(&a, "detail"), "/v1/status takes GET, HEAD");
    assert_int_equal(get(&a, "/v1/reload"), 405);
}

static void reports_are_asked_for_as_the_query_says(void **state)
{
    static const char *const wrong[] = {"year=1969",  "year=10000", "year=",         "year=x",
                                        "format=xml", "service=..", "service=a%2fb", "year=%zz"};
    HF_AUTOFREE char *target = NULL;

    (void)state;
    assert_int_equal(get(&a, "/v1/report?year=2024&service=orders"), 200);
    assert_int_equal(asked.year, 2024);
    assert_string_equal(asked_service, "orders");
    assert_int_equal(get(&a, "/v1/report?format=text"), 200);
    assert_string_equal(a.text, "SERVICE  UP\n");
    assert_true(asked.year >= 2024);
    assert_string_equal(asked_service, "(all)");
    for (size_t i = 0; i < HF_COUNT(wrong); i++) {
        hf_free(target);
        target = hf_asprintf("/v1/report?%s", wrong[i]);
        assert_int_equal(get(&a, target), 400);
    }
}

/* --- answers that come later --- */

static void a_reply_may_come_later(void **state)
{
    (void)state;
    held = NULL;
    begin(&a, HF_METHOD_POST, false, "/v1/reload", "");
    while (!held)
        hf_loop_turn(loop, hf_seconds(10));
    assert_int_equal(get(&b, "/v1/status"), 200); /* others do not wait */
    assert_false(a.done);
    hf_api_reply_problem(held, 422, "h.yaml:3:5: replicas is -1; expected 1 to %d", 100);
    wait_done(&a);
    assert_int_equal(a.status, 422);
    assert_string_equal(text(&a, "detail"), "h.yaml:3:5: replicas is -1; expected 1 to 100");
}

static void a_reply_to_who_is_gone_is_nobodys(void **state)
{
    (void)state;
    held = NULL;
    begin(&a, HF_METHOD_POST, false, "/v1/reload", "");
    while (!held)
        hf_loop_turn(loop, hf_seconds(10));
    hf_http_cancel(a.call);
    assert_int_equal(get(&b, "/v1/status"), 200); /* meanwhile the server has seen it */
    hf_api_reply_json(held, 200, json_object());
    assert_int_equal(get(&b, "/v1/status"), 200);
}

/* --- releases --- */

static void a_release_is_requested(void **state)
{
    (void)state;
    assert_int_equal(
        post(&a, "/v1/releases",
             "{\"service\": \"orders\", \"version\": \"1.4.0\", \"by\": \"an operator\"}"),
        202);
    assert_int_equal(json_integer_value(json_object_get(a.json, "release")), 3);
    assert_string_equal(asked_service, "orders");
    assert_string_equal(asked_version, "1.4.0");
    assert_string_equal(asked_by, "an operator");
    assert_int_equal(post(&a, "/v1/releases", "{\"service\": \"x\", \"version\": \"1\"}"), 404);
    assert_string_equal(text(&a, "detail"), "there is no service x");
    assert_string_equal(asked_by, "");
    assert_int_equal(get(&a, "/v1/releases"), 200);
    assert_int_equal(json_array_size(json_object_get(a.json, "releases")), 1);
}

static const char too_long_a_version[] =
    "{\"service\": \"orders\", \"version\": "
    "\"1234567890123456789012345678901234567890123456789012345678901234\"}";

static void what_is_no_request_is_refused(void **state)
{
    static const char *const wrong[] = {
        "",
        "{",
        "[]",
        "null",
        "\"x\"",
        "{}",
        "{\"service\": \"orders\"}",
        "{\"version\": \"1\"}",
        "{\"service\": 1, \"version\": \"1\"}",
        "{\"service\": \"orders\", \"version\": null}",
        "{\"service\": \"orders\", \"version\": \"1\", \"hotfix\": true}",
        "{\"service\": \"orders\", \"version\": \"1\", \"version\": \"2\"}",
        "{\"service\": \"orders\", \"version\": \"1\\u0000\"}",
        "{\"service\": \"orders\", \"version\": \"1\"} x",
        "{\"service\": \"\", \"version\": \"1\"}",
        too_long_a_version,
    };

    (void)state;
    for (size_t i = 0; i < HF_COUNT(wrong); i++) {
        asked_service[0] = 0;
        if (post(&a, "/v1/releases", wrong[i]) != 400 || asked_service[0])
            fail_msg("%s was answered with %u", wrong[i], a.status);
        assert_true(text(&a, "detail")[0]);
    }
}

static void add_line(const char *line)
{
    json_array_append_new(json_object_get(release, "log"), json_pack("{s:s}", "text", line));
}

static void a_release_is_followed_to_its_end(void **state)
{
    (void)state;
    release = json_pack("{s:i, s:s, s:[]}", "release", 3, "state", "rolling", "log");
    add_line("one");
    begin(&a, HF_METHOD_GET, false, "/v1/releases/3?follow=1", NULL);
    begin(&b, HF_METHOD_GET, false, "/v1/releases/3?follow=1&after=1", NULL);
    while (!strstr(a.text, "one"))
        hf_loop_turn(loop, hf_seconds(10));
    add_line("two");
    while (!strstr(a.text, "two") || !strstr(b.text, "two"))
        hf_loop_turn(loop, hf_seconds(10));
    assert_false(a.done);
    add_line("three");
    json_object_set_new(release, "state", json_string("rolled-back"));
    wait_done(&a);
    wait_done(&b);
    assert_string_equal(a.text, "{\"text\":\"one\"}\n{\"text\":\"two\"}\n{\"text\":\"three\"}\n"
                                "{\"end\":{\"release\":3,\"state\":\"rolled-back\"}}\n");
    assert_null(strstr(b.text, "one"));
    assert_int_equal(get(&a, "/v1/releases/3"), 200);
    assert_int_equal(json_array_size(json_object_get(a.json, "log")), 3);
    json_decref(release);
    release = NULL;
}

static void a_follower_may_go_away(void **state)
{
    (void)state;
    release =
        json_pack("{s:i, s:s, s:[{s:s}]}", "release", 3, "state", "rolling", "log", "text", "one");
    begin(&a, HF_METHOD_GET, false, "/v1/releases/3?follow=1", NULL);
    while (!strstr(a.text, "one"))
        hf_loop_turn(loop, hf_seconds(10));
    hf_http_cancel(a.call);
    assert_int_equal(get(&b, "/v1/status"), 200);
    json_object_set_new(release, "state", json_string("done"));
    assert_int_equal(get(&b, "/v1/releases/3?follow=1"), 200);
    json_decref(release);
    release = NULL;
}

static void releases_that_are_none_are_not_found(void **state)
{
    static const char *const none[] = {"/v1/releases/4", "/v1/releases/x", "/v1/releases/-3",
                                       "/v1/releases/4294967299", "/v1/releases/4?follow=1"};

    (void)state;
    for (size_t i = 0; i < HF_COUNT(none); i++)
        assert_int_equal(get(&a, none[i]), 404);
    assert_int_equal(get(&a, "/v1/releases/3?follow=2"), 400);
}

/* --- events --- */

static void stored(void *ctx, const struct hf_store_answer *answer)
{
    assert_int_equal(answer->error.code, 0);
    ++*(int *)ctx;
}

static void add_events(int from, int to)
{
    int done = 0;

    for (int i = from; i <= to; i++) {
        HF_AUTOFREE char *value = hf_asprintf("{\"kind\": \"test\", \"text\": \"number %d.\"}", i);
        const struct hf_store_op op = {
            .verb = HF_STORE_APPEND, .stream = HF_API_EVENTS, .value = hf_str(value)};
        assert_int_equal(hf_store_submit(store, &op, stored, &done), 0);
    }
    while (done < to - from + 1)
        hf_loop_turn(loop, hf_seconds(10));
}

static long long event_seq(size_t i)
{
    return json_integer_value(
        json_object_get(json_array_get(json_object_get(a.json, "events"), i), "seq"));
}

static void events_are_shown_and_followed(void **state)
{
    (void)state;
    assert_int_equal(get(&a, "/v1/events"), 200);
    assert_int_equal(json_array_size(json_object_get(a.json, "events")), 0);
    add_events(1, 130);
    assert_int_equal(get(&a, "/v1/events"), 200);
    assert_int_equal(json_array_size(json_object_get(a.json, "events")), 100);
    assert_int_equal(event_seq(0), 31);
    assert_int_equal(event_seq(99), 130);
    assert_int_equal(get(&a, "/v1/events?max=3"), 200);
    assert_int_equal(event_seq(0), 128);
    assert_int_equal(get(&a, "/v1/events?after=5&max=2"), 200);
    assert_int_equal(event_seq(1), 7);
    begin(&b, HF_METHOD_GET, false, "/v1/events?follow=1&max=2", NULL);
    while (!strstr(b.text, "number 130."))
        hf_loop_turn(loop, hf_seconds(10));
    assert_null(strstr(b.text, "number 128."));
    add_events(131, 131);
    while (!strstr(b.text, "number 131."))
        hf_loop_turn(loop, hf_seconds(10));
    hf_http_cancel(b.call);
    assert_int_equal(get(&a, "/v1/events?max=0"), 400);
    assert_int_equal(get(&a, "/v1/events?max=1001"), 400);
}

/* --- logs --- */

static void logs_are_shown_by_instance(void **state)
{
    HF_AUTOFREE char *logs = hf_asprintf("%s/logs", folder),
                     *service = hf_asprintf("%s/orders", logs),
                     *file = hf_asprintf("%s/orders-a-1.log", service);
    FILE *f;
    json_t *log;

    (void)state;
    assert_int_equal(mkdir(logs, 0700), 0);
    assert_int_equal(mkdir(service, 0700), 0);
    f = fopen(file, "w");
    assert_non_null(f);
    fputs("one\ntwo\n\x1b[31mthr\xff\xee\n", f);
    fclose(f);
    assert_int_equal(get(&a, "/v1/logs/orders?lines=2"), 200);
    log = json_array_get(json_object_get(a.json, "logs"), 0);
    assert_string_equal(json_string_value(json_object_get(log, "instance")), "orders-a-1");
    assert_string_equal(json_string_value(json_object_get(log, "text")), "two\n?[31mthr??\n");
    assert_int_equal(get(&a, "/v1/logs/nope"), 404);
    assert_int_equal(get(&a, "/v1/logs/.."), 404);
    assert_int_equal(get(&a, "/v1/logs/%2e%2e%2flogs"), 400);
    assert_int_equal(get(&a, "/v1/logs/orders?lines=0"), 400);
    unlink(file);
    rmdir(service);
    rmdir(logs);
}

/* --- from start to end --- */

static void the_socket_is_the_owners_alone(void **state)
{
    HF_AUTOFREE char *path = socket_path();
    struct stat st;

    (void)state;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void a_taken_address_is_named(void **state)
{
    struct hf_api_options options = {.loop = loop, .state = "/tmp", .listen = &address};
    char other[] = "/tmp/holdfast-api2-XXXXXX";
    HF_AUTOFREE char *path = NULL;
    struct hf_api *second = NULL;
    struct hf_error e = {0};

    (void)state;
    assert_non_null(mkdtemp(other));
    options.state = other;
    assert_int_equal(hf_api_new(&options, &second, &e), HF_EIO);
    assert_null(second);
    assert_non_null(strstr(e.text, "Address already in use (admin.listen)"));
    path = hf_asprintf("%s/admin.sock", other);
    unlink(path);
    assert_int_equal(rmdir(other), 0);
}

static int setup(void **state)
{
    struct hf_api_options options = {.loop = loop,
                                     .state = folder,
                                     .listen = &address,
                                     .handlers = {.ctx = &loop,
                                                  .status = on_status,
                                                  .ready = on_ready,
                                                  .reload = on_reload,
                                                  .release = on_release,
                                                  .release_get = on_release_get,
                                                  .release_list = on_release_list,
                                                  .report = on_report}};
    struct hf_error e = {0};

    (void)state;
    assert_int_equal(hf_store_open("sqlite", folder, loop, &store, &e), 0);
    options.store = store;
    assert_int_equal(hf_addr_parse(HF_STR("127.0.0.1:0"), &address), 0);
    for (uint16_t port = 21000; port < 32000; port++) {
        address.port = port;
        if (hf_api_new(&options, &api, &e) == 0)
            return 0;
    }
    fail_msg("%s", e.text);
    return 1;
}

static int teardown(void **state)
{
    static const char *const files[] = {"admin.sock", "holdfast.db", "holdfast.db-wal",
                                        "holdfast.db-shm"};

    (void)state;
    hf_api_free(api);
    hf_store_free(store);
    json_decref(a.json);
    json_decref(b.json);
    for (size_t i = 0; i < HF_COUNT(files); i++) {
        HF_AUTOFREE char *path = hf_asprintf("%s/%s", folder, files[i]);
        unlink(path);
    }
    rmdir(folder);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(status_has_name_and_version),
        cmocka_unit_test(services_and_one_of_them),
        cmocka_unit_test(probes_tell_ready_from_alive),
        cmocka_unit_test(the_network_gets_probes_alone),
        cmocka_unit_test(what_is_no_route_is_a_problem),
        cmocka_unit_test(reports_are_asked_for_as_the_query_says),
        cmocka_unit_test(a_reply_may_come_later),
        cmocka_unit_test(a_reply_to_who_is_gone_is_nobodys),
        cmocka_unit_test(a_release_is_requested),
        cmocka_unit_test(what_is_no_request_is_refused),
        cmocka_unit_test(a_release_is_followed_to_its_end),
        cmocka_unit_test(a_follower_may_go_away),
        cmocka_unit_test(releases_that_are_none_are_not_found),
        cmocka_unit_test(events_are_shown_and_followed),
        cmocka_unit_test(logs_are_shown_by_instance),
        cmocka_unit_test(the_socket_is_the_owners_alone),
        cmocka_unit_test(a_taken_address_is_named),
    };
    int rc;

    if (!mkdtemp(folder) || hf_loop_new(&loop, NULL))
        return 1;
    rc = cmocka_run_group_tests(tests, setup, teardown);
    hf_loop_free(loop);
    return rc;
}
