"""``assert_clean``: rules chosen by name, exceptions by name or place, and one message for all that breaks them."""

from __future__ import annotations

from fnmatch import fnmatchcase
from itertools import groupby
from typing import TYPE_CHECKING, Final

from pytest_alpine.checks.clean.inspection import Inspection
from pytest_alpine.checks.clean.registry import check_name, chosen
from pytest_alpine.checks.snapshot import at_one_moment
from pytest_alpine.checks.today import today as current_day

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import date

    from pytest_alpine.checks.clean.rule import Rule
    from pytest_alpine.checks.findings import Finding
    from pytest_alpine.checks.snapshot import Moment
    from pytest_alpine.engine.container import Container
    from pytest_alpine.image.image import Image

# Whoever deletes a folder of a package breaks one rule a thousand times.
_SHOWN: Final = 20


def assert_clean(
    target: Image | Container,
    rules: str | Rule | Iterable[str | Rule] = "base",
    except_: str | Iterable[str] = (),
    *,
    today: date | None = None,
) -> None:
    """Fail unless *target* follows the rules of hygiene.

    Args:
        target: an image or a running container.
        rules: ``base``, which holds for every image; ``application``, which adds what an image that ships should
            have; names of single rules; or rules of your own.
        except_: what is meant to be so: names of rules, or ``rule:glob`` for the subjects that *glob* matches, such
            as ``setuid:/usr/bin/sudo``.
        today: the day that ends of support are compared with; that of ``--alpine-today`` or today's (UTC) when None.

    Raises:
        AssertionError: rules are broken; the message tells each, why it is one, and what breaks it.
        InvalidRule: a text names no rule.
        DatabaseError: there is no package database, or a broken one.
    """
    __tracebackhide__ = True
    known = chosen(rules)
    findings = find_clean(target, known, except_, today=today)
    if findings:
        raise AssertionError("\n".join([f"{target}:", *_lines(findings, known)]))


def find_clean(
    target: Image | Container,
    rules: str | Rule | Iterable[str | Rule] = "base",
    except_: str | Iterable[str] = (),
    *,
    today: date | None = None,
) -> tuple[Finding, ...]:
    """Return a finding for whatever breaks the rules of hygiene in *target*; see ``assert_clean``."""
    with at_one_moment(target) as now:
        return findings_at(now, rules, except_, today=today)


def findings_at(
    now: Image | Moment,
    rules: str | Rule | Iterable[str | Rule] = "base",
    except_: str | Iterable[str] = (),
    *,
    today: date | None = None,
) -> tuple[Finding, ...]:
    """Return the findings of one moment; see ``assert_clean``."""
    known = chosen(rules)
    exceptions = [except_] if isinstance(except_, str) else list(except_)
    excepted: dict[str, list[str]] = {}
    for exception in exceptions:
        name, _, glob = exception.partition(":")
        check_name(name, known)
        excepted.setdefault(name, []).append(glob or "*")
    inspection = Inspection(target=now, today=today or current_day())
    return tuple(
        finding
        for rule in known
        if "*" not in excepted.get(rule.name, ())
        for finding in rule.find(inspection)
        if not any(fnmatchcase(finding.subject, glob) for glob in excepted.get(rule.name, ()))
    )


def _lines(findings: Sequence[Finding], rules: Sequence[Rule]) -> Iterator[str]:
    reasons = {rule.name: rule.reason for rule in rules}
    for check, group in groupby(findings, key=lambda finding: finding.check):
        name, found = check.partition(":")[2], list(group)
        yield f"  {name}: {reasons[name]}"
        yield from (f"    {finding}" for finding in found[:_SHOWN])
        if len(found) > _SHOWN:
            yield f"    and {len(found) - _SHOWN} more"
    last = findings[-1]
    name = last.check.partition(":")[2]
    yield f"  what is meant to be so: except_={(f'{name}:{last.subject}',)!r}"
