"""Which engines are named for which platforms, and what is said of names that cannot be right."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

import pytest

from pytest_alpine.dockerapi.ssh_tunnel import SshAddress
from pytest_alpine.engine.host_addresses import parse_hosts
from pytest_alpine.engine.hosts import EngineHosts, open_engine
from pytest_alpine.errors import EngineUnavailable
from pytest_alpine.platforms import Platform

if TYPE_CHECKING:
    from pathlib import Path

ARM = Platform.parse("arm64")


@pytest.fixture(autouse=True)
def contexts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A home with the docker context ``arm-1``."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    folder = tmp_path / "contexts" / "meta" / hashlib.sha256(b"arm-1").hexdigest()
    folder.mkdir(parents=True)
    (folder / "meta.json").write_text('{"Name": "arm-1"}')


@pytest.mark.parametrize(
    ("word", "platform", "host"),
    [
        ("linux/arm64=ssh://ci@arm-1", "arm64", "ssh://ci@arm-1"),
        ("aarch64=tcp://arm-1:2376", "arm64", "tcp://arm-1:2376"),
        ("s390x=unix:///run/far.sock", "s390x", "unix:///run/far.sock"),
        ("arm/v7=arm-1", "arm/v7", "arm-1"),
        ("386=default", "386", "default"),
    ],
    ids=["ssh", "tcp", "unix", "context", "default-context"],
)
def test_what_names_an_engine(word: str, platform: str, host: str) -> None:
    assert parse_hosts([word]) == {Platform.parse(platform): host}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["ssh://arm-1"], "'ssh://arm-1' names no engine (expected PLATFORM=URL or PLATFORM=CONTEXT, as in "),
        (["arm64="], "'arm64=' names no engine"),
        (["vax=ssh://vax"], "unknown architecture: 'vax' (expected one of"),
        (["arm64=ssh://a", "aarch64=ssh://b"], "linux/arm64 is given two engines, ssh://a and ssh://b (expected one)"),
        (
            ["arm64=http://a"],
            "'http://a' is not an address of an engine (expected ssh://, tcp://, unix://, or the name",
        ),
        (["arm64=tcp://"], "'tcp://' is not an address of an engine"),
        (["arm64=ssh://a b"], "invalid address 'ssh://a b' (expected ssh://[user@]host[:port][/path/of/the/socket])"),
        (["arm64=ssh://-oProxyCommand=x"], "invalid address 'ssh://-oProxyCommand=x'"),
        (
            ["arm64=arm-2"],
            "there is no docker context 'arm-2' (known: arm-1, default); create it: docker context create NAME ",
        ),
        (["arm64=../arm-1"], "there is no docker context '../arm-1'"),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_name_one(words: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        parse_hosts(words)


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("ssh://arm-1", SshAddress(host="arm-1")),
        ("ssh://arm-1/", SshAddress(host="arm-1")),
        ("ssh://ci@arm-1:2222", SshAddress(host="arm-1", user="ci", port="2222")),
        ("ssh://[2001:db8::1]:22/run/p.sock", SshAddress(host="2001:db8::1", port="22", socket="/run/p.sock")),
    ],
    ids=["host", "slash", "user-and-port", "number-and-socket"],
)
def test_ssh_addresses(url: str, address: SshAddress, tmp_path: Path) -> None:
    assert SshAddress.parse(url) == address
    command = address.command(tmp_path / "here")
    assert command[command.index("-L") + 1] == f"{tmp_path}/here:{address.socket}"
    assert command[-3:] == ["--", address.host, "cat"]
    assert ("-l" in command, "-p" in command) == (bool(address.user), bool(address.port))


def test_none_means_no_machine_at_all() -> None:
    with pytest.raises(EngineUnavailable, match="--alpine-engine=none: containers cannot run"):
        open_engine("none", {ARM: "ssh://arm-1"})


def test_an_engine_that_does_not_answer_is_asked_once() -> None:
    asked = []

    def silent() -> EngineHosts:
        asked.append("asked")
        raise EngineUnavailable("it is off")

    engine = EngineHosts(silent, {ARM: "tcp://127.0.0.1:1"})
    for _ in range(2):
        with pytest.raises(EngineUnavailable, match="it is off"):
            engine.of(Platform.parse("amd64"))
    assert asked == ["asked"]
    with pytest.raises(EngineUnavailable, match=r"answers at tcp://127.0.0.1:1 .*see whether it runs: docker -H tcp"):
        engine.emulated(ARM)
    engine.close()
