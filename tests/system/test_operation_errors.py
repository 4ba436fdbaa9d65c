"""What goes wrong around holdfast: ports, folders, disks, commands. A clear error, and nothing lost."""
import contextlib
import os
import socket
import subprocess

import pytest

from conftest import proxy
from fleet import Fleet
from holdfast import ORIGIN
from processes import wait_until


def fails_to_start(holdfast, *says):
    """`holdfast run` ends with 1 and says each of the words; no traceback, no core."""
    holdfast.start(ready=False)
    code = holdfast.process.wait(30)
    text = holdfast.text()
    assert code == 1, f"exit code {code}\n{text}"
    for word in says:
        assert word in text, f"{word!r} is not in:\n{text}"


def test_port_in_use(make):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        config = proxy(make.backend())
        config["gateway"] = {"listen": [address]}
        fails_to_start(make.holdfast(config, start=False), address, "in use")


def test_admin_port_in_use(make):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        config = {**proxy(make.backend()), "admin": {"listen": address}}
        fails_to_start(make.holdfast(config, start=False), address, "in use")


def test_address_that_is_not_ours(make):
    config = proxy(make.backend())
    config["gateway"] = {"listen": ["192.0.2.1:8080"]}
    fails_to_start(make.holdfast(config, start=False), "192.0.2.1:8080")


def test_state_folder_below_a_file(make, tmp_path):
    (tmp_path / "file").write_text("")
    config = {**proxy(make.backend()), "state": str(tmp_path / "file/state")}
    fails_to_start(make.holdfast(config, start=False), str(tmp_path / "file/state"), "Not a directory")


def test_state_folder_that_cannot_be_written(make, tmp_path):
    if os.geteuid() == 0:
        place = "/proc/holdfast-state"
    else:
        place = str(tmp_path / "closed/state")
        (tmp_path / "closed").mkdir(mode=0o500)
    fails_to_start(make.holdfast({**proxy(make.backend()), "state": place}, start=False), place)


def test_state_folder_is_private(make):
    holdfast = make.holdfast(proxy(make.backend()))
    assert holdfast.state.stat().st_mode & 0o777 == 0o700
    for path in holdfast.state.rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, f"{path} is open to others"


def test_configuration_file_is_missing(make):
    holdfast = make.holdfast({}, start=False)
    holdfast.file.unlink()
    fails_to_start(holdfast, str(holdfast.file), "No such file")


def test_missing_command(make, tmp_path):
    fleet = Fleet(tmp_path)
    fleet.release("1.0.0")
    config = fleet.config("1.0.0", command=["./no-such-program", "--port", "{port}"])
    holdfast = make.holdfast(config, start=False).start(ready=False)

    def failed():
        return holdfast.status() and [i for i in holdfast.instances("app") if i["state"] == "failed"]

    why = wait_until(failed, 60, lambda: f"failed instances\n{holdfast.text()}")[0]["why"]
    assert "no-such-program" in why and "No such file" in why
    shown = holdfast.cli("status").stdout
    assert "failed" in shown and "no-such-program" in shown
    assert "down" in holdfast.cli("services").stdout


def test_command_that_never_becomes_ready(make, tmp_path):
    fleet = Fleet(tmp_path)
    fleet.release("1.0.0", ready_after=-1)
    config = fleet.config("1.0.0", health={"path": "/-/ready", "interval": "100ms", "start": "1s"})
    holdfast = make.holdfast(config, start=False).start(ready=False)
    wait_until(lambda: holdfast.status() and [
        i for i in holdfast.instances("app") if "ready" in i["why"] and "503" in i["why"]], 60,
        lambda: f"a word on why it is not ready\n{holdfast.text()}")
    assert not holdfast.ready_instances("app")


def test_command_that_listens_elsewhere(make, tmp_path):
    fleet = Fleet(tmp_path)
    fleet.release("1.0.0")
    config = fleet.config("1.0.0", command=["sleep", "1000{port}"],
                          health={"path": "/-/ready", "interval": "100ms", "start": "1s"})
    holdfast = make.holdfast(config, start=False).start(ready=False)
    wait_until(lambda: holdfast.status() and [
        i for i in holdfast.instances("app") if "refused" in i["why"]], 60,
        lambda: f"the refused connection as the reason\n{holdfast.text()}")


def test_release_whose_command_is_missing(make, tmp_path):
    """The release is refused or rolled back; the running version is not touched."""
    fleet = Fleet(tmp_path)
    fleet.release("1.0.0")
    fleet.release("1.1.0")
    fleet.versions["1.1.0"]["command"] = ["./no-such-program", "{port}"]
    holdfast = make.holdfast(fleet.config("1.0.0"))
    old = {i["pid"] for i in holdfast.wait_ready("app", 2)}
    done = holdfast.cli("release", "app", "1.1.0", timeout=120)
    assert done.returncode == 1
    assert "no-such-program" in done.stdout + done.stderr
    assert {i["pid"] for i in holdfast.wait_ready("app", 2)} == old


@contextlib.contextmanager
def small_disk(folder, size="3m"):
    """A file system of that size. It needs root: without, the test fails unless told not to."""
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", folder],
                          capture_output=True, text=True, check=False)
    if done.returncode:
        if os.environ.get("HOLDFAST_TEST_NO_MOUNT"):
            pytest.skip(f"HOLDFAST_TEST_NO_MOUNT is set: {done.stderr.strip()}")
        raise AssertionError(f"no small disk (as root, or set HOLDFAST_TEST_NO_MOUNT): {done.stderr}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def fill(folder):
    """Takes every last byte of it; returns the file that does."""
    filler = folder / "filler"
    with open(filler, "wb", buffering=0) as out:
        for size in (65536, 4096, 512, 1):
            with contextlib.suppress(OSError):
                while True:
                    out.write(b"x" * size)
    return filler


def test_full_disk_while_serving(make, tmp_path):
    """Users notice nothing, a release is refused in words, and it works again once there is room."""
    fleet = Fleet(tmp_path)
    fleet.release("1.0.0")
    fleet.release("1.1.0")
    with small_disk(tmp_path / "disk", "8m") as disk:
        config = {**fleet.config("1.0.0"), "state": str(disk / "state")}
        holdfast = make.holdfast(config, start=False)
        holdfast.state = disk / "state"
        holdfast.start().wait_ready("app", 2)
        load = make.load(holdfast, "--get", "/echo/{id}", "--post", "/post", "--rate", "1000")
        load.wait_requests(200)
        filler = fill(disk)
        done = holdfast.cli("release", "app", "1.1.0", timeout=120)
        assert done.returncode == 1, done.stdout + done.stderr
        assert done.stdout + done.stderr
        load.wait_requests(load.peek()["requests"] + 500)
        assert len(holdfast.ready_instances("app")) == 2
        filler.unlink()
        done = holdfast.cli("release", "app", "1.1.0", timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
        total = load.stop()
        assert total["failed"] == 0, total["failures"]
        holdfast.stop()


def test_full_disk_at_start(make, tmp_path):
    backend = make.backend()
    with small_disk(tmp_path / "disk", "1m") as disk:
        filler = fill(disk)
        holdfast = make.holdfast({**proxy(backend), "state": str(disk / "state")}, start=False)
        holdfast.state = disk / "state"
        fails_to_start(holdfast, str(holdfast.state), "No space left")
        filler.unlink()
        holdfast.start()
        holdfast.stop()


def test_no_holdfast_to_ask(make):
    """Every command that needs a running holdfast says that there is none: exit code 3."""
    holdfast = make.holdfast(proxy(make.backend()), start=False)
    for command in (["status"], ["services"], ["release", "app", "1"], ["report"], ["events"], ["reload"]):
        done = holdfast.cli(*command)
        assert done.returncode == 3, (command, done)
        assert str(holdfast.state) in done.stderr, done.stderr


def test_wrong_use_of_the_command_line(make):
    holdfast = make.holdfast(proxy(make.backend()), start=False)
    for arguments in ([], ["nonsense"], ["release"], ["release", "app"], ["run"], ["status", "--nonsense"]):
        done = holdfast.cli(*arguments)
        assert done.returncode == 2, (arguments, done)
        assert any(word in done.stderr for word in ("usage:", "`holdfast help`", "holdfast run -c FILE")), done


def test_open_files_are_bounded(make, tmp_path):
    """Probes, releases and requests leave no descriptor behind."""
    fleet = Fleet(tmp_path)
    fleet.release("1.0.0")
    fleet.release("1.1.0")
    holdfast = make.holdfast(fleet.config("1.0.0"))
    holdfast.wait_ready("app", 2)

    def count(role):
        return len(os.listdir(f"/proc/{holdfast.pid(role)}/fd"))

    def cycle():
        for version in ("1.1.0", "1.0.0"):
            assert holdfast.cli("release", "app", version, timeout=120).returncode == 0
        load = make.load(holdfast, "--get", "/echo/{id}", "--requests", "2000", "--connections", "50")
        assert load.process.wait(60) == 0
        load.close()

    cycle()
    before = {role: count(role) for role in ("keeper", "gateway", "controller")}
    for _ in range(2):
        cycle()
    for role, most in before.items():  # as many connections as there were calls at once are kept for 60 s
        wait_until(lambda role=role, most=most: count(role) <= most + 8, 90, f"descriptors of {role}")
    assert ORIGIN.exists()
