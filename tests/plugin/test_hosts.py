"""Cells that run on other machines, as users see them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.support.far import containers, docker, labels, reach
from tests.testbed import Testbed

if TYPE_CHECKING:
    from tests.bed.far import FarEngine

MIRROR = Testbed.current().mirror
CELLS = (f"--alpine-image=minirootfs:{MIRROR}", "--alpine-tag=latest", "--alpine-platform=amd64,386")
CHECKS = """
def test_shared(alpine_container, alpine_engine):
    with open("names", "a") as names:
        names.write(alpine_container.remove_command.split()[-1] + " ")
    assert alpine_container.run("uname -m", check=True).stdout
    far = alpine_container.enter_command.startswith("docker -H ssh://far/")
    assert far == (str(alpine_container.platform) == "linux/386")
    assert alpine_engine.emulated(alpine_container.platform) == alpine_container.emulated

def test_fresh(alpine_container_per_test):
    assert alpine_container_per_test.run("true").exit_code == 0
"""
DOWN = "tcp://127.0.0.1:1"


@pytest.mark.docker
@pytest.mark.far
@pytest.mark.parametrize("args", [(), ("-n2",)], ids=["no-xdist", "n2"])
def test_a_platform_on_another_machine(
    pytester: pytest.Pytester, far_engine: FarEngine, monkeypatch: pytest.MonkeyPatch, args: tuple[str, ...]
) -> None:
    reach(far_engine, monkeypatch)
    pytester.makeini(f"[pytest]\nalpine_engines = linux/386={far_engine.ssh}")
    pytester.makepyfile(CHECKS)
    result = pytester.runpytest_subprocess(*CELLS, *args)
    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines([f"alpine engine: docker * (auto), linux/386 on {far_engine.ssh}"])
    names = set((pytester.path / "names").read_text().split())
    assert len(names) == 2
    assert not names & containers(far_engine)


@pytest.mark.docker
@pytest.mark.parametrize(("missing", "outcome"), [("fail", "errors"), ("skip", "skipped")])
def test_a_machine_that_is_down(pytester: pytest.Pytester, missing: str, outcome: str) -> None:
    pytester.makepyfile("def test_x(alpine_container): alpine_container.run('true', check=True)")
    result = pytester.runpytest_subprocess(
        *CELLS, "-rs", f"--alpine-engines=linux/386={DOWN}", f"--alpine-missing={missing}"
    )
    result.assert_outcomes(passed=1, **{outcome: 1})
    message = (
        f"*no Docker engine answers at {DOWN} (as named): Connection refused; see whether it runs: docker -H {DOWN}*"
    )
    result.stdout.fnmatch_lines([message])


@pytest.mark.docker
@pytest.mark.far
def test_a_failed_tests_container_is_kept_there(
    pytester: pytest.Pytester, far_engine: FarEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    reach(far_engine, monkeypatch)
    pytester.makepyfile("def test_x(alpine_container): assert 0")
    option = f"--alpine-engines=386={far_engine.tcp}"
    result = pytester.runpytest_subprocess(*CELLS[:2], "--alpine-platform=386", option, "--alpine-keep")
    result.assert_outcomes(failed=1)
    found = re.search(r"exec -it (\S+) /bin/sh", result.stdout.str())
    assert found is not None
    name = found[1]
    try:
        assert name in containers(far_engine)
        result.stdout.fnmatch_lines([f"*docker -H {far_engine.tcp} exec -it {name} /bin/sh*"])
        result.stdout.fnmatch_lines([f"*docker -H {far_engine.tcp} rm -fv {name}*"])
        assert labels(far_engine, name)["pytest-alpine.host"]
    finally:
        docker(far_engine, "rm", "-f", name)


@pytest.mark.parametrize(
    ("word", "message"),
    [
        (
            "ssh://arm-1",
            "alpine_engines: 'ssh://arm-1' names no engine (expected PLATFORM=URL or PLATFORM=CONTEXT, as in",
        ),
        ("vax=ssh://vax-1", "alpine_engines: unknown architecture: 'vax'"),
        (
            "arm64=htp://arm-1",
            "alpine_engines: 'htp://arm-1' is not an address of an engine (expected ssh://, tcp://, unix://",
        ),
    ],
    ids=["no-platform", "unknown-platform", "unknown-scheme"],
)
@pytest.mark.parametrize("place", ["ini", "command line"])
def test_wrong_names_are_told_before_any_test(pytester: pytest.Pytester, place: str, word: str, message: str) -> None:
    if place == "ini":
        pytester.makeini(f"[pytest]\nalpine_engines = {word}")
    result = pytester.runpytest_subprocess(*([] if place == "ini" else [f"--alpine-engines={word}"]))
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert message in result.stderr.str()
