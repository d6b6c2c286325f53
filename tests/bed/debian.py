"""Packages of any Debian architecture, fetched by a separate apt, which does not change the machine's packages.

Configuration: apt.conf(5); the packages themselves: deb(5).
"""

from __future__ import annotations

import email
import io
import os
import re
import subprocess
import tarfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bed import apt
from tests.bed.state import BedError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
# Releases have different ports: the machine's own release is tried first, then the others.
LATER_SUITES = ("trixie", "sid")
FOLDERS = ("etc/apt.conf.d", "etc/preferences.d", "etc/sources.list.d", "state/lists/partial", "cache/archives/partial")
# Container images configure apt to keep no caches, so that each call would parse every index again.
CACHED = (
    "Dir::Cache::pkgcache=pkgcache.bin",
    "Dir::Cache::srcpkgcache=srcpkgcache.bin",
    "Acquire::GzipIndexes=false",
    "Acquire::Languages=none",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Deb:
    """One package file, with the fields of its control file."""

    path: Path
    fields: Mapping[str, str]

    def files(self) -> tarfile.TarFile:
        """Open the tar of the files that it installs."""
        return tarfile.open(fileobj=io.BytesIO(_dpkg_deb("--fsys-tarfile", self.path)))

    def control(self) -> bytes:
        """The tar of its control files."""
        return _dpkg_deb("--ctrl-tarfile", self.path)


def download(names: Sequence[str], architectures: Sequence[str], folder: Path) -> dict[str, tuple[Deb, ...]]:
    """The packages *names* for each of the Debian *architectures* that has all of them; files go into *folder*.

    Raises:
        BedError: this is no Debian machine, its apt has no mirror, or not one architecture could be fetched.
    """
    if site() is None:
        raise BedError(f"apt's sources name no mirror of Debian's {codename()}; see apt-get update --print-uris")
    suites = dict.fromkeys((codename(), *LATER_SUITES))
    found: dict[str, tuple[Deb, ...]] = {}
    for suite in suites:
        lacking = [name for name in architectures if name not in found]
        if lacking:
            found |= _Apt(folder / suite).fetch(suite, names, lacking)
    if not found:
        raise BedError(f"apt cannot fetch {', '.join(names)} from any of {', '.join(suites)}; see apt-get update")
    return found


def native() -> str:
    """The Debian name of this machine's architecture."""
    done = subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True, check=False)
    return done.stdout.strip()


@cache
def site() -> str | None:
    """The mirror of Debian that this machine's apt is set to use; None where its sources name none."""
    command = ["apt-get", "update", "--print-uris"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    match = re.search(rf"^'(\S+)/dists/{codename()}/InRelease'", done.stdout, re.MULTILINE)
    return match[1] if match else None


@cache
def codename() -> str:
    """The name of this machine's Debian release."""
    text = Path("/etc/os-release").read_text() if apt.find("apt-get") and KEYRING.exists() else ""
    match = re.search(r"^VERSION_CODENAME=(\w+)", text, re.MULTILINE)
    if match is None:
        raise BedError("a stand-in is made from Debian's packages, and this machine has no Debian apt")
    return match[1]


@dataclass(frozen=True, slots=True)
class _Apt:
    """An apt whose sources, lists and cache are in one folder."""

    folder: Path

    def fetch(self, suite: str, names: Sequence[str], architectures: Sequence[str]) -> dict[str, tuple[Deb, ...]]:
        for name in FOLDERS:
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        (self.folder / "status").touch()
        (self.folder / "etc/sources.list").write_text(f"deb [signed-by={KEYRING}] {site()} {suite} main\n")
        # Its exit code says that *some* index is missing, which is what the architectures below find out one by one.
        self._run(architectures, "update", "-q")
        fetched = {name: self._download(names, name, architectures) for name in architectures}
        return {name: debs for name, debs in fetched.items() if debs}

    def _download(self, names: Sequence[str], architecture: str, known: Sequence[str]) -> tuple[Deb, ...]:
        """Return the packages of one architecture; none if one of them is not available."""
        wanted = [f"{name}:{architecture}" for name in names]
        if self._run(known, "download", "-q", *wanted).returncode:
            return ()
        found = [sorted(self.folder.glob(f"{name}_*_{architecture}.deb"))[-1:] for name in names]
        return tuple(_deb(path) for paths in found for path in paths)

    def _run(self, architectures: Sequence[str], *words: str) -> subprocess.CompletedProcess[str]:
        here = self.folder
        places = {"Etc": "etc", "State": "state", "State::status": "status", "Cache": "cache"}
        options = [f"Dir::{name}={here / path}" for name, path in places.items()]
        options += [f"APT::Architecture={architectures[0]}", "APT::Architectures=" + ",".join(architectures)]
        options += CACHED
        if os.geteuid() == 0:
            options.append("APT::Sandbox::User=root")  # the sandbox's user may not write here
        command = ["apt-get", *(word for option in options for word in ("-o", option)), *words]
        return subprocess.run(command, cwd=here, capture_output=True, text=True, check=False)


def _deb(path: Path) -> Deb:
    # deb-control(5) is the syntax of mail headers.
    return Deb(path=path, fields=dict(email.message_from_string(_dpkg_deb("--field", path).decode()).items()))


def _dpkg_deb(action: str, path: Path) -> bytes:
    done = subprocess.run(["dpkg-deb", action, str(path)], capture_output=True, check=False)
    if done.returncode:
        raise BedError(f"dpkg-deb {action} {path} failed: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout
