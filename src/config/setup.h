/* config/setup.h - what the keeper has to know of a configuration (board/handover.h).
 * Runs in: the short-lived child that parses for the keeper; controller, after a reload. */
#pragma once
#include "board/handover.h"
#include "config/config.h"

/* Counts the processors if workers is auto. keep_instances stays 0: that is an option of the
 * command line. Fails if a path does not fit. */
HF_MUST_CHECK int hf_setup_from_config(const struct hf_config *c, struct hf_setup *ret,
                                       struct hf_error *e);

/* How long a stop may take. */
uint32_t hf_setup_stop_ms(const struct hf_config *c);

/* Makes the state folder, with its parents, mode 0700, unless it is there, and finds out whether
 * it can be written to, and by nobody else. */
HF_MUST_CHECK int hf_setup_state(const struct hf_setup *s, struct hf_error *e);
