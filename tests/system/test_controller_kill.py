"""The controller is killed with -9 at every step of a release; the next one goes on from the record."""
import subprocess

import pytest

from fleet import Fleet, no_request_executed_twice
from holdfast import BINARY
from processes import alive, wait_until

# What `status --json` calls the steps of a release, in their order.
STEPS = ["starting", "ready", "testing", "baking", "accepting", "draining", "stopping"]


def step_of(holdfast):
    release = (holdfast.status() or {}).get("release") or {}
    return release.get("step") or release.get("state")


def settled(holdfast, version):
    instances = holdfast.instances("app")
    ready = [i for i in instances if i["state"] == "ready"]
    return len(ready) == len(instances) == 2 and {i["version"] for i in ready} == {version}


def start(make, tmp_path, **service):
    fleet = Fleet(tmp_path)
    fleet.release("1.0.0")
    fleet.release("1.1.0", delay=20)
    fleet.release("2.0.0", smoke_fails=1)
    holdfast = make.holdfast(fleet.config("1.0.0", release={
        "bake": "1s", "weight": "10%", "smoke": [{"get": "/smoke/1", "expect": 200}]}, **service))
    holdfast.fleet = fleet
    holdfast.wait_ready("app", 2)
    return holdfast


@pytest.mark.parametrize("after_ms", [20, 120, 300, 600, 1000, 1400, 1800, 2300, 2800])
def test_killed_within_a_good_release(make, tmp_path, after_ms):
    """Moments spread over the release reach each of its steps; what was reached is printed."""
    import threading
    holdfast = start(make, tmp_path)
    pid = holdfast.pid("controller")
    load = make.load(holdfast, "--connections", "8", "--get", "/echo/{id}", "--post", "/post")
    load.wait_requests(100)
    with subprocess.Popen([BINARY, "-s", holdfast.state, "release", "app", "1.1.0"],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as release:
        threading.Event().wait(after_ms / 1000)
        step = step_of(holdfast)
        holdfast.kill(pid)
        said = release.communicate(timeout=120)[0]
    print(f"killed at {step}: {said}")
    holdfast.wait_another("controller", pid)
    wait_until(lambda: settled(holdfast, "1.1.0") or settled(holdfast, "1.0.0"), 60,
               "the release to end")
    if not settled(holdfast, "1.1.0"):
        # only a request that never reached the record may be lost, and then the CLI has said so
        assert release.returncode != 0, said
    total = load.stop()
    assert total["failed"] == 0, total["failures"]
    no_request_executed_twice(holdfast.fleet)


def test_killed_again_and_again(make, tmp_path):
    holdfast = start(make, tmp_path)
    load = make.load(holdfast, "--connections", "8", "--get", "/echo/{id}")
    load.wait_requests(100)
    with subprocess.Popen([BINARY, "-s", holdfast.state, "release", "app", "1.1.0"],
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
        wait_until(lambda: step_of(holdfast), 20, "a release under way")
        for _ in range(6):
            pid = holdfast.kill_role("controller")
            holdfast.wait_another("controller", pid)
        wait_until(lambda: settled(holdfast, "1.1.0"), 90, "the release to be done")
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


def test_killed_within_a_bad_release(make, tmp_path):
    holdfast = start(make, tmp_path)
    load = make.load(holdfast, "--connections", "8", "--get", "/echo/{id}")
    load.wait_requests(100)
    with subprocess.Popen([BINARY, "-s", holdfast.state, "release", "app", "2.0.0"],
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
        wait_until(lambda: [i for i in holdfast.instances("app") if i["version"] == "2.0.0"], 20)
        holdfast.kill_role("controller")
        wait_until(lambda: settled(holdfast, "1.0.0"), 60, "the old version everywhere")
    total = load.stop()
    assert total["failed"] == 0, total["failures"]
    assert set(total["versions"]) == {"1.0.0"}


def test_instances_of_a_dead_controller_do_not_multiply(make, tmp_path):
    """A start whose controller died is adopted or ended: no instance is left that nobody knows."""
    holdfast = start(make, tmp_path)
    for _ in range(5):
        victim = holdfast.wait_ready("app", 2)[0]
        holdfast.kill(victim["pid"])
        holdfast.kill_role("controller")
        holdfast.wait_ready("app", 2)
    known = {i["pid"] for i in holdfast.instances("app") if i.get("pid")}
    origins = [int(pid) for pid in subprocess.run(
        ["pgrep", "-f", f"origin --port .*{holdfast.fleet.journal}"], stdout=subprocess.PIPE,
        text=True, check=False).stdout.split()]
    wait_until(lambda: {pid for pid in origins if alive(pid)} <= known, 20, "only known instances")
