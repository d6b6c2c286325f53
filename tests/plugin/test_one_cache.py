"""Any number of processes on one cold cache: each image is downloaded once and loaded once, and nothing is left."""

from __future__ import annotations

import gzip
import subprocess
import sys
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.support.engine_proxy import EngineProxy, proxied
from tests.support.images import layer_tar
from tests.support.mirror import MIRROR
from tests.support.small_mirror import FileServer, serving_files, write_release

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.docker, pytest.mark.official, pytest.mark.emulators]

PLATFORMS = {"amd64": "x86_64", "386": "x86", "arm64": "aarch64"}
SUITE = """
import pytest

@pytest.mark.parametrize("number", range(2))
def test_runs(alpine_cell, alpine_container, number):
    assert alpine_container.run("apk --print-arch", check=True).stdout.strip() == alpine_cell.platform.apk_arch

def test_holds(alpine_image, alpine_container):
    assert alpine_image.rootfs.read("/unique") == alpine_container.read("/unique")
    assert len(alpine_image.packages) >= 14
    with open("images", "a") as file:
        file.write(alpine_image.id + "\\n")
"""


@dataclass(frozen=True, slots=True)
class Run:
    """What the suite runs against: a mirror and an engine that count what they are asked for."""

    mirror: FileServer
    engine: EngineProxy

    def start(self, *args: str) -> subprocess.Popen[str]:
        image = [f"--alpine-image=minirootfs:{self.mirror.url}", "--alpine-tag=3.20"]
        command = [sys.executable, "-m", "pytest", *image, f"--alpine-platform={','.join(PLATFORMS)}", *args]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def loads(self) -> int:
        return sum(path.startswith("/images/load") for path in self.engine.log)


@pytest.fixture
def run(pytester: pytest.Pytester, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """A mirror of images that no engine has seen, and the suite beside."""
    pytester.makepyfile(SUITE)
    unique = layer_tar({"unique": uuid.uuid4().hex})
    for arch in PLATFORMS.values():
        (stock,) = MIRROR.glob(f"v3.20/releases/{arch}/alpine-minirootfs-*.tar.gz")
        tar = gzip.decompress(stock.read_bytes()).rstrip(b"\0")
        write_release(tmp_path / "mirror", "v3.20", "3.20.3", arch, tar=tar + bytes(-len(tar) % 512) + unique)
    with (
        serving_files(tmp_path / "mirror") as mirror,
        proxied(EngineProxy()) as engine,
        monkeypatch.context() as environment,
    ):
        environment.setenv("DOCKER_HOST", engine.url)
        yield Run(mirror, engine)
    for image in images(pytester.path):
        subprocess.run(
            ["docker", "rmi", f"pytest-alpine:{image.removeprefix('sha256:')}"], capture_output=True, check=True
        )


def images(folder: Path) -> set[str]:
    """Return the IDs of the images that the suite has seen."""
    return set((folder / "images").read_text().split())


@pytest.mark.parametrize(
    "runs",
    [[("-n2",), ("-n2",)], [("-n4", "--dist=load")]],
    ids=["two-runs-of-two-workers", "one-of-four"],
)
def test_one_download_and_one_load_per_image(
    run: Run, runs: list[tuple[str, ...]], pytester: pytest.Pytester, cache: Path
) -> None:
    started = [run.start(*args) for args in runs]
    for process in started:
        told, _ = process.communicate(timeout=280)
        assert process.returncode == 0, told
        assert "9 passed" in told
    assert run.mirror.asked(".tar.gz") == len(PLATFORMS)
    assert run.loads() == len(PLATFORMS) == len(images(pytester.path))
    assert not list((cache / "incoming").iterdir())

    for image in images(pytester.path):
        left = subprocess.run(["docker", "ps", "-aq", "--filter", f"ancestor={image}"], capture_output=True, check=True)
        assert left.stdout == b""
    asked = len(run.mirror.log)
    with run.start("--alpine-pull=never") as again:
        told, _ = again.communicate(timeout=280)
    assert again.returncode == 0, told
    assert (len(run.mirror.log), run.loads()) == (asked, len(PLATFORMS))
