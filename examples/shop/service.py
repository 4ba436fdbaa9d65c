"""What the shop's Python services have in common: an HTTP/1.1 server of the standard library.

Like the C one it installs no signal handler: SIGTERM ends it at once, whatever is in flight.
"""
import argparse
import json
import sys
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Server(ThreadingHTTPServer):
    request_queue_size = 256
    daemon_threads = True


class Handler(BaseHTTPRequestHandler):
    """A subclass answers with `get(path)` and `post(path, body)`: (status, dictionary), or None."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body leave in one packet
    version = "0"
    name = "service"

    def get(self, path):
        return None

    def post(self, path, body):
        return None

    def checksum(self, body=b""):
        request = f"{self.command} {self.path}".encode("latin-1")
        return f"{zlib.crc32(request + body):08x}"

    def do_GET(self):
        if self.path == "/-/ready":
            self.answer((200, {"status": "OK", "name": self.name}))
        else:
            self.answer(self.get(self.path))

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        self.answer(self.post(self.path, body))

    def answer(self, answer):
        status, content = answer or (404, {"error": "no such page"})
        body = json.dumps(content, separators=(",", ":")).encode() + b"\n"
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.send_header("x-version", self.version)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, *_):
        """Quiet: the gateway writes the access log."""

    def handle_one_request(self):
        try:
            super().handle_one_request()
        except ConnectionError:
            self.close_connection = True


def arguments(name, **more):
    """The command line: --port, --version, and one option for each keyword."""
    parser = argparse.ArgumentParser(prog=name)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--version", default="0")
    for option, text in more.items():
        parser.add_argument(f"--{option}", help=text)
    return parser.parse_args()


def release(default):
    """`release.conf` of the folder the service runs in, "key value" lines, over the defaults."""
    conf = dict(default)
    try:
        with open("release.conf", encoding="utf-8") as lines:
            for line in lines:
                if line.strip() and not line.startswith("#"):
                    key, value = line.split(None, 1)
                    conf[key] = value.strip()
    except FileNotFoundError:
        pass
    return conf


def serve(handler, args):
    handler.version = args.version
    print(f"{handler.name} {args.version} on port {args.port}", file=sys.stderr, flush=True)
    Server(("127.0.0.1", args.port), handler).serve_forever()
