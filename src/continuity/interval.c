#include "continuity/interval.h"

#include <assert.h>
#include <string.h>

#include "base/str.h"

enum { DAY = 86400 };

static int64_t next_midnight(int64_t second)
{
    return second - second % DAY + DAY;
}

static bool same(const struct hf_interval *a, const struct hf_interval *b)
{
    return a->state == b->state && a->cause == b->cause && a->planned == b->planned &&
           strcmp(a->event, b->event) == 0 && strcmp(a->service, b->service) == 0;
}

bool hf_interval_step(struct hf_interval *open, struct hf_interval *piece,
                      struct hf_interval *closed)
{
    int64_t end;

    if (hf_interval_length(open) > 0) {
        assert(piece->from >= open->to);
        if (piece->from != open->to || open->to % DAY == 0 || !same(open, piece)) {
            *closed = *open;
            open->from = open->to;
            return true;
        }
    } else {
        *open = *piece;
        open->to = open->from;
        open->requests = open->failed = 0;
    }
    end = next_midnight(piece->from);
    if (end > piece->to)
        end = piece->to;
    open->to = end;
    open->requests += piece->requests; /* of a piece that is cut: with its first part */
    open->failed += piece->failed;
    piece->from = end;
    piece->requests = piece->failed = 0;
    return false;
}

void hf_interval_blame(struct hf_interval *piece, const struct hf_claim *owner)
{
    bool bad = piece->state == HF_SECOND_DOWN || piece->state == HF_SECOND_DEGRADED;

    piece->event[0] = 0;
    piece->planned = false;
    piece->cause = piece->state == HF_SECOND_UP ? HF_CAUSE_NONE : HF_CAUSE_UNKNOWN;
    if (bad && owner) {
        memcpy(piece->event, owner->event, sizeof(piece->event));
        piece->planned = owner->planned;
        piece->cause = owner->cause;
    }
}

json_t *hf_interval_to_json(const struct hf_interval *i)
{
    return json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:s, s:b, s:s}", "service", i->service,
                     "state", hf_second_state_name(i->state), "from", (json_int_t)i->from, "to",
                     (json_int_t)i->to, "requests", (json_int_t)i->requests, "failed",
                     (json_int_t)i->failed, "cause", hf_cause_name(i->cause), "planned", i->planned,
                     "event", i->event);
}

int hf_interval_from_json(const json_t *json, struct hf_interval *ret)
{
    const char *service, *state, *cause, *event;
    json_int_t from, to, requests, failed;
    struct hf_interval i = {0};
    int planned;

    if (json_unpack((json_t *)json, "{s:s, s:s, s:I, s:I, s:I, s:I, s:s, s:b, s:s}", "service",
                    &service, "state", &state, "from", &from, "to", &to, "requests", &requests,
                    "failed", &failed, "cause", &cause, "planned", &planned, "event", &event))
        return HF_EINVAL;
    if (from < 0 || to < from || requests < 0 || failed < 0 ||
        hf_second_state_parse(state, &i.state) || hf_cause_parse(cause, &i.cause))
        return HF_EINVAL;
    hf_str_copy(hf_str(service), i.service, sizeof(i.service));
    hf_str_copy(hf_str(event), i.event, sizeof(i.event));
    i.from = from;
    i.to = to;
    i.requests = (uint64_t)requests;
    i.failed = (uint64_t)failed;
    i.planned = planned;
    *ret = i;
    return 0;
}
