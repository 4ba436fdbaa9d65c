/* keeper/mailbox.h - fixed-size messages to the controller, kept while it cannot take them.
 * The socket pair outlives every controller: what one did not read waits for the next. When the
 * kernel's queue is full, the latest HF_MAILBOX_KEPT messages are kept here, and the oldest of them
 * go first. Never blocks, never allocates. Owner: the caller. Runs in: keeper. */
#pragma once
#include "board/handover.h"

enum { HF_MAILBOX_KEPT = 256 };

struct hf_mailbox {
    int fd;            /* the keeper's end */
    int controller_fd; /* handed to each controller */
    struct hf_keeper_message kept[HF_MAILBOX_KEPT];
    unsigned first, n;
    unsigned lost; /* since the start */
};

HF_MUST_CHECK int hf_mailbox_init(struct hf_mailbox *m, struct hf_error *e);
void hf_mailbox_done(struct hf_mailbox *m);

void hf_mailbox_send(struct hf_mailbox *m, const struct hf_keeper_message *message);

/* Sends what was kept, as far as the controller reads. */
void hf_mailbox_flush(struct hf_mailbox *m);

/* A message from the controller, or a whole request (of a plain message, the rest is 0); and the
 * descriptor that came with it, the caller's then; -1: none. HF_EAGAIN: there is no message;
 * HF_EINVAL: what came was none. */
HF_MUST_CHECK int hf_mailbox_receive(struct hf_mailbox *m, struct hf_keeper_request *ret,
                                     int *ret_fd);
