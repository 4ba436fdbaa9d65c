/* What an endpoint may say in HTTP/2: the bytes go through a real connection into a worker's links
 * and exchanges. However they look: each request ends once, and nothing stays behind. */
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "gateway/exchange.h"
#include "gateway/h2_upstream.h"
#include "gateway/hold.h"
#include "gateway/worker.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CLIENTS = 3, CONNECTIONS = 64, TURNS = 200, DATA_MOST = 4096 };

struct user {
    struct hf_client client;
    unsigned heads, ends, done;
    bool slow; /* takes nothing until it is asked to */
    uint64_t bytes;
};

static const struct hf_board_capacity capacity = {1, 1, 1, 1};
static struct hf_worker worker;
static struct hf_snapshot snapshot;
static struct hf_peer peer = {.ip_n = 9, .ip = "127.0.0.1"};
static struct user users[CLIENTS];
static int listener, accepted[CONNECTIONS];
static unsigned n_accepted;

/* ---- users ---- */

static struct user *of(struct hf_client *c)
{
    return HF_CONTAINER(c, struct user, client);
}

static void touch(struct user *u, struct hf_str s)
{
    for (size_t i = 0; i < s.n; i++)
        u->bytes += (unsigned char)s.p[i];
}

static void head(struct hf_client *c, const struct hf_h1_head *h, const struct hf_h1_framing *f)
{
    assert(++of(c)->heads == 1 && h->status >= 200 && f->length <= INT64_MAX);
    for (unsigned i = 0; i < h->n_fields; i++) {
        touch(of(c), h->fields[i].name);
        touch(of(c), h->fields[i].value);
    }
}

static void interim(struct hf_client *c, const struct hf_h1_head *h)
{
    assert(of(c)->heads == 0 && h->status < 200);
}

static void body(struct hf_client *c, struct hf_str slice)
{
    assert(of(c)->heads == 1 && of(c)->ends == 0);
    touch(of(c), slice);
}

static void end(struct hf_client *c, const struct hf_h1_trailers *trailers)
{
    assert(of(c)->heads == 1 && ++of(c)->ends == 1);
    for (unsigned i = 0; trailers && i < trailers->n; i++)
        touch(of(c), trailers->fields[i].value);
}

static void flush(struct hf_client *c)
{
    c->backlogged = of(c)->slow;
}

static void resume(struct hf_client *c)
{
    (void)c;
}

static void done(struct hf_client *c, bool whole)
{
    assert(++of(c)->done == 1 && whole == (of(c)->ends == 1));
}

static const struct hf_client_ops ops = {.protocol = "fuzz",
                                         .head = head,
                                         .interim = interim,
                                         .body = body,
                                         .end = end,
                                         .flush = flush,
                                         .resume = resume,
                                         .done = done};

/* ---- the worker ---- */

static void make_plan(uint16_t port)
{
    static int32_t at;
    struct hf_plan_gateway limits = {.line = 8192, .head = 32768, .fields = 100};
    static struct hf_plan_builder *b; /* the plan is in it */
    struct hf_plan_service s = {.incarnation = 1,
                                .connect_ms = 1000,
                                .response_ms = 1000,
                                .idle_ms = 1000,
                                .retry_attempts = 1,
                                .retry_percent = 100,
                                .protocol = HF_PROTOCOL_GRPC};
    struct hf_plan_endpoint e = {.incarnation = 1, .weight = 100};
    struct hf_plan_route r = {.service = 0};
    struct hf_plan *plan = NULL;
    int rc = hf_addr_parse(HF_STR("127.0.0.1:1"), &e.address);

    e.address.port = port;
    b = hf_plan_builder_new(&capacity);
    hf_plan_builder_begin(b, &limits);
    s.name = hf_plan_builder_text(b, HF_STR("app"));
    rc |= hf_plan_builder_service(b, &s) < 0;
    e.id = e.version = e.node = s.name;
    rc |= hf_plan_builder_endpoint(b, &e) < 0;
    r.prefix = hf_plan_builder_text(b, HF_STR("/"));
    rc |= hf_plan_builder_route(b, &r) < 0 || hf_plan_builder_finish(b, &plan, NULL);
    assert(!rc);
    hf_plan_seal(plan, 1);
    snapshot = (struct hf_snapshot){
        .references = 1, .generation = 1, .plan = plan, .service_at = &at, .endpoint_at = &at};
}

static void make_lists(struct hf_worker *w)
{
    hf_pool_init(&w->exchanges, sizeof(struct hf_exchange), 0);
    hf_pool_init(&w->h2_links, sizeof(struct hf_h2_link), 0);
    hf_pool_init(&w->h2_upstreams, sizeof(struct hf_h2_upstream), 0);
    hf_buffers_init(&w->buffers);
    hf_h2_memory_init(&w->h2_memory);
    hf_link_init(&w->retired_exchanges);
    hf_link_init(&w->retired_links);
    hf_link_init(&w->retired_h2_upstreams);
    hf_tasks_init(&w->tasks);
}

static void make_worker(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct hf_worker *w = &worker;
    socklen_t n = sizeof(a);
    int rc;

    listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    rc = bind(listener, (struct sockaddr *)&a, n) || listen(listener, 64) ||
         getsockname(listener, (struct sockaddr *)&a, &n) || hf_loop_new(&w->loop, NULL);
    assert(!rc);
    make_plan(ntohs(a.sin_port));
    make_lists(w);
    w->snapshot = &snapshot;
    w->view.plan = snapshot.plan;
    w->view.workers = 1;
    w->view.endpoints[0] = hf_alloc(sizeof(*w->view.endpoints[0]));
    w->view.healths = hf_alloc(sizeof(*w->view.healths));
    w->view.floors = hf_alloc(sizeof(*w->view.floors));
    w->live = hf_alloc(sizeof(*w->live));
    w->services = hf_alloc(sizeof(*w->services));
    *w->services = (struct hf_worker_service){.worker = w, .incarnation = 1, .known = true};
    w->services->live = hf_alloc(sizeof(*w->services->live));
    w->services->live->incarnation = 1;
    hf_hold_init(w->services);
    w->targets = hf_alloc(sizeof(*w->targets));
    hf_target_init(w->targets, w, 0);
    w->targets->known = true;
    w->targets->incarnation = 1;
    w->targets->address = hf_plan_endpoints(snapshot.plan)->address;
    w->h2_in = hf_alloc(HF_READ_SIZE);
    w->h2_out = hf_alloc(HF_H2_SEND_SIZE);
    hf_random_init(&w->random);
}

static void put_back(struct hf_link *retired, struct hf_pool *pool)
{
    while (!hf_link_alone(retired)) {
        struct hf_link *l = retired->next;
        hf_link_remove(l);
        hf_pool_put(pool, l);
    }
}

static void take_connections(void)
{
    while (n_accepted < CONNECTIONS) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
        if (fd < 0)
            return;
        accepted[n_accepted++] = fd;
    }
}

static void turn(void)
{
    struct hf_worker *w = &worker;

    put_back(&w->retired_exchanges, &w->exchanges);
    put_back(&w->retired_h2_upstreams, &w->h2_upstreams);
    put_back(&w->retired_links, &w->h2_links);
    hf_tasks_run(&w->tasks);
    hf_loop_turn(w->loop, hf_seconds(0));
    take_connections();
}

/* ---- one run ---- */

static void start(struct user *u, const char *text, bool slow)
{
    static const struct hf_h1_limits limits = {8192, 32768, 100};
    struct hf_h1_framing framing;
    size_t scanned = 0;

    *u = (struct user){.client = {.ops = &ops, .worker = &worker, .peer = &peer}, .slow = slow};
    if (hf_h1_parse_request(hf_str(text), &scanned, &limits, &worker.head) <= 0 ||
        hf_h1_request_framing(&worker.head, &framing))
        assert(false);
    hf_exchange_start(&u->client, &framing);
}

static void say(const void *p, size_t n)
{
    if (n_accepted)
        (void)!send(accepted[0], p, n, MSG_NOSIGNAL);
    turn();
    turn();
}

static void let_go(void)
{
    struct linger now = {.l_onoff = 1}; /* no port waits for old segments */

    for (unsigned i = 0; i < n_accepted; i++) {
        setsockopt(accepted[i], SOL_SOCKET, SO_LINGER, &now, sizeof(now));
        close(accepted[i]);
    }
    n_accepted = 0;
}

static bool under_way(void)
{
    for (int i = 0; i < CLIENTS; i++) {
        if (users[i].client.exchange)
            return true;
    }
    return false;
}

static void wake(void)
{
    for (int i = 0; i < CLIENTS; i++) {
        struct hf_client *c = &users[i].client;
        users[i].slow = c->backlogged = false;
        if (c->exchange)
            hf_exchange_drained(c->exchange);
    }
}

static void begin(uint8_t how)
{
    start(&users[0], "GET /a HTTP/1.1\r\nhost: h\r\n\r\n", how & 1);
    start(&users[1],
          "POST /b HTTP/1.1\r\nhost: h\r\ncontent-type: application/grpc\r\n"
          "transfer-encoding: chunked\r\n\r\n",
          how & 2);
    start(&users[2], "HEAD /c HTTP/1.1\r\nhost: h\r\n\r\n", how & 4);
    for (int i = 0; i < TURNS && n_accepted == 0; i++) {
        struct pollfd p = {.fd = listener, .events = POLLIN};
        poll(&p, 1, 10);
        turn();
    }
    turn();
}

static void go_on(uint8_t how)
{
    struct hf_exchange *x = users[1].client.exchange;

    if (x && (how & 8)) {
        hf_exchange_feed(x, HF_STR("message"), how & 16);
        if (users[1].client.exchange == x)
            hf_exchange_push(x);
    }
    if (how & 32)
        wake();
    x = users[0].client.exchange;
    if (x && (how & 64))
        hf_exchange_client_gone(x);
    turn();
}

static void finish(void)
{
    struct hf_worker *w = &worker;

    wake();
    for (int i = 0; i < TURNS && (under_way() || w->targets->n_links); i++) {
        struct hf_exchange *x = users[1].client.exchange;
        if (i > 8 && x)
            hf_exchange_client_gone(x); /* it has never said all */
        hf_h2_links_leave(w->targets);
        let_go();
        turn();
        if (i > 2)
            poll(NULL, 0, 1);
    }
    let_go();
    turn();
    assert(!under_way() && w->targets->n_links == 0);
    assert(w->targets->live->in_flight == 0 && w->services->live->in_progress == 0);
    assert(w->exchanges.in_use == 0 && w->h2_links.in_use == 0 && w->h2_upstreams.in_use == 0);
    for (int i = 0; i < HF_BUFFER_CLASSES; i++)
        assert(w->buffers.class[i].in_use == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char settings[9] = {0, 0, 0, 4};
    size_t first;

    if (size < 3 || size > DATA_MOST)
        return 0;
    if (!worker.loop)
        make_worker();
    memset(worker.view.healths, 0, sizeof(*worker.view.healths));
    memset(worker.view.floors, 0, sizeof(*worker.view.floors));
    worker.targets->link_streams = 0;
    begin(data[0]);
    if (!(data[0] & 128))
        say(settings, sizeof(settings));
    first = (data[2] * (size - 3)) / 255;
    say(data + 3, first);
    go_on(data[1]);
    say(data + 3 + first, size - 3 - first);
    finish();
    return 0;
}
