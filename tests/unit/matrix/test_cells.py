from __future__ import annotations

import pytest

from pytest_alpine.errors import InvalidPlatform
from pytest_alpine.matrix.cells import Cell, cells, check
from pytest_alpine.matrix.declaration import Declaration, split_list
from pytest_alpine.platforms import Platform
from pytest_alpine.reference import Reference

INI = Declaration(image="app")
NOTHING = Declaration()


def ids(found: tuple[Cell, ...]) -> list[str]:
    return [cell.id for cell in found]


@pytest.mark.parametrize(
    ("chosen", "marked", "ini", "expected"),
    [
        (NOTHING, None, INI, [f"latest-{Platform.native().slug}"]),
        (
            Declaration(tags=("1", "2"), platforms=("arm/v7", "386")),
            None,
            INI,
            ["1-arm-v7", "1-386", "2-arm-v7", "2-386"],
        ),
        (Declaration(tags=("2",)), None, Declaration(image="a", tags=("1",), platforms=("386",)), ["2-386"]),
        (
            NOTHING,
            Declaration(tags=("1", "2"), platforms=("386", "s390x")),
            INI,
            ["1-386", "1-s390x", "2-386", "2-s390x"],
        ),
        (Declaration(tags=("2",)), Declaration(tags=("1", "2"), platforms=("386",)), INI, ["2-386"]),
        (Declaration(platforms=("arm64",)), Declaration(tags=("1",), platforms=("386", "aarch64")), INI, ["1-arm64"]),
        (Declaration(platforms=("arm64",)), Declaration(tags=("1",)), INI, ["1-arm64"]),
        (Declaration(platforms=("386",)), Declaration(platforms=("arm64",)), INI, []),
        (NOTHING, Declaration(image="b:{tag}-x", tags=("1",), platforms=("386",)), INI, ["1-x-386"]),
        (NOTHING, None, Declaration(image="b:7", platforms=("386",)), ["7-386"]),
        (NOTHING, None, Declaration(image="docker-archive:some/app.tar", platforms=("386",)), ["app.tar-386"]),
        (Declaration(platforms=("386", "arm64", "!i386")), None, INI, ["latest-arm64"]),
        (Declaration(platforms=("!386",)), None, Declaration(image="a", platforms=("386", "arm64")), ["latest-arm64"]),
        (Declaration(platforms=("!386",)), Declaration(platforms=("386", "s390x")), INI, ["latest-s390x"]),
        (
            NOTHING,
            Declaration(platforms=("!386",)),
            Declaration(image="a", platforms=("386", "arm64")),
            ["latest-arm64"],
        ),
        (Declaration(platforms=("!386",)), None, INI, [f"latest-{Platform.native().slug}"]),
    ],
    ids=[
        "defaults",
        "command-line",
        "command-line-replaces-ini",
        "marker",
        "command-line-narrows-tags",
        "command-line-narrows-platforms",
        "command-line-fills-what-a-marker-leaves-open",
        "narrowed-to-nothing",
        "tag-field",
        "own-tag",
        "archive",
        "left-out-of-names",
        "left-out-of-the-ini",
        "left-out-of-a-marker",
        "left-out-by-a-marker",
        "left-out-of-native",
    ],
)
def test_cells(chosen: Declaration, marked: Declaration | None, ini: Declaration, expected: list[str]) -> None:
    assert ids(cells(chosen, marked, ini)) == expected


def test_all_on_docker_hub_is_what_the_official_image_publishes() -> None:
    for tag, count in (("3.19", 7), ("3.20", 8), ("edge", 8), ("latest", 8)):
        assert len(cells(Declaration(image="alpine", tags=(tag,), platforms=("all",)), None, INI)) == count


def test_all_elsewhere_is_every_platform_not_all_declared() -> None:
    found = cells(Declaration(tags=("1",), platforms=("all", "arm64")), None, INI)
    assert len(found) == 9
    assert [str(cell.platform) for cell in found if cell.declared] == ["linux/arm64"]


def test_cells_are_equal_by_what_they_name() -> None:
    one = Cell(reference=Reference.parse("a:1"), platform=Platform.parse("arm64"))
    other = Cell(reference=Reference.parse("a:1"), platform=Platform.parse("arm64/v8"), declared=False)
    assert one == other
    assert str(one) == "a:1 (linux/arm64)"


def test_split_list() -> None:
    assert split_list(["a,b", "c  a", ""]) == ("a", "b", "c")


def test_no_platform() -> None:
    with pytest.raises(InvalidPlatform, match="no platform is named"):
        check(Declaration(platforms=()))


@pytest.mark.parametrize(
    ("chosen", "marked", "ini"),
    [
        (Declaration(), None, Declaration(image="x")),
        (Declaration(), None, Declaration(image="x", platforms=("native",))),
        (Declaration(platforms=("native",)), None, Declaration(image="x", platforms=("amd64",))),
        (Declaration(), Declaration(platforms=("native",)), Declaration(image="x", platforms=("amd64",))),
        (Declaration(platforms=("native",)), Declaration(platforms=("all",)), Declaration(image="x")),
    ],
    ids=["default", "ini", "command-line", "marker", "narrowed"],
)
def test_native_is_what_the_run_says(chosen: Declaration, marked: Declaration | None, ini: Declaration) -> None:
    (cell,) = cells(chosen, marked, ini, Platform.parse("riscv64"))
    assert str(cell.platform) == "linux/riscv64"
