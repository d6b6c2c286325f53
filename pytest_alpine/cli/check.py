"""``pytest-alpine check``: whether an image is as it should be."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from pytest_alpine import __version__
from pytest_alpine.checks.today import parse_day
from pytest_alpine.cli.images import add_command, add_json, tell_each
from pytest_alpine.cli.output import ERROR, FOUND, OK, print_data, worst
from pytest_alpine.matrix.declaration import split_list

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import date

    from pytest_alpine.checks.every import Outcome
    from pytest_alpine.cli.images import Commands
    from pytest_alpine.image.access import Access
    from pytest_alpine.image.image import Image


def add_to(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(commands, "check", "check C library, platform, programs and hygiene", _run, "image")
    form = parser.add_mutually_exclusive_group()
    add_json(form)
    form.add_argument("--sarif", action="store_true", help="print a SARIF 2.1.0 log, which code hosts take")
    parser.add_argument(
        "--rules", metavar="RULES", default="base", help="hygiene rules: base (default), application, or names of rules"
    )
    parser.add_argument(
        "--except",
        dest="except_",
        metavar="RULE[:GLOB]",
        action="append",
        help="rules, or subjects of a rule, to allow",
    )
    parser.add_argument(
        "--foreign",
        metavar="GLOB",
        action="append",
        help="files that are meant for other machines or for glibc: '/lib/firmware/*'",
    )
    parser.add_argument("--label", metavar="NAME", action="append", help="a label that the image must have")
    parser.add_argument(
        "--secdb", metavar="PLACE", help="look for missing fixes in this security data: a folder, a file or a URL"
    )
    parser.add_argument(
        "--today", metavar="DATE", type=_day, help="check ends of support as of this day, YYYY-MM-DD (default: today)"
    )


def _run(options: argparse.Namespace, access: Access) -> int:
    found: list[tuple[Image, Outcome]] = []
    check = _checker(options)

    def tell(image: Image) -> int:
        outcome = check(image)
        found.append((image, outcome))
        if not (options.json or options.sarif):
            _print(image, outcome)
        return FOUND if outcome.findings else ERROR if outcome.problems else OK

    codes = tell_each(options, access, tell)
    if options.json or options.sarif:
        print_data(_sarif(found) if options.sarif else _data(found))
    return worst(*codes)


def _checker(options: argparse.Namespace) -> Callable[[Image], Outcome]:
    from functools import partial

    from pytest_alpine.checks.every import check_image

    rules = split_list([options.rules])
    return partial(
        check_image,
        rules=rules[0] if len(rules) == 1 else rules,
        except_=_globs(options.except_),
        foreign=_globs(options.foreign),
        labels=tuple(options.label or ()),
        secdb=options.secdb or None,
        today=options.today,
    )


def _print(image: Image, outcome: Outcome) -> None:
    print(f"{image}: {_summary(outcome)}")
    for finding in outcome.findings:
        print(f"  {finding.check}: {finding}")
    for reason, names in outcome.reasons.items():
        print(f"  cannot tell {', '.join(names)}: {reason}")
    for remark in outcome.remarks:
        print(f"  {remark}")


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


def _data(found: Sequence[tuple[Image, Outcome]]) -> list[dict[str, Any]]:
    from pytest_alpine.report.check import check_data

    return [check_data(image, outcome) for image, outcome in found]


def _sarif(found: Sequence[tuple[Image, Outcome]]) -> dict[str, Any]:
    from pytest_alpine.report.sarif import sarif_log

    return sarif_log(found, __version__)


def _globs(values: Sequence[str] | None) -> tuple[str, ...]:
    """Return the globs in *values*, split at commas; a glob may contain spaces."""
    words = (word.strip() for value in values or () for word in value.split(","))
    return tuple(filter(None, words))


def _day(text: str) -> date:
    try:
        return parse_day(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: {error}") from error
