"""The ini option ``alpine_cache_limit``: what the cache may hold after a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_alpine.image.store.contents import read_contents

if TYPE_CHECKING:
    from pathlib import Path

ARGS = ("--alpine-image=oci:layout", "--alpine-platform=amd64", "--alpine-engine=none")
SUITE = """
import pytest

@pytest.mark.alpine(tags="1.0")
def test_first(alpine_image):
    assert alpine_image.rootfs.read("/etc/alpine-release") == b"3.20.3\\n"

@pytest.mark.alpine(tags="2.0")
def test_second(alpine_image):
    assert alpine_image.rootfs.read("/etc/alpine-release") == b"3.20.3\\n"
"""


@pytest.fixture(autouse=True)
def suite(pytester: pytest.Pytester, layout: Path) -> None:
    """A suite of two images."""
    assert layout.is_dir()
    pytester.makepyfile(SUITE)


def limit(pytester: pytest.Pytester, value: str) -> None:
    pytester.makeini(f"[pytest]\nalpine_cache_limit = {value}\n")


@pytest.mark.parametrize(("value", "images"), [("1 MB", 2), ("0 B", 0)], ids=["all-fits", "nothing-fits"])
def test_images_go_at_the_end_of_a_run(
    pytester: pytest.Pytester, xdist_args: tuple[str, ...], cache: Path, value: str, images: int
) -> None:
    limit(pytester, value)
    result = pytester.runpytest_subprocess(*ARGS, *xdist_args)
    result.assert_outcomes(passed=2)
    result.stdout.no_fnmatch_line("*not cleaned up*")
    contents = read_contents(cache)
    assert len(contents.images) == images
    assert bool(contents.size) == bool(images)


def test_nothing_goes_without_a_limit(pytester: pytest.Pytester, cache: Path) -> None:
    pytester.runpytest_subprocess(*ARGS).assert_outcomes(passed=2)
    assert len(read_contents(cache).images) == 2


def test_a_listing_removes_nothing(pytester: pytest.Pytester, cache: Path) -> None:
    pytester.runpytest_subprocess(*ARGS).assert_outcomes(passed=2)
    limit(pytester, "0")
    pytester.runpytest_subprocess(*ARGS, "--collect-only")
    assert len(read_contents(cache).images) == 2


def test_what_is_still_used_is_told(pytester: pytest.Pytester, cache: Path) -> None:
    limit(pytester, "0.5 kB")
    pytester.makeconftest(
        "from pytest_alpine import open_image\nused = open_image('oci:layout:1.0', 'arm64')\nused.rootfs\n"
    )
    result = pytester.runpytest_subprocess(*ARGS)
    result.assert_outcomes(passed=2)
    result.stdout.re_match_lines(
        [
            "=+ alpine: not cleaned up =+",
            rf"alpine_cache_limit: {cache} holds \S+ kB, more than 500 B: something uses the rest, or may soon",
        ]
    )
    (left,) = read_contents(cache).images
    assert left.record.name.platform == "linux/arm64"


def test_a_cache_that_cannot_be_written(pytester: pytest.Pytester, cache: Path) -> None:
    limit(pytester, "0")
    (cache / "uses" / "guard").mkdir(parents=True)
    result = pytester.runpytest_subprocess(*ARGS)
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines([f"alpine_cache_limit: cannot write {cache}/uses/guard: *; set PYTEST_ALPINE_CACHE *"])


def test_a_wrong_limit(pytester: pytest.Pytester) -> None:
    limit(pytester, "some")
    result = pytester.runpytest_subprocess()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    expected = "expected bytes, or a number with kB, MB, GB, KiB, MiB or GiB"
    result.stderr.fnmatch_lines([f"ERROR: alpine_cache_limit: invalid size: 'some' ({expected})"])
