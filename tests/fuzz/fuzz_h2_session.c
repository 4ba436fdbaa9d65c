/* An HTTP/2 client of a whole worker, frame by frame: what the input says becomes frames with right
 * lengths, so that it gets past where they begin. Requests go to a scripted endpoint, and may be
 * answered at any moment, or never.
 *
 * The input is a list of records of one byte of operation and its arguments. Whatever comes, what
 * the gateway sends are frames that a client may get; and when all is over, nothing is left. */
#include "gateway_world.h"

enum operation {
    A_FRAME,   /* kind, flags, stream, length, payload */
    A_REQUEST, /* which, and the flags of its frame */
    SOME_DATA, /* stream, length, flags */
    A_WINDOW,  /* stream, size */
    BYTES,     /* length, bytes: as they are */
    AN_ANSWER, /* which endpoint, which answer */
    ENDPOINT_ENDS,
    CLIENT_READS,
    CLIENT_ENDS,
    TIME, /* a turn of the worker, without waiting until all is quiet */
    OPERATIONS,
};

/* Requests as HPACK writes them without its tables. */
#define FIELD(name_n, name, value_n, value) "\x00" name_n name value_n value
#define GET FIELD("\x07", ":method", "\x03", "GET")
#define POST FIELD("\x07", ":method", "\x04", "POST")
#define REST                                                                                       \
    FIELD("\x07", ":scheme", "\x04", "http")                                                       \
    FIELD("\x05", ":path", "\x02", "/a") FIELD("\x0a", ":authority", "\x01", "a")

static const struct hf_str requests[] = {
    HF_STR(GET REST),
    HF_STR(POST REST),
    HF_STR(POST REST FIELD("\x0e", "content-length", "\x02", "10")),
    HF_STR(GET REST FIELD("\x06", "cookie", "\x01", "a") FIELD("\x06", "cookie", "\x01", "b")),
    HF_STR(FIELD("\x07", ":method", "\x07", "CONNECT")
               FIELD("\x09", ":protocol", "\x09", "websocket") REST),
    HF_STR(FIELD("\x04", "x-ab", "\x01", "c")), /* trailers */
};

static const struct hf_str answers[] = {
    HF_STR("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"),
    HF_STR("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n"),
    HF_STR("2\r\nde\r\n0\r\nx-a: b\r\n\r\n"),
    HF_STR("HTTP/1.1 101 S\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\nbytes"),
    HF_STR("HTTP/1.1 103 Early\r\nlink: a\r\n\r\n"),
    HF_STR("HTTP/1.1 500 No\r\ncontent-length: 100000\r\n\r\npart"),
    HF_STR("HTTP/1.1 304 Not\r\n\r\n"),
    HF_STR("no answer at all\r\n\r\n"),
};

static const uint8_t *in;
static size_t in_n;
static uint8_t next_stream;

static uint8_t byte(void)
{
    in_n -= in_n > 0;
    return in_n ? *in++ : 0;
}

static struct hf_str bytes(size_t n)
{
    struct hf_str s = {(const char *)in, n < in_n ? n : in_n};

    in += s.n;
    in_n -= s.n;
    return s;
}

static void send_frame(uint8_t kind, uint8_t flags, uint8_t stream, struct hf_str payload)
{
    uint8_t frame[HF_H2_FRAME_HEAD + 65536] = {
        0, (uint8_t)(payload.n >> 8), (uint8_t)payload.n, kind, flags, 0, 0, 0, stream};

    if (payload.n)
        memcpy(frame + HF_H2_FRAME_HEAD, payload.p, payload.n);
    end_send(&client, frame, HF_H2_FRAME_HEAD + payload.n);
}

static void send_window(uint8_t stream, uint8_t size)
{
    const char n[4] = {(char)(size & 0x7f), (char)size, (char)size, (char)size};

    send_frame(8, 0, stream, (struct hf_str){n, sizeof(n)});
}

static void send_request(uint8_t which, uint8_t flags)
{
    if (which % HF_COUNT(requests) == HF_COUNT(requests) - 1) { /* trailers, of the latest one */
        send_frame(1, 5, (uint8_t)(next_stream - 2), requests[HF_COUNT(requests) - 1]);
        return;
    }
    send_frame(1, (uint8_t)(4 | (flags & 1)), next_stream, requests[which % HF_COUNT(requests)]);
    next_stream += 2;
}

static void answer(uint8_t who, uint8_t which)
{
    const struct hf_str *a = &answers[which % HF_COUNT(answers)];

    if (n_endpoints)
        end_send(&endpoint[n_endpoints - 1 - who % n_endpoints], (const uint8_t *)a->p, a->n);
}

static void data_frame(uint8_t stream, uint8_t size, uint8_t flags)
{
    static const char zeros[256 * 64];

    send_frame(0, flags & 1, stream, (struct hf_str){zeros, (size_t)size * 64});
}

static void step(void)
{
    uint8_t a, b, c, operation = byte() % OPERATIONS;

    a = operation == CLIENT_READS || operation == CLIENT_ENDS || operation == TIME ? 0 : byte();
    switch ((enum operation)operation) {
    case A_FRAME:
        b = byte();
        c = byte();
        send_frame(a % 12, b, c, bytes(byte()));
        break;
    case A_REQUEST:
        send_request(a, byte());
        break;
    case SOME_DATA:
        b = byte();
        data_frame(a, b, byte());
        break;
    case A_WINDOW:
        send_window(a, byte());
        break;
    case BYTES: {
        struct hf_str s = bytes(a);
        end_send(&client, (const uint8_t *)s.p, s.n);
        break;
    }
    case AN_ANSWER:
        answer(a, byte());
        break;
    case ENDPOINT_ENDS:
        if (n_endpoints)
            end_close(&endpoint[n_endpoints - 1 - a % n_endpoints]);
        break;
    case CLIENT_READS:
        client_reads = !client_reads;
        break;
    case CLIENT_ENDS:
        if (client.fd >= 0)
            shutdown(client.fd, SHUT_WR);
        break;
    case TIME:
        hf_worker_turn(worker, hf_seconds(0));
        return;
    case OPERATIONS:
        break;
    }
    if (!(operation & 1))
        run();
}

/* What the client got: frames of a server, none larger than agreed. */
static void frames_are_sound(void)
{
    struct hf_str rest = {client.seen, client.n_seen}, part;
    struct hf_h2_frames frames = {0};
    struct hf_h2_frame f;

    while (rest.n) {
        if (!hf_h2_frames_next(&frames, &rest, &part, &f))
            continue;
        assert(f.length <= 16384);
        assert(f.kind <= 9 && f.kind != 2 && f.kind != 5);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0";

    in = data;
    in_n = size;
    next_stream = 1;
    n_endpoints = 0;
    client_reads = endpoints_read = true;
    connecting = AT_ONCE;
    client_comes();
    end_send(&client, preface, sizeof(preface)); /* its NUL is the last of an empty SETTINGS */
    run();
    while (in_n)
        step();
    client_reads = true;
    run();
    frames_are_sound();
    end_close(&client);
    run();
    for (unsigned i = 0; i < n_endpoints; i++)
        end_close(&endpoint[i]);
    run();
    nothing_is_left();
    return 0;
}
