/* gateway/entrance.h - a connection at a listener with the PROXY protocol, until its header is
 * there: then it becomes a client's, whatever that speaks.
 *
 * The header is looked at before it is taken, so that what follows it is left in the socket: the
 * first byte of TLS or HTTP is the first that a wire reads. A connection waits here without a
 * buffer, no longer than for a request's head; without a valid header, or from an address that is
 * not trusted to write one, it is closed. Owner: its worker, as for clients (worker.h). */
#pragma once
#include "base/list.h"
#include "net/addr.h"
#include "net/loop.h"

struct hf_worker;
struct hf_acceptor;

struct hf_entrance {
    struct hf_link link; /* first: a pool overwrites it. In w->entrances or retired */
    struct hf_watch watch;
    struct hf_timer timer;
    struct hf_worker *worker;
    struct hf_acceptor *acceptor;
    struct hf_addr address; /* of who has connected */
};

/* How often it is said that connections were closed here. */
struct hf_entrance_log {
    struct hf_mono said;
    uint32_t unsaid;
};

/* Takes fd over. */
void hf_entrance_open(struct hf_worker *w, struct hf_acceptor *a, int fd,
                      const struct hf_addr *address);
