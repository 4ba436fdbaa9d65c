/* board/plan.h - what the gateways shall do: routes, services with their policy, endpoints.
 *
 * One contiguous image with offsets: the same bytes stand in the board, in a gateway's private copy
 * and in the file STATE/plan. Written by the controller alone (hf_plan_builder), read by gateways,
 * which trust nothing: hf_plan_validate() comes before any use. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/str.h"
#include "board/layout.h"
#include "net/addr.h"

#define HF_PLAN_MAGIC UINT64_C(0x6e616c50666c6f48) /* "HolfPlan" */

/* A piece of the image's text section. */
struct hf_plan_text {
    uint32_t at, n;
};

enum {
    HF_LISTENER_TLS = 1,
    HF_LISTENER_PROXY = 2, /* each connection begins with a PROXY protocol header */
    HF_LISTENER_PROBE = 4, /* in no plan: a gateway's own, for the controller's probes alone */
};

/* How to deal with what comes in at a listening socket. A gateway accepts only where the plan has a
 * listener of the socket's configured address. */
struct hf_plan_listener {
    struct hf_addr address; /* as configured */
    uint8_t flags;
    uint8_t zero[3];
};

/* Which fields tell an endpoint for whom, and how, a request came. */
enum {
    HF_FORWARDED_X = 1,       /* x-forwarded-for, -host and -proto */
    HF_FORWARDED_RFC7239 = 2, /* forwarded */
};

/* The structs below only ever grow at their ends, by fields whose 0 means what was so before: see
 * hf_plan_load().
 * Limits and timeouts towards clients. 0 in body: no limit. */
struct hf_plan_gateway {
    uint64_t body;               /* bytes of a request's body */
    uint32_t line, head, fields; /* bytes, bytes, count */
    uint32_t header_ms;          /* from a request's first byte to the end of its head */
    uint32_t idle_ms;            /* between requests */
    uint32_t progress_ms;        /* without a byte, within a message */
    uint32_t lame_duck_ms, drain_ms;
    uint32_t connections; /* per worker */
    uint32_t n_trusted;   /* trusted_proxies; at most HF_PLAN_TRUSTED */
#define HF_PLAN_TRUSTED 32
    struct hf_network trusted[HF_PLAN_TRUSTED];
    uint32_t n_listeners; /* 0: a plan of layout 1, which knew none: all sockets are meant */
    struct hf_plan_listener listeners[HF_LISTENERS_MAX];
    uint8_t forwarded;     /* HF_FORWARDED_... */
    uint8_t trace;         /* the gateway takes part in traces, and begins them */
    uint16_t trace_sample; /* of 10000: how many of those that it begins are marked as sampled */
    uint32_t h2_streams;   /* of an HTTP/2 connection at once */
    uint32_t h2_resets;    /* streams that a client may reset in a burst; a tenth of it a second */
    uint64_t buffers;      /* bytes that one worker holds of messages; 0: no limit */
};

/* Which offers of another protocol are passed on (RFC 9110 7.8). */
enum hf_plan_upgrade { HF_UPGRADE_OFF, HF_UPGRADE_WEBSOCKET, HF_UPGRADE_ANY, HF_UPGRADES };

/* In what an endpoint is asked. */
enum hf_plan_protocol {
    HF_PROTOCOL_HTTP1,
    HF_PROTOCOL_H2,   /* HTTP/2 in cleartext, by prior knowledge */
    HF_PROTOCOL_GRPC, /* the same, and grpc-status says what became of a call */
    HF_PROTOCOLS,
};

struct hf_plan_service {
    uint32_t slot, incarnation; /* index of its live counters, and whose they are */
    struct hf_plan_text name;
    uint32_t first_endpoint, n_endpoints; /* its endpoints stand together */
    uint32_t connect_ms, try_ms, response_ms, idle_ms;
    uint32_t hold_ms, hold_requests; /* 0: nothing is held */
    uint32_t eject_failures;         /* in a row; 0: never ejects */
    uint32_t eject_ms, eject_max_ms;
    uint16_t candidate_share; /* of 10000, drawn before balancing */
    uint8_t retry_attempts;   /* beyond the first; 0: off */
    uint8_t retry_percent;    /* budget: share of the last 10 s */
    uint8_t retry_on_500;
    uint8_t upgrade;       /* enum hf_plan_upgrade */
    uint8_t proxy_version; /* of the PROXY protocol, spoken to its endpoints; 0: none */
    uint8_t protocol;      /* enum hf_plan_protocol */
    uint8_t retry_grpc;    /* gRPC calls are repeated as if they were idempotent */
    uint8_t zero[3];
    uint32_t tunnel_ms; /* a tunnel without a byte ends after this time */
};

/* prefix "/" matches all; "/a" matches /a, /a/b and not /ab. host "" matches any. */
struct hf_plan_route {
    struct hf_plan_text host, prefix; /* host in lower case, without port */
    uint32_t service;                 /* index into the services */
    uint16_t redirect;                /* the status of a redirect; 0: the endpoints answer */
    uint16_t zero;
    /* What a redirect leads to, a template (gateway/routing.h); else, unless empty, the path that
     * replaces the prefix on the way to an endpoint: "/", or one that does not end in "/". */
    struct hf_plan_text target;
};

enum hf_plan_endpoint_state {
    HF_ENDPOINT_READY,
    HF_ENDPOINT_DRAINING, /* gets nothing new; what is under way there ends there */
    HF_ENDPOINT_EJECTED,  /* gets nothing new; idempotent requests that still wait there move */
    HF_ENDPOINT_STATES,
};
enum {
    HF_ENDPOINT_CANDIDATE = 1, /* gets candidate_share and nothing else */
    HF_ENDPOINT_PROCESS = 2,   /* a process of this machine and boot */
};

struct hf_plan_endpoint {
    uint32_t slot, incarnation; /* index of its live counters, and whose they are */
    uint32_t service;           /* index into the services */
    struct hf_addr address;
    uint16_t weight; /* 1 .. 1000 */
    uint8_t state, flags;
    struct hf_plan_text id, version, node;
};

struct hf_plan {
    uint64_t magic;
    uint64_t checksum; /* XXH3, 64 bits, of all that follows */
    uint32_t layout;
    uint32_t zero;
    uint64_t size;       /* bytes of the whole image */
    uint64_t generation; /* rises by one with every publication */
    int64_t made_wall_ns;
    uint8_t boot_id[16];
    uint8_t
        probe_token[16]; /* x-holdfast-probe: the controller's own requests through the listener */
    uint32_t n_services, n_routes, n_endpoints, text_size;
    uint32_t services_at, routes_at, endpoints_at, text_at; /* byte offsets; 8-aligned */
    /* from layout 2 on: how large the writer's structs are */
    uint32_t gateway_at, gateway_size, service_size, route_size, endpoint_size, zero2;
    struct hf_plan_gateway gateway; /* last */
};

static inline const struct hf_plan_service *hf_plan_services(const struct hf_plan *p)
{
    return (const void *)((const char *)p + p->services_at);
}
static inline const struct hf_plan_route *hf_plan_routes(const struct hf_plan *p)
{
    return (const void *)((const char *)p + p->routes_at);
}
static inline const struct hf_plan_endpoint *hf_plan_endpoints(const struct hf_plan *p)
{
    return (const void *)((const char *)p + p->endpoints_at);
}
static inline struct hf_str hf_plan_str(const struct hf_plan *p, struct hf_plan_text t)
{
    return (struct hf_str){(const char *)p + p->text_at + t.at, t.n};
}

/* The largest image for these capacities, bytes. */
size_t hf_plan_capacity(const struct hf_board_capacity *c);

/* Makes a plan of this program's layout, in the hf_plan_capacity() bytes at ret, of the size bytes
 * at image, which another version may have written: from larger entries the known part is taken,
 * what smaller ones lack is 0. Validates the result. HF_ECORRUPT: also for a layout of the future;
 * then ret holds anything. */
HF_MUST_CHECK int hf_plan_load(const void *image, size_t size, const struct hf_board_capacity *c,
                               void *ret, struct hf_error *e);

/* Checks magic, layout, checksum, every offset, index, order and bound of size bytes at image, of
 * this program's layout. Routes must be sorted: by host, then longest prefix first. */
HF_MUST_CHECK int hf_plan_validate(const void *image, size_t size,
                                   const struct hf_board_capacity *c, struct hf_error *e);

/* Makes an image. Owner: the caller; reusable after hf_plan_builder_begin(). Order of calls:
 * begin, then per service: service, its endpoints; then routes; then finish. */
struct hf_plan_builder;
struct hf_plan_builder *hf_plan_builder_new(const struct hf_board_capacity *c);
struct hf_plan_builder *hf_plan_builder_free(struct hf_plan_builder *b);
void hf_plan_builder_begin(struct hf_plan_builder *b, const struct hf_plan_gateway *gateway);
struct hf_plan_text hf_plan_builder_text(struct hf_plan_builder *b, struct hf_str s);

/* first_endpoint and n_endpoints are filled by the builder. Returns its index. */
HF_MUST_CHECK int hf_plan_builder_service(struct hf_plan_builder *b,
                                          const struct hf_plan_service *s);
HF_MUST_CHECK int hf_plan_builder_endpoint(struct hf_plan_builder *b,
                                           const struct hf_plan_endpoint *e);
HF_MUST_CHECK int hf_plan_builder_route(struct hf_plan_builder *b, const struct hf_plan_route *r);

/* The finished image, valid until the next begin; its generation and checksum are still to be set
 * by hf_plan_seal(). Fails with HF_ELIMIT if any capacity was exceeded. */
HF_MUST_CHECK int hf_plan_builder_finish(struct hf_plan_builder *b, struct hf_plan **ret,
                                         struct hf_error *e);
void hf_plan_seal(struct hf_plan *p, uint64_t generation);
