/* release/drain.h - takes instances out of use by acknowledgement.
 *
 * An instance becomes draining in the catalogue, a plan that says so is published, and it is
 * drained when every live gateway has acknowledged that plan and has nothing in flight there. No
 * pause stands for that. If the service's `timeout.drain` passes first, it is late, and what was
 * still in flight is its cost. The last ready instance of a service that is still wanted is held
 * back, without limit, until another one is ready.
 * Owner: the caller. Runs in: controller, on its loop's thread. */
#pragma once
#include "board/board.h"
#include "catalog/catalog.h"
#include "net/loop.h"

struct hf_drainer;

enum hf_drain_state {
    HF_DRAIN_NONE,    /* not begun here */
    HF_DRAIN_HELD,    /* it is the last that is ready */
    HF_DRAIN_WAITING, /* for acknowledgement */
    HF_DRAIN_DONE,    /* acknowledged, and nothing is in flight; or it is gone by itself */
    HF_DRAIN_LATE,    /* the limit passed */
};

struct hf_drain_seen {
    enum hf_drain_state state;
    uint32_t in_flight;       /* waiting: now; late: what was cut */
    struct hf_duration lasts; /* since it began to wait */
};

struct hf_drainer_needs {
    struct hf_loop *loop;
    struct hf_catalog *catalog;
    const struct hf_board *board;
    void *ctx;
    uint64_t (*publish)(void *ctx); /* a plan of the catalogue as it is; 0: not possible now */

    /* One of hf_drain_begin() is done or late. */
    void *end_ctx;
    void (*on_end)(void *ctx, const char *instance, const struct hf_drain_seen *seen);
};

struct hf_drainer *hf_drainer_new(const struct hf_drainer_needs *needs)
    __attribute__((returns_nonnull));
struct hf_drainer *hf_drainer_free(struct hf_drainer *d); /* NULL is fine */

/* Nothing happens if it was begun already. */
void hf_drain_begin(struct hf_drainer *d, struct hf_instance *i, const char *why);

struct hf_drain_seen hf_drain_look(const struct hf_drainer *d, const char *instance);

/* The instance is gone, or is to be forgotten here. */
void hf_drain_forget(struct hf_drainer *d, const char *instance);
