"""One shell for many commands, spoken to as in a container; here every shell of this machine."""

from __future__ import annotations

import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_alpine.engine.exec import own_process, shell_session
from pytest_alpine.engine.exec.command import Command
from pytest_alpine.engine.exec.commands import Commands
from pytest_alpine.errors import CommandTimeout, EngineError
from tests.support.interrupts import INTERRUPTS, interrupted
from tests.support.local_process import LocalProcesses

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_alpine import CommandResult

SHELLS = {
    "dash": ["dash"],
    "bash": ["bash", "--posix"],
    "ash": ["busybox", "ash"],
    "hush": ["busybox", "hush"],
}
INSTALLED = {name: argv for name, argv in SHELLS.items() if shutil.which(argv[0]) and name != "hush"}
ALL_BYTES = bytes(range(256))


class Runner(Commands):
    """Commands that are written in one line."""

    def do(self, words: str | Sequence[str], **options: Any) -> CommandResult:  # noqa: ANN401 - the parts of a Command
        return self.run(Command(words=words if isinstance(words, str) else tuple(words), **options))


@pytest.fixture(params=list(INSTALLED.values()), ids=list(INSTALLED))
def processes(request: pytest.FixtureRequest) -> LocalProcesses:
    return LocalProcesses(request.param)


@pytest.fixture
def commands(processes: LocalProcesses) -> Iterator[Runner]:
    found = Runner(processes, "container x")
    yield found
    found.close()


@pytest.mark.parametrize(
    ("command", "exit_code", "stdout", "stderr"),
    [
        ("true", 0, b"", b""),
        ("false", 1, b"", b""),
        ("exit 42", 42, b"", b""),
        ("exit 255", 255, b"", b""),
        ("printf out; printf err >&2", 0, b"out", b"err"),
        ("echo a\necho b", 0, b"a\nb\n", b""),
        ("echo 'it''s' \"$((1 + 2))\"", 0, b"its 3\n", b""),
        ("cat <<'END'\n'quoted' \\text\nEND", 0, b"'quoted' \\text\n", b""),
        ("cat", 0, b"", b""),
        ("kill -9 $$", 137, b"", b""),
        ("kill -TERM ${$}", 143, b"", b""),
        ("kill -TERM 0", 143, b"", b""),
        ("kill -HUP 0; echo survived", 129, b"", b""),
        ("exec sh -c 'exit 5'", 5, b"", b""),
        ("exec </dev/null >/dev/null 2>&1; echo lost", 0, b"", b""),
        ("exec <&- >&- 2>&-; exit 3", 3, b"", b""),
        ("echo $#:$1:$!", 0, b"0::\n", b""),
        ("(exit 7) | true", 0, b"", b""),
        ("# nothing but a remark", 0, b"", b""),
        (["printf", "%s|", "a b", "$HOME", "'", ""], 0, b"a b|$HOME|'||", b""),
        (["sh", "-c", "exit 9"], 9, b"", b""),
        (["sh", "-c", "kill -15 $$"], 143, b"", b""),
    ],
)
def test_commands(commands: Runner, command: str | list[str], exit_code: int, stdout: bytes, stderr: bytes) -> None:
    result = commands.do(command)
    assert (result.exit_code, result.stdout_bytes, result.stderr_bytes) == (exit_code, stdout, stderr)
    assert commands.do("echo next").stdout == "next\n"


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("cd /usr", "pwd", None),
        ("X=1; export X", "echo ${X-unset}", "unset\n"),
        ("f() { echo leaked; }", "f 2>/dev/null || echo none", "none\n"),
        ("set -e; set -f; set -u; false", "false; echo /et[c] ${Y}", "/etc\n"),
        ("umask 077", "umask", None),
        ("ulimit -n 20", "ulimit -n", None),
        ("alias ls='echo leaked'", "ls -d /", "/\n"),
        ("trap 'echo leaked' EXIT", "echo clean", "clean\n"),
        ("set -- a b c", "echo $#", "0\n"),
        ("exec 5>/dev/null", "echo x 2>/dev/null >&5 || echo closed", None),
        ("IFS=:", "echo $(printf 'a b')", "a b\n"),
        ("exit 3", "echo $?", "0\n"),
    ],
)
def test_nothing_reaches_the_next_command(commands: Runner, first: str, second: str, expected: str | None) -> None:
    before = commands.do(second).stdout
    commands.do(first)
    assert commands.do(second).stdout == (before if expected is None else expected)


def test_a_syntax_error_is_the_commands_own(commands: Runner) -> None:
    result = commands.do("if fi ( ; '")
    assert result.exit_code == 2
    assert result.stderr
    assert commands.do("echo still there").stdout == "still there\n"


def test_a_missing_program_is_127(commands: Runner) -> None:
    for command in ("no-such-program", ["no-such-program"]):
        result = commands.do(command)
        assert result.exit_code == 127
        assert "no-such-program" in result.stderr


def test_a_program_that_may_not_be_run_is_126(commands: Runner) -> None:
    assert commands.do(["/etc/passwd"]).exit_code == 126


@pytest.mark.parametrize("data", [b"", b"x", ALL_BYTES, ALL_BYTES * 1000, b"\\n%s'\"$x`", b"a\nb\n"])
def test_standard_input_comes_byte_for_byte(commands: Runner, data: bytes) -> None:
    assert commands.do("cat", stdin=data).stdout_bytes == data
    assert commands.do(["cat"], stdin=data).stdout_bytes == data


def test_standard_input_that_nobody_reads(commands: Runner) -> None:
    assert commands.do("exit 4", stdin=b"x" * 1_000_000).exit_code == 4
    assert commands.do("head -c 3", stdin=b"abcdef" * 100_000).stdout == "abc"


def test_output_comes_byte_for_byte(commands: Runner) -> None:
    octal = "".join(f"\\{byte:03o}" for byte in ALL_BYTES)
    result = commands.do(f"printf '{octal}'; printf '{octal}' >&2")
    assert result.stdout_bytes == ALL_BYTES
    assert result.stderr_bytes == ALL_BYTES


def test_text_that_is_no_utf_8_is_kept(commands: Runner) -> None:
    name = b"\xff\xfe".decode("utf-8", "surrogateescape")
    result = commands.do(["printf", "%s", name])
    assert result.stdout == name


def test_environment_and_directory(commands: Runner) -> None:
    result = commands.do('echo "$A|$B"; pwd', env={"A": "it's", "B": "two\nlines"}, workdir="/usr/bin")
    assert result.stdout == "it's|two\nlines\n/usr/bin\n"
    assert commands.do("echo ${A-unset}").stdout == "unset\n"


def test_a_directory_that_is_not_there(commands: Runner) -> None:
    result = commands.do("echo not run", workdir="/no/such/folder")
    assert (result.exit_code, result.stdout) == (126, "")


def test_a_shell_is_started_once(commands: Runner, processes: LocalProcesses) -> None:
    for number in range(20):
        assert commands.do(f"exit {number}").exit_code == number
    assert processes.started == 1


def test_large_output_on_both_streams(commands: Runner) -> None:
    result = commands.do("head -c 20000000 /dev/zero; head -c 20000000 /dev/zero >&2; echo end")
    assert len(result.stdout_bytes) == 20_000_004
    assert len(result.stderr_bytes) == 20_000_000


@pytest.mark.parametrize(
    "command",
    [
        "sleep 300",
        "sleep 300 & sleep 300 | sleep 300",
        "trap '' TERM INT HUP; while :; do sleep 0.1; done",
        "sh -c 'trap \"\" TERM; sleep 300; sleep 300' & wait",
        "setsid sleep 300",
        "while :; do :; done",
    ],
    ids=["plain", "pipeline", "ignores-signals", "child-ignores-signals", "own-session", "busy"],
)
def test_too_long(commands: Runner, processes: LocalProcesses, command: str) -> None:
    mark = f"mark-{time.monotonic_ns()}"
    begun = time.monotonic()
    with pytest.raises(CommandTimeout) as caught:
        commands.do(f"MARK={mark}; export MARK; echo begun; echo so far >&2; {command}", timeout=0.3)
    assert time.monotonic() - begun < 5
    assert "did not end within 0.3 s; it was killed with all that it had started" in str(caught.value)
    assert "so far" in str(caught.value)
    assert not _processes_with(mark)
    assert commands.do("echo usable").stdout == "usable\n"
    assert processes.started == 2, "the shell and what killed, and no other shell"


@pytest.mark.parametrize("tty", [False, True], ids=["session", "own-process"])
@pytest.mark.parametrize("error", INTERRUPTS)
def test_an_interrupted_command(
    commands: Runner, processes: LocalProcesses, error: type[BaseException], tty: bool
) -> None:
    mark = f"mark-{time.monotonic_ns()}"
    commands.do("true")
    with interrupted(error, 0.3):
        commands.do(f"MARK={mark}; export MARK; echo begun; sleep 300 & setsid sleep 300", tty=tty)
    assert not _processes_with(mark)
    assert commands.do("echo next").stdout == "next\n"
    assert processes.started == 3, "two of a shell, a command or a new shell, and one that killed"


def test_a_shell_that_is_interrupted_while_it_starts(commands: Runner, processes: LocalProcesses) -> None:
    processes.shell = ["sleep", "300"]
    with interrupted(KeyboardInterrupt, 0.1):
        commands.do("true")
    assert not commands._all
    processes.shell = INSTALLED["dash"]
    assert commands.do("echo next").stdout == "next\n"


def test_a_command_that_writes_without_end(commands: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shell_session, "OUTPUT_LIMIT", 1 << 20)
    with pytest.raises(EngineError, match=r"'yes' in container x wrote more than 256 MiB; it was killed"):
        commands.do("yes")
    assert commands.do("echo usable").stdout == "usable\n"


def test_a_command_that_ends_its_shell(commands: Runner) -> None:
    with pytest.raises(EngineError, match=r"in container x ended the shell that ran it; its last words:\nbye"):
        commands.do("echo bye; kill -9 $PPID; sleep 1")
    assert commands.do("echo replaced").stdout == "replaced\n"


def test_what_is_left_behind_lives_and_is_not_heard(commands: Runner, processes: LocalProcesses) -> None:
    mark = f"mark-{time.monotonic_ns()}"
    # A program of its own, which has the mark from its start to its end.
    noisy = f"MARK={mark} sh -c 'sleep 1; while sleep 0.05; do echo noise; done'"
    assert commands.do(f"{noisy} & echo done").stdout == "done\n"
    for _ in range(8):
        assert commands.do("sleep 0.3; echo quiet").stdout == "quiet\n"
    assert _processes_with(mark)
    assert processes.started == 2
    for pid in _processes_with(mark):
        commands.do(["kill", "-9", pid])


def test_what_is_left_behind_and_silent_costs_no_shell(commands: Runner, processes: LocalProcesses) -> None:
    mark = f"mark-{time.monotonic_ns()}"
    # Between its fork and its first redirection the process behind "&" still holds the shell's outputs.
    commands.do(f"MARK={mark} setsid sleep 300 </dev/null >/dev/null 2>&1 & sleep 0.5")
    assert commands.do("echo next").stdout == "next\n"
    assert processes.started == 1
    for pid in _processes_with(mark):
        commands.do(["kill", "-9", pid])


@pytest.mark.parametrize(
    ("command", "env", "message"),
    [
        ("echo a\0b", {}, r"invalid argument: 'echo a\\x00b' holds a NUL, which ends arguments; use stdin"),
        (["a", "\0"], {}, r"invalid argument: '\\x00' holds a NUL"),
        ([], {}, r"no command: the list is empty \(expected a program and its arguments\)"),
        ("true", {"a-b": "1"}, r"invalid environment variable: 'a-b' \(expected letters, digits and _\)"),
        ("true", {"A": "\0"}, "holds a NUL"),
    ],
    ids=["line", "argument", "empty", "name", "value"],
)
def test_what_nobody_can_be_told(commands: Runner, command: str | list[str], env: dict[str, str], message: str) -> None:
    with pytest.raises(EngineError, match=message):
        commands.do(command, env=env)


def test_commands_with_a_terminal_run_by_themselves(commands: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    assert commands.do('read -r line; echo "$line"', tty=True, stdin=b"typed\n").stdout == "typed\n"
    assert commands.do("kill -9 $$", tty=True).exit_code == 137
    assert commands.do("echo out; echo err >&2", tty=True).stderr == "err\n"
    with pytest.raises(CommandTimeout, match="its last words:\nerr"):
        commands.do("echo err >&2; sleep 300", timeout=0.3, tty=True)
    monkeypatch.setattr(own_process, "OUTPUT_LIMIT", 1 << 20)
    with pytest.raises(EngineError, match="wrote more than"):
        commands.do("yes", tty=True)


def test_without_a_shell(commands: Runner, processes: LocalProcesses) -> None:
    commands.has_shell = False
    with pytest.raises(EngineError, match=r"cannot run 'true' in container x: it has no /bin/sh for a shell line"):
        commands.do("true")
    assert commands.do(["cat"], stdin=ALL_BYTES).stdout_bytes == ALL_BYTES
    assert commands.do(["env"], env={"A": "1"}).stdout == "A=1\n"
    with pytest.raises(CommandTimeout, match=r"did not end within 0.2 s; it runs on, as no shell can kill it"):
        commands.do(["sleep", "1"], timeout=0.2)
    assert processes.started == 3


def test_threads_do_not_wait_for_each_other(commands: Runner) -> None:
    begun = time.monotonic()
    with ThreadPoolExecutor(4) as threads:
        results = list(threads.map(lambda number: commands.do(f"sleep 0.5; echo {number}"), range(4)))
    assert [result.stdout for result in results] == ["0\n", "1\n", "2\n", "3\n"]
    assert time.monotonic() - begun < 1.9


def _processes_with(mark: str) -> list[str]:
    """Return the processes of this machine in whose environment *mark* stands."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"MARK={mark}".encode() in path.read_bytes():
                found.append(path.parent.name)
        except OSError:
            continue
    return found
