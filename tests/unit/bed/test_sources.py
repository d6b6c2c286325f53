"""Where the images come from, in order of preference."""

from __future__ import annotations

import functools
import http.server
import shutil
import threading
from typing import TYPE_CHECKING

import pytest

from tests.bed import mirror, sources
from tests.bed.state import BedError, State

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOWHERE = "http://127.0.0.1:9"  # the discard port: nobody listens


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_arguments: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def served(small_mirror: Path) -> Iterator[str]:
    """The URL of *small_mirror*, over real HTTP."""
    handler = functools.partial(_Quiet, directory=str(small_mirror))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask only for what the small mirror has."""
    arches = frozenset({"x86_64", "armhf"})
    known = [release for release in mirror.KNOWN if release.branch == "v3.20"]
    monkeypatch.setattr(
        mirror,
        "KNOWN",
        tuple(
            mirror.Known(
                branch=release.branch, tag=release.tag, version=release.version, date=release.date, arches=arches
            )
            for release in known
        ),
    )


def test_a_folder_is_used_in_place(bed: Path, small_mirror: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(sources.VARIABLE, str(small_mirror))
    state = State()
    sources.up(state)
    assert (state.mirror, state.official) == (str(small_mirror), True)
    assert not bed.exists()


def test_a_folder_that_is_a_stand_in_is_not_official(
    bed: Path, small_mirror: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not bed.exists()
    (small_mirror / mirror.STAND_IN).touch()
    monkeypatch.setenv(sources.VARIABLE, str(small_mirror))
    state = State()
    sources.up(state)
    assert not state.official


@pytest.mark.usefixtures("few")
def test_a_url_is_copied_once(bed: Path, served: str, small_mirror: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(sources.VARIABLE, served)
    state = State()
    sources.up(state)
    assert state.official
    (copy,) = bed.iterdir()
    assert state.mirror == str(copy)
    original = next(release for release in mirror.releases(small_mirror) if release.branch == "v3.20")
    (release,) = mirror.releases(copy)
    assert release.tags == original.tags
    assert [item.sha256 for item in release.rootfs] == [item.sha256 for item in original.rootfs[:2]]
    shutil.rmtree(small_mirror)
    sources.up(State())


@pytest.mark.usefixtures("few")
def test_a_file_that_is_not_what_its_checksum_says_is_refused(bed: Path, served: str, small_mirror: Path) -> None:
    damaged = small_mirror / "v3.20/releases/armhf/alpine-minirootfs-3.20.3-armhf.tar.gz"
    damaged.write_bytes(damaged.read_bytes()[:-1])
    url = f"{served}/{damaged.relative_to(small_mirror)}"
    with pytest.raises(BedError) as caught:
        sources.fetch(served)
    assert str(caught.value) == f"{url}: the file is not what {url}.sha512 says"
    assert list(bed.iterdir()) == []


def test_a_mirror_that_lacks_files_is_refused(bed: Path, served: str) -> None:
    with pytest.raises(BedError) as caught:
        sources.fetch(served)
    assert str(caught.value) == f"{served} lacks 21 of the 31 files the tests know"
    assert list(bed.iterdir()) == []


def test_where_nothing_can_be_had_the_text_says_what_to_set(bed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_debian(_target: Path) -> None:
        raise BedError("no apt")

    monkeypatch.setenv(sources.VARIABLE, NOWHERE)
    monkeypatch.setattr("tests.bed.standin.build", no_debian)
    with pytest.raises(BedError) as caught:
        sources.up(State())
    text = str(caught.value)
    assert text.startswith(f"no Alpine mirror at {NOWHERE}; cannot fetch {NOWHERE}/edge/releases/x86_64/")
    assert text.endswith("; no apt; set PYTEST_ALPINE_MIRROR to the folder or the URL of an Alpine mirror")
    assert list(bed.iterdir()) == []
