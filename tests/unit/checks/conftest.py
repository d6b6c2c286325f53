"""Images for checks: a small Alpine built in code, and changes to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import pytest

from pytest_alpine import Image, Platform, open_image
from pytest_alpine.image.access import Access
from pytest_alpine.image.store.store import Store
from tests.support.elf import Arm, elf_for, musl_loader
from tests.support.images import File, Symlink, image, layer_tar, write_oci_layout

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tests.support.images import Node


class Build(Protocol):
    """Opens an image that is built of files."""

    def __call__(
        self,
        changes: Mapping[str, Node | None] = ...,
        *,
        platform: str = ...,
        said: str = ...,
        config: Mapping[str, Any] = ...,
    ) -> Image: ...


def program(platform: str = "linux/amd64", **fields: Any) -> File:  # noqa: ANN401 - the fields of Elf
    """Return an executable for *platform*, with *fields* of Elf."""
    return File(bytes(elf_for(platform, **fields)), mode=0o755)


def arm(platform: str) -> dict[str, Any]:
    """Return the build attributes of Alpine's programs for *platform*."""
    return {"arm": Arm(cpu_arch=7, fp_arch=2)} if platform == "linux/arm/v6" else {"arm": Arm()}


def alpine(platform: str = "linux/amd64") -> dict[str, Node]:
    """Return the files of a small Alpine for *platform*."""
    machine = Platform.parse(platform).machine
    loader = f"ld-musl-{machine.loader_arch}.so.1"
    attributes = arm(platform) if machine.elf_machine == 40 else {}
    database = (
        f"P:musl\nV:1.2.5-r0\nA:{machine.apk_arch}\nI:409600\nF:lib\nR:{loader}\na:0:0:755\n\n"
        f"P:busybox\nV:1.36.1-r29\nA:{machine.apk_arch}\nI:962560\nF:bin\nR:busybox\na:0:0:755\n\n"
        f"P:zlib\nV:1.3.1-r1\nA:{machine.apk_arch}\nI:110592\np:so:libz.so.1=1.3.1\nF:lib\nR:libz.so.1\n\n"
        "P:tzdata\nV:2024a-r1\nA:noarch\n\n"
    )
    soname = f"libc.musl-{machine.apk_arch}.so.1"
    return {
        "bin/busybox": program(platform, payload=b"BusyBox v1.36.1", **attributes),
        "bin/sh": Symlink("/bin/busybox"),
        "usr/bin/env": Symlink("/bin/busybox"),
        "usr/bin/ldd": File(b'#!/bin/sh\nexec /lib/ld-musl.so.1 --list "$@"\n', mode=0o755),
        "lib/libz.so.1": program(platform, interpreter=None, flags_1=0, soname="libz.so.1", **attributes),
        f"lib/{loader}": File(musl_loader(platform), mode=0o755),
        f"lib/{soname}": Symlink(loader),
        "lib/apk/db/installed": database,
        "etc/apk/arch": f"{machine.apk_arch}\n",
    }


@pytest.fixture
def build(tmp_path: Path) -> Build:
    """Return what opens the image of a small Alpine with changes; None takes a file away."""

    def opened(
        changes: Mapping[str, Node | None] = {},
        *,
        platform: str = "linux/amd64",
        said: str = "",
        config: Mapping[str, Any] = {},
    ) -> Image:
        merged = alpine(platform) | dict(changes)
        tar = layer_tar({name: node for name, node in merged.items() if node is not None})
        built = image(tar, platform=platform, config=config)
        if said:
            built = image(tar, platform=said, config=config)
            os, architecture, variant = (*platform.split("/"), "")[:3]
            built.platform.clear()  # type: ignore[attr-defined]  # what the index says, behind the configuration's back
            words = {"os": os, "architecture": architecture, "variant": variant}
            built.platform.update(words)  # type: ignore[attr-defined]
        other = image(layer_tar({"other": ""}), platform="linux/mips64")
        write_oci_layout(tmp_path / "layout", {"1": [built, other]})
        return open_image(f"oci:{tmp_path}/layout:1", platform, access=Access(Store(tmp_path / "store")))

    return opened


@pytest.fixture
def broken(build: Build) -> Image:
    """Return an image for arm64 in which a program is for another machine and another C library, and more is amiss."""
    foreign = program(
        "linux/amd64", interpreter="/lib64/ld-linux-x86-64.so.2", versions={"libc.so.6": ("GLIBC_2.34",)}, payload=b"x"
    )
    changes: dict[str, Node] = {
        "etc/os-release": 'ID=alpine\nVERSION_ID=3.20.3\nPRETTY_NAME="Alpine Linux v3.20"\n',
        "usr/local/bin/app": foreign,
        "usr/local/bin/run": File(b"#!/bin/bash\n", mode=0o755),
        "usr/local/bin/tool": program("linux/arm64", needed=("libz.so.2", "libnone.so.1")),
    }
    return build(changes, platform="linux/arm64", config={"Cmd": ["serve"], "Env": ["PATH=/usr/local/bin:/bin"]})


def message_lines(image: Image, check: Callable[[Image], None]) -> list[str]:
    """Return the lines of the message that *check* fails with, but for the last, which names *image* and is tested."""
    with pytest.raises(AssertionError) as caught:
        check(image)
    *lines, last = str(caught.value).splitlines()
    assert image.digest
    assert last == f"in {image.reference} ({image.platform}, {image.digest[:19]})"
    return lines
