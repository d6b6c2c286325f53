"""The files of packages are as they were installed: the static ``apk audit --system``.

Spec: apk-audit(8). Configuration (apk-protected_paths(5)) may be changed, but it must exist.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from pytest_alpine.checks.clean.rule import BASE, Rule
from pytest_alpine.checks.clean.rules.protected import protected_paths
from pytest_alpine.rootfs.base import open_file

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_alpine.apk.digest import Digest
    from pytest_alpine.checks.findings import Finding
    from pytest_alpine.checks.snapshot import Snapshot
    from pytest_alpine.rootfs.base import Entry, RootFS

_PIECE: Final = 1 << 20


def _find(snapshot: Snapshot) -> Iterator[Finding]:
    protected = protected_paths(snapshot)
    for package, file, path in snapshot.facts.owners.files:
        if path.startswith(("/dev/", "/proc/", "/sys/")):
            continue  # the kernel and the engine fill these in a running container
        entry = snapshot.entries.get(path)
        actual = "nothing there" if entry is None else _difference(snapshot.rootfs, entry, file.digest)
        if actual and not (entry is not None and protected.covers(path, entry)):
            expected = f"the file of {package.name} {package.version}"
            hint = f"apk fix {package.name} restores it"
            yield RULE.finding(path, expected=expected, actual=actual, hint=hint)


def _difference(rootfs: RootFS, entry: Entry, digest: Digest | None) -> str:
    """Return how what stands there differs from what was installed, or nothing."""
    if entry.kind == "directory":
        return "a directory"
    if digest is None:  # such as devices, which have no contents to compare
        return ""
    if entry.kind == "symlink":
        return "" if digest.matches(entry.target.encode("utf-8", "surrogateescape")) else f"a link to {entry.target}"
    if entry.kind != "file":
        return f"a {entry.kind}"
    return "" if _matches(rootfs, entry, digest) else f"other contents, {entry.size} bytes"


def _matches(rootfs: RootFS, entry: Entry, digest: Digest) -> bool:
    """Whether the file has *digest*. It is read in pieces, as it may be larger than memory."""
    state = hashlib.new(digest.algorithm.partition("-")[0], usedforsecurity=False)
    with open_file(rootfs, entry.path) as stream:
        while piece := stream.read(_PIECE):
            state.update(piece)
    return state.digest()[: len(digest.value)] == digest.value


RULE = Rule(
    name="package-files",
    reason="a changed or deleted file is not what its package's version says, and an upgrade undoes the change",
    sets=BASE,
    find=_find,
)
