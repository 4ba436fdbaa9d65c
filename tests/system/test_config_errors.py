"""Mistakes in a configuration, each with its exact message: file, line, column, and what was expected.

In the texts below, ¶ marks the place that the message has to name; it is taken out before the file is
written.
"""
import subprocess

import pytest

from holdfast import BINARY

SERVICE = """\
gateway: { listen: ["127.0.0.1:18080"] }
services:
  app:
    route: [{ path: / }]
    instances: ["127.0.0.1:1"]
"""

PROCESS = """\
gateway: { listen: ["127.0.0.1:18080"] }
nodes: { a: {}, b: {} }
services:
  app:
    route: [{ path: / }]
    command: ["sleep", "{port}"]
    version: 1.0.0
    versions: { 1.0.0: { directory: . } }
"""

MISTAKES = {
    # the text itself
    "empty file": ("¶", "there is no configuration here"),
    "not YAML": ("services: [¶}\n", "not valid YAML"),
    "tab as indentation": ("services:\n¶\tapp: {}\n", "not valid YAML"),
    "key twice": (SERVICE + "¶services: {}\n", 'key "services" is given twice; the first is at 2:1'),
    "anchor": ("services: ¶&a { }\n", "an anchor is not supported"),
    "alias": (SERVICE + "nodes: ¶*a\n", "an alias is not supported"),
    "tag": ("state: ¶!!str x\n" + SERVICE, "a tag is not supported"),
    "two documents": (SERVICE + "¶---\nservices: {}\n", "a second document"),
    "not a map": ("¶- services\n", "there is no configuration here; expected keys"),
    # keys
    "unknown key": (SERVICE + "¶srvices: {}\n", 'unknown key "srvices"; did you mean "services"?'),
    "unknown key within a service": (SERVICE + "    ¶retires: 1\n", 'unknown key "retires" in services.app'),
    "a key of another place": (SERVICE + "    health: { path: /x, ¶listen: y }\n",
                               'unknown key "listen" in services.app.health'),
    "key of a later issue": (SERVICE + "    ¶admission: { limit: adaptive }\n",
                             "services.app.admission is not supported yet"),
    "filter is not there yet": (SERVICE + "¶filter: { mode: enforce }\n", "filter is not supported yet"),
    "no gateway": ("¶services: {}\n", "gateway is missing; expected gateway: { listen:"),
    "no route": ('services:\n  ¶app:\n    instances: ["127.0.0.1:1"]\n', "route is missing"),
    # values
    "word for a time": (SERVICE + "    hold: { time: ¶soon }\n", 'services.app.hold.time is "soon"; expected a time'),
    "time without a unit": (SERVICE + "    timeout: { connect: ¶10 }\n", 'services.app.timeout.connect is "10"; expected a time'),
    "negative time": (SERVICE + "    hold: { time: ¶-1s }\n", 'services.app.hold.time is "-1s"; expected a time'),
    "time beyond its bounds": (SERVICE + "    hold: { time: ¶400d }\n", 'services.app.hold.time is "400d"; expected a time from'),
    "number beyond its bounds": (SERVICE + "    retry: { attempts: ¶1000 }\n", 'services.app.retry.attempts is "1000"; expected a number from'),
    "word for a number": (SERVICE + "    health: { rise: ¶twice }\n", 'services.app.health.rise is "twice"; expected a number'),
    "share over 100 %": (SERVICE + "    retry: { budget: ¶120% }\n", 'services.app.retry.budget is "120%"; expected a share'),
    "list for a word": (SERVICE + "    health: { path: ¶[/a, /b] }\n", "services.app.health.path is a list; expected"),
    "word for a map": (SERVICE + "    timeout: ¶fast\n", "services.app.timeout"),
    "empty value": ("state:¶\n" + SERVICE, "state is empty; expected a path"),
    "unknown store": ("store: ¶mongodb://a/b\n" + SERVICE, "store"),
    "address without a port": ('gateway: { listen: [¶"127.0.0.1"] }\nservices: {}\n', "expected an address and port"),
    "name without a port": (SERVICE.replace('"127.0.0.1:1"', '¶"localhost"'), "expected a host and port"),
    "gateway's user": ('gateway: { listen: ["127.0.0.1:18080"], user: ¶no-such-user }\nservices: {}\n',
                       'is "no-such-user", which is no user of this machine; expected a user'),
    "gateway as root": ('gateway: { listen: ["127.0.0.1:18080"], user: ¶root }\nservices: {}\n',
                        'is "root", which is root; expected a user of this machine, by name or number, who is not'),
    "gateway as number 0": ('gateway: { listen: ["127.0.0.1:18080"], user: ¶0 }\nservices: {}\n',
                            'is "0", which is root; expected a user'),
    "sandbox by half": ('gateway: { listen: ["127.0.0.1:18080"], sandbox: ¶some }\nservices: {}\n',
                        'gateway.sandbox is "some"; expected on or off'),
    "name to listen on": ('gateway: { listen: [¶"localhost:1"] }\nservices: {}\n', "expected an address and port"),
    "mistyped address": (SERVICE.replace('"127.0.0.1:1"', '¶"127.0.0.256:1"'), "is not an address, and no name ends with"),
    "bad name": (SERVICE.replace('"127.0.0.1:1"', '¶"my_app:1"'), "other than letters, digits, '-' and '.'"),
    "port 0 of an instance": (SERVICE.replace('"127.0.0.1:1"', '¶"127.0.0.1:0"'), "services.app.instances[0]"),
    "port over 65535": (SERVICE.replace('"127.0.0.1:1"', '¶"127.0.0.1:65536"'), "services.app.instances[0]"),
    "target over 100": ("continuity: { target: ¶101 }\n" + SERVICE, "continuity.target"),
    # names, routes
    "service with a bad name": (SERVICE.replace("  app:", "  ¶my app:"), 'has the name "my app"'),
    "route without a slash": (SERVICE.replace("{ path: / }", "{ path: ¶orders }"), "services.app.route[0].path"),
    "route with dots": (SERVICE.replace("{ path: / }", "{ path: ¶/a/../b }"), 'segment'),
    "route with a query": (SERVICE.replace("{ path: / }", "{ path: ¶/a?b }"), "has a query"),
    "host with a port": (SERVICE.replace("{ path: / }", "{ host: ¶\"a:80\", path: / }"), "has a port"),
    "the same route twice": (SERVICE + '  two:\n    route: [¶{ path: / }]\n    instances: ["127.0.0.1:2"]\n', "route"),
    "the same instance twice": (SERVICE.replace('["127.0.0.1:1"]', '["127.0.0.1:1", ¶"127.0.0.1:1"]'), "is instances[0] again"),
    "the same address to listen on twice": (
        SERVICE.replace('["127.0.0.1:18080"]', '["127.0.0.1:18080", ¶"127.0.0.1:18080"]'), "127.0.0.1:18080"),
    # processes
    "command and instances": (SERVICE + '    ¶command: ["sleep"]\n', "command"),
    "neither command nor instances": ("services:\n  ¶app:\n    route: [{ path: / }]\n", "command"),
    "command as a text": (PROCESS.replace('["sleep", "{port}"]', '¶sleep {port}'), "services.app.command"),
    "empty command": (PROCESS.replace('["sleep", "{port}"]', "¶[]"), "services.app.command"),
    "unknown placeholder": (PROCESS.replace('"{port}"', '¶"{prot}"'), "unknown placeholder {prot}"),
    "version that is not in versions": (PROCESS.replace("version: 1.0.0\n", "version: ¶2.0.0\n"), "2.0.0"),
    "no version": (PROCESS.replace("    version: 1.0.0\n", "").replace("  app:", "  ¶app:"),
                   "has a command but no version"),
    "versions of fixed instances": (SERVICE + "    ¶versions: { 1.0.0: { directory: . } }\n", "versions"),
    "bad environment name": (PROCESS + "    environment: { ¶1A: x }\n", "environment"),
    "environment of holdfast's own": (PROCESS + "    environment: { ¶HOLDFAST_TOKEN: x }\n", "holdfast's own"),
    "replicas the wrong way round": (PROCESS + "    replicas: { min: 3, max: ¶2 }\n", "replicas"),
    "smoke without a request": (PROCESS + "    release: { smoke: [¶{ expect: 200 }] }\n", "smoke"),
    "smoke status out of range": (PROCESS + "    release: { smoke: [{ get: /, expect: ¶2000 }] }\n", "expected a number from"),
    "bad signal": (PROCESS + "    stop: { signal: ¶TERMINATE }\n", "services.app.stop.signal"),
}


def check(folder, text):
    file = folder / "holdfast.yaml"
    file.write_text(text)
    return subprocess.run([BINARY, "check", file.name], cwd=folder, capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=30, check=False)


def place_of(text):
    """The line and column of ¶, from 1; None where there is none."""
    if "¶" not in text:
        return None
    before = text[:text.index("¶")]
    return before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1


@pytest.mark.parametrize("name", MISTAKES)
def test_mistake(tmp_path, name):
    text, says = MISTAKES[name]
    done = check(tmp_path, text.replace("¶", ""))
    assert done.returncode == 1, done
    place = place_of(text)
    lines = done.stderr.splitlines()
    at = "holdfast.yaml:" + (f"{place[0]}:{place[1]}: " if place else "")
    assert any(line.startswith(at) and says in line for line in lines), f"want {at}... {says}\n{done.stderr}"


@pytest.mark.parametrize("text", [SERVICE, PROCESS], ids=["instances", "processes"])
def test_good_configuration(tmp_path, text):
    done = check(tmp_path, text)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


def test_every_mistake_of_a_file_is_named_at_once(tmp_path):
    done = check(tmp_path, SERVICE + "    hold: { time: soon }\n    retry: { attempts: many }\nnonsense: 1\n")
    assert done.returncode == 1
    assert [line.split(":")[1] for line in done.stderr.splitlines() if ":" in line][:3] == ["6", "7", "8"]


def test_the_shop_is_well_configured():
    from holdfast import ROOT
    done = subprocess.run([BINARY, "check", ROOT / "examples/shop.yaml"], capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=30, check=False)
    assert done.returncode == 0, done.stderr


def test_bounds_of_size(tmp_path):
    """Deep, long and wide files are refused in words, quickly."""
    for text in ("a: " * 1 + "[" * 1000 + "]" * 1000, "services: {" + "a" * 2_000_000 + ": 1}",
                 "services:\n" + "".join(f"  s{n}: {{}}\n" for n in range(5000))):
        done = check(tmp_path, text)
        assert done.returncode == 1
        assert done.stderr and len(done.stderr) < 20000
