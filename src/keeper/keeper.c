#include "keeper/keeper.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "keeper/child.h"
#include "keeper/courier.h"
#include "keeper/ground.h"
#include "keeper/mailbox.h"
#include "keeper/program.h"
#include "keeper/restart.h"
#include "keeper/watchdog.h"
#include "net/loop.h"
#include "net/pass.h"

#define TICK hf_seconds(1)
#define GREETING_POLL hf_ms(10) /* how often a starting gateway is asked whether it serves */
#define RETRY hf_seconds(1)     /* after a fork that failed */
#define HURRY hf_seconds(5)     /* what a second signal leaves to the controller */

/* A process that is kept running. */
struct member {
    const char *name;
    pid_t pid; /* 0: does not run */
    struct hf_mono started;
    struct hf_restart restart;
    struct hf_timer again; /* armed: will be started */
};

enum phase { PHASE_SERVING, PHASE_DRAINING, PHASE_STOPPING, PHASE_ENDED };

struct keeper {
    struct hf_loop *loop;
    struct hf_programs programs;
    struct hf_ground ground;
    struct hf_mailbox mailbox;
    struct member gateway, controller;
    uint32_t slot; /* the gateway's */
    struct hf_courier courier;
    int tls_fd; /* the newest bundle of certificates; -1: there was none yet */
    struct hf_watchdog watchdog;
    enum phase phase;
    bool hurry, incomplete;
    struct hf_watch signal_watch, mailbox_watch;
    struct hf_timer tick, greeting, deadline;
};

static void start_gateway(struct keeper *k);
static void start_controller(struct keeper *k);
static void receive_messages(struct keeper *k);

/* The only writer of k->phase. */
static void set_phase(struct keeper *k, enum phase phase, const char *why)
{
    static const char *const names[] = {[PHASE_SERVING] = "serving",
                                        [PHASE_DRAINING] = "draining",
                                        [PHASE_STOPPING] = "stopping",
                                        [PHASE_ENDED] = "ended"};

    hf_info("%s -> %s, %s", names[k->phase], names[phase], why);
    k->phase = phase;
    if (phase == PHASE_ENDED)
        hf_loop_stop(k->loop);
}

static void tell(struct keeper *k, enum hf_keeper_message_type type, uint32_t slot, pid_t pid,
                 int status)
{
    const struct hf_keeper_message message = {
        .type = type, .slot = slot, .pid = pid, .status = status};

    hf_mailbox_send(&k->mailbox, &message);
}

/* ---- starting ---- */

/* keeper_fd: the child's end of its socket to the keeper. */
static struct hf_handover handover_for(const struct keeper *k, enum hf_role role, int keeper_fd)
{
    struct hf_handover h = {
        .magic = HF_BOARD_MAGIC,
        .layout = HF_BOARD_LAYOUT,
        .size = sizeof(h),
        .role = role,
        .keeper_pid = getpid(),
        .keeper_fd = keeper_fd,
        .tls_fd = k->tls_fd,
        .access_log_fd = -1,
        .last_plan_fd = -1,
        .setup = k->ground.setup,
    };

    memcpy(h.build, k->programs.build, sizeof(h.build));
    memset(h.listener_fd, -1, sizeof(h.listener_fd));
    if (role == HF_ROLE_CONTROLLER) {
        h.board = hf_board_fds_for(k->ground.board, HF_BOARD_CONTROLLER, 0);
    } else {
        h.slot = k->slot;
        h.access_log_fd = k->ground.access_log_fd;
        memcpy(h.listener_fd, k->ground.listener_fd, sizeof(h.listener_fd));
        h.board = hf_board_fds_for(k->ground.board, HF_BOARD_GATEWAY, k->slot);
    }
    return h;
}

/* Books the outcome of a fork; a failed one is tried again. */
static bool started(struct keeper *k, struct member *m, pid_t pid, const struct hf_error *e)
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

/* The newest bundle goes with the hand-over, later ones by the courier. */
static pid_t fork_gateway(struct keeper *k, struct hf_error *e)
{
    int fd, rc = hf_courier_init(&k->courier, &fd, e);
    struct hf_handover h;
    pid_t pid;

    if (rc)
        return rc;
    h = handover_for(k, HF_ROLE_GATEWAY, fd);
    h.last_plan_fd = hf_ground_last_plan(&k->ground);
    pid = hf_child_start(k->programs.gateway, &h, e);
    close(fd);
    if (h.last_plan_fd >= 0)
        close(h.last_plan_fd);
    if (pid < 0)
        hf_courier_done(&k->courier);
    return pid;
}

static void start_gateway(struct keeper *k)
{
    struct hf_error e = {0};
    uint32_t slot;
    pid_t pid;

    if (hf_board_claim(k->ground.board, &slot)) {
        hf_error_set(&e, HF_ELIMIT, "no slot of the board is free");
        started(k, &k->gateway, HF_ELIMIT, &e);
        return;
    }
    k->slot = slot;
    pid = fork_gateway(k, &e);
    if (!started(k, &k->gateway, pid, &e)) {
        hf_board_release(k->ground.board, slot);
        return;
    }
    hf_board_claim_pid(k->ground.board, slot, pid);
    hf_watchdog_reset(&k->watchdog);
    hf_timer_after(k->loop, &k->greeting, GREETING_POLL);
    hf_info("gateway started pid=%d slot=%u", pid, slot);
    tell(k, HF_KEEPER_GATEWAY_STARTED, slot, pid, 0);
}

static void start_controller(struct keeper *k)
{
    struct hf_error e = {0};
    struct hf_handover h;
    pid_t pid;

    receive_messages(k); /* the last words of the one before: the next gets what they changed */
    h = handover_for(k, HF_ROLE_CONTROLLER, k->mailbox.controller_fd);
    pid = hf_child_start(k->programs.own, &h, &e);
    if (!started(k, &k->controller, pid, &e))
        return;
    hf_info("controller started pid=%d", pid);
    if (k->phase == PHASE_STOPPING)
        tell(k, HF_KEEPER_STOP_INSTANCES, 0, 0, 0);
}

static void on_gateway_again(struct hf_timer *t)
{
    start_gateway(HF_CONTAINER(t, struct keeper, gateway.again));
}

static void on_controller_again(struct hf_timer *t)
{
    start_controller(HF_CONTAINER(t, struct keeper, controller.again));
}

/* ---- stopping ---- */

static void kill_member(const struct member *m, int sig)
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

static void stop_controller(struct keeper *k, const char *why)
{
    set_phase(k, PHASE_STOPPING, why);
    if (childless()) {
        set_phase(k, PHASE_ENDED, "no process is left");
        return;
    }
    hf_timer_after(k->loop, &k->deadline, k->hurry ? HURRY : hf_ms(k->ground.setup.stop_ms));
    if (k->ground.setup.keep_instances) {
        hf_timer_stop(&k->controller.again);
        if (k->controller.pid)
            kill_member(&k->controller, SIGTERM);
        else
            set_phase(k, PHASE_ENDED, "no controller runs");
    } else if (k->controller.pid) {
        tell(k, HF_KEEPER_STOP_INSTANCES, 0, 0, 0);
    } else if (!hf_timer_armed(&k->controller.again)) {
        start_controller(k);
    }
}

static void hurry(struct keeper *k)
{
    if (k->phase == PHASE_DRAINING) {
        hf_warn("told to hurry: the gateway is killed pid=%d", k->gateway.pid);
        kill_member(&k->gateway, SIGKILL);
    } else if (!k->hurry) {
        hf_warn("told to hurry: the controller gets %d s more", (int)(HURRY.ns / HF_NS_PER_S));
        hf_timer_after(k->loop, &k->deadline, HURRY);
    } else {
        hf_timer_after(k->loop, &k->deadline, (struct hf_duration){0});
    }
    k->hurry = true;
}

static void stop(struct keeper *k, const char *why)
{
    if (k->phase != PHASE_SERVING) {
        hurry(k);
        return;
    }
    set_phase(k, PHASE_DRAINING, why);
    hf_timer_stop(&k->gateway.again);
    hf_timer_stop(&k->greeting);
    if (k->gateway.pid) {
        kill_member(&k->gateway, SIGTERM);
        hf_timer_after(k->loop, &k->deadline, hf_ms(k->ground.setup.stop_ms));
    } else {
        stop_controller(k, "no gateway runs");
    }
}

static void on_deadline(struct hf_timer *t)
{
    struct keeper *k = HF_CONTAINER(t, struct keeper, deadline);

    if (k->phase == PHASE_DRAINING) {
        hf_warn("the gateway did not drain in time and is killed pid=%d", k->gateway.pid);
        kill_member(&k->gateway, SIGKILL);
    } else if (k->phase == PHASE_STOPPING) {
        hf_err("the controller did not stop in time; instances may still run pid=%d",
               k->controller.pid);
        k->incomplete = true;
        hf_timer_stop(&k->controller.again);
        if (k->controller.pid)
            kill_member(&k->controller, SIGKILL);
        else
            set_phase(k, PHASE_ENDED, "no controller runs");
    }
}

/* ---- the ends of processes ---- */

static void schedule(struct keeper *k, struct member *m, int status)
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

static void gateway_ended(struct keeper *k, int status)
{
    pid_t pid = k->gateway.pid;

    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
        hf_err("the gateway made a system call that its sandbox forbids; its last line says which "
               "pid=%d",
               pid);
    hf_board_release(k->ground.board, k->slot);
    hf_courier_done(&k->courier);
    tell(k, HF_KEEPER_GATEWAY_ENDED, k->slot, pid, status);
    hf_timer_stop(&k->greeting);
    if (k->phase == PHASE_SERVING) {
        schedule(k, &k->gateway, status);
        if (k->gateway.restart.delay.ns == 0) {
            hf_timer_stop(&k->gateway.again);
            start_gateway(k);
        }
    } else {
        char why[HF_CHILD_STATUS_TEXT];
        k->gateway.pid = 0;
        hf_info("gateway ended pid=%d why=\"%s\"", pid, hf_child_status(status, why));
        stop_controller(k, "the gateway is gone");
    }
}

static void controller_ended(struct keeper *k, int status)
{
    bool done = status == 0 || k->ground.setup.keep_instances || k->incomplete || childless();

    if (k->phase == PHASE_STOPPING && done) {
        k->controller.pid = 0;
        set_phase(k, PHASE_ENDED, "the controller is gone");
    } else {
        schedule(k, &k->controller, status);
    }
}

static void reap(struct keeper *k)
{
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (pid == k->gateway.pid)
            gateway_ended(k, status);
        else if (pid == k->controller.pid)
            controller_ended(k, status);
        else
            tell(k, HF_KEEPER_ORPHAN_ENDED, 0, pid, status);
    }
    hf_lock_note(&k->ground.lock, k->gateway.pid, k->controller.pid);
}

/* ---- the loop's callbacks ---- */

static void on_signal(struct hf_watch *w, uint32_t events)
{
    struct keeper *k = HF_CONTAINER(w, struct keeper, signal_watch);
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
            tell(k, HF_KEEPER_RELOAD, 0, 0, 0);
            break;
        default:
            reap(k);
            break;
        }
    }
}

/* What the configuration says now. */
static void limit_stop(struct keeper *k, int32_t stop_ms)
{
    char text[32];

    if (stop_ms < 1 || stop_ms > HF_STOP_MS_MAX || (uint32_t)stop_ms == k->ground.setup.stop_ms)
        return;
    k->ground.setup.stop_ms = (uint32_t)stop_ms;
    hf_info("a stop may take %s now", hf_duration_format(hf_ms(stop_ms), text, sizeof(text)));
}

/* Held for gateways and controllers that start later, and brought to the one that runs. What is in
 * it is not the keeper's to know; that nobody can change it any more is. */
static void take_bundle(struct keeper *k, int fd)
{
    if (k->tls_fd >= 0)
        close(k->tls_fd);
    k->tls_fd = fd;
    hf_courier_bring(&k->courier, fd);
}

static void receive_messages(struct keeper *k)
{
    struct hf_keeper_message message;
    int rc, fd = -1;

    while ((rc = hf_mailbox_receive(&k->mailbox, &message, &fd)) != HF_EAGAIN) {
        if (!rc && message.type == HF_KEEPER_TLS && hf_pass_sealed(fd, HF_TLS_BYTES_MAX)) {
            take_bundle(k, fd);
            continue;
        }
        if (!rc && message.type == HF_KEEPER_STOP_LIMIT)
            limit_stop(k, message.status);
        else
            hf_warn("the controller sent what is no message to the keeper type=%u",
                    rc ? 0 : message.type);
        if (!rc && fd >= 0)
            close(fd);
    }
}

static void on_message(struct hf_watch *w, uint32_t events)
{
    (void)events;
    receive_messages(HF_CONTAINER(w, struct keeper, mailbox_watch));
}

static void on_tick(struct hf_timer *t)
{
    struct keeper *k = HF_CONTAINER(t, struct keeper, tick);
    struct hf_live_view live = hf_board_live(k->ground.board, k->slot);
    int silent;

    hf_timer_after(k->loop, t, TICK);
    hf_mailbox_flush(&k->mailbox);
    hf_courier_again(&k->courier, k->tls_fd);
    if (k->phase != PHASE_SERVING || !k->gateway.pid)
        return;
    silent = hf_watchdog_tick(&k->watchdog, &live);
    if (silent >= 0) {
        hf_err("the gateway is silent and is killed pid=%d worker=%d", k->gateway.pid, silent);
        hf_watchdog_reset(&k->watchdog);
        kill_member(&k->gateway, SIGKILL);
    }
}

static void on_greeting(struct hf_timer *t)
{
    struct keeper *k = HF_CONTAINER(t, struct keeper, greeting);
    struct hf_live_view live = hf_board_live(k->ground.board, k->slot);
    struct hf_duration took = hf_mono_sub(hf_loop_now(k->loop), k->gateway.started);
    char text[HF_LISTENERS_MAX * (HF_ADDR_TEXT + 2)], one[HF_ADDR_TEXT];
    size_t n = 0;

    if (atomic_load(&live.live->phase) != HF_LIVE_SERVING) {
        hf_timer_after(k->loop, t, GREETING_POLL);
        return;
    }
    for (uint32_t i = 0; i < k->ground.setup.n_listeners; i++)
        n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s", i ? ", " : "",
                              hf_addr_format(&k->ground.setup.bound[i], one));
    hf_info("serving on %s pid=%d after_ms=%lld", text, k->gateway.pid,
            (long long)hf_duration_ms(took));
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

static int open_loop(struct keeper *k, struct hf_error *e)
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
    hf_timer_init(&k->greeting, on_greeting);
    hf_timer_init(&k->deadline, on_deadline);
    hf_timer_init(&k->gateway.again, on_gateway_again);
    hf_timer_init(&k->controller.again, on_controller_again);
    return 0;
}

static int open_keeper(struct keeper *k, const char *config, bool keep_instances,
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
    rc = hf_mailbox_init(&k->mailbox, e);
    if (rc)
        return rc;
    return open_loop(k, e);
}

int hf_keeper_run(const char *config, bool keep_instances)
{
    static struct keeper keeper;
    struct keeper *k = &keeper;
    struct hf_error e = {0};

    hf_log_init("keeper", HF_LOG_INFO);
    k->tls_fd = k->courier.fd = -1;
    k->gateway.name = "gateway";
    k->controller.name = "controller";
    if (open_keeper(k, config, keep_instances, &e)) {
        if (e.text[0])
            fprintf(stderr, "holdfast: %s\n", e.text);
        return 1; /* the process ends, and with it what was opened */
    }
    start_gateway(k);
    start_controller(k);
    hf_timer_after(k->loop, &k->tick, TICK);
    hf_loop_run(k->loop);
    hf_ground_close(&k->ground);
    hf_programs_close(&k->programs);
    return k->incomplete ? 1 : 0;
}
