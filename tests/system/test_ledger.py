"""What the ledger says about a year in which something happened."""
from fleet import Fleet
from processes import wait_until


def report(holdfast, service="app"):
    """What the report says about a service; waits until its first second is booked."""
    def found():
        return [s for s in holdfast.json("report")["services"] if s["service"] == service]
    return wait_until(found, 10, f"{service} in the report")[0]


def intervals(holdfast, state):
    return [i for i in holdfast.json("report")["intervals"] if i["state"] == state]


def start(make, tmp_path, **service):
    fleet = Fleet(tmp_path)
    fleet.release("1.0.0")
    fleet.release("1.1.0")
    fleet.release("3.0.0", fail=3)
    holdfast = make.holdfast(fleet.config("1.0.0", **service))
    holdfast.wait_ready("app", 2)
    return holdfast


def fail_users(make, holdfast, requests=600):
    """Every user gets an error for some seconds."""
    load = make.load(holdfast, "--get", "/status/500?{id}", "--rate", "200")
    load.wait_requests(requests)
    load.stop()


def test_outage_is_in_the_ledger_and_the_rest_is_up(make, tmp_path):
    holdfast = start(make, tmp_path)
    load = make.load(holdfast, "--get", "/echo/{id}", "--rate", "200")
    load.wait_requests(400)
    load.stop()
    fail_users(make, holdfast)
    wait_until(lambda: report(holdfast)["seconds"]["down"] >= 2 and report(holdfast)["failed"] >= 600, 30,
               lambda: f"seconds of downtime: {holdfast.json('report')}")
    told = report(holdfast)
    assert told["seconds"]["up"] >= 1
    assert told["downtime"]["used_seconds"]["low"] >= 2
    assert told["availability_by_time"]["high"] < 100
    down = intervals(holdfast, "down")
    assert down and down[0]["failed"] >= down[0]["requests"] / 2
    shown = holdfast.cli("report").stdout
    assert "down" in shown and down[0]["from"] in shown


def test_good_release_costs_no_second(make, tmp_path):
    holdfast = start(make, tmp_path)
    load = make.load(holdfast, "--get", "/echo/{id}", "--rate", "500")
    load.wait_requests(500)
    assert holdfast.cli("release", "app", "1.1.0", timeout=120).returncode == 0
    load.stop()
    seconds = wait_until(lambda: report(holdfast)["seconds"]["up"] >= 2 and report(holdfast)["seconds"], 30)
    assert seconds["down"] == 0 and seconds["degraded"] == 0


def test_bad_release_owns_what_it_cost(make, tmp_path):
    """Half of the users see the canary, and it fails a third of them: degraded, because of the release."""
    holdfast = start(make, tmp_path, release={"bake": "3s", "weight": "50%", "requests": 100})
    load = make.load(holdfast, "--get", "/echo/{id}", "--rate", "300")
    load.wait_requests(300)
    assert holdfast.cli("release", "app", "3.0.0", timeout=120).returncode == 1
    load.stop()
    cost = wait_until(lambda: intervals(holdfast, "degraded"), 30, lambda: holdfast.json("report"))[0]
    assert cost["cause"] == "release"
    assert cost["event"].startswith("release app 3.0.0"), cost


def test_ledger_survives_kill_9(make, tmp_path):
    """What was booked two seconds ago stays booked."""
    holdfast = start(make, tmp_path)
    fail_users(make, holdfast)
    wait_until(lambda: report(holdfast)["seconds"]["down"], 30, "downtime")
    before = report(holdfast)
    wait_until(lambda: report(holdfast)["seconds"]["observed"] >= before["seconds"]["observed"] + 2, 30,
               "two seconds more")
    holdfast.note_pids()
    holdfast.end()
    holdfast.start()
    after = wait_until(lambda: report(holdfast)["seconds"]["observed"] > before["seconds"]["observed"] and
                       report(holdfast), 30, "the next seconds")
    assert after["seconds"]["down"] >= before["seconds"]["down"]
    assert after["failed"] >= before["failed"]
    assert after["from"] == before["from"]
    assert all(stream["whole"] for stream in holdfast.json("report")["ledger"])
