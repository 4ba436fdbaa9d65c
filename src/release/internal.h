/* release/internal.h - what the sources of the engine share; for no other.
 *   engine.c   releases and versions: stored, found, requested, ended
 *   act.c      the step under way: what is seen of it, what is done for it
 *   preflight.c  may it begin? */
#pragma once
#include "release/engine.h"
#include "release/smoke.h"
#include "release/step.h"

struct release {
    struct hf_link link; /* by id */
    struct hf_release_doc *doc;
    struct hf_mono since;  /* when this engine came to know of it */
    bool writing, unsaved; /* unsaved: the store does not have it as it is */
    uint32_t told;         /* lines of the log that became events */
    void (*done)(void *ctx, uint32_t id, int error); /* of its request; NULL once called */
    void *done_ctx;
};

/* Document "version"/SERVICE. */
struct version {
    struct hf_link link;
    char service[HF_SERVICE_NAME];
    char version[HF_VERSION_TEXT], previous[HF_VERSION_TEXT];
    char configured[HF_VERSION_TEXT]; /* what the configuration said the last time */
    uint64_t revision;
    bool writing, dirty; /* dirty: changed since it was last handed to the store */
};

/* The step under way of the release under way. */
struct under_way {
    bool entered; /* its action was taken */
    struct hf_mono began;
    struct hf_smoke *smoke;
    enum hf_release_test test;
    char text[HF_RELEASE_TEXT];
    char error[HF_RELEASE_TEXT];
    bool finished;
};

struct retired {
    struct hf_link link;
    char id[HF_INSTANCE_ID];
};

struct hf_release_engine {
    struct hf_release_needs needs;
    struct hf_release_runner runner; /* zeroed until start */
    struct hf_drainer *drainer;
    struct hf_link releases, versions, writes, retired;
    struct release *current;
    struct under_way step;
    struct hf_timer timer;
    uint32_t last_id;
    bool halted; /* another controller writes the documents */
};

static inline struct release *release_at(struct hf_link *l)
{
    return HF_CONTAINER(l, struct release, link);
}
static inline struct version *version_at(struct hf_link *l)
{
    return HF_CONTAINER(l, struct version, link);
}

/* --- engine.c --- */

void engine_soon(struct hf_release_engine *en);
void engine_after(struct hf_release_engine *en, struct hf_duration d);
struct version *version_find(const struct hf_release_engine *en, const char *service);

/* Stores what the service's version is now; `finished` once that is durable. */
void version_finish(struct hf_release_engine *en, const struct hf_release_doc *d);

/* --- preflight.c --- */

enum preflight { PREFLIGHT_GO, PREFLIGHT_WAIT, PREFLIGHT_NO };

/* text gets the evidence, or the reason; *ret_code (may be NULL) a negative HF_E* for the latter.
 */
enum preflight preflight_check(struct hf_release_engine *en, const char *service,
                               const char *version, char *text, size_t size, int *ret_code);

/* Fills in where the service runs now. */
void preflight_places(struct hf_release_engine *en, struct hf_release_doc *d);

/* --- act.c --- */

/* Gives up what the step under way has in memory. */
void step_reset(struct hf_release_engine *en);

/* Takes the action of the step under way, once; again if it could not be taken. */
void step_enter(struct hf_release_engine *en);
void step_see(struct hf_release_engine *en, struct hf_release_seen *seen);
struct hf_duration step_pause(const struct hf_release_doc *d); /* until the next look */

/* Counters as they are, for the bake that begins now. */
void step_bases(struct hf_release_engine *en, struct hf_release_doc *d);
