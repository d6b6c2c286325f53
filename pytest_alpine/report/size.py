"""The sizes of an image and of its packages, as data and as lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_alpine.checks.size import sizes_by_package
from pytest_alpine.errors import DatabaseError
from pytest_alpine.quoting import visible
from pytest_alpine.report.image import image_data
from pytest_alpine.sizes import format_size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_alpine.image.image import Image


def size_data(image: Image) -> dict[str, Any]:
    """Return the measures of *image* and the bytes of each of its packages, the largest first.

    ``packages`` is None if there is no package database, and ``problems`` says so.

    Raises:
        ImageError: the image cannot be fetched, or breaks its specification.
    """
    packages, problems = None, {}
    try:
        packages = sizes_by_package(image)
    except DatabaseError as error:
        problems["packages"] = str(error)
    return {
        **image_data(image),
        "name": str(image),
        "size": {name: getattr(image.size, name) for name in ("compressed", "unpacked", "rootfs")},
        "packages": packages,
        "problems": problems,
    }


def size_lines(data: dict[str, Any]) -> Iterator[str]:
    """Yield the lines of *data*, which ``size_data`` returned, for people to read."""
    yield data["name"]
    for name, size in data["size"].items():
        yield f"  {name:<10}  {'-' if size is None else format_size(size):>9}"
    for name, reason in data["problems"].items():
        yield f"  {name:<10}  cannot tell: {reason}"
    for name, size in (data["packages"] or {}).items():
        yield visible(f"    {format_size(size):>9}  {name}")
