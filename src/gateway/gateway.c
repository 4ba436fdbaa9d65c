#include "gateway/gateway.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/boot.h"
#include "base/log.h"
#include "base/mem.h"
#include "gateway/keyring.h"
#include "gateway/sandbox.h"
#include "gateway/worker.h"
#include "net/pass.h"
#include "net/socket.h"

enum {
    COLD_MS = 3000, /* without a published plan for so long, the last one on disk is used */
    PROBES = 64,    /* that may wait to be accepted */
};

static struct hf_gateway gateway;
static struct hf_worker *workers[HF_BOARD_WORKERS_MAX];

/* For a cold start; there is nothing to open any more then. */
struct last_plan {
    int fd;
    bool boot_known;
    uint8_t boot[16]; /* of the machine, now */
};

/* The plan of an earlier run: what is a process of another boot is not there any more. */
static void drop_processes_of_other_boots(struct hf_plan *plan, const uint8_t *boot)
{
    if (boot && memcmp(boot, plan->boot_id, sizeof(plan->boot_id)) == 0)
        return;
    struct hf_plan_endpoint *ep =
        (struct hf_plan_endpoint *)(void *)((char *)plan + plan->endpoints_at);
    for (uint32_t i = 0; i < plan->n_endpoints; i++) {
        if (ep[i].flags & HF_ENDPOINT_PROCESS)
            ep[i].state = HF_ENDPOINT_DRAINING;
    }
    hf_plan_seal(plan, plan->generation);
}

/* The last plan, whichever version wrote it, into image. */
static int read_last_plan(int fd, void *image, struct hf_error *e)
{
    const struct hf_board_capacity *c = hf_board_capacity(gateway.board);
    size_t most = 2 * hf_plan_capacity(c);
    HF_AUTOFREE char *bytes = hf_alloc(most);
    ssize_t n;

    if (fd < 0)
        return HF_ENOENT;
    n = pread(fd, bytes, most, 0);
    if (n < 0)
        return hf_error_errno(e, HF_EIO, "cannot read it");
    return hf_plan_load(bytes, (size_t)n, c, image, e);
}

/* Neither controller nor store have given a plan: serve by the last one, and say so. */
static void start_cold(const struct last_plan *last)
{
    HF_AUTOFREE void *image = hf_alloc(hf_plan_capacity(hf_board_capacity(gateway.board)));
    struct hf_plan *plan = image;
    struct hf_error e;
    int rc;

    rc = read_last_plan(last->fd, image, &e);
    if (rc == HF_ENOENT)
        return;
    if (rc) {
        hf_warn("cannot use the last plan: %s", e.text);
        return;
    }
    drop_processes_of_other_boots(plan, last->boot_known ? last->boot : NULL);
    if (hf_snapshots_load(gateway.snapshots, image, plan->size, &e) == 0) {
        hf_warn("no controller has published a plan; serving by the last one, %lld s old",
                (long long)((hf_wall_now().ns - plan->made_wall_ns) / HF_NS_PER_S));
        hf_board_ring(gateway.board);
    }
}

static void raise_descriptor_limit(void)
{
    struct rlimit r;

    if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur < r.rlim_max) {
        r.rlim_cur = r.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &r) < 0)
            hf_warn("cannot raise the limit of open descriptors: %s", strerror(errno));
    }
}

/* The controller's probes go the way of a user's request. Where each public listener wants TLS, or
 * a header of the PROXY protocol, they cannot come by these. */
static void open_probe_listener(void)
{
    const struct hf_addr loopback = {.family = HF_ADDR_IP4, .ip = {127, 0, 0, 1}};
    struct sockaddr_storage ss;
    socklen_t n = sizeof(ss);
    struct hf_addr bound;
    struct hf_error e;

    gateway.probe_listener = hf_socket_listen(&loopback, PROBES, &e);
    if (gateway.probe_listener < 0) {
        hf_warn("no probes but by public listeners: %s", e.text);
        return;
    }
    if (getsockname(gateway.probe_listener, (struct sockaddr *)&ss, &n) == 0 &&
        hf_addr_from_sockaddr((struct sockaddr *)&ss, &bound) == 0)
        atomic_store(&gateway.live.live->probe_port, bound.port);
}

static int prepare(const struct hf_handover *h, struct hf_error *e)
{
    struct hf_board_capacity capacity = h->setup.capacity;
    int rc;

    capacity.workers = h->setup.workers;
    rc = hf_board_attach(&capacity, &h->board, HF_BOARD_GATEWAY, h->slot, &gateway.board, e);
    if (rc)
        return rc;
    gateway.slot = h->slot;
    gateway.live = hf_board_live(gateway.board, h->slot);
    gateway.snapshots = hf_snapshots_new(gateway.board);
    gateway.keyring = hf_keyring_new();
    if (h->tls_fd >= 0)
        hf_keyring_load(gateway.keyring, h->tls_fd);
    gateway.n_listeners = h->setup.n_listeners;
    for (uint32_t i = 0; i < h->setup.n_listeners; i++) {
        gateway.listener[i] = h->listener_fd[i];
        hf_socket_nodelay(gateway.listener[i]); /* what is accepted there inherits it */
        gateway.listener_address[i] = h->setup.listeners[i];
    }
    open_probe_listener();
    gateway.stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    gateway.retire = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    gateway.ended = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (gateway.stop < 0 || gateway.retire < 0 || gateway.ended < 0)
        return hf_error_errno(e, HF_EIO, "cannot make an eventfd");
    atomic_store(&gateway.accepting, h->setup.workers);
    atomic_store(&gateway.running, h->setup.workers);
    return hf_access_log_start(h->access_log_fd, h->setup.workers, &gateway.log, e);
}

/* They wait at the gate, and have made the calls that begin a thread then. */
static int start_workers(uint32_t n, struct hf_error *e)
{
    pthread_barrier_init(&gateway.gate, NULL, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        int rc = hf_worker_start(&gateway, i, &workers[i], e);
        if (rc)
            return rc;
    }
    pthread_barrier_wait(&gateway.gate);
    return 0;
}

/* Everything that needs to be opened or started is, in a sandbox, before it is closed. */
static int start(const struct hf_handover *h, struct hf_error *e)
{
    const struct hf_sandbox_setup *sandbox = &h->setup.sandbox;
    uint32_t n = h->setup.workers;
    int rc = sandbox->off ? 0 : hf_sandbox_drop(sandbox, e);

    if (!rc)
        rc = prepare(h, e);
    if (!rc)
        rc = start_workers(n, e);
    if (!rc && sandbox->off)
        hf_warn("gateway.sandbox is off: the process that faces the network keeps its rights");
    if (!rc && !sandbox->off) {
        hf_sandbox_settle(n);
        rc = hf_sandbox_close(e);
    }
    if (!rc)
        pthread_barrier_wait(&gateway.gate);
    return rc;
}

/* New certificates. Returns false when the keeper is gone. */
static bool hear_keeper(int fd)
{
    struct hf_keeper_message m;
    int bundle, rc = hf_pass_receive(fd, &m, sizeof(m), &bundle);

    if (!rc && m.type == HF_KEEPER_TLS && bundle >= 0) {
        hf_keyring_load(gateway.keyring, bundle);
        hf_board_ring(gateway.board); /* the workers take them over now */
    } else if (!rc && bundle >= 0) {
        close(bundle);
    }
    return rc != HF_EIO;
}

static void tell_workers(int event)
{
    uint64_t one = 1;

    if (write(event, &one, sizeof(one)) < 0)
        hf_err("cannot tell the workers: %s", strerror(errno));
}

static void retire(void)
{
    hf_info("retired: another gateway serves, the connections that are left are finished");
    atomic_store(&gateway.live.live->phase, HF_LIVE_RETIRED);
    tell_workers(gateway.retire);
}

static void leave(void)
{
    hf_info("leaving: requests under way are finished");
    atomic_store(&gateway.live.live->phase, HF_LIVE_LEAVING);
    tell_workers(gateway.stop);
}

/* Told twice that another one serves: the time for what is left is over. */
static void cut(void)
{
    hf_info("retired for as long as it may be");
    atomic_store(&gateway.cut, true);
    leave();
}

static void hear_signal(int signals)
{
    struct signalfd_siginfo info;

    if (read(signals, &info, sizeof(info)) != sizeof(info))
        return;
    if (info.ssi_signo != SIGUSR1)
        leave();
    else if (atomic_load(&gateway.live.live->phase) == HF_LIVE_RETIRED)
        cut();
    else
        retire();
}

/* Until the workers have ended; looks after the cold start once. */
static void attend(int signals, int keeper, const struct last_plan *last)
{
    struct pollfd p[] = {{.fd = signals, .events = POLLIN},
                         {.fd = keeper, .events = POLLIN},
                         {.fd = gateway.ended, .events = POLLIN}};
    int timeout = COLD_MS;

    for (;;) {
        int n = poll(p, HF_COUNT(p), timeout);
        if (n == 0) {
            timeout = -1;
            if (hf_board_generation(gateway.board) == 0)
                start_cold(last);
        }
        if (n <= 0)
            continue;
        if (p[2].revents)
            return;
        if (p[1].revents && !hear_keeper(keeper))
            p[1].fd = -1;
        if (p[0].revents)
            hear_signal(signals);
    }
}

/* Blocked before there are threads, which inherit it. */
static int open_signals(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGPIPE);
    sigprocmask(SIG_BLOCK, &set, NULL);
    sigdelset(&set, SIGPIPE);
    sigdelset(&set, SIGHUP);
    sigdelset(&set, SIGINT); /* the keeper hears the terminal, and decides */
    return signalfd(-1, &set, SFD_CLOEXEC);
}

int hf_gateway_main(const struct hf_handover *h)
{
    struct last_plan last = {.fd = h->last_plan_fd};
    int signals = open_signals();
    struct hf_error e = {0};

    hf_log_init("gateway", HF_LOG_INFO);
    raise_descriptor_limit();
    last.boot_known = hf_boot_id(last.boot) == 0;
    if (signals < 0 || start(h, &e)) {
        hf_err("cannot start: %s", e.text);
        return 1;
    }
    atomic_store(&gateway.live.live->phase, HF_LIVE_SERVING);
    hf_info("started slot=%u workers=%u", h->slot, h->setup.workers);
    attend(signals, h->keeper_fd, &last);
    for (uint32_t i = 0; i < h->setup.workers; i++)
        hf_worker_join(workers[i]);
    hf_access_log_stop(gateway.log);
    return 0;
}
