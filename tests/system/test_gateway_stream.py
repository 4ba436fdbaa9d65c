"""Bodies stream both ways through bounded buffers: memory stays flat, and who is slow slows the other."""
import threading
import zlib

import pytest

from processes import memory_kb, wait_until

PIECE = bytes(range(256)) * 256  # 64 KiB
COUNT = 1600  # 100 MiB


@pytest.mark.memory
def test_download_of_100_mb_is_whole_and_memory_flat(make, gateway, client):
    def script(connection):
        connection.request()
        connection.send(f"HTTP/1.1 200 OK\r\ncontent-length: {len(PIECE) * COUNT}\r\n\r\n")
        for _ in range(COUNT):
            connection.send(PIECE)

    holdfast = gateway(make.backend(script))
    pid = holdfast.pid("gateway")
    before = memory_kb(pid)
    one = client(holdfast)
    assert one.request().head().status == 200
    most = before
    for index in range(COUNT):
        assert one.reader.exactly(len(PIECE)) == PIECE
        if index % 100 == 0:
            most = max(most, memory_kb(pid))
    assert most - before < 8192, f"memory went from {before} to {most} kB"


@pytest.mark.memory
def test_upload_of_100_mb_is_whole_and_memory_flat(make, gateway, client):
    def script(connection):
        connection.head()
        total = 0
        for _ in range(COUNT):
            total = zlib.crc32(connection.reader.exactly(len(PIECE)), total)
        connection.answer(b"%d" % total)

    holdfast = gateway(make.backend(script))
    pid = holdfast.pid("gateway")
    before = most = memory_kb(pid)
    one = client(holdfast)
    one.send(f"POST / HTTP/1.1\r\nhost: test\r\ncontent-length: {len(PIECE) * COUNT}\r\n\r\n")
    want = 0
    for index in range(COUNT):
        one.send(PIECE)
        want = zlib.crc32(PIECE, want)
        if index % 100 == 0:
            most = max(most, memory_kb(pid))
    assert one.response().body == b"%d" % want
    assert most - before < 8192, f"memory went from {before} to {most} kB"


@pytest.mark.memory
def test_slow_reader_stops_the_backend(make, gateway, client):
    """What the user does not take, the gateway does not take from the backend."""
    sent = [0]
    stuck = threading.Event()

    def script(connection):
        connection.request()
        connection.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        connection.sock.settimeout(2)
        try:
            for _ in range(COUNT):
                connection.send(b"%x\r\n" % len(PIECE) + PIECE + b"\r\n")
                sent[0] += 1
        except TimeoutError:
            stuck.set()

    holdfast = gateway(make.backend(script))
    pid = holdfast.pid("gateway")
    before = memory_kb(pid)
    one = client(holdfast, receive_buffer=65536)
    one.request()
    wait_until(stuck.is_set, 30, "the backend to be stopped by backpressure")
    assert sent[0] < COUNT // 2
    assert memory_kb(pid) - before < 8192


@pytest.mark.memory
def test_slow_backend_stops_the_user(make, gateway, client):
    release = threading.Event()

    def script(connection):
        connection.head()
        release.wait(60)

    holdfast = gateway(make.backend(script))
    pid = holdfast.pid("gateway")
    before = memory_kb(pid)
    one = client(holdfast)
    one.send(f"POST / HTTP/1.1\r\nhost: test\r\ncontent-length: {len(PIECE) * COUNT}\r\n\r\n")
    one.sock.settimeout(2)
    sent = 0
    try:
        for _ in range(COUNT):
            one.send(PIECE)
            sent += 1
    except TimeoutError:
        pass
    release.set()
    assert sent < COUNT // 2
    assert memory_kb(pid) - before < 8192


def test_chunks_arrive_as_they_are_sent(make, gateway, client):
    """Nothing is gathered: each piece is there before the next one is made."""
    go = threading.Semaphore(0)

    def script(connection):
        connection.request()
        connection.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        for number in range(5):
            go.acquire(timeout=20)
            connection.send(b"1\r\n%d\r\n" % number)
        connection.send(b"0\r\n\r\n")

    one = client(gateway(make.backend(script)))
    assert one.request().head().get("transfer-encoding") == "chunked"
    for number in range(5):
        go.release()
        size = int(one.reader.until(b"\r\n"), 16)
        assert one.reader.exactly(size + 2) == b"%d\r\n" % number
    assert one.reader.until(b"\r\n") == b"0"


def test_both_directions_at_once(make, gateway, client):
    """A backend that answers while it reads: neither side waits for the other's end."""
    def script(connection):
        connection.head()
        connection.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        for _ in range(64):
            piece = connection.reader.exactly(1024)
            connection.send(b"400\r\n" + piece + b"\r\n")
        connection.send(b"0\r\n\r\n")

    one = client(gateway(make.backend(script)))
    one.send(f"POST / HTTP/1.1\r\nhost: test\r\ncontent-length: {64 * 1024}\r\n\r\n")
    one.send(b"0" * 1024)
    assert one.head().status == 200
    for number in range(64):
        received = b""
        while len(received) < 1024:
            size = int(one.reader.until(b"\r\n"), 16)
            received += one.reader.exactly(size)
            assert one.reader.exactly(2) == b"\r\n"
        if number < 63:
            one.send(b"%d" % (number % 10) * 1024)
    assert one.reader.until(b"\r\n") == b"0"
