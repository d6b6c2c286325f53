"""What is fuzzed: each target takes any bytes and returns; only errors of this package are held back.

A target is a function of this module and a line in ``TARGETS``. Whatever else leaves it, and whatever takes longer or
more memory than the runner allows, is a defect.
"""

from __future__ import annotations

import atexit
import contextlib
import io
import shutil
import tarfile
import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pytest_alpine.apk.constraint import Constraint
from pytest_alpine.apk.database import parse_world
from pytest_alpine.apk.installed import parse_installed
from pytest_alpine.apk.needed import needed_packages
from pytest_alpine.apk.repositories import RepositoryParser
from pytest_alpine.apk.version import Version
from pytest_alpine.checks.patched.secdb import parse_security_data, read_ids
from pytest_alpine.elf.arm_attributes import read_arm_attributes
from pytest_alpine.elf.musl_loader import MuslLoader
from pytest_alpine.elf.reader import ElfFile, read_elf, read_header
from pytest_alpine.elf.symbols import read_symbols, unresolved
from pytest_alpine.errors import AlpineError, FileNotInImage
from pytest_alpine.facts.binaries import parse_shebang
from pytest_alpine.facts.release import parse_os_release
from pytest_alpine.image.access import Access
from pytest_alpine.image.blobs.compression import decompressed
from pytest_alpine.image.minirootfs.mirror import FolderMirror
from pytest_alpine.image.minirootfs.releases import RELEASE_FILE, Release, find_tarball
from pytest_alpine.image.open import open_image
from pytest_alpine.image.registry.auth import parse_challenges
from pytest_alpine.image.spec.config import parse_config
from pytest_alpine.image.spec.manifest import parse_manifest
from pytest_alpine.image.store.changeset_file import load_changeset
from pytest_alpine.image.store.store import Store
from pytest_alpine.image.store.stored_tree import load_tree
from pytest_alpine.platforms import Platform
from pytest_alpine.reference import Reference
from pytest_alpine.rootfs.base import Entry
from pytest_alpine.rootfs.layers import Changeset, LayeredRootFS, flatten, read_changeset
from pytest_alpine.sizes import parse_size
from tests.fuzz.checked import check
from tests.support.tars import Directory, HardLink, Symlink, layer_tar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_alpine.rootfs.base import RootFS
    from tests.support.tars import Node

_OUTPUT: Final = 64 << 20
"""Plain bytes of a stream that are read: one that goes on is the caller's to stop."""
_STORE_USES: Final = 500
_MEBIBYTE: Final = 1 << 20


def elf(data: bytes) -> None:
    """Headers, dynamic section and needed versions of an ELF file."""
    with contextlib.suppress(AlpineError):
        read_header(data, "elf")
    with contextlib.suppress(AlpineError):
        found = read_elf(data, "elf")
        _ = (found.glibc_versions, found.is_pie, found.is_static)
    with contextlib.suppress(AlpineError):
        symbols = read_symbols(data, "elf")
        list(unresolved([symbols, symbols]))


def arm(data: bytes) -> None:
    """Build attributes of an ARM ELF file."""
    with contextlib.suppress(AlpineError):
        read_arm_attributes(data, "arm")


def apkdb(data: bytes) -> None:
    """The database of installed packages, and all that is derived of each."""
    with contextlib.suppress(AlpineError):
        packages = parse_installed(data, "installed")
        for package in packages.values():
            _ = (str(package.version), package.installed_size, package.package_size, package.build_time)
            _ = (package.checksum, package.provider_priority, package.replaces_priority, package.tags)
            _ = (package.install_if, package.replaces, package.files, package.directories)
            for constraint in package.depends:
                packages.satisfy(constraint)
        packages.nearest("so:libz.so.1")
        packages.owner("/bin/sh")
        needed_packages(packages, [Constraint.lenient("musl"), Constraint.lenient("!so:x>1")])


def layers(data: bytes) -> None:
    """A layer on top of a base, twice; the first byte says whether the checksums of its headers are set right."""
    tar = _with_checksums(data[1:]) if data[:1] > b"\x7f" else data[1:]
    path = _scratch() / "layer.tar"
    path.write_bytes(tar)
    with contextlib.suppress(AlpineError):
        changeset = read_changeset(path, "layer")
        _walked(LayeredRootFS(flatten([_base(), changeset, changeset]), [_base_tar(), path, path]))


def stream(data: bytes) -> None:
    """A compressed stream."""
    with contextlib.suppress(AlpineError), decompressed(io.BytesIO(data), "stream") as plain:
        total = 0
        while total < _OUTPUT and (piece := plain.read(_MEBIBYTE)):
            total += len(piece)


def manifest(data: bytes) -> None:
    """A manifest or index, and a configuration."""
    with contextlib.suppress(AlpineError):
        parse_manifest(data, "manifest")
    with contextlib.suppress(AlpineError):
        _ = parse_config(data, "configuration").platform


def archive(data: bytes) -> None:
    """A whole image in an archive; the first byte says of which kind, and whether checksums are set right."""
    kind, path = "docker-archive" if data[:1] < b"@" else "oci-archive", _scratch() / "archive.tar"
    path.write_bytes(_with_checksums(data[1:]))
    with contextlib.suppress(AlpineError):
        image = open_image(f"{kind}:{path}", Platform.parse("linux/amd64"), access=_access())
        _ = (image.config, image.size, image.libc, image.shells)
        _walked(image.rootfs)


def stored(data: bytes) -> None:
    """Files of the store that were damaged: they are read as they were written, or not at all."""
    path = _scratch() / "stored"
    path.write_bytes(data)
    load_changeset(path, path)
    load_tree(path, [])


def ldso(data: bytes) -> None:
    """A search path file, run paths and needed names, separated by 0xFF, as musl's loader uses them."""
    parts = [part.decode("utf-8", "surrogateescape") for part in data.split(b"\xff", 6)]
    path_file, runpath, rpath, needed, library_path, interpreter, soname = (parts + [""] * 7)[:7]
    root = _Files({"/etc/ld-musl-x86_64.path": path_file, "/lib/libz.so.1": "", "/usr/lib/liba.so": "", "/bin/x": ""})
    program = _elf(needed=tuple(needed.split("\0")), runpath=runpath or None, rpath=rpath or None)
    library = _elf(needed=tuple(reversed(needed.split("\0"))), runpath=rpath or None, soname=soname or None)
    loader = MuslLoader(
        rootfs=root,
        elf_at=lambda path: program if path == "/bin/x" else library if root.exists(path) else None,
        arch="x86_64",
        library_path=library_path,
    )
    loader.load("/bin/x", interpreter or None)
    loader.load("/lib/libz.so.1")


def secdb(data: bytes) -> None:
    """Alpine's security data."""
    with contextlib.suppress(AlpineError):
        parse_security_data([("secdb", data)], branch="v3.20", arch="x86_64")


def texts(data: bytes) -> None:
    """Every small grammar; the first byte chooses."""
    parse = _TEXTS[data[0] % len(_TEXTS)] if data else str
    with contextlib.suppress(AlpineError):
        parse(data[1:].decode("utf-8", "surrogateescape"))


def checks(data: bytes) -> None:
    """One check of an image in which one file, or its configuration, is hostile; two bytes choose file and check."""
    place, number = (*data[:2], 0, 0)[:2]
    check(place, number, data[2:], _scratch())


TARGETS: Final[Mapping[str, Callable[[bytes], None]]] = {
    target.__name__: target
    for target in (elf, arm, apkdb, layers, stream, manifest, archive, stored, ldso, secdb, texts, checks)
}
"""Every target by its name."""


def _releases(text: str) -> None:
    folder = _scratch() / "mirror" / "v3.20" / "releases" / "x86_64"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / RELEASE_FILE).write_text(text, encoding="utf-8", errors="surrogateescape")
    mirror, store = FolderMirror(root=_scratch() / "mirror"), Store(_scratch() / "names")
    find_tarball(mirror, Release(branch="v3.20"), "x86_64", store)


_TEXTS: Final[tuple[Callable[[str], object], ...]] = (
    Version,
    Version.lenient,
    Constraint.parse,
    Constraint.lenient,
    lambda text: list(parse_world(text.encode("utf-8", "surrogateescape"), "world")),
    lambda text: list(RepositoryParser(arch=lambda: "x86_64").parse(text, "repositories")),
    Reference.parse,
    Platform.parse,
    parse_size,
    parse_os_release,
    lambda text: parse_shebang(text.encode("utf-8", "surrogateescape")),
    read_ids,
    parse_challenges,
    _releases,
)


class _Files(LayeredRootFS):
    """A root filesystem of a few small files."""

    def __init__(self, files: Mapping[str, str]) -> None:
        contents = {path: text.encode("utf-8", "surrogateescape") for path, text in files.items()}
        blob = _scratch() / "files"
        blob.write_bytes(b"".join(contents.values()))
        tree = {folder: Entry(path=folder, kind="directory", mode=0o755) for folder in _folders(contents)}
        place = 0
        for path, content in contents.items():
            tree[path] = Entry(path=path, kind="file", mode=0o755, size=len(content), offset=place)
            place += len(content)
        super().__init__(tree, [blob])


def _folders(paths: Mapping[str, object]) -> set[str]:
    return {str(parent) for path in paths for parent in Path(path).parents}


def _elf(**fields: object) -> ElfFile:
    header = {"bits": 64, "big_endian": False, "machine": 62, "type": 3, "osabi": 0, "flags": 0, "interpreter": None}
    rest = {"needed": (), "soname": None, "runpath": None, "rpath": None, "flags_1": 0, "version_needs": ()}
    return ElfFile(**(header | rest | fields))  # type: ignore[arg-type]  # checked by the dataclass's own names


def _walked(rootfs: RootFS) -> None:
    """Look at everything in *rootfs* in every way."""
    for entry in rootfs.walk():
        rootfs.lstat(entry.path)
        rootfs.exists(entry.path)
        with contextlib.suppress(FileNotInImage):
            rootfs.read(entry.path, 16)


def _with_checksums(tar: bytes) -> bytes:
    """Return *tar* with the checksum of whatever may be a header set right: no fuzzer finds it by chance."""
    blocks = bytearray(tar)
    for start in range(0, len(blocks) - tarfile.BLOCKSIZE + 1, tarfile.BLOCKSIZE):
        block = blocks[start : start + tarfile.BLOCKSIZE]
        if block[257:262] == b"ustar":
            checksum = 8 * 0x20 + sum(block) - sum(block[148:156])
            blocks[start + 148 : start + 156] = b"%06o\0 " % checksum
    return bytes(blocks)


@cache
def _scratch() -> Path:
    """Return a folder of this process, which goes with it."""
    folder = Path(tempfile.mkdtemp(prefix="pytest-alpine-fuzz-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


_USES: Final = [0]


def _access() -> Access:
    """Return access to a store, which is emptied now and then."""
    root = _scratch() / "store"
    _USES[0] += 1
    if _USES[0] % _STORE_USES == 0:
        shutil.rmtree(root, ignore_errors=True)
    return Access(Store(root))


@cache
def _base_tar() -> Path:
    path = _scratch() / "base.tar"
    members: dict[str, Node] = {
        "bin/": Directory(),
        "bin/sh": b"#!",
        "lib": Symlink("usr/lib"),
        "usr/lib/": Directory(),
        "usr/lib/x": HardLink("bin/sh"),
        "loop": Symlink("loop"),
        "up": Symlink("../../bin"),
    }
    path.write_bytes(layer_tar(members))
    return path


@cache
def _base() -> Changeset:
    return read_changeset(_base_tar(), "base")
