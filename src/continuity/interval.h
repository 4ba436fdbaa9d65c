/* continuity/interval.h - seconds of one service, joined into intervals. Pure.
 *
 * An interval never crosses midnight UTC: so a long quiet time reaches the ledger once a day, and
 * a report by days is exact. */
#pragma once
#include <jansson.h>

#include "continuity/claim.h"
#include "continuity/second.h"

struct hf_interval {
    char service[HF_CONTINUITY_NAME];
    enum hf_second_state state;
    int64_t from, to;          /* wall seconds, to excluded; equal: it is empty */
    uint64_t requests, failed; /* that arrived in it; refused ones are failed ones */
    enum hf_cause cause;
    bool planned;
    char event[HF_CONTINUITY_NAME]; /* "": none owns it */
};

static inline int64_t hf_interval_length(const struct hf_interval *i)
{
    return i->to - i->from;
}

/* Moves what belongs together from the beginning of *piece into *open, and returns false; or, if
 * piece begins something else, moves *open to *closed, leaves it empty, and returns true. To be
 * called until piece is empty. piece->from must not lie before open->to. */
bool hf_interval_step(struct hf_interval *open, struct hf_interval *piece,
                      struct hf_interval *closed);

/* Sets cause, planned and event of a piece of one second, or of one owner. */
void hf_interval_blame(struct hf_interval *piece, const struct hf_claim *owner);

json_t *hf_interval_to_json(const struct hf_interval *i);
HF_MUST_CHECK int hf_interval_from_json(const json_t *json, struct hf_interval *ret);
