"""Tags of an Alpine mirror: the branch and version that each means, and the tarballs that exist.

Spec: the layout of Alpine's mirrors, ``BRANCH/releases/ARCH/latest-releases.yaml`` and the tarballs that it names.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pytest_alpine.errors import MalformedImage, StoreError
from pytest_alpine.facts.branches import branch_order
from pytest_alpine.image.spec.documents import digest_of

if TYPE_CHECKING:
    from pytest_alpine.image.minirootfs.mirror import Mirror
    from pytest_alpine.image.store.store import Store

FLAVOR: Final = "alpine-minirootfs"
RELEASE_FILE: Final = "latest-releases.yaml"
LATEST: Final = "latest"
_LATEST_STABLE: Final = "latest-stable"
_EDGE: Final = "edge"

_BRANCH: Final = re.compile(r"v(?P<number>[0-9]{1,4}\.[0-9]{1,4})")
# The tags of Docker's official image: 3.20, 3.20.3, 3.17.0_rc1, 3, edge, and 20240923, a snapshot of edge.
_MAJOR: Final = re.compile(r"\d{1,3}")
_MINOR: Final = re.compile(r"v?(?P<number>\d+\.\d+)")
_POINT: Final = re.compile(r"v?(?P<version>(?P<number>\d+\.\d+)\.\d+(?:[._-]?[a-z]\w*(?:\.\d+)?)?)")
_SNAPSHOT: Final = re.compile(r"\d{8}")
_FILE: Final = re.compile(r"[\w.+-]+")
_SIZE: Final = re.compile(r"[0-9]{1,18}")
_SHA512: Final = re.compile(r"[0-9a-f]{128}")
# The fields of a release file's entry that are read.
_FIELDS: Final = ("file", "sha512", "size", "version")


@dataclass(frozen=True, kw_only=True, slots=True)
class Release:
    """The meaning of a tag: a folder of the mirror, and a version in it; without one, the latest."""

    branch: str
    version: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Tarball:
    """One root filesystem on a mirror."""

    path: str
    sha512: str
    size: int | None
    """Bytes, where they are known."""

    @property
    def name(self) -> str:
        """The file's name."""
        return self.path.rpartition("/")[2]


def find_release(mirror: Mirror, tag: str | None) -> Release | None:
    """Return what *tag* means on *mirror*, or None if it does not look like a tag. No tag means ``latest``."""
    tag = tag or LATEST
    if tag in {LATEST, _LATEST_STABLE}:
        return Release(branch=_latest(mirror))
    if tag == _EDGE:
        return Release(branch=_EDGE)
    if _SNAPSHOT.fullmatch(tag):
        return Release(branch=_EDGE, version=tag)
    if match := _MINOR.fullmatch(tag):
        return Release(branch=f"v{match['number']}")
    if match := _POINT.fullmatch(tag):
        return Release(branch=f"v{match['number']}", version=match["version"])
    return _newest(mirror, tag) if _MAJOR.fullmatch(tag) else None


def find_tarball(mirror: Mirror, release: Release, arch: str, store: Store) -> Tarball | None:
    """Return the tarball of *release* for *arch*, Alpine's name, or None where the mirror has none.

    The *store* keeps what release files say.

    Raises:
        MalformedImage: a release file or checksum breaks its format.
    """
    folder = f"{release.branch}/releases/{arch}"
    text = mirror.read(f"{folder}/{RELEASE_FILE}")
    if text is not None:
        entry = _kept_entry(text, mirror.where(f"{folder}/{RELEASE_FILE}"), store)
        if entry is not None and (release.version is None or entry.get("version") == release.version):
            return _named(entry, folder, mirror.where(f"{folder}/{RELEASE_FILE}"))
    return None if release.version is None else _older(mirror, f"{folder}/{FLAVOR}-{release.version}-{arch}.tar.gz")


def versions_there(mirror: Mirror, branch: str) -> list[str]:
    """Return the versions whose tarballs stand in *branch*, for messages."""
    found = set()
    for arch in mirror.names(f"{branch}/releases") or []:
        for name in mirror.names(f"{branch}/releases/{arch}") or []:
            if name.startswith(f"{FLAVOR}-") and name.endswith(f"-{arch}.tar.gz"):
                found.add(name.removeprefix(f"{FLAVOR}-").removesuffix(f"-{arch}.tar.gz"))
    return sorted(found, key=_natural)


def tags_there(mirror: Mirror) -> list[str]:
    """Return the branches of *mirror* as tags, for messages."""
    names = mirror.names("") or []
    branches = sorted((name[1:] for name in names if _BRANCH.fullmatch(name)), key=branch_order)
    return branches + [_EDGE] * (_EDGE in names) + [LATEST] * (_LATEST_STABLE in names)


def _latest(mirror: Mirror) -> str:
    """Return the stable branch. A mirror has a link to it, or a file with its name where links are impossible."""
    text = (mirror.read(_LATEST_STABLE) or "").strip()
    if _BRANCH.fullmatch(text):
        return text
    names = mirror.names("")
    branches = sorted(filter(_BRANCH.fullmatch, names or []), key=branch_order)
    return _LATEST_STABLE if names is None or _LATEST_STABLE in names or not branches else branches[-1]


def _newest(mirror: Mirror, major: str) -> Release:
    latest = _latest(mirror)
    if latest.startswith(f"v{major}.") or latest == _LATEST_STABLE:
        return Release(branch=latest)
    branches = [name for name in mirror.names("") or [] if _BRANCH.fullmatch(name) and name.startswith(f"v{major}.")]
    return Release(branch=max(branches, key=branch_order, default=f"v{major}"))


def _natural(text: str) -> list[tuple[int, str]]:
    # A part that is too long for a number is text.
    return [(int(part), "") if _SIZE.fullmatch(part) else (-1, part) for part in re.split(r"([0-9]+)", text)]


def _kept_entry(text: str, where: str, store: Store) -> dict[str, Any] | None:
    """Return what a release file says about the root filesystem; the first run that sees this *text* parses it."""
    # Importing the YAML library takes longer than finding all images of a suite.
    name = f"{FLAVOR} in {digest_of(text.encode())}"
    with suppress(ValueError):  # it was damaged
        known = json.loads(store.cached(name) or "")
        if isinstance(known, dict):
            return known
    entry = _entry(text, where)
    # Other values are wrong, and may be larger than they look: see _shown.
    if entry is not None and all(isinstance(value, str) for value in entry.values()):
        with suppress(StoreError):  # it can be parsed again at any time
            store.cache(name, json.dumps(entry))
    return entry


def _entry(text: str, where: str) -> dict[str, Any] | None:
    """Return those of ``_FIELDS`` that a release file has for the root filesystem."""
    import yaml

    # To these loaders all scalars are texts, and "<<" is an ordinary key: merge keys can grow without bounds.
    loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
    try:
        document = yaml.load(text, Loader=loader)  # noqa: S506 - both make nothing but texts, lists and dicts
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise MalformedImage(f"{where}: not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(document, list):
        raise MalformedImage(f"{where}: a {type(document).__name__} (expected a list of releases)")
    for entry in document:
        if isinstance(entry, dict) and entry.get("flavor") == FLAVOR:
            return {field: entry[field] for field in _FIELDS if field in entry}
    return None


def _named(entry: dict[str, Any], folder: str, where: str) -> Tarball:
    name, sha512, size = entry.get("file"), entry.get("sha512"), entry.get("size")
    # The name becomes a path: nothing else may pass.
    if not isinstance(name, str) or not _FILE.fullmatch(name):
        raise MalformedImage(f"{where}: field 'file' is {_shown(name)} (expected the name of a tarball)")
    if not isinstance(sha512, str) or not _SHA512.fullmatch(sha512):
        raise MalformedImage(f"{where}: field 'sha512' is {_shown(sha512)} (expected 128 hexadecimal digits)")
    known = int(size) if isinstance(size, str) and _SIZE.fullmatch(size) else None
    return Tarball(path=f"{folder}/{name}", sha512=sha512, size=known)


def _shown(value: object) -> str:
    # With references, a few lines of YAML can stand for more than all memory, so that such values are not shown.
    return f"{value!r:.150}" if value is None or isinstance(value, str) else f"a {type(value).__name__}"


def _older(mirror: Mirror, path: str) -> Tarball | None:
    """Return a tarball that its release file no longer names; its checksum lies beside it."""
    sha512 = read_sha512(mirror, path)
    return None if sha512 is None else Tarball(path=path, sha512=sha512, size=mirror.size(path))


def read_sha512(mirror: Mirror, path: str) -> str | None:
    """Return the checksum that lies beside the file at *path*, as sha512sum(1) writes it, or None.

    Raises:
        MalformedImage: the file holds no checksum.
    """
    text = mirror.read(f"{path}.sha512")
    if text is None:
        return None
    first = next(iter(text.split()), "")
    if not _SHA512.fullmatch(first):
        where = f"{mirror.where(path)}.sha512"
        raise MalformedImage(f"{where}: begins with {first!r:.40} (expected 128 hexadecimal digits)")
    return first
