"""A folder laid out as an Alpine mirror: ``BRANCH/releases/ARCH/latest-releases.yaml`` and the files it names."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.bed.platforms import ARCHES, Arch
from tests.bed.state import BedError, folder

FLAVOR = "alpine-minirootfs"
LATEST = "latest-stable"
STAND_IN = "STAND-IN"  # the file by which a stand-in differs from a mirror of Alpine


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """A release that the tests know: the ``version`` in its release files, and its ``date`` (YYYY-MM-DD)."""

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


def known_tarballs(mirror: Path) -> list[Path]:
    """Return the known root filesystems that *mirror* holds."""
    return sorted(path for path, _, _ in _known_files(mirror) if path.exists())


def known_alone(mirror: Path) -> Path:
    """Return *mirror*, or a folder of links to its known releases if it also contains others.

    The tests know versions, sizes and packages of these releases, and that ``latest`` is the known one. The folder of
    links lies in the state folder, and is made once.
    """
    if not mirror.is_dir() or _holds_known_alone(mirror):
        return mirror
    target = folder() / f"known-{hashlib.sha256(str(mirror.resolve()).encode()).hexdigest()[:12]}"
    if not target.is_dir():
        _link_known(mirror.resolve(), target)
    return target


def _holds_known_alone(mirror: Path) -> bool:
    files = _known_files(mirror)
    branches = {path.parent.name for path in mirror.glob("*/releases") if not path.parent.is_symlink()}
    lists = {path: path.with_name("latest-releases.yaml") for path, _, _ in files}
    return (
        branches <= {release.branch for release in KNOWN}
        and _latest(mirror) in {"", KNOWN_LATEST}
        and all(path.name in listed.read_text() for path, listed in lists.items() if listed.exists())
    )


def _link_known(mirror: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=".known-", dir=target.parent))
    try:
        for path, release, arch in _known_files(mirror):
            if path.exists():
                add(scratch, release, arch, path.read_bytes(), link=path)
        (scratch / LATEST).write_text(f"{KNOWN_LATEST}\n")
        if (mirror / STAND_IN).exists():
            (scratch / STAND_IN).touch()
        with suppress(OSError):  # another test run was first
            scratch.rename(target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _known_files(mirror: Path) -> list[tuple[Path, Known, Arch]]:
    return [
        (mirror / release.branch / "releases" / arch / file_name(release, ARCHES[arch]), release, ARCHES[arch])
        for release in KNOWN
        for arch in sorted(release.arches)
    ]


def add(mirror: Path, release: Known, arch: Arch, tarball: bytes, *, link: Path | None = None) -> None:
    """Put one root filesystem (a gzipped tar) into *mirror*, with its checksums and its entry.

    Writes *tarball*, or makes a symbolic link to *link*, the file that holds the same.
    """
    there = mirror / release.branch / "releases" / arch.apk
    there.mkdir(parents=True, exist_ok=True)
    name = file_name(release, arch)
    if link:
        (there / name).symlink_to(link)
    else:
        (there / name).write_bytes(tarball)
    entry = {"title": "Mini root filesystem", "branch": release.branch, "arch": arch.apk, "version": release.tag}
    entry |= {"flavor": FLAVOR, "file": name, "date": release.date, "time": "00:00:00", "size": str(len(tarball))}
    for kind in ("sha256", "sha512"):
        entry[kind] = hashlib.new(kind, tarball).hexdigest()
        (there / f"{name}.{kind}").write_text(f"{entry[kind]}  {name}\n")
    lines = [f"  {key}: {value}\n" for key, value in entry.items()]
    (there / "latest-releases.yaml").write_text("---\n-\n" + "".join(lines))


def file_name(release: Known, arch: Arch) -> str:
    """Return Alpine's name for the file."""
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

    # BaseLoader keeps every value as text; others would read 3.20 as a number, and 00:00:00 as zero.
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
