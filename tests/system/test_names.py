"""Instances under host names: they follow what the name stands for, and losing DNS changes nothing."""
import threading

import pytest

from conftest import proxy
from dns import NameServer
from http1 import Client
from processes import free_port, wait_until

ONE, TWO, THREE = "127.0.0.1", "127.0.0.2", "127.0.0.3"


class Users:
    """One request after the other, until stop() returns every status there was."""

    def __init__(self, holdfast):
        self.holdfast = holdfast
        self.statuses = []
        self.ending = threading.Event()
        self.thread = threading.Thread(target=self._ask)
        self.thread.start()

    def _ask(self):
        with Client(self.holdfast.port) as client:
            while not self.ending.is_set():
                try:
                    self.statuses.append(client.request().response().status)
                except Exception as error:  # shown by stop()
                    self.statuses.append(error)
                    return

    def wait(self, count):
        target = len(self.statuses) + count
        wait_until(lambda: len(self.statuses) >= target or not self.thread.is_alive(), 60,
                   f"{count} more requests")

    def stop(self):
        self.ending.set()
        self.thread.join(60)
        return self.statuses


@pytest.fixture
def server():
    made = NameServer(app_example=[ONE])
    yield made
    made.close()


@pytest.fixture
def port(make):
    """A port on which backends listen at ONE, TWO and THREE."""
    shared = free_port()
    for host in (ONE, TWO, THREE):
        make.backend(host=host, port=shared)
    return shared


@pytest.fixture
def named(make, server, port):
    config = proxy()
    config["services"]["app"]["instances"] = [f"app.example:{port}"]
    config["dns"] = {"servers": [server.address], "interval": "1s"}
    made = make.holdfast(config)
    made.config = config
    return made


def hosts(holdfast, state="ready"):
    return {i["address"].rpartition(":")[0] for i in holdfast.instances("app")
            if state in (None, i["state"])}


def wait_hosts(holdfast, *wanted):
    """Exactly these are ready, and there are no others."""
    wait_until(lambda: hosts(holdfast) == hosts(holdfast, None) == set(wanted), 30,
               lambda: f"{wanted}, not {holdfast.instances('app')}\n{holdfast.text()}")


def test_localhost(make, client):
    backend = make.backend()
    config = proxy()
    config["services"]["app"]["instances"] = [f"localhost:{backend.port}"]
    holdfast = make.holdfast(config)
    assert client(holdfast).request().response().status == 200
    assert [i["id"] for i in holdfast.instances("app")] == [f"app-127.0.0.1:{backend.port}"]


def test_instances_follow_the_name_and_no_request_fails(named, server):
    users = Users(named)
    for addresses in ([ONE, TWO, THREE], [THREE], [ONE], [TWO, ONE], [THREE]):
        server.names["app.example"] = addresses
        wait_hosts(named, *addresses)
        users.wait(20)
    statuses = users.stop()
    assert statuses == [200] * len(statuses)
    events = named.cli("events").stdout
    assert "app.example is 127.0.0.1, 127.0.0.2, 127.0.0.3; it was 127.0.0.1" in events


def test_losing_dns_changes_nothing(named, server):
    server.names["app.example"] = [ONE, TWO]
    wait_hosts(named, ONE, TWO)
    users = Users(named)
    server.failing = True
    asked = server.asked
    wait_until(lambda: "app.example is not found" in named.cli("events").stdout, 30, "the event")
    wait_until(lambda: server.asked > asked + 12, 60, "more lookups")
    wait_hosts(named, ONE, TWO)
    assert named.cli("events").stdout.count("app.example is not found") == 1
    pid = named.kill_role("controller")
    wait_until(lambda: (named.status() or {}).get("controller", {}).get("pid") not in (None, pid), 20,
               "another controller")
    users.wait(50)
    assert hosts(named) == {ONE, TWO}
    assert named.service("app")["state"] == "up"
    server.names["app.example"] = [TWO, THREE]
    server.failing = False
    wait_hosts(named, TWO, THREE)
    users.wait(50)
    statuses = users.stop()
    assert statuses == [200] * len(statuses)


def test_a_name_in_the_place_of_its_addresses(named, server, port):
    """At a reload: an address that the name stands for is the same instance as before."""
    server.names["app.example"] = [ONE, TWO]
    wait_hosts(named, ONE, TWO)
    since = {i["id"]: i["since"] for i in named.instances("app")}
    named.config["services"]["app"]["instances"] = [f"{ONE}:{port}", f"{TWO}:{port}"]
    named.write(named.config)
    assert named.cli("reload").returncode == 0
    named.config["services"]["app"]["instances"] = [f"app.example:{port}"]
    named.write(named.config)
    asked = server.asked
    assert named.cli("reload").returncode == 0
    wait_until(lambda: server.asked > asked, 20, "a lookup")
    assert {i["id"]: i["since"] for i in named.instances("app")} == since
    server.names["app.example"] = [TWO]
    wait_hosts(named, TWO)


def test_unknown_name_is_said_and_found_later(make, server, port):
    config = proxy()
    config["services"]["app"]["instances"] = [f"late.example:{port}"]
    config["dns"] = {"servers": [server.address], "interval": "1s"}
    holdfast = make.holdfast(config, start=False).start(ready=False)
    wait_until(lambda: "late.example is not found: there is no such name" in
               holdfast.cli("events").stdout, 30, "the event")
    assert holdfast.service("app")["state"] == "down"
    server.names["late.example"] = [TWO]
    wait_hosts(holdfast, TWO)
