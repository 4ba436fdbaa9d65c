/* Which changes a running holdfast cannot take over. */
#include <string.h>

#include "config/schema.h"

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

/* The rows whose restart is set: a test holds this list to the table. */
int hf_config_diff_reload(const struct hf_config *old, const struct hf_config *next,
                          struct hf_config_errors *errors)
{
    const struct {
        const char *key;
        bool same;
    } rows[] = {
        {"state", same_text(old->state, next->state)},
        {"store", old->store == next->store},
        {"admin.listen", hf_addr_eq(&old->admin.listen, &next->admin.listen)},
        {"gateway.user", same_text(old->gateway.user, next->gateway.user)},
        {"gateway.sandbox", old->gateway.sandbox == next->gateway.sandbox},
        {"board.services", old->board.services == next->board.services},
        {"board.endpoints", old->board.endpoints == next->board.endpoints},
        {"board.routes", old->board.routes == next->board.routes},
    };

    hf_config_errors_clear(errors, next->file);
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        if (!rows[i].same)
            hf_config_errors_add(errors, 0, 0,
                                 "%s is changed, which a reload cannot do; expected the old value, "
                                 "or a restart",
                                 rows[i].key);
    }
    return errors->total ? HF_EREFUSED : 0;
}
