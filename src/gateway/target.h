/* gateway/target.h - an endpoint as one worker deals with it: its kept connections and its figures.
 * Lives in a table by endpoint slot; the plan switch keeps it true. */
#pragma once
#include "base/list.h"
#include "base/time.h"
#include "board/board.h"
#include "gateway/task.h"

struct hf_worker;
struct hf_upstream;

enum { HF_TARGET_IDLE_MOST = 512 }; /* kept connections to one endpoint from one worker */

struct hf_target {
    struct hf_worker *worker;
    uint32_t slot, incarnation, service_slot;
    bool known;    /* the present plan has it */
    uint8_t state; /* enum hf_plan_endpoint_state */
    struct hf_addr address;
    struct hf_link idle, busy; /* upstreams; idle: used last stands first */
    uint32_t n_idle;
    struct hf_link links; /* connections of HTTP/2 (h2_upstream.h) */
    uint32_t n_links;
    uint32_t link_streams;  /* at once on one of them, as it said last; 0: it has not said */
    uint32_t idle_close_ms; /* the shortest idle time after which it was seen to close; 0: never */
    struct hf_task move;    /* idempotent requests that wait here go elsewhere */
    struct hf_live_endpoint *live;
    uint16_t label_n;
    char label[256]; /* for the access log: "version":"..","instance":"..","node":".." */
};

void hf_target_init(struct hf_target *t, struct hf_worker *w, uint32_t slot);

/* Brings the table to the worker's new snapshot: closes kept connections to what is gone or gets
 * nothing new, moves idempotent requests off what was ejected. */
void hf_targets_switch(struct hf_worker *w);

/* Idempotent requests that wait there without a byte of a response go elsewhere, soon and inside
 * the budget. */
void hf_target_move(struct hf_target *t);

/* Does it take part in ejection: is it one that requests are sent to? */
static inline bool hf_target_in_use(const struct hf_target *t)
{
    return t->known && t->state == HF_ENDPOINT_READY;
}

/* A kept connection that is good for this request, or NULL. A request that cannot be repeated takes
 * only one that the other side is not about to close (RFC 9112 section 9.3.1). */
struct hf_upstream *hf_target_take(struct hf_worker *w, struct hf_target *t, bool repeatable);

/* One more or one less request under way there. */
static inline void hf_target_count(struct hf_target *t, int32_t change)
{
    uint32_t n = atomic_load_explicit(&t->live->in_flight, memory_order_relaxed);

    atomic_store_explicit(&t->live->in_flight, n + (uint32_t)change, memory_order_release);
}
