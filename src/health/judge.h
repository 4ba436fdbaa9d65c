/* health/judge.h - what an instance's state should be: probes and users' requests weighed together.
 * Pure. Runs in: controller.
 *
 * The rule, for an instance that was ready before:
 *   1. Users count most. At least 5 attempts in the window of which at least half failed
 * (connection lost or refused, time-out, 5xx): down, however green its probes are. It stays away
 * for 5 s, doubling to 60 s each time that this happens again, since without users it cannot prove
 *      itself; then probes that pass bring it back.
 *   2. `fall` probes lost in a row: down. But while users are served well - at least 5 attempts in
 *      the window of which fewer than a tenth failed - only 2 x `fall` are believed.
 *   3. `rise` probes passed in a row: up.
 *   4. The floor: what would leave its service with no ready instance stays ready, said to be
 *      failing. A candidate is not part of the floor. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/time.h"
#include "health/verdict.h"

/* What the gateways saw of an instance in the last window. */
struct hf_seen {
    uint64_t attempts, failures;
};

enum hf_health_code {
    HF_HEALTH_UNCERTAIN,    /* not enough results yet: as it was */
    HF_HEALTH_PASSING,      /* up */
    HF_HEALTH_PROBES_LOST,  /* down */
    HF_HEALTH_USERS_FAIL,   /* down */
    HF_HEALTH_DWELLING,     /* down: failed its users not long ago */
    HF_HEALTH_USERS_SERVED, /* probes lost, but users are served well: as it was */
    HF_HEALTH_LAST,         /* would be down, but is the last: as it was */
    HF_HEALTH_CODES
};

/* "passing", "probes-lost", ...; never NULL. */
const char *hf_health_code_name(enum hf_health_code code);

/* How long an instance that failed its users stays away. Zeroed is the start. */
struct hf_dwell {
    struct hf_mono until; /* meaningful once times > 0 */
    unsigned times;       /* that it failed its users, without 60 s of peace between */
};

struct hf_evidence {
    const struct hf_verdict *probes; /* fed with the latest result */
    struct hf_verdict_policy policy;
    struct hf_seen seen;
    const char *probe_text; /* of the latest result: "GET /-/ready: 503" */
    bool ready;             /* the instance is ready now, otherwise it is starting or ejected */
    bool last;              /* of the ready ones of its service, and not a candidate */
};

struct hf_judgement {
    enum hf_health_code code;
    enum { HF_KEEP, HF_UP, HF_DOWN } wanted;
    char text[160];
};

/* dwell is read, and changed if users are failed now. */
void hf_health_judge(const struct hf_evidence *e, struct hf_dwell *dwell, struct hf_mono now,
                     struct hf_judgement *ret);
