#include "gateway/h2_guard.h"

enum {
    FRAMES_BURST = 2000, /* frames without use, at once */
    FRAMES_MOST = 20000, /* what work can save up */
    FRAMES_A_SECOND = 200,
    FRAMES_A_REQUEST = 8,
    FRAMES_A_DATA = 4,
    RESETS_A_SECOND = 10, /* that part of the burst */
};

static void refill(struct hf_h2_guard *g, uint32_t resets, struct hf_mono now)
{
    int64_t ms = hf_duration_ms(hf_mono_sub(now, g->at));
    int64_t frames, more;

    if (ms < 100)
        return;
    if (ms > 60000)
        ms = 60000;
    g->at = now;
    frames = g->frames + ms * FRAMES_A_SECOND / 1000;
    if (g->frames < FRAMES_BURST)
        g->frames = frames < FRAMES_BURST ? (int32_t)frames : FRAMES_BURST;
    more = g->resets + ms * resets / RESETS_A_SECOND / 1000;
    g->resets = more < (int64_t)resets ? (int32_t)more : (int32_t)resets;
}

void hf_h2_guard_init(struct hf_h2_guard *g, uint32_t resets, struct hf_mono now)
{
    *g = (struct hf_h2_guard){.frames = FRAMES_BURST, .resets = (int32_t)resets, .at = now};
}

bool hf_h2_guard_idle_frame(struct hf_h2_guard *g, uint32_t resets, struct hf_mono now)
{
    if (g->frames <= 0)
        refill(g, resets, now);
    return --g->frames >= 0;
}

bool hf_h2_guard_reset(struct hf_h2_guard *g, uint32_t resets, struct hf_mono now)
{
    refill(g, resets, now);
    return --g->resets >= 0;
}

bool hf_h2_guard_continuation(struct hf_h2_guard *g)
{
    return ++g->continuations <= HF_H2_CONTINUATIONS;
}

static void earn(struct hf_h2_guard *g, int32_t n)
{
    g->frames = g->frames + n < FRAMES_MOST ? g->frames + n : FRAMES_MOST;
}

void hf_h2_guard_request(struct hf_h2_guard *g)
{
    g->continuations = 0;
    earn(g, FRAMES_A_REQUEST);
}

void hf_h2_guard_data(struct hf_h2_guard *g)
{
    earn(g, FRAMES_A_DATA);
}

void hf_h2_guard_answered(struct hf_h2_guard *g, uint32_t resets)
{
    if (g->resets < (int32_t)resets)
        g->resets++;
}
