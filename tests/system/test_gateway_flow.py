"""Who waits for whom: slow and silent sides, clients that leave, connections that end at a bad moment."""
import os
import resource
import socket
import threading
import time

import pytest

from conftest import proxy
from processes import memory_kb, wait_until

NO_HELP = {"retry": {"attempts": 0}, "hold": {"time": "0s"}}
MIB = b"0123456789abcdef" * 65536


def get(target, headers=""):
    return f"GET {target} HTTP/1.1\r\nhost: test\r\n{headers}\r\n"


def in_flight(holdfast):
    return sum(instance["in_flight"] for instance in holdfast.instances("app"))


def held(holdfast):
    return holdfast.service("app")["held"]


def no_calls_are_left(holdfast):
    wait_until(lambda: in_flight(holdfast) == 0, 10, lambda: f"{in_flight(holdfast)} calls are left")


# pipelining


def sized(connection):
    """Answers /N with N bytes."""
    while True:
        connection.answer(b"x" * int(connection.request().target[1:]))


def test_pipelined_requests_wait_for_a_slow_reader(make, gateway, client):
    """Answers stand in line behind a backlog, and none is forgotten when that has gone."""
    holdfast = gateway(make.backend(sized))
    one = client(holdfast, receive_buffer=4096)
    sizes = [3000000, 10, 500000, 0, 70000, 1]
    one.send("".join(get(f"/{size}") for size in sizes))
    assert [len(one.response().body) for _ in sizes] == sizes


def test_pipelined_requests_before_a_half_close(make, gateway, client):
    one = client(gateway(make.backend(sized)))
    sizes = [5, 16000000, 7]
    one.send("".join(get(f"/{size}") for size in sizes)).half_close()
    assert [len(one.response().body) for _ in sizes] == sizes
    assert one.closed()


@pytest.mark.memory
def test_pipelined_refusals_to_who_does_not_read(make, client):
    """What holdfast says itself is bounded, too."""
    backend = make.backend()
    config = proxy(backend)
    config["services"]["app"]["route"] = [{"path": "/only"}]
    holdfast = make.holdfast(config)
    one = client(holdfast, receive_buffer=4096)
    one.send(get("/nowhere") * 1000)  # so that the log's ring and the sanitizer's stacks are there already
    one.sock.settimeout(1)
    wait_until(lambda: len(holdfast.access_log()) == 1000, 20, "the first answers")
    before = memory_kb(holdfast.pid("gateway"))
    try:
        for _ in range(2000):
            one.send(get("/nowhere") * 1000)
    except OSError:
        pass
    assert memory_kb(holdfast.pid("gateway")) - before < 8192
    assert client(holdfast).request(target="/only").response().status == 200


# 100-continue


def test_continue_that_the_backend_does_not_say(make, gateway, client):
    """It simply waits for the body: holdfast sends it as soon as it comes."""
    one = client(gateway(make.backend()))
    one.send("POST / HTTP/1.1\r\nhost: test\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n")
    one.send("hello")
    assert one.response().status == 200
    assert one.request().response().status == 200


def test_continue_refused_and_the_body_comes_all_the_same(make, gateway, client):
    def script(connection):
        connection.head()
        connection.answer(b"no", status=417)

    one = client(gateway(make.backend(script)))
    one.send("POST / HTTP/1.1\r\nhost: test\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n")
    response = one.response()
    assert (response.status, response.get("connection")) == (417, "close")
    one.send("hello" + get("/smuggled"))
    assert one.closed()


# bodies


@pytest.mark.parametrize("size", range(65500, 65540, 3))
def test_trailers_where_the_kept_body_ends(make, gateway, client, size):
    """A trailer section that does not fit into what is left of the kept 64 KiB is taken all the same."""
    def script(connection):
        request = connection.request()
        connection.answer(b"%d %d" % (len(request.body), len(request.trailers)))

    one = client(gateway(make.backend(script)))
    one.send("PUT / HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n")
    one.send(b"%x\r\n" % size + b"x" * size + b"\r\n0\r\n" + b"x-sum: 1\r\n" * 20 + b"\r\n")
    assert one.response().body == b"%d 20" % size


def test_204_has_no_length(make, gateway, client):
    def script(connection):
        connection.request()
        connection.send("HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n")

    response = client(gateway(make.backend(script))).request().response()
    assert (response.status, response.all("content-length")) == (204, [])


def test_cut_response_of_http_1_0_is_a_reset(make, gateway, client):
    """There the end of the connection is the end of the body: an orderly one would be a lie."""
    def script(connection):
        connection.request()
        connection.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n")
        sent.wait(20)
        connection.reset()

    sent = threading.Event()
    one = client(gateway(make.backend(script), **NO_HELP))
    one.send("GET / HTTP/1.0\r\nhost: test\r\n\r\n")
    assert one.head().status == 200
    assert one.reader.exactly(5) == b"hello"
    sent.set()
    with pytest.raises(ConnectionResetError):
        one.reader.exactly(1)


def test_large_response_to_a_half_closed_slow_reader(make, gateway, client):
    def script(connection):
        connection.request()
        connection.answer(MIB * 16)  # more than the sockets' buffers hold

    one = client(gateway(make.backend(script)), receive_buffer=4096)
    one.request().half_close()
    assert one.response().body == MIB * 16
    assert one.closed()


# timeouts: each side answers for itself


def with_timeouts(make, backend, body, **timeout):
    config = proxy(backend, timeout=timeout, **NO_HELP)
    config["gateway"] = {"timeout": {"body": body}}
    holdfast = make.holdfast(config)
    holdfast.wait_ready("app", 1)
    return holdfast


def test_slow_upload_is_not_the_backends_fault(make, client):
    """The client pauses for longer than the instance may."""
    holdfast = with_timeouts(make, make.backend(), "20s", idle="200ms", response="300ms")
    one = client(holdfast)
    one.send("POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 10\r\n\r\nhello")
    pause(1)
    assert one.send("hello").response().status == 200


def test_slow_reader_is_not_the_backends_fault(make, client):
    def script(connection):
        connection.request()
        connection.answer(MIB * 8)

    holdfast = with_timeouts(make, make.backend(script), "20s", idle="200ms", response="300ms")
    one = client(holdfast, receive_buffer=4096)
    one.request()
    pause(1)
    assert one.response().body == MIB * 8


def test_client_that_sends_nothing_more_gets_408(make, client):
    holdfast = with_timeouts(make, make.backend(), "300ms")
    one = client(holdfast)
    one.send("POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 10\r\n\r\nhello")
    assert one.response().status == 408
    assert one.closed()
    no_calls_are_left(holdfast)


def test_client_that_takes_nothing_more_is_cut(make, client):
    cut = threading.Event()

    def script(connection):
        connection.request()
        try:
            connection.answer(MIB * 64)
        except OSError:
            cut.set()

    holdfast = with_timeouts(make, make.backend(script), "300ms")
    client(holdfast, receive_buffer=4096).request()
    wait_until(cut.is_set, 20, "the backend's connection to end")
    no_calls_are_left(holdfast)


def test_head_that_does_not_end_gets_408(make, client):
    config = proxy(make.backend())
    config["gateway"] = {"timeout": {"header": "300ms"}}
    one = client(make.holdfast(config))
    one.send("GET / HTTP/1.1\r\nhost:")
    assert one.response().status == 408
    assert one.closed()


def pause(seconds):
    """What is tested is that time passes and nothing happens."""
    threading.Event().wait(seconds)


# clients that leave


def test_calls_in_flight_are_counted_and_given_back(make, gateway, client):
    """At whatever stage the client leaves, the instance's count goes back to 0."""
    asked, go = threading.Semaphore(0), threading.Event()

    def script(connection):
        while True:
            request = connection.head()
            asked.release()
            if request.target == "/silent":
                go.wait(30)
                return
            connection.send("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nbegin")
            connection.reader.more()

    holdfast = gateway(make.backend(script), **NO_HELP)
    stages = {
        "nothing was answered": get("/silent"),
        "within the response": get("/begin"),
        "within the request": "POST /silent HTTP/1.1\r\nhost: test\r\ncontent-length: 9\r\n\r\nhel",
        "within both": "POST /begin HTTP/1.1\r\nhost: test\r\ncontent-length: 9\r\n\r\nhel",
        "within a chunk": "POST /silent HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n9\r\nhel",
    }
    for raw in stages.values():
        one = client(holdfast).send(raw)
        assert asked.acquire(timeout=10)
        if "/begin" in raw:
            assert one.head().status == 200
        wait_until(lambda: in_flight(holdfast) == 1, 10, "the call to be counted")
        one.reset()
        no_calls_are_left(holdfast)
    go.set()


def test_client_that_leaves_while_it_is_held(make, client):
    backend = make.backend()
    backend.probe_status = 500
    holdfast = make.holdfast(proxy(backend, hold={"time": "20s", "requests": 5}), start=False)
    holdfast.start(ready=False)
    wait_until(holdfast.status, 20, "status")
    for number in range(1, 21):  # each gives its place in the queue back
        one = client(holdfast).request()
        wait_until(lambda n=number: holdfast.service("app")["requests"] == n, 10, "the request to arrive")
        one.reset()
        wait_until(lambda: held(holdfast) <= 1, 10, "its place to be free")  # the probe may wait, too
    last = client(holdfast).request()
    backend.probe_status = 200
    assert last.response().status == 200
    assert backend.targets() == ["/"]


# connections to instances that end


def test_idle_connections_that_the_backend_closes(make, gateway, client):
    """The backend closes each connection behind its answer without saying so: nobody notices."""
    def script(connection):
        connection.request()
        connection.answer()

    backend = make.backend(script)
    one = client(gateway(backend, retry={"attempts": 0}))
    for number in range(300):
        assert one.request(target=f"/{number}").response().status == 200
    assert len(backend.whole) == 300


def test_request_on_a_connection_that_ends_that_moment(make, gateway, client):
    """A GET on a kept connection that dies is sent once more, a POST never: it may have been executed."""
    def script(connection):
        connection.request()
        connection.answer()
        connection.request()  # and now it goes without a word

    backend = make.backend(script)
    one = client(gateway(backend, **NO_HELP))
    assert one.request().response().status == 200
    assert one.request().response().status == 200
    assert len(backend.whole) == 3
    backend.clear()
    second = one.request("POST", body=b"order").response().status
    third = one.request("POST", body=b"order").response().status
    assert (second, third) in ((200, 502), (502, 200))
    assert len(backend.whole) == 2


# ejection, hold, budget


def failing(flag, answer):
    def script(connection):
        while True:
            connection.request()
            if flag.is_set():
                connection.answer(b"bug", status=500)
            else:
                connection.answer(answer)
    return script


def test_ejected_instance_comes_back_by_one_request(make, gateway, client):
    broken = threading.Event()
    broken.set()
    good, sick = make.backend(), make.backend(failing(broken, b"well"))
    holdfast = gateway(good, sick, eject={"failures": 3, "time": "500ms", "max": "500ms"})
    one = client(holdfast)
    wait_until(lambda: one.request().response().status == 500, 10, "a failure")
    wait_until(lambda: [one.request().response().status for _ in range(20)] == [200] * 20, 10, "ejection")
    sick.clear()
    # Half open: one request at a time tries it, however many there are.
    began = time.monotonic()
    statuses = []
    while time.monotonic() - began < 2:
        statuses.append(one.request().response().status)
    assert 1 <= statuses.count(500) <= 5
    assert len(sick.whole) == statuses.count(500)
    broken.clear()
    wait_until(lambda: one.request().response().body == b"well", 10, "the instance to come back")
    sick.clear()
    for _ in range(100):
        assert one.request().response().status == 200
    assert len(sick.whole) > 20


def test_held_requests_follow_on_a_ramp(make, client):
    """When the instance is back, it does not get all at once: the others follow its answers."""
    def script(connection):
        while True:
            connection.request()
            go.wait(30)
            connection.answer()

    go = threading.Event()

    backend = make.backend(script)
    backend.probe_status = 500
    config = proxy(backend, hold={"time": "20s", "requests": 500})
    config["gateway"] = {"workers": 1}
    holdfast = make.holdfast(config, start=False).start(ready=False)
    wait_until(holdfast.status, 20, "status")
    clients = [client(holdfast).request() for _ in range(200)]
    pause(0.5)
    assert backend.requests == []
    backend.probe_status = 200
    wait_until(lambda: backend.requests, 10, "the first of them")
    pause(0.5)
    assert len(backend.requests) < 50, "the instance got all that was held at once"
    go.set()
    assert [one.response().status for one in clients] == [200] * 200


def test_retries_have_a_budget(make, gateway, client):
    """With everything failing, few requests are sent twice: retries must not finish off what is left."""
    def script(connection):
        while True:
            connection.request()
            connection.answer(b"no", status=503)

    backends = [make.backend(script) for _ in range(3)]
    holdfast = gateway(*backends, eject={"failures": 0}, retry={"attempts": 2, "budget": "20%"})
    one = client(holdfast)
    for _ in range(1000):
        response = one.request().response()
        assert (response.status, response.body) == (503, b"no")
    sent = sum(len(backend.whole) for backend in backends)
    assert 1000 < sent <= 1000 + 200 + 100 + 10


# limits of the machine


def test_more_connections_than_allowed_wait(make, client):
    config = proxy(make.backend())
    config["gateway"] = {"workers": 1, "limits": {"connections": 16}}
    holdfast = make.holdfast(config)
    clients = [client(holdfast) for _ in range(40)]
    connections = lambda: holdfast.status()["gateway"][-1]["connections"]  # noqa: E731
    wait_until(lambda: connections() == 16, 10, "16 connections")
    pause(0.2)
    assert connections() == 16
    for one in clients:
        one.request(headers=[("connection", "close")])
    assert [one.response().status for one in clients] == [200] * 40


def descriptors(pid, most):
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (most, most))


def test_few_descriptors(make, gateway, client):
    """Clients get half of what there is, so that each can be served; the others wait in line."""
    holdfast = gateway(make.backend(), make.backend())
    descriptors(holdfast.pid("keeper"), 128)
    old = holdfast.kill_role("gateway")
    holdfast.wait_another("gateway", old)
    clients = [client(holdfast) for _ in range(60)]
    for one in clients:
        one.request(headers=[("connection", "close")])
    assert [one.response().status for one in clients] == [200] * 60


def test_no_descriptor_for_a_request(make, client):
    """It waits as if no instance were there; none is blamed."""
    go = threading.Event()

    def script(connection):
        while True:
            if connection.request().target == "/slow":
                go.wait(30)
            connection.answer()

    config = proxy(make.backend(script), hold={"time": "20s"}, eject={"failures": 1})
    config["gateway"] = {"sandbox": "off"}  # else nobody may change its limits
    holdfast = make.holdfast(config)
    holdfast.wait_ready("app", 1)
    pid = holdfast.pid("gateway")
    clients = [client(holdfast) for _ in range(10)]
    for one in clients:
        assert one.request().response().status == 200
    descriptors(pid, len(os.listdir(f"/proc/{pid}/fd")))
    for one in clients:  # they need more connections than are kept
        one.request(target="/slow")
    wait_until(lambda: held(holdfast) > 0, 10, "a held request")
    go.set()
    assert [one.response().status for one in clients] == [200] * 10
    assert all(i["state"] == "ready" for i in holdfast.instances("app"))


def test_address_of_an_instance_changes(make, client):
    """The configuration names another machine under the same port: requests go there."""
    def here(text):
        def script(connection):
            while True:
                connection.request()
                connection.answer(text)
        return script

    first = make.backend(here(b"first"))
    config = proxy(first)
    holdfast = make.holdfast(config)
    holdfast.wait_ready("app", 1)
    assert client(holdfast).request().response().body == b"first"
    second = make.backend(here(b"second"))
    config["services"]["app"]["instances"] = [second.address]
    holdfast.write(config)
    assert holdfast.cli("reload").returncode == 0
    wait_until(lambda: client(holdfast).request().response().body == b"second", 10, "the other instance")
