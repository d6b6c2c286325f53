"""``pytest-alpine sizes``: how large an image is, and what takes the space."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_alpine.cli.images import add_command, add_json, tell_each
from pytest_alpine.cli.output import ERROR, OK, print_blocks, print_data, worst

if TYPE_CHECKING:
    import argparse

    from pytest_alpine.cli.images import Commands
    from pytest_alpine.image.access import Access
    from pytest_alpine.image.image import Image


def add_to(commands: Commands) -> None:
    """Add the command."""
    add_json(add_command(commands, "sizes", "show how large an image is, and each package in it", _run, "image"))


def _run(options: argparse.Namespace, access: Access) -> int:
    from pytest_alpine.report.size import size_data, size_lines

    found: list[dict[str, Any]] = []

    def tell(image: Image) -> int:
        found.append(size_data(image))
        return ERROR if found[-1]["problems"] else OK

    codes = tell_each(options, access, tell)
    if options.json:
        print_data(found)
    else:
        print_blocks("\n".join(size_lines(size)) for size in found)
    return worst(*codes)
