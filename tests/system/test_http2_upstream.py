"""HTTP/2 to services that are declared `protocol: h2`: what passes, and what becomes of requests that fail."""
import pathlib
import re
import subprocess
import threading

import pytest
from h2.errors import ErrorCodes as h2_codes

from conftest import proxy
from h2_server import H2Backend
from http1 import Gone
from processes import memory_kb, wait_until


@pytest.fixture
def h2(make):
    """h2(script) makes a backend that speaks HTTP/2."""
    def start(*arguments, **keywords):
        made = H2Backend(*arguments, **keywords)
        make.backends.append(made)
        return made
    return start


@pytest.fixture
def h2_gateway(make):
    """With one worker, so that clients share its connections."""
    def start(*backends, **service):
        health = {"tcp": True, "interval": "200ms", "rise": 1, "fall": 2}
        holdfast = make.holdfast({"gateway": {"workers": 1},
                                  **proxy(*backends, **{"protocol": "h2", "health": health, **service})})
        holdfast.wait_ready("app", len(backends))
        return holdfast
    return start


def test_get(h2, h2_gateway, client):
    backend = h2()
    holdfast = h2_gateway(backend)
    one = client(holdfast)
    for number in range(3):
        response = one.request("GET", f"/a?n={number}", headers=[("X-Mixed", "Case"), ("connection", "x-gone"),
                                                                 ("x-gone", "1")]).response()
        assert response.status == 200
        assert response.body == b"hello"
        assert response.get("content-length") == "5"
    assert len(backend.connections) == 1 or len(backend.users()) == 1
    stream = backend.requests[-1]
    assert stream.get(":path") == "/a?n=2"
    assert stream.get(":authority") == "test"
    assert stream.get(":scheme") == "http"
    assert stream.get("x-mixed") == "Case"
    assert stream.get("x-gone") is None
    assert stream.get("x-forwarded-for") == "127.0.0.1"
    assert stream.get("x-request-id") == response.get("x-request-id")
    assert stream.get("host") is None and stream.get("connection") is None
    assert stream.ended


def test_bodies_and_trailers_both_ways(h2, h2_gateway, client):
    def script(stream):
        body = stream.whole()
        stream.head(200, [("x-one", "1"), ("x-one", "2")])
        stream.data(body[::-1])
        stream.trailer([("x-sum", str(len(body)))])

    backend = h2(script)
    one = client(h2_gateway(backend))
    one.send("POST /t HTTP/1.1\r\nhost: test\r\nte: trailers\r\nconnection: te\r\n"
             "transfer-encoding: chunked\r\ntrailer: x-check\r\n\r\n"
             "5\r\nhello\r\n6\r\n world\r\n0\r\nX-Check: good\r\n\r\n")
    response = one.response()
    assert response.body == b"dlrow olleh"
    assert response.trailers == [("x-sum", "11")]
    assert response.all("x-one") == ["1", "2"]
    stream = backend.requests[-1]
    assert stream.trailers == [("x-check", "good")]
    assert stream.get("te") == "trailers"
    assert stream.get("transfer-encoding") is None


@pytest.mark.parametrize("status, method", [(200, "GET"), (204, "GET"), (304, "GET"), (200, "HEAD"), (404, "GET")])
def test_empty_answers(h2, h2_gateway, client, status, method):
    backend = h2(lambda stream: stream.head(status, end=True))
    one = client(h2_gateway(backend))
    for _ in range(2):  # the client's connection goes on
        response = one.request(method).response(to_head=method == "HEAD")
        assert response.status == status
        assert response.body == b""


def test_interim_answers_pass(h2, h2_gateway, client):
    def script(stream):
        stream.connection.do(lambda h: h.send_headers(stream.id, [(":status", "103"), ("link", "</a.css>")]))
        stream.answer()

    one = client(h2_gateway(h2(script))).request()
    assert one.response().status == 103
    assert one.response().body == b"hello"


def test_early_answer_while_the_request_goes_on(h2, h2_gateway, client):
    """Request and response at once: each chunk comes back before the next one is sent."""
    def script(stream):
        stream.head(200)
        seen = 0
        while True:
            stream.wait(lambda: len(stream.body) > seen or stream.ended)  # noqa: B023
            if len(stream.body) == seen:
                stream.data(b"", end=True)
                return
            piece = stream.body[seen:]
            seen += len(piece)
            stream.data(piece)

    one = client(h2_gateway(h2(script)))
    one.send("POST / HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n")
    head = one.head()
    assert head.status == 200
    for word in (b"one", b"two", b"three"):
        one.send(b"%x\r\n%s\r\n" % (len(word), word))
        assert one.reader.exactly(len(word) + 5) == b"%x\r\n%s\r\n" % (len(word), word)
    one.send(b"0\r\n\r\n")
    assert one.reader.exactly(5) == b"0\r\n\r\n"


# ---- what goes wrong ----

NO_HELP = {"retry": {"attempts": 0}, "hold": {"time": "0s"}}


def once(how):
    """A script that fails the first request by how(stream), and answers all others."""
    failed = threading.Event()

    def script(stream):
        if not failed.is_set():
            failed.set()
            how(stream)
            return
        stream.whole()
        stream.answer(b"good")
    return script


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_refused_stream_is_sent_again_whatever_it_is(h2, h2_gateway, client, method):
    """REFUSED_STREAM: nothing was done, so a POST goes again even where retries are off."""
    script = once(lambda stream: stream.refuse())
    backends = [h2(script), h2(script)]
    holdfast = h2_gateway(*backends, **NO_HELP)
    response = client(holdfast).request(method, body=b"order" if method == "POST" else None).response()
    assert (response.status, response.body) == (200, b"good")
    assert sum(len(backend.requests) for backend in backends) == 2
    assert all(backend.requests for backend in backends), "it goes elsewhere"


def test_endpoint_that_always_refuses_is_a_503(h2, h2_gateway, client):
    backend = h2(lambda stream: stream.refuse())
    holdfast = h2_gateway(backend, **NO_HELP)
    response = client(holdfast).request("POST", body=b"x").response()
    assert response.status == 503
    assert response.get("retry-after")
    assert 1 < len(backend.requests) < 8


def test_goaway_moves_what_was_not_begun(h2, h2_gateway, client):
    """Two POSTs on one connection; GOAWAY with the first one's id: the second goes on a new connection."""
    both = threading.Barrier(2)

    def script(stream):
        stream.whole()
        if stream.connection is not backend.users()[0]:
            stream.answer(b"second connection")
            return
        both.wait(10)
        if stream.id == 1:
            stream.connection.goaway(last=1)
            stream.answer(b"first connection")

    backend = h2(script)
    holdfast = h2_gateway(backend, **NO_HELP)
    clients = [client(holdfast) for _ in range(2)]
    clients[0].request("POST", "/0", body=b"0")
    wait_until(lambda: len(backend.requests) == 1, 10, "the first request")
    clients[1].request("POST", "/1", body=b"1")
    assert clients[0].response().body == b"first connection"
    assert clients[1].response().body == b"second connection"
    assert clients[0].request("POST", "/2", body=b"2").response().body == b"second connection"


@pytest.mark.parametrize("method, status", [("GET", 200), ("POST", 502)])
@pytest.mark.parametrize("how", ["reset", "gone"])
def test_lost_before_the_answer(h2, h2_gateway, client, how, method, status):
    script = once(lambda stream: stream.refuse(h2_codes.INTERNAL_ERROR) if how == "reset"
                  else stream.connection.close(reset=True))
    backends = [h2(script), h2(script)]
    holdfast = h2_gateway(*backends)
    response = client(holdfast).request(method, body=b"order" if method == "POST" else None).response()
    assert response.status == status
    assert sum(len(backend.requests) for backend in backends) == (2 if method == "GET" else 1)


@pytest.mark.parametrize("how", ["reset", "gone"])
def test_lost_within_the_answer_is_cut(h2, h2_gateway, client, how):
    def script(stream):
        stream.head(200)
        stream.data(b"some")
        if how == "reset":
            stream.refuse(h2_codes.INTERNAL_ERROR)
        else:
            stream.connection.close()

    one = client(h2_gateway(h2(script), **NO_HELP)).request()
    assert one.head().status == 200
    with pytest.raises((Gone, ConnectionResetError)):
        while True:
            one.reader.exactly(1)


def test_length_that_is_not_kept_is_not_passed_on(h2, h2_gateway, client):
    def script(stream):
        stream.head(200, [("content-length", "10")])
        stream.data(b"short", end=True)

    one = client(h2_gateway(h2(script), **NO_HELP)).request()
    assert one.head().status == 200
    with pytest.raises((Gone, ConnectionResetError)):
        one.reader.exactly(10)


def test_backend_that_speaks_http1_is_a_502_that_says_so(make, h2_gateway, client):
    def script(connection):
        connection.reader.more()
        connection.send("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")
        connection.reader.rest()

    holdfast = h2_gateway(make.backend(script), **NO_HELP)
    response = client(holdfast).request("POST", body=b"x").response()
    assert response.status == 502
    assert b"HTTP/2" in response.body
    assert "does not answer in HTTP/2" in holdfast.text()


def test_silent_backend_is_a_504_and_its_stream_is_reset(h2, h2_gateway, client):
    backend = h2(lambda stream: stream.wait(lambda: False, 30))
    holdfast = h2_gateway(backend, timeout={"response": "300ms", "try": "0s"}, **NO_HELP)
    assert client(holdfast).request().response().status == 504
    wait_until(lambda: backend.requests[0].reset is not None, 10, "the stream's reset")


def test_client_that_leaves_resets_its_stream_alone(h2, h2_gateway, client):
    def script(stream):
        stream.wait(lambda: stream.ended and go.is_set(), 30)
        stream.answer()

    go = threading.Event()
    backend = h2(script)
    holdfast = h2_gateway(backend)
    leaver, other = client(holdfast).request("GET", "/leaver"), client(holdfast)
    wait_until(lambda: len(backend.requests) == 1, 10, "the request")
    other.request("GET", "/other")
    wait_until(lambda: len(backend.requests) == 2, 10, "both requests")
    leaver.reset()
    wait_until(lambda: backend.requests[0].reset is not None, 10, "the reset")
    go.set()
    for connection in backend.connections:
        with connection.changed:
            connection.changed.notify_all()
    assert other.response().status == 200
    assert len(backend.users()) == 1


# ---- many at once ----

def test_streams_share_a_connection(h2, h2_gateway, client):
    gate = threading.Barrier(20)

    def script(stream):
        stream.whole()
        gate.wait(20)
        stream.answer(stream.path.encode())

    backend = h2(script)
    holdfast = h2_gateway(backend)
    clients = [client(holdfast).request("GET", f"/{n}") for n in range(20)]
    assert [one.response().body for one in clients] == [b"/%d" % n for n in range(20)]
    assert len(backend.users()) == 1


def test_connections_grow_as_the_endpoint_allows_few_streams(h2, h2_gateway, client):
    """Two streams a connection and eight connections: 16 at once; the others wait for their turn."""
    most, running, lock = 0, 0, threading.Lock()

    def script(stream):
        nonlocal most, running
        stream.whole()
        with lock:
            running += 1
            most = max(most, running)
        full.wait(0.3)
        with lock:
            running -= 1
            if most >= 16:
                full.set()
        stream.answer()

    full = threading.Event()
    backend = h2(script, max_streams=2)
    holdfast = h2_gateway(backend, timeout={"try": "0s"}, **NO_HELP)
    assert client(holdfast).request().response().status == 200
    clients = [client(holdfast).request("GET", f"/{n}") for n in range(40)]
    assert [one.response().status for one in clients] == [200] * 40
    assert len(backend.users()) <= 8


# ---- flow control ----

PIECE = bytes(range(256)) * 256  # 64 KiB


@pytest.mark.memory
def test_slow_client_stops_its_stream_alone(h2, h2_gateway, client):
    """One that takes nothing: the endpoint stops at its window; others on the connection flow."""
    sent = []

    def script(stream):
        stream.whole()
        if stream.path != "/slow":
            stream.answer()
            return
        stream.head(200)
        for _ in range(64):
            stream.data(PIECE)
            sent.append(len(PIECE))
        stream.data(b"", end=True)

    backend = h2(script)
    holdfast = h2_gateway(backend)
    before = memory_kb(holdfast.pid("gateway"))
    slow = client(holdfast, receive_buffer=4096).request("GET", "/slow")
    assert slow.head().status == 200
    other = client(holdfast)
    for _ in range(50):
        assert other.request().response().body == b"hello"
    assert len(backend.users()) == 1
    assert sum(sent) < 64 * len(PIECE), "the endpoint was not stopped"
    assert memory_kb(holdfast.pid("gateway")) - before < 8192
    slow.reader.buffer = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + slow.reader.buffer
    assert slow.response().body == PIECE * 64


@pytest.mark.memory
def test_endpoint_that_does_not_read_stops_the_upload(h2, h2_gateway, client):
    def script(stream):
        go.wait(30)
        with stream.connection.changed:
            stream.connection.consume = True
            stream.connection.h2.acknowledge_received_data(len(stream.body), stream.id)
            stream.connection.flush()
        stream.whole()
        stream.answer(b"%d" % len(stream.body))

    go = threading.Event()
    backend = h2(script)
    holdfast = h2_gateway(backend, timeout={"idle": "60s"})
    before = memory_kb(holdfast.pid("gateway"))
    backend.consume = False
    one = client(holdfast)
    total = 64 * len(PIECE)
    one.send(f"POST / HTTP/1.1\r\nhost: test\r\ncontent-length: {total}\r\n\r\n")
    sender = threading.Thread(target=lambda: [one.send(PIECE) for _ in range(64)], daemon=True)
    sender.start()
    wait_until(lambda: backend.requests and len(backend.requests[0].body) >= 65535, 10, "the window's end")
    assert memory_kb(holdfast.pid("gateway")) - before < 8192
    assert sender.is_alive()
    go.set()
    assert one.response().body == b"%d" % total


@pytest.mark.memory
def test_big_bodies_both_ways_and_memory_flat(h2, h2_gateway, client):
    def script(stream):
        stream.whole()
        stream.head(200, [("content-length", str(256 * len(PIECE)))])
        for _ in range(256):
            stream.data(PIECE)
        stream.data(b"", end=True)

    backend = h2(script)
    backend.keep_bodies = False
    holdfast = h2_gateway(backend)
    pid = holdfast.pid("gateway")
    before = memory_kb(pid)
    one = client(holdfast)
    one.send(f"POST / HTTP/1.1\r\nhost: test\r\ncontent-length: {256 * len(PIECE)}\r\n\r\n")
    for _ in range(256):
        one.send(PIECE)
    assert one.head().status == 200
    most = memory_kb(pid)
    for _ in range(256):
        assert one.reader.exactly(len(PIECE)) == PIECE
        most = max(most, memory_kb(pid))
    assert backend.bytes_in == 256 * len(PIECE)
    assert most - before < 8192, f"memory went from {before} to {most} kB"


@pytest.mark.memory
def test_big_bodies_in_http2_on_both_sides(h2, h2_gateway, tmp_path):
    def script(stream):
        body = stream.whole()
        stream.head(200, [("content-length", str(len(body)))])
        stream.data(body, end=True)

    holdfast = h2_gateway(h2(script))
    pid = holdfast.pid("gateway")
    before = memory_kb(pid)
    sent, got = tmp_path / "sent", tmp_path / "got"
    sent.write_bytes(PIECE * 256)
    curl = subprocess.Popen(["curl", "-sS", "--http2-prior-knowledge", "-m", "60", "--data-binary", f"@{sent}",
                             "-o", got, f"http://127.0.0.1:{holdfast.port}/"])
    most = before
    while curl.poll() is None:
        most = max(most, memory_kb(pid))
    assert curl.returncode == 0
    assert got.read_bytes() == PIECE * 256
    assert most - before < 8192, f"memory went from {before} to {most} kB"


# ---- releases ----

H2LOAD = re.compile(r"requests: (\d+) total, .* (\d+) succeeded, (\d+) failed, (\d+) errored")


@pytest.mark.load
@pytest.mark.parametrize("protocol", ["h2", "grpc"])
def test_releases_under_load(make, tmp_path, capsys, protocol):
    """Instances that die at once of SIGTERM, retry and hold off, HTTP/2 both ways: nobody notices."""
    versions = {f"1.{n}.0": {} for n in range(6)}
    smoke = {"get": "/smoke"} if protocol == "h2" else {"grpc": "/test.Echo/Unary"}
    holdfast = make.holdfast({"nodes": {"a": {}, "b": {}}, "services": {"app": {
        "route": [{"path": "/"}], "protocol": protocol, "version": "1.0.0", "versions": versions,
        "command": ["/usr/bin/python3", str(pathlib.Path(__file__).parent / "h2_app.py"), "--port", "{port}",
                    "--version", "{version}", "--journal", str(tmp_path / "journal")],
        "replicas": {"min": 2}, "health": {"interval": "200ms", "rise": 1, "fall": 3},
        "release": {"smoke": [smoke], "bake": "300ms", "weight": "10%"}, **NO_HELP}}})
    holdfast.wait_ready("app", 2)
    body = tmp_path / "body"
    body.write_bytes(b"\0\0\0\0\5hello")
    load = subprocess.Popen(["h2load", "-c", "4", "-m", "8", "-D", "20", "-d", body,
                             "-H", "content-type: application/" + ("grpc" if protocol == "grpc" else "text"),
                             f"http://127.0.0.1:{holdfast.port}/test.Echo/Unary"],
                            stdout=subprocess.PIPE, text=True)
    releases = 0
    while load.poll() is None and releases < 5:
        releases += 1
        done = holdfast.cli("release", "app", f"1.{releases}.0", timeout=120)
        assert done.returncode == 0, f"{done.stdout}{done.stderr}\n{holdfast.text()}"
    total, succeeded, failed, errored = map(int, H2LOAD.search(load.communicate(timeout=60)[0]).groups())
    with capsys.disabled():
        print(f"\n    {releases} releases of a service that speaks {protocol}: {total} requests, {failed} failed")
    assert releases >= 2
    assert total > 500
    assert (failed, errored) == (0, 0), f"{succeeded} of {total}"
    outcomes = {line["outcome"] for line in holdfast.access_log()}
    assert outcomes <= {"ok", "client_gone"}, outcomes
