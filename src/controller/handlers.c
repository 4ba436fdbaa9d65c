/* What the admin API asks of the controller. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "catalog/json.h"
#include "continuity/report.h"
#include "controller/internal.h"

/* ---- status ---- */

static const char *gateway_state(const struct hf_live_view *v)
{
    static const char *const names[] = {[HF_LIVE_STARTING] = "starting",
                                        [HF_LIVE_SERVING] = "serving",
                                        [HF_LIVE_LEAVING] = "leaving",
                                        [HF_LIVE_RETIRED] = "retired"};
    uint32_t phase = atomic_load(&v->live->phase);

    return v->capacity.workers && phase < HF_COUNT(names) ? names[phase] : names[HF_LIVE_STARTING];
}

static json_t *gateways_json(const struct hf_controller *c)
{
    bool sandbox = !c->handover->setup.sandbox.off;
    json_t *list = json_array();

    for (uint32_t slot = 0; slot < HF_BOARD_SLOTS; slot++) {
        const struct hf_slot *s = hf_board_slot(c->board, slot);
        struct hf_live_view v = hf_board_live(c->board, slot);
        uint64_t generation = UINT64_MAX, connections = 0;

        if (atomic_load(&s->state) != HF_SLOT_CLAIMED)
            continue;
        for (uint32_t w = 0; w < v.capacity.workers; w++) {
            const struct hf_live_worker *worker = hf_live_worker(&v, w);
            uint64_t g = hf_count_get(&worker->generation);
            generation = g < generation ? g : generation;
            connections += hf_count_get(&worker->connections);
        }
        json_array_append_new(list, json_pack("{s:i, s:i, s:s, s:I, s:I, s:b}", "pid",
                                              (int)atomic_load(&s->pid), "slot", (int)slot, "state",
                                              gateway_state(&v), "generation",
                                              (json_int_t)generation, "connections",
                                              (json_int_t)connections, "sandbox", sandbox));
    }
    return list;
}

/* up: all that are wanted are ready; degraded: some are; down: none is. */
static const char *service_state(const struct hf_service *s)
{
    uint32_t ready = hf_service_count(s, HF_INSTANCE_READY), wanted = s->n_instances;

    if (s->config && s->config->command.n)
        wanted = s->config->replicas.min;
    return ready == 0 ? "down" : ready < wanted ? "degraded" : "up";
}

static json_t *service_json(const struct hf_controller *c, const struct hf_service *s)
{
    json_t *j = hf_catalog_json_service(s);
    json_t *instances = json_object_get(j, "instances");
    struct hf_service_sum sum = {0};
    size_t n = 0;

    if (s->plan_incarnation)
        hf_board_sum_service(c->board, s->plan_slot, s->plan_incarnation, &sum);
    json_object_set_new(j, "state", json_string(service_state(s)));
    json_object_set_new(j, "requests", json_integer((json_int_t)sum.requests));
    json_object_set_new(j, "failed", json_integer((json_int_t)sum.failed));
    json_object_set_new(j, "retries", json_integer((json_int_t)sum.retries));
    json_object_set_new(j, "held", json_integer(sum.held));
    json_object_set_new(j, "tunnels", json_integer(sum.tunnels));
    json_object_set_new(j, "answered", json_integer((json_int_t)sum.answered));
    HF_LIST_EACH (l, &s->instances) {
        const struct hf_instance *i = hf_instance_at(l);
        struct hf_endpoint_sum e = {0};
        if (i->incarnation)
            hf_board_sum_endpoint(c->board, i->endpoint_slot, i->incarnation, &e);
        json_object_set_new(json_array_get(instances, n++), "in_flight",
                            json_integer((json_int_t)e.in_flight));
    }
    return j;
}

static json_t *status(void *ctx)
{
    struct hf_controller *c = ctx;
    const struct hf_release_doc *release = hf_release_current(c->releases);
    int64_t age = hf_wall_now().ns - hf_publisher_made(c->publisher).ns;
    json_t *services = json_array();

    HF_LIST_EACH (l, hf_catalog_services(c->catalog))
        json_array_append_new(services, service_json(c, hf_service_at(l)));
    return json_pack("{s:{s:i}, s:o, s:{s:i}, s:{s:I, s:I}, s:o, s:o}", "keeper", "pid",
                     c->handover->keeper_pid, "gateway", gateways_json(c), "controller", "pid",
                     (int)getpid(), "plan", "generation",
                     (json_int_t)hf_publisher_generation(c->publisher), "age_ms",
                     (json_int_t)(age / HF_NS_PER_MS), "services", services, "release",
                     release ? hf_release_doc_json(release) : json_null());
}

static bool ready(void *ctx, const char **why)
{
    struct hf_controller *c = ctx;

    if (c->stopping) {
        *why = "holdfast is stopping";
        return false;
    }
    if (!hf_board_acknowledged(c->board, hf_publisher_generation(c->publisher))) {
        *why = "the gateway has not taken over the plan yet";
        return false;
    }
    return true;
}

/* ---- reload and releases ---- */

static void on_reloaded(void *ctx, int rc, const char *text)
{
    struct hf_api_reply *r = ctx;

    if (rc)
        hf_api_reply_problem(r, rc == HF_EAGAIN ? 409 : 422, "%s", text);
    else
        hf_api_reply_json(r, 200, json_pack("{s:s}", "text", text));
}

static void reload(void *ctx, struct hf_api_reply *r)
{
    hf_controller_reload(ctx, on_reloaded, r);
}

static void upgrade(void *ctx, const char *program, uint32_t drain_ms, struct hf_api_reply *r)
{
    struct hf_controller *c = ctx;
    struct hf_error e = {0};
    uint64_t id;
    int rc = hf_changes_upgrade(&c->changes, program, drain_ms, &id, &e);

    if (rc)
        hf_api_reply_problem(r, rc == HF_EAGAIN ? 409 : 503, "%s", e.text);
    else
        hf_api_reply_json(r, 202, json_pack("{s:I}", "id", (json_int_t)id));
}

static json_t *upgrade_get(void *ctx)
{
    const struct hf_controller *c = ctx;

    return hf_changes_json(&c->changes);
}

struct release_request {
    struct hf_controller *controller;
    struct hf_api_reply *reply;
};

static void on_release_stored(void *ctx, uint32_t id, int error)
{
    struct release_request *q = ctx;
    const struct hf_release_doc *d = hf_release_find(q->controller->releases, id);

    if (error || !d)
        hf_api_reply_problem(q->reply, 503, "the release could not be stored: %s",
                             hf_error_name(error));
    else
        hf_api_reply_json(q->reply, 202, hf_release_doc_json(d));
    hf_free(q);
}

static void release(void *ctx, const char *service, const char *version, const char *by,
                    struct hf_api_reply *r)
{
    struct hf_controller *c = ctx;
    struct release_request *q = hf_alloc(sizeof(*q));
    struct hf_error e;
    uint32_t id;
    int rc;

    q->controller = c;
    q->reply = r;
    rc = hf_release_request(c->releases, service, version, by, on_release_stored, q, &id, &e);
    if (rc) {
        hf_api_reply_problem(r, rc == HF_ENOENT ? 404 : 409, "%s", e.text);
        hf_free(q);
    }
}

static json_t *release_get(void *ctx, uint32_t id)
{
    struct hf_controller *c = ctx;
    const struct hf_release_doc *d = hf_release_find(c->releases, id);

    return d ? hf_release_doc_json(d) : NULL;
}

static json_t *release_list(void *ctx)
{
    struct hf_controller *c = ctx;

    return hf_release_list_json(c->releases);
}

/* ---- the report ---- */

struct report_request {
    struct hf_controller *controller;
    struct hf_api_reply *reply;
    struct hf_report_query query;
    char service[HF_CONTINUITY_NAME];
    bool text;
};

static void make_report(struct report_request *q, const struct hf_ledger_view *view)
{
    enum { OPEN_MOST = HF_BOARD_SERVICES_MAX };
    HF_AUTOFREE struct hf_interval *open = hf_alloc_array(OPEN_MOST, sizeof(*open));
    size_t n = hf_account_open_intervals(q->controller->account, open, OPEN_MOST);
    HF_AUTOTEXT struct hf_text text = {0};
    struct hf_report report;

    if (hf_report_make(view, open, n, &q->query, &report)) {
        hf_api_reply_problem(q->reply, 400, "the period or the target is not valid");
        return;
    }
    if (q->text) {
        hf_report_to_text(&report, &text);
        hf_api_reply_text(q->reply, hf_text_str(&text));
    } else {
        hf_api_reply_json(q->reply, 200, hf_report_to_json(&report));
    }
    hf_report_done(&report);
}

static void on_ledger(void *ctx, struct hf_ledger_view *view, const struct hf_error *e)
{
    struct report_request *q = ctx;

    if (view) {
        make_report(q, view);
        hf_ledger_view_done(view);
    } else {
        hf_api_reply_problem(q->reply, 503, "the ledger cannot be read: %s", e->text);
    }
    hf_free(q);
}

static void report(void *ctx, const struct hf_api_report_query *query, struct hf_api_reply *r)
{
    struct hf_controller *c = ctx;
    struct report_request *q = hf_alloc(sizeof(*q));
    int rc = hf_report_year(query->year, &q->query.from, &q->query.to);

    q->controller = c;
    q->reply = r;
    q->text = query->text;
    q->query.target = c->config->continuity.target / 10000.0;
    if (query->service) {
        snprintf(q->service, sizeof(q->service), "%s", query->service);
        q->query.service = q->service;
    }
    if (rc == 0)
        rc = hf_ledger_load(c->store, NULL, q->query.from, q->query.to, on_ledger, q);
    if (rc) {
        hf_api_reply_problem(r, 503, "the ledger cannot be read now: %s", hf_error_name(rc));
        hf_free(q);
    }
}

struct hf_api_handlers hf_controller_handlers(struct hf_controller *c)
{
    return (struct hf_api_handlers){.ctx = c,
                                    .status = status,
                                    .ready = ready,
                                    .reload = reload,
                                    .upgrade = upgrade,
                                    .upgrade_get = upgrade_get,
                                    .release = release,
                                    .release_get = release_get,
                                    .release_list = release_list,
                                    .report = report};
}
