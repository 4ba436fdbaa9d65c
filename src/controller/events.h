/* controller/events.h - the log of what happened, for people and programs: store stream "events".
 * The last 100,000 are kept, and at most 1,000 more.
 * Runs in: controller, on its loop's thread. */
#pragma once
#include <jansson.h>

#include "store/store.h"

struct hf_events;
struct hf_events *hf_events_new(struct hf_store *store, uint64_t term);
struct hf_events *hf_events_free(struct hf_events *e);

/* fields: an object with more than time, kind and text, or NULL; its reference is taken. What the
 * store refuses is logged: an event is not worth holding up what it tells of. */
void hf_events_add(struct hf_events *e, const char *kind, json_t *fields_take, const char *fmt, ...)
    HF_PRINTF(4, 5);
