"""Nobody ever disagrees with the gateway on where a message ends.

Every case of smuggling.py goes through one gateway before a strict and one before a lax upstream, whole and in
pieces. A request is refused with its status, and nothing whole reaches the upstream; or the upstream, the
access log and the user have seen the same messages. What the gateway sent, either way, is then read again by
readers of many habits, who all have to find the same messages in it.
"""
import dataclasses
import os
import pathlib
import signal
import socket
import threading

import pytest

from conftest import proxy
from framing import (LAX, LOOSE, STRICT, Incomplete, Unreadable, digest, split_requests, split_responses,
                     take_request)
from http1 import TIMEOUT, Client, Gone
from processes import wait_until
from smuggling import REQUESTS, RESPONSES

PROBE = "/-/ready"
FRAMING = {"content-length", "transfer-encoding", "host", "connection", "trailer", "upgrade"}
AFTER = b"GET /after HTTP/1.1\r\nhost: test\r\n\r\n"


class Stream:
    """Everything that came in on one connection, as its upstream read it."""

    def __init__(self):
        self.data = b""
        self.messages = []
        self.taken = 0  # messages that take() has given out
        self.error = None

    @property
    def end(self):
        return self.messages[-1].end if self.messages else 0


class Upstream:
    """A server that reads by `rules` and answers with what it has read; /case gets what the test wants."""

    def __init__(self, rules):
        self.rules = rules
        self.streams = []
        self.says = None  # a Response
        self.said = None  # the stream on which that was
        self.go_on, self.ended = threading.Event(), threading.Event()
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
                while self._answer(sock, stream):
                    pass
            except (Gone, OSError):
                pass
            except Unreadable as error:
                stream.error = str(error)

    def _read(self, sock, stream):
        while True:
            try:
                message = take_request(stream.data, stream.end, self.rules)
                with self.lock:
                    stream.messages.append(message)
                return message
            except Incomplete:
                more = sock.recv(65536)
                if not more:
                    raise Gone from None
                stream.data += more

    def _answer(self, sock, stream):
        message = self._read(sock, stream)
        if message.target == "/case":
            self.said = stream
            return self._say(sock, self.says)
        body = digest(message)
        sock.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body)
                     + (b"" if message.method == "HEAD" else body))
        return True

    def _say(self, sock, response):
        sock.sendall(response.raw)
        if response.later:
            assert self.go_on.wait(TIMEOUT)
            sock.sendall(response.later)
            sock.settimeout(TIMEOUT)
            try:
                assert sock.recv(1) == b"", "the connection was used again"
            except ConnectionResetError:
                pass
            self.ended.set()
        return not (response.closes or response.later)

    def take(self):
        """The messages read since the last call, but for probes and fences; and what could not be read."""
        with self.lock:
            new = [m for s in self.streams for m in s.messages[s.taken:]]
            errors = [s.error for s in self.streams if s.error]
            for stream in self.streams:
                stream.taken, stream.error = len(stream.messages), None
        return [m for m in new if m.target != PROBE and not m.target.startswith("/fence/")], errors


@dataclasses.dataclass
class Run:
    """What came of one case."""
    got: bytes = b""  # by the user
    ended: bool = False  # and then the connection ended
    methods: tuple = ()  # of the requests that the answers are for
    answers: list = ()
    seen: list = ()  # by the upstream
    errors: list = ()
    lines: list = ()  # of the access log
    failure: str = None
    reset: bool = False  # while the user was still sending; seen by the next send, or after the last by recv
    spoiled: bool = False  # the upstream's connection got no other request


class Front:
    """One gateway before one upstream. Every case ends with a request that has to find its way."""

    def __init__(self, made, rules):
        self.upstream = Upstream(rules)
        config = proxy(self.upstream, retry={"attempts": 0}, hold={"time": "0s"})
        config["gateway"] = {"workers": 1}
        self.holdfast = made.holdfast(config)
        self.holdfast.wait_ready("app", 1)
        self.fences = 0

    def fence(self):
        """A request by somebody else, over what the case has left behind. None, or what was wrong."""
        self.fences += 1
        target = f"/fence/{self.fences}"
        with Client(self.holdfast.port) as client:
            client.request(target=target)
            got, _ = read_answers(client, ["GET"])
        return None if got.endswith(f"GET {target} 0 0".encode()) else f"somebody else's answer: {got!r}"

    def read_log(self, runs):
        """Gives every run its lines of the access log."""
        last = f"/fence/{self.fences}"
        wait_until(lambda: any(line["url"] == last for line in self.holdfast.access_log()), 10, "the log")
        lines, runs = [], iter(runs)
        for line in self.holdfast.access_log():
            if line["url"].startswith("/fence/"):
                next(runs).lines, lines = lines, []
            else:
                lines.append(line)


def final(messages):
    return [m for m in messages if m.status >= 200]


def read_answers(client, methods):
    """Bytes until each of these requests has a final answer of known length. Returns (bytes, ended)."""
    data = b""
    while True:
        found, _ = split_responses(data, methods, ended=False)
        if len(final(found)) >= len(methods):
            return data, False
        more = receive(client)
        if not more:
            return data, True
        data += more


def receive(client):
    try:
        return client.sock.recv(65536)
    except ConnectionResetError:
        client.was_reset = True
        return b""


def read_all(client):
    data = b""
    while True:
        more = receive(client)
        if not more:
            return data
        data += more


def pieces(raw):
    """The same bytes for several sends."""
    step = max(1, len(raw) // 7)
    return [raw[at:at + step] for at in range(0, len(raw), step)]


def judge(front, run):
    """What everybody has seen, when all is over."""
    run.failure = front.fence() or run.failure
    run.seen, run.errors = front.upstream.take()
    run.answers, rest = split_responses(run.got, run.methods, ended=run.ended)
    if rest and not run.failure:
        run.failure = f"no message: {rest!r}"
    return run


def try_request(front, case, in_pieces):
    wanted = [method for method, _, _ in case.seen] + ["GET"] * (bool(case.refused) + (not case.closes))
    run = Run(methods=(*wanted, "GET"))
    raw = case.raw + (b"" if case.cut else AFTER)
    with Client(front.holdfast.port) as client:
        try:
            for part in pieces(raw) if in_pieces else [raw]:
                client.send(part)
            if case.cut:
                client.half_close()
        except (BrokenPipeError, ConnectionResetError):
            run.reset = True
        try:
            run.got, run.ended = read_answers(client, wanted)
            if case.closes and not run.ended:
                run.got, run.ended = run.got + read_all(client), True
        except TimeoutError:
            run.failure = "no answer"
        run.reset |= getattr(client, "was_reset", False)
    return judge(front, run)


@pytest.fixture(scope="module")
def requests(make_once):
    """All requests through both gateways: runs by (name, rules, how), and the upstreams' streams."""
    runs, streams = {}, []
    for rules in (STRICT, LAX):
        front = Front(make_once, rules)
        mine = {(name, rules.name, how): try_request(front, case, how == "pieces")
                for name, case in REQUESTS.items() for how in ("whole", "pieces")}
        front.read_log(mine.values())
        runs.update(mine)
        streams += front.upstream.streams
    return runs, streams


@pytest.mark.parametrize("how", ["whole", "pieces"])
@pytest.mark.parametrize("upstream", [STRICT, LAX], ids=lambda rules: rules.name)
@pytest.mark.parametrize("name", REQUESTS)
def test_request(requests, name, upstream, how):
    case, run = REQUESTS[name], requests[0][name, upstream.name, how]
    want = list(case.seen) + ([] if case.closes else [("GET", "/after", b"")])
    assert run.failure is None
    assert run.errors == []
    assert [m.seen() for m in run.seen] == want
    assert not {name.replace("_", "-") for m in run.seen for name, _ in m.trailers} & FRAMING
    answers = final(run.answers)
    if run.reset and not answers:  # who sends on behind a request that it said was its last may lose the answer
        assert case.closes and not case.refused
        return
    assert [m.status for m in answers] == [200] * len(want) + [case.refused] * bool(case.refused)
    for message, answer in zip(run.seen, answers):
        assert answer.body == (b"" if message.method == "HEAD" else digest(message))
    if case.closes:
        assert run.ended
        assert case.cut or answers[-1].all("connection") == ["close"]
    logged = [(line["method"], line["url"], line["status"]) for line in run.lines]
    if case.begun or case.cut:
        assert logged.pop()[2] == case.refused
    assert logged == [(m.method, m.target, 200) for m in run.seen] + (
        [("", "", case.refused)] if case.refused and not case.begun else [])


def test_no_reader_sees_other_requests(requests):
    """What the gateway sent to its upstreams has one meaning, whatever one's habits."""
    _, streams = requests
    assert sum(len(stream.messages) for stream in streams) > len(REQUESTS)
    for stream in streams:
        want = [(m.start, m.end) for m in split_requests(stream.data)[0]]
        assert want == [(m.start, m.end) for m in stream.messages]
        for rules in LOOSE:
            got = [(m.start, m.end) for m in split_requests(stream.data, rules)[0]]
            assert got == want, f"{rules.name}: {stream.data[want[-1][1] if want else 0:][:300]!r}"


def test_every_habit_is_fooled_by_a_case():
    """The readers are worth asking: sent as it is, some case means one thing to each and another to STRICT."""
    def meaning(raw, rules):
        found, rest = split_requests(raw + AFTER, rules)
        return [m.seen() for m in found], rest

    for rules in LOOSE:
        assert any(meaning(case.raw, rules) != meaning(case.raw, STRICT) for case in REQUESTS.values()), rules.name


def try_response(front, case):
    run = Run(methods=(case.method, "GET"))
    front.upstream.says = case
    front.upstream.go_on.clear()
    front.upstream.ended.clear()
    with Client(front.holdfast.port) as client:
        try:
            client.request(case.method, "/case")
            run.got, run.ended = read_answers(client, [case.method])
            if case.later:
                front.upstream.go_on.set()
                assert front.upstream.ended.wait(TIMEOUT), "the connection was kept"
            if not run.ended:
                client.send(AFTER)
                client.half_close()
                run.got, run.ended = run.got + read_all(client), True
        except (OSError, AssertionError) as error:
            run.failure = repr(error)
    judge(front, run)
    run.spoiled = front.upstream.said.messages[-1].target == "/case"
    return run


@pytest.fixture(scope="module")
def responses(make_once):
    front = Front(make_once, STRICT)
    runs = {name: try_response(front, case) for name, case in RESPONSES.items()}
    front.read_log(runs.values())
    return runs


@pytest.mark.parametrize("name", RESPONSES)
def test_response(responses, name):
    case, run = RESPONSES[name], responses[name]
    if case.cut:  # the head, perhaps something of the body, and the end before the end
        assert run.ended and run.failure.startswith("no message: b'HTTP/1.1 200")
        assert run.failure.count("HTTP/1.1") == 1 and "poison" not in run.failure
        assert run.answers == []
    else:
        assert run.failure is None
        answers = final(run.answers)
        assert [m.status for m in run.answers if m.status < 200] == list(case.interims)
        assert [m.status for m in answers] == [case.status, 200]
        if case.status != 502:
            assert answers[0].body == case.body
        assert answers[1].body == b"GET /after 0 0"
    # An end without a byte on a kept connection says nothing: the request goes out once more.
    assert [m.target for m in run.seen] == ["/case"] * (1 if case.raw else 2) + ["/after"] * (not case.cut)
    assert not {name.replace("_", "-") for m in run.answers for name, _ in m.trailers} & FRAMING
    assert run.spoiled or not case.spoils, "the connection was used again"
    logged = [(line["url"], line["status"]) for line in run.lines]
    assert logged == [("/case", case.status)] + [("/after", 200)] * (not case.cut)
    assert run.lines[0]["outcome"] == ("ok" if case.status != 502 and not case.cut else "failed")
    if not case.cut and case.status != 502:
        assert run.lines[0]["bytes"] == len(case.body)


def test_no_reader_sees_other_responses(responses):
    for name, run in responses.items():
        want = [(m.start, m.end) for m in run.answers]
        for rules in LOOSE:
            got, _ = split_responses(run.got, run.methods, rules)
            assert [(m.start, m.end) for m in got] == want, f"{name}: {rules.name}: {run.got[:300]!r}"


def stopped(pid):
    """Is every thread of it?"""
    return {stat.read_text("latin-1").rpartition(")")[2].split()[0]
            for stat in pathlib.Path(f"/proc/{pid}/task").glob("*/stat")} == {"T"}


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_answer_that_is_older_than_its_request(make, gateway, client, method):
    """It waits on a kept connection already when a request takes that: it must not be believed."""
    def script(connection):
        while True:
            target = connection.request().target
            connection.answer(target.encode())
            if target == "/first":
                asked.wait(TIMEOUT)
                connection.send("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison")
                sent.set()

    asked, sent = threading.Event(), threading.Event()
    config = proxy(make.backend(script), retry={"attempts": 0}, hold={"time": "0s"})
    config["gateway"] = {"workers": 1}
    holdfast = make.holdfast(config)
    holdfast.wait_ready("app", 1)
    one = client(holdfast)
    assert one.request(target="/first").response().body == b"/first"
    pid = holdfast.pid("gateway")
    os.kill(pid, signal.SIGSTOP)  # so that both are there at its next turn, the request first
    wait_until(lambda: stopped(pid), 10, "the gateway to stand still")
    try:
        one.request(method, "/second", body=b"x" if method == "POST" else None)
        asked.set()
        assert sent.wait(TIMEOUT)
    finally:
        os.kill(pid, signal.SIGCONT)
    response = one.response()
    if method == "GET":
        assert (response.status, response.body) == (200, b"/second")
    else:  # it may have been executed
        assert response.status == 502
    assert one.request(target="/third").response().body == b"/third"


def test_tables_are_large_enough():
    assert len(REQUESTS) >= 150
    assert len(RESPONSES) >= 75
