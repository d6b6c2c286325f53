"""Commands in a container. They run in a persistent shell if that is possible, else in a process of their own."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from typing import TYPE_CHECKING, Final

from pytest_alpine.engine.exec.command import SHELL, Command, Program
from pytest_alpine.engine.exec.own_process import run_in_own_process
from pytest_alpine.engine.exec.result import CommandResult, last_lines, shown
from pytest_alpine.engine.exec.scripts import check_command, command_script, lines_before
from pytest_alpine.engine.exec.shell_messages import plain_messages
from pytest_alpine.engine.exec.shell_session import (
    OUTPUT_LIMIT,
    Finished,
    SessionEndedError,
    ShellSession,
    TooLongError,
)
from pytest_alpine.errors import CommandTimeout, EngineError, EngineRefusedError

if TYPE_CHECKING:
    from pytest_alpine.engine.exec.process import Processes

# Seconds for the start of a shell, emulated and on a busy machine.
_HANDSHAKE: Final = 120.0
# Seconds. When a container dies, its engine first reports the end of its commands.
_DYING: Final = 1.0


class Commands:
    """Runs commands in one container. Several threads may use it at the same time; each gets a shell of its own."""

    def __init__(self, processes: Processes, where: str) -> None:
        """Run commands.

        Args:
            processes: starts processes in the container.
            where: what messages call the container.
        """
        self.has_shell = True
        """Whether there is a ``/bin/sh``."""
        self._processes = processes
        self._where = where
        self._lock = threading.Lock()
        self._free: defaultdict[str | None, list[ShellSession]] = defaultdict(list)
        self._all: list[ShellSession] = []

    def run(self, command: Command) -> CommandResult:
        """Run *command*; see ``Container.run``.

        Raises:
            CommandTimeout: it ran too long.
            EngineError: the container or the engine failed.
        """
        check_command(command)
        if isinstance(command.words, str) and not self.has_shell:
            raise EngineError(
                f"cannot run {shown(command.words)} in {self._where}: it has no {SHELL} for a shell line; "
                "give a program and its arguments as a list, or test its files, which needs no shell"
            )
        try:
            if self.has_shell and not command.tty:
                finished = self._run_in_session(command)
            else:
                finished = run_in_own_process(command, self._processes, has_shell=self.has_shell)
        except TooLongError as error:
            raise self._cut_off(command, error) from error
        except EngineError as error:
            problem = self._explained(command, error)
            if problem is None:
                raise
            raise problem from error
        return CommandResult(
            command=command.words,
            exit_code=finished.exit_code,
            stdout_bytes=finished.stdout,
            stderr_bytes=finished.stderr,
        )

    def start_shell(self) -> None:
        """Start a shell and wait until it answers.

        Raises:
            EngineError: none starts.
        """
        self._release(None, self._acquire(None))

    def close(self) -> None:
        """End all shells."""
        with self._lock:
            sessions, self._all = self._all, []
            self._free.clear()
        for session in sessions:
            session.close()

    def _run_in_session(self, command: Command) -> Finished:
        script = command_script(command)
        session = self._acquire(command.user)
        first_line = session.line + lines_before(script, command)
        try:
            finished = session.run(script, command.timeout)
        finally:
            self._release(command.user, session)
        return Finished(
            exit_code=finished.exit_code,
            stdout=plain_messages(finished.stdout, command, first_line),
            stderr=plain_messages(finished.stderr, command, first_line),
        )

    def _acquire(self, user: str | None) -> ShellSession:
        """Return a free shell of *user*, which the caller passes to ``_release``."""
        with self._lock:
            if self._free[user]:
                return self._free[user].pop()
        session = self._started(user)
        try:
            session.handshake(_HANDSHAKE)
        except TooLongError as error:
            raise EngineError(f"the shell in {self._where} said nothing for {_HANDSHAKE:g} s") from error
        except SessionEndedError as error:
            if user is None:
                raise
            said = last_lines(error.stderr + error.stdout) or "is there such a user?"
            raise EngineError(f"no shell starts as user {user!r} in {self._where}: {said}") from error
        finally:
            if session.closed:
                self._release(user, session)
        return session

    def _started(self, user: str | None) -> ShellSession:
        try:
            process = self._processes.start(Program(argv=(SHELL,), user=user, stdin=True))
        except EngineRefusedError as error:
            if user is None:
                raise
            raise EngineError(f"no shell starts as user {user!r} in {self._where}: {error.explanation}") from error
        session = ShellSession(process.stream, self._processes.kill)
        with self._lock:
            self._all.append(session)
        return session

    def _release(self, user: str | None, session: ShellSession) -> None:
        with self._lock:
            if session.usable:
                self._free[user].append(session)
            elif session.closed and session in self._all:
                self._all.remove(session)

    def _cut_off(self, command: Command, error: TooLongError) -> EngineError:
        what = f"{shown(command.words)} in {self._where}"
        end = "it was killed with all that it had started" if self.has_shell else "it runs on, as no shell can kill it"
        if error.wrote_too_much:
            return EngineError(f"{what} wrote more than {OUTPUT_LIMIT >> 20} MiB; {end}; let it write to a file")
        said = last_lines(error.stderr) or last_lines(error.stdout)
        tail = f"; its last words:\n{said}" if said else ""
        return CommandTimeout(f"{what} did not end within {command.timeout:g} s; {end}{tail}")

    def _explained(self, command: Command, error: EngineError) -> EngineError | None:
        """Return the error that caused *error*; None if *error* itself is the cause."""
        why = self._processes.why_stopped()
        deadline = time.monotonic() + (_DYING if isinstance(error, SessionEndedError) else 0)
        while why is None and time.monotonic() < deadline:
            time.sleep(_DYING / 20)
            why = self._processes.why_stopped()
        if why is not None:
            return EngineError(f"{self._where} stopped ({why}); seen when it was to run {shown(command.words)}")
        if not isinstance(error, SessionEndedError):
            return None
        said = last_lines(error.stderr + error.stdout)
        tail = f"; its last words:\n{said}" if said else ""
        return EngineError(f"{shown(command.words)} in {self._where} ended the shell that ran it{tail}")
