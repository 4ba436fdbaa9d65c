/* What comes out of a good file, and what does not out of none. */
#include "config_messages.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "config/custom.h"
#include "config/schema.h"
#include "config/values.h"

static struct hf_config *parse(const char *path, const char *yaml)
{
    struct hf_config_errors errors;
    struct hf_config *c = NULL;

    if (hf_config_parse(path, hf_str(yaml), &c, &errors)) {
        hf_config_errors_print(&errors, stderr);
        fail();
    }
    assert_int_equal(errors.total, 0);
    return c;
}

static void expect_address(const struct hf_addr *a, const char *expected)
{
    char text[HF_ADDR_TEXT];

    assert_string_equal(hf_addr_format(a, text), expected);
}

static void defaults(void **state)
{
    struct hf_config *c = parse("/srv/f.yaml", PROCESS);
    const struct hf_config_gateway *g = &c->gateway;

    (void)state;
    assert_string_equal(c->file, "/srv/f.yaml");
    assert_string_equal(c->folder, "/srv");
    assert_string_equal(c->state, "/srv/state");
    assert_int_equal(c->store, HF_CONFIG_STORE_SQLITE);
    expect_address(&c->admin.listen, "127.0.0.1:8400");
    assert_int_equal(g->n_listen, 1);
    expect_address(&g->listen[0].address, "127.0.0.1:8080");
    assert_string_equal(g->listen[0].name, "127.0.0.1:8080");
    assert_int_equal(g->workers, 0);
    assert_string_equal(g->access_log, "/srv/state/access.log");
    assert_int_equal(g->access_log_size, 100 << 20);
    assert_int_equal(g->n_trusted_proxies, 0);
    assert_int_equal(g->limits.line, 8192);
    assert_int_equal(g->limits.head, 32768);
    assert_int_equal(g->limits.fields, 100);
    assert_int_equal(g->limits.body, 0);
    assert_int_equal(g->limits.connections, 10000);
    assert_int_equal(g->limits.buffers, 256 << 20);
    assert_int_equal(g->http2.streams, 100);
    assert_int_equal(g->http2.resets, 200);
    assert_int_equal(hf_duration_ms(g->timeout.header), 10000);
    assert_int_equal(hf_duration_ms(g->timeout.idle), 60000);
    assert_int_equal(hf_duration_ms(g->timeout.body), 30000);
    assert_int_equal(hf_duration_ms(g->lame_duck), 0);
    assert_int_equal(hf_duration_ms(g->drain), 30000);
    assert_int_equal(c->board.services, 64);
    assert_int_equal(c->board.endpoints, 256);
    assert_int_equal(c->board.routes, 256);
    assert_int_equal(c->n_nodes, 1);
    assert_string_equal(c->nodes[0].name, "local");
    assert_int_equal(c->ports.first, 20000);
    assert_int_equal(c->ports.last, 27999);
    assert_int_equal(c->continuity.target, 999900);
    assert_int_equal(c->continuity.reference, HF_REFERENCE_YEAR);
    assert_int_equal(c->n_services, 1);
    hf_config_unref(c);
}

static void service_defaults(void **state)
{
    struct hf_config *c = parse("/srv/f.yaml", PROCESS);
    const struct hf_config_service *s = hf_config_service_find(c, "s");

    (void)state;
    assert_ptr_equal(s, c->services);
    assert_null(hf_config_service_find(c, "t"));
    assert_int_equal(s->place.line, 3);
    assert_int_equal(s->place.column, 3);
    assert_string_equal(s->route[0].host, "");
    assert_string_equal(s->route[0].path, "/s");
    assert_null(s->user);
    assert_int_equal(s->replicas.min, 1);
    assert_int_equal(s->replicas.max, 1);
    assert_string_equal(s->health.path, "/-/ready");
    assert_false(s->health.tcp);
    assert_int_equal(hf_duration_ms(s->health.interval), 1000);
    assert_int_equal(hf_duration_ms(s->health.timeout), 1000);
    assert_int_equal(s->health.rise, 2);
    assert_int_equal(s->health.fall, 3);
    assert_int_equal(hf_duration_ms(s->health.start), 30000);
    assert_int_equal(hf_duration_ms(s->timeout.connect), 1000);
    assert_int_equal(hf_duration_ms(s->timeout.try), 2000);
    assert_int_equal(hf_duration_ms(s->timeout.response), 30000);
    assert_int_equal(hf_duration_ms(s->timeout.idle), 60000);
    assert_int_equal(hf_duration_ms(s->timeout.drain), 30000);
    assert_int_equal(s->retry.attempts, 2);
    assert_int_equal(s->retry.budget, 2000);
    assert_false(s->retry.on_500);
    assert_int_equal(hf_duration_ms(s->hold.time), 5000);
    assert_int_equal(s->hold.requests, 1000);
    assert_int_equal(s->eject.failures, 5);
    assert_int_equal(hf_duration_ms(s->eject.time), 10000);
    assert_int_equal(hf_duration_ms(s->eject.max), 300000);
    assert_int_equal(s->release.n_smoke, 0);
    assert_int_equal(s->release.test.n, 0);
    assert_int_equal(hf_duration_ms(s->release.timeout), 30000);
    assert_int_equal(hf_duration_ms(s->release.bake), 30000);
    assert_int_equal(s->release.weight, 1000);
    assert_int_equal(s->release.errors, 100);
    assert_int_equal(s->release.requests, 20);
    assert_int_equal(s->stop.signal, SIGTERM);
    assert_string_equal(hf_signal_name(s->stop.signal), "TERM");
    assert_int_equal(hf_duration_ms(s->stop.timeout), 10000);
    assert_int_equal(s->log.size, 10 << 20);
    assert_int_equal(s->log.keep, 5);
    hf_config_unref(c);
}

/* A file that writes every default out is the same configuration as one that leaves them out. */
static void write_defaults(const struct hf_section *section, const char *indent,
                           struct hf_text *out)
{
    HF_AUTOTEXT struct hf_text deeper = {0};

    hf_text_addf(&deeper, "%s  ", indent);
    for (size_t i = 0; i < section->n_rows; i++) {
        const struct hf_row *row = &section->rows[i];
        if (row->fallback)
            hf_text_addf(out, "%s%s: \"%s\"\n", indent, row->name, row->fallback);
        if (row->type == HF_ROW_SECTION) {
            size_t before = out->n, head;
            hf_text_addf(out, "%s%s:\n", indent, row->name);
            head = out->n;
            if (strcmp(row->name, "gateway") == 0)
                hf_text_addf(out, "%slisten: [\"127.0.0.1:8080\"]\n", deeper.p);
            write_defaults(row->section, deeper.p, out);
            if (out->n == head)
                out->p[out->n = before] = 0; /* it has none */
        }
        if (strcmp(row->name, "services") == 0 && row->type == HF_ROW_MAP) {
            hf_text_addf(out, "services:\n  s:\n" ROUTE COMMAND VERSION);
            write_defaults(row->section, "    ", out);
        }
    }
}

static void round_trip_of_defaults(void **state)
{
    HF_AUTOTEXT struct hf_text yaml = {0};
    struct hf_config *a = parse("/srv/f.yaml", PROCESS), *b;
    const struct hf_config_service *s = a->services, *t;

    (void)state;
    write_defaults(&hf_section_root, "", &yaml);
    assert_true(yaml.p && strstr(yaml.p, "      interval: \"1s\"\n"));
    b = parse("/srv/f.yaml", yaml.p);
    t = b->services;
    assert_string_not_equal(a->digest, b->digest);
    assert_string_equal(a->state, b->state);
    assert_memory_equal(&a->admin, &b->admin, sizeof(a->admin));
    assert_memory_equal(&a->board, &b->board, sizeof(a->board));
    assert_memory_equal(&a->ports, &b->ports, sizeof(a->ports));
    assert_memory_equal(&a->continuity, &b->continuity, sizeof(a->continuity));
    assert_memory_equal(&a->gateway.limits, &b->gateway.limits, sizeof(a->gateway.limits));
    assert_memory_equal(&a->gateway.timeout, &b->gateway.timeout, sizeof(a->gateway.timeout));
    assert_int_equal(a->gateway.workers, b->gateway.workers);
    assert_string_equal(a->gateway.access_log, b->gateway.access_log);
    assert_memory_equal(&s->timeout, &t->timeout, sizeof(s->timeout));
    assert_memory_equal(&s->replicas, &t->replicas, sizeof(s->replicas));
    assert_memory_equal(&s->hold, &t->hold, sizeof(s->hold));
    assert_memory_equal(&s->eject, &t->eject, sizeof(s->eject));
    assert_memory_equal(&s->log, &t->log, sizeof(s->log));
    assert_int_equal(s->stop.signal, t->stop.signal);
    assert_int_equal(s->release.weight, t->release.weight);
    assert_string_equal(s->health.path, t->health.path);
    hf_config_unref(a);
    hf_config_unref(b);
}

static void versions(void **state)
{
    struct hf_config *c =
        parse("/srv/f.yaml", PROCESS "    environment: { A: one, B: two, C: { file: secret } }\n"
                                     "    versions:\n"
                                     "      1.0.0: { directory: ./releases/1.0.0 }\n"
                                     "      1.1.0:\n"
                                     "        directory: /opt/s\n"
                                     "        command: [./new, \"{port}\"]\n"
                                     "        environment: { B: { file: ./b }, D: four }\n");
    const struct hf_config_service *s = c->services;
    const struct hf_config_version *old = hf_config_version_find(s, "1.0.0");
    const struct hf_config_version *new = hf_config_version_find(s, "1.1.0");

    (void)state;
    assert_null(hf_config_version_find(s, "1.2.0"));
    assert_false(s->any_version);
    assert_string_equal(old->directory, "/srv/releases/1.0.0");
    assert_int_equal(old->command.n, 2);
    assert_string_equal(old->command.argv[0], "./s");
    assert_null(old->command.argv[2]);
    assert_int_equal(old->n_environment, 3);
    assert_string_equal(old->environment[1].value, "two");
    assert_string_equal(old->environment[2].file, "/srv/secret");
    assert_null(old->environment[2].value);
    assert_string_equal(new->directory, "/opt/s");
    assert_string_equal(new->command.argv[0], "./new");
    assert_int_equal(new->n_environment, 4);
    assert_string_equal(new->environment[1].name, "B");
    assert_string_equal(new->environment[1].file, "/srv/b");
    assert_null(new->environment[1].value);
    assert_string_equal(new->environment[3].name, "D");
    hf_config_unref(c);
}

static void any_version(void **state)
{
    struct hf_config *c = parse("/srv/f.yaml", PROCESS);
    const struct hf_config_version *v = hf_config_version_find(c->services, "2.0.0");

    (void)state;
    assert_true(c->services->any_version);
    assert_non_null(v);
    assert_string_equal(v->name, "1.0.0");
    assert_string_equal(v->directory, "/srv");
    assert_null(hf_config_version_find(c->services, "../2"));
    assert_null(hf_config_version_find(c->services, ""));
    hf_config_unref(c);
}

static void given(void **state)
{
    struct hf_config *c = parse(
        "/srv/f.yaml",
        "state: /var/lib/holdfast\nnodes: { b: {}, a: {} }\nports: 21000-21999\n"
        "continuity: { target: 99.5% }\n"
        "dns: { servers: [10.0.0.53, \"127.0.0.1:8600\"], interval: 10s }\n"
        "gateway: { listen: [{ address: \"[::1]:80\", proxy_protocol: true }], access_log: off, "
        "trusted_proxies: [10.0.0.0/8, \"::1\"], forwarded: both, trace: { start: true, sample: 5% "
        "} "
        "}\n"
        "services:\n  t:\n    route: [{ host: Shop.Example, path: /a, "
        "rewrite: /b }, { redirect: /c, status: 302 }]\n    proxy_protocol: v2\n"
        "    instances: [\"10.0.0.1:80\", { address: \"10.0.0.2:80\", weight: 7 }, "
        "\"Pool.Example:81\"]\n"
        "    health: { tcp: true }\n    timeout: { try: 0 }\n" /* next */
        "  s:\n" ROUTE COMMAND VERSION "    replicas: { min: 3, max: 3 }\n    user: www-data\n"
        "    release: { smoke: [{ get: /a?b, expect: 204 }, { post: /b, body: ok }], weight: 0.5%,"
        " test: [./test, \"{port}\"] }\n    stop: { signal: INT }\n");
    const struct hf_config_service *t = &c->services[0], *s = &c->services[1];

    (void)state;
    assert_string_equal(c->state, "/var/lib/holdfast");
    assert_string_equal(c->nodes[0].name, "b"); /* in the order of the file */
    assert_int_equal(c->ports.first, 21000);
    assert_int_equal(c->continuity.target, 995000);
    assert_null(c->gateway.access_log);
    assert_int_equal(c->gateway.n_trusted_proxies, 2);
    assert_int_equal(c->gateway.trusted_proxies[0].bits, 8);
    assert_true(c->gateway.listen[0].proxy_protocol);
    assert_int_equal(c->gateway.forwarded, HF_CONFIG_FORWARDED_BOTH);
    assert_true(c->gateway.trace.start);
    assert_int_equal(c->gateway.trace.sample, 500);
    assert_string_equal(t->route[0].host, "shop.example");
    assert_string_equal(t->route[0].rewrite, "/b");
    assert_null(t->route[0].redirect);
    assert_null(t->route[1].rewrite);
    assert_string_equal(t->route[1].redirect, "/c");
    assert_int_equal(t->route[1].status, HF_REDIRECT_302);
    assert_int_equal(t->proxy_protocol, 2);
    assert_int_equal(s->proxy_protocol, 0);
    assert_int_equal(s->route[0].status, HF_REDIRECT_308);
    assert_int_equal(c->dns.n_servers, 2);
    assert_int_equal(c->dns.servers[0].port, 53);
    assert_int_equal(c->dns.servers[1].port, 8600);
    assert_int_equal(c->dns.interval.ns, 10 * HF_NS_PER_S);
    assert_int_equal(t->n_instances, 3);
    assert_null(t->instances[0].host);
    assert_int_equal(t->instances[0].address.port, 80);
    assert_string_equal(t->instances[2].host, "pool.example");
    assert_int_equal(t->instances[2].address.port, 81);
    assert_int_equal(t->instances[2].address.family, HF_ADDR_NONE);
    assert_int_equal(t->instances[0].weight, 100);
    assert_int_equal(t->instances[1].weight, 7);
    assert_null(t->version);
    assert_int_equal(t->n_versions, 0);
    assert_null(t->health.path);
    assert_true(t->health.tcp);
    assert_int_equal(t->timeout.try.ns, 0);
    assert_int_equal(s->replicas.min, 3);
    assert_string_equal(s->user, "www-data");
    assert_string_equal(s->release.smoke[0].get, "/a?b");
    assert_null(s->release.smoke[0].post);
    assert_null(s->release.smoke[0].body);
    assert_int_equal(s->release.smoke[0].expect, 204);
    assert_string_equal(s->release.smoke[1].post, "/b");
    assert_string_equal(s->release.smoke[1].body, "ok");
    assert_int_equal(s->release.smoke[1].expect, 200);
    assert_int_equal(s->release.test.n, 2);
    assert_int_equal(s->release.weight, 50);
    assert_int_equal(s->stop.signal, SIGINT);
    hf_config_unref(c);
}

static void references_and_digest(void **state)
{
    struct hf_config *a = parse("/f", GATEWAY), *b = parse("/g", GATEWAY),
                     *c = parse("/f", GATEWAY " ");

    (void)state;
    assert_string_equal(a->digest, b->digest);
    assert_string_not_equal(a->digest, c->digest);
    assert_int_equal(strlen(a->digest), 32);
    assert_string_equal(a->folder, "/");
    assert_string_equal(a->state, "/state");
    assert_ptr_equal(hf_config_ref(a), a);
    assert_null(hf_config_unref(a));
    assert_string_equal(a->file, "/f"); /* still held */
    hf_config_unref(a);
    hf_config_unref(b);
    hf_config_unref(c);
    assert_null(hf_config_unref(NULL));
}

static void expect_load(const char *path, int code, const char *expected)
{
    HF_AUTOTEXT struct hf_text text = {0};
    struct hf_config_errors errors;
    struct hf_config *c = NULL;

    assert_int_equal(hf_config_load(path, &c, &errors), code);
    hf_config_errors_format(&errors, &text);
    assert_string_equal(text.p ? text.p : "", expected);
    hf_config_unref(c);
}

static void load(void **state)
{
    char folder[] = "/tmp/holdfast-test-XXXXXX";
    FILE *f;

    (void)state;
    expect_load(SOURCE_ROOT "/examples/shop.yaml", 0, "");
    assert_non_null(mkdtemp(folder));
    assert_int_equal(chdir(folder), 0);
    expect_load("f", HF_EIO, "f: cannot be opened: No such file or directory\n");
    expect_load(".", HF_EIO, ".: is not a file; expected a YAML file\n");
    f = fopen("f", "w");
    assert_non_null(f);
    fclose(f);
    expect_load("f", HF_EINVAL,
                "f:1:1: there is no configuration here; expected keys such as \"services:\"\n");
    f = fopen("f", "w");
    assert_non_null(f);
    fputs("gateway: { listne: [] }\n", f);
    assert_int_equal(fflush(f), 0);
    expect_load("f", HF_EINVAL,
                "f:1:1: gateway.listen is missing; expected a list of 1 to 16 addresses such as "
                "[\"0.0.0.0:8080\"]\n"
                "f:1:12: unknown key \"listne\" in gateway; did you mean \"listen\"?\n");
    assert_int_equal(ftruncate(fileno(f), HF_YAML_SIZE + 1), 0);
    expect_load("f", HF_EINVAL, "f: the file is too large; expected at most 1MiB\n");
    fclose(f);
    assert_int_equal(unlink("f"), 0);
    assert_int_equal(chdir("/"), 0);
    assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults),
        cmocka_unit_test(service_defaults),
        cmocka_unit_test(round_trip_of_defaults),
        cmocka_unit_test(versions),
        cmocka_unit_test(any_version),
        cmocka_unit_test(given),
        cmocka_unit_test(references_and_digest),
        cmocka_unit_test(load),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
