"""A registry that fails while a suite runs: one run gives it up once, and tests one build of a tag that moves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.plugin.conftest import small_image
from tests.support.registry_server import Fault, RegistryServer, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

PLATFORMS = ("linux/amd64", "linux/arm64", "linux/s390x", "linux/ppc64le")
IMAGES = [small_image(platform) for platform in PLATFORMS]
SUITE = """
def test_musl(alpine_image):
    print(alpine_image.digest)
    assert "musl" in alpine_image.packages
"""


@pytest.fixture
def server(pytester: pytest.Pytester) -> Iterator[RegistryServer]:
    """A registry with one image for four platforms, and the suite beside."""
    pytester.makepyfile(SUITE)
    with serving(RegistryServer()) as running:
        running.push("acme/app", "1", IMAGES)
        yield running


def run(pytester: pytest.Pytester, server: RegistryServer, *args: str) -> pytest.RunResult:
    chosen = [f"--alpine-image=registry:{server.host}/acme/app", "--alpine-tag=1", "--alpine-engine=none"]
    return pytester.runpytest_subprocess(*chosen, f"--alpine-platform={','.join(PLATFORMS)}", *args)


def test_a_silent_registry_costs_a_run_its_patience_once(
    pytester: pytest.Pytester, server: RegistryServer, xdist_args: tuple[str, ...]
) -> None:
    server.faults.append(Fault(path="/manifests/", silence="answer", times=99))
    result = run(pytester, server, "--alpine-pull-timeout=0.8", *xdist_args)
    result.assert_outcomes(errors=4)
    words = f"{server.host} does not answer: it was silent for 0.8 s, the pull timeout, and is not asked again"
    assert sum(words in line for line in result.outlines) == 4
    assert server.asked("/manifests/") <= 4


def test_workers_test_one_build_of_a_tag_that_moves(
    pytester: pytest.Pytester, server: RegistryServer, xdist_args: tuple[str, ...]
) -> None:
    index = server.tags["acme/app", "1"]
    server.moves["acme/app", "1"] = server.push("acme/app", "2", [small_image(name) for name in PLATFORMS[::-1]])
    server.tags["acme/app", "1"] = index
    result = run(pytester, server, *xdist_args)
    result.assert_outcomes(passed=4)
    assert server.asked("GET /v2/acme/app/manifests/1") == 1
    assert server.tags["acme/app", "1"] != index
