/* gateway/worker.h - one worker: a thread, an event loop, and everything that its connections
 * share. Nothing here is touched by another thread, but for the live figures and the snapshot.
 *
 * Memory that an event may still refer to is not reused within the turn: clients, upstreams and
 * exchanges are retired, and go back to their pools at the top of the next turn. */
#pragma once
#include <pthread.h>
#include <sys/uio.h>

#include "base/random.h"
#include "board/board.h"
#include "core/retry.h"
#include "core/view.h"
#include "gateway/access_log.h"
#include "gateway/client.h"
#include "gateway/entrance.h"
#include "gateway/gateway.h"
#include "gateway/h2_memory.h"
#include "gateway/pool.h"
#include "gateway/snapshot.h"
#include "gateway/target.h"
#include "gateway/task.h"
#include "gateway/wire.h"
#include "http/h1_parse.h"
#include "http/h1_write.h"
#include "net/loop.h"

struct hf_gateway;
struct hf_h2;

enum {
    HF_READ_SIZE = HF_BUFFER_WHOLE, /* the read buffer that all connections of a worker borrow */
    HF_HEAD_OUT = 80 * 1024,        /* rendered heads and chunk frames of one flush */
    HF_PIECES = 64,                 /* iovec entries of one flush */
    HF_READS_AT_ONCE = 8, /* of one connection in one turn, so that the others get theirs */
};

/* What goes to one client with the next flush: pieces of rendered heads and of received bodies. */
struct hf_output {
    struct iovec piece[HF_PIECES];
    uint32_t n;
    size_t bytes;
    struct hf_h1_out text; /* the rest of `space` */
    char *space;
};

static inline void hf_output_reset(struct hf_output *out)
{
    out->n = 0;
    out->bytes = 0;
    out->text = (struct hf_h1_out){out->space, out->space + HF_HEAD_OUT, false};
}

/* Adds a slice; one that lies right behind the last one becomes part of it. */
static inline void hf_output_piece(struct hf_output *out, struct hf_str s)
{
    struct iovec *last = out->n ? &out->piece[out->n - 1] : NULL;

    if (last && (char *)last->iov_base + last->iov_len == s.p)
        last->iov_len += s.n;
    else
        out->piece[out->n++] = (struct iovec){(void *)s.p, s.n};
    out->bytes += s.n;
}

/* What a worker keeps of a service. */
struct hf_worker_service {
    struct hf_worker *worker;
    uint32_t slot, incarnation;
    bool known;
    struct hf_live_service *live;
    struct hf_link held; /* exchanges without an endpoint, oldest first */
    uint32_t n_held;
    uint32_t n_release;    /* so many are let go by the task */
    struct hf_task follow; /* answers came: held requests follow */
    struct hf_timer tick;  /* while something is held: try again */
};

/* A listening socket, and how the present plan deals with it. */
struct hf_acceptor {
    struct hf_watch watch;
    struct hf_worker *worker;
    struct hf_addr address; /* as configured */
    bool watching;
    bool wanted;   /* the plan has it, and it has certificates if it needs them */
    uint8_t flags; /* HF_LISTENER_... */
    const struct hf_tls_listener *tls; /* in the worker's set; NULL: plain */
};

struct hf_worker {
    struct hf_gateway *gateway;
    uint32_t index;
    pthread_t thread;
    struct hf_loop *loop;

    struct hf_snapshot *snapshot;
    struct hf_view view;
    struct hf_tls_set *tls; /* NULL: there was none yet */
    uint64_t tls_version;   /* of the keyring */
    struct hf_random random;
    struct hf_retry_budget budget;
    struct hf_live_worker *live;
    struct hf_target *targets;          /* by endpoint slot */
    struct hf_worker_service *services; /* by service slot */

    struct hf_pool clients, exchanges, upstreams, entrance_pool, h2_links, h2_upstreams;
    struct hf_h2 *h2; /* of clients that speak HTTP/2 */
    struct hf_buffers buffers;
    struct hf_h2_memory h2_memory;
    char *in;     /* HF_READ_SIZE */
    char *h2_in;  /* the same for links: what ends there lets clients read on, into `in` */
    char *h2_out; /* HF_H2_SEND_SIZE */
    struct hf_wire_space wire_space;
    struct hf_output out;
    struct hf_h1_head head; /* the head under work: heads do not outlive their parsing */
    struct hf_link all_clients;
    struct hf_link waiting;   /* struct hf_waiting, who waits longest first */
    struct hf_link entrances; /* connections that are no clients yet */
    struct hf_entrance_log entrance_log;
    struct hf_link retired_clients, retired_exchanges, retired_upstreams, retired_entrances;
    struct hf_link retired_links, retired_h2_upstreams;
    struct hf_tasks tasks;
    struct hf_access_log_ring *log;
    struct hf_date_cache date;

    int64_t wall_offset_ns; /* wall minus monotonic time, refreshed once a second */
    int64_t offset_at_ns;

    struct hf_watch bell, stop, retire, ended;
    struct hf_acceptor acceptors[HF_LISTENERS_MAX + 1]; /* the last one in use: for probes */
    uint32_t most_clients;                              /* what the process's descriptors allow */
    struct hf_timer accept_again, leave, give_up;
    bool tells_clients; /* a service is told of them by the PROXY protocol */
    bool counted;       /* among those that accept by a plan */
    bool gave_listeners;
    bool leaving; /* answers say connection: close */
    bool retired; /* leaving, but nobody is hurried: another gateway serves */
    bool done;    /* nothing is left for it */
    bool gave_up; /* leaving, and the drain time is over */
};

HF_MUST_CHECK int hf_worker_start(struct hf_gateway *g, uint32_t index, struct hf_worker **ret,
                                  struct hf_error *e);

/* The two parts of it, for who has no threads: a worker, and one turn of its loop. */
HF_MUST_CHECK int hf_worker_new(struct hf_gateway *g, uint32_t index, struct hf_worker **ret,
                                struct hf_error *e);
void hf_worker_turn(struct hf_worker *w, struct hf_duration max_wait);
struct hf_worker *hf_worker_join(struct hf_worker *w); /* after it was told to stop */

/* A connection that came by that listener becomes a client's. */
struct hf_peer;
void hf_worker_admit(struct hf_worker *w, const struct hf_acceptor *a, int fd,
                     struct hf_peer *peer);

/* The service's entry in the present plan, or NULL if it is no longer there. */
const struct hf_plan_service *hf_worker_policy(const struct hf_worker *w,
                                               const struct hf_worker_service *s);

static inline struct hf_mono hf_worker_now(const struct hf_worker *w)
{
    return hf_loop_now(w->loop);
}
/* From now on it waits for a request, or does not. */
static inline void hf_worker_await(struct hf_worker *w, struct hf_waiting *waiting, bool waits)
{
    if (!waits) {
        hf_link_remove(&waiting->link);
    } else if (hf_link_alone(&waiting->link)) {
        waiting->since = hf_worker_now(w);
        hf_list_append(&w->waiting, &waiting->link);
    }
}
static inline int64_t hf_worker_wall_ns(const struct hf_worker *w, struct hf_mono t)
{
    return t.ns + w->wall_offset_ns;
}
static inline const struct hf_plan_gateway *hf_worker_limits(const struct hf_worker *w)
{
    return &w->snapshot->plan->gateway;
}
