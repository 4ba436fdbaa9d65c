"""`holdfast upgrade`: other executables take over step by step, while users are served."""
import os
import pathlib
import re
import shutil
import signal
import subprocess

import pytest

from conftest import proxy
from fleet import Fleet, no_request_executed_twice
from holdfast import BINARY, GATEWAY
from processes import alive, descendants, free_port, memory_kb, wait_until
from test_tunnel import echo, opened, says
from tls import Authority, TlsClient, context

GENERATIONS = 32  # at once, at most


def upgrade(holdfast, *arguments):
    done = holdfast.cli("upgrade", *arguments, timeout=150)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}\n{holdfast.text()}"
    return done.stdout


def gateways(holdfast, *states):
    """The pids of the gateways in these states; without states, of all."""
    status = wait_until(holdfast.status, 20, "status")
    return [one["pid"] for one in status["gateway"] if not states or one["state"] in states]


def wait_alone(holdfast):
    """Waits until no retired gateway is left."""
    wait_until(lambda: len(gateways(holdfast)) == 1, 30, lambda: f"retired gateways\n{holdfast.text()}")


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


class Traces:
    """What a keeper holds; to be the same after any number of upgrades."""

    def __init__(self, holdfast):
        self.holdfast, self.keeper = holdfast, holdfast.process.pid
        self.before = self.now()

    def now(self):
        return len(descendants(self.keeper)), descriptors(self.keeper), memory_kb(self.keeper)

    def check(self):
        wait_alone(self.holdfast)
        processes, fds, memory = self.before
        wait_until(lambda: self.now()[0] <= processes, 20, "the processes that there were")
        assert self.holdfast.pid("keeper") == self.keeper and alive(self.keeper)
        assert self.now()[1] <= fds + 2, f"{self.before} became {self.now()}"
        assert self.now()[2] <= memory + 4096, f"{self.before} became {self.now()}"


@pytest.fixture
def fleet(tmp_path):
    made = Fleet(tmp_path)
    made.release("1.0.0")
    return made


@pytest.fixture
def shop(make, fleet):
    """shop(...) starts holdfast before two instances; the keywords are the gateway's settings."""
    def start(program=BINARY, **gateway):
        holdfast = make.holdfast({**fleet.config("1.0.0"), "gateway": {"workers": 2, **gateway}}, start=False)
        holdfast.start(program=program)
        holdfast.wait_ready("app", 2)
        return holdfast
    return start


def light_load(make, holdfast):
    load = make.load(holdfast, "--connections", "8", "--rate", "200", "--get", "/echo/{id}", "--post", "/post")
    load.wait_requests(50)
    return load


def ended_well(load):
    total = load.stop()
    assert total["failed"] == total["refused"] == 0, total["failures"]
    return total


# ---- good ones ----

def test_five_in_a_row(make, shop, fleet):
    holdfast = shop()
    traces = Traces(holdfast)
    kept = make.load(holdfast, "--connections", "8", "--get", "/echo/{id}", "--post", "/post")
    fresh = make.load(holdfast, "--connections", "4", "--get", "/echo/{id}", "--fresh")
    for _ in range(5):
        before = {role: holdfast.pid(role) for role in ("gateway", "controller")}
        kept.wait_requests(kept.peek()["requests"] + 100)
        fresh.wait_requests(fresh.peek()["requests"] + 100)
        said = upgrade(holdfast)
        assert [line.split(":")[0].strip() for line in said.splitlines()] == [
            "self-check", "gateway", "controller", "keeper", "done"]
        assert f"serves in place of {before['gateway']}" in said
        for role, pid in before.items():
            holdfast.wait_another(role, pid)
    ended_well(fresh)
    posts = ended_well(kept)["posts"]
    assert no_request_executed_twice(fleet) == posts
    traces.check()
    assert len(holdfast.ready_instances("app")) == 2


def test_files_replaced_in_their_place(make, shop, tmp_path):
    folder = tmp_path / "bin"
    folder.mkdir()

    def install():
        for source in (BINARY, GATEWAY):
            shutil.copy(source, folder / "new")
            os.rename(folder / "new", folder / source.name)
        return os.stat(folder / BINARY.name).st_ino

    first = install()
    holdfast = shop(program=folder / BINARY.name)
    executable = pathlib.Path(f"/proc/{holdfast.process.pid}/exe")
    assert executable.stat().st_ino == first
    load = light_load(make, holdfast)
    second = install()
    upgrade(holdfast)
    assert executable.stat().st_ino == second != first
    assert os.stat(f"/proc/{holdfast.pid('controller')}/exe").st_ino == second
    upgrade(holdfast, str(BINARY))
    assert executable.stat().st_ino == os.stat(BINARY).st_ino
    ended_well(load)


def test_sessions_of_tls_go_on(make, tmp_path):
    authority = Authority(tmp_path)
    port = free_port()
    config = proxy(make.backend())
    holdfast = make.holdfast(config, start=False)
    config["gateway"] = {"listen": [f"127.0.0.1:{holdfast.port}", {
        "address": f"127.0.0.1:{port}", "tls": authority.issue("shop", "shop.example").files()}]}
    holdfast.write(config)
    holdfast.start()
    made, session = context(authority), None
    for reused in (False, True):
        with TlsClient(port, made, session=session) as one:
            assert one.request().response().status == 200  # tickets come with what is read
            assert one.sock.session_reused == reused
            session = one.sock.session
        upgrade(holdfast)


def test_release_goes_on(make, shop, fleet):
    fleet.release("1.1.0")
    holdfast = shop()
    load = light_load(make, holdfast)
    release = subprocess.Popen([BINARY, "-s", holdfast.state, "release", "app", "1.1.0"], cwd=holdfast.folder,
                               stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until(lambda: holdfast.status()["release"], 20, "the release")
    upgrade(holdfast)
    wait_until(lambda: {i["version"] for i in holdfast.ready_instances("app")} == {"1.1.0"}, 60,
               lambda: f"the release's end\n{holdfast.text()}")
    release.wait(60)
    ended_well(load)


# ---- connections that stay ----

def test_tunnels_stay_unless_there_is_a_limit(make, client):
    holdfast = make.holdfast(proxy(make.backend(echo)))
    holdfast.wait_ready("app", 1)
    one = opened(client, holdfast)
    first = holdfast.pid("gateway")
    upgrade(holdfast)
    other = opened(client, holdfast)
    second = holdfast.wait_another("gateway", first)
    upgrade(holdfast, "--drain", "1s")
    wait_until(lambda: not alive(second), 30, "the second gateway's end")
    assert other.closed()
    says(one, b"still here")
    assert gateways(holdfast, "retired") == [first]
    one.close()
    wait_alone(holdfast)


def test_too_many_generations_are_refused(make, client):
    config = proxy(make.backend(echo))
    config["gateway"] = {"workers": 1, "timeout": {"idle": "1h"}}
    holdfast = make.holdfast(config)
    holdfast.wait_ready("app", 1)
    tunnels = []
    for _ in range(GENERATIONS - 1):
        tunnels.append(opened(client, holdfast))
        upgrade(holdfast)
    tunnels.append(opened(client, holdfast))
    assert len(gateways(holdfast)) == GENERATIONS
    done = holdfast.cli("upgrade")
    assert done.returncode == 1
    assert "32 gateways are alive, and more there cannot be" in done.stderr
    for one in tunnels:
        says(one, b"still here")
    assert client(holdfast).request().response().status == 200
    for one in tunnels:
        one.close()
    wait_alone(holdfast)
    upgrade(holdfast)


# ---- bad ones ----

def compiled(path, program):
    subprocess.run(["gcc", "-x", "c", "-", "-o", path], input=program, text=True, check=True)


def no_executable(path):
    path.write_text("not a program")


def does_nothing(path):
    shutil.copy("/bin/true", path)


def hangs(path):
    compiled(path, "int pause(void); int main(void) { return pause(); }")


def dies(path):
    compiled(path, "int main(void) { __builtin_trap(); }")


def script(path):
    path.write_text("#!/bin/sh\nexec sleep 60\n")
    path.chmod(0o755)


def holdfast_itself(path):
    shutil.copy(BINARY, path)


@pytest.mark.parametrize("program, gateway, words", [
    (no_executable, GATEWAY, "is no executable"),
    (does_nothing, GATEWAY, "it is no holdfast that can check itself, it ended with exit status 0"),
    (hangs, GATEWAY, "its self-check did not end within 10 s"),
    (dies, GATEWAY, "it ended with signal"),
    (script, GATEWAY, "it cannot be executed"),
    (holdfast_itself, None, "there is no holdfast-gateway in"),
    (holdfast_itself, "/bin/false", "is no gateway of this holdfast"),
], ids=lambda value: getattr(value, "__name__", ""))
def test_bad_program_changes_nothing(make, shop, tmp_path, program, gateway, words):
    holdfast = shop()
    traces = Traces(holdfast)
    before = [holdfast.pid(role) for role in ("keeper", "gateway", "controller")]
    load = light_load(make, holdfast)
    folder = tmp_path / "bad"
    folder.mkdir()
    program(folder / "holdfast")
    if gateway:
        shutil.copy(gateway, folder / "holdfast-gateway")
    done = holdfast.cli("upgrade", str(folder / "holdfast"))
    assert done.returncode == 1
    assert "what ran before runs on" in done.stderr and words in done.stderr, done.stderr
    assert [holdfast.pid(role) for role in ("keeper", "gateway", "controller")] == before
    ended_well(load)
    traces.check()


def test_path_that_is_not_there(shop):
    holdfast = shop()
    done = holdfast.cli("upgrade", "/nowhere/holdfast")
    assert done.returncode == 1 and "there is no /nowhere/holdfast" in done.stderr
    upgrade(holdfast)


# ---- what dies on the way ----

def step_reached(holdfast, step):
    """Waits until the keeper has begun a step since the last upgrade was asked for."""
    wait_until(lambda: f"change: {step}\n" in holdfast.text(), 20, lambda: f"{step}\n{holdfast.text()}")


def begin(holdfast):
    return subprocess.Popen([BINARY, "-s", holdfast.state, "upgrade"], cwd=holdfast.folder, stdin=subprocess.DEVNULL,
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def logged_pid(holdfast, role, number):
    """The pid of the role's process number `number`, as soon as the keeper says that it has started it."""
    def started():
        return re.findall(rf"keeper\[\d+\]: {role} started pid=(\d+)", holdfast.text())

    wait_until(lambda: len(started()) >= number, 20, lambda: f"{role} {number}\n{holdfast.text()}")
    return int(started()[number - 1])


def over(holdfast):
    """The change is over, in whatever way, and its end is known to whoever asks."""
    wait_until(lambda: holdfast.cli("upgrade", "/nowhere").returncode == 1 and
               re.search(r"upgrade is done|change: \S+ failed", holdfast.text()), 60, lambda: holdfast.text())


@pytest.mark.parametrize("step", ["self-check", "gateway", "controller", "keeper"])
def test_controller_dies_on_the_way(make, shop, step):
    holdfast = shop()
    load = light_load(make, holdfast)
    controller, keeper = holdfast.pid("controller"), holdfast.pid("keeper")
    command = begin(holdfast)
    step_reached(holdfast, step)
    if step == "keeper":
        controller = logged_pid(holdfast, "controller", 2)
    holdfast.kill(controller)
    assert command.wait(90) in (0, 1)
    over(holdfast)
    holdfast.wait_ready("app", 2)
    upgrade(holdfast)
    ended_well(load)
    wait_alone(holdfast)
    assert holdfast.pid("keeper") == keeper


def test_new_gateway_dies_while_it_comes(make, shop):
    holdfast = shop()
    load = light_load(make, holdfast)
    before = [holdfast.pid(role) for role in ("gateway", "controller")]
    command = begin(holdfast)
    coming = logged_pid(holdfast, "gateway", 2)
    holdfast.kill(coming, signal.SIGSTOP)
    if "gateway retired" in holdfast.text():  # it was quicker than we
        holdfast.kill(coming, signal.SIGCONT)
        assert command.wait(90) == 0
    else:
        holdfast.kill(coming)
        assert command.wait(90) == 1
        assert "the new gateway ended before it served" in holdfast.text()
        assert [holdfast.pid(role) for role in ("gateway", "controller")] == before
    upgrade(holdfast)
    ended_well(load)
    wait_alone(holdfast)


def test_keeper_dies_on_the_way(make, shop):
    holdfast = shop()
    load = light_load(make, holdfast)
    command = begin(holdfast)
    step_reached(holdfast, "controller")
    holdfast.note_pids()
    holdfast.kill(holdfast.process.pid)
    holdfast.process.wait(10)
    load.wait_requests(load.peek()["requests"] + 200)
    ended_well(load)
    command.kill()
    command.wait(10)


# ---- what is left ----

def test_nothing_leaks(make, fleet, client, monkeypatch):
    """LeakSanitizer, where it is built in, looks at each process that ends by itself: the gateway that was replaced,
    and the controller. Their sandbox would not let it."""
    holdfast = make.holdfast({**fleet.config("1.0.0"), "gateway": {"workers": 2, "sandbox": "off"}}, start=False)
    with monkeypatch.context() as patch:
        patch.setenv("ASAN_OPTIONS", "detect_leaks=1")
        holdfast.start()
    holdfast.wait_ready("app", 2)
    light = light_load(make, holdfast)
    one = client(holdfast)
    assert one.request(target="/echo/1").response().status == 200
    controller = holdfast.pid("controller")
    upgrade(holdfast)
    assert one.request(target="/echo/2").response().get("connection") == "close"
    ended_well(light)
    wait_alone(holdfast)
    holdfast.stop()
    assert "LeakSanitizer" not in holdfast.text()
    assert re.findall(rf"controller ended pid={controller} why=\"(.*)\"", holdfast.text()) == ["exit status 0"]
    assert set(re.findall(r"gateway ended pid=\d+ why=\"(.*)\"", holdfast.text())) == {"exit status 0"}
