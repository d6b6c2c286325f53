"""``pytest-alpine facts``: what an image is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_alpine.cli.images import add_command, add_json, tell_each
from pytest_alpine.cli.output import OK, print_blocks, print_data, worst

if TYPE_CHECKING:
    import argparse

    from pytest_alpine.cli.images import Commands
    from pytest_alpine.image.access import Access
    from pytest_alpine.image.image import Image


def add_to(commands: Commands) -> None:
    """Add the command."""
    text = "show release, C library, shells, configuration, sizes and packages"
    add_json(add_command(commands, "facts", text, _run, "image"))


def _run(options: argparse.Namespace, access: Access) -> int:
    from pytest_alpine.report.facts import facts_data, facts_lines

    found: list[dict[str, Any]] = []

    def tell(image: Image) -> int:
        found.append(facts_data(image))
        return OK

    codes = tell_each(options, access, tell)
    if options.json:
        print_data(found)
    else:
        print_blocks("\n".join(facts_lines(facts)) for facts in found)
    return worst(*codes)
