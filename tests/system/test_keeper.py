"""The keeper: what it starts, restarts, stops, and says when it cannot."""
import os
import pathlib
import signal
import subprocess
import threading

from conftest import proxy
from fleet import Fleet
from holdfast import BINARY, GATEWAY
from processes import alive, descendants, stat_of, wait_until


def start(make, tmp_path, **service):
    fleet = Fleet(tmp_path)
    fleet.release("1.0.0")
    holdfast = make.holdfast(fleet.config("1.0.0", **service))
    holdfast.wait_ready("app", 2)
    return holdfast


def run_again(holdfast):
    return subprocess.run([BINARY, "run", "-c", holdfast.file], cwd=holdfast.folder, timeout=30,
                          capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)


def serves(make, holdfast, requests=200):
    """So many verified requests in a row, none failed."""
    load = make.load(holdfast, "--get", "/echo/{id}")
    load.wait_requests(requests)
    total = load.stop()
    assert total["requests"] >= requests
    assert total["failed"] == 0, total["failures"]


def command_line(pid):
    return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode().strip()


def test_processes_are_named_and_have_sessions_of_their_own(make):
    """`ps` tells them apart, and a terminal's signals reach the keeper alone."""
    holdfast = make.holdfast(proxy(make.backend()))
    for role in ("gateway", "controller"):
        pid = holdfast.pid(role)
        assert command_line(pid) == f"holdfast: {role}"
        assert os.getsid(pid) == pid
        assert stat_of(pid)[1] == holdfast.process.pid
    assert os.getsid(holdfast.process.pid) == os.getsid(0)
    assert f"serving on 127.0.0.1:{holdfast.port} " in holdfast.text()


def test_a_role_needs_a_keeper(tmp_path):
    for role, program in (("gateway", GATEWAY), ("controller", BINARY)):
        done = subprocess.run([f"holdfast: {role}"], executable=program, cwd=tmp_path, timeout=30,
                              capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert "was not started by a holdfast keeper" in done.stderr


def test_a_second_run_names_the_first(make):
    holdfast = make.holdfast(proxy(make.backend()))
    second = run_again(holdfast)
    assert second.returncode == 1
    assert f"another holdfast (pid {holdfast.process.pid}) runs in {holdfast.state}" in second.stderr


def test_who_outlived_a_keeper_is_named(make, tmp_path):
    holdfast = start(make, tmp_path)
    gateway, controller = holdfast.pid("gateway"), holdfast.pid("controller")
    holdfast.note_pids()
    holdfast.kill(holdfast.process.pid)
    holdfast.process.wait(10)
    again = run_again(holdfast)
    assert again.returncode == 1
    assert f"kill {gateway} {controller}" in again.stderr
    assert alive(gateway)
    for pid in (gateway, controller):
        holdfast.kill(pid)
        wait_until(lambda pid=pid: not alive(pid), 20, f"the end of {pid}")
    holdfast.start()
    holdfast.wait_ready("app", 2)
    serves(make, holdfast)


def test_a_silent_gateway_is_replaced(make, tmp_path):
    holdfast = start(make, tmp_path)
    pid = holdfast.pid("gateway")
    holdfast.kill(pid, signal.SIGSTOP)
    holdfast.killed[pid] = signal.SIGKILL  # by the keeper
    wait_until(lambda: not alive(pid), 40, "the end of the silent gateway")
    assert f"the gateway is silent and is killed pid={pid}" in holdfast.text()
    serves(make, holdfast)


def test_restarts_of_a_minute_are_counted(make, tmp_path):
    """The first 30 come at once, the next one waits; and it serves again."""
    holdfast = start(make, tmp_path)
    keeper = holdfast.process.pid

    def gateway():
        return next((p for p in descendants(keeper) if command_line(p) == "holdfast: gateway"), None)

    for _ in range(30):
        pid = wait_until(gateway, 20, "a gateway")
        holdfast.kill(pid)
        wait_until(lambda pid=pid: not alive(pid), 20, "its end")
    assert "restart_in=1s" not in holdfast.text()
    pid = wait_until(gateway, 20, "a gateway")
    holdfast.kill(pid)
    wait_until(lambda: "restart_in=1s" in holdfast.text(), 20, "a delay")
    wait_until(gateway, 20, "a gateway")
    serves(make, holdfast)


def test_how_an_adopted_instance_ended_is_known(make, tmp_path):
    """The keeper is its parent since its controller died, and tells the next one."""
    holdfast = start(make, tmp_path)
    victim = holdfast.ready_instances("app")[0]
    controller = holdfast.kill_role("controller")
    holdfast.wait_another("controller", controller)
    assert victim["pid"] in [i["pid"] for i in holdfast.wait_ready("app", 2)]
    assert stat_of(victim["pid"])[1] == holdfast.process.pid
    assert "killed by SIGKILL" not in holdfast.text()
    holdfast.kill(victim["pid"])
    wait_until(lambda: "killed by SIGKILL" in holdfast.text(), 20,
               lambda: f"the reason\n{holdfast.text()}")
    wait_until(lambda: victim["pid"] not in [i["pid"] for i in holdfast.wait_ready("app", 2)], 30,
               "another instance in its place")


def test_an_instance_that_ends_without_a_controller_is_noticed(make, tmp_path):
    holdfast = start(make, tmp_path)
    victim = holdfast.ready_instances("app")[0]
    holdfast.kill_role("controller")
    holdfast.kill(victim["pid"])
    wait_until(lambda: victim["pid"] not in [i["pid"] for i in holdfast.wait_ready("app", 2)], 30,
               "another instance in its place")


def slow_request(make, client, **gateway):
    """A request that an instance answers when told to: (holdfast, client, event)."""
    go = threading.Event()

    def script(connection):
        connection.request()
        go.wait(30)
        connection.answer(b"late")

    backend = make.backend(script)
    holdfast = make.holdfast({**proxy(backend), "gateway": gateway})
    one = client(holdfast).request()
    wait_until(lambda: "/" in backend.targets(), 20, "the request at the instance")
    return holdfast, one, go


def test_stop_waits_for_what_is_under_way(make, client):
    holdfast, one, go = slow_request(make, client)
    holdfast.note_pids()
    holdfast.process.send_signal(signal.SIGTERM)
    wait_until(lambda: "serving -> draining" in holdfast.text(), 20, "the drain")
    assert holdfast.process.poll() is None
    go.set()
    assert one.response().body == b"late"
    assert holdfast.process.wait(30) == 0
    assert not [pid for pid in holdfast.seen if alive(pid)]


def test_stop_waits_no_longer_than_it_may(make, client):
    """The gateway itself ends when `drain` is over: what it has booked and logged is not lost."""
    holdfast, _, go = slow_request(make, client, drain="1s")
    holdfast.note_pids()
    holdfast.process.send_signal(signal.SIGTERM)
    assert holdfast.process.wait(30) == 0
    go.set()
    assert "requests under way, they are cut" in holdfast.text()
    assert "did not drain in time" not in holdfast.text()
    assert not [pid for pid in holdfast.seen if alive(pid)]


def test_a_second_signal_hurries(make, client):
    holdfast, _, go = slow_request(make, client)
    holdfast.note_pids()
    holdfast.killed[holdfast.pid("gateway")] = signal.SIGKILL  # by the keeper
    holdfast.process.send_signal(signal.SIGINT)
    wait_until(lambda: "serving -> draining" in holdfast.text(), 20, "the drain")
    holdfast.process.send_signal(signal.SIGINT)
    assert holdfast.process.wait(20) == 0
    assert "told to hurry" in holdfast.text()
    go.set()


def test_instances_can_be_kept(make, tmp_path):
    """--keep-instances: a stop leaves them running, and the next start adopts them."""
    fleet = Fleet(tmp_path)
    fleet.release("1.0.0")
    holdfast = make.holdfast(fleet.config("1.0.0"), start=False).start("--keep-instances")
    before = {i["pid"] for i in holdfast.wait_ready("app", 2)}
    holdfast.process.send_signal(signal.SIGTERM)
    assert holdfast.process.wait(30) == 0
    assert all(alive(pid) for pid in before)
    holdfast.start()
    assert {i["pid"] for i in holdfast.wait_ready("app", 2)} == before
