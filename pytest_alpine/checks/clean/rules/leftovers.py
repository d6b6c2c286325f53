"""The contents of folders that should be empty."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_alpine.sizes import format_size

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pytest_alpine.checks.snapshot import Snapshot
    from pytest_alpine.rootfs.base import Entry


def leftovers(snapshot: Snapshot, folders: Iterable[str]) -> Iterator[tuple[str, Sequence[Entry]]]:
    """Yield each path directly in one of *folders*, and the entries at and below it that no package owns."""
    for folder in folders:
        found: dict[str, list[Entry]] = {}
        for entry in snapshot.below(folder):
            top = "/".join(entry.path.split("/")[: folder.count("/") + 2])
            if snapshot.owner(entry.path) is None:
                found.setdefault(top, []).append(entry)
        yield from found.items()


def shown(held: Sequence[Entry]) -> str:
    """Return in words what *held* is: one file, or how many files there are."""
    first = held[0]
    if len(held) == 1:
        return f"a file of {format_size(first.size)}" if first.is_file else f"a {first.kind}"
    files = [entry for entry in held if entry.kind != "directory"]
    count = "1 file" if len(files) == 1 else f"{len(files)} files"
    return f"{count}, {format_size(sum(entry.size for entry in files))}"
