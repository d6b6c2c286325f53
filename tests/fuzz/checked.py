"""All checks of one small image in which one file, or the configuration, is whatever a fuzzer makes of it."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import TYPE_CHECKING, Final

from pytest_alpine import (
    Image,
    Platform,
    Reference,
    compare,
    find_clean,
    find_installed,
    find_musl,
    find_patched,
    find_platform,
    find_regressions,
    find_runnable,
    find_same,
    find_shell,
)
from pytest_alpine.errors import AlpineError
from pytest_alpine.image.access import Access
from pytest_alpine.image.store.store import Store, StoredLayer
from pytest_alpine.image.store.stored_tree import StoredTree
from pytest_alpine.rootfs.base import Entry
from pytest_alpine.rootfs.layers import Changeset
from tests.support.alpine import CONFIG, GOOD
from tests.support.elf import elf_for, musl_loader
from tests.support.images import Directory, File, Node, Symlink

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from pytest_alpine.image.blobs.layer import Layer

CONFIGURATION: Final = "configuration"
_REFERENCE: Final = Reference.parse("hostile:1")
_PLATFORM: Final = Platform.parse("linux/amd64")
_TODAY: Final = date(2026, 11, 5)

FILES: Final[Mapping[str, Node]] = GOOD | {
    "bin/busybox": File(bytes(elf_for("linux/amd64", payload=b"BusyBox v1.37.0")), mode=0o755),
    "etc/apk/arch": "x86_64\n",
    "etc/apk/protected_paths.d/list": "-srv/*\n@etc/init.d\n",
    "etc/ld-musl-x86_64.path": "/lib:/opt/$ORIGIN\n",
    "etc/localtime": b"TZif2" + b"\0" * 39 + b"\nUTC0\n",
    "etc/shells": "/bin/sh\n/bin/ash\n",
    "lib/ld-musl-x86_64.so.1": File(musl_loader(), mode=0o755),
    "lib64/ld-linux-x86-64.so.2": File(b"\x7fELF", mode=0o755),
    "root/.docker/config.json": "{}",
    "root/.git-credentials": "https://me:secret@example.com\n",
    "root/.my.cnf": "[client]\npassword = secret\n",
    "root/.npmrc": "//registry.example.com/:_authToken=${TOKEN}\n",
    "root/.pgpass": "host:5432:app:me:secret\n",
    "root/.ssh/id_ed25519": "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQ==\n",
    "usr/bin/env": Symlink("/bin/busybox"),
    "usr/lib/libx.so.1": bytes(elf_for("linux/amd64", interpreter=None, flags_1=0, soname="libx.so.1")),
    "usr/local/bin/app": File(b"#!/usr/bin/env -S sh -e\n", mode=0o755),
}
"""The image as it should be, more or less."""

HOSTILE: Final = (CONFIGURATION, *sorted(path for path, node in FILES.items() if not isinstance(node, Directory)))
"""What can be replaced."""

SECDB: Final = {
    "distroversion": "v3.24",
    "packages": [{"pkg": {"name": "musl", "secfixes": {"9-r0": ["CVE-2026-1 CVE-2026-2"], "0": ["CVE-2026-3"]}}}],
}


def content_of(place: str) -> bytes:
    """Return what stands at *place* where nothing is hostile."""
    if place == CONFIGURATION:
        return json.dumps({"os": "linux", "architecture": "amd64", "config": CONFIG}).encode()
    return _content(FILES[place])


def check(place: int, number: int, content: bytes, scratch: Path) -> None:
    """Run one check on the image that holds *content* in one place; *scratch* is a folder for its bytes."""
    whole, secdb = _whole(scratch), scratch / "secdb.json"
    if not secdb.exists():
        secdb.write_text(json.dumps(SECDB), encoding="utf-8")
    with contextlib.suppress(AlpineError):
        CHECKS[number % len(CHECKS)](_image(scratch, HOSTILE[place % len(HOSTILE)], content), whole, secdb)


CHECKS: Final[Sequence[Callable[[Image, Image, Path], object]]] = (
    lambda image, _, __: [str(finding) for finding in find_clean(image, "application", today=_TODAY)],
    lambda image, _, __: [str(finding) for finding in find_runnable(image)],
    lambda image, _, __: [str(finding) for finding in find_platform(image)],
    lambda image, _, __: [str(finding) for finding in find_musl(image)],
    lambda image, _, __: [str(finding) for finding in find_shell(image, "ash")],
    lambda image, _, __: [str(finding) for finding in find_installed(image, "musl>1", "!so:libx.so.1")],
    lambda image, _, secdb: [str(finding) for finding in find_patched(image, secdb)],
    lambda image, whole, _: str(compare(whole, image)),
    lambda image, whole, _: str(find_same(image, whole)),
    lambda image, whole, _: str(find_regressions(whole, image)),
)


@dataclass(frozen=True, kw_only=True)
class _Source:
    """An image that stands nowhere."""

    config: bytes
    reference: Reference = _REFERENCE
    platform: Platform = _PLATFORM
    digest: str | None = None

    def raw_config(self) -> bytes:
        """Return the configuration."""
        return self.config

    def layers(self) -> Sequence[Layer]:
        """Return none: the tree is given."""
        return ()


@cache
def _whole(scratch: Path) -> Image:
    return _image(scratch, "", b"", name="whole")


def _image(scratch: Path, place: str, content: bytes, name: str = "hostile") -> Image:
    blob, pieces, at = scratch / name, [], 0
    tree = {"/": Entry(path="/", kind="directory", mode=0o755)}
    for path, node in FILES.items():
        node = content if path == place else node  # noqa: PLW2901 - it takes its place
        data = _content(node)
        for end in (index for index, letter in enumerate(path) if letter == "/"):
            tree[f"/{path[:end]}"] = Entry(path=f"/{path[:end]}", kind="directory", mode=0o755)
        tree[f"/{path}"] = _entry(f"/{path}", node, data, at)
        pieces.append(data)
        at += len(data)
    blob.write_bytes(b"".join(pieces))
    config = content if place == CONFIGURATION else content_of(CONFIGURATION)
    image = Image(_Source(config=config), Access(Store(scratch / "unused")))
    added = tuple(entry for path, entry in tree.items() if path != "/")
    layer = StoredLayer(diff_id="", tar=blob, changeset=Changeset(added=added))
    image.__dict__["_tree"] = StoredTree(entries=tree, tars=(blob,), unpacked=at, rootfs=at)
    image.__dict__["stored_layers"] = [layer]
    return image


def _content(node: Node) -> bytes:
    if isinstance(node, File):
        return node.content
    return node if isinstance(node, bytes) else node.encode() if isinstance(node, str) else b""


def _entry(path: str, node: Node, data: bytes, at: int) -> Entry:
    if isinstance(node, Directory):
        return Entry(path=path, kind="directory", mode=node.mode)
    if isinstance(node, Symlink):
        return Entry(path=path, kind="symlink", mode=0o777, target=node.target)
    mode = node.mode if isinstance(node, File) else 0o644 if "bin/" not in path else 0o755
    gid = node.gid if isinstance(node, File) else 0
    return Entry(path=path, kind="file", mode=mode, gid=gid, size=len(data), offset=at)
