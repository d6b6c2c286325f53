"""Commands in containers."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from pytest_alpine import CommandTimeout, EngineError
from tests.support.interrupts import INTERRUPTS, interrupted

if TYPE_CHECKING:
    from docker import DockerClient

    from pytest_alpine import Container

ALL_BYTES = bytes(range(256))


@pytest.mark.parametrize(
    ("command", "exit_code", "stdout", "stderr"),
    [
        ("true", 0, "", ""),
        ("exit 42", 42, "", ""),
        ("printf out; printf err >&2; false", 1, "out", "err"),
        ("cat <<'END'\n'quoted' \\text\nEND", 0, "'quoted' \\text\n", ""),
        ("kill -9 $$", 137, "", ""),
        ("kill -TERM 0", 143, "", ""),
        ("cat", 0, "", ""),
        ("exec <&- >&- 2>&-; exit 3", 3, "", ""),
        ("echo $#:$0", 0, "0:/bin/sh\n", ""),
        (["printf", "%s|", "a b", "$HOME", "'", ""], 0, "a b|$HOME|'||", ""),
        (["sh", "-c", "kill -15 $$"], 143, "", ""),
    ],
)
def test_commands(container: Container, command: str | list[str], exit_code: int, stdout: str, stderr: str) -> None:
    result = container.run(command)
    assert (result.exit_code, result.stdout, result.stderr) == (exit_code, stdout, stderr)
    assert result.command == (command if isinstance(command, str) else tuple(command))


def test_output_comes_byte_for_byte(container: Container) -> None:
    octal = "".join(f"\\{byte:03o}" for byte in ALL_BYTES)
    result = container.run(f"printf '{octal}'; printf '{octal}' >&2")
    assert (result.stdout_bytes, result.stderr_bytes) == (ALL_BYTES, ALL_BYTES)


@pytest.mark.parametrize("data", [b"", ALL_BYTES, ALL_BYTES * 400], ids=["empty", "all-bytes", "100-kB"])
def test_input_comes_byte_for_byte(container: Container, data: bytes) -> None:
    assert container.run("cat", stdin=data).stdout_bytes == data


def test_input_as_text(container: Container) -> None:
    assert container.run(["wc", "-c"], stdin="grün").stdout.strip() == "5"


def test_nothing_reaches_the_next_command(container: Container) -> None:
    container.run("cd /usr; X=1; export X; set -efu; f() { :; }; umask 077; trap 'echo leak' EXIT; exec 5>/dev/null")
    assert container.run("pwd; echo ${X-unset} /et[c]; umask; type f").stdout.startswith("/\nunset /etc\n0022\n")


def test_a_syntax_error(container: Container) -> None:
    assert container.run("if fi ( ; '").exit_code == 2
    assert container.run("echo still there").stdout == "still there\n"


@pytest.mark.parametrize("command", ["no-such-program", ["no-such-program"], ["/no/such/program"]])
def test_a_missing_program(container: Container, command: str | list[str]) -> None:
    result = container.run(command)
    assert result.exit_code == 127
    assert "not found" in result.stderr


@pytest.mark.parametrize(
    ("words", "options", "expected"),
    [
        ("nosuch", {}, "/bin/sh: nosuch: not found\n"),
        ("nosuch 2>&1", {}, "/bin/sh: nosuch: not found\n"),
        ("true\ntrue\nnosuch", {}, "/bin/sh: nosuch: not found\n"),
        ("true\n\nexit x", {}, "/bin/sh: exit: line 2: Illegal number: x\n"),
        ("exit x", {"env": {"A": "1\n2"}, "stdin": "\n\n"}, "/bin/sh: exit: line 0: Illegal number: x\n"),
        ("if fi", {}, '/bin/sh: syntax error: unexpected "fi"\n'),
        ("eval nosuch", {}, "/bin/sh: eval: line 0: nosuch: not found\n"),
        ("echo '/bin/sh: eval: line 7: x'", {}, "/bin/sh: eval: line 7: x\n"),
        (["nosuch"], {}, "/bin/sh: nosuch: not found\n"),
    ],
    ids=["line", "output", "third-line", "number", "more-lines", "syntax", "own-eval", "no-message", "program"],
)
def test_errors_of_the_shell(
    container: Container, words: str | list[str], options: dict[str, Any], expected: str
) -> None:
    result = container.run(words, **options)
    assert result.stdout + result.stderr == expected
    if isinstance(words, str):
        alone = container.run(["/bin/sh", "-c", words], **options)
        assert (alone.stdout, alone.stderr) == (result.stdout, result.stderr)


def test_a_failure_raises_where_asked(container: Container) -> None:
    with pytest.raises(EngineError, match=r"command failed with exit code 3: 'echo bad >&2; exit 3'\nbad"):
        container.run("echo bad >&2; exit 3", check=True)
    assert container.run("true", check=True).exit_code == 0


def test_environment_directory_and_user(container: Container) -> None:
    result = container.run('echo "$A"; pwd; id -un', env={"A": "it's"}, workdir="/usr/bin", user="nobody")
    assert result.stdout == "it's\n/usr/bin\nnobody\n"
    assert container.run("id -u; id -g", user="123:456").stdout == "123\n456\n"
    assert container.run("id -un").stdout == "root\n"


def test_a_user_that_is_not_there(container: Container) -> None:
    with pytest.raises(EngineError, match="no shell starts as user 'nobody-knows-them' in container pytest"):
        container.run("true", user="nobody-knows-them")


def test_a_terminal_for_a_user_that_is_not_there(container: Container) -> None:
    result = container.run("true", user="nobody-knows-them", tty=True)
    assert result.exit_code != 0
    assert "nobody-knows-them" in result.stderr + result.stdout


def test_a_terminal(container: Container) -> None:
    assert container.run("tty", tty=True).stdout.startswith("/dev/pts/")
    assert container.run("tty").exit_code == 1
    assert container.run('read -r line; echo "got $line"', tty=True, stdin="typed\n").stdout.endswith("got typed\r\n")


@pytest.mark.parametrize(
    "command",
    [
        "sleep 300",
        "sleep 300 & sleep 300 | sleep 300",
        "trap '' TERM INT HUP; while :; do sleep 0.1; done",
        "setsid sleep 300",
        "while :; do :; done",
    ],
    ids=["plain", "pipeline", "ignores-signals", "own-session", "busy"],
)
def test_too_long(container: Container, command: str) -> None:
    begun = time.monotonic()
    with pytest.raises(CommandTimeout) as caught:
        container.run(f"echo so far >&2; {command}", timeout=0.5)
    assert time.monotonic() - begun < 10
    assert "did not end within 0.5 s; it was killed with all that it had started; its last words:\nso far" in str(
        caught.value
    )
    assert "sleep 300" not in container.run("ps -o args").stdout
    assert container.run("echo usable").stdout == "usable\n"


def test_too_long_with_a_terminal(container: Container) -> None:
    with pytest.raises(CommandTimeout):
        container.run("sleep 301", timeout=0.5, tty=True)
    assert "sleep 301" not in container.run("ps -o args").stdout


@pytest.mark.parametrize("tty", [False, True], ids=["session", "terminal"])
@pytest.mark.parametrize("error", INTERRUPTS)
def test_an_interrupted_command(container: Container, error: type[BaseException], tty: bool) -> None:
    container.run("true")
    shells = len(container.commands._all)
    begun = time.monotonic()
    with interrupted(error, 2 if tty else 0.5):  # only what has started can be killed
        container.run("echo begun; trap '' TERM; sleep 302 & setsid sleep 302; echo end", tty=tty)
    assert str(list(container.last_commands)[-1]).endswith(f"s\n    interrupted by {error.__name__}")
    assert container.run("echo next").stdout == "next\n"
    assert time.monotonic() - begun < 15
    assert "sleep 302" not in container.run("ps -o args").stdout
    assert len(container.commands._all) <= shells, "one took the place of the shell that was interrupted"


def test_what_is_left_behind_lives_and_is_not_heard(fresh: Container) -> None:
    assert fresh.run("(sleep 1; while sleep 0.2; do echo noise; done) & echo begun").stdout == "begun\n"
    for _ in range(6):
        assert fresh.run("sleep 0.3; echo quiet").stdout == "quiet\n"
    assert "sleep 0.2" in fresh.run("ps -o args; sleep 0.1; ps -o args").stdout


def test_a_command_that_ends_its_shell(fresh: Container) -> None:
    with pytest.raises(EngineError, match=r"in container pytest-alpine-\S+ ended the shell that ran it"):
        fresh.run("kill -9 $PPID; sleep 1")
    assert fresh.run("echo replaced").stdout == "replaced\n"


def test_a_container_that_stops_under_a_command(fresh: Container) -> None:
    with pytest.raises(EngineError, match=r"stopped \(exit code \d+\); seen when it was to run 'kill -9 -1; sleep 5'"):
        fresh.run("kill -9 -1; sleep 5")
    with pytest.raises(EngineError, match=r"stopped \(exit code \d+\); seen when it was to run 'true'"):
        fresh.run("true")


def test_a_container_that_others_remove(fresh: Container, client: DockerClient) -> None:
    fresh.run("true")
    client.api.remove_container(fresh.id, force=True)
    with pytest.raises(EngineError, match=r"stopped \(it was removed\)"):
        fresh.run("true")
    fresh.stop()


def test_threads(container: Container) -> None:
    with ThreadPoolExecutor(4) as threads:
        results = list(
            threads.map(lambda number: container.run(f"echo {number}; sleep 0.1; echo $(({number} + 1))"), range(24))
        )
    assert [result.stdout for result in results] == [f"{number}\n{number + 1}\n" for number in range(24)]


def test_a_hundred_megabytes(container: Container) -> None:
    if container.emulated:
        pytest.skip("an emulator writes no faster with another engine")
    result = container.run("head -c 100000000 /dev/zero; echo end; echo err >&2")
    assert len(result.stdout_bytes) == 100_000_004
    assert result.stderr == "err\n"
