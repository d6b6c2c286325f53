"""What a failed test tells of its containers, and how they are kept for a look."""

from __future__ import annotations

import re
import subprocess

import pytest

from tests.support.mirror import MIRROR

pytestmark = [pytest.mark.docker, pytest.mark.official]

ARGS = (f"--alpine-image=minirootfs:{MIRROR}", "--alpine-tag=3.20", "-p", "no:cacheprovider")

FAILING = """
def test_shared(alpine_container):
    alpine_container.run("echo to the log >/proc/1/fd/1; echo said; exit 3")
    alpine_container.packages
    assert alpine_container.host.file("/no/such/file").exists

def test_fresh(alpine_container_per_test):
    assert alpine_container_per_test.run(["printf", "%0999d", "7"]).exit_code == 9

def test_good(alpine_container): ...
"""


def test_the_report_tells_of_commands_and_logs(pytester: pytest.Pytester, xdist_args: tuple[str, ...]) -> None:
    pytester.makepyfile(FAILING)
    result = pytester.runpytest_subprocess(*ARGS, *xdist_args)
    result.assert_outcomes(failed=2, passed=1)
    result.stdout.re_match_lines(
        [
            r"-+ alpine: last commands in container pytest-alpine-3.20-\S+ of minirootfs:.*",
            r"'echo to the log >/proc/1/fd/1; echo said; exit 3': exit code 3 after \d+\.\d{3} s",
            "    said",
            r"'test -e /no/such/file': exit code 1 after \d+\.\d{3} s",
            r"-+ alpine: end of the logs of container pytest-alpine-3.20-\S+ of minirootfs:.*",
            "to the log",
        ]
    )
    result.stdout.re_match_lines([r"'printf %0999d 7': exit code 0 after .* s", "    0+7"])
    assert len([line for line in result.outlines if "alpine: last commands" in line]) == 2
    result.stdout.no_fnmatch_line("*alpine: kept*")


def test_failed_tests_containers_are_kept(pytester: pytest.Pytester, xdist_args: tuple[str, ...]) -> None:
    pytester.makepyfile(FAILING)
    result = pytester.runpytest_subprocess(*ARGS, "--alpine-keep", *xdist_args)
    result.assert_outcomes(failed=2, passed=1)
    kept = [line for line in result.outlines if "::test_" in line and "docker exec -it" in line]
    pattern = r".*::(test_\w+)\[.*\]: docker exec -it (pytest-alpine-kept-\S+) /bin/sh +\(to remove it: (.*)\)"
    found = [match.groups() for line in kept if (match := re.fullmatch(pattern, line))]
    try:
        assert sorted(test for test, _, _ in found) == ["test_fresh", "test_shared"]
        pytester.makepyfile(test_next="def test_x(alpine_engine): ...")
        pytester.runpytest_subprocess(*ARGS, "test_next.py").assert_outcomes(passed=1)
        for test, name, _ in found:
            said = subprocess.run(["docker", "logs", name], check=True, capture_output=True, text=True).stdout
            assert said == ("to the log\n" if test == "test_shared" else "")
            subprocess.run(["docker", "exec", name, "/bin/sh", "-c", "true"], check=True)
    finally:
        for _, name, remove in found:
            assert remove == f"docker rm -fv {name}"
            subprocess.run(remove.split(), check=True, capture_output=True)
    names = subprocess.run(["docker", "ps", "-a"], check=True, capture_output=True, text=True).stdout
    assert not [name for _, name, _ in found if name in names]
