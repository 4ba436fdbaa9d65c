"""Raw HTTP/2 for tests: a client that sends any frames, right or wrong, and reads strictly what comes back.

Only HPACK is a library's: what a test sends on the wire stands in the test.
"""
import socket
import struct
import threading

import hpack

TIMEOUT = 20

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
NAMES = ["DATA", "HEADERS", "PRIORITY", "RST_STREAM", "SETTINGS", "PUSH_PROMISE", "PING", "GOAWAY",
         "WINDOW_UPDATE", "CONTINUATION"]

END_STREAM = ACK = 0x1
END_HEADERS = 0x4
PADDED = 0x8
WITH_PRIORITY = 0x20

NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR, SETTINGS_TIMEOUT, STREAM_CLOSED, FRAME_SIZE_ERROR, \
    REFUSED_STREAM, CANCEL, COMPRESSION_ERROR, CONNECT_ERROR, ENHANCE_YOUR_CALM = range(12)

HEADER_TABLE_SIZE, ENABLE_PUSH, MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE, \
    MAX_HEADER_LIST_SIZE = range(1, 7)
ENABLE_CONNECT_PROTOCOL = 8


class Gone(Exception):
    """The other side has closed the connection."""


def frame(kind, flags=0, stream=0, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def settings(**values):
    keys = {"header_table_size": 1, "enable_push": 2, "max_concurrent_streams": 3, "initial_window_size": 4,
            "max_frame_size": 5, "max_header_list_size": 6}
    return frame(SETTINGS, payload=b"".join(struct.pack(">HI", keys[k], v) for k, v in values.items()))


def window_update(stream, size):
    return frame(WINDOW_UPDATE, stream=stream, payload=struct.pack(">I", size))


def rst(stream, code=CANCEL):
    return frame(RST_STREAM, stream=stream, payload=struct.pack(">I", code))


def ping(text=b"12345678"):
    return frame(PING, payload=text)


class Frame:
    def __init__(self, kind, flags, stream, payload):
        self.kind, self.flags, self.stream, self.payload = kind, flags, stream, payload

    @property
    def code(self):
        """The error code of a RST_STREAM or GOAWAY."""
        at = 0 if self.kind == RST_STREAM else 4
        return struct.unpack(">I", self.payload[at:at + 4])[0]

    @property
    def last_stream(self):
        return struct.unpack(">I", self.payload[:4])[0]

    def __repr__(self):
        name = NAMES[self.kind] if self.kind < len(NAMES) else self.kind
        return f"<{name} flags={self.flags:#x} stream={self.stream} {self.payload[:40]!r}>"


class Response:
    def __init__(self):
        self.interims = []
        self.headers = None
        self.body = b""
        self.trailers = []
        self.ended = False
        self.reset = None  # the error code
        self.chunks = []

    @property
    def status(self):
        return int(self.get(":status"))

    def get(self, name, default=None):
        values = [value for key, value in self.headers or [] if key == name]
        assert len(values) < 2, f"{name} stands {len(values)} times in {self.headers}"
        return values[0] if values else default

    def __repr__(self):
        return f"<{self.headers} {len(self.body)} bytes ended={self.ended} reset={self.reset}>"


class Http2:
    """One connection. Frames that concern the connection are answered as a client must, unless `polite` is off."""

    def __init__(self, port, greet=True, polite=True, window=None, receive_buffer=None, wrap=None, **values):
        self.sock = socket.socket()
        if receive_buffer:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.sock.settimeout(TIMEOUT)
        self.sock.connect(("127.0.0.1", port))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if wrap:
            self.sock = wrap(self.sock)
        self.encoder, self.decoder = hpack.Encoder(), hpack.Decoder()
        self.decoder.max_header_list_size = 1 << 20
        self.buffer = b""
        self.polite, self.window = polite, window
        self.next_stream = 1
        self.streams = {}
        self.peer = {}  # settings of the other side
        self.acked = False
        self.goaways = []
        self.pongs = []
        self.used = {}  # stream -> bytes sent; 0: the connection's
        self.updates = {}  # stream -> bytes that the other side has granted
        self.frames = []  # all that came
        if greet:
            self.send(PREFACE + settings(**values) + (window_update(0, window) if window else b""))

    # sending

    def send(self, *data):
        self.sock.sendall(b"".join(data))
        return self

    def block(self, *headers):
        return self.encoder.encode(headers, huffman=False)

    def request_headers(self, method="GET", path="/", headers=(), authority="test", scheme="http"):
        return [(":method", method), (":scheme", scheme), (":path", path), (":authority", authority), *headers]

    def begin(self, method="GET", path="/", headers=(), end=True, authority="test", scheme="http"):
        """Sends a request's head; returns its stream's number."""
        stream, self.next_stream = self.next_stream, self.next_stream + 2
        block = self.block(*self.request_headers(method, path, headers, authority, scheme))
        parts = [block[i:i + 16384] for i in range(0, len(block), 16384)]
        out = b""
        for i, part in enumerate(parts):
            flags = END_HEADERS if i == len(parts) - 1 else 0
            if i == 0:
                flags |= END_STREAM if end else 0
            out += frame(CONTINUATION if i else HEADERS, flags, stream, part)
        self.streams[stream] = Response()
        self.send(out)
        return stream

    def data(self, stream, data=b"", end=False):
        for key in (0, stream):
            self.used[key] = self.used.get(key, 0) + len(data)
        return self.send(frame(DATA, END_STREAM if end else 0, stream, data))

    def request(self, method="GET", path="/", headers=(), body=None, **more):
        stream = self.begin(method, path, headers, end=body is None, **more)
        if body is not None:
            self.upload(stream, body)
        return stream

    def upload(self, stream, body, end=True):
        """Sends a body as the windows allow."""
        sent = 0
        while sent < len(body) or (end and not body):
            most = min(self.room(stream), 16384)
            if not most and body:
                self.one()
                if self.streams[stream].reset is not None or self.goaways:
                    return sent
                continue
            part = body[sent:sent + most]
            sent += len(part)
            self.data(stream, part, end and sent == len(body))
            if not body:
                break
        return sent

    def room(self, stream):
        used = self.used
        first = self.peer.get(INITIAL_WINDOW_SIZE, 65535)
        return min(first + self.updates.get(stream, 0) - used.get(stream, 0),
                   65535 + self.updates.get(0, 0) - used.get(0, 0))

    # receiving

    def fill(self, count):
        while len(self.buffer) < count:
            data = self.sock.recv(1 << 20)
            if not data:
                raise Gone("closed")
            self.buffer += data

    def read_frame(self):
        self.fill(9)
        length = int.from_bytes(self.buffer[:3], "big")
        assert length <= 16384, f"a frame of {length} bytes from holdfast"
        kind, flags, stream = struct.unpack(">BBI", self.buffer[3:9])
        self.fill(9 + length)
        payload, self.buffer = self.buffer[9:9 + length], self.buffer[9 + length:]
        return Frame(kind, flags, stream, payload)

    def one(self):
        """Takes one frame and does what it asks for."""
        got = self.read_frame()
        self.frames.append(got)
        if got.kind == SETTINGS:
            self.on_settings(got)
        elif got.kind == PING:
            if got.flags & ACK:
                self.pongs.append(got.payload)
            elif self.polite:
                self.send(frame(PING, ACK, payload=got.payload))
        elif got.kind == GOAWAY:
            self.goaways.append(got)
        elif got.kind == WINDOW_UPDATE:
            size = struct.unpack(">I", got.payload)[0]
            assert size > 0
            self.updates[got.stream] = self.updates.get(got.stream, 0) + size
        elif got.kind == HEADERS:
            self.on_headers(got)
        elif got.kind == DATA:
            self.on_data(got)
        elif got.kind == RST_STREAM:
            assert got.stream in self.streams, got
            assert self.streams[got.stream].reset is None, "reset twice"
            self.streams[got.stream].reset = got.code
        else:
            raise AssertionError(f"{got} from holdfast")
        return got

    def on_settings(self, got):
        assert got.stream == 0
        if got.flags & ACK:
            self.acked = True
            return
        for at in range(0, len(got.payload), 6):
            key, value = struct.unpack(">HI", got.payload[at:at + 6])
            self.peer[key] = value
        if self.polite:
            self.send(frame(SETTINGS, ACK))

    def on_headers(self, got):
        response, block = self.streams[got.stream], got.payload
        last = got
        while not last.flags & END_HEADERS:
            last = self.read_frame()
            assert last.kind == CONTINUATION and last.stream == got.stream
            block += last.payload
        headers = [(str(k), str(v)) for k, v in self.decoder.decode(block)]
        assert all(k == k.lower() for k, v in headers)
        assert not response.ended, "frames after the end"
        if response.headers is not None:
            assert got.flags & END_STREAM, "trailers that do not end the stream"
            response.trailers = headers
        elif dict(headers)[":status"].startswith("1"):
            assert not got.flags & END_STREAM
            response.interims.append(headers)
        else:
            response.headers = headers
        response.ended = bool(got.flags & END_STREAM)

    def on_data(self, got):
        response = self.streams[got.stream]
        assert response.headers is not None and not response.ended, f"{got} out of place"
        response.body += got.payload
        response.chunks.append(got.payload)
        response.ended = bool(got.flags & END_STREAM)
        if self.polite and got.payload and self.window is None:
            more = window_update(0, len(got.payload))
            if not response.ended:
                more += window_update(got.stream, len(got.payload))
            self.send(more)

    def until(self, condition):
        while not condition():
            self.one()
        return self

    def response(self, stream):
        """Waits for the end of a stream."""
        response = self.streams[stream]
        self.until(lambda: response.ended or response.reset is not None)
        return response

    def get(self, path="/", **more):
        return self.response(self.request(path=path, **more))

    def synced(self):
        """All that was sent before has been received, and the settings are agreed on."""
        count = len(self.pongs)
        self.send(ping())
        return self.until(lambda: len(self.pongs) > count and self.acked)

    def goaway(self):
        """Waits for the connection's end; returns the error code of its last GOAWAY, None if there was none."""
        try:
            while True:
                self.one()
        except (Gone, ConnectionResetError, BrokenPipeError):
            pass
        return self.goaways[-1].code if self.goaways else None

    def drop(self):
        """An abrupt end."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def in_background(function, *arguments):
    thread = threading.Thread(target=function, args=arguments, daemon=True)
    thread.start()
    return thread
