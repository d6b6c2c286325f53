"""Suites on sandboxes, as users run them."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.plugin.test_containers import CHECKS
from tests.support.mirror import MIRROR

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.bubblewrap, pytest.mark.official]

ARGS = (f"--alpine-image=minirootfs:{MIRROR}", "--alpine-tag=3.20", "--alpine-engine=bubblewrap")


@pytest.fixture(autouse=True)
def store(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The store of a suite."""
    monkeypatch.setenv("PYTEST_ALPINE_CACHE", str(pytester.path / "store"))
    return pytester.path / "store"


@pytest.mark.emulators
def test_native_and_emulated_cells(pytester: pytest.Pytester, xdist_args: tuple[str, ...], store: Path) -> None:
    pytester.makepyfile(CHECKS)
    result = pytester.runpytest_subprocess(*ARGS, "--alpine-platform=amd64,s390x", *xdist_args)
    result.assert_outcomes(passed=6)
    result.stdout.re_match_lines(
        [r"alpine engine: bubblewrap \S+$", r" +amd64 +s390x$", r"3\.20 +3 passed +3 passed~$"]
    )
    assert not list((store / "containers").iterdir())


def test_a_failed_tests_container_is_kept(pytester: pytest.Pytester, store: Path) -> None:
    pytester.makepyfile(
        """
def test_x(alpine_container):
    alpine_container.run("echo kept >/root/x")
    raise RuntimeError("a test that breaks")
"""
    )
    result = pytester.runpytest_subprocess(*ARGS, "--alpine-keep")
    result.assert_outcomes(failed=1)
    line = next(line for line in result.outlines if line.startswith(sys.executable))
    enter, _, remove = line.removesuffix(")").partition("    (to remove it: ")
    try:
        entered = subprocess.run(shlex.split(enter), input=b"cat /root/x", capture_output=True, check=False)
        assert entered.stdout == b"kept\n"
    finally:
        subprocess.run(shlex.split(remove), check=True)
    labels = json.loads(next((store / "containers").glob("*.json")).read_text())
    assert labels["pytest-alpine.pid"] == remove.split()[-1]


def test_builds_take_another_engine(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_x(alpine_build, tmp_path): alpine_build(tmp_path)")
    result = pytester.runpytest_subprocess(*ARGS)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*the engine 'bubblewrap' builds no images (expected docker*"])


def test_not_installed(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(pytester.path))
    pytester.makepyfile("def test_x(alpine_container): ...")
    result = pytester.runpytest_subprocess(*ARGS)
    result.assert_outcomes(errors=1)
    assert "bubblewrap is not installed (bwrap is not on PATH); run: apt-get install bubblewrap" in result.stdout.str()
