"""holdfast becomes another executable under load: whichever step fails, users notice nothing."""
import os
import shutil
import subprocess
import threading

import pytest

from conftest import proxy
from fleet import Fleet
from holdfast import BINARY, BUILD, GATEWAY, line
from http1 import Client
from processes import alive, free_port, memory_kb, wait_until

IMPOSTOR = BUILD / "tests/tools/impostor"


def start(make, tmp_path):
    fleet = Fleet(tmp_path)
    fleet.release("1.0.0")
    config = fleet.config("1.0.0")
    holdfast = make.holdfast(config)
    holdfast.config = config
    holdfast.wait_ready("app", 2)
    return holdfast


def loads(make, holdfast):
    """Kept connections, and a connection for each request. Clients of other protocols join here."""
    return [make.load(holdfast, "--connections", "16", "--get", "/echo/{id}", "--post", "/post",
                      "--post-share", "20"),
            make.load(holdfast, "--connections", "4", "--get", "/echo/{id}", "--fresh")]


def upgrade(holdfast, program=None):
    return holdfast.cli("upgrade", *([str(program)] if program else []), timeout=120)


def upgraded(holdfast, program=None):
    done = upgrade(holdfast, program)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}\n{holdfast.text()}"


def gateways(holdfast):
    return [g["pid"] for g in wait_until(holdfast.status, 20, "status")["gateway"]]


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def upgrades_in_a_row(make, tmp_path, count):
    holdfast = start(make, tmp_path)
    running = loads(make, holdfast)
    for load in running:
        load.wait_requests(200)
    keeper = holdfast.process.pid
    upgraded(holdfast)  # what a first one opens is there from now on
    before = descriptors(keeper), memory_kb(keeper)
    for _ in range(count - 1):
        old = holdfast.pid("controller")
        upgraded(holdfast)
        assert holdfast.wait_another("controller", old)
        for load in running:
            load.wait_requests(load.peek()["requests"] + 50)
    wait_until(lambda: len(gateways(holdfast)) == 1, 60, "the end of the retired gateways")
    assert descriptors(keeper) == before[0]
    assert memory_kb(keeper) < before[1] + 2048
    assert holdfast.process.poll() is None and holdfast.process.pid == keeper
    return running


def ended_well(running, capsys):
    for load in running:
        total = load.stop()
        with capsys.disabled():
            print(f"\n    {line(total)}", end="")
        assert total["failed"] == 0, total["failures"]


def test_upgrades_under_load(make, tmp_path, capsys):
    ended_well(upgrades_in_a_row(make, tmp_path, 5), capsys)


@pytest.mark.load
def test_thirty_upgrades_under_load(make, tmp_path, capsys):
    ended_well(upgrades_in_a_row(make, tmp_path, 30), capsys)


def test_an_upload_goes_on(make, client):
    """What is under way ends in the gateway that began it."""
    holdfast = make.holdfast(proxy(make.backend()))
    holdfast.wait_ready("app", 1)
    old = gateways(holdfast)[0]
    one, size, piece = client(holdfast), 32 << 20, b"x" * (1 << 20)
    one.send(f"POST / HTTP/1.1\r\nhost: test\r\ncontent-length: {size}\r\n\r\n".encode())
    for sent in range(0, size, len(piece)):
        if sent in (size // 4, size // 2):
            upgraded(holdfast)
            assert alive(old)
        one.send(piece)
    response = one.response()
    assert response.status == 200 and response.get("connection") == "close"
    wait_until(lambda: not alive(old), 30, "the end of the gateway that was retired")


def test_an_idle_connection_is_not_closed(make, client):
    holdfast = make.holdfast(proxy(make.backend()))
    holdfast.wait_ready("app", 1)
    one = client(holdfast)
    assert one.request().response().get("connection") is None
    old = gateways(holdfast)[0]
    upgraded(holdfast)
    assert gateways(holdfast)[-1] != old and alive(old)
    response = one.request().response()
    assert response.status == 200 and response.get("connection") == "close"
    wait_until(lambda: not alive(old), 30, "the end of the gateway that was retired")


def test_a_33rd_gateway_is_refused(make, client):
    holdfast = make.holdfast({**proxy(make.backend()), "gateway": {"timeout": {"idle": "10m"}}})
    holdfast.wait_ready("app", 1)
    idle = []
    for _ in range(31):
        idle.append(client(holdfast))
        assert idle[-1].request().response().status == 200
        upgraded(holdfast)
    done = upgrade(holdfast)
    assert done.returncode == 1
    assert "32 gateways are alive" in done.stderr
    assert client(holdfast).request().response().status == 200
    for one in idle:
        assert one.request().response().status == 200
    wait_until(lambda: len(gateways(holdfast)) == 1, 60, "the end of the retired gateways")
    upgraded(holdfast)


# ---- an upgrade that fails ----

@pytest.fixture
def impostor(tmp_path):
    """impostor("gateway hang", ...) is the path of a holdfast whose roles do so."""
    def install(*lines):
        folder = tmp_path / "impostor"
        folder.mkdir(exist_ok=True)
        for name, true in (("holdfast", BINARY), ("holdfast-gateway", GATEWAY)):
            shutil.copy(IMPOSTOR, folder / name)
            (folder / f"{name}.real").symlink_to(true)
            (folder / f"{name}.conf").write_text("".join(f"{text}\n" for text in lines))
        return folder / "holdfast"
    return install


def fails(make, tmp_path, program, message, seconds=60):
    """The upgrade is refused with that message, and nobody notices."""
    holdfast = start(make, tmp_path)
    running = loads(make, holdfast)
    for load in running:
        load.wait_requests(100)
    done = upgrade(holdfast, program)
    assert done.returncode == 1, f"{done.stdout}\n{holdfast.text()}"
    assert message in done.stderr, f"{done.stderr}\n{holdfast.text()}"
    for load in running:
        load.wait_requests(load.peek()["requests"] + 100)
        total = load.stop()
        assert total["failed"] == 0, total["failures"]
    upgraded(holdfast, BINARY)
    assert holdfast.wait_ready("app", 2)


@pytest.mark.parametrize("lines, message", [
    (["check exit"], "it ended with exit status 7"),
    (["check abort"], "it ended with signal 6 (ABRT)"),
    (["check hang"], "its self-check did not end within 10 s"),
    (["gateway exit"], "the new gateway ended before it served, with exit status 7"),
    (["gateway hang"], "the new gateway did not serve within 15 s"),
    (["controller exit"], "the new controller ended 3 times before it served, with exit status 7"),
], ids=lambda value: value[0].replace(" ", "-") if isinstance(value, list) else "")
def test_a_program_that_fails(make, tmp_path, impostor, lines, message):
    fails(make, tmp_path, impostor(*lines), message)


@pytest.mark.parametrize("content, mode, message", [
    (None, 0, "holdfast"),
    (b"text", 0o644, "is no executable"),
    (b"text", 0o755, "it cannot be executed"),
], ids=["missing", "text", "executable-text"])
def test_what_is_no_program(make, tmp_path, content, mode, message):
    program = tmp_path / "holdfast"
    shutil.copy(GATEWAY, tmp_path / "holdfast-gateway")
    if content is not None:
        program.write_bytes(content)
        program.chmod(mode)
    fails(make, tmp_path, program, message)


@pytest.mark.parametrize("step", ["self-check", "gateway", "controller", "keeper"])
def test_controller_killed_within_an_upgrade(make, tmp_path, step):
    holdfast = start(make, tmp_path)
    load = loads(make, holdfast)[0]
    load.wait_requests(100)
    pid = holdfast.pid("controller")
    worker = threading.Thread(target=upgrade, args=(holdfast,))
    worker.start()
    wait_until(lambda: f"change: {step}" in holdfast.text(), 20, "the step")
    holdfast.kill(pid)
    wait_until(lambda: "upgrade is done" in holdfast.text(), 60, lambda: holdfast.text()[-4000:])
    worker.join(60)
    load.wait_requests(load.peek()["requests"] + 200)
    assert load.stop()["failed"] == 0
    assert holdfast.wait_ready("app", 2)


@pytest.mark.parametrize("step", ["self-check", "gateway", "controller", "keeper"])
def test_keeper_killed_within_an_upgrade(make, tmp_path, step):
    """Nobody is left to go on with it, but users do not notice."""
    holdfast = start(make, tmp_path)
    load = loads(make, holdfast)[0]
    load.wait_requests(100)
    with subprocess.Popen([BINARY, "-s", holdfast.state, "upgrade"], stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL) as command:
        wait_until(lambda: f"change: {step}" in holdfast.text(), 20, "the step")
        holdfast.note_pids()
        holdfast.kill(holdfast.process.pid)
        holdfast.process.wait(10)
        command.kill()
    load.wait_requests(load.peek()["requests"] + 500)
    assert load.stop()["failed"] == 0


# ---- reloads that need another gateway ----

def reload(holdfast, config):
    holdfast.write(config)
    return holdfast.cli("reload", timeout=120)


def test_reload_takes_and_drops_listeners(make, tmp_path):
    holdfast = start(make, tmp_path)
    config, port, first = holdfast.config, free_port(), holdfast.port
    load = make.load(holdfast, "--connections", "8", "--get", "/echo/{id}")
    done = reload(holdfast, {**config, "gateway": {"listen": [f"127.0.0.1:{first}", f"127.0.0.1:{port}"]}})
    assert done.returncode == 0, done.stderr
    with Client(port) as one:
        assert one.request().response().status == 200
    assert load.stop()["failed"] == 0
    done = reload(holdfast, {**config, "gateway": {"listen": [f"127.0.0.1:{port}"]}})
    assert done.returncode == 0, done.stderr
    wait_until(lambda: not listens(first), 20, "the end of the listener")
    with Client(port) as one:
        assert one.request().response().status == 200


def listens(port):
    try:
        Client(port).close()
    except OSError:
        return False
    return True


def test_reload_with_a_port_in_use_changes_nothing(make, client):
    other, config = make.backend(), proxy(make.backend())
    holdfast = make.holdfast(config)
    holdfast.wait_ready("app", 1)
    old = gateways(holdfast)
    done = reload(holdfast, {**config, "gateway": {"listen": [f"127.0.0.1:{holdfast.port}", other.address]}})
    assert done.returncode == 1
    assert "Address already in use" in done.stderr and "gateway.listen" in done.stderr
    assert gateways(holdfast) == old
    assert client(holdfast).request().response().status == 200


def test_reload_takes_workers_and_access_log(make, tmp_path):
    holdfast = start(make, tmp_path)
    config = holdfast.config
    load = make.load(holdfast, "--connections", "8", "--get", "/echo/{id}")
    load.wait_requests(100)
    for workers in (3, 1):
        log = tmp_path / f"{workers}.log"
        done = reload(holdfast, {**config, "gateway": {"workers": workers, "access_log": str(log)}})
        assert done.returncode == 0, done.stderr
        assert f"workers={workers}" in holdfast.text()
        wait_until(lambda log=log: log.exists() and log.stat().st_size, 20, "lines in the new log")
        load.wait_requests(load.peek()["requests"] + 100)
    assert load.stop()["failed"] == 0
