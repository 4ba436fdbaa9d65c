#include "controller/controller.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/boot.h"
#include "base/log.h"
#include "base/mem.h"
#include "controller/internal.h"
#include "orchestrator/output.h"

#define NODE "local" /* of this machine, in the ledger and the lease */

enum {
    ACCESS_LOGS = 5, /* rotated ones that are kept */
    ROTATE_EVERY_S = 10,
};

static void stop(struct hf_controller *c, int status)
{
    c->status = status;
    c->stopping = true;
    hf_loop_stop(c->loop);
}

/* ---- the keeper ---- */

static void on_gateway_ended(struct hf_controller *c, const struct hf_keeper_message *m)
{
    int64_t now = hf_wall_seconds(hf_wall_now());
    struct hf_claim claim = {.cause = HF_CAUSE_INFRASTRUCTURE_DOWN, .from = now - 1, .to = now + 3};

    if (c->stopping)
        return;
    if (WIFSIGNALED(m->status))
        hf_events_add(c->events, "gateway", json_pack("{s:i}", "pid", m->pid),
                      "gateway pid %d was killed by signal %d", m->pid, WTERMSIG(m->status));
    else
        hf_events_add(c->events, "gateway", json_pack("{s:i}", "pid", m->pid),
                      "gateway pid %d ended with exit status %d", m->pid, WEXITSTATUS(m->status));
    snprintf(claim.event, sizeof(claim.event), "gateway pid %d ended", m->pid);
    if (hf_account_claim(c->account, &claim))
        hf_warn("too many events claim time in the ledger");
}

static void stop_instances(struct hf_controller *c)
{
    struct hf_error e;

    c->stopping = true;
    if (hf_account_stop(c->account, hf_wall_now(), &e))
        hf_err("the ledger's last seconds are not stored: %s", e.text);
    hf_events_add(c->events, "holdfast", NULL, "stopped");
    hf_orchestrator_stop_all(c->orchestrator); /* ends with the loop's stop */
}

static void on_reloaded(void *ctx, int rc, const char *text)
{
    (void)ctx;
    if (rc)
        hf_err("reload refused, nothing has changed: %s", text);
    else
        hf_info("reload: %s", text);
}

static void on_message(struct hf_controller *c, const struct hf_keeper_message *m)
{
    switch (m->type) {
    case HF_KEEPER_GATEWAY_STARTED:
        hf_events_add(c->events, "gateway", json_pack("{s:i}", "pid", m->pid),
                      "gateway started, pid %d", m->pid);
        break;
    case HF_KEEPER_GATEWAY_ENDED:
        on_gateway_ended(c, m);
        break;
    case HF_KEEPER_ORPHAN_ENDED:
        hf_orchestrator_orphan_exited(c->orchestrator, m->pid, m->status);
        break;
    case HF_KEEPER_GATEWAY_RETIRED:
        hf_events_add(c->events, "gateway", json_pack("{s:i}", "pid", m->pid),
                      "gateway pid %d is retired, it finishes its connections", m->pid);
        break;
    case HF_KEEPER_RETIRED_ENDED:
        hf_events_add(c->events, "gateway", json_pack("{s:i}", "pid", m->pid),
                      "gateway pid %d, which was retired, has ended", m->pid);
        break;
    case HF_KEEPER_RELOAD:
        hf_controller_reload(c, on_reloaded, c);
        break;
    case HF_KEEPER_STOP_INSTANCES:
        stop_instances(c);
        break;
    default:
        hf_warn("unknown message type=%u from the keeper", m->type);
        break;
    }
}

static void on_keeper(struct hf_watch *w, uint32_t events)
{
    struct hf_controller *c = HF_CONTAINER(w, struct hf_controller, keeper);
    union {
        struct hf_keeper_message message;
        struct hf_keeper_report report;
    } m;
    ssize_t n;

    while ((n = recv(w->fd, &m, sizeof(m), MSG_DONTWAIT)) > 0) {
        if (n >= (ssize_t)sizeof(m.message) && m.message.type == HF_KEEPER_REPORT)
            hf_changes_on_report(&c->changes, &m, (size_t)n);
        else if (n == sizeof(m.message))
            on_message(c, &m.message);
        else
            hf_warn("a message of %zd bytes from the keeper", n);
    }
    if (n == 0 || (events & (EPOLLHUP | EPOLLERR))) {
        hf_err("the keeper is gone; gateway and controller go on, but nobody restarts them");
        hf_loop_unwatch(c->loop, w);
    }
}

static void on_signal(struct hf_watch *w, uint32_t events)
{
    struct hf_controller *c = HF_CONTAINER(w, struct hf_controller, signals);
    struct signalfd_siginfo info;
    struct hf_error e;

    (void)events;
    if (read(w->fd, &info, sizeof(info)) != sizeof(info))
        return;
    hf_info("leaving, the instances go on running");
    if (hf_account_stop(c->account, hf_wall_now(), &e))
        hf_err("the ledger's last seconds are not stored: %s", e.text);
    stop(c, 0);
}

/* ---- once a second ---- */

/* A second in which users have asked too little to judge by needs a probe. */
static void probe_quiet_services(struct hf_controller *c, int64_t second)
{
    HF_LIST_EACH (l, hf_catalog_services(c->catalog)) {
        struct hf_service *s = hf_service_at(l);
        struct hf_second_sum sum = {0};
        if (s->plan_incarnation)
            hf_board_sum_second(c->board, s->plan_slot, s->plan_incarnation, second - 1, &sum);
        if (sum.arrived < HF_SECOND_FEW)
            hf_probe_service(c->probes, s, second);
    }
}

struct rotation {
    uint64_t size;
    char path[];
};

static void rotate(void *ctx_take)
{
    HF_AUTOFREE struct rotation *r = ctx_take;
    struct hf_error e;

    if (hf_output_rotate(r->path, r->size, ACCESS_LOGS, &e) < 0)
        hf_warn("cannot rotate the access log: %s", e.text);
}

/* The gateway writes on to the same descriptor: copied and emptied, as the instances' logs are. */
static void rotate_access_log(struct hf_controller *c)
{
    const struct hf_config_gateway *g = &c->config->gateway;
    struct rotation *r;

    if (!g->access_log)
        return;
    r = hf_alloc(sizeof(*r) + strlen(g->access_log) + 1);
    r->size = g->access_log_size;
    memcpy(r->path, g->access_log, strlen(g->access_log) + 1);
    if (hf_slow_run(c->slow, rotate, r))
        hf_free(r); /* the disk is slow: the next time */
}

/* In the middle of each wall second, so that none is skipped and none comes twice. */
static void set_tick(struct hf_controller *c)
{
    int64_t now = hf_wall_now().ns, next = (now / HF_NS_PER_S + 1) * HF_NS_PER_S + HF_NS_PER_S / 2;

    hf_timer_set(c->loop, &c->tick, hf_mono_add(hf_mono_now(), (struct hf_duration){next - now}));
}

static void on_tick(struct hf_timer *t)
{
    struct hf_controller *c = HF_CONTAINER(t, struct hf_controller, tick);
    struct hf_wall now = hf_wall_now();

    if (!c->stopping) {
        probe_quiet_services(c, hf_wall_seconds(now));
        hf_account_tick(c->account, now);
        hf_fleet_sweep(&c->fleet);
        if (hf_wall_seconds(now) % ROTATE_EVERY_S == 0)
            rotate_access_log(c);
    }
    set_tick(c);
}

/* ---- start ---- */

static void on_probe(void *ctx, const char *service, int64_t second, bool ok)
{
    struct hf_controller *c = ctx;

    hf_account_probed(c->account, service, second, ok);
}

static void on_ledger_warning(void *ctx, const char *text)
{
    struct hf_controller *c = ctx;

    hf_warn("ledger: %s", text);
    if (c->events)
        hf_events_add(c->events, "ledger", NULL, "%s", text);
}

static void on_lease_lost(void *ctx)
{
    stop(ctx, 1);
}

static void last_words(void *ctx, const struct hf_instance *i, char *buf, size_t size)
{
    struct hf_controller *c = ctx;

    hf_orchestrator_last_words(c->orchestrator, i, buf, size);
}

static int start_issuer(struct hf_controller *c, struct hf_error *e)
{
    const struct hf_issuer_options options = {.loop = c->loop,
                                              .store = c->store,
                                              .events = c->events,
                                              .term = hf_lease_term(c->lease),
                                              .keeper_fd = c->handover->keeper_fd,
                                              .bundle_fd = c->handover->tls_fd};
    int rc = hf_issuer_new(&options, &c->issuer, e);

    if (!rc)
        hf_issuer_load(c->issuer, c->config);
    return rc;
}

/* Store, lease, catalogue, plan: what everything else stands on. */
static int open_ground(struct hf_controller *c, struct hf_error *e)
{
    const struct hf_setup *setup = &c->handover->setup;
    int rc = hf_board_attach(&setup->capacity, &c->handover->board, HF_BOARD_CONTROLLER, 0,
                             &c->board, e);
    struct hf_drainer_needs needs;
    struct hf_names_hooks names;

    if (!rc)
        rc = hf_controller_load(c, e);
    if (!rc)
        rc = hf_store_open("sqlite", setup->state, c->loop, &c->store, e);
    if (!rc)
        rc = hf_lease_take(c->store, c->loop, NODE, on_lease_lost, c, &c->lease, e);
    if (rc)
        return rc;
    c->events = hf_events_new(c->store, hf_lease_term(c->lease));
    c->catalog = hf_catalog_new();
    rc = hf_publisher_new(c->loop, c->board, c->catalog, setup->state, &c->publisher, e);
    if (rc)
        return rc;
    needs = hf_controller_drainer_needs(c);
    c->drainer = hf_drainer_new(&needs);
    names = hf_controller_names_hooks(c);
    c->names = hf_names_new(c->loop, &names);
    c->fleet = (struct hf_fleet){c->catalog, c->publisher, c->drainer, c->names};
    rc = start_issuer(c, e);
    if (rc)
        return rc;
    hf_publisher_configure(c->publisher, c->config);
    hf_fleet_apply(&c->fleet, c->config);
    hf_fleet_adopt(&c->fleet);
    return 0;
}

/* What the store says was accepted; else what the configuration wants. */
static void set_versions(struct hf_controller *c)
{
    HF_LIST_EACH (l, hf_catalog_services(c->catalog)) {
        struct hf_service *s = hf_service_at(l);
        const char *previous = NULL,
                   *version = hf_release_accepted(c->releases, s->name, &previous);
        if (!s->config || !s->config->command.n)
            continue;
        if (hf_service_version_set(c->catalog, s, version ? version : s->config->version, previous))
            hf_err("cannot set the version of service=%s", s->name);
    }
}

/* Users notice nothing of the change of controllers, and what drains keeps its place on the board:
 * its requests in flight are counted there. */
static void keep_states(struct hf_controller *c)
{
    HF_LIST_EACH (l, hf_catalog_services(c->catalog)) {
        HF_LIST_EACH (it, &hf_service_at(l)->instances) {
            struct hf_instance *i = hf_instance_at(it);
            if (!i->process || i->state != HF_INSTANCE_STARTING)
                continue;
            if (hf_publisher_was_ready(c->publisher, i->id))
                hf_instance_state_set(c->catalog, i, HF_INSTANCE_READY, "adopted, was ready");
            else if (hf_publisher_was_draining(c->publisher, i->id))
                hf_instance_state_set(c->catalog, i, HF_INSTANCE_DRAINING, "adopted, was draining");
        }
    }
}

static int start_fleet(struct hf_controller *c, struct hf_error *e)
{
    struct hf_release_needs needs = hf_controller_release_needs(c);
    struct hf_orchestrator_options options = {.loop = c->loop,
                                              .store = c->store,
                                              .catalog = c->catalog,
                                              .term = hf_lease_term(c->lease),
                                              .hooks = hf_controller_orchestrator_hooks(c)};
    struct hf_health_hooks health = {c, hf_controller_seen, last_words};
    int rc = hf_release_engine_new(&needs, &c->releases, e);

    if (rc)
        return rc;
    set_versions(c);
    rc = hf_orchestrator_new(&options, c->config, &c->orchestrator, e);
    if (rc)
        return rc;
    keep_states(c);
    c->observer.on_change = hf_controller_on_change;
    hf_catalog_observe(c->catalog, &c->observer);
    if (!hf_publisher_publish(c->publisher))
        return hf_error_set(e, HF_ELIMIT, "no plan could be published");
    c->health = hf_health_new(c->loop, c->catalog, &health);
    return 0;
}

/* Names the writer of the ledger: this boot of this machine. */
static void boot_name(char buf[33])
{
    uint8_t id[16] = {0};

    if (hf_boot_id(id))
        hf_warn("cannot read the boot id of this machine");
    for (size_t i = 0; i < sizeof(id); i++)
        snprintf(buf + 2 * i, 3, "%02x", id[i]);
}

static int start_ledger(struct hf_controller *c, struct hf_error *e)
{
    char boot[33];
    struct hf_account_config config = {.store = c->store,
                                       .node = NODE,
                                       .boot = boot,
                                       .term = hf_lease_term(c->lease),
                                       .now = hf_wall_now(),
                                       .board_since = hf_board_since(c->board),
                                       .read = hf_controller_read_second,
                                       .warn = on_ledger_warning,
                                       .ctx = c};
    int rc;

    boot_name(boot);
    rc = hf_account_open(&config, &c->account, e);
    if (!rc)
        rc = hf_slow_new(&c->slow, e);
    if (rc)
        return rc;
    c->probes = hf_probes_new(c->loop, hf_controller_probe_listener,
                              hf_publisher_probe_token(c->publisher), on_probe, c);
    hf_timer_init(&c->tick, on_tick);
    set_tick(c);
    return 0;
}

static int start_api(struct hf_controller *c, struct hf_error *e)
{
    struct hf_api_options options = {.loop = c->loop,
                                     .state = c->handover->setup.state,
                                     .listen = &c->config->admin.listen,
                                     .store = c->store,
                                     .handlers = hf_controller_handlers(c)};

    return hf_api_new(&options, &c->api, e);
}

static int watch_keeper(struct hf_controller *c, struct hf_error *e)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    c->signals = (struct hf_watch){.fd = signalfd(-1, &set, SFD_CLOEXEC), .on_event = on_signal};
    c->keeper = (struct hf_watch){.fd = c->handover->keeper_fd, .on_event = on_keeper};
    if (c->signals.fd < 0 || hf_loop_watch(c->loop, &c->signals, EPOLLIN) ||
        hf_loop_watch(c->loop, &c->keeper, EPOLLIN))
        return hf_error_errno(e, HF_EIO, "cannot watch the keeper");
    return 0;
}

static int start(struct hf_controller *c, struct hf_error *e)
{
    struct hf_release_runner runner;
    int rc = hf_loop_new(&c->loop, e);

    if (!rc)
        rc = open_ground(c, e);
    if (!rc)
        rc = start_fleet(c, e);
    if (!rc)
        rc = start_ledger(c, e);
    if (!rc)
        rc = start_api(c, e);
    if (!rc)
        rc = watch_keeper(c, e);
    if (rc)
        return rc;
    runner = hf_release_process_runner(c->orchestrator);
    hf_release_engine_start(c->releases, &runner);
    hf_controller_apply(c, c->config); /* the ledger's services, and versions that were changed */
    hf_changes_started(&c->changes);
    hf_controller_catch_up(c);
    hf_events_add(c->events, "holdfast", json_pack("{s:i}", "pid", (int)getpid()),
                  "controller started, pid %d", (int)getpid());
    return 0;
}

/* The store first: its last answers still go to the others. */
static void close_all(struct hf_controller *c)
{
    hf_api_free(c->api);
    hf_probes_free(c->probes);
    hf_health_free(c->health);
    hf_names_free(c->names);
    hf_store_free(c->store);
    hf_issuer_free(c->issuer);
    hf_release_engine_free(c->releases);
    hf_drainer_free(c->drainer);
    if (c->observer.on_change)
        hf_catalog_unobserve(c->catalog, &c->observer);
    hf_orchestrator_free(c->orchestrator);
    hf_account_free(c->account);
    hf_slow_free(c->slow);
    hf_lease_free(c->lease);
    hf_publisher_free(c->publisher);
    if (c->catalog)
        hf_catalog_free(c->catalog);
    hf_events_free(c->events);
    hf_config_unref(c->config);
    hf_board_free(c->board);
    hf_loop_free(c->loop);
}

int hf_controller_main(const struct hf_handover *h)
{
    static struct hf_controller controller;
    struct hf_controller *c = &controller;
    struct hf_error e;
    sigset_t set;

    hf_log_init("controller", HF_LOG_INFO);
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT); /* the keeper hears the terminal, and decides */
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL); /* before the store's thread */
    c->handover = h;
    hf_changes_init(&c->changes, h->keeper_fd, &h->setup);
    if (start(c, &e)) {
        hf_err("cannot start: %s", e.text);
        c->status = 1;
    } else {
        hf_info("started generation=%llu term=%llu",
                (unsigned long long)hf_publisher_generation(c->publisher),
                (unsigned long long)hf_lease_term(c->lease));
        hf_loop_run(c->loop);
    }
    close_all(c);
    return c->status;
}
