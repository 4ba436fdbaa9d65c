#include "keeper/mailbox.h"

#include <sys/socket.h>
#include <unistd.h>

#include "net/pass.h"

int hf_mailbox_init(struct hf_mailbox *m, struct hf_error *e)
{
    int pair[2], rc = hf_pass_pair(pair, e);

    if (rc)
        return rc;
    *m = (struct hf_mailbox){.fd = pair[0], .controller_fd = pair[1]};
    return 0;
}

void hf_mailbox_done(struct hf_mailbox *m)
{
    close(m->fd);
    close(m->controller_fd);
}

static bool try_send(struct hf_mailbox *m, const struct hf_keeper_message *message)
{
    return send(m->fd, message, sizeof(*message), MSG_NOSIGNAL) == sizeof(*message);
}

static void keep(struct hf_mailbox *m, const struct hf_keeper_message *message)
{
    if (m->n == HF_MAILBOX_KEPT) {
        m->first = (m->first + 1) % HF_MAILBOX_KEPT;
        m->n--;
        m->lost++;
    }
    m->kept[(m->first + m->n++) % HF_MAILBOX_KEPT] = *message;
}

void hf_mailbox_flush(struct hf_mailbox *m)
{
    while (m->n && try_send(m, &m->kept[m->first])) {
        m->first = (m->first + 1) % HF_MAILBOX_KEPT;
        m->n--;
    }
}

void hf_mailbox_send(struct hf_mailbox *m, const struct hf_keeper_message *message)
{
    hf_mailbox_flush(m);
    if (m->n || !try_send(m, message))
        keep(m, message);
}

int hf_mailbox_receive(struct hf_mailbox *m, struct hf_keeper_request *ret, int *ret_fd)
{
    struct hf_keeper_request request = {0};
    int rc = hf_pass_receive_part(m->fd, &request, sizeof(request.head), sizeof(request), ret_fd);

    if (rc == HF_EIO)
        return HF_EAGAIN; /* the keeper holds both ends: neither is ever gone */
    if (!rc)
        *ret = request;
    return rc;
}
