/* gateway/snapshot.h - the gateway's private, validated, reference-counted copy of the plan.
 * Shared by the workers and never changed once it is made: publishing never waits for a stuck
 * worker, and an invalid plan is refused while the last valid one stays. */
#pragma once
#include "board/board.h"

struct hf_snapshot {
    _Atomic uint32_t references;
    uint64_t generation;
    const struct hf_plan *plan;
    /* By live slot: the index in the plan, or -1. */
    int32_t *service_at, *endpoint_at;
};

struct hf_snapshots;
struct hf_snapshots *hf_snapshots_new(struct hf_board *board);
struct hf_snapshots *hf_snapshots_free(struct hf_snapshots *s);

/* The newest valid one, with a reference of the caller's; NULL if there was none yet. A generation
 * that is refused is logged once. */
struct hf_snapshot *hf_snapshots_take(struct hf_snapshots *s);

/* Installs an image that did not come through the board: the file of the last plan. Its generation
 * counts as 0, so that any published plan replaces it. */
HF_MUST_CHECK int hf_snapshots_load(struct hf_snapshots *s, const void *image, size_t size,
                                    struct hf_error *e);

struct hf_snapshot *hf_snapshot_unref(struct hf_snapshot *s); /* NULL is fine; returns NULL */
