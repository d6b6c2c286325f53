"""testinfra's Host for a container. No other module imports testinfra.

Spec: https://testinfra.readthedocs.io/en/latest/backends.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from testinfra.backend.base import CommandResult as HostResult
    from testinfra.host import Host

    from pytest_alpine.engine.exec.result import CommandResult

# Seconds. testinfra has no timeout of its own, and commands that install packages take long.
_TIMEOUT: Final = 600.0


class _AsUser(str):
    """A command line for another user, in place of testinfra's ``sudo ...``, which images do not have."""

    __slots__ = ("user",)
    user: str


def open_host(container_id: str, run: Callable[..., CommandResult]) -> Host:
    """Return testinfra's Host of a container.

    Args:
        container_id: what testinfra's messages call it.
        run: runs a command in it, as ``Container.run`` does.
    """
    import testinfra.host
    from testinfra.backend.base import BaseBackend

    class AlpineBackend(BaseBackend):  # type: ignore[misc]  # testinfra has no types
        """Runs testinfra's commands in a container."""

        NAME = "pytest-alpine"

        def run(self, command: str, *args: str, **_: Any) -> HostResult:  # noqa: ANN401 - testinfra's signature
            line = self.get_command(command, *args)
            user = line.user if isinstance(line, _AsUser) else None
            result = run(str(line), _TIMEOUT, user=user)
            return self.result(result.exit_code, self.encode(line), result.stdout_bytes, result.stderr_bytes)

        def get_sudo_command(self, command: str, sudo_user: str | None) -> str:
            """Return *command* for another user; if users are nested, the innermost is used."""
            if isinstance(command, _AsUser):
                return command
            line = _AsUser(command)
            line.user = sudo_user or "root"
            return line

        def get_encoding(self) -> str:
            """Return the encoding of all texts. testinfra would run a Python in the container to find it."""
            return "utf-8"

        def decode(self, data: bytes) -> str:
            return data.decode(self.encoding, "surrogateescape")

        def encode(self, data: str) -> bytes:
            return data.encode(self.encoding, "surrogateescape")

    backend = AlpineBackend(container_id)
    host = testinfra.host.Host(backend)
    backend.set_host(host)
    return host
