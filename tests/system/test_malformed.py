"""Malformed and ambiguous HTTP/1 messages, each with its exact answer.

A request that two parsers could read in two ways is refused, the connection is closed, and no instance
sees it. A response that is not HTTP, or ambiguous, is a 502, and its connection is not used again.
"""
import re
import threading

import pytest

from conftest import proxy
from http1 import Client
from processes import wait_until

HOST = b"host: test\r\n"


def get(headers=b"", target=b"/", host=HOST):
    return b"GET " + target + b" HTTP/1.1\r\n" + host + headers + b"\r\n"


def post(headers, body=b""):
    return b"POST / HTTP/1.1\r\n" + HOST + headers + b"\r\n" + body


def chunked(body):
    return post(b"transfer-encoding: chunked\r\n", body)


REQUESTS = {
    # two framings, or lengths that can be read in two ways
    "length and chunked": (post(b"content-length: 5\r\ntransfer-encoding: chunked\r\n", b"0\r\n\r\n"), 400),
    "chunked and length": (post(b"transfer-encoding: chunked\r\ncontent-length: 5\r\n", b"0\r\n\r\n"), 400),
    "two lengths that differ": (post(b"content-length: 5\r\ncontent-length: 6\r\n", b"hello!"), 400),
    "two lengths that agree": (post(b"content-length: 5\r\ncontent-length: 5\r\n", b"hello"), 400),
    "a list of lengths": (post(b"content-length: 5, 5\r\n", b"hello"), 400),
    "a list of lengths that differ": (post(b"content-length: 5, 6\r\n", b"hello!"), 400),
    "negative length": (post(b"content-length: -1\r\n"), 400),
    "length with a sign": (post(b"content-length: +5\r\n", b"hello"), 400),
    "hexadecimal length": (post(b"content-length: 0x5\r\n", b"hello"), 400),
    "length with a fraction": (post(b"content-length: 5.0\r\n", b"hello"), 400),
    "length with a space inside": (post(b"content-length: 5 5\r\n", b"hello"), 400),
    "empty length": (post(b"content-length:\r\n"), 400),
    "length in words": (post(b"content-length: five\r\n", b"hello"), 400),
    "length over 64 bits": (post(b"content-length: 18446744073709551621\r\n", b"hello"), 400),
    "length of 30 digits": (post(b"content-length: " + b"9" * 30 + b"\r\n", b"hello"), 400),
    # transfer codings
    "unknown coding, so no known end": (post(b"transfer-encoding: xchunked\r\n"), 400),
    "unknown coding within chunked": (post(b"transfer-encoding: gzip, chunked\r\n", b"0\r\n\r\n"), 501),
    "identity coding": (post(b"transfer-encoding: identity\r\n"), 400),
    "chunked twice": (post(b"transfer-encoding: chunked, chunked\r\n", b"0\r\n\r\n"), 400),
    "chunked on two lines": (
        post(b"transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n", b"0\r\n\r\n"), 400),
    "chunked is not last": (post(b"transfer-encoding: chunked, gzip\r\n", b"0\r\n\r\n"), 400),
    "empty coding": (post(b"transfer-encoding:\r\n"), 400),
    "coding with a vertical tab": (post(b"transfer-encoding: \x0bchunked\r\n", b"0\r\n\r\n"), 400),
    "chunked in HTTP/1.0": (
        b"POST / HTTP/1.0\r\n" + HOST + b"transfer-encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    # header lines
    "space before the colon": (get(b"x-a : b\r\n"), 400),
    "tab before the colon": (get(b"x-a\t: b\r\n"), 400),
    "space before the colon of a framing header": (
        post(b"transfer-encoding : chunked\r\n", b"0\r\n\r\n"), 400),
    "folded header": (get(b"x-a: b\r\n c\r\n"), 400),
    "folded header with a tab": (get(b"x-a: b\r\n\tc\r\n"), 400),
    "folded framing header": (post(b"transfer-encoding:\r\n chunked\r\n", b"0\r\n\r\n"), 400),
    "first header line begins with a space": (b"GET / HTTP/1.1\r\n host: test\r\n\r\n", 400),
    "header line of spaces": (get(b"  \r\n"), 400),
    "header without a colon": (get(b"x-a\r\n"), 400),
    "header without a name": (get(b": b\r\n"), 400),
    "space in a header's name": (get(b"x a: b\r\n"), 400),
    "bracket in a header's name": (get(b"x(a: b\r\n"), 400),
    "non-ASCII header name": (get(b"x-\xe4: b\r\n"), 400),
    "NUL in a header's name": (get(b"x\0a: b\r\n"), 400),
    "NUL in a header's value": (get(b"x-a: b\0c\r\n"), 400),
    "control character in a value": (get(b"x-a: b\x01c\r\n"), 400),
    "DEL in a value": (get(b"x-a: b\x7fc\r\n"), 400),
    "bare CR in a value": (get(b"x-a: b\rc\r\n"), 400),
    "bare LF ends a header": (get(b"x-a: b\n"), 400),
    "bare LF ends the head": (b"GET / HTTP/1.1\r\nhost: test\r\n\n", 400),
    "bare LF everywhere": (b"GET / HTTP/1.1\nhost: test\n\n", 400),
    "bare LF ends the request line": (b"GET / HTTP/1.1\nhost: test\r\n\r\n", 400),
    # the request line
    "no version (HTTP/0.9)": (b"GET /\r\n\r\n", 400),
    "version 2.0": (b"GET / HTTP/2.0\r\n" + HOST + b"\r\n", 505),
    "version 0.9": (b"GET / HTTP/0.9\r\n" + HOST + b"\r\n", 505),
    "version 3.1": (b"GET / HTTP/3.1\r\n" + HOST + b"\r\n", 505),
    "version 1.2": (b"GET / HTTP/1.2\r\n" + HOST + b"\r\n", 505),
    "version of two digits": (b"GET / HTTP/1.10\r\n" + HOST + b"\r\n", 400),
    "version without a minor": (b"GET / HTTP/1\r\n" + HOST + b"\r\n", 400),
    "version in lower case": (b"GET / http/1.1\r\n" + HOST + b"\r\n", 400),
    "another protocol": (b"GET / ICAP/1.1\r\n" + HOST + b"\r\n", 400),
    "no method": (b" / HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "two empty lines before it": (b"\r\n\r\n" + get(), 400),
    "method of 40 characters": (b"G" * 40 + b" / HTTP/1.1\r\n" + HOST + b"\r\n", 501),
    "method with a bracket": (b"G(T / HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "method with a NUL": (b"G\0T / HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "two spaces in the request line": (b"GET  / HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "tab in the request line": (b"GET\t/ HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "space at the end of the request line": (b"GET / HTTP/1.1 \r\n" + HOST + b"\r\n", 400),
    "space in the target": (b"GET /a b HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "NUL in the target": (get(target=b"/a\0b"), 400),
    "control character in the target": (get(target=b"/a\x01b"), 400),
    "DEL in the target": (get(target=b"/a\x7fb"), 400),
    "non-ASCII target": (get(target=b"/\xff"), 400),
    "fragment in the target": (get(target=b"/a#b"), 400),
    "target without a slash": (get(target=b"a"), 400),
    "bare CR in the request line": (b"GET /\rHTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "TLS on the plain port": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\r\n\r\n", 400),
    # forms of the target
    "asterisk with GET": (get(target=b"*"), 400),
    "authority form with GET": (get(target=b"test:80"), 400),
    "CONNECT": (b"CONNECT test:80 HTTP/1.1\r\nhost: test:80\r\n\r\n", 501),
    "absolute form of another scheme": (get(target=b"ftp://test/"), 400),
    "absolute form without a host": (get(target=b"http:///a"), 400),
    "absolute form with a user": (get(target=b"http://me@test/"), 400),
    "absolute form that differs from host": (get(target=b"http://other/"), 400),
    # host
    "no host": (get(host=b""), 400),
    "two hosts": (get(b"host: other\r\n"), 400),
    "two equal hosts": (get(b"host: test\r\n"), 400),
    "host with a space": (get(host=b"host: te st\r\n"), 400),
    "host with a path": (get(host=b"host: test/a\r\n"), 400),
    "host with a user": (get(host=b"host: me@test\r\n"), 400),
    "a list of hosts": (get(host=b"host: test,other\r\n"), 400),
    "host with a bad port": (get(host=b"host: test:http\r\n"), 400),
    "empty host": (get(host=b"host:\r\n"), 400),
    # sizes
    "request line too long": (get(target=b"/" + b"a" * 70000), 414),
    "header line too long": (get(b"x-a: " + b"b" * 140000 + b"\r\n"), 431),
    "headers too large together": (get(b"".join(b"x-%d: %s\r\n" % (i, b"b" * 1500) for i in range(90))), 431),
    "too many headers": (get(b"".join(b"x-%d: b\r\n" % i for i in range(1000))), 431),
    # what is expected
    "unknown expectation": (post(b"expect: a-miracle\r\ncontent-length: 5\r\n", b"hello"), 417),
}

CHUNKS = {
    "size is not hexadecimal": b"zz\r\nhello\r\n0\r\n\r\n",
    "size is negative": b"-5\r\nhello\r\n0\r\n\r\n",
    "size with a sign": b"+5\r\nhello\r\n0\r\n\r\n",
    "size with 0x": b"0x5\r\nhello\r\n0\r\n\r\n",
    "size is empty": b"\r\nhello\r\n0\r\n\r\n",
    "size over 64 bits": b"10000000000000005\r\nhello\r\n0\r\n\r\n",
    "size of many digits": b"0" * 64 + b"5\r\nhello\r\n0\r\n\r\n",
    "space before the size": b" 5\r\nhello\r\n0\r\n\r\n",
    "space after the size": b"5 \r\nhello\r\n0\r\n\r\n",
    "bare LF after the size": b"5\nhello\r\n0\r\n\r\n",
    "bare CR after the size": b"5\rhello\r\n0\r\n\r\n",
    "data longer than the size": b"4\r\nhello\r\n0\r\n\r\n",
    "bare LF after the data": b"5\r\nhello\n0\r\n\r\n",
    "extension with a NUL": b"5;a=\0\r\nhello\r\n0\r\n\r\n",
    "extension with a bare LF": b"5;a\nb\r\nhello\r\n0\r\n\r\n",
    "extension too long": b"5;" + b"a" * 70000 + b"\r\nhello\r\n0\r\n\r\n",
    "trailer without a colon": b"5\r\nhello\r\n0\r\nx-a\r\n\r\n",
    "trailer with a space before the colon": b"5\r\nhello\r\n0\r\nx-a : b\r\n\r\n",
    "folded trailer": b"5\r\nhello\r\n0\r\nx-a: b\r\n c\r\n\r\n",
    "trailers too large": b"5\r\nhello\r\n0\r\n" + b"x-a: b\r\n" * 40000 + b"\r\n",
    "bare LF ends the body": b"5\r\nhello\r\n0\r\n\n",
}

# Not in good taste, but of one meaning only: answered with 200.
ACCEPTED = {
    "an empty line before the request": b"\r\n" + get(),
    "spaces around a value": get(b"x-a: \t b \t\r\n"),
    "no space after the colon": get(b"x-a:b\r\n"),
    "empty value": get(b"x-a:\r\n"),
    "obs-text in a value": get(b"x-a: \xe4\r\n"),
    "unknown method": b"BREW / HTTP/1.1\r\n" + HOST + b"\r\n",
    "absolute form": get(target=b"http://test/"),
    "absolute form in capitals": get(target=b"HTTP://TEST/"),
    "host in capitals": get(host=b"HOST: TEST\r\n"),
    "host with a port": get(host=b"host: test:8080\r\n"),
    "host is an IPv6 address": get(host=b"host: [::1]:8080\r\n"),
    "length with spaces around": post(b"content-length:  5 \r\n", b"hello"),
    "length with leading zeros": post(b"content-length: 005\r\n", b"hello"),
    "GET with a body": get(b"content-length: 5\r\n") + b"hello",
    "chunked in capitals": post(b"transfer-encoding: Chunked\r\n", b"0\r\n\r\n"),
    "chunk extensions": chunked(b'5;a=b;c="d"\r\nhello\r\n0;e\r\n\r\n'),
    "chunk size in capitals with zeros": chunked(b"00A\r\n0123456789\r\n0\r\n\r\n"),
}

HEAD = b"HTTP/1.1 200 OK\r\n"

RESPONSES = {
    "not HTTP": b"hello\r\n\r\n",
    "binary": b"\x00\x01\x02\x03\r\n\r\n",
    "nothing": b"",
    "half a status line": b"HTTP/1.1 20",
    "half a head": HEAD + b"content-length: 5\r\n",
    "status of two digits": b"HTTP/1.1 20 OK\r\ncontent-length: 0\r\n\r\n",
    "status of four digits": b"HTTP/1.1 2000 OK\r\ncontent-length: 0\r\n\r\n",
    "status in words": b"HTTP/1.1 good OK\r\ncontent-length: 0\r\n\r\n",
    "status under 100": b"HTTP/1.1 099 OK\r\ncontent-length: 0\r\n\r\n",
    "version 2.0": b"HTTP/2.0 200 OK\r\ncontent-length: 0\r\n\r\n",
    "version in lower case": b"http/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
    "two spaces in the status line": b"HTTP/1.1  200 OK\r\ncontent-length: 0\r\n\r\n",
    "NUL in the reason": b"HTTP/1.1 200 O\0K\r\ncontent-length: 0\r\n\r\n",
    "length and chunked": HEAD + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths that differ": HEAD + b"content-length: 5\r\ncontent-length: 6\r\n\r\nhello!",
    "a list of lengths that differ": HEAD + b"content-length: 5, 6\r\n\r\nhello!",
    "negative length": HEAD + b"content-length: -5\r\n\r\nhello",
    "length in words": HEAD + b"content-length: five\r\n\r\nhello",
    "length over 64 bits": HEAD + b"content-length: 18446744073709551621\r\n\r\nhello",
    "unknown coding": HEAD + b"transfer-encoding: xchunked\r\n\r\nhello",
    "chunked twice": HEAD + b"transfer-encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "space before the colon": HEAD + b"content-length : 5\r\n\r\nhello",
    "folded header": HEAD + b"x-a: b\r\n c\r\ncontent-length: 0\r\n\r\n",
    "header without a colon": HEAD + b"x-a\r\ncontent-length: 0\r\n\r\n",
    "header without a name": HEAD + b": b\r\ncontent-length: 0\r\n\r\n",
    "NUL in a value": HEAD + b"x-a: b\0c\r\ncontent-length: 0\r\n\r\n",
    "bare CR in a value": HEAD + b"x-a: b\rset-cookie: c\r\ncontent-length: 0\r\n\r\n",
    "bare LF everywhere": b"HTTP/1.1 200 OK\ncontent-length: 0\n\n",
    "headers too large": HEAD + b"x-a: " + b"b" * 300000 + b"\r\ncontent-length: 0\r\n\r\n",
    "too many headers": HEAD + b"x-a: b\r\n" * 2000 + b"content-length: 0\r\n\r\n",
    "101 that was not asked for": b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
    "interim responses without end": b"HTTP/1.1 103 Early Hints\r\n\r\n" * 1000,
}

# Their head is right: what is wrong comes later, so the user sees the response cut, never finished.
CUT = {
    "closed within the length": HEAD + b"content-length: 10\r\n\r\nhello",
    "closed within a chunk": HEAD + b"transfer-encoding: chunked\r\n\r\na\r\nhello",
    "closed before the last chunk": HEAD + b"transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
    "chunk size is not hexadecimal": HEAD + b"transfer-encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n",
    "chunk longer than its size": HEAD + b"transfer-encoding: chunked\r\n\r\n4\r\nhello\r\n0\r\n\r\n",
    "chunk size over 64 bits": HEAD + b"transfer-encoding: chunked\r\n\r\n10000000000000005\r\nhello\r\n0\r\n\r\n",
}


def answers(holdfast):
    """Without hold a request is refused until the gateway has the plan with the instance."""
    def asked():
        with Client(holdfast.port) as client:
            return client.request().response().status == 200

    wait_until(asked, 20, "an answer of the instance")


@pytest.fixture(scope="module")
def front(make_once):
    """A gateway before one plain backend, shared by the requests' table."""
    backend = make_once.backend()
    holdfast = make_once.holdfast(proxy(backend, retry={"attempts": 0}, hold={"time": "0s"}))
    holdfast.backend = backend
    answers(holdfast)
    return holdfast


@pytest.fixture(scope="module")
def behind(make_once):
    """A gateway before a backend whose answer `behind.answer` is, after which it closes."""
    def script(connection):
        connection.request()
        connection.send(holdfast.answer)

    backend = make_once.backend(script)
    holdfast = make_once.holdfast(proxy(backend, retry={"attempts": 0}, hold={"time": "0s"}))
    holdfast.backend = backend
    holdfast.answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
    answers(holdfast)
    return holdfast


def test_tables_are_large_enough():
    assert len(REQUESTS) + len(CHUNKS) + len(RESPONSES) + len(CUT) >= 60


@pytest.mark.parametrize("name", REQUESTS)
def test_request_is_refused(front, name):
    raw, status = REQUESTS[name]
    front.backend.clear()
    with Client(front.port) as client:
        client.send(raw + get(target=b"/smuggled"))
        response = client.response()
        assert response.status == status
        assert response.get("connection") == "close"
        assert client.closed()
    assert front.backend.targets() == []


@pytest.mark.parametrize("name", CHUNKS)
def test_chunked_body_is_refused(front, name):
    front.backend.clear()
    with Client(front.port) as client:
        client.send(chunked(CHUNKS[name]) + get(target=b"/smuggled"))
        response = client.response()
        assert response.status == (431 if "trailers" in name else 400)
        assert client.closed()
    assert front.backend.whole == []
    assert "/smuggled" not in front.backend.targets()


@pytest.mark.parametrize("name", ACCEPTED)
def test_request_of_one_meaning_is_answered(front, name):
    front.backend.clear()
    with Client(front.port) as client:
        assert client.send(ACCEPTED[name]).response().status == 200
        # and the connection is in step: the next request is read from where the last one ended
        assert client.request(target="/next").response().status == 200
    assert front.backend.targets()[-1] == "/next"
    assert len(front.backend.whole) == 2
    assert front.backend.whole[0].target.startswith("/")


@pytest.mark.parametrize("name", RESPONSES)
def test_response_is_a_502(behind, name):
    behind.answer = RESPONSES[name]
    with Client(behind.port) as client:
        response = client.request(target="/x").response()
        while response.status == 103:
            response = client.response()
        assert response.status == 502
        assert b"set-cookie" not in response.body and response.get("set-cookie") is None


@pytest.mark.parametrize("name", CUT)
def test_response_is_cut(behind, name):
    behind.answer = CUT[name]
    with Client(behind.port) as client:
        client.request(target="/x")
        try:
            response = client.response()
        except Exception:  # the end came too early, as it has to
            return
        assert response.status == 502, f"passed on as whole: {response}"


def test_bytes_after_a_response_spoil_the_connection(make, gateway, client):
    """What follows a response must never become the answer to another user's request."""
    def script(connection):
        connection.request()
        connection.send(HEAD + b"content-length: 4\r\n\r\nmine" + HEAD + b"content-length: 6\r\n\r\npoison")
        connection.request()
        connection.answer(b"the connection was used again")

    holdfast = gateway(make.backend(script), retry={"attempts": 0})
    for _ in range(5):
        assert client(holdfast).request().response().body == b"mine"


def test_bytes_on_an_idle_connection_end_it(make, gateway, client):
    """So do those that come while nobody waits for anything."""
    def script(connection):
        connection.request()
        connection.answer(b"mine")
        answered.wait(20)
        connection.send(HEAD + b"content-length: 6\r\n\r\npoison")
        try:
            assert connection.reader.rest() == b""
        except ConnectionResetError:
            pass
        ended.set()

    answered, ended = threading.Event(), threading.Event()
    holdfast = gateway(make.backend(script), retry={"attempts": 0})
    assert client(holdfast).request().response().body == b"mine"
    answered.set()
    assert ended.wait(20), "the connection was kept"
    assert client(holdfast).request().response().body == b"mine"


def test_refusal_names_its_reason(front):
    """The body is for people: it says what was wrong."""
    with Client(front.port) as client:
        response = client.send(get(b"x-a : b\r\n")).response()
        assert re.search(rb"[a-z]{3,}", response.body)
        assert response.get("content-length") == str(len(response.body))
