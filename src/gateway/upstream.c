#include "gateway/upstream.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/h1_upstream.h"
#include "gateway/h2_upstream.h"
#include "gateway/worker.h"
#include "net/socket.h"

/* Did it fail for want of something that this process, or this machine, has run out of? */
static enum hf_failure connect_failure(int error)
{
    switch (error) {
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
    case ENOSPC:
    case EADDRNOTAVAIL:
    case EAGAIN:
        return HF_FAILURE_LOCAL;
    default:
        return HF_FAILURE_CONNECT;
    }
}

enum hf_failure hf_upstream_dial(struct hf_worker *w, const struct hf_addr *address,
                                 struct hf_watch *watch, bool *connected)
{
    struct sockaddr_storage ss;
    socklen_t size = hf_addr_to_sockaddr(address, &ss);
    int error;

    watch->fd = socket(ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (watch->fd >= 0) {
        hf_socket_nodelay(watch->fd);
        *connected = connect(watch->fd, (struct sockaddr *)&ss, size) == 0;
        if ((*connected || errno == EINPROGRESS) &&
            !hf_loop_watch(w->loop, watch, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET)) {
            hf_count_add(&w->live->upstream_connections, 1);
            hf_count_add(&w->live->upstream_connects, 1);
            return HF_FAILURE_NONE;
        }
    }
    error = errno;
    if (watch->fd >= 0)
        close(watch->fd);
    return connect_failure(error);
}

void hf_upstream_hang_up(struct hf_worker *w, int fd)
{
    close(fd);
    hf_count_add(&w->live->upstream_connections, UINT64_MAX); /* minus one */
}

enum hf_failure hf_upstream_open(struct hf_exchange *x, struct hf_target *t,
                                 struct hf_upstream **ret)
{
    const struct hf_plan_service *s = hf_worker_policy(x->worker, x->service);
    uint8_t proxy_version = s ? s->proxy_version : 0;
    struct hf_upstream *u = NULL;

    if (x->protocol != HF_PROTOCOL_HTTP1)
        return hf_h2_upstream_open(x, t, ret);
    /* After a kept connection turned out to be closed, the next ones may be as well. */
    if (!x->stale && !proxy_version)
        u = hf_target_take(x->worker, t, x->idempotent);
    if (!u)
        return hf_h1_upstream_connect(x->worker, t, proxy_version, ret);
    *ret = u;
    return HF_FAILURE_NONE;
}

void hf_upstream_attach(struct hf_upstream *u, struct hf_exchange *x)
{
    u->exchange = x;
    u->heard = u->reusable = false;
    hf_link_remove(&u->link);
    hf_list_append(&u->target->busy, &u->link);
    u->ops->attach(u);
}
