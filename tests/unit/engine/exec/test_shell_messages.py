"""What a shell says about errors: only what it says about the command itself is changed."""

from __future__ import annotations

import pytest

from pytest_alpine.engine.exec.command import Command
from pytest_alpine.engine.exec.shell_messages import plain_messages


@pytest.mark.parametrize(
    ("words", "output", "expected"),
    [
        ("x", b"/bin/sh: eval: line 40: x: not found\n", b"/bin/sh: x: not found\n"),
        ("x", b"/bin/sh: eval: line 39: x: not found\n", None),
        ("x", b"/bin/sh: eval: line 41: x: not found\n", None),
        ("a\nb\nx", b"/bin/sh: eval: line 42: x: not found\n", b"/bin/sh: x: not found\n"),
        ("a\nb", b"out\n/bin/sh: cd: line 41: no\n", b"out\n/bin/sh: cd: line 1: no\n"),
        ("a", b"out /bin/sh: cd: line 40: no\n", None),
        ("eval x", b"/bin/sh: eval: line 40: x: not found\n", b"/bin/sh: eval: line 0: x: not found\n"),
        (("x",), b"/bin/sh: exec: line 40: x: not found\n", b"/bin/sh: x: not found\n"),
        ("x", b"sh: eval: line 40: x: not found\n", None),
        ("x", b"", None),
    ],
    ids=[
        "wrapper", "line-before", "line-behind", "third-line", "builtin", "in-a-line", "own-eval", "program",
        "other-shell", "nothing",
    ],
)  # fmt: skip
def test_messages(words: str | tuple[str, ...], output: bytes, expected: bytes | None) -> None:
    assert plain_messages(output, Command(words=words), 40) == (output if expected is None else expected)
