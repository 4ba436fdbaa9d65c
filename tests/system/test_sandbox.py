"""The gateway's sandbox: what a running gateway may do, and that it serves like that."""
import os
import pathlib
import pwd
import shutil
import signal
import subprocess

import pytest

from conftest import proxy
from fleet import Fleet
from holdfast import BINARY, GATEWAY
from processes import alive, wait_until

ROOT = os.geteuid() == 0  # only root can become another user


def status_of(pid):
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return {key: value.split() for key, value in (line.split(":", 1) for line in text.splitlines())}


def threads_of(pid):
    return [f"{pid}/task/{thread}" for thread in os.listdir(f"/proc/{pid}/task")]


def with_gateway(config, **gateway):
    return {**config, "gateway": {**config.get("gateway", {}), **gateway}}


def run(holdfast, *command):
    return subprocess.run([*command, BINARY, "run", "-c", holdfast.file], cwd=holdfast.folder, timeout=30,
                          capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)


def test_every_thread_of_the_gateway_is_in_it(make):
    holdfast = make.holdfast(with_gateway(proxy(make.backend()), workers=3))
    threads = threads_of(holdfast.pid("gateway"))
    assert len(threads) >= 5  # main, three workers, the access log's
    for thread in threads:
        status = status_of(thread)
        assert status["NoNewPrivs"] == ["1"]
        assert status["Seccomp"] == ["2"]
        for kind in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
            assert int(status[kind][0], 16) == 0, kind
        if ROOT:
            nobody = pwd.getpwnam("nobody")
            assert status["Uid"] == [str(nobody.pw_uid)] * 4
            assert status["Gid"] == [str(nobody.pw_gid)] * 4
            assert status["Groups"] == []
            assert int(status["CapBnd"][0], 16) == 0
    limits = pathlib.Path(f"/proc/{holdfast.pid('gateway')}/limits").read_text()
    assert [line.split()[-3:-1] for line in limits.splitlines() if "core file" in line] == [["0", "0"]]
    assert holdfast.json("status")["gateway"][0]["sandbox"] is True


def test_an_end_by_the_sandbox_is_said(make, client):
    """The signal comes from here: a gateway that does what it must not is for the unit tests."""
    holdfast = make.holdfast(proxy(make.backend()))
    pid = holdfast.kill_role("gateway", signal.SIGSYS)
    holdfast.wait_another("gateway", pid)
    assert f"the gateway made a system call that its sandbox forbids; its last line says which pid={pid}" in \
        holdfast.text()
    assert client(holdfast).request().response().status == 200


def test_a_gateway_that_was_stopped_goes_on(make, client):
    """Waits that were interrupted are begun again, by a call that nobody writes down."""
    holdfast = make.holdfast(proxy(make.backend()))
    pid = holdfast.pid("gateway")
    for _ in range(3):
        os.kill(pid, signal.SIGSTOP)
        wait_until(lambda: status_of(pid)["State"][0] == "T", 10, "a stopped gateway")
        os.kill(pid, signal.SIGCONT)
        assert client(holdfast).request().response().status == 200
    assert holdfast.pid("gateway") == pid


def test_controller_and_instances_are_not(make, tmp_path):
    fleet = Fleet(tmp_path)
    fleet.release("1.0.0")
    holdfast = make.holdfast(fleet.config("1.0.0"))
    pids = [holdfast.pid("controller")] + [i["pid"] for i in holdfast.wait_ready("app", 2)]
    assert [status_of(pid)["Seccomp"] for pid in pids] == [["0"]] * 3


@pytest.mark.parametrize("user, uid, gid", [("daemon", 1, 1), ("54321", 54321, 54321)])
def test_the_gateway_is_who_the_configuration_says(make, client, user, uid, gid):
    holdfast = make.holdfast(with_gateway(proxy(make.backend()), user=user), start=False)
    if not ROOT:
        done = run(holdfast)
        assert done.returncode == 1
        assert f'gateway.user is "{user}", and holdfast does not run as root' in done.stderr
        return
    holdfast.start()
    for _ in range(2):  # the second, too, can write to what root has opened
        status = status_of(holdfast.pid("gateway"))
        assert status["Uid"] == [str(uid)] * 4
        assert status["Gid"] == [str(gid)] * 4
        lines = len(holdfast.access_log())
        assert client(holdfast).request().response().status == 200
        wait_until(lambda lines=lines: len(holdfast.access_log()) > lines, 10, "a line of the access log")
        holdfast.wait_another("gateway", holdfast.kill_role("gateway"))


def test_off_is_said(make, client):
    holdfast = make.holdfast(with_gateway(proxy(make.backend()), sandbox="off", user="daemon"))
    status = status_of(holdfast.pid("gateway"))
    assert status["Seccomp"] == ["0"]
    assert status["Uid"] == [str(os.geteuid())] * 4
    assert client(holdfast).request().response().status == 200
    assert "gateway.sandbox is off" in holdfast.text()
    assert holdfast.json("status")["gateway"][0]["sandbox"] is False
    assert "without its sandbox" in holdfast.cli("status").stdout


def test_a_sandbox_that_does_not_work_is_known_before_anything_starts(make):
    """Root of a container that may not become somebody else."""
    holdfast = make.holdfast(proxy(make.backend()), start=False)
    if not ROOT:
        holdfast.start()  # nothing to become
        return
    done = run(holdfast, "setpriv", "--bounding-set=-setgid", "--inh-caps=-all", "--ambient-caps=-all")
    assert done.returncode == 1
    assert "the gateway's sandbox does not work here: root without cap_setgid" in done.stderr
    assert "`gateway.sandbox: off` starts it without" in done.stderr
    assert not (holdfast.state / "holdfast.db").exists()


def test_without_root(make, client):
    """Started as an unprivileged user, who the gateway is then, too."""
    holdfast = make.holdfast(proxy(make.backend()), start=False)
    user = 12345 if ROOT else os.geteuid()
    programs = holdfast.folder / "programs"  # where that user gets at them, too
    programs.mkdir()
    for program in (BINARY, GATEWAY):
        shutil.copy(program, programs)
    if ROOT:
        for parent in holdfast.folder.resolve().parents:
            if parent.stat().st_mode & 0o001 == 0:
                parent.chmod(parent.stat().st_mode | 0o011)
        os.chown(holdfast.folder, user, user)
    holdfast.start(user=user, program=programs / BINARY.name)
    status = status_of(holdfast.pid("gateway"))
    assert status["Uid"] == [str(user)] * 4
    assert (status["NoNewPrivs"], status["Seccomp"], status["CapPrm"]) == (["1"], ["2"], ["0" * 16])
    assert client(holdfast).request().response().status == 200
    pid = holdfast.pid("gateway")
    holdfast.wait_another("gateway", holdfast.kill_role("gateway"))
    assert not alive(pid)


def test_a_gateway_without_a_controller_serves_by_the_last_plan(make, client):
    """The keeper opens STATE/plan for it: it cannot open anything."""
    holdfast = make.holdfast(proxy(make.backend()))
    assert client(holdfast).request().response().status == 200
    holdfast.stop()
    database = holdfast.state / "holdfast.db"
    database.write_bytes(b"not a database" * 1000)
    holdfast.start(ready=False)
    wait_until(lambda: "serving by the last one" in holdfast.text(), 30,
               lambda: f"a cold start\n{holdfast.text()}")
    assert client(holdfast).request().response().status == 200


def test_the_access_log_is_rotated_beneath_it(make, client):
    holdfast = make.holdfast(with_gateway(proxy(make.backend()), access_log_size="64KiB"))
    one = client(holdfast)
    rotated = holdfast.state / "access.log.1"

    def enough():
        for _ in range(50):
            assert one.request(target="/" + "x" * 2000).response().status == 200
        return rotated.exists()

    wait_until(enough, 60, "a rotated access log")
    lines = len(holdfast.access_log())
    assert one.request().response().status == 200
    wait_until(lambda: len(holdfast.access_log()) > lines, 10, "a line after that")
