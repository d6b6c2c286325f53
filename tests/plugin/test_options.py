from __future__ import annotations

import json

import pytest

from pytest_alpine.checks.today import today
from tests.support.alpine import CONFIG, GOOD
from tests.support.images import image, layer_tar, write_oci_layout


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--alpine-engine=qemu"], "--alpine-engine=qemu: unknown engine; try one of auto, docker, "),
        (["--alpine-pull=often"], "--alpine-pull=often: unknown pull; try one of missing, always, never"),
        (
            ["--alpine-pull-timeout=soon"],
            "--alpine-pull-timeout=soon: expected a number of seconds, more than 0 and at most 86400, such as 60",
        ),
        (["-o", "alpine_pull_timeout=0"], "--alpine-pull-timeout=0: expected a number of seconds, more than 0"),
        (["--alpine-missing=cry"], "--alpine-missing=cry: unknown missing; try one of fail, skip"),
        (["--alpine-report=out.pdf"], "--alpine-report=out.pdf: unknown format; try one of .json, .md, .html"),
        (["--alpine-today=soon"], "--alpine-today=soon: no date (expected YYYY-MM-DD, such as 2026-11-05)"),
        (["--alpine-today=20261105"], "--alpine-today=20261105: no date (expected YYYY-MM-DD, such as 2026-11-05)"),
        (["--alpine-today=2026-02-30"], "--alpine-today=2026-02-30: no such day: day "),
        (["--alpine-update-sizes"], "--alpine-update-sizes needs a ledger: name it with --alpine-sizes=FILE"),
        (
            ["--alpine-platform=vax"],
            "unknown architecture: 'vax' (expected one of linux/amd64, linux/386, linux/arm/v6",
        ),
        (["--alpine-image=Alpine"], "invalid image reference: 'Alpine' (expected [registry/]name[:tag][@digest]"),
        (["--alpine-image=docker-deamon:x"], "unknown transport 'docker-deamon' in image reference"),
        (["--alpine-tag=a/b"], "invalid tag 'a/b'"),
        (["--alpine-tag="], "--alpine-tag is empty: name a tag, such as --alpine-tag=3.22, or leave the option out"),
        (["--alpine-platform="], "no platform is named (expected native, all, or platforms)"),
        (["--alpine-platform=386,!i386"], "no platform is left of 386, !i386"),
        (["--alpine-platform=!vax"], "unknown architecture: 'vax'"),
        (
            ["--alpine-image=acme/app:1", "--alpine-tag=2"],
            "--alpine-tag: the image 'acme/app:1' has a tag of its own; write {tag} in its place, or leave it out",
        ),
        (
            [f"--alpine-image=acme/app@sha256:{'0' * 64}", "--alpine-tag=2"],
            "' has a digest of its own; write {tag} in its place, or leave it out",
        ),
    ],
)
def test_wrong_options_name_the_way_out(pytester: pytest.Pytester, args: list[str], message: str) -> None:
    result = pytester.runpytest_subprocess(*args)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert message in result.stderr.str()
    assert "Traceback" not in result.stderr.str()


@pytest.mark.parametrize(
    ("marker", "message"),
    [
        ('platforms="vax"', "unknown architecture: 'vax'"),
        ('tag="1"', "unknown argument 'tag' (expected tags=, platforms=, image=)"),
        ('"3.20"', "a positional argument (expected tags=, platforms=, image=)"),
        ("tags=3.19", "@pytest.mark.alpine: tags=3.19 (expected a text in quotes, or a list of texts)"),
        ('tags=["edge", 3.19]', "tags=['edge', 3.19] (expected a text in quotes, or a list of texts)"),
        ("image=7", "@pytest.mark.alpine: image=7 (expected a text)"),
    ],
)
def test_wrong_markers_name_the_test(pytester: pytest.Pytester, marker: str, message: str) -> None:
    pytester.makepyfile(f"import pytest\n@pytest.mark.alpine({marker})\ndef test_x(alpine_cell): ...")
    result = pytester.runpytest_subprocess()
    assert message in result.stdout.str() + result.stderr.str()
    assert "test_x" in result.stdout.str() + result.stderr.str()
    assert "pluggy" not in result.stdout.str().partition("= ERRORS =")[2], "no stack"


def test_a_wrong_ini_file_is_not_the_command_lines_fault(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nalpine_platforms = vax\n")
    result = pytester.runpytest_subprocess()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "pytest-alpine, the ini file: unknown architecture: 'vax'" in result.stderr.str()


SUPPORTED = """
from pytest_alpine import assert_clean

def test_branch(alpine_image):
    assert_clean(alpine_image, "supported-branch")
"""


@pytest.mark.parametrize(("day", "failed"), [("2028-06-01", 0), ("2028-06-02", 1)], ids=["last-day", "day-after"])
@pytest.mark.parametrize("place", ["command line", "ini"])
def test_the_day_is_what_the_run_says(
    pytester: pytest.Pytester, xdist_args: tuple[str, ...], day: str, failed: int, place: str
) -> None:
    write_oci_layout(pytester.path / "layout", {"1": [image(layer_tar(GOOD), config=CONFIG)]})
    pytester.makepyfile(SUPPORTED)
    args = ["--alpine-image=oci:layout", "--alpine-tag=1", "--alpine-platform=amd64", *xdist_args]
    if place == "ini":
        pytester.makeini(f"[pytest]\nalpine_today = {day}")
    else:
        pytester.makeini("[pytest]\nalpine_today = 1999-01-01")
        args.append(f"--alpine-today={day}")
    result = pytester.runpytest_subprocess(*args)
    result.assert_outcomes(passed=1 - failed, failed=failed)
    if failed:
        result.stdout.fnmatch_lines(["*3.24: expected a branch that is supported on 2028-06-02, found 3.24, which *"])


def test_the_day_goes_with_the_run(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        "from pytest_alpine.checks.today import today\ndef test_x(): assert str(today()) == '1999-12-31'"
    )
    before = today()
    pytester.runpytest_inprocess("--alpine-today=1999-12-31").assert_outcomes(passed=1)
    assert today() >= before


def test_header_says_what_is_under_test(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_nothing(): ...")
    assert "alpine:" not in pytester.runpytest_subprocess().stdout.str()
    pytester.runpytest_subprocess("--alpine-platform=native").stdout.fnmatch_lines(
        ["alpine: image alpine, tags latest (it moves: --alpine-tag pins it), platforms native (linux/*)"]
    )


@pytest.mark.parametrize(
    "image",
    ["acme/app:1.2", f"acme/app@sha256:{'0' * 64}", "docker-archive:app.tar", "oci:app:1.2"],
    ids=["tag", "digest", "archive", "layout"],
)
def test_header_names_no_tag_beside_an_image_that_says_which_it_is(pytester: pytest.Pytester, image: str) -> None:
    pytester.makepyfile("def test_nothing(): ...")
    result = pytester.runpytest_subprocess(f"--alpine-image={image}", "--alpine-engine=none")
    result.stdout.fnmatch_lines([f"alpine: image {image}, platforms native (linux/*)"])


@pytest.mark.parametrize(
    ("args", "shown"),
    [
        ((), "auto: docker does not answer"),
        (("--alpine-engine=docker",), "alpine engine: none (docker does not answer)"),
        (("--alpine-engine=none",), "alpine engine: none"),
        (("--alpine-engine=none", "--alpine-network=backend"), "alpine engine: none, network backend"),
        (("--collect-only",), "alpine engine: auto"),
    ],
    ids=["auto", "docker", "none", "network", "a-listing"],
)
def test_header_says_what_runs_it(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, args: tuple[str, ...], shown: str
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{pytester.path}/nobody.sock")
    pytester.makepyfile("def test_nothing(): ...")
    result = pytester.runpytest_subprocess("--alpine-platform=native", *args)
    assert shown in "\n".join(line for line in result.outlines if line.startswith("alpine engine: "))


@pytest.mark.usefixtures("layout")
def test_reports(pytester: pytest.Pytester, xdist_args: tuple[str, ...]) -> None:
    pytester.makepyfile("def test_x(alpine_image): assert alpine_image.size.compressed")
    pytester.runpytest_subprocess(
        "--alpine-image=oci:layout",
        "--alpine-tag=1.0",
        "--alpine-platform=all",
        "--alpine-report=out/report.json,report.md",
        "--alpine-report=report.html",
        *xdist_args,
    ).assert_outcomes(passed=2)
    cells = json.loads((pytester.path / "out" / "report.json").read_text())["cells"]
    assert {(cell["tag"], cell["platform"]) for cell in cells} == {("1.0", "linux/amd64"), ("1.0", "linux/arm64")}
    assert all(cell["compressed_bytes"] > 0 and cell["digest"].startswith("sha256:") for cell in cells)
    assert all(list(cell["tests"].values()) == ["passed"] for cell in cells)
    assert "| oci:layout:1.0 | 1.0 | linux/arm64 | 1 | 0 | 0 |" in (pytester.path / "report.md").read_text()
    assert "<td>linux/arm64</td>" in (pytester.path / "report.html").read_text()


@pytest.mark.usefixtures("layout")
def test_what_cannot_be_written_is_told_and_fails_the_run(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_x(alpine_image): pass")
    (pytester.path / "taken").touch()
    result = pytester.runpytest_subprocess(
        *("--alpine-image=oci:layout", "--alpine-tag=1.0", "--alpine-platform=amd64", "--alpine-report=taken/r.json"),
        *("--alpine-report=r.md", "--alpine-sizes=taken/s.json", "--alpine-update-sizes"),
    )
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    way_out = "name a file in a folder that can be written"
    told = [line for line in result.outlines if line.startswith("cannot write ")]
    assert told == [
        f"cannot write {pytester.path}/taken/{name}: {reason}; {way_out}"
        for name, reason in (("r.json", "File exists"), ("s.json", "File exists"))
    ]
    assert "Traceback" not in result.stdout.str() + result.stderr.str()
    assert (pytester.path / "r.md").exists()


def test_no_engine(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, xdist_args: tuple[str, ...]) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    pytester.makepyfile("def test_x(alpine_engine): ...")
    args = ("--alpine-engine=docker", *xdist_args)
    failed = pytester.runpytest_subprocess(*args)
    failed.assert_outcomes(errors=1)
    failed.stdout.fnmatch_lines(["*127.0.0.1:1*--alpine-missing=skip skips such tests)"])
    assert failed.stdout.str().count("start dockerd") == 1, "one clear error, not the chain of its causes"
    pytester.runpytest_subprocess("--alpine-missing=skip", *args).assert_outcomes(skipped=1)


IDLE = {f"pytest_alpine{name}" for name in ("", ".plugin", ".plugin.fixtures", ".plugin.hooks", ".plugin.options")}
IDLE.add("pytest_alpine.plugin.state")


def test_a_suite_that_does_not_use_the_plugin_loads_almost_nothing(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        f"""
import sys

def test_modules():
    assert {{name for name in sys.modules if name.partition(".")[0] == "pytest_alpine"}} == {IDLE!r}
    assert not {{"docker", "testinfra", "requests", "yaml", "elftools", "zstandard", "filelock"}} & set(sys.modules)
"""
    )
    pytester.runpytest_subprocess().assert_outcomes(passed=1)
