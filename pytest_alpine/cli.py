"""The command ``pytest-alpine``: facts and checks of images in a shell. No container runs.

Exit codes: 0 when nothing is found; 1 when a check finds something or two images differ; 2 when that cannot be told.
What can be told is printed in any case.
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
from pytest_alpine.errors import AlpineError, DatabaseError
from pytest_alpine.image.access import PULLS, Access
from pytest_alpine.matrix.declaration import split_list
from pytest_alpine.platforms import Platform

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import date

    from pytest_alpine.checks.every import Outcome
    from pytest_alpine.image.image import Image

_OK: Final = 0
_FOUND: Final = 1
_ERROR: Final = 2

_IMAGE: Final = "alpine:3.22, registry:NAME, oci:DIR:TAG, docker-archive:FILE, minirootfs:BASE:TAG, ..."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command with *arguments*, those of the process when None, and return its exit code."""
    options = _parser().parse_args(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):  # names in an image may hold what the terminal's encoding lacks
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        found: int = options.run(options, Access(pull=options.pull, progress=_say))
        sys.stdout.flush()
    except AlpineError as error:
        print(f"pytest-alpine: {error}", file=sys.stderr)
        return _ERROR
    except BrokenPipeError:  # the reader, such as head, has enough
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
            "--platform", metavar="P", help="such as arm64, or all: every platform that is published (default: native)"
        )
        made.add_argument("--pull", choices=PULLS, default=PULLS[0], help="when to use the network (default: missing)")
        made.set_defaults(run=run)
        return made

    facts = command("facts", "show release, C library, shells, configuration, sizes and packages", _facts, "image")
    facts.add_argument("--json", action="store_true", help="print a JSON list, one object per platform")
    check = command("check", "check C library, platform, programs and hygiene", _check, "image")
    check.add_argument(
        "--rules", metavar="RULES", default="base", help="hygiene rules: base (default), application, or names of rules"
    )
    check.add_argument(
        "--except",
        dest="except_",
        metavar="RULE[:GLOB]",
        action="append",
        help="rules, or subjects of a rule, to allow",
    )
    check.add_argument(
        "--foreign",
        metavar="GLOB",
        action="append",
        help="files that are meant for other machines or for glibc: '/lib/firmware/*'",
    )
    check.add_argument(
        "--secdb", metavar="PLACE", help="look for missing fixes in this security data: a folder, a file or a URL"
    )
    check.add_argument(
        "--today", metavar="DATE", type=_day, help="check ends of support as of this day, YYYY-MM-DD (default: today)"
    )
    command("sizes", "show how large an image is, and each package in it", _sizes, "image")
    compare = command("compare", "show what differs between two images or platforms", _compare, "old", "new")
    compare.add_argument("--to", metavar="P", help="the platform of NEW, if it differs from that of OLD")
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
    from pytest_alpine.checks.every import check_image

    code = _OK
    rules = split_list([options.rules])
    for image in _images(options, access):
        outcome = check_image(
            image,
            rules=rules[0] if len(rules) == 1 else rules,
            except_=_globs(options.except_),
            foreign=_globs(options.foreign),
            secdb=options.secdb or None,
            today=options.today,
        )
        print(f"{image}: {_summary(outcome)}")
        for finding in outcome.findings:
            print(f"  {finding.check}: {finding}")
        for reason, names in outcome.reasons.items():
            print(f"  cannot tell {', '.join(names)}: {reason}")
        for remark in outcome.remarks:
            print(f"  {remark}")
        code = _FOUND if _FOUND in {code, _code(outcome)} else max(code, _code(outcome))
    return code


def _summary(outcome: Outcome) -> str:
    """Return how the lines on *outcome* are announced.

    >>> from pytest_alpine.checks.every import Outcome
    >>> _summary(Outcome(findings=(), problems={"clean:owners": "no apk database"}, remarks=()))
    'none found, 1 check cannot tell'
    """
    unknown = len(outcome.problems)
    if not outcome.findings and not unknown:
        return "ok"
    untold = f", {unknown} check{'s' * (unknown != 1)} cannot tell" if unknown else ""
    return f"{len(outcome.findings) or 'none'} found{untold}"


def _code(outcome: Outcome) -> int:
    return _FOUND if outcome.findings else _ERROR if outcome.problems else _OK


def _globs(values: Sequence[str] | None) -> tuple[str, ...]:
    """Return the globs in *values*, split at commas; a glob may contain spaces."""
    words = (word.strip() for value in values or () for word in value.split(","))
    return tuple(filter(None, words))


def _sizes(options: argparse.Namespace, access: Access) -> int:
    from pytest_alpine.report.facts import package_lines, size_lines

    code, blocks = _OK, []
    for image in _images(options, access):
        lines = list(size_lines(image))
        try:
            lines += package_lines(image)
        except DatabaseError as error:
            lines.append(f"  packages    cannot tell: {error}")
            code = _ERROR
        blocks.append("\n".join(lines))
    print("\n\n".join(blocks))
    return code


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
    """Yield the image for each platform that the user asked for.

    Raises:
        AlpineError: an image cannot be found or read.
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
    """Show a long step on a line of the terminal, which the next step overwrites."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text[: shutil.get_terminal_size().columns - 1]}\r", end="", file=sys.stderr, flush=True)
