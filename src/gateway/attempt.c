#include "gateway/attempt.h"

#include "gateway/hold.h"
#include "gateway/response.h"
#include "gateway/tunnel.h"
#include "gateway/upstream.h"
#include "gateway/worker.h"
#include "http/grpc.h"

enum { ORPHAN_MS = 60000 /* for requests of a service that is gone */ };

static const struct hf_plan_service *policy(const struct hf_exchange *x)
{
    return x->service ? hf_worker_policy(x->worker, x->service) : NULL;
}

static bool unsent(const struct hf_exchange *x)
{
    return x->sent < x->request.end;
}

static bool may_try_again(const struct hf_exchange *x, const struct hf_plan_service *s)
{
    return x->idempotent && x->kept && x->attempts <= s->retry_attempts && s->try_ms;
}

/* All that was received of the request was sent: it is the client that does not go on, and its
 * connection has a deadline of its own. */
static bool waits_for_client(const struct hf_exchange *x)
{
    return x->client->backlogged || (!x->tunnel && !x->request_done && !unsent(x));
}

/* A service that has left the configuration has no policy any more, or an empty one: what is under
 * way there ends by these. */
static struct hf_duration idle(const struct hf_plan_service *s)
{
    return hf_ms(s && s->idle_ms ? s->idle_ms : ORPHAN_MS);
}

static struct hf_duration response(const struct hf_plan_service *s)
{
    return s && s->response_ms ? hf_ms(s->response_ms) : idle(s);
}

/* When the timer looks at this attempt next. */
static void arm(struct hf_exchange *x)
{
    const struct hf_plan_service *s = policy(x);
    struct hf_worker *w = x->worker;
    struct hf_mono at;

    if (!x->upstream->connected) {
        at = hf_mono_add(x->attempt_at, s && s->connect_ms ? hf_ms(s->connect_ms) : idle(s));
    } else if (unsent(x) || !x->request_done) {
        at = hf_mono_add(hf_worker_now(w), idle(s));
    } else {
        at = x->response_by;
        if (s && may_try_again(x, s) && !x->try_noted) {
            struct hf_mono try_by = hf_mono_add(x->attempt_at, hf_ms(s->try_ms));
            if (hf_mono_before(try_by, at))
                at = try_by;
        }
    }
    if (x->deadline.ns && hf_mono_before(x->deadline, at))
        at = x->deadline;
    hf_timer_set(w->loop, &x->timer, at);
}

static enum hf_failure connect_to(struct hf_exchange *x, struct hf_target *t)
{
    struct hf_upstream *u;
    enum hf_failure failure = hf_upstream_open(x, t, &u);

    if (failure == HF_FAILURE_NONE) {
        hf_upstream_attach(u, x);
        x->upstream = u;
    }
    return failure;
}

static void remember(struct hf_tried *tried, uint32_t slot)
{
    if (tried->n < HF_TRIED_MAX)
        tried->slot[tried->n++] = slot;
}

void hf_attempt_begin(struct hf_exchange *x)
{
    struct hf_worker *w = x->worker;
    const struct hf_plan_service *s = policy(x);
    enum hf_failure failure;
    int at;

    if (!s) {
        hf_exchange_answer(x, 503, "the service is not offered any more", 0);
        return;
    }
    if ((s->protocol == HF_PROTOCOL_HTTP1) != (x->protocol == HF_PROTOCOL_HTTP1)) {
        hf_exchange_answer(x, 503, "the service has just changed its protocol", 1);
        return;
    }
    at = hf_balance_pick(&w->view, s, &x->tried, &w->random, hf_worker_now(w));
    if (at == HF_BALANCE_NONE) {
        hf_hold(x, s);
        return;
    }
    x->target = &w->targets[hf_plan_endpoints(w->view.plan)[at].slot];
    hf_target_count(x->target, 1);
    hf_count_add(&x->target->live->attempts, 1);
    remember(&x->tried, x->target->slot);
    x->attempt_at = hf_worker_now(w);
    x->sent = 0;
    x->status = 0;
    x->grpc_status = HF_GRPC_MISSING;
    x->interims = 0;
    x->begun = x->try_noted = false;
    hf_exchange_state_set(x, HF_EXCHANGE_ATTEMPT);
    failure = connect_to(x, x->target);
    if (failure != HF_FAILURE_NONE)
        hf_attempt_failed(x, failure);
    else if (x->upstream->connected && !x->client->body_follows)
        hf_attempt_send(x); /* otherwise with the body, in one call */
    else
        arm(x);
}

/* The timer's next look; the clocks of the answer begin when all is sent. */
static void sent_some(struct hf_exchange *x)
{
    if (!unsent(x) && x->request_done) {
        x->attempt_at = hf_worker_now(x->worker);
        if (!x->response_by.ns)
            x->response_by = hf_mono_add(x->attempt_at, response(policy(x)));
    }
    arm(x);
}

void hf_attempt_send(struct hf_exchange *x)
{
    struct hf_upstream *u = x->upstream;
    uint32_t before = x->sent;

    if (!u->connected)
        return;
    x->attempts += !x->begun;
    x->begun = true;
    if (!hf_upstream_push(u)) {
        if (x->tunnel && x->response_done)
            hf_tunnel_end(x); /* no way is left */
        return;
    }
    if (x->state == HF_EXCHANGE_ATTEMPT)
        sent_some(x);
    else if (x->sent != before)
        hf_attempt_progress(x);
    if (!x->request_done)
        hf_client_resume(x->client); /* what went out made room */
    if (x->tunnel)
        hf_tunnel_sent(x);
}

void hf_attempt_progress(struct hf_exchange *x)
{
    const struct hf_plan_service *s = policy(x);

    hf_timer_after(x->worker->loop, &x->timer,
                   x->tunnel && s && s->tunnel_ms ? hf_ms(s->tunnel_ms) : idle(s));
}

void hf_exchange_connected(struct hf_exchange *x)
{
    hf_attempt_send(x);
}

void hf_exchange_writable(struct hf_exchange *x)
{
    hf_attempt_send(x);
}

/* ---- the end of an attempt ---- */

void hf_attempt_end(struct hf_exchange *x, enum hf_result result, bool keep)
{
    const struct hf_plan_service *s = policy(x);
    struct hf_worker *w = x->worker;
    struct hf_target *t = x->target;

    if (x->state != HF_EXCHANGE_ATTEMPT && x->state != HF_EXCHANGE_STREAMING)
        return;
    if (x->upstream) {
        struct hf_upstream *u = x->upstream;
        x->upstream = NULL;
        if (keep)
            hf_upstream_keep(u);
        else
            hf_upstream_close(u);
    }
    hf_target_count(t, -1);
    hf_exchange_state_set(x, HF_EXCHANGE_NEW);
    if (result == HF_RESULT_FAILED)
        hf_count_add(&t->live->failures, 1);
    if (s && hf_target_in_use(t) && hf_eject_result(&w->view, s, t->slot, result, hf_worker_now(w)))
        hf_target_move(t);
}

static void note_failure(struct hf_exchange *x, enum hf_failure failure,
                         const struct hf_plan_service *s)
{
    struct hf_live_endpoint *live = x->target->live;

    if (failure == HF_FAILURE_CONNECT)
        hf_count_add(&live->refused, 1);
    else if (failure == HF_FAILURE_TRY || failure == HF_FAILURE_RESPONSE)
        hf_count_add(&live->timeouts, 1);
    else if (failure == HF_FAILURE_500 || failure == HF_FAILURE_502_4)
        hf_count_add(&live->status_5xx, 1);
    if (s)
        hf_balance_latency(live, (uint64_t)s->try_ms * 1000);
}

static struct hf_retry_case retry_case(const struct hf_exchange *x, enum hf_failure failure)
{
    return (struct hf_retry_case){
        .failure = failure,
        .idempotent = x->idempotent,
        .kept = x->kept,
        .passed_on = x->state == HF_EXCHANGE_STREAMING,
        .attempts = failure == HF_FAILURE_CONNECT ? x->connects : x->attempts,
    };
}

static bool take_retry(struct hf_exchange *x, const struct hf_retry_case *c,
                       const struct hf_plan_service *s)
{
    struct hf_worker *w = x->worker;

    if (hf_retry_is_free(c))
        return true;
    if (!hf_retry_allowed(c, s))
        return false;
    if (!hf_retry_budget_take(&w->budget, s->retry_percent, w->view.workers, hf_worker_now(w))) {
        hf_count_add(&x->service->live->retries_denied, 1);
        return false;
    }
    hf_count_add(&x->service->live->retries, 1);
    x->retries++;
    return true;
}

static void answer_failure(struct hf_exchange *x, enum hf_failure failure)
{
    switch (failure) {
    case HF_FAILURE_LOCAL:
        hf_exchange_answer(x, 503, "this gateway has no descriptors or ports left", 1);
        break;
    case HF_FAILURE_CONNECT:
        hf_exchange_answer(x, 502, "no connection to an instance of the service could be made", 1);
        break;
    case HF_FAILURE_TRY:
    case HF_FAILURE_RESPONSE:
        hf_exchange_answer(x, 504, "the service did not answer in time", 0);
        break;
    case HF_FAILURE_INVALID:
        hf_exchange_answer(x, 502,
                           x->protocol == HF_PROTOCOL_HTTP1
                               ? "the service's response is not valid HTTP"
                               : "the service's response is not valid HTTP/2",
                           0);
        break;
    case HF_FAILURE_REFUSED:
        hf_exchange_answer(x, 503, "the service's instances take no more requests now", 1);
        break;
    default:
        hf_exchange_answer(x, 502, "the service closed the connection without an answer", 0);
        break;
    }
}

void hf_attempt_failed(struct hf_exchange *x, enum hf_failure failure)
{
    const struct hf_plan_service *s = policy(x);
    bool unreached = failure == HF_FAILURE_CONNECT || failure == HF_FAILURE_LOCAL;
    struct hf_retry_case c;

    x->connects += failure == HF_FAILURE_CONNECT;
    x->stale = failure == HF_FAILURE_STALE;
    c = retry_case(x, failure);
    if (failure == HF_FAILURE_LOCAL || hf_retry_is_free(&c)) {
        if (failure != HF_FAILURE_REFUSED)
            x->tried.n = 0; /* the endpoint itself did nothing wrong */
        hf_attempt_end(x, HF_RESULT_NONE, false);
    } else {
        note_failure(x, failure, s);
        hf_attempt_end(x, HF_RESULT_FAILED, false);
    }
    if (s && take_retry(x, &c, s))
        hf_attempt_begin(x);
    else if (s && unreached && s->hold_ms)
        hf_hold(x, s); /* nothing was sent: wait until an endpoint can be reached */
    else
        answer_failure(x, failure);
}

/* What a response's head says, and its grpc-status if it is the whole response. */
static enum hf_failure status_failure(const struct hf_exchange *x)
{
    bool unavailable = x->grpc && x->grpc_status == HF_GRPC_UNAVAILABLE;

    return unavailable || (x->status >= 502 && x->status <= 504) ? HF_FAILURE_502_4
                                                                 : HF_FAILURE_500;
}

bool hf_attempt_retry_status(struct hf_exchange *x)
{
    const struct hf_plan_service *s = policy(x);
    enum hf_failure failure = status_failure(x);
    struct hf_retry_case c = retry_case(x, failure);

    note_failure(x, failure, s);
    if ((x->status != 500 && failure == HF_FAILURE_500) || !s ||
        !hf_balance_elsewhere(&x->worker->view, s, &x->tried, hf_worker_now(x->worker)) ||
        !take_retry(x, &c, s))
        return false;
    hf_attempt_end(x, HF_RESULT_FAILED, false);
    hf_attempt_begin(x);
    return true;
}

void hf_exchange_upstream_lost(struct hf_exchange *x)
{
    struct hf_upstream *u = x->upstream;

    if (x->state == HF_EXCHANGE_STREAMING) {
        hf_attempt_end(x, HF_RESULT_FAILED, false);
        hf_exchange_break(x);
        return;
    }
    if (!u->connected)
        hf_attempt_failed(x, HF_FAILURE_CONNECT);
    else if (u->reused && !u->heard)
        hf_attempt_failed(x, HF_FAILURE_STALE);
    else
        hf_attempt_failed(x, HF_FAILURE_LOST);
}

void hf_exchange_move(struct hf_exchange *x)
{
    const struct hf_plan_service *s = policy(x);
    struct hf_retry_case c = retry_case(x, HF_FAILURE_TRY);

    if (x->state != HF_EXCHANGE_ATTEMPT || x->upstream->heard || !s)
        return;
    if (!hf_balance_elsewhere(&x->worker->view, s, &x->tried, hf_worker_now(x->worker)))
        return;
    c.attempts = c.attempts ? c.attempts : 1; /* waiting for its connection: nothing was sent */
    if (!take_retry(x, &c, s))
        return;
    hf_attempt_end(x, HF_RESULT_NONE, false);
    hf_attempt_begin(x);
}

/* ---- timeouts ---- */

/* timeout.try passed: elsewhere if that is possible; else the wait goes on until timeout.response.
 */
static void try_timeout(struct hf_exchange *x, const struct hf_plan_service *s)
{
    struct hf_worker *w = x->worker;
    struct hf_retry_case c = retry_case(x, HF_FAILURE_TRY);

    if (hf_balance_elsewhere(&w->view, s, &x->tried, hf_worker_now(w)) && take_retry(x, &c, s)) {
        note_failure(x, HF_FAILURE_TRY, s);
        hf_attempt_end(x, HF_RESULT_FAILED, false);
        hf_attempt_begin(x);
        return;
    }
    x->try_noted = true;
    arm(x);
}

/* The time that the client gives, which may be any: it says nothing of the endpoint. */
static void deadline_passed(struct hf_exchange *x)
{
    hf_attempt_end(x, HF_RESULT_NONE, false);
    hf_exchange_answer(x, 504, "the service did not answer within the call's grpc-timeout", 0);
}

void hf_attempt_timeout(struct hf_exchange *x)
{
    const struct hf_plan_service *s = policy(x);
    struct hf_mono now = hf_worker_now(x->worker);

    if (x->deadline.ns && !hf_mono_before(now, x->deadline))
        deadline_passed(x);
    else if (!x->upstream->connected)
        hf_attempt_failed(x, HF_FAILURE_CONNECT);
    else if (waits_for_client(x))
        hf_attempt_progress(x);
    else if (s && !unsent(x) && x->request_done && hf_mono_before(now, x->response_by))
        try_timeout(x, s);
    else
        hf_attempt_failed(x, HF_FAILURE_RESPONSE);
}

void hf_attempt_stalled(struct hf_exchange *x)
{
    if (waits_for_client(x)) {
        hf_attempt_progress(x);
        return;
    }
    if (x->tunnel) {
        hf_tunnel_end(x); /* nobody has anything to say any more */
        return;
    }
    hf_count_add(&x->target->live->timeouts, 1);
    hf_attempt_end(x, HF_RESULT_FAILED, false);
    hf_exchange_break(x);
}
