"""Everything that RFC 9113 lets a client send wrongly, frame by frame, with the error code that has to come.

A row: section, what is sent, where the error is (of the stream, or of the whole connection), its code. RFC 9113 5.4.1
lets an endpoint treat a stream error as one of the connection; where that is done it stands in the row.
"""
import struct

import hpack
import pytest

from conftest import proxy
from http1 import read_body
from http2 import (ACK, COMPRESSION_ERROR, CONTINUATION, DATA, END_HEADERS, END_STREAM,
                   FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR, GOAWAY, HEADERS, PADDED, PING, PREFACE, PRIORITY,
                   PROTOCOL_ERROR, PUSH_PROMISE, RST_STREAM, SETTINGS, STREAM_CLOSED, WINDOW_UPDATE,
                   WITH_PRIORITY, Http2, Response, frame, rst, window_update)

STREAM, CONNECTION, FINE = "stream", "connection", "fine"


def setting(key, value):
    return frame(SETTINGS, payload=struct.pack(">HI", key, value))


def open_post(c, **more):
    """A request whose body is yet to come."""
    return c.begin("POST", "/hang", end=False, **more)


def held(c):
    """One whose body goes nowhere: no instance is there."""
    return c.begin("POST", "/held", end=False)


def half_closed(c):
    """A request that is whole, and whose answer does not come."""
    return c.begin("GET", "/hang")


def closed(c):
    stream = c.request()
    c.response(stream)
    return stream


def reset(c):
    stream = open_post(c)
    c.send(rst(stream))
    return stream


def on(maker, *frames):
    """Frames on a stream in some state; each is made by a function of its number."""
    def act(c):
        stream = maker(c)
        c.send(*[f(stream) if callable(f) else f for f in frames])
        return stream
    return act


def plain(*frames):
    def act(c):
        c.streams.setdefault(1, Response())
        c.send(*frames)
        return 1
    return act


def head(*headers, flags=END_HEADERS | END_STREAM):
    """A request with exactly these fields."""
    def act(c):
        stream, c.next_stream = c.next_stream, c.next_stream + 2
        c.streams[stream] = Response()
        c.send(frame(HEADERS, flags, stream, c.block(*headers)))
        return stream
    return act


def raw_head(block, flags=END_HEADERS | END_STREAM):
    def act(c):
        c.streams[1] = Response()
        c.send(frame(HEADERS, flags, 1, block))
        return 1
    return act


def trailers(*headers, flags=END_HEADERS | END_STREAM, first=()):
    def act(c):
        stream = open_post(c, headers=first)
        c.send(frame(HEADERS, flags, stream, c.block(*headers)))
        return stream
    return act


def block(c_headers=((":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "test"))):

    return hpack.Encoder().encode(c_headers, huffman=False)


GET = ((":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "test"))
POST = ((":method", "POST"), (":scheme", "http"), (":path", "/hang"), (":authority", "test"))


def without(*names, method="GET"):
    return [(k, method if k == ":method" else v) for k, v in GET if k not in names]


FRAMES = {
    # 3.4 the preface
    "the first frame is not SETTINGS": ("3.4", None, CONNECTION, PROTOCOL_ERROR),
    # 4.1, 4.2 frame sizes
    "DATA larger than agreed": ("4.2", on(open_post, lambda s: frame(DATA, 0, s, b"x" * 16385)), CONNECTION,
                                FRAME_SIZE_ERROR),
    "HEADERS larger than agreed": ("4.2", plain(frame(HEADERS, END_HEADERS, 1, b"\x00" * 16385)), CONNECTION,
                                   FRAME_SIZE_ERROR),
    "an unknown frame larger than agreed": ("4.2", plain(frame(0xbb, 0, 0, b"x" * 16385)), CONNECTION,
                                            FRAME_SIZE_ERROR),
    "an unknown frame": ("4.1", plain(frame(0xbb, 0xff, 0, b"x"), frame(0xbc, 0, 7, b"y")), FINE, None),
    "unknown flags": ("4.1", plain(frame(PING, 0xfe, 0, b"12345678")), FINE, None),
    "the reserved bit of a stream's number": ("4.1", plain(frame(HEADERS, 5, 0x80000001, block())), FINE, None),
    # 4.3 field sections
    "a field section that is no HPACK": ("4.3", raw_head(b"\xff\xff\xff\xff\xff\xff\xff\xff"), CONNECTION,
                                         COMPRESSION_ERROR),
    "an index beyond the table": ("4.3", raw_head(b"\xfe"), CONNECTION, COMPRESSION_ERROR),
    "index 0": ("4.3", raw_head(b"\x80"), CONNECTION, COMPRESSION_ERROR),
    "a table larger than agreed": ("4.3", raw_head(b"\x3f\xe2\x1f" + block()), CONNECTION, COMPRESSION_ERROR),
    "a table size within a section": ("4.3", raw_head(block() + b"\x20"), CONNECTION, COMPRESSION_ERROR),
    "bad Huffman padding": ("4.3", raw_head(b"\x00\x81\xff\x81\xff"), CONNECTION, COMPRESSION_ERROR),
    "a section cut short": ("4.3", raw_head(block()[:-2]), CONNECTION, COMPRESSION_ERROR),
    "DATA within a section": ("4.3", plain(frame(HEADERS, END_STREAM, 1, block()[:5]), frame(DATA, 0, 1, b"x")),
                              CONNECTION, PROTOCOL_ERROR),
    "another stream's HEADERS within a section": (
        "4.3", plain(frame(HEADERS, END_STREAM, 1, block()[:5]), frame(HEADERS, 5, 3, block())), CONNECTION,
        PROTOCOL_ERROR),
    "PING within a section": ("4.3", plain(frame(HEADERS, END_STREAM, 1, block()[:5]), frame(PING, 0, 0, b"8" * 8)),
                              CONNECTION, PROTOCOL_ERROR),
    "an unknown frame within a section": ("5.5", plain(frame(HEADERS, END_STREAM, 1, block()[:5]), frame(0xbb, 0, 1)),
                                          CONNECTION, PROTOCOL_ERROR),
    # 5.1 states
    "DATA on an idle stream": ("5.1", plain(frame(DATA, 0, 1, b"x")), CONNECTION, PROTOCOL_ERROR),
    "RST_STREAM on an idle stream": ("5.1", plain(rst(1)), CONNECTION, PROTOCOL_ERROR),
    "WINDOW_UPDATE on an idle stream": ("5.1", plain(window_update(1, 5)), CONNECTION, PROTOCOL_ERROR),
    "CONTINUATION on an idle stream": ("5.1", plain(frame(CONTINUATION, END_HEADERS, 1, block())), CONNECTION,
                                       PROTOCOL_ERROR),
    "DATA behind the end": ("5.1", on(half_closed, lambda s: frame(DATA, 0, s, b"x")), CONNECTION, STREAM_CLOSED),
    "HEADERS behind the end": ("5.1", on(half_closed, lambda s: frame(HEADERS, 5, s, block())), CONNECTION,
                               STREAM_CLOSED),
    "CONTINUATION behind the end": ("5.1", on(half_closed, lambda s: frame(CONTINUATION, 4, s, block())), CONNECTION,
                                    PROTOCOL_ERROR),
    "WINDOW_UPDATE behind the end": ("5.1", on(half_closed, lambda s: window_update(s, 5)), FINE, None),
    "PRIORITY behind the end": ("5.1", on(half_closed, lambda s: frame(PRIORITY, 0, s, b"\0\0\0\0\x10")), FINE, None),
    "DATA on a closed stream": ("5.1", on(closed, lambda s: frame(DATA, 0, s, b"x")), CONNECTION, STREAM_CLOSED),
    "HEADERS on a closed stream": ("5.1", on(closed, lambda s: frame(HEADERS, 5, s, block())), CONNECTION,
                                   STREAM_CLOSED),
    "WINDOW_UPDATE on a closed stream": ("5.1", on(closed, lambda s: window_update(s, 5)), FINE, None),
    "RST_STREAM on a closed stream": ("5.1", on(closed, rst), FINE, None),
    "DATA behind RST_STREAM": ("5.1", on(reset, lambda s: frame(DATA, 0, s, b"x")), CONNECTION, STREAM_CLOSED),
    "HEADERS behind RST_STREAM": ("5.1", on(reset, lambda s: frame(HEADERS, 5, s, block())), CONNECTION,
                                  STREAM_CLOSED),
    # 5.1.1 numbers
    "an even number": ("5.1.1", plain(frame(HEADERS, 5, 2, block())), CONNECTION, PROTOCOL_ERROR),
    "a number lower than the last": ("5.1.1", plain(frame(HEADERS, 5, 9, block()), frame(HEADERS, 5, 7, block())),
                                     CONNECTION, PROTOCOL_ERROR),
    # 6.1 DATA
    "DATA on stream 0": ("6.1", plain(frame(DATA, 0, 0, b"x")), CONNECTION, PROTOCOL_ERROR),
    "DATA that is all padding": ("6.1", on(open_post, lambda s: frame(DATA, PADDED, s, b"\x05aaaa")), CONNECTION,
                                 PROTOCOL_ERROR),
    "padded DATA without a byte": ("6.1", on(open_post, lambda s: frame(DATA, PADDED, s)), CONNECTION,
                                   PROTOCOL_ERROR),
    # 6.2 HEADERS
    "HEADERS on stream 0": ("6.2", plain(frame(HEADERS, 5, 0, block())), CONNECTION, PROTOCOL_ERROR),
    "HEADERS that are all padding": ("6.2", plain(frame(HEADERS, 5 | PADDED, 1, b"\xff" + block())), CONNECTION,
                                     PROTOCOL_ERROR),
    "HEADERS too short for their priority": ("6.2", plain(frame(HEADERS, 5 | WITH_PRIORITY, 1, b"\0\0")), CONNECTION,
                                             FRAME_SIZE_ERROR),
    # 6.3 PRIORITY
    "PRIORITY on stream 0": ("6.3", plain(frame(PRIORITY, 0, 0, b"\0\0\0\0\x10")), CONNECTION, PROTOCOL_ERROR),
    "PRIORITY of four bytes": ("6.3", on(open_post, lambda s: frame(PRIORITY, 0, s, b"\0\0\0\0")), CONNECTION,
                               FRAME_SIZE_ERROR),
    "PRIORITY on an idle stream": ("6.3", plain(frame(PRIORITY, 0, 5, b"\0\0\0\0\x10")), FINE, None),
    # 6.4 RST_STREAM
    "RST_STREAM on stream 0": ("6.4", plain(rst(0)), CONNECTION, PROTOCOL_ERROR),
    "RST_STREAM of three bytes": ("6.4", on(open_post, lambda s: frame(RST_STREAM, 0, s, b"\0\0\0")), CONNECTION,
                                  FRAME_SIZE_ERROR),
    "RST_STREAM with an unknown code": ("7", on(open_post, lambda s: rst(s, 0xabcdef)), FINE, None),
    # 6.5 SETTINGS
    "SETTINGS on a stream": ("6.5", on(open_post, lambda s: frame(SETTINGS, 0, s)), CONNECTION, PROTOCOL_ERROR),
    "SETTINGS of seven bytes": ("6.5", plain(frame(SETTINGS, 0, 0, b"\0" * 7)), CONNECTION, FRAME_SIZE_ERROR),
    "an acknowledgement with settings": ("6.5", plain(frame(SETTINGS, ACK, 0, b"\0" * 6)), CONNECTION,
                                         FRAME_SIZE_ERROR),
    "an acknowledgement of nothing": ("6.5.3", plain(frame(SETTINGS, ACK)), CONNECTION, PROTOCOL_ERROR),
    "ENABLE_PUSH of 2": ("6.5.2", plain(setting(2, 2)), CONNECTION, PROTOCOL_ERROR),
    "INITIAL_WINDOW_SIZE of 2^31": ("6.5.2", plain(setting(4, 1 << 31)), CONNECTION, FLOW_CONTROL_ERROR),
    "MAX_FRAME_SIZE of 16383": ("6.5.2", plain(setting(5, 16383)), CONNECTION, PROTOCOL_ERROR),
    "MAX_FRAME_SIZE of 2^24": ("6.5.2", plain(setting(5, 1 << 24)), CONNECTION, PROTOCOL_ERROR),
    "ENABLE_CONNECT_PROTOCOL of 2": ("RFC 8441 3", plain(setting(8, 2)), CONNECTION, PROTOCOL_ERROR),
    "NO_RFC7540_PRIORITIES of 2": ("RFC 9218 2.1", plain(setting(9, 2)), CONNECTION, PROTOCOL_ERROR),
    "an unknown setting": ("6.5.2", plain(setting(0xabcd, 77)), FINE, None),
    # 6.6 PUSH_PROMISE
    "PUSH_PROMISE from a client": ("8.4", on(open_post, lambda s: frame(PUSH_PROMISE, 4, s, b"\0\0\0\2" + block())),
                                   CONNECTION, PROTOCOL_ERROR),
    # 6.7 PING
    "PING on a stream": ("6.7", on(open_post, lambda s: frame(PING, 0, s, b"8" * 8)), CONNECTION, PROTOCOL_ERROR),
    "PING of seven bytes": ("6.7", plain(frame(PING, 0, 0, b"8" * 7)), CONNECTION, FRAME_SIZE_ERROR),
    # 6.8 GOAWAY
    "GOAWAY on a stream": ("6.8", on(open_post, lambda s: frame(GOAWAY, 0, s, b"\0" * 8)), CONNECTION,
                           PROTOCOL_ERROR),
    "GOAWAY of seven bytes": ("6.8", plain(frame(GOAWAY, 0, 0, b"\0" * 7)), CONNECTION, FRAME_SIZE_ERROR),
    # 6.9 WINDOW_UPDATE
    "WINDOW_UPDATE of 0 on a stream": ("6.9", on(open_post, lambda s: window_update(s, 0)), CONNECTION,
                                       PROTOCOL_ERROR),
    "WINDOW_UPDATE of 0 on the connection": ("6.9", plain(window_update(0, 0)), CONNECTION, PROTOCOL_ERROR),
    "WINDOW_UPDATE of three bytes": ("6.9", plain(frame(WINDOW_UPDATE, 0, 0, b"\0\0\1")), CONNECTION,
                                     FRAME_SIZE_ERROR),
    "a stream's window over 2^31": ("6.9.1", on(open_post, lambda s: window_update(s, (1 << 31) - 1)), CONNECTION,
                                    FLOW_CONTROL_ERROR),
    "the connection's window over 2^31": ("6.9.1", plain(window_update(0, (1 << 31) - 1)), CONNECTION,
                                          FLOW_CONTROL_ERROR),
    "more DATA than a stream's window": (
        "6.9.1", on(held, *[lambda s: frame(DATA, 0, s, b"x" * 16384)] * 4 + [lambda s: frame(DATA, 0, s, b"x")]),
        CONNECTION, FLOW_CONTROL_ERROR),
    "windows that a setting takes over 2^31": (
        "6.9.2", on(open_post, lambda s: window_update(s, (1 << 30)), lambda s: setting(4, (1 << 31) - 1)), CONNECTION,
        FLOW_CONTROL_ERROR),
    # 6.10 CONTINUATION
    "CONTINUATION on stream 0": ("6.10", plain(frame(HEADERS, 1, 1, block()[:5]), frame(CONTINUATION, 4, 0, b"")),
                                 CONNECTION, PROTOCOL_ERROR),
    "CONTINUATION of another stream": ("6.10", plain(frame(HEADERS, 1, 1, block()[:5]), frame(CONTINUATION, 4, 3)),
                                       CONNECTION, PROTOCOL_ERROR),
    "CONTINUATION without HEADERS": ("6.10", on(open_post, lambda s: frame(CONTINUATION, 4, s, b"")), CONNECTION,
                                     PROTOCOL_ERROR),
}

MESSAGES = {
    # 8.1 messages
    "trailers that do not end the stream": ("8.1", trailers(("x-a", "b"), flags=END_HEADERS), STREAM, PROTOCOL_ERROR),
    "a body shorter than content-length": (
        "8.1.1", on(lambda c: open_post(c, headers=[("content-length", "5")]), lambda s: frame(DATA, 1, s, b"four")),
        STREAM, PROTOCOL_ERROR),
    "a body longer than content-length": (
        "8.1.1", on(lambda c: open_post(c, headers=[("content-length", "3")]), lambda s: frame(DATA, 0, s, b"four")),
        STREAM, PROTOCOL_ERROR),
    "content-length without a body": ("8.1.1", head(*POST, ("content-length", "5")), STREAM, PROTOCOL_ERROR),
    "trailers before all of content-length": ("8.1.1", trailers(("x-a", "b"), first=[("content-length", "5")]), STREAM,
                                              PROTOCOL_ERROR),
    "content-length in words": ("8.1.1", head(*POST, ("content-length", "five")), STREAM, PROTOCOL_ERROR),
    "two lengths": ("8.1.1", head(*POST, ("content-length", "5"), ("content-length", "6")), STREAM, PROTOCOL_ERROR),
    # 8.2 fields
    "a capital in a name": ("8.2.1", head(*GET, ("X-a", "b")), STREAM, PROTOCOL_ERROR),
    "a space in a name": ("8.2.1", head(*GET, ("x a", "b")), STREAM, PROTOCOL_ERROR),
    "a colon in a name": ("8.2.1", head(*GET, ("x:a", "b")), STREAM, PROTOCOL_ERROR),
    "an empty name": ("8.2.1", head(*GET, ("", "b")), STREAM, PROTOCOL_ERROR),
    "a NUL in a value": ("8.2.1", head(*GET, ("x-a", "b\0c")), STREAM, PROTOCOL_ERROR),
    "a line feed in a value": ("8.2.1", head(*GET, ("x-a", "b\nc: d")), STREAM, PROTOCOL_ERROR),
    "a carriage return in a value": ("8.2.1", head(*GET, ("x-a", "b\rc")), STREAM, PROTOCOL_ERROR),
    "a space before a value": ("8.2.1", head(*GET, ("x-a", " b")), STREAM, PROTOCOL_ERROR),
    "a tab behind a value": ("8.2.1", head(*GET, ("x-a", "b\t")), STREAM, PROTOCOL_ERROR),
    "connection": ("8.2.2", head(*GET, ("connection", "close")), STREAM, PROTOCOL_ERROR),
    "keep-alive": ("8.2.2", head(*GET, ("keep-alive", "5")), STREAM, PROTOCOL_ERROR),
    "proxy-connection": ("8.2.2", head(*GET, ("proxy-connection", "close")), STREAM, PROTOCOL_ERROR),
    "transfer-encoding": ("8.2.2", head(*POST, ("transfer-encoding", "chunked"), flags=END_HEADERS), STREAM,
                          PROTOCOL_ERROR),
    "upgrade": ("8.2.2", head(*GET, ("upgrade", "websocket")), STREAM, PROTOCOL_ERROR),
    "te other than trailers": ("8.2.2", head(*GET, ("te", "gzip")), STREAM, PROTOCOL_ERROR),
    # 8.3 pseudo-header fields
    "an unknown pseudo-header field": ("8.3", head(*GET, (":x", "y")), STREAM, PROTOCOL_ERROR),
    "a response's pseudo-header field": ("8.3", head(*GET, (":status", "200")), STREAM, PROTOCOL_ERROR),
    "a pseudo-header field behind others": ("8.3", head(*without(":path"), ("x-a", "b"), (":path", "/")), STREAM,
                                            PROTOCOL_ERROR),
    "a pseudo-header field in trailers": ("8.3", trailers((":path", "/")), STREAM, PROTOCOL_ERROR),
    "a connection field in trailers": ("8.2.2", trailers(("connection", "close")), STREAM, PROTOCOL_ERROR),
    "a capital in trailers": ("8.2.1", trailers(("X-a", "b")), STREAM, PROTOCOL_ERROR),
    "no method": ("8.3.1", head(*without(":method")), STREAM, PROTOCOL_ERROR),
    "no scheme": ("8.3.1", head(*without(":scheme")), STREAM, PROTOCOL_ERROR),
    "no path": ("8.3.1", head(*without(":path")), STREAM, PROTOCOL_ERROR),
    "no authority": ("8.3.1", head(*without(":authority")), STREAM, PROTOCOL_ERROR),
    "two methods": ("8.3.1", head((":method", "GET"), *GET), STREAM, PROTOCOL_ERROR),
    "two schemes": ("8.3.1", head((":scheme", "http"), *GET), STREAM, PROTOCOL_ERROR),
    "two paths": ("8.3.1", head((":path", "/"), *GET), STREAM, PROTOCOL_ERROR),
    "two authorities": ("8.3.1", head((":authority", "test"), *GET), STREAM, PROTOCOL_ERROR),
    "an empty path": ("8.3.1", head(*without(":path"), (":path", "")), STREAM, PROTOCOL_ERROR),
    "a path without a slash": ("8.3.1", head(*without(":path"), (":path", "a")), STREAM, PROTOCOL_ERROR),
    "a path with a fragment": ("8.3.1", head(*without(":path"), (":path", "/a#b")), STREAM, PROTOCOL_ERROR),
    "a path with a space": ("8.3.1", head(*without(":path"), (":path", "/a b")), STREAM, PROTOCOL_ERROR),
    "an asterisk with GET": ("8.3.1", head(*without(":path"), (":path", "*")), STREAM, PROTOCOL_ERROR),
    "a method with a space": ("8.3.1", head(*without(":method"), (":method", "GE T")), STREAM, PROTOCOL_ERROR),
    "another scheme": ("8.3.1", head(*without(":scheme"), (":scheme", "ftp")), STREAM, PROTOCOL_ERROR),
    "an authority with a user": ("8.3.1", head(*without(":authority"), (":authority", "me@test")), STREAM,
                                 PROTOCOL_ERROR),
    "an authority with a path": ("8.3.1", head(*without(":authority"), (":authority", "test/a")), STREAM,
                                 PROTOCOL_ERROR),
    "an empty authority": ("8.3.1", head(*without(":authority"), (":authority", "")), STREAM, PROTOCOL_ERROR),
    "a host that differs": ("8.3.1", head(*GET, ("host", "other")), STREAM, PROTOCOL_ERROR),
    "two hosts": ("8.3.1", head(*GET, ("host", "test"), ("host", "test")), STREAM, PROTOCOL_ERROR),
    "CONNECT with a path": ("8.5", head(*without(method="CONNECT")), STREAM, PROTOCOL_ERROR),
    "CONNECT without an authority": ("8.5", head((":method", "CONNECT")), STREAM, PROTOCOL_ERROR),
    ":protocol without CONNECT": ("RFC 8441 4", head(*GET, (":protocol", "websocket")), STREAM, PROTOCOL_ERROR),
    ":protocol without a path": ("RFC 8441 4", head(*without(":path", method="CONNECT"), (":protocol", "websocket"),
                                                    flags=END_HEADERS), STREAM, PROTOCOL_ERROR),
}

# Not an error of the protocol: an answer.
ANSWERS = {
    "plain CONNECT": (head((":method", "CONNECT"), (":authority", "test:80")), 501),
    "an unknown expectation": (head(*GET, ("expect", "a-miracle")), 417),
    "a long path": (head(*without(":path"), (":path", "/" + "a" * 9000)), 414),
    "many fields": (head(*GET, *[(f"x-{i}", "y") for i in range(101)]), 431),
    "large fields": (head(*GET, *[(f"x-{i}", "y" * 6000) for i in range(6)], flags=0), 431),
    "a path out of the root": (head(*without(":path"), (":path", "/../a")), 400),
    "a host alone": (head(*without(":authority"), ("host", "test")), 200),
    "an equal host": (head(*GET, ("host", "TEST")), 200),
    "OPTIONS of all": (head(*without(":path", method="OPTIONS"), (":path", "*")), 404),
    "https behind a proxy": (head(*without(":scheme"), (":scheme", "https")), 200),
    "trailers": (trailers(("x-a", "b")), 200),
    "a length of 0 and an end": (head(*POST[:2], (":path", "/"), POST[3], ("content-length", "0")), 200),
}


@pytest.fixture(scope="module")
def front(make_once):
    def script(connection):
        while True:
            request = connection.head()
            if request.target == "/hang" and not request.get("transfer-encoding"):
                connection.reader.rest()
            read_body(connection.reader, request)
            connection.answer()

    backend = make_once.backend(script)
    config = proxy(backend, retry={"attempts": 0}, hold={"time": "0s"})
    config["services"]["held"] = {"route": [{"path": "/held"}], "instances": ["127.0.0.1:1"],
                                  "hold": {"time": "60s"}}
    holdfast = make_once.holdfast(config, start=False)
    holdfast.start(ready=False)
    holdfast.wait_ready("app", 1)
    return holdfast


def check(front, row):
    section, act, where, code = row
    with Http2(front.port, greet=act is not None) as c:
        if act is None:
            c.send(PREFACE, frame(PING, payload=b"12345678"))
            assert c.goaway() == code
            return
        c.synced()
        stream = act(c)
        if where == CONNECTION:
            assert c.goaway() == code, section
            return
        if where == STREAM:
            c.until(lambda: c.streams[stream].reset is not None)
            assert c.streams[stream].reset == code, section
            assert c.streams[stream].headers is None
        c.next_stream += 100
        assert c.get().status == 200  # the connection goes on, and HPACK is in step
        assert not c.goaways


def test_tables_are_large_enough():
    assert len(FRAMES) + len(MESSAGES) + len(ANSWERS) >= 130


@pytest.mark.parametrize("name", FRAMES)
def test_frame(front, name):
    check(front, FRAMES[name])


@pytest.mark.parametrize("name", MESSAGES)
def test_message(front, name):
    check(front, MESSAGES[name])


@pytest.mark.parametrize("name", ANSWERS)
def test_answer(front, name):
    act, status = ANSWERS[name]
    with Http2(front.port) as c:
        c.synced()
        if name == "large fields":  # a section of several frames
            fields = [(f"x-{i}", "y" * 6000) for i in range(6)]
            stream = c.begin(headers=fields)
        else:
            stream = act(c)
        assert c.response(stream).status == status
        c.next_stream += 100
        assert c.get().status == 200
