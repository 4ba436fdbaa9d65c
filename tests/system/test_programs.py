"""The two executables: each is found, is of the right build, and maps only what its work needs."""
import os
import pathlib
import re
import shutil
import subprocess

import pytest

from conftest import proxy
from holdfast import BINARY, GATEWAY
from processes import wait_until

# What may be mapped where the network comes in; the last two of the first line are libcrypto's own, in Debian 13.
GATEWAY_LIBRARIES = re.compile(
    r"(ld-linux.*|libc|libm|libpthread|libxxhash|libssl|libcrypto|libnghttp2|libseccomp|libcap|libz|libzstd"
    r"|libasan|libubsan|libtsan|libstdc\+\+|libgcc_s|libdl|librt|libresolv)([.-].*)?\.so([.\d]*)$")


def libraries(pid):
    maps = pathlib.Path(f"/proc/{pid}/maps").read_text()
    return {os.path.basename(line.split()[-1]) for line in maps.splitlines() if ".so" in line}


def executable(pid):
    return os.readlink(f"/proc/{pid}/exe").removesuffix(" (deleted)")


@pytest.fixture
def installed(tmp_path):
    """Copies of both executables in a folder of their own; `install(name, path)` puts another there, as a
    package manager does."""
    folder = tmp_path / "bin"
    folder.mkdir()

    class Installed:
        holdfast, gateway = folder / "holdfast", folder / "holdfast-gateway"

        @staticmethod
        def install(target, source):
            shutil.copy(source, f"{target}.new")
            os.rename(f"{target}.new", target)

    Installed.install(Installed.holdfast, BINARY)
    Installed.install(Installed.gateway, GATEWAY)
    return Installed


def run(installed, tmp_path):
    config = tmp_path / "holdfast.yaml"
    config.write_text("state: ./state\ngateway: { listen: ['127.0.0.1:18080'] }\n")
    return subprocess.run([installed.holdfast, "run", "-c", config], cwd=tmp_path, timeout=30, check=False,
                          capture_output=True, text=True, stdin=subprocess.DEVNULL)


def refused(done, tmp_path):
    assert done.returncode == 1
    assert not (tmp_path / "state").exists(), "something was done before the executables were checked"
    return done.stderr


def test_the_gateway_maps_what_it_needs_and_no_more(make):
    holdfast = make.holdfast(proxy(make.backend()))
    pid = holdfast.pid("gateway")
    assert executable(pid) == str(GATEWAY.resolve())
    mapped = libraries(pid)
    assert any(name.startswith("libc.so") for name in mapped), mapped
    assert {name for name in mapped if not GATEWAY_LIBRARIES.match(name)} == set()
    controller = libraries(holdfast.pid("controller"))
    assert any(name.startswith("libsqlite3") for name in controller), controller


def test_what_is_installed_later_does_not_get_into_a_running_holdfast(make, installed):
    holdfast = make.holdfast(proxy(make.backend()), start=False)
    holdfast.start(program=installed.holdfast)
    for program in (installed.holdfast, installed.gateway):
        installed.install(program, "/bin/false")
    for role in ("gateway", "controller"):
        holdfast.wait_another(role, holdfast.kill_role(role))
    wait_until(holdfast.serving, 30, "everything again")
    installed.gateway.unlink()
    holdfast.wait_another("gateway", holdfast.kill_role("gateway"))


def test_without_a_gateway_nothing_starts(installed, tmp_path):
    installed.gateway.unlink()
    assert f"there is no holdfast-gateway in {installed.holdfast.parent} nor in /" in \
        refused(run(installed, tmp_path), tmp_path)


def test_a_gateway_of_another_build_is_refused(installed, tmp_path):
    build = re.search(rb"\d+\.\d+\.\d+-[0-9a-f]{16}", GATEWAY.read_bytes())[0]
    other = build[:-16] + b"0123456789abcdef"
    installed.gateway.write_bytes(GATEWAY.read_bytes().replace(build, other))
    assert f"{installed.gateway} is of build {other.decode()}; expected {build.decode()}" in \
        refused(run(installed, tmp_path), tmp_path)


@pytest.mark.parametrize("what", ["fails", "is-silent", "is-no-program"])
def test_what_is_no_gateway_is_refused(installed, tmp_path, what):
    if what == "is-no-program":
        installed.gateway.write_text("nothing\n")
    else:
        installed.install(installed.gateway, {"fails": "/bin/false", "is-silent": "/bin/true"}[what])
    assert f"{installed.gateway} is no gateway of this holdfast: " in \
        refused(run(installed, tmp_path), tmp_path)


def test_a_gateway_is_not_for_people(tmp_path):
    done = subprocess.run([GATEWAY, "run"], cwd=tmp_path, timeout=30, check=False,
                          capture_output=True, text=True)
    assert done.returncode == 2
    assert "`holdfast run` starts it" in done.stderr
