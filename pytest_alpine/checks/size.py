"""Size budgets: three measures, their limits, and which packages are the largest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_alpine.checks.findings import Finding, listed, require_none
from pytest_alpine.checks.hidden import hidden_files
from pytest_alpine.checks.snapshot import image_of
from pytest_alpine.sizes import format_size, parse_size

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pytest_alpine.apk.package import Package
    from pytest_alpine.engine.container import Container
    from pytest_alpine.image.image import Image
    from pytest_alpine.rootfs.base import Entry

UNOWNED: Final = "(no package)"
_SHOWN: Final = 3


def sizes_by_package(image: Image) -> dict[str, int]:
    """Return the bytes that each package's regular files take in the flattened tree, largest first.

    A file that no package owns counts for ``(no package)``; a hard link counts once.

    Raises:
        DatabaseError: there is no package database, or it is malformed.
    """
    sizes = package_sizes(image.entries.values(), image.owners.by_path)
    return dict(sorted(sizes.items(), key=lambda item: (-item[1], item[0])))


def package_sizes(entries: Iterable[Entry], owners: Mapping[str, Package]) -> dict[str, int]:
    """Return the bytes that the regular files among *entries* take, by the names of the packages in *owners*."""
    sizes: dict[str, int] = {}
    for entry in files_once(entries):
        package = owners.get(entry.path)
        name = package.name if package else UNOWNED
        sizes[name] = sizes.get(name, 0) + entry.size
    return sizes


def files_once(entries: Iterable[Entry]) -> Iterator[Entry]:
    """Yield the regular files among *entries*; of a file with several names, the first one."""
    seen: set[tuple[int, int]] = set()
    for entry in entries:
        key = (entry.layer, entry.offset)
        if entry.is_file and (entry.offset < 0 or key not in seen):
            seen.add(key)
            yield entry


def assert_size(
    target: Image | Container,
    *,
    compressed: str | int | None = None,
    unpacked: str | int | None = None,
    rootfs: str | int | None = None,
    wasted: str | int | None = None,
) -> None:
    """Fail unless each given measure of the image is within its budget.

    Args:
        target: an image, or a container, which is measured by its image.
        compressed: the layer blobs as stored by the registry or archive; bytes, or a text such as ``"4.2 MB"``.
        unpacked: the regular files of every layer, summed.
        rootfs: the regular files of the flattened tree.
        wasted: the regular files of lower layers that upper layers replace or delete: every pull brings them, and no
            container shows them.

    Raises:
        AssertionError: a measure is over its budget, or the source does not have that measure; the message tells by how
            much, and which packages are the largest, or which files are wasted.
        InvalidSize: a budget cannot be read.
    """
    __tracebackhide__ = True
    found = find_size(target, compressed=compressed, unpacked=unpacked, rootfs=rootfs, wasted=wasted)
    require_none(found, image_of(target))


def find_size(
    target: Image | Container,
    *,
    compressed: str | int | None = None,
    unpacked: str | int | None = None,
    rootfs: str | int | None = None,
    wasted: str | int | None = None,
) -> tuple[Finding, ...]:
    """Return a finding for each measure of *target*'s image that is over its budget; see ``assert_size``."""
    budgets: Mapping[str, str | int | None] = {
        "compressed": compressed,
        "unpacked": unpacked,
        "rootfs": rootfs,
        "wasted": wasted,
    }
    limits = {measure: parse_size(budget) for measure, budget in budgets.items() if budget is not None}
    if not limits:
        raise TypeError("no budget is given (expected compressed=, unpacked=, rootfs= or wasted=)")
    image = image_of(target)
    found = [_over(image, measure, limit) for measure, limit in limits.items()]
    return tuple(finding for finding in found if finding is not None)


def _over(image: Image, measure: str, limit: int) -> Finding | None:
    size = _wasted(image) if measure == "wasted" else getattr(image.size, measure)
    expected = f"at most {format_size(limit)} ({limit} bytes)"
    if size is None:
        way_out = "measure unpacked or rootfs, or read the image from its registry, as registry:NAME"
        hint = f"the source holds no layer blobs: {way_out}"
        return Finding(check="size", subject=measure, expected=expected, actual="no such measure", hint=hint)
    if size <= limit:
        return None
    over = (
        f"{format_size(size)} ({size} bytes), {format_size(size - limit)} or {(size - limit) / max(limit, 1):.1%} over"
    )
    hint = _largest_wasted(image) if measure == "wasted" else _largest(image)
    return Finding(check="size", subject=measure, expected=expected, actual=over, hint=hint)


def _wasted(image: Image) -> int:
    return sum(file.entry.size for file in hidden_files(image))


def _largest_wasted(image: Image) -> str:
    files = sorted(hidden_files(image), key=lambda file: (-file.entry.size, file.entry.path))
    shown = [f"{file.entry.path} {format_size(file.entry.size)} in layer {file.layer}" for file in files]
    return f"largest: {listed(shown, _SHOWN)}"


def _largest(image: Image) -> str:
    from pytest_alpine.errors import DatabaseError

    try:
        shares = list(sizes_by_package(image).items())[:_SHOWN]
    except DatabaseError:
        return "no package database tells which packages are the largest"
    return "largest: " + ", ".join(f"{name} {format_size(size)}" for name, size in shares)
