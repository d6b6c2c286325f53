"""The root filesystem of a running container, in its present state.

``stat`` and ``cat`` of the container are tried first: they take a millisecond, the engine's archive API takes fifty.
If the container does not have them, the archive API is used, which needs no program in the container.
"""

from __future__ import annotations

import posixpath
import re
import shlex
import stat as modes
import tarfile
import tempfile
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import replace
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from pytest_alpine.errors import EngineError, FileNotInImage
from pytest_alpine.rootfs.base import KINDS, Entry, absolute, parts
from pytest_alpine.rootfs.layers import LayeredRootFS, flatten, read_changeset
from pytest_alpine.rootfs.lookup import Lookup, LookupRootFS, not_a_file
from pytest_alpine.rootfs.tar import entry_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager

    from pytest_alpine.engine.exec.result import CommandResult
    from pytest_alpine.image.blobs.layer import ByteStream
    from pytest_alpine.rootfs.base import RootFS

RunAsRoot = Callable[[str], "CommandResult | None"]
"""Runs a shell line as root; None where there is no shell."""

_PATH: Final = "PATH=/usr/sbin:/usr/bin:/sbin:/bin"
_PIECE: Final = 1 << 20
_NO_FILE: Final = 65
_TRUTHS: Final = (0, 1)

# Prints a line for each path, up to the first that does not exist. GNU's and BusyBox's stat quote ordinary names alike.
_STAT: Final = """
for path in {paths}; do
  [ -L "$path" ] || [ -e "$path" ] || break
  set -- "$@" "$path"
done
exec stat -c '%f %u %g %s %N' "$@"
"""
_LINE: Final = re.compile(r"([0-9a-f]+) (\d+) (\d+) (\d+) (.*)")
_PATTERN: Final = re.compile(r"[*?\[\\]")
_TARGET: Final = re.compile(r"[\w./+:@%,~=-]+")


class ContainerArchive(Protocol):
    """The engine's access to a container's files, which runs no program in the container."""

    @property
    def literal_paths(self) -> bool:
        """Whether a path means exactly one file. Podman follows a link at its end, and reads it as a pattern."""
        ...

    def exists(self, path: str) -> bool:
        """Whether *path* leads to a file; follows links."""
        ...

    def open(self, path: str) -> AbstractContextManager[ByteStream]:
        """Open a tar of the file at *path* and everything below it; directories in *path* may be links.

        Raises:
            FileNotInImage: *path* does not exist.
            EngineError: the engine failed.
        """
        ...

    def export(self) -> AbstractContextManager[ByteStream]:
        """Open a tar of the whole root filesystem without mounts.

        Raises:
            EngineError: the engine failed.
        """
        ...


class LiveRootFS(LookupRootFS):
    """The root filesystem of a running container. Keeps nothing: every call reads the present state."""

    def __init__(self, archive: ContainerArchive, run: RunAsRoot) -> None:
        self._archive = archive
        self._run = run

    def read(self, path: str, limit: int | None = None) -> bytes:
        """Return the bytes of the regular file that *path* leads to, at most *limit* of them."""
        name = shlex.quote(absolute(path))
        reading = f"cat {name}" if limit is None else f"head -c {limit} {name}"
        result = self._run(f"{_PATH}; [ -f {name} ] || exit {_NO_FILE}; exec {reading}")
        if result is not None and result.exit_code == 0:
            return result.stdout_bytes
        if not self.exists(path):
            raise FileNotInImage(f"no such file or directory: {absolute(path)}")
        if result is not None and result.exit_code == _NO_FILE:
            raise not_a_file(path, self.stat(path))
        return self._read_archived(path, limit)

    def exists(self, path: str) -> bool:
        """Whether *path* leads to a file; follows links."""
        # Archives do not contain mounts, such as /proc.
        result = self._run(f"[ -e {shlex.quote(absolute(path))} ]")
        if result is not None and result.exit_code in _TRUTHS:
            return result.exit_code == 0
        if not self._archive.literal_paths and _PATTERN.search(path):
            with self.snapshot() as whole:
                return whole.exists(path)
        return self._archive.exists(absolute(path))

    def lookup(self, path: str) -> Lookup:
        """Return the look-up for one walk along *path*. It reads all directories of *path* in one command."""
        known: dict[str, Entry | None] = {}

        def look_up(place: str) -> Entry | None:
            if place not in known:
                wanted = _prefixes(path) if place == "/" and ".." not in path else [place]
                found = self._stat(wanted)
                known.update(dict.fromkeys(wanted) | found if found is not None else {place: self._archived(place)})
            return known[place]

        return look_up

    def walk(self, top: str = "/") -> Iterator[Entry]:
        """Yield all entries at and below *top*, sorted by path, without mounts."""
        start = self.stat(top).path
        with self.snapshot(start) as found:
            entries = list(found.walk())
        above = posixpath.dirname(start)
        for entry in entries:
            if start == "/":
                yield entry
            elif entry.path != "/":  # archives begin with the directory itself
                yield replace(entry, path=posixpath.join(above, entry.path.lstrip("/")))

    @contextmanager
    def snapshot(self, top: str = "/") -> Iterator[RootFS]:
        """Open a copy of the present state: of the whole root filesystem without mounts, or of *top* and below."""
        opened = self._archive.export() if top == "/" else self._archive.open(top)
        with tempfile.NamedTemporaryFile(prefix="pytest-alpine-", suffix=".tar") as whole:
            with opened as stream:
                while data := stream.read(_PIECE):
                    whole.write(data)
            whole.flush()
            tar = Path(whole.name)
            yield LayeredRootFS(flatten([read_changeset(tar, f"container, {top}")]), [tar])

    def _read_archived(self, path: str, limit: int | None) -> bytes:
        if not self._archive.literal_paths:
            with self.snapshot() as whole:
                return whole.read(path, limit)
        found = self.stat_file(path)
        with self._archive.open(found.path) as stream, tarfile.open(fileobj=stream, mode="r|") as tar:  # type: ignore[call-overload]  # a stream of bytes is enough
            member = tar.next()
            content = tar.extractfile(member) if member is not None else None
            if content is None:
                raise EngineError(f"the engine sends {absolute(path)} as no regular file")
            data: bytes = content.read() if limit is None else content.read(limit)
            return data

    def _stat(self, paths: Sequence[str]) -> dict[str, Entry] | None:
        """Return the entries at *paths*, of which each is below the one before; None if ``stat`` fails."""
        result = self._run(f"{_PATH}; set --; " + _STAT.format(paths=shlex.join(paths)))
        if result is None or result.exit_code != 0:
            return None
        return _parse_stat(paths, result.stdout)

    def _archived(self, path: str) -> Entry | None:
        if not self._archive.literal_paths:
            with self.snapshot() as whole:
                return whole.lstat(path)
        try:
            with self._archive.open(path) as stream, tarfile.open(fileobj=stream, mode="r|") as tar:  # type: ignore[call-overload]  # as above
                member = tar.next()
        except FileNotInImage:
            return None
        entry = entry_of(member, path) if member is not None else None
        return replace(entry, offset=-1) if entry is not None else None


def _prefixes(path: str) -> list[str]:
    """Return ``/``, ``/a`` and ``/a/b`` for ``/a/b``."""
    return list(accumulate(parts(path), posixpath.join, initial="/"))


def _parse_stat(paths: Sequence[str], output: str) -> dict[str, Entry] | None:
    """Return the entries in the output of the script _STAT; None if it cannot be parsed."""
    found: dict[str, Entry] = {}
    for path, line in zip(paths, output.splitlines(), strict=False):
        told = _LINE.fullmatch(line)
        if told is None:
            return None
        mode = int(told[1], 16)
        kind = KINDS.get(modes.S_IFMT(mode))
        if kind is None:  # a socket: no archive and no image holds one
            continue
        target = told[5].removeprefix(f"'{path}' -> '").removesuffix("'") if kind == "symlink" else ""
        if kind == "symlink" and not _TARGET.fullmatch(target):
            return None
        found[path] = Entry(
            path=path,
            kind=kind,
            mode=modes.S_IMODE(mode),
            uid=int(told[2]),
            gid=int(told[3]),
            size=int(told[4]) if kind == "file" else 0,
            target=target,
            capabilities=None if kind == "file" else "",  # which stat does not tell
        )
    return found
