#include "continuity/account.h"

#include <stdio.h>

#include "base/mem.h"

enum {
    DAY = 86400,
    ROOM = HF_LEDGER_PENDING_MAX - 2, /* a step closes at most one interval, a stop one more */
};

static const char kind[] = "continuity";

struct hf_account {
    struct hf_account_config config; /* its texts are not used after the opening */
    char node[80];
    struct hf_state state;
    struct hf_ledger *ledger;
    uint64_t revision; /* of the kept state; 0: there is none */
    bool keeping;      /* a put is in flight */
    bool owed;         /* it was not kept after the last tick: the ledger was not durable yet */
    bool superseded;   /* a later term has the document */
    int warned;        /* the last refusal that was told */
};

static void warn(struct hf_account *a, const char *text)
{
    a->config.warn(a->config.ctx, text);
}

/* ---- booking ---- */

static bool has_room(const struct hf_account *a)
{
    return hf_ledger_pending(a->ledger) < ROOM;
}

static void close_open(struct hf_account *a, const struct hf_interval *closed)
{
    /* Room was looked for before; a name that is no UTF-8 was refused by the configuration. */
    if (hf_ledger_append(a->ledger, closed))
        warn(a, "the ledger refused an interval");
}

/* Books a piece that begins at service->next, as far as there is room. */
static void book(struct hf_account *a, struct hf_state_service *service, struct hf_interval *piece)
{
    struct hf_interval closed;

    while (hf_interval_length(piece) > 0 && has_room(a)) {
        if (hf_interval_step(&service->open, piece, &closed))
            close_open(a, &closed);
        hf_state_advance(service, piece->from);
    }
}

static struct hf_interval piece_of(const struct hf_state_service *service, int64_t to,
                                   enum hf_second_state state)
{
    struct hf_interval piece = {.state = state, .from = service->next, .to = to};

    memcpy(piece.service, service->name, sizeof(piece.service));
    return piece;
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Books up to a second, without looking at requests. */
static void book_blind(struct hf_account *a, struct hf_state_service *service, int64_t to,
                       enum hf_second_state state, const struct hf_claim *owner)
{
    struct hf_interval piece;

    if (to <= service->next)
        return;
    piece = piece_of(service, to, state);
    hf_interval_blame(&piece, owner);
    book(a, service, &piece);
}

/* Time that no board remembers: unknown, except where it is proven that no gateway ran. */
static void book_gap(struct hf_account *a, struct hf_state_service *service, int64_t to)
{
    static const struct hf_claim none = {.event = "no gateway ran",
                                         .cause = HF_CAUSE_INFRASTRUCTURE_DOWN};
    int64_t from = hf_wall_seconds(a->config.no_gateway_from);
    int64_t until = hf_wall_seconds(a->config.no_gateway_to);

    if (service->next < from || service->next >= until)
        book_blind(a, service, service->next < from ? earlier(from, to) : to, HF_SECOND_UNKNOWN,
                   NULL);
    else
        book_blind(a, service, earlier(until, to), HF_SECOND_DOWN, &none);
}

/* Books one second; false: it is too early to say. */
static bool book_second(struct hf_account *a, struct hf_state_service *service, int64_t now,
                        bool final)
{
    struct hf_second s = {0};
    struct hf_interval piece;
    int64_t second = service->next, age = now - second;
    enum hf_second_probe probe;

    a->config.read(a->config.ctx, service->name, second, &s);
    probe = hf_state_probe(service, second);
    if (probe != HF_PROBED_NOT)
        s.probe = probe;
    if (!final) {
        bool few = s.counts.arrived < HF_SECOND_FEW && s.probe == HF_PROBED_NOT;
        if ((s.missing || few) && age <= HF_ACCOUNT_GRACE)
            return false;
        if (!hf_second_ended_all(&s.counts) && age < HF_ACCOUNT_PROVISIONAL)
            return false;
    }
    piece = piece_of(service, second + 1, hf_second_classify(&s));
    piece.requests = s.counts.arrived;
    piece.failed = s.counts.failed + s.counts.refused;
    hf_interval_blame(&piece, hf_claims_owner(&a->state.claims, service->name, second));
    book(a, service, &piece);
    return true;
}

static void book_service(struct hf_account *a, struct hf_state_service *service, int64_t now,
                         bool final)
{
    int64_t begin = later(now - HF_STATE_WINDOW + 1, hf_wall_seconds(a->config.board_since));
    int64_t end = final ? now : now - 1; /* a second that is just over may still be written to */

    while (service->next < end && has_room(a)) {
        if (service->next < begin)
            book_gap(a, service, earlier(begin, end));
        else if (!book_second(a, service, now, final))
            break;
    }
}

/* ---- keeping the state ---- */

static void tell_refusal(struct hf_account *a, const struct hf_error *e)
{
    if (e->code && e->code != a->warned)
        warn(a, e->text);
    a->warned = e->code;
}

static char *state_text(struct hf_account *a)
{
    json_t *json;
    char *text;

    hf_str_copy(hf_str(hf_ledger_stream(a->ledger)), a->state.stream, sizeof(a->state.stream));
    a->state.chain = *hf_ledger_chain(a->ledger);
    json = hf_state_to_json(&a->state);
    text = json_dumps(json, JSON_COMPACT);
    json_decref(json);
    return text;
}

static struct hf_store_op put_op(const struct hf_account *a, const char *text)
{
    return (struct hf_store_op){HF_STORE_PUT,           .kind = kind,
                                .key = a->node,         .revision = a->revision,
                                .term = a->config.term, .value = hf_str(text)};
}

static void on_kept(void *ctx, const struct hf_store_answer *answer)
{
    struct hf_account *a = ctx;

    a->keeping = false;
    if (answer->error.code == 0 || answer->error.code == HF_ECONFLICT)
        a->revision = answer->revision;
    if (answer->error.code == HF_EREFUSED)
        a->superseded = true;
    tell_refusal(a, &answer->error);
}

/* Not before the ledger is durable: what it holds must not count as booked if it is lost. */
static void keep(struct hf_account *a)
{
    HF_AUTOFREE char *text = NULL;
    struct hf_store_op op;

    a->owed = hf_ledger_pending(a->ledger) > 0;
    if (a->owed || a->keeping || a->superseded)
        return;
    text = state_text(a);
    op = put_op(a, text);
    if (hf_store_submit(a->config.store, &op, on_kept, a) == 0)
        a->keeping = true;
}

void hf_account_tick(struct hf_account *a, struct hf_wall now)
{
    int64_t second = hf_wall_seconds(now);

    if (a->state.stopped)
        return;
    if (a->owed)
        keep(a); /* as of the last tick, whose records are durable by now */
    if (hf_ledger_error(a->ledger)->code)
        tell_refusal(a, hf_ledger_error(a->ledger));
    hf_ledger_flush(a->ledger);
    for (size_t i = 0; i < a->state.services_n; i++) {
        if (a->state.services[i]->configured)
            book_service(a, a->state.services[i], second, false);
    }
    hf_claims_prune(&a->state.claims, second - HF_STATE_WINDOW);
    keep(a);
}

/* An own put may be in flight, unanswered: then the conflict shows the revision it made. */
static int keep_wait(struct hf_account *a, struct hf_error *e)
{
    HF_AUTOFREE char *text = state_text(a);
    int rc = HF_ECONFLICT;

    for (int attempt = 0; attempt < 2 && rc == HF_ECONFLICT; attempt++) {
        struct hf_store_op op = put_op(a, text);
        struct hf_store_answer answer;
        rc = hf_store_wait(a->config.store, &op, &answer);
        a->revision = answer.revision;
        if (rc)
            hf_error_set(e, rc, "%s", answer.error.text);
        hf_store_answer_done(&answer);
    }
    return rc;
}

int hf_account_stop(struct hf_account *a, struct hf_wall now, struct hf_error *e)
{
    int rc;

    for (size_t i = 0; i < a->state.services_n; i++) {
        if (a->state.services[i]->configured)
            book_service(a, a->state.services[i], hf_wall_seconds(now), true);
    }
    rc = hf_ledger_flush_wait(a->ledger, e);
    if (rc)
        return rc;
    a->state.stopped = true;
    return keep_wait(a, e);
}

/* ---- services, probes, claims ---- */

static bool is_in(const char *name, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(names[i], name) == 0)
            return true;
    }
    return false;
}

static void retire(struct hf_account *a, struct hf_state_service *service, int64_t now)
{
    if (service->configured)
        book_service(a, service, now, true);
    if (hf_interval_length(&service->open) > 0)
        close_open(a, &service->open);
    hf_state_remove(&a->state, service);
}

int hf_account_services(struct hf_account *a, const char *const *names, size_t n,
                        struct hf_wall now)
{
    int64_t second = hf_wall_seconds(now);

    if (n > HF_STATE_SERVICES_MAX)
        return HF_ELIMIT;
    for (size_t i = 0; i < a->state.services_n;) {
        if (is_in(a->state.services[i]->name, names, n))
            i++;
        else
            retire(a, a->state.services[i], second);
    }
    for (size_t i = 0; i < n; i++) {
        struct hf_state_service *service = hf_state_find(&a->state, names[i]);
        int rc = service ? 0 : hf_state_add(&a->state, names[i], second, &service);
        if (rc)
            return rc;
        service->configured = true;
    }
    return 0;
}

void hf_account_probed(struct hf_account *a, const char *service, int64_t second, bool ok)
{
    struct hf_state_service *s = hf_state_find(&a->state, service);

    if (s)
        hf_state_probed(s, second, ok);
}

int hf_account_claim(struct hf_account *a, const struct hf_claim *claim)
{
    return hf_claims_add(&a->state.claims, claim);
}

void hf_account_claim_end(struct hf_account *a, const char *event, int64_t to)
{
    hf_claims_end(&a->state.claims, event, to);
}

size_t hf_account_open_intervals(const struct hf_account *a, struct hf_interval *ret, size_t max)
{
    size_t n = 0;

    for (size_t i = 0; i < a->state.services_n && n < max; i++) {
        if (hf_interval_length(&a->state.services[i]->open) > 0)
            ret[n++] = a->state.services[i]->open;
    }
    return n;
}

struct hf_ledger *hf_account_ledger(struct hf_account *a)
{
    return a->ledger;
}

/* ---- opening ---- */

/* Reads the kept state; none is fine, one that cannot be read is not: it would be overwritten. */
static int load_state(struct hf_account *a, struct hf_error *e)
{
    const struct hf_store_op op = {HF_STORE_GET, .kind = kind, .key = a->node};
    struct hf_store_answer answer;
    int rc = hf_store_wait(a->config.store, &op, &answer);

    if (rc == 0) {
        json_t *json = json_loadb(answer.docs[0].value, answer.docs[0].n, 0, NULL);
        a->revision = answer.docs[0].revision;
        rc = hf_state_from_json(json, &a->state, e);
        json_decref(json);
    } else if (rc == HF_ENOENT) {
        rc = 0;
    } else {
        hf_error_set(e, rc, "%s", answer.error.text);
    }
    hf_store_answer_done(&answer);
    return rc;
}

static void check_chains(struct hf_account *a, const struct hf_ledger_view *view)
{
    char text[HF_CONTINUITY_NAME + 700];

    for (size_t i = 0; i < view->streams_n; i++) {
        const struct hf_ledger_stream *s = &view->streams[i];
        if (s->broken.code)
            snprintf(text, sizeof(text), "the chain of %s is broken: %s", s->name, s->broken.text);
        else if (strcmp(s->name, a->state.stream) == 0 &&
                 (s->chain.sequence < a->state.chain.sequence ||
                  (s->chain.sequence == a->state.chain.sequence &&
                   strcmp(s->chain.hash, a->state.chain.hash) != 0)))
            snprintf(text, sizeof(text),
                     "the chain of %s was cut: it ends at record %llu, not %llu", s->name,
                     (unsigned long long)s->chain.sequence,
                     (unsigned long long)a->state.chain.sequence);
        else
            continue;
        warn(a, text);
    }
}

/* The ledger may know more than the kept state: its records became durable first. */
static void catch_up(struct hf_state *state, const struct hf_ledger_view *view)
{
    for (size_t i = 0; i < view->entries_n; i++) {
        const struct hf_interval *booked = &view->entries[i].interval;
        struct hf_state_service *service = hf_state_find(state, booked->service);
        if (!service)
            continue;
        if (service->open.from < booked->to)
            service->open.from = service->open.to = service->next;
        if (service->next < booked->to)
            hf_state_advance(service, booked->to);
    }
}

/* Durable at once: or the stop would be booked again, and longer, if this controller is killed. */
static void book_stop(struct hf_account *a)
{
    static const struct hf_claim stop = {
        .event = "stop", .cause = HF_CAUSE_UNKNOWN, .planned = true};
    struct hf_error e;

    for (size_t i = 0; i < a->state.services_n; i++)
        book_blind(a, a->state.services[i], hf_wall_seconds(a->config.now), HF_SECOND_DOWN, &stop);
    a->state.stopped = false;
    if (hf_ledger_flush_wait(a->ledger, &e) || keep_wait(a, &e))
        warn(a, e.text);
}

int hf_account_open(const struct hf_account_config *config, struct hf_account **ret,
                    struct hf_error *e)
{
    struct hf_account *a = hf_alloc(sizeof(*a));
    struct hf_ledger_view view = {0};
    int64_t oldest = INT64_MAX;
    int rc;

    a->config = *config;
    snprintf(a->node, sizeof(a->node), "%.64s", config->node);
    rc = load_state(a, e);
    for (size_t i = 0; rc == 0 && i < a->state.services_n; i++)
        oldest = earlier(oldest, a->state.services[i]->next - DAY);
    if (rc == 0)
        rc = hf_ledger_load_wait(config->store, config->node, oldest, INT64_MAX, &view, e);
    if (rc == 0)
        rc = hf_ledger_open(config->store, config->node, config->boot, config->term, &view,
                            &a->ledger, e);
    if (rc) {
        hf_ledger_view_done(&view);
        return hf_account_free(a), rc;
    }
    check_chains(a, &view);
    catch_up(&a->state, &view);
    hf_ledger_view_done(&view);
    if (a->state.stopped)
        book_stop(a);
    *ret = a;
    return 0;
}

struct hf_account *hf_account_free(struct hf_account *a)
{
    if (a) {
        hf_ledger_free(a->ledger);
        hf_state_done(&a->state);
        hf_free(a);
    }
    return NULL;
}
