"""The PROXY protocol, versions 1 and 2: taken at listeners that want it, told to services that want it."""
import socket
import ssl
import struct

import pytest

from conftest import proxy
from http1 import Client, Gone, answering, read_body, read_head
from http2 import Http2
from processes import wait_until
from tls import Authority, context

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def binary(source="192.0.2.7:4711", destination="198.51.100.1:443", command=0x21, family=None, extra=b"", block=None):
    """A header of version 2."""
    hosts = [part.rpartition(":") for part in (source, destination)]
    kind = socket.AF_INET6 if "::" in source else socket.AF_INET
    if block is None:
        block = b"".join(socket.inet_pton(kind, host.strip("[]")) for host, _, _ in hosts)
        block += struct.pack(">HH", *(int(port) for _, _, port in hosts))
    if family is None:
        family = 0x21 if kind == socket.AF_INET6 else 0x11
    return SIGNATURE + bytes([command, family]) + struct.pack(">H", len(block) + len(extra)) + block + extra


def checked(header):
    """The same with a valid checksum behind it."""
    header = header[:14] + struct.pack(">H", int.from_bytes(header[14:16], "big") + 7) + header[16:] + b"\3\0\4" + bytes(4)
    crc = 0xffffffff
    for byte in header:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return header[:-4] + struct.pack(">I", crc ^ 0xffffffff)


REQUEST = b"GET / HTTP/1.1\r\nhost: test\r\n\r\n"
TEXT = b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\r\n"


def listener(make, backend, trusted=("127.0.0.1",), timeout=None, **service):
    """holdfast whose only listener wants the protocol, with a service that is ready."""
    config = proxy(backend, **service)
    made = make.holdfast(config, start=False)
    config["gateway"] = {"listen": [{"address": f"127.0.0.1:{made.port}", "proxy_protocol": True}],
                         "trusted_proxies": list(trusted), "timeout": timeout or {}}
    made.write(config)
    made.start()
    made.wait_ready("app", 1)
    return made


@pytest.fixture(scope="module")
def behind(make_once):
    """One for all tests that change nothing."""
    backend = make_once.backend()
    holdfast = listener(make_once, backend, timeout={"header": "1s"})
    return holdfast, backend


KNOWN = {
    "text": (TEXT, "192.0.2.7"),
    "text, IPv6": (b"PROXY TCP6 2001:db8::7 2001:db8::1 4711 443\r\n", "2001:db8::7"),
    "text, mapped": (b"PROXY TCP6 ::ffff:192.0.2.7 2001:db8::1 4711 443\r\n", "192.0.2.7"),
    "text, unknown": (b"PROXY UNKNOWN\r\n", "127.0.0.1"),
    "text, unknown with more": (b"PROXY UNKNOWN fe80::1 fe80::2 1 2\r\n", "127.0.0.1"),
    "binary": (binary(), "192.0.2.7"),
    "binary, IPv6": (binary("[2001:db8::7]:4711", "[2001:db8::1]:443"), "2001:db8::7"),
    "binary, extended": (binary(extra=b"\1\0\2h2\4\0\3abc"), "192.0.2.7"),
    "binary, with a checksum": (checked(binary()), "192.0.2.7"),
    "binary, local": (binary(command=0x20, family=0, block=b""), "127.0.0.1"),
    "binary, unspecified": (binary(family=0, block=b""), "127.0.0.1"),
}


@pytest.mark.parametrize("name", KNOWN)
def test_the_address_in_the_header_counts(behind, client, name):
    header, want = KNOWN[name]
    holdfast, backend = behind
    backend.clear()
    one = client(holdfast).send(header)
    for _ in range(2):  # for all requests of the connection
        assert one.request(target=f"/{want}").response().status == 200
    assert [seen.get("x-forwarded-for") for seen in backend.requests] == [want, want]
    wait_until(lambda: [entry for entry in holdfast.access_log() if entry["url"] == f"/{want}" and entry["client"] == want],
               10, "the address in the access log")


@pytest.mark.parametrize("name", KNOWN)
def test_header_and_request_in_one_piece(behind, client, name):
    header, want = KNOWN[name]
    holdfast, backend = behind
    backend.clear()
    assert client(holdfast).send(header + b"GET / HTTP/1.1\r\nhost: test\r\n\r\n").response().status == 200
    assert backend.requests[0].get("x-forwarded-for") == want


@pytest.mark.parametrize("name", KNOWN)
def test_header_byte_by_byte(behind, client, name):
    header, want = KNOWN[name]
    holdfast, backend = behind
    backend.clear()
    one = client(holdfast)
    for byte in header + b"GET / HTTP/1.1\r\nhost: test\r\n":
        one.send(bytes([byte]))
    assert one.send(b"\r\n").response().status == 200
    assert backend.requests[0].get("x-forwarded-for") == want


WRONG = {
    "none": b"GET / HTTP/1.1\r\nhost: test\r\n\r\n",
    "TLS": b"\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "another family": b"PROXY UDP4 192.0.2.7 198.51.100.1 4711 443\r\n",
    "two spaces": b"PROXY TCP4  192.0.2.7 198.51.100.1 4711 443\r\n",
    "a bad address": b"PROXY TCP4 192.0.2.256 198.51.100.1 4711 443\r\n",
    "a bad port": b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 65536\r\n",
    "something behind it": b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 443 x\r\n",
    "no CR": b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\nGET / HTTP/1.1\r\nhost: test\r\n\r\n",
    "no end": b"PROXY UNKNOWN " + b"x" * 200,
    "binary, version 1": binary(command=0x11),
    "binary, another command": binary(command=0x22),
    "binary, unix": binary(family=0x31, block=bytes(216)),
    "binary, datagrams": binary(family=0x12),
    "binary, too short": binary(block=bytes(11)),
    "binary, too long": binary(extra=b"\4\x03\xf0" + bytes(0x3f0)),
    "binary, extension cut": binary(extra=b"\4\0\2x"),
    "binary, checksum": checked(binary())[:-1] + b"\0",
    "twice": TEXT + TEXT,
}


@pytest.mark.parametrize("name", WRONG)
def test_anything_else_is_not_served(behind, client, name):
    holdfast, backend = behind
    backend.clear()
    one = client(holdfast).send(WRONG[name])
    if name == "twice":  # the second one is no request
        assert one.response().status == 400
    assert one.closed()
    assert backend.requests == []


def test_a_header_that_does_not_come(behind, client):
    holdfast, _ = behind
    silent, half = client(holdfast), client(holdfast).send(TEXT[:20])
    ended = client(holdfast).send(TEXT[:20]).half_close()
    assert ended.closed() and silent.closed() and half.closed()
    text = holdfast.text()
    assert "PROXY protocol header is not accepted" in text
    assert text.count("is not accepted") < 10  # it is not said each time


def test_half_closed_behind_the_request(behind, client):
    holdfast, _ = behind
    one = client(holdfast).send(TEXT + b"GET / HTTP/1.1\r\nhost: test\r\n\r\n").half_close()
    assert one.response().status == 200 and one.closed()


def test_strangers_are_not_served(make, client):
    backend = make.backend()
    holdfast = listener(make, backend, trusted=["10.0.0.0/8"])
    for first in (TEXT, binary(), b"PROXY UNKNOWN\r\n", SIGNATURE + b"\x20\0\0\0", REQUEST, b""):
        try:
            one = client(holdfast)
            one.send(first)
            assert one.closed()
        except (BrokenPipeError, ConnectionResetError):
            pass
    assert backend.requests == []
    assert "not in gateway.trusted_proxies" in holdfast.text()


def probed(seen):
    """The script of a backend that notes the requests that came through the gateway."""
    def script(connection):
        while True:
            request = read_body(connection.reader, read_head(connection.reader))
            if request.get("x-forwarded-for"):
                seen.append(request)
            connection.answer(b"ok")
    return script


def test_a_quiet_service_is_probed_though_a_header_is_wanted(make):
    """A second without users is judged by a request of the controller's, which comes without a header."""
    seen = []
    holdfast = listener(make, make.backend(probed(seen)), trusted=["10.0.0.0/8"])
    wait_until(lambda: len(seen) >= 2, 20, lambda: f"probes of the service\n{holdfast.text()}")
    assert not any(request.all("x-holdfast-probe") for request in seen)
    assert "not accepted" not in holdfast.text()


def test_the_header_comes_before_tls(make):
    """In one piece with the hello or not, and for HTTP/2 as well: what the header says counts."""
    backend = make.backend()
    config = proxy(backend)
    holdfast = make.holdfast(config, start=False)
    authority = Authority(make.folder)
    config["gateway"] = {"trusted_proxies": ["127.0.0.1"], "listen": [
        {"address": f"127.0.0.1:{holdfast.port}", "proxy_protocol": True,
         "tls": authority.issue("shop", "shop.example").files()}]}
    holdfast.write(config)
    holdfast.start()
    holdfast.wait_ready("app", 1)
    trust = context(authority)
    for header, pieces in ((TEXT, 1), (binary(), 1), (binary(), 16)):
        backend.clear()
        coming, going = ssl.MemoryBIO(), ssl.MemoryBIO()
        talk = trust.wrap_bio(coming, going, server_hostname="shop.example")
        with socket.create_connection(("127.0.0.1", holdfast.port), 10) as sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

            def done(step):
                """Runs a step of TLS, with what it takes from the socket and puts there."""
                while True:
                    try:
                        return step()
                    except ssl.SSLWantReadError:
                        sock.sendall(going.read())
                        coming.write(sock.recv(65536))

            with pytest.raises(ssl.SSLWantReadError):
                talk.do_handshake()
            first = header + going.read()
            for at in range(0, len(first), -(-len(first) // pieces)):
                sock.sendall(first[at:at - (-len(first) // pieces)])
            done(talk.do_handshake)
            talk.write(REQUEST)
            sock.sendall(going.read())
            assert done(lambda: talk.read(65536)).startswith(b"HTTP/1.1 200")
        assert backend.requests[0].get("x-forwarded-for") == "192.0.2.7"
        assert backend.requests[0].get("x-forwarded-proto") == "https"


def test_the_header_comes_before_http_2(behind):
    holdfast, backend = behind
    backend.clear()

    def introduced(sock):
        sock.sendall(TEXT)
        return sock

    with Http2(holdfast.port, wrap=introduced) as one:
        assert one.get("/").status == 200
    assert backend.requests[0].get("x-forwarded-for") == "192.0.2.7"


def test_forwarded_fields_are_judged_by_the_real_address(behind, client):
    holdfast, backend = behind
    backend.clear()
    given = [("x-forwarded-for", "6.6.6.6")]
    client(holdfast).send(TEXT).request(headers=given).response()
    client(holdfast).send(b"PROXY UNKNOWN\r\n").request(headers=given).response()
    client(holdfast).send(b"PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n").request(headers=given).response()
    assert [seen.get("x-forwarded-for") for seen in backend.requests] == [
        "192.0.2.7", "6.6.6.6, 127.0.0.1", "6.6.6.6, 127.0.0.1"]


def test_a_reload_changes_what_a_listener_wants(make, client):
    backend = make.backend()
    config = {**proxy(backend), "gateway": {"trusted_proxies": ["127.0.0.1"]}}
    holdfast = make.holdfast(config)
    plain = client(holdfast)
    assert plain.request().response().status == 200
    wanted = {**config, "gateway": {**config["gateway"], "listen": [
        {"address": f"127.0.0.1:{holdfast.port}", "proxy_protocol": True}]}}
    holdfast.write(wanted)
    assert holdfast.cli("reload").returncode == 0

    def served_with_header():
        try:
            return client(holdfast).send(TEXT).request().response().status == 200
        except (Gone, OSError):
            return False
    wait_until(served_with_header, 20, "the header to be wanted")
    assert plain.request().response().status == 200  # a connection stays what it is
    holdfast.write(config)
    assert holdfast.cli("reload").returncode == 0
    wait_until(lambda: client(holdfast).request().response().status == 200 if not served_with_header() else False,
               20, "the header not to be wanted")


# --- outwards ---

def told(seen):
    """The script of a backend that notes each connection's header, and then answers one request."""
    def script(connection):
        reader = connection.reader
        first = reader.exactly(6)
        if first == b"PROXY ":
            header = first + reader.until(b"\r\n") + b"\r\n"
        else:
            rest = reader.exactly(10)
            header = first + rest + reader.exactly(int.from_bytes(rest[8:10], "big"))
        request = read_body(reader, read_head(reader))
        seen.append((header, request))
        connection.answer(b"ok")
        while True:  # nothing more may come
            message = read_head(reader)
            raise AssertionError(f"a second request on a connection: {message}")
    return script


def user_requests(seen):
    return [(header, request) for header, request in seen if request.target != "/-/ready"]


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_service_is_told_of_the_client(make, gateway, client, version):
    seen = []
    holdfast = gateway(make.backend(told(seen)), proxy_protocol=version)
    one, other = client(holdfast), client(holdfast)
    for connection in (one, other, one):
        assert connection.request().response().body == b"ok"
    users = user_requests(seen)
    ports = [connection.sock.getsockname()[1] for connection in (one, other, one)]
    for (header, request), port in zip(users, ports, strict=True):
        if version == "v1":
            assert header == f"PROXY TCP4 127.0.0.1 127.0.0.1 {port} {holdfast.port}\r\n".encode()
        else:
            assert header == binary(f"127.0.0.1:{port}", f"127.0.0.1:{holdfast.port}")
        assert request.get("connection") == "close"


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_checks_say_that_they_are_our_own(make, gateway, version):
    seen = []
    gateway(make.backend(told(seen)), proxy_protocol=version)
    assert {header for header, _ in seen} == {
        b"PROXY UNKNOWN\r\n" if version == "v1" else SIGNATURE + b"\x20\0\0\0"}


def test_connection_checks_say_it_too(make, gateway):
    first = []

    def script(connection):
        first.append(connection.reader.rest())

    gateway(make.backend(script), proxy_protocol="v2", health={"tcp": True, "interval": "100ms", "rise": 1})
    wait_until(lambda: SIGNATURE + b"\x20\0\0\0" in first, 10, lambda: f"a header: {first}")


def test_the_address_is_handed_on_from_header_to_header(make, client):
    seen = []
    holdfast = listener(make, make.backend(told(seen)), proxy_protocol="v2")
    for header, want in ((TEXT, binary()), (binary(), binary()),
                         (b"PROXY TCP6 2001:db8::7 2001:db8::1 4711 443\r\n",
                          binary("[2001:db8::7]:4711", "[2001:db8::1]:443"))):
        seen.clear()
        assert client(holdfast).send(header).request().response().body == b"ok"
        assert user_requests(seen)[0][0] == want


def test_an_upload_follows_the_header(make, gateway, client):
    seen = []
    holdfast = gateway(make.backend(told(seen)), proxy_protocol="v1")
    body = b"x" * 3_000_000
    assert client(holdfast).request("POST", body=body).response().body == b"ok"
    assert user_requests(seen)[0][1].body == body


def test_a_retry_tells_it_again(make, gateway, client):
    seen, refusals = [], []

    def refuse_once(connection):
        if refusals:
            told(seen)(connection)
        reader = connection.reader
        header = reader.until(b"\r\n")
        if read_head(reader).target == "/-/ready":
            connection.answer(b"ok")
            return
        refusals.append(header)  # and close

    holdfast = gateway(make.backend(refuse_once), make.backend(refuse_once), proxy_protocol="v1")
    one = client(holdfast)
    assert one.request().response().status == 200
    assert user_requests(seen)[0][0] == refusals[0] + b"\r\n"


def test_a_service_that_begins_to_be_told(make, client):
    """Connections that are kept are not used for it, and those of clients from before are told of too."""
    seen, switched = [], []

    def script(connection):
        (told(seen) if switched else answering)(connection)

    backend = make.backend(script)
    config = proxy(backend, health={"tcp": True, "interval": "200ms"})
    holdfast = make.holdfast(config)
    one = client(holdfast)
    assert one.request().response().status == 200
    switched.append(True)
    holdfast.write(proxy(backend, health={"tcp": True, "interval": "200ms"}, proxy_protocol="v1"))
    assert holdfast.cli("reload").returncode == 0
    port = one.sock.getsockname()[1]

    def told_of_it():
        one.request().response()
        return seen and seen[-1][0].startswith(b"PROXY TCP4 127.0.0.1 ") and f" {port} ".encode() in seen[-1][0]
    wait_until(told_of_it, 20, lambda: f"the header: {seen}")


def test_through_another_holdfast(make, client):
    """One tells, the next one believes: the chain keeps the client's address."""
    backend = make.backend()
    inner = listener(make, backend)

    class Inner:
        address = f"127.0.0.1:{inner.port}"

    outer = make.holdfast(proxy(Inner, proxy_protocol="v2", health={"tcp": True}))
    outer.wait_ready("app", 1)
    one = Client(outer.port)
    with one:
        assert one.request().response().status == 200
        assert backend.requests[0].get("x-forwarded-for") == "127.0.0.1, 127.0.0.1"  # outer's word is kept: it is trusted
    wait_until(lambda: any(entry["client"] == "127.0.0.1" for entry in inner.access_log()), 10, "the log")
