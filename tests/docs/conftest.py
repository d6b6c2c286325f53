"""Where the examples run: a folder with Alpine's releases, and with an application, ``app``, in three versions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from pytest_alpine import open_image
from tests.conftest import need
from tests.support.elf import elf_for
from tests.support.images import BuiltImage, File, Node, image, layer_tar, write_oci_layout

if TYPE_CHECKING:
    from pathlib import Path

    from tests.testbed import Testbed

PLATFORMS: Final = ("linux/amd64", "linux/arm64")
USER: Final = "app:x:1000:1000::/:/bin/sh\n"
HELLO: Final = File(b'#!/bin/sh\necho "hello from $(cat /etc/apk/arch)"\n', mode=0o755)
CONFIG: Final[dict[str, Any]] = {
    "User": "app",
    "Entrypoint": ["app"],
    "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
    "Labels": {"org.opencontainers.image.title": "app"},
}
# What may go wrong: a program of another processor, one that lacks a library, a script that lacks its interpreter, ...
BROKEN: Final[dict[str, Node]] = {
    "usr/local/bin/app": File(bytes(elf_for("linux/amd64", interpreter="/lib/ld-musl-x86_64.so.1")), mode=0o755),
    "usr/local/bin/run": File(b"#!/bin/bash\nexec app\n", mode=0o755),
    "usr/local/bin/tool": File(
        bytes(elf_for("linux/arm64", interpreter="/lib/ld-musl-aarch64.so.1", needed=("libstdc++.so.6",))), mode=0o755
    ),
    "root/.cache/pip/http/1": b"x" * 12_000,
}


@pytest.fixture(scope="session")
def alpine(bed: Testbed) -> str:
    """The mirror with Alpine's official releases, as a reference without a tag."""
    need("official", bed)
    return f"minirootfs:{bed.mirror}"


@pytest.fixture(scope="session")
def app(alpine: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An OCI layout with ``1.2`` (on Alpine 3.19), ``1.3`` (on 3.20) and ``dev``, which is broken."""
    layout = tmp_path_factory.mktemp("docs") / "app"
    versions = {
        "1.2": [_app(f"{alpine}:3.19", platform, {"usr/local/bin/app": HELLO}) for platform in PLATFORMS],
        "1.3": [_app(f"{alpine}:3.20", platform, {"usr/local/bin/app": HELLO}) for platform in PLATFORMS],
        "dev": [_app(f"{alpine}:3.20", "linux/arm64", BROKEN, Entrypoint=["serve"])],
    }
    write_oci_layout(layout, versions)
    return layout


def _app(base: str, platform: str, files: dict[str, Node], **config: object) -> BuiltImage:
    (layer,) = open_image(base, platform).stored_layers
    passwd = open_image(base, platform).rootfs.read("/etc/passwd").decode() + USER
    with layer.tar.open("rb") as tar:
        return image(
            tar.read(),
            layer_tar({"etc/passwd": passwd, **files}),
            platform=platform,
            config=CONFIG | config,
            compression="zstd",
        )
