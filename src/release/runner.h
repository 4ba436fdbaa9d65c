/* release/runner.h - what a release needs from an orchestrator, so that it does not know which one
 * it is. hf_release_process_runner() is that of the embedded one. Runs in: controller. */
#pragma once
#include "catalog/catalog.h"

struct hf_orchestrator;

/* A slot as it is now. Ids are those of the catalogue; "": there is none. */
struct hf_release_slot {
    char node[HF_NODE_NAME];
    uint32_t ordinal;              /* of the service, from 1 */
    char version[HF_VERSION_TEXT]; /* accepted */
    char current[HF_INSTANCE_ID];
    char candidate[HF_INSTANCE_ID];
};

/* All are idempotent: what is done already is 0. */
struct hf_release_runner {
    void *ctx;

    /* Fills at most max slots; returns how many there are, 0 if it does not run the service. */
    size_t (*slots)(void *ctx, const char *service, struct hf_release_slot *ret, size_t max);

    /* Starts a candidate of version beside the slot's current instance. It is in the catalogue as
     * starting and candidate, and stays a candidate, over a restart of the controller too, until it
     * is accepted; if it ends by itself it is failed and not started again. HF_EEXIST: there is a
     * candidate of another version. HF_EAGAIN: not now. */
    int (*begin)(void *ctx, const char *service, uint32_t ordinal, const char *version,
                 struct hf_error *e);

    /* The candidate is the slot's current instance from now on. For the one before
     * hf_release_retired() follows once this is durable; it runs on until stop. HF_EAGAIN: not now.
     */
    int (*accept)(void *ctx, const char *service, uint32_t ordinal, const char *instance,
                  struct hf_error *e);

    /* The slot's candidate is given up. */
    int (*abort)(void *ctx, const char *service, uint32_t ordinal, struct hf_error *e);

    /* Stops it, whatever is in flight. HF_ENOENT: there is none. */
    int (*stop)(void *ctx, const char *instance, struct hf_error *e);
};

struct hf_release_runner hf_release_process_runner(struct hf_orchestrator *o);
