#include "gateway/wire.h"

#include <unistd.h>

#include "base/mem.h"
#include "gateway/worker.h"

_Static_assert(HF_WIRE_PLAIN == HF_READ_SIZE + HF_TLS_RECORD, "a whole read fits, deciphered");

enum { RECORDS = HF_TLS_SEALED(HF_READ_SIZE + HF_TLS_RECORD) };

void hf_wire_space_init(struct hf_wire_space *s)
{
    if (s->plain)
        return;
    s->plain = hf_alloc(HF_WIRE_PLAIN);
    s->record = hf_alloc(HF_TLS_RECORD);
    s->records = (struct hf_tls_out){hf_alloc(RECORDS), 0, RECORDS};
}

void hf_wire_init(struct hf_wire *wire, int fd)
{
    *wire = (struct hf_wire){.fd = fd, .writable = true};
}

void hf_wire_close(struct hf_wire *wire, struct hf_worker *w)
{
    close(wire->fd);
    wire->tls = hf_tls_free(wire->tls);
    hf_buffer_drop(&w->buffers, &wire->out);
}

int hf_wire_start_tls(struct hf_wire *wire, const struct hf_tls_listener *l, bool offer_h2)
{
    wire->tls = hf_tls_new(l, offer_h2);
    return wire->tls ? 0 : HF_ELIMIT;
}

/* ---- sending ---- */

static int keep_rest(struct hf_wire *wire, struct hf_worker *w, const struct iovec *pieces,
                     unsigned n, size_t sent)
{
    for (unsigned i = 0; i < n; i++) {
        struct hf_str piece = {pieces[i].iov_base, pieces[i].iov_len};
        if (sent >= piece.n) {
            sent -= piece.n;
            continue;
        }
        if (hf_buffer_add(&w->buffers, &wire->out, (struct hf_str){piece.p + sent, piece.n - sent}))
            return HF_EIO; /* more than HF_BUFFER_MOST cannot be: reading stops before */
        sent = 0;
    }
    return 0;
}

/* The bytes as they go on the socket. */
static int send_as_is(struct hf_wire *wire, struct hf_worker *w, const struct iovec *pieces,
                      unsigned n, size_t bytes)
{
    size_t sent = 0;

    if (!hf_wire_backlogged(wire)) {
        struct msghdr m = {.msg_iov = (struct iovec *)pieces, .msg_iovlen = n};
        int flags = MSG_NOSIGNAL | (wire->ending ? MSG_MORE : 0);
        ssize_t rc;
        do
            rc = n == 1 ? send(wire->fd, pieces[0].iov_base, bytes, flags)
                        : sendmsg(wire->fd, &m, flags);
        while (rc < 0 && errno == EINTR);
        if (rc < 0 && errno != EAGAIN)
            return HF_EIO;
        sent = rc < 0 ? 0 : (size_t)rc;
    }
    if (sent == bytes)
        return 0;
    wire->writable = false;
    return keep_rest(wire, w, pieces, n, sent);
}

static int send_records(struct hf_wire *wire, struct hf_worker *w)
{
    struct hf_tls_out *out = &w->wire_space.records;
    struct iovec all = {out->p, out->n};

    out->n = 0;
    return all.iov_len ? send_as_is(wire, w, &all, 1, all.iov_len) : 0;
}

/* One record, or several whole ones. */
static int seal(struct hf_wire *wire, struct hf_worker *w, struct hf_str plain)
{
    struct hf_tls_out *out = &w->wire_space.records;

    if (out->size - out->n < HF_TLS_SEALED(plain.n) && send_records(wire, w))
        return HF_EIO;
    return hf_tls_send(wire->tls, plain, out) ? HF_EIO : 0;
}

/* Small pieces share a record; what fills records of its own is sealed from where it is. */
static int seal_all(struct hf_wire *wire, struct hf_worker *w, const struct iovec *pieces,
                    unsigned n)
{
    char *record = w->wire_space.record;
    size_t filled = 0;
    int rc = 0;

    for (unsigned i = 0; i < n && !rc; i++) {
        struct hf_str rest = {pieces[i].iov_base, pieces[i].iov_len};
        while (rest.n && !rc) {
            size_t part = HF_TLS_RECORD - filled < rest.n ? HF_TLS_RECORD - filled : rest.n;
            if (part == HF_TLS_RECORD) {
                rc = seal(wire, w, (struct hf_str){rest.p, part});
            } else {
                memcpy(record + filled, rest.p, part);
                filled += part;
                if (filled == HF_TLS_RECORD) {
                    rc = seal(wire, w, (struct hf_str){record, filled});
                    filled = 0;
                }
            }
            rest = (struct hf_str){rest.p + part, rest.n - part};
        }
    }
    if (filled && !rc)
        rc = seal(wire, w, (struct hf_str){record, filled});
    if (rc)
        w->wire_space.records.n = 0; /* the next connection's begin there */
    return rc ? rc : send_records(wire, w);
}

int hf_wire_send(struct hf_wire *wire, struct hf_worker *w, const struct iovec *pieces, unsigned n,
                 size_t bytes)
{
    return wire->tls ? seal_all(wire, w, pieces, n) : send_as_is(wire, w, pieces, n, bytes);
}

ssize_t hf_wire_flush(struct hf_wire *wire, struct hf_worker *w)
{
    ssize_t sent = 0;

    while (hf_wire_backlogged(wire) && wire->writable) {
        struct hf_str rest = hf_buffer_str(&wire->out);
        ssize_t n = send(wire->fd, rest.p, rest.n, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN) {
            wire->writable = false;
            break;
        }
        if (n < 0)
            return HF_EIO;
        wire->out.start += (uint32_t)n;
        sent += n;
    }
    if (!hf_wire_backlogged(wire))
        hf_buffer_drop(&w->buffers, &wire->out);
    return sent;
}

/* TLS ends here; the socket stays. */
static void drop_tls(struct hf_wire *wire)
{
    wire->tls = hf_tls_free(wire->tls);
}

void hf_wire_shut(struct hf_wire *wire, struct hf_worker *w)
{
    if (wire->tls && !wire->shut) {
        hf_tls_end(wire->tls, &w->wire_space.records);
        if (send_records(wire, w))
            wire->eof = true; /* it is gone */
    }
    wire->shut = true;
    if (!hf_wire_backlogged(wire))
        shutdown(wire->fd, SHUT_WR);
}

void hf_wire_end(struct hf_wire *wire, struct hf_worker *w)
{
    hf_wire_shut(wire, w);
    drop_tls(wire);
    if (hf_wire_backlogged(wire)) { /* the socket is full: it takes no farewell */
        hf_buffer_drop(&w->buffers, &wire->out);
        shutdown(wire->fd, SHUT_WR);
    }
}

/* ---- receiving ---- */

/* Of what was received, none is left in OpenSSL: a record is taken in parts, or deciphered. */
int hf_wire_receive_tls(struct hf_wire *wire, struct hf_worker *w, char *to, size_t size,
                        size_t *ret_n)
{
    size_t most = size - HF_TLS_RECORD < HF_READ_SIZE ? size - HF_TLS_RECORD : HF_READ_SIZE;
    struct hf_tls_out *out = &w->wire_space.records;
    ssize_t n;
    int rc;

    *ret_n = 0;
    if (wire->eof)
        return 0;
    do
        n = recv(wire->fd, w->in, most, 0);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return errno == EAGAIN ? HF_EAGAIN : HF_EIO;
    wire->dry = (size_t)n < most;
    if (n == 0) {
        wire->eof = true;
        return 0;
    }
    rc = hf_tls_receive(wire->tls, (struct hf_str){w->in, (size_t)n}, to, ret_n, out);
    if (rc == HF_EINVAL)
        drop_tls(wire);
    else if (hf_tls_ended(wire->tls))
        wire->eof = true;
    if (send_records(wire, w) && !rc)
        rc = HF_EIO;
    return rc;
}
