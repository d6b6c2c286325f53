"""Engines that die, start again and run out of disk: one clear error each, and nothing left in the end.

The engine is a private one, whose data lie on a small disk of their own.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import closing, suppress
from functools import partial
from typing import TYPE_CHECKING

import docker  # noqa: F401 - pytester forgets the modules that are first loaded while a test of it runs
import pytest

from pytest_alpine import open_image
from pytest_alpine.dockerapi.client import Endpoint, connect
from pytest_alpine.engine.docker.engine import DockerEngine
from pytest_alpine.errors import EngineError
from pytest_alpine.image.access import Access
from pytest_alpine.image.store.store import Store
from tests.bed import far, process
from tests.support.images import image, layer_tar, write_oci_layout
from tests.testbed import Testbed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.bed.state import ProcessRecord

pytestmark = pytest.mark.far

MIRROR = Testbed.current().mirror
DISK = 40 << 20
TIMEOUT = 120.0

CHECKS = """
import time
from pathlib import Path

def test_before(alpine_container):
    alpine_container.run("true", check=True)
    Path("ready").touch()
    while not Path("done").exists():
        time.sleep(0.02)

def test_after(alpine_container):
    alpine_container.run("echo still here", check=True)

def test_fresh(alpine_container_per_test):
    alpine_container_per_test.run("true", check=True)
"""


class PrivateEngine:
    """An engine that a test may do anything to."""

    def __init__(self, disk: Path) -> None:
        self._disk = disk
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", disk], check=True)
        self.home = home = disk / "engine"
        self.home.mkdir()
        self.socket = home / "docker.sock"
        self.url = f"unix://{self.socket}"
        self._record: ProcessRecord | None = None

    def start(self) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PYTEST_ALPINE_TESTBED", str(self.home))  # for its log
            self._record = process.start("dockerd", far.engine_command(self.home), self._answers)

    def stop(self) -> None:
        far.stop_engine(self._record, self.home)

    def kill(self) -> None:
        assert self._record is not None
        os.kill(self._record.pid, signal.SIGKILL)
        process.stop(self._record)

    def close(self) -> None:
        try:
            if not process.alive(self._record):
                self.start()  # it alone knows what its last life left
            self.stop()
        finally:
            subprocess.run(["umount", "--lazy", self._disk], check=True)

    def connected(self) -> DockerEngine:
        return DockerEngine(partial(connect, Endpoint(url=self.url, origin="private")))

    def containers(self) -> list[str]:
        with closing(connect(Endpoint(url=self.url, origin="private"))) as client:
            return [name for found in client.api.containers(all=True) for name in found["Names"]]

    def _answers(self) -> bool:
        # It listens before it has looked after the containers of its last life, and answers then.
        with socket.socket(socket.AF_UNIX) as probe, suppress(OSError):
            probe.settimeout(TIMEOUT)
            probe.connect(str(self.socket))
            probe.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
            return probe.recv(1) != b""
        return False


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateEngine]:
    """An engine of this module's own."""
    private = PrivateEngine(tmp_path_factory.mktemp("engine"))
    try:
        private.start()
        yield private
    finally:
        private.close()


def begin(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, engine: PrivateEngine) -> subprocess.Popen[str]:
    """Start a run on *engine*; return it when its container runs."""
    monkeypatch.setenv("DOCKER_HOST", engine.url)
    pytester.makepyfile(CHECKS)
    words = [f"--alpine-image=minirootfs:{MIRROR}", "--alpine-tag=latest", "--alpine-engine=docker"]
    run = subprocess.Popen(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=pytester.path,
    )
    deadline = time.monotonic() + TIMEOUT
    while not (pytester.path / "ready").exists():
        assert run.poll() is None, run.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return run


def finish(pytester: pytest.Pytester, run: subprocess.Popen[str]) -> pytest.LineMatcher:
    """Let the tests of *run* go on, which must fail then, but not break; return what it wrote."""
    (pytester.path / "done").touch()
    output = run.communicate(timeout=TIMEOUT)[0]
    assert run.returncode == pytest.ExitCode.TESTS_FAILED, output
    return pytest.LineMatcher(output.splitlines())


def test_it_dies_in_the_middle(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, engine: PrivateEngine
) -> None:
    with begin(pytester, monkeypatch, engine) as run:
        engine.kill()
        output = finish(pytester, run)
    broke = "the connection to the engine broke: Connection *; see whether it still runs: docker info*"
    output.fnmatch_lines([f"*EngineUnavailable: cannot look at the container: {broke}"])
    output.fnmatch_lines(["*alpine: not cleaned up*", f"cannot remove container pytest-alpine-latest-*: {broke}"])
    # What is to be started meets an error at its start, what was started ahead at its first command.
    output.re_match_lines([r"=+ (2 failed, 1 passed|1 failed, 1 passed, 1 error) in "])
    output.no_fnmatch_line("*direct cause of the following exception*")
    engine.start()
    assert engine.containers(), "the dead engine's containers are there again"
    with begin(pytester, monkeypatch, engine) as run:
        assert run.wait(TIMEOUT) == pytest.ExitCode.OK
    assert engine.containers() == []


def test_it_starts_again_in_the_middle(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, engine: PrivateEngine
) -> None:
    with begin(pytester, monkeypatch, engine) as run:
        engine.stop()
        engine.start()
        output = finish(pytester, run)
    output.fnmatch_lines(["*EngineError: container pytest-* stopped (exit code 137); seen when it was to run 'echo *"])
    output.no_fnmatch_line("*not cleaned up*")
    assert engine.containers() == []


def test_its_disk_is_full(engine: PrivateEngine, tmp_path: Path) -> None:
    large = image(layer_tar({"large": os.urandom(DISK)}), platform="linux/amd64")
    write_oci_layout(tmp_path / "layout", {"1": [large]})
    access = Access(Store(tmp_path / "store"))
    full = r": .*no space left on device"
    with closing(engine.connected()) as connected:
        with pytest.raises(EngineError, match=rf"^cannot load oci:.*/layout:1 linux/amd64 into the engine{full}"):
            connected.start(open_image(f"oci:{tmp_path}/layout:1", "amd64", access=access))
        small = open_image(f"minirootfs:{MIRROR}:latest", "amd64", access=access)
        with connected.start(small) as container:
            filled = container.run("cat /dev/zero > /filled")
            assert (filled.exit_code, filled.stderr) == (1, "cat: write error: No space left on device\n")
            with pytest.raises(EngineError, match=rf"^cannot write /more in .*{full}"):
                container.write("/more", b"x" * (DISK // 2))
            with pytest.raises(EngineError, match=rf"^cannot (create|start) .*{full}"):
                connected.start(small)
            assert len(engine.containers()) == 1
            assert container.run("rm /filled; echo better", check=True).stdout == "better\n"
    assert engine.containers() == []
