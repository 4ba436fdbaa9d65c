"""Slow, silent, broken and too many: memory stays bounded, answers are defined, the others are served,
and everything is given back afterwards."""
import os
import resource
import socket
import statistics
import threading
import time
import zlib

import pytest

from conftest import proxy
from http1 import Client, Gone, read_head
from processes import memory_kb, wait_until

NO_HELP = {"retry": {"attempts": 0}, "hold": {"time": "0s"}}
MIB = b"0123456789abcdef" * 65536
LARGE = 16  # MiB: more than the sockets on both sides hold
SLOW = 10  # seconds within which anybody else has to be answered, whatever the machine is busy with


def get(target="/"):
    return f"GET {target} HTTP/1.1\r\nhost: test\r\n\r\n"


def post(length, body=""):
    return f"POST / HTTP/1.1\r\nhost: test\r\ncontent-length: {length}\r\n\r\n{body}"


def serving(connection):
    """/large: many MiB; /silent: nothing; else hello."""
    while True:
        target = connection.request().target
        if target == "/silent":
            connection.reader.rest()
            return
        connection.answer(MIB * LARGE if target == "/large" else b"hello")


class Front:
    """One gateway of one worker, and what it holds."""

    def __init__(self, make, *backends, gateway=None, unready=False, **service):
        config = proxy(*backends, **{**NO_HELP, **service})
        config["gateway"] = {"workers": 1, **(gateway or {})}
        self.opened = []
        self.holdfast = make.holdfast(config, start=False).start(ready=not unready)
        self.pid = self.holdfast.pid("gateway")
        if not unready:
            self.holdfast.wait_ready("app", len(backends))
            self.client().request().response()
            self.close()
        self.before = self.memory()

    def client(self, **keywords):
        self.opened.append(Client(self.holdfast.port, **keywords))
        return self.opened[-1]

    def close(self):
        for one in self.opened:
            one.close()
        self.opened.clear()

    def memory(self):
        return memory_kb(self.pid)

    def grown(self):
        """MiB since the beginning."""
        return (self.memory() - self.before) / 1024

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def connections(self):
        return self.holdfast.status()["gateway"][-1]["connections"]

    def calls(self):
        return sum(i["in_flight"] for i in self.holdfast.instances("app")) + self.holdfast.service("app")["held"]

    def given_back(self, calls=0):
        """Waits until no connection, call or descriptor is left but for kept ones and probes."""
        wait_until(lambda: self.connections() <= 1, 20, lambda: f"{self.connections()} connections are left")
        wait_until(lambda: self.calls() <= calls, 20, lambda: f"{self.calls()} calls are left")


class Neighbour:
    """Somebody else, who asks all the time on connections of his own."""

    def __init__(self, front):
        self.port = front.holdfast.port
        self.times, self.failures = [], []
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        while not self.over.is_set():
            began = time.monotonic()
            try:
                with Client(self.port) as client:
                    status = client.request(target="/neighbour").response().status
                    if status != 200:
                        self.failures.append(status)
            except (OSError, Gone) as error:
                self.failures.append(repr(error))
            self.times.append(time.monotonic() - began)
            self.over.wait(0.01)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join(60)

    def was_served(self):
        assert self.failures == []
        assert len(self.times) >= 5
        assert statistics.median(self.times) < 1 and max(self.times) < SLOW, sorted(self.times)[-5:]


# slow clients


@pytest.mark.memory
def test_heads_that_come_byte_by_byte(make):
    """Slowloris: the time of a head runs from its first byte, however many follow."""
    front = Front(make, make.backend(serving), gateway={"timeout": {"header": "1s"}})
    began = time.monotonic()
    with Neighbour(front) as neighbour:
        clients = [front.client() for _ in range(200)]
        raw = get().replace("\r\n\r\n", "\r\nx-slow: " + "a" * 1000)
        at = 0
        answered = []
        while len(answered) < len(clients) and time.monotonic() - began < 30:
            for one in clients:
                try:
                    one.send(raw[at])
                except OSError:
                    pass
            at = min(at + 1, len(raw) - 1)
            answered = [one for one in clients if ready(one)]
            threading.Event().wait(0.02)
        assert [one.response().status for one in clients] == [408] * len(clients)
    neighbour.was_served()
    assert front.grown() < 4
    front.close()
    front.given_back()


def ready(client):
    """Is there something to be read?"""
    try:
        return bool(client.sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
    except BlockingIOError:
        return False
    except OSError:
        return True


@pytest.mark.memory
def test_long_heads_that_never_end(make):
    """30 KiB of head each, and then silence."""
    front = Front(make, make.backend(serving), gateway={"timeout": {"header": "2s"}})
    with Neighbour(front) as neighbour:
        clients = [front.client().send(get()[:-2] + "x-slow: " + "a" * 30000) for _ in range(200)]
        assert [one.response().status for one in clients] == [408] * len(clients)
    neighbour.was_served()
    assert front.grown() < 200 * 72 / 1024 + 4
    front.close()
    front.given_back()
    assert front.grown() < 12, "the memory was not given back"


def test_endless_head_is_a_431(make):
    front = Front(make, make.backend(serving))
    one = front.client()
    try:
        one.send(get()[:-2])
        for number in range(100000):
            one.send(f"x-{number}: {'a' * 1000}\r\n")
    except OSError:
        pass
    assert one.response().status == 431
    assert front.grown() < 2
    front.close()
    front.given_back()


@pytest.mark.memory
def test_bodies_that_stop(make):
    front = Front(make, make.backend(serving), gateway={"timeout": {"body": "1s"}})
    with Neighbour(front) as neighbour:
        clients = [front.client().send(post(100000, "a" * 1000)) for _ in range(100)]
        clients += [front.client().send("PUT / HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n"
                                        "ffff\r\nabc") for _ in range(100)]
        assert [one.response().status for one in clients] == [408] * len(clients)
    neighbour.was_served()
    assert front.grown() < 8
    front.close()
    front.given_back()


def test_body_beyond_the_limit_is_a_413(make):
    front = Front(make, make.backend(serving), gateway={"limits": {"body": "1MiB"}})
    assert front.client().send(post(1 << 21)).response().status == 413
    one = front.client().send("PUT / HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n")
    try:
        for _ in range(100):
            one.send(b"10000\r\n" + MIB[:65536] + b"\r\n")
    except OSError:
        pass
    assert one.response().status == 413
    front.close()
    front.given_back()


@pytest.mark.memory
def test_readers_that_stop(make):
    """Each has asked for more than the sockets hold: little of it waits here, and the rest is not read."""
    count = 100
    front = Front(make, make.backend(serving), gateway={"timeout": {"body": "4s"}})
    with Neighbour(front) as neighbour:
        for _ in range(count):
            front.client(receive_buffer=4096).request(target="/large")
        wait_until(lambda: front.calls() >= count, 20, "the calls")
        most = 0
        while front.calls() >= count:
            most = max(most, front.grown())
        wait_until(lambda: front.calls() == 0, 30, "the readers to be cut")
    neighbour.was_served()
    assert most < count * 256 / 1024 + 4
    front.close()
    front.given_back()
    assert front.grown() < 12, "the memory was not given back"


def test_pipelines_that_nobody_reads(make):
    """Requests wait here only as far as one read goes, their answers as far as one flush does."""
    front = Front(make, make.backend(serving))
    with Neighbour(front) as neighbour:
        for _ in range(20):
            one = front.client(receive_buffer=4096)
            one.sock.settimeout(0.1)
            try:
                one.send(get("/large"))
                while True:
                    one.send(get("/next") * 100)
            except OSError:
                pass
        assert front.grown() < 20 * 512 / 1024 + 4
    neighbour.was_served()
    front.close()
    front.given_back()


# slow upstreams


def dripping(pieces, rest):
    """Sends the pieces, one at a time, with a pause between them; then the rest as fast as it can."""
    def script(connection):
        connection.request()
        for piece in pieces:
            connection.send(piece)
            time.sleep(0.05)
        while True:
            connection.send(rest)
    return script


def user_of(make, script, **service):
    """What a user sees of an upstream: (status or None, whole?)."""
    backend = make.backend()
    front = Front(make, backend, **service)
    backend.drop_connections()
    backend.script = script
    one = front.client().request(target="/slow")
    try:
        answer = one.response()
        while answer.status < 200:
            answer = one.response()
        seen = (answer.status, True)
    except (Gone, ConnectionResetError):
        seen = (None, False)
    one.close()
    front.close()
    front.given_back()
    assert front.grown() < 4
    return seen


HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKS = HEAD + b"transfer-encoding: chunked\r\n\r\n"

DRIPS = {
    "a head byte by byte": ([bytes([b]) for b in (HEAD + b"x: " + b"a" * 200)], b"", (504, True)),
    "a head without end": ([HEAD], b"x-a: " + b"b" * 1000 + b"\r\n", (502, True)),
    "a head line without end": ([HEAD], b"b" * 1000, (502, True)),
    "a status line without end": ([b"HTTP/1.1 200 "], b"O" * 1000, (502, True)),
    "interim responses without end": ([], b"HTTP/1.1 103 Early\r\nlink: a\r\n\r\n", (502, True)),
    "trailers without end": ([CHUNKS, b"5\r\nhello\r\n0\r\n"], b"x-a: b\r\n", (None, False)),
    "a trailer line without end": ([CHUNKS, b"5\r\nhello\r\n0\r\nx: "], b"b" * 100, (None, False)),
    "a chunk extension without end": ([CHUNKS, b"5;"], b"b" * 1000, (None, False)),
    "chunk extensions without end": ([CHUNKS], b"1;" + b"b" * 100 + b"\r\nx\r\n", (None, False)),
    "a chunk size without end": ([CHUNKS], b"0", (None, False)),
}


@pytest.mark.parametrize("name", DRIPS)
def test_upstream_that_never_comes_to_its_end(make, name):
    pieces, rest, seen = DRIPS[name]
    script = dripping(pieces, rest) if rest else dripping(pieces * 100, b"")
    assert user_of(make, script, timeout={"response": "1s", "idle": "2s"}) == seen


def test_upstream_that_drips_its_body(make):
    """That is slow, but whole; nothing waits for more than there is."""
    def script(connection):
        while True:
            connection.request()
            connection.send(HEAD + b"content-length: 100\r\n\r\n")
            for _ in range(100):
                connection.send(b"x")
                time.sleep(0.005)

    assert user_of(make, script, timeout={"idle": "500ms"}) == (200, True)


# ends at every moment


def half_close(sock):
    sock.shutdown(socket.SHUT_WR)


def reset(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    sock.close()


def close(sock):
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    sock.close()


ENDS = {"half-closed": half_close, "reset": reset, "closed": close}

# What the client has sent, how often it has been answered, and the answers that follow a half-close.
MOMENTS = {
    "connected": ("", 0, []),
    "within the request line": ("GET / HT", 0, []),
    "within the head": (get()[:-2], 0, []),
    "before the body": (post(10), 0, []),
    "within the body": (post(10, "hello"), 0, []),
    "within a chunk": ("PUT / HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n9\r\nhel", 0, []),
    "within the trailers": ("PUT / HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n0\r\nx:", 0, []),
    "waiting for an answer": (get("/silent"), 0, None),
    "waiting, with another request behind it": (get("/silent") + get("/next"), 0, None),
    "waiting, with half a request behind it": (get("/silent") + "GET /ne", 0, None),
    "within the answer": (get("/large"), 0, [200]),
    "within the answer, with another request behind it": (get("/large") + get("/next"), 0, [200, 200]),
    "between requests": (get(), 1, []),
    "between requests, within the next": (get() + "GET /ne", 1, []),
    "after a refusal": ("GET\r\n\r\n", 1, []),
    "after a refusal, with much behind it": ("GET\r\n\r\n" + "x" * 100000, 1, []),
    "after a connection: close": ("GET / HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n", 1, []),
}


@pytest.fixture(scope="module")
def impatient(make_once):
    """Its instance has 2 s for an answer."""
    return Front(make_once, make_once.backend(serving), timeout={"response": "2s"})


@pytest.fixture(scope="module")
def patient(make_once):
    return Front(make_once, make_once.backend(serving), timeout={"try": "2m", "response": "2m"})


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("moment", MOMENTS)
def test_client_that_ends(impatient, patient, moment, end):
    """Several at once, and then nothing is left of them: of a lost one at once, whoever else has time."""
    front = patient if end == "reset" else impatient
    raw, answered, after = MOMENTS[moment]
    clients = [front.client().send(raw) for _ in range(4 if "/large" in raw else 20)]
    for one in clients:
        for _ in range(answered):
            one.response()
    if "answer" in moment:
        wait_until(lambda: front.calls() >= len(clients), 10, "the calls")
    for one in clients:
        ENDS[end](one.sock)
    if end == "half-closed":
        for one in clients[:3] if after is None else clients:
            for status in [504] if after is None else after:
                assert one.response().status == status
        front.close()
    front.opened.clear()
    front.given_back()
    with Client(front.holdfast.port) as client:
        assert client.request().response().status == 200


@pytest.mark.parametrize("end", ENDS)
def test_held_client_that_ends(make, end):
    backend = make.backend(serving)
    backend.probe_status = 500
    front = Front(make, backend, hold={"time": "5s", "requests": 50}, unready=True)
    clients = [front.client().send(get() if n % 2 else post(10000, "hello")) for n in range(20)]
    wait_until(lambda: front.calls() >= 20, 10, "the held requests")
    for one in clients:
        ENDS[end](one.sock)
    if end == "half-closed":
        backend.probe_status = 200
        assert [one.response().status for one in clients[1::2]] == [200] * 10
        assert [one.closed() for one in clients[::2]] == [True] * 10
        front.close()
    front.opened.clear()
    front.given_back(calls=1)  # the controller's probe waits, too


def ask(connection, answer, end):
    connection.head()
    if answer:
        connection.send(answer)
    return end


# What the upstream has read and sent when it ends, and what the user sees of it then.
UPSTREAM_MOMENTS = {
    "without a word": (b"", (502, True)),
    "within the status line": (b"HTTP/1.1 2", (502, True)),
    "within the head": (HEAD + b"x: y\r\n", (502, True)),
    "behind an interim response": (b"HTTP/1.1 103 Hints\r\n\r\n", (502, True)),
    "behind the head": (HEAD + b"content-length: 5\r\n\r\n", (None, False)),
    "within the body": (HEAD + b"content-length: 5\r\n\r\nhel", (None, False)),
    "within a chunk": (CHUNKS + b"5\r\nhel", (None, False)),
    "behind a chunk": (CHUNKS + b"5\r\nhello\r\n", (None, False)),
    "within the trailers": (CHUNKS + b"0\r\nx: y\r\n", (None, False)),
    "behind the answer": (HEAD + b"content-length: 5\r\n\r\nhello", (200, True)),
    "behind the last chunk": (CHUNKS + b"5\r\nhello\r\n0\r\n\r\n", (200, True)),
}


@pytest.fixture(scope="module")
def behind(make_once):
    backend = make_once.backend(serving)
    front = Front(make_once, backend, timeout={"response": "2s"}, eject={"failures": 0})
    front.backend = backend
    return front


@pytest.mark.parametrize("body", ["no body", "half a body"])
@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("moment", UPSTREAM_MOMENTS)
def test_upstream_that_ends(behind, moment, end, body):
    """Before all of the request has come, and behind it: the user is told, or cut, and all is given back."""
    answer, seen = UPSTREAM_MOMENTS[moment]
    sent = threading.Event()

    def script(connection):
        connection.head()
        connection.send(answer)
        sent.wait(10)
        ENDS[end](connection.sock)
        if end == "half-closed":
            try:
                connection.reader.rest()
            except ConnectionResetError:
                pass

    behind.backend.drop_connections()
    behind.backend.script = script
    one = behind.client().send(get() if body == "no body" else post(100000, "hello"))
    wait_until(lambda: behind.backend.requests, 10, "the request")
    behind.backend.clear()
    if b"1.1 200 OK\r\n" in answer and b"\r\n\r\n" in answer:
        head = one.head()
        one.reader.buffer = ("HTTP/1.1 %d x\r\n" % head.status + "".join(f"{k}: {v}\r\n" for k, v in head.headers)
                             + "\r\n").encode() + one.reader.buffer
    sent.set()
    try:
        response = one.response()
        while response.status < 200:
            response = one.response()
        got = (response.status, True)
    except (Gone, ConnectionResetError):
        got = (None, False)
    assert got == seen or (end == "reset" and got == (502, True))
    behind.close()
    behind.given_back()


@pytest.mark.parametrize("end", ["closed", "reset"])
def test_tunnel_whose_endpoint_is_gone(behind, end):
    """What the client still says goes nowhere: the tunnel ends, and does not wait for its timeout."""
    def script(connection):
        connection.head()
        connection.send("HTTP/1.1 101 Go\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n")
        ENDS[end](connection.sock)

    behind.backend.drop_connections()
    behind.backend.script = script
    one = behind.client().send("GET / HTTP/1.1\r\nhost: test\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n")
    assert one.head().status == 101
    try:
        while True:
            one.send("hello?")
            threading.Event().wait(0.01)
    except OSError:
        pass
    behind.given_back()
    behind.close()


# too many


# Nothing, half a head, and HTTP/2 without a request.
SILENT = [b"", b"GET / HT", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"]


def test_idle_connections_do_not_keep_others_out(make):
    """With all places taken by clients that say nothing, the one that has waited longest makes room."""
    front = Front(make, make.backend(serving), gateway={"limits": {"connections": 64}})
    first = front.client()
    assert first.request().response().status == 200
    for number in range(200):
        front.client().send(SILENT[number % 3])
    with Neighbour(front) as neighbour:
        wait_until(lambda: len(neighbour.times) > 20, 30, "the neighbour to be served")
    neighbour.was_served()
    assert first.closed()
    assert front.connections() <= 64
    front.close()
    front.given_back()


def test_calls_are_not_cut_for_others(make):
    """Only who says nothing makes room: with all places taken by calls, new connections wait."""
    asked, go = threading.Semaphore(0), threading.Event()

    def script(connection):
        while True:
            connection.request()
            asked.release()
            go.wait(30)
            connection.answer()

    backend = make.backend()
    front = Front(make, backend, gateway={"limits": {"connections": 16}})
    backend.drop_connections()
    backend.script = script
    clients = [front.client().request() for _ in range(16)]
    for _ in clients:
        assert asked.acquire(timeout=10)
    late = [front.client().request() for _ in range(40)]
    assert not asked.acquire(timeout=1)
    go.set()
    assert [one.response().status for one in clients + late] == [200] * 56
    front.close()
    front.given_back()


def test_thousands_of_connections(make):
    """More than the descriptors of the gateway allow: it serves all who ask, and keeps those it can."""
    backend = make.backend(serving)
    front = Front(make, backend)
    keeper = front.holdfast.pid("keeper")
    resource.prlimit(keeper, resource.RLIMIT_NOFILE, (2000, 2000))
    old = front.holdfast.kill_role("gateway")
    front.pid = front.holdfast.wait_another("gateway", old)
    wait_until(lambda: front.holdfast.ready_instances("app"), 20, "the instance")
    front.client().request().response()
    before, descriptors = front.memory(), front.descriptors()
    with Neighbour(front) as neighbour:
        for _ in range(3000):
            front.client()
        wait_until(lambda: front.connections() > 800, 20, "connections")
        assert front.descriptors() <= 1100
        assert (front.memory() - before) < 4096, "more than about a kilobyte a connection"
        wait_until(lambda n=len(neighbour.times): len(neighbour.times) > n + 20, 30, "the neighbour to be served")
    neighbour.was_served()
    front.close()
    front.given_back()
    wait_until(lambda: front.descriptors() <= descriptors + 4, 10, lambda: f"{front.descriptors()} descriptors")


# memory


@pytest.mark.memory
def test_memory_of_buffers_is_bounded(make):
    """Many large bodies for nobody: what goes beyond the limit is refused, and comes back when all is over."""
    backend = make.backend()
    backend.probe_status = 500
    front = Front(make, backend, hold={"time": "8s", "requests": 10000}, unready=True,
                  gateway={"limits": {"buffers": "16MiB"}})
    for _ in range(1000):
        front.client().send(post(60000) + "a" * 60000)
    wait_until(lambda: sum(map(ready, front.opened)) > 100, 20, "refusals")
    assert front.grown() < 24
    refused = [one for one in front.opened if ready(one)]
    for one in refused[:50]:
        response = one.response()
        assert (response.status, response.get("retry-after")) == (503, "1")
    front.close()
    front.given_back(calls=10)  # the controller's probes wait, too
    assert front.grown() < 12, "the memory was not given back"
    backend.probe_status = 200
    front.holdfast.wait_ready("app", 1)
    assert front.client().request().response().status == 200


# a gigabyte

GIGABYTE = 1024


@pytest.mark.load
def test_download_of_a_gigabyte(make):
    """The user stands still at first, then reads as fast as it can: nothing is gathered, nothing is lost."""
    sent = [0]

    def script(connection):
        if connection.request().target != "/large":
            connection.answer()
            return
        connection.send(HEAD + b"content-length: %d\r\n\r\n" % (GIGABYTE << 20))
        for _ in range(GIGABYTE):
            connection.send(MIB)
            sent[0] += 1

    front = Front(make, make.backend(script))
    one = front.client().request(target="/large")
    assert one.head().status == 200
    still(sent)
    assert sent[0] < 64
    most, total, taken = front.grown(), 0, 0
    buffer = bytearray(1 << 20)
    total = zlib.crc32(one.reader.buffer)
    taken = len(one.reader.buffer)
    while taken < GIGABYTE << 20:
        n = one.sock.recv_into(buffer)
        assert n
        total = zlib.crc32(memoryview(buffer)[:n], total)
        if taken >> 26 != taken + n >> 26:
            most = max(most, front.grown())
        taken += n
    assert total == checksum()
    assert most < 4, f"{most} MiB more"


@pytest.mark.memory
@pytest.mark.load
def test_upload_of_a_gigabyte(make):
    """The instance stands still at first, then reads as fast as it can."""
    go, sums = threading.Event(), []

    def script(connection):
        head = connection.head()
        if head.method == "GET":
            connection.answer()
            return
        go.wait(60)
        total = zlib.crc32(connection.reader.buffer)
        left = (GIGABYTE << 20) - len(connection.reader.buffer)
        buffer = bytearray(1 << 20)
        while left:
            n = connection.sock.recv_into(buffer, min(left, 1 << 20))
            total = zlib.crc32(memoryview(buffer)[:n], total)
            left -= n
        sums.append(total)
        connection.answer()

    front = Front(make, make.backend(script))
    one, sent = front.client(), [0]
    one.send(post(GIGABYTE << 20))

    def send():
        for _ in range(GIGABYTE):
            one.send(MIB)
            sent[0] += 1

    sender = threading.Thread(target=send, daemon=True)
    one.sock.settimeout(120)
    sender.start()
    still(sent)
    assert sent[0] < 64
    most = front.grown()
    go.set()
    while sender.is_alive():
        sender.join(0.05)
        most = max(most, front.grown())
    assert one.response().status == 200
    assert sums == [checksum()]
    assert most < 4, f"{most} MiB more"


def still(count):
    """Waits until the count does not rise any more."""
    def same():
        before = count[0]
        threading.Event().wait(0.5)
        return before == count[0] > 0
    wait_until(same, 30, "the sender to be stopped by backpressure")


def checksum():
    total = 0
    for _ in range(GIGABYTE):
        total = zlib.crc32(MIB, total)
    return total
