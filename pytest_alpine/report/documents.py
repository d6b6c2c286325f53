"""Files that users asked for: reports and ledgers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_alpine.errors import AlpineError

if TYPE_CHECKING:
    from pathlib import Path


def write_document(path: Path, text: str) -> None:
    """Write *text* to *path*; creates missing folders.

    Raises:
        AlpineError: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        reason = error.strerror or str(error)
        raise AlpineError(f"cannot write {path}: {reason}; name a file in a folder that can be written") from error
