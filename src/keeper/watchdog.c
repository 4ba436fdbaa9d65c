#include "keeper/watchdog.h"

#include <string.h>

void hf_watchdog_reset(struct hf_watchdog *w)
{
    memset(w, 0, sizeof(*w));
}

int hf_watchdog_tick(struct hf_watchdog *w, const struct hf_live_view *live)
{
    int silent = -1;

    for (uint32_t i = 0; i < live->capacity.workers && i < HF_BOARD_WORKERS_MAX; i++) {
        int64_t turn_ns =
            atomic_load_explicit(&hf_live_worker(live, i)->turn_ns, memory_order_relaxed);
        w->still[i] = turn_ns == w->seen_ns[i] ? w->still[i] + 1 : 0;
        w->seen_ns[i] = turn_ns;
        if (silent < 0 && w->still[i] >= HF_WATCHDOG_TICKS)
            silent = (int)i;
    }
    return silent;
}
