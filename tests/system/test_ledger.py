"""What the ledger says about a year in which something happened."""
from fleet import Fleet
from processes import wait_until


def report(holdfast, service="app"):
    answer = holdfast.json("report")
    return next(s for s in answer["services"] if s["name"] == service)


def start(make, tmp_path, **service):
    fleet = Fleet(tmp_path)
    fleet.release("1.0.0")
    fleet.release("1.1.0")
    holdfast = make.holdfast(fleet.config("1.0.0", **service))
    holdfast.wait_ready("app", 2)
    return holdfast


def test_outage_is_in_the_ledger_and_the_rest_is_up(make, tmp_path):
    """Every request fails for some seconds: those seconds are down, with a cause."""
    holdfast = start(make, tmp_path)
    load = make.load(holdfast, "--get", "/echo/{id}", "--rate", "200")
    load.wait_requests(400)
    load.stop()
    bad = make.load(holdfast, "--get", "/status/500?{id}", "--rate", "200")
    bad.wait_requests(600)
    bad.stop()
    wait_until(lambda: report(holdfast)["seconds"]["down"] >= 2, 30,
               lambda: f"seconds of downtime: {holdfast.json('report')}")
    assert report(holdfast)["seconds"]["up"] >= 1


def test_release_costs_no_second(make, tmp_path):
    holdfast = start(make, tmp_path)
    load = make.load(holdfast, "--get", "/echo/{id}", "--rate", "500")
    load.wait_requests(500)
    assert holdfast.cli("release", "app", "1.1.0", timeout=120).returncode == 0
    load.stop()
    seconds = wait_until(lambda: report(holdfast)["seconds"]["up"] >= 2 and report(holdfast)["seconds"], 30)
    assert seconds["down"] == 0 and seconds["degraded"] == 0


def test_ledger_survives_kill_9(make, tmp_path):
    holdfast = start(make, tmp_path)
    load = make.load(holdfast, "--get", "/status/500?{id}", "--rate", "200")
    load.wait_requests(600)
    load.stop()
    before = wait_until(lambda: report(holdfast)["seconds"]["down"], 30, "downtime in the report")
    holdfast.note_pids()
    holdfast.end()
    holdfast.start()
    assert report(holdfast)["seconds"]["down"] >= before
