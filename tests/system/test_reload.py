"""A configuration is changed while users are served: a good one is taken, a bad one changes nothing."""
import signal
import stat

import yaml

from conftest import proxy
from processes import wait_until


def test_reload_takes_a_new_route(make, client):
    backend = make.backend()
    config = proxy(backend)
    config["services"]["app"]["route"] = [{"path": "/a"}]
    holdfast = make.holdfast(config)
    one = client(holdfast)
    assert one.request(target="/b").response().status == 404
    config["services"]["app"]["route"] = [{"path": "/a"}, {"path": "/b"}]
    holdfast.write(config)
    done = holdfast.cli("reload")
    assert done.returncode == 0, done.stderr
    wait_until(lambda: one.request(target="/b").response().status == 200, 10, "the new route")


def test_sighup_reloads(make, client):
    first, second = make.backend(), make.backend()
    holdfast = make.holdfast(proxy(first))
    holdfast.write(proxy(first, second))
    holdfast.process.send_signal(signal.SIGHUP)
    wait_until(lambda: len(holdfast.ready_instances("app")) == 2, 20, "the second instance")
    one = client(holdfast)
    wait_until(lambda: one.request().response().status == 200 and second.whole, 10, "its requests")


def test_bad_file_changes_nothing(make, client):
    holdfast = make.holdfast(proxy(make.backend()))
    good = holdfast.file.read_text()
    holdfast.file.write_text(good.replace("services:", "servces:"))
    done = holdfast.cli("reload")
    assert done.returncode == 1
    assert "servces" in done.stderr and f"{holdfast.file.name}:" in done.stderr
    one = client(holdfast)
    assert one.request().response().status == 200
    holdfast.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "servces" in holdfast.text(), 10, "the error in the log")
    assert one.request().response().status == 200
    assert holdfast.ready_instances("app")


def test_controller_starts_while_the_file_is_bad(make, client):
    holdfast = make.holdfast(proxy(make.backend()))
    good = holdfast.file.read_text()
    wait_until((holdfast.state / "accepted.yaml").exists, 10, "the accepted text")
    for bad in (good.replace("services:", "servces:"), good + "board: { routes: 17 }\n", ""):
        holdfast.file.write_text(bad)
        holdfast.wait_another("controller", holdfast.kill_role("controller"))
        wait_until(lambda: holdfast.ready_instances("app"), 20, "the instance")
        assert client(holdfast).request().response().status == 200
        assert holdfast.cli("reload").returncode == 1
    assert holdfast.text().count("what was in force before stays") == 3
    assert stat.S_IMODE((holdfast.state / "accepted.yaml").stat().st_mode) == 0o600
    holdfast.file.write_text(good)
    assert holdfast.cli("reload").returncode == 0


def test_reload_under_load_loses_nothing(make):
    backends = [make.backend() for _ in range(3)]
    config = proxy(*backends[:2])
    holdfast = make.holdfast(config)
    statuses = []

    def ask(client):
        statuses.append(client.request().response().status)

    from http1 import Client
    with Client(holdfast.port) as one:
        for turn in range(10):
            holdfast.write(proxy(*(backends if turn % 2 else backends[:2])))
            assert holdfast.cli("reload").returncode == 0
            for _ in range(20):
                ask(one)
    assert statuses == [200] * 200


def test_key_that_needs_a_restart_is_refused(make):
    config = proxy(make.backend())
    holdfast = make.holdfast(config)
    changed = yaml.safe_load(holdfast.file.read_text())
    changed["state"] = "./elsewhere"
    holdfast.file.write_text(yaml.safe_dump(changed, sort_keys=False))
    done = holdfast.cli("reload")
    assert done.returncode == 1
    assert "state" in done.stderr and "restart" in done.stderr


def test_keeper_hears_how_long_a_stop_may_take(make):
    """It insists on its own: with the time of the file it started with, it would kill a drain."""
    config = proxy(make.backend())
    holdfast = make.holdfast(config)
    holdfast.write({**config, "gateway": {"drain": "40s"}})
    done = holdfast.cli("reload")
    assert done.returncode == 0, done.stderr
    wait_until(lambda: "a stop may take 45s now" in holdfast.text(), 10, "the keeper's word")
