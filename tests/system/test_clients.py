"""What people use: curl, a browser, WebSocket clients, h2load. None of them is ours."""
import asyncio
import re
import subprocess
import threading

import pytest
import websockets

from conftest import proxy
from processes import wait_until
from tls import Authority, context

ASSETS = 200
PAGE = "".join(f'<script src="/asset/{n}.js"></script>' for n in range(ASSETS))


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


@pytest.fixture
def secure(make, authority):
    """secure(config) starts holdfast with TLS on its one listener."""
    def start(config):
        holdfast = make.holdfast(config, start=False)
        config["gateway"] = {"listen": [{"address": f"127.0.0.1:{holdfast.port}",
                                         "tls": authority.issue("local", "localhost").files()}]}
        holdfast.write(config)
        holdfast.start()
        holdfast.wait_ready("app", len(config["services"]["app"]["instances"]))
        return holdfast
    return start


def shop(connection):
    """A page that loads many scripts; each adds one to a count, which the page shows when all are there."""
    while True:
        target = connection.request().target
        if target == "/":
            connection.answer(f"<!doctype html><title>shop</title><script>count = 0</script>{PAGE}"
                              "<p id=count><script>document.getElementById('count').textContent = "
                              "'loaded ' + count</script>".encode(), headers=[("content-type", "text/html")])
        elif target.startswith("/asset/"):
            connection.answer(b"count += 1;" + b" " * 2000, headers=[("content-type", "text/javascript")])
        else:
            connection.answer(b"", status=404)


def run(*argv, seconds=60):
    return subprocess.run(argv, capture_output=True, text=True, timeout=seconds, check=False,
                          stdin=subprocess.DEVNULL)


# curl


def curl(*argv):
    done = run("curl", "--silent", "--show-error", "--max-time", "30", *argv)
    assert done.returncode == 0, done.stderr
    return done.stdout


VERSIONS = {"--http1.1": "1.1", "--http2": "2"}


@pytest.mark.parametrize("version", VERSIONS)
def test_curl_over_tls(make, secure, authority, version):
    holdfast = secure(proxy(make.backend()))
    told = curl(version, "--cacert", authority.path, "--write-out", "\n%{http_version} %{response_code}",
                f"https://localhost:{holdfast.port}/")
    assert told == f"hello\n{VERSIONS[version]} 200"


def test_curl_with_prior_knowledge(make, gateway):
    holdfast = gateway(make.backend())
    told = curl("--http2-prior-knowledge", "--write-out", "\n%{http_version} %{response_code}",
                f"http://127.0.0.1:{holdfast.port}/")
    assert told == "hello\n2 200"


@pytest.mark.parametrize("version", VERSIONS)
def test_curl_uploads_and_downloads(make, secure, authority, tmp_path, version):
    """30 MB up, and the same bytes down again."""
    def mirror(connection):
        while True:
            connection.answer(connection.request().body)

    holdfast = secure(proxy(make.backend(mirror)))
    sent, got = tmp_path / "sent", tmp_path / "got"
    sent.write_bytes(bytes(range(256)) * 120000)
    curl(version, "--cacert", authority.path, "--data-binary", f"@{sent}", "--output", got,
         f"https://localhost:{holdfast.port}/")
    assert got.read_bytes() == sent.read_bytes()


# a browser


def test_browser_loads_a_page_with_200_assets(make, secure, tmp_path):
    backend = make.backend(shop)
    holdfast = secure(proxy(backend))
    done = run("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
               "--disable-background-networking", "--disable-component-update", "--disable-sync",
               "--disable-dev-shm-usage",
               "--ignore-certificate-errors", f"--user-data-dir={tmp_path / 'browser'}", "--dump-dom",
               f"https://127.0.0.1:{holdfast.port}/", seconds=180)
    assert f"loaded {ASSETS}" in done.stdout, done.stderr[-2000:]
    asked = backend.targets()
    assert sorted(t for t in asked if t.startswith("/asset/")) == sorted(f"/asset/{n}.js" for n in range(ASSETS))
    lines = [line for line in holdfast.access_log() if line["url"].startswith("/asset/")]
    assert {line["protocol"] for line in lines} == {"HTTP/2"}
    assert {line["status"] for line in lines} == {200}


# WebSockets


def echoing():
    """A WebSocket server of its own, on a thread; returns its port and what ends it."""
    ready, ended = threading.Event(), []

    async def serve():
        async def echo(socket, *_):
            async for message in socket:
                await socket.send(message)

        end = asyncio.Event()
        async with websockets.serve(echo, "127.0.0.1", 0, max_size=None) as server:
            ended.append((asyncio.get_running_loop(), end, server.sockets[0].getsockname()[1]))
            ready.set()
            await end.wait()

    threading.Thread(target=asyncio.run, args=(serve(),), daemon=True).start()
    assert ready.wait(20)
    loop, end, port = ended[0]
    return port, lambda: loop.call_soon_threadsafe(end.set)


@pytest.fixture
def websocket_server():
    port, end = echoing()
    yield port
    end()


async def talk(uri, context=None):
    async with websockets.connect(uri, ssl=context, max_size=None) as socket:
        for message in ("short", "x" * 200000, b"\x00\xff" * 50000):
            await socket.send(message)
            assert await socket.recv() == message
        await socket.ping()
    return socket.close_code


def sockets_config(port):
    return {"services": {"app": {"route": [{"path": "/"}], "instances": [f"127.0.0.1:{port}"],
                                 "health": {"tcp": True, "interval": "1s", "rise": 1}}}}


def test_websocket_client(make, websocket_server):
    holdfast = make.holdfast(sockets_config(websocket_server))
    holdfast.wait_ready("app", 1)
    assert asyncio.run(talk(f"ws://127.0.0.1:{holdfast.port}/")) == 1000


def test_websocket_client_over_tls(secure, websocket_server, authority):
    holdfast = secure(sockets_config(websocket_server))
    assert asyncio.run(talk(f"wss://localhost:{holdfast.port}/", context(authority))) == 1000


# h2load


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_h2load(make, secure, scheme):
    backends = make.backend(), make.backend()
    holdfast = (secure if scheme == "https" else make.holdfast)(proxy(*backends))
    holdfast.wait_ready("app", 2)
    done = run("h2load", "--requests", "5000", "--clients", "10", "--max-concurrent-streams", "20",
               f"{scheme}://127.0.0.1:{holdfast.port}/", seconds=120)
    told = re.search(r"requests: (\d+) total, \d+ started, \d+ done, (\d+) succeeded, (\d+) failed", done.stdout)
    assert told and told.groups() == ("5000", "5000", "0"), done.stdout
    wait_until(lambda: len(holdfast.access_log()) == 5000, 20, "the last lines of the access log")
