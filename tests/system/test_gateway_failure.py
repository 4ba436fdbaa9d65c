"""Instances that fail, and what the user sees of it: retry, hold, ejection, and clear answers."""
import threading
import time

import pytest

from conftest import proxy
from http1 import Gone
from processes import wait_until

NO_HELP = {"retry": {"attempts": 0}, "hold": {"time": "0s"}}


def test_refused_connection_is_a_502_that_says_so(make, gateway, client):
    backend = make.backend()
    holdfast = gateway(backend, health={"path": "/-/ready", "interval": "60s"}, **NO_HELP)
    backend.stop_listening()
    backend.drop_connections()
    response = client(holdfast).request().response()
    assert response.status in (502, 503)
    assert response.body


def test_no_ready_instance_is_a_503(make, client):
    backend = make.backend()
    backend.probe_status = 500
    holdfast = make.holdfast(proxy(backend, **NO_HELP), start=False).start(ready=False)
    wait_until(holdfast.status, 20, "status")
    def refused():
        response = client(holdfast).request().response()
        return response.status == 503 and response
    response = wait_until(refused, 10, "503 while nothing is ready")
    assert response.get("retry-after") is not None
    assert b"app" in response.body or b"service" in response.body
    assert backend.requests == []


def test_silent_instance_is_a_504(make, gateway, client):
    def script(connection):
        connection.request()
        wait_until(done.is_set, 30)

    done = threading.Event()
    holdfast = gateway(make.backend(script), timeout={"response": "500ms", "try": "300ms"}, **NO_HELP)
    began = time.monotonic()
    response = client(holdfast).request().response()
    done.set()
    assert response.status == 504
    assert 0.25 < time.monotonic() - began < 5
    assert response.body


def test_response_that_stops_is_cut(make, gateway, client):
    def script(connection):
        connection.request()
        connection.send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello")
        done.wait(30)

    done = threading.Event()
    holdfast = gateway(make.backend(script), timeout={"idle": "500ms", "response": "1s"}, **NO_HELP)
    one = client(holdfast)
    assert one.request().head().status == 200
    with pytest.raises((Gone, ConnectionResetError)):
        one.reader.exactly(10)
    done.set()


def failing_once(make, how):
    """Two backends, of which the one that gets a request first fails it by how(connection)."""
    failed = threading.Event()

    def script(connection):
        while True:
            connection.request()
            if not failed.is_set():
                failed.set()
                how(connection)
                return
            connection.answer(b"good")

    return [make.backend(script), make.backend(script)], failed


FAILURES = {
    "closes": lambda connection: None,
    "resets": lambda connection: connection.reset(),
    "says 502": lambda connection: connection.answer(b"no", status=502),
    "says 503": lambda connection: connection.answer(b"no", status=503),
    "says 504": lambda connection: connection.answer(b"no", status=504),
    "closes within the head": lambda connection: connection.send("HTTP/1.1 200 OK\r\ncont"),
    "is silent": lambda connection: connection.reader.more(),
}


@pytest.mark.parametrize("method, how", [("GET", how) for how in FAILURES] + [
    ("PUT", how) for how in FAILURES] + [(method, "resets") for method in ("HEAD", "DELETE", "OPTIONS")])
def test_idempotent_request_is_repeated_elsewhere(make, gateway, client, how, method):
    backends, failed = failing_once(make, FAILURES[how])
    holdfast = gateway(*backends, timeout={"try": "300ms"})
    body = b"value" if method == "PUT" else None
    response = client(holdfast).request(method, body=body).response(to_head=method == "HEAD")
    assert response.status == 200
    assert failed.is_set()
    assert sum(len(backend.whole) for backend in backends) == 2
    if body:
        assert all(request.body == body for b in backends for request in b.whole)


@pytest.mark.parametrize("how", ["closes", "resets", "says 502", "says 503"])
@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_post_is_never_repeated(make, gateway, client, how, method):
    backends, _ = failing_once(make, FAILURES[how])
    holdfast = gateway(*backends)
    response = client(holdfast).request(method, body=b"order").response()
    assert response.status == (503 if how == "says 503" else 502)
    assert sum(len(backend.whole) for backend in backends) == 1


def test_post_that_was_not_sent_goes_elsewhere(make, gateway, client):
    """A refused connection has executed nothing, so even a POST may try the next instance."""
    good, dead = make.backend(), make.backend()
    holdfast = gateway(good, dead, health={"path": "/-/ready", "interval": "60s"})
    dead.stop_listening()
    dead.drop_connections()
    one = client(holdfast)
    for _ in range(10):
        assert one.request("POST", body=b"order").response().status == 200
    assert len(good.whole) == 10


def test_status_500_is_the_answer_and_not_repeated(make, gateway, client):
    backends, _ = failing_once(make, lambda connection: connection.answer(b"bug", status=500))
    response = client(gateway(*backends)).request().response()
    assert (response.status, response.body) == (500, b"bug")


def test_nothing_is_repeated_once_the_user_has_bytes(make, gateway, client):
    backends, _ = failing_once(make, lambda connection: connection.send(
        "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello"))
    one = client(gateway(*backends))
    assert one.request().head().status == 200
    with pytest.raises((Gone, ConnectionResetError)):
        one.reader.exactly(10)
    assert sum(len(backend.whole) for backend in backends) == 1


def test_retry_switched_off(make, gateway, client):
    backends, _ = failing_once(make, FAILURES["resets"])
    response = client(gateway(*backends, **NO_HELP)).request().response()
    assert response.status == 502


def test_attempts_are_limited(make, gateway, client):
    def script(connection):
        connection.request()

    backends = [make.backend(script) for _ in range(4)]
    holdfast = gateway(*backends, retry={"attempts": 2})
    assert client(holdfast).request().response().status == 502
    assert sum(len(backend.whole) for backend in backends) == 3


def test_request_is_held_until_an_instance_is_ready(make, client):
    backend = make.backend()
    backend.probe_status = 500
    holdfast = make.holdfast(proxy(backend, hold={"time": "10s", "requests": 10}), start=False)
    holdfast.start(ready=False)
    wait_until(holdfast.status, 20, "status")
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(
        client(holdfast).request().response().status)) for _ in range(5)]
    for thread in threads:
        thread.start()
    wait_until(lambda: holdfast.service("app")["instances"][0]["state"] != "ready", 5, "not ready")
    assert answers == []
    backend.probe_status = 200
    for thread in threads:
        thread.join(20)
    assert answers == [200] * 5


def test_hold_ends_with_503(make, client):
    backend = make.backend()
    backend.probe_status = 500
    holdfast = make.holdfast(proxy(backend, hold={"time": "500ms", "requests": 10}), start=False)
    holdfast.start(ready=False)
    wait_until(holdfast.status, 20, "status")
    began = time.monotonic()
    response = client(holdfast).request().response()
    assert response.status == 503
    assert 0.4 < time.monotonic() - began < 5


def test_hold_queue_is_bounded(make, client):
    backend = make.backend()
    backend.probe_status = 500
    holdfast = make.holdfast(proxy(backend, hold={"time": "3s", "requests": 2}), start=False)
    holdfast.start(ready=False)
    wait_until(holdfast.status, 20, "status")
    clients = [client(holdfast).request() for _ in range(20)]
    began = time.monotonic()
    turned_away = 0
    for one in clients:
        one.sock.settimeout(1)
        try:
            assert one.response().status == 503
            turned_away += 1
        except TimeoutError:
            pass
        if time.monotonic() - began > 2.5:
            break
    assert turned_away >= 1


def test_failing_instance_is_ejected_and_the_other_is_not_hurt(make, gateway, client):
    def bad(connection):
        while True:
            connection.request()
            connection.answer(b"bug", status=500)

    good, sick = make.backend(), make.backend(bad)
    holdfast = gateway(good, sick)
    one = client(holdfast)

    def well():
        before = len(sick.whole)
        statuses = [one.request().response().status for _ in range(20)]
        return statuses == [200] * 20 and len(sick.whole) == before

    wait_until(well, 20, "the failing instance to get no more requests")


def test_last_instance_is_never_ejected(make, gateway, client):
    """With every instance failing, users get its answer, not holdfast's."""
    def bad(connection):
        while True:
            connection.request()
            connection.answer(b"bug", status=500)

    one = client(gateway(make.backend(bad)))
    for _ in range(100):
        response = one.request().response()
        assert (response.status, response.body) == (500, b"bug")


def test_balance_reaches_every_instance(make, gateway, client):
    backends = [make.backend() for _ in range(4)]
    one = client(gateway(*backends))
    for _ in range(200):
        assert one.request().response().status == 200
    counts = [len(backend.whole) for backend in backends]
    assert min(counts) > 10, counts


def test_slow_instance_gets_less(make, gateway, client):
    def slow(connection):
        while True:
            connection.request()
            threading.Event().wait(0.02)
            connection.answer()

    quick, sluggish = make.backend(), make.backend(slow)
    one = client(gateway(quick, sluggish))
    for _ in range(200):
        assert one.request().response().status == 200
    assert len(quick.whole) > 2 * len(sluggish.whole)
