"""The images that a command is about: one reference, and one platform or several."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Final

from pytest_alpine.cli.output import ERROR, tell_error
from pytest_alpine.errors import ImageError
from pytest_alpine.image.access import PULLS
from pytest_alpine.image.http.patience import PULL_TIMEOUT, parse_pull_timeout
from pytest_alpine.image.open import open_image, published_platforms
from pytest_alpine.matrix.declaration import split_list
from pytest_alpine.platforms import Platform

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_alpine.image.access import Access
    from pytest_alpine.image.image import Image

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001 - argparse has no other name for it
    Run = Callable[[argparse.Namespace, Access], int]

_IMAGE: Final = "alpine:3.22, registry:NAME, oci:DIR:TAG, docker-archive:FILE, minirootfs:BASE:TAG, ..."


def add_command(commands: Commands, name: str, text: str, run: Run, *images: str) -> argparse.ArgumentParser:
    """Add the command *name*, which takes *images*, to *commands*, and return its parser.

    Args:
        commands: where it is added.
        name: what users type.
        text: what it does, in words that begin with a small letter.
        run: runs it, and returns its exit code.
        images: what its images are called.
    """
    parser = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
    for image in images:
        parser.add_argument(image, metavar=image.upper(), help=_IMAGE)
    parser.add_argument(
        "--platform", metavar="P", help="such as arm64, or all: every platform that is published (default: native)"
    )
    parser.add_argument("--pull", choices=PULLS, default=PULLS[0], help="when to use the network (default: missing)")
    parser.add_argument(
        "--pull-timeout",
        metavar="S",
        type=_pull_timeout,
        default=PULL_TIMEOUT,
        help="seconds that a registry or mirror may be silent, all its silences added up (default: 60)",
    )
    parser.set_defaults(run=run)
    return parser


def add_json(parser: argparse.ArgumentParser | argparse._MutuallyExclusiveGroup) -> None:
    """Add the option ``--json`` to *parser*."""
    parser.add_argument("--json", action="store_true", help="print a JSON list, one object per platform")


def tell_each(options: argparse.Namespace, access: Access, tell: Callable[[Image], int]) -> list[int]:
    """Call *tell* with the image for each platform that is asked for, and return the exit codes.

    An image that cannot be had for one platform is told on standard error, and does not keep the others.

    Raises:
        AlpineError: what is asked for cannot be read, or has no platforms.
    """
    codes = []
    for platform in platforms_of(options, options.image, access):
        try:
            codes.append(tell(open_image(options.image, platform, access=access)))
        except ImageError as error:
            tell_error(error)
            codes.append(ERROR)
    return codes


def platforms_of(options: argparse.Namespace, reference: str, access: Access) -> Sequence[Platform | None]:
    """Return the platforms that ``--platform`` asks for; None is this machine's.

    Raises:
        AlpineError: a name cannot be read, or the image has no platforms.
    """
    if options.platform == "all":
        return published_platforms(reference, access=access)
    return [parse_platform(word) for word in split_list([options.platform or ""]) or ("",)]


def _pull_timeout(text: str) -> float:
    try:
        return parse_pull_timeout(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: {error}") from error


def parse_platform(word: str | None) -> Platform | None:
    """Return the platform that *word* names; None where it is empty."""
    return Platform.parse(word) if word else None
