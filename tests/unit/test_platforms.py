from __future__ import annotations

import platform as host_platform

import pytest

from pytest_alpine.errors import AlpineError, InvalidPlatform
from pytest_alpine.platforms import BY_APK_ARCH, PLATFORMS, Platform

# Every name in use: OCI, Docker Hub's prefixes, Alpine, uname, containerd.
SPELLINGS = [
    ("linux/amd64", "amd64 x86_64 x86-64 linux/amd64/v1 AMD64", "x86_64"),
    ("linux/386", "386 i386 i486 i586 i686 x86 linux/386", "x86"),
    ("linux/arm/v6", "arm/v6 armv6 armv6l arm32v6 armhf linux/arm/6", "armhf"),
    ("linux/arm/v7", "arm arm/v7 armv7 armv7l arm32v7 linux/arm linux/arm/7", "armv7"),
    ("linux/arm64", "arm64 arm64/v8 arm64v8 aarch64 linux/arm64/8 linux/aarch64", "aarch64"),
    ("linux/ppc64le", "ppc64le powerpc64le", "ppc64le"),
    ("linux/riscv64", "riscv64", "riscv64"),
    ("linux/s390x", "s390x", "s390x"),
    ("linux/loong64", "loong64 loongarch64", "loongarch64"),
]
EACH = [(spelling, canonical, arch) for canonical, all_, arch in SPELLINGS for spelling in [canonical, *all_.split()]]


@pytest.mark.parametrize(("spelling", "canonical", "arch"), EACH, ids=[row[0] for row in EACH])
def test_every_spelling_is_one_platform(spelling: str, canonical: str, arch: str) -> None:
    platform = Platform.parse(f" {spelling} ")
    assert str(platform) == canonical
    assert platform.apk_arch == arch
    assert platform == Platform.parse(canonical)
    assert BY_APK_ARCH[arch] == platform


def test_every_platform_of_alpine_has_a_spelling() -> None:
    assert [str(platform) for platform in PLATFORMS] == [canonical for canonical, *_ in SPELLINGS]


@pytest.mark.parametrize(
    ("fields", "canonical"),
    [
        ({"architecture": "arm64", "variant": "v8"}, "linux/arm64"),
        ({"architecture": "arm"}, "linux/arm/v7"),
        ({"architecture": "arm", "variant": "v6"}, "linux/arm/v6"),
        ({"architecture": "arm", "variant": "8"}, "linux/arm/v8"),
        ({"architecture": "amd64", "variant": "v3"}, "linux/amd64/v3"),
        ({"architecture": "unknown", "os": "unknown"}, "unknown/unknown"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_fields_of_an_index_are_brought_to_one_form(fields: dict[str, str], canonical: str) -> None:
    assert str(Platform(**fields)) == canonical


def test_slug_is_the_id_of_a_cell() -> None:
    assert [platform.slug for platform in PLATFORMS][:4] == ["amd64", "386", "arm-v6", "arm-v7"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "invalid platform: '' (expected [os/]architecture[/variant])"),
        ("linux", "invalid platform: 'linux' (expected [os/]architecture[/variant])"),
        ("linux/", "invalid platform: 'linux/' (expected [os/]architecture[/variant])"),
        ("linux/arm/v7/x", "invalid platform: 'linux/arm/v7/x' (expected [os/]architecture[/variant])"),
        ("arm v7", "invalid platform: 'arm v7' (expected [os/]architecture[/variant])"),
        (
            "sparc64",
            f"unknown architecture: 'sparc64' (expected one of {', '.join(row[0] for row in SPELLINGS)})",
        ),
    ],
    ids=["empty", "only-os", "no-architecture", "too-many-parts", "space", "unknown"],
)
def test_text_that_names_no_platform(text: str, message: str) -> None:
    with pytest.raises(InvalidPlatform) as caught:
        Platform.parse(text)
    assert str(caught.value) == message
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("text", ["arm/v5", "arm/v8", "amd64/v3", "windows/amd64"])
def test_platform_that_alpine_does_not_exist_for(text: str) -> None:
    platform = Platform.parse(text)
    with pytest.raises(InvalidPlatform, match="not a platform of Alpine: '"):
        _ = platform.apk_arch


def test_native_is_a_platform_or_says_what_the_machine_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_platform, "machine", lambda: "armv7l")
    assert str(Platform.native()) == "linux/arm/v7"
    monkeypatch.setattr(host_platform, "machine", lambda: "ia64")
    with pytest.raises(AlpineError, match="unknown architecture: 'ia64'"):
        Platform.native()


def test_platforms_order_by_architecture_and_variant() -> None:
    names = ["s390x", "arm/v7", "amd64", "arm/v6"]
    assert [platform.slug for platform in sorted(map(Platform.parse, names))] == ["amd64", "arm-v6", "arm-v7", "s390x"]


@pytest.mark.parametrize(
    ("platform", "text", "equal"),
    [
        ("arm64", "linux/arm64", True),
        ("arm64", "aarch64", True),
        ("arm/v7", "arm", True),
        ("arm/v7", "armhf", False),
        ("amd64", "arm64", False),
    ],
)
def test_a_platform_equals_a_text_that_names_it(platform: str, text: str, equal: bool) -> None:
    parsed = Platform.parse(platform)
    assert (parsed == text) is (text == parsed) is equal
    assert (parsed != text) is (text != parsed) is not equal


def test_a_platform_is_found_by_its_text() -> None:
    assert Platform.parse("aarch64") in {"linux/arm64", "linux/amd64"}
    assert {Platform.parse("armhf"): 1}["linux/arm/v6"] == 1  # type: ignore[index]


def test_comparing_a_platform_with_a_text_that_names_none_is_an_error() -> None:
    with pytest.raises(InvalidPlatform, match="unknown architecture: 'amd46'"):
        _ = Platform.parse("amd64") == "amd46"
    assert Platform.parse("amd64") != 64
