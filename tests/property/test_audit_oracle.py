"""The static audit against ``apk audit --system``, after random changes to the official root filesystem."""

from __future__ import annotations

import gzip
import random
from typing import TYPE_CHECKING, Final, cast

import pytest

from pytest_alpine.apk.database import read_installed
from pytest_alpine.checks.clean.rules.package_files import RULE
from pytest_alpine.checks.snapshot import Snapshot
from pytest_alpine.facts.base import RootFSFacts
from pytest_alpine.rootfs.layers import LayeredRootFS, flatten, read_changeset
from tests.property.oracle import run_in_alpine, tarball
from tests.support.mirror import opened
from tests.support.tars import File, Node, Symlink, layer_tar, whiteout

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_alpine import Image

SEED: Final = 20261105
ROUNDS: Final = 120
CHANGES: Final = 4
RESTORE: Final = "tar -x -f /tmp/stock.tar"

pytestmark = [pytest.mark.docker, pytest.mark.official]


def owned_files(rootfs: LayeredRootFS) -> list[tuple[str, str]]:
    """Return the paths of packaged files and links, and which of these each is."""
    paths = [file.path for package in read_installed(rootfs).values() for file in package.files]
    return sorted((path, entry.kind) for path in paths if (entry := rootfs.lstat(path)) is not None)


def change(path: str, kind: str, choice: random.Random) -> tuple[str, str, Node]:
    """Return one change of the file at *path*: a shell line, and the member of a layer that does the same."""
    here = f"'{path[1:]}'"
    what = choice.choice(["delete", "write", "link", "touch"])
    if what == "delete":
        return f"rm {here}", whiteout(path[1:]), b""
    if what == "link":
        return f"ln -sfn /nowhere {here}", path[1:], Symlink("/nowhere")
    if what == "write" or kind == "symlink":
        return f"rm {here}; echo changed > {here}", path[1:], File(b"changed\n")
    return f"touch {here}.new", f"{path[1:]}.new", File(b"")


def test_the_static_audit_agrees_with_apk(tmp_path: Path) -> None:
    files = owned_files(opened(tarball()))
    choice = random.Random(SEED)
    rounds = [[change(*pick, choice) for pick in choice.sample(files, CHANGES)] for _ in range(ROUNDS)]
    lines = ["cd /", "tar -c -f /tmp/stock.tar bin etc lib sbin usr var", "mkdir /round", "cd /round", RESTORE]
    for changes in rounds:
        lines += [line for line, _, _ in changes]
        lines += ["apk audit --system --root /round 2>/dev/null", "echo ---"]
        paths = " ".join(f"'{name}'" for _, name, _ in changes if ".wh." not in name)
        gone = " ".join(f"'{name.replace('.wh.', '')}'" for _, name, _ in changes if not name.endswith(".new"))
        lines += [f"rm -f {paths}", f"{RESTORE} {gone}" if gone else ":"]
    (said,) = run_in_alpine(["\n".join(lines) + "\nexit 0\n"])
    answers = [
        sorted(f"/{line[2:]}" for line in answer.splitlines() if line[:2] in {"U ", "X "})
        for answer in said.split("---\n")[:-1]
    ]
    assert len(answers) == ROUNDS
    assert sum(map(len, answers)) > ROUNDS
    stock_tar = tmp_path / "stock.tar"
    stock_tar.write_bytes(gzip.decompress(tarball().read_bytes()))
    for changes, answer in zip(rounds, answers, strict=True):
        layer = tmp_path / "layer.tar"
        layer.write_bytes(layer_tar({name: node for _, name, node in changes}))
        assert audited(stock_tar, layer) == answer, changes


def audited(*tars: Path) -> list[str]:
    """Return the paths that the rule finds in the root filesystem of the layers *tars*."""
    rootfs = LayeredRootFS(flatten([read_changeset(tar, tar.name) for tar in tars]), tars)
    snapshot = Snapshot(image=cast("Image", None), facts=RootFSFacts(rootfs))
    return sorted(finding.subject for finding in RULE.find(snapshot))
