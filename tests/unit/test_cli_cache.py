"""``pytest-alpine cache`` and ``cache prune``: what they print, and what they end with."""

from __future__ import annotations

import gc
import os
import time
from typing import TYPE_CHECKING, Any

import pytest

from pytest_alpine import EngineError, open_image
from pytest_alpine.cli import main
from pytest_alpine.engine.docker.loaded import RemovedImages
from pytest_alpine.image.store.contents import read_contents
from pytest_alpine.image.store.store import Store
from pytest_alpine.image.store.uses import read_records
from pytest_alpine.sizes import format_size
from tests.support.images import image, layer_tar, write_oci_layout
from tests.unit.test_cli import told, valid

if TYPE_CHECKING:
    from pathlib import Path

BASE = layer_tar({"base": b"b" * 500_000})
IDS: dict[str, str] = {}


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A store with an image, two builds of another, and nothing that uses them."""
    monkeypatch.setenv("PYTEST_ALPINE_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    moments = {"app-1": 9000, "app-2": 400, "web": 3 * 86_400}
    for build, ago in moments.items():
        name = build.partition("-")[0]
        built = image(BASE, layer_tar({build: b"x" * 100_000}))
        write_oci_layout(tmp_path / name, {"1": [built]})
        IDS[build] = built.config.digest
        opened = open_image(f"oci:{name}:1", "amd64")
        assert opened.rootfs.exists("/base")
        (record,) = (one for one in read_records(tmp_path / "cache") if one.name.id == opened.id)
        os.utime(record.path, (time.time() - ago,) * 2)
    del opened
    gc.collect()
    return Store(tmp_path / "cache")


def shown(build: str) -> str:
    return f"oci:{build.partition('-')[0]}:1 (linux/amd64, {IDS[build][:19]})"


def test_what_it_holds(capsys: pytest.CaptureFixture[str], store: Store) -> None:
    first, head, *lines = told(capsys, "cache").splitlines()
    assert first == f"{store.root} holds {format_size(read_contents(store.root).size)}"
    assert head == "       size      alone  last use       image"
    assert [line[24:] for line in lines] == [
        f"6 minutes ago  {shown('app-2')}",
        f"2 hours ago    {shown('app-1')}, replaced by a newer one",
        f"3 days ago     {shown('web')}",
    ]
    for line in lines:
        all_of_it, unit, alone, _ = line[:24].split()
        assert (unit, round(float(all_of_it) - float(alone))) == ("kB", 502), "the layer that all share, as a tar"


def test_an_image_in_use_and_files_that_no_image_needs(capsys: pytest.CaptureFixture[str], store: Store) -> None:
    used = open_image("oci:app:1", "amd64")
    assert used.config
    store.add_document(b"{}" * 5000)
    lines = told(capsys, "cache").splitlines()
    assert lines[2].split()[4:6] == ["now", "oci:app:1"]
    assert lines[-1] == "   10.00 kB  needed by no image"


def test_an_empty_one(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_ALPINE_CACHE", str(tmp_path / "nowhere"))
    assert told(capsys, "cache") == f"{tmp_path}/nowhere holds 0 B\n"
    assert told(capsys, "cache", "prune") == f"removed nothing from {tmp_path}/nowhere, which holds 0 B now\n"
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize(
    ("arguments", "removed"),
    [
        ((), ["app-1"]),
        (("--unused-for", "30d"), ["app-1"]),
        (("--unused-for=1d",), ["app-1", "web"]),
        (("--keep", "700 kB"), ["app-1", "web"]),
        (("--keep", "1GB", "--unused-for", "0s"), ["app-1", "web", "app-2"]),
    ],
    ids=["replaced-builds", "long-unused", "unused", "to-a-size", "all"],
)
def test_prune(
    capsys: pytest.CaptureFixture[str], store: Store, arguments: tuple[str, ...], removed: list[str]
) -> None:
    before = read_contents(store.root).size
    first, *lines = told(capsys, "cache", "prune", *arguments).splitlines()
    ago = {"app-1": "2 hours", "app-2": "6 minutes", "web": "3 days"}
    replaced = {"app-1": ", replaced by a newer one"}
    left = read_contents(store.root).size
    assert first == f"removed {format_size(before - left)} from {store.root}, which holds {format_size(left)} now"
    assert lines == [f"  {shown(build)}{replaced.get(build, '')}, last use {ago[build]} ago" for build in removed]
    assert {record.name.id for record in read_records(store.root)} == {
        IDS[build] for build in IDS if build not in removed
    }


@pytest.mark.parametrize("place", ["before", "behind"])
def test_as_data(capsys: pytest.CaptureFixture[str], store: Store, place: str) -> None:
    (cache,) = valid("cache", told(capsys, "cache", "--json"))
    assert cache["folder"] == str(store.root)
    assert [found["id"] for found in cache["images"]] == [IDS["app-2"], IDS["app-1"], IDS["web"]]
    assert [found["replaced"] for found in cache["images"]] == [False, True, False]
    assert cache["size"] < sum(found["size"] for found in cache["images"]), "they share a layer"
    words = ("cache", "--json", "prune") if place == "before" else ("cache", "prune", "--json")
    (pruned,) = valid("prune", told(capsys, *words))
    assert [found["id"] for found in pruned["images"]] == [IDS["app-1"]]
    assert pruned["removed"] + pruned["left"] == cache["size"]
    assert (pruned["engines"], pruned["problems"]) == ({}, [])


def test_engines(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    answers: dict[str, Any] = {
        "docker": RemovedImages(removed=("a", "b"), kept=("c",)),
        "podman": RemovedImages(removed=(), kept=()),
        "other": None,
        "broken": EngineError("cannot remove d from the engine: no space"),
    }
    asked = []

    def prune_engines(store: Store, unused_for: float | None) -> dict[str, Any]:
        asked.append((store.root.name, unused_for))
        return answers

    monkeypatch.setattr("pytest_alpine.engine.cleanup.prune_engines", prune_engines)
    assert main(["cache", "prune", "--engines", "--unused-for=1h", "--keep=1GB"]) == 2
    captured = capsys.readouterr()
    assert captured.out.splitlines()[-2:] == [
        "removed 2 images from docker, kept 1 in use",
        "removed no images from podman",
    ]
    assert captured.err == "pytest-alpine: cannot remove d from the engine: no space\n"
    assert asked == [("cache", 3600)]
    main(["cache", "prune"])
    assert len(asked) == 1, "engines are asked only if they are to be"


def test_a_file_that_cannot_be_removed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, store: Store
) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("pytest_alpine.image.store.prune._remove", refuse)
    assert main(["cache", "prune"]) == 2
    captured = capsys.readouterr()
    assert captured.out.startswith(f"removed nothing from {store.root}, which holds ")
    assert captured.err.startswith(f"pytest-alpine: cannot remove {store.root}/")
    assert captured.err.splitlines()[0].endswith(": Permission denied")


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--unused-for=soon", "invalid duration: 'soon' (expected a number with s, m, h, d or w, such as 30d)"),
        ("--keep=lots", "invalid size: 'lots' (expected bytes, or a number with kB, MB, GB, KiB, MiB or GiB)"),
    ],
)
def test_wrong_values(capsys: pytest.CaptureFixture[str], argument: str, message: str) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["cache", "prune", argument])
    assert caught.value.code == 2
    assert message in capsys.readouterr().err
