"""``assert_same``: two images ship the same. ``assert_no_regression``: a new image is not worse than the old one."""

from __future__ import annotations

import re
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from pytest_alpine.checks.clean.assertion import findings_in
from pytest_alpine.checks.comparison.compare import AREAS, Change, Comparison, compare, compare_snapshots
from pytest_alpine.checks.findings import Finding, require_none
from pytest_alpine.checks.snapshot import open_snapshot
from pytest_alpine.errors import AlpineError
from pytest_alpine.facts.branches import branch_order
from pytest_alpine.sizes import format_size

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_alpine.checks.snapshot import Snapshot
    from pytest_alpine.engine.container import Container
    from pytest_alpine.image.image import Image

SAME: Final = "same"
REGRESSION: Final = "regression"
_FURTHER: Final = ("size", "world", "command", "capabilities", "clean")
_COMMANDS: Final = ("/bin", "/sbin", "/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin")
_CAPABILITY: Final = re.compile(r"\w+(?=[,=])")
_ROOT: Final = frozenset({"", "0", "root"})


class InvalidIgnore(AlpineError, ValueError):
    """A text that does not name anything that a comparison can ignore."""


def assert_same(a: Image | Container, b: Image | Container, ignore: str | Iterable[str] = ()) -> None:
    """Fail unless *a* and *b* ship the same: packages, files, configuration, ELF files and shell.

    Of images for two platforms, differences that the platforms cause are ignored; see ``compare``.

    Args:
        a: an image or a running container.
        b: another.
        ignore: what may differ: ``package``, ``file``, ``config``, ``elf``, ``shell``, ``libc``, ``release``, or one of
            these with a glob, such as ``file:/srv/build-info`` or ``config:label *``.

    Raises:
        AssertionError: they differ; the message is the table of what does.
        InvalidIgnore: a text in *ignore* begins with none of these words.
    """
    __tracebackhide__ = True
    comparison, changes = _compared(a, b, ignore)
    if changes:
        # The sizes include files that may differ.
        table = replace(comparison, changes=changes, sizes={}, by_package={}, by_folder={})
        more = f", and {len(changes) - 1} more" if len(changes) > 1 else ""
        raise AssertionError(f"{changes[0]}{more}\n{table}")


def find_same(a: Image | Container, b: Image | Container, ignore: str | Iterable[str] = ()) -> tuple[Finding, ...]:
    """Return a finding for whatever differs between *a* and *b*; see ``assert_same``."""
    return tuple(
        Finding(
            check=SAME,
            subject=f"{change.area} {change.name}",
            expected=change.old or "nothing",
            actual=change.new or "nothing",
        )
        for change in _compared(a, b, ignore)[1]
    )


def assert_no_regression(
    old: Image | Container,
    new: Image | Container,
    ignore: str | Iterable[str] = (),
    *,
    growth: float | None = 0.1,
) -> None:
    """Fail if *new* is worse than *old*, which it replaces.

    It is worse if a package or the release is older, if a package of the world file or a command is gone, if a file
    lost its capabilities, if the C library or the shell is another one, if root takes the place of a user, if it
    breaks a rule of the set ``base`` that the old one follows, or if it grew too much.

    Args:
        old: an image or a running container.
        new: what takes its place.
        ignore: what may be worse: ``package``, ``release``, ``world``, ``command``, ``capabilities``, ``libc``,
            ``shell``, ``config``, ``clean``, ``size``, or one of these with a glob, such as ``command:/usr/bin/curl``.
        growth: how much the root filesystem may grow, as a part of its size: 0.1 is a tenth. None allows any growth.

    Raises:
        AssertionError: something is worse; the message tells everything that is.
        InvalidIgnore: a text in *ignore* begins with none of these words.
    """
    __tracebackhide__ = True
    require_none(find_regressions(old, new, ignore, growth=growth), f"{old} -> {new}")


def find_regressions(
    old: Image | Container,
    new: Image | Container,
    ignore: str | Iterable[str] = (),
    *,
    growth: float | None = 0.1,
) -> tuple[Finding, ...]:
    """Return a finding for whatever is worse in *new* than in *old*; see ``assert_no_regression``."""
    ignored = _ignored(ignore)
    with open_snapshot(old) as was, open_snapshot(new) as now:
        comparison = compare_snapshots(was, now)
        found = [
            *_changed_facts(comparison),
            *_older_release(was, now),
            *_gone(was, now),
            *_lost_capabilities(was, now),
            *_root(was, now),
            *_without_health_check(was, now),
            *_dirtier(was, now),
            *_grown(comparison, growth),
        ]
    return tuple(finding for finding in found if not _is_ignored(*_area_and_name(finding), ignored))


def _compared(
    a: Image | Container, b: Image | Container, ignore: str | Iterable[str]
) -> tuple[Comparison, tuple[Change, ...]]:
    ignored = _ignored(ignore)
    comparison = compare(a, b)
    left = tuple(change for change in comparison.changes if not _is_ignored(change.area, change.name, ignored))
    return comparison, left


def _ignored(ignore: str | Iterable[str]) -> list[tuple[str, str]]:
    words = [ignore] if isinstance(ignore, str) else list(ignore)
    known = (*AREAS, *_FURTHER)
    for word in words:
        if word.partition(":")[0] not in known:
            raise InvalidIgnore(
                f"nothing to ignore: {word!r} (expected one of {', '.join(known)}, or one with ':glob')"
            )
    return [(area, glob or "*") for area, _, glob in (word.partition(":") for word in words)]


def _area_and_name(finding: Finding) -> tuple[str, str]:
    area, _, name = finding.subject.partition(" ")
    return area, name


def _is_ignored(area: str, name: str, ignored: list[tuple[str, str]]) -> bool:
    return any(area == known and fnmatchcase(name, glob) for known, glob in ignored)


def _finding(area: str, name: str, *, expected: str, actual: str, hint: str = "") -> Finding:
    return Finding(check=REGRESSION, subject=f"{area} {name}", expected=expected, actual=actual, hint=hint)


def _changed_facts(comparison: Comparison) -> Iterator[Finding]:
    for change in comparison.changes:
        if change.kind == "older":
            yield _finding("package", change.name, expected=f"{change.old} or later", actual=change.new)
        elif change.area in {"libc", "shell"}:
            yield _finding(change.area, change.name, expected=change.old or "none", actual=change.new or "none")


def _older_release(old: Snapshot, new: Snapshot) -> Iterator[Finding]:
    was, now = old.facts.release, new.facts.release
    if was.id == now.id and was.branch != now.branch and branch_order(was.branch) > branch_order(now.branch):
        yield _finding("release", was.id, expected=f"{was.version_id} or later", actual=now.version_id)


def _gone(old: Snapshot, new: Snapshot) -> Iterator[Finding]:
    """Yield the packages of the world file and the commands that no longer exist."""
    before, after = old.facts.packages, new.facts.packages
    for wanted in old.facts.world:
        if not wanted.conflict and not after.providers(wanted.name) and before.providers(wanted.name):
            yield _finding("world", wanted.name, expected="installed, as it was asked for", actual="nothing")
    folders = {entry.path for entry in map(old.entry, _COMMANDS) if entry is not None}
    for entry in old.below(*folders):
        is_command = entry.executable or (entry.kind == "symlink" and old.rootfs.exists(entry.path))
        if is_command and not new.rootfs.exists(entry.path):
            hint = f"of package {owner.name}" if (owner := old.owner(entry.path)) else ""
            yield _finding("command", entry.path, expected="there, as before", actual="nothing", hint=hint)


def _lost_capabilities(old: Snapshot, new: Snapshot) -> Iterator[Finding]:
    """Yield the files that no longer have the capabilities that they had: a build that copies them drops these."""
    for path, entry in old.entries.items():
        now = new.entries.get(path) if entry.capabilities else None
        if now is None or now.capabilities is None or now.capabilities == entry.capabilities:
            continue
        if set(_CAPABILITY.findall(entry.capabilities or "")) - set(_CAPABILITY.findall(now.capabilities)):
            expected = f"{entry.capabilities}, as before"
            yield _finding("capabilities", path, expected=expected, actual=now.capabilities or "none")


def _root(old: Snapshot, new: Snapshot) -> Iterator[Finding]:
    was, now = old.image.config.user, new.image.config.user
    if was.partition(":")[0] not in _ROOT and now.partition(":")[0] in _ROOT:
        yield _finding("config", "user", expected=f"{was}, or another user", actual="root")


def _without_health_check(old: Snapshot, new: Snapshot) -> Iterator[Finding]:
    was, now = old.image.config.healthcheck, new.image.config.healthcheck
    if was is not None and not was.disabled and (now is None or now.disabled):
        yield _finding("config", "healthcheck", expected=str(was), actual="none" if now is None else str(now))


def _dirtier(old: Snapshot, new: Snapshot) -> Iterator[Finding]:
    known = {(finding.check, finding.subject) for finding in findings_in(old)}
    for finding in findings_in(new):
        if (finding.check, finding.subject) not in known:
            name = f"{finding.check.partition(':')[2]} {finding.subject}"
            yield _finding("clean", name, expected=finding.expected, actual=finding.actual, hint=finding.hint)


def _grown(comparison: Comparison, growth: float | None) -> Iterator[Finding]:
    old, new = comparison.sizes["rootfs"]
    if growth is None or old is None or new is None or new <= old * (1 + growth):
        return
    most = ", ".join(f"{name} {format_size(size)}" for name, size in list(comparison.by_package.items())[:3])
    expected, actual = f"at most {format_size(int(old * (1 + growth)))}", f"{format_size(new)}, from {format_size(old)}"
    yield _finding("size", "rootfs", expected=expected, actual=actual, hint=f"most of it: {most}")
