"""What tests need beyond Python: ``official``, ``docker``, ``podman``, ``bubblewrap``, ...; and the test bed.

A test whose need is not met is skipped, with the sentence that mends it. What ``PYTEST_ALPINE_REQUIRE`` lists must be
there: such a skip is a failure then.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from tests.testbed import Testbed

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.bed.far import FarEngine

# The time of an example depends on the load of the machine.
settings.register_profile("beside others", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("beside others")

REQUIRED = frozenset(filter(None, os.environ.get("PYTEST_ALPINE_REQUIRE", "").split(",")))
PODMANS = 2 if os.geteuid() == 0 else 1  # root brings up a service of its own, too
EMULATED = frozenset({"linux/arm/v6", "linux/arm/v7", "linux/arm64", "linux/ppc64le", "linux/riscv64", "linux/s390x"})

NEEDS: dict[str, Callable[[Testbed], bool]] = {
    "official": lambda bed: bed.official,
    "docker": lambda bed: bed.docker,
    "podman": lambda bed: len(bed.podman) == PODMANS,
    "emulators": lambda bed: bed.emulated >= EMULATED,
    "far": lambda bed: bed.far is not None,
    "bubblewrap": lambda bed: bed.bubblewrap,
}

WAYS_OUT = {
    "official": "set PYTEST_ALPINE_MIRROR to an Alpine mirror, and run: python tests/testbed.py up",
    "docker": "run: python tests/testbed.py up",
    "podman": "run: python tests/testbed.py up",
    "emulators": "run: python tests/testbed.py up",
    "far": "run: python tests/testbed.py up",
    "bubblewrap": "run: python tests/testbed.py up",
}

bed_key = pytest.StashKey[Testbed]()


def pytest_configure() -> None:
    """Let coverage measure the process that starts sandboxes, where it measures this one.

    It starts without an environment and without site-packages, which coverage's own way relies on.
    """
    measured = os.environ.get("COVERAGE_PROCESS_CONFIG")
    if measured:
        import coverage

        from pytest_alpine.engine.bubblewrap import link

        folder = str(Path(coverage.__file__).parents[1])
        measure = f"import os, sys; os.environ['COVERAGE_PROCESS_CONFIG'] = {measured!r}; sys.path.append({folder!r}); "
        link._CODE = f"{measure}import coverage; coverage.process_startup(); {link._CODE}"  # type: ignore[misc]


def bed_of(config: pytest.Config) -> Testbed:
    """Return what the tests can talk to, looked up once."""
    if bed_key not in config.stash:
        config.stash[bed_key] = Testbed.current()
    return config.stash[bed_key]


def pytest_runtest_setup(item: pytest.Item) -> None:
    for name in NEEDS:
        if item.get_closest_marker(name):
            need(name, bed_of(item.config))


def need(name: str, bed: Testbed) -> None:
    """End a test that needs *name*, which is not available: skip it, or fail if *name* is required."""
    if NEEDS[name](bed):
        return
    what = "; ".join(bed.missing) or WAYS_OUT[name]
    if name in REQUIRED:
        pytest.fail(f"PYTEST_ALPINE_REQUIRE names {name!r}, which is not there: {what}", pytrace=False)
    pytest.skip(f"needs {name}: {what}")


@pytest.fixture(scope="session")
def bed(pytestconfig: pytest.Config) -> Testbed:
    """The test bed."""
    return bed_of(pytestconfig)


@pytest.fixture(scope="session")
def far_engine(pytestconfig: pytest.Config) -> FarEngine:
    """The second Docker engine; for tests with the marker ``far``."""
    found = bed_of(pytestconfig).far
    assert found is not None
    return found
