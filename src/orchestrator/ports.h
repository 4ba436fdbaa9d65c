/* orchestrator/ports.h - chooses a port for a new instance.
 * Owner: the caller. Runs in: controller. Binds, never listens, and closes at once: nothing is
 * reachable in between. That another program takes the port before the instance does cannot be
 * ruled out; the instance then fails to start and is started again with another port. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct hf_port_range {
    uint16_t first, last; /* both included; first <= last */
};

/* Chooses a port which nobody is bound to and which taken() does not claim. Looks on from *next,
 * where it then leaves the port after: a port that was just given up is the last to be used again.
 * HF_ELIMIT if there is none. */
HF_MUST_CHECK int hf_ports_choose(const struct hf_port_range *range, uint16_t *next,
                                  bool (*taken)(void *ctx, uint16_t port), void *ctx, uint16_t *ret,
                                  struct hf_error *e);
