/* A whole worker of the gateway between a client and endpoints that the input scripts: what parsers
 * alone cannot show (gateway_world.h).
 *
 * The input is a list of records: an operation, two bytes of a length, and so many bytes. Whatever
 * comes, requests that an endpoint gets are whole and of one meaning, or cut; and when all is over,
 * nothing is left: no connection, call, buffer or count. */
#include "gateway_world.h"

enum operation {
    CLIENT_SENDS,
    CLIENT_ENDS,
    CLIENT_GOES, /* and another one comes */
    CLIENT_READS,
    ENDPOINT_SENDS, /* the upper half of the byte says which of them */
    ENDPOINT_ENDS,
    ENDPOINT_GOES,
    ENDPOINTS_READ,
    CONNECTING, /* how the next ones go */
    OPERATIONS,
};
/* Bytes of the body at the front, or -1 if it is not whole. */
static ssize_t body_of(const struct hf_h1_framing *framing, struct hf_str rest)
{
    struct hf_h1_trailers trailers;
    struct hf_h1_chunk chunk;
    size_t taken = 0;

    if (framing->kind != HF_H1_BODY_CHUNKED)
        return framing->length <= rest.n ? (ssize_t)framing->length : -1;
    hf_h1_chunk_init(&chunk);
    while (!hf_h1_chunk_done(&chunk)) {
        struct hf_str data;
        ssize_t n = hf_h1_chunk_feed(&chunk, (struct hf_str){rest.p + taken, rest.n - taken}, &data,
                                     &trailers);
        assert(n >= 0);
        if (n == 0)
            return -1;
        taken += (size_t)n;
    }
    for (unsigned i = 0; i < trailers.n; i++)
        assert(trailers.fields[i].id == HF_FIELD_OTHER);
    return (ssize_t)taken;
}

/* What the gateway has sent is a row of requests, each of one meaning, the last perhaps cut. */
static void requests_are_sound(const struct end *e)
{
    static const struct hf_h1_limits limits = {65536, 131072, HF_H1_FIELDS};
    static struct hf_h1_head head;
    struct hf_str rest = {e->seen, e->n_seen};

    if (rest.n >= 3 && memcmp(rest.p, "PRI", 3) == 0)
        return; /* HTTP/2 has judges of its own */
    while (rest.n) {
        struct hf_h1_framing framing;
        size_t scanned = 0;
        ssize_t n = hf_h1_parse_request(rest, &scanned, &limits, &head);
        if (n == -HF_H1_HOST_BAD && memmem(rest.p, rest.n, "\r\nhost: \r\n", 10))
            return; /* HTTP/1.0 without a host: RFC 9112 3.2 wants it empty then */
        assert(n >= 0);
        if (n == 0)
            return;
        assert(hf_h1_request_framing(&head, &framing) == 0);
        assert(!(head.seen & HF_FIELD_BIT(HF_FIELD_TWIN)));
        rest = (struct hf_str){rest.p + n, rest.n - (size_t)n};
        if (framing.upgrade)
            return; /* what follows may be of another protocol */
        n = body_of(&framing, rest);
        if (n < 0)
            return;
        rest = (struct hf_str){rest.p + n, rest.n - (size_t)n};
    }
}

/* ---- the script ---- */

static void step(uint8_t byte, const uint8_t *data, size_t n)
{
    struct end *e = n_endpoints ? &endpoint[n_endpoints - 1 - (byte >> 4) % n_endpoints] : NULL;

    switch ((enum operation)((byte & 15) % OPERATIONS)) {
    case CLIENT_SENDS:
        end_send(&client, data, n);
        break;
    case CLIENT_ENDS:
        if (client.fd >= 0)
            shutdown(client.fd, SHUT_WR);
        break;
    case CLIENT_GOES:
        end_close(&client);
        client_comes();
        break;
    case CLIENT_READS:
        client_reads = !client_reads;
        break;
    case ENDPOINT_SENDS:
        if (e)
            end_send(e, data, n);
        break;
    case ENDPOINT_ENDS:
        if (e && e->fd >= 0)
            shutdown(e->fd, SHUT_WR);
        break;
    case ENDPOINT_GOES:
        if (e)
            end_close(e);
        break;
    case ENDPOINTS_READ:
        endpoints_read = !endpoints_read;
        break;
    case CONNECTING:
        connecting = byte >> 4 & 3;
        break;
    case OPERATIONS:
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    n_endpoints = 0;
    client_reads = endpoints_read = true;
    connecting = AT_ONCE;
    client_comes();
    run();
    while (size >= 3) {
        uint8_t byte = data[0];
        size_t n = (size_t)data[1] | (size_t)data[2] << 8;
        if (n > size - 3)
            n = size - 3;
        step(byte, data + 3, n);
        run();
        data += 3 + n;
        size -= 3 + n;
    }
    client_reads = endpoints_read = true;
    run();
    for (unsigned i = 0; i < n_endpoints; i++)
        requests_are_sound(&endpoint[i]);
    end_close(&client);
    run();
    for (unsigned i = 0; i < n_endpoints; i++)
        end_close(&endpoint[i]);
    run();
    nothing_is_left();
    return 0;
}
