/* api/api.h - the admin API: JSON under /v1, probes under /-/, over STATE/admin.sock and a TCP
 * address.
 *
 * It knows HTTP, the router and the shape of answers; what is true it asks of its handlers, which
 * the controller fills. The socket file has mode 0600: whoever may open it may do all. Over TCP
 * everything but the probes is refused with 401: there are no tokens yet. Errors are RFC 9457
 * problem documents.
 * Owner: the caller. Runs in: controller, on its loop's thread; nothing here blocks. */
#pragma once
#include <jansson.h>
#include <stdbool.h>

#include "base/error.h"
#include "net/loop.h"
#include "store/store.h"

struct hf_api;

/* A request that waits for its answer. Exactly one of the three answers it and frees it, at once or
 * later on the loop; if the client is gone by then, nothing else happens. */
struct hf_api_reply;
void hf_api_reply_json(struct hf_api_reply *r, unsigned status, json_t *take);
void hf_api_reply_text(struct hf_api_reply *r, struct hf_str text); /* 200, text/plain */
void hf_api_reply_problem(struct hf_api_reply *r, unsigned status, const char *fmt, ...)
    HF_PRINTF(3, 4);

struct hf_api_report_query {
    int year;            /* 1970 .. 9999 */
    const char *service; /* NULL: all; valid during the call */
    bool text;           /* for people: answer with hf_api_reply_text() */
};

/* Called on the loop. Those with a reply answer it, at once or later. */
struct hf_api_handlers {
    void *ctx; /* first argument of all */

    /* {"keeper": {"pid"}, "gateway": [{"pid", "slot", "generation", "connections"}],
     *  "controller": {"pid"}, "plan": {"generation", "age_ms"},
     *  "services": [{"name", "version", "state", "instances": [{"id", "node", "version", "state",
     *                "why", "address", "pid", "in_flight"}], "requests", "failed"}],
     *  "release": null or a release}. A new reference. */
    json_t *(*status)(void *ctx);

    /* May traffic be sent here? If not, *why gets a static text. */
    bool (*ready)(void *ctx, const char **why);

    /* Reads the configuration anew. 200 {"text": what changed}; 422 with file, line and column. */
    void (*reload)(void *ctx, struct hf_api_reply *r);

    /* Other executables: the holdfast at program, an absolute path; "": the one from which it was
     * started. drain_ms: when the replaced gateway ends at the latest; 0: with its last connection.
     * 202 {"id"}; 409 another change is under way. */
    void (*upgrade)(void *ctx, const char *program, uint32_t drain_ms, struct hf_api_reply *r);

    /* The latest change: {"id", "kind", "step", "outcome": "under-way", "done" or "failed", "text",
     * "gateway", "old_gateway", "controller", "program", "build"}. A new reference; NULL: none. */
    json_t *(*upgrade_get)(void *ctx);

    /* 202 and the release once it is stored; 404 no such service or version; 409 why not. The texts
     * are valid during the call; by: who asks, "" if not said. */
    void (*release)(void *ctx, const char *service, const char *version, const char *by,
                    struct hf_api_reply *r);

    /* As hf_release_doc_json(): at least "release", "state", "why" and "log", an array that only
     * grows. A new reference; NULL: there is no such release. */
    json_t *(*release_get)(void *ctx, uint32_t id);
    json_t *(*release_list)(void *ctx); /* an array, the newest first; a new reference */

    void (*report)(void *ctx, const struct hf_api_report_query *q, struct hf_api_reply *r);
};

struct hf_api_options {
    struct hf_loop *loop;
    const char *state;               /* folder */
    const struct hf_addr *listen;    /* NULL: the socket file alone */
    struct hf_store *store;          /* its stream HF_API_EVENTS is what /v1/events shows */
    struct hf_api_handlers handlers; /* all of them set */
};

/* The stream of events in the store. A record is a JSON object with at least "time" (RFC 3339),
 * "kind" ("release", "instance", "gateway", "configuration", ...) and "text", one line for people;
 * and "service", "node", "instance", "release" where they say something. */
#define HF_API_EVENTS "events"

HF_MUST_CHECK int hf_api_new(const struct hf_api_options *options, struct hf_api **ret,
                             struct hf_error *e);

/* Ends all connections. Replies that are still waiting may be answered afterwards, to nobody. NULL
 * is fine; returns NULL. */
struct hf_api *hf_api_free(struct hf_api *api);
