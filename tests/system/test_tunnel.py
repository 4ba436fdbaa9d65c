"""Connections that stop being HTTP: WebSocket and other protocols by Upgrade (RFC 9110 7.8)."""
import threading

import pytest

from conftest import proxy
from processes import memory_kb, wait_until

WEBSOCKET = [("connection", "Upgrade"), ("upgrade", "websocket"), ("sec-websocket-version", "13"),
             ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")]
SWITCH = ("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
          "sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n")


def echo(connection):
    """Takes an upgrade up, and sends back what comes, until it ends."""
    while "websocket" not in connection.head().get("upgrade", ""):
        connection.answer()
    connection.send(SWITCH)
    connection.sock.settimeout(None)
    if connection.reader.buffer:
        connection.send(connection.reader.buffer)
    while data := connection.sock.recv(65536):
        connection.send(data)


def in_flight(holdfast):
    return sum(instance["in_flight"] for instance in holdfast.instances("app"))


def outcomes(holdfast):
    """Of the tunnels that have ended."""
    def logged():
        return [line["outcome"] for line in holdfast.access_log() if line["status"] == 101]

    wait_until(logged, 10, "a line in the access log")
    return logged()


def opened(client, holdfast, target="/socket", headers=WEBSOCKET):
    one = client(holdfast)
    assert one.request(target=target, headers=headers).head().status == 101
    return one


def says(one, data):
    one.send(data)
    assert one.reader.exactly(len(data)) == data


def test_websocket_goes_both_ways(make, gateway, client):
    holdfast = gateway(make.backend(echo))
    one = client(holdfast)
    head = one.request(target="/socket", headers=WEBSOCKET).head()
    assert head.status == 101
    assert head.get("upgrade") == "websocket" and head.get("connection") == "upgrade"
    assert head.get("sec-websocket-accept") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    assert head.all("content-length") == head.all("transfer-encoding") == []
    for size in (1, 100000, 3):
        says(one, b"x" * size)
    assert holdfast.service("app")["tunnels"] == 1
    assert in_flight(holdfast) == 1
    one.close()
    wait_until(lambda: in_flight(holdfast) == 0, 10, lambda: "the tunnel still counts")
    assert holdfast.service("app")["tunnels"] == 0


def test_endpoint_gets_the_offer_and_the_usual_fields(make, gateway, client):
    backend = make.backend(echo)
    opened(client, gateway(backend))
    request = backend.requests[-1]
    assert request.method == "GET"
    assert request.get("upgrade") == "websocket" and request.get("connection") == "upgrade"
    assert request.get("sec-websocket-key") == "dGhlIHNhbXBsZSBub25jZQ=="
    assert request.get("x-forwarded-for") == "127.0.0.1"


def test_bytes_behind_the_head_belong_to_the_tunnel(make, gateway, client):
    """On both sides: what came together with the head is not lost, and not taken for HTTP."""

    def eager(connection):
        connection.head()
        connection.send(SWITCH + "HTTP/1.1 200 OK\r\n\r\n")
        assert connection.reader.exactly(16) == b"GET / HTTP/1.1\r\n"
        connection.send("heard")
        connection.sock.recv(1)

    one = client(gateway(make.backend(eager)))
    lines = "".join(f"{name}: {value}\r\n" for name, value in WEBSOCKET)
    one.send(f"GET /socket HTTP/1.1\r\nhost: test\r\n{lines}\r\nGET / HTTP/1.1\r\n")
    assert one.head().status == 101
    assert one.reader.exactly(24) == b"HTTP/1.1 200 OK\r\n\r\nheard"


def test_each_way_ends_by_itself(make, gateway, client):
    def last_word(connection):
        connection.head()
        connection.send(SWITCH)
        received = b""
        while data := connection.sock.recv(65536):
            received += data
        connection.send(b"you said " + received)

    one = opened(client, gateway(make.backend(last_word)))
    one.send(b"this").half_close()
    assert one.reader.exactly(13) == b"you said this"
    assert one.closed()


def test_endpoint_ends_its_way_first(make, gateway, client):
    heard = threading.Event()

    def listener(connection):
        connection.head()
        connection.send(SWITCH + "bye")
        connection.sock.shutdown(1)
        assert connection.reader.exactly(200000) == b"z" * 200000
        heard.set()

    holdfast = gateway(make.backend(listener))
    one = opened(client, holdfast)
    assert one.reader.exactly(3) == b"bye"
    assert one.sock.recv(1) == b""
    one.send(b"z" * 200000).half_close()
    assert heard.wait(30)
    wait_until(lambda: in_flight(holdfast) == 0, 10, lambda: "the tunnel still counts")


def test_reset_is_passed_on(make, gateway, client):
    def broken(connection):
        connection.head()
        connection.send(SWITCH)
        connection.reader.exactly(1)
        connection.reset()

    holdfast = gateway(make.backend(broken))
    one = opened(client, holdfast)
    one.send(b"x")
    with pytest.raises(ConnectionResetError):
        one.sock.recv(1)
    wait_until(lambda: in_flight(holdfast) == 0, 10, lambda: "the tunnel still counts")
    assert outcomes(holdfast) == ["failed"]


def test_client_that_resets_ends_the_tunnel(make, gateway, client):
    gone = threading.Event()

    def waits(connection):
        connection.head()
        connection.send(SWITCH)
        try:
            while connection.sock.recv(65536):
                pass
        except ConnectionResetError:
            pass
        gone.set()

    one = opened(client, gateway(make.backend(waits)))
    one.reset()
    assert gone.wait(30)


def test_silent_tunnel_is_ended(make, gateway, client):
    holdfast = gateway(make.backend(echo), timeout={"tunnel": "500ms", "idle": "100ms"})
    one = opened(client, holdfast)
    says(one, b"hello")
    assert one.closed()
    assert outcomes(holdfast) == ["ok"]


def test_neither_idle_nor_body_timeout_touches_a_tunnel(make, client):
    config = proxy(make.backend(echo), timeout={"idle": "200ms"})
    config["gateway"] = {"timeout": {"body": "200ms", "idle": "200ms", "header": "200ms"}}
    holdfast = make.holdfast(config)
    one = opened(client, holdfast)
    other = opened(client, holdfast)
    one.sock.settimeout(1)
    with pytest.raises(TimeoutError):
        one.sock.recv(1)
    says(one, b"still here")
    says(other, b"here too")


@pytest.mark.parametrize("upgrade", ["h2c", "websocket, h2c", "HTTP/2.0", "TLS/1.0", "chat"])
def test_other_offers_are_left_out(make, gateway, client, upgrade):
    """RFC 9110 7.8: who does not want to switch goes on in HTTP/1.1."""
    backend = make.backend()
    one = client(gateway(backend))
    headers = [("connection", "upgrade, http2-settings"), ("upgrade", upgrade), ("http2-settings", "AAMAAABk")]
    assert one.request(headers=headers).response().status == 200
    assert backend.requests[-1].all("upgrade") == backend.requests[-1].all("connection") == []
    assert backend.requests[-1].all("http2-settings") == []
    assert one.request().response().status == 200


def test_any_protocol_where_the_operator_says_so(make, gateway, client):
    def chat(connection):
        assert connection.head().get("upgrade") == "Chat/2"
        connection.send("HTTP/1.1 101 Fine\r\nupgrade: chat/2\r\nconnection: upgrade\r\n\r\nhi")
        connection.sock.recv(1)

    holdfast = gateway(make.backend(chat), upgrade="any")
    one = client(holdfast)
    assert one.request(headers=[("connection", "upgrade"), ("upgrade", "Chat/2")]).head().status == 101
    assert one.reader.exactly(2) == b"hi"


def test_off_means_plain_http(make, gateway, client):
    backend = make.backend()
    one = client(gateway(backend, upgrade="off"))
    assert one.request(headers=WEBSOCKET).response().status == 200
    assert backend.requests[-1].all("upgrade") == []


@pytest.mark.parametrize("answer", [
    "HTTP/1.1 101 X\r\nconnection: upgrade\r\nupgrade: chat\r\n\r\n",
    "HTTP/1.1 101 X\r\nconnection: upgrade\r\n\r\n",
    "HTTP/1.1 101 X\r\nupgrade: websocket\r\n\r\n",
])
def test_101_to_something_else_is_refused(make, gateway, client, answer):
    def wrong(connection):
        connection.head()
        connection.send(answer)
        connection.sock.recv(1)

    one = client(gateway(make.backend(wrong)))
    assert one.request(headers=WEBSOCKET).response().status == 502


def test_refused_upgrade_is_an_ordinary_answer(make, gateway, client):
    one = client(gateway(make.backend()))
    assert one.request(headers=WEBSOCKET).response().status == 200
    assert one.request().response().body == b"hello"


def test_upgrade_with_a_body_stays_http(make, gateway, client):
    backend = make.backend()
    one = client(gateway(backend))
    assert one.request("POST", headers=WEBSOCKET, body=b"x").response().status == 200
    assert backend.whole[-1].body == b"x" and backend.requests[-1].all("upgrade") == []


@pytest.mark.memory
def test_slow_reader_slows_the_endpoint_and_memory_is_flat(make, gateway, client):
    piece = bytes(65536)
    count = 1000

    def pours(connection):
        connection.head()
        connection.send(SWITCH)
        for _ in range(count):
            connection.send(piece)

    holdfast = gateway(make.backend(pours))
    one = client(holdfast, receive_buffer=65536)
    before = memory_kb(holdfast.pid("gateway"))
    assert one.request(headers=WEBSOCKET).head().status == 101
    most = before
    for index in range(count):
        assert one.reader.exactly(len(piece)) == piece
        if index % 50 == 0:
            most = max(most, memory_kb(holdfast.pid("gateway")))
    assert most - before < 8192, f"memory went from {before} to {most} kB"


def test_reload_keeps_tunnels(make, gateway, client):
    first, second = make.backend(echo), make.backend(echo)
    holdfast = gateway(first, timeout={"drain": "20s"})
    one = opened(client, holdfast)
    holdfast.write(proxy(second, timeout={"drain": "20s"}))
    assert holdfast.cli("reload").returncode == 0
    wait_until(lambda: opened(client, holdfast) and second.targets(), 20, "a tunnel by the new configuration")
    says(one, b"still here, at an instance that drains")
