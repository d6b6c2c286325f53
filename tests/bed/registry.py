"""Two OCI registries over one storage: an open one, and one behind TLS and a password.

Both are distribution's own ``docker-registry``; what is pushed to either can be pulled from both.
Configuration: https://distribution.github.io/distribution/about/configuration/
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.bed import apt, port, process
from tests.bed.credentials import Credentials, credentials
from tests.bed.port import LOOPBACK
from tests.bed.state import State, folder

if TYPE_CHECKING:
    from pathlib import Path

OPEN = "registry"
SECURE = "secure-registry"
PROGRAMS = {"docker-registry": "docker-registry", "openssl": "openssl", "htpasswd": "apache2-utils"}


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
            _start(name, state)


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


def _start(name: str, state: State) -> None:
    program = apt.require("docker-registry", PROGRAMS["docker-registry"])
    folder().mkdir(parents=True, exist_ok=True)
    known = credentials(folder() / "credentials") if name == SECURE else None

    def command(number: int) -> list[str]:
        config = folder() / f"{name}.yml"
        config.write_text(_configuration(number, known))
        return [program, "serve", str(config)]

    port.start(name, state, command)


def _configuration(number: int, known: Credentials | None) -> str:
    """The registry's YAML: a file system to store in, deletion allowed, one address to listen on."""
    import yaml

    http: dict[str, object] = {"addr": f"{LOOPBACK}:{number}", "secret": "one storage, one secret"}
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
