"""Every check of one image that ``pytest-alpine check`` makes. A check that cannot tell does not keep the others."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from pytest_alpine.checks.clean.assertion import finders, with_labels
from pytest_alpine.checks.musl import find_musl
from pytest_alpine.checks.patched.assertion import missing_fixes, security_data
from pytest_alpine.checks.platform import find_platform
from pytest_alpine.checks.runnable.assertion import find_runnable
from pytest_alpine.checks.snapshot import open_snapshot
from pytest_alpine.errors import AlpineError

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from datetime import date

    from pytest_alpine.checks.clean.rule import Rule
    from pytest_alpine.checks.findings import Finding
    from pytest_alpine.image.image import Image


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What the checks of one image found, and what they could not tell."""

    findings: tuple[Finding, ...]
    problems: Mapping[str, str]
    """By the name of each check that could not tell: why, such as that there is no package database."""
    remarks: tuple[str, ...]
    """What else is to be known of the findings."""

    @property
    def reasons(self) -> dict[str, list[str]]:
        """Why checks could not tell, each reason once, and the names of the checks."""
        found: dict[str, list[str]] = {}
        for name, reason in self.problems.items():
            found.setdefault(reason, []).append(name)
        return found


def check_image(  # noqa: PLR0913 - what a user can say on the command line
    image: Image,
    *,
    rules: str | Rule | Iterable[str | Rule] = "base",
    except_: str | Iterable[str] = (),
    foreign: Sequence[str] = (),
    labels: Sequence[str] = (),
    secdb: str | os.PathLike[str] | None = None,
    today: date | None = None,
) -> Outcome:
    """Return what is wrong with the C library, platform, programs and hygiene of *image*, and the fixes that it lacks.

    Args:
        image: the image.
        rules: see ``assert_clean``; *except_* and *today* likewise.
        except_: what is allowed.
        foreign: shell patterns of files for other machines or glibc; see ``assert_runnable``.
        labels: labels that it must have; see ``assert_clean``.
        secdb: where Alpine's security data are; see ``assert_patched``. None leaves fixes aside.
        today: the date by which a branch of Alpine must still be supported.

    Raises:
        ImageError: the image cannot be fetched.
        InvalidRule: a text names no rule.
    """
    remarks: list[str] = []
    findings: list[Finding] = []
    problems: dict[str, str] = {}
    with open_snapshot(image, today) as snapshot:
        len(snapshot.entries)  # an image that cannot be had is an error, and not one of each check
        checks: list[tuple[str, Callable[[], Iterable[Finding]]]] = [
            ("musl", partial(find_musl, image, foreign)),
            ("platform", partial(find_platform, image, foreign)),
            ("runnable", partial(find_runnable, image, foreign)),
            *((f"clean:{rule.name}", find) for rule, find in finders(snapshot, with_labels(rules, labels), except_)),
        ]
        if secdb is not None:
            checks.append(("patched", partial(_missing_fixes, image, secdb, remarks)))
        for name, find in checks:
            try:
                for finding in find():
                    findings.append(finding)  # noqa: PERF402 - what comes before an error is kept
            except AlpineError as error:
                problems[name] = str(error)
    return Outcome(findings=tuple(findings), problems=problems, remarks=tuple(remarks))


def _missing_fixes(image: Image, secdb: str | os.PathLike[str], remarks: list[str]) -> Iterator[Finding]:
    data = security_data(image, secdb)
    if data.remark:
        remarks.append(data.remark)
    yield from missing_fixes(image, data)
