/* core/view.h - what the decisions look at: a validated plan and the live figures of one gateway.
 * core/ does no I/O, keeps no clock and draws no random bits of its own: the same functions serve a
 * worker of the gateway and a simulator. A view belongs to one worker. */
#pragma once
#include "base/random.h"
#include "base/time.h"
#include "board/live.h"
#include "board/plan.h"

struct hf_view {
    const struct hf_plan *plan;
    uint32_t workers, self;
    struct hf_live_endpoint
        *endpoints[HF_BOARD_WORKERS_MAX]; /* [worker][slot]; own ones writable */
    struct hf_live_health *healths;       /* [slot], shared by the workers */
    struct hf_live_floor *floors;         /* [service slot], shared */
};
