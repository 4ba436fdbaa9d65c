"""Raw HTTP/1.1 for tests: a client that sends any bytes and a backend that answers with any.

Both read strictly what comes from holdfast: every header line must end in CRLF, lengths must be right, and
nothing may follow a response that was not asked for.
"""
import socket
import struct
import threading

TIMEOUT = 15


class Gone(Exception):
    """The other side has closed the connection."""


class Reader:
    """Buffered bytes of one socket."""

    def __init__(self, sock):
        self.sock = sock
        self.buffer = b""

    def more(self):
        data = self.sock.recv(65536)
        if not data:
            raise Gone("closed")
        self.buffer += data

    def until(self, mark):
        while mark not in self.buffer:
            self.more()
        part, _, self.buffer = self.buffer.partition(mark)
        return part

    def exactly(self, count):
        while len(self.buffer) < count:
            self.more()
        part, self.buffer = self.buffer[:count], self.buffer[count:]
        return part

    def rest(self):
        try:
            while True:
                self.more()
        except Gone:
            part, self.buffer = self.buffer, b""
            return part


class Message:
    """A request or a response: first line, headers as [(name in lower case, value)], body, trailers."""

    def __init__(self, first, headers):
        self.first = first
        self.headers = headers
        self.body = b""
        self.chunks = []
        self.trailers = []

    def all(self, name):
        return [value for key, value in self.headers if key == name]

    def get(self, name, default=None):
        values = self.all(name)
        assert len(values) < 2, f"{name} stands {len(values)} times in {self.headers}"
        return values[0] if values else default

    @property
    def method(self):
        return self.first.split(" ")[0]

    @property
    def target(self):
        return self.first.split(" ")[1]

    @property
    def status(self):
        return int(self.first.split(" ")[1])

    def __repr__(self):
        return f"<{self.first} {self.headers} {self.body[:80]!r}>"


def parse_headers(block):
    headers = []
    for line in block.decode("latin-1").split("\r\n"):
        assert "\n" not in line and "\r" not in line, f"bare CR or LF from holdfast: {line!r}"
        name, colon, value = line.partition(":")
        assert colon and name and name == name.strip(), f"bad header line from holdfast: {line!r}"
        headers.append((name.lower(), value.strip(" \t")))
    return headers


def read_head(reader):
    first, _, block = reader.until(b"\r\n\r\n").partition(b"\r\n")
    return Message(first.decode("latin-1"), parse_headers(block) if block else [])


def read_chunked(reader, message):
    while True:
        size = int(reader.until(b"\r\n"), 16)
        if size == 0:
            break
        message.chunks.append(reader.exactly(size))
        assert reader.exactly(2) == b"\r\n"
    line = reader.until(b"\r\n")
    while line:
        message.trailers += parse_headers(line)
        line = reader.until(b"\r\n")
    message.body = b"".join(message.chunks)


def read_body(reader, message, to_close=False):
    if message.get("transfer-encoding") is not None:
        assert message.get("content-length") is None, "both framing headers from holdfast"
        assert message.get("transfer-encoding").lower() == "chunked"
        read_chunked(reader, message)
    elif message.get("content-length") is not None:
        message.body = reader.exactly(int(message.get("content-length")))
    elif to_close:
        message.body = reader.rest()
    return message


class Client:
    """One connection to the gateway."""

    def __init__(self, port, receive_buffer=None):
        self.sock = socket.socket()
        if receive_buffer:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.sock.settimeout(TIMEOUT)
        self.sock.connect(("127.0.0.1", port))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.reader = Reader(self.sock)

    def send(self, data):
        self.sock.sendall(data.encode("latin-1") if isinstance(data, str) else data)
        return self

    def request(self, method="GET", target="/", headers=(), body=None, host="test"):
        lines = [f"{method} {target} HTTP/1.1", f"host: {host}"]
        lines += [f"{name}: {value}" for name, value in headers]
        if body is not None:
            lines.append(f"content-length: {len(body)}")
        return self.send("\r\n".join(lines + ["", ""]).encode("latin-1") + (body or b""))

    def head(self):
        return read_head(self.reader)

    def response(self, to_head=False):
        """The next response; interim ones (1xx) are returned too, as they come."""
        message = self.head()
        if to_head or message.status // 100 == 1 or message.status in (204, 304):
            return message
        return read_body(self.reader, message, to_close=True)

    def closed(self):
        """Waits for the end of the connection; true if nothing else came before it."""
        try:
            while True:
                data = self.sock.recv(65536)
                if not data:
                    return self.reader.buffer == b""
                self.reader.buffer += data
        except ConnectionResetError:
            return self.reader.buffer == b""
        except socket.timeout:
            return False

    def half_close(self):
        self.sock.shutdown(socket.SHUT_WR)
        return self

    def reset(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Connection:
    """One connection that holdfast has made to a backend."""

    def __init__(self, sock, backend):
        self.sock = sock
        self.backend = backend
        self.reader = Reader(sock)

    def head(self):
        """The next request's head. Probes are answered here and not shown to the script."""
        while True:
            message = read_head(self.reader)
            if message.target == self.backend.probe:
                self.answer(b"ok", status=self.backend.probe_status)
                continue
            with self.backend.lock:
                self.backend.requests.append(message)
            return message

    def request(self):
        message = read_body(self.reader, self.head())
        with self.backend.lock:
            self.backend.whole.append(message)
        return message

    def send(self, data):
        self.sock.sendall(data.encode("latin-1") if isinstance(data, str) else data)

    def answer(self, body=b"hello", status=200, headers=()):
        lines = [f"HTTP/1.1 {status} Text", f"content-length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers]
        self.send("\r\n".join(lines + ["", ""]).encode("latin-1") + body)

    def reset(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def close(self):
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.sock.close()


def answering(connection):
    """The plain script: every request is answered with 200 and "hello"."""
    while True:
        connection.request()
        connection.answer()


class Backend:
    """Listens on `port`, or a free one, and runs script(connection) for each connection, each on a thread.

    `script` may be changed at any time; it is looked up for each connection. An assertion that fails
    within a script is raised by close(), so that the test fails.
    """

    def __init__(self, script=answering, probe="/-/ready", host="127.0.0.1", port=0):
        self.script = script
        self.probe = probe
        self.probe_status = 200
        self.requests = []  # whose head has arrived
        self.whole = []  # that have arrived with their body
        self.connections = []
        self.errors = []
        self.lock = threading.Lock()
        self.listener = socket.create_server((host, port), backlog=1024)
        self.port = self.listener.getsockname()[1]
        self.address = f"{host}:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            sock.settimeout(60)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = Connection(sock, self)
            with self.lock:
                self.connections.append(connection)
            threading.Thread(target=self._run, args=(connection,), daemon=True).start()

    def _run(self, connection):
        try:
            self.script(connection)
        except (Gone, OSError):
            pass
        except Exception as error:  # shown by close()
            self.errors.append(error)
        connection.close()

    def targets(self):
        with self.lock:
            return [request.target for request in self.requests]

    def clear(self):
        with self.lock:
            self.requests.clear()
            self.whole.clear()

    def stop_listening(self):
        """From now on connections are refused; those that stand stay."""
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def drop_connections(self):
        with self.lock:
            gone, self.connections = self.connections, []
        for connection in gone:
            connection.close()

    def close(self):
        try:
            self.stop_listening()
        except OSError:
            pass
        self.drop_connections()
        if self.errors:
            raise self.errors[0]
