/* keeper/child.h - starts an executable of holdfast's (keeper/program.h) in a role.
 * Never allocates; the child differs from the keeper by its hand-over, the descriptors that it
 * names, and a session of its own, so that a terminal's signals reach the keeper alone.
 * Runs in: keeper. */
#pragma once
#include <sys/types.h>

#include "board/handover.h"

/* Starts h->role with h. Returns its pid, or a negative HF_E*. */
HF_MUST_CHECK pid_t hf_child_start(int program, const struct hf_handover *h, struct hf_error *e);

/* Runs the setup role on the configuration file to its end. HF_EREFUSED with an empty text: the
 * child said on standard error what is wrong. */
HF_MUST_CHECK int hf_child_setup(int program, const char *config, struct hf_setup *ret,
                                 struct hf_error *e);

/* Has the gateway's executable try whether its sandbox works here. HF_EREFUSED as above. */
HF_MUST_CHECK int hf_child_sandbox(int program, const struct hf_sandbox_setup *s,
                                   struct hf_error *e);

/* Starts the self-check role with the state in fd, which names the descriptors that it gets.
 * Returns its pid, which is its process group, too. */
struct hf_state;
HF_MUST_CHECK pid_t hf_child_check(int program, int fd, const struct hf_state *s,
                                   struct hf_error *e);

/* Becomes the keeper of that executable, with the state in fd. Returns only if that fails, and then
 * nothing has changed. */
void hf_child_become(int program, int fd, const struct hf_state *s, struct hf_error *e);

/* Asks an executable of which build it is. */
HF_MUST_CHECK int hf_child_build(int program, char ret[HF_BUILD_SIZE], struct hf_error *e);

/* Puts HF_HANDOVER_FD and the standard descriptors out of the way of what is opened later, and
 * marks inherited ones close-on-exec. First thing in the keeper. */
HF_MUST_CHECK int hf_child_prepare(struct hf_error *e);

/* "exit status 1", "signal 11 (SEGV)"; buf of HF_CHILD_STATUS_TEXT bytes. status: as waitpid gives
 * it.
 */
#define HF_CHILD_STATUS_TEXT 32
const char *hf_child_status(int status, char buf[HF_CHILD_STATUS_TEXT]);
