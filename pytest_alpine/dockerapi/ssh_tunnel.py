"""The socket of an engine on another machine, brought here by the user's own ssh with all its settings.

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
_NEW: Final = 60.0  # seconds in which a socket that nobody listens on may only not be ready yet
_PREFIX: Final = "pytest-alpine-ssh-"
# Nobody can be asked for a password; a line that is dead shows within a minute; and a connection that ssh would share
# with others would keep the socket open when this one is over.
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
    """Where an engine's socket is: ``ssh://ci@arm-1:2222/run/docker.sock``."""

    host: str
    user: str = ""
    port: str = ""
    socket: str = DEFAULT_SOCKET

    @classmethod
    def parse(cls, url: str) -> SshAddress:
        """Return what *url* says.

        Raises:
            ValueError: it is no such URL.
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
        """Return the command that brings the socket to *local* and ends when its standard input does."""
        options = [word for name, value in _OPTIONS.items() for word in ("-o", f"{name}={value}")]
        if self.user:
            options += ["-l", self.user]
        if self.port:
            options += ["-p", self.port]
        return ["ssh", "-T", *options, "-L", f"{local}:{self.socket}", "--", self.host, "cat"]


class SshTunnel:
    """A socket on this machine that leads to one on another, until it is closed or this process is gone."""

    def __init__(self, address: SshAddress) -> None:
        """Connect.

        Raises:
            ConnectionError: there is no ssh, or it does not get there; the message has its words.
        """
        _remove_abandoned()
        self._process: subprocess.Popen[bytes] | None = None
        self._folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
        self.socket = self._folder / "engine.sock"
        """Where the engine listens now."""
        try:
            self._process = self._start(address)
            self._wait(self._process)
        except BaseException:
            self.close()
            raise

    def words(self) -> str:
        """Return what ssh has said so far, the last line of it."""
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
                    # It ends when this does, which it does with this process, however that ends.
                    stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL,
                    stderr=log,
                    # ^C is for the tests: what they started on the other machine is still to be stopped.
                    start_new_session=True,
                )
            except FileNotFoundError:
                raise ConnectionError("there is no ssh command; install it: apt-get install openssh-client") from None

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + _STARTING
        while not self.socket.is_socket():  # not by connecting, which would open a connection to the engine
            if process.poll() is not None:
                raise ConnectionError(self.words() or f"ssh ended with exit code {process.returncode}")
            if time.monotonic() > deadline:
                raise ConnectionError(f"ssh did not connect within {_STARTING:g} s {self.words()}".rstrip())
            time.sleep(_POLL)


def _remove_abandoned() -> None:
    """Remove the folders of processes that were killed: nobody listens on their sockets any more."""
    for path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*/engine.sock"):
        with suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
            if time.time() - path.stat().st_mtime < _NEW:
                continue
            try:
                probe.connect(str(path))
            except ConnectionRefusedError:
                shutil.rmtree(path.parent, ignore_errors=True)
