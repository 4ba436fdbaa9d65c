"""HTTP/2 to services that are declared `protocol: h2`: what passes, and what becomes of requests that fail."""
import pytest

from h2_server import H2Backend


@pytest.fixture
def h2(make):
    """h2(script) makes a backend that speaks HTTP/2."""
    def start(*arguments, **keywords):
        made = H2Backend(*arguments, **keywords)
        make.backends.append(made)
        return made
    return start


@pytest.fixture
def h2_gateway(gateway):
    def start(*backends, **service):
        return gateway(*backends, **{"protocol": "h2", "health": {"tcp": True, "interval": "200ms", "rise": 1,
                                                                  "fall": 2}, **service})
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
