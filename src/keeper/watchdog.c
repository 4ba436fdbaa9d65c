#include "keeper/watchdog.h"

#include <string.h>

void hf_watchdog_reset(struct hf_watchdog *w)
{
    memset(w, 0, sizeof(*w));
}

int hf_watchdog_tick(struct hf_watchdog *w, const struct hf_live_view *live)
{
    int silent = -1;

    /* Before the file is laid out, its first worker counts as one that has never turned. */
    for (uint32_t i = 0; i < live->capacity.workers || i == 0; i++) {
        int64_t turn_ns =
            live->capacity.workers
                ? atomic_load_explicit(&hf_live_worker(live, i)->turn_ns, memory_order_relaxed)
                : 0;
        w->still[i] = turn_ns == w->seen_ns[i] ? w->still[i] + 1 : 0;
        w->seen_ns[i] = turn_ns;
        if (silent < 0 && w->still[i] >= HF_WATCHDOG_TICKS)
            silent = (int)i;
    }
    return silent;
}
