"""The real binary, run in a private folder with real sockets."""
import json
import os
import pathlib
import re
import signal
import subprocess
import threading

import yaml

from processes import alive, descendants, free_port, free_ports, kill, reap, wait_until

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("HOLDFAST_BUILD", ROOT / "build"))
BINARY = BUILD / "holdfast"
GATEWAY = BUILD / "holdfast-gateway"
ORIGIN = BUILD / "tests/tools/origin"
HFLOAD = BUILD / "tests/tools/hfload"

# A process that ends leaves its memory to the system, on purpose; the unit tests look for leaks. The stacks
# that newer compilers' sanitizers keep beside the real ones would be counted where memory has a bound.
os.environ.setdefault("ASAN_OPTIONS", "detect_leaks=0:detect_stack_use_after_return=0")

SANITIZER = re.compile(r"(ERROR|WARNING): \w*Sanitizer|runtime error:|SUMMARY: \w*Sanitizer")


def role_pid(status, role):
    """The pid that a status gives for the keeper, gateway or controller; 0 if there is none."""
    entry = (status or {}).get(role) or {}
    if isinstance(entry, list):  # of gateways: the one that is not retired
        entry = next((one for one in entry if one["state"] != "retired"), {})
    return entry.get("pid", 0)


class Holdfast:
    """One holdfast in `folder`. `config` is the configuration as a dictionary, or as text.

    Where the dictionary leaves them out, the state folder, the admin address and the public address are
    filled in: the first public port is `port`.
    """

    def __init__(self, folder, config):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.admin_port = free_port()
        self.file = self.folder / "holdfast.yaml"
        self.state = self.folder / "state"
        self.output = self.folder / "output.log"
        self.process = None
        self.killed = {}  # pid -> signal, of what the test itself killed
        self.seen = {}  # pid -> role, of every process there was
        self.write(config)

    def write(self, config):
        if isinstance(config, dict):
            config = {"state": "./state", **config}
            config.setdefault("admin", {"listen": f"127.0.0.1:{self.admin_port}"})
            config.setdefault("ports", free_ports())
            config["gateway"] = {"listen": [f"127.0.0.1:{self.port}"], **config.get("gateway", {})}
            config = yaml.safe_dump(config, sort_keys=False)
        self.file.write_text(config)

    # life

    def start(self, *options, ready=True, program=BINARY, user=None):
        with open(self.output, "ab") as output:
            self.process = subprocess.Popen([program, "run", "-c", self.file, *options],
                                            cwd=self.folder, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                            user=user, group=user, extra_groups=user and [])
        if ready:
            wait_until(self.serving, 30, lambda: f"holdfast to be ready\n{self.text()}")
        return self

    def serving(self):
        assert self.process.poll() is None, f"holdfast ended at start\n{self.text()}"
        status = self.status()
        if not status:
            return False
        services = status.get("services", [])
        return all(any(i["state"] == "ready" for i in s["instances"]) for s in services) and status

    def stop(self):
        """Asks the keeper to end; everything has to be gone afterwards."""
        if self.process and self.process.poll() is None:
            self.note_pids()
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.end()
                raise AssertionError(f"holdfast did not stop within 60 s\n{self.text()}") from None
        self.end()

    def end(self):
        """Kills whatever is left of this holdfast; only processes that it started."""
        mine = [pid for pid in self.seen if alive(pid)]
        if self.process and self.process.poll() is None:
            mine += [self.process.pid] + descendants(self.process.pid)
        for pid in mine + [p for m in mine for p in descendants(m)]:
            self.killed.setdefault(pid, signal.SIGKILL)
            kill(pid)
        if self.process:
            self.process.wait(20)
            reap(pid for pid in self.seen if pid != self.process.pid)

    def text(self):
        return self.output.read_text(errors="replace") if self.output.exists() else ""

    def check_deaths(self):
        """Fails if a process of holdfast died of a signal that the test did not send."""
        text = self.text()
        assert not SANITIZER.search(text), f"a sanitizer spoke\n{text}"
        for log in self.state.glob("**/*.log"):
            content = log.read_text(errors="replace")
            assert not SANITIZER.search(content), f"a sanitizer spoke in {log}\n{content}"
        for line in text.splitlines():
            match = re.search(r"(?:gateway|controller|setup) ended (?!before|\d+ times).*\bsignal[= ](\d+)", line)
            pid = re.search(r"\bpid[= ](\d+)", line)
            if match and int(match.group(1)) not in (0, signal.SIGTERM):
                sent = self.killed.get(int(pid.group(1))) if pid else None
                assert sent == int(match.group(1)), f"died of a signal nobody sent: {line}\n{text}"
        code = self.process.poll() if self.process else None
        if code is not None and code < 0:
            assert self.killed.get(self.process.pid) == -code, f"the keeper died of {-code}\n{text}"

    # what it says

    def cli(self, *arguments, timeout=60):
        return subprocess.run([BINARY, "-s", self.state, *arguments], cwd=self.folder,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=timeout, check=False)

    def json(self, *arguments):
        done = self.cli(*arguments, "--json")
        assert done.returncode == 0, f"{arguments}: {done.returncode} {done.stderr}\n{self.text()}"
        return json.loads(done.stdout)

    def status(self):
        """`holdfast status --json`, or None while nobody answers."""
        done = self.cli("status", "--json")
        if done.returncode:
            return None
        status = json.loads(done.stdout)
        self.note(status)
        return status

    def note(self, status):
        for role in ("keeper", "gateway", "controller"):
            if role_pid(status, role):
                self.seen[role_pid(status, role)] = role
        for service in status.get("services", []):
            for instance in service["instances"]:
                if instance.get("pid"):
                    self.seen[instance["pid"]] = instance["id"]

    def note_pids(self):
        for pid in descendants(self.process.pid):
            self.seen.setdefault(pid, "child")

    def pid(self, role):
        """The pid of the keeper, gateway or controller; waits while there is none."""
        return wait_until(lambda: role_pid(self.status(), role), 20, f"pid of the {role}")

    def wait_another(self, role, pid):
        """Waits until the role is played by another process than pid; returns it."""
        return wait_until(lambda: role_pid(self.status(), role) not in (0, pid) and
                          role_pid(self.status(), role), 20,
                          lambda: f"another {role} than {pid}\n{self.text()}")

    def service(self, name):
        status = wait_until(self.status, 20, "status")
        return next(s for s in status["services"] if s["name"] == name)

    def instances(self, name):
        return self.service(name)["instances"]

    def ready_instances(self, name):
        return [i for i in self.instances(name) if i["state"] == "ready"]

    def wait_ready(self, name, count, seconds=30):
        return wait_until(lambda: len(self.ready_instances(name)) == count and
                          self.ready_instances(name), seconds, f"{count} ready of {name}")

    # what is done to it

    def kill(self, pid, sig=signal.SIGKILL):
        self.killed[pid] = sig
        self.seen.setdefault(pid, "killed")
        kill(pid, sig)

    def kill_role(self, role, sig=signal.SIGKILL):
        pid = self.pid(role)
        self.kill(pid, sig)
        return pid

    def access_log(self):
        """The access log's lines, as dictionaries."""
        path = next(iter(self.state.glob("**/access*.log")), None)
        if path is None:
            return []
        return [json.loads(line) for line in path.read_text().splitlines() if line.startswith("{")]


class Load:
    """hfload, led over its stdin; every window is a dictionary."""

    def __init__(self, port, *arguments):
        self.process = subprocess.Popen([HFLOAD, "--address", f"127.0.0.1:{port}", *arguments],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.lock = threading.Lock()

    def ask(self, command):
        with self.lock:
            self.process.stdin.write(command + "\n")
            self.process.stdin.flush()
            return json.loads(self.process.stdout.readline())

    def mark(self, name):
        """Ends the window and begins another; returns the one that ended."""
        return self.ask(f"mark {name}")

    def peek(self):
        return self.ask("peek")

    def wait_requests(self, count, seconds=60):
        return wait_until(lambda: self.peek()["requests"] >= count, seconds, f"{count} requests")

    def stop(self):
        """Ends the load; returns the total."""
        return self.ask("stop")

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


def line(window):
    """One line for people about a window of load."""
    return (f"{window['requests']} requests, {window['failed']} failed, {window['refused']} refused; "
            f"median {window['median_ms']:.2f} ms, p99 {window['p99_ms']:.2f} ms, "
            f"max {window['worst_ms']:.2f} ms; {window['failures'][:3]}")
