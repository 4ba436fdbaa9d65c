"""The load generator sees what it has to see: each kind of lie is counted as what it is."""
import json
import subprocess
import zlib

import pytest

from holdfast import HFLOAD, ORIGIN
from http1 import Backend, Client
from processes import free_port, wait_until


def checksum(request):
    first = f"{request.method} {request.target}".encode()
    return f"{zlib.crc32(first + request.body):08x}"


def honest(connection, request):
    connection.answer(b'{"checksum":"%s"}' % checksum(request).encode())


def every_tenth(lie):
    """A script that answers honestly, but for every tenth request."""
    def script(connection):
        count = 0
        while True:
            request = connection.request()
            count += 1
            (lie if count % 10 == 0 else honest)(connection, request)
    return script


def load(port, *arguments):
    done = subprocess.run([HFLOAD, "--address", f"127.0.0.1:{port}", "--get", "/echo/{id}", "--post",
                           "/post", "--connections", "4", *arguments], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, json.loads(done.stdout.splitlines()[-1])


def cut(connection, _):
    connection.send("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhello")
    connection.close()


def another(connection, _):
    connection.answer(b'{"checksum":"00000000"}')


LIES = {
    "body": another,
    "status": lambda connection, request: connection.answer(b"no", status=500),
    "closed": cut,
    "reset": lambda connection, request: connection.reset(),
    "framing": lambda connection, request: connection.send("HTTP/1.1 200 OK\nhello\n\n"),
    "slow": lambda connection, request: connection.reader.more(),
}


@pytest.mark.parametrize("kind", LIES)
def test_each_lie_is_counted(kind):
    backend = Backend(every_tenth(LIES[kind]))
    code, total = load(backend.port, "--requests", "200", "--limit-ms", "300")
    backend.close()
    assert code == 1
    assert total["requests"] == 200
    assert total["failed"] == total["kinds"][kind] >= 10, total
    assert total["failures"][0]["kind"] == kind
    assert 30 <= total["posts"] <= 70


def test_bytes_after_a_response_are_a_failure():
    def lie(connection, request):
        honest(connection, request)
        connection.send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
    backend = Backend(every_tenth(lie))
    code, total = load(backend.port, "--requests", "200")
    backend.close()
    assert code == 1 and total["failed"] >= 1, total


def test_truth_is_counted_too():
    backend = Backend(every_tenth(honest))
    code, total = load(backend.port, "--requests", "500")
    backend.close()
    assert (code, total["requests"], total["failed"]) == (0, 500, 0)
    assert total["worst_ms"] >= total["p99_ms"] * 0.9 >= total["median_ms"] * 0.5 > 0


def test_refused_is_counted_apart():
    code, total = load(free_port(), "--requests", "20")
    assert code == 1
    assert total["failed"] == total["refused"] == 20


def test_a_wrong_line_in_a_stream_is_a_failure():
    def script(connection):
        while True:
            request = connection.request()
            if request.target.startswith("/stream"):
                sum_ = checksum(request)
                connection.answer(f"{sum_} 0\n{sum_} 1\n{sum_} 1\n".encode())
            else:
                honest(connection, request)
    backend = Backend(script)
    code, total = load(backend.port, "--requests", "50", "--stream", "/stream/{id}?chunks=3", "--streams", "1")
    backend.close()
    assert code == 1
    assert total["kinds"]["body"] == total["failed"] >= 1


def test_windows_are_apart():
    backend = Backend(every_tenth(honest))
    with subprocess.Popen([HFLOAD, "--address", backend.address, "--get", "/{id}", "--rate", "500"],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        def ask(command):
            process.stdin.write(command + "\n")
            process.stdin.flush()
            return json.loads(process.stdout.readline())
        wait_until(lambda: ask("peek")["requests"] >= 50, 10)
        first = ask("mark second")
        backend.script = lambda connection: every_tenth(another)(connection)
        backend.drop_connections()
        wait_until(lambda: ask("peek")["failed"] >= 5, 10)
        second = ask("mark third")
        total = ask("stop")
    backend.close()
    assert (first["window"], second["window"]) == ("start", "second")
    assert first["failed"] == 0 and second["failed"] >= 5
    assert total["requests"] >= first["requests"] + second["requests"]
    assert process.returncode == 1


def test_origin_journals_each_post_once(tmp_path):
    port = free_port()
    with subprocess.Popen([ORIGIN, "--port", str(port), "--journal", tmp_path / "journal"],
                          stderr=subprocess.DEVNULL) as origin:
        def ready():
            try:
                with Client(port) as client:
                    return client.request(target="/-/ready").response().status == 200
            except ConnectionRefusedError:
                return False
        wait_until(ready, 10)
        code, total = load(port, "--requests", "1000")
        origin.terminate()
        assert origin.wait(5) == -15, "an origin exits at once on SIGTERM"
    journal = (tmp_path / "journal").read_text().split()
    assert code == 0
    assert len(journal) == len(set(journal)) == total["posts"] > 200
