/* gateway/gateway.h - the data plane process. */
#pragma once
#include "board/handover.h"

/* Serves until SIGTERM, then drains. Returns the exit status of the process. */
int hf_gateway_main(const struct hf_handover *h);
