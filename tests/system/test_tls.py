"""TLS from the users' side: handshakes, certificates, sessions, and what goes wrong with them."""
import hashlib
import json
import os
import pathlib
import re
import shutil
import socket
import ssl
import subprocess
import threading

import pytest

from conftest import proxy
from holdfast import BINARY
from http1 import Client, Gone, read_head
from processes import free_port, memory_kb, wait_until
from test_gateway_cost import Strace
from test_ledger import report
from tls import Authority, TlsClient, context

V1_2, V1_3 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


@pytest.fixture
def https(make, authority):
    """https(backend, ..., tls={...}) starts holdfast with a plain and a TLS listener (`tls_port`)."""
    def start(*backends, tls=None, gateway=None, start=True, **service):
        config = proxy(*backends, **service)
        port = free_port()
        tls = tls or authority.issue("shop", "shop.example").files()
        config["gateway"] = {"workers": 1, **(gateway or {})}
        holdfast = make.holdfast(config, start=False)
        config["gateway"]["listen"] = [f"127.0.0.1:{holdfast.port}",
                                       {"address": f"127.0.0.1:{port}", "tls": tls}]
        holdfast.tls_port, holdfast.config = port, config
        holdfast.write(config)
        if start:
            holdfast.start()
            holdfast.wait_ready("app", len(backends))
        return holdfast
    return start


@pytest.fixture
def connect(authority):
    """connect(holdfast, ...) opens a TLS connection to it."""
    opened = []

    def open_client(holdfast, own=None, version=None, alpn=None, made=None, trust=None, **keywords):
        made = made or context(trust or authority, own=own, version=version, alpn=alpn)
        opened.append(TlsClient(holdfast.tls_port, made, **keywords))
        return opened[-1]

    yield open_client
    for one in opened:
        one.close()


def events(holdfast, kind):
    return [event for event in holdfast.json("events")["events"] if event["kind"] == kind]


# ---- service ----

@pytest.mark.parametrize("version", [V1_2, V1_3])
def test_requests_over_tls(make, https, connect, version):
    backend = make.backend()
    holdfast = https(backend)
    one = connect(holdfast, version=version)
    assert one.request().response().body == b"hello"
    assert one.request("POST", "/post", body=b"x" * 1000).response().status == 200
    seen = backend.whole[-1]
    assert seen.body == b"x" * 1000
    assert seen.get("x-forwarded-proto") == "https"
    assert seen.get("x-client-subject") is None
    with Client(holdfast.port) as plain:
        assert plain.request().response().status == 200
    assert backend.whole[-1].get("x-forwarded-proto") == "http"


def test_tools_of_others_understand_it(make, https, authority, tmp_path):
    holdfast = https(make.backend(), tls=authority.issue("shop", "localhost").files())
    done = subprocess.run(["curl", "-sS", "--http1.1", "--cacert", str(authority.path), "-w", "%{http_version} %{ssl_verify_result}",
                           "-d", "@-", f"https://localhost:{holdfast.tls_port}/a", f"https://localhost:{holdfast.tls_port}/b"],
                          input="body", capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0 and done.stdout == "hello1.1 0hello1.1 0", done
    done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{holdfast.tls_port}", "-servername", "localhost",
                           "-CAfile", str(authority.path), "-alpn", "http/1.1", "-quiet"],
                          input="GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n", capture_output=True,
                          text=True, timeout=30, check=False)
    assert "HTTP/1.1 200" in done.stdout and done.stdout.endswith("hello"), done


def test_protocol_is_agreed_on(make, https, connect, authority):
    holdfast = https(make.backend(), tls={**authority.issue("shop", "shop.example").files(), "http2": False})
    assert connect(holdfast, alpn=["h2", "http/1.1"]).sock.selected_alpn_protocol() == "http/1.1"
    assert connect(holdfast).sock.selected_alpn_protocol() is None
    with pytest.raises(ssl.SSLError, match="(?i)no.application.protocol"):
        connect(holdfast, alpn=["h2"])


def test_old_versions_are_refused(make, https, connect, authority):
    holdfast = https(make.backend(), tls={**authority.issue("shop", "shop.example").files(), "minimum": "1.3"})
    assert connect(holdfast, version=V1_3).request().response().status == 200
    with pytest.raises(ssl.SSLError, match="(?i)protocol.version"):
        connect(holdfast, version=V1_2)


def test_name_chooses_the_certificate(make, https, connect, authority):
    shop, admin = authority.issue("shop", "shop.example"), authority.issue("admin", "admin.example")
    wild = authority.issue("wild", "*.shop.example", kind="rsa")
    holdfast = https(make.backend(), tls={**shop.files(), "certificates": [admin.files(), wild.files()]})
    for name, issued in (("shop.example", shop), ("admin.example", admin), ("a.shop.example", wild),
                         ("ADMIN.example", admin)):
        assert connect(holdfast, name=name).serial == issued.serial
    made = context(authority)
    made.check_hostname = False
    assert connect(holdfast, made=made, name="unknown.example").serial == shop.serial
    assert connect(holdfast, made=made, name=None).serial == shop.serial


@pytest.mark.parametrize("version", [V1_2, V1_3])
def test_large_bodies_both_ways(make, https, connect, version):
    body = os.urandom(1 << 20) * 8

    def echo(connection):
        while True:
            message = connection.request()
            connection.answer(hashlib.sha256(message.body).hexdigest().encode() + body)

    backend = make.backend(echo)
    holdfast = https(backend)
    one = connect(holdfast, version=version)
    for _ in range(3):
        # One after the other: Python's TLS sockets, before 3.13, break when two threads use one.
        answer = one.request("POST", "/", body=body).response()
        assert answer.body[:64] == hashlib.sha256(body).hexdigest().encode()
        assert answer.body[64:] == body


@pytest.mark.memory
@pytest.mark.load
def test_slow_reader_holds_up_the_backend(make, https, connect):
    """Backpressure through TLS: what the client does not read stays with the endpoint."""
    size = 32 << 20
    sent = []

    def endless(connection):
        connection.request()
        connection.send(f"HTTP/1.1 200 OK\r\ncontent-length: {size}\r\n\r\n")
        block = bytes(1 << 16)
        for _ in range(size // len(block)):
            connection.send(block)
            sent.append(len(block))

    holdfast = https(make.backend(endless))
    pid = holdfast.pid("gateway")
    one = connect(holdfast, receive_buffer=65536)
    before = memory_kb(pid)
    one.request()
    wait_until(lambda: sent, 10, "the answer to begin")
    level = None
    while level != sum(sent):  # it stands still
        level = sum(sent)
        threading.Event().wait(0.3)
    assert level < size / 2
    assert memory_kb(pid) - before < 4096
    assert one.head().get("content-length") == str(size)
    left = size - len(one.reader.buffer)
    while left:
        left -= len(one.sock.recv(1 << 16))


def test_pipelined_and_then_closed(make, https, connect):
    """What came before close_notify is answered; an answer that ends with the connection ends properly."""
    def script(connection):
        message = connection.request()
        connection.send(f"HTTP/1.0 200 OK\r\n\r\n{message.target}")

    holdfast = https(make.backend(script))
    one = connect(holdfast, version=V1_3)
    one.send("GET /a HTTP/1.1\r\nhost: a\r\n\r\nGET /b HTTP/1.0\r\nhost: a\r\n\r\n")
    assert one.response().body == b"/a"
    message = read_head(one.reader)
    one.reader.sock = one.sock
    assert one.reader.rest() == b"/b" and message.status == 200  # rest() fails without a close_notify


def test_half_closed_clients_are_answered(make, https, authority):
    done = threading.Event()

    def script(connection):
        connection.request()
        done.wait(20)
        connection.answer(b"late")

    backend = make.backend(script)
    holdfast = https(backend)
    made = context(authority)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    peer = made.wrap_bio(incoming, outgoing, server_hostname="shop.example")
    with socket.create_connection(("127.0.0.1", holdfast.tls_port), 15) as sock:
        def exchange(step):
            while True:
                try:
                    return step()
                except ssl.SSLWantReadError:
                    sock.sendall(outgoing.read())
                    data = sock.recv(65536)
                    assert data, "the gateway has closed"
                    incoming.write(data)
        exchange(peer.do_handshake)
        peer.write(b"GET /half HTTP/1.1\r\nhost: a\r\n\r\n")
        with pytest.raises(ssl.SSLWantReadError):
            peer.unwrap()
        sock.sendall(outgoing.read())
        wait_until(lambda: "/half" in backend.targets(), 10, "the request")
        done.set()
        data = b""
        while b"late" not in data:
            incoming.write(sock.recv(65536))
            try:
                data += peer.read(65536)
            except ssl.SSLWantReadError:
                pass
        assert data.startswith(b"HTTP/1.1 200")


# ---- sessions ----

def resumed(connect, holdfast, made, session):
    one = connect(holdfast, made=made, session=session)
    assert one.request().response().status == 200  # tickets of TLS 1.3 come with what is read
    return one.sock.session_reused, one.sock.session


@pytest.mark.parametrize("version", [V1_2, V1_3])
def test_sessions_outlive_gateway_and_controller(make, https, connect, authority, version):
    holdfast = https(make.backend())
    made = context(authority, version=version)
    reused, session = resumed(connect, holdfast, made, None)
    assert not reused
    reused, session = resumed(connect, holdfast, made, session)
    assert reused
    gateway = holdfast.kill_role("gateway")
    holdfast.wait_another("gateway", gateway)
    wait_until(lambda: holdfast.text().count("certificates are in force") == 2, 20, "certificates")
    reused, session = resumed(connect, holdfast, made, session)
    assert reused
    holdfast.wait_another("controller", holdfast.kill_role("controller"))
    holdfast.wait_another("gateway", holdfast.kill_role("gateway"))
    reused, session = resumed(connect, holdfast, made, session)
    assert reused
    assert holdfast.text().count("a new key for session tickets") == 1


# ---- reload ----

def test_new_certificate_while_connections_go_on(make, https, connect, authority):
    holdfast = https(make.backend())
    old = connect(holdfast)
    first = old.serial
    gateway = holdfast.pid("gateway")
    failed, stop = [], threading.Event()

    def ask():
        made = context(authority)
        while not stop.is_set():
            try:
                with TlsClient(holdfast.tls_port, made) as one:
                    assert one.request().response().status == 200
            except (AssertionError, OSError, Gone) as error:
                failed.append(error)

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for turn in range(5):
        issued = authority.issue("shop", "shop.example")
        assert holdfast.cli("reload").returncode == 0
        wait_until(lambda serial=issued.serial: connect(holdfast).serial == serial, 10, f"certificate {turn}")
        assert old.request().response().status == 200
    stop.set()
    for thread in threads:
        thread.join()
    assert not failed
    assert old.serial == first and holdfast.pid("gateway") == gateway


def test_changed_files_come_into_force_alone(make, https, connect, authority):
    holdfast = https(make.backend())
    before = connect(holdfast).serial
    issued = authority.issue("shop", "shop.example")
    wait_until(lambda: connect(holdfast).serial == issued.serial, 30, "the new certificate")
    assert before != issued.serial
    assert "reload" not in holdfast.text()


def test_bad_files_change_nothing(make, https, connect, authority):
    shop = authority.issue("shop", "shop.example")
    holdfast = https(make.backend(), tls=shop.files())
    where = re.compile(r"holdfast\.yaml:\d+:\d+: gateway\.listen\[1\]\.tls\.(\w+): .*")
    other = authority.issue("other", "other.example")
    for path, content, key, said in (
            (shop.key_path, other.key_path.read_bytes(), "key", "does not belong to the certificate"),
            (shop.key_path, b"", "key", "has no private key in it"),
            (shop.path, b"no PEM", "certificate", "has no certificate in it"),
            (shop.path, shop.path.read_bytes()[:200] + b"\n-----END CERTIFICATE-----\n", "certificate", "damaged"),
            (shop.path, None, "certificate", "cannot be read: No such file")):
        shop.write()
        if content is None:
            path.unlink()
        else:
            path.write_bytes(content)
        for done in (holdfast.cli("reload"), holdfast.cli("check", str(holdfast.file))):
            assert done.returncode == 1
            found = where.search(done.stderr)
            assert found and found[1] == key and said in found[0], done.stderr
        assert connect(holdfast).serial == shop.serial
    # A controller that starts now goes on with what was in force, and so does the next gateway.
    holdfast.wait_another("controller", holdfast.kill_role("controller"))
    holdfast.wait_another("gateway", holdfast.kill_role("gateway"))
    assert connect(holdfast).serial == shop.serial
    assert events(holdfast, "certificate")[-1]["text"].startswith("certificates refused")
    shop.write()
    assert holdfast.cli("reload").returncode == 0


def test_a_bad_certificate_does_not_start(make, https, authority):
    shop = authority.issue("shop", "shop.example")
    shop.key_path.unlink()
    holdfast = https(make.backend(), tls=shop.files(), start=False)
    holdfast.start(ready=False)
    assert holdfast.process.wait(20) == 1
    assert "tls.key" in holdfast.text() and "No such file" in holdfast.text()


def test_a_listener_becomes_one_with_tls(make, https, connect, authority):
    holdfast = https(make.backend())
    plain = {**holdfast.config, "gateway": {**holdfast.config["gateway"], "listen": [
        f"127.0.0.1:{holdfast.port}", f"127.0.0.1:{holdfast.tls_port}"]}}
    kept = connect(holdfast)
    holdfast.write(plain)
    assert holdfast.cli("reload").returncode == 0

    def answers_plainly():
        try:
            with Client(holdfast.tls_port) as one:
                return one.request().response().status == 200
        except (Gone, ConnectionError):
            return False

    wait_until(answers_plainly, 10, "an answer without TLS")
    assert kept.request().response().status == 200
    holdfast.write(holdfast.config)
    assert holdfast.cli("reload").returncode == 0
    wait_until(lambda: not answers_plainly(), 10, "TLS again")
    assert connect(holdfast).request().response().status == 200


def test_without_certificates_nobody_is_accepted(make, https, connect):
    """The gateway serves by the last plan, no controller can start: it has no certificates, and does not pretend."""
    holdfast = https(make.backend())
    assert connect(holdfast).request().response().status == 200
    holdfast.stop()
    for file in holdfast.state.glob("holdfast.db*"):
        file.unlink()
    (holdfast.state / "holdfast.db").mkdir()
    holdfast.start(ready=False)

    def answers_plainly():
        try:
            with Client(holdfast.port) as one:
                return one.request().response().status == 200
        except (Gone, OSError):
            return False

    wait_until(answers_plainly, 30, lambda: f"an answer\n{holdfast.text()}")
    with socket.create_connection(("127.0.0.1", holdfast.tls_port), 10) as waiting:
        waiting.settimeout(0.5)
        waiting.sendall(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        with pytest.raises(socket.timeout):
            waiting.recv(1)


# ---- clients' certificates ----

def test_clients_show_certificates(make, https, connect, authority, tmp_path):
    backend = make.backend()
    clients = Authority(tmp_path, "clients")
    alice = clients.issue("alice")
    orders = clients.issue("orders", "orders.internal", uri="spiffe://shop/orders")
    stranger = authority.issue("stranger", "stranger.example")
    tls = {**authority.issue("shop", "shop.example").files(),
           "client": {"ca": str(clients.path), "verify": "optional"}}
    holdfast = https(backend, tls=tls)
    forged = [("x-client-subject", "root"), ("X-Client-Subject", "admin")]

    def subject(own):
        one = connect(holdfast, own=own)
        assert one.request(headers=forged).response().status == 200
        return backend.whole[-1].get("x-client-subject")

    assert subject(None) is None
    assert subject(alice) == "alice"
    assert subject(orders) == "orders.internal"
    with Client(holdfast.port) as plain:
        assert plain.request(headers=forged).response().status == 200
    assert backend.whole[-1].get("x-client-subject") is None
    for own in (stranger, None):
        if own is None:
            holdfast.config["gateway"]["listen"][1]["tls"]["client"]["verify"] = "required"
            holdfast.write(holdfast.config)
            assert holdfast.cli("reload").returncode == 0
        with pytest.raises((ssl.SSLError, Gone, ConnectionError)):
            wait_until(lambda o=own: connect(holdfast, own=o).request().response().status != 200, 10, "a refusal")
    assert subject(alice) == "alice"


def test_client_sessions_keep_their_subject(make, https, connect, authority, tmp_path):
    backend = make.backend()
    clients = Authority(tmp_path, "clients")
    tls = {**authority.issue("shop", "shop.example").files(), "client": {"ca": str(clients.path)}}
    holdfast = https(backend, tls=tls)
    made = context(authority, own=clients.issue("alice"))
    reused, session = resumed(connect, holdfast, made, None)
    reused, session = resumed(connect, holdfast, made, session)
    assert reused and backend.whole[-1].get("x-client-subject") == "alice"


# ---- expiry ----

def test_expiry_is_told_once(make, https, authority):
    shop = authority.issue("shop", "shop.example", days=6)
    holdfast = https(make.backend(), tls={**shop.files(), "certificates": [
        authority.issue("later", "later.example", days=80).files()]})
    told = wait_until(lambda: events(holdfast, "certificate"), 20, "the event")
    assert len(told) == 1 and "(shop.example) expires in less than 7 days" in told[0]["text"]
    assert told[0]["subject"] == "shop.example" and told[0]["certificate"] == str(shop.path)
    holdfast.wait_another("controller", holdfast.kill_role("controller"))
    assert holdfast.cli("reload").returncode == 0
    assert len(events(holdfast, "certificate")) == 1


def test_an_expired_certificate_is_a_warning(make, https, authority):
    shop = authority.issue("shop", "shop.example", days=-1, began_days_ago=9)
    holdfast = https(make.backend(), tls=shop.files())
    assert "warning: gateway.listen[1].tls.certificate:" in holdfast.text()
    shop.key_path.chmod(0o644)
    done = holdfast.cli("check", str(holdfast.file), "--json")
    assert done.returncode == 0
    texts = [warning["text"] for warning in json.loads(done.stdout)["warnings"]]
    assert len(texts) == 2 and any("has expired" in text for text in texts)
    assert any("can be read by everybody (mode 0644)" in text for text in texts)
    wait_until(lambda: "has expired" in str(events(holdfast, "certificate")), 20, "the event")


# ---- what clients get wrong ----

@pytest.mark.parametrize("bytes_", [b"\x00" * 64, b"SSH-2.0-x\r\n", b"\x16\x03\x01\xff\xff" + b"x" * 100,
                                    b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00", os.urandom(3000),
                                    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"], ids=range(6))
def test_garbage_is_refused(make, https, connect, bytes_):
    holdfast = https(make.backend())
    with Client(holdfast.tls_port) as one:
        one.send(bytes_).half_close()
        answer = b""
        try:
            answer = one.reader.rest()
        except ConnectionResetError:
            pass
        assert len(answer) < 100  # an alert, or nothing
    assert connect(holdfast).request().response().status == 200


def test_http_without_tls_is_told_so(make, https):
    backend = make.backend()
    holdfast = https(backend)
    with Client(holdfast.tls_port) as one:
        answer = one.request().response()
        assert answer.status == 400 and b"HTTPS" in answer.body
        assert one.closed()
    assert "/" not in backend.targets()


def test_a_slow_handshake_has_a_deadline(make, https, connect, authority):
    holdfast = https(make.backend(), gateway={"timeout": {"header": "700ms"}})
    outgoing = ssl.MemoryBIO()
    peer = context(authority).wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="shop.example")
    with pytest.raises(ssl.SSLWantReadError):
        peer.do_handshake()
    hello = outgoing.read()
    with Client(holdfast.tls_port) as silent, Client(holdfast.tls_port) as slow:
        slow.sock.settimeout(0.05)
        for at in range(len(hello)):  # a byte now and then does not buy time
            try:
                slow.send(hello[at:at + 1])
                if slow.sock.recv(1) == b"":
                    break
            except socket.timeout:
                continue
            except ConnectionError:
                break
        else:
            pytest.fail("a whole hello was taken byte by byte")
        assert silent.closed()
    assert connect(holdfast).request().response().status == 200


def test_a_handshake_in_single_bytes(make, https, authority):
    holdfast = https(make.backend())
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    peer = context(authority).wrap_bio(incoming, outgoing, server_hostname="shop.example")
    with Client(holdfast.tls_port) as one:
        def push():
            for byte in outgoing.read():
                one.send(bytes([byte]))
        for step in (peer.do_handshake, lambda: peer.write(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"),
                     lambda: peer.read(1000)):
            while True:
                try:
                    said = step()
                    push()
                    break
                except ssl.SSLWantReadError:
                    push()
                    incoming.write(one.sock.recv(65536))
        assert said.startswith(b"HTTP/1.1 200")


# ---- what it costs ----

@pytest.mark.load
def test_four_system_calls_a_request_over_tls(make, https, connect, tmp_path, capsys):
    holdfast = https(make.backend())
    one = connect(holdfast)
    for _ in range(200):
        assert one.request().response().status == 200
    strace = Strace(holdfast.pid("gateway"), tmp_path / "calls")
    count = 2000
    for _ in range(count):
        assert one.request().response().status == 200
    calls = strace.stop()
    waits = calls.pop("epoll_wait", 0)
    each = {name: round(n / count, 3) for name, n in calls.items()}
    with capsys.disabled():
        print(f"\n    {sum(each.values()):.2f} system calls each {each}, {waits / count:.2f} waits")
    assert sum(each.values()) <= 4.2, each


@pytest.mark.memory
@pytest.mark.load
def test_idle_connections_are_small_with_tls(make, https, connect, capsys):
    holdfast = https(make.backend())
    pid = holdfast.pid("gateway")
    clients = [connect(holdfast) for _ in range(50)]
    for one in clients:
        assert one.request().response().status == 200
    before = memory_kb(pid)
    more = [connect(holdfast) for _ in range(200)]
    for one in more:
        assert one.request().response().status == 200
    each = (memory_kb(pid) - before) / len(more)
    with capsys.disabled():
        print(f"\n    {each:.1f} kB for each idle TLS connection")
    assert each < 40


def test_check_finds_what_is_missing(tmp_path):
    assert shutil.which("openssl"), "openssl is not installed"
    for tls, said in (("{}", "tls has no certificate"), ("{ key: a.key }", "tls.certificate is missing"),
                      ("{ certificate: a.pem }", "tls.key is missing"),
                      ("{ certificate: a.pem, key: a.key, client: {} }", "tls.client.ca is missing"),
                      ("{ certificate: a.pem, key: a.key, minimum: 1.1 }", 'tls.minimum is "1.1"; expected 1.2 or 1.3'),
                      ("{ certificate: a.pem, key: a.key }", "a.pem cannot be read")):
        file = tmp_path / "holdfast.yaml"
        file.write_text("gateway:\n  listen:\n"
                        f'    - {{ address: "127.0.0.1:18443", tls: {tls} }}\n'
                        "services:\n  app:\n    route: [{ path: / }]\n    instances: [\"127.0.0.1:1\"]\n")
        done = subprocess.run([BINARY, "check", file], capture_output=True, text=True, timeout=20, check=False)
        assert done.returncode == 1 and said in done.stderr and f"{file}:3:" in done.stderr, done.stderr


def listening_ports(pid):
    """The TCP ports on IPv4 at which a process listens."""
    inodes = {os.readlink(link) for link in pathlib.Path(f"/proc/{pid}/fd").iterdir() if os.path.islink(link)}
    ports = set()
    for row in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = row.split()
        if fields[3] == "0A" and f"socket:[{fields[9]}]" in inodes:
            ports.add(int(fields[1].split(":")[1], 16))
    return ports


def test_probes_need_no_plain_listener(make, https):
    """Quiet seconds are judged by a probe, also where each listener wants TLS; nobody else comes by there."""
    backend = make.backend()
    holdfast = https(backend, start=False)
    holdfast.config["gateway"]["listen"] = holdfast.config["gateway"]["listen"][1:]
    holdfast.write(holdfast.config)
    holdfast.start()
    holdfast.wait_ready("app", 1)
    wait_until(lambda: report(holdfast)["seconds"]["up"] >= 2, 30, "seconds that were seen")
    assert report(holdfast)["requests"] == 0
    ports = listening_ports(holdfast.pid("gateway")) - {holdfast.tls_port}
    assert len(ports) == 1
    with Client(ports.pop()) as stranger:
        assert stranger.request(target="/secret").response().status == 404
        assert stranger.request(target="/secret", headers=[("x-holdfast-probe", "0" * 32 + "/app")]).response().status == 404
    assert "/secret" not in backend.targets()
