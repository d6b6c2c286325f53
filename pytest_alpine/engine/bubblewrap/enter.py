"""Opens a shell in a kept sandbox: ``python enter.py PID``."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

if __package__ in {None, ""}:  # run as a script: the package is found from its own folder
    sys.path[0] = str(Path(__file__).resolve().parents[3])

from pytest_alpine.engine.bubblewrap import namespaces
from pytest_alpine.engine.bubblewrap.spawner import confine, execute

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def main() -> None:
    """Open a shell in the sandbox whose first process has the number in the last argument."""
    sandbox = os.pidfd_open(int(sys.argv[-1]))
    rootless = os.geteuid() != 0
    inside = namespaces.INSIDE | namespaces.CLONE_NEWPID
    namespaces.enter(sandbox, inside | (namespaces.CLONE_NEWUSER if rootless else 0))
    pid = os.fork()  # only children enter the namespace of process numbers
    if pid:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the signal is for the shell
        raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    os.chdir("/")
    confine(0, 0, (), rootless=rootless)
    execute(["/bin/sh"], {"PATH": _PATH, "HOME": "/root", "TERM": os.environ.get("TERM", "dumb")})


if __name__ == "__main__":
    main()
