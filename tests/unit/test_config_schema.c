/* What one row may be: each type of value with each kind of mistake. */
#include "config_messages.h"

#include "config/schema.h"

#define ADDRESS "expected an address and port such as \"127.0.0.1:8080\" or \"[::1]:8080\"\n"

static void keys(void **state)
{
    (void)state;
    EXPECT_MESSAGES(
        {"services: {}",
         "f:1:1: gateway is missing; expected gateway: { listen: [\"0.0.0.0:8080\"] }\n"},
        {GATEWAY "contuinity: {}",
         "f:2:1: unknown key \"contuinity\"; did you mean \"continuity\"?\n"},
        {GATEWAY "zzz: 1",
         "f:2:1: unknown key \"zzz\"; expected one of state, store, admin, gateway, board, nodes, "
         "ports, continuity, dns, services\n"},
        {PROCESS "    health: { intervall: 1s }\n",
         "f:7:15: unknown key \"intervall\" in services.s.health; did you mean \"interval\"?\n"},
        {PROCESS "    health: { Path: / }\n",
         "f:7:15: unknown key \"Path\" in services.s.health; did you mean \"path\"?\n"},
        {PROCESS "    replicas: { mni: 2 }\n",
         "f:7:17: unknown key \"mni\" in services.s.replicas; did you mean \"min\"?\n"},
        {SERVICE "    route: [{ hots: a }]\n" COMMAND VERSION,
         "f:4:15: unknown key \"hots\" in services.s.route[0]; did you mean \"host\"?\n"},
        {GATEWAY "nodes: { a: { x: 1 } }",
         "f:2:15: unknown key \"x\" in nodes.a; expected no keys here\n"},
        {GATEWAY "nodes: { A: {} }", "f:2:10: nodes has the name \"A\"; expected a name of small "
                                     "letters, digits and '-', at most 32\n"});
}

static void not_yet(void **state)
{
    (void)state;
    EXPECT_MESSAGES(
        {GATEWAY "filter: {}\nsites: {}\nadmin: { tokens: ./t }\n",
         "f:2:1: filter is not supported yet; leave it out\n"
         "f:3:1: sites is not supported yet; leave it out\n"
         "f:4:10: admin.tokens is not supported yet; leave it out\n"},
        {GATEWAY "store: mongodb://user:secret@a/b",
         "f:2:8: store mongodb is not supported yet; expected sqlite\n"},
        {PROCESS "    kubernetes: {}\n    instance: {}\n    admission: {}\n    consumers: [a]\n"
                 "    sites: {}\n",
         "f:7:5: services.s.kubernetes is not supported yet; leave it out\n"
         "f:8:5: services.s.instance is not supported yet; leave it out\n"
         "f:9:5: services.s.admission is not supported yet; leave it out\n"
         "f:10:5: services.s.consumers is not supported yet; leave it out\n"
         "f:11:5: services.s.sites is not supported yet; leave it out\n"},
        {PROCESS "    replicas: { min: 2, max: 8 }\n",
         "f:7:30: services.s.replicas.max above min is not supported yet; expected 2\n"});
}

static void shapes(void **state)
{
#define LISTEN "expected a list of 1 to 16 addresses such as [\"0.0.0.0:8080\"]\n"
    (void)state;
    EXPECT_MESSAGES(
        {"gateway:", "f:1:9: gateway is empty; expected a map with keys such as listen\n"},
        {"gateway: 5", "f:1:10: gateway is \"5\"; expected a map with keys such as listen\n"},
        {"gateway: []", "f:1:10: gateway is a list; expected a map with keys such as listen\n"},
        {"gateway: {}", "f:1:1: gateway.listen is missing; " LISTEN},
        {"gateway: { listen: 8080 }", "f:1:20: gateway.listen is \"8080\"; " LISTEN},
        {"gateway: { listen: {} }", "f:1:20: gateway.listen is a map; " LISTEN},
        {"gateway: { listen: [] }", "f:1:20: gateway.listen has 0 entries; " LISTEN},
        {"gateway: { listen: [{}] }", "f:1:21: gateway.listen[0].address is missing; " ADDRESS},
        {"gateway: { listen: [[]] }",
         "f:1:21: gateway.listen[0] is a list; expected an address and "
         "port such as \"127.0.0.1:8080\" or \"[::1]:8080\", or a map "
         "with keys such as address\n"},
        {GATEWAY "services: []", "f:2:11: services is a list; expected a map of at most 1024 "
                                 "services by name\n"},
        {GATEWAY "services: { s: 5 }",
         "f:2:16: services.s is \"5\"; expected a map with keys such as route\n"},
        {GATEWAY "nodes: {}",
         "f:2:8: nodes has 0 entries; expected a map of 1 to 64 nodes such as { a: {}, b: {} }\n"});
}

/* What the entries of a service's instances may be. */
static void instances(void **state)
{
#define INSTANCE(text) SERVICE ROUTE "    instances: [\"" text "\"]\n"
#define AT "f:5:17: services.s.instances[0] "
#define HOST                                                                                       \
    "; expected a host and port such as \"10.0.0.1:80\", \"[::1]:80\" or \"orders.example:80\"\n"
#define LABEL63 "a23456789-123456789-123456789-123456789-123456789-123456789-123"
    (void)state;
    EXPECT_MESSAGES(
        {INSTANCE("10.0.0.1:80"), ""}, {INSTANCE("[::1]:80"), ""}, {INSTANCE("localhost:80"), ""},
        {INSTANCE("A-1.b2.Example:65535"), ""}, {INSTANCE("orders.example.:80"), ""},
        {INSTANCE("3com.example:80"), ""}, {INSTANCE(LABEL63 ".x:80"), ""},
        {INSTANCE(LABEL63 "x.x:80"), AT "has a label of more than 63 bytes" HOST},
        {INSTANCE(LABEL63 "." LABEL63 "." LABEL63 "." LABEL63 ":80"),
         AT "has a host of more than 253 bytes" HOST},
        {INSTANCE(":80"), AT "has no host" HOST},
        {INSTANCE(".:80"), AT "has a label of no bytes" HOST},
        {INSTANCE("a..b:80"), AT "has a label of no bytes" HOST},
        {INSTANCE(".a:80"), AT "has a label of no bytes" HOST},
        {INSTANCE("a..:80"), AT "has a label of no bytes" HOST},
        {INSTANCE("-a.b:80"), AT "has a label that begins or ends with '-'" HOST},
        {INSTANCE("a.b-:80"), AT "has a label that begins or ends with '-'" HOST},
        {INSTANCE("a_b:80"), AT "has a host with other than letters, digits, '-' and '.'" HOST},
        {INSTANCE("http://a:80"), AT "is \"http://a:80\"" HOST},
        {INSTANCE("10.0.0.256:80"), AT "is not an address, and no name ends with a number" HOST},
        {INSTANCE("a.1.:80"), AT "is not an address, and no name ends with a number" HOST},
        {INSTANCE("orders"), AT "is \"orders\"" HOST},
        {INSTANCE("orders:"), AT "is \"orders:\"" HOST},
        {INSTANCE("orders:http"), AT "is \"orders:http\"" HOST},
        {INSTANCE("orders:0"), AT "is \"orders:0\"" HOST},
        {INSTANCE("orders:65536"), AT "is \"orders:65536\"" HOST},
        {INSTANCE("10.0.0.1:0"), AT "is \"10.0.0.1:0\"" HOST},
        {INSTANCE("::1:80"), AT "is \"::1:80\"" HOST},
        {INSTANCE("[a]:80"), AT "is \"[a]:80\"" HOST}, {INSTANCE(""), AT "is empty" HOST},
        {SERVICE ROUTE "    instances: [{ weight: 2 }]\n",
         "f:5:17: services.s.instances[0].address is missing" HOST});
}

static void name_servers(void **state)
{
#define ONE "; expected an address such as 10.0.0.53 or \"127.0.0.1:8600\"\n"
#define SOME "; expected a list of 1 to 8 addresses such as [\"127.0.0.1:8600\"]\n"
    (void)state;
    EXPECT_MESSAGES(
        {GATEWAY "dns: { servers: [10.0.0.53, \"127.0.0.1:8600\", \"::1\", \"[::1]:53\"] }", ""},
        {GATEWAY "dns: { servers: [ns.example, \"1.1.1.1:0\", {}] }",
         "f:2:18: dns.servers[0] is \"ns.example\"" ONE
         "f:2:30: dns.servers[1] is \"1.1.1.1:0\"" ONE "f:2:43: dns.servers[2] is a map" ONE},
        {GATEWAY "dns: { servers: [] }", "f:2:17: dns.servers is a list" SOME},
        {GATEWAY "dns: { servers: 10.0.0.53 }", "f:2:17: dns.servers is \"10.0.0.53\"" SOME},
        {GATEWAY "dns: { interval: 10ms }",
         "f:2:18: dns.interval is \"10ms\"; expected a time from 1s to 1h\n"});
}

static void addresses(void **state)
{
    (void)state;
    EXPECT_MESSAGES(
        {"gateway: { listen: [8080] }", "f:1:21: gateway.listen[0] is \"8080\"; " ADDRESS},
        {"gateway: { listen: [\"127.0.0.1:0\"] }",
         "f:1:21: gateway.listen[0] is \"127.0.0.1:0\"; " ADDRESS},
        {"gateway: { listen: [\"1.1.1.1:65536\"] }",
         "f:1:21: gateway.listen[0] is \"1.1.1.1:65536\"; " ADDRESS},
        {"gateway: { listen: [\"localhost:80\"] }",
         "f:1:21: gateway.listen[0] is \"localhost:80\"; " ADDRESS},
        {"gateway: { listen: [\"[::1]:80\", { address: \"0.0.0.0:80\" }] }", ""},
        {GATEWAY "admin: { listen: 127.0.0.1 }", "f:2:18: admin.listen is \"127.0.0.1\"; " ADDRESS},
        {"gateway: { listen: [\"1.1.1.1:80\"], trusted_proxies: [10.0.0.0/33, {}, \"::1\", "
         "10.0.0.0/8] "
         "}",
         "f:1:54: gateway.trusted_proxies[0] is \"10.0.0.0/33\"; expected a network such as "
         "10.0.0.0/8 or fd00::/8\n"
         "f:1:67: gateway.trusted_proxies[1] is a map; expected a network such as 10.0.0.0/8 or "
         "fd00::/8\n"},
        {"gateway: { listen: [\"1.1.1.1:80\"], trusted_proxies: 10.0.0.0/8 }",
         "f:1:53: gateway.trusted_proxies is \"10.0.0.0/8\"; expected a list of at most 32 "
         "networks "
         "such as [10.0.0.0/8]\n"});
}

static void numbers(void **state)
{
    (void)state;
    EXPECT_MESSAGES(
        {"gateway: { listen: [\"1.1.1.1:80\"], workers: 0 }",
         "f:1:45: gateway.workers is \"0\"; expected a number from 1 to 64, or auto\n"},
        {"gateway: { listen: [\"1.1.1.1:80\"], workers: 65 }",
         "f:1:45: gateway.workers is \"65\"; expected a number from 1 to 64, or auto\n"},
        {"gateway: { listen: [\"1.1.1.1:80\"], workers: auto }", ""},
        {"gateway: { listen: [\"1.1.1.1:80\"], access_log: \"\" }",
         "f:1:48: gateway.access_log is empty; expected a path, or off\n"},
        {"gateway: { listen: [\"1.1.1.1:80\"], access_log_size: 10MB }",
         "f:1:53: gateway.access_log_size is \"10MB\"; expected a size from 64KiB to 1024GiB\n"},
        {PROCESS "    health: { interval: 1, timeout: 0s, rise: 0, fall: 101, start: 1e3s }\n",
         "f:7:25: services.s.health.interval is \"1\"; expected a time from 100ms to 1h\n"
         "f:7:37: services.s.health.timeout is \"0s\"; expected a time from 10ms to 10m\n"
         "f:7:47: services.s.health.rise is \"0\"; expected a number from 1 to 100\n"
         "f:7:56: services.s.health.fall is \"101\"; expected a number from 1 to 100\n"
         "f:7:68: services.s.health.start is \"1e3s\"; expected a time from 100ms to 1h\n"},
        {PROCESS "    timeout: { connect: -1s, try: 1y, response: 2d, idle: [], drain: }\n",
         "f:7:25: services.s.timeout.connect is \"-1s\"; expected a time from 1ms to 10m\n"
         "f:7:35: services.s.timeout.try is \"1y\"; expected a time from 0 to 1h\n"
         "f:7:49: services.s.timeout.response is \"2d\"; expected a time from 1ms to 1d\n"
         "f:7:59: services.s.timeout.idle is a list; expected a time from 1ms to 1d\n"
         "f:7:70: services.s.timeout.drain is empty; expected a time from 0 to 1d\n"},
        {PROCESS "    retry: { attempts: 11, budget: 20, on_500: yes }\n",
         "f:7:24: services.s.retry.attempts is \"11\"; expected a number from 0 to 10\n"
         "f:7:36: services.s.retry.budget is \"20\"; expected a share from 0% to 100%\n"
         "f:7:48: services.s.retry.on_500 is \"yes\"; expected true or false\n"},
        {GATEWAY "board: { services: 1.5, routes: -1 }",
         "f:2:20: board.services is \"1.5\"; expected a number from 1 to 1024\n"
         "f:2:33: board.routes is \"-1\"; expected a number from 1 to 4096\n"},
        {PROCESS "    replicas: 257\n", "f:7:15: services.s.replicas is \"257\"; expected a number "
                                        "from 1 to 256\n"});
}

static void words(void **state)
{
    (void)state;
    EXPECT_MESSAGES(
        {GATEWAY "store: postgres", "f:2:8: store is \"postgres\"; expected sqlite\n"},
        {GATEWAY "ports: 80-90",
         "f:2:8: ports is \"80-90\"; expected a range such as 20000-27999, from 1024 to 65535\n"},
        {GATEWAY "ports: 2000", "f:2:8: ports is \"2000\"; expected a range such as 20000-27999, "
                                "from 1024 to 65535\n"},
        {GATEWAY "ports: 3000-2000", "f:2:8: ports is \"3000-2000\"; expected a range such as "
                                     "20000-27999, from 1024 to 65535\n"},
        {GATEWAY "continuity: { target: 100, reference: month }",
         "f:2:23: continuity.target is \"100\"; expected a percentage between 0 and 100 such as "
         "99.99\n"
         "f:2:39: continuity.reference is \"month\"; expected year\n"},
        {GATEWAY "state: " /* 91 bytes */
                 "/xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
                 "xxxxxxxxxx",
         "f:2:8: state is \"/xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...\"; "
         "expected "
         "a path of at most 90 bytes in all: a unix socket is made in it\n"},
        {PROCESS "    stop: { signal: SIGTERM }\n",
         "f:7:21: services.s.stop.signal is \"SIGTERM\"; expected TERM, INT, QUIT, HUP, USR1, USR2 "
         "or KILL\n"},
        {PROCESS "    user: a b\n", "f:7:11: services.s.user is \"a b\"; expected a user's name\n"},
        {SERVICE ROUTE COMMAND "    version: 1/2\n",
         "f:6:14: services.s.version is \"1/2\"; expected a version of letters, digits and "
         "\"._+-\", at most 63\n"},
        {PROCESS "    versions: { 1.0.0: {}, a b: {} }\n",
         "f:7:28: services.s.versions has the name \"a b\"; expected a version of letters, digits "
         "and \"._+-\", at most 63\n"},
        {GATEWAY "services: { S: { route: [{}], instances: [\"1.1.1.1:80\"] } }",
         "f:2:13: services has the name \"S\"; expected a name of small letters, digits and '-', "
         "at "
         "most 63\n"});
}

static void commands(void **state)
{
#define ARGV "expected a list of texts such as [\"./orders\", \"--port\", \"{port}\"]\n"
    (void)state;
    EXPECT_MESSAGES(
        {SERVICE ROUTE VERSION "    command: ./s --port {port}\n",
         "f:6:14: services.s.command is \"./s --port {port}\"; " ARGV},
        {SERVICE ROUTE VERSION "    command: []\n", "f:6:14: services.s.command is a list; " ARGV},
        {SERVICE ROUTE VERSION "    command: [\"\", \"{port}\"]\n",
         "f:6:15: services.s.command[0] is empty; expected a text of at most 4096 bytes\n"},
        {SERVICE ROUTE VERSION "    command: [./s, [], \"{port}\"]\n",
         "f:6:20: services.s.command[1] is a list; expected a text of at most 4096 bytes\n"},
        {SERVICE ROUTE VERSION "    command: [./s, \"{prot}\"]\n",
         "f:6:20: services.s.command[1] has the unknown placeholder {prot}; expected {port}, "
         "{version}, {instance}, {node} or {service}\n"},
        {PROCESS "    release: { test: make test }\n",
         "f:7:22: services.s.release.test is \"make test\"; " ARGV});
}

static void routes(void **state)
{
#define PATH "expected a path such as /orders\n"
    (void)state;
    EXPECT_MESSAGES(
        {SERVICE COMMAND VERSION, "f:3:3: services.s.route is missing; expected a list of 1 to 256 "
                                  "routes such as [{ host: shop.example, path: /orders }]\n"},
        {SERVICE COMMAND VERSION "    route: [{ path: s }]\n",
         "f:6:21: services.s.route[0].path is \"s\"; " PATH},
        {SERVICE COMMAND VERSION "    route: [{ path: /s/ }]\n",
         "f:6:21: services.s.route[0].path ends with a slash; " PATH},
        {SERVICE COMMAND VERSION "    route: [{ path: \"/a%2db\" }]\n",
         "f:6:21: services.s.route[0].path has an escape that is not needed, or not in "
         "capitals; " PATH},
        {SERVICE COMMAND VERSION "    route: [{ host: \"a:80\" }]\n",
         "f:6:21: services.s.route[0].host has a port; expected a host name without a port such as "
         "shop.example\n"});
}

/* A value of the environment may be a secret: it is never repeated. */
static void environment(void **state)
{
#define TEXT                                                                                       \
    "expected a text of at most 32768 bytes, with no placeholders but {port}, {version}, "         \
    "{instance}, {node} or {service}"
    (void)state;
    EXPECT_MESSAGES(
        {PROCESS "    environment: { A: \"\", B: { file: f }, C: { value: x } }\n", ""},
        {PROCESS "    environment: [A]\n",
         "f:7:18: services.s.environment is a list; expected a map "
         "of at most 256 variables such as { MODE: fast }\n"},
        {PROCESS "    environment: { 1A: x }\n",
         "f:7:20: services.s.environment has the name \"1A\"; expected a name of letters, digits "
         "and '_', at most 128\n"},
        {PROCESS "    environment: { HOLDFAST_X: x }\n",
         "f:7:20: services.s.environment has the name \"HOLDFAST_X\", which is holdfast's own; "
         "expected a name of letters, digits and '_', at most 128\n"},
        {PROCESS "    environment: { A: \"secret{foo}\" }\n",
         "f:7:23: services.s.environment.A has the unknown placeholder {foo}; " TEXT "\n"},
        {PROCESS "    environment: { A: [secret] }\n",
         "f:7:23: services.s.environment.A is a list; " TEXT
         ", or a map with keys such as value\n"});
}

static bool same(const char *a, const char *b)
{
    return (!a && !b) || (a && b && strcmp(a, b) == 0);
}

static unsigned visited;

/* Each row of the table is whole: a test over all, so that a new row cannot forget a part. */
static void row_is_whole(const struct hf_section *section, const struct hf_row *row)
{
    HF_AUTOTEXT struct hf_text expected = {0};
    bool nested = row->type == HF_ROW_SECTION || row->type == HF_ROW_LATER;

    visited++;
    if ((!row->doc != nested) || (row->doc && row->doc[strlen(row->doc) - 1] != '.'))
        fail_msg("%s.%s has no doc line that ends with a point", section->title, row->name);
    for (const struct hf_row *other = section->rows; other < row; other++)
        assert_string_not_equal(other->name, row->name);
    hf_row_expected(row, &expected);
    assert_true(expected.n > 0);
    if (row->type == HF_ROW_LIST || row->type == HF_ROW_MAP || row->type == HF_ROW_CUSTOM)
        assert_non_null(row->expected);
    if (row->type == HF_ROW_MAP)
        assert_true(row->check && row->names);
    if (row->type == HF_ROW_LIST || row->type == HF_ROW_MAP)
        assert_true(row->section && row->section->size && row->count_offset > row->offset);
    if (row->type != HF_ROW_BOOL && row->type < HF_ROW_CHOICE)
        assert_true(row->least >= 0 && row->most > row->least);
    assert_true(!row->required || !row->fallback);
    assert_true(row->type != HF_ROW_CUSTOM || row->parse);
    assert_false(row->fallback && same(row->fallback, row->fallback_doc));
}

static void section_is_whole(const struct hf_section *section)
{
    for (size_t i = 0; i < section->n_rows; i++) {
        row_is_whole(section, &section->rows[i]);
        if (section->rows[i].section)
            section_is_whole(section->rows[i].section);
    }
}

static void table(void **state)
{
    (void)state;
    section_is_whole(&hf_section_root);
    assert_true(visited > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys),      cmocka_unit_test(not_yet),      cmocka_unit_test(shapes),
        cmocka_unit_test(instances), cmocka_unit_test(name_servers), cmocka_unit_test(addresses),
        cmocka_unit_test(numbers),   cmocka_unit_test(words),        cmocka_unit_test(commands),
        cmocka_unit_test(routes),    cmocka_unit_test(environment),  cmocka_unit_test(table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
