"""The size ledger: a file that keeps the sizes of each image on each platform, so that a run can show what has grown.

A JSON document::

    {"tolerance": 0.01, "images": {"alpine:3.22": {"linux/amd64": {"compressed": 3792075, "rootfs": 8123456,
                                                                    "packages": {"musl": 662712}}}}}
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pytest_alpine.errors import AlpineError
from pytest_alpine.report.documents import write_document
from pytest_alpine.sizes import format_size

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from pytest_alpine.report.results import CellResult

DEFAULT_TOLERANCE: Final = 0.01
"""The part of its size by which a measure may grow if the ledger states no ``tolerance``: 0.01 is 1 %."""

_MEASURES: Final = ("compressed", "unpacked", "rootfs")
_SHOWN: Final = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Ledger:
    """The sizes of the images at the time when the ledger was written."""

    images: Mapping[str, Mapping[str, Mapping[str, Any]]]
    """Reference, platform, and the row: measures in bytes, and ``packages``."""
    tolerance: float = DEFAULT_TOLERANCE

    @classmethod
    def read(cls, path: Path) -> Ledger:
        """Return the ledger at *path*; an empty one if there is no file.

        Raises:
            AlpineError: the file is no ledger.
        """
        if not path.exists():
            return cls(images={})
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            images = {
                name: {platform: dict(row) for platform, row in rows.items()}
                for name, rows in document["images"].items()
            }
            return cls(images=images, tolerance=float(document.get("tolerance", DEFAULT_TOLERANCE)))
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            expected = '{"images": {REFERENCE: {PLATFORM: {"rootfs": BYTES, ...}}}}'
            reason = error.strerror if isinstance(error, OSError) else repr(error)
            raise AlpineError(f"{path} is not a size ledger: {reason} (expected {expected})") from error

    def updated(self, cells: Iterable[CellResult]) -> Ledger:
        """Return this ledger with the rows of *cells* in place of the old ones; rows of other cells stay."""
        images = {name: dict(rows) for name, rows in self.images.items()}
        for cell in cells:
            row = _row(cell)
            if row:
                images.setdefault(cell.reference, {})[cell.platform] = row
        return Ledger(images=images, tolerance=self.tolerance)

    def write(self, path: Path) -> None:
        """Write the ledger to *path*, sorted, so that a diff of two ledgers is easy to read.

        Raises:
            AlpineError: *path* cannot be written.
        """
        document = {"tolerance": self.tolerance, "images": self.images}
        write_document(path, json.dumps(document, indent=2, sort_keys=True) + "\n")

    def growth(self, cells: Iterable[CellResult]) -> Iterator[str]:
        """Yield a line for each measure that grew by more than ``tolerance``, and for each of *cells* without a row."""
        for cell in cells:
            new = _row(cell)
            if not new:
                continue
            old = self.images.get(cell.reference, {}).get(cell.platform)
            where = f"{cell.reference} ({cell.platform})"
            if old is None:
                yield f"{where}: not in the ledger; --alpine-update-sizes writes it"
                continue
            for measure in _MEASURES:
                was, now = old.get(measure), new.get(measure)
                if was and now and now > was * (1 + self.tolerance):
                    yield f"{where}: {measure} grew {_change(was, now)}{_who(old, new)}"


def _row(cell: CellResult) -> dict[str, Any]:
    # Leave out a missing measure: with a zero in its place, every later comparison would be wrong.
    row: dict[str, Any] = {name: size for name in _MEASURES if (size := getattr(cell, name))}
    if row and cell.packages:
        row["packages"] = dict(cell.packages)
    return row


def _change(was: int, now: int) -> str:
    return f"{format_size(was)} -> {format_size(now)} (+{format_size(now - was)}, +{(now - was) / was:.1%})"


def _who(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    before, after = old.get("packages", {}), new.get("packages", {})
    changes = {name: after.get(name, 0) - before.get(name, 0) for name in {*before, *after}}
    largest = sorted((change for change in changes.items() if change[1] > 0), key=lambda item: (-item[1], item[0]))
    shown = ", ".join(f"{name} +{format_size(change)}" for name, change in largest[:_SHOWN])
    return f": {shown}" if shown else ""
