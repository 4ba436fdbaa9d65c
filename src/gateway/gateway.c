#include "gateway/gateway.h"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>

#include "base/log.h"

/* Holds its slot and shows a heartbeat; it serves nothing yet. */
int hf_gateway_main(const struct hf_handover *h)
{
    struct hf_board *board;
    struct hf_live_view live;
    struct hf_error e;
    struct pollfd p;
    sigset_t set;

    if (hf_board_attach(&h->setup.capacity, &h->board, HF_BOARD_GATEWAY, h->slot, &board, &e)) {
        hf_err("%s", e.text);
        return 1;
    }
    live = hf_board_live(board, h->slot);
    atomic_store(&live.live->phase, HF_LIVE_SERVING);
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    p = (struct pollfd){.fd = signalfd(-1, &set, SFD_CLOEXEC), .events = POLLIN};
    do {
        for (uint32_t w = 0; w < live.capacity.workers; w++)
            atomic_store(&hf_live_worker(&live, w)->turn_ns, hf_mono_now().ns);
    } while (poll(&p, 1, 500) == 0);
    hf_board_free(board);
    return 0;
}
