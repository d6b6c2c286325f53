"""What a command did, and how that is shown."""

from __future__ import annotations

import pytest

from pytest_alpine.engine.exec.result import CommandResult
from pytest_alpine.errors import EngineError


def result(exit_code: int = 0, stdout: bytes = b"", stderr: bytes = b"") -> CommandResult:
    return CommandResult(command="make it", exit_code=exit_code, stdout_bytes=stdout, stderr_bytes=stderr)


def test_text_and_bytes() -> None:
    found = result(stdout="grün\n".encode(), stderr=b"\xff")
    assert found.stdout == "grün\n"
    assert found.stderr == "\udcff"
    assert found.stderr.encode("utf-8", "surrogateescape") == b"\xff"


def test_it_is_shown_short() -> None:
    assert repr(result(2, b"a\n")) == "CommandResult(command='make it', exit_code=2, stdout='a\\n', stderr='')"
    assert len(repr(result(2, b"x" * 100_000_000))) < 600
    assert "(100000000 characters)" in repr(result(2, b"x" * 100_000_000))


@pytest.mark.parametrize(
    ("stdout", "stderr", "said"),
    [
        (b"out\n", b"err\n", "err"),
        (b"out\n", b"", "out"),
        (b"", b"", "(no output)"),
        (b"", b"".join(b"%d\n" % number for number in range(100)), "\n".join(map(str, range(90, 100)))),
        (b"", b"\xff\n", "\\xff"),
    ],
    ids=["stderr", "stdout", "nothing", "last-lines", "bytes"],
)
def test_a_failure_tells_why(stdout: bytes, stderr: bytes, said: str) -> None:
    with pytest.raises(EngineError) as caught:
        result(3, stdout, stderr).check()
    assert str(caught.value) == f"command failed with exit code 3: 'make it'\n{said}"


def test_success_is_passed_on() -> None:
    found = result()
    assert found.check() is found
