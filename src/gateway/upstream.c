#include "gateway/upstream.h"

#include "gateway/h1_upstream.h"
#include "gateway/worker.h"

enum hf_failure hf_upstream_open(struct hf_exchange *x, struct hf_target *t,
                                 struct hf_upstream **ret)
{
    /* After a kept connection turned out to be closed, the next ones may be as well. */
    struct hf_upstream *u = x->stale ? NULL : hf_target_take(x->worker, t, x->idempotent);

    if (!u)
        return hf_h1_upstream_connect(x->worker, t, ret);
    *ret = u;
    return HF_FAILURE_NONE;
}

void hf_upstream_attach(struct hf_upstream *u, struct hf_exchange *x)
{
    u->exchange = x;
    u->heard = u->reusable = false;
    hf_link_remove(&u->link);
    hf_list_append(&u->target->busy, &u->link);
    u->ops->attach(u);
}
