#include "continuity/ledger.h"

#include <assert.h>
#include <stdio.h>

#include "base/list.h"
#include "base/mem.h"

enum { NAME_MAX_BYTES = 64, CHAINS_MAX = 100 };

struct record {
    struct hf_link link;
    uint64_t sequence;
    bool sent;    /* and not answered yet */
    bool durable; /* nevertheless */
    struct hf_text text;
};

struct hf_ledger {
    struct hf_store *store;
    uint64_t term;
    char stream[2 * NAME_MAX_BYTES + 16];
    struct hf_chain chain;
    struct hf_link pending; /* records in order; the sent ones first */
    size_t pending_n, in_flight;
    struct hf_error error;
    struct hf_error failed; /* of this round of appends; the rest of it fails too */
};

static bool name_ok(const char *name)
{
    size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");
    return n >= 1 && n <= NAME_MAX_BYTES && !name[n];
}

/* ---- records ---- */

static void seal(struct hf_ledger *l, json_t *body)
{
    struct record *r = hf_alloc(sizeof(*r));
    char *text = json_dumps(body, JSON_COMPACT);

    assert(text);
    hf_chain_seal(&l->chain, hf_str(text), &r->text);
    r->sequence = l->chain.sequence;
    hf_free(text);
    json_decref(body);
    hf_list_append(&l->pending, &r->link);
    l->pending_n++;
}

static int append(struct hf_ledger *l, json_t *body)
{
    if (l->pending_n >= HF_LEDGER_PENDING_MAX) {
        json_decref(body);
        return HF_ELIMIT;
    }
    seal(l, body);
    hf_ledger_flush(l);
    return 0;
}

int hf_ledger_append(struct hf_ledger *l, const struct hf_interval *closed)
{
    json_t *body = json_pack("{s:s}", "kind", "interval");

    json_object_set_new(body, "interval", hf_interval_to_json(closed));
    return append(l, body);
}

int hf_ledger_correct(struct hf_ledger *l, const struct hf_ledger_correction *c)
{
    json_t *body;

    if (strlen(c->event) >= HF_CONTINUITY_NAME || strlen(c->who) >= HF_LEDGER_PERSON ||
        strlen(c->why) >= HF_LEDGER_PERSON)
        return HF_ELIMIT;
    body = json_pack("{s:s, s:s, s:I, s:s, s:b, s:s, s:s, s:s, s:I}", "kind", "correction",
                     "stream", c->stream, "sequence", (json_int_t)c->sequence, "cause",
                     hf_cause_name(c->cause), "planned", c->planned, "event", c->event, "who",
                     c->who, "why", c->why, "at", (json_int_t)hf_wall_seconds(c->at));
    return body ? append(l, body) : HF_EINVAL; /* not UTF-8 */
}

/* ---- sending ---- */

static void record_free(struct hf_ledger *l, struct record *r)
{
    hf_link_remove(&r->link);
    hf_text_done(&r->text);
    hf_free(r);
    l->pending_n--;
}

/* Behind an append that failed no other can succeed, for each asks for its sequence. So the round
 * is waited for, and begins again at the first that is not durable. */
static void on_appended(void *ctx, const struct hf_store_answer *answer)
{
    struct hf_ledger *l = ctx;

    l->in_flight--;
    if (answer->error.code && !l->failed.code)
        l->failed = answer->error;
    HF_LIST_EACH (it, &l->pending) {
        struct record *r = HF_CONTAINER(it, struct record, link);
        if (answer->error.code == 0 && r->sequence == answer->sequence) {
            record_free(l, r);
            break;
        }
    }
    if (l->in_flight)
        return;
    l->error = l->failed;
    l->failed = (struct hf_error){0};
    HF_LIST_EACH (it, &l->pending) {
        struct record *r = HF_CONTAINER(it, struct record, link);
        r->sent = false;
        if (r->durable)
            record_free(l, r);
    }
}

void hf_ledger_flush(struct hf_ledger *l)
{
    if (l->failed.code)
        return; /* the round must end first */
    HF_LIST_EACH (it, &l->pending) {
        struct record *r = HF_CONTAINER(it, struct record, link);
        const struct hf_store_op op = {HF_STORE_APPEND, .stream = l->stream,
                                       .revision = r->sequence, .term = l->term,
                                       .value = hf_text_str(&r->text)};
        if (r->sent || r->durable)
            continue;
        if (hf_store_submit(l->store, &op, on_appended, l))
            return;
        r->sent = true;
        l->in_flight++;
    }
}

static int append_wait(struct hf_ledger *l, const struct record *r, struct hf_error *e)
{
    const struct hf_store_op op = {HF_STORE_APPEND, .stream = l->stream, .revision = r->sequence,
                                   .term = l->term, .value = hf_text_str(&r->text)};
    struct hf_store_answer a;
    int rc = hf_store_wait(l->store, &op, &a);

    if (rc)
        *e = a.error;
    hf_store_answer_done(&a);
    return rc;
}

/* What is in flight is answered before LAST is, though its answers reach the loop later. */
int hf_ledger_flush_wait(struct hf_ledger *l, struct hf_error *e)
{
    struct hf_store_answer a;
    int rc = hf_store_wait(l->store, &(struct hf_store_op){HF_STORE_LAST, .stream = l->stream}, &a);
    uint64_t durable = a.sequence;

    if (rc)
        *e = a.error;
    hf_store_answer_done(&a);
    HF_LIST_EACH (it, &l->pending) {
        struct record *r = HF_CONTAINER(it, struct record, link);
        if (rc == 0 && r->sequence > durable)
            rc = append_wait(l, r, e);
        if (rc)
            break;
        r->durable = true;
        if (!r->sent)
            record_free(l, r);
    }
    return rc;
}

size_t hf_ledger_pending(const struct hf_ledger *l)
{
    return l->pending_n;
}

const struct hf_error *hf_ledger_error(const struct hf_ledger *l)
{
    return &l->error;
}

const char *hf_ledger_stream(const struct hf_ledger *l)
{
    return l->stream;
}

const struct hf_chain *hf_ledger_chain(const struct hf_ledger *l)
{
    return &l->chain;
}

/* ---- opening ---- */

static const struct hf_ledger_stream *find(const struct hf_ledger_view *view, const char *name)
{
    for (size_t i = 0; i < view->streams_n; i++) {
        if (strcmp(view->streams[i].name, name) == 0)
            return &view->streams[i];
    }
    return NULL;
}

int hf_ledger_open(struct hf_store *store, const char *node, const char *boot, uint64_t term,
                   const struct hf_ledger_view *view, struct hf_ledger **ret, struct hf_error *e)
{
    const struct hf_ledger_stream *stream, *broken = NULL;
    struct hf_ledger *l;
    int n = 1;

    if (!name_ok(node) || !name_ok(boot))
        return hf_error_set(e, HF_EINVAL, "ledger: \"%s/%s\" is no name for a writer", node, boot);
    l = hf_alloc(sizeof(*l));
    hf_link_init(&l->pending);
    l->store = store;
    l->term = term;
    snprintf(l->stream, sizeof(l->stream), "ledger/%s/%s", node, boot);
    while ((stream = find(view, l->stream)) && stream->broken.code && n < CHAINS_MAX) {
        broken = stream;
        snprintf(l->stream, sizeof(l->stream), "ledger/%s/%s.%d", node, boot, ++n);
    }
    if (stream && stream->broken.code) {
        hf_free(l);
        return hf_error_set(e, HF_ECORRUPT, "ledger: %d chains of %s/%s are broken", n, node, boot);
    }
    if (stream)
        l->chain = stream->chain;
    else
        hf_chain_init(&l->chain, hf_str(l->stream));
    if (!stream && broken)
        seal(l, json_pack("{s:s, s:s, s:s}", "kind", "broken", "stream", broken->name, "why",
                          broken->broken.text));
    *ret = l;
    return 0;
}

struct hf_ledger *hf_ledger_free(struct hf_ledger *l)
{
    if (l) {
        while (!hf_link_alone(&l->pending))
            record_free(l, HF_CONTAINER(l->pending.next, struct record, link));
        hf_free(l);
    }
    return NULL;
}
