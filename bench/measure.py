"""One measurement: a proxy pinned to one core, both of its ends pinned to another. CPU time per request, or memory
per idle connection.

Every process started here is ended here, by its id. Files live in a private folder that goes with it.
"""

import collections
import contextlib
import glob
import http.client
import json
import math
import os
import random
import re
import resource
import select
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time

START_SECONDS = 20
STOP_SECONDS = 1
WARM_SECONDS = 0.5
STREAMS = 8  # requests under way at once on one connection of HTTP/2
IDLE_CONNECTIONS = 10000
SETTLE_SECONDS = 1  # from the last connection to the measurement of memory

Ports = collections.namedtuple("Ports", "listen origin admin")
# load: keep (connections are kept), fresh (one a request), h2, or idle (memory, not CPU time).
Case = collections.namedtuple("Case", "name size connections log tls load workers",
                              defaults=[True, False, "keep", 1])


class Failed(Exception):
    """The subject did not start, answer or stay; the text says which and shows its last words."""


def raise_file_limit():
    """As far as it goes, at most to 65536. Returns it."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    limit = 65536 if hard == resource.RLIM_INFINITY else min(hard, 65536)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    if limit < 8192:
        raise Failed(f"512 connections need more files than the limit of {limit} (ulimit -n)")
    return limit


def idle_connections():
    """Twice as many files as connections are needed: holdfast keeps one for each request's endpoint."""
    return min(IDLE_CONNECTIONS, (resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 200) // 200 * 100)


def certificate(folder):
    """Makes the one certificate of all subjects: {folder}/cert.pem, key.pem and, for HAProxy, both.pem."""
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days",
               "30", "-subj", "/CN=bench.example", "-addext", "subjectAltName=DNS:bench.example", "-keyout",
               f"{folder}/key.pem", "-out", f"{folder}/cert.pem"]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    if made.returncode != 0:
        raise Failed(f"openssl made no certificate: {made.stderr.strip()}")
    with open(f"{folder}/both.pem", "w", encoding="ascii") as both:
        for name in ("cert.pem", "key.pem"):
            with open(f"{folder}/{name}", encoding="ascii") as f:
                both.write(f.read())


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


def memory(pids):
    """Bytes, shared pages by their share (PSS)."""
    kilobytes = 0
    for pid in pids:
        with contextlib.suppress(OSError), open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
            kilobytes += int(re.search(r"^Pss:\s+(\d+) kB", f.read(), re.MULTILINE).group(1))
    return kilobytes * 1024


def ksoftirqd(core):
    """The schedstat file of the core's ksoftirqd; none where kernel threads are hidden (containers)."""
    for path in glob.glob("/proc/[0-9]*/comm"):
        with contextlib.suppress(OSError), open(path, encoding="utf-8") as f:
            if f.read().strip() == f"ksoftirqd/{core}":
                return [path.replace("comm", "schedstat")]
    return []


class Subject:
    """A running proxy: `with Subject(...) as s`. All of its processes are on one core."""

    def __init__(self, kind, core, ports, case):
        self.kind, self.core, self.ports, self.case = kind, core, ports, case
        self.folder = tempfile.TemporaryDirectory(prefix="bench-gateway-", ignore_cleanup_errors=True)
        self.process = None

    def __enter__(self):
        argv = self.kind.prepare(self.folder.name, self.ports, self.case)
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

    def _connection(self):
        if not self.case.tls:
            return http.client.HTTPConnection("127.0.0.1", self.ports.listen, timeout=5)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return http.client.HTTPSConnection("127.0.0.1", self.ports.listen, timeout=5, context=context)

    def wait_ready(self, size):
        """Returns when the origin answers through the proxy; its readiness for us, whatever it thinks itself."""
        deadline = time.monotonic() + START_SECONDS
        seen = "nothing"
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise Failed(f"{self.kind.name} ended with {self.process.returncode}:\n{self.last_words()}")
            connection = self._connection()
            try:
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


class Load:
    """The load generator: `with Load(...) as load`. It plays the origin until begin() is called."""

    def __init__(self, path, case, ports, seconds, cores):
        self.core = cores[1]
        connections = idle_connections() if case.load == "idle" else case.connections
        self.command = [path, "--target", str(ports.listen), "--origin", str(ports.origin), "--connections",
                        str(connections), "--size", str(case.size), "--warmup", str(WARM_SECONDS), "--seconds",
                        str(seconds), "--core", str(cores[0]), "--hold"]
        self.command += ["--tls"] if case.tls and case.load != "h2" else []
        self.command += {"keep": [], "fresh": ["--fresh"], "idle": ["--idle"], "h2": ["--external"]}[case.load]
        self.process = None

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        preexec_fn=lambda: os.sched_setaffinity(0, {self.core}))
        return self

    def begin(self, files):
        self.process.stdin.write(" ".join(files) + "\n")
        self.process.stdin.flush()

    def line(self, seconds):
        """The one line that it says, as an object; {} if it has ended without."""
        if not select.select([self.process.stdout], [], [], seconds)[0]:
            raise Failed("the load generator did not end in time")
        return json.loads(self.process.stdout.readline() or "{}")

    def __exit__(self, *_):
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(STOP_SECONDS)
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()


class H2load:
    """nghttp2's load generator, where the clients speak HTTP/2; it shares the core of the origin."""

    def __init__(self, case, ports, seconds, core):
        length = math.ceil(WARM_SECONDS + seconds + 0.5)  # around the origin's window, which is the one that counts
        command = ["h2load", "--clients", str(case.connections), "--max-concurrent-streams", str(STREAMS), "--duration",
                   str(length), "--groups", "X25519", "--tls13-ciphers", "TLS_AES_128_GCM_SHA256", "--connect-to",
                   f"127.0.0.1:{ports.listen}", f"https://bench.example:{ports.listen}/bench/item?size={case.size}"]
        self.size, self.seconds = case.size, length
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, text=True,
                                        preexec_fn=lambda: os.sched_setaffinity(0, {core}))

    def errors(self):
        """Waits for its end. (how many, what) went wrong."""
        text, _ = self.process.communicate(timeout=self.seconds + 30)
        counts = re.search(r"requests: (\d+) total.*?(\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout", text)
        status = re.search(r"status codes: (\d+) 2xx", text)
        data = re.search(r"\((\d+)\) data", text)
        if self.process.returncode != 0 or not (counts and status and data) or int(status[1]) == 0:
            return 1, "h2load: " + " ".join(text.split())[-300:]
        wrong = sum(map(int, counts.groups()[2:])) + int(counts[2]) - int(status[1])
        if int(data[1]) < int(status[1]) * self.size:
            wrong += 1
        return wrong, f"h2load: {counts[0]}, {status[0]}, {data[1]} bytes" if wrong else ""

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()


def cpu_time(subject, load, seconds, cores):
    """The measured window of a load that runs."""
    files = schedstat_files(process_tree(subject.process.pid))
    clients = H2load(subject.case, subject.ports, seconds, cores[1]) if subject.case.load == "h2" else None
    try:
        load.begin(files + ksoftirqd(cores[0]))
        result = load.line(seconds + 30)
        if not result:
            raise Failed(f"the load generator gave up; {subject.kind.name} said:\n{subject.last_words()}")
        new = set(schedstat_files(process_tree(subject.process.pid))) - set(files)
        result["cpu_ns"] += sum(map(run_time, new))
        if clients:
            result["errors"], result["first_error"] = clients.errors()
    except subprocess.TimeoutExpired as late:
        raise Failed("h2load did not end in time") from late
    finally:
        if clients:
            clients.stop()
    result["cpu_us"] = result["cpu_ns"] / max(result["requests"], 1) / 1000
    result["share"] = result["cpu_ns"] / 1e9 / result["seconds"]
    return result


def idle_memory(subject, load):
    """What the subject's memory grows by while connections come, make one request each, and stay."""
    before = memory(process_tree(subject.process.pid))
    load.begin([])
    result = load.line(120)
    if not result:
        raise Failed(f"the load generator gave up; {subject.kind.name} said:\n{subject.last_words()}")
    time.sleep(SETTLE_SECONDS)
    after = memory(process_tree(subject.process.pid))
    return {"bytes": (after - before) / result["settled"], "connections": result["settled"],
            "errors": result["errors"], "first_error": result["first_error"]}


def measure(kind, case, seconds, cores, loadgen):
    """One subject in one case; a dict: "cpu_us" and what is beside it, or "bytes"."""
    ports = free_ports()
    with Load(loadgen, case, ports, seconds, cores) as load, Subject(kind, cores[0], ports, case) as subject:
        subject.wait_ready(case.size)
        if case.load == "idle":
            return idle_memory(subject, load)
        return cpu_time(subject, load, seconds, cores)


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
        with Subject(kind, core, ports, Case("probe", 3, 1)) as subject:
            subject.wait_ready(3)
            deadline = time.monotonic() + START_SECONDS
            while not (fields := log_fields(f"{subject.folder.name}/access.log")) and time.monotonic() < deadline:
                time.sleep(0.05)
            return header_names(echo.head) - {"host", "accept-encoding", "connection"}, fields
    finally:
        echo.listener.close()
