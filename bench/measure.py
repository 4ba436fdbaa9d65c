"""One measurement: a proxy pinned to one core, both of its ends pinned to another, CPU time per request.

Every process started here is ended here, by its id. Files live in a private folder that goes with it.
"""

import collections
import contextlib
import glob
import http.client
import json
import os
import random
import re
import resource
import signal
import socket
import subprocess
import tempfile
import threading
import time

START_SECONDS = 20
STOP_SECONDS = 1

Ports = collections.namedtuple("Ports", "listen origin admin")
Case = collections.namedtuple("Case", "name size connections log")


class Failed(Exception):
    """The subject did not start, answer or stay; the text says which and shows its last words."""


def raise_file_limit():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    limit = 65536 if hard == resource.RLIM_INFINITY else min(hard, 65536)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    if limit < 8192:
        raise Failed(f"512 connections need more files than the limit of {limit} (ulimit -n)")


def free_ports():
    """Three ports below the ephemeral range, so that no outgoing connection can take one in between."""
    found = []
    while len(found) < 3:
        port = random.randrange(20000, 32000)
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                s.bind(("127.0.0.1", port))
                if port not in found:
                    found.append(port)
    return Ports(*found)


def process_tree(pid):
    found, todo = [], [pid]
    while todo:
        pid = todo.pop()
        found.append(pid)
        for path in glob.glob(f"/proc/{pid}/task/*/children"):
            with contextlib.suppress(OSError), open(path, encoding="ascii") as f:
                todo += [int(child) for child in f.read().split()]
    return found


def schedstat_files(pids):
    return sorted(path for pid in pids for path in glob.glob(f"/proc/{pid}/task/*/schedstat"))


def run_time(schedstat):
    with contextlib.suppress(OSError), open(schedstat, encoding="ascii") as f:
        return int(f.read().split()[0])
    return 0


def ksoftirqd(core):
    """The schedstat file of the core's ksoftirqd; none where kernel threads are hidden (containers)."""
    for path in glob.glob("/proc/[0-9]*/comm"):
        with contextlib.suppress(OSError), open(path, encoding="utf-8") as f:
            if f.read().strip() == f"ksoftirqd/{core}":
                return [path.replace("comm", "schedstat")]
    return []


class Subject:
    """A running proxy: `with Subject(...) as s`. All of its processes are on one core."""

    def __init__(self, kind, core, ports, log):
        self.kind, self.core, self.ports, self.log = kind, core, ports, log
        self.folder = tempfile.TemporaryDirectory(prefix="bench-gateway-", ignore_cleanup_errors=True)
        self.process = None

    def __enter__(self):
        argv = self.kind.prepare(self.folder.name, self.ports, self.log)
        with open(f"{self.folder.name}/output", "wb") as output:
            self.process = subprocess.Popen(argv, cwd=self.folder.name, stdin=subprocess.DEVNULL, stdout=output,
                                            stderr=output, preexec_fn=lambda: os.sched_setaffinity(0, {self.core}))
        return self

    def __exit__(self, *_):
        """Asks; who is still there after a second is killed, the parent first, so that it restarts nobody."""
        with contextlib.ExitStack() as stack:
            members = []
            for pid in process_tree(self.process.pid):
                with contextlib.suppress(ProcessLookupError):
                    members.append(os.pidfd_open(pid))
                    stack.callback(os.close, members[-1])
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(STOP_SECONDS)
            for member in members:
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(member, signal.SIGKILL)
        self.process.wait()
        self.folder.cleanup()

    def last_words(self):
        text = ""
        for name in ("output", "error.log"):
            with contextlib.suppress(OSError), open(f"{self.folder.name}/{name}", encoding="utf-8", errors="replace") as f:
                text += f.read()
        return "\n".join(text.splitlines()[-8:])

    def wait_ready(self, size):
        """Returns when the origin answers through the proxy; its readiness for us, whatever it thinks itself."""
        deadline = time.monotonic() + START_SECONDS
        seen = "nothing"
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise Failed(f"{self.kind.name} ended with {self.process.returncode}:\n{self.last_words()}")
            try:
                connection = http.client.HTTPConnection("127.0.0.1", self.ports.listen, timeout=5)
                connection.request("GET", "/bench/item", headers={"Host": "bench.example"})
                response = connection.getresponse()
                seen = f"status {response.status}, {len(response.read())} bytes"
                if seen == f"status 200, {size} bytes":
                    return
            except (OSError, http.client.HTTPException) as error:
                seen = str(error)
            finally:
                connection.close()
            time.sleep(0.02)
        raise Failed(f"{self.kind.name} gave no good answer in {START_SECONDS} s ({seen}):\n{self.last_words()}")


def measure(kind, case, seconds, cores, loadgen):
    """CPU time per request of one subject in one case; a dict, see the end."""
    ports = free_ports()
    command = [loadgen, "--target", str(ports.listen), "--origin", str(ports.origin), "--connections",
               str(case.connections), "--size", str(case.size), "--seconds", str(seconds), "--core", str(cores[0]),
               "--hold"]
    load = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                            preexec_fn=lambda: os.sched_setaffinity(0, {cores[1]}))
    try:
        with Subject(kind, cores[0], ports, case.log) as subject:
            subject.wait_ready(case.size)
            files = schedstat_files(process_tree(subject.process.pid))
            output, _ = load.communicate(" ".join(files + ksoftirqd(cores[0])) + "\n", timeout=seconds + 30)
            if load.returncode != 0:
                raise Failed(f"the load generator ended with {load.returncode}; {kind.name} said:\n{subject.last_words()}")
            result = json.loads(output)
            new = set(schedstat_files(process_tree(subject.process.pid))) - set(files)
            result["cpu_ns"] += sum(map(run_time, new))
    except subprocess.TimeoutExpired as late:
        raise Failed("the load generator did not end in time") from late
    finally:
        if load.poll() is None:
            load.kill()
        load.communicate()
    result["cpu_us"] = result["cpu_ns"] / max(result["requests"], 1) / 1000
    result["share"] = result["cpu_ns"] / 1e9 / result["seconds"]
    return result


class Echo:
    """A slow, simple origin that remembers the head of the last request: what did the proxy add?"""

    def __init__(self, port):
        self.head = b""
        self.listener = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection):
        with connection, contextlib.suppress(OSError):
            got = b""
            while data := connection.recv(65536):
                got += data
                if got.endswith(b"\r\n\r\n"):
                    if not got.startswith(b"GET /-/ready"):
                        self.head = got
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n")
                    got = b""


def header_names(head):
    return {line.split(":")[0].lower() for line in head.decode("latin-1").split("\r\n")[1:] if ":" in line}


def log_fields(path):
    """The fields of the last whole line of an access log; also of a mapped ring, where lines stand in zeros."""
    try:
        with open(path, "rb") as f:
            lines = re.findall(rb'\{"[^\n\0]*\}(?=[\n\0])', f.read())
        return list(json.loads(lines[-1]))
    except (OSError, IndexError, ValueError):
        return []


def probe(kind, core):
    """What the subject does for one request: ({request headers added}, [fields logged])."""
    ports = free_ports()
    echo = Echo(ports.origin)
    try:
        with Subject(kind, core, ports, True) as subject:
            subject.wait_ready(3)
            deadline = time.monotonic() + START_SECONDS
            while not (fields := log_fields(f"{subject.folder.name}/access.log")) and time.monotonic() < deadline:
                time.sleep(0.05)
            return header_names(echo.head) - {"host", "accept-encoding", "connection"}, fields
    finally:
        echo.listener.close()
