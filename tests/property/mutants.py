"""Root filesystems of Alpine that are broken at random, and what musl's own loader says of them."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pytest_alpine.elf import is_elf
from pytest_alpine.platforms import BY_APK_ARCH, Platform
from tests.support.mirror import TARBALLS, tarball_id

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from random import Random

_FOLDERS: Final = ("lib", "usr/lib", "usr/local/lib", "opt/lib", "opt/deep/lib")
_RUN_PATHS: Final = (
    "/opt/lib", "/opt/lib:/opt/deep/lib", "$ORIGIN/../opt/lib", "${ORIGIN}/../../opt/lib", "/opt/$LIB:/opt/lib",
    "/gone::/opt/deep/lib:", "$ORIGIN", "/usr/local/lib", "/opt/lib/../deep/lib",
)  # fmt: skip
_PATH_FILES: Final = ("/lib\n/usr/lib\n", "/usr/lib:/opt/lib", "", "/lib", "\n:/opt/deep/lib\n\n/lib:/usr/lib")
_NEEDS: Final = (
    "libm.so.6",
    "libgone.so.3",
    "libresolv.so.2",
    "libz.so.1",
    "/opt/lib/libz.so.1",
    "libc.so",
    "libmagic.",
)
_LISTED: Final = re.compile(r"^\t(\S+)(?: => (\S+))? \(0x[0-9a-f]+\)$", re.MULTILINE)
_LACKING: Final = re.compile(r"^Error loading shared library (\S+): .* \(needed by (\S+)\)$", re.MULTILINE)

TOOLS: Final = ("bwrap", "patchelf")


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What ``ldd`` says of one file."""

    loaded: tuple[str, ...]
    """The files it loads besides musl, by the paths at which it opens them, in their order."""
    lacking: frozenset[tuple[str, str]]
    """Libraries that it cannot load, and the paths of those that need them."""
    works: bool
    output: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Alpine:
    """An unpacked root filesystem."""

    root: Path
    platform: Platform

    def at(self, path: str) -> Path:
        """Return where the file *path* of the root filesystem is on this machine; links are not followed."""
        return self.root / path.lstrip("/")

    def elves(self, name: str = "*") -> list[str]:
        """Return the paths of the ELF files that are called so, without links."""
        files = sorted(path for path in self.root.rglob(name) if path.is_file() and not path.is_symlink())
        return [f"/{path.relative_to(self.root)}" for path in files if is_elf(path.read_bytes())]

    def tar(self) -> bytes:
        """Return all of it as a layer."""
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w") as tar:
            tar.add(self.root, arcname=".")
        return stream.getvalue()

    def run(self, *command: str) -> subprocess.CompletedProcess[bytes]:
        """Run *command* in it."""
        sandbox = ["bwrap", "--unshare-all", "--die-with-parent", "--clearenv", "--ro-bind", str(self.root), "/"]
        return subprocess.run(
            [*sandbox, "--proc", "/proc", "--dev", "/dev", "--chdir", "/", "--", *command],
            check=False, capture_output=True, timeout=60, stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def ask_loader(self, loader: str, path: str) -> Verdict:
        """Return what the loader at *loader* says of the file *path*."""
        answer = self.run(loader, "--list", path)
        text = (answer.stdout + answer.stderr).decode(errors="replace")
        opened = [found for _, found in _LISTED.findall(text) if found and "/ld-" not in found]
        return Verdict(
            loaded=tuple(opened),
            lacking=frozenset(_LACKING.findall(text)),
            works=answer.returncode == 0,
            output=f"{text}(exit code {answer.returncode})",
        )


def unpacked(folder: Path, release: str, arch: str) -> Alpine:
    """Unpack an official root filesystem below *folder*."""
    tarball = next(path for path in TARBALLS if tarball_id(path) == f"{release}-{arch}")
    with tarfile.open(tarball) as tar:
        tar.extractall(folder, filter="fully_trusted")
    return Alpine(root=folder, platform=BY_APK_ARCH[arch])


def mutate(alpine: Alpine, other: Alpine, random: Random) -> list[str]:
    """Break *alpine* in one to four ways, with files of *other*, which is for another machine; tell how."""
    ways: list[Callable[[Alpine, Alpine, Random], str]] = [
        _remove, _move, _move, _set_run_path, _set_run_path, _need, _shadow, _foreign, _foreign_program,
        _path_file, _link_loop,
    ]  # fmt: skip
    told = [random.choice(ways)(alpine, other, random) for _ in range(random.randint(1, 4))]
    if not random.randrange(12):
        told.append(_rename_loader(alpine))
    return told


def _library(alpine: Alpine, random: Random) -> str:
    loader = f"ld-musl-{alpine.platform.machine.loader_arch}.so.1"
    return random.choice([path for path in alpine.elves("*.so*") if not path.endswith(loader)] or ["/lib/libnone.so.1"])


def _remove(alpine: Alpine, _: Alpine, random: Random) -> str:
    path = _library(alpine, random)
    alpine.at(path).unlink(missing_ok=True)
    return f"{path} removed"


def _move(alpine: Alpine, _: Alpine, random: Random) -> str:
    path, folder = _library(alpine, random), alpine.at(random.choice(_FOLDERS))
    folder.mkdir(parents=True, exist_ok=True)
    if alpine.at(path).exists():
        alpine.at(path).replace(folder / path.rpartition("/")[2])
    return f"{path} moved to {folder}"


def _set_run_path(alpine: Alpine, _: Alpine, random: Random) -> str:
    path, run_path = random.choice(_patchable(alpine)), random.choice(_RUN_PATHS)
    force = ["--force-rpath"] if random.randrange(2) else []
    _patchelf(alpine, *force, "--set-rpath", run_path, path)
    return f"run path of {path} {force}: {run_path}"


def _need(alpine: Alpine, _: Alpine, random: Random) -> str:
    path, name = random.choice(_patchable(alpine)), random.choice(_NEEDS)
    _patchelf(alpine, "--add-needed", name, path)
    return f"{path} needs {name}"


def _shadow(alpine: Alpine, _: Alpine, random: Random) -> str:
    path, folder = _library(alpine, random), alpine.at(random.choice(_FOLDERS))
    place = folder / path.rpartition("/")[2]
    folder.mkdir(parents=True, exist_ok=True)
    if place.exists():
        return "nothing"
    if random.randrange(2):
        place.mkdir()
    else:
        place.write_text("INPUT(-lz)\n")
    return f"{place} is no library"


def _foreign(alpine: Alpine, other: Alpine, random: Random) -> str:
    name, folder = _library(alpine, random).rpartition("/")[2], alpine.at(random.choice(_FOLDERS))
    folder.mkdir(parents=True, exist_ok=True)
    found = next(iter(other.elves(name)), None)
    if found is None or (folder / name).is_dir():
        return "nothing"
    shutil.copy2(other.at(found), folder / name)
    return f"{folder / name} for {other.platform}"


def _foreign_program(alpine: Alpine, other: Alpine, random: Random) -> str:
    path = random.choice(["/usr/bin/scanelf", "/usr/bin/iconv", "/opt/program"])
    alpine.at(path).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(other.at("/usr/bin/scanelf"), alpine.at(path))
    return f"{path} for {other.platform}"


def _path_file(alpine: Alpine, _: Alpine, random: Random) -> str:
    text = random.choice(_PATH_FILES)
    alpine.at(f"/etc/ld-musl-{alpine.platform.machine.loader_arch}.path").write_text(text)
    return f"path file {text!r}"


def _link_loop(alpine: Alpine, _: Alpine, random: Random) -> str:
    path = alpine.at(_library(alpine, random))
    if path.exists():
        real = path.with_name(f"real-{path.name}")
        path.replace(real)
        path.symlink_to(real.name if random.randrange(2) else "gone")
    return f"{path} is a link"


def _rename_loader(alpine: Alpine) -> str:
    path = alpine.at(f"/lib/ld-musl-{alpine.platform.machine.loader_arch}.so.1")
    path.replace(path.with_name("ld-renamed.so.1"))
    return "loader renamed"


def _patchable(alpine: Alpine) -> list[str]:
    return [path for path in alpine.elves() if "/ld-" not in path and alpine.at(path).stat().st_size < 2 << 20]


def _patchelf(alpine: Alpine, *arguments: str) -> None:
    *options, path = arguments
    subprocess.run(["patchelf", *options, str(alpine.at(path))], check=True, capture_output=True)
