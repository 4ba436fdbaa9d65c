"""A bad release is stopped at the first node and taken back; users see at most the canary's share."""
from fleet import Fleet
from processes import alive, wait_until


def start(make, tmp_path, **service):
    fleet = Fleet(tmp_path)
    fleet.release("1.0.0")
    fleet.release("2.0.0", smoke_fails=1)
    fleet.release("3.0.0", fail=3)
    fleet.release("4.0.0", ready_after=-1)
    fleet.release("5.0.0", crash=3)
    fleet.release("6.0.0")
    holdfast = make.holdfast(fleet.config("1.0.0", **service))
    holdfast.wait_ready("app", 2)
    return holdfast


def all_at(holdfast, version):
    instances = holdfast.instances("app")
    return {i["version"] for i in instances if i["state"] == "ready"} == {version} and len(
        [i for i in instances if i["state"] == "ready"]) == 2 and not [
            i for i in instances if i["state"] in ("starting", "draining")]


def refused(holdfast, version, *says, timeout=120):
    done = holdfast.cli("release", "app", version, timeout=timeout)
    said = done.stdout + done.stderr
    assert done.returncode == 1, f"{done.returncode}: {said}\n{holdfast.text()}"
    for word in says:
        assert word in said, f"{word!r} is not in: {said}"
    wait_until(lambda: all_at(holdfast, "1.0.0"), 20, "two instances of 1.0.0 and no other")


def test_release_that_fails_its_smoke_test(make, tmp_path):
    holdfast = start(make, tmp_path)
    load = make.load(holdfast, "--get", "/echo/{id}", "--post", "/post", "--rate", "2000")
    load.wait_requests(200)
    refused(holdfast, "2.0.0", "/smoke/1", "500")
    total = load.stop()
    assert total["failed"] == 0, total["failures"]
    assert set(total["versions"]) == {"1.0.0"}, "users were sent to a release that had failed its test"


def test_release_that_fails_its_users(make, tmp_path):
    holdfast = start(make, tmp_path, release={"bake": "3s", "weight": "10%",
                                              "smoke": [{"get": "/smoke/1", "expect": 200}]})
    load = make.load(holdfast, "--get", "/echo/{id}", "--rate", "2000")
    load.wait_requests(200)
    load.mark("release")
    refused(holdfast, "3.0.0")
    window = load.stop()
    bad = window["versions"].get("3.0.0", 0)
    assert window["failed"] > 0, "the bad release got no users, so nothing judged it"
    assert window["failed"] <= bad / 3 + 2
    assert bad <= window["requests"] * 0.15


def test_release_that_never_becomes_ready(make, tmp_path):
    holdfast = start(make, tmp_path, health={"path": "/-/ready", "interval": "200ms", "start": "2s"})
    refused(holdfast, "4.0.0", "ready")


def test_release_that_crashes_at_start(make, tmp_path):
    holdfast = start(make, tmp_path)
    refused(holdfast, "5.0.0", "crashing at start, as told")


def test_release_of_an_unknown_version(make, tmp_path):
    holdfast = start(make, tmp_path)
    done = holdfast.cli("release", "app", "9.9.9")
    assert done.returncode == 1
    assert "9.9.9" in done.stderr and "1.0.0" in done.stderr
    done = holdfast.cli("release", "nobody", "1.0.0")
    assert done.returncode == 1
    assert "nobody" in done.stderr and "app" in done.stderr


def test_good_release_after_a_bad_one(make, tmp_path):
    holdfast = start(make, tmp_path)
    old = {i["pid"] for i in holdfast.ready_instances("app")}
    refused(holdfast, "2.0.0")
    assert {i["pid"] for i in holdfast.ready_instances("app")} == old, "the old ones were touched"
    done = holdfast.cli("release", "app", "6.0.0", timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    wait_until(lambda: all_at(holdfast, "6.0.0"), 20, "two instances of 6.0.0")
    wait_until(lambda: not any(alive(pid) for pid in old), 20, "the old instances to be gone")
    for node in ("a", "b"):
        assert [i for i in holdfast.ready_instances("app") if i["node"] == node], f"none on {node}"


def test_two_releases_of_one_service_at_once(make, tmp_path):
    holdfast = start(make, tmp_path, release={"bake": "3s"})
    import threading
    first = []
    thread = threading.Thread(
        target=lambda: first.append(holdfast.cli("release", "app", "6.0.0", timeout=120)))
    thread.start()
    wait_until(lambda: any(i["version"] == "6.0.0" for i in holdfast.instances("app")), 20)
    second = holdfast.cli("release", "app", "3.0.0")
    thread.join()
    assert second.returncode == 1
    assert "6.0.0" in second.stderr
    assert first[0].returncode == 0, first[0].stdout + first[0].stderr
