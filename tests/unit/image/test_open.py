"""The door: which platform is chosen, which transport reads what."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_alpine.errors import InvalidPlatform, InvalidReference, PlatformNotFound
from pytest_alpine.image.access import Access
from pytest_alpine.image.open import open_image, published_platforms, transport
from pytest_alpine.image.store.store import Store
from pytest_alpine.platforms import PLATFORMS, Platform
from pytest_alpine.reference import FILE_TRANSPORTS, NAMED_TRANSPORTS, Reference
from tests.support.images import image, layer_tar, write_oci_layout

if TYPE_CHECKING:
    from pathlib import Path

NATIVE = Platform.native()
FOREIGN, OTHER = [platform for platform in PLATFORMS if platform != NATIVE][:2]
TAR = layer_tar({"etc/alpine-release": "3.20.3\n"})


@pytest.fixture
def access(tmp_path: Path) -> Access:
    return Access(Store(tmp_path / "store"))


def layout(folder: Path, *platforms: Platform) -> str:
    write_oci_layout(folder / "layout", {"1": [image(TAR, platform=str(platform)) for platform in platforms]})
    return f"oci:{folder / 'layout'}:1"


@pytest.mark.parametrize(
    ("published", "expected"),
    [((FOREIGN, NATIVE), NATIVE), ((NATIVE,), NATIVE), ((FOREIGN,), FOREIGN)],
    ids=["native-of-two", "native-alone", "the-only-one"],
)
def test_platform_when_none_is_asked_for(
    tmp_path: Path, access: Access, published: tuple[Platform, ...], expected: Platform
) -> None:
    reference = layout(tmp_path, *published)
    assert open_image(reference, access=access).platform == expected
    assert published_platforms(reference, access=access) == published


def test_no_platform_is_guessed_among_foreign_ones(tmp_path: Path, access: Access) -> None:
    with pytest.raises(PlatformNotFound, match=f"is not published for {NATIVE} .published: {FOREIGN}, {OTHER}"):
        open_image(layout(tmp_path, FOREIGN, OTHER), access=access)


@pytest.mark.parametrize("asked", [str(FOREIGN), FOREIGN.apk_arch, FOREIGN], ids=["oci", "apk", "value"])
def test_platform_that_is_asked_for(tmp_path: Path, access: Access, asked: str | Platform) -> None:
    reference = Reference.parse(layout(tmp_path, FOREIGN, NATIVE))
    opened = open_image(reference, asked, access=access)
    assert (opened.platform, opened.reference) == (FOREIGN, reference)
    assert opened.rootfs.read("/etc/alpine-release") == b"3.20.3\n"


def test_store_is_the_users_own_when_none_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_ALPINE_CACHE", str(tmp_path / "cache"))
    assert open_image(layout(tmp_path, NATIVE)).size.unpacked == 7
    assert list((tmp_path / "cache" / "layers").rglob("*.tar"))


def test_bad_words() -> None:
    with pytest.raises(InvalidReference, match="invalid image reference: 'A:b:c'"):
        open_image("A:b:c")
    with pytest.raises(InvalidPlatform, match="unknown architecture: 'vax'"):
        open_image("alpine", "vax")


@pytest.mark.parametrize("name", NAMED_TRANSPORTS + FILE_TRANSPORTS)
def test_every_transport_has_a_reader(name: str) -> None:
    module = transport(Reference(name="x", transport=name))
    assert callable(module.published)
    assert callable(module.open_source)
