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

/* What the next gateway shall have instead: opened, but not in force yet. */
struct hf_ground_next {
    struct hf_setup setup;
    int listener_fd[HF_LISTENERS_MAX];
    int access_log_fd;
};

/* Opens what the request has beyond what is in force, all of it or nothing. A listener of the same
 * configured address keeps its socket. Fails with a text for the operator. */
HF_MUST_CHECK int hf_ground_prepare(const struct hf_ground *g, const struct hf_keeper_request *r,
                                    struct hf_ground_next *ret, struct hf_error *e);

/* What is in force, unchanged. */
struct hf_ground_next hf_ground_same(const struct hf_ground *g);

/* Puts next in force, and closes what it has no more. */
void hf_ground_adopt(struct hf_ground *g, const struct hf_ground_next *next);

/* Closes what only next has. */
void hf_ground_drop(const struct hf_ground *g, const struct hf_ground_next *next);
