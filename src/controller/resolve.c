#include "controller/resolve.h"

#include <ares.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

enum {
    TRY_MS = 2000, /* for a name server's answer, at first; c-ares lengthens it */
    TRIES = 3,
};

/* A socket of c-ares'. */
struct conversation {
    struct hf_link link;
    struct hf_watch watch;
    struct hf_resolve *lookup;
};

struct hf_resolve {
    struct hf_loop *loop;
    ares_channel channel;
    struct hf_link conversations;
    struct hf_timer timer; /* c-ares' next step, the limit, or the answer's delivery */
    struct hf_mono limit;
    char *host;
    uint16_t port;
    int family;
    bool asking;   /* c-ares has not called back yet */
    bool finished; /* answer is what there is to say */
    struct hf_resolve_answer answer;
    void (*on_answer)(void *ctx, const struct hf_resolve_answer *);
    void *ctx;
};

static void go_on(struct hf_resolve *r);

/* ---- c-ares' sockets ---- */

static void on_event(struct hf_watch *w, uint32_t events)
{
    struct conversation *v = HF_CONTAINER(w, struct conversation, watch);
    struct hf_resolve *r = v->lookup;
    int fd = w->fd; /* the conversation may end within the call */
    bool in = events & (EPOLLIN | EPOLLERR | EPOLLHUP), out = events & EPOLLOUT;

    ares_process_fd(r->channel, in ? fd : ARES_SOCKET_BAD, out ? fd : ARES_SOCKET_BAD);
    go_on(r);
}

static struct conversation *find(struct hf_resolve *r, int fd)
{
    HF_LIST_EACH (l, &r->conversations) {
        struct conversation *v = HF_CONTAINER(l, struct conversation, link);
        if (v->watch.fd == fd)
            return v;
    }
    return NULL;
}

static void end_conversation(struct conversation *v)
{
    hf_loop_unwatch(v->lookup->loop, &v->watch);
    hf_link_remove(&v->link);
    hf_free(v);
}

/* What c-ares wants to know of fd from now on; neither: it is about to be closed. A socket that
 * cannot be watched is heard of by c-ares' own time-out. */
static void on_socket(void *ctx, ares_socket_t fd, int readable, int writable)
{
    struct hf_resolve *r = ctx;
    struct conversation *v = find(r, fd);
    uint32_t events = (readable ? (uint32_t)EPOLLIN : 0) | (writable ? (uint32_t)EPOLLOUT : 0);

    if (v && events) {
        hf_loop_rewatch(r->loop, &v->watch, events);
    } else if (v) {
        end_conversation(v);
    } else if (events) {
        v = hf_alloc(sizeof(*v));
        v->lookup = r;
        v->watch = (struct hf_watch){.fd = fd, .on_event = on_event};
        hf_list_append(&r->conversations, &v->link);
        if (hf_loop_watch(r->loop, &v->watch, events)) {
            hf_link_remove(&v->link);
            hf_free(v);
        }
    }
}

/* ---- answers ---- */

static int by_bytes(const struct hf_addr *a, const struct hf_addr *b)
{
    return a->family != b->family ? a->family - b->family : memcmp(a->ip, b->ip, sizeof(a->ip));
}

/* Sorted, so that name servers that turn the order of a long answer do not change what is cut. */
static void add_address(struct hf_resolve_answer *a, const struct hf_addr *address)
{
    size_t at = 0;

    while (at < a->n && by_bytes(&a->address[at], address) < 0)
        at++;
    if (at < a->n && by_bytes(&a->address[at], address) == 0)
        return;
    if (a->n < HF_RESOLVE_MOST)
        a->n++;
    else
        a->more = true;
    if (at == HF_RESOLVE_MOST)
        return;
    memmove(&a->address[at + 1], &a->address[at], (a->n - at - 1) * sizeof(a->address[0]));
    a->address[at] = *address;
}

/* Nobody serves there; filtering name servers give it for what they block. */
static bool is_unspecified(const struct hf_addr *a)
{
    static const uint8_t zero[16];

    return memcmp(a->ip, zero, sizeof(zero)) == 0;
}

static void take_addresses(struct hf_resolve *r, const struct ares_addrinfo *found)
{
    for (const struct ares_addrinfo_node *n = found->nodes; n; n = n->ai_next) {
        struct hf_addr address;
        if (hf_addr_from_sockaddr(n->ai_addr, &address) || is_unspecified(&address))
            continue;
        address.port = r->port;
        add_address(&r->answer, &address);
    }
}

static void finish(struct hf_resolve *r, int code, const char *why)
{
    r->finished = true;
    r->answer.code = code;
    snprintf(r->answer.why, sizeof(r->answer.why), "%s", why);
}

static void on_found(void *ctx, int status, int timeouts, struct ares_addrinfo *found)
{
    struct hf_resolve *r = ctx;

    (void)timeouts;
    r->asking = false;
    if (found && status == ARES_SUCCESS)
        take_addresses(r, found);
    if (found)
        ares_freeaddrinfo(found);
    if (r->finished || status == ARES_EDESTRUCTION || status == ARES_ECANCELLED)
        return;
    if (r->answer.n)
        finish(r, 0, "");
    else if (status != ARES_SUCCESS && status != ARES_ENODATA && status != ARES_ENOTFOUND)
        finish(r, status == ARES_ETIMEOUT ? HF_ETIMEOUT : HF_EIO, ares_strerror(status));
    else if (r->family == AF_INET6)
        finish(r, HF_ENOENT,
               status == ARES_ENOTFOUND ? "there is no such name" : "the name has no address");
}

static void ask(struct hf_resolve *r, int family)
{
    struct ares_addrinfo_hints hints = {
        .ai_family = family, .ai_socktype = SOCK_STREAM, .ai_flags = ARES_AI_NOSORT};

    r->family = family;
    r->asking = true;
    ares_getaddrinfo(r->channel, r->host, NULL, &hints, on_found, r);
}

/* After anything that c-ares did: the other family, or the time to look again. */
static void go_on(struct hf_resolve *r)
{
    struct timeval tv;
    struct hf_mono now = hf_mono_now(), next = r->limit;

    if (!r->asking && !r->finished && r->family == AF_INET)
        ask(r, AF_INET6);
    if (r->finished) {
        next = now;
    } else if (ares_timeout(r->channel, NULL, &tv)) {
        int64_t wait = (int64_t)tv.tv_sec * HF_NS_PER_S + (int64_t)tv.tv_usec * 1000;
        struct hf_mono step = hf_mono_add(now, (struct hf_duration){wait});
        next = hf_mono_before(step, next) ? step : next;
    }
    hf_timer_set(r->loop, &r->timer, next);
}

static void on_timer(struct hf_timer *t)
{
    struct hf_resolve *r = HF_CONTAINER(t, struct hf_resolve, timer);

    if (r->finished) {
        r->on_answer(r->ctx, &r->answer);
        return;
    }
    if (hf_mono_before(hf_mono_now(), r->limit))
        ares_process_fd(r->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    else
        finish(r, HF_ETIMEOUT, "no answer in time");
    go_on(r);
}

/* ---- life ---- */

static int set_servers(struct hf_resolve *r, const struct hf_resolve_options *options)
{
    HF_AUTOTEXT struct hf_text list = {0};
    char text[HF_ADDR_TEXT];

    if (!options->n_servers)
        return ARES_SUCCESS;
    for (size_t i = 0; i < options->n_servers; i++)
        hf_text_addf(&list, "%s%s", i ? "," : "", hf_addr_format(&options->servers[i], text));
    return ares_set_servers_ports_csv(r->channel, list.p);
}

int hf_resolve_new(const struct hf_resolve_options *options, const char *host, uint16_t port,
                   void (*on_answer)(void *ctx, const struct hf_resolve_answer *), void *ctx,
                   struct hf_resolve **ret, struct hf_error *e)
{
    struct hf_resolve *r = hf_alloc(sizeof(*r));
    struct ares_options how = {
        .timeout = TRY_MS, .tries = TRIES, .sock_state_cb = on_socket, .sock_state_cb_data = r};
    int rc = ares_init_options(&r->channel, &how,
                               ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB);

    if (rc != ARES_SUCCESS) {
        hf_free(r);
        return hf_error_set(e, HF_EIO, "cannot look up names: %s", ares_strerror(rc));
    }
    rc = set_servers(r, options);
    if (rc != ARES_SUCCESS) {
        ares_destroy(r->channel);
        hf_free(r);
        return hf_error_set(e, HF_EIO, "cannot set the name servers: %s", ares_strerror(rc));
    }
    r->loop = options->loop;
    r->limit = hf_mono_add(hf_mono_now(), options->limit);
    r->host = hf_strdup(host);
    r->port = port;
    r->on_answer = on_answer;
    r->ctx = ctx;
    hf_link_init(&r->conversations);
    hf_timer_init(&r->timer, on_timer);
    ask(r, AF_INET);
    go_on(r);
    *ret = r;
    return 0;
}

struct hf_resolve *hf_resolve_free(struct hf_resolve *r)
{
    if (!r)
        return NULL;
    r->finished = true;
    ares_destroy(r->channel); /* ends all conversations */
    hf_timer_done(&r->timer);
    hf_free(r->host);
    return hf_free(r);
}
