#include "config/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "board/plan.h"
#include "config/placeholder.h"
#include "config/values.h"

enum { GRPC_STATUS_MOST = 16 };

static const char *plural(uint64_t n)
{
    return n == 1 ? "" : "s";
}

/* --- addresses --- */

struct listener {
    struct hf_addr address;
    struct hf_config_place place;
    char key[48];
};

static bool any_address(const struct hf_addr *a)
{
    static const uint8_t zero[16];

    return memcmp(a->ip, zero, sizeof(zero)) == 0;
}

/* Would binding both fail? IPv6 listeners take IPv6 only. */
static bool collide(const struct hf_addr *a, const struct hf_addr *b)
{
    return a->family != HF_ADDR_NONE && a->family == b->family && a->port == b->port &&
           (any_address(a) || any_address(b) || hf_addr_eq(a, b));
}

static void check_collisions(const struct listener *l, size_t n, struct hf_config_errors *errors)
{
    char text[HF_ADDR_TEXT];

    for (size_t i = 1; i < n; i++) {
        for (size_t j = 0; j < i; j++) {
            if (!collide(&l[i].address, &l[j].address))
                continue;
            hf_config_errors_add(errors, l[i].place.line, l[i].place.column,
                                 "%s collides with %s, which is %s; expected another address or "
                                 "port",
                                 l[i].key, l[j].key, hf_addr_format(&l[j].address, text));
            break;
        }
    }
}

static bool has_processes(const struct hf_config *c)
{
    for (size_t i = 0; i < c->n_services; i++) {
        if (c->services[i].n_versions)
            return true;
    }
    return false;
}

/* Which files there have to be; what is in them: config/certificates.h. */
static void check_tls(const struct hf_config *c, const struct hf_yaml *root,
                      struct hf_config_errors *errors)
{
    const struct hf_yaml *list = hf_yaml_get(hf_yaml_get(root, "gateway"), "listen"), *at;

    if (!list || list->kind != HF_YAML_LIST || list->n != c->gateway.n_listen)
        return;
    at = list->first;
    for (size_t i = 0; i < c->gateway.n_listen; i++, at = at->next) {
        const struct hf_config_tls *t = &c->gateway.listen[i].tls;
        const struct hf_yaml *map = hf_yaml_get(at, "tls");
        if (!map || map->kind != HF_YAML_MAP)
            continue;
        if (!hf_yaml_get(map, "certificate") != !hf_yaml_get(map, "key"))
            hf_config_errors_add(errors, map->line, map->column,
                                 "gateway.listen[%zu].tls.%s is missing; expected the path of a "
                                 "PEM file",
                                 i, hf_yaml_get(map, "key") ? "certificate" : "key");
        else if (t->n_certificates == 0 && !hf_yaml_get(map, "certificates") &&
                 !hf_yaml_get(map, "certificate"))
            hf_config_errors_add(errors, map->line, map->column,
                                 "gateway.listen[%zu].tls has no certificate; expected certificate "
                                 "and key",
                                 i);
    }
}

static void check_listeners(const struct hf_config *c, const struct hf_yaml *root,
                            struct hf_config_errors *errors)
{
    const struct hf_yaml *admin = hf_yaml_get(hf_yaml_get(root, "admin"), "listen");
    size_t n = c->gateway.n_listen + 1;
    struct listener *l = hf_alloc_array(n, sizeof(*l));

    l[0] = (struct listener){.address = c->admin.listen, .key = "admin.listen"};
    if (admin)
        l[0].place = (struct hf_config_place){admin->line, admin->column};
    for (size_t i = 1; i < n; i++) {
        const struct hf_config_listener *from = &c->gateway.listen[i - 1];
        l[i] = (struct listener){.address = from->address, .place = from->place};
        snprintf(l[i].key, sizeof(l[i].key), "gateway.listen[%zu]", i - 1);
    }
    check_collisions(l, n, errors);
    for (size_t i = 0; i < n && has_processes(c); i++) {
        if (l[i].address.port >= c->ports.first && l[i].address.port <= c->ports.last)
            hf_config_errors_add(errors, l[i].place.line, l[i].place.column,
                                 "%s has port %u, which is one of the instances'; expected one "
                                 "outside of ports %u-%u",
                                 l[i].key, l[i].address.port, c->ports.first, c->ports.last);
    }
    hf_free(l);
}

/* A header that everybody could write would let everybody be whoever they like. */
static void check_proxy_protocol(const struct hf_config *c, struct hf_config_errors *errors)
{
    for (size_t i = 0; i < c->gateway.n_listen; i++) {
        const struct hf_config_listener *l = &c->gateway.listen[i];
        if (l->proxy_protocol && c->gateway.n_trusted_proxies == 0)
            hf_config_errors_add(errors, l->place.line, l->place.column,
                                 "gateway.listen[%zu].proxy_protocol is true, and nobody may send "
                                 "its header; expected gateway.trusted_proxies",
                                 i);
    }
}

/* --- routes --- */

struct owned_route {
    const struct hf_config_route *route;
    const struct hf_config_service *service;
};

static int by_route(const void *a, const void *b)
{
    const struct hf_config_route *x = ((const struct owned_route *)a)->route;
    const struct hf_config_route *y = ((const struct owned_route *)b)->route;
    int d = strcmp(x->host, y->host);

    if (d == 0)
        d = strcmp(x->path, y->path);
    if (d == 0)
        d = x->place.line != y->place.line ? (x->place.line < y->place.line ? -1 : 1)
                                           : (x->place.column < y->place.column ? -1 : 1);
    return d;
}

static void check_routes(const struct hf_config *c, size_t n_routes,
                         struct hf_config_errors *errors)
{
    struct owned_route *all = hf_alloc_array(n_routes + 1, sizeof(*all));
    size_t n = 0;

    for (size_t i = 0; i < c->n_services; i++) {
        const struct hf_config_service *s = &c->services[i];
        for (size_t k = 0; k < s->n_route; k++) {
            if (s->route[k].host && s->route[k].path)
                all[n++] = (struct owned_route){&s->route[k], s};
        }
    }
    qsort(all, n, sizeof(*all), by_route);
    for (size_t i = 1; i < n; i++) {
        const struct hf_config_route *r = all[i].route, *before = all[i - 1].route;
        if (strcmp(r->host, before->host) != 0 || strcmp(r->path, before->path) != 0)
            continue;
        hf_config_errors_add(errors, r->place.line, r->place.column,
                             "services.%.63s.route %.80s%.80s is a route of services.%.63s at "
                             "%u:%u already; expected one owner",
                             all[i].service->name, r->host, r->path, all[i - 1].service->name,
                             before->place.line, before->place.column);
    }
    hf_free(all);
}

/* --- capacities --- */

static void check_capacity(const struct hf_config *c, const struct hf_yaml *root,
                           struct hf_config_errors *errors)
{
    const struct hf_yaml *services = hf_yaml_get(root, "services");
    uint64_t endpoints = 0, routes = 0, processes = 0;
    uint64_t ports = c->ports.last - c->ports.first + UINT64_C(1);

    if (!services)
        return;
    for (size_t i = 0; i < c->n_services; i++) {
        const struct hf_config_service *s = &c->services[i];
        routes += s->n_route;
        for (size_t k = 0; k < s->n_instances; k++)
            endpoints += s->instances[k].host ? HF_CONFIG_NAME_ADDRESSES : 1;
        processes += s->n_versions ? 2 * s->replicas.min : 0;
    }
    endpoints += processes;
    const struct {
        const char *what, *key;
        uint64_t need, have;
    } rows[] = {
        {"service", "board.services", c->n_services, c->board.services},
        {"endpoint", "board.endpoints", endpoints, c->board.endpoints},
        {"route", "board.routes", routes, c->board.routes},
        {"port", "ports", processes, ports},
    };
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        if (rows[i].have && rows[i].need > rows[i].have)
            hf_config_errors_add(errors, services->key->line, services->key->column,
                                 "services need %llu %s%s, and %s has room for %llu; expected more "
                                 "room there, or fewer services",
                                 (unsigned long long)rows[i].need, rows[i].what,
                                 plural(rows[i].need), rows[i].key,
                                 (unsigned long long)rows[i].have);
    }
    check_routes(c, routes, errors);
}

/* --- one service --- */

struct check {
    const struct hf_config_service *s;
    const struct hf_yaml *map; /* the service in the file */
    struct hf_config_errors *errors;
};

static void wrong(const struct check *k, const struct hf_yaml *at, const char *fmt, ...)
    HF_PRINTF(3, 4);
static void wrong(const struct check *k, const struct hf_yaml *at, const char *fmt, ...)
{
    char text[300];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    hf_config_errors_add(k->errors, at->line, at->column, "services.%.63s%s%s", k->s->name,
                         text[0] == '.' ? "" : " ", text);
}

static void check_kind(const struct check *k)
{
    static const char *const process_keys[] = {"command",     "version", "versions",
                                               "environment", "user",    "replicas",
                                               "release",     "stop",    "log"};
    const struct hf_yaml *instances = hf_yaml_get(k->map, "instances");
    const struct hf_yaml *command = hf_yaml_get(k->map, "command");
    bool own_commands = k->s->n_versions > 0;

    for (size_t i = 0; instances && i < HF_COUNT(process_keys); i++) {
        const struct hf_yaml *given = hf_yaml_get(k->map, process_keys[i]);
        if (given)
            wrong(k, given->key,
                  ".%s is for processes, and services.%.63s has instances; expected "
                  "one of the two",
                  process_keys[i], k->s->name);
    }
    if (instances)
        return;
    if (!hf_yaml_get(k->map, "version"))
        wrong(k, k->map->key,
              command ? "has a command but no version; expected both"
                      : "has neither command and version nor instances; expected "
                        "one of the two");
    for (size_t i = 0; i < k->s->n_versions; i++)
        own_commands &= k->s->versions[i].command.n > 0;
    if (hf_yaml_get(k->map, "version") && !command && !own_commands)
        wrong(k, k->map->key, "has a version but no command; expected both");
}

/* An unknown placeholder is an error already, and probably meant to be this one. */
static bool names_port(const struct hf_config_version *v)
{
    struct hf_str unknown;

    for (size_t i = 0; i < v->command.n; i++) {
        if (hf_placeholder_has(v->command.argv[i], "port") ||
            !hf_placeholder_check(v->command.argv[i], &unknown))
            return true;
    }
    for (size_t i = 0; i < v->n_environment; i++) {
        if (v->environment[i].value && hf_placeholder_has(v->environment[i].value, "port"))
            return true;
    }
    return false;
}

static void check_versions(const struct check *k)
{
    const struct hf_yaml *version = hf_yaml_get(k->map, "version");
    const struct hf_config_service *s = k->s;

    if (version && s->version && !hf_config_version_find(s, s->version))
        wrong(k, version, ".version is %s, which is not in versions; expected one of them",
              s->version);
    for (size_t i = 0; i < s->n_versions; i++) {
        const struct hf_config_argv *command = &s->versions[i].command;
        if (command->n == 0 || names_port(&s->versions[i]))
            continue;
        hf_config_errors_add(k->errors, command->place.line, command->place.column,
                             "services.%.63s.command has no {port}; expected it there or in "
                             "environment, since each instance gets a port of its own",
                             s->name);
        return;
    }
}

static void check_environment(const struct check *k, const struct hf_yaml *environment)
{
    if (!environment || environment->kind != HF_YAML_MAP)
        return;
    for (const struct hf_yaml *e = environment->first; e; e = e->next) {
        bool value = hf_yaml_get(e, "value"), file = hf_yaml_get(e, "file");
        if (e->kind == HF_YAML_MAP && value == file)
            wrong(k, e, ".environment.%.64s has %s; expected one of the two", e->key->text,
                  value ? "both value and file" : "neither value nor file");
    }
}

/* What goes with HTTP/1.1 alone, or with HTTP/2. */
static void check_protocol(const struct check *k)
{
    const struct hf_config_service *s = k->s;
    const struct hf_yaml *grpc = hf_yaml_get(hf_yaml_get(k->map, "health"), "grpc");
    const struct hf_yaml *upgrade = hf_yaml_get(k->map, "upgrade");
    const struct hf_yaml *proxy = hf_yaml_get(k->map, "proxy_protocol");

    if (s->protocol == HF_PROTOCOL_HTTP1) {
        if (grpc && s->health.grpc)
            wrong(k, grpc->key,
                  ".health.grpc is true, and protocol is http1; expected protocol: grpc");
        return;
    }
    if (upgrade && s->upgrade != HF_UPGRADE_OFF)
        wrong(k, upgrade->key, ".upgrade is %s, and protocol not http1; expected off",
              upgrade->text);
    if (proxy && s->proxy_protocol)
        wrong(k, proxy->key,
              ".proxy_protocol is given, and the connections of protocol %s are shared by clients; "
              "expected one of the two",
              s->protocol == HF_PROTOCOL_H2 ? "h2" : "grpc");
}

static void check_policy(const struct check *k)
{
    const struct hf_config_service *s = k->s;
    const struct hf_yaml *max = hf_yaml_get(hf_yaml_get(k->map, "replicas"), "max");
    const struct hf_yaml *health = hf_yaml_get(k->map, "health");
    const struct hf_yaml *path = hf_yaml_get(health, "path"), *grpc = hf_yaml_get(health, "grpc");
    const struct hf_yaml *eject;

    if (max && s->replicas.max > s->replicas.min)
        wrong(k, max, ".replicas.max above min is not supported yet; expected %u", s->replicas.min);
    if (max && s->replicas.max < s->replicas.min)
        wrong(k, max, ".replicas.max is below min; expected %u", s->replicas.min);
    if (s->health.tcp && path)
        wrong(k, path->key, ".health.path is given, and tcp is true; expected one of the two");
    if (grpc && s->health.grpc && (path || s->health.tcp))
        wrong(k, grpc->key, ".health.grpc is true, and %s too; expected one of them",
              path ? "path is given" : "tcp is");
    if (s->eject.time.ns > s->eject.max.ns) {
        char time[32], most[32];
        eject = hf_yaml_get(k->map, "eject");
        wrong(k, eject ? eject->key : k->map->key,
              ".eject.time is %s, and eject.max %s; expected a time of at most that",
              hf_duration_exact(hf_duration_ms(s->eject.time), time, sizeof(time)),
              hf_duration_exact(hf_duration_ms(s->eject.max), most, sizeof(most)));
    }
}

static void check_expected(const struct check *k, const struct hf_yaml *expect, unsigned i,
                           bool grpc)
{
    uint32_t status = k->s->release.smoke[i].expect;

    if (expect->kind != HF_YAML_SCALAR)
        return;
    if (grpc && status > GRPC_STATUS_MOST)
        wrong(k, expect, ".release.smoke[%u].expect is %u; expected a grpc-status from 0 to %d", i,
              status, GRPC_STATUS_MOST);
    else if (!grpc && (status < 100 || strcmp(expect->text, "0") == 0))
        wrong(k, expect, ".release.smoke[%u].expect is %.9s; expected a status from 100 to 599", i,
              expect->text);
}

static void check_smoke(const struct check *k)
{
    const struct hf_yaml *smoke = hf_yaml_get(hf_yaml_get(k->map, "release"), "smoke");
    unsigned i = 0;

    if (!smoke || smoke->kind != HF_YAML_LIST)
        return;
    for (const struct hf_yaml *e = smoke->first; e; e = e->next, i++) {
        bool get = hf_yaml_get(e, "get"), post = hf_yaml_get(e, "post");
        const struct hf_yaml *grpc = hf_yaml_get(e, "grpc"), *expect = hf_yaml_get(e, "expect");
        if (e->kind == HF_YAML_MAP && get + post + (grpc != NULL) != 1)
            wrong(k, e, ".release.smoke[%u] has %s; expected one of the three", i,
                  grpc          ? "grpc and another request"
                  : get && post ? "both get and post"
                                : "neither get, post nor grpc");
        else if (grpc && k->s->protocol == HF_PROTOCOL_HTTP1)
            wrong(k, grpc->key,
                  ".release.smoke[%u].grpc is given, and protocol is http1; expected "
                  "protocol: grpc",
                  i);
        if (expect && i < k->s->release.n_smoke)
            check_expected(k, expect, i, grpc);
    }
}

static void check_redirects(const struct check *k)
{
    const struct hf_yaml *route = hf_yaml_get(k->map, "route");
    unsigned i = 0;

    if (!route || route->kind != HF_YAML_LIST)
        return;
    for (const struct hf_yaml *e = route->first; e; e = e->next, i++) {
        const struct hf_yaml *rewrite = hf_yaml_get(e, "rewrite"),
                             *status = hf_yaml_get(e, "status");
        bool redirect = hf_yaml_get(e, "redirect");
        if (redirect && rewrite)
            wrong(k, rewrite->key,
                  ".route[%u] has both rewrite and redirect; expected one of the two", i);
        if (status && !redirect)
            wrong(k, status->key,
                  ".route[%u].status is for a redirect; expected redirect beside it", i);
    }
}

static bool same_instance(const struct hf_config_instance *a, const struct hf_config_instance *b)
{
    if (a->host || b->host)
        return a->host && b->host && a->address.port == b->address.port &&
               strcmp(a->host, b->host) == 0;
    return a->address.family != HF_ADDR_NONE && hf_addr_eq(&a->address, &b->address);
}

static void check_instances(const struct check *k)
{
    const struct hf_config_instance *all = k->s->instances;

    for (size_t i = 1; i < k->s->n_instances; i++) {
        for (size_t j = 0; j < i; j++) {
            if (!same_instance(&all[i], &all[j]))
                continue;
            hf_config_errors_add(k->errors, all[i].place.line, all[i].place.column,
                                 "services.%.63s.instances[%zu] is instances[%zu] again; expected "
                                 "each once",
                                 k->s->name, i, j);
            break;
        }
    }
}

static void check_service(const struct check *k)
{
    const struct hf_yaml *versions = hf_yaml_get(k->map, "versions");

    check_kind(k);
    check_versions(k);
    check_environment(k, hf_yaml_get(k->map, "environment"));
    if (versions && versions->kind == HF_YAML_MAP) {
        for (const struct hf_yaml *v = versions->first; v; v = v->next)
            check_environment(k, hf_yaml_get(v, "environment"));
    }
    check_protocol(k);
    check_policy(k);
    check_smoke(k);
    check_redirects(k);
    check_instances(k);
}

void hf_config_check(const struct hf_config *c, const struct hf_yaml *root,
                     struct hf_config_errors *errors)
{
    const struct hf_yaml *services = hf_yaml_get(root, "services");
    const struct hf_yaml *line =
        hf_yaml_get(hf_yaml_get(hf_yaml_get(root, "gateway"), "limits"), "line");
    struct check k = {.errors = errors};

    check_listeners(c, root, errors);
    check_proxy_protocol(c, errors);
    check_tls(c, root, errors);
    check_capacity(c, root, errors);
    if (line && c->gateway.limits.line > c->gateway.limits.head)
        hf_config_errors_add(errors, line->line, line->column,
                             "gateway.limits.line is above gateway.limits.head, which is %u; "
                             "expected it to be at most that",
                             c->gateway.limits.head);
    if (!services || services->kind != HF_YAML_MAP || services->n != c->n_services)
        return;
    k.map = services->first;
    for (size_t i = 0; i < c->n_services; i++, k.map = k.map->next) {
        k.s = &c->services[i];
        if (k.map->kind == HF_YAML_MAP)
            check_service(&k);
    }
}
