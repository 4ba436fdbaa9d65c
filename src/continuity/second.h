/* continuity/second.h - was a service up in one second? Pure; used by the accountant.
 *
 * A request counts in the second in which it arrived. What the probe through the public listener
 * saw counts as one more request while there are fewer than HF_SECOND_FEW. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

enum { HF_SECOND_FEW = 5 };

enum hf_second_state {
    HF_SECOND_UNKNOWN, /* not seen: never counted as up */
    HF_SECOND_UP,
    HF_SECOND_DEGRADED, /* at least 1 % failed; or many were refused while the admitted were served
                         */
    HF_SECOND_DOWN,     /* at least half failed, or nothing ran that could have answered */
};

enum hf_second_probe { HF_PROBED_NOT, HF_PROBED_OK, HF_PROBED_FAILED };

/* Of users' requests; blocked addresses are not counted at all. Requests of a gateway that is gone
 * have failed. arrived - ok - failed - refused are still under way. */
struct hf_second_counts {
    uint64_t arrived, ok, failed, refused;
};

struct hf_second {
    struct hf_second_counts counts;
    enum hf_second_probe probe;
    bool missing;    /* a gateway that lived has no record of this second */
    bool no_gateway; /* heartbeats prove that none ran */
};

/* Have all that arrived ended? */
bool hf_second_ended_all(const struct hf_second_counts *c);

/* Requests still under way count as not failed: whoever asks for good asks when they have ended. */
enum hf_second_state hf_second_classify(const struct hf_second *s);

const char *hf_second_state_name(enum hf_second_state state);
HF_MUST_CHECK int hf_second_state_parse(const char *name, enum hf_second_state *ret);
