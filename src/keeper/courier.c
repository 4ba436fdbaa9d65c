#include "keeper/courier.h"

#include <unistd.h>

#include "net/pass.h"

int hf_courier_init(struct hf_courier *c, int *ret_gateway_fd, struct hf_error *e)
{
    int pair[2], rc = hf_pass_pair(pair, e);

    if (rc)
        return rc;
    *c = (struct hf_courier){.fd = pair[0]};
    *ret_gateway_fd = pair[1];
    return 0;
}

void hf_courier_done(struct hf_courier *c)
{
    if (c->fd >= 0)
        close(c->fd);
    *c = (struct hf_courier){.fd = -1};
}

void hf_courier_bring(struct hf_courier *c, int bundle_fd)
{
    const struct hf_keeper_message m = {.type = HF_KEEPER_TLS};

    c->waiting = c->fd >= 0 && hf_pass_send(c->fd, &m, sizeof(m), bundle_fd) == HF_EAGAIN;
}

void hf_courier_again(struct hf_courier *c, int bundle_fd)
{
    if (c->waiting)
        hf_courier_bring(c, bundle_fd);
}
