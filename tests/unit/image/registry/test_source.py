"""Registries over real HTTP: what is pulled, by whom, how often, and what is said when it fails."""

from __future__ import annotations

import base64
import datetime as dt
import email.utils
import json
import stat
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from pytest_alpine.errors import (
    DigestMismatch,
    ImageError,
    ImageNotFound,
    MalformedImage,
    PlatformNotFound,
)
from pytest_alpine.image.access import Access, Pull
from pytest_alpine.image.http.loopback import is_loopback
from pytest_alpine.image.registry import source as registry
from pytest_alpine.image.store.store import Store
from pytest_alpine.platforms import Platform
from pytest_alpine.reference import Reference
from tests.support.images import Blob, artifact, image, index, layer_tar
from tests.support.mirror import ROOT
from tests.support.registry_server import Fault, RegistryServer, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_alpine.image.source import ImageSource
    from tests.support.images import Compression, Style
    from tests.support.registry_server import Login

TAR = layer_tar({"etc/alpine-release": "3.20.3\n", "big": bytes(range(256)) * 4000})
AMD64 = image(TAR, platform="linux/amd64")
ARM64 = image(layer_tar({"arm": "64"}), platform="linux/arm64/v8", compression="plain")
ARMV7 = image(TAR, layer_tar({"second": "layer"}), platform="linux/arm/v7", compression="zstd")
# Incompressible, so that a download of it can break in the middle.
LARGE = image(layer_tar({"noise": bytes((i * i * 7 + i // 251) % 256 for i in range(700_000))}), compression="plain")
PLATFORM = Platform.parse("amd64")


@pytest.fixture
def server() -> Iterator[RegistryServer]:
    with serving(RegistryServer()) as running:
        running.push("acme/app", "1.0", [AMD64, ARM64, ARMV7], attested=True)
        running.push("acme/app", "1.1", [LARGE])
        yield running


@pytest.fixture
def access(tmp_path: Path) -> Access:
    return Access(Store(tmp_path / "store"))


def app(server: RegistryServer, tag: str = "1.0") -> Reference:
    return Reference.parse(f"registry:{server.host}/acme/app:{tag}")


def pulled(source: ImageSource, access: Access) -> list[bytes]:
    return [access.store.layer(layer).tar.read_bytes() for layer in source.layers()]


def pull(server: RegistryServer, access: Access, tag: str = "1.0", platform: Platform = PLATFORM) -> list[bytes]:
    return pulled(registry.open_source(app(server, tag), platform, access), access)


def again(access: Access, policy: Pull = "missing") -> Access:
    """Return what a second process has of *access*."""
    return Access(access.store, pull=policy)


# What is published


@pytest.mark.parametrize("style", ["oci", "docker"])
@pytest.mark.parametrize("compression", ["gzip", "zstd", "plain"])
def test_image_of_every_platform(access: Access, style: Style, compression: Compression) -> None:
    names = ("linux/amd64", "linux/arm/v6", "linux/arm/v7", "linux/arm64/v8", "linux/s390x")
    images = {
        name: image(layer_tar({"n": name}), platform=name, style=style, compression=compression) for name in names
    }
    with serving(RegistryServer()) as server:
        server.push("acme/app", "1.0", list(images.values()), style=style)
        assert registry.published(app(server), access) == tuple(map(Platform.parse, names))
        for name, built in images.items():
            source = registry.open_source(app(server), Platform.parse(name), access)
            assert source.digest == built.manifest.digest
            assert source.raw_config() == built.config.data
            assert [layer.size for layer in source.layers()] == [len(layer.data) for layer in built.layers]
            assert pulled(source, access) == list(built.tars)


def test_attestations_are_no_platforms(server: RegistryServer, access: Access) -> None:
    assert [str(p) for p in registry.published(app(server), access)] == ["linux/amd64", "linux/arm64", "linux/arm/v7"]


@pytest.mark.parametrize("style", ["oci", "docker"])
def test_single_manifest_is_of_the_platform_in_its_configuration(access: Access, style: Style) -> None:
    with serving(RegistryServer()) as server:
        server.push_single("acme/app", "1.0", image(TAR, platform="linux/arm/v6", style=style))
        assert pull(server, access, platform=Platform.parse("armhf")) == [TAR]
        with pytest.raises(PlatformNotFound, match=r"is not published for linux/amd64 \(published: linux/arm/v6\)"):
            pull(server, access)


def test_image_by_digest(server: RegistryServer, access: Access) -> None:
    index = server.tags["acme/app", "1.0"]
    pinned = app(server).with_digest(index)
    assert len(registry.published(pinned, access)) == 3
    single = app(server).with_digest(ARM64.manifest.digest)
    assert [str(platform) for platform in registry.published(single, access)] == ["linux/arm64"]
    assert server.asked("manifests/1.0") == 0


def test_latest_is_the_tag_when_none_is_named(server: RegistryServer, access: Access) -> None:
    server.push("acme/app", "latest", [AMD64])
    assert registry.published(Reference.parse(f"registry:{server.host}/acme/app"), access) == (PLATFORM,)


def test_unpublished_platform(server: RegistryServer, access: Access) -> None:
    with pytest.raises(PlatformNotFound) as caught:
        pull(server, access, platform=Platform.parse("riscv64"))
    assert str(caught.value) == (
        f"registry:{server.host}/acme/app:1.0 is not published for linux/riscv64"
        " (published: linux/amd64, linux/arm64, linux/arm/v7)"
    )


# What is not there


def test_unknown_tag_names_the_nearest(server: RegistryServer, access: Access) -> None:
    server.push("acme/app", "edge", [AMD64])
    with pytest.raises(ImageNotFound) as caught:
        registry.published(app(server, "1.2"), access)
    assert str(caught.value) == f"registry {server.host} has no tag '1.2' of 'acme/app' (nearest: 1.1, 1.0)"


def test_unknown_tag_of_a_registry_that_lists_none(server: RegistryServer, access: Access) -> None:
    server.faults.append(Fault(path="tags/list", status=405))
    with pytest.raises(ImageNotFound) as caught:
        registry.published(app(server, "1.2"), access)
    assert str(caught.value) == f"registry {server.host} has no tag '1.2' of 'acme/app'"


def test_unknown_repository(server: RegistryServer, access: Access) -> None:
    with pytest.raises(ImageNotFound) as caught:
        registry.published(Reference.parse(f"registry:{server.host}/acme/other:1"), access)
    assert str(caught.value) == f"registry {server.host} has no repository 'acme/other'"


def test_unknown_digest(server: RegistryServer, access: Access) -> None:
    digest = "sha256:" + "0" * 64
    with pytest.raises(ImageNotFound, match=f"has no manifest {digest} in 'acme/app'"):
        registry.published(app(server).with_digest(digest), access)


def test_registry_that_is_not_there(access: Access) -> None:
    with serving(RegistryServer()) as gone:
        pass
    with pytest.raises(ImageError) as caught:
        registry.published(app(gone), access)
    expected = f"http://{gone.host}/v2/acme/app/manifests/1.0: no answer: Connection refused (tried 4 times)"
    assert str(caught.value) == expected


def test_host_that_does_not_exist(access: Access) -> None:
    reference = Reference.parse("registry:registry.invalid/acme/app:1.0")
    with pytest.raises(ImageError, match=r"https://registry\.invalid/v2/acme/app/manifests/1\.0: no answer: "):
        registry.published(reference, access)


def test_blob_that_is_gone(server: RegistryServer, access: Access) -> None:
    del server.blobs[AMD64.layers[0].digest]
    with pytest.raises(ImageError) as caught:
        pull(server, access)
    message = f"registry {server.host} answers 404 for blob {AMD64.layers[0].digest} of 'acme/app': manifest unknown"
    assert str(caught.value) == message


# What comes damaged


def test_manifest_that_is_not_the_one_named(server: RegistryServer, access: Access) -> None:
    server.blobs[AMD64.manifest.digest] = ARM64.manifest
    with pytest.raises(DigestMismatch) as caught:
        pull(server, access)
    assert str(caught.value).startswith(
        f"registry:{server.host}/acme/app:1.0, manifest: the digest is {ARM64.manifest.digest}, "
        f"expected {AMD64.manifest.digest}: "
    )


def test_configuration_that_is_not_the_one_named(server: RegistryServer, access: Access) -> None:
    server.blobs[AMD64.config.digest] = ARM64.config
    with pytest.raises(DigestMismatch, match=r"configuration: the digest is sha256:.*, expected sha256:"):
        pull(server, access)


def test_index_damaged_on_its_way(server: RegistryServer, access: Access) -> None:
    server.faults.append(Fault(path="manifests/1.0", flip=100))
    with pytest.raises(DigestMismatch, match=r"manifest: the digest is sha256:.*: the bytes were damaged or replaced"):
        pull(server, access)
    assert pull(server, again(access)) == [TAR]


@pytest.mark.parametrize("path", ["manifests/1.0", AMD64.manifest.digest])
def test_a_wrong_digest_header_alone(server: RegistryServer, access: Access, path: str) -> None:
    server.digest_headers[path] = "sha256:" + "0" * 64
    assert pull(server, access) == [TAR]
    assert pull(server, again(access)) == [TAR]


@pytest.mark.parametrize("difference", [-1, 1])
@pytest.mark.parametrize("blob", [AMD64.manifest, AMD64.config, AMD64.layers[0]], ids=["manifest", "config", "layer"])
def test_a_size_that_is_not_the_descriptors(
    server: RegistryServer, access: Access, blob: Blob, difference: int
) -> None:
    def resized(document: Blob) -> Blob:
        data = document.data.replace(
            f'"size":{len(blob.data)}'.encode(), f'"size":{len(blob.data) + difference}'.encode()
        )
        return Blob(data=data, media_type=document.media_type)

    manifest = resized(AMD64.manifest)
    server.blobs[manifest.digest] = manifest
    entry = manifest.descriptor(platform=AMD64.platform)
    server.tag(
        "acme/app", "1.0", resized(index([], more=[entry])) if blob is AMD64.manifest else index([], more=[entry])
    )
    with pytest.raises(MalformedImage, match=r"bytes \(its descriptor says|truncated: |more than the \d+ bytes"):
        pull(server, access)


def test_an_index_that_holds_a_signature_too(server: RegistryServer, access: Access) -> None:
    manifest, blobs = artifact("application/vnd.dev.cosign.simplesigning.v1+json")
    server.blobs |= {blob.digest: blob for blob in (manifest, *blobs)}
    server.tag("acme/app", "1.0", index([AMD64], more=[manifest.descriptor()]))
    assert pull(server, access) == [TAR]
    with pytest.raises(PlatformNotFound, match=r"is not published for linux/s390x \(published: linux/amd64\)$"):
        pull(server, access, platform=Platform.parse("s390x"))


def test_layer_damaged_on_its_way(server: RegistryServer, access: Access) -> None:
    layer = AMD64.layers[0]
    server.faults.append(Fault(path=layer.digest, flip=200))
    with pytest.raises(DigestMismatch) as caught:
        pull(server, access)
    assert str(caught.value).startswith(f"registry:{server.host}/acme/app:1.0 linux/amd64, layer 0: the digest is ")
    assert f"expected {layer.digest}: the bytes were damaged" in str(caught.value)
    assert pull(server, access) == [TAR]


def test_layer_that_is_published_truncated(server: RegistryServer, access: Access) -> None:
    layer = AMD64.layers[0]
    server.blobs[layer.digest] = Blob(data=layer.data[:-20], media_type=layer.media_type)
    with pytest.raises(ImageError, match=f"truncated: {len(layer.data) - 20} of {len(layer.data)} bytes"):
        pull(server, access)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"<html>not a registry</html>", "acme/app:1.0: not JSON: "),
        (b"[" * 50_000, "acme/app:1.0: not JSON: "),
        (b'{"schemaVersion": 1}', "acme/app:1.0: a manifest of Docker's schema 1"),
        (b" " * (9 << 20), "manifests/1.0: more than 8388608 bytes (expected a small document)"),
    ],
    ids=["a-page", "nested", "schema-1", "endless"],
)
def test_documents_from_strangers(server: RegistryServer, access: Access, body: bytes, message: str) -> None:
    server.tag("acme/app", "1.0", Blob(data=body, media_type="text/html"))
    with pytest.raises(MalformedImage) as caught:
        registry.published(app(server), access)
    assert message in str(caught.value)


# How often is asked


def test_warm_store_asks_for_the_tag_only(server: RegistryServer, access: Access) -> None:
    pull(server, access)
    server.log.clear()
    assert pull(server, again(access)) == [TAR]
    assert server.log == ["HEAD /v2/acme/app/manifests/1.0"]


def test_one_process_looks_a_tag_up_once(server: RegistryServer, access: Access) -> None:
    for name in ("amd64", "arm64", "arm/v7"):
        pull(server, access, platform=Platform.parse(name))
    registry.published(app(server), access)
    assert server.asked("manifests/1.0") == 1
    # Two of the platforms share their first layer, stored in two compressions of one tar.
    assert server.asked("/blobs/") == 3 + 3


def test_tag_that_moved(server: RegistryServer, access: Access) -> None:
    pull(server, access)
    server.push("acme/app", "1.0", [LARGE])
    assert pull(server, again(access)) == list(LARGE.tars)
    assert pull(server, access) == [TAR]  # one run stays with what it began with


def test_registry_that_tells_no_digests(server: RegistryServer, access: Access) -> None:
    pull(server, access)
    server.faults.append(Fault(path="manifests/1.0", method="HEAD", status=405))
    assert pull(server, again(access)) == [TAR]
    assert server.asked("GET /v2/acme/app/manifests/1.0") == 2


READER = """
import sys
from pathlib import Path
from pytest_alpine.image.registry import source as registry
from pytest_alpine.image.access import Access
from pytest_alpine.image.store.store import Store
from pytest_alpine.platforms import Platform
from pytest_alpine.reference import Reference

access = Access(Store(Path(sys.argv[1])))
for layer in registry.open_source(Reference.parse(sys.argv[2]), Platform.parse("amd64"), access).layers():
    print(access.store.layer(layer).diff_id)
"""


def test_processes_on_one_cold_store_download_once(server: RegistryServer, access: Access) -> None:
    server.faults.append(Fault(path=LARGE.layers[0].digest, cut=300_000))
    argv = [sys.executable, "-c", READER, str(access.store.root), str(app(server, "1.1"))]
    readers = [subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, cwd=ROOT) for _ in range(4)]
    outputs = [process.communicate(timeout=60)[0] for process in readers]
    assert outputs == [f"{LARGE.diff_ids[0]}\n"] * 4
    gets = [line for line in server.log if line.startswith("GET")]
    assert len(gets) == 4 + 1  # index, manifest, configuration, layer; and the layer's second half


# Pull policies


def test_never_pulls_nothing(server: RegistryServer, access: Access) -> None:
    with pytest.raises(ImageNotFound) as caught:
        pull(server, again(access, "never"))
    assert str(caught.value) == (
        f"registry:{server.host}/acme/app:1.0 is not in the local store, "
        "and pulling is switched off (pull policy 'never')"
    )
    assert server.log == []


def test_never_takes_a_tag_as_it_was_last(server: RegistryServer, access: Access) -> None:
    pull(server, access)
    server.push("acme/app", "1.0", [LARGE])
    server.log.clear()
    assert pull(server, again(access, "never")) == [TAR]
    with pytest.raises(ImageNotFound, match=r"document sha256:.*, is not in the local store, and pulling is"):
        pull(server, again(access, "never"), platform=Platform.parse("arm64"))
    assert server.log == []


def test_never_fetches_no_layer(server: RegistryServer, access: Access) -> None:
    registry.open_source(app(server), PLATFORM, access)
    source = registry.open_source(app(server), PLATFORM, again(access, "never"))
    with pytest.raises(ImageNotFound, match=f"linux/amd64, layer {AMD64.layers[0].digest}, is not in the local store"):
        pulled(source, access)


def test_missing_takes_a_tag_as_it_was_last_when_the_registry_is_away(server: RegistryServer, access: Access) -> None:
    pull(server, access)
    server.faults.append(Fault(path="/manifests/", method="HEAD", status=503, times=99))
    told: list[str] = []
    assert pull(server, Access(access.store, progress=told.append)) == [TAR]
    (line,) = told
    assert "503 Service Unavailable (tried 4 times)" in line
    assert line.endswith(f"acme/app:1.0 is taken as it was last, {server.tags['acme/app', '1.0']}")
    with pytest.raises(ImageError, match="503 Service Unavailable"):
        pull(server, again(access, "always"))


def test_known_source_asks_nobody(server: RegistryServer, access: Access) -> None:
    assert registry.known_source(app(server), PLATFORM, access) is None
    assert server.log == []
    pull(server, access)
    server.log.clear()
    known = registry.known_source(app(server), PLATFORM, again(access))
    assert known is not None
    assert known.digest == AMD64.manifest.digest
    assert server.log == []


# Patience


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
@pytest.mark.parametrize("path", ["manifests/1.0", AMD64.config.digest, AMD64.layers[0].digest])
def test_passing_failures_pass(server: RegistryServer, access: Access, status: int, path: str) -> None:
    server.faults.append(Fault(path=path, status=status, times=2))
    assert pull(server, access) == [TAR]


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_retry_after_is_honoured(server: RegistryServer, access: Access, form: str) -> None:
    later = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=2)
    value = "1" if form == "seconds" else email.utils.format_datetime(later, usegmt=True)
    server.faults.append(Fault(path="manifests/1.0", status=429, headers={"Retry-After": value}))
    start = time.monotonic()
    pull(server, access)
    assert time.monotonic() - start >= (1.0 if form == "seconds" else 0.5)


def test_a_day_that_no_calendar_has_is_passed_over(server: RegistryServer, access: Access) -> None:
    headers = {"Retry-After": "Mon, 01 Jan 99999999999999999999 00:00:00 GMT"}
    server.faults.append(Fault(path="manifests/1.0", status=429, headers=headers))
    assert pull(server, access) == [TAR]


def test_rate_limit_says_what_to_do(server: RegistryServer, access: Access) -> None:
    server.faults.append(Fault(path="manifests/1.0", status=429, headers={"Retry-After": "3600"}))
    with pytest.raises(ImageError) as caught:
        pull(server, access)
    assert str(caught.value) == (
        f"http://{server.host}/v2/acme/app/manifests/1.0: the server answers 429 Too Many Requests, "
        "retry after 3600 s: the rate limit is reached; "
        f"log in with `docker login {server.host}`, wait, or name a registry that mirrors the image"
    )
    assert server.asked("manifests/1.0") == 1


def test_failure_that_does_not_pass(server: RegistryServer, access: Access) -> None:
    server.faults.append(Fault(path="manifests/1.0", status=500, times=99))
    with pytest.raises(ImageError, match=r"500 Internal Server Error \(tried 4 times\)"):
        pull(server, access)
    assert server.asked("manifests/1.0") == 4
    with pytest.raises(ImageError, match=r"500 Internal Server Error$"):
        pull(server, access)
    assert server.asked("manifests/1.0") == 5  # who waited in vain once does not wait again


@pytest.mark.parametrize("status", [403, 404, 418, 451])
def test_other_answers_are_final(server: RegistryServer, access: Access, status: int) -> None:
    body = json.dumps({"errors": [{"code": "DENIED", "message": "not for you"}]}).encode()
    server.faults.append(Fault(path=AMD64.config.digest, status=status, body=body, times=99))
    with pytest.raises(ImageError, match="not for you"):
        pull(server, access)
    assert server.asked(AMD64.config.digest) == 1


def test_document_that_breaks_off(server: RegistryServer, access: Access) -> None:
    server.faults.append(Fault(path="manifests/1.0", cut=50, times=2))
    assert pull(server, access) == [TAR]
    server.faults.append(Fault(path="manifests/1.1", cut=50, times=99))
    with pytest.raises(ImageError, match=r"manifests/1\.1: the answer breaks off: .* \(tried 4 times\)"):
        pull(server, access, "1.1")


@pytest.mark.parametrize("ranges", [True, False], ids=["with-ranges", "without-ranges"])
def test_download_goes_on_where_it_broke_off(server: RegistryServer, access: Access, ranges: bool) -> None:
    server.ranges = ranges
    server.faults.append(Fault(path=LARGE.layers[0].digest, cut=300_000, times=2))
    assert pull(server, access, "1.1") == list(LARGE.tars)
    assert server.asked(LARGE.layers[0].digest) == 3


def test_progress(server: RegistryServer, access: Access) -> None:
    told: list[str] = []
    pull(server, Access(access.store, progress=told.append), "1.1")
    megabytes = f"{len(LARGE.layers[0].data) / 1e6:.1f}"
    assert told[-1] == f"pulling {app(server, '1.1')} linux/amd64, {megabytes}/{megabytes} MB"
    assert len(told) == len(set(told))


# Logging in


class Logins:
    """Docker's configuration, and a credential helper called ``test``, in a folder of their own."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self._monkeypatch = monkeypatch
        self._folder = folder

    def configure(self, document: object) -> None:
        (self._folder / "config.json").write_text(json.dumps(document))
        self._monkeypatch.setenv("DOCKER_CONFIG", str(self._folder))

    def install_helper(self, answer: str, code: int = 0) -> None:
        program = self._folder / "docker-credential-test"
        remember = f'read server\necho "$server" >> {self._folder}/asked'
        program.write_text(f"#!/bin/sh\n{remember}\necho '{answer}'\nexit {code}\n")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        self._monkeypatch.setenv("PATH", str(self._folder), prepend=":")

    def asked(self) -> str:
        return (self._folder / "asked").read_text()


@pytest.fixture
def logins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Logins:
    return Logins(monkeypatch, tmp_path)


def auth(user: str, password: str) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


def test_anonymous_token(server: RegistryServer, access: Access) -> None:
    server.login = "bearer"
    assert pull(server, access) == [TAR]
    assert server.asked("/token") == 1
    assert "scope=repository%3Aacme%2Fapp%3Apull" in next(line for line in server.log if "/token" in line)
    assert "service=test+registry%2C+of+sorts" in next(line for line in server.log if "/token" in line)


@pytest.mark.parametrize("how", ["basic", "bearer"])
@pytest.mark.parametrize("entry", ["{}", "https://{}", "https://{}/v1/"], ids=["host", "url", "old-url"])
def test_credentials_of_docker_login(
    server: RegistryServer, access: Access, how: Login, entry: str, logins: Logins
) -> None:
    server.login, server.anonymous = how, False
    logins.configure({"auths": {entry.format(server.host): auth("somebody", "secret")}})
    assert pull(server, access) == [TAR]


def test_configuration_in_the_home_folder(
    server: RegistryServer, access: Access, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    server.login = "basic"
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".docker").mkdir()
    document = {"auths": {server.host: auth("somebody", "secret")}}
    (tmp_path / ".docker" / "config.json").write_text(json.dumps(document))
    assert pull(server, access) == [TAR]


@pytest.mark.parametrize("place", ["credHelpers", "credsStore"])
def test_credential_helpers(server: RegistryServer, access: Access, place: str, logins: Logins) -> None:
    server.login = "basic"
    logins.install_helper('{"Username": "somebody", "Secret": "secret"}')
    logins.configure({place: {server.host: "test"} if place == "credHelpers" else "test"})
    assert pull(server, access) == [TAR]
    assert logins.asked() == f"{server.host}\n"


@pytest.mark.parametrize("where", ["auths", "helper"])
def test_identity_token(server: RegistryServer, access: Access, where: str, logins: Logins) -> None:
    server.login, server.anonymous = "bearer", False
    logins.install_helper('{"Username": "<token>", "Secret": "secret"}')
    in_file = {"auths": {server.host: {"identitytoken": "secret"}}}
    logins.configure(in_file if where == "auths" else {"credsStore": "test"})
    assert pull(server, access) == [TAR]
    assert server.asked("POST /token") == 1


def test_token_that_expires(server: RegistryServer, access: Access) -> None:
    server.login = "bearer"
    registry.published(app(server), access)
    server.tokens.clear()
    assert pull(server, access) == [TAR]


def test_wrong_password(server: RegistryServer, access: Access, logins: Logins) -> None:
    server.login = "bearer"
    logins.configure({"auths": {server.host: auth("somebody", "wrong")}})
    with pytest.raises(ImageError) as caught:
        pull(server, access)
    assert str(caught.value) == (
        f"cannot log in at {server.host}: http://{server.host}/token: "
        "the token server answers 401 for user 'somebody'; log in again with `docker login`"
    )
    assert "wrong" not in str(caught.value)


def test_registry_that_wants_a_login(server: RegistryServer, access: Access) -> None:
    server.login = "basic"
    with pytest.raises(ImageError) as caught:
        pull(server, access)
    assert str(caught.value) == (
        f"registry {server.host} refuses access to 'acme/app': authentication required; "
        f"check the name, or log in with `docker login {server.host}`"
    )


def test_refused_login_names_the_user(server: RegistryServer, access: Access, logins: Logins) -> None:
    server.login = "basic"
    logins.configure({"auths": {server.host: auth("somebody", "wrong")}})
    with pytest.raises(ImageError, match=f"registry {server.host} refuses user 'somebody' access to 'acme/app': "):
        pull(server, access)


BROKEN_LOGINS = {
    "helper-missing": {"credsStore": "not-installed"},
    "helper-fails": {"credsStore": "test"},
    "auth-garbage": {"auths": {"HOST": {"auth": "!!!"}}},
    "auths-garbage": {"auths": {"HOST": 7}},
}


@pytest.mark.parametrize("document", BROKEN_LOGINS.values(), ids=BROKEN_LOGINS)
def test_broken_configuration_matters_only_where_a_login_is_needed(
    server: RegistryServer, access: Access, document: object, logins: Logins
) -> None:
    logins.install_helper("no keychain here", code=1)
    logins.configure(json.loads(json.dumps(document).replace("HOST", server.host)))
    server.login = "bearer"
    assert pull(server, access) == [TAR]
    server.login = "basic"
    refused = f"cannot log in at {server.host}: the credentials of Docker's configuration"
    with pytest.raises(ImageError, match=refused) as caught:
        pull(server, again(access, "always"))
    assert "StoreError" not in str(caught.value)


@pytest.mark.parametrize(
    ("challenge", "message"),
    [
        ('Bearer service="x"', r"the registry names no token server: realm '' \(expected a URL\)"),
        ('Bearer realm="file:///etc/passwd"', r"names no token server: realm 'file:///etc/passwd'"),
        ("Negotiate", "refuses access to 'acme/app'"),
        ("", "refuses access to 'acme/app'"),
        ('"=,,=" ,', "refuses access to 'acme/app'"),
    ],
    ids=["no-realm", "no-url", "unknown-scheme", "none", "garbage"],
)
def test_strange_challenges(server: RegistryServer, access: Access, challenge: str, message: str) -> None:
    headers = {"WWW-Authenticate": challenge} if challenge else {}
    server.faults.append(Fault(path="manifests/1.0", status=401, headers=headers, times=99))
    with pytest.raises(ImageError, match=message):
        pull(server, access)


@pytest.mark.parametrize("body", [b"[]", b"{}", b'{"token": 7}', b"<html>"], ids=["array", "empty", "number", "page"])
def test_token_server_that_gives_no_token(server: RegistryServer, access: Access, body: bytes) -> None:
    server.login = "bearer"
    server.faults.append(Fault(path="/token", status=200, body=body))
    with pytest.raises(ImageError, match=f"cannot log in at {server.host}: http://{server.host}/token: "):
        pull(server, access)


def test_authorization_is_not_carried_to_another_host(server: RegistryServer, access: Access) -> None:
    server.login = "bearer"
    with serving(RegistryServer(blobs=server.blobs)) as elsewhere:
        server.blobs_at = f"http://{elsewhere.host}"
        assert pull(server, access) == [TAR]
        assert elsewhere.asked("/elsewhere/") == 2  # configuration and layer
        assert set(elsewhere.authorizations) == {""}
        assert any(header.startswith("Bearer ") for header in server.authorizations)


# This machine


def test_no_proxy_leads_to_this_machine(
    server: RegistryServer, access: Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert pull(server, access) == [TAR]
    with pytest.raises(ImageError, match="no answer: "):
        registry.published(Reference.parse("registry:registry.invalid/app"), access)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", True),
        ("localhost:5000", True),
        ("127.0.0.1", True),
        ("127.9.9.9:443", True),
        ("[::1]:5000", True),
        ("[::1]", True),
        ("docker.io", False),
        ("10.0.0.1:5000", False),
        ("[2001:db8::1]:5000", False),
        ("localhost.example.org", False),
        ("127.0.0.1.example.org", False),
    ],
)
def test_loopback(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected
