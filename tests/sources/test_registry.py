"""The transport registry:, on real registries that hold multi-platform images."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from pytest_alpine.errors import ImageError, ImageNotFound, PlatformNotFound
from pytest_alpine.image.access import Access
from pytest_alpine.image.image import Image
from pytest_alpine.image.minirootfs import source as minirootfs
from pytest_alpine.image.open import open_image, published_platforms
from pytest_alpine.image.registry import source as registry
from pytest_alpine.platforms import PLATFORMS
from pytest_alpine.reference import Reference
from tests.support.cut_proxy import CutProxy
from tests.support.mirror import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.testbed import SecureRegistry, Testbed

REPOSITORIES = ("alpine", "alpine-docker", "alpine-zstd")


@pytest.fixture
def host(bed: Testbed) -> str:
    """The registry without a password."""
    if bed.registry is None:
        pytest.skip("; ".join(bed.missing) or "no registry: run: python tests/testbed.py up")
    return bed.registry


@pytest.fixture
def secure(bed: Testbed) -> SecureRegistry:
    """The registry behind TLS and a password."""
    if bed.secure_registry is None:
        pytest.skip("; ".join(bed.missing) or "no registry: run: python tests/testbed.py up")
    return bed.secure_registry


@pytest.mark.official
@pytest.mark.parametrize("repository", REPOSITORIES)
def test_every_platform_is_that_of_the_mirror(bed: Testbed, host: str, access: Access, repository: str) -> None:
    reference = f"registry:{host}/{repository}:3.20"
    mirrored = f"minirootfs:{bed.mirror}:3.20"
    platforms = published_platforms(reference, access=access)
    assert set(platforms) == set(published_platforms(mirrored, access=access))
    for platform in platforms:
        pulled, original = (open_image(name, platform, access=access) for name in (reference, mirrored))
        assert pulled.config.platform == platform
        assert pulled.release.version == "3.20.3"
        assert {p.name: p.version for p in pulled.packages.values()} == {
            p.name: p.version for p in original.packages.values()
        }
        assert pulled.stored_layers[0].diff_id == original.stored_layers[0].diff_id
        if repository != "alpine-zstd":
            assert pulled.size == original.size


@pytest.mark.official
def test_edge_has_a_platform_more(host: str, access: Access) -> None:
    assert set(published_platforms(f"registry:{host}/alpine:edge", access=access)) == set(PLATFORMS)
    assert open_image(f"registry:{host}/alpine:edge", "loong64", access=access).release.is_edge


@pytest.mark.official
def test_unpublished_platform(host: str, access: Access) -> None:
    with pytest.raises(PlatformNotFound) as caught:
        open_image(f"registry:{host}/alpine:3.19", "riscv64", access=access)
    message = str(caught.value)
    assert message.startswith(f"registry:{host}/alpine:3.19 is not published for linux/riscv64 (published: ")
    assert message.count("linux/") == 1 + 7


def test_unknown_tag_and_repository(host: str, access: Access) -> None:
    with pytest.raises(ImageNotFound, match=rf"registry {host} has no tag '3\.21' of 'alpine' \(nearest: 3\.2"):
        published_platforms(f"registry:{host}/alpine:3.21", access=access)
    with pytest.raises(ImageNotFound, match=f"registry {host} has no repository 'nothing/here'|has no tag 'latest'"):
        published_platforms(f"registry:{host}/nothing/here", access=access)


@pytest.mark.parametrize("trusted", ["certs.d", "environment"])
def test_secure_registry(
    secure: SecureRegistry, tmp_path: Path, trusted: str, monkeypatch: pytest.MonkeyPatch, access: Access
) -> None:
    reference = f"registry:{secure.host}/alpine:latest"
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    with pytest.raises(ImageError, match="the certificate is not trusted"):
        published_platforms(reference, access=access)
    if trusted == "environment":
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(secure.ca))
    else:
        folder = tmp_path / ".config" / "containers" / "certs.d" / secure.host
        folder.mkdir(parents=True)
        (folder / "ca.crt").write_bytes(secure.ca.read_bytes())
    with pytest.raises(ImageError, match=f"log in with `docker login {secure.host}`"):
        published_platforms(reference, access=Access(access.store))
    auth = base64.b64encode(f"{secure.username}:{secure.password}".encode()).decode()
    (tmp_path / "config.json").write_text(json.dumps({"auths": {secure.host: {"auth": auth}}}))
    image = open_image(reference, "arm64", access=Access(access.store))
    assert image.rootfs.exists("/bin/sh")


READER = """
import sys
from pathlib import Path
from pytest_alpine.image.open import open_image, published_platforms
from pytest_alpine.image.access import Access
from pytest_alpine.image.store.store import Store
access = Access(Store(Path(sys.argv[1])), run="one run")
for platform in published_platforms(sys.argv[2], access=access):
    image = open_image(sys.argv[2], platform, access=access)
    print(image.platform, image.id, len(image.packages), image.size.rootfs)
"""


def test_processes_on_one_cold_store_agree(host: str, access: Access) -> None:
    with CutProxy(f"tcp://{host}") as proxy:
        reference = f"registry:{proxy.url.removeprefix('tcp://')}/alpine:3.20"
        argv = [sys.executable, "-c", READER, str(access.store.root), reference]
        readers = [subprocess.Popen(argv, cwd=ROOT, text=True, stdout=subprocess.PIPE) for _ in range(3)]
        outputs = [process.communicate(timeout=120)[0] for process in readers]
    assert len(set(outputs)) == 1
    # The tag is looked up once, and every document and layer comes once.
    asked = [line for line in proxy.log if "/manifests/" in line or "/blobs/" in line]
    assert len(asked) == len(set(asked))
    assert [line for line in asked if line.endswith("/3.20")] == ["GET /v2/alpine/manifests/3.20"]
    platforms = len(outputs[0].splitlines())
    # A configuration and a layer of each platform, of which none shares its layer with another.
    assert sum("/blobs/" in line for line in asked) == 2 * platforms


def test_warm_store_needs_no_registry(host: str, access: Access) -> None:
    reference = Reference.parse(f"registry:{host}/alpine:latest")
    platform = registry.published(reference, access)[0]
    first = Image(registry.open_source(reference, platform, access), access)
    assert first.size.compressed
    offline = Access(access.store, pull="never")
    assert Image(registry.open_source(reference, platform, offline), offline).size == first.size


@pytest.mark.official
def test_images_of_registry_and_mirror_hold_the_same_programs(bed: Testbed, host: str, access: Access) -> None:
    """The layers are the tarballs themselves: what is known of one is known of the other."""
    reference = Reference.parse(f"registry:{host}/alpine:3.20")
    platform = registry.published(reference, access)[0]
    (layer,) = registry.open_source(reference, platform, access).layers()
    access.store.layer(layer)
    mirrored = Reference.parse(f"minirootfs:{bed.mirror}:3.20")
    (same,) = minirootfs.open_source(mirrored, platform, access).layers()
    assert layer.size == same.size
    assert access.store.layer(layer).tar.samefile(access.store.layer(same).tar)
