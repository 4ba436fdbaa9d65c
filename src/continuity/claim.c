#include "continuity/claim.h"

#include <string.h>

#include "base/str.h"

static const char *const names[HF_CAUSES] = {
    [HF_CAUSE_NONE] = "none",
    [HF_CAUSE_RELEASE] = "release",
    [HF_CAUSE_PLATFORM_UPDATE] = "platform-update",
    [HF_CAUSE_INFRASTRUCTURE_UPDATE] = "infrastructure-update",
    [HF_CAUSE_INFRASTRUCTURE_DOWN] = "infrastructure-down",
    [HF_CAUSE_ATTACK] = "attack",
    [HF_CAUSE_DISASTER] = "disaster",
    [HF_CAUSE_HOTFIX] = "hotfix",
    [HF_CAUSE_OVERLOAD] = "overload",
    [HF_CAUSE_APPLICATION] = "application",
    [HF_CAUSE_DEPENDENCY] = "dependency",
    [HF_CAUSE_CONFIGURATION] = "configuration",
    [HF_CAUSE_HUMAN_ERROR] = "human-error",
    [HF_CAUSE_UNKNOWN] = "unknown",
};

const char *hf_cause_name(enum hf_cause cause)
{
    return names[cause];
}

int hf_cause_parse(const char *name, enum hf_cause *ret)
{
    for (int i = 0; i < HF_CAUSES; i++) {
        if (strcmp(names[i], name) == 0) {
            *ret = (enum hf_cause)i;
            return 0;
        }
    }
    return HF_EINVAL;
}

bool hf_continuity_name_ok(const char *name)
{
    json_t *string = json_string(name); /* NULL: it is not UTF-8 */

    json_decref(string);
    return string && strlen(name) < HF_CONTINUITY_NAME;
}

int hf_claims_add(struct hf_claims *c, const struct hf_claim *claim)
{
    if (!claim->event[0] || !hf_continuity_name_ok(claim->event) ||
        !hf_continuity_name_ok(claim->service) || claim->cause == HF_CAUSE_NONE ||
        claim->from >= claim->to)
        return HF_EINVAL;
    for (size_t i = 0; i < c->n; i++) {
        if (strcmp(c->at[i].event, claim->event) == 0 &&
            strcmp(c->at[i].service, claim->service) == 0) {
            c->at[i] = *claim;
            return 0;
        }
    }
    if (c->n == HF_CLAIMS_MAX)
        return HF_ELIMIT;
    c->at[c->n++] = *claim;
    return 0;
}

void hf_claims_end(struct hf_claims *c, const char *event, int64_t to)
{
    for (size_t i = 0; i < c->n; i++) {
        if (strcmp(c->at[i].event, event) == 0 && c->at[i].to > to)
            c->at[i].to = to;
    }
}

void hf_claims_prune(struct hf_claims *c, int64_t before)
{
    size_t kept = 0;

    for (size_t i = 0; i < c->n; i++) {
        if (c->at[i].to > before)
            c->at[kept++] = c->at[i];
    }
    c->n = kept;
}

static bool better(const struct hf_claim *a, const struct hf_claim *b)
{
    if (!b)
        return true;
    if (!a->service[0] != !b->service[0])
        return a->service[0] != 0;
    return a->from > b->from;
}

const struct hf_claim *hf_claims_owner(const struct hf_claims *c, const char *service,
                                       int64_t second)
{
    const struct hf_claim *best = NULL;

    for (size_t i = 0; i < c->n; i++) {
        const struct hf_claim *claim = &c->at[i];
        if (second < claim->from || second >= claim->to)
            continue;
        if (claim->service[0] && strcmp(claim->service, service) != 0)
            continue;
        if (better(claim, best))
            best = claim;
    }
    return best;
}

json_t *hf_claims_to_json(const struct hf_claims *c)
{
    json_t *list = json_array();

    for (size_t i = 0; i < c->n; i++) {
        const struct hf_claim *claim = &c->at[i];
        json_array_append_new(
            list, json_pack("{s:s, s:s, s:s, s:b, s:I, s:I}", "event", claim->event, "service",
                            claim->service, "cause", names[claim->cause], "planned", claim->planned,
                            "from", (json_int_t)claim->from, "to", (json_int_t)claim->to));
    }
    return list;
}

int hf_claims_from_json(const json_t *json, struct hf_claims *ret)
{
    struct hf_claims claims = {.n = 0};
    size_t i;
    json_t *item;

    if (!json_is_array(json))
        return HF_EINVAL;
    json_array_foreach((json_t *)json, i, item)
    {
        const char *event, *service, *cause;
        struct hf_claim claim = {0};
        int planned;
        json_int_t from, to;
        if (json_unpack(item, "{s:s, s:s, s:s, s:b, s:I, s:I}", "event", &event, "service",
                        &service, "cause", &cause, "planned", &planned, "from", &from, "to", &to) ||
            hf_cause_parse(cause, &claim.cause))
            return HF_EINVAL;
        hf_str_copy(hf_str(event), claim.event, sizeof(claim.event));
        hf_str_copy(hf_str(service), claim.service, sizeof(claim.service));
        claim.planned = planned;
        claim.from = from;
        claim.to = to;
        if (hf_claims_add(&claims, &claim))
            return HF_EINVAL;
    }
    *ret = claims;
    return 0;
}
