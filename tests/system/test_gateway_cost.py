"""What a request costs, counted, not timed: four system calls on a kept connection, seven with one of its own, and
no memory from the system."""
import re
import shutil
import signal
import subprocess
import threading

import pytest

from conftest import proxy
from fleet import Fleet
from processes import memory_kb, wait_until

pytestmark = pytest.mark.load


def steady(make, tmp_path, *arguments):
    """holdfast with one worker before an origin, under load that has settled."""
    fleet = Fleet(tmp_path)
    fleet.release("1.0.0")
    config = fleet.config("1.0.0", nodes="a", replicas={"min": 1})
    config["gateway"] = {"workers": 1}
    holdfast = make.holdfast(config)
    holdfast.wait_ready("app", 1)
    load = make.load(holdfast, "--connections", "64", *arguments)
    load.wait_requests(2000)
    return holdfast, load


class Strace:
    """Counts the system calls of all threads of a process, from the moment it is attached."""

    def __init__(self, pid, output):
        tool = shutil.which("strace")
        assert tool, "strace is not installed"
        self.output = output
        self.process = subprocess.Popen([tool, "-f", "-c", "-p", str(pid), "-o", output], text=True,
                                        stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.attached = threading.Event()
        threading.Thread(target=self._listen, daemon=True).start()
        assert self.attached.wait(20), "strace could not attach"

    def _listen(self):
        for line in self.process.stderr:
            if "attached" in line:
                self.attached.set()

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        self.process.wait(20)
        rows = re.findall(r"^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$",
                          self.output.read_text(), re.MULTILINE)
        return {name: int(calls) for calls, name in rows if name != "total"}


def count_calls(holdfast, load, tmp_path):
    """({call: how many a request}, waits a request, requests) of the gateway, while 10,000 requests pass."""
    strace = Strace(holdfast.pid("gateway"), tmp_path / "calls")
    load.mark("counted")
    load.wait_requests(10000)
    requests = load.peek()["requests"]
    calls = strace.stop()
    total = load.stop()
    assert total["failed"] == 0, total["failures"]
    waits = calls.pop("epoll_wait", 0)
    return {name: round(count / requests, 3) for name, count in calls.items()}, waits / requests, requests


@pytest.mark.parametrize("arguments", [("--get", "/echo/{id}"),
                                       ("--get", "/echo/{id}", "--post", "/post", "--post-share", "50")])
def test_four_system_calls_a_request(make, tmp_path, capsys, arguments):
    holdfast, load = steady(make, tmp_path, *arguments)
    each, waits, requests = count_calls(holdfast, load, tmp_path)
    with capsys.disabled():
        print(f"\n    {requests} requests: {sum(each.values()):.2f} system calls each {each}, {waits:.2f} waits")
    assert sum(each.values()) <= 4.2, each
    assert waits <= 1.1


def test_seven_system_calls_a_connection(make, tmp_path, capsys):
    """accept4, epoll_ctl, receive, send, receive, send, close - and an accept4 that finds nobody, once a turn."""
    holdfast, load = steady(make, tmp_path, "--get", "/echo/{id}", "--fresh")
    each, waits, requests = count_calls(holdfast, load, tmp_path)
    with capsys.disabled():
        print(f"\n    {requests} requests: {sum(each.values()):.2f} system calls each {each}, {waits:.2f} waits")
    for name, most in (("accept4", 2), ("epoll_ctl", 1), ("recvfrom", 2), ("sendto", 2), ("close", 1)):
        assert each.pop(name, 0) <= most + 0.1, name
    assert sum(each.values()) <= 0.1, each


@pytest.mark.memory
def test_memory_is_flat_under_steady_load(make, tmp_path):
    holdfast, load = steady(make, tmp_path, "--get", "/echo/{id}")
    pid = holdfast.pid("gateway")
    before = memory_kb(pid)
    load.mark("counted")
    load.wait_requests(20000)
    after = memory_kb(pid)
    total = load.stop()
    assert total["failed"] == 0, total["failures"]
    assert after - before <= 1024, f"memory went from {before} to {after} kB"


@pytest.mark.memory
def test_idle_connections_are_small(make, client):
    """Buffers are borrowed while they are in use: hundreds of silent connections cost next to nothing."""
    config = proxy(make.backend())
    config["gateway"] = {"workers": 1}
    holdfast = make.holdfast(config)
    holdfast.wait_ready("app", 1)
    pid = holdfast.pid("gateway")
    assert client(holdfast).request().response().status == 200
    before = memory_kb(pid)
    clients = [client(holdfast) for _ in range(500)]
    for one in clients:
        assert one.request().response().status == 200
    wait_until(lambda: holdfast.status()["gateway"][-1]["connections"] >= 500, 10, "500 connections")
    assert memory_kb(pid) - before < 600, "more than about a kilobyte a connection"
