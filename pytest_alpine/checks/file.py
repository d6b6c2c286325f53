"""One file of an image or container: what it is, who owns it, what it contains.

Spec: inode(7)
"""

from __future__ import annotations

import hashlib
import posixpath
import re
import stat
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final, TypedDict, Unpack

from pytest_alpine.checks.findings import Finding, require_none
from pytest_alpine.checks.subjects import require_known
from pytest_alpine.errors import FileNotInImage
from pytest_alpine.facts.users import UnknownUserError, find_identity, id_names
from pytest_alpine.rootfs.base import open_file

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_alpine.engine.container import Container
    from pytest_alpine.image.image import Image
    from pytest_alpine.rootfs.base import Entry, Kind, RootFS

_CHECK: Final = "file"
_PASSWD: Final = "/etc/passwd"  # noqa: S105 - a file's name
_GROUP: Final = "/etc/group"
_SHOWN: Final = 60
_ALL_BITS: Final = 0o7777
_PIECE: Final = 1 << 20
_FORMATS: Final = {
    "file": stat.S_IFREG,
    "directory": stat.S_IFDIR,
    "symlink": stat.S_IFLNK,
    "character device": stat.S_IFCHR,
    "block device": stat.S_IFBLK,
    "fifo": stat.S_IFIFO,
}

Content = str | bytes | re.Pattern[str] | re.Pattern[bytes]
"""What a file's content holds: a text, bytes, or what a compiled pattern finds."""


class FileFacts(TypedDict, total=False):
    """What ``assert_file`` can be asked; see there."""

    kind: Kind
    mode: int | str
    owner: str | int
    group: str | int
    contains: Content
    sha256: str
    target: str
    size: int
    follow: bool


def assert_file(image: Image | Container, path: str, /, **expected: Unpack[FileFacts]) -> None:
    """Fail unless *path* exists in *image* and is as given; what is not given is not looked at.

    Args:
        image: an image, or a running container, whose files are read as they are now.
        path: an absolute path; links in its directories are followed, inside the root filesystem.
        **expected: any of

            - ``kind``: ``file`` (default), ``directory``, ``symlink`` (default with ``target``), ``fifo``,
              ``character device`` or ``block device``.
            - ``mode``: permission, setuid, setgid and sticky bits: ``0o755``, or the text ``"755"``.
            - ``owner``: the user that owns it, by name or number.
            - ``group``: the group that owns it, by name or number.
            - ``contains``: a text (UTF-8), bytes, or a compiled pattern that is searched for.
            - ``sha256``: the digest of its content, in hexadecimal.
            - ``target``: the text of a symbolic link.
            - ``size``: bytes of its content, exactly.
            - ``follow``: whether a link at *path* itself is followed. Default: yes, unless ``kind`` or ``target`` ask
              for a link.

    Raises:
        AssertionError: the file is not there, or different; the message tells all differences.
        TypeError: an argument is unknown, or asks for what a file cannot be, such as a mode that is no octal number.
        EngineError: the container's engine failed.
    """
    __tracebackhide__ = True
    require_none(find_file(image, path, **expected), image)


def find_file(image: Image | Container, path: str, /, **expected: Unpack[FileFacts]) -> tuple[Finding, ...]:
    """Return a finding for each way in which the file at *path* in *image* differs; see ``assert_file``."""
    require_known(expected, FileFacts.__annotations__)
    wanted = _Wanted(
        path=path,
        kind=_kind(expected),
        mode=_octal(expected["mode"]) if "mode" in expected else None,
        owner=expected.get("owner"),
        group=expected.get("group"),
        contains=expected.get("contains"),
        sha256=_digest(expected["sha256"]) if "sha256" in expected else None,
        target=expected.get("target"),
        size=expected.get("size"),
    )
    return tuple(wanted.differences(image.rootfs, last=expected.get("follow", wanted.kind != "symlink")))


def _kind(expected: FileFacts) -> Kind:
    kind = expected.get("kind", "symlink" if "target" in expected else "file")
    if kind not in _FORMATS:
        raise TypeError(f"kind is {kind!r} (expected {', '.join(_FORMATS)})")
    return kind


@dataclass(frozen=True, kw_only=True, slots=True)
class _Wanted:
    """What a file must be; None is not looked at."""

    path: str
    kind: Kind
    mode: int | None
    owner: str | int | None
    group: str | int | None
    contains: Content | None
    sha256: str | None
    target: str | None
    size: int | None

    def differences(self, rootfs: RootFS, *, last: bool) -> Iterator[Finding]:
        """Yield a finding for each difference; *last*: whether a link at the path itself is followed."""
        found = _entry(rootfs, self.path, last=last)
        if found is None:
            yield self._finding(_a(self.kind), *_nothing(rootfs, self.path))
            return
        if found.kind != self.kind:
            hint = f"it leads to {found.target!r}" if found.kind == "symlink" else ""
            yield self._finding(_a(self.kind), _a(found.kind), hint)
        if self.mode is not None and found.mode != self.mode:
            expected = f"mode {_mode(self.kind, self.mode)}"
            yield self._finding(expected, _mode(found.kind, found.mode), _decimal_slip(self.mode, found.mode))
        yield from self._owners(rootfs, found)
        if self.target is not None and found.kind == "symlink" and found.target != self.target:
            yield self._finding(f"a link to {self.target!r}", f"one to {found.target!r}")
        if found.is_file:
            yield from self._content(rootfs, found)

    def _owners(self, rootfs: RootFS, found: Entry) -> Iterator[Finding]:
        for word, wanted, number, file in (
            ("owner", self.owner, found.uid, _PASSWD),
            ("group", self.group, found.gid, _GROUP),
        ):
            if wanted is None:
                continue
            text = _text(rootfs, file)
            known = _number(str(wanted), text, group=file == _GROUP)
            if known != number:
                actual = _with_name(number, id_names(text))
                unknown = f"{file} has no {wanted!r}" if known is None else ""
                yield self._finding(f"{word} {wanted}", actual, unknown)

    def _content(self, rootfs: RootFS, found: Entry) -> Iterator[Finding]:
        if self.size is not None and found.size != self.size:
            yield self._finding(f"{self.size} bytes", f"{found.size} bytes")
        if self.sha256 is not None:
            digest = _sha256(rootfs, found.path)
            if digest != self.sha256:
                yield self._finding(f"sha256 {self.sha256}", digest)
        if self.contains is not None:
            data = rootfs.read(found.path)
            if not _holds(data, self.contains):
                yield self._finding(_described(self.contains), _start(data))

    def _finding(self, expected: str, actual: str, hint: str = "") -> Finding:
        return Finding(check=_CHECK, subject=self.path, expected=expected, actual=actual, hint=hint)


def _decimal_slip(wanted: int, mode: int) -> str:
    """Return a hint where *wanted* was written without ``0o``."""
    written = str(wanted)
    is_slip = not set(written) & {"8", "9"} and int(written, 8) == mode
    return f"{written} is a decimal number: is 0o{written} meant?" if is_slip else ""


def _octal(mode: int | str) -> int:
    if isinstance(mode, str) and mode and not set(mode) - set("01234567"):
        mode = int(mode, 8)
    if isinstance(mode, (str, bool)) or not 0 <= mode <= _ALL_BITS:
        raise TypeError(f"mode is {mode!r} (expected an octal number of up to four digits, such as 0o755)")
    return mode


def _digest(sha256: str) -> str:
    digest = sha256.removeprefix("sha256:").lower()
    if not re.fullmatch("[0-9a-f]{64}", digest):
        raise TypeError(f"sha256 is {sha256!r} (expected 64 hexadecimal digits)")
    return digest


def _entry(rootfs: RootFS, path: str, *, last: bool) -> Entry | None:
    try:
        return rootfs.stat(path) if last else rootfs.lstat(path)
    except FileNotInImage:
        return None


def _nothing(rootfs: RootFS, path: str) -> tuple[str, str]:
    """Return what messages say of *path*, which leads nowhere, and a hint."""
    link = _entry(rootfs, path, last=False)
    return ("nothing there", _nearest(rootfs, path)) if link is None else (f"a link to nothing, {link.target!r}", "")


def _nearest(rootfs: RootFS, path: str) -> str:
    """Return a hint that names what stands beside *path* by a similar name."""
    folder, name = posixpath.split(path.rstrip("/"))
    beside = _entry(rootfs, folder, last=True)
    if beside is None or beside.kind != "directory":
        return f"there is no directory {folder}" if folder.strip("/") else ""
    if beside.path == "/":  # every file of the root filesystem stands below it
        return ""
    names = {
        posixpath.basename(entry.path) for entry in rootfs.walk(folder) if posixpath.dirname(entry.path) == beside.path
    }
    near = get_close_matches(name, sorted(names), n=3)
    return f"nearest: {', '.join(posixpath.join(folder, one) for one in near)}" if near else ""


def _a(kind: Kind) -> str:
    return f"a {kind}"


def _mode(kind: Kind, mode: int) -> str:
    return f"{stat.filemode(_FORMATS[kind] | mode)} {mode:03o}"


def _text(rootfs: RootFS, path: str) -> str:
    try:
        return rootfs.read(path).decode("utf-8", "surrogateescape")
    except FileNotInImage:
        return ""


def _number(wanted: str, text: str, *, group: bool) -> int | None:
    """Return the number of the user or group *wanted*; None where *text*, the file of them, has no such name."""
    try:
        return find_identity(f"0:{wanted}", "", text).gid if group else find_identity(wanted, text, "").uid
    except UnknownUserError:
        return None


def _with_name(number: int, names: dict[int, str]) -> str:
    return f"{names[number]} ({number})" if number in names else f"{number} (a number without a name)"


def _sha256(rootfs: RootFS, path: str) -> str:
    digest = hashlib.sha256()
    with open_file(rootfs, path) as stream:
        while piece := stream.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()


def _holds(data: bytes, wanted: Content) -> bool:
    if isinstance(wanted, re.Pattern):
        subject: Any = data if isinstance(wanted.pattern, bytes) else data.decode("utf-8", "surrogateescape")
        return wanted.search(subject) is not None
    return (wanted if isinstance(wanted, bytes) else wanted.encode("utf-8", "surrogateescape")) in data


def _described(wanted: Content) -> str:
    if isinstance(wanted, re.Pattern):
        return f"content that matches {wanted.pattern!r}"
    return f"content with {wanted!r}"


def _start(data: bytes) -> str:
    if not data:
        return "an empty file"
    shown = data[:_SHOWN].decode("utf-8", "backslashreplace")
    return f"{len(data)} bytes that begin with {shown!r}"
