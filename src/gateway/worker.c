#include "gateway/worker.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "gateway/exchange.h"
#include "gateway/gateway.h"
#include "gateway/h1_client.h"
#include "gateway/h1_upstream.h"
#include "gateway/h2_client.h"
#include "gateway/h2_upstream.h"
#include "gateway/hold.h"
#include "gateway/keyring.h"
#include "gateway/peer.h"

enum {
    ACCEPT_AT_ONCE = 32,  /* connections taken in one turn, so that open ones get theirs */
    ACCEPT_LAST = 8192,   /* more than waits in any queue */
    ACCEPT_PAUSE_MS = 20, /* without room, accepting pauses for so long */
    GIVE_WAY_MS = 1000,   /* who has waited for so long without a request makes room for others */
    OWN_DESCRIPTORS = 96, /* of the process, beside connections: board, listeners, loops */
};

/* ---- accepting ---- */

static void stop_accepting(struct hf_worker *w)
{
    for (uint32_t i = 0; i <= w->gateway->n_listeners; i++) {
        if (w->acceptors[i].watching)
            hf_loop_unwatch(w->loop, &w->acceptors[i].watch);
        w->acceptors[i].watching = false;
    }
}

static void start_accepting(struct hf_worker *w)
{
    for (uint32_t i = 0; i <= w->gateway->n_listeners; i++) {
        struct hf_acceptor *a = &w->acceptors[i];
        if (a->wanted && !a->watching)
            a->watching = hf_loop_watch(w->loop, &a->watch, EPOLLIN | EPOLLEXCLUSIVE) == 0;
    }
}

static void on_accept_again(struct hf_timer *t)
{
    struct hf_worker *w = HF_CONTAINER(t, struct hf_worker, accept_again);

    if (!w->leaving)
        start_accepting(w);
}

/* The connection that has waited longest for a request of its client, if that was long enough. */
static struct hf_waiting *can_give_way(const struct hf_worker *w)
{
    struct hf_waiting *longest;

    if (hf_link_alone(&w->waiting))
        return NULL;
    longest = HF_CONTAINER(w->waiting.next, struct hf_waiting, link);
    if (hf_duration_ms(hf_mono_sub(hf_worker_now(w), longest->since)) < GIVE_WAY_MS)
        return NULL;
    return longest;
}

/* Waiting connections stay in the kernel's queue until there is room: none is refused. */
static void pause_accepting(struct hf_worker *w)
{
    hf_count_add(&w->live->accept_pauses, 1);
    stop_accepting(w);
    hf_timer_after(w->loop, &w->accept_again, hf_ms(ACCEPT_PAUSE_MS));
}

void hf_worker_admit(struct hf_worker *w, const struct hf_acceptor *a, int fd, struct hf_peer *peer)
{
    struct sockaddr_storage ss;
    socklen_t n = sizeof(ss);

    if (w->tells_clients && peer->destination.family == HF_ADDR_NONE &&
        getsockname(fd, (struct sockaddr *)&ss, &n) == 0 &&
        hf_addr_from_sockaddr((struct sockaddr *)&ss, &peer->destination))
        peer->destination.family = HF_ADDR_NONE;
    hf_h1_client_accept(w, fd, peer, a->tls);
}

static void accepted(struct hf_worker *w, struct hf_acceptor *a, int fd, const struct sockaddr *sa)
{
    struct hf_addr address;
    struct hf_peer peer;

    if (hf_addr_from_sockaddr(sa, &address)) {
        close(fd);
        return;
    }
    if (a->flags & HF_LISTENER_PROXY) {
        hf_entrance_open(w, a, fd, &address);
        return;
    }
    hf_peer_init(&peer, &address, a->flags);
    hf_worker_admit(w, a, fd, &peer);
}

static uint32_t connections(const struct hf_worker *w)
{
    return w->clients.in_use + w->entrance_pool.in_use + w->h2->clients.in_use;
}

/* Returns false when there is nothing more to take, or no room. */
static bool accept_one(struct hf_acceptor *a)
{
    struct hf_worker *w = a->worker;
    uint32_t most = hf_worker_limits(w)->connections;
    struct hf_waiting *longest = can_give_way(w);
    struct sockaddr_storage ss;
    socklen_t n = sizeof(ss);
    bool room;
    int fd;

    if (most > w->most_clients)
        most = w->most_clients;
    room = connections(w) < most;
    if (!room && !longest) {
        pause_accepting(w);
        return false;
    }
    fd = accept4(a->watch.fd, (struct sockaddr *)&ss, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        if (!room)
            longest->give_way(longest);
        accepted(w, a, fd, (struct sockaddr *)&ss);
    } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
        if (longest)
            longest->give_way(longest);
        pause_accepting(w);
        return false;
    } else if (errno == EAGAIN) {
        return false;
    }
    return true;
}

static void on_acceptable(struct hf_watch *watch, uint32_t events)
{
    struct hf_acceptor *a = HF_CONTAINER(watch, struct hf_acceptor, watch);

    (void)events;
    for (int i = 0; i < ACCEPT_AT_ONCE && accept_one(a); i++)
        continue;
}

/* Nobody may come after this gateway where a listener is removed: what waits in the kernel's queue
 * is taken before the socket goes away. Of a socket that another gateway has, too, it may take some
 * part, and serves it. */
static void accept_the_rest(struct hf_worker *w)
{
    for (uint32_t i = 0; i < w->gateway->n_listeners; i++) {
        struct hf_acceptor *a = &w->acceptors[i];
        for (int n = 0; a->watching && n < ACCEPT_LAST && accept_one(a); n++)
            continue;
    }
}

/* For good. The last worker closes the sockets: only so does one that nobody else holds end. */
static void give_up_listeners(struct hf_worker *w)
{
    struct hf_gateway *g = w->gateway;

    stop_accepting(w);
    hf_timer_stop(&w->accept_again);
    if (w->gave_listeners)
        return;
    w->gave_listeners = true;
    if (atomic_fetch_sub(&g->accepting, 1) != 1)
        return;
    for (uint32_t i = 0; i < g->n_listeners; i++)
        close(g->listener[i]);
}

/* ---- the plan ---- */

const struct hf_plan_service *hf_worker_policy(const struct hf_worker *w,
                                               const struct hf_worker_service *s)
{
    int32_t at = w->snapshot->service_at[s->slot];

    if (at < 0 || hf_plan_services(w->view.plan)[at].incarnation != s->incarnation)
        return NULL;
    return &hf_plan_services(w->view.plan)[at];
}

/* By words, the incarnation first: other threads and the controller may be reading. */
static void reset_figures(struct hf_live_service *live, uint32_t incarnation)
{
    _Atomic uint64_t *word = (void *)live;

    _Static_assert(sizeof(*live) % sizeof(*word) == 0, "of whole words");
    for (size_t i = 0; i < sizeof(*live) / sizeof(*word); i++)
        atomic_store_explicit(&word[i], 0, memory_order_release);
    atomic_store_explicit(&live->incarnation, incarnation, memory_order_release);
}

static void switch_services(struct hf_worker *w)
{
    for (uint32_t slot = 0; slot < w->gateway->live.capacity.services; slot++) {
        struct hf_worker_service *ws = &w->services[slot];
        int32_t at = w->snapshot->service_at[slot];
        uint32_t incarnation = at < 0 ? 0 : hf_plan_services(w->view.plan)[at].incarnation;

        if (at >= 0 && (!ws->known || ws->incarnation != incarnation)) {
            if (ws->incarnation != incarnation)
                reset_figures(ws->live, incarnation);
            ws->incarnation = incarnation;
        }
        ws->known = at >= 0;
    }
}

/* Accepts where the plan says, and nowhere else; with TLS only where there are certificates. */
static void switch_listeners(struct hf_worker *w)
{
    const struct hf_plan_gateway *g = hf_worker_limits(w);

    for (uint32_t i = 0; i < w->gateway->n_listeners; i++) {
        struct hf_acceptor *a = &w->acceptors[i];
        a->wanted = g->n_listeners == 0;
        a->tls = NULL;
        for (uint32_t j = 0; j < g->n_listeners && !a->wanted; j++) {
            a->wanted = hf_addr_eq(&a->address, &g->listeners[j].address);
            a->flags = g->listeners[j].flags;
        }
        if (a->wanted && (a->flags & HF_LISTENER_TLS)) {
            a->tls = w->tls ? hf_tls_set_listener(w->tls, &a->address) : NULL;
            a->wanted = a->tls != NULL;
        }
        if (!a->wanted && a->watching) {
            hf_loop_unwatch(w->loop, &a->watch);
            a->watching = false;
        }
    }
    if (!w->leaving && !hf_timer_armed(&w->accept_again))
        start_accepting(w);
    if (!w->counted)
        atomic_fetch_add(&w->gateway->live.live->accepting, 1);
    w->counted = true;
}

/* Half of the descriptors are for clients, so that there is one for each request's endpoint. */
static uint32_t clients_by_descriptors(const struct hf_gateway *g)
{
    struct rlimit r;
    rlim_t n;

    if (getrlimit(RLIMIT_NOFILE, &r) < 0 || r.rlim_cur == RLIM_INFINITY)
        return UINT32_MAX;
    n = r.rlim_cur > OWN_DESCRIPTORS ? (r.rlim_cur - OWN_DESCRIPTORS) / 2 : 0;
    n /= g->live.capacity.workers;
    return n < 1 ? 1 : n > UINT32_MAX ? UINT32_MAX : (uint32_t)n;
}

/* Takes over a new plan. Only when all of it is in force is its generation acknowledged. */
static void switch_plan(struct hf_worker *w)
{
    struct hf_snapshot *next = hf_snapshots_take(w->gateway->snapshots);

    if (!next || next == w->snapshot) {
        hf_snapshot_unref(next);
        return;
    }
    hf_snapshot_unref(w->snapshot);
    w->snapshot = next;
    w->view.plan = next->plan;
    w->tells_clients = false;
    for (uint32_t i = 0; i < next->plan->n_services; i++)
        w->tells_clients |= hf_plan_services(next->plan)[i].proxy_version != 0;
    w->buffers.most = next->plan->gateway.buffers;
    switch_services(w);
    hf_targets_switch(w);
    for (uint32_t slot = 0; slot < w->gateway->live.capacity.services; slot++)
        hf_hold_switch(&w->services[slot]);
    atomic_store_explicit(&w->live->generation, next->generation, memory_order_release);
    switch_listeners(w);
}

/* Connections keep the set that they began with. */
static void switch_tls(struct hf_worker *w)
{
    hf_tls_set_unref(w->tls);
    w->tls = hf_keyring_take(w->gateway->keyring, &w->tls_version);
    hf_wire_space_init(&w->wire_space);
    if (w->snapshot)
        switch_listeners(w);
}

/* ---- leaving ---- */

/* The drain time is over: what is still under way is cut, as the process ends. */
static void on_give_up(struct hf_timer *t)
{
    struct hf_worker *w = HF_CONTAINER(t, struct hf_worker, give_up);

    hf_warn("leaving with requests under way, they are cut worker=%u", w->index);
    w->gave_up = true;
}

static void on_leave(struct hf_timer *t)
{
    struct hf_worker *w = HF_CONTAINER(t, struct hf_worker, leave);
    bool drain;

    /* After the lame-duck time: no new connections; idle ones end. */
    give_up_listeners(w);
    HF_LIST_EACH (l, &w->all_clients) {
        hf_h1_client_leave(HF_CONTAINER(l, struct hf_h1_client, link));
    }
    HF_LIST_EACH (l, &w->h2->all) {
        hf_h2_client_leave(HF_CONTAINER(l, struct hf_h2_client, link));
    }
    drain = w->snapshot && !atomic_load(&w->gateway->cut);
    hf_timer_after(w->loop, &w->give_up, hf_ms(drain ? hf_worker_limits(w)->drain_ms : 0));
}

static void on_stop(struct hf_watch *watch, uint32_t events)
{
    struct hf_worker *w = HF_CONTAINER(watch, struct hf_worker, stop);
    bool at_once = w->retired || !w->snapshot;

    (void)events;
    hf_loop_unwatch(w->loop, watch);
    w->leaving = true;
    w->retired = false;
    hf_timer_after(w->loop, &w->leave, hf_ms(at_once ? 0 : hf_worker_limits(w)->lame_duck_ms));
}

/* Idle connections are left to their clients and to the idle timeout: to close one could cost the
 * request that is just being sent on it. */
static void on_retire(struct hf_watch *watch, uint32_t events)
{
    struct hf_worker *w = HF_CONTAINER(watch, struct hf_worker, retire);

    (void)events;
    hf_loop_unwatch(w->loop, watch);
    if (w->leaving)
        return;
    w->leaving = w->retired = true;
    if (w->snapshot)
        accept_the_rest(w);
    give_up_listeners(w);
    HF_LIST_EACH (l, &w->h2->all) {
        hf_h2_client_leave(HF_CONTAINER(l, struct hf_h2_client, link)); /* GOAWAY loses nothing */
    }
}

static bool may_leave(const struct hf_worker *w)
{
    return w->leaving && !hf_timer_armed(&w->leave) &&
           (w->gave_up || (hf_link_alone(&w->all_clients) && hf_link_alone(&w->entrances) &&
                           hf_link_alone(&w->h2->all)));
}

/* ---- the thread ---- */

static void on_bell(struct hf_watch *watch, uint32_t events)
{
    /* It only ends the wait; the turn looks at the generation, and whether all have ended. */
    (void)watch;
    (void)events;
}

static void put_back(struct hf_link *retired, struct hf_pool *pool)
{
    while (!hf_link_alone(retired)) {
        struct hf_link *l = retired->next;
        hf_link_remove(l);
        hf_pool_put(pool, l); /* the link is the first member */
    }
}

static void refresh_wall(struct hf_worker *w)
{
    struct hf_mono now = hf_worker_now(w);

    if (now.ns - w->offset_at_ns < HF_NS_PER_S / 10 && w->offset_at_ns)
        return;
    w->offset_at_ns = now.ns;
    w->wall_offset_ns = hf_wall_now().ns - hf_mono_now().ns;
}

static void top_of_turn(struct hf_worker *w)
{
    put_back(&w->retired_exchanges, &w->exchanges);
    put_back(&w->retired_upstreams, &w->upstreams);
    put_back(&w->retired_h2_upstreams, &w->h2_upstreams);
    put_back(&w->retired_links, &w->h2_links);
    put_back(&w->retired_clients, &w->clients);
    put_back(&w->retired_entrances, &w->entrance_pool);
    hf_h2_put_back(w->h2);
    refresh_wall(w);
    if (!w->snapshot || hf_board_generation(w->gateway->board) != w->snapshot->generation)
        switch_plan(w);
    if (hf_keyring_version(w->gateway->keyring) != w->tls_version)
        switch_tls(w);
    hf_tasks_run(&w->tasks);
    atomic_store_explicit(&w->live->turn_ns, hf_worker_now(w).ns, memory_order_relaxed);
}

/* A worker that has nothing left goes on with the turns until the others have nothing either: it
 * takes over plans, so that no drain waits for it, and shows that it lives. */
static bool ended(struct hf_worker *w)
{
    struct hf_gateway *g = w->gateway;
    uint64_t one = 1;

    if (!w->done && may_leave(w)) {
        w->done = true;
        if (atomic_fetch_sub(&g->running, 1) == 1 && write(g->ended, &one, sizeof(one)) < 0)
            hf_err("cannot tell that the workers have ended: %s", strerror(errno));
    }
    return w->done && atomic_load(&g->running) == 0;
}

static void *run(void *arg)
{
    struct hf_worker *w = arg;

    pthread_barrier_wait(&w->gateway->gate);
    pthread_barrier_wait(&w->gateway->gate);
    top_of_turn(w);
    while (!ended(w))
        hf_worker_turn(w, hf_seconds(1));
    return NULL;
}

void hf_worker_turn(struct hf_worker *w, struct hf_duration max_wait)
{
    hf_loop_turn(w->loop, hf_tasks_wait(&w->tasks) ? hf_seconds(0) : max_wait);
    top_of_turn(w);
}

static int watch_all(struct hf_worker *w, struct hf_error *e)
{
    struct hf_gateway *g = w->gateway;

    w->bell = (struct hf_watch){.fd = hf_board_bell(g->board), .on_event = on_bell};
    w->stop = (struct hf_watch){.fd = g->stop, .on_event = on_stop};
    w->retire = (struct hf_watch){.fd = g->retire, .on_event = on_retire};
    w->ended = (struct hf_watch){.fd = g->ended, .on_event = on_bell};
    if (hf_loop_watch(w->loop, &w->bell, EPOLLIN | EPOLLET) ||
        hf_loop_watch(w->loop, &w->retire, EPOLLIN | EPOLLET) ||
        hf_loop_watch(w->loop, &w->ended, EPOLLIN | EPOLLET) ||
        hf_loop_watch(w->loop, &w->stop, EPOLLIN | EPOLLET))
        return hf_error_errno(e, HF_EIO, "cannot watch the board's bell");
    for (uint32_t i = 0; i < g->n_listeners; i++) {
        w->acceptors[i].watch = (struct hf_watch){.fd = g->listener[i], .on_event = on_acceptable};
        w->acceptors[i].worker = w;
        w->acceptors[i].address = g->listener_address[i];
    }
    w->acceptors[g->n_listeners] = (struct hf_acceptor){
        .watch = {.fd = g->probe_listener, .on_event = on_acceptable},
        .worker = w,
        .wanted = g->probe_listener >= 0,
        .flags = HF_LISTENER_PROBE,
    };
    return 0;
}

static void make_tables(struct hf_worker *w)
{
    struct hf_gateway *g = w->gateway;
    const struct hf_board_capacity *c = &g->live.capacity;

    w->services = hf_alloc_array(c->services, sizeof(*w->services));
    for (uint32_t i = 0; i < c->services; i++) {
        w->services[i].worker = w;
        w->services[i].slot = i;
        w->services[i].live = hf_live_service(&g->live, w->index, i);
        hf_hold_init(&w->services[i]);
    }
    w->view.workers = c->workers;
    w->view.self = w->index;
    for (uint32_t i = 0; i < c->workers; i++)
        w->view.endpoints[i] = hf_live_endpoints(&g->live, i);
    w->view.healths = hf_live_healths(&g->live);
    w->view.floors = hf_live_floors(&g->live);
    w->live = hf_live_worker(&g->live, w->index);
    w->targets = hf_alloc_array(c->endpoints, sizeof(*w->targets));
    for (uint32_t i = 0; i < c->endpoints; i++)
        hf_target_init(&w->targets[i], w, i);
}

static void make_pools(struct hf_worker *w)
{
    hf_pool_init(&w->clients, sizeof(struct hf_h1_client), 0);
    hf_pool_init(&w->exchanges, sizeof(struct hf_exchange), 0);
    hf_pool_init(&w->upstreams, sizeof(struct hf_h1_upstream), 0);
    hf_pool_init(&w->entrance_pool, sizeof(struct hf_entrance), 0);
    hf_pool_init(&w->h2_links, sizeof(struct hf_h2_link), 0);
    hf_pool_init(&w->h2_upstreams, sizeof(struct hf_h2_upstream), 0);
    w->h2 = hf_h2_new();
    hf_buffers_init(&w->buffers);
    hf_h2_memory_init(&w->h2_memory);
    hf_link_init(&w->all_clients);
    hf_link_init(&w->entrances);
    hf_link_init(&w->waiting);
    hf_link_init(&w->retired_clients);
    hf_link_init(&w->retired_entrances);
    hf_link_init(&w->retired_exchanges);
    hf_link_init(&w->retired_upstreams);
    hf_link_init(&w->retired_links);
    hf_link_init(&w->retired_h2_upstreams);
    hf_tasks_init(&w->tasks);
    hf_timer_init(&w->accept_again, on_accept_again);
    hf_timer_init(&w->leave, on_leave);
    hf_timer_init(&w->give_up, on_give_up);
    w->in = hf_alloc(HF_READ_SIZE);
    w->h2_in = hf_alloc(HF_READ_SIZE);
    w->h2_out = hf_alloc(HF_H2_SEND_SIZE);
    w->out.space = hf_alloc(HF_HEAD_OUT);
    w->out.text = (struct hf_h1_out){w->out.space, w->out.space + HF_HEAD_OUT, false};
}

int hf_worker_new(struct hf_gateway *g, uint32_t index, struct hf_worker **ret, struct hf_error *e)
{
    struct hf_worker *w = hf_alloc(sizeof(*w));
    int rc;

    w->gateway = g;
    w->index = index;
    w->log = hf_access_log_ring(g->log, index);
    w->most_clients = clients_by_descriptors(g);
    hf_random_init(&w->random);
    make_tables(w);
    make_pools(w);
    rc = hf_loop_new(&w->loop, e);
    if (!rc)
        rc = watch_all(w, e);
    if (rc)
        return rc; /* the process ends */
    *ret = w;
    return 0;
}

int hf_worker_start(struct hf_gateway *g, uint32_t index, struct hf_worker **ret,
                    struct hf_error *e)
{
    struct hf_worker *w;
    int rc = hf_worker_new(g, index, &w, e);

    if (rc)
        return rc;
    if (pthread_create(&w->thread, NULL, run, w))
        return hf_error_set(e, HF_EIO, "cannot start a worker's thread");
    *ret = w;
    return 0;
}

struct hf_worker *hf_worker_join(struct hf_worker *w)
{
    pthread_join(w->thread, NULL);
    return NULL;
}
