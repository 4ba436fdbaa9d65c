/* /v1/events: the latest records of the store's stream, and those that follow. */
#include "api/internal.h"
#include "base/mem.h"

/* How often a follower asks the store whether there is more. */
#define LOOK hf_ms(200)

enum { SHOWN = 100, SHOWN_MAX = 1000, BATCH = 500 };

/* Lives until its client is gone or answered, and the store has answered. */
struct reader {
    struct hf_api *api;
    struct hf_http_exchange *x; /* NULL: gone */
    bool follow, asked;         /* asked: the store has not answered yet */
    uint64_t max, next;         /* next: the sequence to read from; 0: the last max */
    struct hf_timer timer;
};

static void ask(struct reader *r);

static void release(struct reader *r)
{
    hf_timer_done(&r->timer);
    if (!r->x && !r->asked)
        hf_free(r);
}

static void on_gone(struct hf_http_exchange *x)
{
    struct reader *r = x->user;

    r->x = NULL;
    release(r);
}

static void fail(struct reader *r, const char *why)
{
    struct hf_http_exchange *x = r->x;

    if (r->follow)
        hf_http_answer_cut(x);
    else
        hf_api_problem(x, 503, "the store does not answer: %s", why);
    r->x = NULL;
    release(r);
}

/* The record as JSON, with its number in front. NULL: it is no JSON object. */
static json_t *event_of(const struct hf_store_record *record)
{
    json_t *parsed = json_loadb(record->value, record->n, 0, NULL), *event;

    if (!json_is_object(parsed)) {
        json_decref(parsed);
        return NULL;
    }
    event = json_pack("{s:I}", "seq", (json_int_t)record->sequence);
    json_object_update_missing(event, parsed);
    json_decref(parsed);
    return event;
}

static void answer_all(struct reader *r, const struct hf_store_answer *a)
{
    json_t *events = json_array();

    for (size_t i = 0; i < a->records_n; i++) {
        json_t *event = event_of(&a->records[i]);
        if (event)
            json_array_append_new(events, event);
    }
    hf_api_answer(r->x, 200, json_pack("{s:o}", "events", events));
    r->x = NULL;
    release(r);
}

static void stream(struct reader *r, const struct hf_store_answer *a)
{
    for (size_t i = 0; i < a->records_n; i++) {
        json_t *event = event_of(&a->records[i]);
        bool there = !event || hf_api_line(r->x, event);
        json_decref(event);
        if (!there) {
            r->x = NULL;
            release(r);
            return;
        }
        r->next = a->records[i].sequence + 1;
    }
    if (a->records_n)
        ask(r);
    else
        hf_timer_after(r->api->loop, &r->timer, LOOK);
}

static void on_read(void *ctx, const struct hf_store_answer *a)
{
    struct reader *r = ctx;

    r->asked = false;
    if (!r->x)
        release(r);
    else if (a->error.code)
        fail(r, a->error.text);
    else if (r->follow)
        stream(r, a);
    else
        answer_all(r, a);
}

static void on_last(void *ctx, const struct hf_store_answer *a)
{
    struct reader *r = ctx;

    r->asked = false;
    if (!r->x) {
        release(r);
    } else if (a->error.code) {
        fail(r, a->error.text);
    } else {
        r->next = a->sequence > r->max ? a->sequence - r->max + 1 : 1;
        ask(r);
    }
}

static void ask(struct reader *r)
{
    const struct hf_store_op op = {.verb = r->next ? HF_STORE_READ : HF_STORE_LAST,
                                   .stream = HF_API_EVENTS,
                                   .from = r->next,
                                   .max = r->follow ? BATCH : r->max};

    r->asked = hf_store_submit(r->api->store, &op, r->next ? on_read : on_last, r) == 0;
    if (!r->asked)
        fail(r, "it has too much to do");
}

static void on_timer(struct hf_timer *t)
{
    ask(HF_CONTAINER(t, struct reader, timer));
}

/* ?max=N the last N; ?after=SEQ those behind it; ?follow=1 as lines, without an end. */
void hf_api_events(struct hf_api_call *c)
{
    uint64_t max, after, following;
    struct reader *r;

    if (hf_api_query_number(c->x, "max", 1, SHOWN_MAX, SHOWN, &max) ||
        hf_api_query_number(c->x, "after", 0, INT64_MAX, 0, &after) ||
        hf_api_query_number(c->x, "follow", 0, 1, 0, &following))
        return;
    r = hf_alloc(sizeof(*r));
    r->api = c->api;
    r->x = c->x;
    r->max = max;
    r->follow = following;
    r->next = after ? after + 1 : 0;
    hf_timer_init(&r->timer, on_timer);
    c->x->user = r;
    c->x->on_gone = on_gone;
    if (r->follow)
        hf_http_answer_begin(c->x, 200, HF_API_LINES);
    ask(r);
}
