"""The path and the version of the program ``bwrap``."""

from __future__ import annotations

import shutil
import subprocess
from typing import Final

from pytest_alpine.errors import EngineUnavailable

_NAME: Final = "bwrap"


def find_bubblewrap() -> str:
    """Return the path of the program.

    Raises:
        EngineUnavailable: it is not installed; the message holds the command that installs it.
    """
    found = shutil.which(_NAME)
    if found is None:
        raise EngineUnavailable(
            f"bubblewrap is not installed ({_NAME} is not on PATH); run: apt-get install bubblewrap"
        )
    return found


def look_bubblewrap() -> str:
    """Return the name and version, such as ``bubblewrap 0.8.0``.

    Raises:
        EngineUnavailable: it is not installed, or does not start.
    """
    program = find_bubblewrap()
    try:
        asked = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise EngineUnavailable(
            f"bubblewrap does not start: {error}; run: apt-get install --reinstall bubblewrap"
        ) from error
    return asked.stdout.strip()
