"""Small input that claims much: time and memory stay in proportion to what is really there."""

from __future__ import annotations

import time
import tracemalloc
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from pytest_alpine.apk.constraint import Constraint
from pytest_alpine.apk.installed import parse_installed
from pytest_alpine.apk.needed import needed_packages
from pytest_alpine.apk.repositories import RepositoryParser
from pytest_alpine.checks.clean.assertion import find_clean
from pytest_alpine.checks.runnable.assertion import find_runnable
from pytest_alpine.elf import musl_loader as ldso
from pytest_alpine.errors import DatabaseError, MalformedImage
from pytest_alpine.rootfs.layers import flatten, read_changeset
from tests.support.alpine import GOOD, built
from tests.support.elf import elf_for
from tests.support.images import Directory, File, Node, Symlink, layer_tar, whiteout

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COUNT = 10_000


@contextmanager
def in_seconds(limit: float) -> Iterator[None]:
    """Fail where more of the processor's time is taken; the same without a bound takes minutes to days."""
    start = time.process_time()
    yield
    assert time.process_time() - start < limit


def test_as_many_whiteouts_as_links_that_become_directories(tmp_path: Path) -> None:
    links = layer_tar({f"{number}": Symlink("x") for number in range(COUNT)})
    both: dict[str, Node] = {f"{number}/": Directory() for number in range(COUNT)}
    both |= {whiteout(f"{number}/gone"): b"" for number in range(COUNT)}
    changesets = []
    for name, tar in (("below", links), ("above", layer_tar(both))):
        (tmp_path / name).write_bytes(tar)
        changesets.append(read_changeset(tmp_path / name, name))
    with in_seconds(6):
        assert len(flatten(changesets)) == COUNT + 1


def test_names_that_lead_through_thousands_of_directories(tmp_path: Path) -> None:
    deep = {f"{number}/" + "a/" * 2000 + "x": b"" for number in range(100)}
    (tmp_path / "tar").write_bytes(layer_tar(deep))
    changeset = read_changeset(tmp_path / "tar", "layer")
    tracemalloc.start()
    try:
        with pytest.raises(MalformedImage, match=r"^layer 0: its paths imply too many directories, in '/16/a"):
            flatten([changeset])
        assert tracemalloc.get_traced_memory()[1] < 200 << 20
    finally:
        tracemalloc.stop()


def test_packages_that_bring_each_other_one_by_one() -> None:
    records = [f"P:p{number}\nV:1\ni:p{number + 1}\n\n" for number in range(COUNT)]
    packages = parse_installed("".join([*records, f"P:p{COUNT}\nV:1\n\n"]).encode(), "installed")
    with in_seconds(6):
        assert len(needed_packages(packages, [Constraint.parse(f"p{COUNT}")])) == COUNT + 1


@pytest.mark.parametrize("letter", "Dpir")
def test_a_list_of_constraints_of_which_the_last_is_none(letter: str) -> None:
    needs = " ".join(["a>>>>=<<<<b"] * 1000)
    with in_seconds(1), pytest.raises(DatabaseError, match=f"^installed:3: malformed field: '{letter}:a>>>>="):
        parse_installed(f"P:x\nV:1\n{letter}:{needs} >\n\n".encode(), "installed")


def test_needs_that_are_looked_for_everywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ldso, "_MAX_PLACES", 200_000)
    needed = tuple(f"{number:x}" for number in range(4000))
    image = built(
        tmp_path,
        GOOD
        | {
            "etc/ld-musl-x86_64.path": "".join(f"/{number:x}\n" for number in range(9000)),
            "srv/x": File(bytes(elf_for("linux/amd64", interpreter=None, flags_1=0, needed=needed)), mode=0o755),
        },
    )
    with (
        in_seconds(10),
        pytest.raises(MalformedImage, match=r"^/srv/x: the search for libraries tries more than 200000 paths$"),
    ):
        find_runnable(image)


def test_needs_that_no_library_meets(tmp_path: Path) -> None:
    needs = [tuple(f"lib{number:x}x{count:x}.so" for count in range(100)) for number in range(40)]
    programs = {
        f"srv/{number}": File(bytes(elf_for("linux/amd64", interpreter=None, flags_1=0, needed=needed)), mode=0o755)
        for number, needed in enumerate(needs)
    }
    image = built(tmp_path, GOOD | programs)
    tracemalloc.start()
    try:
        with in_seconds(30):
            assert len(find_runnable(image)) > 40 * 100
        assert tracemalloc.get_traced_memory()[1] < 100 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("place", ["root/.my.cnf", "root/.pypirc", "root/.npmrc", "root/.pgpass", "root/.netrc"])
@pytest.mark.parametrize("piece", ["\n", " ", "password", "_auth ", ":", "password="], ids=repr)
def test_credentials_of_many_blanks(place: str, piece: str, tmp_path: Path) -> None:
    image = built(tmp_path, GOOD | {place: piece * (400_000 // len(piece))})
    with in_seconds(5):
        find_clean(image, "credentials")


def test_variables_that_are_set_to_twice_themselves() -> None:
    doubled = "set a=xxxxxxxx\n" + "set a=${a}${a}\n" * 60
    with pytest.raises(DatabaseError, match=r"^repositories:11: malformed repository: 'set a=\${a}\${a}'"):
        list(RepositoryParser(arch=lambda: "x86_64").parse(doubled, "repositories"))
    long = "set a=" + "x" * 4000 + "\n" + "/" + "${a}" * 100_000 + " main\n"
    with in_seconds(5), pytest.raises(DatabaseError, match=r"^repositories:2: malformed repository"):
        list(RepositoryParser(arch=lambda: "x86_64").parse(long, "repositories"))


@pytest.mark.parametrize("glob", ["+*a" * 40, "+[[.*]", "+[z-a]/[!]", "+" + "*/" * 500, "+"], ids=repr)
@pytest.mark.filterwarnings("error")
def test_patterns_of_protected_paths(glob: str, tmp_path: Path) -> None:
    image = built(tmp_path, GOOD | {"etc/apk/protected_paths.d/x.list": f"{glob}\n", "bin/busybox": "a" * 200})
    with in_seconds(5):
        assert len(find_clean(image, "package-files")) == (glob != "+")
