"""Tunnels by ssh to the socket of an engine on another machine. The user's own ssh command and settings are used.

Spec: ssh(1), ``-L local_socket:remote_socket``; ssh_config(5).
"""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

SSH: Final = "ssh"
DEFAULT_SOCKET: Final = "/var/run/docker.sock"

_URL: Final = re.compile(
    r"ssh://(?:(?P<user>[^@/:\s]+)@)?"
    r"(?P<host>[^-@/:\s\[\]][^@/:\s\[\]]*|\[[0-9A-Fa-f:.%]+\])"
    r"(?::(?P<port>[0-9]+))?"
    r"(?P<socket>/[^\s:?#]*)?"
)
_CONNECT_TIMEOUT: Final = 10
_STARTING: Final = 30.0
_POLL: Final = 0.02
_ENDING: Final = 5.0
_NEW: Final = 60.0  # seconds; a younger socket without a listener may not be ready yet
_PREFIX: Final = "pytest-alpine-ssh-"
# ssh must not ask for a password, and must notice a broken connection within a minute. It must not share connections:
# a shared one would keep the socket open after this tunnel is closed.
_OPTIONS: Final = {
    "BatchMode": "yes",
    "ConnectTimeout": str(_CONNECT_TIMEOUT),
    "ControlMaster": "no",
    "ControlPath": "none",
    "ExitOnForwardFailure": "yes",
    "ServerAliveCountMax": "4",
    "ServerAliveInterval": "15",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class SshAddress:
    """The address of an engine's socket on another machine, such as ``ssh://ci@arm-1:2222/run/docker.sock``."""

    host: str
    user: str = ""
    port: str = ""
    socket: str = DEFAULT_SOCKET

    @classmethod
    def parse(cls, url: str) -> SshAddress:
        """Return the address that *url* spells.

        Raises:
            ValueError: *url* is not such an address.
        """
        match = _URL.fullmatch(url)
        if match is None:
            raise ValueError(f"invalid address {url!r} (expected ssh://[user@]host[:port][/path/of/the/socket])")
        path = match["socket"] or ""
        return cls(
            host=match["host"].strip("[]"),
            user=match["user"] or "",
            port=match["port"] or "",
            socket=path if path.strip("/") else DEFAULT_SOCKET,
        )

    def command(self, local: Path) -> list[str]:
        """Return the command that connects the socket to the path *local*, and ends when its standard input ends."""
        options = [word for name, value in _OPTIONS.items() for word in ("-o", f"{name}={value}")]
        if self.user:
            options += ["-l", self.user]
        if self.port:
            options += ["-p", self.port]
        return ["ssh", "-T", *options, "-L", f"{local}:{self.socket}", "--", self.host, "cat"]


class SshTunnel:
    """A socket on this machine that is connected to one on another, until ``close`` or the end of this process."""

    def __init__(self, address: SshAddress) -> None:
        """Connect.

        Raises:
            ConnectionError: there is no ssh command, or it cannot connect; the message contains ssh's own.
        """
        _remove_abandoned()
        self._process: subprocess.Popen[bytes] | None = None
        self._folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
        self.socket = self._folder / "engine.sock"
        """The path of the socket on this machine."""
        try:
            self._process = self._start(address)
            self._wait(self._process)
        except BaseException:
            self.close()
            raise

    def words(self) -> str:
        """Return the last line that ssh has written so far."""
        with suppress(OSError):
            said = self._log.read_text(errors="replace").strip().splitlines()
            return said[-1].strip() if said else ""
        return ""

    def close(self) -> None:
        """End the connection; closing again does nothing."""
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            try:
                process.wait(_ENDING)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdin is not None:
                process.stdin.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def _log(self) -> Path:
        return self._folder / "log"

    def _start(self, address: SshAddress) -> subprocess.Popen[bytes]:
        with self._log.open("wb") as log:
            try:
                return subprocess.Popen(
                    address.command(self.socket),
                    # ssh ends when its standard input is closed, as it is when this process ends for any reason.
                    stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL,
                    stderr=log,
                    # Ctrl-C must not reach ssh: containers on the other machine must still be stopped.
                    start_new_session=True,
                )
            except FileNotFoundError:
                raise ConnectionError("there is no ssh command; install it: apt-get install openssh-client") from None

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + _STARTING
        while not self.socket.is_socket():  # a connect() would open a connection to the engine
            if process.poll() is not None:
                raise ConnectionError(self.words() or f"ssh ended with exit code {process.returncode}")
            if time.monotonic() > deadline:
                raise ConnectionError(f"ssh did not connect within {_STARTING:g} s {self.words()}".rstrip())
            time.sleep(_POLL)


def _remove_abandoned() -> None:
    """Remove the folders of processes that were killed: their sockets have no listener."""
    for path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*/engine.sock"):
        with suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
            if time.time() - path.stat().st_mtime < _NEW:
                continue
            try:
                probe.connect(str(path))
            except ConnectionRefusedError:
                shutil.rmtree(path.parent, ignore_errors=True)
