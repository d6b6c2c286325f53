"""A folder laid out as an Alpine mirror: ``BRANCH/releases/ARCH/latest-releases.yaml`` and the files it names."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from tests.bed.platforms import ARCHES, Arch
from tests.bed.state import BedError

FLAVOR = "alpine-minirootfs"
LATEST = "latest-stable"


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


def add(mirror: Path, branch: str, arch: Arch, version: str, tarball: bytes, date: str) -> None:
    """Put one root filesystem (a gzipped tar) into *mirror*, with its checksums and its entry; *date* is YYYY-MM-DD."""
    folder = mirror / branch / "releases" / arch.apk
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{FLAVOR}-{version}-{arch.apk}.tar.gz"
    (folder / name).write_bytes(tarball)
    entry = {"title": "Mini root filesystem", "branch": branch, "arch": arch.apk, "version": version}
    entry |= {"flavor": FLAVOR, "file": name, "date": date, "time": "00:00:00", "size": str(len(tarball))}
    for kind in ("sha256", "sha512"):
        entry[kind] = hashlib.new(kind, tarball).hexdigest()
        (folder / f"{name}.{kind}").write_text(f"{entry[kind]}  {name}\n")
    lines = [f"  {key}: {value}\n" for key, value in entry.items()]
    (folder / "latest-releases.yaml").write_text("---\n-\n" + "".join(lines))


def _release(mirror: Path, branch: str) -> Release:
    files = sorted((mirror / branch / "releases").glob("*/latest-releases.yaml"))
    rootfs = tuple(_rootfs(file) for file in files if file.parent.name in ARCHES)
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
