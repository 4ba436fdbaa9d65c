/* controller/controller.h - the control plane process. */
#pragma once
#include "board/handover.h"

/* Runs until it is told to stop. Returns the exit status of the process. */
int hf_controller_main(const struct hf_handover *h);
