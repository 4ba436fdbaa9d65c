"""30 upgrades in a row under everything that users do: no request fails, no WebSocket is lost."""
import threading

import pytest

import http2
from conftest import proxy
from fleet import Fleet, no_request_executed_twice
from processes import free_port, wait_until
from test_tunnel import SWITCH, opened, says
from test_upgrade import Traces, ended_well, gateways, upgrade
from tls import Authority, TlsClient, context

pytestmark = pytest.mark.load

UPGRADES = 30
WEBSOCKETS = 50
UPLOAD = 200 << 20
PIECE = bytes(range(256)) * 1024


class Until:
    """Clients on threads that go on until they are told to stop; what goes wrong with one is raised then."""

    def __init__(self):
        self.over, self.threads, self.errors, self.counts = threading.Event(), [], [], {}

    def add(self, name, once):
        """once() is called again and again; it returns how much was answered."""
        def run():
            try:
                while not self.over.is_set():
                    self.counts[name] = self.counts.get(name, 0) + once()
            except Exception as error:  # pylint: disable=broad-except
                self.errors.append((name, error))

        self.threads.append(threading.Thread(target=run, daemon=True))
        self.threads[-1].start()

    def end(self):
        self.over.set()
        for thread in self.threads:
            thread.join(60)
            assert not thread.is_alive()
        assert not self.errors, self.errors
        return self.counts


class Http11:
    """Requests over one TLS connection, and another as soon as it was said that it closes."""

    def __init__(self, port, made):
        self.port, self.made, self.one = port, made, None

    def once(self):
        self.one = self.one or TlsClient(self.port, self.made)
        response = self.one.request(target="/talk").response()
        assert response.status == 200 and response.body == b"hello"
        if response.get("connection") == "close":
            self.one.close()
            self.one = None
        return 1


class Http2:
    """Streams, eight at once; what GOAWAY says was not begun is made again on another connection."""

    def __init__(self, port, wrap):
        self.port, self.wrap, self.one = port, wrap, None

    def once(self):
        one = self.one = self.one or http2.Http2(self.port, wrap=self.wrap)
        streams, done = [one.begin(path="/talk", scheme="https") for _ in range(8)], 0
        for stream in streams:
            response = one.streams[stream]
            try:
                one.until(lambda: response.ended or response.reset is not None or self.refused(stream))
            except http2.Gone:
                assert self.refused(stream), f"{response}, {one.goaways}"
            if self.refused(stream) or response.reset == http2.REFUSED_STREAM:
                continue
            assert response.reset is None and response.status == 200 and response.body == b"hello"
            done += 1
        if one.goaways:
            one.close()
            self.one = None
        return done

    def refused(self, stream):
        return any(stream > goaway.last_stream for goaway in self.one.goaways)


class Upload:
    """One request with a body that takes as long as all the upgrades."""

    def __init__(self, client, holdfast):
        self.one = client(holdfast)
        self.one.sock.settimeout(60)
        self.sent = 0
        self.one.send(f"POST /talk HTTP/1.1\r\nhost: test\r\ncontent-length: {UPLOAD}\r\n\r\n")

    def send_to(self, share):
        while self.sent < UPLOAD * share:
            piece = PIECE[:UPLOAD - self.sent]
            self.one.send(piece)
            self.sent += len(piece)


def script(connection):
    """An instance for WebSockets, uploads, and short requests."""
    while True:
        message = connection.head()
        if "websocket" in message.get("upgrade", ""):
            connection.send(SWITCH)
            connection.sock.settimeout(None)
            while data := connection.sock.recv(65536):
                connection.send(data)
            return
        left = int(message.get("content-length", 0))
        while left:
            piece = connection.reader.exactly(min(left, len(PIECE)))
            assert piece == PIECE[:len(piece)]
            left -= len(piece)
        connection.answer()


def test_30_upgrades_in_a_row(make, client, tmp_path, capsys):
    authority, port, fleet = Authority(tmp_path), free_port(), Fleet(tmp_path)
    fleet.release("1.0.0")
    config = fleet.config("1.0.0")
    config["services"]["talk"] = proxy(make.backend(script), route=[{"path": "/talk"}])["services"]["app"]
    holdfast = make.holdfast(config, start=False)
    config["gateway"] = {"workers": 2, "listen": [f"127.0.0.1:{holdfast.port}", {
        "address": f"127.0.0.1:{port}", "tls": authority.issue("shop", "shop.example").files()}]}
    holdfast.write(config)
    holdfast.start()
    holdfast.wait_ready("app", 2)
    holdfast.wait_ready("talk", 1)
    upgrade(holdfast)  # what the first one opens for good is there
    traces = Traces(holdfast)

    load = make.load(holdfast, "--connections", "8", "--get", "/echo/{id}", "--post", "/post")
    sockets = [opened(client, holdfast, "/talk") for _ in range(WEBSOCKETS)]
    upload, users, made = Upload(client, holdfast), Until(), context(authority, alpn=["h2"])
    users.add("TLS, HTTP/1.1", Http11(port, context(authority)).once)
    users.add("TLS, HTTP/2", Http2(port, lambda sock: made.wrap_socket(sock, server_hostname="shop.example")).once)
    for number in range(1, UPGRADES + 1):
        before = dict(users.counts)
        upgrade(holdfast)
        upload.send_to(number / UPGRADES)
        for index, one in enumerate(sockets):
            says(one, f"{number}: {index}".encode())
        wait_until(lambda: users.errors or all(users.counts.get(k, 0) > before.get(k, 0) for k in users.counts), 20,
                   "answers to everybody")
    assert len(gateways(holdfast, "retired")) <= 2, "one of them holds what was opened before the first"
    response = upload.one.response()
    assert response.status == 200 and response.body == b"hello"
    counts = users.end()
    total = ended_well(load)
    assert no_request_executed_twice(fleet) == total["posts"]
    with capsys.disabled():
        print(f"\n    {UPGRADES} upgrades: {total['requests']} requests, {counts}, {WEBSOCKETS} WebSockets, "
              f"{UPLOAD >> 20} MB up: nothing failed; worst {total['worst_ms']:.0f} ms")
    for one in sockets:
        one.close()
    upload.one.close()
    traces.check()
