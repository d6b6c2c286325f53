from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("layout")

USES_IMAGE = """
def test_musl(alpine_image, alpine_cell):
    assert alpine_image.packages["musl"].version == alpine_image.packages["musl"].version
    assert alpine_image.platform == alpine_cell.platform
"""


def test_each_cell_runs_once(pytester: pytest.Pytester, xdist_args: tuple[str, ...]) -> None:
    pytester.makepyfile(USES_IMAGE)
    result = pytester.runpytest_subprocess(
        "-v", "--alpine-image=oci:layout", "--alpine-tag=1.0,2.0", "--alpine-platform=all", *xdist_args
    )
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines_random(["*test_musl?1.0-amd64*", "*test_musl?1.0-arm64*", "*test_musl?2.0-amd64*"])


def test_the_grid_has_a_row_per_tag_and_a_column_per_platform(
    pytester: pytest.Pytester, xdist_args: tuple[str, ...]
) -> None:
    pytester.makepyfile(
        USES_IMAGE
        + """
def test_fails_on_arm64(alpine_image):
    assert str(alpine_image.platform) != "linux/arm64"
"""
    )
    result = pytester.runpytest_subprocess(
        "--alpine-image=oci:layout", "--alpine-tag=1.0", "--alpine-tag=2.0", "--alpine-platform=all", *xdist_args
    )
    result.assert_outcomes(passed=5 - 1 + 1, failed=1)
    result.stdout.re_match_lines(
        [
            r"=+ alpine: tag x platform =+",
            r" +amd64 +arm64$",
            r"1\.0 +2 passed +1 FAILED$",
            r" +\S+ k?B +1 passed$",
            r"2\.0 +2 passed$",
        ]
    )


def test_a_platform_that_the_tag_does_not_publish(pytester: pytest.Pytester, xdist_args: tuple[str, ...]) -> None:
    pytester.makepyfile(USES_IMAGE)
    args = ("--alpine-image=oci:layout", "--alpine-tag=2.0", "--alpine-platform=arm64", *xdist_args)
    failed = pytester.runpytest_subprocess(*args)
    failed.assert_outcomes(errors=1)
    failed.stdout.fnmatch_lines(["*oci:layout:2.0*not published for linux/arm64 (published: linux/amd64)*"])
    skipped = pytester.runpytest_subprocess(*args, "--alpine-missing=skip")
    skipped.assert_outcomes(skipped=1)


def test_a_tag_that_moves_is_told_at_the_end(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("import pytest\n@pytest.mark.alpine(image='oci:layout:latest')\ndef test_x(alpine_cell): pass")
    note = "latest moves: pin a tag with --alpine-tag or alpine_tags"
    assert note in pytester.runpytest_subprocess().outlines
    assert note not in pytester.runpytest_subprocess("--alpine-platform=native").outlines


def test_a_tag_that_is_not_there(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_x(alpine_image): ...")
    result = pytester.runpytest_subprocess("--alpine-image=oci:layout", "--alpine-tag=9")
    result.assert_outcomes(errors=1)
    (line,) = [line for line in result.outlines if "(there: " in line]
    assert line == "oci:layout:9: no image has the tag '9' (there: 1.0, 2.0)"


def test_marker_declares_and_the_command_line_narrows(pytester: pytest.Pytester, xdist_args: tuple[str, ...]) -> None:
    pytester.makepyfile(
        """
import pytest

@pytest.mark.alpine(image="oci:layout", tags="1.0", platforms=["amd64", "arm64"])
def test_marked(alpine_image):
    assert alpine_image.reference.tag == "1.0"
"""
    )
    pytester.runpytest_subprocess(*xdist_args).assert_outcomes(passed=2)
    pytester.runpytest_subprocess("--alpine-platform=arm64", *xdist_args).assert_outcomes(passed=1)


TWO_MARKED = """
import pytest

@pytest.mark.alpine(image="oci:layout", tags="1.0", platforms=["amd64", "arm64"])
def test_one(alpine_image): ...

@pytest.mark.alpine(image="oci:layout", tags="2.0", platforms="amd64")
def test_two(alpine_image): ...
"""


def test_the_command_line_may_leave_no_cell_of_a_marker(pytester: pytest.Pytester, xdist_args: tuple[str, ...]) -> None:
    pytester.makepyfile(TWO_MARKED)
    narrowed = pytester.runpytest_subprocess("--alpine-tag=2.0", "-rs", *xdist_args)
    narrowed.assert_outcomes(passed=1, skipped=1)
    narrowed.stdout.fnmatch_lines(["SKIPPED*: --alpine-tag and --alpine-platform leave no cell of the matrix that *"])


@pytest.mark.parametrize(
    "option", ["--alpine-tag=3.0", "--alpine-tag=1.0,3.0", "--alpine-platform=s390x", "--alpine-platform=386,!arm64"]
)
def test_what_the_command_line_names_and_no_test_has_ends_the_run(
    pytester: pytest.Pytester, xdist_args: tuple[str, ...], option: str
) -> None:
    pytester.makepyfile(TWO_MARKED)
    result = pytester.runpytest_subprocess(option, "-k", "test_two", *xdist_args)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    name = option.replace("1.0,", "").partition(",")[0]
    told = result.stdout.str() + result.stderr.str()
    assert f"no test has a cell for {name}: correct it, or add it to what the tests' markers declare" in told
    assert "passed" not in told


@pytest.mark.parametrize(
    ("args", "ran"),
    [(["--alpine-tag=1.0", "-k", "test_two"], 0), (["--alpine-platform=amd64", "-m", "not nothing"], 2)],
    ids=["-k", "-m"],
)
def test_tests_that_are_not_chosen_count(
    pytester: pytest.Pytester, xdist_args: tuple[str, ...], args: list[str], ran: int
) -> None:
    pytester.makepyfile(TWO_MARKED)
    result = pytester.runpytest_subprocess(*args, *xdist_args)
    result.assert_outcomes(passed=ran, skipped=0 if ran else 1, deselected=0 if ran or "-n2" in xdist_args else 2)


def test_a_tag_that_no_test_asked_for_when_it_ran(pytester: pytest.Pytester, xdist_args: tuple[str, ...]) -> None:
    pytester.makepyfile(
        """
import pytest

@pytest.mark.alpine(image="oci:layout", tags=["1.0", "2.0"])
def test_one(request):
    if not request.config.getoption("verbose"):
        request.getfixturevalue("alpine_cell")
"""
    )
    pytester.runpytest_subprocess("--alpine-tag=2.0", *xdist_args).assert_outcomes(passed=1)
    result = pytester.runpytest_subprocess("--alpine-tag=2.0", "-v", *xdist_args)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stdout.fnmatch_lines(["*alpine: not tested*", "no test has a cell for --alpine-tag=2.0: *"])


def test_a_platform_is_left_out(pytester: pytest.Pytester, xdist_args: tuple[str, ...]) -> None:
    pytester.makepyfile(USES_IMAGE)
    pytester.makeini("[pytest]\nalpine_image = oci:layout\nalpine_tags = 1.0 2.0\nalpine_platforms = all")
    result = pytester.runpytest_subprocess("--alpine-platform=!arm64", *xdist_args)
    result.assert_outcomes(passed=2)
    assert "alpine: image oci:layout, tags 1.0, 2.0, platforms all, !arm64" in result.outlines


def test_a_marker_says_only_what_differs_from_those_around_it(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
import pytest

pytestmark = pytest.mark.alpine(image="oci:layout", platforms=["amd64", "arm64"])

@pytest.mark.alpine(tags="1.0")
class TestOne:
    def test_both(self, alpine_image): ...

    @pytest.mark.alpine(platforms="arm64")
    def test_arm(self, alpine_image): ...
"""
    )
    result = pytester.runpytest_subprocess("-v")
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines_random(["*test_both?1.0-amd64*", "*test_both?1.0-arm64*", "*test_arm?1.0-arm64*"])


def test_ini_names_the_matrix(pytester: pytest.Pytester, xdist_args: tuple[str, ...]) -> None:
    pytester.makeini(
        "[pytest]\nalpine_image = oci:layout:{tag}\nalpine_tags = 1.0 2.0\n"
        "alpine_platforms = amd64\nalpine_engine = none\n"
    )
    pytester.makepyfile(USES_IMAGE)
    pytester.runpytest_subprocess(*xdist_args).assert_outcomes(passed=2)
    pytester.runpytest_subprocess("--alpine-tag=2.0", *xdist_args).assert_outcomes(passed=1)


def test_collection_asks_no_engine_and_no_network(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    pytester.makepyfile("def test_x(alpine_container): ...")
    result = pytester.runpytest_subprocess(
        "--collect-only", "-q", "--alpine-image=registry.invalid/app", "--alpine-tag=1", "--alpine-platform=all"
    )
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*test_x?1-amd64?", "*test_x?1-loong64?", "9 tests collected*"])


def test_the_official_image_is_collected_where_it_is_published(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_x(alpine_image): ...")
    args = ("--collect-only", "-q", "--alpine-image=alpine", "--alpine-platform=all")
    pytester.runpytest_subprocess(*args, "--alpine-tag=3.19").stdout.fnmatch_lines(["7 tests collected*"])
    pytester.runpytest_subprocess(*args, "--alpine-tag=3.22").stdout.fnmatch_lines(["8 tests collected*"])


def test_xdist_keeps_a_cell_on_one_worker(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
import os, pathlib, pytest

@pytest.mark.parametrize("number", range(5))
def test_worker(alpine_cell, number):
    with pathlib.Path(f"{alpine_cell.id}.txt").open("a") as file:
        file.write(os.environ["PYTEST_XDIST_WORKER"] + "\\n")
"""
    )
    pytester.runpytest_subprocess(
        "-n2", "--alpine-image=oci:layout", "--alpine-tag=1.0,2.0", "--alpine-platform=all"
    ).assert_outcomes(passed=15)
    for cell in ("1.0-amd64", "1.0-arm64", "2.0-amd64"):
        assert len(set((pytester.path / f"{cell}.txt").read_text().split())) == 1


def test_an_image_is_dropped_after_its_cells_last_test(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
import gc, weakref
import pytest

images = {}

@pytest.mark.parametrize("number", range(2))
def test_x(alpine_image, alpine_cell, number):
    alpine_image.packages
    gc.collect()
    assert all(cell == alpine_cell.id for cell, image in images.items() if image() is not None)
    assert images.setdefault(alpine_cell.id, weakref.ref(alpine_image))() is alpine_image
"""
    )
    args = ("--alpine-image=oci:layout", "--alpine-tag=1.0,2.0", "--alpine-platform=all")
    pytester.runpytest_subprocess(*args).assert_outcomes(passed=6)


def test_a_dist_that_the_user_chose_stays(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
def pytest_xdist_make_scheduler(config, log):
    print("distributed by", config.option.dist)
"""
    )
    pytester.makepyfile(USES_IMAGE)
    args = ("--alpine-image=oci:layout", "--alpine-tag=1.0", "-s")
    pytester.runpytest_subprocess("-n2", "--dist=worksteal", *args).stdout.fnmatch_lines(["distributed by worksteal"])
    pytester.runpytest_subprocess("-n2", *args).stdout.fnmatch_lines(["distributed by loadgroup"])


def test_broken_images_fail_with_one_message(pytester: pytest.Pytester, layout: Path) -> None:
    for blob in (layout / "blobs" / "sha256").iterdir():
        if blob.read_bytes()[:2] == b"\x1f\x8b":
            data = bytearray(blob.read_bytes())
            data[-20] ^= 1
            blob.write_bytes(bytes(data))
    pytester.makepyfile(USES_IMAGE)
    result = pytester.runpytest_subprocess("--alpine-image=oci:layout", "--alpine-tag=1.0")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E *oci:layout:1.0*"])


def test_what_is_wrong_with_an_image_is_shown_at_the_line_that_met_it(
    pytester: pytest.Pytester, layout: Path, xdist_args: tuple[str, ...]
) -> None:
    for blob in layout.glob("blobs/sha256/*"):
        if blob.read_bytes().startswith(b"\x1f\x8b"):
            blob.write_bytes(blob.read_bytes()[:-1])
    pytester.makepyfile(USES_IMAGE)
    args = ("--alpine-image=oci:layout", "--alpine-tag=1.0", "--alpine-platform=amd64", *xdist_args)
    result = pytester.runpytest_subprocess(*args)
    result.assert_outcomes(failed=1)
    places = [line for line in result.outlines if line.endswith(": MalformedImage")]
    assert len(places) == 1, "one clear error, without our own lines"
    result.stdout.fnmatch_lines(["alpine_image = <image oci:layout:1.0 (linux/amd64)>*", places[0]])
    assert places[0].startswith("test_what_is_wrong")
    assert "functools.py" in pytester.runpytest_subprocess("--full-trace", *args).stdout.str()
