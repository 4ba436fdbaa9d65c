"""The first promise: 20 good releases in a row at full load, and no user notices.

The instances exit at once on SIGTERM; at least a fifth of the requests are POSTs with ids of their own,
which none may execute twice; some responses are long streams. A response over 5 s counts as failed.
"""
import pytest

from fleet import Fleet, no_request_executed_twice
from holdfast import line
from processes import wait_until

pytestmark = pytest.mark.load

RELEASES = 20
REQUESTS = 200_000

OFF = {"retry": {"attempts": 0}, "hold": {"time": "0s"}}


@pytest.mark.parametrize("settings", [OFF, {}], ids=["retry and hold off", "shipped defaults"])
def test_20_releases_under_full_load(make, tmp_path, settings, capsys):
    fleet = Fleet(tmp_path)
    for number in range(RELEASES + 1):
        fleet.release(f"1.{number}.0")
    holdfast = make.holdfast(fleet.config("1.0.0", **settings))
    holdfast.wait_ready("app", 2)
    load = make.load(holdfast, "--connections", "32", "--get", "/echo/{id}", "--post", "/post",
                     "--post-share", "25", "--stream", "/stream/{id}?ms=1000&chunks=20",
                     "--streams", "4")
    load.wait_requests(1000)
    for number in range(1, RELEASES + 1):
        done = holdfast.cli("release", "app", f"1.{number}.0", timeout=120)
        assert done.returncode == 0, f"release {number}: {done.stdout}{done.stderr}\n{holdfast.text()}"
        assert {i["version"] for i in holdfast.ready_instances("app")} == {f"1.{number}.0"}
    total = None
    wait_until(lambda: load.peek()["requests"] >= REQUESTS, 120, f"{REQUESTS} requests")
    total = load.stop()
    with capsys.disabled():
        print(f"\n    {RELEASES} releases, {settings or 'shipped defaults'}: {line(total)}")
    assert total["requests"] >= REQUESTS
    assert total["failed"] == 0, total["failures"]
    assert total["posts"] >= total["requests"] / 5
    assert total["streams"] > 0
    assert total["worst_ms"] < 5000
    assert len(total["versions"]) > 1
    assert no_request_executed_twice(fleet) == total["posts"]


def test_streams_outlive_their_release(make, tmp_path):
    """An instance is not stopped while one of its responses is under way, however long it takes."""
    fleet = Fleet(tmp_path)
    fleet.release("1.0.0")
    fleet.release("1.1.0")
    holdfast = make.holdfast(fleet.config("1.0.0", **OFF))
    holdfast.wait_ready("app", 2)
    load = make.load(holdfast, "--connections", "1", "--rate", "50", "--get", "/echo/{id}",
                     "--stream", "/stream/{id}?ms=3000&chunks=30", "--streams", "8")
    load.wait_requests(20)
    assert holdfast.cli("release", "app", "1.1.0", timeout=120).returncode == 0
    total = load.stop()
    assert total["failed"] == 0, total["failures"]
    assert total["streams"] >= 8
    assert set(total["versions"]) >= {"1.0.0"}
