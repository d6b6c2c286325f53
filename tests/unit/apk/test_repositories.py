from __future__ import annotations

import pytest

from pytest_alpine.apk.repositories import Repository, RepositoryParser
from pytest_alpine.errors import DatabaseError


def parsed(text: str) -> list[Repository]:
    return list(RepositoryParser(arch=lambda: "aarch64").parse(text, "repositories"))


@pytest.mark.parametrize(
    ("text", "repositories"),
    [
        pytest.param("", [], id="empty"),
        pytest.param("# none\n\n   \n  #x\n", [], id="comments"),
        pytest.param("https://m.example/edge/main\n", [Repository(url="https://m.example/edge/main")], id="url"),
        pytest.param("/packages/", [Repository(url="/packages/")], id="path"),
        pytest.param("file:///packages", [Repository(url="file:///packages")], id="file-url"),
        pytest.param(
            "@edge https://m.example/edge/main\n",
            [Repository(url="https://m.example/edge/main", tag="edge")],
            id="tag",
        ),
        pytest.param(
            "v3 @x https://m.example/ main community",
            [
                Repository(url="https://m.example/main", tag="x", type="v3"),
                Repository(url="https://m.example/community", tag="x", type="v3"),
            ],
            id="components",
        ),
        pytest.param("ndx https://m.example/i", [Repository(url="https://m.example/i", type="ndx")], id="index"),
        pytest.param("/i/Packages.adb", [Repository(url="/i/Packages.adb", type="ndx")], id="index-by-suffix"),
        pytest.param("v2 /i/x.tar.gz", [Repository(url="/i/x.tar.gz")], id="type-before-suffix"),
        pytest.param("default v3\n/a\nv2 /b", [Repository(url="/a", type="v3"), Repository(url="/b")], id="default"),
        pytest.param(
            "set m=https://m.example\nset e=${m}/edge\n${e}/main ${APK_ARCH}",
            [Repository(url="https://m.example/edge/main/aarch64")],
            id="variables",
        ),
        pytest.param(
            "set a=/x\nset -default a=/y\nset -default b=/z\n${a}${b}", [Repository(url="/x/z")], id="defaults"
        ),
        pytest.param("set a=/x\nset a=/y\n${a}", [Repository(url="/y")], id="last-setting-wins"),
        pytest.param("/x/${unknown}", [Repository(url="/x/${unknown}")], id="unknown-variable"),
    ],
)
def test_lines(text: str, repositories: list[Repository]) -> None:
    assert parsed(text) == repositories


@pytest.mark.parametrize(
    "line",
    ["main", "@edge", "v3", "set", "set a", "set 1=2", "default v4", "default", "ndx /i x", "/a.adb main", "dl/x"],
)
def test_malformed_lines(line: str) -> None:
    with pytest.raises(DatabaseError) as caught:
        parsed(f"# first\n{line}\n")
    assert str(caught.value) == (
        f"repositories:2: malformed repository: {line!r} "
        "(expected '[v2|v3|ndx] [@tag] url [component...]' or 'set [-default] key=value')"
    )


@pytest.mark.parametrize(
    ("url", "branch", "component"),
    [
        ("https://mirror.example.com/alpine/v3.20/main", "v3.20", "main"),
        ("http://mirror.example.com/alpine/edge/testing/", "edge", "testing"),
        ("https://m.example/alpine/latest-stable/community", "latest-stable", "community"),
        ("/media/v3.19/main", "v3.19", "main"),
        ("https://packages.wolfi.dev/os", "", ""),
        ("https://m.example/edge", "", ""),
        ("/packages", "", ""),
    ],
)
def test_branch_and_component(url: str, branch: str, component: str) -> None:
    repository = Repository(url=url)
    assert (repository.branch, repository.component) == (branch, component)


@pytest.mark.parametrize("line", ["/a", "@t /a", "v3 /a", "v3 @t /a", "ndx /i"])
def test_lines_are_printed_back(line: str) -> None:
    assert [str(found) for found in parsed(line)] == [line]
