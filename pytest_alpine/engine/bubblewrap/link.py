"""The connection to the process that starts sandboxes."""

from __future__ import annotations

import os
import socket
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pytest_alpine.engine.bubblewrap.wire import receive, send
from pytest_alpine.errors import EngineUnavailable

if TYPE_CHECKING:
    from collections.abc import Sequence

# It starts without installed packages, which the package's own __init__ needs: an empty one takes its place.
_CODE: Final = """
import sys
package = sys.modules["pytest_alpine"] = type(sys)("pytest_alpine")
package.__path__ = [sys.argv[1]]
from pytest_alpine.engine.bubblewrap.spawner import main
main()
"""
_HELLO: Final = 30.0


class SpawnerLink:
    """A process that starts sandboxes, and the connection to it. Any number of threads may use it at once."""

    def __init__(self) -> None:
        """Start it; ``greet`` it before anything else, and ``close`` it whatever becomes of it."""
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
            )
            """Its number."""
        self.alone = False
        """Whether its sandboxes have but one user, who is this process's."""
        self._channel = ours

    def greet(self) -> None:
        """Wait until it is ready.

        Raises:
            EngineUnavailable: it may not make namespaces; the message tells the way out.
        """
        self._channel.settimeout(_HELLO)
        try:
            self.alone = bool(self._answer())
        except (OSError, EOFError) as error:
            raise EngineUnavailable(_not_allowed(error)) from error
        self._channel.settimeout(None)

    def ask(self, request: dict[str, Any], descriptors: Sequence[int] = ()) -> int:
        """Tell the process what to do, and return its answer; *descriptors* stay the caller's.

        Raises:
            OSError: the kernel refused.
            EngineUnavailable: the process is gone.
        """
        with self._lock:
            try:
                send(self._channel, request, descriptors)
                return self._answer()
            except (ConnectionError, EOFError) as error:
                raise EngineUnavailable("the process that starts sandboxes was killed; run the tests again") from error

    def keep(self, pid: int) -> None:
        """Leave the sandbox of bubblewrap's process *pid* running, and this process with it."""
        self.ask({"do": "keep", "pid": pid})
        self._kept = True

    def close(self) -> None:
        """Stop all sandboxes but those that are kept, and the process that started them."""
        self._channel.close()
        if not self._kept:
            os.waitpid(self.pid, 0)

    def _answer(self) -> int:
        (word, *rest), _ = receive(self._channel)
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
