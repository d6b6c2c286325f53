"""The second engine: one of its own, for those alone who have a certificate, or a key for ssh."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.bed import apt, far
from tests.bed.state import State

if TYPE_CHECKING:
    from tests.bed.far import FarEngine


def ask(host: str, **variables: str) -> subprocess.CompletedProcess[str]:
    command = ["docker", "-H", host, "info", "--format", "{{.DockerRootDir}}"]
    environment = {**os.environ, "DOCKER_TLS_VERIFY": "", "DOCKER_CERT_PATH": "", **variables}
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


@pytest.mark.far
def test_an_engine_of_its_own(far_engine: FarEngine) -> None:
    own = ask(f"unix://{far_engine.socket}").stdout.strip()
    assert Path(own) == far_engine.socket.parent / "data"
    assert (
        ask(far_engine.tcp, DOCKER_TLS_VERIFY="1", DOCKER_CERT_PATH=str(far_engine.certificates)).stdout.strip() == own
    )
    refused = ask(far_engine.tcp)
    assert "HTTP request to an HTTPS server" in refused.stdout + refused.stderr


@pytest.mark.far
def test_ssh_with_a_key_of_its_own(far_engine: FarEngine) -> None:
    command = ["-o", "BatchMode=yes", far.HOST, "echo", "there"]
    assert subprocess.check_output([far_engine.bin / "ssh", *command], text=True) == "there\n"
    keyless = ["-F", str(far_engine.ssh_config), "-o", "IdentityFile=none", "-o", "PubkeyAuthentication=no"]
    refused = subprocess.run(["ssh", *keyless, *command], check=False, capture_output=True, text=True)
    assert "Permission denied" in refused.stderr


def test_what_is_missing_is_told(bed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not bed.exists()
    monkeypatch.setattr(apt, "find", lambda program: None if program == "sshd" else f"/bin/{program}")
    monkeypatch.setattr(apt, "may_install", lambda: False)
    install = "sudo apt-get update && sudo apt-get install -y openssh-server"
    assert far.problem(State()) == f"second engine: openssh-server not installed; run: {install}"


@pytest.mark.parametrize(("user", "command"), [(0, "python"), (1000, "sudo python")], ids=["root", "user"])
def test_how_to_start_it_is_told(bed: Path, monkeypatch: pytest.MonkeyPatch, user: int, command: str) -> None:
    assert not bed.exists()
    monkeypatch.setattr(apt, "find", lambda program: f"/bin/{program}")
    monkeypatch.setattr(os, "geteuid", lambda: user)
    assert far.problem(State()) == f"second engine: not running; run: {command} tests/testbed.py up"
