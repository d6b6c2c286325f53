"""Where fuzzing begins: well-formed input of every target, built in code, and what was found, kept in ``corpus/``."""

from __future__ import annotations

import gzip
import json
import tarfile
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import zstandard

from pytest_alpine.image.store.changeset_file import dump_changeset
from pytest_alpine.image.store.stored_tree import StoredTree, dump_tree
from pytest_alpine.rootfs.base import Entry
from pytest_alpine.rootfs.layers import Changeset, HardLink as Linked
from tests.fuzz.checked import CHECKS, HOSTILE, SECDB, content_of
from tests.support.alpine import DATABASE
from tests.support.elf import Arm, Elf, elf_for, glibc_loader, musl_loader
from tests.support.elf_symbols import SymbolTables
from tests.support.images import image, write_docker_archive, write_legacy_docker_archive, write_oci_archive
from tests.support.tars import Device, Directory, Fifo, File, HardLink, Node, Symlink, layer_tar, whiteout

if TYPE_CHECKING:
    from collections.abc import Iterator

CORPUS: Final = Path(__file__).parent / "corpus"
"""One folder a target; each file is an input that once went wrong, or that leads far."""


def seeds(target: str) -> list[bytes]:
    """Return the inputs that *target* begins with."""
    kept = sorted((CORPUS / target).glob("*"))
    return [*_SEEDS[target](), *(path.read_bytes() for path in kept)]


def targets() -> list[str]:
    """Return the names of all targets."""
    return list(_SEEDS)


def _elf() -> Iterator[bytes]:
    yield bytes(elf_for("linux/amd64", needed=("libz.so.1", "libc.so"), runpath="$ORIGIN/../lib", rpath="/opt"))
    yield bytes(elf_for("linux/s390x", soname="libx.so.1", interpreter=None))
    tables = SymbolTables(needed=("printf",), weak=("maybe",), copied=("stdout",), defined=("main",), hidden=("old",))
    yield bytes(elf_for("linux/amd64", symbols=tables))
    yield bytes(elf_for("linux/arm/v7", symbols=SymbolTables(needed=("a",), thread_local=("b",), hash_style="sysv")))
    yield bytes(Elf(bits=32, machine=40, versions={"libc.so.6": ("GLIBC_2.34", "GLIBC_2.4"), "libm.so.6": ("x",)}))
    yield glibc_loader()
    yield musl_loader("linux/arm/v7")


def _arm() -> Iterator[bytes]:
    yield bytes(elf_for("linux/arm/v6", arm=Arm(cpu_arch=6, fp_arch=2)))
    yield bytes(elf_for("linux/arm/v7", arm=Arm()))


def _apkdb() -> Iterator[bytes]:
    yield DATABASE.encode()
    yield (
        b"C:Q1SLkS9hBidUbPwwrw+XR0Whv3ww8=\nP:a\nV:1.2_rc1-r3\nA:x86_64\nS:1\nI:2\nT:t\nU:u\nL:MIT\no:o\nm:m\nt:3\nc:c\n"
        b"k:4\nD:b>=2 so:c.so.1 !d\np:so:a.so=1 cmd:a\nr:b\nq:1\ni:b c=1\ns:t\nf:S\n"
        b"F:bin\nM:0:0:1777\nR:sh\na:0:0:4755\nZ:Q2SLkS9hBidUbPwwrw+XR0Whv3ww8=\nR:x\n\nP:b\nV:odd\n\n"
    )


def _layers() -> Iterator[bytes]:
    members: dict[str, Node] = {
        "bin/": Directory(),
        "bin/sh": File(b"x", mode=0o4755),
        "lib/": Symlink("usr/lib"),
        "usr/lib/x": HardLink("bin/sh"),
        whiteout("bin/gone"): b"",
        "usr/.wh..wh..opq": b"",
        "dev/null": Device(),
        "run/fifo": Fifo(),
        "n" * 200: b"long",
    }
    for number, form in enumerate((tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT)):
        short = {name: node for name, node in members.items() if len(name) < 100 or form != tarfile.USTAR_FORMAT}
        yield bytes([0xFF * (number % 2)]) + layer_tar(short, tar_format=form)


def _stream() -> Iterator[bytes]:
    plain = layer_tar({"a": b"a" * 3000})
    frame, skippable = zstandard.ZstdCompressor().compress(plain), b"\x50\x2a\x4d\x18\x02\0\0\0xy"
    yield gzip.compress(plain, mtime=0)
    yield gzip.compress(b"a", mtime=0) + gzip.compress(b"", mtime=0) + bytes(512)
    yield frame
    yield skippable + frame + frame
    yield plain


def _manifest() -> Iterator[bytes]:
    built = image(layer_tar({"a": "b"}), config={"Env": ["A=b"], "Cmd": ["sh"], "Labels": {"a": "b"}, "User": "1"})
    yield built.manifest.data
    yield built.config.data
    entry = built.manifest.descriptor(platform={"os": "linux", "architecture": "arm", "variant": "v7"})
    yield json.dumps({"schemaVersion": 2, "manifests": [entry]}).encode()


def _archive() -> Iterator[bytes]:
    built = image(layer_tar({"a": "b", "etc/os-release": "ID=alpine\n"}))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "archive")
        write_docker_archive(path, {"a:1": built})
        yield b"\0" + path.read_bytes()
        write_legacy_docker_archive(path, {"a:1": built})
        yield b"\0" + path.read_bytes()
        write_oci_archive(path, {"1": [built]})
        yield b"\xff" + path.read_bytes()


def _stored() -> Iterator[bytes]:
    entries = (
        Entry(path="/a", kind="file", mode=0o644, size=1, offset=512),
        Entry(path="/b", kind="symlink", mode=0o777, target="a"),
    )
    changeset = Changeset(added=(*entries, Linked(path="/c", target="/a")), removed=frozenset({"/d"}))
    yield dump_changeset(changeset, 10240)
    tree = StoredTree(entries={entry.path: entry for entry in entries}, tars=(), unpacked=1, rootfs=1)
    yield dump_tree(tree)


def _ldso() -> Iterator[bytes]:
    yield b"\xff".join(
        [
            b"/lib:/usr/lib\n/opt",
            b"$ORIGIN/../lib",
            b"${ORIGIN}",
            b"libz.so.1\0liba.so\0libc.so.6",
            b"/x",
            b"",
            b"libc.",
        ]
    )
    yield b"\xff".join([b"", b"", b"", b"/lib/libz.so.1\0../x\0libnone.so", b"", b"/opt/lib/ld-musl-x86_64.so.1", b"a"])


def _secdb() -> Iterator[bytes]:
    yield json.dumps(SECDB).encode()
    fixes = {
        "1.2-r3": ["CVE-2019-5060 TALOS-2019-0844", "CVE_2017-2616 (+ regression fix)"],
        "odd": ["GHSA-a"],
        "1": [],
    }
    package = {"pkg": {"name": "a", "secfixes": fixes}}
    yield json.dumps({"distroversion": "v3.20", "archs": ["x86_64"], "packages": [package, {}, 1]}).encode()


_SMALL: Final = (
    "1.2.3a_rc1_git20240101~abcdef-r10",
    "1.2.4_p5",
    "curl@edge>=8.5",
    "!so:libz.so.1<2~1",
    "musl busybox>1\n.build-deps=1\n",
    "set a=b\n@edge https://x/alpine/${a}/main\nv3 /p main community\n",
    "ghcr.io/acme/app:{tag}@sha256:" + "a" * 64,
    "linux/arm/v7",
    "4.2 MiB",
    'ID=alpine\nPRETTY_NAME="A \\"B\\""\nVERSION_ID=\'3\'\n',
    "#! /usr/bin/env -S python3 -u\n",
    "CVE-2019-5060 TALOS-2019-0844 (bug 7)",
    'Bearer realm="https://x/token",service="x",scope=a, Basic realm=y',
    "-\n flavor: alpine-minirootfs\n file: alpine-minirootfs-3.20.3-x86_64.tar.gz\n version: 3.20.3\n sha512: "
    + "a" * 128,
)


def _texts() -> Iterator[bytes]:
    for number, text in enumerate(_SMALL):
        yield bytes([number]) + text.encode()


def _checks() -> Iterator[bytes]:
    for number, place in enumerate(HOSTILE):
        yield from (bytes([number, check]) + content_of(place) for check in range(len(CHECKS)))


_SEEDS: Final = {
    "elf": _elf,
    "arm": _arm,
    "apkdb": _apkdb,
    "layers": _layers,
    "stream": _stream,
    "manifest": _manifest,
    "archive": _archive,
    "stored": _stored,
    "ldso": _ldso,
    "secdb": _secdb,
    "texts": _texts,
    "checks": _checks,
}
