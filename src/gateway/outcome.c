#include "gateway/outcome.h"

#include "gateway/target.h"
#include "gateway/trace.h"
#include "gateway/worker.h"
#include "http/grpc.h"

enum { GIVEN_UP_S = 5 /* a client that leaves after so long without a byte was failed */ };

static const char *const outcome_name[] = {
    [HF_OUTCOME_OK] = "ok", [HF_OUTCOME_FAILED] = "failed", [HF_OUTCOME_REFUSED] = "refused"};

static bool counted(const struct hf_exchange *x)
{
    return x->service && !x->probe && x->service->incarnation == x->service_incarnation;
}

static void gauge(_Atomic uint32_t *g, int32_t change)
{
    uint32_t n = atomic_load_explicit(g, memory_order_relaxed);

    atomic_store_explicit(g, n + (uint32_t)change, memory_order_relaxed);
}

bool hf_outcome_failed(const struct hf_exchange *x)
{
    if (x->grpc && x->grpc_status != HF_GRPC_MISSING)
        return hf_grpc_failed(x->grpc_status);
    if (x->grpc && x->protocol == HF_PROTOCOL_GRPC && x->status < 500)
        return x->status == 200 || hf_grpc_failed(hf_grpc_from_http(x->status));
    return x->status >= 500;
}

void hf_outcome_arrived(struct hf_exchange *x)
{
    if (!counted(x))
        return;
    hf_count_add(&x->service->live->requests, 1);
    gauge(&x->service->live->in_progress, 1);
    hf_second_arrived(x->service->live, x->second);
}

void hf_outcome_tunnel(struct hf_exchange *x)
{
    if (!counted(x))
        return;
    hf_count_add(&x->service->live->tunnels_opened, 1);
    gauge(&x->service->live->tunnels, 1);
}

static enum hf_outcome judge(const struct hf_exchange *x, enum hf_ending ending, struct hf_mono now)
{
    switch (ending) {
    case HF_ENDING_WHOLE:
        return hf_outcome_failed(x) ? HF_OUTCOME_FAILED : HF_OUTCOME_OK;
    case HF_ENDING_BROKEN:
        return HF_OUTCOME_FAILED;
    case HF_ENDING_CLIENT_GONE:
        if (!x->passed_on && x->request_done &&
            hf_mono_sub(now, x->arrived).ns >= GIVEN_UP_S * HF_NS_PER_S)
            return HF_OUTCOME_FAILED;
        return HF_OUTCOME_OK;
    }
    return HF_OUTCOME_FAILED;
}

static void meter(struct hf_exchange *x, enum hf_ending ending, enum hf_outcome outcome, int64_t us)
{
    struct hf_live_service *live = x->service->live;
    bool candidate = false;

    if (x->target && x->target->known) {
        int32_t at = x->worker->snapshot->endpoint_at[x->target->slot];
        candidate =
            at >= 0 && (hf_plan_endpoints(x->worker->view.plan)[at].flags & HF_ENDPOINT_CANDIDATE);
    }
    gauge(&live->in_progress, -1);
    if (x->tunnel)
        gauge(&live->tunnels, -1);
    if (x->answered)
        hf_count_add(&live->answered, 1);
    if (ending == HF_ENDING_CLIENT_GONE)
        hf_count_add(&live->client_gone, 1);
    hf_count_add(&live->status[x->status / 100 < 6 ? x->status / 100 : 0], 1);
    hf_count_add(&live->bytes_in, x->body_bytes);
    hf_count_add(&live->bytes_out, x->bytes_out);
    hf_count_add(&live->latency_us[candidate], (uint64_t)us);
    hf_count_add(&live->latency[candidate].bucket[hf_latency_bucket((uint64_t)us)], 1);
    if (outcome == HF_OUTCOME_FAILED)
        hf_count_add(&live->failed, 1);
    if (outcome == HF_OUTCOME_REFUSED)
        hf_count_add(&live->refused, 1);
    hf_second_ended(live, x->second, outcome);
}

/* ---- the access log ---- */

static void put_two(char *p, int v)
{
    p[0] = (char)('0' + v / 10);
    p[1] = (char)('0' + v % 10);
}

/* "2026-11-23T18:00:00.123Z"; the part that changes once a second is cached. */
static void put_time(struct hf_h1_out *o, int64_t wall_ns)
{
    static _Thread_local char text[HF_WALL_TEXT];
    static _Thread_local int64_t cached = -1;
    int64_t second = wall_ns / HF_NS_PER_S;
    int ms = (int)(wall_ns % HF_NS_PER_S / HF_NS_PER_MS);

    if (second != cached) {
        hf_wall_format((struct hf_wall){wall_ns}, text);
        cached = second;
    }
    text[20] = (char)('0' + ms / 100);
    put_two(text + 21, ms % 100);
    hf_h1_put(o, (struct hf_str){text, 24});
}

/* Milliseconds with three digits behind the point. */
static void put_ms(struct hf_h1_out *o, int64_t us)
{
    char digits[4] = {'.'};

    hf_h1_put_decimal(o, (uint64_t)us / 1000);
    digits[1] = (char)('0' + us % 1000 / 100);
    put_two(digits + 2, (int)(us % 100));
    hf_h1_put(o, (struct hf_str){digits, 4});
}

static void put_line(struct hf_h1_out *o, const struct hf_exchange *x, const char *outcome,
                     int64_t us)
{
    const char *request = x->request.p;

    HF_H1_PUT(o, "{\"time\":\"");
    put_time(o, hf_worker_wall_ns(x->worker, x->arrived));
    HF_H1_PUT(o, "\",\"reqId\":\"");
    hf_h1_put(o, (struct hf_str){x->id, x->id_n});
    HF_H1_PUT(o, "\",\"client\":\"");
    hf_h1_put(o, (struct hf_str){x->client->peer->ip, x->client->peer->ip_n});
    HF_H1_PUT(o, "\",\"protocol\":\"");
    hf_h1_put(o, hf_str(x->client->ops->protocol));
    HF_H1_PUT(o, "\",\"method\":\"");
    hf_h1_put_escaped(o, (struct hf_str){request, x->method_n});
    HF_H1_PUT(o, "\",\"host\":\"");
    hf_h1_put_escaped(o, (struct hf_str){request + x->host_at, x->host_n});
    HF_H1_PUT(o, "\",\"url\":\"");
    hf_h1_put_escaped(o, (struct hf_str){request + x->prefix_at, x->prefix_n});
    hf_h1_put_escaped(
        o, (struct hf_str){request + x->url_at + x->replaced_n, x->url_n - x->replaced_n});
    HF_H1_PUT(o, "\",\"status\":");
    hf_h1_put_decimal(o, x->status);
    if (x->grpc && x->grpc_status != HF_GRPC_MISSING) {
        HF_H1_PUT(o, ",\"grpcStatus\":");
        hf_h1_put_decimal(o, x->grpc_status);
    }
    HF_H1_PUT(o, ",\"bytes\":");
    hf_h1_put_decimal(o, x->bytes_out);
    HF_H1_PUT(o, ",\"responseTime\":");
    put_ms(o, us);
    HF_H1_PUT(o, ",\"service\":\"");
    if (x->service) {
        const struct hf_plan_service *s = hf_worker_policy(x->worker, x->service);
        if (s)
            hf_h1_put(o, hf_plan_str(x->worker->view.plan, s->name));
    }
    HF_H1_PUT(o, "\",");
    if (x->target)
        hf_h1_put(o, (struct hf_str){x->target->label, x->target->label_n});
    else
        HF_H1_PUT(o, "\"version\":\"\",\"instance\":\"\",\"node\":\"\"");
    HF_H1_PUT(o, ",\"retries\":");
    hf_h1_put_decimal(o, x->retries);
    if (x->trace_at) {
        HF_H1_PUT(o, ",\"traceId\":\"");
        hf_h1_put(o, (struct hf_str){request + x->trace_at + HF_TRACE_ID_AT, HF_TRACE_ID});
        HF_H1_PUT(o, "\",\"spanId\":\"");
        hf_h1_put(o, (struct hf_str){request + x->trace_at + HF_TRACE_SPAN_AT, HF_TRACE_SPAN});
        HF_H1_PUT(o, "\"");
    }
    HF_H1_PUT(o, ",\"outcome\":\"");
    hf_h1_put(o, hf_str(outcome));
    HF_H1_PUT(o, "\"}\n");
}

/* A line of at most n bytes is begun; false if there is no room, or no log. */
static bool begin_line(struct hf_worker *w, size_t n, struct hf_h1_out *ret)
{
    char *line = w->log ? hf_access_log_begin(w->log, n) : NULL;

    if (w->log && !line)
        hf_count_add(&w->live->log_dropped, 1);
    *ret = (struct hf_h1_out){line, line ? line + n : NULL, false};
    return line;
}

static void end_line(struct hf_worker *w, const struct hf_h1_out *o, size_t n)
{
    if (o->full) {
        hf_count_add(&w->live->log_dropped, 1);
        return;
    }
    hf_access_log_commit(w->log, n - (size_t)(o->end - o->p));
    hf_count_add(&w->live->log_lines, 1);
}

void hf_outcome_refused(const struct hf_client *c, unsigned status)
{
    enum { MOST = 512 };
    struct hf_worker *w = c->worker;
    struct hf_h1_out o;

    if (!begin_line(w, MOST, &o))
        return;
    HF_H1_PUT(&o, "{\"time\":\"");
    put_time(&o, hf_worker_wall_ns(w, hf_worker_now(w)));
    HF_H1_PUT(&o, "\",\"reqId\":\"\",\"client\":\"");
    hf_h1_put(&o, (struct hf_str){c->peer->ip, c->peer->ip_n});
    HF_H1_PUT(&o, "\",\"protocol\":\"");
    hf_h1_put(&o, hf_str(c->ops->protocol));
    HF_H1_PUT(&o, "\",\"method\":\"\",\"host\":\"\",\"url\":\"\",\"status\":");
    hf_h1_put_decimal(&o, status);
    HF_H1_PUT(&o, ",\"bytes\":0,\"responseTime\":0.000,\"service\":\"\",\"version\":\"\","
                  "\"instance\":\"\",\"node\":\"\",\"retries\":0,\"outcome\":\"invalid\"}\n");
    end_line(w, &o, MOST);
}

static void write_log(struct hf_exchange *x, const char *outcome, int64_t us)
{
    struct hf_worker *w = x->worker;
    size_t most = 896 + 6 * ((size_t)x->prefix_n + x->url_n + x->host_n + x->method_n);
    struct hf_h1_out o;

    if (!begin_line(w, most, &o))
        return;
    put_line(&o, x, outcome, us);
    end_line(w, &o, most);
}

void hf_outcome_book(struct hf_exchange *x, enum hf_ending ending)
{
    struct hf_mono now = hf_mono_now();
    int64_t us = hf_mono_sub(now, x->arrived).ns / 1000;
    enum hf_outcome outcome = judge(x, ending, now);
    const char *name = outcome_name[outcome];

    if (counted(x)) /* a tunnel's length says nothing of the service's speed */
        meter(x, ending, outcome,
              x->tunnel ? hf_mono_sub(x->established, x->arrived).ns / 1000 : us);
    if (ending == HF_ENDING_CLIENT_GONE && outcome == HF_OUTCOME_OK)
        name = "client_gone";
    if (!x->probe)
        write_log(x, name, us);
}
