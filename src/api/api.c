#include "api/api.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

#include "api/internal.h"
#include "base/mem.h"
#include "http/url.h"
#include "net/socket.h"

/* --- the small routes --- */

static json_t *whole_status(struct hf_api *api)
{
    json_t *status = json_pack("{s:s, s:s}", "name", "holdfast", "version", HF_VERSION);
    json_t *rest = api->handlers.status(api->handlers.ctx);

    json_object_update(status, rest);
    json_decref(rest);
    return status;
}

static void status(struct hf_api_call *c)
{
    hf_api_answer(c->x, 200, whole_status(c->api));
}

static void services(struct hf_api_call *c)
{
    json_t *all = whole_status(c->api);

    hf_api_answer(c->x, 200, json_pack("{s:O}", "services", json_object_get(all, "services")));
    json_decref(all);
}

static void one_service(struct hf_api_call *c)
{
    json_t *all = whole_status(c->api), *found = NULL, *s;
    size_t i;

    json_array_foreach(json_object_get(all, "services"), i, s)
    {
        const char *name = json_string_value(json_object_get(s, "name"));
        if (name && hf_str_eq(hf_str(name), c->argument))
            found = s;
    }
    if (found)
        hf_api_answer(c->x, 200, json_incref(found));
    else
        hf_api_problem(c->x, 404, "there is no service " HF_STR_FMT, HF_STR_ARG(c->argument));
    json_decref(all);
}

static int this_year(void)
{
    time_t now = (time_t)hf_wall_seconds(hf_wall_now());
    struct tm tm;

    gmtime_r(&now, &tm);
    return tm.tm_year + 1900;
}

static void report(struct hf_api_call *c)
{
    struct hf_api_report_query q = {0};
    char service[HF_API_NAME], format[HF_API_NAME];
    uint64_t year;

    if (hf_api_query_number(c->x, "year", 1970, 9999, (uint64_t)this_year(), &year) ||
        hf_api_query_name(c->x, "service", service) || hf_api_query_name(c->x, "format", format))
        return;
    if (format[0] && strcmp(format, "json") != 0 && strcmp(format, "text") != 0) {
        hf_api_problem(c->x, 400, "format has to be json or text");
        return;
    }
    q.year = (int)year;
    q.service = service[0] ? service : NULL;
    q.text = strcmp(format, "text") == 0;
    c->api->handlers.report(c->api->handlers.ctx, &q, hf_api_reply_new(c->x));
}

static void reload(struct hf_api_call *c)
{
    c->api->handlers.reload(c->api->handlers.ctx, hf_api_reply_new(c->x));
}

static void release_list(struct hf_api_call *c)
{
    hf_api_answer(
        c->x, 200,
        json_pack("{s:o}", "releases", c->api->handlers.release_list(c->api->handlers.ctx)));
}

/* --- probes --- */

static void healthz(struct hf_api_call *c)
{
    hf_api_answer(c->x, 200, json_pack("{s:s}", "status", "OK"));
}

static void ready(struct hf_api_call *c)
{
    const char *why = "starting";
    bool is = c->api->handlers.ready(c->api->handlers.ctx, &why);

    hf_api_answer(c->x, is ? 200 : 503,
                  is ? json_pack("{s:s}", "status", "OK")
                     : json_pack("{s:s, s:s}", "status", "UNAVAILABLE", "why", why));
}

static void check_up(struct hf_api_call *c)
{
    const char *why = "starting";
    bool is = c->api->handlers.ready(c->api->handlers.ctx, &why);
    json_t *answer = json_pack("{s:s, s:s, s:s}", "status", is ? "OK" : "UNAVAILABLE", "name",
                               "holdfast", "version", HF_VERSION);

    if (!is)
        json_object_set_new(answer, "why", json_string(why));
    hf_api_answer(c->x, is ? 200 : 503, answer);
}

/* --- the router --- */

/* A pattern that ends with {} takes one more, non-empty segment. */
static const struct route {
    enum hf_method method;
    const char *pattern;
    void (*function)(struct hf_api_call *c);
} routes[] = {
    {HF_METHOD_GET, "/-/check-up", check_up},
    {HF_METHOD_GET, "/-/healthz", healthz},
    {HF_METHOD_GET, "/-/ready", ready},
    {HF_METHOD_GET, "/v1/events", hf_api_events},
    {HF_METHOD_GET, "/v1/logs/{}", hf_api_logs},
    {HF_METHOD_GET, "/v1/releases", release_list},
    {HF_METHOD_POST, "/v1/releases", hf_api_release_post},
    {HF_METHOD_GET, "/v1/releases/{}", hf_api_release_show},
    {HF_METHOD_POST, "/v1/reload", reload},
    {HF_METHOD_GET, "/v1/report", report},
    {HF_METHOD_GET, "/v1/services", services},
    {HF_METHOD_GET, "/v1/services/{}", one_service},
    {HF_METHOD_GET, "/v1/status", status},
    {HF_METHOD_GET, "/v1/upgrade", hf_api_upgrade_show},
    {HF_METHOD_POST, "/v1/upgrade", hf_api_upgrade_post},
};

static bool matches(const struct route *route, struct hf_str path, struct hf_str *ret_argument)
{
    struct hf_str pattern = hf_str(route->pattern);

    *ret_argument = (struct hf_str){0};
    if (pattern.p[pattern.n - 1] != '}')
        return hf_str_eq(pattern, path);
    pattern.n -= 2;
    if (!hf_str_starts(path, pattern) || path.n == pattern.n)
        return false;
    *ret_argument = (struct hf_str){path.p + pattern.n, path.n - pattern.n};
    return !memchr(ret_argument->p, '/', ret_argument->n);
}

static bool is_probe(struct hf_str path)
{
    return hf_str_starts(path, HF_STR("/-/"));
}

static void answer_no_route(struct hf_http_exchange *x, struct hf_str allow)
{
    if (allow.n == 0) {
        hf_api_problem(x, 404, "there is no " HF_STR_FMT " here", HF_STR_ARG(x->path));
        return;
    }
    hf_http_answer_field(x, HF_STR("allow"), allow);
    hf_api_problem(x, 405, HF_STR_FMT " takes " HF_STR_FMT, HF_STR_ARG(x->path), HF_STR_ARG(allow));
}

/* The tag of a listener tells whether whoever comes through it was let in by the file's mode. */
static char through_file, through_network;

static void on_request(struct hf_http_exchange *x, void *arg)
{
    struct hf_api_call call = {.api = arg, .x = x};
    uint8_t method = x->head->method_id == HF_METHOD_HEAD ? HF_METHOD_GET : x->head->method_id;
    bool get = false, post = false;

    if (x->listener != &through_file && !is_probe(x->path)) {
        hf_http_answer_field(x, HF_STR("www-authenticate"), HF_STR("Bearer"));
        hf_api_problem(x, 401,
                       "a bearer token is needed here, and tokens come with a later "
                       "release; use the socket admin.sock in the state folder");
        return;
    }
    for (size_t i = 0; i < HF_COUNT(routes); i++) {
        if (!matches(&routes[i], x->path, &call.argument))
            continue;
        if (routes[i].method == method) {
            routes[i].function(&call);
            return;
        }
        get |= routes[i].method == HF_METHOD_GET;
        post |= routes[i].method == HF_METHOD_POST;
    }
    answer_no_route(x, get && post ? HF_STR("GET, POST")
                       : get       ? HF_STR("GET, HEAD")
                       : post      ? HF_STR("POST")
                                   : HF_STR(""));
}

/* --- from start to end --- */

static int listen_on(struct hf_api *api, int fd, void *tag, struct hf_error *e)
{
    if (fd < 0)
        return fd;
    if (hf_http_server_listen_take(api->server, fd, tag)) {
        close(fd);
        return hf_error_set(e, HF_EIO, "cannot watch a listening socket of the admin API");
    }
    return 0;
}

static int open_listeners(struct hf_api *api, const struct hf_addr *address, struct hf_error *e)
{
    HF_AUTOFREE char *path = hf_asprintf("%s/admin.sock", api->state);
    int rc = listen_on(api, hf_socket_listen_unix(path, e), &through_file, e);

    if (!rc && address) {
        rc = listen_on(api, hf_socket_listen(address, 64, e), &through_network, e);
        if (rc && e)
            strncat(e->text, " (admin.listen)", sizeof(e->text) - strlen(e->text) - 1);
    }
    return rc;
}

int hf_api_new(const struct hf_api_options *options, struct hf_api **ret, struct hf_error *e)
{
    struct hf_api *api = hf_alloc(sizeof(*api));
    struct hf_http_server_options server = hf_http_server_defaults;
    int rc;

    api->loop = options->loop;
    api->store = options->store;
    api->handlers = options->handlers;
    api->state = hf_strdup(options->state);
    server.on_request = on_request;
    server.arg = api;
    rc = hf_http_server_new(options->loop, &server, &api->server);
    if (rc)
        hf_error_set(e, rc, "cannot make the admin API's server");
    else
        rc = open_listeners(api, options->listen, e);
    if (rc) {
        hf_api_free(api);
        return rc;
    }
    *ret = api;
    return 0;
}

struct hf_api *hf_api_free(struct hf_api *api)
{
    if (api) {
        hf_http_server_free(api->server);
        hf_free(api->state);
        hf_free(api);
    }
    return NULL;
}
