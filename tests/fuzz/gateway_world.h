/* fuzz/gateway_world.h - a whole worker of the gateway between a client and endpoints that a script
 * plays: for the targets that include it. The worker has no thread, its board is in memory, and its
 * sockets are pairs of this process: socket() and connect() are wrapped. */
#pragma once
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "gateway/exchange.h"
#include "gateway/h1_client.h"
#include "gateway/h2_client.h"
#include "gateway/keyring.h"
#include "gateway/worker.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);
int __wrap_socket(int domain, int type, int protocol);
int __wrap_connect(int fd, const struct sockaddr *address, socklen_t n);

enum { ENDS_MOST = 16, SEEN_MOST = 1 << 20, TURNS_MOST = 10000 };

/* Our end of a pair. */
struct end {
    int fd; /* -1: closed */
    char *seen;
    size_t n_seen;
};

static const struct hf_board_capacity capacity = {1, 2, 2, 2};
static struct hf_gateway gateway;
static struct hf_worker *worker;
static struct end client, endpoint[ENDS_MOST];
static unsigned n_endpoints;
static bool client_reads, endpoints_read;
static enum { AT_ONCE, LATER, REFUSED, NO_DESCRIPTOR } connecting;

/* ---- sockets ---- */

static int pair(struct end *ours)
{
    int fds[2], least = 1;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds))
        abort();
    setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &least, sizeof(least)); /* it is often full */
    ours->fd = fds[0];
    ours->n_seen = 0;
    if (!ours->seen)
        ours->seen = malloc(SEEN_MOST);
    return fds[1];
}

int __wrap_socket(int domain, int type, int protocol)
{
    (void)domain;
    (void)type;
    (void)protocol;
    if (connecting == NO_DESCRIPTOR || n_endpoints == ENDS_MOST) {
        errno = EMFILE;
        return -1;
    }
    return pair(&endpoint[n_endpoints++]);
}

int __wrap_connect(int fd, const struct sockaddr *address, socklen_t n)
{
    (void)fd;
    (void)address;
    (void)n;
    errno = connecting == REFUSED ? ECONNREFUSED : EINPROGRESS;
    return connecting == AT_ONCE ? 0 : -1;
}

static void end_close(struct end *e)
{
    if (e->fd >= 0)
        close(e->fd);
    e->fd = -1;
}

static void end_send(const struct end *e, const uint8_t *data, size_t n)
{
    if (e->fd >= 0 && n)
        (void)!send(e->fd, data, n, MSG_NOSIGNAL);
}

/* Returns whether something came. */
static bool end_read(struct end *e)
{
    ssize_t n = 0;

    if (e->fd >= 0 && e->n_seen < SEEN_MOST)
        n = recv(e->fd, e->seen + e->n_seen, SEEN_MOST - e->n_seen, 0);
    if (n > 0)
        e->n_seen += (size_t)n;
    return n > 0;
}

/* ---- the gateway ---- */

static struct hf_board *board_of_gateway(void)
{
    struct hf_board *keeper, *ret;
    struct hf_board_fds fds;
    int *each = (int *)&fds;
    uint32_t slot;

    if (hf_board_create(&capacity, &keeper, NULL) || hf_board_claim(keeper, &slot))
        abort();
    fds = hf_board_fds_for(keeper, HF_BOARD_GATEWAY, slot);
    for (size_t i = 0; i < sizeof(fds) / sizeof(int); i++) {
        if (each[i] >= 0)
            each[i] = fcntl(each[i], F_DUPFD_CLOEXEC, 3);
    }
    if (hf_board_attach(&capacity, &fds, HF_BOARD_GATEWAY, slot, &ret, NULL))
        abort();
    gateway.slot = slot;
    hf_board_free(keeper);
    return ret;
}

static void service(struct hf_plan_builder *b, const char *name, uint32_t slot,
                    enum hf_plan_protocol protocol)
{
    struct hf_plan_service s = {.slot = slot,
                                .incarnation = 1,
                                .retry_percent = 20,
                                .retry_attempts = 1,
                                .retry_on_500 = 1,
                                .connect_ms = 60000,
                                .try_ms = 60000,
                                .response_ms = 60000,
                                .idle_ms = 60000,
                                .tunnel_ms = 60000,
                                .upgrade = HF_UPGRADE_ANY,
                                .protocol = (uint8_t)protocol};
    struct hf_plan_endpoint e = {.slot = slot, .incarnation = 1, .weight = 100};

    s.name = hf_plan_builder_text(b, hf_str(name));
    if (hf_plan_builder_service(b, &s) < 0 || hf_addr_parse(HF_STR("127.0.0.1:9"), &e.address))
        abort();
    e.id = e.version = e.node = s.name;
    if (hf_plan_builder_endpoint(b, &e) < 0)
        abort();
}

static void route(struct hf_plan_builder *b, const char *prefix, uint32_t service)
{
    struct hf_plan_route r = {.service = service};

    r.prefix = hf_plan_builder_text(b, hf_str(prefix));
    if (hf_plan_builder_route(b, &r) < 0)
        abort();
}

static void load_plan(void)
{
    struct hf_plan_gateway limits = {.body = 200000,
                                     .buffers = 1 << 20,
                                     .line = 1024,
                                     .head = 8192,
                                     .fields = 40,
                                     .header_ms = 60000,
                                     .idle_ms = 60000,
                                     .progress_ms = 60000,
                                     .connections = 100,
                                     .h2_streams = 20,
                                     .h2_resets = 50};
    struct hf_plan_builder *b = hf_plan_builder_new(&capacity);
    struct hf_plan *p;

    hf_plan_builder_begin(b, &limits);
    service(b, "one", 0, HF_PROTOCOL_HTTP1);
    service(b, "two", 1, HF_PROTOCOL_H2);
    route(b, "/two", 1);
    route(b, "/", 0);
    if (hf_plan_builder_finish(b, &p, NULL))
        abort();
    hf_plan_seal(p, 1);
    if (hf_snapshots_load(gateway.snapshots, p, p->size, NULL))
        abort();
    hf_plan_builder_free(b);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    hf_log_init("gateway", HF_LOG_ERROR);
    gateway.board = board_of_gateway();
    gateway.live = hf_board_live(gateway.board, gateway.slot);
    gateway.snapshots = hf_snapshots_new(gateway.board);
    gateway.keyring = hf_keyring_new();
    gateway.stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    gateway.retire = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    gateway.ended = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    gateway.probe_listener = -1;
    load_plan();
    if (hf_worker_new(&gateway, 0, &worker, NULL))
        abort();
    hf_worker_turn(worker, hf_seconds(0));
    return 0;
}

static inline void client_comes(void)
{
    struct hf_addr address;
    struct hf_peer peer;

    if (hf_addr_parse(HF_STR("10.0.0.1:1000"), &address))
        abort();
    hf_peer_init(&peer, &address, 0);
    hf_h1_client_accept(worker, pair(&client), &peer, NULL);
}

/* Until nothing moves any more. */
static void run(void)
{
    int quiet = 0, turns = 0;

    while (quiet < 3) {
        bool moved = hf_tasks_wait(&worker->tasks);
        hf_worker_turn(worker, hf_seconds(0));
        if (client_reads)
            moved |= end_read(&client);
        for (unsigned i = 0; endpoints_read && i < n_endpoints; i++)
            moved |= end_read(&endpoint[i]);
        quiet = moved ? 0 : quiet + 1;
        assert(++turns < TURNS_MOST);
    }
}

/* ---- what must hold ---- */

static void nothing_is_left(void)
{
    for (uint32_t i = 0; i < capacity.endpoints; i++) {
        assert(hf_link_alone(&worker->targets[i].busy) && hf_link_alone(&worker->targets[i].idle));
        assert(atomic_load(&worker->targets[i].live->in_flight) == 0);
    }
    for (uint32_t i = 0; i < capacity.services; i++) {
        assert(worker->services[i].n_held == 0);
        assert(atomic_load(&worker->services[i].live->in_progress) == 0);
    }
    assert(hf_count_get(&worker->live->connections) == 0);
    assert(hf_link_alone(&worker->waiting) && hf_link_alone(&worker->all_clients));
    assert(worker->clients.in_use == 0 && worker->h2->clients.in_use == 0);
    assert(worker->exchanges.in_use == 0 && worker->upstreams.in_use == 0);
    assert(worker->h2->streams.in_use == 0 && worker->h2_links.in_use == 0);
    assert(worker->h2_upstreams.in_use == 0);
    assert(worker->buffers.used == 0);
}
