/* api/internal.h - shared by the sources of this folder alone. */
#pragma once
#include "api/api.h"
#include "http/server.h"

#define HF_API_JSON HF_STR("application/json")
#define HF_API_LINES HF_STR("application/x-ndjson")

struct hf_api {
    struct hf_loop *loop;
    struct hf_http_server *server;
    struct hf_store *store;
    struct hf_api_handlers handlers;
    char *state;
};

/* One request on its way to its route's function. */
struct hf_api_call {
    struct hf_api *api;
    struct hf_http_exchange *x;
    struct hf_str argument; /* what stands for {} in the route's pattern, as it came; or empty */
};

/* A whole answer; frees json. */
void hf_api_answer(struct hf_http_exchange *x, unsigned status, json_t *take);
void hf_api_problem(struct hf_http_exchange *x, unsigned status, const char *fmt, ...)
    HF_PRINTF(3, 4);

/* One JSON object and a newline into a stream. False: the client reads too slowly, and was cut. */
bool hf_api_line(struct hf_http_exchange *x, const json_t *json);

struct hf_api_reply *hf_api_reply_new(struct hf_http_exchange *x);

/* A number in the query; fallback if it is not there. HF_EINVAL: it is none, and a 400 was sent. */
HF_MUST_CHECK int hf_api_query_number(struct hf_http_exchange *x, const char *name, uint64_t least,
                                      uint64_t most, uint64_t fallback, uint64_t *ret);

/* A text in the query, of the characters that names are made of; "" if it is not there. HF_EINVAL
 * as above. */
enum { HF_API_NAME = 64 };
HF_MUST_CHECK int hf_api_query_name(struct hf_http_exchange *x, const char *name,
                                    char ret[HF_API_NAME]);

/* Letters, digits and ._+-; no leading dot; not empty, and not too long. */
bool hf_api_name_copy(struct hf_str s, char ret[HF_API_NAME]);

/* The functions of the routes. */
void hf_api_events(struct hf_api_call *c);
void hf_api_logs(struct hf_api_call *c);
void hf_api_release_post(struct hf_api_call *c);
void hf_api_release_show(struct hf_api_call *c);
void hf_api_upgrade_post(struct hf_api_call *c);
void hf_api_upgrade_show(struct hf_api_call *c);
