"""gRPC services: what became of a call is its grpc-status; health checks, retries, the gateway's own answers.

Servers are grpcio's, or scripted (h2_server); clients speak HTTP/1.1 where they need to be raw.
"""
import queue
import threading
import time
from concurrent import futures

import grpc
import pytest

from h2_server import H2Backend
from processes import wait_until

NO_HELP = {"retry": {"attempts": 0}, "hold": {"time": "0s"}}
CALL = [("content-type", "application/grpc"), ("te", "trailers")]


def framed(message):
    return b"\0" + len(message).to_bytes(4, "big") + message


class GrpcServer:
    """grpcio's server: /test.Echo/{Unary,Stream,Fail}, and the health service."""

    def __init__(self, port=0):
        self.serving = 1  # SERVING
        self.calls = 0
        self.pool = futures.ThreadPoolExecutor(16)
        self.server = grpc.server(self.pool)
        unary, stream = grpc.unary_unary_rpc_method_handler, grpc.stream_stream_rpc_method_handler
        self.server.add_generic_rpc_handlers((
            grpc.method_handlers_generic_handler("test.Echo", {
                "Unary": unary(self.unary), "Stream": stream(self.stream), "Fail": unary(self.fail)}),
            grpc.method_handlers_generic_handler("grpc.health.v1.Health", {"Check": unary(self.check)})))
        self.port = self.server.add_insecure_port(f"127.0.0.1:{port}")
        self.address = f"127.0.0.1:{self.port}"
        self.server.start()

    def unary(self, request, _):
        self.calls += 1
        return request[::-1]

    def stream(self, requests, _):
        yield from (request[::-1] for request in requests)

    def fail(self, request, context):
        self.calls += 1
        context.abort(grpc.StatusCode(next(c.value for c in grpc.StatusCode if c.value[0] == int(request))), "as asked")

    def check(self, request, context):
        if request not in (b"", b"\n\ttest.Echo"):
            context.abort(grpc.StatusCode.NOT_FOUND, "no such service")
        return b"\x08" + bytes([self.serving])

    def close(self):
        self.server.stop(0).wait(10)
        self.pool.shutdown(wait=False)


@pytest.fixture
def grpc_server(make):
    def start(*arguments):
        made = GrpcServer(*arguments)
        make.backends.append(made)
        return made
    return start


@pytest.fixture
def scripted(make):
    def start(*arguments, **keywords):
        made = H2Backend(*arguments, **keywords)
        make.backends.append(made)
        return made
    return start


@pytest.fixture
def grpc_gateway(gateway):
    def start(*backends, **service):
        health = {"interval": "200ms", "rise": 1, "fall": 2, **service.pop("health", {})}
        return gateway(*backends, protocol="grpc", health=health, **service)
    return start


def call(one, path="/test.Echo/Unary", message=b"abc", headers=()):
    """A gRPC call over HTTP/1.1: (response, grpc-status)."""
    response = one.request("POST", path, headers=[*CALL, *headers], body=framed(message)).response()
    status = response.get("grpc-status") or dict(response.trailers).get("grpc-status")
    return response, int(status)


def test_unary_call_and_its_trailers(grpc_server, grpc_gateway, client):
    holdfast = grpc_gateway(grpc_server())
    response, status = call(client(holdfast))
    assert response.status == 200
    assert response.body == framed(b"cba")
    assert status == 0
    line = wait_until(holdfast.access_log, 10, "a line of the log")[-1]
    assert line["grpcStatus"] == 0 and line["outcome"] == "ok"


def test_health_follows_the_server(grpc_server, grpc_gateway):
    server = grpc_server()
    other = grpc_server()
    holdfast = grpc_gateway(server, other, health={"service": "test.Echo"})
    server.serving = 2
    left = holdfast.wait_ready("app", 1)[0]
    assert str(other.port) in left["id"] or other.address in str(left)
    bad = next(i for i in holdfast.instances("app") if i["state"] != "ready")
    assert "NOT_SERVING" in bad["why"], bad
    server.serving = 1
    holdfast.wait_ready("app", 2)


def test_health_of_an_unknown_service_fails(grpc_server, make):
    server = grpc_server()
    holdfast = make.holdfast({"services": {"app": {
        "route": [{"path": "/"}], "protocol": "grpc", "instances": [server.address],
        "health": {"service": "test.Other", "interval": "200ms", "rise": 1, "fall": 2}}}}, start=False)
    holdfast.start(ready=False)
    bad = wait_until(lambda: next((i for i in holdfast.instances("app") if i["state"] == "ejected"), None), 20,
                     "the verdict")
    assert "grpc-status 5" in bad["why"], bad


@pytest.mark.parametrize("status, outcome", [(2, "failed"), (4, "failed"), (13, "failed"), (14, "failed"),
                                             (15, "failed"), (3, "ok"), (5, "ok"), (7, "ok"), (16, "ok")])
def test_outcome_is_the_grpc_status(grpc_server, grpc_gateway, client, status, outcome):
    holdfast = grpc_gateway(grpc_server(), **NO_HELP)
    _, got = call(client(holdfast), "/test.Echo/Fail", str(status).encode())
    assert got == status
    line = wait_until(holdfast.access_log, 10, "a line of the log")[-1]
    assert (line["grpcStatus"], line["outcome"]) == (status, outcome)


def test_missing_grpc_status_is_a_failure(scripted, grpc_gateway, client):
    def script(stream):
        stream.whole()
        stream.answer(framed(b"x"), headers=[("content-type", "application/grpc")])

    holdfast = grpc_gateway(scripted(script), health={"tcp": True}, **NO_HELP)
    client(holdfast).request("POST", "/a.B/C", headers=CALL, body=framed(b"")).response()
    line = wait_until(holdfast.access_log, 10, "a line of the log")[-1]
    assert line["outcome"] == "failed" and "grpcStatus" not in line


def test_failing_calls_eject(grpc_server, grpc_gateway, client):
    """UNAVAILABLE five times in a row from one of two: the calls go to the other one."""
    def script(stream):
        stream.whole()
        stream.head(200, [("content-type", "application/grpc"), ("grpc-status", "14")], end=True)

    bad = H2Backend(script)
    good = grpc_server()
    holdfast = grpc_gateway(bad, good, health={"tcp": True}, eject={"failures": 2, "time": "60s"}, **NO_HELP)
    one = client(holdfast)
    try:
        wait_until(lambda: [call(one)[1] for _ in range(10)] == [0] * 10, 20, "ejection")
        assert len(bad.requests) < 10
    finally:
        bad.close()


@pytest.mark.parametrize("configured", [False, True])
def test_unavailable_is_retried_only_where_it_is_allowed(scripted, grpc_gateway, client, configured):
    def script(stream):
        stream.whole()
        if len(first.requests) + len(second.requests) == 1:
            stream.head(200, [("content-type", "application/grpc"), ("grpc-status", "14")], end=True)
        else:
            stream.head(200, [("content-type", "application/grpc")])
            stream.data(framed(b"x"))
            stream.trailer([("grpc-status", "0")])

    first, second = scripted(script), scripted(script)
    holdfast = grpc_gateway(first, second, health={"tcp": True}, retry={"grpc": configured})
    _, status = call(client(holdfast))
    assert status == (0 if configured else 14)
    assert len(first.requests) + len(second.requests) == (2 if configured else 1)


def test_own_answers_are_grpc(scripted, grpc_gateway, client):
    backend = scripted()
    holdfast = grpc_gateway(backend, health={"tcp": True, "interval": "60s"}, **NO_HELP)
    backend.stop_listening()
    backend.drop_connections()
    response, status = call(client(holdfast))
    assert response.status == 200
    assert status == 14
    assert response.get("content-type") == "application/grpc"
    assert response.get("grpc-message")
    assert response.body == b""
    line = wait_until(holdfast.access_log, 10, "a line of the log")[-1]
    assert (line["status"], line["grpcStatus"], line["outcome"]) == (200, 14, "failed")


def test_grpc_timeout_bounds_the_wait(scripted, grpc_gateway, client):
    holdfast = grpc_gateway(scripted(lambda stream: stream.wait(lambda: False, 30)), health={"tcp": True}, **NO_HELP)
    response, status = call(client(holdfast), headers=[("grpc-timeout", "200m")])
    assert (response.status, status) == (200, 4)
    assert "grpc-timeout" in response.get("grpc-message")


# ---- the ledger ----

def seconds(holdfast):
    return wait_until(lambda: [s["seconds"] for s in holdfast.json("report")["services"] if s["service"] == "app"], 10,
                      "the service in the report")[0]


def test_probes_judge_quiet_seconds(grpc_server, grpc_gateway):
    """Without users, the health check through the listener says whether a second was up."""
    server = grpc_server()
    holdfast = grpc_gateway(server)
    wait_until(lambda: seconds(holdfast)["up"] >= 2, 30, lambda: f"seconds that are up: {seconds(holdfast)}")
    assert seconds(holdfast)["down"] == 0


def test_failed_calls_are_downtime(grpc_server, grpc_gateway, client):
    holdfast = grpc_gateway(grpc_server(), **NO_HELP)
    one = client(holdfast)
    wait_until(lambda: [call(one, "/test.Echo/Fail", b"13") for _ in range(50)] and seconds(holdfast)["down"] >= 2,
               30, lambda: f"seconds that are down: {seconds(holdfast)}")


# ---- grpcio's own client, HTTP/2 both ways ----

@pytest.fixture
def channel():
    """channel(holdfast): a grpcio channel to its gateway."""
    opened = []

    def start(holdfast):
        opened.append(grpc.insecure_channel(f"127.0.0.1:{holdfast.port}", options=[("grpc.enable_retries", 0)]))
        return opened[-1]
    yield start
    for one in opened:
        one.close()


def test_grpcio_unary_calls(grpc_server, grpc_gateway, channel):
    server = grpc_server()
    unary = channel(grpc_gateway(server)).unary_unary("/test.Echo/Unary")
    for number in range(50):
        assert unary(b"%d" % number, timeout=10) == (b"%d" % number)[::-1]
    big = bytes(range(256)) * 4096  # 1 MiB
    assert unary(big, timeout=20) == big[::-1]
    calls = [unary.future(b"%d" % number, timeout=20) for number in range(100)]
    assert [call.result() for call in calls] == [(b"%d" % number)[::-1] for number in range(100)]
    assert server.calls == 151


def test_grpcio_sees_the_server_s_status(grpc_server, grpc_gateway, channel):
    fail = channel(grpc_gateway(grpc_server())).unary_unary("/test.Echo/Fail")
    with pytest.raises(grpc.RpcError) as caught:
        fail(b"9", timeout=10)
    assert caught.value.code() == grpc.StatusCode.FAILED_PRECONDITION
    assert caught.value.details() == "as asked"


def test_grpcio_bidirectional_stream(grpc_server, grpc_gateway, channel):
    """Each message comes back before the next one is sent; timeout.response does not cut it."""
    holdfast = grpc_gateway(grpc_server(), timeout={"response": "300ms"})
    to_send = queue.Queue()
    answers = channel(holdfast).stream_stream("/test.Echo/Stream")(iter(to_send.get, None), timeout=30)
    began = time.monotonic()
    number = 0
    while time.monotonic() - began < 1 or number < 20:
        number += 1
        to_send.put(b"%d" % number)
        assert next(answers) == (b"%d" % number)[::-1]
        if number == 1:
            threading.Event().wait(0.4)  # nothing moves for longer than timeout.response
    to_send.put(None)
    assert list(answers) == []
    assert answers.code() == grpc.StatusCode.OK


@pytest.mark.parametrize("how, code", [("nobody", "UNAVAILABLE"), ("route", "UNIMPLEMENTED"),
                                       ("silent", "DEADLINE_EXCEEDED")])
def test_grpcio_understands_the_gateway_s_own_answers(scripted, grpc_gateway, channel, how, code):
    backend = scripted(lambda stream: stream.wait(lambda: False, 30))
    holdfast = grpc_gateway(backend, health={"tcp": True, "interval": "60s"}, route=[{"path": "/test.Echo"}],
                            timeout={"response": "300ms"}, **NO_HELP)
    if how == "nobody":
        backend.stop_listening()
        backend.drop_connections()
    path = "/other.Service/Call" if how == "route" else "/test.Echo/Unary"
    with pytest.raises(grpc.RpcError) as caught:
        channel(holdfast).unary_unary(path)(b"x", timeout=20)
    assert caught.value.code() == grpc.StatusCode[code]
    assert "service" in caught.value.details()


def test_grpcio_cancel_reaches_the_server(scripted, grpc_gateway, channel):
    backend = scripted(lambda stream: stream.wait(lambda: False, 30))
    holdfast = grpc_gateway(backend, health={"tcp": True})
    call_ = channel(holdfast).unary_unary("/test.Echo/Unary").future(b"x")
    wait_until(lambda: backend.requests, 10, "the call")
    call_.cancel()
    wait_until(lambda: backend.requests[0].reset is not None, 10, "the reset")
