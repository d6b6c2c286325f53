"""Containers under the plugin, on the real engine and the real images."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.mirror import MIRROR

pytestmark = [pytest.mark.docker, pytest.mark.official]

CHECKS = """
def test_runs(alpine_cell, alpine_container):
    assert alpine_container.run("cat /etc/apk/arch", check=True).stdout.strip() == alpine_cell.platform.apk_arch
    assert alpine_container.host.file("/etc/alpine-release").exists

def test_fresh(alpine_container_per_test, alpine_container):
    alpine_container_per_test.write("/tmp/x", "x")
    assert alpine_container_per_test.id != alpine_container.id
    assert alpine_container.run(["test", "-e", "/tmp/x"]).exit_code == 1

def test_host(alpine_host):
    assert alpine_host.package("musl").is_installed
"""


def containers() -> set[str]:
    """Return the IDs of all containers that this project has started."""
    command = ["docker", "ps", "-aq", "--no-trunc", "--filter", "name=pytest-alpine-"]
    return set(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split())


def test_native_and_emulated_cells(pytester: pytest.Pytester, xdist_args: tuple[str, ...]) -> None:
    pytester.makepyfile(CHECKS)
    result = pytester.runpytest_subprocess(
        f"--alpine-image=minirootfs:{MIRROR}", "--alpine-tag=3.20", "--alpine-platform=amd64,arm64", *xdist_args
    )
    result.assert_outcomes(passed=6)
    result.stdout.re_match_lines([r" +amd64 +arm64$", r"3\.20 +3 passed +3 passed~$"])


def test_nothing_is_left(pytester: pytest.Pytester, xdist_args: tuple[str, ...]) -> None:
    pytester.makepyfile(
        """
import pathlib

def test_x(alpine_container):
    pathlib.Path("container").write_text(alpine_container.id)
    raise RuntimeError("a test that breaks")
"""
    )
    result = pytester.runpytest_subprocess(f"--alpine-image=minirootfs:{MIRROR}", "--alpine-tag=3.20", *xdist_args)
    result.assert_outcomes(failed=1)
    assert (pytester.path / "container").read_text() not in containers()


@pytest.mark.parametrize(
    ("ini", "args", "connected"),
    [
        ("", (), True),
        ("none", (), False),
        ("", ("--alpine-network=none",), False),
        ("none", ("--alpine-network=bridge",), True),
    ],
    ids=["default", "ini", "option", "option over ini"],
)
def test_network(pytester: pytest.Pytester, ini: str, args: tuple[str, ...], connected: bool) -> None:
    pytester.makeini(f"[pytest]\nalpine_network = {ini}")
    pytester.makepyfile(
        f"""
def test_x(alpine_container, alpine_container_per_test):
    for container in (alpine_container, alpine_container_per_test):
        assert ("eth0" in container.run("cat /proc/net/dev", check=True).stdout) == {connected}
"""
    )
    pytester.runpytest_subprocess(f"--alpine-image=minirootfs:{MIRROR}", "--alpine-tag=3.20", *args).assert_outcomes(
        passed=1
    )


def test_network_that_there_is_not(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_x(alpine_container): ...")
    result = pytester.runpytest_subprocess(
        f"--alpine-image=minirootfs:{MIRROR}", "--alpine-tag=3.20", "--alpine-network=backend"
    )
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["*: docker has no network 'backend' (expected one that it lists: docker network ls; or none)"]
    )


def test_two_suites_at_once(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(CHECKS)
    command = [sys.executable, "-m", "pytest", f"--alpine-image=minirootfs:{MIRROR}", "--alpine-tag=3.20"]
    runs = [subprocess.Popen(command, cwd=pytester.path, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    for run in runs:
        said, _ = run.communicate(timeout=120)
        assert "3 passed" in said
