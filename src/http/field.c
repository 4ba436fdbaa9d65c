#include "http/field.h"

#include "http/h1_scan.h"

#define IS(id, text)                                                                               \
    if (hf_scan_same(p, text, sizeof(text) - 1))                                                   \
        return HF_FIELD_##id;

enum { HYPHENATED_LEAST = 10, LONGEST = 19 }; /* of the names that have a hyphen */

static enum hf_field_id find_short(const char *p, size_t n)
{
    switch (n) {
    case 2:
        IS(TE, "te")
        break;
    case 3:
        IS(VIA, "via")
        break;
    case 4:
        IS(HOST, "host")
        IS(DATE, "date")
        break;
    case 5:
        IS(RANGE, "range")
        break;
    case 6:
        IS(ACCEPT, "accept")
        IS(COOKIE, "cookie")
        IS(EXPECT, "expect")
        IS(SERVER, "server")
        break;
    case 7:
        IS(UPGRADE, "upgrade")
        IS(TRAILER, "trailer")
        break;
    case 8:
        IS(LOCATION, "location")
        break;
    case 9:
        IS(FORWARDED, "forwarded")
        break;
    case 10:
        IS(CONNECTION, "connection")
        IS(USER_AGENT, "user-agent")
        IS(KEEP_ALIVE, "keep-alive")
        IS(SET_COOKIE, "set-cookie")
        IS(TRACESTATE, "tracestate")
        break;
    }
    return HF_FIELD_OTHER;
}

static enum hf_field_id find_middle(const char *p, size_t n)
{
    switch (n) {
    case 11:
        IS(RETRY_AFTER, "retry-after")
        IS(TRACEPARENT, "traceparent")
        break;
    case 12:
        IS(CONTENT_TYPE, "content-type")
        IS(X_REQUEST_ID, "x-request-id")
        IS(MAX_FORWARDS, "max-forwards")
        break;
    case 13:
        IS(CACHE_CONTROL, "cache-control")
        IS(AUTHORIZATION, "authorization")
        IS(CONTENT_RANGE, "content-range")
        break;
    case 14:
        IS(CONTENT_LENGTH, "content-length")
        break;
    case 15:
        IS(X_FORWARDED_FOR, "x-forwarded-for")
        break;
    }
    return HF_FIELD_OTHER;
}

static enum hf_field_id find_long(const char *p, size_t n)
{
    switch (n) {
    case 16:
        IS(CONTENT_ENCODING, "content-encoding")
        IS(X_FORWARDED_HOST, "x-forwarded-host")
        IS(PROXY_CONNECTION, "proxy-connection")
        IS(X_HOLDFAST_PROBE, "x-holdfast-probe")
        IS(X_CLIENT_SUBJECT, "x-client-subject")
        IS(WWW_AUTHENTICATE, "www-authenticate")
        break;
    case 17:
        IS(TRANSFER_ENCODING, "transfer-encoding")
        IS(X_FORWARDED_PROTO, "x-forwarded-proto")
        break;
    case 18:
        IS(X_FORWARDED_PREFIX, "x-forwarded-prefix")
        break;
    case 19:
        IS(PROXY_AUTHORIZATION, "proxy-authorization")
        break;
    }
    return HF_FIELD_OTHER;
}

static enum hf_field_id find_known(const char *p, size_t n)
{
    return n <= 10 ? find_short(p, n) : n <= 15 ? find_middle(p, n) : find_long(p, n);
}

static __attribute__((noinline)) enum hf_field_id find_twin(const char *p, size_t n)
{
    char name[LONGEST];

    for (size_t i = 0; i < n; i++)
        name[i] = p[i] == '_' ? '-' : p[i];
    return find_known(name, n) == HF_FIELD_OTHER ? HF_FIELD_OTHER : HF_FIELD_TWIN;
}

enum hf_field_id hf_field_find(struct hf_str name)
{
    enum hf_field_id id = find_known(name.p, name.n);

    if (id == HF_FIELD_OTHER && name.n >= HYPHENATED_LEAST && name.n <= LONGEST &&
        memchr(name.p, '_', name.n))
        id = find_twin(name.p, name.n);
    return id;
}

struct hf_str hf_field_name(enum hf_field_id id)
{
    static const struct hf_str names[HF_FIELD_COUNT] = {
#define X(id, name) [HF_FIELD_##id] = {name, sizeof(name) - 1},
        HF_FIELDS(X)
#undef X
    };

    return id < HF_FIELD_COUNT ? names[id] : names[0];
}
