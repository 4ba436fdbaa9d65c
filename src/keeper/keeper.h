/* keeper/keeper.h - the parent of gateway and controller.
 * It opens the listening sockets and the board, starts the other two and starts them again when
 * they end or fall silent; it reports the exit status of orphaned instances to the controller. It
 * parses nothing, and after its start it allocates nothing: it must never be the one that crashes.
 * If it is killed all the same, the other two go on. */
#pragma once
#include <stdbool.h>

/* `holdfast run`: from the configuration file to the end of the last child. Returns the exit status
 * of the process: 0 stopped as asked, 1 could not start, or could not stop everything. What is
 * wrong stands on standard error. */
int hf_keeper_run(const char *config, bool keep_instances);

/* In the role HF_ROLE_NAME_KEEPER: goes on where the executable before has left off, in the same
 * process. In the role HF_ROLE_NAME_CHECK: finds out if that would work. Exit statuses. */
int hf_keeper_resume(void);
int hf_keeper_check(void);
