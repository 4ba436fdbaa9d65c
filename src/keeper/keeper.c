#include "keeper/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "keeper/child.h"
#include "keeper/internal.h"
#include "keeper/state.h"
#include "net/pass.h"

#define TICK hf_seconds(1)
#define RETRY hf_seconds(1) /* after a fork that failed */
#define HURRY hf_seconds(5) /* what a second signal leaves to the controller */

static void receive_messages(struct hf_keeper *k);

/* The only writer of k->phase. */
static void set_phase(struct hf_keeper *k, enum hf_phase phase, const char *why)
{
    static const char *const names[] = {[HF_PHASE_SERVING] = "serving",
                                        [HF_PHASE_DRAINING] = "draining",
                                        [HF_PHASE_STOPPING] = "stopping",
                                        [HF_PHASE_ENDED] = "ended"};

    hf_info("%s -> %s, %s", names[k->phase], names[phase], why);
    k->phase = phase;
    if (phase == HF_PHASE_ENDED)
        hf_loop_stop(k->loop);
}

void hf_keeper_tell(struct hf_keeper *k, enum hf_keeper_message_type type, uint32_t slot, pid_t pid,
                    int status)
{
    const struct hf_keeper_message message = {
        .type = type, .slot = slot, .pid = pid, .status = status};

    hf_mailbox_send(&k->mailbox, &message);
}

/* ---- starting ---- */

static struct hf_handover handover_for_controller(const struct hf_keeper *k)
{
    struct hf_handover h = {
        .magic = HF_BOARD_MAGIC,
        .layout = HF_BOARD_LAYOUT,
        .size = sizeof(h),
        .role = HF_ROLE_CONTROLLER,
        .keeper_pid = getpid(),
        .keeper_fd = k->mailbox.controller_fd,
        .tls_fd = k->tls_fd,
        .access_log_fd = -1,
        .last_plan_fd = -1,
        .board = hf_board_fds_for(k->ground.board, HF_BOARD_CONTROLLER, 0),
        .setup = k->ground.setup,
    };

    memcpy(h.build, k->programs.build, sizeof(h.build));
    memset(h.listener_fd, -1, sizeof(h.listener_fd));
    return h;
}

bool hf_keeper_started(struct hf_keeper *k, struct hf_member *m, pid_t pid,
                       const struct hf_error *e)
{
    if (pid < 0) {
        hf_err("cannot start the %s: %s", m->name, e->text);
        hf_timer_after(k->loop, &m->again, RETRY);
        return false;
    }
    m->pid = pid;
    m->started = hf_loop_now(k->loop);
    hf_lock_note(&k->ground.lock, k->gateway.pid, k->controller.pid);
    return true;
}

void hf_keeper_start_controller(struct hf_keeper *k)
{
    struct hf_error e = {0};
    struct hf_handover h;
    pid_t pid;

    receive_messages(k); /* the last words of the one before: the next gets what they changed */
    h = handover_for_controller(k);
    pid = hf_child_start(k->programs.own, &h, &e);
    if (!hf_keeper_started(k, &k->controller, pid, &e))
        return;
    hf_info("controller started pid=%d", pid);
    if (k->phase == HF_PHASE_STOPPING)
        hf_keeper_tell(k, HF_KEEPER_STOP_INSTANCES, 0, 0, 0);
}

static void on_gateway_again(struct hf_timer *t)
{
    hf_gateways_start(HF_CONTAINER(t, struct hf_keeper, gateway.again));
}

static void on_controller_again(struct hf_timer *t)
{
    hf_keeper_start_controller(HF_CONTAINER(t, struct hf_keeper, controller.again));
}

/* ---- stopping ---- */

static void kill_member(const struct hf_member *m, int sig)
{
    if (m->pid > 0)
        kill(m->pid, sig);
}

/* Without a controller, instances are the keeper's children; so there is nothing left to stop. */
static bool childless(void)
{
    siginfo_t info;

    return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 && errno == ECHILD;
}

static void stop_controller(struct hf_keeper *k, const char *why)
{
    set_phase(k, HF_PHASE_STOPPING, why);
    if (childless()) {
        set_phase(k, HF_PHASE_ENDED, "no process is left");
        return;
    }
    hf_timer_after(k->loop, &k->deadline, k->hurry ? HURRY : hf_ms(k->ground.setup.stop_ms));
    if (k->ground.setup.keep_instances) {
        hf_timer_stop(&k->controller.again);
        if (k->controller.pid)
            kill_member(&k->controller, SIGTERM);
        else
            set_phase(k, HF_PHASE_ENDED, "no controller runs");
    } else if (k->controller.pid) {
        hf_keeper_tell(k, HF_KEEPER_STOP_INSTANCES, 0, 0, 0);
    } else if (!hf_timer_armed(&k->controller.again)) {
        hf_keeper_start_controller(k);
    }
}

static void hurry(struct hf_keeper *k)
{
    if (k->phase == HF_PHASE_DRAINING) {
        hf_warn("told to hurry: the gateways are killed pid=%d", k->gateway.pid);
        hf_gateways_signal(k, SIGKILL);
    } else if (!k->hurry) {
        hf_warn("told to hurry: the controller gets %d s more", (int)(HURRY.ns / HF_NS_PER_S));
        hf_timer_after(k->loop, &k->deadline, HURRY);
    } else {
        hf_timer_after(k->loop, &k->deadline, (struct hf_duration){0});
    }
    k->hurry = true;
}

static void stop(struct hf_keeper *k, const char *why)
{
    if (k->phase != HF_PHASE_SERVING) {
        hurry(k);
        return;
    }
    set_phase(k, HF_PHASE_DRAINING, why);
    hf_change_abort(k);
    hf_timer_stop(&k->gateway.again);
    hf_timer_stop(&k->greeting);
    if (hf_gateways_alive(k)) {
        hf_gateways_signal(k, SIGTERM);
        hf_timer_after(k->loop, &k->deadline, hf_ms(k->ground.setup.stop_ms));
    } else {
        stop_controller(k, "no gateway runs");
    }
}

static void on_deadline(struct hf_timer *t)
{
    struct hf_keeper *k = HF_CONTAINER(t, struct hf_keeper, deadline);

    if (k->phase == HF_PHASE_DRAINING) {
        hf_warn("the gateway did not drain in time and is killed pid=%d", k->gateway.pid);
        hf_gateways_signal(k, SIGKILL);
    } else if (k->phase == HF_PHASE_STOPPING) {
        hf_err("the controller did not stop in time; instances may still run pid=%d",
               k->controller.pid);
        k->incomplete = true;
        hf_timer_stop(&k->controller.again);
        if (k->controller.pid)
            kill_member(&k->controller, SIGKILL);
        else
            set_phase(k, HF_PHASE_ENDED, "no controller runs");
    }
}

/* ---- the ends of processes ---- */

void hf_keeper_schedule(struct hf_keeper *k, struct hf_member *m, int status)
{
    const struct hf_run run = {.started = m->started,
                               .ended = hf_loop_now(k->loop),
                               .gave_up = WIFEXITED(status) && WEXITSTATUS(status) != 0};
    struct hf_duration delay = hf_restart_delay(&m->restart, &run);
    char why[HF_CHILD_STATUS_TEXT], after[32];

    hf_warn("%s ended pid=%d why=\"%s\" restart_in=%s", m->name, m->pid,
            hf_child_status(status, why), hf_duration_format(delay, after, sizeof(after)));
    m->pid = 0;
    hf_timer_after(k->loop, &m->again, delay);
}

static void controller_ended(struct hf_keeper *k, int status)
{
    bool done = status == 0 || k->ground.setup.keep_instances || k->incomplete || childless();

    if (k->phase == HF_PHASE_STOPPING && done) {
        k->controller.pid = 0;
        set_phase(k, HF_PHASE_ENDED, "the controller is gone");
    } else if (!hf_change_controller_ended(k, k->controller.pid, status)) {
        hf_keeper_schedule(k, &k->controller, status);
    }
}

static void reap(struct hf_keeper *k)
{
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (pid == k->controller.pid)
            controller_ended(k, status);
        else if (!hf_gateways_ended(k, pid, status) && !hf_change_check_ended(k, pid, status))
            hf_keeper_tell(k, HF_KEEPER_ORPHAN_ENDED, 0, pid, status);
    }
    hf_lock_note(&k->ground.lock, k->gateway.pid, k->controller.pid);
    if (k->phase == HF_PHASE_DRAINING && !hf_gateways_alive(k))
        stop_controller(k, "the gateways are gone");
}

/* ---- the loop's callbacks ---- */

static void on_signal(struct hf_watch *w, uint32_t events)
{
    struct hf_keeper *k = HF_CONTAINER(w, struct hf_keeper, signal_watch);
    struct signalfd_siginfo info;

    (void)events;
    while (read(w->fd, &info, sizeof(info)) == sizeof(info)) {
        switch (info.ssi_signo) {
        case SIGTERM:
        case SIGINT:
            stop(k, info.ssi_signo == SIGTERM ? "SIGTERM came" : "SIGINT came");
            break;
        case SIGHUP:
            hf_info("SIGHUP came: the controller is asked to reload");
            hf_keeper_tell(k, HF_KEEPER_RELOAD, 0, 0, 0);
            break;
        default:
            reap(k);
            break;
        }
    }
}

/* What the configuration says now. */
static void limit_stop(struct hf_keeper *k, int32_t stop_ms)
{
    char text[32];

    if (stop_ms < 1 || stop_ms > HF_STOP_MS_MAX || (uint32_t)stop_ms == k->ground.setup.stop_ms)
        return;
    k->ground.setup.stop_ms = (uint32_t)stop_ms;
    hf_info("a stop may take %s now", hf_duration_format(hf_ms(stop_ms), text, sizeof(text)));
}

/* Held for gateways and controllers that start later, and brought to those that run. What is in
 * it is not the keeper's to know; that nobody can change it any more is. */
static void take_bundle(struct hf_keeper *k, int fd)
{
    if (k->tls_fd >= 0)
        close(k->tls_fd);
    k->tls_fd = fd;
    hf_gateways_bring_tls(k);
}

/* Returns true if fd, which came with it, is taken over. */
static bool take_message(struct hf_keeper *k, const struct hf_keeper_request *r, int fd)
{
    switch (r->head.type) {
    case HF_KEEPER_TLS:
        if (!hf_pass_sealed(fd, HF_TLS_BYTES_MAX))
            break;
        take_bundle(k, fd);
        return true;
    case HF_KEEPER_STOP_LIMIT:
        limit_stop(k, r->head.status);
        return false;
    case HF_KEEPER_CONTROLLER_STARTED:
        hf_change_controller_started(k, r->head.pid);
        return false;
    case HF_KEEPER_SWITCH:
    case HF_KEEPER_UPGRADE:
        hf_change_request(k, r);
        return false;
    default:
        break;
    }
    hf_warn("the controller sent what is no message to the keeper type=%u", r->head.type);
    return false;
}

static void receive_messages(struct hf_keeper *k)
{
    struct hf_keeper_request r;
    int rc, fd = -1;

    while ((rc = hf_mailbox_receive(&k->mailbox, &r, &fd)) != HF_EAGAIN) {
        if (rc)
            hf_warn("the controller sent what is no message to the keeper");
        else if (!take_message(k, &r, fd) && fd >= 0)
            close(fd);
    }
}

static void on_message(struct hf_watch *w, uint32_t events)
{
    (void)events;
    receive_messages(HF_CONTAINER(w, struct hf_keeper, mailbox_watch));
}

static void on_tick(struct hf_timer *t)
{
    struct hf_keeper *k = HF_CONTAINER(t, struct hf_keeper, tick);

    hf_timer_after(k->loop, t, TICK);
    hf_mailbox_flush(&k->mailbox);
    hf_change_tick(k);
    hf_gateways_tick(k);
}

/* ---- from start to end ---- */

static int open_signals(struct hf_error *e)
{
    sigset_t set;
    int fd;

    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    signal(SIGPIPE, SIG_IGN); /* a log that nobody reads any more must not end the keeper */
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
        return hf_error_errno(e, HF_EIO, "cannot block signals");
    fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return fd < 0 ? hf_error_errno(e, HF_EIO, "cannot make a signal descriptor") : fd;
}

static int open_loop(struct hf_keeper *k, struct hf_error *e)
{
    int fd = open_signals(e), rc;

    if (fd < 0)
        return fd;
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
        return hf_error_errno(e, HF_EIO, "cannot become the reaper of orphans");
    rc = hf_loop_new(&k->loop, e);
    if (rc)
        return rc;
    k->signal_watch = (struct hf_watch){.fd = fd, .on_event = on_signal};
    k->mailbox_watch = (struct hf_watch){.fd = k->mailbox.fd, .on_event = on_message};
    if (hf_loop_watch(k->loop, &k->signal_watch, EPOLLIN) ||
        hf_loop_watch(k->loop, &k->mailbox_watch, EPOLLIN))
        return hf_error_errno(e, HF_EIO, "cannot watch a descriptor");
    hf_timer_init(&k->tick, on_tick);
    hf_timer_init(&k->deadline, on_deadline);
    hf_timer_init(&k->gateway.again, on_gateway_again);
    hf_timer_init(&k->controller.again, on_controller_again);
    return 0;
}

static struct hf_keeper *keeper_new(void)
{
    static struct hf_keeper keeper;
    struct hf_keeper *k = &keeper;

    hf_log_init("keeper", HF_LOG_INFO);
    k->tls_fd = -1;
    k->gateway.name = "gateway";
    k->controller.name = "controller";
    hf_gateways_init(k);
    hf_change_init(k);
    return k;
}

static int open_keeper(struct hf_keeper *k, const char *config, bool keep_instances,
                       struct hf_error *e)
{
    struct hf_setup setup;
    int rc = hf_child_prepare(e);

    if (!rc)
        rc = hf_programs_open(hf_build, &k->programs, e);
    if (!rc)
        rc = hf_child_setup(k->programs.own, config, &setup, e);
    if (!rc && !setup.sandbox.off)
        rc = hf_child_sandbox(k->programs.gateway, &setup.sandbox, e);
    if (rc)
        return rc;
    setup.keep_instances |= keep_instances;
    rc = hf_ground_open(&setup, &k->ground, e);
    if (rc)
        return rc;
    k->change.ground = hf_ground_same(&k->ground);
    rc = hf_mailbox_init(&k->mailbox, e);
    if (rc)
        return rc;
    return open_loop(k, e);
}

/* Until the last child has ended. Returns the exit status. */
static int keep(struct hf_keeper *k)
{
    hf_timer_after(k->loop, &k->tick, TICK);
    hf_loop_run(k->loop);
    hf_ground_close(&k->ground);
    hf_programs_close(&k->programs);
    return k->incomplete ? 1 : 0;
}

int hf_keeper_run(const char *config, bool keep_instances)
{
    struct hf_keeper *k = keeper_new();
    struct hf_error e = {0};

    if (open_keeper(k, config, keep_instances, &e)) {
        if (e.text[0])
            fprintf(stderr, "holdfast: %s\n", e.text);
        return 1; /* the process ends, and with it what was opened */
    }
    hf_gateways_start(k);
    hf_keeper_start_controller(k);
    return keep(k);
}

/* ---- in the place of another executable's ---- */

static int take_over(struct hf_keeper *k, const struct hf_state *s, struct hf_error *e)
{
    int rc;

    k->mailbox.fd = s->keeper_fd; /* watched from the start */
    rc = open_loop(k, e);
    if (!rc)
        rc = hf_state_restore(k, s, e);
    return rc;
}

static void close_on_exec(int fd)
{
    fcntl(fd, F_SETFD, FD_CLOEXEC);
}

/* Better the keeper before than none: it finds its state as it has left it. */
static int give_back(const struct hf_state *s, const struct hf_error *why)
{
    struct hf_error e = {0};
    struct hf_state back = *s;
    int fd;

    hf_err("cannot take over: %s", why->text);
    if (back.before_own_fd < 0 || back.returned)
        return 1;
    back.returned = 1;
    snprintf(back.report.text, sizeof(back.report.text),
             "the new keeper could not take over: %.300s", why->text);
    fd = hf_state_write(&back, &e);
    if (fd >= 0)
        hf_child_become(back.before_own_fd, fd, &back, &e);
    hf_err("cannot go back either: %s", e.text);
    return 1;
}

int hf_keeper_resume(void)
{
    static struct hf_state s;
    struct hf_keeper *k = keeper_new();
    struct hf_error e = {0};

    if (hf_state_read(&s, &e)) {
        fprintf(stderr, "holdfast: %s\n", e.text);
        return 2;
    }
    if (take_over(k, &s, &e))
        return give_back(&s, &e);
    hf_state_each_fd(&s, close_on_exec);
    close(HF_HANDOVER_FD);
    if (hf_child_prepare(&e))
        hf_warn("%s", e.text);
    hf_info("the keeper goes on as build %s", hf_build);
    if (s.returned)
        hf_change_step_failed(k, s.report.text);
    else
        hf_change_step_done(k);
    reap(k); /* whose signal came before the exec */
    receive_messages(k);
    return keep(k);
}
