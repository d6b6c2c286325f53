"""A second Docker engine, as if on another machine: reached by TCP with TLS, and by an SSH server, both on loopback.

It has its own images, containers and sockets. https://docs.docker.com/engine/security/protect-access/
"""

from __future__ import annotations

import hashlib
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bed import apt, docker, port, process
from tests.bed.credentials import make_certificates, make_whole, run
from tests.bed.port import LOOPBACK
from tests.bed.state import BedError, State, folder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.bed.state import ProcessRecord

ENGINE = "far-dockerd"
SSH = "far-sshd"
PROGRAMS = {
    "dockerd": "docker.io",
    "sshd": "openssh-server",
    "ssh": "openssh-client",
    "openssl": "openssl",
    "ip": "iproute2",
}
HOST = "far"

_SSHD = """\
ListenAddress {address}
Port {port}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/user_key.pub
PidFile none
UsePAM no
StrictModes no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
"""
_CLIENT = """\
Host {host}
  HostName {address}
  Port {port}
  HostKeyAlias {host}
  IdentityFile {folder}/user_key
  IdentitiesOnly yes
  UserKnownHostsFile {folder}/known_hosts
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class FarEngine:
    """The addresses of the second engine."""

    tcp: str
    """``tcp://127.0.0.1:PORT``: only clients with a certificate may use it."""
    certificates: Path
    """A folder for ``DOCKER_CERT_PATH``, with certificates for client and server."""
    ssh: str
    """``ssh://far/SOCKET``; ``far`` is a host in ``ssh_config``."""
    ssh_config: Path
    """The path of the configuration for ``ssh -F``."""
    socket: Path
    """The engine's own socket."""
    bin: Path
    """A folder for ``PATH``, whose ``ssh`` reads ``ssh_config``: the real one takes no such setting from outside."""


def far_engine(state: State) -> FarEngine | None:
    """The second engine; None unless all of it is up."""
    if not all(process.alive(state.processes.get(name)) for name in (ENGINE, SSH)):
        return None
    home = _home()
    return FarEngine(
        tcp=f"tcp://{LOOPBACK}:{state.ports[ENGINE]}",
        certificates=home / "tls",
        ssh=f"ssh://{HOST}{home / 'docker.sock'}",
        ssh_config=home / "ssh" / "config",
        socket=home / "docker.sock",
        bin=home / "ssh" / "bin",
    )


def up(state: State) -> None:
    """Start the engine and the SSH server, if they do not run.

    Raises:
        BedError: a program is missing or does not start, or may not; the text holds the command to run.
    """
    if os.geteuid() != 0:
        raise BedError(problem(state) or f"{ENGINE} is down")
    _home().mkdir(parents=True, exist_ok=True)
    if not process.alive(state.processes.get(ENGINE)):
        apt.require("dockerd", PROGRAMS["dockerd"])
        make_whole(_home() / "tls", _make_tls)
        port.start(ENGINE, state, _engine_command)
    if not process.alive(state.processes.get(SSH)):
        apt.require("sshd", PROGRAMS["sshd"])
        apt.require("ssh", PROGRAMS["ssh"])
        make_whole(_home() / "ssh", _make_keys)
        # sshd needs this folder, which the init system usually creates.
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        port.start(SSH, state, _ssh_command)


def problem(state: State) -> str | None:
    """Return why there is no second engine; None if there is one."""
    if far_engine(state) is not None:
        return None
    lacking = [package for program, package in PROGRAMS.items() if apt.find(program) is None]
    if lacking and not apt.may_install():
        return f"second engine: {', '.join(lacking)} not installed; run: {apt.command(*lacking)}"
    return f"second engine: not running; run: {apt.UP if os.geteuid() == 0 else f'sudo {apt.UP}'}"


def down(state: State) -> None:
    """Stop both. The storage of the engine stays."""
    process.stop(state.processes.pop(SSH, None))
    stop_engine(state.processes.pop(ENGINE, None), _home())


def engine_command(home: Path, *options: str) -> list[str]:
    """Return the command of an engine whose storage is in *home*, and which does not disturb others."""
    docker.forget_dead(home / "run", home / "docker.pid")
    namespace = _name(home)
    # Without its own bridge, it would remove docker0, which belongs to the other engine.
    subprocess.run([_ip(), "link", "add", namespace, "type", "bridge"], check=False, capture_output=True)
    return [
        apt.require("dockerd", PROGRAMS["dockerd"]),
        f"--data-root={home / 'data'}",
        f"--exec-root={home / 'run'}",
        f"--pidfile={home / 'docker.pid'}",
        f"--host=unix://{home / 'docker.sock'}",
        # A containerd that already runs is shared; the namespaces keep the engines apart.
        f"--containerd-namespace={namespace}",
        f"--containerd-plugins-namespace={namespace}-plugins",
        f"--bridge={namespace}",
        "--iptables=false",
        *options,
    ]


def stop_engine(record: ProcessRecord | None, home: Path) -> None:
    """Stop an engine that :func:`engine_command` made; it does not always take its own mount away."""
    process.stop(record)
    # ismount() does not find a bind mount of a folder on itself.
    subprocess.run(["umount", home / "data"], check=False, capture_output=True)
    subprocess.run([_ip(), "link", "delete", _name(home)], check=False, capture_output=True)


def _name(home: Path) -> str:
    return f"far-{hashlib.sha256(str(home).encode()).hexdigest()[:8]}"


def _ip() -> str:
    return apt.require("ip", PROGRAMS["ip"])


def _home() -> Path:
    return folder() / "far"


def _engine_command(number: int) -> Sequence[str]:
    tls = _home() / "tls"
    return engine_command(
        _home(),
        f"--host=tcp://{LOOPBACK}:{number}",
        "--tlsverify",
        f"--tlscacert={tls / 'ca.pem'}",
        f"--tlscert={tls / 'cert.pem'}",
        f"--tlskey={tls / 'key.pem'}",
    )


def _ssh_command(number: int) -> Sequence[str]:
    home = _home() / "ssh"
    words = {"address": LOOPBACK, "port": number, "folder": home, "host": HOST}
    (home / "sshd_config").write_text(_SSHD.format(**words))
    (home / "config").write_text(_CLIENT.format(**words))
    return [apt.require("sshd", PROGRAMS["sshd"]), "-D", "-e", "-f", str(home / "sshd_config")]


def _make_tls(folder: Path) -> None:
    make_certificates(folder, "serverAuth,clientAuth")
    for ours, dockers in {"ca.crt": "ca.pem", "server.crt": "cert.pem", "server.key": "key.pem"}.items():
        (folder / ours).rename(folder / dockers)


def _make_keys(folder: Path) -> None:
    for name in ("host_key", "user_key"):
        run([apt.require("ssh-keygen", PROGRAMS["ssh"]), "-q", "-t", "ed25519", "-N", "", "-f", name], folder)
    (folder / "known_hosts").write_text(f"{HOST} {(folder / 'host_key.pub').read_text()}")
    (folder / "bin").mkdir()
    config = _home() / "ssh" / "config"
    command = folder / "bin" / "ssh"
    command.write_text(f'#!/bin/sh\nexec {apt.require("ssh", PROGRAMS["ssh"])} -F {config} "$@"\n')
    command.chmod(0o755)
