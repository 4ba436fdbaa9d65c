#include "release/runner.h"

#include <string.h>

#include "base/mem.h"
#include "orchestrator/orchestrator.h"

static size_t slots(void *ctx, const char *service, struct hf_release_slot *ret, size_t max)
{
    HF_AUTOFREE struct hf_orchestrator_slot *all = hf_alloc_array(max + 1, sizeof(*all));
    size_t n = hf_orchestrator_slots(ctx, service, all, max);

    for (size_t i = 0; i < n && i < max; i++) {
        memset(&ret[i], 0, sizeof(ret[i]));
        hf_str_copy(hf_str(all[i].node), ret[i].node, sizeof(ret[i].node));
        ret[i].ordinal = all[i].ordinal;
        hf_str_copy(hf_str(all[i].version), ret[i].version, sizeof(ret[i].version));
        hf_str_copy(hf_str(all[i].current), ret[i].current, sizeof(ret[i].current));
        hf_str_copy(hf_str(all[i].candidate), ret[i].candidate, sizeof(ret[i].candidate));
    }
    return n;
}

static int begin(void *ctx, const char *service, uint32_t ordinal, const char *version,
                 struct hf_error *e)
{
    char id[HF_INSTANCE_ID];

    return hf_orchestrator_begin(ctx, service, ordinal, version, id, e);
}

static int accept_one(void *ctx, const char *service, uint32_t ordinal, const char *instance,
                      struct hf_error *e)
{
    return hf_orchestrator_accept(ctx, service, ordinal, instance, e);
}

static int abort_one(void *ctx, const char *service, uint32_t ordinal, struct hf_error *e)
{
    return hf_orchestrator_abort(ctx, service, ordinal, e);
}

static int stop(void *ctx, const char *instance, struct hf_error *e)
{
    return hf_orchestrator_stop(ctx, instance, e);
}

struct hf_release_runner hf_release_process_runner(struct hf_orchestrator *o)
{
    return (struct hf_release_runner){
        .ctx = o,
        .slots = slots,
        .begin = begin,
        .accept = accept_one,
        .abort = abort_one,
        .stop = stop,
    };
}
