"""Lets the tests and examples of this repository read Alpine from the mirror beside it, where there is one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.bed.mirror import known_alone

HERE = Path(__file__).parent
MIRROR = Path(os.environ.get("PYTEST_ALPINE_MIRROR", HERE.parent / "shared" / "alpine"))

pytest_plugins = ["pytester"]


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Choose where ``alpine`` comes from: the mirror's folder, else what the test bed found, else the registry."""
    if config.getoption("alpine_image", None) is None and (mirror := _mirror()):
        config.option.alpine_image = f"minirootfs:{os.path.relpath(mirror)}"


def pytest_report_header() -> list[str]:
    """Say so where Alpine's own files are not what is tested."""
    mirror = _mirror()
    if mirror is None or mirror == MIRROR:
        return []
    from tests.testbed import Testbed

    note = "" if Testbed.current().official else " (stand-in, built of Debian's busybox-static and musl)"
    return [f"alpine mirror: {mirror}{note}"]


def _mirror() -> Path | None:
    if MIRROR.is_dir():
        return known_alone(MIRROR)
    from tests.testbed import Testbed

    folder = Testbed.current().mirror
    return folder if folder.is_dir() else None
