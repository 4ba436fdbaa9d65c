"""Processes of this machine as the tests see them, by /proc; and the wait that replaces every sleep."""
import ctypes
import os
import random
import re
import signal
import socket
import time

PR_SET_CHILD_SUBREAPER = 36


def wait_until(condition, seconds=20, what=None):
    """The first true value of condition(); fails after so many seconds, saying what was awaited."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            what = what() if callable(what) else what
            raise AssertionError(f"not within {seconds} s: {what or condition}")
        time.sleep(0.01)


def become_subreaper():
    """Whatever a dead keeper leaves behind becomes a child of the tests, so that nothing is lost."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def stat_of(pid):
    """(state letter, parent) of a process, or None."""
    try:
        with open(f"/proc/{pid}/stat", encoding="latin-1") as stat:
            fields = stat.read().rpartition(")")[2].split()
        return fields[0], int(fields[1])
    except (FileNotFoundError, ProcessLookupError):
        return None


def alive(pid):
    """Is there such a process, and not a zombie?"""
    stat = stat_of(pid)
    return stat is not None and stat[0] not in "ZX"


def descendants(pid):
    """All living processes under pid, by the parents that /proc names."""
    children = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            stat = stat_of(int(name))
            if stat and stat[0] not in "ZX":
                children.setdefault(stat[1], []).append(int(name))
    found, todo = [], [pid]
    while todo:
        for child in children.get(todo.pop(), []):
            found.append(child)
            todo.append(child)
    return found


def running(*words):
    """The processes whose command line has all these words."""
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/cmdline", encoding="utf-8", errors="replace") as file:
                line = file.read().replace("\0", " ")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if all(word in line for word in words):
            found.append(int(name))
    return found


def memory_kb(pid):
    """Resident memory that is the process's own."""
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return int(re.search(r"RssAnon:\s+(\d+)", status.read()).group(1))


def reap(pids):
    """Collects those of the pids that have become children of the tests and have ended."""
    for pid in pids:
        try:
            os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            pass


def kill(pid, sig=signal.SIGKILL):
    try:
        os.kill(pid, sig)
    except ProcessLookupError:
        pass


_given = set()


def free_port():
    """A port below the ephemeral range on which nobody listens, given out once."""
    while True:
        port = random.randrange(12000, 19000)
        if port in _given:
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        _given.add(port)
        return port


def free_ports(count=60):
    """A range for the instances of one holdfast; the test beside us most likely has another."""
    first = random.randrange(19000, 32000 - count)
    return f"{first}-{first + count - 1}"
