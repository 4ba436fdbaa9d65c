/* The generations of gateways: one serves, others that it has replaced finish their connections,
 * one may be coming to replace it. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "keeper/child.h"
#include "keeper/internal.h"

#define GREETING_POLL hf_ms(10) /* how often a starting gateway is asked whether it serves */

/* ---- starting ---- */

static struct hf_handover handover_for(const struct hf_keeper *k, uint32_t slot, int keeper_fd,
                                       const struct hf_programs *programs,
                                       const struct hf_ground_next *ground)
{
    struct hf_handover h = {
        .magic = HF_BOARD_MAGIC,
        .layout = HF_BOARD_LAYOUT,
        .size = sizeof(h),
        .role = HF_ROLE_GATEWAY,
        .slot = slot,
        .keeper_pid = getpid(),
        .keeper_fd = keeper_fd,
        .tls_fd = k->tls_fd,
        .access_log_fd = ground->access_log_fd,
        .board = hf_board_fds_for(k->ground.board, HF_BOARD_GATEWAY, slot),
        .setup = ground->setup,
    };

    memcpy(h.build, programs->build, sizeof(h.build));
    memcpy(h.listener_fd, ground->listener_fd, sizeof(h.listener_fd));
    return h;
}

/* The newest bundle goes with the hand-over, later ones by the courier. */
static pid_t fork_gateway(struct hf_keeper *k, uint32_t slot, const struct hf_programs *programs,
                          const struct hf_ground_next *ground, struct hf_error *e)
{
    struct hf_generation *g = &k->generation[slot];
    int fd, rc = hf_courier_init(&g->courier, &fd, e);
    struct hf_handover h;
    pid_t pid;

    if (rc)
        return rc;
    h = handover_for(k, slot, fd, programs, ground);
    h.last_plan_fd = hf_ground_last_plan(&k->ground);
    pid = hf_child_start(programs->gateway, &h, e);
    close(fd);
    if (h.last_plan_fd >= 0)
        close(h.last_plan_fd);
    if (pid < 0)
        hf_courier_done(&g->courier);
    return pid;
}

/* Claims a slot before the fork. Returns the slot, or a negative HF_E*. */
static int start(struct hf_keeper *k, enum hf_generation_state state,
                 const struct hf_programs *programs, const struct hf_ground_next *ground,
                 struct hf_error *e)
{
    struct hf_generation *g;
    uint32_t slot;
    pid_t pid;

    if (hf_board_claim(k->ground.board, &slot))
        return hf_error_set(e, HF_ELIMIT,
                            "%d gateways are alive, and more there cannot be: those that were "
                            "replaced still have connections",
                            HF_BOARD_SLOTS);
    pid = fork_gateway(k, slot, programs, ground, e);
    if (pid < 0) {
        hf_board_release(k->ground.board, slot);
        return pid;
    }
    g = &k->generation[slot];
    g->state = state;
    g->pid = pid;
    g->started = hf_loop_now(k->loop);
    g->cut.ns = 0;
    hf_watchdog_reset(&g->watchdog);
    hf_board_claim_pid(k->ground.board, slot, pid);
    hf_timer_after(k->loop, &k->greeting, GREETING_POLL);
    hf_info("gateway started pid=%d slot=%u", pid, slot);
    hf_keeper_tell(k, HF_KEEPER_GATEWAY_STARTED, slot, pid, 0);
    return (int)slot;
}

void hf_gateways_start(struct hf_keeper *k)
{
    const struct hf_ground_next ground = hf_ground_same(&k->ground);
    struct hf_error e = {0};
    int slot = start(k, HF_GENERATION_SERVING, &k->programs, &ground, &e);

    k->greeted = false;
    if (hf_keeper_started(k, &k->gateway, slot < 0 ? slot : k->generation[slot].pid, &e))
        k->serving = (uint32_t)slot;
}

int hf_gateways_come(struct hf_keeper *k, const struct hf_programs *programs,
                     const struct hf_ground_next *ground, struct hf_error *e)
{
    int slot = start(k, HF_GENERATION_COMING, programs, ground, e);

    if (slot < 0)
        return slot;
    k->coming = (uint32_t)slot;
    return 0;
}

/* ---- does it serve? ---- */

static uint64_t acknowledged(const struct hf_live_view *v)
{
    uint64_t least = UINT64_MAX;

    for (uint32_t w = 0; w < v->capacity.workers; w++) {
        uint64_t g = hf_count_get(&hf_live_worker(v, w)->generation);
        least = g < least ? g : least;
    }
    return v->capacity.workers ? least : 0;
}

/* All its workers accept, and by no older plan than those of the gateway that serves now. */
static bool serves(const struct hf_keeper *k, uint32_t slot)
{
    struct hf_live_view v = hf_board_live(k->ground.board, slot);
    uint64_t known = 0;

    if (k->serving != HF_NO_SLOT && k->serving != slot) {
        struct hf_live_view now = hf_board_live(k->ground.board, k->serving);
        known = acknowledged(&now);
    }
    return v.capacity.workers && atomic_load(&v.live->phase) == HF_LIVE_SERVING &&
           atomic_load(&v.live->accepting) == v.capacity.workers && acknowledged(&v) >= known;
}

static void greet(struct hf_keeper *k)
{
    const struct hf_generation *g = &k->generation[k->serving];
    struct hf_duration took = hf_mono_sub(hf_loop_now(k->loop), g->started);
    char text[HF_LISTENERS_MAX * (HF_ADDR_TEXT + 2)], one[HF_ADDR_TEXT];
    size_t n = 0;

    for (uint32_t i = 0; i < k->ground.setup.n_listeners; i++)
        n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s", i ? ", " : "",
                              hf_addr_format(&k->ground.setup.bound[i], one));
    hf_info("serving on %s pid=%d after_ms=%lld", text, g->pid, (long long)hf_duration_ms(took));
    k->greeted = true;
}

static void on_greeting(struct hf_timer *t)
{
    struct hf_keeper *k = HF_CONTAINER(t, struct hf_keeper, greeting);

    if (k->serving != HF_NO_SLOT && !k->greeted && serves(k, k->serving))
        greet(k);
    if (k->coming != HF_NO_SLOT && serves(k, k->coming))
        hf_change_step_done(k);
    if ((k->serving != HF_NO_SLOT && !k->greeted) || k->coming != HF_NO_SLOT)
        hf_timer_after(k->loop, t, GREETING_POLL);
}

/* ---- another one's turn ---- */

static void retire(struct hf_keeper *k, uint32_t slot, uint32_t drain_ms)
{
    struct hf_generation *g = &k->generation[slot];

    g->state = HF_GENERATION_RETIRED;
    if (drain_ms)
        g->cut = hf_mono_add(hf_loop_now(k->loop), hf_ms(drain_ms));
    hf_info("gateway retired pid=%d slot=%u", g->pid, slot);
    kill(g->pid, SIGUSR1);
    hf_keeper_tell(k, HF_KEEPER_GATEWAY_RETIRED, slot, g->pid, 0);
}

void hf_gateways_swap(struct hf_keeper *k, uint32_t drain_ms)
{
    uint32_t old = k->serving;
    struct hf_generation *g = &k->generation[k->coming];

    hf_timer_stop(&k->gateway.again);
    g->state = HF_GENERATION_SERVING;
    k->serving = k->coming;
    k->coming = HF_NO_SLOT;
    k->gateway.pid = g->pid;
    k->gateway.started = g->started;
    hf_lock_note(&k->ground.lock, k->gateway.pid, k->controller.pid);
    greet(k);
    if (old != HF_NO_SLOT)
        retire(k, old, drain_ms);
}

void hf_gateways_drop(struct hf_keeper *k)
{
    if (k->coming == HF_NO_SLOT)
        return;
    kill(k->generation[k->coming].pid, SIGKILL);
    k->coming = HF_NO_SLOT;
}

/* ---- their ends ---- */

static uint32_t find(const struct hf_keeper *k, pid_t pid)
{
    for (uint32_t i = 0; i < HF_BOARD_SLOTS; i++) {
        if (k->generation[i].state != HF_GENERATION_NONE && k->generation[i].pid == pid)
            return i;
    }
    return HF_NO_SLOT;
}

static void serving_ended(struct hf_keeper *k, int status)
{
    k->serving = HF_NO_SLOT;
    if (k->phase != HF_PHASE_SERVING) {
        k->gateway.pid = 0;
        return;
    }
    hf_keeper_schedule(k, &k->gateway, status);
    if (k->gateway.restart.delay.ns == 0) {
        hf_timer_stop(&k->gateway.again);
        hf_gateways_start(k);
    }
}

static void coming_ended(struct hf_keeper *k, uint32_t slot, int status)
{
    char why[HF_CHILD_STATUS_TEXT], text[128];

    if (k->coming != slot)
        return; /* it was given up */
    k->coming = HF_NO_SLOT;
    snprintf(text, sizeof(text), "the new gateway ended before it served, with %s",
             hf_child_status(status, why));
    hf_change_step_failed(k, text);
}

bool hf_gateways_ended(struct hf_keeper *k, pid_t pid, int status)
{
    uint32_t slot = find(k, pid), state;
    struct hf_generation *g;
    char why[HF_CHILD_STATUS_TEXT];

    if (slot == HF_NO_SLOT)
        return false;
    g = &k->generation[slot];
    state = g->state;
    hf_board_release(k->ground.board, slot);
    hf_courier_done(&g->courier);
    g->state = HF_GENERATION_NONE;
    g->pid = 0;
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
        hf_err("the gateway made a system call that its sandbox forbids; its last line says which "
               "pid=%d",
               pid);
    if (state == HF_GENERATION_COMING)
        hf_info("the new gateway is gone pid=%d why=\"%s\"", pid, hf_child_status(status, why));
    else if (state != HF_GENERATION_SERVING || k->phase != HF_PHASE_SERVING)
        hf_info("gateway ended pid=%d why=\"%s\"", pid, hf_child_status(status, why));
    if (state != HF_GENERATION_COMING)
        hf_keeper_tell(
            k, state == HF_GENERATION_SERVING ? HF_KEEPER_GATEWAY_ENDED : HF_KEEPER_RETIRED_ENDED,
            slot, pid, status);
    if (state == HF_GENERATION_SERVING)
        serving_ended(k, status);
    else if (state == HF_GENERATION_COMING)
        coming_ended(k, slot, status);
    return true;
}

void hf_gateways_signal(const struct hf_keeper *k, int sig)
{
    for (uint32_t i = 0; i < HF_BOARD_SLOTS; i++) {
        if (k->generation[i].state != HF_GENERATION_NONE)
            kill(k->generation[i].pid, sig);
    }
}

bool hf_gateways_alive(const struct hf_keeper *k)
{
    for (uint32_t i = 0; i < HF_BOARD_SLOTS; i++) {
        if (k->generation[i].state != HF_GENERATION_NONE)
            return true;
    }
    return false;
}

/* ---- once a second ---- */

static void cut(struct hf_generation *g)
{
    hf_info("gateway is told to cut what it has left, its time is over pid=%d", g->pid);
    g->cut.ns = 0;
    kill(g->pid, SIGUSR1); /* the second one; SIGTERM would give calls the time of a stop */
}

void hf_gateways_tick(struct hf_keeper *k)
{
    for (uint32_t i = 0; i < HF_BOARD_SLOTS; i++) {
        struct hf_generation *g = &k->generation[i];
        struct hf_live_view live;
        int silent;

        if (g->state == HF_GENERATION_NONE)
            continue;
        hf_courier_again(&g->courier, k->tls_fd);
        if (g->cut.ns && !hf_mono_before(hf_loop_now(k->loop), g->cut))
            cut(g);
        if (k->phase != HF_PHASE_SERVING || g->state == HF_GENERATION_COMING)
            continue; /* who comes has a limit of its own */
        live = hf_board_live(k->ground.board, i);
        silent = hf_watchdog_tick(&g->watchdog, &live);
        if (silent >= 0) {
            hf_err("the gateway is silent and is killed pid=%d worker=%d", g->pid, silent);
            hf_watchdog_reset(&g->watchdog);
            kill(g->pid, SIGKILL);
        }
    }
}

void hf_gateways_bring_tls(struct hf_keeper *k)
{
    for (uint32_t i = 0; i < HF_BOARD_SLOTS; i++) {
        if (k->generation[i].state != HF_GENERATION_NONE)
            hf_courier_bring(&k->generation[i].courier, k->tls_fd);
    }
}

void hf_gateways_init(struct hf_keeper *k)
{
    k->serving = k->coming = HF_NO_SLOT;
    for (uint32_t i = 0; i < HF_BOARD_SLOTS; i++)
        k->generation[i].courier.fd = -1;
    hf_timer_init(&k->greeting, on_greeting);
}
