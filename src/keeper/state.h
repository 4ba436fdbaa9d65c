/* keeper/state.h - all that the keeper knows, for the keeper of another executable that goes on in
 * its place: the same process, with the same children and descriptors. And for the self-check of
 * that executable, which reads the very same.
 * Written as parts (board/parts.h), so that the other one may be of another version. Runs in:
 * keeper, self-check. */
#pragma once
#include "keeper/internal.h"

#define HF_STATE_MAGIC UINT64_C(0x657461745366485f) /* "_HfState" */

/* A timer's deadline is 0 if it is not armed; times are monotonic. */
struct hf_state_member {
    int32_t pid;
    uint32_t n_restarts, next_restart;
    uint32_t zero;
    int64_t started_ns, again_ns, delay_ns;
    int64_t restart_ns[HF_RESTART_BURST];
};

struct hf_state_generation {
    uint32_t state;
    int32_t pid;
    int64_t started_ns, cut_ns;
    int32_t courier_fd;
    uint32_t courier_waiting;
};

/* Fields are only ever added at the end of each part: before `board` for the first. */
struct hf_state {
    int32_t lock_fd, keeper_fd, controller_fd; /* of the lock; the mailbox's two ends */
    int32_t tls_fd, access_log_fd;
    int32_t listener_fd[HF_LISTENERS_MAX];
    int32_t own_fd, gateway_fd;               /* the executables in force */
    int32_t before_own_fd, before_gateway_fd; /* -1: none; to go back to */
    int32_t next_gateway_fd, result_fd;       /* for the self-check; else -1 */
    uint32_t phase, hurry, incomplete;
    uint32_t serving, greeted;
    uint32_t step, drain_ms;
    uint32_t mailbox_lost;
    uint32_t returned; /* the keeper that should take over could not: it is the one before again */
    int64_t deadline_ns;
    char path[HF_PATH_SIZE], before_path[HF_PATH_SIZE];
    char build[HF_BUILD_SIZE], before_build[HF_BUILD_SIZE];

    struct hf_board_fds board;
    struct hf_setup setup;
    struct hf_state_member member[2]; /* gateway, controller */
    struct hf_state_generation generation[HF_BOARD_SLOTS];
    struct hf_keeper_report report;
    uint32_t n_kept;
    struct hf_keeper_message kept[HF_MAILBOX_KEPT];
};

void hf_state_save(const struct hf_keeper *k, struct hf_state *ret);

/* A sealed memory file that holds it; close-on-exec. */
HF_MUST_CHECK int hf_state_write(const struct hf_state *s, struct hf_error *e);

/* From HF_HANDOVER_FD, checked. The descriptors stay as they are. */
HF_MUST_CHECK int hf_state_read(struct hf_state *ret, struct hf_error *e);

/* Puts a keeper in that state, timers included; the board is attached. Its loop exists already. */
HF_MUST_CHECK int hf_state_restore(struct hf_keeper *k, const struct hf_state *s,
                                   struct hf_error *e);

/* Calls back with each descriptor that it names. */
void hf_state_each_fd(const struct hf_state *s, void (*each)(int fd));

/* What the self-check found. */
#define HF_CHECK_MAGIC UINT64_C(0x6b636568436648)
struct hf_check_result {
    uint64_t magic;
    char build[HF_BUILD_SIZE];
    char text[320]; /* why it cannot take over; "" it can */
};
