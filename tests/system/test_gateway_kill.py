"""Processes of holdfast itself are killed under load."""
import os
import statistics

import pytest

from fleet import Fleet, no_request_executed_twice
from holdfast import line
from processes import alive, wait_until

pytestmark = pytest.mark.load

KILLS = 20
CALLS = 32  # in flight, always: a connection's next request follows its last response


def start(make, tmp_path):
    fleet = Fleet(tmp_path)
    fleet.release("1.0.0")
    holdfast = make.holdfast(fleet.config("1.0.0"))
    holdfast.fleet = fleet
    holdfast.wait_ready("app", 2)
    return holdfast


def test_gateway_killed_20_times(make, tmp_path, capsys):
    holdfast = start(make, tmp_path)
    load = make.load(holdfast, "--connections", str(CALLS), "--get", "/echo/{id}", "--post", "/post",
                     "--post-share", "20")
    load.wait_requests(500)
    gaps, failed = [], 0
    for number in range(KILLS):
        pid = holdfast.pid("gateway")
        load.mark(f"kill {number}")
        holdfast.kill(pid)
        holdfast.wait_another("gateway", pid)
        load.wait_requests(200)
        window = load.mark("between")
        assert window["refused"] == 0, window["failures"]
        assert window["failed"] <= CALLS, line(window)
        gaps.append(window["gap_ms"])
        failed += window["failed"]
    total = load.stop()
    with capsys.disabled():
        print(f"\n    gateway killed {KILLS} times: {line(total)}\n    {failed} failed of "
              f"{KILLS * CALLS} in flight at the kills; serving again after {statistics.median(gaps):.0f} ms (median), "
              f"{max(gaps):.0f} ms (worst)")
    assert total["failed"] == failed, "a request failed between the kills"
    assert total["kinds"]["refused"] == total["kinds"]["connect"] == 0
    assert total["kinds"]["body"] == total["kinds"]["status"] == 0, total["failures"]
    assert statistics.median(gaps) <= 100
    no_request_executed_twice(holdfast.fleet)


def test_keeper_killed(make, tmp_path):
    """The gateway goes on serving; nobody is left to restart it, but users do not notice."""
    holdfast = start(make, tmp_path)
    holdfast.note_pids()
    gateway = holdfast.pid("gateway")
    load = make.load(holdfast, "--connections", "16", "--get", "/echo/{id}", "--post", "/post")
    load.wait_requests(500)
    load.mark("killed")
    holdfast.kill(holdfast.process.pid)
    holdfast.process.wait(10)
    load.wait_requests(5000)
    total = load.stop()
    assert alive(gateway)
    assert total["failed"] == 0, total["failures"]


def test_controller_killed_is_not_noticed(make, tmp_path):
    holdfast = start(make, tmp_path)
    before = {i["id"]: i["pid"] for i in holdfast.ready_instances("app")}
    load = make.load(holdfast, "--connections", "16", "--get", "/echo/{id}", "--post", "/post")
    load.wait_requests(500)
    for _ in range(3):
        pid = holdfast.kill_role("controller")
        holdfast.wait_another("controller", pid)
        holdfast.wait_ready("app", 2)
    total = load.stop()
    assert total["failed"] == 0, total["failures"]
    after = {i["id"]: i["pid"] for i in holdfast.ready_instances("app")}
    assert after == before, "instances were restarted, not adopted"


def test_everything_killed_and_started_again(make, tmp_path):
    """After the machine's worst minute, `holdfast run` finds its state and serves."""
    holdfast = start(make, tmp_path)
    assert holdfast.cli("version").returncode == 0
    holdfast.note_pids()
    holdfast.end()
    holdfast.start()
    holdfast.wait_ready("app", 2)
    load = make.load(holdfast, "--get", "/echo/{id}")
    load.wait_requests(500)
    assert load.stop()["failed"] == 0


def test_a_second_holdfast_on_the_same_state_is_refused(make, tmp_path):
    import subprocess
    from holdfast import BINARY
    holdfast = start(make, tmp_path)
    second = subprocess.run([BINARY, "run", "-c", holdfast.file], cwd=holdfast.folder, timeout=30,
                            capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    assert second.returncode == 1
    assert second.stderr
    assert holdfast.wait_ready("app", 2)
    assert os.path.exists(holdfast.state / "admin.sock")
