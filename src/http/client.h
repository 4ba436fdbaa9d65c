/* http/client.h - one HTTP request, in HTTP/1.1 or by prior knowledge in HTTP/2, to a known
 * address, on the event loop or waiting for it: health probes, smoke requests, webhooks, the CLI.
 * No names are resolved, no redirects followed, no connection kept.
 * Owner: a call belongs to itself until on_done, or to who cancels it. Runs in: controller, CLI. */
#pragma once
#include "http/h1_parse.h"
#include "net/addr.h"
#include "net/loop.h"

struct hf_http_field {
    struct hf_str name, value;
};

struct hf_http_result {
    int code;                      /* 0, or: HF_EREFUSED no connection, HF_ETIMEOUT, HF_ECORRUPT no
                                      valid HTTP, HF_EIO lost, HF_EINVAL the request is none */
    const char *error;             /* "connection refused", "timed out after 1s, ..."; or NULL */
    unsigned status;               /* 0 if there was no response */
    const struct hf_h1_head *head; /* NULL if there was no response */
    uint8_t grpc_status;           /* enum hf_grpc_status, if there was a response */
    struct hf_str body;            /* what on_data did not take */
    bool truncated;                /* the body is longer than asked for; the rest was not read */
    struct hf_duration took;
};

struct hf_http_call_options {
    struct hf_addr address; /* of the peer, unless unix_path is given */
    const char *unix_path;
    enum hf_method method;              /* GET, HEAD, POST, PUT, DELETE, PATCH or OPTIONS */
    struct hf_str target;               /* "/path?query" */
    struct hf_str host;                 /* empty: the address, or "localhost" */
    const struct hf_http_field *fields; /* host, content-length and connection are added */
    size_t n_fields;
    struct hf_str body;
    bool http2;
    struct hf_duration deadline; /* for all of it; 0: none */
    unsigned proxy_version;      /* of a PROXY protocol header that comes first and says that this
                                    is on our own behalf; 0: none */
    size_t body_most;            /* of the response; 0: none of it is wanted */

    /* Called once, from the loop, never from within hf_http_call(). The result lives as long as
     * this callback; the call is gone behind it. */
    void (*on_done)(const struct hf_http_result *r, void *arg);
    /* Optional: takes each piece of body of a 2xx response as it comes. May not cancel. */
    void (*on_data)(struct hf_str data, void *arg);
    void *arg;
};

struct hf_http_call;

/* Everything in options is copied. Never fails: what goes wrong comes to on_done. */
struct hf_http_call *hf_http_call(struct hf_loop *loop, const struct hf_http_call_options *options);

/* Ends it without a callback. NULL is fine; returns NULL. */
struct hf_http_call *hf_http_cancel(struct hf_http_call *call);

/* For the CLI: the same, waited for, on a loop of its own. options->on_done is not used. Fills
 * *status and *body (which is cleared first); returns 0 or a code as above, with the text in e. */
HF_MUST_CHECK int hf_http_ask(const struct hf_http_call_options *options, unsigned *status,
                              struct hf_text *body, struct hf_error *e);
