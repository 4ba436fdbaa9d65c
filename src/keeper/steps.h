/* keeper/steps.h - what follows in a change that takes another gateway: an upgrade, or a reload
 * with other listeners or workers. A pure function; see keeper/change.c for what is done.
 * Runs in: keeper. */
#pragma once
#include <stdbool.h>

#include "board/handover.h"

/* The step after `step` of a request of this kind (HF_KEEPER_SWITCH, HF_KEEPER_UPGRADE), which was
 * done or not; HF_KEEPER_STEP_NONE begins. HF_KEEPER_STEP_NONE: it is over. */
enum hf_keeper_step hf_step_next(uint32_t kind, enum hf_keeper_step step, bool done);

/* How long a step may take. */
struct hf_duration hf_step_limit(enum hf_keeper_step step);

/* A word for people. */
const char *hf_step_name(enum hf_keeper_step step);
