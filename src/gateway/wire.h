/* gateway/wire.h - what lies between a client's protocol and its socket: nothing, or TLS.
 *
 * Plain or not, what the client said comes by one recv(), and what is queued leaves with one
 * send(); what the socket does not take is kept here, as it shall go out. TLS works in buffers of
 * the worker, so that an idle connection has none. Embedded in the protocol's connection, which
 * owns it; one worker's thread only. */
#pragma once
#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "gateway/pool.h"
#include "net/tls.h"

struct hf_worker;

enum {
    /* Room that hf_wire_receive() needs at least, of a wire with TLS. */
    HF_WIRE_ROOM = 2 * HF_TLS_RECORD,
    HF_WIRE_PLAIN = 128 * 1024 + HF_TLS_RECORD, /* of a whole read, deciphered */
};

struct hf_wire {
    int fd;
    struct hf_tls *tls;   /* NULL: plain, or TLS is over */
    struct hf_buffer out; /* for the socket, which takes no more now */
    bool writable;        /* as far as is known */
    bool dry;             /* the last recv() took all that there was */
    bool eof;             /* the client has sent its last */
    bool shut;            /* it was told that nothing more is sent to it */
    bool ending;          /* what is sent next is the last: one packet with the connection's end */
};

/* A worker's buffers for TLS; all empty between two calls. */
struct hf_wire_space {
    char *plain;               /* HF_WIRE_PLAIN: what was deciphered last */
    char *record;              /* HF_TLS_RECORD: small pieces on their way into one record */
    struct hf_tls_out records; /* to be sent */
};
void hf_wire_space_init(struct hf_wire_space *s);

/* Takes fd over. */
void hf_wire_init(struct hf_wire *wire, int fd);
void hf_wire_close(struct hf_wire *wire, struct hf_worker *w);

/* From here on the client speaks TLS. HF_ELIMIT: no memory. */
HF_MUST_CHECK int hf_wire_start_tls(struct hf_wire *wire, const struct hf_tls_listener *l,
                                    bool offer_h2);

HF_MUST_CHECK int hf_wire_receive_tls(struct hf_wire *wire, struct hf_worker *w, char *to,
                                      size_t size, size_t *ret_n);

/* One recv(): *ret_n bytes of what the client said are at `to`, perhaps none; eof may be set then.
 * HF_EAGAIN: nothing has come. HF_EIO: the connection is lost. Of TLS alone: HF_EREFUSED,
 * HF_ELIMIT: it cannot go on, the client was told; HF_EINVAL: it speaks HTTP without TLS, and from
 * here on the wire is plain. */
HF_MUST_CHECK static inline int hf_wire_receive(struct hf_wire *wire, struct hf_worker *w, char *to,
                                                size_t size, size_t *ret_n)
{
    ssize_t n;

    if (wire->tls)
        return hf_wire_receive_tls(wire, w, to, size, ret_n);
    do
        n = recv(wire->fd, to, size, 0);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return errno == EAGAIN ? HF_EAGAIN : HF_EIO;
    wire->eof = n == 0;
    wire->dry = (size_t)n < size;
    *ret_n = (size_t)n;
    return 0;
}

/* Sends the pieces, of so many bytes together, behind what is kept. HF_EIO: the connection is lost.
 */
HF_MUST_CHECK int hf_wire_send(struct hf_wire *wire, struct hf_worker *w,
                               const struct iovec *pieces, unsigned n, size_t bytes);

/* Is something kept? */
static inline bool hf_wire_backlogged(const struct hf_wire *wire)
{
    return wire->out.end != wire->out.start;
}

/* The socket is writable: sends what is kept. Returns bytes sent, or HF_EIO. */
HF_MUST_CHECK ssize_t hf_wire_flush(struct hf_wire *wire, struct hf_worker *w);

/* Nothing more will be sent, and nothing is kept: tells the client, which may go on sending. If the
 * socket does not take that now, call it again when nothing is kept any more. */
void hf_wire_shut(struct hf_wire *wire, struct hf_worker *w);

/* The same, and what the client still sends has no meaning any more. */
void hf_wire_end(struct hf_wire *wire, struct hf_worker *w);
