"""What an HTTP/2 client may cost: each limit and each flood with its defined answer."""
import threading

import hpack
import pytest

from conftest import proxy
from http2 import (CANCEL, CONTINUATION, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, HEADERS, NO_ERROR, PRIORITY,
                   PROTOCOL_ERROR, REFUSED_STREAM, Http2, Response, frame, ping, rst, settings,
                   window_update)
from processes import memory_kb

GET = ((":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "test"))


def encoded(*headers):
    return hpack.Encoder().encode(headers, huffman=False)


@pytest.fixture(scope="module")
def front(make_once):
    def script(connection):
        while True:
            if connection.head().target == "/hang":
                connection.reader.rest()
            connection.answer()

    backend = make_once.backend(script)
    config = proxy(backend, retry={"attempts": 0})
    config["gateway"] = {"timeout": {"header": "1s", "idle": "2s", "body": "1s"}, "limits": {"body": "1MiB"}}
    holdfast = make_once.holdfast(config)
    holdfast.backend = backend
    return holdfast


@pytest.fixture
def c(front):
    with Http2(front.port) as client:
        yield client.synced()


def still_serving(front):
    with Http2(front.port) as other:
        assert other.get().status == 200


FLOODS = {
    "PING": ping(),
    "PING acknowledgements": frame(6, 1, 0, b"12345678"),
    "SETTINGS": settings(),
    "settings that change": settings(header_table_size=4096) + settings(header_table_size=0),
    "PRIORITY": frame(PRIORITY, 0, 5, b"\0\0\0\0\x10"),
    "WINDOW_UPDATE": window_update(0, 1),
    "unknown frames": frame(0xbb, 0, 0, b""),
    "RST_STREAM of what is over": rst(1),
}


@pytest.mark.parametrize("name", FLOODS)
def test_frames_that_carry_nothing(front, c, name):
    c.get()
    c.polite = False
    c.send(FLOODS[name] * 30000)
    assert c.goaway() == ENHANCE_YOUR_CALM
    still_serving(front)


def test_data_that_carries_nothing(front, c):
    stream = c.begin("POST", "/hang", end=False)
    c.send(frame(DATA, 0, stream, b"") * 30000)
    assert c.goaway() == ENHANCE_YOUR_CALM


def test_padding_is_not_held(front, c):
    """DATA of padding alone is of no use, and still counts against the windows."""
    stream = c.begin("POST", "/hang", end=False)
    c.send(frame(DATA, 8, stream, b"\xff" + b"\0" * 255) * 100)
    c.synced()
    assert c.streams[stream].reset is None


def test_work_earns_frames(make, gateway):
    """A client that takes a large response may send a window update for each byte range it likes."""
    size = 20_000_000

    def script(connection):
        while True:
            connection.request()
            connection.answer(b"d" * size)

    with Http2(gateway(make.backend(script)).port) as client:
        assert len(client.get().body) == size
        assert len([f for f in client.frames if f.kind == DATA]) > 1000 and not client.goaways


def test_rapid_reset(front, c):
    """CVE-2023-44487: requests that are given up as soon as they are made."""
    front.backend.clear()
    block, out = encoded(*GET[:2], (":path", "/hang"), GET[3]), b""
    for i in range(5000):
        stream = c.next_stream + 2 * i
        c.streams[stream] = Response()
        out += frame(HEADERS, END_HEADERS | END_STREAM, stream, block) + rst(stream)
    c.send(out)
    assert c.goaway() == ENHANCE_YOUR_CALM
    assert len(front.backend.targets()) < 1000
    still_serving(front)


def test_resets_that_the_client_brings_about(front, c):
    """CVE-2025-8671: requests that are made to be reset by us."""
    block = encoded(*GET, ("content-length", "1"))
    for batch in range(20):
        for i in range(50):
            stream = 1 + 2 * (50 * batch + i)
            c.streams[stream] = Response()
            c.send(frame(HEADERS, END_HEADERS, stream, block), frame(DATA, 0, stream, b"xx"))
        c.until(lambda: c.goaways or all(r.reset == PROTOCOL_ERROR for r in c.streams.values()))
        if c.goaways:
            break
    assert c.goaways[-1].code == ENHANCE_YOUR_CALM and 3 <= batch <= 8
    still_serving(front)


def test_a_page_that_is_left_is_no_flood(front, c):
    """A browser gives up all that it has asked for; again and again, with answers in between."""
    for _ in range(5):
        streams = [c.begin(path="/hang") for _ in range(90)]
        c.send(*[rst(s) for s in streams])
        for _ in range(90):
            assert c.get().status == 200
    assert not c.goaways


def test_streams_at_once(front):
    """RFC 9113 5.1.2. Before the client can know the limit it is told to try again; later it is at fault."""
    with Http2(front.port, polite=False) as client:
        streams = [client.begin(path="/hang") for _ in range(101)]
        assert client.response(streams[-1]).reset == REFUSED_STREAM
        assert client.peer[3] == 100
    with Http2(front.port) as client:
        client.synced()
        for _ in range(100):
            client.begin(path="/hang")
        client.synced()
        client.begin(path="/hang")
        assert client.goaway() == PROTOCOL_ERROR
    still_serving(front)


def test_streams_of_all_connections(make):
    """One worker has no more of them than limits.connections."""
    backend = make.backend(lambda connection: (connection.head(), connection.reader.rest()))
    config = proxy(backend)
    config["gateway"] = {"workers": 1, "limits": {"connections": 50}}
    holdfast = make.holdfast(config)
    clients = [Http2(holdfast.port) for _ in range(3)]

    def refused(client):
        return sum(client.streams[s].reset == REFUSED_STREAM for s in client.streams)

    for client, most in zip(clients, (0, 10, 30)):
        for _ in range(30):
            client.begin(path="/hang")
        client.synced()
        client.until(lambda client=client, most=most: refused(client) == most)
    for client in clients:
        client.synced()
    assert [refused(client) for client in clients] == [0, 10, 30]
    for client in clients:
        client.close()


def test_continuations(front, c):
    """CVE-2024-28182 and its kin: a field section that goes on and on."""
    c.streams[1] = Response()
    c.send(frame(HEADERS, END_STREAM, 1, encoded(*GET)),
           *[frame(CONTINUATION, 0, 1, encoded((f"x-{i}", "y"))) for i in range(5000)])
    assert c.goaway() == ENHANCE_YOUR_CALM


def test_empty_continuations(front, c):
    c.streams[1] = Response()
    c.send(frame(HEADERS, END_STREAM, 1, encoded(*GET)), frame(CONTINUATION, 0, 1) * 5000)
    assert c.goaway() == ENHANCE_YOUR_CALM


def test_sections_of_several_frames(front, c):
    block = encoded(*GET, ("x-a", "y" * 200))
    c.streams[1] = Response()
    c.send(frame(HEADERS, END_STREAM, 1, block[:1]), *[frame(CONTINUATION, 0, 1, block[i:i + 30])
                                                      for i in range(1, 181, 30)],
           frame(CONTINUATION, END_HEADERS, 1, block[181:]))
    assert c.response(1).status == 200


def test_a_section_that_grows_here(front, c):
    """A few kilobytes that HPACK makes megabytes of: one large field in the table, named again and again."""
    large = bytes([0x40, 1]) + b"x" + b"\x7f\xb1\x1e" + b"y" * 4016  # into the table: 4 KiB
    again = bytes([0xbe])
    c.streams[1] = Response()
    c.send(frame(HEADERS, END_STREAM | END_HEADERS, 1, encoded(*GET[:1]) + large + again * 12000))
    assert c.goaway() == ENHANCE_YOUR_CALM
    still_serving(front)


def test_a_section_over_the_limit_is_answered(front, c):
    stream = c.begin(headers=[(f"x-{i}", "y" * 1000) for i in range(40)])
    assert c.response(stream).status == 431
    assert c.get().status == 200  # HPACK is in step


def test_large_trailers(front, c):
    stream = c.begin("POST", end=False)
    block = c.block(*[(f"x-{i}", "y" * 1000) for i in range(10)])
    c.send(frame(HEADERS, END_STREAM | END_HEADERS, stream, block))
    assert c.response(stream).status == 431
    assert c.get().status == 200


def test_a_body_over_the_limit(front, c):
    stream = c.begin("POST", headers=[("content-length", "2000000")], end=False)
    assert c.response(stream).status == 413
    stream = c.begin("POST", "/hang", end=False)
    c.upload(stream, b"x" * 2_000_000)
    assert c.response(stream).status == 413
    assert c.get().status == 200


# time

def test_a_head_that_does_not_arrive(front, c):
    c.send(frame(HEADERS, END_STREAM, 1, encoded(*GET)[:3]))
    assert c.goaway() == ENHANCE_YOUR_CALM


def test_half_a_frame_of_a_head(front, c):
    c.send(frame(HEADERS, END_STREAM | END_HEADERS, 1, encoded(*GET))[:12])
    assert c.goaway() == ENHANCE_YOUR_CALM


def test_a_preface_without_settings(front):
    with Http2(front.port, greet=False, polite=False) as client:
        client.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        assert client.goaway() == ENHANCE_YOUR_CALM


def test_an_idle_connection_is_left(front, c):
    assert c.get().status == 200
    assert c.goaway() == NO_ERROR


def test_pings_do_not_keep_a_connection(front, c):
    assert c.get().status == 200
    stop = threading.Event()

    def ask():
        while not stop.wait(0.2):
            try:
                c.send(ping())
            except OSError:
                return
    threading.Thread(target=ask, daemon=True).start()
    assert c.goaway() == NO_ERROR
    stop.set()


def test_a_body_that_does_not_come(front, c):
    stream = c.begin("POST", "/", headers=[("content-length", "10")], end=False)
    c.data(stream, b"half")
    assert c.response(stream).status in (200, 408)  # this backend answers before the end
    stream = c.begin("POST", "/hang", end=False)
    assert c.response(stream).status == 408
    assert c.get().status == 200


def test_a_response_that_is_not_taken(front):
    """The window stays shut: the stream is given up, the connection goes on."""
    with Http2(front.port, window=1 << 20, initial_window_size=0) as client:
        stream = client.request()
        assert client.response(stream).reset == CANCEL
        stream = client.request()
        client.until(lambda: client.streams[stream].headers)
        client.send(window_update(stream, 100))
        assert client.response(stream).body == b"hello"


@pytest.mark.memory
def test_a_client_that_reads_nothing(make, gateway):
    """It asks for much and takes none of it: what is kept for it is bounded, and it is given up."""
    def script(connection):
        while True:
            connection.request()
            connection.answer(b"d" * 10_000_000)

    backend = make.backend(script)
    config = proxy(backend)
    config["gateway"] = {"timeout": {"body": "2s"}, "workers": 1}
    holdfast = make.holdfast(config)
    pid = holdfast.pid("gateway")
    before, most = memory_kb(pid), 0
    with Http2(holdfast.port, window=(1 << 31) - 1 - 65535, initial_window_size=(1 << 31) - 1,
               receive_buffer=4096) as client:
        for _ in range(100):
            client.begin()
        while not closed(client):
            most = max(most, memory_kb(pid))
    assert 0 < most - before < 40_000


def closed(client):
    """Has the gateway given the connection up? Nothing is read before."""
    client.sock.settimeout(0.1)
    try:
        client.send(ping())
        return False
    except OSError:
        return True


def test_idle_connections_give_way(make):
    """Those that come when there is no room find it where nobody asks for anything."""
    backend = make.backend()
    config = proxy(backend)
    config["gateway"] = {"workers": 1, "limits": {"connections": 16}}
    holdfast = make.holdfast(config)
    clients = [Http2(holdfast.port) for _ in range(16)]
    for client in clients:
        assert client.get().status == 200
    with Http2(holdfast.port) as late:
        assert late.get().status == 200
    assert clients[0].goaway() == NO_ERROR
    assert all(client.get().status == 200 for client in clients[5:])
    for client in clients:
        client.close()
