#include "controller/events.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/api.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"
#include "catalog/json.h"

enum {
    KEPT = 100000, /* the newest ones, at least */
    TRIM_EVERY = 1000,
};

struct hf_events {
    struct hf_store *store;
    uint64_t term;
};

struct hf_events *hf_events_new(struct hf_store *store, uint64_t term)
{
    struct hf_events *e = hf_alloc(sizeof(*e));

    e->store = store;
    e->term = term;
    return e;
}

struct hf_events *hf_events_free(struct hf_events *e)
{
    return hf_free(e);
}

static void on_trimmed(void *ctx, const struct hf_store_answer *answer)
{
    (void)ctx;
    if (answer->error.code)
        hf_warn("old events are not deleted: %s", answer->error.text);
}

static void on_stored(void *ctx, const struct hf_store_answer *answer)
{
    struct hf_events *e = ctx;
    struct hf_store_op trim = {HF_STORE_TRIM, .stream = HF_API_EVENTS, .term = e->term};

    if (answer->error.code) {
        hf_warn("an event was not stored: %s", answer->error.text);
        return;
    }
    if (answer->sequence <= KEPT || answer->sequence % TRIM_EVERY)
        return;
    trim.from = answer->sequence - KEPT + 1;
    if (hf_store_submit(e->store, &trim, on_trimmed, NULL))
        hf_warn("old events are not deleted: the store has too much to do");
}

void hf_events_add(struct hf_events *e, const char *kind, json_t *fields_take, const char *fmt, ...)
{
    json_t *event = fields_take ? fields_take : json_object();
    char text[1024], when[HF_WALL_TEXT], *dump;
    struct hf_store_op op;
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    json_object_set_new(event, "time", json_string(hf_wall_format(hf_wall_now(), when)));
    json_object_set_new(event, "kind", json_string(kind));
    json_object_set_new(event, "text", hf_catalog_json_text(text));
    dump = json_dumps(event, JSON_COMPACT);
    json_decref(event);
    assert(dump);
    op = (struct hf_store_op){HF_STORE_APPEND, .stream = HF_API_EVENTS, .term = e->term,
                              .value = hf_str(dump)};
    if (hf_store_submit(e->store, &op, on_stored, e))
        hf_warn("an event was not stored: %s", text);
    free(dump);
}
