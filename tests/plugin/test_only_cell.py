"""Tests that cannot be run once per cell get their only cell, or a sentence that says what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

DYNAMIC = """
def test_x(request):
    assert request.getfixturevalue("alpine_image").rootfs.exists("/etc/alpine-release")
"""
CASE = """
import unittest
import pytest

class TestImage(unittest.TestCase):
    @pytest.fixture(autouse=True)
    def fetch(self, alpine_image):
        self.image = alpine_image

    def test_x(self):
        assert self.image.rootfs.exists("/etc/alpine-release")
"""
DOCTEST = '''
def described():
    """
    >>> sorted(getfixture("alpine_image").packages)
    ['busybox', 'musl']
    """
'''
FEATURE = """\
Feature: The image
  Scenario: The release
    Then it is Alpine
"""
STEPS = """
from pytest_bdd import scenarios, then

scenarios("image.feature")

@then("it is Alpine")
def released(alpine_image):
    assert alpine_image.rootfs.exists("/etc/alpine-release")
"""
SUITES = {"getfixturevalue": DYNAMIC, "unittest": CASE, "doctest": DOCTEST, "pytest-bdd": STEPS}


@pytest.fixture(params=SUITES)
def suite(request: pytest.FixtureRequest, pytester: pytest.Pytester, layout: Path) -> list[str]:
    assert layout.exists()
    pytester.makepyfile(SUITES[request.param])
    if request.param == "pytest-bdd":
        (pytester.path / "image.feature").write_text(FEATURE, encoding="utf-8")
    plugins = ["-p", "pytest-bdd"] if request.param == "pytest-bdd" else []
    return [*plugins, "--doctest-modules", "--alpine-image=oci:layout", "--alpine-tag=1.0"]


def test_the_only_cell(pytester: pytest.Pytester, suite: list[str], xdist_args: tuple[str, ...]) -> None:
    result = pytester.runpytest_subprocess(*suite, "--alpine-platform=amd64", *xdist_args)
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*alpine: tag x platform*", "1.0  1 passed"])


def test_one_of_several_cells_must_be_chosen(
    pytester: pytest.Pytester, suite: list[str], xdist_args: tuple[str, ...]
) -> None:
    result = pytester.runpytest_subprocess(*suite, "--alpine-platform=amd64,arm64", *xdist_args)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    told = result.stdout.str()
    assert "this test runs once, but its matrix has 2 cells: 1.0-amd64, 1.0-arm64. " in told
    assert "choose one cell: --alpine-tag=TAG --alpine-platform=P" in told
    assert "SubRequest" not in told


def test_each_test_gets_its_own_cell(pytester: pytest.Pytester, layout: Path, xdist_args: tuple[str, ...]) -> None:
    assert layout.exists()
    pytester.makepyfile(
        """
import pytest

@pytest.mark.alpine(tags="1.0", platforms="arm64")
def test_first(request):
    assert str(request.getfixturevalue("alpine_image").platform) == "linux/arm64"

@pytest.mark.alpine(tags="2.0", platforms="amd64")
def test_second(request):
    assert str(request.getfixturevalue("alpine_image").platform) == "linux/amd64"
    assert request.getfixturevalue("alpine_cell").tag == "2.0"
"""
    )
    result = pytester.runpytest_subprocess("--alpine-image=oci:layout", *xdist_args)
    result.assert_outcomes(passed=2)


def test_an_argument_beside_getfixturevalue_is_enough(
    pytester: pytest.Pytester, layout: Path, xdist_args: tuple[str, ...]
) -> None:
    assert layout.exists()
    pytester.makepyfile(
        """
import pytest

@pytest.mark.usefixtures("alpine_cell")
def test_x(request):
    assert request.getfixturevalue("alpine_image").rootfs.exists("/etc/alpine-release")
"""
    )
    args = ["--alpine-image=oci:layout", "--alpine-tag=1.0", "--alpine-platform=amd64,arm64"]
    pytester.runpytest_subprocess(*args, *xdist_args).assert_outcomes(passed=2)
