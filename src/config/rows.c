/* The table: every key of the file, once. What is left out of a row is zero: no bound, no default,
 * not required, changed by a reload. Keys of HF_ROW_LATER are refused by name. */
#include <assert.h>
#include <stddef.h>

#include "board/handover.h"
#include "board/plan.h"
#include "config/custom.h"
#include "config/schema.h"
#include "config/user.h"
#include "config/values.h"
#include "net/tls_bundle.h"

#define FIELD(type, field) .offset = offsetof(type, field)
#define ARRAY(type, field, count)                                                                  \
    .offset = offsetof(type, field), .count_offset = offsetof(type, count)
#define WITHIN(a, b) .least = a, .most = b
#define ROWS(array) .rows = array, .n_rows = HF_COUNT(array)
#define ELEMENT(type)                                                                              \
    static_assert(offsetof(type, name) == offsetof(struct hf_element, name) &&                     \
                      offsetof(type, place) == offsetof(struct hf_element, place),                 \
                  #type " begins as struct hf_element")

#define KIB (INT64_C(1) << 10)
#define MIB (INT64_C(1) << 20)
#define GIB (INT64_C(1) << 30)
#define SECOND INT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

#define EXPECTED_NAME "a name of small letters, digits and '-', at most 63"
#define EXPECTED_NODE "a name of small letters, digits and '-', at most 32"
#define EXPECTED_VARIABLE "a name of letters, digits and '_', at most 128"
#define EXPECTED_VERSION "a version of letters, digits and \"._+-\", at most 63"
#define EXPECTED_ARGV "a list of texts such as [\"./orders\", \"--port\", \"{port}\"]"
#define EXPECTED_PLACEHOLDER "{port}, {version}, {instance}, {node} or {service}"
#define EXPECTED_INSTANCE                                                                          \
    "a host and port such as \"10.0.0.1:80\", \"[::1]:80\" or \"orders.example:80\""
#define EXPECTED_PATH "a path such as /orders"

ELEMENT(struct hf_config_listener);
ELEMENT(struct hf_config_certificate);
ELEMENT(struct hf_config_node);
ELEMENT(struct hf_config_route);
ELEMENT(struct hf_config_variable);
ELEMENT(struct hf_config_version);
ELEMENT(struct hf_config_instance);
ELEMENT(struct hf_config_smoke);
ELEMENT(struct hf_config_service);

/* --- the node part --- */

static const struct hf_row admin_rows[] = {
    {"listen", HF_ROW_ADDRESS, FIELD(struct hf_config, admin.listen), .fallback = "127.0.0.1:8400",
     .restart = true, .doc = "Where the admin API listens, beside the socket `STATE/admin.sock`."},
    {"tokens", HF_ROW_LATER},
};
static const struct hf_section admin_section = {
    .title = "admin", .doc = "The API for people and programs.", ROWS(admin_rows)};

#define PEM_FILE                                                                                   \
    .parse = hf_custom_file, .most = HF_PATH_SIZE - 1, .expected = "the path of a PEM file"

static const struct hf_row certificate_rows[] = {
    {"certificate", HF_ROW_CUSTOM, FIELD(struct hf_config_certificate, certificate), PEM_FILE,
     .required = true,
     .doc = "The certificate, and behind it those that lead to a known authority."},
    {"key", HF_ROW_CUSTOM, FIELD(struct hf_config_certificate, key), PEM_FILE, .required = true,
     .doc = "Its private key, without a passphrase."},
};
static const struct hf_section certificate_section = {.title =
                                                          "gateway.listen[].tls.certificates[]",
                                                      .doc = "A further certificate.",
                                                      ROWS(certificate_rows),
                                                      .size = sizeof(struct hf_config_certificate)};

#define TLS(field) FIELD(struct hf_config_tls, field)
static const char *const verifies[] = {"optional", "required", NULL};
static const struct hf_row tls_client_rows[] = {
    {"ca", HF_ROW_CUSTOM, TLS(client.ca), PEM_FILE, .required = true,
     .doc = "The authorities by which clients' certificates have to be signed."},
    {"verify", HF_ROW_CHOICE, TLS(client.verify), .choices = verifies, .fallback = "required",
     .doc = "optional: a client may also come without one."},
};
static const struct hf_section tls_client_section = {
    .title = "gateway.listen[].tls.client",
    .doc = "Clients show certificates too. Who they are then - the first URI or DNS name in it, "
           "else its common name - reaches the instances as `x-client-subject`; a client's own "
           "field of that name never does.",
    ROWS(tls_client_rows)};

static const char *const tls_versions[] = {[HF_TLS_1_2] = "1.2", [HF_TLS_1_3] = "1.3", NULL};
static const struct hf_row tls_rows[] = {
    {"certificate", HF_ROW_CUSTOM, TLS(certificate), PEM_FILE,
     .doc = "The certificate, and behind it those that lead to a known authority. It is shown to "
            "clients that ask for none of the names in any certificate."},
    {"key", HF_ROW_CUSTOM, TLS(key), PEM_FILE, .doc = "Its private key, without a passphrase."},
    {"certificates", HF_ROW_LIST, ARRAY(struct hf_config_tls, certificates, n_certificates),
     WITHIN(1, HF_TLS_CERTIFICATES - 1), .section = &certificate_section,
     .expected = "a list of 1 to 63 maps such as [{ certificate: a.pem, key: a.key }]",
     .doc = "More of them. A client gets the one that has the name it asks for, else the one with "
            "a wildcard over it; of two with the same names and keys of two kinds, the one it "
            "understands."},
    {"client", HF_ROW_SECTION, .section = &tls_client_section},
    {"minimum", HF_ROW_CHOICE, TLS(minimum), .choices = tls_versions, .fallback = "1.2",
     .doc = "The lowest version of TLS."},
    {"http2", HF_ROW_BOOL, TLS(http2), .fallback = "true", .doc = "Offer HTTP/2 beside HTTP/1.1."},
};
static const struct hf_section tls_section = {
    .title = "gateway.listen[].tls",
    .doc = "Clients speak TLS here. The files are looked at once a minute, and at every reload: "
           "what has changed comes into force without a reload of anything else, and what is wrong "
           "changes nothing. Sessions are resumed across restarts of the gateway and upgrades.",
    ROWS(tls_rows)};

static const struct hf_row listener_rows[] = {
    {"address", HF_ROW_ADDRESS, FIELD(struct hf_config_listener, address), .required = true,
     .doc = "Where the gateway listens."},
    {"tls", HF_ROW_SECTION, FIELD(struct hf_config_listener, tls), .section = &tls_section},
    {"proxy_protocol", HF_ROW_BOOL, FIELD(struct hf_config_listener, proxy_protocol),
     .fallback = "false",
     .doc =
         "Each connection begins with a header of the PROXY protocol, version 1 or 2, which says "
         "who the client is; it is taken from `gateway.trusted_proxies` alone. A connection "
         "without a valid one, or from elsewhere, is closed."},
};
static const struct hf_section listener_section = {
    .title = "gateway.listen[]",
    .doc = "One listening socket; in short, its address alone.",
    ROWS(listener_rows),
    .size = sizeof(struct hf_config_listener),
    .shorthand = "address"};

#define LIMIT(field) FIELD(struct hf_config_limits, field)
static const struct hf_row limits_rows[] = {
    {"line", HF_ROW_COUNT, LIMIT(line), WITHIN(256, 65536), .fallback = "8192",
     .doc = "Bytes of a request's first line; beyond: 414."},
    {"head", HF_ROW_COUNT, LIMIT(head), WITHIN(1024, 98304), .fallback = "32768",
     .doc = "Bytes of a request's whole head; beyond: 431."},
    {"fields", HF_ROW_COUNT, LIMIT(fields), WITHIN(8, 100), .fallback = "100",
     .doc = "Header fields of a request; beyond: 431."},
    {"body", HF_ROW_BYTES, LIMIT(body), WITHIN(0, 1024 * GIB), .fallback = "0",
     .doc = "Size of a request's body; beyond: 413. 0: no limit."},
    {"connections", HF_ROW_COUNT, LIMIT(connections), WITHIN(16, 1000000), .fallback = "10000",
     .doc = "Connections of clients that one worker keeps at once. Beyond, the one that has waited "
            "longest for a request gives way, after 1s; where none has, new ones wait."},
    {"buffers", HF_ROW_BYTES, LIMIT(buffers), WITHIN(8 * MIB, 1024 * GIB), .fallback = "256MiB",
     .doc = "Memory of one worker for what cannot go on yet: unfinished heads, bodies that are "
            "kept, responses that a client does not take. Beyond three quarters: 503."},
};
static const struct hf_section limits_section = {
    .title = "gateway.limits", .doc = "What a client may send.", ROWS(limits_rows)};

static const char *const switches[] = {
    [HF_SANDBOX_ON] = "on", [HF_SANDBOX_OFF] = "off", [HF_SANDBOX_OFF + 1] = NULL};

#define HTTP2(field) FIELD(struct hf_config_http2, field)
static const struct hf_row http2_rows[] = {
    {"streams", HF_ROW_COUNT, HTTP2(streams), WITHIN(1, 1000), .fallback = "100",
     .doc = "Requests that a connection may have under way at once; more are refused. One worker "
            "has at most as many as `limits.connections`."},
    {"resets", HF_ROW_COUNT, HTTP2(resets), WITHIN(10, 100000), .fallback = "200",
     .doc = "Requests that a client may give up, or spoil, in a burst; each that is answered earns "
            "one more, each second a tenth of it. Beyond: the connection ends with "
            "ENHANCE_YOUR_CALM."},
};
static const struct hf_section http2_section = {
    .title = "gateway.http2",
    .doc = "HTTP/2 of clients: over TLS by ALPN, in cleartext by prior knowledge.",
    ROWS(http2_rows)};

#define GATEWAY(field) FIELD(struct hf_config_gateway, field)
static const struct hf_row gateway_timeout_rows[] = {
    {"header", HF_ROW_DURATION, GATEWAY(timeout.header), WITHIN(100, 10 * MINUTE),
     .fallback = "10s", .doc = "From a request's first byte to the end of its head; beyond: 408."},
    {"idle", HF_ROW_DURATION, GATEWAY(timeout.idle), WITHIN(100, HOUR), .fallback = "60s",
     .doc = "How long a connection is kept between two requests."},
    {"body", HF_ROW_DURATION, GATEWAY(timeout.body), WITHIN(100, HOUR), .fallback = "30s",
     .doc = "How long a client may neither send nor take a byte within a message."},
};
static const struct hf_section gateway_timeout_section = {
    .title = "gateway.timeout", .doc = "How long clients may take.", ROWS(gateway_timeout_rows)};

static const char *const forwarded[] = {[HF_CONFIG_FORWARDED_X] = "x-forwarded",
                                        [HF_CONFIG_FORWARDED_RFC7239] = "rfc7239",
                                        [HF_CONFIG_FORWARDED_BOTH] = "both",
                                        NULL};

static const struct hf_row trace_rows[] = {
    {"start", HF_ROW_BOOL, GATEWAY(trace.start), .fallback = "false",
     .doc = "The gateway is a step in each trace: `traceparent` gets a parent id of its own, which "
            "the access log shows, and a request without one begins a trace. If not, a valid one "
            "passes as it is. One that is not valid never passes."},
    {"sample", HF_ROW_SHARE, GATEWAY(trace.sample), WITHIN(0, 10000), .fallback = "100%",
     .doc = "Share of the traces begun here that are marked as sampled; what instances do not find "
            "marked, most do not record."},
};
static const struct hf_section trace_section = {
    .title = "gateway.trace", .doc = "W3C Trace Context.", ROWS(trace_rows)};

static const struct hf_row gateway_rows[] = {
    {"listen", HF_ROW_LIST, ARRAY(struct hf_config_gateway, listen, n_listen),
     WITHIN(1, HF_LISTENERS_MAX), .required = true, .section = &listener_section,
     .expected = "a list of 1 to 16 addresses such as [\"0.0.0.0:8080\"]",
     .doc = "Where users are served."},
    {"workers", HF_ROW_COUNT, GATEWAY(workers), WITHIN(1, HF_BOARD_WORKERS_MAX), .word = "auto",
     .fallback = "auto", .doc = "Threads of the gateway; auto: one for each processor."},
    {"access_log", HF_ROW_FILE, GATEWAY(access_log), .most = HF_PATH_SIZE - 1, .word = "off",
     .fallback_doc = "STATE/access.log",
     .doc = "The file that gets one JSON line for each request."},
    {"access_log_size", HF_ROW_BYTES, GATEWAY(access_log_size), WITHIN(64 * KIB, 1024 * GIB),
     .fallback = "100MiB", .doc = "Size at which the access log is rotated."},
    {"trusted_proxies", HF_ROW_CUSTOM,
     ARRAY(struct hf_config_gateway, trusted_proxies, n_trusted_proxies),
     .parse = hf_custom_networks, .fallback_doc = "[]",
     .expected = "a list of at most 32 networks such as [10.0.0.0/8]",
     .doc =
         "Networks whose `x-forwarded-*` and `forwarded` fields are kept and added to, and whose "
         "PROXY protocol headers are believed; from others the fields are replaced. With the "
         "PROXY protocol, the address in the header counts for the fields."},
    {"forwarded", HF_ROW_CHOICE, GATEWAY(forwarded), .choices = forwarded,
     .fallback = "x-forwarded",
     .doc = "The fields that tell instances about the client: `x-forwarded-for`, `-host` and "
            "`-proto`, or `forwarded` of RFC 7239, or both."},
    {"trace", HF_ROW_SECTION, .section = &trace_section},
    {"limits", HF_ROW_SECTION, GATEWAY(limits), .section = &limits_section},
    {"http2", HF_ROW_SECTION, GATEWAY(http2), .section = &http2_section},
    {"timeout", HF_ROW_SECTION, .section = &gateway_timeout_section},
    {"lame_duck", HF_ROW_DURATION, GATEWAY(lame_duck), WITHIN(0, 10 * MINUTE), .fallback = "0",
     .doc = "How long a stopping gateway still accepts while it says that it is not ready."},
    {"drain", HF_ROW_DURATION, GATEWAY(drain), WITHIN(0, HOUR), .fallback = "30s",
     .doc = "How long a stopping gateway waits for the requests in flight."},
    {"drain_timeout", HF_ROW_DURATION, GATEWAY(drain_timeout), WITHIN(0, DAY), .fallback = "0",
     .doc =
         "How long a gateway that was replaced, by an upgrade or a reload that needs another one, "
         "may take to finish its connections and tunnels before they are cut; 0: until the last "
         "has ended."},
    {"user", HF_ROW_TEXT, GATEWAY(user), WITHIN(1, 32), .check = hf_gateway_user_check,
     .restart = true, .fallback_doc = "nobody",
     .expected = "a user of this machine, by name or number, who is not root",
     .doc = "Who the gateway is, where holdfast is started as root."},
    {"sandbox", HF_ROW_CHOICE, GATEWAY(sandbox), .choices = switches, .fallback = "on",
     .restart = true,
     .doc =
         "off: the gateway keeps the rights that it was started with, and `user` does not count; "
         "for debuggers."},
};
static const struct hf_section gateway_section = {
    .title = "gateway", .doc = "What faces the users.", ROWS(gateway_rows)};

#define BOARD(field) FIELD(struct hf_config, board.field)
static const struct hf_row board_rows[] = {
    {"services", HF_ROW_COUNT, BOARD(services), WITHIN(1, HF_BOARD_SERVICES_MAX), .fallback = "64",
     .restart = true, .doc = "Services there is room for."},
    {"endpoints", HF_ROW_COUNT, BOARD(endpoints), WITHIN(1, HF_BOARD_ENDPOINTS_MAX),
     .fallback = "256", .restart = true,
     .doc = "Instances there is room for: fixed ones count once, host names 16 times, processes "
            "twice, since a release starts the new beside the old."},
    {"routes", HF_ROW_COUNT, BOARD(routes), WITHIN(1, HF_BOARD_ROUTES_MAX), .fallback = "256",
     .restart = true, .doc = "Routes there is room for."},
};
static const struct hf_section board_section = {
    .title = "board",
    .doc = "Capacities of the memory that the processes share; exceeding one refuses the "
           "configuration.",
    ROWS(board_rows)};

/* --- the fleet part --- */

static const struct hf_section node_section = {
    .title = "nodes.NAME", .doc = "A node has no keys.", .size = sizeof(struct hf_config_node)};

static const struct hf_row dns_rows[] = {
    {"servers", HF_ROW_CUSTOM, ARRAY(struct hf_config, dns.servers, dns.n_servers),
     .parse = hf_custom_servers, .fallback_doc = "those of /etc/resolv.conf",
     .expected = "a list of 1 to 8 addresses such as [\"127.0.0.1:8600\"]",
     .doc = "Name servers to ask."},
    {"interval", HF_ROW_DURATION, FIELD(struct hf_config, dns.interval), WITHIN(SECOND, HOUR),
     .fallback = "30s",
     .doc = "How often each name is asked for again; at most 5s after a lookup that failed."},
};
static const struct hf_section dns_section = {
    .title = "dns",
    .doc = "How the host names in `services.NAME.instances` are looked up, after /etc/hosts. New "
           "addresses are added, and those that are gone are drained. A lookup that fails, or that "
           "finds no address, changes nothing: what was known stays.",
    ROWS(dns_rows)};

#define CONTINUITY(field) FIELD(struct hf_config_continuity, field)
static const char *const references[] = {[HF_REFERENCE_YEAR] = "year", NULL};
static const struct hf_row continuity_rows[] = {
    {"target", HF_ROW_CUSTOM, CONTINUITY(target), .parse = hf_custom_target, .fallback = "99.99",
     .expected = "a percentage between 0 and 100 such as 99.99",
     .doc = "The availability that reports are held against, in percent."},
    {"reference", HF_ROW_CHOICE, CONTINUITY(reference), .choices = references, .fallback = "year",
     .doc = "The time that the target is meant for."},
};
static const struct hf_section continuity_section = {
    .title = "continuity", .doc = "The promise of the whole.", ROWS(continuity_rows)};

static const char *const redirects[] = {
    [HF_REDIRECT_301] = "301", [HF_REDIRECT_302] = "302", [HF_REDIRECT_303] = "303",
    [HF_REDIRECT_307] = "307", [HF_REDIRECT_308] = "308", NULL};

static const struct hf_row route_rows[] = {
    {"host", HF_ROW_TEXT, FIELD(struct hf_config_route, host), WITHIN(0, 253),
     .check = hf_host_check, .fallback = "",
     .expected = "a host name without a port such as shop.example", .fallback_doc = "any",
     .doc = "The host, without port."},
    {"path", HF_ROW_TEXT, FIELD(struct hf_config_route, path), WITHIN(1, 1024),
     .check = hf_prefix_check, .fallback = "/", .expected = EXPECTED_PATH,
     .doc = "The path, and all below it; the longest that fits wins."},
    {"rewrite", HF_ROW_TEXT, FIELD(struct hf_config_route, rewrite), WITHIN(1, 1024),
     .check = hf_prefix_check, .expected = EXPECTED_PATH,
     .doc = "What instances see in place of `path`, which they find in `x-forwarded-prefix`."},
    {"redirect", HF_ROW_TEXT, FIELD(struct hf_config_route, redirect), WITHIN(1, 1024),
     .check = hf_redirect_check,
     .expected = "a location such as https://shop.example/new or https://{host}{path}",
     .doc =
         "Where the client is sent, in place of an instance's answer. {host} is the host that it "
         "has asked, {path} the path and query, {rest} what follows `path` in them. Who is there "
         "already is served: so https://{host}{path} is for those who come without TLS."},
    {"status", HF_ROW_CHOICE, FIELD(struct hf_config_route, status), .choices = redirects,
     .fallback = "308", .doc = "Status of the redirect."},
};
static const struct hf_section route_section = {
    .title = "services.NAME.route[]",
    .doc = "Requests for this host and path are the service's.",
    ROWS(route_rows),
    .size = sizeof(struct hf_config_route)};

static const struct hf_row variable_rows[] = {
    {"value", HF_ROW_TEXT, FIELD(struct hf_config_variable, value), WITHIN(0, 32768),
     .check = hf_template_check, .secret = true,
     .expected = "a text of at most 32768 bytes, with no placeholders but " EXPECTED_PLACEHOLDER,
     .doc = "The value; placeholders as in `command`."},
    {"file", HF_ROW_FILE, FIELD(struct hf_config_variable, file), .most = HF_PATH_SIZE - 1,
     .doc = "A file whose content is the value: a secret, shown nowhere."},
};
static const struct hf_section variable_section = {.title = "services.NAME.environment.VARIABLE",
                                                   .doc =
                                                       "One of the two; in short, the value alone.",
                                                   ROWS(variable_rows),
                                                   .size = sizeof(struct hf_config_variable),
                                                   .shorthand = "value"};

#define ENVIRONMENT(type)                                                                          \
    {                                                                                              \
        "environment", HF_ROW_MAP, ARRAY(type, environment, n_environment), WITHIN(0, 256),        \
            .section = &variable_section, .check = hf_variable_name_check,                         \
            .names = EXPECTED_VARIABLE,                                                            \
            .expected = "a map of at most 256 variables such as { MODE: fast }",                   \
            .doc = "Environment of the instances, beside holdfast's own variables."                \
    }

static const struct hf_row version_rows[] = {
    {"directory", HF_ROW_FILE, FIELD(struct hf_config_version, directory), .most = HF_PATH_SIZE - 1,
     .fallback = ".", .doc = "Where its command runs."},
    {"command", HF_ROW_CUSTOM, FIELD(struct hf_config_version, command), .parse = hf_custom_argv,
     .expected = EXPECTED_ARGV, .fallback_doc = "the service's", .doc = "Its own command."},
    ENVIRONMENT(struct hf_config_version),
};
static const struct hf_section version_section = {
    .title = "services.NAME.versions.VERSION",
    .doc = "How to run this version. Its environment is laid over the service's.",
    ROWS(version_rows),
    .size = sizeof(struct hf_config_version)};

static const struct hf_row instance_rows[] = {
    {"address", HF_ROW_CUSTOM, FIELD(struct hf_config_instance, address), .required = true,
     .parse = hf_custom_instance, .expected = EXPECTED_INSTANCE,
     .doc = "Where it listens. A host name stands for its addresses, at most 16: the IPv4 ones, or "
            "where there is none the IPv6 ones; see `dns`."},
    {"weight", HF_ROW_COUNT, FIELD(struct hf_config_instance, weight), WITHIN(1, 1000),
     .fallback = "100",
     .doc = "Its share of the requests, relative to the others'; of a name: each address's."},
};
static const struct hf_section instance_section = {
    .title = "services.NAME.instances[]",
    .doc = "One address, or one host name; in short, that alone.",
    ROWS(instance_rows),
    .size = sizeof(struct hf_config_instance),
    .shorthand = "address"};

#define SERVICE(field) FIELD(struct hf_config_service, field)

static const struct hf_row replicas_rows[] = {
    {"min", HF_ROW_COUNT, SERVICE(replicas.min), WITHIN(1, 256), .fallback = "1",
     .doc = "Instances that shall run, spread over the nodes."},
    {"max", HF_ROW_COUNT, SERVICE(replicas.max), WITHIN(1, 256), .fallback_doc = "min",
     .doc = "As many as min: there is no autoscaling yet."},
};
static const struct hf_section replicas_section = {.title = "services.NAME.replicas",
                                                   .doc = "How many; in short, the number alone.",
                                                   ROWS(replicas_rows),
                                                   .shorthand = "min"};

static const struct hf_row health_rows[] = {
    {"path", HF_ROW_TEXT, SERVICE(health.path), WITHIN(1, 2048), .check = hf_url_path_check,
     .expected = "a path such as /-/ready", .fallback_doc = "/-/ready",
     .doc = "What is asked for; a 2xx answer is good."},
    {"tcp", HF_ROW_BOOL, SERVICE(health.tcp), .fallback = "false",
     .doc = "A connection is enough, nothing is asked."},
    {"grpc", HF_ROW_BOOL, SERVICE(health.grpc), .fallback_doc = "true with `protocol: grpc`",
     .doc = "`grpc.health.v1.Health/Check` is asked; SERVING is good."},
    {"service", HF_ROW_TEXT, SERVICE(health.grpc_service), WITHIN(0, 255), .fallback = "",
     .expected = "a name such as shop.Orders",
     .doc = "The gRPC service that is asked about; empty: the server as a whole."},
    {"interval", HF_ROW_DURATION, SERVICE(health.interval), WITHIN(100, HOUR), .fallback = "1s",
     .doc = "Time between two checks of an instance, with some jitter."},
    {"timeout", HF_ROW_DURATION, SERVICE(health.timeout), WITHIN(10, 10 * MINUTE), .fallback = "1s",
     .doc = "How long an answer may take."},
    {"rise", HF_ROW_COUNT, SERVICE(health.rise), WITHIN(1, 100), .fallback = "2",
     .doc = "Good checks in a row that make an instance ready."},
    {"fall", HF_ROW_COUNT, SERVICE(health.fall), WITHIN(1, 100), .fallback = "3",
     .doc = "Failed checks in a row that eject it."},
    {"start", HF_ROW_DURATION, SERVICE(health.start), WITHIN(100, HOUR), .fallback = "30s",
     .doc = "How long a started process may take to become ready; then it has failed."},
};
static const struct hf_section health_section = {
    .title = "services.NAME.health",
    .doc = "How it is found out whether an instance serves.",
    ROWS(health_rows)};

static const struct hf_row timeout_rows[] = {
    {"connect", HF_ROW_DURATION, SERVICE(timeout.connect), WITHIN(1, 10 * MINUTE), .fallback = "1s",
     .doc = "To connect to an instance."},
    {"try", HF_ROW_DURATION, SERVICE(timeout.try), WITHIN(0, HOUR), .fallback = "2s",
     .doc = "To the first byte of an answer, before an idempotent request is tried elsewhere. "
            "0: off."},
    {"response", HF_ROW_DURATION, SERVICE(timeout.response), WITHIN(1, DAY), .fallback = "30s",
     .doc = "To the first byte of an answer, over all attempts; beyond: 504."},
    {"idle", HF_ROW_DURATION, SERVICE(timeout.idle), WITHIN(1, DAY), .fallback = "60s",
     .doc = "How long an instance may neither send nor take a byte within a message."},
    {"tunnel", HF_ROW_DURATION, SERVICE(timeout.tunnel), WITHIN(100, DAY), .fallback = "1h",
     .doc = "How long a WebSocket, or another tunnel, may be without a byte; then it is ended."},
    {"drain", HF_ROW_DURATION, SERVICE(timeout.drain), WITHIN(0, DAY), .fallback = "30s",
     .doc = "How long a stop waits for the requests in flight at the instance."},
};
static const struct hf_section timeout_section = {
    .title = "services.NAME.timeout", .doc = "How long instances may take.", ROWS(timeout_rows)};

static const struct hf_row retry_rows[] = {
    {"attempts", HF_ROW_COUNT, SERVICE(retry.attempts), WITHIN(0, 10), .fallback = "2",
     .doc = "Attempts beyond the first. 0: off."},
    {"budget", HF_ROW_SHARE, SERVICE(retry.budget), WITHIN(0, 10000), .fallback = "20%",
     .doc = "Retries for the requests of the last 10 s, at most."},
    {"on_500", HF_ROW_BOOL, SERVICE(retry.on_500), .fallback = "false",
     .doc = "Whether a 500 is retried too, beside 502, 503 and 504."},
    {"grpc", HF_ROW_BOOL, SERVICE(retry.grpc), .fallback = "false",
     .doc = "Whether gRPC calls may be repeated, as if they were idempotent: after UNAVAILABLE, a "
            "lost connection or `timeout.try`. A call that the instance says it did not begin is "
            "sent again in any case."},
};
static const struct hf_section retry_section = {
    .title = "services.NAME.retry",
    .doc = "A request that nothing was sent of, or an idempotent one, is tried on another "
           "instance.",
    ROWS(retry_rows)};

static const struct hf_row hold_rows[] = {
    {"time", HF_ROW_DURATION, SERVICE(hold.time), WITHIN(0, 10 * MINUTE), .fallback = "5s",
     .doc = "How long a request waits for an instance when there is none; beyond: 503. 0: off."},
    {"requests", HF_ROW_COUNT, SERVICE(hold.requests), WITHIN(0, 1000000), .fallback = "1000",
     .doc = "How many may wait."},
};
static const struct hf_section hold_section = {
    .title = "services.NAME.hold", .doc = "While no instance is ready.", ROWS(hold_rows)};

static const struct hf_row eject_rows[] = {
    {"failures", HF_ROW_COUNT, SERVICE(eject.failures), WITHIN(0, 1000), .fallback = "5",
     .doc = "Failed requests in a row that eject an instance. 0: never."},
    {"time", HF_ROW_DURATION, SERVICE(eject.time), WITHIN(100, DAY), .fallback = "10s",
     .doc = "For how long, at first; it doubles."},
    {"max", HF_ROW_DURATION, SERVICE(eject.max), WITHIN(100, DAY), .fallback = "300s",
     .doc = "For how long at most."},
};
static const struct hf_section eject_section = {
    .title = "services.NAME.eject",
    .doc = "By what the gateway sees; the last instances are never ejected.",
    ROWS(eject_rows)};

#define SMOKE(field) FIELD(struct hf_config_smoke, field)
static const struct hf_row smoke_rows[] = {
    {"get", HF_ROW_TEXT, SMOKE(get), WITHIN(1, 2048), .check = hf_url_path_check,
     .expected = "a path such as /orders/1",
     .doc = "GET this path. Either this, `post` or `grpc`."},
    {"post", HF_ROW_TEXT, SMOKE(post), WITHIN(1, 2048), .check = hf_url_path_check,
     .expected = "a path such as /orders", .doc = "POST an empty body to this path."},
    {"grpc", HF_ROW_TEXT, SMOKE(grpc), WITHIN(1, 2048), .check = hf_url_path_check,
     .expected = "a method such as /shop.Orders/List",
     .doc = "Call this gRPC method with an empty message."},
    {"expect", HF_ROW_COUNT, SMOKE(expect), WITHIN(0, 599), .fallback_doc = "200; of `grpc`: 0",
     .doc = "The status that it must answer; of `grpc`: the `grpc-status`."},
    {"body", HF_ROW_TEXT, SMOKE(body), WITHIN(1, 4096),
     .doc = "A text that the answer must contain."},
};
static const struct hf_section smoke_section = {
    .title = "services.NAME.release.smoke[]",
    .doc = "One request to the new instance itself, before it gets any of the users'.",
    ROWS(smoke_rows),
    .size = sizeof(struct hf_config_smoke)};

static const struct hf_row release_rows[] = {
    {"smoke", HF_ROW_LIST, ARRAY(struct hf_config_service, release.smoke, release.n_smoke),
     WITHIN(0, 100), .section = &smoke_section, .fallback_doc = "[]",
     .expected = "a list of at most 100 requests such as [{ get: /orders/1, expect: 200 }]",
     .doc = "Requests that a new instance must answer as expected."},
    {"test", HF_ROW_CUSTOM, SERVICE(release.test), .parse = hf_custom_argv,
     .expected = EXPECTED_ARGV,
     .doc = "A command that must leave with 0; placeholders as in `command`."},
    {"timeout", HF_ROW_DURATION, SERVICE(release.timeout), WITHIN(100, HOUR), .fallback = "30s",
     .doc = "How long one smoke request, or the test command, may take."},
    {"bake", HF_ROW_DURATION, SERVICE(release.bake), WITHIN(0, DAY), .fallback = "30s",
     .doc = "How long a new instance is watched under its share of the users' requests."},
    {"weight", HF_ROW_SHARE, SERVICE(release.weight), WITHIN(1, 10000), .fallback = "10%",
     .doc = "That share."},
    {"errors", HF_ROW_SHARE, SERVICE(release.errors), WITHIN(0, 10000), .fallback = "1%",
     .doc = "By how much its rate of failed requests may exceed the accepted version's."},
    {"requests", HF_ROW_COUNT, SERVICE(release.requests), WITHIN(1, 1000000), .fallback = "20",
     .doc = "Requests that it must have had before its rate is judged."},
};
static const struct hf_section release_section = {
    .title = "services.NAME.release",
    .doc = "What a new version has to show, node by node.",
    ROWS(release_rows)};

static const struct hf_row stop_rows[] = {
    {"signal", HF_ROW_CUSTOM, SERVICE(stop.signal), .parse = hf_custom_signal, .fallback = "TERM",
     .expected = "TERM, INT, QUIT, HUP, USR1, USR2 or KILL",
     .doc = "What tells an instance to stop, after it was drained."},
    {"timeout", HF_ROW_DURATION, SERVICE(stop.timeout), WITHIN(0, HOUR), .fallback = "10s",
     .doc = "How long it may take, before it is killed."},
};
static const struct hf_section stop_section = {
    .title = "services.NAME.stop", .doc = "How instances are stopped.", ROWS(stop_rows)};

static const struct hf_row log_rows[] = {
    {"size", HF_ROW_BYTES, SERVICE(log.size), WITHIN(4 * KIB, 100 * GIB), .fallback = "10MiB",
     .doc = "Size at which an instance's log is rotated."},
    {"keep", HF_ROW_COUNT, SERVICE(log.keep), WITHIN(0, 100), .fallback = "5",
     .doc = "Rotated logs that are kept."},
};
static const struct hf_section log_section = {
    .title = "services.NAME.log", .doc = "What instances write.", ROWS(log_rows)};

static const char *const upgrades[] = {
    [HF_UPGRADE_OFF] = "off", [HF_UPGRADE_WEBSOCKET] = "websocket", [HF_UPGRADE_ANY] = "any", NULL};
static const char *const proxy_versions[] = {"off", "v1", "v2", NULL}; /* by version */
static const char *const protocols[] = {
    [HF_PROTOCOL_HTTP1] = "http1", [HF_PROTOCOL_H2] = "h2", [HF_PROTOCOL_GRPC] = "grpc", NULL};

static const struct hf_row service_rows[] = {
    {"route", HF_ROW_LIST, ARRAY(struct hf_config_service, route, n_route), WITHIN(1, 256),
     .required = true, .section = &route_section,
     .expected = "a list of 1 to 256 routes such as [{ host: shop.example, path: /orders }]",
     .doc = "Which requests are its own."},
    {"protocol", HF_ROW_CHOICE, SERVICE(protocol), .choices = protocols, .fallback = "http1",
     .doc =
         "In what its instances are asked: HTTP/1.1; HTTP/2 in cleartext, without an upgrade; or "
         "that for gRPC, where `grpc-status` says what became of a call."},
    {"command", HF_ROW_CUSTOM, SERVICE(command), .parse = hf_custom_argv, .expected = EXPECTED_ARGV,
     .doc = "How to start an instance, without a shell; " EXPECTED_PLACEHOLDER
            " are filled in. Either this, with `version`, or `instances`."},
    {"version", HF_ROW_TEXT, SERVICE(version), WITHIN(1, 63), .check = hf_version_name_check,
     .expected = EXPECTED_VERSION, .doc = "The version that shall run; a change is a release."},
    {"versions", HF_ROW_MAP, ARRAY(struct hf_config_service, versions, n_versions), WITHIN(1, 1000),
     .section = &version_section, .check = hf_version_name_check, .names = EXPECTED_VERSION,
     .expected = "a map of 1 to 1000 versions such as { 1.3.0: { directory: ./releases/1.3.0 } }",
     .fallback_doc = "any, in the file's folder", .doc = "The versions that there are."},
    ENVIRONMENT(struct hf_config_service),
    {"user", HF_ROW_TEXT, SERVICE(user), WITHIN(1, 32), .check = hf_user_name_check,
     .expected = "a user's name", .fallback_doc = "holdfast's own",
     .doc = "Whose rights the instances have."},
    {"instances", HF_ROW_LIST, ARRAY(struct hf_config_service, instances, n_instances),
     WITHIN(1, 1024), .section = &instance_section,
     .expected = "a list of 1 to 1024 addresses such as [\"10.0.0.1:80\", \"orders.example:80\"]",
     .doc = "Instances that somebody else runs."},
    {"replicas", HF_ROW_SECTION, .section = &replicas_section},
    {"upgrade", HF_ROW_CHOICE, SERVICE(upgrade), .choices = upgrades, .fallback = "websocket",
     .doc = "Which offers of another protocol by `upgrade` are passed on to instances; any: but "
            "for HTTP itself and TLS. Others are left out, and the request goes on without."},
    {"proxy_protocol", HF_ROW_CHOICE, SERVICE(proxy_protocol), .choices = proxy_versions,
     .fallback = "off",
     .doc = "Each connection to an instance begins with a PROXY protocol header that names the "
            "client. Such a connection carries one request, since the next may be another "
            "client's. Checks and smoke requests say that they are holdfast's own."},
    {"health", HF_ROW_SECTION, .section = &health_section},
    {"timeout", HF_ROW_SECTION, .section = &timeout_section},
    {"retry", HF_ROW_SECTION, .section = &retry_section},
    {"hold", HF_ROW_SECTION, .section = &hold_section},
    {"eject", HF_ROW_SECTION, .section = &eject_section},
    {"release", HF_ROW_SECTION, .section = &release_section},
    {"stop", HF_ROW_SECTION, .section = &stop_section},
    {"log", HF_ROW_SECTION, .section = &log_section},
    {"kubernetes", HF_ROW_LATER},
    {"instance", HF_ROW_LATER},
    {"admission", HF_ROW_LATER},
    {"consumers", HF_ROW_LATER},
    {"sites", HF_ROW_LATER},
};
static const struct hf_section service_section = {
    .title = "services.NAME",
    .doc = "One service: its routes, its instances, its policy.",
    ROWS(service_rows),
    .size = sizeof(struct hf_config_service)};

static const struct hf_row root_rows[] = {
    {"state", HF_ROW_FILE, FIELD(struct hf_config, state), .most = 90, .fallback = "./state",
     .restart = true, .expected = "a path of at most 90 bytes in all: a unix socket is made in it",
     .doc = "Folder of the store, the last plan, logs and `admin.sock`; made if it is not there."},
    {"store", HF_ROW_CUSTOM, FIELD(struct hf_config, store), .parse = hf_custom_store,
     .expected = "sqlite", .fallback = "sqlite", .restart = true,
     .doc = "What keeps the records: a file in the state folder."},
    {"admin", HF_ROW_SECTION, .section = &admin_section},
    {"gateway", HF_ROW_SECTION, FIELD(struct hf_config, gateway), .section = &gateway_section,
     .required = true, .expected = "gateway: { listen: [\"0.0.0.0:8080\"] }"},
    {"board", HF_ROW_SECTION, .section = &board_section},
    {"nodes", HF_ROW_MAP, ARRAY(struct hf_config, nodes, n_nodes), WITHIN(1, 64),
     .section = &node_section, .check = hf_node_name_check, .names = EXPECTED_NODE,
     .expected = "a map of 1 to 64 nodes such as { a: {}, b: {} }", .fallback_doc = "{ local: {} }",
     .doc = "Failure domains that processes are spread over; all are this one machine."},
    {"ports", HF_ROW_CUSTOM, FIELD(struct hf_config, ports), .parse = hf_custom_ports,
     .expected = "a range such as 20000-27999, from 1024 to 65535", .fallback = "20000-27999",
     .doc = "Ports for the instances that are processes; best below the system's ephemeral range."},
    {"continuity", HF_ROW_SECTION, FIELD(struct hf_config, continuity),
     .section = &continuity_section},
    {"dns", HF_ROW_SECTION, .section = &dns_section},
    {"services", HF_ROW_MAP, ARRAY(struct hf_config, services, n_services),
     WITHIN(0, HF_BOARD_SERVICES_MAX), .section = &service_section, .check = hf_name_check,
     .names = EXPECTED_NAME, .expected = "a map of at most 1024 services by name",
     .doc = "What is kept up, by name."},
    {"filter", HF_ROW_LATER},
    {"sites", HF_ROW_LATER},
};
const struct hf_section hf_section_root = {
    .title = "", .doc = "", ROWS(root_rows), .size = sizeof(struct hf_config)};
