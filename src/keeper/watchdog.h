/* keeper/watchdog.h - notices a gateway that is alive but has stopped turning.
 * It counts the keeper's own ticks, not time: while the whole machine is suspended, nobody ticks.
 * Owner: the caller. Runs in: keeper. */
#pragma once
#include "board/live.h"

enum { HF_WATCHDOG_TICKS = 10 };

struct hf_watchdog {
    int64_t seen_ns[HF_BOARD_WORKERS_MAX]; /* the worker's turn_ns at the tick before */
    unsigned still[HF_BOARD_WORKERS_MAX];  /* ticks in a row without a turn */
};

/* A new gateway: forgets the old one's turns. */
void hf_watchdog_reset(struct hf_watchdog *w);

/* One tick. Returns the number of a worker that made no turn for HF_WATCHDOG_TICKS, or -1. A worker
 * that has never turned counts as well: a start that hangs is silence, too. */
int hf_watchdog_tick(struct hf_watchdog *w, const struct hf_live_view *live);
