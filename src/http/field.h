/* http/field.h - the field names that holdfast itself looks at, and their recognition.
 * No state; runs everywhere. */
#pragma once
#include <stdint.h>

#include "base/str.h"

#define HF_FIELDS(X)                                                                               \
    X(ACCEPT, "accept")                                                                            \
    X(AUTHORIZATION, "authorization")                                                              \
    X(CACHE_CONTROL, "cache-control")                                                              \
    X(CONNECTION, "connection")                                                                    \
    X(CONTENT_ENCODING, "content-encoding")                                                        \
    X(CONTENT_LENGTH, "content-length")                                                            \
    X(CONTENT_RANGE, "content-range")                                                              \
    X(CONTENT_TYPE, "content-type")                                                                \
    X(COOKIE, "cookie")                                                                            \
    X(DATE, "date")                                                                                \
    X(EXPECT, "expect")                                                                            \
    X(FORWARDED, "forwarded")                                                                      \
    X(HOST, "host")                                                                                \
    X(KEEP_ALIVE, "keep-alive")                                                                    \
    X(LOCATION, "location")                                                                        \
    X(MAX_FORWARDS, "max-forwards")                                                                \
    X(PROXY_AUTHORIZATION, "proxy-authorization")                                                  \
    X(PROXY_CONNECTION, "proxy-connection")                                                        \
    X(RANGE, "range")                                                                              \
    X(RETRY_AFTER, "retry-after")                                                                  \
    X(SERVER, "server")                                                                            \
    X(SET_COOKIE, "set-cookie")                                                                    \
    X(TE, "te")                                                                                    \
    X(TRACEPARENT, "traceparent")                                                                  \
    X(TRACESTATE, "tracestate")                                                                    \
    X(TRAILER, "trailer")                                                                          \
    X(TRANSFER_ENCODING, "transfer-encoding")                                                      \
    X(UPGRADE, "upgrade")                                                                          \
    X(USER_AGENT, "user-agent")                                                                    \
    X(VIA, "via")                                                                                  \
    X(WWW_AUTHENTICATE, "www-authenticate")                                                        \
    X(X_CLIENT_SUBJECT, "x-client-subject")                                                        \
    X(X_FORWARDED_FOR, "x-forwarded-for")                                                          \
    X(X_FORWARDED_HOST, "x-forwarded-host")                                                        \
    X(X_FORWARDED_PREFIX, "x-forwarded-prefix")                                                    \
    X(X_FORWARDED_PROTO, "x-forwarded-proto")                                                      \
    X(X_HOLDFAST_PROBE, "x-holdfast-probe")                                                        \
    X(X_REQUEST_ID, "x-request-id")

enum hf_field_id {
    HF_FIELD_OTHER = 0,
#define X(id, name) HF_FIELD_##id,
    HF_FIELDS(X)
#undef X
        HF_FIELD_TWIN, /* one of the above but for '_' in the place of '-' */
    HF_FIELD_COUNT,
};
_Static_assert(HF_FIELD_COUNT <= 64, "sets of fields are words of 64 bits");

#define HF_FIELD_BIT(id) (UINT64_C(1) << (id))

/* ASCII case-insensitive. name holds token characters only (RFC 9110 5.6.2).
 * Servers that hand fields over in variables (CGI and its heirs) cannot tell `transfer_encoding`
 * from the real one. Such a twin has an id of its own: it is never passed on. */
enum hf_field_id hf_field_find(struct hf_str name);

/* In lower case; empty for HF_FIELD_OTHER and HF_FIELD_TWIN. */
struct hf_str hf_field_name(enum hf_field_id id);
