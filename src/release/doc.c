#include "release/doc.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "catalog/json.h"

static const char *const state_names[HF_RELEASE_STATES] = {
    [HF_RELEASE_REQUESTED] = "requested", [HF_RELEASE_PREFLIGHT] = "preflight",
    [HF_RELEASE_ROLLING] = "rolling",     [HF_RELEASE_ROLLING_BACK] = "rolling-back",
    [HF_RELEASE_DONE] = "done",           [HF_RELEASE_ROLLED_BACK] = "rolled-back",
    [HF_RELEASE_BLOCKED] = "blocked",     [HF_RELEASE_FAILED] = "failed",
};

static const char *const step_names[HF_STEPS] = {
    [HF_STEP_NONE] = "none",
    [HF_STEP_START] = "start",
    [HF_STEP_READY] = "ready",
    [HF_STEP_SMOKE] = "smoke",
    [HF_STEP_BAKE] = "bake",
    [HF_STEP_ACCEPT] = "accept",
    [HF_STEP_DRAIN] = "drain",
    [HF_STEP_STOP] = "stop",
    [HF_STEP_CLEAN_DRAIN] = "clean-drain",
    [HF_STEP_CLEAN_STOP] = "clean-stop",
    [HF_STEP_FINISH] = "finish",
};

static const char *const progress_names[HF_PROGRESSES] = {
    [HF_PROGRESS_UNTOUCHED] = "untouched", [HF_PROGRESS_MOVING] = "moving",
    [HF_PROGRESS_ACCEPTED] = "accepted",   [HF_PROGRESS_RETURNING] = "returning",
    [HF_PROGRESS_RETURNED] = "returned",   [HF_PROGRESS_STUCK] = "stuck",
    [HF_PROGRESS_GONE] = "gone",
};

const char *hf_release_state_name(enum hf_release_state s)
{
    return (unsigned)s < HF_RELEASE_STATES ? state_names[s] : "unknown";
}

const char *hf_release_step_name(enum hf_release_step s)
{
    return (unsigned)s < HF_STEPS ? step_names[s] : "unknown";
}

const char *hf_release_progress_name(enum hf_release_progress p)
{
    return (unsigned)p < HF_PROGRESSES ? progress_names[p] : "unknown";
}

struct hf_release_doc *hf_release_doc_new(void)
{
    return hf_alloc(sizeof(struct hf_release_doc));
}

struct hf_release_doc *hf_release_doc_free(struct hf_release_doc *d)
{
    if (!d)
        return NULL;
    hf_free(d->places);
    hf_free(d->bases);
    hf_free(d->lines);
    return hf_free(d);
}

bool hf_release_over(const struct hf_release_doc *d)
{
    return d->state == HF_RELEASE_DONE || d->state == HF_RELEASE_ROLLED_BACK ||
           d->state == HF_RELEASE_BLOCKED || d->state == HF_RELEASE_FAILED;
}

void hf_release_doc_log(struct hf_release_doc *d, const struct hf_release_line *line)
{
    if (d->n_lines == HF_RELEASE_LOG_MAX)
        return;
    if ((d->n_lines & 15) == 0)
        d->lines = hf_realloc(d->lines, d->n_lines + 16, sizeof(*d->lines));
    d->lines[d->n_lines++] = *line;
}

/* --- to JSON --- */

static json_t *time_json(struct hf_wall t)
{
    char text[HF_WALL_TEXT];
    return t.ns ? json_string(hf_wall_format(t, text)) : json_null();
}

static json_t *places_json(const struct hf_release_doc *d)
{
    json_t *all = json_array();

    for (uint32_t i = 0; i < d->n_places; i++) {
        const struct hf_release_place *p = &d->places[i];
        json_array_append_new(all, json_pack("{s:s, s:I, s:s, s:s, s:s, s:s}", "node", p->node,
                                             "ordinal", (json_int_t)p->ordinal, "from", p->from,
                                             "progress", hf_release_progress_name(p->progress),
                                             "old", p->old, "new", p->fresh));
    }
    return all;
}

static json_t *bases_json(const struct hf_release_doc *d)
{
    json_t *all = json_array();

    for (uint32_t i = 0; i < d->n_bases; i++) {
        const struct hf_release_base *b = &d->bases[i];
        json_array_append_new(all, json_pack("{s:I, s:I, s:I, s:I}", "slot", (json_int_t)b->slot,
                                             "incarnation", (json_int_t)b->incarnation, "attempts",
                                             (json_int_t)b->attempts, "failures",
                                             (json_int_t)b->failures));
    }
    return all;
}

static json_t *lines_json(const struct hf_release_doc *d)
{
    json_t *all = json_array();

    for (uint32_t i = 0; i < d->n_lines; i++) {
        const struct hf_release_line *l = &d->lines[i];
        json_array_append_new(
            all, json_pack("{s:o, s:s, s:s, s:s, s:s, s:o}", "time", time_json(l->time), "state",
                           hf_release_state_name(l->state), "step", hf_release_step_name(l->step),
                           "node", l->node, "instance", l->instance, "text",
                           hf_catalog_json_text(l->text)));
    }
    return all;
}

json_t *hf_release_doc_json(const struct hf_release_doc *d)
{
    return json_pack(
        "{s:I, s:s, s:s, s:s, s:s, s:b, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:I, s:o, s:o, s:o}",
        "release", (json_int_t)d->id, "service", d->service, "from", d->from, "to", d->to,
        "requestedBy", d->requested_by, "queued", (int)d->queued, "state",
        hf_release_state_name(d->state), "step", hf_release_step_name(d->step), "why",
        hf_catalog_json_text(d->why), "requested", time_json(d->requested), "began",
        time_json(d->began), "ended", time_json(d->ended), "since", time_json(d->since), "slot",
        (json_int_t)d->at, "slots", places_json(d), "bake", bases_json(d), "log", lines_json(d));
}

json_t *hf_release_line_json(const struct hf_release_doc *d, const struct hf_release_line *l)
{
    return json_pack("{s:o, s:s, s:I, s:s, s:s, s:s, s:s, s:s, s:s, s:o}", "time",
                     time_json(l->time), "kind", "release", "release", (json_int_t)d->id, "service",
                     d->service, "version", d->to, "state", hf_release_state_name(l->state), "step",
                     hf_release_step_name(l->step), "node", l->node, "instance", l->instance,
                     "text", hf_catalog_json_text(l->text));
}

/* --- from JSON --- */

static int bad(struct hf_error *e, const char *what)
{
    return hf_error_set(e, HF_ECORRUPT, "a stored release: %s is missing or not what it should be",
                        what);
}

static bool get_text(const json_t *j, const char *key, char *buf, size_t size)
{
    const char *text = json_string_value(json_object_get(j, key));

    if (!text || strlen(text) >= size)
        return false;
    memcpy(buf, text, strlen(text) + 1);
    return true;
}

static bool get_u32(const json_t *j, const char *key, uint32_t *ret)
{
    const json_t *v = json_object_get(j, key);
    json_int_t n = json_integer_value(v);

    if (!json_is_integer(v) || n < 0 || n > UINT32_MAX)
        return false;
    *ret = (uint32_t)n;
    return true;
}

static bool get_u64(const json_t *j, const char *key, uint64_t *ret)
{
    const json_t *v = json_object_get(j, key);

    if (!json_is_integer(v) || json_integer_value(v) < 0)
        return false;
    *ret = (uint64_t)json_integer_value(v);
    return true;
}

static bool get_time(const json_t *j, const char *key, struct hf_wall *ret)
{
    const json_t *v = json_object_get(j, key);

    if (json_is_null(v)) {
        ret->ns = 0;
        return true;
    }
    return json_is_string(v) && hf_wall_parse(json_string_value(v), ret) == 0;
}

static bool get_name(const json_t *j, const char *key, const char *const *names, int n, int *ret)
{
    const char *text = json_string_value(json_object_get(j, key));

    for (int i = 0; text && i < n; i++) {
        if (strcmp(names[i], text) == 0) {
            *ret = i;
            return true;
        }
    }
    return false;
}

static bool get_place(const json_t *j, struct hf_release_place *p)
{
    int progress;

    if (!get_text(j, "node", p->node, sizeof(p->node)) || !get_u32(j, "ordinal", &p->ordinal) ||
        !get_text(j, "from", p->from, sizeof(p->from)) ||
        !get_name(j, "progress", progress_names, HF_PROGRESSES, &progress) ||
        !get_text(j, "old", p->old, sizeof(p->old)) ||
        !get_text(j, "new", p->fresh, sizeof(p->fresh)))
        return false;
    p->progress = (enum hf_release_progress)progress;
    return true;
}

static bool get_base(const json_t *j, struct hf_release_base *b)
{
    return get_u32(j, "slot", &b->slot) && get_u32(j, "incarnation", &b->incarnation) &&
           get_u64(j, "attempts", &b->attempts) && get_u64(j, "failures", &b->failures);
}

static bool get_line(const json_t *j, struct hf_release_line *l)
{
    int state, step;

    if (!get_time(j, "time", &l->time) ||
        !get_name(j, "state", state_names, HF_RELEASE_STATES, &state) ||
        !get_name(j, "step", step_names, HF_STEPS, &step) ||
        !get_text(j, "node", l->node, sizeof(l->node)) ||
        !get_text(j, "instance", l->instance, sizeof(l->instance)) ||
        !get_text(j, "text", l->text, sizeof(l->text)))
        return false;
    l->state = (enum hf_release_state)state;
    l->step = (enum hf_release_step)step;
    return true;
}

static int get_lists(const json_t *j, struct hf_release_doc *d, struct hf_error *e)
{
    const json_t *places = json_object_get(j, "slots"), *bases = json_object_get(j, "bake"),
                 *lines = json_object_get(j, "log");

    if (!json_is_array(places) || json_array_size(places) > HF_RELEASE_SLOTS_MAX)
        return bad(e, "slots");
    d->places = hf_alloc_array(json_array_size(places) + 1, sizeof(*d->places));
    for (size_t i = 0; i < json_array_size(places); i++) {
        if (!get_place(json_array_get(places, i), &d->places[d->n_places++]))
            return bad(e, "slots");
    }
    if (!json_is_array(bases) || json_array_size(bases) > HF_BOARD_ENDPOINTS_MAX)
        return bad(e, "bake");
    d->bases = hf_alloc_array(json_array_size(bases) + 1, sizeof(*d->bases));
    for (size_t i = 0; i < json_array_size(bases); i++) {
        if (!get_base(json_array_get(bases, i), &d->bases[d->n_bases++]))
            return bad(e, "bake");
    }
    if (!json_is_array(lines) || json_array_size(lines) > HF_RELEASE_LOG_MAX)
        return bad(e, "log");
    for (size_t i = 0; i < json_array_size(lines); i++) {
        struct hf_release_line line = {0};
        if (!get_line(json_array_get(lines, i), &line))
            return bad(e, "log");
        hf_release_doc_log(d, &line);
    }
    return 0;
}

static int get_head(const json_t *j, struct hf_release_doc *d, struct hf_error *e)
{
    int state, step;

    if (!get_u32(j, "release", &d->id) || d->id == 0)
        return bad(e, "release");
    if (!get_text(j, "service", d->service, sizeof(d->service)))
        return bad(e, "service");
    if (!get_text(j, "from", d->from, sizeof(d->from)) || !get_text(j, "to", d->to, sizeof(d->to)))
        return bad(e, "from or to");
    if (!get_text(j, "requestedBy", d->requested_by, sizeof(d->requested_by)))
        return bad(e, "requestedBy");
    if (!json_is_boolean(json_object_get(j, "queued")))
        return bad(e, "queued");
    d->queued = json_is_true(json_object_get(j, "queued"));
    if (!get_name(j, "state", state_names, HF_RELEASE_STATES, &state) ||
        !get_name(j, "step", step_names, HF_STEPS, &step))
        return bad(e, "state or step");
    d->state = (enum hf_release_state)state;
    d->step = (enum hf_release_step)step;
    if (!get_text(j, "why", d->why, sizeof(d->why)))
        return bad(e, "why");
    if (!get_time(j, "requested", &d->requested) || !get_time(j, "began", &d->began) ||
        !get_time(j, "ended", &d->ended) || !get_time(j, "since", &d->since))
        return bad(e, "a time");
    if (!get_u32(j, "slot", &d->at))
        return bad(e, "slot");
    return 0;
}

int hf_release_doc_parse(struct hf_str text, struct hf_release_doc **ret, struct hf_error *e)
{
    struct hf_release_doc *d = hf_release_doc_new();
    json_error_t where;
    json_t *j = json_loadb(text.p ? text.p : "", text.n, JSON_REJECT_DUPLICATES, &where);
    int r;

    if (!j) {
        r = hf_error_set(e, HF_ECORRUPT, "a stored release is not JSON: %s", where.text);
        goto out;
    }
    r = get_head(j, d, e);
    if (r == 0)
        r = get_lists(j, d, e);
    /* Steps of a slot need the slot. */
    if (r == 0 && d->step != HF_STEP_NONE && d->step != HF_STEP_FINISH && d->at >= d->n_places)
        r = bad(e, "slot");
    if (r == 0) {
        *ret = d;
        d = NULL;
    }
out:
    json_decref(j);
    hf_release_doc_free(d);
    return r;
}
