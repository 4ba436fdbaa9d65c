#include "controller/controller.h"

#include <poll.h>
#include <sys/socket.h>

#include "base/log.h"

/* Reads the keeper's messages; it controls nothing yet. */
int hf_controller_main(const struct hf_handover *h)
{
    struct pollfd p = {.fd = h->keeper_fd, .events = POLLIN};
    struct hf_keeper_message m;

    while (poll(&p, 1, -1) > 0) {
        if (recv(p.fd, &m, sizeof(m), 0) != sizeof(m))
            return 1;
        hf_info("message type=%u slot=%u pid=%d status=%d", m.type, m.slot, m.pid, m.status);
        if (m.type == HF_KEEPER_STOP_INSTANCES)
            return 0;
    }
    return 1;
}
