"""The plugin run as users run it: pytest inside pytest, without xdist, with ``-n0`` and with ``-n2``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.images import BuiltImage, Node, Symlink, image, layer_tar, write_oci_layout

if TYPE_CHECKING:
    from pathlib import Path

DATABASE = """\
P:musl
V:1.2.5-r0
F:lib
R:ld-musl-x86_64.so.1

P:busybox
V:1.36.1-r29
p:cmd:sh=1.36.1-r29
F:bin
R:busybox

"""


def small_image(platform: str) -> BuiltImage:
    """Return an image with two packages, a release and a shell's links, and nothing to run."""
    members: dict[str, Node] = {
        "bin/busybox": b"BusyBox v1.36.1",
        "bin/sh": Symlink("/bin/busybox"),
        "etc/alpine-release": "3.20.3\n",
        "etc/apk/world": "busybox\n",
        "lib/apk/db/installed": DATABASE,
        "usr/share/doc": b"x" * 1000,
    }
    return image(layer_tar(members), platform=platform)


@pytest.fixture(params=[(), ("-n0",), ("-n2",)], ids=["no-xdist", "n0", "n2"])
def xdist_args(request: pytest.FixtureRequest) -> tuple[str, ...]:
    args: tuple[str, ...] = request.param
    return args


@pytest.fixture
def layout(pytester: pytest.Pytester) -> Path:
    """An OCI layout with the tags 1.0 (amd64, arm64) and 2.0 (amd64), beside the test file that pytester runs."""
    both = [small_image("linux/amd64"), small_image("linux/arm64")]
    write_oci_layout(pytester.path / "layout", {"1.0": both, "2.0": both[:1]})
    return pytester.path / "layout"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store of its own for each test."""
    monkeypatch.setenv("PYTEST_ALPINE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(autouse=True)
def few_plugins(request: pytest.FixtureRequest) -> None:
    """Load this plugin and xdist alone in pytest inside pytest: others take most of the time of a short run."""
    if "pytester" in request.fixturenames:
        request.getfixturevalue("pytester")  # it sets what such a run finds in its environment
        patch: pytest.MonkeyPatch = request.getfixturevalue("monkeypatch")
        patch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
        patch.setenv("PYTEST_ADDOPTS", "-p alpine -p xdist")
