"""Root filesystems of Alpine that are broken at random, and what musl's own loader says of them."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pytest_alpine.elf.reader import is_elf
from pytest_alpine.platforms import BY_APK_ARCH, Platform
from tests.support.mirror import TARBALLS, tarball_id

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from random import Random

_FOLDERS: Final = ("lib", "usr/lib", "usr/local/lib", "opt/lib", "opt/deep/lib")
# For the folder {0}; the last ones do not lead there, or make musl ignore all of it.
_RUN_PATHS: Final = (
    "/{0}", "/gone::/{0}:", "$ORIGIN/../{0}", "${{ORIGIN}}/../../{0}", "/usr/local/../../{0}", "\n/{0}", "{0}",
    "/$LIB:/{0}", "$ORIGINAL:/{0}", "/{0}/gone", "$ORIGIN",
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

# What musl's loader, bubblewrap and QEMU say of a program that does not come to its first instruction.
_NOT_STARTED: Final = re.compile(
    rb"^(?:Error (?:loading|relocating) |bwrap: execvp |qemu-\w+: Could not open )", re.MULTILINE
)
# 126 and 127 are the loader's, 128 and more are signals, and QEMU's own word for what it cannot load is 255.
_FAILED: Final = 126

_NEEDED: Final = ("libz.so.1", "libcrypto.so.3", "libssl.so.3", "libapk.so.2.14.0")


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

    def starts(self, path: str) -> bool:
        """Whether the program at *path* comes to its own first instruction."""
        answer = self.run(path, "--help")
        return answer.returncode < _FAILED and not _NOT_STARTED.search(answer.stderr)

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
        _remove, _move, _need, _shadow, _foreign, _foreign_program, _path_file, _link_loop,
        _relocate, _relocate, _relocate, _inherit, _inherit, _inherit, _inherit,
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
    return f"{path} moved to {folder.relative_to(alpine.root)}"


def _relocate(alpine: Alpine, _: Alpine, random: Random) -> str:
    """Move a library that is needed, by the name that it is needed by, and give one of its users a run path."""
    name, folder = random.choice(_NEEDED), random.choice(_FOLDERS)
    place, old = alpine.at(folder) / name, alpine.at(f"/lib/{name}")
    if not old.is_file() or place.exists():
        return "nothing"
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(old, place)
    old.unlink()
    return f"{name} moved to {folder}, {_set_run_path(alpine, random.choice(_users(alpine)), folder, random)}"


def _inherit(alpine: Alpine, _: Alpine, random: Random) -> str:
    """Let one library need another that only the run path of whoever loads the first one may lead to."""
    folder, number = random.choice(_FOLDERS), random.randrange(3)
    needer, user = random.choice(_users(alpine, "*.so*")), random.choice(_users(alpine))
    place = alpine.at(folder) / f"libinner{number}.so"
    place.parent.mkdir(parents=True, exist_ok=True)
    source = next(iter(alpine.elves("padlock.so") + alpine.elves("*.so*")))
    if not place.exists():
        shutil.copy2(alpine.at(source), place)
    _patchelf(alpine, "--add-needed", place.name, needer)
    return f"{needer} needs {place.name} in {folder}, {_set_run_path(alpine, user, folder, random)}"


def _set_run_path(alpine: Alpine, path: str, folder: str, random: Random) -> str:
    run_path = random.choice(_RUN_PATHS).format(folder)
    force = ["--force-rpath"] if random.randrange(2) else []
    _patchelf(alpine, *force, "--set-rpath", run_path, path)
    return f"run path of {path} {force}: {run_path!r}"


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


def _users(alpine: Alpine, name: str = "*") -> list[str]:
    """Return programs and libraries that load others."""
    named = [path for path in alpine.elves(name) if re.search(r"/apk$|/ssl_client$|/lib(?:ssl|apk|tls)\.so", path)]
    return named or _patchable(alpine)


def _patchable(alpine: Alpine) -> list[str]:
    return [path for path in alpine.elves() if "/ld-" not in path and alpine.at(path).stat().st_size < 2 << 20]


def _patchelf(alpine: Alpine, *arguments: str) -> None:
    *options, path = arguments
    subprocess.run(["patchelf", *options, str(alpine.at(path))], check=True, capture_output=True)
