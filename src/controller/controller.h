/* controller/controller.h - the control plane process: one event loop that puts configuration,
 * orchestrator, health, releases, ledger and API together. It may crash at any instruction without
 * a user noticing: what must survive is in the store before it is acted on, and the next one takes
 * over the board and the instances as they are. */
#pragma once
#include "board/handover.h"

/* The process. Returns its exit status: 0 after an orderly stop. */
int hf_controller_main(const struct hf_handover *h);
