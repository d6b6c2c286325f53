"""``assert_clean``: the caller chooses rules and exceptions by name, and one message tells all that breaks them."""

from __future__ import annotations

from functools import partial
from glob import escape
from itertools import groupby
from typing import TYPE_CHECKING, Final

from pytest_alpine.checks.clean.registry import check_name, chosen
from pytest_alpine.checks.clean.rules.labels import labels_rule
from pytest_alpine.checks.findings import first, message
from pytest_alpine.checks.snapshot import open_snapshot
from pytest_alpine.checks.subjects import matches

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import date

    from pytest_alpine.checks.clean.rule import Rule
    from pytest_alpine.checks.findings import Finding
    from pytest_alpine.checks.snapshot import Snapshot
    from pytest_alpine.engine.container import Container
    from pytest_alpine.image.image import Image

# A deleted folder of a package breaks one rule a thousand times.
_SHOWN: Final = 20


def assert_clean(
    target: Image | Container,
    rules: str | Rule | Iterable[str | Rule] = "base",
    except_: str | Iterable[str] = (),
    *,
    today: date | None = None,
    labels: str | Iterable[str] = (),
) -> None:
    """Fail unless *target* follows the rules of hygiene.

    Args:
        target: an image or a running container.
        rules: ``base``, which holds for every image; ``application``, which adds what an image that ships should
            have; names of single rules; or rules of your own.
        except_: what is allowed: the name of a rule, which is then not checked, or ``rule:glob``, which allows the
            subjects that *glob* matches, such as ``setuid:/usr/bin/sudo``.
        today: the date by which a branch of Alpine must still be supported; when None, that of ``--alpine-today``, or
            today's (UTC).
        labels: labels that the image must have, with a value, such as ``org.opencontainers.image.source``. They are
            checked by a rule of their own, ``labels``.

    Raises:
        AssertionError: rules are broken; the message tells what breaks them, and the reason of each rule.
        InvalidRule: a text names no rule.
        DatabaseError: there is no package database, or a broken one.
    """
    __tracebackhide__ = True
    known = with_labels(rules, labels)
    findings = find_clean(target, known, except_, today=today)
    if findings:
        raise AssertionError(message(_lines(findings, known), target))


def find_clean(
    target: Image | Container,
    rules: str | Rule | Iterable[str | Rule] = "base",
    except_: str | Iterable[str] = (),
    *,
    today: date | None = None,
    labels: str | Iterable[str] = (),
) -> tuple[Finding, ...]:
    """Return a finding for whatever breaks the rules of hygiene in *target*; see ``assert_clean``."""
    with open_snapshot(target, today) as snapshot:
        return tuple(findings_in(snapshot, with_labels(rules, labels), except_))


def findings_in(
    snapshot: Snapshot, rules: str | Rule | Iterable[str | Rule] = "base", except_: str | Iterable[str] = ()
) -> Iterator[Finding]:
    """Yield a finding for whatever breaks the rules of hygiene in *snapshot*; see ``assert_clean``."""
    for _, find in finders(snapshot, rules, except_):
        yield from find()


def finders(
    snapshot: Snapshot, rules: str | Rule | Iterable[str | Rule], except_: str | Iterable[str]
) -> Iterator[tuple[Rule, Callable[[], Iterator[Finding]]]]:
    """Yield each rule that is checked, and a function that finds what breaks it; see ``assert_clean``."""
    known = chosen(rules)
    excepted: dict[str, list[str]] = {}
    for exception in [except_] if isinstance(except_, str) else except_:
        name, _, glob = exception.partition(":")
        check_name(name, known)
        excepted.setdefault(name, []).append(glob or "*")
    for rule in known:
        globs = excepted.get(rule.name, [])
        if "*" not in globs:
            yield rule, partial(_broken, rule, snapshot, globs)


def with_labels(rules: str | Rule | Iterable[str | Rule], labels: str | Iterable[str]) -> tuple[Rule, ...]:
    """Return the rules that *rules* names, and one for *labels*, if there are any."""
    required = (labels,) if isinstance(labels, str) else tuple(labels)
    return (*chosen(rules), labels_rule(required)) if required else chosen(rules)


def _broken(rule: Rule, snapshot: Snapshot, allowed: Sequence[str]) -> Iterator[Finding]:
    return (finding for finding in rule.find(snapshot) if not matches(finding.subject, allowed))


def _lines(findings: Sequence[Finding], rules: Sequence[Rule]) -> Iterator[str]:
    reasons = {rule.name: rule.reason for rule in rules}
    for check, group in groupby(findings, key=lambda finding: finding.check):
        name = check.partition(":")[2]
        shown, more = first(list(group), _SHOWN)
        yield from map(str, shown)
        if more:
            yield more
        yield f"  rule {name}: {reasons[name]}"
    yield f"if this is intended, allow it: except_={(_exception(findings[0]),)!r}"


def _exception(finding: Finding) -> str:
    """Return the exception that allows *finding* alone."""
    return f"{finding.check.partition(':')[2]}:{escape(finding.subject)}"
