"""``assert_shell``: which shell ``/bin/sh`` is."""

from __future__ import annotations

from pytest_alpine.checks.findings import Finding, Target, require_none


def assert_shell(target: Target, name: str) -> None:
    """Fail unless ``/bin/sh`` of *target* really is the shell *name*: ``ash`` (BusyBox), ``bash``, ``dash``, ...

    Args:
        target: an image or a running container.
        name: the kind of shell. The file behind all links decides, not the name of a link.

    Raises:
        AssertionError: ``/bin/sh`` is another shell, or does not exist.
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
