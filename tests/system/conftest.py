"""Fixtures of the system tests: the real binary, raw clients, scripted backends, verified load."""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from holdfast import BINARY, HFLOAD, ORIGIN, Holdfast, Load  # noqa: E402
from http1 import Backend, Client  # noqa: E402
from processes import become_subreaper  # noqa: E402


def pytest_configure(config):
    for tool in (BINARY, HFLOAD, ORIGIN):
        if not tool.exists():
            pytest.exit(f"{tool} is missing: build first (ninja -C build)", returncode=2)
    become_subreaper()


class Made:
    """What a test has made, ended in the right order and looked over for unexpected deaths."""

    def __init__(self, folder):
        self.folder = folder
        self.holdfasts, self.loads, self.backends = [], [], []

    def holdfast(self, config, start=True):
        made = Holdfast(self.folder / f"holdfast{len(self.holdfasts)}", config)
        self.holdfasts.append(made)
        return made.start() if start else made

    def backend(self, *arguments, **keywords):
        self.backends.append(Backend(*arguments, **keywords))
        return self.backends[-1]

    def load(self, holdfast, *arguments):
        self.loads.append(Load(holdfast.port, *arguments))
        return self.loads[-1]

    def end(self):
        for load in self.loads:
            load.close()
        for holdfast in self.holdfasts:
            try:
                holdfast.stop()
            finally:
                holdfast.end()
        for holdfast in self.holdfasts:
            holdfast.check_deaths()
        for backend in self.backends:
            backend.close()


@pytest.fixture
def make(tmp_path):
    made = Made(tmp_path)
    try:
        yield made
    finally:
        made.end()


@pytest.fixture(scope="module")
def make_once(tmp_path_factory):
    """As `make`, for what the tests of a module share."""
    made = Made(tmp_path_factory.mktemp("shared"))
    try:
        yield made
    finally:
        made.end()


def proxy(*backends, **service):
    """The configuration of a gateway before fixed instances: one service, `app`, for everything."""
    app = {"route": [{"path": "/"}], "instances": [backend.address for backend in backends],
           "health": {"path": "/-/ready", "interval": "200ms", "rise": 1, "fall": 2}}
    return {"services": {"app": {**app, **service}}}


@pytest.fixture
def gateway(make):
    """gateway(backend, ..., key=value) starts holdfast before those backends, all of them ready."""
    def start(*backends, **service):
        holdfast = make.holdfast(proxy(*backends, **service))
        holdfast.wait_ready("app", len(backends))
        return holdfast
    return start


@pytest.fixture
def client():
    """client(holdfast) opens a connection to its gateway."""
    opened = []

    def open_client(holdfast, **keywords):
        opened.append(Client(holdfast.port, **keywords))
        return opened[-1]

    yield open_client
    for one in opened:
        one.close()
