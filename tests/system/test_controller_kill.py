"""The controller is killed with -9 at every step of a release; the next one goes on from the record.

The log has a line for every step, written once the step is stored. The kill follows that line at once, so
that it hits what the next step does: before, within, or after its action.
"""
import re
import subprocess
import time

import pytest

from fleet import Fleet, no_request_executed_twice
from holdfast import BINARY
from processes import alive, running, wait_until

LINE = re.compile(r" info controller\[(\d+)\]: release app \S+ -> \S+: (?:(\w+), [\w-]+: )?([\w-]+): ")

FORWARD = ["start", "ready", "smoke", "bake", "accept", "drain", "stop"]
CLEAN = ["start", "ready", "smoke", "clean-drain", "clean-stop"]
BACK = ["start", "ready", "accept", "drain", "stop"]


def on(node, steps):
    return [f"{node} {step}" for step in steps]


# The lines of a release that is good, of one that fails on the first node, and on the second.
GOOD = ["requested", "preflight", *on("a", FORWARD), *on("b", FORWARD), "finish"]
BAD = ["requested", "preflight", *on("a", CLEAN)]
LATE = ["requested", "preflight", *on("a", FORWARD), *on("b", CLEAN), *on("a", BACK)]


def start(make, tmp_path, **service):
    fleet = Fleet(tmp_path)
    fleet.release("1.0.0")
    fleet.release("1.1.0", delay=5)
    fleet.release("2.0.0", smoke_fails=1)
    fleet.release("2.1.0", smoke_fails_on="b")
    holdfast = make.holdfast(fleet.config("1.0.0", release={
        "bake": "200ms", "weight": "10%", "smoke": [{"get": "/smoke/1", "expect": 200}]}, **service))
    holdfast.fleet = fleet
    holdfast.wait_ready("app", 2)
    return holdfast


def lines_of(holdfast):
    """What the log says of the release: "a start", ..."""
    return [f"{node} {step}" if node else step for _, node, step in LINE.findall(holdfast.text())]


def kill_at(holdfast, steps, count):
    """Kills the controller when the release's line steps[count] appears."""
    pid = holdfast.pid("controller")
    deadline = time.monotonic() + 30
    while len(lines_of(holdfast)) <= count:
        assert time.monotonic() < deadline, f"no line {steps[count]!r}\n{holdfast.text()}"
    holdfast.kill(pid)
    assert lines_of(holdfast)[:count + 1] == steps[:count + 1]
    return pid


def settled(holdfast, version):
    instances = holdfast.instances("app")
    ready = [i for i in instances if i["state"] == "ready"]
    return len(ready) == len(instances) == 2 and {i["version"] for i in ready} == {version}


def release_with_kill(make, tmp_path, version, steps, count):
    """Returns the holdfast, the exit code of `holdfast release`, its words, and the load's total."""
    holdfast = start(make, tmp_path)
    load = make.load(holdfast, "--connections", "8", "--get", "/echo/{id}", "--post", "/post",
                     "--rate", "1000")
    load.wait_requests(50)
    with subprocess.Popen([BINARY, "-s", holdfast.state, "release", "app", version],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as release:
        pid = kill_at(holdfast, steps, count)
        said = release.communicate(timeout=120)[0]
    holdfast.wait_another("controller", pid)
    total = load.stop()
    assert total["failed"] == 0, total["failures"]
    no_request_executed_twice(holdfast.fleet)
    return holdfast, release.returncode, said, total


@pytest.mark.parametrize("count", range(len(GOOD)), ids=GOOD)
def test_killed_within_a_good_release(make, tmp_path, count):
    holdfast, code, said, _ = release_with_kill(make, tmp_path, "1.1.0", GOOD, count)
    assert code == 0, f"{said}\n{holdfast.text()}"
    wait_until(lambda: settled(holdfast, "1.1.0"), 20, lambda: f"1.1.0 alone\n{holdfast.text()}")


@pytest.mark.parametrize("count", range(2, len(BAD)), ids=BAD[2:])
def test_killed_within_a_release_that_fails_at_once(make, tmp_path, count):
    holdfast, code, said, total = release_with_kill(make, tmp_path, "2.0.0", BAD, count)
    assert code == 1, f"{said}\n{holdfast.text()}"
    wait_until(lambda: settled(holdfast, "1.0.0"), 20, lambda: f"1.0.0 alone\n{holdfast.text()}")
    assert set(total["versions"]) == {"1.0.0"}


@pytest.mark.parametrize("count", range(11, len(LATE)), ids=LATE[11:])
def test_killed_on_the_way_back(make, tmp_path, count):
    """The first node was accepted, the second one failed: both go back."""
    holdfast, code, said, _ = release_with_kill(make, tmp_path, "2.1.0", LATE, count)
    assert code == 1, f"{said}\n{holdfast.text()}"
    wait_until(lambda: settled(holdfast, "1.0.0"), 20, lambda: f"1.0.0 alone\n{holdfast.text()}")


def test_killed_again_and_again(make, tmp_path):
    holdfast = start(make, tmp_path)
    load = make.load(holdfast, "--connections", "8", "--get", "/echo/{id}")
    load.wait_requests(100)
    with subprocess.Popen([BINARY, "-s", holdfast.state, "release", "app", "1.1.0"],
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as release:
        wait_until(lambda: lines_of(holdfast), 20, "a release under way")
        for _ in range(6):
            holdfast.wait_another("controller", holdfast.kill_role("controller"))
        assert release.wait(120) == 0
    assert settled(holdfast, "1.1.0")
    total = load.stop()
    assert total["failed"] == 0, total["failures"]


def test_killed_while_an_instance_drains(make, tmp_path):
    """Another controller waits for what is in flight there, as the one before did."""
    holdfast = start(make, tmp_path, timeout={"try": "0"}, retry={"attempts": 0})
    load = make.load(holdfast, "--connections", "8", "--get", "/slow/{id}?ms=4000",
                     "--requests", "8")
    wait_until(lambda: load.peek()["in_flight"] == 8, 10, "requests in flight")
    with subprocess.Popen([BINARY, "-s", holdfast.state, "release", "app", "1.1.0"],
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
        wait_until(lambda: [i for i in holdfast.instances("app") if i["state"] == "draining"], 20,
                   "an instance that drains")
        holdfast.kill_role("controller")
        total = load.stop()
        assert (total["requests"], total["failed"]) == (8, 0), total["failures"]
        wait_until(lambda: settled(holdfast, "1.1.0"), 60, "the release to be done")


def test_instances_of_a_dead_controller_do_not_multiply(make, tmp_path):
    """A start whose controller died is adopted or ended: no instance is left that nobody knows."""
    holdfast = start(make, tmp_path)
    for _ in range(5):
        victim = holdfast.wait_ready("app", 2)[0]
        holdfast.kill(victim["pid"])
        holdfast.kill_role("controller")
        holdfast.wait_ready("app", 2)
    known = {i["pid"] for i in holdfast.instances("app") if i.get("pid")}
    origins = running("origin --port ", str(holdfast.fleet.journal))
    assert known <= set(origins)
    wait_until(lambda: {pid for pid in origins if alive(pid)} <= known, 20, "only known instances")
