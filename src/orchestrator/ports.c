#include "orchestrator/ports.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include "base/mem.h"

/* Bound to the wildcard address, which collides with every address of this machine, 127.0.0.1
 * included. Without SO_REUSEADDR a port with connections in TIME_WAIT counts as taken too: not
 * every application sets that option. */
static bool can_bind(uint16_t port, bool reuse)
{
    HF_AUTOCLOSE int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(port)};
    int on = 1;

    if (fd < 0)
        return false;
    if (reuse)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    return bind(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0;
}

int hf_ports_choose(const struct hf_port_range *range, uint16_t *next,
                    bool (*taken)(void *ctx, uint16_t port), void *ctx, uint16_t *ret,
                    struct hf_error *e)
{
    unsigned count = (unsigned)range->last - range->first + 1;
    unsigned start = *next >= range->first && *next <= range->last ? *next - range->first : 0;

    for (int reuse = 0; reuse < 2; reuse++) {
        for (unsigned i = 0; i < count; i++) {
            uint16_t port = (uint16_t)(range->first + (start + i) % count);
            if (taken(ctx, port) || !can_bind(port, reuse))
                continue;
            *next = port == range->last ? range->first : (uint16_t)(port + 1);
            *ret = port;
            return 0;
        }
    }
    return hf_error_set(e, HF_ELIMIT, "no free port in %u-%u", range->first, range->last);
}
