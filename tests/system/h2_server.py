"""An HTTP/2 backend in cleartext for tests, scripted: python3-h2 frames, the script decides what is said.

`H2Backend(script)` runs script(stream) for each stream, each on a thread; probes are answered by itself.
"""
import socket
import struct
import threading

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings

TIMEOUT = 15


class Ended(Exception):
    """The stream was reset, or its connection is gone."""


class Stream:
    """One request, and how it is answered."""

    def __init__(self, connection, number, headers):
        self.connection = connection
        self.id = number
        self.headers = [(name.decode(), value.decode("latin-1")) for name, value in headers]
        self.body = b""
        self.trailers = []
        self.ended = False
        self.reset = None  # error code

    def get(self, name, default=None):
        return next((value for key, value in self.headers if key == name), default)

    @property
    def method(self):
        return self.get(":method")

    @property
    def path(self):
        return self.get(":path")

    def wait(self, condition, seconds=TIMEOUT):
        """Waits for something of this stream; raises Ended if it cannot come any more."""
        with self.connection.changed:
            done = self.connection.changed.wait_for(
                lambda: condition() or self.reset is not None or self.connection.gone, seconds)
            if condition():
                return
            raise Ended("reset" if done else "nothing came")

    def whole(self):
        """Waits for the request's end; returns its body."""
        self.wait(lambda: self.ended)
        return self.body

    def head(self, status=200, headers=(), end=False):
        self.connection.do(lambda h: h.send_headers(
            self.id, [(":status", str(status)), *headers], end_stream=end))

    def data(self, data, end=False):
        """Sends under flow control."""
        view = memoryview(data)
        while True:
            with self.connection.changed:
                room = 0

                def window():
                    nonlocal room
                    room = min(self.connection.h2.local_flow_control_window(self.id),
                               self.connection.h2.max_outbound_frame_size)
                    return room > 0 or not view
                if not self.connection.changed.wait_for(
                        lambda: self.reset is not None or self.connection.gone or window(), 60):
                    raise Ended("no window")
                if self.reset is not None or self.connection.gone:
                    raise Ended("reset")
                piece, view = view[:room], view[room:]
            last = not view
            self.connection.do(lambda h: h.send_data(self.id, bytes(piece), end_stream=end and last))  # noqa: B023
            if last:
                return

    def trailer(self, headers):
        self.connection.do(lambda h: h.send_headers(self.id, headers, end_stream=True))

    def answer(self, body=b"hello", status=200, headers=(), trailers=None):
        self.head(status, [("content-length", str(len(body))), *headers])
        self.data(body, end=not trailers)
        if trailers:
            self.trailer(trailers)

    def refuse(self, code=h2.errors.ErrorCodes.REFUSED_STREAM):
        self.connection.do(lambda h: h.reset_stream(self.id, code))


class H2Connection:
    """One connection that holdfast has made."""

    def __init__(self, backend, sock):
        self.backend = backend
        self.sock = sock
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding=None))
        self.streams = {}
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.gone = False
        self.consume = backend.consume  # give the window back as data comes

    def do(self, what):
        with self.lock:
            if self.gone:
                raise Ended("gone")
            try:
                what(self.h2)
                self.flush()
            except (OSError, h2.exceptions.ProtocolError) as error:
                raise Ended(str(error)) from error

    def raw(self, data):
        """Bytes as they are."""
        with self.lock:
            self.sock.sendall(data)

    def flush(self):
        data = self.h2.data_to_send()
        if data:
            self.sock.sendall(data)

    def goaway(self, last, code=0):
        """A GOAWAY that h2 itself could not send: it would end the connection."""
        self.raw(struct.pack(">I", 8)[1:] + b"\x07\x00" + struct.pack(">III", 0, last, code))

    def run(self):
        with self.lock:
            settings = {h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: self.backend.max_streams,
                        **self.backend.settings}
            self.h2.update_settings(settings)
            self.h2.local_settings = h2.settings.Settings(client=False, initial_values=settings)
            self.h2.initiate_connection()
            self.flush()
        try:
            while True:
                data = self.sock.recv(65536)
                if not data:
                    break
                with self.changed:
                    for event in self.h2.receive_data(data):
                        self.event(event)
                    self.flush()
                    self.changed.notify_all()
        except (OSError, h2.exceptions.ProtocolError) as error:
            if isinstance(error, h2.exceptions.ProtocolError):
                self.backend.errors.append(error)
        self.close()

    def event(self, event):
        if isinstance(event, h2.events.RequestReceived):
            stream = self.streams[event.stream_id] = Stream(self, event.stream_id, event.headers)
            self.backend.begin(stream)
        elif isinstance(event, h2.events.DataReceived):
            stream = self.streams.get(event.stream_id)
            if stream:
                stream.body += event.data if self.backend.keep_bodies else b""
                self.backend.bytes_in += len(event.data)
            if self.consume and event.flow_controlled_length:
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.TrailersReceived):
            self.streams[event.stream_id].trailers = [(n.decode(), v.decode()) for n, v in event.headers]
        elif isinstance(event, h2.events.StreamEnded):
            self.streams[event.stream_id].ended = True
        elif isinstance(event, h2.events.StreamReset):
            stream = self.streams.get(event.stream_id)
            if stream:
                stream.reset = event.error_code

    def close(self, reset=False):
        with self.changed:
            if not self.gone:
                self.gone = True
                try:
                    if reset:
                        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    # Wakes the thread that reads, without which the socket would not end.
                    self.sock.shutdown(socket.SHUT_RD if reset else socket.SHUT_RDWR)
                except OSError:
                    pass
                self.sock.close()
            self.changed.notify_all()


def answering(stream):
    stream.whole()
    stream.answer()


class H2Backend:
    """Listens on `port`, or a free one. An assertion that fails within a script is raised by close()."""

    def __init__(self, script=answering, probe="/-/ready", host="127.0.0.1", port=0, max_streams=100,
                 settings=None):
        self.script = script
        self.probe = probe
        self.probe_status = 200
        self.max_streams = max_streams
        self.settings = settings or {}
        self.keep_bodies = True
        self.consume = True
        self.bytes_in = 0
        self.requests = []
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
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = H2Connection(self, sock)
            with self.lock:
                self.connections.append(connection)
            threading.Thread(target=connection.run, daemon=True).start()

    def begin(self, stream):
        probe = stream.path == self.probe
        if not probe:
            with self.lock:
                self.requests.append(stream)
        threading.Thread(target=self._run, args=(stream, probe), daemon=True).start()

    def _run(self, stream, probe):
        try:
            if probe:
                stream.answer(b"ok", status=self.probe_status)
            else:
                self.script(stream)
        except Ended:
            pass
        except Exception as error:  # shown by close()
            self.errors.append(error)

    def users(self):
        """Connections that carried users' requests."""
        return list({id(s.connection): s.connection for s in self.requests}.values())

    def stop_listening(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def drop_connections(self, reset=False):
        with self.lock:
            gone, self.connections = self.connections, []
        for connection in gone:
            connection.close(reset)

    def close(self):
        try:
            self.stop_listening()
        except OSError:
            pass
        self.drop_connections()
        if self.errors:
            raise self.errors[0]
