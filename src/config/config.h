/* config/config.h - the checked, immutable configuration.
 *
 * A file is read and checked whole; only when nothing is wrong is there a struct hf_config, so a
 * bad file changes nothing. Every field has a value: what the file leaves out has its default from
 * the table of rows (config/rows.c), which also makes docs/configuration.md. Paths are absolute:
 * relative ones are meant from the configuration file's folder. Texts are UTF-8 and never NULL
 * unless the field says so.
 * Owner: counted references; everything that hangs on it lives as long as it does.
 * Runs in: the setup child of the keeper, controller, CLI (`holdfast check`); no thread of its own,
 * the count is not atomic. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/error.h"
#include "base/time.h"
#include "board/plan.h"
#include "config/errors.h"
#include "net/addr.h"

enum {
    HF_CONFIG_NODE_NAME = 32,      /* bytes of a node's name at most; of a service's: 63 */
    HF_CONFIG_NAME_ADDRESSES = 16, /* instances that one host name may stand for */
    HF_CONFIG_NAME_SERVERS = 8,
};

/* Where in the file. What the file does not name stands at line 0. */
struct hf_config_place {
    uint32_t line, column; /* from 1 */
};

/* --- the node part --- */

/* A file that is named there, and read by config/certificates.h. */
struct hf_config_file {
    char *path; /* absolute; NULL: not given */
    struct hf_config_place place;
};

struct hf_config_certificate {
    char *name; /* "" */
    struct hf_config_place place;
    struct hf_config_file certificate, key;
};

struct hf_config_tls {
    struct hf_config_certificate *certificates; /* the first is for whom no name fits */
    size_t n_certificates;                      /* 0: no TLS */
    struct hf_config_file certificate, key;     /* the first one, as it was written */
    struct {
        struct hf_config_file ca; /* path NULL: clients show no certificates */
        uint32_t verify;          /* enum hf_tls_verify, less HF_TLS_VERIFY_OFF */
    } client;
    uint32_t minimum; /* enum hf_tls_version */
    bool http2;
};

struct hf_config_listener {
    char *name; /* as it was written */
    struct hf_config_place place;
    struct hf_addr address;
    bool proxy_protocol; /* each connection has to begin with its header */
    struct hf_config_tls tls;
};

struct hf_config_limits {
    uint32_t line, head, fields; /* bytes, bytes, count */
    uint64_t body;               /* bytes; 0: no limit */
    uint32_t connections;        /* per worker */
    uint64_t buffers;            /* bytes, per worker */
};

struct hf_config_http2 {
    uint32_t streams, resets;
};

enum hf_config_forwarded {
    HF_CONFIG_FORWARDED_X,
    HF_CONFIG_FORWARDED_RFC7239,
    HF_CONFIG_FORWARDED_BOTH,
};

struct hf_config_gateway {
    struct hf_config_listener *listen;
    size_t n_listen;  /* 1 .. HF_LISTENERS_MAX */
    uint32_t workers; /* 0: auto, hf_setup_from_config() counts the processors */
    char *access_log; /* NULL: off */
    uint64_t access_log_size;
    struct hf_network *trusted_proxies; /* at most HF_PLAN_TRUSTED */
    size_t n_trusted_proxies;
    struct hf_config_limits limits;
    struct hf_config_http2 http2;
    struct {
        struct hf_duration header, idle, body;
    } timeout;
    struct hf_duration lame_duck, drain;
    uint32_t forwarded; /* enum hf_config_forwarded */
    struct {
        bool start;      /* the gateway takes part in traces, and begins them */
        uint32_t sample; /* of 10000 */
    } trace;
    uint32_t sandbox;                 /* enum hf_config_sandbox */
    char *user;                       /* NULL: nobody */
    struct hf_duration drain_timeout; /* 0: off */
};

enum hf_config_sandbox { HF_SANDBOX_ON, HF_SANDBOX_OFF };

/* --- the fleet part --- */

struct hf_config_node {
    char *name;
    struct hf_config_place place;
};

enum hf_config_reference { HF_REFERENCE_YEAR };

struct hf_config_continuity {
    uint32_t target;    /* availability, of 1,000,000: 999900 is 99.99 % */
    uint32_t reference; /* enum hf_config_reference */
};

enum hf_config_redirect {
    HF_REDIRECT_301,
    HF_REDIRECT_302,
    HF_REDIRECT_303,
    HF_REDIRECT_307,
    HF_REDIRECT_308,
};

struct hf_config_route {
    char *name; /* "" */
    struct hf_config_place place;
    char *host;      /* lower case, without port; "": any */
    char *path;      /* begins with '/'; ends with it only if it is "/" */
    char *rewrite;   /* the same; what replaces path on the way to an instance; NULL: nothing */
    char *redirect;  /* where it leads, a template (config/values.h); NULL: nowhere */
    uint32_t status; /* of the redirect: enum hf_config_redirect */
};

/* An argv template. argv has n elements and a closing NULL; see config/placeholder.h. */
struct hf_config_argv {
    char **argv;
    size_t n; /* 0: not given */
    struct hf_config_place place;
};

struct hf_config_variable {
    char *name;
    struct hf_config_place place;
    char *value; /* a template, see config/placeholder.h; NULL if it is from file */
    char *file;  /* whose content, less one closing newline, is the value: a secret; else NULL */
};

struct hf_config_version {
    char *name;
    struct hf_config_place place;
    char *directory;                        /* in which the command runs */
    struct hf_config_argv command;          /* its own, else the service's */
    struct hf_config_variable *environment; /* the service's, with its own over them */
    size_t n_environment;
};

struct hf_config_instance {
    char *name; /* as it was written */
    struct hf_config_place place;
    char *host;             /* NULL: a literal address; else a name, in lower case */
    struct hf_addr address; /* of a name: the port alone */
    uint32_t weight;        /* 1 .. 1000; of each address of a name */
};

struct hf_config_health {
    char *path;         /* NULL: tcp or grpc */
    bool tcp;           /* a connection is enough */
    bool grpc;          /* grpc.health.v1.Health/Check */
    char *grpc_service; /* that is asked about; "": the server as a whole */
    struct hf_duration interval, timeout;
    uint32_t rise, fall;
    struct hf_duration start; /* time to become ready */
};

struct hf_config_timeout {
    struct hf_duration connect, try, response, idle, tunnel, drain; /* try: 0 is off */
};

struct hf_config_retry {
    uint32_t attempts; /* beyond the first; 0: off */
    uint32_t budget;   /* of 10000 */
    bool on_500, grpc;
};

struct hf_config_hold {
    struct hf_duration time; /* 0: nothing is held */
    uint32_t requests;
};

struct hf_config_eject {
    uint32_t failures; /* in a row; 0: never */
    struct hf_duration time, max;
};

struct hf_config_smoke {
    char *name; /* "" */
    struct hf_config_place place;
    char *get, *post, *grpc; /* a path; exactly one is not NULL */
    uint32_t expect;         /* status; of grpc: grpc-status */
    char *body;              /* what the response's body has to contain; NULL: anything */
};

struct hf_config_release {
    struct hf_config_smoke *smoke;
    size_t n_smoke;
    struct hf_config_argv test; /* n == 0: none */
    struct hf_duration timeout; /* of each smoke request, and of the test command */
    struct hf_duration bake;
    uint32_t weight;   /* of 10000: the share of real requests that the node under test gets */
    uint32_t errors;   /* of 10000: by how much its error rate may be above the others' */
    uint32_t requests; /* samples below which the error rate is not judged */
};

struct hf_config_stop {
    int signal;                 /* SIG* */
    struct hf_duration timeout; /* then SIGKILL */
};

struct hf_config_log {
    uint64_t size; /* bytes at which a file is rotated */
    uint32_t keep; /* rotated files */
};

struct hf_config_service {
    char *name;
    struct hf_config_place place;
    struct hf_config_route *route;
    size_t n_route;    /* at least 1 */
    uint32_t protocol; /* enum hf_plan_protocol */

    /* Either processes of ours: */
    struct hf_config_argv command; /* n == 0: fixed instances */
    char *version;                 /* wanted; NULL with fixed instances */
    struct hf_config_variable *environment;
    size_t n_environment;
    char *user; /* NULL: holdfast's own */
    struct hf_config_version *versions;
    size_t n_versions;
    bool any_version; /* the file names no versions: command and {version} are all there is */
    struct {
        uint32_t min, max; /* equal */
    } replicas;
    struct hf_config_release release;
    struct hf_config_stop stop;
    struct hf_config_log log;
    /* Or addresses and names of what somebody else runs: */
    struct hf_config_instance *instances;
    size_t n_instances;

    uint32_t upgrade;        /* enum hf_plan_upgrade */
    uint32_t proxy_protocol; /* version that is spoken to the instances; 0: none */
    struct hf_config_health health;
    struct hf_config_timeout timeout;
    struct hf_config_retry retry;
    struct hf_config_hold hold;
    struct hf_config_eject eject;
};

enum hf_config_store { HF_CONFIG_STORE_SQLITE };

struct hf_config {
    char *file;         /* absolute */
    char *folder;       /* absolute, without a closing '/' unless it is the root */
    char digest[33];    /* of the file's bytes: equal if and only if the text is unchanged */
    struct hf_str text; /* of the file */

    char *state;
    uint32_t store; /* enum hf_config_store */
    struct {
        struct hf_addr listen;
    } admin;
    struct hf_config_gateway gateway;
    struct {
        uint32_t services, endpoints, routes;
    } board;

    struct hf_config_node *nodes;
    size_t n_nodes; /* at least 1 */
    struct {
        uint16_t first, last; /* of process instances */
    } ports;
    struct hf_config_continuity continuity;
    struct {
        struct hf_addr *servers; /* at most HF_CONFIG_NAME_SERVERS */
        size_t n_servers;        /* 0: the system's */
        struct hf_duration interval;
    } dns;
    struct hf_config_service *services;
    size_t n_services;
};

/* Reads and checks the file. HF_EINVAL: errors has what is wrong, up to HF_CONFIG_ERRORS places in
 * the order of the file. HF_EIO: it cannot be read; errors says why. On success errors is empty. */
HF_MUST_CHECK int hf_config_load(const char *path, struct hf_config **ret,
                                 struct hf_config_errors *errors);

/* The same from a copy of the file that path was. */
HF_MUST_CHECK int hf_config_load_copy(const char *copy, const char *path, struct hf_config **ret,
                                      struct hf_config_errors *errors);

/* The same for a text in memory; path says where it is from. */
HF_MUST_CHECK int hf_config_parse(const char *path, struct hf_str text, struct hf_config **ret,
                                  struct hf_config_errors *errors);

struct hf_config *hf_config_ref(struct hf_config *c);
struct hf_config *hf_config_unref(struct hf_config *c); /* NULL is fine; returns NULL */

const struct hf_config_service *hf_config_service_find(const struct hf_config *c, const char *name);

/* How to run that version; NULL if the service has none of that name. With any_version its name
 * may be another: the version that was asked for goes into the placeholders. */
const struct hf_config_version *hf_config_version_find(const struct hf_config_service *s,
                                                       const char *version);

/* Is it a name that a version may have? Letters, digits, '.', '_', '+', '-'; at most 63. */
bool hf_config_version_name(const char *version);

/* May a running holdfast go from old to next without a restart? If not: HF_EREFUSED, and errors
 * names each key that stands in the way. */
HF_MUST_CHECK int hf_config_diff_reload(const struct hf_config *old, const struct hf_config *next,
                                        struct hf_config_errors *errors);

/* docs/configuration.md, from the table of rows. */
void hf_config_write_docs(FILE *out);
