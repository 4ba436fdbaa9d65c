/* How values of different places have to fit together. */
#include "config_messages.h"

#define FIXED SERVICE ROUTE "    instances: [\"10.0.0.1:80\"]\n"

static void processes_or_instances(void **state)
{
#define EITHER(key)                                                                                \
    "services.s." key " is for processes, and services.s has instances; expected one of the two\n"
    (void)state;
    EXPECT_MESSAGES(
        {PROCESS, ""}, {FIXED, ""},
        {SERVICE ROUTE, "f:3:3: services.s has neither command and version nor "
                        "instances; expected one of the two\n"},
        {SERVICE ROUTE COMMAND, "f:3:3: services.s has a command but no version; expected both\n"},
        {SERVICE ROUTE VERSION, "f:3:3: services.s has a version but no command; expected both\n"},
        {SERVICE ROUTE VERSION "    versions: { 1.0.0: { command: [\"{port}\"] } }\n", ""},
        {SERVICE ROUTE VERSION "    versions: { 1.0.0: { command: [\"{port}\"] }, 1.1.0: {} }\n",
         "f:3:3: services.s has a version but no command; expected both\n"},
        {FIXED "    command: [\"{port}\"]\n    version: 1\n    versions: { 1: {} }\n"
               "    environment: {}\n    user: u\n    replicas: 2\n    release: {}\n   "
               " stop: {}\n"
               "    log: {}\n",
         "f:6:5: " EITHER("command") "f:7:5: " EITHER("version") "f:8:5: " EITHER(
             "vers"
             "ion"
             "s") "f:9:5: " EITHER("environment") "f:10:5: " EITHER("user") "f:11:5: " EITHER("repl"
                                                                                              "ica"
                                                                                              "s") "f:12:5: " EITHER("release") "f:13:"
                                                                                                                                "5:"
                                                                                                                                " " EITHER("stop") "f:14:5: " EITHER(
                                                                                                                                    "log")});
}

static void versions(void **state)
{
#define NO_PORT                                                                                    \
    "services.s.command has no {port}; expected it there or in environment, since each instance "  \
    "gets a port of its own\n"
    (void)state;
    EXPECT_MESSAGES(
        {PROCESS "    versions: { 1.1.0: {} }\n",
         "f:6:14: services.s.version is 1.0.0, which is not in versions; expected one of them\n"},
        {SERVICE ROUTE VERSION "    command: [./s]\n", "f:6:14: " NO_PORT},
        {SERVICE ROUTE VERSION "    command: [./s]\n    environment: { PORT: \"{port}\" }\n", ""},
        {PROCESS "    versions: { 1.0.0: {}, 1.1.0: { command: [x] } }\n", "f:7:46: " NO_PORT},
        {PROCESS "    versions: { 1.0.0: { environment: { A: {} } } }\n",
         "f:7:44: services.s.environment.A has neither value nor file; expected one of the two\n"},
        {PROCESS "    environment: { A: { value: x, file: f } }\n",
         "f:7:23: services.s.environment.A has both value and file; expected one of the two\n"});
}

static void policy(void **state)
{
    (void)state;
    EXPECT_MESSAGES(
        {PROCESS "    replicas: { min: 2, max: 2 }\n", ""},
        {PROCESS "    replicas: { min: 2, max: 1 }\n",
         "f:7:30: services.s.replicas.max is below min; expected 2\n"},
        {PROCESS "    health: { tcp: true }\n", ""},
        {PROCESS "    health: { path: /r, tcp: false }\n", ""},
        {PROCESS "    health: { path: /r, tcp: true }\n",
         "f:7:15: services.s.health.path is given, and tcp is true; expected one of the two\n"},
        {PROCESS "    eject: { time: 10m }\n", "f:7:5: services.s.eject.time is 10m, and eject.max "
                                               "5m; expected a time of at most that\n"},
        {PROCESS "    eject: { max: 1500ms }\n",
         "f:7:5: services.s.eject.time is 10s, and eject.max 1500ms; expected a time of at most "
         "that\n"},
        {PROCESS "    release: { smoke: [{}, { get: /a, post: /b }, { post: /b }] }\n",
         "f:7:24: services.s.release.smoke[0] has neither get, post nor grpc; expected one of the "
         "three\n"
         "f:7:28: services.s.release.smoke[1] has both get and post; expected one of the three\n"},
        {PROCESS "    protocol: h2\n    proxy_protocol: v2\n    upgrade: websocket\n",
         "f:8:5: services.s.proxy_protocol is given, and the connections of protocol h2 are shared "
         "by clients; expected one of the two\n"
         "f:9:5: services.s.upgrade is websocket, and protocol not http1; expected off\n"},
        {PROCESS "    protocol: h2\n    upgrade: off\n    health: { grpc: true }\n", ""},
        {PROCESS "    protocol: grpc\n    health: { path: /r }\n    retry: { grpc: true }\n", ""},
        {PROCESS "    health: { grpc: true }\n",
         "f:7:15: services.s.health.grpc is true, and protocol is http1; expected protocol: "
         "grpc\n"},
        {PROCESS "    protocol: grpc\n    health: { grpc: true, tcp: true }\n",
         "f:8:15: services.s.health.grpc is true, and tcp is too; expected one of them\n"},
        {PROCESS "    protocol: grpc\n    health: { grpc: true, path: /r }\n",
         "f:8:15: services.s.health.grpc is true, and path is given too; expected one of them\n"},
        {PROCESS "    release: { smoke: [{ grpc: /a.B/C }, { get: /a, expect: 0 }] }\n",
         "f:7:26: services.s.release.smoke[0].grpc is given, and protocol is http1; expected "
         "protocol: grpc\n"
         "f:7:61: services.s.release.smoke[1].expect is 0; expected a status from 100 to 599\n"},
        {PROCESS
         "    protocol: grpc\n"
         "    release: { smoke: [{ grpc: /a.B/C, expect: 5 }, { grpc: /a, expect: 17 }] }\n",
         "f:8:73: services.s.release.smoke[1].expect is 17; expected a grpc-status from 0 to 16\n"},
        {"gateway: { listen: [\"1.1.1.1:80\"], limits: { line: 20000, head: 10000 } }",
         "f:1:52: gateway.limits.line is above gateway.limits.head, which is 10000; expected it to "
         "be at most that\n"});
}

static void routes(void **state)
{
    (void)state;
    EXPECT_MESSAGES(
        {GATEWAY
         "services:\n"
         "  a:\n    route: [{ path: /x }]\n    instances: [\"10.0.0.1:80\"]\n"
         "  b:\n    route: [{ path: /y }, { path: /x }]\n    instances: [\"10.0.0.1:80\"]\n",
         "f:7:27: services.b.route /x is a route of services.a at 4:13 already; expected one "
         "owner\n"},
        {SERVICE COMMAND VERSION "    route: [{ host: A.b, path: /s }, { path: /s }, { host: a.B, "
                                 "path: /s }]\n",
         "f:6:52: services.s.route a.b/s is a route of services.s at 6:13 already; expected one "
         "owner\n"},
        {SERVICE ROUTE "    instances: [\"10.0.0.1:80\", \"10.0.0.1:81\", { address: "
                       "\"10.0.0.1:80\" }]\n",
         "f:5:47: services.s.instances[2] is instances[0] again; expected each once\n"},
        {SERVICE ROUTE "    instances: [\"a.b:80\", \"a.b:81\", \"A.b:80\", \"10.0.0.1:80\"]\n",
         "f:5:37: services.s.instances[2] is instances[0] again; expected each once\n"});
}

static void redirects(void **state)
{
    (void)state;
    EXPECT_MESSAGES(
        {SERVICE
         "    instances: [\"10.0.0.1:80\"]\n    route: [{ rewrite: / }, { path: /a, redirect: "
         "\"https://{host}{path}\", status: 301 }]\n",
         ""},
        {SERVICE "    instances: [\"10.0.0.1:80\"]\n    route: [{ path: /a }, { path: /b, rewrite: "
                 "/c, redirect: /d }]\n",
         "f:5:39: services.s.route[1] has both rewrite and redirect; expected one of the two\n"},
        {SERVICE "    instances: [\"10.0.0.1:80\"]\n    route: [{ path: /a, status: 301 }]\n",
         "f:5:25: services.s.route[0].status is for a redirect; expected redirect beside it\n"});
}

static void proxy_protocol(void **state)
{
    (void)state;
    EXPECT_MESSAGES(
        {"gateway: { listen: [{ address: \"1.1.1.1:80\", proxy_protocol: true }], "
         "trusted_proxies: [10.0.0.0/8] }",
         ""},
        {"gateway: { listen: [\"1.1.1.1:80\", { address: \"1.1.1.1:81\", proxy_protocol: true }] }",
         "f:1:35: gateway.listen[1].proxy_protocol is true, and nobody may send its header; "
         "expected gateway.trusted_proxies\n"},
        {FIXED "    protocol: h2\n    proxy_protocol: off\n", ""},
        {FIXED "    protocol: grpc\n    proxy_protocol: v2\n",
         "f:7:5: services.s.proxy_protocol is given, and the connections of protocol grpc are "
         "shared by clients; expected one of the two\n"});
}

static void listeners(void **state)
{
    (void)state;
    EXPECT_MESSAGES(
        {"gateway: { listen: [\"0.0.0.0:8080\", \"[::]:8080\", \"127.0.0.1:8081\"] }", ""},
        {"gateway: { listen: [\"1.1.1.1:8080\", \"1.1.1.1:8080\"] }",
         "f:1:37: gateway.listen[1] collides with gateway.listen[0], which is 1.1.1.1:8080; "
         "expected another address or port\n"},
        {"gateway: { listen: [\"127.0.0.1:8080\", \"0.0.0.0:8080\"] }",
         "f:1:39: gateway.listen[1] collides with gateway.listen[0], which is 127.0.0.1:8080; "
         "expected another address or port\n"},
        {"gateway: { listen: [\"[::]:8080\", \"[::1]:8080\"] }",
         "f:1:34: gateway.listen[1] collides with gateway.listen[0], which is [::]:8080; expected "
         "another address or port\n"},
        {"gateway: { listen: [\"0.0.0.0:8400\"] }",
         "f:1:21: gateway.listen[0] collides with admin.listen, which is 127.0.0.1:8400; expected "
         "another address or port\n"},
        {PROCESS "ports: 8000-8100\n",
         "f:1:21: gateway.listen[0] has port 8080, which is one of the instances'; expected one "
         "outside of ports 8000-8100\n"},
        {FIXED "ports: 8000-8100\n", ""});
}

static void capacities(void **state)
{
#define ROOM "; expected more room there, or fewer services\n"
    (void)state;
    EXPECT_MESSAGES(
        {GATEWAY "board: { services: 1, endpoints: 5, routes: 1 }\nports: 20000-20002\nservices:\n"
                 "  s:\n" ROUTE COMMAND VERSION "    replicas: 2\n"
                 "  t:\n    route: [{ path: /t }]\n"
                 "    instances: [\"10.0.0.1:80\", \"10.0.0.2:80\"]\n",
         "f:4:1: services need 2 routes, and board.routes has room for 1" ROOM
         "f:4:1: services need 2 services, and board.services has room for 1" ROOM
         "f:4:1: services need 4 ports, and ports has room for 3" ROOM
         "f:4:1: services need 6 endpoints, and board.endpoints has room for 5" ROOM},
        {PROCESS "board: { services: 1, endpoints: 2, routes: 1 }\nports: 20000-20001\n", ""},
        {SERVICE ROUTE "    instances: [\"10.0.0.1:80\", \"a.b:80\"]\nboard: { endpoints: 17 }\n",
         ""},
        {SERVICE ROUTE "    instances: [\"10.0.0.1:80\", \"a.b:80\"]\nboard: { endpoints: 16 }\n",
         "f:2:1: services need 17 endpoints, and board.endpoints has room for 16" ROOM});
}

static void no_more_than_20(void **state)
{
    HF_AUTOTEXT struct hf_text yaml = {0};
    struct hf_config_errors errors;
    struct hf_config *c = NULL;

    (void)state;
    hf_text_add(&yaml, HF_STR(GATEWAY));
    for (int i = 0; i < 30; i++)
        hf_text_addf(&yaml, "key%d: 1\n", i);
    assert_int_equal(hf_config_parse("f", hf_text_str(&yaml), &c, &errors), HF_EINVAL);
    assert_int_equal(errors.n, HF_CONFIG_ERRORS);
    assert_int_equal(errors.total, 30);
    assert_null(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(processes_or_instances),
        cmocka_unit_test(versions),
        cmocka_unit_test(policy),
        cmocka_unit_test(routes),
        cmocka_unit_test(redirects),
        cmocka_unit_test(proxy_protocol),
        cmocka_unit_test(listeners),
        cmocka_unit_test(capacities),
        cmocka_unit_test(no_more_than_20),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
