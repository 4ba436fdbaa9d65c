"""A naive instance that speaks HTTP/2 in cleartext: echoes bodies, says its version, and dies at once of SIGTERM.

Usage: h2_app.py --port PORT --version VERSION --journal FILE
"""
import argparse
import asyncio
import os
import signal

import h2.config
import h2.connection
import h2.events
import h2.exceptions


class Server(asyncio.Protocol):
    def __init__(self, options):
        self.options = options
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding=None,
                                                                       validate_outbound_headers=False))
        self.streams = {}

    def connection_made(self, transport):
        self.transport = transport
        self.h2.initiate_connection()
        self.flush()

    def flush(self):
        data = self.h2.data_to_send()
        if data:
            self.transport.write(data)

    def data_received(self, data):
        try:
            events = self.h2.receive_data(data)
        except h2.exceptions.ProtocolError:
            self.flush()
            self.transport.close()
            return
        for event in events:
            if isinstance(event, h2.events.RequestReceived):
                self.streams[event.stream_id] = [dict(event.headers), b""]
            elif isinstance(event, h2.events.DataReceived):
                self.streams[event.stream_id][1] += event.data
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, h2.events.StreamReset):
                self.streams.pop(event.stream_id, None)
            elif isinstance(event, h2.events.StreamEnded):
                self.answer(event.stream_id)
        self.flush()

    def answer(self, number):
        headers, body = self.streams.pop(number)
        path = headers[b":path"]
        if headers[b":method"] == b"POST" and self.options.journal:
            os.write(self.options.journal, path + b"\n")
        if headers.get(b"content-type", b"").startswith(b"application/grpc"):
            body = b"\0\0\0\0\2\x08\x01" if path.endswith(b"Health/Check") else body
            self.h2.send_headers(number, [(":status", "200"), ("content-type", "application/grpc")])
            self.h2.send_data(number, body)
            self.h2.send_headers(number, [("grpc-status", "0"), ("x-version", self.options.version)], end_stream=True)
        else:
            body = body or path
            self.h2.send_headers(number, [(":status", "200"), ("content-length", str(len(body))),
                                          ("x-version", self.options.version)])
            self.h2.send_data(number, body, end_stream=True)


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int)
    parser.add_argument("--version", default="")
    parser.add_argument("--journal")
    options = parser.parse_args()
    if options.journal:
        options.journal = os.open(options.journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Server(options), "127.0.0.1", options.port, backlog=1024)
    await server.serve_forever()


asyncio.run(main())
