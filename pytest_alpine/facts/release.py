"""The release of Alpine, or of a related distribution, that a root filesystem contains.

Spec: https://www.freedesktop.org/software/systemd/man/latest/os-release.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pytest_alpine.apk.database import read_repositories
from pytest_alpine.errors import DatabaseError, FileNotInImage

if TYPE_CHECKING:
    from pytest_alpine.rootfs.base import RootFS

OS_RELEASE: Final = ("/etc/os-release", "/usr/lib/os-release")
"""The paths of the release file; the first that exists is read, as os-release(5) says."""
ALPINE_RELEASE: Final = "/etc/alpine-release"

EDGE: Final = "edge"

# Bytes; an ordinary release file has about 200.
_LIMIT: Final = 1 << 16

_ASSIGNMENT: Final = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_]*)=(.*)")
_ESCAPED_IN_QUOTES: Final = re.compile(r'\\([\\"$`])')
_ESCAPED: Final = re.compile(r"\\(.)")
_BRANCH: Final = re.compile(r"[0-9]{1,4}\.[0-9]{1,4}(?=\.|_|$)")


@dataclass(frozen=True, kw_only=True, slots=True)
class Release:
    """What the release files say."""

    id: str
    """``alpine``, or a related distribution such as ``wolfi`` or ``postmarketos``."""
    name: str
    version_id: str
    """VERSION_ID, such as ``3.20.3`` or ``3.21.0_alpha20240923``; empty if there is none."""
    pretty_name: str
    version: str | None
    """The content of ``/etc/alpine-release``; None if there is no such file."""
    branch: str | None
    """Alpine's branch: ``3.20`` or ``edge``; None if the distribution follows no branch of Alpine."""
    is_edge: bool
    """Whether this is Alpine's rolling branch. Its versions sort below the next release."""


def read_release(rootfs: RootFS) -> Release:
    """Return the release that *rootfs* contains.

    Raises:
        FileNotInImage: there is no os-release file.
    """
    fields = _os_release(rootfs)
    identity, name = fields.get("ID", "linux"), fields.get("NAME", "Linux")
    pretty_name = fields.get("PRETTY_NAME") or name
    version_id = fields.get("VERSION_ID", "")
    version_file = _text(rootfs, ALPINE_RELEASE)
    version = version_file.strip().partition("\n")[0].strip() if version_file is not None else None
    alpine_version = version_id if version is None and identity == "alpine" else version or ""
    # Between two releases, edge names itself an alpha version of the next release.
    is_edge = pretty_name.split()[-1:] == [EDGE] or "_alpha" in alpine_version or _tracks_edge(rootfs)
    numbers = _BRANCH.match(alpine_version)
    return Release(
        id=identity,
        name=name,
        version_id=version_id,
        pretty_name=pretty_name,
        version=version,
        branch=EDGE if is_edge else numbers[0] if numbers is not None else None,
        is_edge=is_edge,
    )


def parse_os_release(text: str) -> dict[str, str]:
    r"""Return the fields of an os-release file. Skips lines that assign nothing, as os-release(5) demands.

    >>> parse_os_release('ID=alpine\nNAME="Alpine Linux"')
    {'ID': 'alpine', 'NAME': 'Alpine Linux'}
    """
    found = (_ASSIGNMENT.fullmatch(line) for line in text.splitlines())
    return {match[1]: _unquoted(match[2].strip()) for match in found if match is not None}


def _unquoted(value: str) -> str:
    if len(value) > 1 and value[0] == value[-1] == '"':
        return _ESCAPED_IN_QUOTES.sub(r"\1", value[1:-1])
    if len(value) > 1 and value[0] == value[-1] == "'":
        return value[1:-1]
    return _ESCAPED.sub(r"\1", value)


def _os_release(rootfs: RootFS) -> dict[str, str]:
    for path in OS_RELEASE:
        text = _text(rootfs, path)
        if text is not None:
            return parse_os_release(text)
    raise FileNotInImage(f"no release file: neither {OS_RELEASE[0]} nor {OS_RELEASE[1]} is a file of the image")


def _text(rootfs: RootFS, path: str) -> str | None:
    try:
        return rootfs.read(path, _LIMIT).decode("utf-8", "replace")
    except FileNotInImage:
        return None


def _tracks_edge(rootfs: RootFS) -> bool:
    """Whether all repositories are of edge. A release may have one of edge too, often under a tag."""
    try:
        untagged = [repository for repository in read_repositories(rootfs) if not repository.tag]
    except DatabaseError:
        return False
    return bool(untagged) and all(EDGE in repository.url.split("/") for repository in untagged)
