"""The same 104 checks with pytest-testinfra's docker backend, one container per platform."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING

import pytest
import testinfra

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testinfra.host import Host

VERSIONS = {"musl": "1.2.5", "busybox": "1.36.1", "apk-tools": "2.14.4", "zlib": "1.3.1", "scanelf": "1.3.7"}
# Platforms and IDs of images that the engine holds.
IMAGES: dict[str, str] = json.loads(os.environ.get("BENCHMARK_IMAGES", "{}"))
NETWORK = os.environ.get("BENCHMARK_NETWORK", "bridge")


def docker(*args: str) -> str:
    return subprocess.run(["docker", *args], check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture(scope="session", params=IMAGES)
def platform(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def host(platform: str) -> Iterator[Host]:
    settings = ("--init", "--network", NETWORK, "--platform", platform)
    container = docker("run", "-d", *settings, IMAGES[platform], "sleep", "1000")
    yield testinfra.get_host(f"docker://{container}")
    docker("rm", "-f", container)


@pytest.mark.parametrize("name", VERSIONS)
def test_installed(host: Host, name: str) -> None:
    package = host.package(name)
    assert package.is_installed
    assert package.version == VERSIONS[name]


@pytest.mark.parametrize("name", ["bash", "curl", "gcc"])
def test_absent(host: Host, name: str) -> None:
    assert not host.package(name).is_installed


def test_release(host: Host) -> None:
    assert host.file("/etc/alpine-release").content_string == "3.20.3\n"


def test_shell(host: Host) -> None:
    assert host.file("/bin/sh").linked_to == "/bin/busybox"


def test_musl(host: Host) -> None:
    assert host.check_output("ls /lib/ld-musl-*.so.1")


def test_size(platform: str) -> None:
    assert int(docker("image", "inspect", "-f", "{{.Size}}", IMAGES[platform])) < 9_000_000


def test_uname(host: Host) -> None:
    assert host.check_output("uname -m")
