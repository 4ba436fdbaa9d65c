/* continuity/claim.h - which event owns a second, and so gives an outage its cause. Pure.
 *
 * A cause is automatic only if an event claims the time: whoever starts a release, sees a gateway
 * die or stops holdfast claims it. Everything else is "unknown" until a person says what it was.
 * Owner: the accountant, which keeps the set across restarts. */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum {
    HF_CONTINUITY_NAME = 128, /* size of a service's or an event's name, its NUL included */
    HF_CLAIMS_MAX = 256,
};

enum hf_cause {
    HF_CAUSE_NONE, /* of what is up */
    HF_CAUSE_RELEASE,
    HF_CAUSE_PLATFORM_UPDATE,
    HF_CAUSE_INFRASTRUCTURE_UPDATE,
    HF_CAUSE_INFRASTRUCTURE_DOWN,
    HF_CAUSE_ATTACK,
    HF_CAUSE_DISASTER,
    HF_CAUSE_HOTFIX,
    HF_CAUSE_OVERLOAD,
    HF_CAUSE_APPLICATION,
    HF_CAUSE_DEPENDENCY,
    HF_CAUSE_CONFIGURATION,
    HF_CAUSE_HUMAN_ERROR,
    HF_CAUSE_UNKNOWN,
    HF_CAUSES,
};

const char *hf_cause_name(enum hf_cause cause);
HF_MUST_CHECK int hf_cause_parse(const char *name, enum hf_cause *ret);

/* Short enough, and UTF-8? */
bool hf_continuity_name_ok(const char *name);

struct hf_claim {
    char event[HF_CONTINUITY_NAME];   /* "release orders 1.4.0 #12": what the report shows */
    char service[HF_CONTINUITY_NAME]; /* "": all */
    enum hf_cause cause;
    bool planned;
    int64_t from, to; /* wall seconds, to excluded; INT64_MAX: it goes on */
};

struct hf_claims {
    struct hf_claim at[HF_CLAIMS_MAX];
    size_t n;
};

/* Adds a claim, or replaces the one of the same event and service: so claiming twice is harmless.
 * HF_EINVAL: without an event or a cause, or an empty time; HF_ELIMIT: no room. */
HF_MUST_CHECK int hf_claims_add(struct hf_claims *c, const struct hf_claim *claim);

/* Ends what the event claims of all services. Unknown events are ignored. */
void hf_claims_end(struct hf_claims *c, const char *event, int64_t to);

/* Forgets claims that ended before. */
void hf_claims_prune(struct hf_claims *c, int64_t before);

/* The owner of the service's second, or NULL: of several the one for just that service, then the
 * one that began last, then the one that was claimed first. Valid until the set changes. */
const struct hf_claim *hf_claims_owner(const struct hf_claims *c, const char *service,
                                       int64_t second);

json_t *hf_claims_to_json(const struct hf_claims *c);
HF_MUST_CHECK int hf_claims_from_json(const json_t *json, struct hf_claims *ret);
