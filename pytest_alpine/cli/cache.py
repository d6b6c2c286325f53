"""``pytest-alpine cache``: what the local store holds; ``cache prune`` removes what nothing uses."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, TypeVar

from pytest_alpine.cli.output import ERROR, OK, print_blocks, print_data, tell_error
from pytest_alpine.durations import parse_duration
from pytest_alpine.errors import AlpineError, StoreError
from pytest_alpine.sizes import parse_size

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_alpine.cli.images import Commands
    from pytest_alpine.image.access import Access

Value = TypeVar("Value")


def add_to(commands: Commands) -> None:
    """Add the command, and the command below it."""
    text = "show which images the cache holds, their sizes and last uses"
    parser = commands.add_parser("cache", help=text, description=f"{text[0].upper()}{text[1:]}.")
    parser.add_argument("--json", action="store_true", help="print a JSON list of one object")
    parser.set_defaults(run=_show)
    _add_prune(parser.add_subparsers(metavar="COMMAND"))


def _add_prune(commands: Commands) -> None:
    text = (
        "remove what nothing uses: images that a tag led to earlier, and files that no image needs; images that "
        "running tests use stay"
    )
    parser = commands.add_parser("prune", help=text, description=f"{text[0].upper()}{text[1:]}.")
    parser.add_argument(
        "--unused-for",
        metavar="TIME",
        type=_value(parse_duration),
        help="also remove images that were not used for this long, such as 30d or 12h; 0s: all that nothing uses now",
    )
    parser.add_argument(
        "--keep",
        metavar="SIZE",
        type=_value(parse_size),
        help="also remove images, the least recently used first, until the cache holds at most this, such as 10GB",
    )
    parser.add_argument(
        "--engines",
        action="store_true",
        help="also remove the images pytest-alpine:ID that earlier runs loaded into Docker and Podman",
    )
    # Without a default of its own it does not undo a --json before "prune".
    parser.add_argument(
        "--json", action="store_true", default=argparse.SUPPRESS, help="print a JSON list of one object"
    )
    parser.set_defaults(run=_prune)


def _show(options: argparse.Namespace, access: Access) -> int:
    from pytest_alpine.image.store.contents import read_contents
    from pytest_alpine.report.cache import cache_data, cache_lines

    data = cache_data(read_contents(access.store.root))
    if options.json:
        print_data([data])
    else:
        print_blocks(["\n".join(cache_lines(data))])
    return OK


def _prune(options: argparse.Namespace, access: Access) -> int:
    from pytest_alpine.engine.cleanup import prune_engines, prune_store
    from pytest_alpine.image.store.prune import Policy
    from pytest_alpine.report.cache import pruned_data, pruned_lines

    # The engines first: how long an image was not used, the store tells.
    engines = prune_engines(access.store, options.unused_for) if options.engines else {}
    pruned = prune_store(access.store, Policy(unused_for=options.unused_for, keep=options.keep))
    data = pruned_data(access.store.root, pruned, engines)
    if options.json:
        print_data([data])
    else:
        print_blocks(["\n".join(pruned_lines(data))])
    for problem in data["problems"]:
        tell_error(StoreError(problem))
    return ERROR if data["problems"] else OK


def _value(parse: Callable[[str], Value]) -> Callable[[str], Value]:
    """Return *parse* for argparse, which shows the message of no error of ours."""

    def parsed(text: str) -> Value:
        try:
            return parse(text)
        except AlpineError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return parsed
