#include "keeper/steps.h"

static const struct {
    const char *name;
    enum hf_keeper_step done, failed;
    unsigned limit_s;
} steps[HF_KEEPER_STEPS] = {
    [HF_KEEPER_STEP_NONE] = {"begin", HF_KEEPER_STEP_CHECK, HF_KEEPER_STEP_NONE, 0},
    [HF_KEEPER_STEP_CHECK] = {"self-check", HF_KEEPER_STEP_GATEWAY, HF_KEEPER_STEP_NONE, 10},
    [HF_KEEPER_STEP_GATEWAY] = {"gateway", HF_KEEPER_STEP_CONTROLLER, HF_KEEPER_STEP_NONE, 15},
    [HF_KEEPER_STEP_CONTROLLER] = {"controller", HF_KEEPER_STEP_KEEPER,
                                   HF_KEEPER_STEP_BACK_CONTROLLER, 30},
    [HF_KEEPER_STEP_KEEPER] = {"keeper", HF_KEEPER_STEP_NONE, HF_KEEPER_STEP_BACK_CONTROLLER, 10},
    [HF_KEEPER_STEP_BACK_CONTROLLER] = {"controller, back", HF_KEEPER_STEP_BACK_GATEWAY,
                                        HF_KEEPER_STEP_BACK_GATEWAY, 30},
    [HF_KEEPER_STEP_BACK_GATEWAY] = {"gateway, back", HF_KEEPER_STEP_NONE, HF_KEEPER_STEP_NONE, 15},
};

enum hf_keeper_step hf_step_next(uint32_t kind, enum hf_keeper_step step, bool done)
{
    if (kind == HF_KEEPER_SWITCH)
        return step == HF_KEEPER_STEP_NONE && done ? HF_KEEPER_STEP_GATEWAY : HF_KEEPER_STEP_NONE;
    return done ? steps[step].done : steps[step].failed;
}

struct hf_duration hf_step_limit(enum hf_keeper_step step)
{
    return hf_seconds(steps[step].limit_s);
}

const char *hf_step_name(enum hf_keeper_step step)
{
    return steps[step].name;
}
