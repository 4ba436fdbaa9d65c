"""A reload that needs other sockets, workers or another access log: another gateway takes over before the file is
in force."""
import os
import socket

import pytest

from http1 import Client
from processes import free_port, wait_until
from test_upgrade import ended_well, fleet, gateways, light_load, shop, wait_alone  # noqa: F401 (fixtures)


class Changed:
    """A holdfast whose file is changed under load, which nobody may notice."""

    def __init__(self, make, holdfast, config):
        self.holdfast, self.config = holdfast, config
        self.first, self.second = (f"127.0.0.1:{port}" for port in (holdfast.port, free_port()))
        self.load = light_load(make, holdfast)
        self.gateway = holdfast.pid("gateway")

    def reload(self, **gateway):
        self.holdfast.write({**self.config, "gateway": {"workers": 2, **gateway}})
        return self.holdfast.cli("reload")

    def taken(self, **gateway):
        done = self.reload(**gateway)
        assert done.returncode == 0, f"{done.stderr}\n{self.holdfast.text()}"
        self.gateway = self.holdfast.wait_another("gateway", self.gateway)  # that it retires is seen a moment later

    def refused(self, **gateway):
        done = self.reload(**gateway)
        assert done.returncode == 1
        assert self.holdfast.pid("gateway") == self.gateway
        return done.stderr


@pytest.fixture
def changed(make, shop, fleet):  # noqa: F811
    made = Changed(make, shop(), fleet.config("1.0.0"))
    yield made
    ended_well(made.load)
    wait_alone(made.holdfast)


def port_of(address):
    return int(address.rpartition(":")[2])


def serves(address):
    with Client(port_of(address)) as one:
        return one.request(target="/echo/1").response().status == 200


def accepted(address):
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port_of(address))) == 0


def test_new_listener_serves_at_once(changed):
    changed.taken(listen=[changed.first, changed.second])
    assert serves(changed.second) and serves(changed.first)


def test_removed_listener_finishes_what_it_has(changed):
    changed.taken(listen=[changed.first, changed.second])
    with Client(port_of(changed.second)) as idle, Client(port_of(changed.second)) as busy:
        busy.request(target="/slow?ms=1000")
        wait_until(lambda: sum(i["in_flight"] for i in changed.holdfast.instances("app")) > 0, 10, "the slow request")
        changed.taken(listen=[changed.first])
        assert not accepted(changed.second)
        last = idle.request(target="/echo/1").response()
        assert last.status == 200 and last.get("connection") == "close"
        assert busy.response().status == 200
        assert idle.closed() and busy.closed()
    assert serves(changed.first)


def test_port_in_use_changes_nothing(changed):
    with socket.create_server(("127.0.0.1", port_of(changed.second))):
        said = changed.refused(listen=[changed.first, changed.second], workers=3)
    assert changed.second in said and "in use" in said
    assert serves(changed.first)
    changed.taken(listen=[changed.first, changed.second])
    assert serves(changed.second)


def test_other_number_of_workers(changed):
    def threads():
        return len(os.listdir(f"/proc/{changed.gateway}/task"))

    before = threads()
    changed.taken(workers=4)
    assert threads() == before + 2
    changed.taken(workers=1)
    assert threads() == before - 1


def test_other_access_log(changed):
    old = changed.holdfast.state / "access.log"
    wait_until(lambda: b"/echo/" in old.read_bytes(), 10, "lines in the first log")
    new = changed.holdfast.folder / "new.log"
    changed.taken(access_log=str(new))
    wait_alone(changed.holdfast)
    size = old.stat().st_size
    with Client(changed.holdfast.port) as one:
        assert one.request(target="/echo/found-again").response().status == 200
    wait_until(lambda: b"/echo/found-again" in new.read_bytes(), 10, "its line in the new log")
    assert old.stat().st_size == size


def test_all_of_it_while_a_controller_dies(changed):
    """What was in force when a controller died is in force with the next."""
    changed.taken(listen=[changed.first, changed.second], workers=3)
    changed.holdfast.wait_another("controller", changed.holdfast.kill_role("controller"))
    changed.holdfast.wait_ready("app", 2)
    assert serves(changed.second)
    assert changed.gateway in gateways(changed.holdfast)
    assert changed.holdfast.cli("reload").returncode == 0
    assert changed.holdfast.pid("gateway") == changed.gateway
