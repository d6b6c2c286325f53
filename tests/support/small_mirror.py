"""An Alpine mirror of tiny root filesystems, in a folder and over HTTP."""

from __future__ import annotations

import functools
import gzip
import hashlib
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from tests.support.images import layer_tar

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

# In the form of Alpine's own release files, with another flavour first.
RELEASE_FILE = """---
-
  title: "Standard"
  branch: {branch}
  arch: {arch}
  version: {version}
  flavor: alpine-standard
  file: alpine-standard-{version}-{arch}.iso
  sha512: {other}
-
  title: "Mini root filesystem"
  desc: |
    Minimal root filesystem.
  branch: {branch}
  arch: {arch}
  version: {version}
  flavor: alpine-minirootfs
  file: alpine-minirootfs-{version}-{arch}.tar.gz
  date: 2024-09-06
  time: 11:20:49
  size: {size}
  sha512: {sha512}
"""


def root_tar(version: str, arch: str) -> bytes:
    """Return a root filesystem with release files only."""
    name = "edge" if "_alpha" in version else f"v{version.rpartition('.')[0]}"
    return layer_tar(
        {
            "./etc/alpine-release": f"{version}\n",
            "./etc/os-release": f'ID=alpine\nVERSION_ID={version}\nPRETTY_NAME="Alpine Linux {name}"\n',
            "./etc/apk/arch": f"{arch}\n",
        }
    )


def write_release(  # noqa: PLR0913 - what a release is told by; the last two are for odd ones
    folder: Path, branch: str, version: str, arch: str, *, named: bool = True, tar: bytes | None = None
) -> Path:
    """Write one root filesystem into the mirror at *folder*, and return its tarball.

    Args:
        folder: the mirror's top.
        branch: such as ``v3.20``.
        version: such as ``3.20.3``, or a snapshot of edge.
        arch: Alpine's name.
        named: whether the release file lists it; if not, only an earlier version of that file did.
        tar: the root filesystem; one with release files only when None.
    """
    there = folder / branch / "releases" / arch
    there.mkdir(parents=True, exist_ok=True)
    tarball = there / f"alpine-minirootfs-{version}-{arch}.tar.gz"
    told = f"3.21.0_alpha{version}" if branch == "edge" else version
    tarball.write_bytes(gzip.compress(tar or root_tar(told, arch), compresslevel=1, mtime=0))
    data = tarball.read_bytes()
    sha512 = hashlib.sha512(data).hexdigest()
    tarball.with_name(f"{tarball.name}.sha512").write_text(f"{sha512}  {tarball.name}\n")
    if named:
        fields = {"branch": branch, "arch": arch, "version": version, "size": len(data), "sha512": sha512}
        (there / "latest-releases.yaml").write_text(RELEASE_FILE.format(**fields, other="0" * 128))
    return tarball


def write_mirror(folder: Path, releases: Mapping[str, str], *arches: str, latest: str = "v3.20") -> Path:
    """Write a mirror: branches and their versions, each for all *arches*; return *folder*."""
    for branch, version in releases.items():
        for arch in arches:
            write_release(folder, branch, version, arch)
    (folder / "latest-stable").write_text(f"{latest}\n")
    return folder


@dataclass(kw_only=True)
class FileServer:
    """A mirror over HTTP: its log, and its failures."""

    url: str = ""
    listing: bool = True
    """Whether folders are listed."""
    statuses: dict[str, int] = field(default_factory=dict)
    """HTTP statuses of requests that fail, by the end of their paths."""
    silent: str = ""
    """The end of paths that get no answer before the test is over."""
    over: threading.Event = field(default_factory=threading.Event)
    log: list[str] = field(default_factory=list)

    def asked(self, part: str) -> int:
        """Return how many requests had *part* in their method and path."""
        return sum(part in line for line in self.log)


@contextmanager
def serving_files(folder: Path) -> Iterator[FileServer]:
    """Serve *folder* on a free port of this machine."""
    server = FileServer()

    class Handler(_Handler):
        files = server

    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(folder))) as http:
        http.daemon_threads = True
        server.url = f"http://127.0.0.1:{http.server_port}/"
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.over.set()
            http.shutdown()
            thread.join()


class _Handler(SimpleHTTPRequestHandler):
    files: FileServer

    def log_message(self, *_: object) -> None:
        """Write nothing to the terminal."""

    def do_GET(self) -> None:
        if not self._failed():
            super().do_GET()

    def do_HEAD(self) -> None:
        if not self._failed():
            super().do_HEAD()

    def _failed(self) -> bool:
        self.files.log.append(f"{self.command} {self.path}")
        if self.files.silent and self.path.endswith(self.files.silent):
            self.files.over.wait()
        found = (status for end, status in self.files.statuses.items() if self.path.endswith(end))
        status = next(found, 403 if self.path.endswith("/") and not self.files.listing else 0)
        if status:
            self.send_error(status)
        return bool(status)
