"""The command ``pytest-alpine``: the facts and checks of images in a shell, with nothing running.

It ends with 0; with 1 where a check finds something or two images differ; with 2 where that cannot be told.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import shutil
import sys
from typing import TYPE_CHECKING, Final

from pytest_alpine import __version__
from pytest_alpine.checks.today import parse_day
from pytest_alpine.errors import AlpineError
from pytest_alpine.image.access import PULLS, Access
from pytest_alpine.matrix.declaration import split_list
from pytest_alpine.platforms import Platform

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import date

    from pytest_alpine.checks.findings import Finding
    from pytest_alpine.image.image import Image

_OK: Final = 0
_FOUND: Final = 1
_ERROR: Final = 2

_IMAGE: Final = "alpine:3.22, registry:NAME, oci:DIR:TAG, docker-archive:FILE, minirootfs:BASE:TAG, ..."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command with *arguments*, those of the process when None, and return its exit code."""
    options = _parser().parse_args(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):  # names in an image may hold what this terminal's encoding does not
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        found: int = options.run(options, Access(pull=options.pull, progress=_say))
        sys.stdout.flush()
    except AlpineError as error:
        print(f"pytest-alpine: {error}", file=sys.stderr)
        return _ERROR
    except BrokenPipeError:  # whoever reads, such as head, has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _OK
    return found


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="pytest-alpine", description="Facts and checks of Alpine container images.")
    parser.add_argument("--version", action="version", version=f"pytest-alpine {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def command(
        name: str, text: str, run: Callable[[argparse.Namespace, Access], int], *images: str
    ) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        for image in images:
            made.add_argument(image, metavar=image.upper(), help=_IMAGE)
        made.add_argument(
            "--platform", metavar="P", help="such as arm64; all: each that is published (default: native)"
        )
        made.add_argument("--pull", choices=PULLS, default=PULLS[0], help="when the network is used")
        made.set_defaults(run=run)
        return made

    facts = command("facts", "show release, C library, shells, configuration, sizes and packages", _facts, "image")
    facts.add_argument("--json", action="store_true", help="a list with an object for each platform")
    check = command("check", "check C library, platform, programs and hygiene", _check, "image")
    check.add_argument("--rules", metavar="RULES", default="base", help="base (default), application, or rules by name")
    check.add_argument(
        "--except", dest="except_", metavar="RULE[:GLOB]", action="append", help="what is meant to be so"
    )
    check.add_argument(
        "--foreign",
        metavar="GLOB",
        action="append",
        help="files for other machines or glibc: '/lib/firmware/*'",
    )
    check.add_argument(
        "--secdb", metavar="PLACE", help="security data (folder, file or URL) to look for missing fixes in"
    )
    check.add_argument(
        "--today", metavar="DATE", type=_day, help="the day that ends of support are compared with (default: today)"
    )
    command("sizes", "show how large an image is, and each package in it", _sizes, "image")
    compare = command("compare", "show what differs between two images or platforms", _compare, "old", "new")
    compare.add_argument("--to", metavar="P", help="the platform of NEW, where it is not that of OLD")
    return parser


def _facts(options: argparse.Namespace, access: Access) -> int:
    from pytest_alpine.report.facts import facts_document, facts_lines

    documents = [facts_document(image) for image in _images(options, access)]
    if options.json:
        print(json.dumps(documents, indent=2))
    else:
        print("\n\n".join("\n".join(facts_lines(document)) for document in documents))
    return _OK


def _check(options: argparse.Namespace, access: Access) -> int:
    from pytest_alpine.checks.patched.assertion import missing_fixes, security_data

    code = _OK
    for image in _images(options, access):
        data = security_data(image, options.secdb) if options.secdb else None
        findings = [*_find(options, image), *(missing_fixes(image, data) if data else ())]
        print(f"{image}: {f'{len(findings)} found' if findings else 'ok'}")
        for finding in findings:
            print(f"  {finding.check}: {finding}")
            code = _FOUND
        if data and data.remark:
            print(f"  {data.remark}")
    return code


def _find(options: argparse.Namespace, image: Image) -> Iterator[Finding]:
    from pytest_alpine.checks.clean.assertion import find_clean
    from pytest_alpine.checks.musl import find_musl
    from pytest_alpine.checks.platform import find_platform
    from pytest_alpine.checks.runnable.assertion import find_runnable

    foreign = _globs(options.foreign)
    yield from find_musl(image, foreign)
    yield from find_platform(image, foreign)
    yield from find_runnable(image, foreign)
    rules = split_list([options.rules])
    chosen, excepted = rules[0] if len(rules) == 1 else rules, _globs(options.except_)
    yield from find_clean(image, chosen, excepted, today=options.today)


def _globs(values: Sequence[str] | None) -> tuple[str, ...]:
    """Return the single globs of *values*, which may hold commas; in a glob there may be spaces."""
    words = (word.strip() for value in values or () for word in value.split(","))
    return tuple(filter(None, words))


def _sizes(options: argparse.Namespace, access: Access) -> int:
    from pytest_alpine.report.facts import size_lines

    print("\n\n".join("\n".join(size_lines(image)) for image in _images(options, access)))
    return _OK


def _compare(options: argparse.Namespace, access: Access) -> int:
    from pytest_alpine.checks.comparison.compare import compare
    from pytest_alpine.image.open import open_image

    code = _OK
    to = _parsed(options.to)
    olds = _platforms(options, options.old, access)
    news = _platforms(options, options.new, access) if to is None else olds
    for platform in dict.fromkeys([*olds, *news]):
        missing = [image for image, there in ((options.old, olds), (options.new, news)) if platform not in there]
        if missing:
            print(f"{missing[0]} is not published for {platform}")
            code = _FOUND
            continue
        old = open_image(options.old, platform, access=access)
        comparison = compare(old, open_image(options.new, to or platform, access=access))
        print(comparison)
        code = _FOUND if comparison else code
    return code


def _day(text: str) -> date:
    try:
        return parse_day(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: {error}") from error


def _images(options: argparse.Namespace, access: Access) -> Iterator[Image]:
    """Yield the image for each platform that is asked for.

    Raises:
        AlpineError: it cannot be had.
    """
    from pytest_alpine.image.open import open_image

    for platform in _platforms(options, options.image, access):
        yield open_image(options.image, platform, access=access)


def _platforms(options: argparse.Namespace, reference: str, access: Access) -> Sequence[Platform | None]:
    from pytest_alpine.image.open import published_platforms

    if options.platform == "all":
        return published_platforms(reference, access=access)
    return [_parsed(word) for word in split_list([options.platform or ""]) or ("",)]


def _parsed(word: str) -> Platform | None:
    return Platform.parse(word) if word else None


def _say(text: str) -> None:
    """Tell the user of a long step, on a line that the next one writes over."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text[: shutil.get_terminal_size().columns - 1]}\r", end="", file=sys.stderr, flush=True)
