"""HTTP/2 to clients, over cleartext with prior knowledge: requests, flow control, ends of all kinds."""
import json
import subprocess
import threading

import pytest

from http2 import (CANCEL, DATA, INTERNAL_ERROR, NO_ERROR, PREFACE, Http2, frame, settings, window_update)
from processes import wait_until


def echo(connection):
    """Answers with what came."""
    while True:
        request = connection.request()
        connection.answer(request.body, headers=[("x-method", request.method), ("x-target", request.target)])


@pytest.fixture
def h2():
    """h2(holdfast) opens a connection to its gateway."""
    opened = []

    def open_client(holdfast, **keywords):
        opened.append(Http2(holdfast.port, **keywords))
        return opened[-1]

    yield open_client
    for one in opened:
        one.close()


def test_requests_are_answered(make, gateway, h2):
    backend = make.backend(echo)
    client = h2(gateway(backend))
    response = client.get("/a?b=c", headers=[("x-a", "b"), ("cookie", "a=1"), ("cookie", "b=2"), ("te", "trailers")])
    assert (response.status, response.get("x-method"), response.get("x-target")) == (200, "GET", "/a?b=c")
    request = backend.whole[-1]
    assert request.get("host") == "test" and request.get("x-a") == "b" and request.get("cookie") == "a=1; b=2"
    assert request.get("x-forwarded-proto") == "http" and request.get("te") is None
    assert response.get("x-request-id") == request.get("x-request-id")
    for body in (b"", b"x", b"y" * 70000, b"z" * 500000):
        response = client.response(client.request("POST", body=body))
        assert response.status == 200 and response.body == body
        assert backend.whole[-1].get("content-length") is None
        response = client.response(client.request("PUT", body=body, headers=[("content-length", str(len(body)))]))
        assert response.body == body and backend.whole[-1].get("content-length") == str(len(body))


def test_curl_speaks_it(make, gateway):
    holdfast = gateway(make.backend(echo))
    done = subprocess.run(["curl", "-s", "--http2-prior-knowledge", "--data-binary", "@-", "-w", "%{http_version}",
                           f"http://127.0.0.1:{holdfast.port}/x"], input=b"a" * 300000, capture_output=True,
                          timeout=60, check=True)
    assert done.stdout == b"a" * 300000 + b"2"


def test_the_preface_may_come_in_pieces(make, gateway, client, h2):
    holdfast = gateway(make.backend())
    for cut in (1, 3, 14, 16, 23, 24, 25, 33):
        connection = h2(holdfast, greet=False)
        start = PREFACE + settings()
        connection.send(start[:cut])
        if cut < len(PREFACE):
            connection.sock.settimeout(0.05)
            with pytest.raises(TimeoutError):
                connection.one()
            connection.sock.settimeout(20)
        connection.send(start[cut:])
        assert connection.get().status == 200
    # what only begins like it is HTTP/1
    for first in ("P", "PR", "PRI"):
        one = client(holdfast)
        one.send(first)
        one.send("OST / HTTP/1.1\r\nhost: test\r\n\r\n" if first == "P" else
                 ("OPFIND" if first == "PR" else "NT") + " / HTTP/1.1\r\nhost: test\r\n\r\n")
        assert one.response().status == 200
    for wrong in ("PRI * HTTP/2.0\r\n\r\nSN\r\n\r\n", "PRI * HTTP/2.0\r\nhost: test\r\n\r\n"):
        assert client(holdfast).send(wrong).response().status in (400, 505)
    one = client(holdfast)
    assert one.request().response().status == 200
    assert one.send(PREFACE).response().status in (400, 505)  # too late


def test_a_hundred_streams_at_once(make, gateway, h2):
    """All are under way at the same time; their answers come in the order of the backend."""
    gate = threading.Barrier(100, timeout=30)

    def script(connection):
        while True:
            request = connection.request()
            gate.wait()
            connection.answer(request.target.encode() * 1000)

    client = h2(gateway(make.backend(script)))
    streams = {client.request(path=f"/{i}"): f"/{i}".encode() * 1000 for i in range(100)}
    for stream, body in streams.items():
        assert client.response(stream).body == body


def test_trailers_pass_both_ways(make, gateway, h2):
    def script(connection):
        while True:
            request = connection.request()
            assert ("x-sum", "7") in request.trailers
            connection.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: grpc-status\r\n\r\n"
                            b"5\r\nhello\r\n0\r\ngrpc-status: 0\r\nGrpc-Message: fine\r\n\r\n")

    client = h2(gateway(make.backend(script)))
    stream = client.begin("POST", end=False)
    client.data(stream, b"data")
    client.send(frame(1, 0x5, stream, client.block(("x-sum", "7"))))
    response = client.response(stream)
    assert response.body == b"hello"
    assert response.trailers == [("grpc-status", "0"), ("grpc-message", "fine")]


def test_messages_without_a_body(make, gateway, h2):
    def script(connection):
        while True:
            request = connection.request()
            if request.method == "HEAD":
                connection.send(b"HTTP/1.1 200 OK\r\ncontent-length: 12345\r\n\r\n")
            else:
                connection.send(f"HTTP/1.1 {request.target[1:]} X\r\ncontent-length: 0\r\n\r\n"
                                if request.target == "/200" else f"HTTP/1.1 {request.target[1:]} X\r\n\r\n")

    client = h2(gateway(make.backend(script)))
    head = client.response(client.request("HEAD"))
    assert head.get("content-length") == "12345" and head.body == b"" and head.ended
    assert client.response(client.request("HEAD", path="/")).status == 200
    for status in (200, 204, 304):
        response = client.get(f"/{status}")
        assert response.status == status and response.body == b"" and not response.chunks


def test_interim_responses_pass(make, gateway, h2):
    def script(connection):
        connection.head()
        connection.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        assert connection.reader.until(b"0\r\n\r\n")
        connection.send(b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n")
        connection.answer(b"late")

    client = h2(gateway(make.backend(script)))
    stream = client.begin("POST", headers=[("expect", "100-continue")], end=False)
    client.until(lambda: client.streams[stream].interims)
    client.data(stream, b"body", end=True)
    response = client.response(stream)
    assert [dict(i)[":status"] for i in response.interims] == ["100", "103"]
    assert dict(response.interims[1])["link"] == "</a>" and response.body == b"late"


def test_the_access_log_names_the_protocol(make, gateway, h2, client):
    holdfast = gateway(make.backend())
    assert h2(holdfast).get("/two").status == 200
    assert client(holdfast).request(target="/one").response().status == 200

    def lines():
        found = [json.loads(line) for line in (holdfast.state / "access.log").read_text().splitlines()]
        return {line["url"]: line for line in found if line["url"] in ("/one", "/two")}
    wait_until(lambda: len(lines()) == 2, 20, "both lines")
    assert lines()["/two"]["protocol"] == "HTTP/2" and lines()["/one"]["protocol"] == "HTTP/1.1"
    assert set(lines()["/two"]) == set(lines()["/one"])


def test_a_response_that_breaks_is_reset(make, gateway, h2):
    def script(connection):
        connection.request()
        connection.send(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello")
        connection.close()

    client = h2(gateway(make.backend(script), retry={"attempts": 0}))
    response = client.get()
    assert response.status == 200 and response.reset == INTERNAL_ERROR
    assert client.get().reset == INTERNAL_ERROR  # the connection goes on


def test_an_early_answer_ends_the_request(make, gateway, h2):
    """RFC 9113 8.1: the response whole, then RST_STREAM with NO_ERROR."""
    def script(connection):
        connection.head()
        connection.send(b"HTTP/1.1 403 No\r\ncontent-length: 2\r\n\r\nno")

    client = h2(gateway(make.backend(script)))
    stream = client.begin("POST", end=False)
    client.data(stream, b"x" * 100)
    response = client.response(stream)
    client.until(lambda: response.reset is not None)
    assert response.status == 403 and response.body == b"no" and response.ended and response.reset == NO_ERROR
    assert client.get().status == 403


def test_a_reset_ends_the_call(make, gateway, h2):
    gone = threading.Event()

    def script(connection):
        connection.request()
        connection.reader.sock.settimeout(30)
        assert connection.reader.rest() == b""
        gone.set()

    backend = make.backend(script)
    client = h2(gateway(backend))
    stream = client.request()
    wait_until(lambda: backend.whole, 20, "the request")
    client.send(frame(3, 0, stream, CANCEL.to_bytes(4, "big")))
    assert gone.wait(20), "the call went on"


def test_a_response_waits_for_the_window(make, gateway, h2):
    """Not a byte more than the client has room for, in stream and connection."""
    size = 1_000_000

    def script(connection):
        while True:
            connection.request()
            connection.answer(b"d" * size)

    client = h2(gateway(make.backend(script)), window=1, initial_window_size=1000)
    one, two = client.request(), client.request()
    client.until(lambda: len(client.streams[one].body) == 1000 and len(client.streams[two].body) == 1000)
    client.synced()
    assert len(client.streams[one].body) == 1000
    client.send(window_update(one, size))
    client.until(lambda: sum(len(client.streams[s].body) for s in (one, two)) == 65536)
    client.synced()
    assert len(client.streams[one].body) == 64536
    client.send(window_update(0, 3 * size), window_update(two, size))
    assert len(client.response(one).body) == size and len(client.response(two).body) == size


def test_an_upload_waits_for_the_endpoint(make, gateway, h2):
    """What the client may send is bounded while the endpoint takes nothing; then it goes on."""
    go = threading.Event()

    def script(connection):
        connection.head()
        go.wait(30)
        total = 0
        while True:
            size = int(connection.reader.until(b"\r\n"), 16)
            total += len(connection.reader.exactly(size))
            assert connection.reader.exactly(2) == b"\r\n"
            if not size:
                break
        connection.answer(str(total).encode())

    client = h2(gateway(make.backend(script)))
    client.synced()
    stream = client.begin("POST", end=False)
    size = 50_000_000

    def upload():
        client.upload(stream, b"u" * size)
    sender = threading.Thread(target=upload, daemon=True)
    sender.start()
    wait_until(lambda: client.room(stream) == 0, 20, "the window to shut")
    go.set()
    sender.join(60)
    assert client.response(stream).body == str(size).encode()


def test_data_frames_come_in_bounds(make, gateway, h2):
    """A large response: frames of at most 16 KiB, in order."""
    body = bytes(range(256)) * 20000

    def script(connection):
        while True:
            connection.request()
            connection.answer(body)

    client = h2(gateway(make.backend(script)))
    response = client.get()
    assert response.body == body
    assert all(f.kind != DATA or len(f.payload) <= 16384 for f in client.frames)
