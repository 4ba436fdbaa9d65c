"""HTTP/2 to clients, over cleartext with prior knowledge: requests, flow control, ends of all kinds."""
import base64
import hashlib
import json
import subprocess
import threading

import pytest

from fleet import Fleet
from http2 import (CANCEL, DATA, ENABLE_CONNECT_PROTOCOL, INTERNAL_ERROR, NO_ERROR, PREFACE, Http2, Response, frame,
                   rst, settings, window_update)
from processes import memory_kb, wait_until
from test_gateway_cost import Strace


def echo(connection):
    """Answers with what came."""
    while True:
        request = connection.request()
        connection.answer(request.body, headers=[("x-method", request.method), ("x-target", request.target)])


def accept_for(key):
    return base64.b64encode(hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()).decode()


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


def test_leaving_says_so_and_finishes(make, gateway, h2):
    """GOAWAY twice: first without a limit, so that what is on its way is still taken; then with the last stream."""
    go = threading.Event()

    def script(connection):
        while True:
            if connection.request().target == "/slow":
                go.wait(30)
            connection.answer()

    backend = make.backend(script)
    holdfast = gateway(backend)
    client, idle = h2(holdfast, polite=False), h2(holdfast)
    idle.synced()
    slow = client.request(path="/slow")
    wait_until(lambda: "/slow" in backend.targets(), 20, "the request")
    ender = threading.Thread(target=holdfast.stop)
    ender.start()
    client.until(lambda: client.goaways)
    assert client.goaways[0].code == NO_ERROR and client.goaways[0].last_stream == (1 << 31) - 1
    late = client.request(path="/late")  # sent before the client could know
    assert client.response(late).status == 200
    mark = [f for f in client.frames if f.kind == 6 and not f.flags][0]
    client.send(frame(6, 1, 0, mark.payload))
    client.until(lambda: len(client.goaways) == 2)
    assert client.goaways[1].code == NO_ERROR and client.goaways[1].last_stream == late
    client.begin(path="/too-late")
    go.set()
    assert client.response(slow).body == b"hello"
    assert client.goaway() == NO_ERROR and idle.goaway() == NO_ERROR
    assert "/too-late" not in backend.targets()
    ender.join(30)


def test_a_client_that_goes_ends_its_calls(make, gateway, h2):
    gone = threading.Semaphore(0)

    def script(connection):
        connection.request()
        connection.reader.rest()
        gone.release()

    backend = make.backend(script)
    client = h2(gateway(backend))
    for _ in range(20):
        client.request()
    wait_until(lambda: len(backend.whole) == 20, 20, "the requests")
    client.drop()
    for _ in range(20):
        assert gone.acquire(timeout=20), "a call went on"


def test_a_half_closed_client_gets_its_answers(make, gateway, h2):
    """What it has asked for is answered; half a request is not waited for."""
    go = threading.Event()

    def script(connection):
        connection.request()
        go.wait(20)
        connection.answer()

    backend = make.backend(script)
    client = h2(gateway(backend), polite=False)
    client.until(lambda: client.acked)
    whole, half = client.request(), client.begin("POST", end=False)
    wait_until(lambda: backend.whole, 20, "the request")
    client.sock.shutdown(1)
    assert client.response(half).reset == CANCEL
    go.set()
    assert client.response(whole).body == b"hello"
    client.goaway()


def test_resets_in_every_state(make, gateway, h2):
    """Before, within and behind the head, the body and the answer; the connection goes on each time."""
    def script(connection):
        while True:
            request = connection.head()
            if request.target == "/hang":
                connection.reader.rest()
            if request.target == "/part":
                connection.send(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\npart")
                connection.reader.rest()
            if request.get("transfer-encoding"):
                connection.reader.until(b"0\r\n\r\n")
            connection.answer(b"x" * 100000)

    backend = make.backend(script)
    client = h2(gateway(backend))
    for _ in range(5):
        stream = client.begin("POST", end=False)  # at once
        client.send(rst(stream))
        stream = client.begin("POST", "/hang", end=False)  # within the body
        client.data(stream, b"x" * 1000)
        client.send(rst(stream))
        stream = client.request(path="/hang")  # without an answer
        client.send(rst(stream))
        stream = client.request(path="/part")  # within the answer
        client.until(lambda: client.streams[stream].body == b"part")
        client.send(rst(stream))
        stream = client.request()  # perhaps behind it
        client.send(rst(stream))
        stream = client.request()
        assert len(client.response(stream).body) == 100000
        client.send(rst(stream))  # surely behind it
        client.synced()
    assert not client.goaways


def test_a_websocket_over_http2(make, gateway, h2):
    """RFC 8441: extended CONNECT; bytes both ways, and both ends."""
    def script(connection):
        request = connection.head()
        assert request.method == "GET" and request.get("upgrade") == "websocket"
        assert request.get("sec-websocket-version") == "13"
        connection.send("HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
                        f"sec-websocket-accept: {accept_for(request.get('sec-websocket-key'))}\r\n\r\nwelcome")
        while True:
            data = connection.sock.recv(65536)
            if not data:
                break
            connection.send(data.upper())
        connection.send(b"bye")

    client = h2(gateway(make.backend(script)))
    client.synced()
    assert client.peer[ENABLE_CONNECT_PROTOCOL] == 1
    stream = client.next_stream
    client.next_stream += 2
    client.streams[stream] = Response()
    client.send(frame(1, 4, stream, client.block((":method", "CONNECT"), (":protocol", "websocket"),
                                                 (":scheme", "http"), (":path", "/chat"), (":authority", "test"),
                                                 ("sec-websocket-version", "13"))))
    response = client.streams[stream]
    client.data(stream, b"early ")  # before the answer
    client.until(lambda: response.headers)
    assert response.status == 200 and response.get("sec-websocket-accept") is None
    client.data(stream, b"hello")
    client.until(lambda: len(response.body) == 18)
    assert response.body == b"welcomeEARLY HELLO"
    big = b"x" * 300000
    client.upload(stream, big, end=False)
    client.until(lambda: len(response.body) == 18 + len(big))
    client.data(stream, b"", end=True)
    assert client.response(stream).body.endswith(b"Xbye") and response.ended
    client.synced()
    assert not client.goaways


def test_a_protocol_that_is_not_offered(make, gateway, h2):
    client = h2(gateway(make.backend(), upgrade="off"))
    stream = client.next_stream
    client.next_stream += 2
    client.streams[stream] = Response()
    client.send(frame(1, 4, stream, client.block((":method", "CONNECT"), (":protocol", "websocket"),
                                                 (":scheme", "http"), (":path", "/"), (":authority", "test"))))
    assert client.response(stream).status == 501
    assert client.get().status == 200


@pytest.mark.memory
def test_200_mb_both_ways_and_memory_flat(make, gateway, h2):
    size = 200_000_000
    piece = b"b" * 1_000_000

    def script(connection):
        while True:
            request = connection.head()
            total = 0
            while request.get("transfer-encoding"):
                length = int(connection.reader.until(b"\r\n"), 16)
                total += len(connection.reader.exactly(length + 2)) - 2
                if not length:
                    break
            if request.method == "POST":
                connection.answer(str(total).encode())
                continue
            connection.send(f"HTTP/1.1 200 OK\r\ncontent-length: {size}\r\n\r\n")
            for _ in range(size // len(piece)):
                connection.send(piece)

    holdfast = gateway(make.backend(script))
    client = h2(holdfast, window=(1 << 31) - 1 - 65535, initial_window_size=(1 << 31) - 1)
    pid, got = holdfast.pid("gateway"), 0
    client.synced()
    before = memory_kb(pid)
    stream = client.begin()
    response = client.streams[stream]
    while not response.ended:
        client.one()
        got += len(response.body)
        response.body = b""
        response.chunks.clear()
        client.frames.clear()
    assert got == size
    stream = client.begin("POST", end=False)
    for _ in range(size // len(piece)):
        client.upload(stream, piece, end=False)
    client.data(stream, b"", end=True)
    assert client.response(stream).body == str(size).encode()
    assert memory_kb(pid) - before < 4096


def test_streams_take_turns(make, gateway, h2):
    """A large response does not keep a small one waiting, nor does another large one."""
    def script(connection):
        while True:
            request = connection.request()
            connection.answer(b"d" * (30_000_000 if request.target == "/large" else 100_000))

    client = h2(gateway(make.backend(script)), window=(1 << 31) - 1 - 65535, initial_window_size=(1 << 31) - 1)
    one = client.begin(path="/large", headers=[("priority", "u=0")])
    two = client.begin(path="/large")
    client.until(lambda: len(client.streams[one].body) > 100_000 and len(client.streams[two].body) > 100_000)
    small = client.response(client.begin(path="/small"))
    assert len(small.body) == 100_000 and not client.streams[one].ended
    sizes = [len(client.response(s).body) for s in (one, two)]
    assert sizes == [30_000_000] * 2


def test_system_calls_of_many_streams(make, gateway, tmp_path, capsys):
    """25 requests at once on each of four connections: receiving from and sending to clients costs next to nothing."""
    holdfast = gateway(make.backend(), upgrade="off")
    ask = ["h2load", "-n", "5000", "-c", "4", "-m", "25", f"http://127.0.0.1:{holdfast.port}/"]
    subprocess.run(ask, capture_output=True, timeout=100, check=True)
    strace = Strace(holdfast.pid("gateway"), tmp_path / "calls")
    done = subprocess.run(ask, capture_output=True, text=True, timeout=100, check=True)
    calls = strace.stop()
    assert "5000 succeeded, 0 failed" in done.stdout, done.stdout
    each = {name: round(count / 5000, 2) for name, count in calls.items() if count > 50}
    with capsys.disabled():
        print(f"\n    5000 requests: {sum(each.values()):.2f} system calls each {each}")
    assert sum(each.values()) < 3


@pytest.mark.load
def test_h2load_has_no_failure(make, gateway):
    holdfast = gateway(make.backend(), make.backend())
    done = subprocess.run(["h2load", "-n", "3000", "-c", "10", "-m", "30", f"http://127.0.0.1:{holdfast.port}/"],
                          capture_output=True, text=True, timeout=100, check=True)
    assert "3000 succeeded, 0 failed, 0 errored" in done.stdout, done.stdout


@pytest.mark.load
def test_releases_under_http2_load(make, tmp_path):
    """No user notices, with retry and hold switched off."""
    fleet = Fleet(tmp_path)
    for number in range(20):
        fleet.release(f"1.{number}.0")
    holdfast = make.holdfast(fleet.config("1.0.0", retry={"attempts": 0}, hold={"time": "0s"}))
    holdfast.wait_ready("app", 2)
    load = subprocess.Popen(["h2load", "-n", "60000", "-c", "4", "-m", "10",
                             f"http://127.0.0.1:{holdfast.port}/echo/1"], stdout=subprocess.PIPE, text=True)
    number = 0
    while load.poll() is None and number < 19:
        number += 1
        done = holdfast.cli("release", "app", f"1.{number}.0", timeout=120)
        assert done.returncode == 0, f"{done.stdout}{done.stderr}\n{holdfast.text()}"
    text = load.communicate(timeout=100)[0]
    assert number >= 2 and "60000 succeeded, 0 failed, 0 errored" in text, text
