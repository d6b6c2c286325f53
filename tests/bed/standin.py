"""The stand-in: Alpine's tags and platforms, filled with Debian's busybox-static and musl.

It lets containers run if no Alpine image can be reached. It has the form of an Alpine mirror. Its release files say
that it is a stand-in, and its package database describes exactly the two packages in it.
"""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bed import apkdb, debian, mirror
from tests.bed.platforms import ARCHES
from tests.bed.state import BedError
from tests.bed.tree import Tree

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tests.bed.debian import Deb
    from tests.bed.mirror import Known
    from tests.bed.platforms import Arch

PACKAGES = ("busybox-static", "musl")
MTIME = 1727049600  # 2024-09-23, of all that is not in a package
FOLDERS = {"dev": 0o755, "proc": 0o555, "sys": 0o555, "root": 0o700, "run": 0o755, "tmp": 0o1777, "var/tmp": 0o1777}
ETC = {
    "passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/sbin/nologin\n",
    "group": "root:x:0:root\nnogroup:x:65533:\nnobody:x:65534:\n",
    "shells": "# valid login shells\n/bin/sh\n/bin/ash\n",
}


def build(target: Path) -> None:
    """Create the stand-in mirror at *target*, which appears only when it is complete.

    Raises:
        BedError: Debian's packages cannot be fetched here.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=".stand-in-", dir=target.parent))
    try:
        debs = debian.download(PACKAGES, [arch.debian for arch in ARCHES.values() if arch.debian], scratch / "apt")
        _fill(scratch / "mirror", {arch: debs[arch.debian] for arch in ARCHES.values() if arch.debian in debs})
        (scratch / "mirror").rename(target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def busybox_tree(debs: Sequence[Deb]) -> Tree:
    """A root filesystem of *debs*, one of which is busybox-static, with a link for each of its applets.

    Raises:
        BedError: the program, which is asked for them, crashes.
        OSError: it is made for a machine that is not this one, nor emulated here.
    """
    base = _base(debs)
    return _with_applets(base, _applets(base))


def _base(debs: Sequence[Deb]) -> Tree:
    """What *debs* install, and the folders and files that every system has."""
    tree = Tree(mtime=MTIME)
    for deb in debs:
        tree.unpack(deb)
    _link_merged(tree)
    for name, mode in FOLDERS.items():
        tree.folder(name, mode)
    for name, text in ETC.items():
        tree.file(f"etc/{name}", text)
    return tree


def _with_applets(tree: Tree, applets: Iterable[str]) -> Tree:
    merged = "usr/" if _merged(tree) else ""
    for applet in applets:
        tree.link(applet if applet.startswith("usr/") else merged + applet, "/bin/busybox")
    return tree


def _fill(root: Path, debs: dict[Arch, tuple[Deb, ...]]) -> None:
    for arch, base in _bases(debs).items():
        for release in mirror.KNOWN:
            if arch.apk in release.arches:
                tar = _release(base, debs[arch], arch, release).tar()
                mirror.add(root, release, arch, gzip.compress(tar, mtime=0))
    (root / mirror.LATEST).write_text(mirror.KNOWN_LATEST + "\n")
    (root / mirror.STAND_IN).write_text(f"made from Debian's packages {' and '.join(PACKAGES)}; not Alpine Linux\n")


def _bases(debs: dict[Arch, tuple[Deb, ...]]) -> dict[Arch, Tree]:
    """The root filesystem of each architecture, without a release yet."""
    own = next((_applets(_base(packages)) for arch, packages in debs.items() if arch.debian == debian.native()), [])
    bases: dict[Arch, Tree] = {}
    for arch, packages in debs.items():
        base = _base(packages)
        try:
            bases[arch] = _with_applets(base, _applets(base))
        except OSError:
            # Nothing here runs it, so that this machine's own build has to do: one source, one configuration.
            bases[arch] = _with_applets(base, own)
        except BedError:
            # Newer ports may need instructions that the emulator lacks: what crashes here is not published here.
            continue
    return bases


def _release(base: Tree, packages: tuple[Deb, ...], arch: Arch, release: Known) -> Tree:
    """Return *base* with the release files of *release*, and the package database."""
    tree = Tree(mtime=MTIME, members=dict(base.members))
    database = f"{'usr/lib' if _merged(base) else 'lib'}/apk/db"
    tree.file(f"{database}/installed", apkdb.installed(packages, arch.apk))
    for name in ("lock", "scripts.tar", "triggers"):
        tree.file(f"{database}/{name}", "")
    tree.file("etc/apk/arch", f"{arch.apk}\n")
    tree.file("etc/apk/world", "".join(f"{name}\n" for name in PACKAGES))
    tree.file("etc/apk/repositories", f"# a stand-in for {release.branch}, made from Debian's packages\n")
    tree.file("etc/alpine-release", f"{release.version}\n")
    tree.file("etc/os-release", _os_release(release))
    return tree


def _os_release(release: Known) -> str:
    fields = {
        "NAME": '"Alpine Linux"',
        "ID": "alpine",
        "VERSION_ID": release.version,
        "PRETTY_NAME": f'"Alpine Linux stand-in {release.branch}"',
        "HOME_URL": '"https://example.com/"',
        "BUG_REPORT_URL": '"https://example.com/bugs"',
    }
    return "".join(f"{name}={value}\n" for name, value in fields.items())


def _merged(tree: Tree) -> bool:
    """Whether everything lies below /usr, as Debian 13 and later install it."""
    return "usr/bin/busybox" in tree.members


def _link_merged(tree: Tree) -> None:
    """Make /bin, /lib and /sbin links where everything lies below /usr."""
    if _merged(tree):
        for name in ("bin", "lib", "sbin"):
            tree.folder(f"usr/{name}")
            tree.link(name, f"usr/{name}")


def _applets(tree: Tree) -> list[str]:
    """Return the paths of BusyBox's links, as the program itself lists them."""
    handle, name = tempfile.mkstemp(prefix="busybox-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(tree.members["usr/bin/busybox" if _merged(tree) else "bin/busybox"][1])
        Path(name).chmod(0o700)
        done = subprocess.run([name, "--list-full"], capture_output=True, text=True, check=False)
    finally:
        Path(name).unlink()
    if done.returncode:
        raise BedError(f"busybox --list-full ended with {done.returncode}: {done.stderr.strip()}")
    return done.stdout.split()
