/* http/h2_call.h - one request and its response in HTTP/2, by prior knowledge. For http/client.c;
 * no I/O here, so it can be tested and fuzzed alone. The response goes into a struct hf_response,
 * as that of HTTP/1.1 does.
 * Owner: the caller. Bounded: hf_h1_limits_control for heads; body data is passed on, not kept. */
#pragma once
#include "http/response.h"

struct hf_http_field;
struct hf_h2_call;

struct hf_h2_call_request {
    struct hf_str method, target, authority;
    const struct hf_http_field *fields; /* checked by the caller */
    size_t n_fields;
    struct hf_str body; /* p NULL: none, not even an empty one */
};

/* Everything in request is copied; response is borrowed, its method and on_data are set. NULL: no
 * memory for it. */
struct hf_h2_call *hf_h2_call_new(const struct hf_h2_call_request *request,
                                  struct hf_response *response);
struct hf_h2_call *hf_h2_call_free(struct hf_h2_call *c); /* NULL is fine; returns NULL */

/* Takes all bytes. Does nothing once the response is DONE or FAILED. */
void hf_h2_call_feed(struct hf_h2_call *c, struct hf_str bytes);

/* Appends what is to be sent now. */
void hf_h2_call_write(struct hf_h2_call *c, struct hf_text *out);
