#include "gateway/entrance.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "gateway/peer.h"
#include "gateway/worker.h"
#include "net/proxy_protocol.h"

enum { SAY_EVERY_S = 10 };

static const char missing[] = "it ended without a header";

static void on_event(struct hf_watch *watch, uint32_t events);
static void on_timer(struct hf_timer *t);

/* Counted always, said now and then: whoever can connect decides how often it happens. */
static void note_refused(struct hf_worker *w, const struct hf_addr *address, const char *why)
{
    struct hf_entrance_log *log = &w->entrance_log;
    struct hf_mono now = hf_worker_now(w);
    char text[HF_ADDR_TEXT];

    hf_count_add(&w->live->proxy_refused, 1);
    if (log->said.ns && hf_mono_sub(now, log->said).ns < SAY_EVERY_S * HF_NS_PER_S) {
        log->unsaid++;
        return;
    }
    hf_warn("a connection is closed, since its PROXY protocol header is not accepted: %s from=%s "
            "more=%u",
            why, hf_addr_format(address, text), log->unsaid);
    *log = (struct hf_entrance_log){.said = now};
}

/* The header's bytes, 0 if more are needed, < 0: it will never be whole and valid. */
static ssize_t look(struct hf_worker *w, int fd, struct hf_proxy *ret, const char **why)
{
    ssize_t n;

    do
        n = recv(fd, w->in, HF_PROXY_V2_MOST, MSG_PEEK);
    while (n < 0 && errno == EINTR);
    if (n < 0 && errno == EAGAIN)
        return 0;
    if (n <= 0) {
        *why = missing;
        return HF_EIO;
    }
    return hf_proxy_parse((struct hf_str){w->in, (size_t)n}, ret, why);
}

/* The header is taken, and the connection goes on as a client's. */
static void enter(struct hf_worker *w, const struct hf_acceptor *a, int fd,
                  const struct hf_addr *address, const struct hf_proxy *header, size_t size)
{
    struct hf_peer peer;
    ssize_t n;

    do
        n = recv(fd, w->in, size, 0);
    while (n < 0 && errno == EINTR);
    /* Bytes that were there once do not go away, nor do certificates that a plan asks for, but for
     * a change of both in between. */
    if (n != (ssize_t)size || ((a->flags & HF_LISTENER_TLS) && !a->tls)) {
        close(fd);
        return;
    }
    hf_peer_init(&peer, header->known ? &header->source : address, a->flags);
    peer.destination = header->destination;
    hf_worker_admit(w, a, fd, &peer);
}

static void entrance_close(struct hf_entrance *e, bool keep_socket)
{
    struct hf_worker *w = e->worker;

    if (keep_socket) {
        hf_loop_unwatch(w->loop, &e->watch);
    } else {
        hf_loop_forget(w->loop, &e->watch);
        close(e->watch.fd);
    }
    hf_timer_stop(&e->timer);
    hf_link_remove(&e->link);
    hf_list_append(&w->retired_entrances, &e->link);
}

static void refuse(struct hf_entrance *e, const char *why)
{
    note_refused(e->worker, &e->address, why);
    entrance_close(e, false);
}

static void await(struct hf_worker *w, struct hf_acceptor *a, int fd, const struct hf_addr *address)
{
    struct hf_entrance *e = hf_pool_get(&w->entrance_pool);

    if (!e->timer.on_fire)
        hf_timer_init(&e->timer, on_timer);
    hf_link_init(&e->link);
    e->watch = (struct hf_watch){.fd = fd, .on_event = on_event};
    e->worker = w;
    e->acceptor = a;
    e->address = *address;
    hf_list_append(&w->entrances, &e->link);
    hf_timer_after(w->loop, &e->timer, hf_ms(hf_worker_limits(w)->header_ms));
    if (hf_loop_watch(w->loop, &e->watch, EPOLLIN | EPOLLRDHUP | EPOLLET))
        entrance_close(e, false);
}

void hf_entrance_open(struct hf_worker *w, struct hf_acceptor *a, int fd,
                      const struct hf_addr *address)
{
    struct hf_proxy header;
    const char *why;
    ssize_t n;

    if (!hf_peer_trusted(hf_worker_limits(w), address)) {
        note_refused(w, address, "the address is not in gateway.trusted_proxies");
        close(fd);
        return;
    }
    n = look(w, fd, &header, &why);
    if (n > 0) {
        enter(w, a, fd, address, &header, (size_t)n);
    } else if (n == 0) {
        await(w, a, fd, address);
    } else {
        note_refused(w, address, why);
        close(fd);
    }
}

static void on_event(struct hf_watch *watch, uint32_t events)
{
    struct hf_entrance *e = HF_CONTAINER(watch, struct hf_entrance, watch);
    struct hf_worker *w = e->worker;
    struct hf_proxy header;
    const char *why;
    ssize_t n;

    n = look(w, watch->fd, &header, &why);
    if (n > 0) {
        entrance_close(e, true);
        enter(w, e->acceptor, watch->fd, &e->address, &header, (size_t)n);
    } else if (n < 0) {
        refuse(e, why);
    } else if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) {
        refuse(e, missing);
    }
}

static void on_timer(struct hf_timer *t)
{
    refuse(HF_CONTAINER(t, struct hf_entrance, timer), "it did not arrive in time");
}
