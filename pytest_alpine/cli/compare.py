"""``pytest-alpine compare``: what differs between two images or platforms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_alpine.cli.images import add_command, add_json, parse_platform, platforms_of
from pytest_alpine.cli.output import FOUND, OK, print_data
from pytest_alpine.image.open import open_image

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from pytest_alpine.checks.comparison.compare import Comparison
    from pytest_alpine.cli.images import Commands
    from pytest_alpine.image.access import Access
    from pytest_alpine.platforms import Platform


def add_to(commands: Commands) -> None:
    """Add the command."""
    text = "show what differs between two images or platforms"
    parser = add_command(commands, "compare", text, _run, "old", "new")
    parser.add_argument("--to", metavar="P", help="the platform of NEW, if it differs from that of OLD")
    add_json(parser)


def _run(options: argparse.Namespace, access: Access) -> int:
    from pytest_alpine.report.comparison import comparison_data, unpublished_data

    code = OK
    documents: list[dict[str, Any]] = []
    for platform, found in _comparisons(options, access):
        if found:
            code = FOUND
        if isinstance(found, str):
            documents.append(unpublished_data(found, platform))
            text = f"{found} is not published for {platform}"
        else:
            documents.append(comparison_data(found))
            text = str(found)
        if not options.json:
            print(text)
    if options.json:
        print_data(documents)
    return code


def _comparisons(options: argparse.Namespace, access: Access) -> Iterator[tuple[Platform | None, Comparison | str]]:
    """Yield each platform with what differs there, or with the image that is not published for it."""
    from pytest_alpine.checks.comparison.compare import compare

    to = parse_platform(options.to)
    olds = platforms_of(options, options.old, access)
    news = platforms_of(options, options.new, access) if to is None else olds
    for platform in dict.fromkeys([*olds, *news]):
        missing = [image for image, there in ((options.old, olds), (options.new, news)) if platform not in there]
        if missing:
            yield platform, missing[0]
        else:
            old = open_image(options.old, platform, access=access)
            yield platform, compare(old, open_image(options.new, to or platform, access=access))
