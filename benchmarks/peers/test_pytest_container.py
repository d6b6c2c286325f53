"""The same 104 checks with pytest_container: its own fixture starts and stops one container per platform."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING

import pytest
from pytest_container.container import Container

if TYPE_CHECKING:
    from pytest_container.container import ContainerData
    from testinfra.host import Host

VERSIONS = {"musl": "1.2.5", "busybox": "1.36.1", "apk-tools": "2.14.4", "zlib": "1.3.1", "scanelf": "1.3.7"}
# Platforms and IDs of images that the engine holds.
IMAGES: dict[str, str] = json.loads(os.environ.get("BENCHMARK_IMAGES", "{}"))
NETWORK = os.environ.get("BENCHMARK_NETWORK", "bridge")
CONTAINERS = [
    Container(url=image, custom_entry_point="/bin/sh", extra_launch_args=["--platform", platform, "--network", NETWORK])
    for platform, image in IMAGES.items()
]

on_each_platform = pytest.mark.parametrize("container", CONTAINERS, indirect=True, ids=list(IMAGES))


@pytest.fixture
def host(container: ContainerData) -> Host:
    return container.connection


@on_each_platform
@pytest.mark.parametrize("name", VERSIONS)
def test_installed(host: Host, name: str) -> None:
    package = host.package(name)
    assert package.is_installed
    assert package.version == VERSIONS[name]


@on_each_platform
@pytest.mark.parametrize("name", ["bash", "curl", "gcc"])
def test_absent(host: Host, name: str) -> None:
    assert not host.package(name).is_installed


@on_each_platform
def test_release(host: Host) -> None:
    assert host.file("/etc/alpine-release").content_string == "3.20.3\n"


@on_each_platform
def test_shell(host: Host) -> None:
    assert host.file("/bin/sh").linked_to == "/bin/busybox"


@on_each_platform
def test_musl(host: Host) -> None:
    assert host.check_output("ls /lib/ld-musl-*.so.1")


@on_each_platform
def test_size(container: ContainerData) -> None:
    command = ["docker", "image", "inspect", "-f", "{{.Size}}", container.container.url]
    size = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert int(size) < 9_000_000


@on_each_platform
def test_uname(host: Host) -> None:
    assert host.check_output("uname -m")
