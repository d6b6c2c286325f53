"""A small Alpine image without any finding, built in code. Each test changes one thing in it."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Any

from pytest_alpine import Image, open_image
from pytest_alpine.image.access import Access
from pytest_alpine.image.store.store import Store
from tests.support.images import Directory, File, Node, Symlink, image, layer_tar, write_oci_layout

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

BUSYBOX = b"\x7fELF BusyBox v1.37.0 multi-call\0ash\0"
PASSWD = "root:x:0:0:root:/root:/bin/sh\napp:x:100:101::/:/sbin/nologin\n"
GROUP = "root:x:0:root\nshadow:x:42:\napp:x:101:\n"
SHADOW = "root:*::0:::::\napp:!::0:::::\n"
REPOSITORY = "https://mirror.example.com/alpine/v3.24"


def digest(content: bytes) -> str:
    """Return the digest of *content* as the package database writes it."""
    return "Q1" + base64.b64encode(hashlib.sha1(content, usedforsecurity=False).digest()).decode()


def package(name: str, *lines: str, version: str = "1.0-r0", files: Mapping[str, bytes] | None = None) -> str:
    """Return the database's record of a package, with further *lines*, and *files* by paths without a first slash."""
    rows = []
    for path, content in (files or {}).items():
        folder, _, base = path.rpartition("/")
        rows += [f"F:{folder}", f"R:{base}", "a:0:0:755", f"Z:{digest(content)}"]
    return "\n".join([f"P:{name}", f"V:{version}", *lines, *rows, "", ""])


MUSL = package("musl", "o:musl", version="1.2.6-r2", files={"lib/ld-musl-x86_64.so.1": b"musl"})
# The configuration is not what was installed, as in every image.
BUSYBOX_PACKAGE = package(
    "busybox", "o:busybox", "D:musl", version="1.37.0-r31", files={"bin/busybox": BUSYBOX, "etc/motd": b"hello"}
)
SHADOW_PACKAGE = package("baselayout").rstrip("\n") + f"\nF:etc\nR:shadow\na:0:42:640\nZ:{digest(b'')}\n\n"
DATABASE = MUSL + BUSYBOX_PACKAGE + SHADOW_PACKAGE

GOOD: dict[str, Node] = {
    "bin/busybox": File(BUSYBOX, mode=0o755),
    "bin/sh": Symlink("/bin/busybox"),
    "dev": Directory(),
    "etc/alpine-release": "3.24.2\n",
    "etc/apk/repositories": f"{REPOSITORY}/main\n{REPOSITORY}/community\n",
    "etc/apk/world": "baselayout\nbusybox\n",
    "etc/group": GROUP,
    "etc/motd": "welcome\n",
    "etc/os-release": 'ID=alpine\nNAME="Alpine Linux"\nVERSION_ID=3.24.2\nPRETTY_NAME="Alpine Linux v3.24"\n',
    "etc/passwd": PASSWD,
    "etc/shadow": File(SHADOW.encode(), mode=0o640, gid=42),
    "lib/apk/db/installed": DATABASE,
    "lib/ld-musl-x86_64.so.1": File(b"musl", mode=0o755),
    "root": Directory(mode=0o700),
    "tmp": Directory(mode=0o1777),
    "usr/local/bin/app": File(b"\x7fELF app", mode=0o755),
    "var/cache/apk": Directory(),
}
"""The members of its one layer."""

CONFIG: dict[str, Any] = {
    "User": "app",
    "Cmd": ["app"],
    "Env": ["PATH=/usr/local/bin:/usr/bin:/bin"],
    "Healthcheck": {"Test": ["CMD", "app"]},
}


def built(
    folder: Path,
    *layers: Mapping[str, Node],
    config: Mapping[str, Any] = CONFIG,
    platform: str = "linux/amd64",
    name: str = "layout",
    **fields: Any,  # noqa: ANN401 - those of a configuration
) -> Image:
    """Return an image of *layers*, base first, written to *folder*/*name*; *fields* belong to its configuration."""
    tars = [layer_tar(layer) for layer in layers]
    write_oci_layout(folder / name, {"1": [image(*tars, config=config, platform=platform, **fields)]})
    return open_image(f"oci:{folder}/{name}:1", platform, access=Access(Store(folder / "store")))
