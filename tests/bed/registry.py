"""Two OCI registries over one storage: an open one, and one behind TLS and a password.

Both are distribution's own ``docker-registry``; what is pushed to either can be pulled from both.
Configuration: https://distribution.github.io/distribution/about/configuration/
"""

from __future__ import annotations

import socket
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from tests.bed import apt, process
from tests.bed.credentials import Credentials, credentials
from tests.bed.state import BedError, ProcessRecord, State, folder

if TYPE_CHECKING:
    from pathlib import Path

OPEN = "registry"
SECURE = "secure-registry"
PROGRAMS = {"docker-registry": "docker-registry", "openssl": "openssl", "htpasswd": "apache2-utils"}
LOOPBACK = "127.0.0.1"  # a Docker engine pulls from all of 127.0.0.0/8 without being told that it may
ATTEMPTS = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class SecureRegistry:
    """The registry behind TLS and basic authentication.

    ``host`` is ``127.0.0.1:PORT``; ``ca`` is the certificate (PEM) to trust; the rest is how to log in.
    """

    host: str
    ca: Path
    username: str
    password: str = field(repr=False)


def open_host(state: State) -> str | None:
    """``host:port`` of the open registry; None while it is down."""
    return _host(state, OPEN)


def secure(state: State) -> SecureRegistry | None:
    """The registry behind a password; None while it is down."""
    host = _host(state, SECURE)
    if host is None:
        return None
    known = credentials(folder() / "credentials")
    return SecureRegistry(host=host, ca=known.ca, username=known.username, password=known.password)


def up(state: State) -> None:
    """Start whichever of the two is down.

    Raises:
        BedError: the program is missing, or does not start; the text holds the command to run.
    """
    for name in (OPEN, SECURE):
        if not process.alive(state.processes.get(name)):
            state.processes[name] = _start(name, state)


def problem(state: State) -> str | None:
    """Which registry is down, and what would start it; None where both run."""
    stopped = [name for name in (OPEN, SECURE) if _host(state, name) is None]
    if not stopped:
        return None
    lacking = [package for program, package in PROGRAMS.items() if apt.find(program) is None]
    if lacking and not apt.may_install():
        return f"{' and '.join(stopped)}: {', '.join(lacking)} not installed; run: {apt.command(*lacking)}"
    return f"{' and '.join(stopped)}: not running; run: {apt.UP}"


def down(state: State) -> None:
    """Stop both; what they store stays."""
    for name in (OPEN, SECURE):
        process.stop(state.processes.pop(name, None))


def _start(name: str, state: State) -> ProcessRecord:
    program = apt.require("docker-registry", PROGRAMS["docker-registry"])
    folder().mkdir(parents=True, exist_ok=True)
    known = credentials(folder() / "credentials") if name == SECURE else None
    for attempt in range(ATTEMPTS):
        # The port of last time first, so that image names in the engine stay good.
        port = state.ports.get(name, 0) if attempt == 0 else 0
        port = port if port and _free(port) else _free_port()
        config = folder() / f"{name}.yml"
        config.write_text(_configuration(port, known))
        try:
            record = process.start(name, [program, "serve", str(config)], partial(_answers, port))
        except BedError:
            if attempt == ATTEMPTS - 1:
                raise
            continue  # someone else took the port in between
        state.ports[name] = port
        return record
    raise AssertionError("the last attempt returns or raises")


def _configuration(port: int, known: Credentials | None) -> str:
    """The registry's YAML: a file system to store in, deletion allowed, one address to listen on."""
    import yaml

    http: dict[str, object] = {"addr": f"{LOOPBACK}:{port}", "secret": "one storage, one secret"}
    settings: dict[str, object] = {
        "version": "0.1",
        "log": {"level": "warn", "accesslog": {"disabled": True}},
        # No descriptor cache: each of the two must see at once what the other was given or told to delete.
        "storage": {"filesystem": {"rootdirectory": str(folder() / "registry")}, "delete": {"enabled": True}},
        "http": http,
    }
    if known is not None:
        http["tls"] = {"certificate": str(known.certificate), "key": str(known.key)}
        settings["auth"] = {"htpasswd": {"realm": "pytest-alpine test bed", "path": str(known.htpasswd)}}
    return yaml.safe_dump(settings, sort_keys=False)


def _host(state: State, name: str) -> str | None:
    return f"{LOOPBACK}:{state.ports[name]}" if process.alive(state.processes.get(name)) else None


def _answers(port: int) -> bool:
    try:
        socket.create_connection((LOOPBACK, port), timeout=1).close()
    except OSError:
        return False
    return True


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])
