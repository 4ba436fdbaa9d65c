"""Messages through the gateway: connections, bodies and their framing, both ways."""
import socket
import threading

import pytest

from http1 import Gone
from processes import wait_until


def echo(connection):
    """Answers with the request's body."""
    while True:
        request = connection.request()
        connection.answer(request.body, headers=[("x-method", request.method)])


def test_keep_alive_uses_one_connection_each_way(make, gateway, client):
    backend = make.backend(echo)
    holdfast = gateway(backend)
    one = client(holdfast)
    for number in range(50):
        response = one.request("POST", f"/{number}", body=b"%d" % number).response()
        assert (response.status, response.body) == (200, b"%d" % number)
    with backend.lock:
        users = [c for c in backend.connections if c.sock.fileno() >= 0]
    assert len(backend.requests) == 50
    # the probes have a connection of their own
    assert len(users) <= 4


def test_connection_close_is_obeyed(make, gateway, client):
    holdfast = gateway(make.backend())
    one = client(holdfast)
    response = one.request(headers=[("connection", "close")]).response()
    assert response.status == 200
    assert response.get("connection") == "close"
    assert one.closed()


def test_upstream_close_does_not_close_the_user(make, gateway, client):
    def script(connection):
        connection.request()
        connection.answer(b"bye", headers=[("connection", "close")])

    one = client(gateway(make.backend(script)))
    for _ in range(5):
        response = one.request().response()
        assert (response.status, response.body) == (200, b"bye")
        assert response.get("connection") != "close"


def test_http_1_0_is_closed_after_its_answer(make, gateway, client):
    one = client(gateway(make.backend()))
    response = one.send("GET / HTTP/1.0\r\nhost: test\r\n\r\n").response()
    assert (response.status, response.body) == (200, b"hello")
    assert one.closed()


def test_http_1_0_gets_no_chunks(make, gateway, client):
    def script(connection):
        connection.request()
        connection.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")

    one = client(gateway(make.backend(script)))
    response = one.send("GET / HTTP/1.0\r\nhost: test\r\n\r\n").response()
    assert response.get("transfer-encoding") is None
    assert response.body == b"hello"


def test_pipelined_requests_are_answered_in_order(make, gateway, client):
    def script(connection):
        while True:
            connection.answer(connection.request().target.encode())

    one = client(gateway(make.backend(script)))
    one.send("".join(f"GET /{n} HTTP/1.1\r\nhost: test\r\n\r\n" for n in range(20)))
    assert [one.response().body for _ in range(20)] == [b"/%d" % n for n in range(20)]


def test_request_byte_by_byte(make, gateway, client):
    one = client(gateway(make.backend(echo)))
    raw = b"POST /x HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    for index in range(len(raw)):
        one.send(raw[index:index + 1])
    assert one.response().body == b"abc"


def test_response_byte_by_byte(make, gateway, client):
    def script(connection):
        while True:
            connection.request()
            raw = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
            for index in range(len(raw)):
                connection.send(raw[index:index + 1])

    one = client(gateway(make.backend(script)))
    for _ in range(2):
        assert one.request().response().body == b"abc"


def test_chunks_both_ways_with_trailers(make, gateway, client):
    def script(connection):
        request = connection.request()
        assert request.get("transfer-encoding") == "chunked"
        assert request.body == b"hello world"
        assert ("x-sum", "1") in request.trailers
        connection.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-end\r\n\r\n"
                        "5\r\nhello\r\n6\r\n world\r\n0\r\nx-end: 2\r\n\r\n")
        connection.request()
        connection.answer(b"in step")

    one = client(gateway(make.backend(script), retry={"attempts": 0}))
    one.send("POST / HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\nte: trailers\r\n"
             "trailer: x-sum\r\n\r\n5\r\nhello\r\n6;ext=1\r\n world\r\n0\r\nx-sum: 1\r\n\r\n")
    response = one.response()
    assert response.body == b"hello world"
    assert response.trailers == [("x-end", "2")]
    assert one.request().response().body == b"in step"


def test_trailers_cannot_carry_framing(make, gateway, client):
    """A trailer that would be believed as a header is not passed on."""
    backend = make.backend(echo)
    one = client(gateway(backend))
    one.send("POST / HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n"
             "content-length: 3\r\nhost: evil\r\ntransfer-encoding: gzip\r\n\r\n")
    response = one.response()
    assert response.status in (200, 400)
    for request in backend.whole:
        assert not [t for t in request.trailers if t[0] in ("content-length", "host", "transfer-encoding")]


@pytest.mark.parametrize("framing", ["content-length: 5", "transfer-encoding: chunked"])
def test_head_has_headers_and_no_body(make, gateway, client, framing):
    def script(connection):
        while True:
            method = connection.request().method
            if method == "HEAD":
                connection.send(f"HTTP/1.1 200 OK\r\n{framing}\r\n\r\n")
            else:
                connection.answer(b"after")

    one = client(gateway(make.backend(script)))
    response = one.request("HEAD").response(to_head=True)
    name, value = framing.split(": ")
    assert (response.status, response.get(name)) == (200, value)
    assert one.request().response().body == b"after"


@pytest.mark.parametrize("status", [204, 304])
def test_statuses_without_a_body(make, gateway, client, status):
    def script(connection):
        connection.request()
        connection.send(f"HTTP/1.1 {status} Text\r\netag: x\r\n\r\n")
        connection.request()
        connection.answer(b"after")

    one = client(gateway(make.backend(script)))
    response = one.request().response()
    assert (response.status, response.get("etag")) == (status, "x")
    assert one.request().response().body == b"after"


def test_body_until_close_is_delimited_for_the_user(make, gateway, client):
    def script(connection):
        connection.request()
        connection.send(b"HTTP/1.0 200 OK\r\n\r\n" + b"x" * 100000)

    one = client(gateway(make.backend(script)))
    for _ in range(2):
        response = one.request().response()
        assert response.body == b"x" * 100000
        if response.get("transfer-encoding") is None:  # then it had to end with the connection
            return


def test_continue_is_passed_on_when_the_backend_says_so(make, gateway, client):
    asked = threading.Event()

    def script(connection):
        head = connection.head()
        assert head.get("expect") == "100-continue"
        asked.set()
        connection.send("HTTP/1.1 100 Continue\r\n\r\n")
        assert connection.reader.exactly(5) == b"hello"
        connection.answer(b"thanks")

    one = client(gateway(make.backend(script)))
    one.send("POST / HTTP/1.1\r\nhost: test\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n")
    assert one.response().status == 100
    assert asked.is_set(), "100 was sent before the backend wanted the body"
    one.send("hello")
    assert one.response().body == b"thanks"


def test_continue_refused_by_the_backend(make, gateway, client):
    def script(connection):
        connection.head()
        connection.answer(b"no", status=413)

    one = client(gateway(make.backend(script)))
    one.send("POST / HTTP/1.1\r\nhost: test\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n")
    assert one.response().status == 413


def test_early_hints_are_passed_on(make, gateway, client):
    def script(connection):
        connection.request()
        connection.send("HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n")
        connection.answer(b"page")

    one = client(gateway(make.backend(script)))
    hints = one.request().response()
    assert (hints.status, hints.get("link")) == (103, "</a>")
    assert one.response().body == b"page"


def test_early_response_reaches_the_user_who_still_sends(make, gateway, client):
    def script(connection):
        connection.head()
        connection.answer(b"too large", status=413, headers=[("connection", "close")])
        try:
            while True:  # as a server that lingers: read what still comes
                connection.reader.more()
                connection.reader.buffer = b""
        except (Gone, OSError):
            pass

    one = client(gateway(make.backend(script)))
    one.send(f"POST / HTTP/1.1\r\nhost: test\r\ncontent-length: {1 << 30}\r\n\r\n")
    one.send(b"x" * 65536)
    response = one.response()
    assert (response.status, response.body) == (413, b"too large")
    assert one.closed()


def test_half_closed_user_gets_the_answer(make, gateway, client):
    def script(connection):
        connection.request()
        wait_until(closed.is_set)
        connection.answer(b"still here")

    closed = threading.Event()
    one = client(gateway(make.backend(script)))
    one.request().half_close()
    closed.set()
    assert one.response().body == b"still here"
    assert one.closed()


def test_user_who_leaves_is_noticed_by_the_backend(make, gateway, client):
    noticed = threading.Event()

    def script(connection):
        connection.request()
        connection.send("HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\nbegin")
        try:
            connection.reader.more()
        except (Gone, OSError):
            noticed.set()

    one = client(gateway(make.backend(script)))
    one.request().head()
    one.reset()
    wait_until(noticed.is_set, 10, "the backend's connection to end")


def test_request_cut_within_its_body_is_not_finished(make, gateway, client):
    """A body that stops short must not look whole to the instance."""
    cut = threading.Event()

    def script(connection):
        connection.head()
        try:
            connection.reader.exactly(10)
        except (Gone, OSError):
            cut.set()

    backend = make.backend(script)
    one = client(gateway(backend))
    one.send("POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 10\r\n\r\nhello")
    wait_until(lambda: backend.requests, 10, "the head at the backend")
    one.close()
    wait_until(cut.is_set, 10, "the cut at the backend")


def test_no_connection_is_refused_while_many_come_at_once(make, gateway):
    holdfast = gateway(make.backend())
    socks = [socket.create_connection(("127.0.0.1", holdfast.port), timeout=15) for _ in range(400)]
    for sock in socks:
        sock.sendall(b"GET / HTTP/1.1\r\nhost: test\r\n\r\n")
    for sock in socks:
        assert sock.recv(65536).startswith(b"HTTP/1.1 200")
        sock.close()
