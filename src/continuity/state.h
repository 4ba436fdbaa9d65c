/* continuity/state.h - what the accountant knows and the ledger does not yet: how far each service
 * is booked, its open interval, probes of the seconds after, and claims. Pure; goes to the store
 * as one document a node, so that the next controller goes on where this one was. */
#pragma once
#include "continuity/chain.h"
#include "continuity/interval.h"

enum {
    HF_STATE_WINDOW = 600, /* seconds that the board remembers */
    HF_STATE_SERVICES_MAX = 1024,
};

struct hf_state_service {
    char name[HF_CONTINUITY_NAME];
    bool configured; /* not kept: the configuration says so anew */
    int64_t next;    /* the first second that is not booked */
    struct hf_interval open;
    unsigned char
        probes[HF_STATE_WINDOW]; /* of next .. next + HF_STATE_WINDOW - 1, by the remainder */
};

struct hf_state {
    bool stopped; /* cleanly, when all was booked */
    struct hf_state_service **services;
    size_t services_n;
    struct hf_claims claims;
    char stream[256]; /* of the ledger, and its last record then */
    struct hf_chain chain;
};

void hf_state_done(struct hf_state *s);

struct hf_state_service *hf_state_find(const struct hf_state *s, const char *name);

/* A service that is not booked before next. HF_ELIMIT; HF_EINVAL: no name for one. */
HF_MUST_CHECK int hf_state_add(struct hf_state *s, const char *name, int64_t next,
                               struct hf_state_service **ret);
void hf_state_remove(struct hf_state *s, struct hf_state_service *service);

/* A failed probe outweighs others of its second. Seconds outside the window are ignored. */
void hf_state_probed(struct hf_state_service *service, int64_t second, bool ok);
enum hf_second_probe hf_state_probe(const struct hf_state_service *service, int64_t second);

/* Seconds before are booked now; forgets their probes. */
void hf_state_advance(struct hf_state_service *service, int64_t next);

json_t *hf_state_to_json(const struct hf_state *s);
HF_MUST_CHECK int hf_state_from_json(const json_t *json, struct hf_state *ret, struct hf_error *e);
