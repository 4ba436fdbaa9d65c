"""Nobody ever disagrees with the gateway on where a message ends.

Every case of smuggling.py goes through one gateway before a strict and one before a lax upstream, whole and in
pieces. It is refused with its status, and nothing whole reaches the upstream; or the upstream, the gateway's
access log and the user have seen the same messages. What the gateway sent, either way, is then read again by
readers of many habits, who all have to find the same messages in it.
"""
import dataclasses
import socket
import threading

import pytest

from conftest import proxy
from framing import (LAX, LOOSE, STRICT, Incomplete, Unreadable, digest, split_requests, split_responses,
                     take_request)
from http1 import TIMEOUT, Client, Gone
from processes import wait_until
from smuggling import REQUESTS, RESPONSES

READERS = [STRICT, *LOOSE]
PROBE = "/-/ready"


class Stream:
    """Everything that came in on one connection, as its upstream read it."""

    def __init__(self):
        self.data = b""
        self.messages = []
        self.error = None

    @property
    def rest(self):
        return self.data[self.messages[-1].end if self.messages else 0:]


class Upstream:
    """A server that reads by `rules` and says back what it has read; or what the test wants said."""

    def __init__(self, rules):
        self.rules = rules
        self.streams = []
        self.says = None  # a Response, for the next request under /case
        self.go_on = threading.Event()
        self.ended = threading.Event()
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock):
        stream = Stream()
        with self.lock:
            self.streams.append(stream)
        with sock:
            try:
                while self._answer(sock, self._read(sock, stream)):
                    pass
            except (Gone, OSError):
                pass
            except Unreadable as error:
                stream.error = error

    def _read(self, sock, stream):
        while True:
            try:
                message = take_request(stream.data, len(stream.data) - len(stream.rest), self.rules)
                with self.lock:
                    stream.messages.append(message)
                return message
            except Incomplete:
                more = sock.recv(65536)
                if not more:
                    raise Gone from None
                stream.data += more

    def _answer(self, sock, message):
        if message.target.startswith("/case"):
            return self._say(sock, self.says)
        body = digest(message)
        sock.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body)
                     + (b"" if message.method == "HEAD" else body))
        return True

    def _say(self, sock, response):
        sock.sendall(response.raw)
        if not response.later:
            return not response.closes
        self.go_on.wait(TIMEOUT)
        sock.sendall(response.later)
        sock.settimeout(TIMEOUT)
        try:
            assert sock.recv(1) == b"", "the connection was used again"
        except ConnectionResetError:
            pass
        self.ended.set()
        return False

    def take(self):
        """What was read since the last call, but for probes: (messages, bytes of unfinished ones)."""
        with self.lock:
            streams, self.streams = self.streams, [s for s in self.streams if not s.error]
            new = [m for s in streams for m in s.messages[getattr(s, "taken", 0):]]
            for stream in streams:
                stream.taken = len(stream.messages)
            errors = [str(s.error) for s in streams if s.error]
        return [m for m in new if m.target != PROBE], errors

    def close(self):
        self.listener.close()


def read_all(client):
    """Every byte until the connection ends."""
    data = b""
    try:
        while True:
            more = client.sock.recv(65536)
            if not more:
                return data
            data += more
    except ConnectionResetError:
        return data


def read_answers(client, methods):
    """Bytes until there is a final answer to each method, or the end. Returns (bytes, ended)."""
    data = b""
    while True:
        found, _ = split_whole(data, methods)
        if sum(m.status >= 200 for m in found) >= len(methods):
            return data, False
        try:
            more = client.sock.recv(65536)
        except ConnectionResetError:
            more = b""
        if not more:
            return data, True
        data += more


def split_whole(data, methods):
    """As split_responses(), for answers that say where they end."""
    found, rest = split_responses(data, methods)
    if found and b"content-length" not in data and b"chunked" not in data:
        return [], data
    return found, rest


@dataclasses.dataclass
class Run:
    """What came of one case."""
    sent: bytes = b""
    answers: list = dataclasses.field(default_factory=list)
    seen: list = dataclasses.field(default_factory=list)
    errors: list = dataclasses.field(default_factory=list)
    lines: list = dataclasses.field(default_factory=list)
    got: bytes = b""
    closed: bool = False
    failure: str = None


class Front:
    """One gateway before one upstream; every case ends with a request that has to find its way."""

    def __init__(self, made, rules):
        self.upstream = Upstream(rules)
        config = proxy(self.upstream, retry={"attempts": 0}, hold={"time": "0s"})
        config["gateway"] = {"workers": 1}
        self.holdfast = made.holdfast(config)
        self.holdfast.wait_ready("app", 1)
        self.fences = 0

    def fence(self):
        """A request by somebody else: it goes over what the case has left behind."""
        self.fences += 1
        target = f"/fence/{self.fences}"
        with Client(self.holdfast.port) as client:
            body = client.request(target=target).response().body
        assert body == f"GET {target} 0 0".encode(), f"somebody else's answer: {body!r}"

    def read_log(self, runs):
        """Gives every run its lines of the access log."""
        last = f"/fence/{self.fences}"
        log = lambda: [line for line in self.holdfast.access_log()]  # noqa: E731
        wait_until(lambda: any(line["url"] == last for line in log()), 10, "the log")
        lines, runs = [], iter(runs)
        for line in log():
            if line["url"].startswith("/fence/"):
                next(runs).lines, lines = lines, []
            else:
                lines.append(line)


def pieces(raw):
    """The same bytes in several sends."""
    step = max(1, len(raw) // 7)
    return [raw[at:at + step] for at in range(0, len(raw), step)]


def try_request(front, case, in_pieces):
    run = Run()
    methods = [method for method, _, _ in case.seen] + ["GET"] * bool(case.refused)
    marked = not case.closes
    after = b"GET /after HTTP/1.1\r\nhost: test\r\n\r\n"
    with Client(front.holdfast.port) as client:
        try:
            for part in pieces(case.raw + after) if in_pieces else [case.raw + after]:
                client.send(part)
            if case.cut:
                client.half_close()
            run.got, run.closed = read_answers(client, methods + ["GET"] * marked)
            if case.closes and not run.closed:
                more = read_all(client)
                run.got, run.closed = run.got + more, True
        except OSError as error:
            run.failure = repr(error)
    front.fence()
    run.seen, run.errors = front.upstream.take()
    run.seen = [m for m in run.seen if not m.target.startswith("/fence/")]
    run.answers, rest = split_responses(run.got, methods + ["GET"])
    if rest:
        run.failure = f"no answer: {rest!r}"
    return run


@pytest.fixture(scope="module")
def requests(make_once):
    """All requests through both gateways: {(name, rules): Run}."""
    runs = {}
    for rules in (STRICT, LAX):
        front = Front(make_once, rules)
        mine = {}
        for name, case in REQUESTS.items():
            for how in ("whole", "pieces"):
                mine[name, rules.name, how] = try_request(front, case, how == "pieces")
        front.read_log(mine.values())
        runs.update(mine)
        requests.streams = getattr(requests, "streams", []) + front.upstream.streams
        runs["streams", rules.name] = list(front.upstream.streams)
    return runs


def final(run):
    return [m for m in run.answers if m.status >= 200]


@pytest.mark.parametrize("how", ["whole", "pieces"])
@pytest.mark.parametrize("upstream", [STRICT, LAX], ids=lambda rules: rules.name)
@pytest.mark.parametrize("name", REQUESTS)
def test_request(requests, name, upstream, how):
    case, run = REQUESTS[name], requests[name, upstream.name, how]
    marker = [] if case.closes else [("GET", "/after", b"")]
    want = list(case.seen) + marker
    assert run.failure is None
    assert [m.seen() for m in run.seen] == want
    assert run.errors == []
    assert [m.status for m in final(run)] == [200] * len(want) + [case.refused] * bool(case.refused)
    for message, answer in zip(run.seen, final(run)):
        assert answer.body == (b"" if message.method == "HEAD" else digest(message))
    if case.closes:
        assert run.closed
        assert case.cut or final(run)[-1].all("connection") == ["close"]
    logged = [(line["method"], line["url"], line["status"]) for line in run.lines]
    told = [(m.method, m.target, 200) for m in run.seen]
    if case.refused and not case.begun:
        told.append(("", "", case.refused))
    elif case.refused or case.cut:
        assert logged.pop()[2] == case.refused
    assert logged == told
