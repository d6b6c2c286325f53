"""A folder laid out as an Alpine mirror: ``BRANCH/releases/ARCH/latest-releases.yaml`` and the files it names."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.bed.platforms import ARCHES, Arch
from tests.bed.state import BedError

if TYPE_CHECKING:
    from pathlib import Path

FLAVOR = "alpine-minirootfs"
LATEST = "latest-stable"
STAND_IN = "STAND-IN"  # the file that tells a stand-in from a mirror of Alpine


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """A release that the tests know: ``version`` is what its release files say, ``date`` (YYYY-MM-DD) when it came."""

    branch: str
    tag: str
    version: str
    date: str
    arches: frozenset[str]


SINCE_3_13 = frozenset(ARCHES) - {"riscv64", "loongarch64"}
SINCE_3_20 = SINCE_3_13 | {"riscv64"}
KNOWN = (
    Known(branch="edge", tag="20240923", version="3.21.0_alpha20240923", date="2024-09-23", arches=frozenset(ARCHES)),
    Known(branch="v3.20", tag="3.20.3", version="3.20.3", date="2024-09-06", arches=SINCE_3_20),
    Known(branch="v3.19", tag="3.19.4", version="3.19.4", date="2024-09-06", arches=SINCE_3_13),
    Known(branch="v3.13", tag="3.13.12", version="3.13.12", date="2022-08-09", arches=SINCE_3_13),
)
KNOWN_LATEST = "v3.20"


@dataclass(frozen=True, kw_only=True, slots=True)
class Rootfs:
    """One mini root filesystem: a gzipped tar, its size in bytes and SHA-256 in hexadecimal."""

    arch: Arch
    version: str
    path: Path
    size: int
    sha256: str
    created: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Release:
    """All architectures of one branch, and the tags that official images of it carry."""

    branch: str
    version: str
    tags: tuple[str, ...]
    rootfs: tuple[Rootfs, ...]


def releases(mirror: Path) -> tuple[Release, ...]:
    """Every release in *mirror*, oldest branch first.

    Raises:
        BedError: there is none, or a file cannot be understood.
    """
    branches = sorted(path.parent.name for path in mirror.glob("*/releases") if not path.parent.is_symlink())
    found = tuple(_release(mirror, branch) for branch in branches)
    if not found:
        raise BedError(f"{mirror} is no Alpine mirror: it holds no BRANCH/releases folder")
    return found


def add(mirror: Path, release: Known, arch: Arch, tarball: bytes) -> None:
    """Put one root filesystem (a gzipped tar) into *mirror*, with its checksums and its entry."""
    folder = mirror / release.branch / "releases" / arch.apk
    folder.mkdir(parents=True, exist_ok=True)
    name = file_name(release, arch)
    (folder / name).write_bytes(tarball)
    entry = {"title": "Mini root filesystem", "branch": release.branch, "arch": arch.apk, "version": release.tag}
    entry |= {"flavor": FLAVOR, "file": name, "date": release.date, "time": "00:00:00", "size": str(len(tarball))}
    for kind in ("sha256", "sha512"):
        entry[kind] = hashlib.new(kind, tarball).hexdigest()
        (folder / f"{name}.{kind}").write_text(f"{entry[kind]}  {name}\n")
    lines = [f"  {key}: {value}\n" for key, value in entry.items()]
    (folder / "latest-releases.yaml").write_text("---\n-\n" + "".join(lines))


def file_name(release: Known, arch: Arch) -> str:
    """What Alpine calls the file."""
    return f"{FLAVOR}-{release.tag}-{arch.apk}.tar.gz"


def _release(mirror: Path, branch: str) -> Release:
    files = [mirror / branch / "releases" / arch / "latest-releases.yaml" for arch in ARCHES]
    rootfs = tuple(_rootfs(file) for file in files if file.exists())
    if not rootfs:
        raise BedError(f"{mirror / branch}: no architecture has a latest-releases.yaml")
    # One branch may hold several point releases when an architecture's builders lag: the tag is the usual one.
    version = Counter(item.version for item in rootfs).most_common(1)[0][0]
    return Release(branch=branch, version=version, tags=_tags(mirror, branch, version), rootfs=rootfs)


def _tags(mirror: Path, branch: str, version: str) -> tuple[str, ...]:
    number = branch.removeprefix("v")
    latest = (number.partition(".")[0], "latest") if branch == _latest(mirror) else ()
    return (number, version, *latest)


def _latest(mirror: Path) -> str:
    """The branch called latest-stable: a link on Alpine's own mirrors, a file of one line on copies of them."""
    path = mirror / LATEST
    if path.is_dir():
        return path.resolve().name
    return path.read_text().strip() if path.exists() else ""


def _rootfs(file: Path) -> Rootfs:
    import yaml

    # BaseLoader: every value stays the text it is, where others would take 3.20 for a number and 00:00:00 for zero.
    entries = yaml.load(file.read_text(), getattr(yaml, "CBaseLoader", yaml.BaseLoader))
    try:
        entry = next(entry for entry in entries if entry["flavor"] == FLAVOR)
        return Rootfs(
            arch=ARCHES[file.parent.name],
            version=entry["version"],
            path=file.with_name(entry["file"]),
            size=int(entry["size"]),
            sha256=entry["sha256"],
            created=f"{entry['date']}T{entry['time']}Z",
        )
    except (StopIteration, KeyError, TypeError, ValueError) as error:
        raise BedError(f"{file}: no usable entry of flavor {FLAVOR}: {error!r}") from error
