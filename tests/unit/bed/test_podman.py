"""Podman's services, after they were killed: a restart of the machine may not have cleaned up behind them."""

from __future__ import annotations

import gc
import os
import pwd
import shutil
import signal
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_alpine import open_image
from pytest_alpine.engine.select import select_engine
from pytest_alpine.errors import EngineUnavailable
from pytest_alpine.image.access import Access
from pytest_alpine.image.store.store import Store
from tests.bed import podman
from tests.bed.state import State
from tests.conftest import bed_of

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.podman


@pytest.fixture
def running(bed: Path) -> Iterator[State]:
    """Services of this test's own."""
    assert not bed.exists()
    state = State()
    try:
        podman.up(state)
        yield state
    finally:
        podman.down(state)
        with suppress(KeyError):
            shutil.rmtree(Path(pwd.getpwnam(podman.USER).pw_dir) / podman.key(), ignore_errors=True)


def kill_all(mark: str) -> None:
    """Kill the service whose folders *mark* names, and whatever it started."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            # What runs in a container knows nothing of them, but its root does.
            if any(mark.encode() in (process / told).read_bytes() for told in ("environ", "mountinfo")):
                os.kill(int(process.name), signal.SIGKILL)


# Where nobody listens the SDK leaves its socket for the collector to find.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_killed_while_a_container_ran(
    running: State, pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    url = podman.url(podman.ROOTLESS, running)
    assert url is not None
    monkeypatch.setenv("CONTAINER_HOST", url)
    engine = select_engine("podman")
    mirror = bed_of(pytestconfig).mirror
    engine.start(open_image(f"minirootfs:{mirror}:latest", access=Access(Store(tmp_path / "store"))))
    kill_all(f"{podman.key()}/{podman.ROOTLESS}")
    with pytest.raises(EngineUnavailable, match=r"^cannot remove container"):
        engine.close()
    gc.collect()  # now, not in a test that would not expect it
    assert podman.problem(running) == "podman-rootless: not running; run: python tests/testbed.py up"
    podman.up(running)
    assert podman.problem(running) is None
    select_engine("podman").close()
