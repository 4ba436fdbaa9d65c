/* Releases and versions: read, requested, stored, ended. */
#include "release/engine.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "config/config.h"
#include "release/internal.h"

enum {
    STORE_RETRY_MS = 1000,
    QUEUE_LOOK_MS = 250,
};

#define KIND_RELEASE "release"
#define KIND_VERSION "version"

/* A write that the store has not answered yet; outlives an engine that is freed meanwhile. */
struct write {
    struct hf_link link;
    struct hf_release_engine *en; /* NULL: freed */
    struct release *release;      /* one of the two, or none for a deletion */
    struct version *version;
};

/* --- finding --- */

static struct release *find_release(const struct hf_release_engine *en, uint32_t id)
{
    for (struct hf_link *l = en->releases.next; l != &en->releases; l = l->next) {
        if (release_at(l)->doc->id == id)
            return release_at(l);
    }
    return NULL;
}

struct version *version_find(const struct hf_release_engine *en, const char *service)
{
    for (struct hf_link *l = en->versions.next; l != &en->versions; l = l->next) {
        if (strcmp(version_at(l)->service, service) == 0)
            return version_at(l);
    }
    return NULL;
}

void engine_soon(struct hf_release_engine *en)
{
    hf_timer_after(en->needs.loop, &en->timer, hf_ms(0));
}

void engine_after(struct hf_release_engine *en, struct hf_duration d)
{
    hf_timer_after(en->needs.loop, &en->timer, d);
}

/* --- events --- */

static void tell(struct hf_release_engine *en, struct release *r)
{
    const struct hf_release_doc *d = r->doc;

    for (; r->told < d->n_lines; r->told++) {
        const struct hf_release_line *l = &d->lines[r->told];
        json_t *event = hf_release_line_json(d, l);
        char line[HF_RELEASE_TEXT + 512];
        snprintf(line, sizeof(line), "%s %s -> %s: %s%s%s%s%s: %s", d->service, d->from, d->to,
                 l->node, l->instance[0] ? ", " : "", l->instance, l->node[0] ? ": " : "",
                 l->step == HF_STEP_NONE ? hf_release_state_name(l->state)
                                         : hf_release_step_name(l->step),
                 l->text);
        en->needs.event(en->needs.ctx, event, line);
        json_decref(event);
    }
}

/* --- writing --- */

static int submit(struct hf_release_engine *en, const struct hf_store_op *op,
                  struct release *release, struct version *version,
                  void (*done)(void *, const struct hf_store_answer *))
{
    struct write *w = hf_alloc(sizeof(*w));
    int r;

    w->en = en;
    w->release = release;
    w->version = version;
    hf_list_append(&en->writes, &w->link);
    r = hf_store_submit(en->needs.store, op, done, w);
    if (r < 0) {
        hf_link_remove(&w->link);
        hf_free(w);
    }
    return r;
}

/* Returns the engine, NULL if it is freed; the write is gone behind it. */
static struct hf_release_engine *answered(struct write *w)
{
    struct hf_release_engine *en = w->en;

    if (en)
        hf_link_remove(&w->link);
    hf_free(w);
    return en;
}

/* Somebody else writes these documents: what we believe is not so any more. */
static void halt(struct hf_release_engine *en, const char *what, const char *why)
{
    en->halted = true;
    hf_err("releases stop here: another controller took over what=%s error=\"%s\"", what, why);
}

static bool lost_leadership(int code)
{
    return code == HF_ECONFLICT || code == HF_EREFUSED;
}

static void release_forget(struct hf_release_engine *en, struct release *r)
{
    if (en->current == r)
        en->current = NULL;
    hf_link_remove(&r->link);
    hf_release_doc_free(r->doc);
    hf_free(r);
}

static void on_deleted(void *ctx, const struct hf_store_answer *answer)
{
    struct hf_release_engine *en = answered(ctx);

    if (en && answer->error.code)
        hf_warn("an old release was not deleted error=\"%s\"", answer->error.text);
}

/* The oldest that are over go. */
static void prune(struct hf_release_engine *en)
{
    unsigned over = 0;
    char key[16];

    for (struct hf_link *l = en->releases.prev, *prev; l != &en->releases; l = prev) {
        struct release *r = release_at(l);
        prev = l->prev;
        if (!hf_release_over(r->doc) || r->writing || ++over <= HF_RELEASE_KEEP)
            continue;
        snprintf(key, sizeof(key), "%08u", r->doc->id);
        if (submit(en,
                   &(struct hf_store_op){HF_STORE_DELETE, .kind = KIND_RELEASE, .key = key,
                                         .revision = r->doc->revision, .term = en->needs.term},
                   NULL, NULL, on_deleted) < 0)
            return;
        release_forget(en, r);
    }
}

static void release_over(struct hf_release_engine *en, struct release *r)
{
    if (en->current == r) {
        step_reset(en);
        en->current = NULL;
    }
    if (en->needs.over)
        en->needs.over(en->needs.ctx, r->doc);
    prune(en);
}

static void answer_request(struct release *r, int error)
{
    void (*done)(void *, uint32_t, int) = r->done;

    r->done = NULL;
    if (done)
        done(r->done_ctx, r->doc->id, error);
}

static void on_release_stored(void *ctx, const struct hf_store_answer *answer)
{
    struct write *w = ctx;
    struct release *r = w->release;
    struct hf_release_engine *en = answered(w);

    if (!en)
        return;
    r->writing = false;
    if (answer->error.code == 0) {
        r->doc->revision = answer->revision;
        r->unsaved = false;
        tell(en, r);
        answer_request(r, 0);
        if (r == en->current)
            step_reset(en);
        if (hf_release_over(r->doc))
            release_over(en, r);
        engine_soon(en);
        return;
    }
    hf_err("release not stored release=%u error=\"%s\"", r->doc->id, answer->error.text);
    if (lost_leadership(answer->error.code))
        halt(en, "release", answer->error.text);
    if (r->doc->revision == 0) { /* it never was: whoever asked is told */
        answer_request(r, answer->error.code);
        release_forget(en, r);
        return;
    }
    if (!en->halted)
        engine_after(en, hf_ms(STORE_RETRY_MS));
}

/* The document as it is; nothing is done for it before this is answered. */
static int release_write(struct hf_release_engine *en, struct release *r)
{
    json_t *json = hf_release_doc_json(r->doc);
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    char key[16];
    int rc;

    json_decref(json);
    assert(text);
    snprintf(key, sizeof(key), "%08u", r->doc->id);
    r->unsaved = true;
    rc = submit(en,
                &(struct hf_store_op){HF_STORE_PUT, .kind = KIND_RELEASE, .key = key,
                                      .revision = r->doc->revision, .term = en->needs.term,
                                      .value = hf_str(text)},
                r, NULL, on_release_stored);
    free(text);
    r->writing = rc == 0;
    return rc;
}

static void version_write(struct hf_release_engine *en, struct version *v);

static void on_version_stored(void *ctx, const struct hf_store_answer *answer)
{
    struct write *w = ctx;
    struct version *v = w->version;
    struct hf_release_engine *en = answered(w);

    if (!en)
        return;
    v->writing = false;
    if (answer->error.code) {
        hf_err("version not stored service=%s error=\"%s\"", v->service, answer->error.text);
        v->dirty = true;
        if (lost_leadership(answer->error.code))
            halt(en, "version", answer->error.text);
        else
            engine_after(en, hf_ms(STORE_RETRY_MS));
        return;
    }
    v->revision = answer->revision;
    if (v->dirty)
        version_write(en, v);
    else
        engine_soon(en);
}

static void version_write(struct hf_release_engine *en, struct version *v)
{
    json_t *json;
    char *text;

    v->dirty = true;
    if (v->writing || en->halted)
        return;
    json = json_pack("{s:s, s:s, s:s}", "version", v->version, "previous", v->previous,
                     "configured", v->configured);
    text = json_dumps(json, JSON_COMPACT);
    json_decref(json);
    assert(text);
    v->writing = submit(en,
                        &(struct hf_store_op){HF_STORE_PUT, .kind = KIND_VERSION, .key = v->service,
                                              .revision = v->revision, .term = en->needs.term,
                                              .value = hf_str(text)},
                        NULL, v, on_version_stored) == 0;
    v->dirty = !v->writing;
    free(text);
    if (v->dirty)
        engine_after(en, hf_ms(STORE_RETRY_MS));
}

static struct version *version_add(struct hf_release_engine *en, const char *service)
{
    struct version *v = hf_alloc(sizeof(*v));

    assert(service[0]);
    hf_str_copy(hf_str(service), v->service, sizeof(v->service));
    hf_list_append(&en->versions, &v->link);
    return v;
}

void version_finish(struct hf_release_engine *en, const struct hf_release_doc *d)
{
    struct version *v = version_find(en, d->service);

    if (v && strcmp(v->version, d->to) == 0)
        return;
    if (!v)
        v = version_add(en, d->service);
    hf_str_copy(hf_str(v->version[0] ? v->version : d->from), v->previous, sizeof(v->previous));
    hf_str_copy(hf_str(d->to), v->version, sizeof(v->version));
    version_write(en, v);
}

/* --- going on --- */

static void see_finished(struct hf_release_engine *en)
{
    const struct hf_release_doc *d = en->current->doc;
    struct hf_service *s = hf_catalog_service_find(en->needs.catalog, d->service);
    const struct version *v = version_find(en, d->service);

    if (d->step != HF_STEP_FINISH || !en->step.entered || v->writing || v->dirty)
        return;
    en->step.finished = true;
    /* Both fit: they are versions of the same size. */
    if (s && hf_service_version_set(en->needs.catalog, s, v->version, v->previous) < 0)
        hf_warn("version not shown service=%s", d->service);
}

static void move(struct hf_release_engine *en, const struct hf_release_next *next)
{
    struct release *r = en->current;
    enum hf_release_step from = r->doc->step;
    char gone[HF_INSTANCE_ID] = "";

    if (r->doc->at < r->doc->n_places && from == HF_STEP_STOP)
        hf_str_copy(hf_str(next->old), gone, sizeof(gone));
    if (r->doc->at < r->doc->n_places && from == HF_STEP_CLEAN_STOP)
        hf_str_copy(hf_str(next->fresh), gone, sizeof(gone));
    if (gone[0] && next->step != HF_STEP_DRAIN && next->step != HF_STEP_CLEAN_DRAIN)
        hf_drain_forget(en->drainer, gone);
    if (next->step == HF_STEP_BAKE)
        step_bases(en, r->doc);
    else
        r->doc->n_bases = 0;
    step_reset(en);
    hf_release_apply(r->doc, next, hf_wall_now());
    if (release_write(en, r) < 0)
        engine_after(en, hf_ms(STORE_RETRY_MS));
}

static void advance(struct hf_release_engine *en)
{
    struct release *r = en->current;
    struct hf_release_seen seen;
    struct hf_release_next next;

    if (r->writing)
        return;
    if (r->unsaved) {
        if (release_write(en, r) < 0)
            engine_after(en, hf_ms(STORE_RETRY_MS));
        return;
    }
    step_enter(en);
    see_finished(en);
    step_see(en, &seen);
    if (r->doc->state == HF_RELEASE_PREFLIGHT) {
        enum preflight answer = preflight_check(en, r->doc->service, r->doc->to, en->step.text,
                                                sizeof(en->step.text), NULL);
        if (answer != PREFLIGHT_GO)
            seen.error = en->step.text;
        else
            preflight_places(en, r->doc);
    }
    if (hf_release_step(r->doc, &seen, &next))
        move(en, &next);
    else
        engine_after(en, step_pause(r->doc));
}

/* One that was under way comes first; else the first of those that wait whose turn it is. */
static void choose(struct hf_release_engine *en)
{
    bool waiting = false;

    for (struct hf_link *l = en->releases.next; l != &en->releases; l = l->next) {
        struct release *r = release_at(l);
        if (!hf_release_over(r->doc) && r->doc->state != HF_RELEASE_REQUESTED) {
            en->current = r;
            step_reset(en);
            return;
        }
    }
    for (struct hf_link *l = en->releases.next; l != &en->releases && !en->current; l = l->next) {
        struct release *r = release_at(l);
        struct hf_release_seen seen;
        struct hf_release_next next;
        char why[HF_RELEASE_TEXT];
        if (hf_release_over(r->doc) || r->writing || r->doc->revision == 0)
            continue;
        en->current = r;
        step_see(en, &seen);
        seen.took = hf_mono_sub(hf_loop_now(en->needs.loop), r->since);
        if (preflight_check(en, r->doc->service, r->doc->to, why, sizeof(why), NULL) ==
            PREFLIGHT_WAIT)
            seen.wait = why;
        if (hf_release_step(r->doc, &seen, &next)) {
            move(en, &next);
            return;
        }
        en->current = NULL;
        waiting = true;
    }
    if (waiting)
        engine_after(en, hf_ms(QUEUE_LOOK_MS));
}

/* --- retired instances --- */

static bool of_release(const struct hf_release_engine *en, const char *id)
{
    const struct hf_release_doc *d = en->current ? en->current->doc : NULL;

    return d && d->at < d->n_places && d->step != HF_STEP_NONE && d->step != HF_STEP_FINISH &&
           (strcmp(d->places[d->at].old, id) == 0 || strcmp(d->places[d->at].fresh, id) == 0);
}

static void on_drained(void *ctx, const char *id, const struct hf_drain_seen *seen)
{
    struct hf_release_engine *en = ctx;
    struct hf_error e = {0};
    char gone[HF_INSTANCE_ID];

    engine_soon(en);
    if (of_release(en, id))
        return;
    if (seen->state == HF_DRAIN_LATE)
        hf_warn("stopped before it was drained instance=%s in_flight=%u", id, seen->in_flight);
    hf_str_copy(hf_str(id), gone, sizeof(gone));
    hf_drain_forget(en->drainer, gone);
    if (hf_catalog_instance_find(en->needs.catalog, gone) &&
        en->runner.stop(en->runner.ctx, gone, &e) < 0)
        hf_warn("instance not stopped instance=%s error=\"%s\"", gone, e.text);
}

/* Those that are not the release's at this moment. */
static void drain_retired(struct hf_release_engine *en)
{
    HF_LIST_EACH (it, &en->retired) {
        struct retired *one = HF_CONTAINER(it, struct retired, link);
        struct hf_instance *i = hf_catalog_instance_find(en->needs.catalog, one->id);
        if (!i) {
            hf_link_remove(&one->link);
            hf_free(one);
        } else if (i->state != HF_INSTANCE_STOPPED && !of_release(en, one->id)) {
            hf_drain_begin(en->drainer, i, "wanted no more");
        }
    }
}

void hf_release_retired(struct hf_release_engine *en, struct hf_instance *i)
{
    struct retired *one = hf_alloc(sizeof(*one));

    hf_str_copy(hf_str(i->id), one->id, sizeof(one->id));
    hf_list_append(&en->retired, &one->link);
    engine_soon(en);
}

/* --- the loop --- */

/* One that was overtaken while the store could not take it. */
static void write_again(struct hf_release_engine *en)
{
    for (struct hf_link *l = en->releases.next; l != &en->releases; l = l->next) {
        struct release *r = release_at(l);
        if (r->unsaved && !r->writing && r != en->current && release_write(en, r) < 0)
            engine_after(en, hf_ms(STORE_RETRY_MS));
    }
}

static void look(struct hf_release_engine *en)
{
    if (!en->runner.slots)
        return;
    drain_retired(en);
    if (en->halted)
        return;
    for (struct hf_link *l = en->versions.next; l != &en->versions; l = l->next) {
        if (version_at(l)->dirty && !version_at(l)->writing)
            version_write(en, version_at(l));
    }
    write_again(en);
    if (!en->current)
        choose(en);
    if (en->current)
        advance(en);
}

static void on_timer(struct hf_timer *t)
{
    look(HF_CONTAINER(t, struct hf_release_engine, timer));
}

/* --- life --- */

static int load_release(struct hf_release_engine *en, const struct hf_store_doc *stored,
                        struct hf_error *e)
{
    struct hf_release_doc *d;
    struct release *r;
    int rc = hf_release_doc_parse((struct hf_str){stored->value, stored->n}, &d, e);

    if (rc < 0)
        return hf_error_prefix(e, "release %s", stored->key);
    d->revision = stored->revision;
    r = hf_alloc(sizeof(*r));
    r->doc = d;
    r->told = d->n_lines;
    r->since = hf_loop_now(en->needs.loop);
    hf_list_append(&en->releases, &r->link);
    if (d->id > en->last_id)
        en->last_id = d->id;
    if (!hf_release_over(d) && d->state != HF_RELEASE_REQUESTED)
        en->current = r;
    return 0;
}

static int load_version(struct hf_release_engine *en, const struct hf_store_doc *stored,
                        struct hf_error *e)
{
    json_error_t where;
    json_t *j = json_loadb(stored->value, stored->n, 0, &where);
    const char *version, *previous, *configured;
    struct version *v;

    if (!j ||
        json_unpack(j, "{s:s, s:s, s:s}", "version", &version, "previous", &previous, "configured",
                    &configured) != 0 ||
        strlen(stored->key) >= HF_SERVICE_NAME || strlen(version) >= HF_VERSION_TEXT ||
        strlen(previous) >= HF_VERSION_TEXT || strlen(configured) >= HF_VERSION_TEXT) {
        json_decref(j);
        return hf_error_set(e, HF_ECORRUPT, "the stored version of %s is not what it should be",
                            stored->key);
    }
    v = version_add(en, stored->key);
    v->revision = stored->revision;
    hf_str_copy(hf_str(version), v->version, sizeof(v->version));
    hf_str_copy(hf_str(previous), v->previous, sizeof(v->previous));
    hf_str_copy(hf_str(configured), v->configured, sizeof(v->configured));
    json_decref(j);
    return 0;
}

static int load(struct hf_release_engine *en, const char *kind,
                int (*one)(struct hf_release_engine *, const struct hf_store_doc *,
                           struct hf_error *),
                struct hf_error *e)
{
    struct hf_store_answer answer = {0};
    int rc =
        hf_store_wait(en->needs.store, &(struct hf_store_op){HF_STORE_LIST, .kind = kind}, &answer);

    if (rc < 0 && e)
        *e = answer.error;
    for (size_t i = 0; rc == 0 && i < answer.docs_n; i++)
        rc = one(en, &answer.docs[i], e);
    hf_store_answer_done(&answer);
    return rc;
}

int hf_release_engine_new(const struct hf_release_needs *needs, struct hf_release_engine **ret,
                          struct hf_error *e)
{
    struct hf_release_engine *en = hf_alloc(sizeof(*en));
    int rc;

    en->needs = *needs;
    hf_link_init(&en->releases);
    hf_link_init(&en->versions);
    hf_link_init(&en->writes);
    hf_link_init(&en->retired);
    hf_timer_init(&en->timer, on_timer);
    en->drainer = hf_drainer_new(&(struct hf_drainer_needs){.loop = needs->loop,
                                                            .catalog = needs->catalog,
                                                            .board = needs->board,
                                                            .ctx = needs->ctx,
                                                            .publish = needs->publish,
                                                            .end_ctx = en,
                                                            .on_end = on_drained});
    rc = load(en, KIND_RELEASE, load_release, e);
    if (rc == 0)
        rc = load(en, KIND_VERSION, load_version, e);
    if (rc < 0) {
        hf_release_engine_free(en);
        return rc;
    }
    *ret = en;
    return 0;
}

struct hf_release_engine *hf_release_engine_free(struct hf_release_engine *en)
{
    if (!en)
        return NULL;
    step_reset(en);
    HF_LIST_EACH (it, &en->writes) {
        HF_CONTAINER(it, struct write, link)->en = NULL;
        hf_link_remove(it);
    }
    HF_LIST_EACH (it, &en->releases)
        release_forget(en, release_at(it));
    HF_LIST_EACH (it, &en->versions)
        hf_free(version_at(it));
    HF_LIST_EACH (it, &en->retired)
        hf_free(HF_CONTAINER(it, struct retired, link));
    hf_drainer_free(en->drainer);
    hf_timer_done(&en->timer);
    return hf_free(en);
}

void hf_release_engine_start(struct hf_release_engine *en, const struct hf_release_runner *runner)
{
    en->runner = *runner;
    step_reset(en);
    engine_soon(en);
}

/* --- requests --- */

static struct release *unfinished(const struct hf_release_engine *en, bool queued_too)
{
    for (struct hf_link *l = en->releases.next; l != &en->releases; l = l->next) {
        const struct hf_release_doc *d = release_at(l)->doc;
        if (!hf_release_over(d) && (queued_too || !d->queued || d->state != HF_RELEASE_REQUESTED))
            return release_at(l);
    }
    return NULL;
}

static int request(struct hf_release_engine *en, const char *service, const char *version,
                   const char *by, bool queued, void (*done)(void *, uint32_t, int), void *ctx,
                   uint32_t *ret_id, struct hf_error *e)
{
    const struct hf_service *s = hf_catalog_service_find(en->needs.catalog, service);
    struct release *r = hf_alloc(sizeof(*r));
    struct hf_release_doc *d = hf_release_doc_new();
    int rc;

    r->doc = d;
    r->done = done;
    r->done_ctx = ctx;
    r->since = hf_loop_now(en->needs.loop);
    d->id = ++en->last_id;
    d->queued = queued;
    d->requested = d->since = hf_wall_now();
    hf_str_copy(hf_str(service), d->service, sizeof(d->service));
    hf_str_copy(hf_str(s->version), d->from, sizeof(d->from));
    hf_str_copy(hf_str(version), d->to, sizeof(d->to));
    hf_str_copy(hf_str(by), d->requested_by, sizeof(d->requested_by));
    hf_list_append(&en->releases, &r->link);
    rc = release_write(en, r);
    if (rc < 0) {
        release_forget(en, r);
        return hf_error_set(e, rc, "the request cannot be stored: %s", hf_error_name(rc));
    }
    if (ret_id)
        *ret_id = d->id;
    return 0;
}

int hf_release_request(struct hf_release_engine *en, const char *service, const char *version,
                       const char *requested_by, void (*done)(void *ctx, uint32_t id, int error),
                       void *ctx, uint32_t *ret_id, struct hf_error *e)
{
    struct release *other = unfinished(en, false);
    char text[HF_RELEASE_TEXT];
    int code = 0;

    if (!en->runner.slots || en->halted)
        return hf_error_set(e, HF_EREFUSED, "this controller does not lead");
    if (preflight_check(en, service, version, text, sizeof(text), &code) == PREFLIGHT_NO)
        return hf_error_set(e, code, "%s", text);
    if (other)
        return hf_error_set(e, HF_EREFUSED, "another release is under way: %s %s -> %s",
                            other->doc->service, other->doc->from, other->doc->to);
    if (code)
        return hf_error_set(e, code, "%s", text);
    return request(en, service, version, requested_by, false, done, ctx, ret_id, e);
}

/* --- the configuration's wish --- */

/* The release that it asked for is stored: the wish is met, or will be. */
static void on_wish_stored(void *ctx, uint32_t id, int error)
{
    struct hf_release_engine *en = ctx;
    const struct release *r = find_release(en, id);
    struct version *v = version_find(en, r->doc->service);

    if (error || !v)
        return;
    hf_str_copy(hf_str(r->doc->to), v->configured, sizeof(v->configured));
    version_write(en, v);
}

/* An older wish that did not begin yet is overtaken. True: it is the same wish. */
static bool overtake(struct hf_release_engine *en, const char *service, const char *version)
{
    for (struct hf_link *l = en->releases.next; l != &en->releases; l = l->next) {
        struct release *r = release_at(l);
        struct hf_release_next next = {.state = HF_RELEASE_BLOCKED};
        if (hf_release_over(r->doc) || strcmp(r->doc->service, service) != 0)
            continue;
        if (strcmp(r->doc->to, version) == 0)
            return true;
        if (!r->doc->queued || r->doc->state != HF_RELEASE_REQUESTED || r->writing)
            continue;
        snprintf(next.text, sizeof(next.text), "overtaken: the configuration says %s now", version);
        snprintf(next.why, sizeof(next.why), "%s", next.text);
        hf_release_apply(r->doc, &next, hf_wall_now());
        if (release_write(en, r) < 0)
            engine_after(en, hf_ms(STORE_RETRY_MS));
    }
    return false;
}

/* Will the service run something else soon? */
static bool under_way(const struct hf_release_engine *en, const char *service)
{
    const struct release *r = unfinished(en, false);

    return r && strcmp(r->doc->service, service) == 0;
}

void hf_release_configured(struct hf_release_engine *en, struct hf_service *s)
{
    const char *wish = s->config->version;
    struct version *v = version_find(en, s->name);
    struct hf_error e = {0};

    if (!v) {
        v = version_add(en, s->name);
        hf_str_copy(hf_str(s->version[0] ? s->version : wish), v->version, sizeof(v->version));
        hf_str_copy(hf_str(wish), v->configured, sizeof(v->configured));
        version_write(en, v);
    }
    if (strcmp(v->configured, wish) == 0)
        return;
    if (overtake(en, s->name, wish) || (strcmp(v->version, wish) == 0 && !under_way(en, s->name))) {
        hf_str_copy(hf_str(wish), v->configured, sizeof(v->configured));
        version_write(en, v);
        return;
    }
    if (request(en, s->name, wish, "configuration", true, on_wish_stored, en, NULL, &e) < 0)
        hf_err("release not requested service=%s version=%s error=\"%s\"", s->name, wish, e.text);
}

/* --- asking --- */

const char *hf_release_accepted(const struct hf_release_engine *en, const char *service,
                                const char **previous)
{
    const struct version *v = version_find(en, service);

    if (!v)
        return NULL;
    if (previous)
        *previous = v->previous;
    return v->version;
}

const struct hf_release_doc *hf_release_current(const struct hf_release_engine *en)
{
    const struct release *r = en->current ? en->current : unfinished(en, true);

    return r ? r->doc : NULL;
}

const struct hf_release_doc *hf_release_find(const struct hf_release_engine *en, uint32_t id)
{
    const struct release *r = find_release(en, id);

    return r ? r->doc : NULL;
}

json_t *hf_release_list_json(const struct hf_release_engine *en)
{
    json_t *all = json_array();

    for (struct hf_link *l = en->releases.prev; l != &en->releases; l = l->prev) {
        json_t *one = hf_release_doc_json(release_at(l)->doc);
        json_object_del(one, "bake");
        json_object_del(one, "log");
        json_array_append_new(all, one);
    }
    return all;
}
