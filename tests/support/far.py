"""Access to the second engine of the test bed, for this process and its children: certificates and an ssh command."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING

from pytest_alpine.engine.labels import PID

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest

    from tests.bed.far import FarEngine


def reach(far: FarEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the environment variables that are needed to reach *far* by TLS and by ssh."""
    monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
    monkeypatch.setenv("DOCKER_CERT_PATH", str(far.certificates))
    monkeypatch.setenv("PATH", f"{far.bin}{os.pathsep}{os.environ['PATH']}")


def docker(far: FarEngine, *words: str) -> str:
    """Return the output of the docker command, connected to *far* by its socket."""
    command = ["docker", "-H", f"unix://{far.socket}", *words]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DOCKER_")}
    return subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout


def containers(far: FarEngine, pid: int | None = None) -> set[str]:
    """Return the names of our containers on *far*, which other runs use too; with *pid*, only those of a process."""
    word = "name=pytest-alpine-" if pid is None else f"label={PID}={pid}"
    return set(docker(far, "ps", "-a", "--filter", word, "--format", "{{.Names}}").split())


def labels(far: FarEngine, container: str) -> dict[str, str]:
    """Return the labels of a *container* on *far*."""
    found: dict[str, str] = json.loads(docker(far, "inspect", "--format", "{{json .Config.Labels}}", container))
    return found


def make_context(name: str, far: FarEngine) -> Sequence[str]:
    """Return the command that creates a docker context for *far* by TLS, whatever the environment says."""
    files = {"ca": "ca.pem", "cert": "cert.pem", "key": "key.pem"}
    parts = [f"host={far.tcp}", *(f"{word}={far.certificates / file}" for word, file in files.items())]
    return ["docker", "context", "create", name, "--docker", ",".join(parts)]
