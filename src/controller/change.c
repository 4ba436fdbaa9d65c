#include "controller/change.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/time.h"

static const char *const kinds[] = {[HF_KEEPER_SWITCH] = "switch", [HF_KEEPER_UPGRADE] = "upgrade"};
static const char *const steps[HF_KEEPER_STEPS] = {
    [HF_KEEPER_STEP_NONE] = "begin",
    [HF_KEEPER_STEP_CHECK] = "self-check",
    [HF_KEEPER_STEP_GATEWAY] = "gateway",
    [HF_KEEPER_STEP_CONTROLLER] = "controller",
    [HF_KEEPER_STEP_KEEPER] = "keeper",
    [HF_KEEPER_STEP_BACK_CONTROLLER] = "back: controller",
    [HF_KEEPER_STEP_BACK_GATEWAY] = "back: gateway",
};
static const char *const outcomes[] = {
    [HF_REPORT_UNDER_WAY] = "under-way", [HF_REPORT_DONE] = "done", [HF_REPORT_FAILED] = "failed"};

void hf_changes_init(struct hf_changes *c, int keeper_fd, const struct hf_setup *setup)
{
    *c = (struct hf_changes){.keeper_fd = keeper_fd, .setup = *setup};
}

void hf_changes_started(const struct hf_changes *c)
{
    const struct hf_keeper_message m = {.type = HF_KEEPER_CONTROLLER_STARTED, .pid = getpid()};

    if (send(c->keeper_fd, &m, sizeof(m), MSG_DONTWAIT | MSG_NOSIGNAL) != sizeof(m))
        hf_warn("cannot tell the keeper that the admin API answers: %s", strerror(errno));
}

static int ask(struct hf_changes *c, struct hf_keeper_request *r, struct hf_error *e)
{
    if (c->awaited || (c->report.kind && c->report.outcome == HF_REPORT_UNDER_WAY))
        return hf_error_set(e, HF_EAGAIN, "another change of the gateway is under way");
    r->id = (uint64_t)hf_wall_now().ns; /* ids of the controllers before are smaller */
    if (send(c->keeper_fd, r, sizeof(*r), MSG_DONTWAIT | MSG_NOSIGNAL) != sizeof(*r))
        return hf_error_errno(e, HF_EIO, "cannot ask the keeper");
    return 0;
}

bool hf_changes_differ(const struct hf_changes *c, const struct hf_setup *wanted)
{
    const struct hf_setup *now = &c->setup;

    if (now->workers != wanted->workers || now->n_listeners != wanted->n_listeners ||
        strcmp(now->access_log, wanted->access_log) != 0)
        return true;
    for (uint32_t i = 0; i < now->n_listeners; i++) {
        if (!hf_addr_eq(&now->listeners[i], &wanted->listeners[i]))
            return true;
    }
    return false;
}

int hf_changes_switch(struct hf_changes *c, const struct hf_setup *wanted,
                      void (*on_end)(void *ctx, const struct hf_keeper_report *r), void *ctx,
                      struct hf_error *e)
{
    struct hf_keeper_request r = {.head.type = HF_KEEPER_SWITCH,
                                  .drain_ms = wanted->drain_ms,
                                  .workers = wanted->workers,
                                  .n_listeners = wanted->n_listeners};
    int rc;

    memcpy(r.listeners, wanted->listeners, sizeof(r.listeners));
    memcpy(r.path, wanted->access_log, sizeof(r.path));
    rc = ask(c, &r, e);
    if (rc)
        return rc;
    c->awaited = r.id;
    c->on_end = on_end;
    c->ctx = ctx;
    return 0;
}

int hf_changes_upgrade(struct hf_changes *c, const char *program, uint32_t drain_ms,
                       uint64_t *ret_id, struct hf_error *e)
{
    struct hf_keeper_request r = {.head.type = HF_KEEPER_UPGRADE, .drain_ms = drain_ms};
    int rc;

    if (strlen(program) >= sizeof(r.path))
        return hf_error_set(e, HF_ELIMIT, "the path of the executable is too long");
    hf_str_copy(hf_str(program), r.path, sizeof(r.path));
    rc = ask(c, &r, e);
    if (!rc)
        *ret_id = r.id;
    return rc;
}

/* Texts of another process end where they end. */
static void terminate(struct hf_keeper_report *r)
{
    r->access_log[sizeof(r->access_log) - 1] = r->program[sizeof(r->program) - 1] = 0;
    r->build[sizeof(r->build) - 1] = r->text[sizeof(r->text) - 1] = 0;
}

static void put_in_force(struct hf_setup *s, const struct hf_keeper_report *r)
{
    if (r->n_listeners < 1 || r->n_listeners > HF_LISTENERS_MAX)
        return; /* of a version that did not say it */
    s->workers = r->workers;
    s->n_listeners = r->n_listeners;
    memcpy(s->listeners, r->listeners, sizeof(s->listeners));
    memcpy(s->bound, r->bound, sizeof(s->bound));
    memcpy(s->access_log, r->access_log, sizeof(s->access_log));
}

void hf_changes_on_report(struct hf_changes *c, const void *bytes, size_t n)
{
    struct hf_keeper_report r = {0};

    memcpy(&r, bytes, n < sizeof(r) ? n : sizeof(r));
    terminate(&r);
    if (r.step >= HF_KEEPER_STEPS || r.outcome >= HF_COUNT(outcomes) ||
        (r.kind != HF_KEEPER_SWITCH && r.kind != HF_KEEPER_UPGRADE)) {
        hf_warn("the keeper reports what this version does not know");
        return;
    }
    c->report = r;
    put_in_force(&c->setup, &r);
    if (c->awaited != r.id || r.outcome == HF_REPORT_UNDER_WAY)
        return;
    c->awaited = 0;
    c->on_end(c->ctx, &r);
}

json_t *hf_changes_json(const struct hf_changes *c)
{
    const struct hf_keeper_report *r = &c->report;

    if (!r->kind)
        return NULL;
    return json_pack("{s:I, s:s, s:s, s:s, s:s, s:i, s:i, s:i, s:s, s:s}", "id", (json_int_t)r->id,
                     "kind", kinds[r->kind], "step", steps[r->step], "outcome",
                     outcomes[r->outcome], "text", r->text, "gateway", r->gateway, "old_gateway",
                     r->old_gateway, "controller", r->controller, "program", r->program, "build",
                     r->build);
}
