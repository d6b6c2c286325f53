"""Long steps are told on a terminal, wherever the tests run, and leave what pytest prints as it is."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from pytest_alpine.plugin.progress import _fitted
from tests.support.small_mirror import serving_files, write_mirror

if TYPE_CHECKING:
    from collections.abc import Iterator

TOLD = re.compile(r"\nalpine: downloading (?:[^\r\n]|\r\x1b\[K)*\r\x1b\[K\x1b\[A(?:\x1b\[\d+C)?")
SUITE = """
def test_first(): pass
def test_second(alpine_image): assert alpine_image.rootfs.exists("/etc/alpine-release")
def test_third(): pass
"""


@pytest.fixture
def args(pytester: pytest.Pytester, xdist_args: tuple[str, ...]) -> Iterator[list[str]]:
    """A suite that downloads two images."""
    pytester.makepyfile(SUITE)
    write_mirror(pytester.path / "mirror", {"v3.20": "3.20.3"}, "x86_64", "aarch64")
    with serving_files(pytester.path / "mirror") as server:
        image = [f"--alpine-image=minirootfs:{server.url}", "--alpine-tag=3.20", "--alpine-platform=amd64,arm64"]
        yield [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *image, *xdist_args]


def on_a_terminal(command: list[str]) -> str:
    """Return what *command* writes to a terminal, its lines ended as in files."""
    ours, theirs = os.openpty()
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        pieces = []
        while piece := _read(ours):
            pieces.append(piece)
    os.close(ours)
    assert process.returncode == 0
    return b"".join(pieces).decode().replace("\r\n", "\n")


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 1 << 16)
    except OSError:  # how Linux tells that nobody writes to a terminal any more
        return b""


def test_progress_on_a_terminal(args: list[str]) -> None:
    told = on_a_terminal([*args, "--color=no"])
    assert len(TOLD.findall(told)) >= 1
    assert told.count("alpine: downloading") >= 2
    left = TOLD.sub("", told)
    assert "alpine: downloading" not in left
    assert re.search(r"\n(test_progress_on_a_terminal\.py )?\.{4} +\[100%\]\n", left)


def test_no_progress_in_a_log(args: list[str]) -> None:
    told = subprocess.run(args, check=True, capture_output=True, text=True).stdout
    assert "4 passed" in told
    assert "downloading" not in told


@pytest.mark.parametrize(
    ("text", "shown"),
    [("a" * 40, "a" * 40), ("a" * 30 + "b" * 30, "a" * 17 + "..." + "b" * 20)],
    ids=["fits", "too-long"],
)
def test_the_end_of_a_long_text_stays(text: str, shown: str) -> None:
    assert _fitted(text, 40) == shown
