"""What all checks of an image cost: a stock image against its facts, and a large one in memory and time.

::

    python -m benchmarks checks

The stock image is read from an Alpine mirror in a folder (``../shared/alpine``, or where ``PYTEST_ALPINE_MIRROR``
says), with an empty store each time: once for its facts, once for all checks, taking turns. The large one, 1 GB in
60,000 files of 300 packages, is built in code; a process of its own reads and checks it, whose memory is measured.

Seen in 2026-11 on two cores that had much else to do (a load of 12): 1.37 times the facts for the stock image (475 ms
against 381 ms); for the large one 70 s against 56 s, most of which goes into decompressing it, 34 s once it is in the
store, and 136 MB of memory at most.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from benchmarks.bench_read import MIRROR, verdict
from pytest_alpine import (
    find_clean,
    find_installed,
    find_musl,
    find_patched,
    find_platform,
    find_runnable,
    find_shell,
    find_size,
    open_image,
)
from pytest_alpine.image.access import Access
from pytest_alpine.image.store.store import Store
from tests.support.elf import elf_for, musl_loader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_alpine import Image

STOCK = ("3.20", "linux/amd64")
FACTS = ("id", "config", "packages", "world", "release", "libc", "shells", "shell", "size")
PACKAGES = 300
FILES = 200
"""Of each package."""
MEAN = 17_900
"""Bytes of a file, on average."""
GOAL_RATIO = 2.0
GOAL_MEMORY = 200.0

LARGE = """
import sys, time
from pathlib import Path
from benchmarks import bench_checks
start = time.perf_counter()
image = bench_checks.opened(sys.argv[2], "linux/amd64", Path(sys.argv[3]))
getattr(bench_checks, sys.argv[1])(image)
peak = next(line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(time.perf_counter() - start, int(peak) / 1000, len(list(image.rootfs.walk())), image.size.rootfs)
"""


def facts(image: Image) -> None:
    """Ask the image for everything that it knows."""
    for name in FACTS:
        assert getattr(image, name) is not None, name


def checks(image: Image) -> None:
    """Run every check."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as secdb:
        json.dump({"packages": [{"pkg": {"name": "musl", "secfixes": {"1.0-r0": ["CVE-2019-14697"]}}}]}, secdb)
        secdb.flush()
        findings = (
            *find_clean(image, "application", "supported-branch"),
            *find_runnable(image),
            *find_platform(image),
            *find_musl(image),
            *find_shell(image, "ash"),
            *find_installed(image, "musl>=1", "!bash"),
            *find_size(image, compressed="2 GB", unpacked="2 GB", rootfs="2 GB"),
            *find_patched(image, secdb.name),
        )
    assert {finding.subject for finding in findings} <= {"USER", "HEALTHCHECK"}, findings


def opened(reference: str, platform: str, store: Path) -> Image:
    return open_image(reference, platform, access=Access(Store(store)))


def seconds(reference: str, platform: str, ask: Callable[[Image], None]) -> float:
    """Return how long *ask* takes of an image of which nothing is known yet."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        ask(opened(reference, platform, Path(folder)))
        return time.perf_counter() - start


def large_image(folder: Path) -> str:
    """Write the large image into *folder*, and return its reference."""
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    plain, layer = hashlib.sha256(), folder / "layer"
    with gzip.open(layer, "wb", compresslevel=1) as packed:
        for piece in _tar(_members()):
            plain.update(piece)
            packed.write(piece)
    diff_id = f"sha256:{plain.hexdigest()}"
    config = {"os": "linux", "architecture": "amd64", "config": {"Cmd": ["/bin/sh"]}}
    manifest = {
        "schemaVersion": 2,
        "config": _blob(blobs, json.dumps(config | {"rootfs": {"type": "layers", "diff_ids": [diff_id]}}).encode()),
        "layers": [_file_blob(blobs, layer)],
    }
    index = {"schemaVersion": 2, "manifests": [_blob(blobs, json.dumps(manifest).encode())]}
    (folder / "index.json").write_text(json.dumps(index), encoding="utf-8")
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}', encoding="utf-8")
    return f"oci:{folder}"


def _members() -> Iterator[tuple[str, bytes, int]]:
    """Yield name, content and mode of every file; the package database comes last."""
    library = bytes(elf_for("linux/amd64", interpreter=None, flags_1=0, soname="lib.so"))
    records = [_record("musl", "1.2.5-r0", [("lib", "ld-musl-x86_64.so.1", musl_loader())])]
    yield "lib/ld-musl-x86_64.so.1", musl_loader(), 0o755
    shell = bytes(elf_for("linux/amd64", payload=b"BusyBox v1.36.1 multi-call\0ash\0"))
    records.append(_record("busybox", "1.36.1-r0", [("bin", "busybox", shell), ("bin", "sh", shell)]))
    yield "bin/busybox", shell, 0o755
    yield "bin/sh", shell, 0o755
    for number in range(PACKAGES):
        rows = []
        for count in range(FILES):
            name, size = f"usr/lib/p{number}/{count}", 1 + (number * FILES + count) * 7919 % (2 * MEAN)
            start = library if count % 20 == 0 else b"#!/bin/sh\n" if count % 20 == 1 else b""
            content = (start + hashlib.sha256(name.encode()).digest() * (size // 32 + 1))[: max(size, len(start))]
            rows.append((f"usr/lib/p{number}", str(count), content))
            yield name, content, 0o755
        records.append(_record(f"p{number}", "1.0-r0", rows))
    yield "etc/alpine-release", b"3.20.3\n", 0o644
    yield "etc/os-release", b'ID=alpine\nVERSION_ID=3.20.3\nPRETTY_NAME="Alpine Linux v3.20"\n', 0o644
    yield "etc/passwd", b"root:x:0:0:root:/root:/bin/sh\n", 0o644
    yield "etc/group", b"root:x:0:root\n", 0o644
    yield "etc/apk/world", "\n".join(["busybox", "musl", *(f"p{number}" for number in range(PACKAGES))]).encode(), 0o644
    yield "lib/apk/db/installed", "".join(records).encode(), 0o644


def _record(name: str, version: str, files: list[tuple[str, str, bytes]]) -> str:
    rows = [f"F:{files[0][0]}"]
    for _, base, content in files:
        digest = base64.b64encode(hashlib.sha1(content, usedforsecurity=False).digest()).decode()
        rows += [f"R:{base}", "a:0:0:755", f"Z:Q1{digest}"]
    return "\n".join([f"P:{name}", f"V:{version}", "A:x86_64", f"o:{name}", "I:1", *rows, "", ""])


def _tar(members: Iterator[tuple[str, bytes, int]]) -> Iterator[bytes]:
    for name, content, mode in members:
        info = tarfile.TarInfo(name)
        info.size, info.mode = len(content), mode
        yield info.tobuf(tarfile.USTAR_FORMAT)
        yield content + bytes(-len(content) % tarfile.BLOCKSIZE)
    yield bytes(2 * tarfile.BLOCKSIZE)


def _blob(blobs: Path, data: bytes) -> dict[str, object]:
    digest = hashlib.sha256(data).hexdigest()
    (blobs / digest).write_bytes(data)
    return {"digest": f"sha256:{digest}", "size": len(data)}


def _file_blob(blobs: Path, path: Path) -> dict[str, object]:
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    path.rename(blobs / digest)
    return {"digest": f"sha256:{digest}", "size": (blobs / digest).stat().st_size}


def in_own_process(what: str, reference: str, store: Path) -> tuple[float, float, int, int]:
    """Return seconds, the peak of memory in MB, entries and bytes of the image *reference* when *what* is done."""
    command = [sys.executable, "-c", LARGE, what, reference, str(store)]
    words = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return float(words[0]), float(words[1]), int(words[2]), int(words[3])


def stock() -> None:
    reference, platform = f"minirootfs:{MIRROR}:{STOCK[0]}", STOCK[1]
    rounds = int(os.environ.get("BENCHMARK_ROUNDS", "9"))
    for ask in (facts, checks):
        seconds(reference, platform, ask)
    turns = [(seconds(reference, platform, facts), seconds(reference, platform, checks)) for _ in range(rounds)]
    ratio = median(checked / told for told, checked in turns)
    told, checked = (1000 * median(column) for column in zip(*turns, strict=True))
    print(f"Alpine {STOCK[0]} {platform}, {rounds} rounds, medians, nothing known before")
    print(f"all facts         {told:7.1f} ms")
    print(f"all checks        {checked:7.1f} ms = {ratio:.2f} x the facts ({verdict(ratio, GOAL_RATIO)})")


def large() -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        reference = large_image(root / "large")
        told, _, entries, size = in_own_process("facts", reference, root / "facts")
        checked, peak, _, _ = in_own_process("checks", reference, root / "checks")
        again, warm_peak, _, _ = in_own_process("checks", reference, root / "checks")
    print(f"{entries} entries, {size / 1e6:.0f} MB in {PACKAGES} packages, in processes of their own")
    print(f"all facts, cold   {told:7.2f} s")
    print(f"all checks, cold  {checked:7.2f} s = {checked / told:.2f} x the facts")
    print(f"                  {peak:7.0f} MB of memory at most ({verdict(peak, GOAL_MEMORY)})")
    print(f"all checks, warm  {again:7.2f} s")
    print(f"                  {warm_peak:7.0f} MB of memory at most ({verdict(warm_peak, GOAL_MEMORY)})")


if __name__ == "__main__":
    stock()
    large()
