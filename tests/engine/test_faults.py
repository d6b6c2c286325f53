"""What goes wrong in containers by their own doing: it is told as what it is, and the container stays usable."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_alpine import EngineError

if TYPE_CHECKING:
    from docker import DockerClient

    from pytest_alpine import Container, Engine

LIMIT = 64 << 20


def test_a_command_that_takes_all_memory(engine: Engine, fresh: Container, client: DockerClient) -> None:
    if engine.name == "podman":
        pytest.skip("podman sets no limits by this part of Docker's API")
    fresh.run("true")
    client.api.update_container(fresh.id, mem_limit=LIMIT, memswap_limit=LIMIT)
    result = fresh.run("head -c 300000000 /dev/zero | tail -n 1 >/dev/null; echo $?")
    assert (result.exit_code, result.stdout.strip()) == (0, "137")
    assert fresh.run("echo usable").stdout == "usable\n"


@pytest.mark.parametrize("command", ["yes", "while :; do echo y; done >&2"], ids=["output", "error-output"])
def test_a_command_that_writes_without_end(container: Container, command: str) -> None:
    with pytest.raises(EngineError, match=r"(wrote more than \d+ MiB|did not end within 2 s); it was killed with all"):
        container.run(command, timeout=2)
    assert container.run("echo usable").stdout == "usable\n"
    assert "yes" not in container.run("ps -o comm").stdout.split()


def test_a_command_that_reads_no_input(container: Container) -> None:
    result = container.run("exec <&-; sleep 0.2; echo done", stdin=b"x" * 1_000_000)
    assert (result.exit_code, result.stdout) == (0, "done\n")


def test_a_command_that_ignores_signals_and_closes_all_it_has(container: Container) -> None:
    with pytest.raises(EngineError, match=r"did not end within 0.5 s; it was killed"):
        container.run("trap '' TERM INT HUP PIPE; exec <&- >&- 2>&-; while :; do sleep 0.1; done", timeout=0.5)
    assert container.run("echo usable").stdout == "usable\n"


def test_requests_do_not_look_through_the_environment(client: DockerClient, monkeypatch: pytest.MonkeyPatch) -> None:
    # pytest takes a variable out of it after every test, while other threads start containers.
    def changed_meanwhile() -> None:
        raise KeyError("PYTEST_CURRENT_TEST")

    monkeypatch.setattr("requests.utils.getproxies", changed_meanwhile)
    assert client.api.version()
