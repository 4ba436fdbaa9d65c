/* release/doc.h - what is known of one release: the document that is stored before every step.
 *
 * It holds all that another controller needs to go on: where the release stands, which instances
 * belong to which slot, what the counters were when the bake began, and for people what was seen at
 * each step. Owner: the caller. Runs in: controller. */
#pragma once
#include <jansson.h>

#include "base/str.h"
#include "base/time.h"
#include "board/layout.h"
#include "catalog/catalog.h"

enum hf_release_state {
    HF_RELEASE_REQUESTED,    /* waits for its turn */
    HF_RELEASE_PREFLIGHT,    /* may it begin? */
    HF_RELEASE_ROLLING,      /* slot by slot to the new version */
    HF_RELEASE_ROLLING_BACK, /* something failed: slot by slot to the version before */
    HF_RELEASE_DONE,
    HF_RELEASE_ROLLED_BACK,
    HF_RELEASE_BLOCKED, /* preflight said no: nothing was touched */
    HF_RELEASE_FAILED,  /* the way back could not be finished: `why` says what runs where */
    HF_RELEASE_STATES
};

/* Of the slot at hand. A slot moves the same way forward and back, but for smoke and bake, which a
 * version that is returned to does not go through: a way back must not depend on them. */
enum hf_release_step {
    HF_STEP_NONE,        /* not rolling */
    HF_STEP_START,       /* the new instance beside the old */
    HF_STEP_READY,       /* until health says so */
    HF_STEP_SMOKE,       /* requests to that very instance, and the test command */
    HF_STEP_BAKE,        /* its share of the users' requests, judged */
    HF_STEP_ACCEPT,      /* it is the slot's instance now: irreversible for the orchestrator */
    HF_STEP_DRAIN,       /* the old one, by acknowledgement */
    HF_STEP_STOP,        /* the old one */
    HF_STEP_CLEAN_DRAIN, /* the move failed: the new one, by acknowledgement */
    HF_STEP_CLEAN_STOP,  /* the new one */
    HF_STEP_FINISH,      /* all slots are accepted: it is the service's version now */
    HF_STEPS
};

enum hf_release_progress {
    HF_PROGRESS_UNTOUCHED,
    HF_PROGRESS_MOVING,    /* to the new version */
    HF_PROGRESS_ACCEPTED,  /* runs the new version */
    HF_PROGRESS_RETURNING, /* to the version before */
    HF_PROGRESS_RETURNED,  /* runs the version before */
    HF_PROGRESS_STUCK,     /* could not return: runs the new version */
    HF_PROGRESS_GONE,      /* the configuration took the slot away */
    HF_PROGRESSES
};

enum {
    HF_RELEASE_SLOTS_MAX = 256,
    HF_RELEASE_LOG_MAX = 8192, /* lines of one release; later ones are dropped */
    HF_RELEASE_TEXT = 400,
    HF_RELEASE_BY = 80,
};

/* One place in which one instance of the service runs. */
struct hf_release_place {
    char node[HF_NODE_NAME];
    uint32_t ordinal;
    char from[HF_VERSION_TEXT]; /* what it ran before */
    enum hf_release_progress progress;
    char old[HF_INSTANCE_ID];   /* which the move replaces; "": there was none */
    char fresh[HF_INSTANCE_ID]; /* which it starts; "": not seen yet */
};

/* Counters of an endpoint when the bake began. */
struct hf_release_base {
    uint32_t slot, incarnation;
    uint64_t attempts, failures;
};

struct hf_release_line {
    struct hf_wall time;
    enum hf_release_state state;
    enum hf_release_step step;
    char node[HF_NODE_NAME];
    char instance[HF_INSTANCE_ID];
    char text[HF_RELEASE_TEXT];
};

struct hf_release_doc {
    uint32_t id;       /* 1, 2, 3, ... */
    uint64_t revision; /* of the stored document; not part of it */
    char service[HF_SERVICE_NAME];
    char from[HF_VERSION_TEXT], to[HF_VERSION_TEXT];
    char requested_by[HF_RELEASE_BY];
    bool queued;                            /* waits until it may begin, instead of being blocked */
    struct hf_wall requested, began, ended; /* 0: not yet */

    enum hf_release_state state;
    enum hf_release_step step;
    uint32_t at;                   /* the slot at hand */
    struct hf_wall since;          /* of the step */
    char why[HF_RELEASE_TEXT * 4]; /* of rolling back, blocked, failed; "" */

    struct hf_release_place *places;
    uint32_t n_places;
    struct hf_release_base *bases; /* of the bake under way */
    uint32_t n_bases;
    struct hf_release_line *lines;
    uint32_t n_lines;
};

struct hf_release_doc *hf_release_doc_new(void) __attribute__((returns_nonnull));
struct hf_release_doc *hf_release_doc_free(struct hf_release_doc *d); /* NULL is fine */

/* Over, in whatever way. */
bool hf_release_over(const struct hf_release_doc *d);

/* Adds a line at the end; does nothing beyond HF_RELEASE_LOG_MAX. */
void hf_release_doc_log(struct hf_release_doc *d, const struct hf_release_line *line);

/* "requested", "rolling-back", ...; "start", ...; "untouched", ...; never NULL. */
const char *hf_release_state_name(enum hf_release_state s);
const char *hf_release_step_name(enum hf_release_step s);
const char *hf_release_progress_name(enum hf_release_progress p);

/* {"release", "service", "from", "to", "requestedBy", "state", "step", "why", "queued",
 * "requested", "began", "ended", "since", "slot", "slots": [{"node", "ordinal", "from", "progress",
 * "old", "new"}], "bake": [...], "log": [{"time", "state", "step", "node", "instance", "text"}]}:
 * as it is stored and as the API shows it. A new reference. */
json_t *hf_release_doc_json(const struct hf_release_doc *d);

/* {"time", "kind": "release", "release", "service", "version", "state", "step", "node", "instance",
 * "text"} */
json_t *hf_release_line_json(const struct hf_release_doc *d, const struct hf_release_line *line);

/* HF_ECORRUPT: it is not what hf_release_doc_json() makes; e says where. */
HF_MUST_CHECK int hf_release_doc_parse(struct hf_str text, struct hf_release_doc **ret,
                                       struct hf_error *e);
