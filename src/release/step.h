/* release/step.h - what a release does next, given what is seen. Pure: no clock, no store.
 *
 *   requested -> preflight -> rolling -> done
 *                   |            |
 *                blocked    rolling back -> rolled back | failed
 *
 * Within rolling, for one slot after the other:
 *   start -> ready -> smoke -> bake -> accept -> drain -> stop -> (next slot) ... finish
 * What fails before it is accepted is cleaned away: clean-drain -> clean-stop. Then the accepted
 * slots return, the last one first: start -> ready -> accept -> drain -> stop. A slot that cannot
 * return is cleaned in the same way and is stuck; the others still return, and the release ends as
 * failed. Runs in: controller. */
#pragma once
#include "release/doc.h"
#include "release/drain.h"
#include "release/judge.h"

enum hf_release_test { HF_TEST_RUNNING, HF_TEST_PASSED, HF_TEST_FAILED };

/* One of the instances of the slot at hand. */
struct hf_release_sight {
    bool there; /* in the catalogue, and not stopped */
    enum hf_instance_state state;
    const char *id, *why; /* not NULL if it is there */
};

/* Fields that the step at hand does not need are ignored. */
struct hf_release_seen {
    struct hf_duration took, limit; /* since the step began, and how long it may last */

    bool service;      /* is there, and run by the orchestrator */
    bool turn;         /* requested: no other is under way */
    const char *wait;  /* requested, preflight: why it cannot begin yet; NULL: it can */
    const char *error; /* preflight: says no; start, accept: the orchestrator says no; else NULL */

    bool place;          /* start: the slot is still there */
    const char *present; /* start: the id of the instance that the slot has; "" */
    struct hf_release_sight fresh, old;
    bool current;            /* the slot's version is the one that it moves to */
    bool accepted;           /* the same, durably */
    uint32_t share;          /* smoke: of 10000, ... */
    struct hf_duration bake; /* ... and how long, for the text */
    enum hf_release_test test;
    enum hf_release_verdict verdict;
    const char *text;           /* of test, or verdict */
    struct hf_drain_seen drain; /* of the instance that the step takes away */
    bool finished;              /* the service's version is stored */
};

/* Where it goes. */
struct hf_release_next {
    enum hf_release_state state;
    enum hf_release_step step;
    uint32_t at;
    enum hf_release_progress progress;               /* of the slot that was at hand */
    char old[HF_INSTANCE_ID], fresh[HF_INSTANCE_ID]; /* of the slot that was at hand */
    char instance[HF_INSTANCE_ID];                   /* which the text is about; "" */
    char text[HF_RELEASE_TEXT];                      /* what happened */
    char why[HF_RELEASE_TEXT * 4];                   /* of the whole release; "": as before */
};

/* False: nothing happens, look again. */
bool hf_release_step(const struct hf_release_doc *d, const struct hf_release_seen *seen,
                     struct hf_release_next *ret);

/* Makes the document say so, with a line of what happened; a second one closes a release. */
void hf_release_apply(struct hf_release_doc *d, const struct hf_release_next *next,
                      struct hf_wall now);
