/* Carries out a request for another gateway, or for other executables, step by step
 * (keeper/steps.h). Until the step is done that puts something in force, what was in force before
 * goes on serving. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/log.h"
#include "keeper/child.h"
#include "keeper/internal.h"
#include "keeper/state.h"
#include "net/pass.h"

enum { CONTROLLER_TRIES = 3 };
#define CONTROLLER_LEAVES hf_seconds(5) /* then it is killed */

static void enter(struct hf_keeper *k, enum hf_keeper_step step);

/* ---- reports ---- */

static void put_setup(struct hf_keeper_report *r, const struct hf_setup *s)
{
    r->workers = s->workers;
    r->n_listeners = s->n_listeners;
    memcpy(r->listeners, s->listeners, sizeof(r->listeners));
    memcpy(r->bound, s->bound, sizeof(r->bound));
    memcpy(r->access_log, s->access_log, sizeof(r->access_log));
}

void hf_change_report(struct hf_keeper *k)
{
    struct hf_keeper_report *r = &k->change.report;

    if (!k->change.report_due)
        return;
    r->head.type = HF_KEEPER_REPORT;
    put_setup(r, &k->ground.setup);
    k->change.report_due = hf_pass_send(k->mailbox.fd, r, sizeof(*r), -1) != 0;
}

static void report(struct hf_keeper *k)
{
    k->change.report_due = true;
    hf_change_report(k);
}

/* ---- the end ---- */

static void close_programs(struct hf_programs *p)
{
    if (p->own >= 0)
        hf_programs_close(p);
}

static void end(struct hf_keeper *k, bool done)
{
    struct hf_change *c = &k->change;

    hf_timer_stop(&c->limit);
    c->step = HF_KEEPER_STEP_NONE;
    close_programs(&c->next);
    close_programs(&c->before);
    if (!done)
        hf_ground_drop(&k->ground, &c->ground);
    c->ground = hf_ground_same(&k->ground);
    c->report.outcome = done ? HF_REPORT_DONE : HF_REPORT_FAILED;
    if (done)
        hf_info("%s is done",
                c->report.kind == HF_KEEPER_UPGRADE ? "upgrade" : "the gateway's change");
    report(k);
}

static void go_on(struct hf_keeper *k, bool done)
{
    struct hf_change *c = &k->change;
    enum hf_keeper_step next = hf_step_next(c->report.kind, c->step, done);

    if (next == HF_KEEPER_STEP_NONE)
        end(k, c->report.text[0] == 0);
    else
        enter(k, next);
}

/* ---- self-check ---- */

static int start_check(struct hf_keeper *k, struct hf_error *e)
{
    struct hf_change *c = &k->change;
    struct hf_state state;
    int fd;

    c->result_fd = memfd_create("holdfast-result", MFD_CLOEXEC);
    if (c->result_fd < 0)
        return hf_error_errno(e, HF_EIO, "cannot make the file for a result");
    hf_state_save(k, &state);
    state.result_fd = c->result_fd;
    state.next_gateway_fd = c->next.gateway;
    fd = hf_state_write(&state, e);
    if (fd < 0)
        return fd;
    c->check = hf_child_check(c->next.own, fd, &state, e);
    close(fd);
    return c->check < 0 ? (int)c->check : 0;
}

static void end_check(struct hf_change *c)
{
    if (c->check > 0)
        kill(-c->check, SIGKILL); /* and what it has started */
    if (c->result_fd >= 0)
        close(c->result_fd);
    c->check = 0;
    c->result_fd = -1;
}

bool hf_change_check_ended(struct hf_keeper *k, pid_t pid, int status)
{
    struct hf_change *c = &k->change;
    struct hf_check_result result = {0};
    char why[sizeof(result.text) + 64], text[HF_CHILD_STATUS_TEXT];
    bool wrote;

    if (c->check != pid)
        return false;
    wrote = pread(c->result_fd, &result, sizeof(result), 0) == sizeof(result) &&
            result.magic == HF_CHECK_MAGIC;
    result.build[sizeof(result.build) - 1] = result.text[sizeof(result.text) - 1] = 0;
    end_check(c);
    if (wrote && status == 0) {
        memcpy(c->next.build, result.build, sizeof(c->next.build));
        memcpy(c->report.build, result.build, sizeof(c->report.build));
        hf_change_step_done(k);
        return true;
    }
    if (wrote && result.text[0])
        snprintf(why, sizeof(why), "%s", result.text);
    else
        snprintf(why, sizeof(why), "it is no holdfast that can check itself, it ended with %s",
                 hf_child_status(status, text));
    hf_change_step_failed(k, why);
    return true;
}

/* ---- controller ---- */

static void replace_controller(struct hf_keeper *k)
{
    struct hf_change *c = &k->change;

    c->failures = 0;
    c->leaving = k->controller.pid;
    c->report.controller = 0;
    hf_timer_stop(&k->controller.again);
    if (c->leaving)
        kill(c->leaving, SIGTERM);
    else
        hf_keeper_start_controller(k);
}

bool hf_change_controller_ended(struct hf_keeper *k, pid_t pid, int status)
{
    struct hf_change *c = &k->change;
    char why[HF_CHILD_STATUS_TEXT], text[160];

    if (c->step != HF_KEEPER_STEP_CONTROLLER && c->step != HF_KEEPER_STEP_BACK_CONTROLLER)
        return false;
    hf_info("controller ended pid=%d why=\"%s\"", pid, hf_child_status(status, why));
    k->controller.pid = 0;
    if (pid == c->leaving || ++c->failures < CONTROLLER_TRIES) {
        hf_keeper_start_controller(k);
        return true;
    }
    snprintf(text, sizeof(text), "the %s controller ended %d times before it served, with %s",
             c->step == HF_KEEPER_STEP_CONTROLLER ? "new" : "old", CONTROLLER_TRIES, why);
    if (c->step == HF_KEEPER_STEP_BACK_CONTROLLER)
        hf_keeper_schedule(k, &k->controller, status);
    hf_change_step_failed(k, text);
    return true;
}

void hf_change_controller_started(struct hf_keeper *k, pid_t pid)
{
    struct hf_change *c = &k->change;

    k->change.report_due = c->report.kind != 0;
    if ((c->step == HF_KEEPER_STEP_CONTROLLER || c->step == HF_KEEPER_STEP_BACK_CONTROLLER) &&
        pid == k->controller.pid && pid != c->leaving) {
        c->report.controller = pid;
        hf_change_step_done(k);
    }
    hf_change_report(k);
}

void hf_change_tick(struct hf_keeper *k)
{
    struct hf_change *c = &k->change;
    bool replaces =
        c->step == HF_KEEPER_STEP_CONTROLLER || c->step == HF_KEEPER_STEP_BACK_CONTROLLER;
    struct hf_duration left = {c->limit.deadline_ns - hf_loop_now(k->loop).ns};
    struct hf_duration taken = {hf_step_limit((enum hf_keeper_step)c->step).ns - left.ns};

    hf_change_report(k);
    if (replaces && k->controller.pid && k->controller.pid == c->leaving &&
        taken.ns > CONTROLLER_LEAVES.ns) {
        hf_warn("the controller does not leave and is killed pid=%d", c->leaving);
        kill(c->leaving, SIGKILL);
    }
}

/* ---- steps ---- */

static void become(struct hf_keeper *k)
{
    struct hf_state state;
    struct hf_error e = {0};
    char why[sizeof(e.text) + 64];
    int fd;

    hf_state_save(k, &state);
    fd = hf_state_write(&state, &e);
    if (fd >= 0) {
        hf_info("the keeper becomes build %s", k->programs.build);
        hf_child_become(k->programs.own, fd, &state, &e);
        close(fd);
    }
    snprintf(why, sizeof(why), "the keeper could not be replaced: %s", e.text);
    hf_change_step_failed(k, why);
}

static int begin_gateway(struct hf_keeper *k, struct hf_error *e)
{
    struct hf_change *c = &k->change;
    const struct hf_programs *programs =
        c->step == HF_KEEPER_STEP_GATEWAY && c->next.own >= 0 ? &c->next : &k->programs;
    int rc = hf_gateways_come(k, programs, &c->ground, e);

    if (!rc)
        c->report.gateway = k->generation[k->coming].pid;
    return rc;
}

static void go_back(struct hf_keeper *k)
{
    struct hf_change *c = &k->change;

    if (c->before.own < 0)
        return;
    hf_warn("going back to build %s", c->before.build);
    hf_programs_close(&k->programs);
    k->programs = c->before;
    c->before.own = c->before.gateway = -1;
}

static void enter(struct hf_keeper *k, enum hf_keeper_step step)
{
    struct hf_change *c = &k->change;
    struct hf_error e = {0};
    int rc = 0;

    c->step = c->report.step = step;
    hf_info("change: %s", hf_step_name(step));
    hf_timer_after(k->loop, &c->limit, hf_step_limit(step));
    report(k);
    switch (step) {
    case HF_KEEPER_STEP_CHECK:
        rc = start_check(k, &e);
        break;
    case HF_KEEPER_STEP_GATEWAY:
    case HF_KEEPER_STEP_BACK_GATEWAY:
        rc = begin_gateway(k, &e);
        break;
    case HF_KEEPER_STEP_BACK_CONTROLLER:
        go_back(k);
        replace_controller(k);
        break;
    case HF_KEEPER_STEP_CONTROLLER:
        replace_controller(k);
        break;
    case HF_KEEPER_STEP_KEEPER:
        become(k);
        break;
    default:
        break;
    }
    if (rc)
        hf_change_step_failed(k, e.text);
}

/* What the step has made is in force from now on. */
static void put_in_force(struct hf_keeper *k)
{
    struct hf_change *c = &k->change;

    if (k->serving != HF_NO_SLOT)
        c->report.old_gateway = k->generation[k->serving].pid;
    if (c->step == HF_KEEPER_STEP_GATEWAY && c->next.own >= 0) {
        c->before = k->programs;
        k->programs = c->next;
        c->next.own = c->next.gateway = -1;
    }
    hf_ground_adopt(&k->ground, &c->ground); /* first: the old one holds the last of what goes */
    hf_gateways_swap(k, c->drain_ms);
}

void hf_change_step_done(struct hf_keeper *k)
{
    if (k->change.step == HF_KEEPER_STEP_GATEWAY || k->change.step == HF_KEEPER_STEP_BACK_GATEWAY)
        put_in_force(k);
    go_on(k, true);
}

void hf_change_step_failed(struct hf_keeper *k, const char *why)
{
    struct hf_change *c = &k->change;

    hf_err("change: %s failed: %s", hf_step_name((enum hf_keeper_step)c->step), why);
    if (!c->report.text[0])
        hf_str_copy(hf_str(why), c->report.text, sizeof(c->report.text));
    end_check(c);
    hf_gateways_drop(k);
    go_on(k, false);
}

static void on_limit(struct hf_timer *t)
{
    struct hf_keeper *k = HF_CONTAINER(t, struct hf_keeper, change.limit);
    static const char *const late[HF_KEEPER_STEPS] = {
        [HF_KEEPER_STEP_CHECK] = "its self-check did not end",
        [HF_KEEPER_STEP_GATEWAY] = "the new gateway did not serve",
        [HF_KEEPER_STEP_CONTROLLER] = "the new controller did not serve its API",
        [HF_KEEPER_STEP_BACK_CONTROLLER] = "the old controller did not come back",
        [HF_KEEPER_STEP_BACK_GATEWAY] = "a gateway of the old build did not serve",
    };
    char why[96];

    if (!late[k->change.step])
        return;
    snprintf(why, sizeof(why), "%s within %d s", late[k->change.step],
             (int)(hf_step_limit((enum hf_keeper_step)k->change.step).ns / HF_NS_PER_S));
    hf_change_step_failed(k, why);
}

void hf_change_abort(struct hf_keeper *k)
{
    struct hf_change *c = &k->change;

    if (c->step == HF_KEEPER_STEP_NONE)
        return;
    hf_str_copy(hf_str("holdfast is stopping"), c->report.text, sizeof(c->report.text));
    end_check(c);
    hf_gateways_drop(k);
    end(k, false);
}

/* ---- requests ---- */

static int prepare(struct hf_keeper *k, const struct hf_keeper_request *r, struct hf_error *e)
{
    struct hf_change *c = &k->change;
    char path[HF_PATH_SIZE];

    if (k->phase != HF_PHASE_SERVING)
        return hf_error_set(e, HF_EREFUSED, "holdfast is stopping");
    c->ground = hf_ground_same(&k->ground);
    if (r->head.type == HF_KEEPER_SWITCH)
        return hf_ground_prepare(&k->ground, r, &c->ground, e);
    hf_str_copy((struct hf_str){r->path, strnlen(r->path, HF_PATH_SIZE - 1)}, path, sizeof(path));
    return hf_programs_open_others(path[0] ? path : k->programs.path, &c->next, e);
}

/* Another request while one is under way is told so; the report of that one comes after. */
static void refuse(struct hf_keeper *k, const struct hf_keeper_request *r)
{
    const struct hf_keeper_report was = k->change.report;
    struct hf_keeper_report *now = &k->change.report;

    *now =
        (struct hf_keeper_report){.id = r->id, .kind = r->head.type, .outcome = HF_REPORT_FAILED};
    hf_str_copy(hf_str("another change of the gateway is under way"), now->text, sizeof(now->text));
    report(k);
    *now = was;
    report(k);
}

void hf_change_request(struct hf_keeper *k, const struct hf_keeper_request *r)
{
    struct hf_change *c = &k->change;
    struct hf_error e = {0};

    if (c->step != HF_KEEPER_STEP_NONE) {
        refuse(k, r);
        return;
    }
    c->report = (struct hf_keeper_report){.id = r->id, .kind = r->head.type};
    c->drain_ms = r->drain_ms;
    if (prepare(k, r, &e)) {
        hf_err("change refused: %s", e.text);
        hf_str_copy(hf_str(e.text), c->report.text, sizeof(c->report.text));
        c->report.outcome = HF_REPORT_FAILED;
        report(k);
        return;
    }
    if (c->next.own >= 0)
        memcpy(c->report.program, c->next.path, sizeof(c->report.program));
    go_on(k, true);
}

void hf_change_init(struct hf_keeper *k)
{
    struct hf_change *c = &k->change;

    c->next.own = c->next.gateway = c->before.own = c->before.gateway = -1;
    c->result_fd = -1;
    hf_timer_init(&c->limit, on_limit);
}
