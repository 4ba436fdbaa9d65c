/* keeper/ground.h - what the keeper opens once and keeps open while everything above it comes and
 * goes: the lock, the board, the listening sockets, the access log.
 * Owner: the caller. Runs in: keeper. */
#pragma once
#include "board/handover.h"
#include "keeper/lock.h"

struct hf_ground {
    struct hf_setup setup; /* listeners with the ports that they got */
    struct hf_lock lock;
    struct hf_board *board;
    int listener_fd[HF_LISTENERS_MAX]; /* -1 beyond setup.n_listeners */
    int access_log_fd;                 /* -1: off */
};

/* From a checked setup. Fails with a text for the operator; nothing stays open then. */
HF_MUST_CHECK int hf_ground_open(const struct hf_setup *setup, struct hf_ground *ret,
                                 struct hf_error *e);

/* The last plan on disk, for a gateway, which opens nothing itself. -1: there is none. */
int hf_ground_last_plan(const struct hf_ground *g);

void hf_ground_close(struct hf_ground *g);
