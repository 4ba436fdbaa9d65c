/* gateway/h2_guard.h - what one HTTP/2 client may cost without getting anything done: frames that
 * carry nothing, streams that are begun and reset, field sections without end. Pure: time is passed
 * in. Embedded in the connection.
 *
 * Each is a budget that refills with time and with work done, so that no client that works is ever
 * in its way, however much it does: a download of gigabytes needs a window update for each few
 * frames, and earns them. A client that has spent it gets GOAWAY with ENHANCE_YOUR_CALM. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/time.h"

enum { HF_H2_CONTINUATIONS = 8 /* frames of one field section, beside its first */ };

struct hf_h2_guard {
    int32_t frames, resets; /* left */
    uint32_t continuations; /* of the section that is arriving */
    struct hf_mono at;      /* of the latest refill */
};

/* resets: streams that may be reset in a burst; a tenth of it a second for ever. */
void hf_h2_guard_init(struct hf_h2_guard *g, uint32_t resets, struct hf_mono now);

/* Each is false once the budget is spent. */
bool hf_h2_guard_idle_frame(struct hf_h2_guard *g, uint32_t resets, struct hf_mono now);
bool hf_h2_guard_reset(struct hf_h2_guard *g, uint32_t resets, struct hf_mono now);
bool hf_h2_guard_continuation(struct hf_h2_guard *g);

/* Work was done. */
void hf_h2_guard_request(struct hf_h2_guard *g);                   /* a field section has come */
void hf_h2_guard_data(struct hf_h2_guard *g);                      /* a frame of a body */
void hf_h2_guard_answered(struct hf_h2_guard *g, uint32_t resets); /* a stream came to its end */
