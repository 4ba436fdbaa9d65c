/* The reading half of continuity/ledger.h: one sequence of store operations and what to make of
 * their answers, driven by waiting or by the loop. */
#include <stdio.h>

#include "base/mem.h"
#include "continuity/ledger.h"

enum { CHUNK = 500, PREFIX_SIZE = 80 };

struct reader {
    struct hf_store *store;
    char prefix[PREFIX_SIZE];
    int64_t from, to;
    bool listed;     /* the streams are known */
    size_t at;       /* the stream that is being read */
    uint64_t *lasts; /* how far each went when they were listed: that far it is read */
    struct hf_ledger_view view;
    void (*done)(void *ctx, struct hf_ledger_view *view, const struct hf_error *e);
    void *ctx;
};

void hf_ledger_view_done(struct hf_ledger_view *view)
{
    for (size_t i = 0; i < view->streams_n; i++)
        hf_free(view->streams[i].name);
    hf_free(view->streams);
    hf_free(view->entries);
    json_decref(view->corrections);
    *view = (struct hf_ledger_view){0};
}

static struct reader *reader_new(struct hf_store *store, const char *node, int64_t from, int64_t to)
{
    struct reader *r = hf_alloc(sizeof(*r));

    r->store = store;
    snprintf(r->prefix, sizeof(r->prefix), node ? "ledger/%.64s/" : "ledger/", node);
    r->from = from;
    r->to = to;
    r->view.corrections = json_array();
    return r;
}

static void reader_free(struct reader *r)
{
    hf_ledger_view_done(&r->view);
    hf_free(r->lasts);
    hf_free(r);
}

static void add_streams(struct reader *r, const struct hf_store_answer *a)
{
    r->view.streams = hf_alloc_array(a->docs_n, sizeof(*r->view.streams));
    r->view.streams_n = a->docs_n;
    r->lasts = hf_alloc_array(a->docs_n, sizeof(*r->lasts));
    for (size_t i = 0; i < a->docs_n; i++) {
        r->view.streams[i].name = hf_strdup(a->docs[i].key);
        hf_chain_init(&r->view.streams[i].chain, hf_str(a->docs[i].key));
        r->lasts[i] = a->docs[i].revision;
    }
    r->listed = true;
}

static int add_interval(struct reader *r, const char *stream, uint64_t sequence, const json_t *json,
                        struct hf_error *e)
{
    struct hf_ledger_view *v = &r->view;
    struct hf_ledger_entry entry = {.stream = stream, .sequence = sequence};

    if (hf_interval_from_json(json, &entry.interval))
        return hf_error_set(e, HF_ECORRUPT, "record %llu is no interval",
                            (unsigned long long)sequence);
    if (entry.interval.from >= r->to || entry.interval.to <= r->from)
        return 0;
    if (v->entries_n == HF_LEDGER_ENTRIES_MAX)
        return hf_error_set(e, HF_ELIMIT, "more than %d intervals in the period",
                            HF_LEDGER_ENTRIES_MAX);
    if ((v->entries_n & (v->entries_n - 1)) == 0)
        v->entries =
            hf_realloc(v->entries, v->entries_n ? v->entries_n * 2 : 1, sizeof(*v->entries));
    v->entries[v->entries_n++] = entry;
    return 0;
}

/* A record that is as it was written. */
static int add_record(struct reader *r, const char *stream, const struct hf_store_record *record,
                      struct hf_error *e)
{
    json_t *json = json_loadb(record->value, record->n, 0, NULL);
    const char *kind = json_string_value(json_object_get(json, "kind"));
    int rc = 0;

    if (kind && strcmp(kind, "interval") == 0)
        rc = add_interval(r, stream, record->sequence, json_object_get(json, "interval"), e);
    else if (kind && strcmp(kind, "correction") == 0)
        json_array_append(r->view.corrections, json);
    else if (!kind || strcmp(kind, "broken") != 0)
        rc = hf_error_set(e, HF_ECORRUPT, "record %llu cannot be read",
                          (unsigned long long)record->sequence);
    json_decref(json);
    return rc;
}

/* A broken chain is a finding, not a failure. */
static int add_records(struct reader *r, const struct hf_store_answer *a, struct hf_error *e)
{
    struct hf_ledger_stream *s = &r->view.streams[r->at];
    int rc = 0;

    if (a->records_n == 0)
        hf_error_set(&s->broken, HF_ECORRUPT, "records %llu to %llu are missing",
                     (unsigned long long)s->chain.sequence + 1,
                     (unsigned long long)r->lasts[r->at]);
    for (size_t i = 0; i < a->records_n && rc == 0; i++) {
        const struct hf_store_record *record = &a->records[i];
        rc = hf_chain_verify(&s->chain, record->sequence, (struct hf_str){record->value, record->n},
                             &s->broken);
        if (rc == 0)
            rc = add_record(r, s->name, record, &s->broken);
    }
    if (s->broken.code == HF_ELIMIT)
        return hf_error_set(e, HF_ELIMIT, "ledger: %s", s->broken.text);
    return 0;
}

static void correct(struct hf_ledger_view *v, const json_t *correction)
{
    const char *stream, *cause, *event, *who, *why;
    json_int_t sequence;
    int planned;
    enum hf_cause parsed;

    if (json_unpack((json_t *)correction, "{s:s, s:I, s:s, s:b, s:s, s:s, s:s}", "stream", &stream,
                    "sequence", &sequence, "cause", &cause, "planned", &planned, "event", &event,
                    "who", &who, "why", &why) ||
        hf_cause_parse(cause, &parsed))
        return; /* of a later version */
    for (size_t i = 0; i < v->entries_n; i++) {
        struct hf_ledger_entry *entry = &v->entries[i];
        if (entry->sequence != (uint64_t)sequence || strcmp(entry->stream, stream) != 0)
            continue;
        entry->interval.cause = parsed;
        entry->interval.planned = planned;
        hf_str_copy(hf_str(event), entry->interval.event, sizeof(entry->interval.event));
        entry->who = who;
        entry->why = why;
    }
}

/* The next thing to ask the store for; false: all is read. */
static bool next_op(struct reader *r, struct hf_store_op *op)
{
    size_t i;
    json_t *correction;

    if (!r->listed) {
        *op = (struct hf_store_op){HF_STORE_STREAMS, .stream = r->prefix};
        return true;
    }
    for (; r->at < r->view.streams_n; r->at++) {
        const struct hf_ledger_stream *s = &r->view.streams[r->at];
        if (s->broken.code || s->chain.sequence >= r->lasts[r->at])
            continue;
        *op = (struct hf_store_op){HF_STORE_READ, .stream = s->name, .from = s->chain.sequence + 1,
                                   .max = CHUNK};
        return true;
    }
    json_array_foreach(r->view.corrections, i, correction) correct(&r->view, correction);
    return false;
}

static int take(struct reader *r, const struct hf_store_answer *a, struct hf_error *e)
{
    if (a->error.code) {
        *e = a->error;
        return a->error.code;
    }
    if (r->listed)
        return add_records(r, a, e);
    add_streams(r, a);
    return 0;
}

int hf_ledger_load_wait(struct hf_store *store, const char *node, int64_t from, int64_t to,
                        struct hf_ledger_view *ret, struct hf_error *e)
{
    struct reader *r = reader_new(store, node, from, to);
    struct hf_store_op op;
    struct hf_error why;
    int rc = 0;

    while (rc == 0 && next_op(r, &op)) {
        struct hf_store_answer a;
        (void)!hf_store_wait(store, &op, &a);
        rc = take(r, &a, &why);
        hf_store_answer_done(&a);
    }
    if (rc == 0) {
        *ret = r->view;
        r->view = (struct hf_ledger_view){0};
    } else {
        hf_error_set(e, rc, "%s", why.text);
    }
    reader_free(r);
    return rc;
}

static void finish(struct reader *r, const struct hf_error *e)
{
    struct hf_ledger_view view = r->view;

    if (e) {
        r->done(r->ctx, NULL, e);
    } else {
        r->view = (struct hf_ledger_view){0};
        r->done(r->ctx, &view, NULL);
    }
    reader_free(r);
}

static void on_answer(void *ctx, const struct hf_store_answer *answer)
{
    struct reader *r = ctx;
    struct hf_store_op op;
    struct hf_error e;
    int rc = take(r, answer, &e);

    if (rc == 0 && !next_op(r, &op)) {
        finish(r, NULL);
        return;
    }
    if (rc == 0) {
        rc = hf_store_submit(r->store, &op, on_answer, r);
        if (rc == 0)
            return;
        hf_error_set(&e, rc, "ledger: the store takes no more operations now");
    }
    finish(r, &e);
}

int hf_ledger_load(struct hf_store *store, const char *node, int64_t from, int64_t to,
                   void (*done)(void *ctx, struct hf_ledger_view *view, const struct hf_error *e),
                   void *ctx)
{
    struct reader *r = reader_new(store, node, from, to);
    struct hf_store_op op;
    int rc;

    r->done = done;
    r->ctx = ctx;
    next_op(r, &op);
    rc = hf_store_submit(store, &op, on_answer, r);
    if (rc)
        reader_free(r);
    return rc;
}
