"""Which shell stands behind ``/bin/sh``."""

from __future__ import annotations

from pytest_alpine.checks.findings import Finding, Target, require_none


def assert_shell(target: Target, name: str) -> None:
    """Fail unless ``/bin/sh`` of *target* really is the shell *name*: ``ash`` (BusyBox), ``bash``, ``dash``, ...

    Args:
        target: an image or a running container.
        name: the kind of shell; told by the file behind the links, not by a link's name.

    Raises:
        AssertionError: another shell stands there, or none.
    """
    __tracebackhide__ = True
    require_none(find_shell(target, name), target)


def find_shell(target: Target, name: str) -> tuple[Finding, ...]:
    """Return a finding unless ``/bin/sh`` of *target* is the shell *name*; see ``assert_shell``."""
    shell = target.shell
    if shell is not None and shell.kind == name:
        return ()
    actual = "nothing there" if shell is None else f"{shell.kind} ({shell.path} leads to {shell.real})"
    return (Finding(check="shell", subject="/bin/sh", expected=name, actual=actual),)
