"""Root filesystems of Alpine mirrors: which tag means what, and what is said when it means nothing."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
import time
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
import yaml

from pytest_alpine.errors import DigestMismatch, ImageError, ImageNotFound, MalformedImage, PlatformNotFound
from pytest_alpine.image.access import Access
from pytest_alpine.image.minirootfs import source as minirootfs
from pytest_alpine.image.open import open_image
from pytest_alpine.image.store.store import Store
from pytest_alpine.platforms import Platform
from pytest_alpine.reference import Reference
from tests.support.images import compress, layer_tar
from tests.support.small_mirror import FileServer, root_tar, serving_files, write_mirror, write_release

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_alpine.image.access import Pull
    from tests.support.images import Compression

RELEASES = {"v3.9": "3.9.6", "v3.19": "3.19.4", "v3.20": "3.20.3", "v4.0": "4.0.0", "edge": "20240923"}


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    folder = write_mirror(tmp_path / "alpine", RELEASES, "x86_64", "aarch64", "armhf")
    write_release(folder, "v3.20", "3.20.3", "riscv64")
    write_release(folder, "v3.20", "3.20.1", "x86_64", named=False)
    write_release(folder, "v3.20", "3.20.0_rc1", "x86_64", named=False)
    write_release(folder, "edge", "20240606", "x86_64", named=False)
    (folder / "v3.20" / "releases" / "netboot").mkdir()
    return folder


@pytest.fixture
def server(mirror: Path) -> Iterator[FileServer]:
    with serving_files(mirror) as running:
        yield running


@pytest.fixture(params=["folder", "http"])
def base(request: pytest.FixtureRequest, mirror: Path) -> Iterator[str]:
    """Where the mirror is."""
    if request.param == "folder":
        yield str(mirror)
    else:
        with serving_files(mirror) as running:
            yield running.url


@pytest.fixture
def access(tmp_path: Path) -> Access:
    return Access(Store(tmp_path / "store"))


def reference(base: object, tag: str = "") -> Reference:
    return Reference.parse(f"minirootfs:{base}:{tag}" if tag else f"minirootfs:{base}")


def release(base: object, tag: str, access: Access, platform: str = "amd64") -> str:
    """Return the version that the image says it is."""
    source = minirootfs.open_source(reference(base, tag), Platform.parse(platform), access)
    (layer,) = source.layers()
    data = access.store.layer(layer).tar.read_bytes()
    return data[512:].partition(b"\n")[0].decode()


def published(base: object, tag: str, access: Access) -> str:
    return " ".join(str(platform) for platform in minirootfs.published(reference(base, tag), access))


# Tags


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ("", "3.20.3"),
        ("latest", "3.20.3"),
        ("latest-stable", "3.20.3"),
        ("3", "3.20.3"),
        ("4", "4.0.0"),
        ("3.20", "3.20.3"),
        ("v3.20", "3.20.3"),
        ("3.20.3", "3.20.3"),
        ("v3.20.3", "3.20.3"),
        ("3.20.1", "3.20.1"),
        ("3.20.0_rc1", "3.20.0_rc1"),
        ("3.9", "3.9.6"),
        ("edge", "3.21.0_alpha20240923"),
        ("20240923", "3.21.0_alpha20240923"),
        ("20240606", "3.21.0_alpha20240606"),
    ],
)
def test_what_tags_mean(base: str, access: Access, tag: str, expected: str) -> None:
    assert release(base, tag, access) == expected


def test_latest_stable_is_a_link_on_most_mirrors(mirror: Path, server: FileServer, access: Access) -> None:
    (mirror / "latest-stable").unlink()
    (mirror / "latest-stable").symlink_to("v3.19")
    for base in (mirror, server.url):
        assert release(base, "latest", access) == "3.19.4"
        assert release(base, "3", access) == "3.19.4"


def test_mirror_without_latest_stable(mirror: Path, server: FileServer, access: Access) -> None:
    (mirror / "latest-stable").unlink()
    for base in (mirror, server.url):
        assert release(base, "latest", access) == "4.0.0"
        assert release(base, "3", access) == "3.20.3"


@pytest.mark.parametrize(
    ("tag", "there"),
    [
        ("stable", "3.9, 3.19, 3.20, 4.0, edge, latest"),
        ("3.99", "3.9, 3.19, 3.20, 4.0, edge, latest"),
        ("7", "3.9, 3.19, 3.20, 4.0, edge, latest"),
        ("3.20.2", "3.20.0_rc1, 3.20.1, 3.20.3"),
        ("20200101", "20240606, 20240923"),
    ],
)
def test_unknown_tag_lists_what_is_there(base: str, access: Access, tag: str, there: str) -> None:
    for ask in (published, release):
        with pytest.raises(ImageNotFound) as caught:
            ask(base, tag, access)
        assert str(caught.value) == f"minirootfs:{base}:{tag}: no tag {tag!r} in {base} (there: {there})"


def test_folder_that_is_no_mirror(tmp_path: Path, access: Access) -> None:
    with pytest.raises(ImageNotFound, match=r"no tag '3\.20' in .* \(there: nothing that a mirror holds\)"):
        published(tmp_path, "3.20", access)


def test_folder_that_is_not_there(access: Access) -> None:
    with pytest.raises(ImageNotFound) as caught:
        published("nowhere/alpine", "", access)
    assert str(caught.value) == "minirootfs:nowhere/alpine: no such file or folder: 'nowhere/alpine'"


# Platforms


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ("3.20", "linux/amd64 linux/arm/v6 linux/arm64 linux/riscv64"),
        ("3.20.3", "linux/amd64 linux/arm/v6 linux/arm64 linux/riscv64"),
        ("3.20.1", "linux/amd64"),
        ("3.19", "linux/amd64 linux/arm/v6 linux/arm64"),
        ("20240606", "linux/amd64"),
    ],
)
def test_published_platforms(base: str, access: Access, tag: str, expected: str) -> None:
    assert published(base, tag, access) == expected


def test_platforms_behind_a_server_that_lists_no_folders(server: FileServer, access: Access) -> None:
    server.listing = False
    assert published(server.url, "3.20", access) == "linux/amd64 linux/arm/v6 linux/arm64 linux/riscv64"
    assert published(server.url, "3.20.1", access) == "linux/amd64"


@pytest.mark.parametrize("platform", ["s390x", "arm/v7", "windows/amd64"])
def test_unpublished_platform(base: str, access: Access, platform: str) -> None:
    wanted = Platform.parse(platform)
    with pytest.raises(PlatformNotFound) as caught:
        minirootfs.open_source(reference(base, "3.19"), wanted, access)
    assert str(caught.value) == (
        f"minirootfs:{base}:3.19 is not published for {wanted} (published: linux/amd64, linux/arm/v6, linux/arm64)"
    )


def test_what_is_published_takes_no_reading(mirror: Path, access: Access) -> None:
    for file in mirror.rglob("*"):
        if file.is_file() and file.name != "latest-stable":
            file.write_bytes(b"")
    assert published(mirror, "3.20", access) == "linux/amd64 linux/arm/v6 linux/arm64 linux/riscv64"


# The image


@pytest.mark.parametrize(
    ("platform", "named"),
    [
        ("amd64", {"architecture": "amd64"}),
        ("arm64", {"architecture": "arm64", "variant": "v8"}),
        ("arm/v6", {"architecture": "arm", "variant": "v6"}),
    ],
)
def test_configuration_is_that_of_the_official_image(
    mirror: Path, access: Access, platform: str, named: dict[str, str]
) -> None:
    source = minirootfs.open_source(reference(mirror, "3.20"), Platform.parse(platform), access)
    arch = Platform.parse(platform).apk_arch
    tar = root_tar("3.20.3", arch)
    assert json.loads(source.raw_config()) == {
        **named,
        "os": "linux",
        "history": [{"created_by": "a root filesystem"}],
        "config": {
            "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
            "Cmd": ["/bin/sh"],
        },
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(tar).hexdigest()}"]},
    }
    assert source.digest is None


def test_image_is_the_same_wherever_it_comes_from(mirror: Path, server: FileServer, tmp_path: Path) -> None:
    tarball = mirror / "v3.20/releases/x86_64/alpine-minirootfs-3.20.3-x86_64.tar.gz"
    bases = (f"{mirror}:3.20", f"{mirror}:3.20.3", f"{server.url}:latest", tarball)
    accesses = (Access(Store(tmp_path / f"store-{number}")) for number, _ in enumerate(bases))
    images = [open_image(f"minirootfs:{base}", "amd64", access=own) for base, own in zip(bases, accesses, strict=True)]
    assert len({image.id for image in images}) == 1
    assert {image.size.compressed for image in images} == {tarball.stat().st_size}


def test_older_release_has_a_size_too(base: str, mirror: Path, access: Access) -> None:
    (layer,) = minirootfs.open_source(reference(base, "3.20.1"), Platform.parse("amd64"), access).layers()
    tarball = mirror / "v3.20/releases/x86_64/alpine-minirootfs-3.20.1-x86_64.tar.gz"
    assert layer.size == tarball.stat().st_size


def test_warm_read_opens_no_tarball(mirror: Path, access: Access) -> None:
    release(mirror, "3.20", access)
    for tarball in mirror.rglob("*.tar.gz"):
        tarball.unlink()
    again = Access(access.store)
    image = open_image(reference(mirror, "3.20"), "amd64", access=again)
    assert image.rootfs.read("/etc/alpine-release") == b"3.20.3\n"
    assert image.size.compressed


# What is broken


def tarball_of(mirror: Path) -> Path:
    return mirror / "v3.20" / "releases" / "x86_64" / "alpine-minirootfs-3.20.3-x86_64.tar.gz"


def test_damaged_tarball(base: str, mirror: Path, access: Access) -> None:
    tarball = tarball_of(mirror)
    data = bytearray(tarball.read_bytes())
    expected = hashlib.sha512(data).hexdigest()
    data[40] ^= 4
    tarball.write_bytes(data)
    with pytest.raises(DigestMismatch) as caught:
        release(base, "3.20", access)
    assert str(caught.value) == (
        f"minirootfs:{base}:3.20 linux/amd64, {tarball.name}: the digest is sha512:{hashlib.sha512(data).hexdigest()}, "
        f"expected sha512:{expected}: the bytes were damaged or replaced on their way"
    )


def test_truncated_tarball(mirror: Path, access: Access) -> None:
    tarball = tarball_of(mirror)
    size = tarball.stat().st_size
    os.truncate(tarball, 100)
    with pytest.raises(MalformedImage) as caught:
        release(mirror, "3.20", access)
    assert str(caught.value) == f"minirootfs:{mirror}:3.20 linux/amd64, {tarball.name}: truncated: 100 of {size} bytes"


def test_tarball_that_is_not_there(mirror: Path, server: FileServer, access: Access) -> None:
    tarball = tarball_of(mirror)
    tarball.rename(tarball.with_name("alpine-minirootfs-3.20-x86_64.tar.gz"))
    with pytest.raises(ImageNotFound) as caught:
        release(mirror, "3.20", access)
    assert str(caught.value) == f"minirootfs:{mirror}:3.20 linux/amd64, {tarball.name}: no such file: {tarball}"
    with pytest.raises(ImageNotFound) as caught:
        release(server.url, "3.20", access)
    url = f"{server.url}v3.20/releases/x86_64/{tarball.name}"
    assert str(caught.value).endswith(f"{tarball.name}: the server answers 404 for {url}: no such file")


LETTERS = "abcdefghijklmnopqrstuvwxyz"
# In each line twice the line before it, 25 times.
REFERENCES = "".join(f"- &{new} [*{old},*{old}]\n" for old, new in pairwise(LETTERS))
MERGES = "- &a {x: 1}\n" + "".join(f"- &{new} {{<<: [*{old},*{old}]}}\n" for old, new in pairwise(LETTERS))
MERGES += "- {flavor: alpine-minirootfs, <<: [*z,*z]}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("\t: [", "not YAML: "),
        ("[" * 5000, "not YAML: "),
        ("just: a mapping", "a dict (expected a list of releases)"),
        ("", "a NoneType (expected a list of releases)"),
        ("- {flavor: alpine-minirootfs, file: ../../../etc/passwd}", "field 'file' is '../../../etc/passwd'"),
        ("- {flavor: alpine-minirootfs, file: [x]}", "field 'file' is a list (expected the name of a tarball)"),
        (f"- &a [x,x]\n{REFERENCES}- {{flavor: alpine-minirootfs, file: *z}}", "field 'file' is a list (expected the"),
        (MERGES, "field 'file' is None (expected the name of a tarball)"),
        ("- {flavor: alpine-minirootfs, file: x.tar.gz}", "field 'sha512' is None (expected 128 hexadecimal digits)"),
        ("- {flavor: alpine-minirootfs, file: x.tar.gz, sha512: 12}", "field 'sha512' is '12' (expected 128"),
    ],
    ids=["not-yaml", "nested", "mapping", "empty", "path", "list", "references", "merges", "no-checksum", "number"],
)
def test_broken_release_file(mirror: Path, access: Access, text: str, message: str) -> None:
    file = mirror / "v3.20" / "releases" / "x86_64" / "latest-releases.yaml"
    file.write_text(text)
    with pytest.raises(MalformedImage) as caught:
        release(mirror, "3.20", access)
    assert str(caught.value).startswith(f"{file}: {message}")


def test_release_file_is_parsed_once(mirror: Path, access: Access, monkeypatch: pytest.MonkeyPatch) -> None:
    found = release(mirror, "3.20", access)
    monkeypatch.setattr(yaml, "load", None)
    assert release(mirror, "3.20", access) == found


@pytest.mark.parametrize("kept", ["", "{", "[]", "null"], ids=["empty", "cut", "list", "null"])
def test_release_file_is_parsed_anew_where_what_was_kept_is_damaged(mirror: Path, access: Access, kept: str) -> None:
    found = release(mirror, "3.20", access)
    for path in (access.store.root / "names").rglob("*"):
        if path.is_file():
            path.write_text(kept)
    assert release(mirror, "3.20", access) == found


def test_store_that_cannot_keep_what_a_release_file_says(mirror: Path, tmp_path: Path) -> None:
    root = tmp_path / "store"
    found = release(mirror, "3.20", Access(Store(root)))
    shutil.rmtree(root / "names")
    (root / "names").touch()
    assert release(mirror, "3.20", Access(Store(root))) == found


@pytest.mark.parametrize(
    "broken",
    ["latest-stable", "v3.20/releases", "v3.20/releases/x86_64/latest-releases.yaml"],
    ids=["latest", "folder", "file"],
)
def test_mirror_that_cannot_be_read(mirror: Path, access: Access, broken: str) -> None:
    path = mirror / broken
    path.rename(mirror / "moved")
    path.symlink_to(path.name)  # a link to itself
    with pytest.raises(ImageError, match=f"cannot read {path}.*: Too many levels of symbolic links"):
        (published if broken == "v3.20/releases" else release)(mirror, "latest", access)


def test_folder_in_the_place_of_a_tarball(mirror: Path, access: Access) -> None:
    tarball = tarball_of(mirror)
    tarball.unlink()
    tarball.mkdir()
    with pytest.raises(ImageError, match=f"cannot read {tarball}: Is a directory"):
        release(mirror, "3.20", access)


def test_release_file_that_names_no_root_filesystem(mirror: Path, access: Access) -> None:
    file = mirror / "v3.20" / "releases" / "x86_64" / "latest-releases.yaml"
    file.write_text("- {flavor: alpine-standard}\n")
    with pytest.raises(ImageNotFound) as caught:
        release(mirror, "3.20", access)
    assert str(caught.value) == f"minirootfs:{mirror}:3.20 linux/amd64: {file} names no alpine-minirootfs"


def test_broken_checksum_of_an_older_release(mirror: Path, access: Access) -> None:
    tarball = mirror / "v3.20/releases/x86_64/alpine-minirootfs-3.20.1-x86_64.tar.gz"
    file = tarball.with_name(f"{tarball.name}.sha512")
    file.write_text("gone\n")
    with pytest.raises(MalformedImage, match=f"{file}: begins with 'gone' .expected 128 hexadecimal digits"):
        release(mirror, "3.20.1", access)


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (500, "the server answers 500 Internal Server Error (tried 4 times)"),
        (429, "the rate limit is reached; wait, or name another mirror (tried 4 times)"),
        (403, "the server answers 403"),
        (404, "is not published for linux/amd64"),
    ],
)
def test_server_that_fails(server: FileServer, access: Access, status: int, message: str) -> None:
    server.statuses["x86_64/latest-releases.yaml"] = status
    (server_error,) = [PlatformNotFound if status == 404 else ImageError]
    server.listing = status != 404
    with pytest.raises(server_error) as caught:
        release(server.url, "3.20", access)
    assert message in str(caught.value)


def test_server_that_is_not_there(mirror: Path, access: Access) -> None:
    with serving_files(mirror) as gone:
        pass
    with pytest.raises(ImageError) as caught:
        release(gone.url, "3.20", access)
    file = "v3.20/releases/x86_64/latest-releases.yaml"
    assert str(caught.value) == f"{gone.url}{file}: no answer: Connection refused (tried 4 times)"


# The network


def test_warm_store_asks_for_the_release_file_only(server: FileServer, access: Access) -> None:
    release(server.url, "3.20", access)
    server.log.clear()
    assert release(server.url, "3.20", Access(access.store)) == "3.20.3"
    assert server.log == ["GET /v3.20/releases/x86_64/latest-releases.yaml"]


@pytest.mark.parametrize("tag", ["3.20", "3.20.1", "latest"])
def test_never_asks_nobody(server: FileServer, access: Access, tag: str) -> None:
    version = release(server.url, tag, access)
    platforms = published(server.url, tag, access)
    server.log.clear()
    again = Access(access.store, pull="never")
    assert release(server.url, tag, again) == version
    assert published(server.url, tag, again) == platforms
    (layer,) = minirootfs.open_source(reference(server.url, tag), Platform.parse("amd64"), again).layers()
    assert layer.size
    assert server.log == []


@pytest.mark.parametrize("warm", [False, True], ids=["cold", "warm-for-another-platform"])
def test_never_says_so(server: FileServer, access: Access, warm: bool) -> None:
    if warm:
        release(server.url, "3.20", access, "arm64")
        published(server.url, "3.20", access)
    with pytest.raises(ImageNotFound, match="is not in the local store, and pulling is switched off"):
        release(server.url, "3.20", Access(access.store, pull="never"))


@pytest.mark.parametrize(("pull", "works"), [("missing", True), ("always", False)])
def test_mirror_that_is_away(server: FileServer, access: Access, pull: Pull, works: bool) -> None:
    release(server.url, "3.20", access)
    server.statuses["latest-releases.yaml"] = 503
    told: list[str] = []
    again = Access(access.store, pull=pull, progress=told.append)
    if works:
        assert release(server.url, "3.20", again) == "3.20.3"
        assert told[0].endswith("503 Service Unavailable (tried 4 times); taken as it was last")
    else:
        with pytest.raises(ImageError, match="503 Service Unavailable"):
            release(server.url, "3.20", again)


@pytest.mark.parametrize("silent", ["latest-releases.yaml", ".tar.gz"])
def test_silent_mirror_is_given_up_once(server: FileServer, access: Access, silent: str) -> None:
    server.silent = silent
    host = server.url.removeprefix("http://").removesuffix("/")
    hasty = Access(access.store, pull_timeout=0.4)
    for platform in ("amd64", "arm64", "arm/v6"):
        with pytest.raises(ImageError) as caught:
            release(server.url, "3.20", hasty, platform)
        assert str(caught.value) == (
            f"{host} does not answer: it was silent for 0.4 s, the pull timeout, and is not asked again in this run; "
            "try later, or allow more with --alpine-pull-timeout (--pull-timeout of pytest-alpine)"
        )
    assert server.asked(silent) <= 4


def test_workers_agree_on_a_release_that_moves(mirror: Path, server: FileServer, access: Access) -> None:
    first, second = (Access(access.store, run="a run") for _ in range(2))
    assert release(server.url, "3.20", first) == "3.20.3"
    write_release(mirror, "v3.20", "3.20.4", "x86_64")
    assert release(server.url, "3.20", second) == "3.20.3"
    assert release(server.url, "3.20", Access(access.store, run="another")) == "3.20.4"


def test_progress(server: FileServer, access: Access) -> None:
    told: list[str] = []
    release(server.url, "3.20", Access(access.store, progress=told.append))
    name = "alpine-minirootfs-3.20.3-x86_64.tar.gz"
    assert told[-1] == f"downloading minirootfs:{server.url}:3.20 linux/amd64, {name}, 0.0/0.0 MB"


# One tarball


@pytest.mark.parametrize("compression", ["gzip", "zstd", "plain"])
@pytest.mark.parametrize("where", ["folder", "http"])
def test_one_tarball(tmp_path: Path, access: Access, compression: Compression, where: str) -> None:
    path = tmp_path / f"any-name{ {'gzip': '.tar.gz', 'zstd': '.tar.zst', 'plain': '.tar'}[compression] }"
    path.write_bytes(compress(root_tar("3.20.3", "armv7"), compression))
    with serving_files(tmp_path) as server:
        base = path if where == "folder" else f"{server.url}{path.name}"
        image = open_image(f"minirootfs:{base}", access=access)
        assert str(image.platform) == "linux/arm/v7"
        assert image.size.compressed == path.stat().st_size
        with pytest.raises(PlatformNotFound, match=r"is not published for linux/arm64 \(published: linux/arm/v7\)"):
            open_image(f"minirootfs:{base}", "arm64", access=access)


def test_warm_tarball_is_not_read(tmp_path: Path, access: Access) -> None:
    path = tmp_path / "root.tar.gz"
    path.write_bytes(gzip.compress(root_tar("3.20.3", "x86_64")))
    os.utime(path, (time.time() - 60, time.time() - 60))
    before = path.stat()
    assert published(path, "", access) == "linux/amd64"
    # Only its contents differ now, which nobody sees who does not read them.
    with path.open("r+b") as stream:
        stream.write(b"x")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert published(path, "", Access(access.store)) == "linux/amd64"


def test_tarball_that_was_written_anew_is_read_anew(tmp_path: Path, access: Access) -> None:
    path = tmp_path / "root.tar"
    for arch, expected in (("x86_64", "linux/amd64"), ("s390x", "linux/s390x"), ("armhf", "linux/arm/v6")):
        path.write_bytes(root_tar("3.20.3", arch))
        assert published(path, "", access) == expected


def test_tarball_with_a_checksum_beside_it(mirror: Path, access: Access) -> None:
    tarball = tarball_of(mirror)
    assert published(tarball, "", access) == "linux/amd64"
    tarball.write_bytes(gzip.compress(root_tar("3.20.4", "x86_64")))
    with pytest.raises(DigestMismatch, match=r"the digest is sha512:.*, expected sha512:"):
        published(tarball, "", Access(Store(access.store.root.parent / "other")))


@pytest.mark.parametrize(
    ("version", "tag", "holds"),
    [
        ("3.20.3", "", True),
        ("3.20.3", "latest", True),
        ("3.20.3", "3", True),
        ("3.20.3", "3.20", True),
        ("3.20.3", "v3.20", True),
        ("3.20.3", "3.20.3", True),
        ("3.20.3", "3.2", False),
        ("3.20.3", "3.19", False),
        ("3.20.3", "edge", False),
        ("3.21.0_alpha20240923", "edge", True),
        ("3.21.0_alpha20240923", "20240923", True),
        ("3.21.0_alpha20240923", "3.20", False),
    ],
)
def test_tarball_is_not_called_what_it_is_not(
    tmp_path: Path, access: Access, version: str, tag: str, holds: bool
) -> None:
    path = tmp_path / "root.tar"
    path.write_bytes(root_tar(version, "x86_64"))
    if holds:
        assert published(path, tag, access) == "linux/amd64"
    else:
        with pytest.raises(ImageNotFound, match=f"the tarball holds Alpine Linux .* {version}, not '{tag}'"):
            published(path, tag, access)


def test_tarball_of_nothing_known(tmp_path: Path, access: Access) -> None:
    path = tmp_path / "root.tar"
    path.write_bytes(layer_tar({"etc/motd": "welcome"}))
    with pytest.raises(MalformedImage) as caught:
        published(path, "", access)
    expected = f"minirootfs:{path}: nothing tells its platform (expected /etc/apk/arch, or an ELF /bin/sh)"
    assert str(caught.value) == expected


def test_file_that_is_no_tarball(tmp_path: Path, access: Access) -> None:
    path = tmp_path / "root.tar"
    path.write_bytes(b"\x89PNG" * 500)
    with pytest.raises(MalformedImage, match="not a readable tar archive"):
        published(path, "", access)
