"""The test bed: all real engines, registries and images that the tests use, started by one command.

``python tests/testbed.py up`` (or ``down``, ``status``). Every call of ``up`` starts only what does not run yet. Root
installs missing packages with apt; other users get the command to type.
``python tests/testbed.py python`` makes Pythons for tox that the machine lacks.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if __package__ in {None, ""}:  # run as a script: the parts are found from the repository's root
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from tests.bed import docker, emulators, far, mirror, podman, publish, pythons, registry, rootfs, sandbox, sources
from tests.bed.registry import SecureRegistry
from tests.bed.state import BedError, State, folder, load, locked, save

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.bed.far import FarEngine

__all__ = ["BedError", "SecureRegistry", "Testbed", "bring_up", "busybox_rootfs", "debian_rootfs", "take_down"]

LOCK = "testbed"
PARTS = (docker, podman, sandbox, emulators, registry, sources, far)


@dataclass(frozen=True, kw_only=True, slots=True)
class Testbed:
    """The parts of the test bed that run now.

    ``mirror`` is a folder laid out as an Alpine mirror, ``official`` whether it holds Alpine's own files rather than
    the stand-in. ``registry`` is ``host:port`` of a registry without a password, ``engine`` the version of the Docker
    engine, ``podman`` where podman's services listen, by name, ``far`` a second Docker engine as on another machine,
    ``sandbox`` the versions of bubblewrap and patchelf.
    ``emulated`` and ``native`` are the platforms (``linux/arm64``) that run here through an emulator and without one.
    ``missing`` has one sentence for each part that does not run, with the command that helps.
    """

    __test__ = False  # its name begins as those of pytest's test classes do

    mirror: Path
    official: bool
    registry: str | None
    secure_registry: SecureRegistry | None
    engine: str | None
    podman: dict[str, str]
    far: FarEngine | None
    sandbox: str | None
    emulated: frozenset[str]
    native: frozenset[str]
    missing: tuple[str, ...]

    @property
    def docker(self) -> bool:
        """Whether a Docker engine answers."""
        return self.engine is not None

    @property
    def bubblewrap(self) -> bool:
        """Whether sandboxes run, and programs can be broken in them."""
        return self.sandbox is not None

    @property
    def runnable(self) -> frozenset[str]:
        """Every platform that runs here; none without an engine."""
        return self.native | self.emulated if self.docker else frozenset()

    @classmethod
    def current(cls) -> Testbed:
        """Return what runs, without starting anything."""
        state = load()
        return _describe(state, tuple(filter(None, (part.problem(state) for part in PARTS))))


def bring_up() -> Testbed:
    """Start and fill all parts that do not run yet; ``missing`` tells which could not be started."""
    with locked(LOCK):
        state = load()
        missing = tuple(filter(None, (_attempt(part.up, state) for part in PARTS)))
        return _describe(state, missing + tuple(filter(None, (_attempt(_fill, state),))))


def take_down() -> None:
    """Stop everything that :func:`bring_up` started, and nothing else. Images and packages stay."""
    with locked(LOCK):
        state = load()
        for part in (far, registry, podman, docker, emulators):
            part.down(state)
            save(state)
        save(State(ports=state.ports))


def debian_rootfs(_testbed: Testbed) -> Path:
    """A tar of a minimal Debian: glibc, dash and bash. Made at first use, which takes a minute or two."""
    return rootfs.debian_rootfs()


def busybox_rootfs(_testbed: Testbed) -> Path:
    """A tar of a static BusyBox and its applets, without any C library. Made at first use."""
    return rootfs.busybox_rootfs()


def _attempt(step: Callable[[State], None], state: State) -> str | None:
    """Do one step; return the error message if it fails."""
    try:
        step(state)
    except BedError as error:
        return str(error)
    finally:
        save(state)
    return None


def _fill(state: State) -> None:
    host = registry.open_host(state)
    if host is not None and state.mirror:
        publish.publish(host, mirror.releases(Path(state.mirror)))


def _describe(state: State, missing: tuple[str, ...]) -> Testbed:
    return Testbed(
        mirror=Path(state.mirror) if state.mirror else folder() / "mirror",
        official=state.official,
        registry=registry.open_host(state),
        secure_registry=registry.secure(state),
        engine=docker.version(),
        podman={name: url for name in (podman.NAME, podman.ROOTLESS) if (url := podman.url(name, state))},
        far=far.far_engine(state),
        sandbox=sandbox.versions(),
        emulated=emulators.emulated(),
        native=emulators.native(),
        missing=missing,
    )


def _report(testbed: Testbed) -> Iterator[str]:
    """One line for each part that is up, and one for each thing that is missing."""
    if testbed.engine:
        yield f"docker            {testbed.engine}"
    yield from (f"{name:<17} {url}" for name, url in testbed.podman.items())
    if testbed.sandbox:
        yield f"sandbox           {testbed.sandbox}"
    for emulator in emulators.wanted():
        if testbed.emulated.issuperset(emulator.platforms):
            yield f"{emulator.name:<17} {', '.join(emulator.platforms)}"
    if testbed.registry:
        yield f"registry          http://{testbed.registry}"
    if testbed.secure_registry:
        secure = testbed.secure_registry
        yield f"secure registry   https://{secure.host} (user {secure.username}, CA {secure.ca})"
    if testbed.far:
        yield f"second engine     {testbed.far.tcp} (certificates {testbed.far.certificates}), {testbed.far.ssh}"
    if testbed.mirror.is_dir():
        yield f"mirror            {'official' if testbed.official else 'stand-in'}: {testbed.mirror}"
    for version, path in pythons.places().items():
        yield f"python{version:<11} {path}"
    yield from (f"missing           {sentence}" for sentence in testbed.missing)


def _newer_pythons() -> int:
    """Print the folder of the Pythons, or to the standard error why there are none; return the exit code."""
    try:
        found = pythons.up()
    except BedError as error:
        sys.stderr.write(f"missing           python{' and python'.join(pythons.VERSIONS)}: {error}\n")
        return 1
    sys.stdout.write(f"{next(iter(found.values())).parent}\n")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests/testbed.py", description="Everything real that the tests talk to.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("up", help="install, start and fill what is not up yet")
    commands.add_parser("down", help="stop what `up` started")
    commands.add_parser("status", help="say what is up, and what to run where something is missing")
    commands.add_parser("python", help="make Pythons that the machine lacks, and print their folder, for PATH")
    return parser.parse_args()


def main() -> int:
    """The command; 0 when everything is up (or, for ``down``, stopped), else 1."""
    command = _arguments().command
    if command == "python":
        return _newer_pythons()
    if command == "down":
        take_down()
        return 0
    testbed = bring_up() if command == "up" else Testbed.current()
    sys.stdout.writelines(f"{line}\n" for line in _report(testbed))
    return 1 if testbed.missing else 0


if __name__ == "__main__":
    raise SystemExit(main())
