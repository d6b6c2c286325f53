"""Commands in a container: told to shells that stay where that can be, else each started by itself."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from typing import TYPE_CHECKING, Final

from pytest_alpine.engine.exec.lone_command import LoneCommand
from pytest_alpine.engine.exec.result import TIMEOUT, CommandResult, last_lines, shown
from pytest_alpine.engine.exec.scripts import SHELL, check_words, command_script
from pytest_alpine.engine.exec.shell_session import (
    OUTPUT_LIMIT,
    Finished,
    SessionEndedError,
    ShellSession,
    TooLongError,
)
from pytest_alpine.errors import CommandTimeout, EngineError, EngineRefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_alpine.engine.exec.process import Processes

# To start a shell, emulated and on a busy machine.
_GREETING: Final = 120.0
# When a container dies, its engine notices its commands' end first.
_DYING: Final = 1.0


class Commands:
    """Runs commands in one container. Any number of threads may use it at once: each gets a shell of its own."""

    def __init__(self, processes: Processes, where: str) -> None:
        """Run commands.

        Args:
            processes: starts processes in the container.
            where: what messages call it.
        """
        self.has_shell = True
        """Whether there is a ``/bin/sh``."""
        self._processes = processes
        self._where = where
        self._lock = threading.Lock()
        self._free: defaultdict[str | None, list[ShellSession]] = defaultdict(list)
        self._all: list[ShellSession] = []

    def run(  # noqa: PLR0913 - the parts of a command
        self,
        command: str | Sequence[str],
        timeout: float = TIMEOUT,
        *,
        user: str | None = None,
        workdir: str | None = None,
        env: Mapping[str, str] | None = None,
        stdin: bytes | None = None,
        tty: bool = False,
    ) -> CommandResult:
        """Run *command*; see ``Container.run``."""
        check_words(command, env)
        if isinstance(command, str) and not self.has_shell:
            raise EngineError(
                f"cannot run {shown(command)} in {self._where}: it has no {SHELL} for a shell line; "
                "give a program and its arguments as a list, or test its files, which needs no shell"
            )
        try:
            if self.has_shell and not tty:
                finished = self._tell(command_script(command, workdir=workdir, env=env, stdin=stdin), timeout, user)
            else:
                argv = [SHELL, "-c", command] if isinstance(command, str) else list(command)
                lone = LoneCommand(argv=argv, user=user, workdir=workdir, env=env, stdin=stdin, tty=tty)
                finished = lone.run(self._processes, timeout, self._processes.kill if self.has_shell else None)
        except TooLongError as error:
            raise self._cut_off(command, timeout, error) from error
        except EngineError as error:
            problem = self._explained(command, error)
            if problem is None:
                raise
            raise problem from error
        return CommandResult(
            command=command if isinstance(command, str) else tuple(command),
            exit_code=finished.exit_code,
            stdout_bytes=finished.stdout,
            stderr_bytes=finished.stderr,
        )

    def greet(self) -> None:
        """Make sure that a shell listens.

        Raises:
            EngineError: none does.
        """
        self._give_back(None, self._take(None))

    def close(self) -> None:
        """End all shells."""
        with self._lock:
            sessions, self._all = self._all, []
            self._free.clear()
        for session in sessions:
            session.close()

    def _tell(self, script: bytes, timeout: float, user: str | None) -> Finished:
        """Run *script* in a shell of *user*."""
        session = self._take(user)
        try:
            return session.run(script, timeout)
        finally:
            self._give_back(user, session)

    def _take(self, user: str | None) -> ShellSession:
        with self._lock:
            if self._free[user]:
                return self._free[user].pop()
        try:
            process = self._processes.start([SHELL], user=user, stdin=True)
        except EngineRefusedError as error:
            if user is None:
                raise
            raise EngineError(f"no shell starts as user {user!r} in {self._where}: {error.explanation}") from error
        session = ShellSession(process.stream, self._processes.kill)
        with self._lock:
            self._all.append(session)
        try:
            session.greet(_GREETING)
        except TooLongError as error:
            raise EngineError(f"the shell in {self._where} said nothing for {_GREETING:g} s") from error
        except SessionEndedError as error:
            if user is None:
                raise
            said = last_lines(error.stderr + error.stdout) or "is there such a user?"
            raise EngineError(f"no shell starts as user {user!r} in {self._where}: {said}") from error
        return session

    def _give_back(self, user: str | None, session: ShellSession) -> None:
        if session.usable:
            with self._lock:
                self._free[user].append(session)

    def _cut_off(self, command: str | Sequence[str], timeout: float, error: TooLongError) -> EngineError:
        what = f"{shown(command)} in {self._where}"
        end = "it was killed with all that it had started" if self.has_shell else "it runs on, as no shell can kill it"
        if error.wrote_too_much:
            return EngineError(f"{what} wrote more than {OUTPUT_LIMIT >> 20} MiB; {end}; let it write to a file")
        said = last_lines(error.stderr) or last_lines(error.stdout)
        tail = f"; its last words:\n{said}" if said else ""
        return CommandTimeout(f"{what} did not end within {timeout:g} s; {end}{tail}")

    def _explained(self, command: str | Sequence[str], error: EngineError) -> EngineError | None:
        """Return what really happened when *error* came up; None if that tells it."""
        why = self._processes.why_stopped()
        deadline = time.monotonic() + (_DYING if isinstance(error, SessionEndedError) else 0)
        while why is None and time.monotonic() < deadline:
            time.sleep(_DYING / 20)
            why = self._processes.why_stopped()
        if why is not None:
            return EngineError(f"{self._where} stopped ({why}); seen when it was to run {shown(command)}")
        if not isinstance(error, SessionEndedError):
            return None
        said = last_lines(error.stderr + error.stdout)
        tail = f"; its last words:\n{said}" if said else ""
        return EngineError(f"{shown(command)} in {self._where} ended the shell that ran it{tail}")
