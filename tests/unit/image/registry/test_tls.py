"""Registries behind TLS: who is trusted, and why."""

from __future__ import annotations

import shutil
import ssl
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_alpine.errors import ImageError
from pytest_alpine.image.access import Access
from pytest_alpine.image.registry import source as registry
from pytest_alpine.image.registry.tls import certificate_folders
from pytest_alpine.image.store.store import Store
from pytest_alpine.platforms import Platform
from pytest_alpine.reference import Reference
from tests.support.certificates import Certificates, make_certificates
from tests.support.images import image, layer_tar
from tests.support.registry_server import RegistryServer, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

BUILT = image(layer_tar({"etc/alpine-release": "3.20.3\n"}))


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def tls(certificates: Certificates) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.certificate, certificates.key)
    return context


@pytest.fixture
def server(tls: ssl.SSLContext) -> Iterator[RegistryServer]:
    with serving(RegistryServer(), tls) as running:
        running.push("acme/app", "1.0", [BUILT])
        yield running


def pull(server: RegistryServer, folder: Path) -> bytes:
    access = Access(Store(folder / "store"))
    reference = Reference.parse(f"registry:{server.host}/acme/app:1.0")
    (layer,) = registry.open_source(reference, Platform.parse("amd64"), access).layers()
    return access.store.layer(layer).tar.read_bytes()


def trust(server: RegistryServer, authority: Path, kind: str = "containers") -> Path:
    folder = Path.home() / ".config" / kind / "certs.d" / server.host
    folder.mkdir(parents=True)
    shutil.copy(authority, folder / "ca.crt")
    return folder


def test_unknown_authority(server: RegistryServer, tmp_path: Path) -> None:
    with pytest.raises(ImageError) as caught:
        pull(server, tmp_path)
    assert str(caught.value) == (
        f"https://{server.host}/v2/: the certificate is not trusted: unable to get local issuer certificate; "
        f"place the authority's certificate at /etc/docker/certs.d/{server.host}/ca.crt, "
        "or name it in REQUESTS_CA_BUNDLE"
    )


@pytest.mark.parametrize("kind", ["containers", "docker"])
def test_authority_in_certs_d(server: RegistryServer, certificates: Certificates, kind: str, tmp_path: Path) -> None:
    trust(server, certificates.authority, kind)
    assert pull(server, tmp_path) == BUILT.tars[0]


def test_authority_that_is_not_all_that_it_should_be(tmp_path: Path) -> None:
    """Engines take what is in certs.d; Python 3.13 would not."""
    sloppy = make_certificates(tmp_path, strict=False)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sloppy.certificate, sloppy.key)
    with serving(RegistryServer(), context) as server:
        server.push("acme/app", "1.0", [BUILT])
        trust(server, sloppy.authority)
        assert pull(server, tmp_path) == BUILT.tars[0]


def test_authority_for_one_host_is_none_for_another(
    server: RegistryServer, certificates: Certificates, tls: ssl.SSLContext, tmp_path: Path
) -> None:
    trust(server, certificates.authority)
    with serving(RegistryServer(blobs=server.blobs), tls) as elsewhere:
        server.blobs_at = f"https://{elsewhere.host}"
        with pytest.raises(ImageError, match="the certificate is not trusted"):
            pull(server, tmp_path)


def test_authority_in_the_environment(
    server: RegistryServer, certificates: Certificates, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificates.authority))
    assert pull(server, tmp_path) == BUILT.tars[0]


def test_client_certificate(certificates: Certificates, tls: ssl.SSLContext, tmp_path: Path) -> None:
    tls.verify_mode = ssl.CERT_REQUIRED
    tls.load_verify_locations(certificates.authority)
    with serving(RegistryServer(), tls) as server:
        server.push("acme/app", "1.0", [BUILT])
        folder = trust(server, certificates.authority)
        with pytest.raises(ImageError, match="no answer"):
            pull(server, tmp_path)
        shutil.copy(certificates.certificate, folder / "client.cert")
        shutil.copy(certificates.key, folder / "client.key")
        assert pull(server, tmp_path) == BUILT.tars[0]


@pytest.mark.parametrize("name", ["ca.crt", "client.cert"])
def test_unreadable_certificate(server: RegistryServer, certificates: Certificates, name: str, tmp_path: Path) -> None:
    folder = trust(server, certificates.authority)
    (folder / name).write_text("not a certificate")
    with pytest.raises(ImageError, match=f"{folder / name}: not a readable certificate: "):
        pull(server, tmp_path)


def test_folders_of_docker_and_of_containers() -> None:
    folders = [str(folder) for folder in certificate_folders("example.org:5000")]
    assert "/etc/docker/certs.d/example.org:5000" in folders
    assert "/etc/containers/certs.d/example.org:5000" in folders
