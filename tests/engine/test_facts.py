"""What is read from the layers is what apk, sh and the binaries say in the running container, cell by cell."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_alpine.image.access import Access
from pytest_alpine.image.open import open_image
from pytest_alpine.matrix.cells import cells, references
from pytest_alpine.matrix.declaration import Declaration
from tests.support.mirror import MIRROR

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_alpine import Cell, Container, Engine, Image

pytestmark = [pytest.mark.docker, pytest.mark.official, pytest.mark.emulators]

TAGS = ("edge", "3.20", "3.19")
CELLS = cells(Declaration(image=f"minirootfs:{MIRROR}", tags=TAGS, platforms=("all",)), None, Declaration(image="-"))

# Everything that is asked, in one command: emulated programs take their time to start.
QUESTIONS = """
echo "packages"; apk info -v 2>/dev/null | sort
echo "world"; sort /etc/apk/world
echo "arch"; apk --print-arch
echo "shell"; readlink -f /bin/sh
echo "release"; cat /etc/alpine-release
echo "libc"; /lib/ld-musl-*.so.1 2>&1 | sed -n 2p
echo "elf"; od -An -tx1 -N20 /bin/busybox
"""


@pytest.fixture(scope="module")
def docker() -> Iterator[Engine]:
    from pytest_alpine.engine.docker.engine import DockerEngine

    engine = DockerEngine()
    yield engine
    engine.close()


@pytest.fixture(scope="module", params=CELLS, ids=lambda cell: cell.id)
def cell(request: pytest.FixtureRequest) -> Cell:
    found: Cell = request.param
    return found


@pytest.fixture(scope="module")
def stock(cell: Cell) -> Image:
    return open_image(cell.reference, cell.platform, access=Access())


@pytest.fixture(scope="module")
def container(docker: Engine, stock: Image) -> Iterator[Container]:
    with docker.start(stock) as running:
        yield running


def test_the_mirror_has_what_it_publishes() -> None:
    counts = {tag: sum(cell.tag == tag for cell in CELLS) for tag in TAGS}
    assert counts == {"edge": 9, "3.20": 8, "3.19": 7}
    assert len(references(f"minirootfs:{MIRROR}", TAGS)) == 3


def test_facts(cell: Cell, stock: Image, container: Container) -> None:
    answers = _sections(container.run(QUESTIONS, check=True).stdout)
    assert answers["packages"] == sorted(map(str, stock.packages.values()))
    assert answers["world"] == sorted(map(str, stock.world))
    assert answers["arch"] == [cell.platform.apk_arch]
    assert stock.shell is not None
    assert answers["shell"] == [stock.shell.real]
    assert answers["release"] == [stock.release.version]
    assert answers["libc"] == [f"Version {str(stock.packages['musl'].version).partition('-')[0]}"]
    header = bytes.fromhex("".join(answers["elf"]))
    machine = cell.platform.machine
    assert header[4] * 32 == machine.bits
    assert (header[5] == 2) is machine.big_endian
    assert int.from_bytes(header[18:20], "big" if machine.big_endian else "little") == machine.elf_machine


def test_live_facts_are_the_images(stock: Image, container: Container) -> None:
    assert {name: str(package.version) for name, package in container.packages.items()} == {
        name: str(package.version) for name, package in stock.packages.items()
    }
    assert container.world == stock.world
    assert container.release == stock.release
    assert container.libc == stock.libc
    assert container.shell == stock.shell


def _sections(output: str) -> dict[str, list[str]]:
    sections: dict[str, list[str]] = {}
    for line in output.splitlines():
        if line in {"packages", "world", "arch", "shell", "release", "libc", "elf"}:
            current = sections.setdefault(line, [])
        elif line.strip():
            current.append(line.strip())
    return sections
