/* base/time.h - three kinds of time which the compiler keeps apart.
 * Deadlines run on monotonic time; wall time is for people and the ledger. Unit: nanoseconds. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct hf_mono {
    int64_t ns; /* CLOCK_MONOTONIC: the same for all processes of this machine since its boot */
};
struct hf_wall {
    int64_t ns; /* since 1970-01-01T00:00:00Z */
};
struct hf_duration {
    int64_t ns;
};

#define HF_NS_PER_MS INT64_C(1000000)
#define HF_NS_PER_S INT64_C(1000000000)

struct hf_mono hf_mono_now(void);
struct hf_wall hf_wall_now(void);

static inline struct hf_duration hf_ms(int64_t ms)
{
    return (struct hf_duration){ms * HF_NS_PER_MS};
}
static inline struct hf_duration hf_seconds(int64_t s)
{
    return (struct hf_duration){s * HF_NS_PER_S};
}
static inline struct hf_mono hf_mono_add(struct hf_mono t, struct hf_duration d)
{
    return (struct hf_mono){t.ns + d.ns};
}
static inline struct hf_duration hf_mono_sub(struct hf_mono later, struct hf_mono earlier)
{
    return (struct hf_duration){later.ns - earlier.ns};
}
static inline bool hf_mono_before(struct hf_mono a, struct hf_mono b)
{
    return a.ns < b.ns;
}
static inline int64_t hf_duration_ms(struct hf_duration d)
{
    return d.ns / HF_NS_PER_MS;
}
static inline int64_t hf_wall_seconds(struct hf_wall t)
{
    return t.ns / HF_NS_PER_S;
}

/* RFC 3339 in UTC with milliseconds, "2026-11-23T18:00:00.123Z"; buf of HF_WALL_TEXT bytes. */
#define HF_WALL_TEXT 32
char *hf_wall_format(struct hf_wall t, char buf[HF_WALL_TEXT]);

/* Accepts what hf_wall_format() writes; fraction optional. */
HF_MUST_CHECK int hf_wall_parse(const char *text, struct hf_wall *ret);

/* For people: "250ms", "1.5s", "2m30s", "1h5m". */
char *hf_duration_format(struct hf_duration d, char *buf, size_t size);

/* "250ms", "2s", "1.5s", "10m", "1h", "0": a unit is needed unless the number is 0. */
HF_MUST_CHECK int hf_duration_parse(const char *text, struct hf_duration *ret);
