/* controller/slow.h - a thread for what may wait long for the disk, one piece of work after the
 * other, so that the loop does not. Owner: the caller. Runs in: controller. */
#pragma once
#include "base/error.h"

enum { HF_SLOW_MOST = 16 /* pieces that wait */ };

struct hf_slow;

/* HF_EIO: no thread to be had. */
HF_MUST_CHECK int hf_slow_new(struct hf_slow **ret, struct hf_error *e);

/* Waits for all that was handed over. NULL is fine; returns NULL. */
struct hf_slow *hf_slow_free(struct hf_slow *s);

/* work() is called in the thread, and owns ctx from there on. HF_ELIMIT: too many wait already; ctx
 * stays the caller's. */
HF_MUST_CHECK int hf_slow_run(struct hf_slow *s, void (*work)(void *ctx), void *ctx_take);
