"""The connection to the process that starts sandboxes."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pytest_alpine.engine.bubblewrap.wire import receive, send
from pytest_alpine.errors import EngineUnavailable

if TYPE_CHECKING:
    from collections.abc import Sequence

# The process starts without installed packages, which the package's __init__ needs; an empty module replaces it.
_CODE: Final = """
import sys
package = sys.modules["pytest_alpine"] = type(sys)("pytest_alpine")
package.__path__ = [sys.argv[1]]
from pytest_alpine.engine.bubblewrap.spawner import main
main()
"""
_HELLO: Final = 30.0


class SpawnerLink:
    """A process that starts sandboxes, and the connection to it. Several threads may use it at the same time."""

    def __init__(self) -> None:
        """Start the process. Call ``handshake`` before all other methods, and ``close`` in any case."""
        self._lock = threading.Lock()
        self._kept = False
        ours, theirs = socket.socketpair()
        with theirs:
            folder = str(Path(__file__).resolve().parents[2])
            self.pid = os.posix_spawn(
                sys.executable,
                [sys.executable, "-I", "-S", "-c", _CODE, folder, str(os.getpid())],
                {},
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, theirs.fileno(), 0),
                    (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
                    (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
                ],
                setsid=True,
                # Else sandboxes would inherit the signals that this process ignores or blocks, as under nohup.
                setsigdef=signal.valid_signals(),
                setsigmask=(),
            )
            """The number of the process."""
        self.rootless = False
        """Whether an ordinary user runs it; its sandboxes then have only this user."""
        self._channel = ours

    def handshake(self) -> None:
        """Wait until the process is ready.

        Raises:
            EngineUnavailable: it may not make namespaces; the message tells the way out.
        """
        self._channel.settimeout(_HELLO)
        try:
            self.rootless = bool(_result(receive(self._channel)[0]))
        except (OSError, EOFError) as error:
            raise EngineUnavailable(_not_allowed(error)) from error
        self._channel.settimeout(None)

    def ask(self, request: dict[str, Any], descriptors: Sequence[int] = ()) -> int:
        """Send *request* to the process, and return its answer; the caller closes *descriptors*.

        Raises:
            OSError: the kernel refused.
            EngineUnavailable: the process is gone.
        """
        with self._lock:
            try:
                send(self._channel, request, descriptors)
                answer = self._receive()
            except (ConnectionError, EOFError) as error:
                raise EngineUnavailable("the process that starts sandboxes was killed; run the tests again") from error
        return _result(answer)

    def keep(self, pid: int) -> None:
        """Leave the sandbox of bubblewrap's process *pid* running, and this process with it."""
        self.ask({"do": "keep", "pid": pid})
        self._kept = True

    def close(self) -> None:
        """Stop all sandboxes except those that are kept, and the process that started them."""
        self._channel.close()
        if not self._kept:
            os.waitpid(self.pid, 0)

    def _receive(self) -> Sequence[Any]:
        try:
            return receive(self._channel)[0]  # type: ignore[no-any-return]  # what the spawner sends
        except BaseException:
            # An interrupted test does not wait; but the answer comes, and must not be taken for the next request's.
            with suppress(OSError, EOFError):
                receive(self._channel)
            raise


def _result(answer: Sequence[Any]) -> int:
    """Return the number in an answer.

    Raises:
        OSError: the kernel refused what was asked for.
    """
    word, *rest = answer
    if word != "ok":
        raise OSError(*rest)
    return int(rest[0])


def _not_allowed(error: OSError | EOFError) -> str:
    reason = getattr(error, "strerror", None) or str(error) or "the process that starts sandboxes ended"
    return (
        f"bubblewrap cannot run: the kernel allows this user no namespaces of its own ({reason}); "
        "allow them: sysctl kernel.unprivileged_userns_clone=1 user.max_user_namespaces=10000 "
        "kernel.apparmor_restrict_unprivileged_userns=0 (those that exist here), or choose another --alpine-engine"
    )
