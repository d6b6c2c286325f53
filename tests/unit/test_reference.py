from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from pytest_alpine.errors import AlpineError, InvalidReference
from pytest_alpine.reference import Reference, fill_tag

SHA = "sha256:" + "0" * 64
SHA512 = "sha512:" + "a" * 128

NAMED = [
    # text, (transport, name, tag, digest), (registry, repository, label)
    ("alpine", ("", "alpine", None, None), ("docker.io", "library/alpine", "latest")),
    ("alpine:3.22", ("", "alpine", "3.22", None), ("docker.io", "library/alpine", "3.22")),
    ("acme/app:1_2-x.y", ("", "acme/app", "1_2-x.y", None), ("docker.io", "acme/app", "1_2-x.y")),
    ("docker.io/alpine", ("", "docker.io/alpine", None, None), ("docker.io", "library/alpine", "latest")),
    ("docker.io/acme/app", ("", "docker.io/acme/app", None, None), ("docker.io", "acme/app", "latest")),
    ("index.docker.io/alpine", ("", "index.docker.io/alpine", None, None), ("docker.io", "library/alpine", "latest")),
    ("ghcr.io/acme/app:1.2", ("", "ghcr.io/acme/app", "1.2", None), ("ghcr.io", "acme/app", "1.2")),
    ("localhost/app", ("", "localhost/app", None, None), ("localhost", "app", "latest")),
    ("localhost:5000/app", ("", "localhost:5000/app", None, None), ("localhost:5000", "app", "latest")),
    ("localhost:5000/a/b:t", ("", "localhost:5000/a/b", "t", None), ("localhost:5000", "a/b", "t")),
    ("[::1]:5000/app:t", ("", "[::1]:5000/app", "t", None), ("[::1]:5000", "app", "t")),
    ("MYHOST/app", ("", "MYHOST/app", None, None), ("MYHOST", "app", "latest")),
    (f"alpine@{SHA}", ("", "alpine", None, SHA), ("docker.io", "library/alpine", "000000000000")),
    (f"alpine:edge@{SHA512}", ("", "alpine", "edge", SHA512), ("docker.io", "library/alpine", "edge")),
    ("my-archive:1", ("", "my-archive", "1", None), ("docker.io", "library/my-archive", "1")),
    ("registry:ghcr.io/a/b:1", ("registry", "ghcr.io/a/b", "1", None), ("ghcr.io", "a/b", "1")),
    ("docker-daemon:app:dev", ("docker-daemon", "app", "dev", None), ("docker.io", "library/app", "dev")),
]


@pytest.mark.parametrize(("text", "fields", "place"), NAMED, ids=[row[0] for row in NAMED])
def test_names(text: str, fields: tuple[str | None, ...], place: tuple[str, str, str]) -> None:
    reference = Reference.parse(text)
    assert (reference.transport, reference.name, reference.tag, reference.digest) == fields
    assert (reference.registry, reference.repository, reference.label) == place
    assert reference.is_named
    assert str(reference) == text


FILES = [
    ("oci:build/image", "oci", "build/image", None, "image"),
    ("oci:build/image:edge", "oci", "build/image", "edge", "edge"),
    ("oci:build/image/", "oci", "build/image/", None, "image"),
    ("oci-archive:a.tar:1", "oci-archive", "a.tar", "1", "1"),
    ("docker-archive:a.tar", "docker-archive", "a.tar", None, "a.tar"),
    ("docker-archive:a.tar:acme/app:1.2", "docker-archive", "a.tar", "acme/app:1.2", "1.2"),
    ("oci-archive:a.tar:localhost/acme/app:1.2", "oci-archive", "a.tar", "localhost/acme/app:1.2", "1.2"),
    ("oci:build/image:acme/app:1.2", "oci", "build/image", "acme/app:1.2", "1.2"),
    ("minirootfs:../alpine:3.20", "minirootfs", "../alpine", "3.20", "3.20"),
    ("minirootfs:https://h/alpine", "minirootfs", "https://h/alpine", None, "alpine"),
    ("minirootfs:https://h/alpine:edge", "minirootfs", "https://h/alpine", "edge", "edge"),
    ("minirootfs:http://h:8080/alpine", "minirootfs", "http://h:8080/alpine", None, "alpine"),
    ("minirootfs:http://h:8080/a:3.20", "minirootfs", "http://h:8080/a", "3.20", "3.20"),
    ("minirootfs:http://h:8080", "minirootfs", "http://h:8080", None, "h:8080"),
    ("minirootfs:http://h:8080/", "minirootfs", "http://h:8080/", None, "h:8080"),
    ("minirootfs:http://h:8080:3.20", "minirootfs", "http://h:8080", "3.20", "3.20"),
    ("minirootfs:http://h:8080:3", "minirootfs", "http://h:8080", "3", "3"),
    ("minirootfs:http://h:8080/:3.20", "minirootfs", "http://h:8080/", "3.20", "3.20"),
    ("minirootfs:http://h:3.20", "minirootfs", "http://h", "3.20", "3.20"),
    ("minirootfs:http://h:edge", "minirootfs", "http://h", "edge", "edge"),
    ("minirootfs:http://h:20240923", "minirootfs", "http://h", "20240923", "20240923"),
    ("minirootfs:http://[::1]:8080", "minirootfs", "http://[::1]:8080", None, "[::1]:8080"),
    ("minirootfs:http://[::1]:8080:edge", "minirootfs", "http://[::1]:8080", "edge", "edge"),
    ("minirootfs:http://[::1]:edge", "minirootfs", "http://[::1]", "edge", "edge"),
    ("minirootfs:http://u:p@h:8080:edge", "minirootfs", "http://u:p@h:8080", "edge", "edge"),
    ("minirootfs:http://u:p@h/a:edge", "minirootfs", "http://u:p@h/a", "edge", "edge"),
    ("minirootfs:http://h/a:b/c.tar.gz", "minirootfs", "http://h/a:b/c.tar.gz", None, "c.tar.gz"),
    ("minirootfs:http://h/c.tar.gz:3.20", "minirootfs", "http://h/c.tar.gz", "3.20", "3.20"),
]


@pytest.mark.parametrize(("text", "transport", "name", "tag", "label"), FILES, ids=[row[0] for row in FILES])
def test_files(text: str, transport: str, name: str, tag: str | None, label: str) -> None:
    reference = Reference.parse(text)
    assert (reference.transport, reference.name, reference.tag, reference.digest) == (transport, name, tag, None)
    assert reference.label == label
    assert not reference.is_named
    assert str(reference) == text


NO_NAME = "expected [registry/]name[:tag][@digest], the name in lower case"
KNOWN = "registry, docker-daemon, docker-archive, oci, oci-archive, minirootfs"
TAG_GRAMMAR = "expected letters, digits, '_', '.' and '-'"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", f"invalid image reference: '' ({NO_NAME})"),
        ("Alpine", f"invalid image reference: 'Alpine' ({NO_NAME})"),
        ("al pine", f"invalid image reference: 'al pine' ({NO_NAME})"),
        ("a//b", f"invalid image reference: 'a//b' ({NO_NAME})"),
        ("alpine:", f"invalid tag '' in 'alpine:' ({TAG_GRAMMAR})"),
        ("alpine:-x", f"invalid tag '-x' in 'alpine:-x' ({TAG_GRAMMAR})"),
        ("alpine@", "invalid digest '' in 'alpine@' (expected sha256: and 64 hexadecimal digits)"),
        ("a@sha256:12", "invalid digest 'sha256:12' in 'a@sha256:12' (expected sha256: and 64 hexadecimal digits)"),
        ("oci:", "invalid image reference: 'oci:' (expected oci:PATH[:TAG])"),
        ("minirootfs:http://h:1:", f"invalid tag '' in 'minirootfs:http://h:1:' ({TAG_GRAMMAR})"),
        ("oci:a:b/c", f"invalid tag 'b/c' in 'oci:a:b/c' ({TAG_GRAMMAR})"),
        ("docker://a", f"unknown transport 'docker' in image reference 'docker://a' (expected one of {KNOWN})"),
        ("oci-archve:a", f"unknown transport 'oci-archve' in image reference 'oci-archve:a' (expected one of {KNOWN})"),
        ("dir:./a", f"unknown transport 'dir' in image reference 'dir:./a' (expected one of {KNOWN})"),
    ],
    ids=lambda value: value if " " not in value else "",
)
def test_text_that_names_no_image(text: str, message: str) -> None:
    with pytest.raises(InvalidReference) as caught:
        Reference.parse(text)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("alpine", "alpine:3.22"),
        ("localhost:5000/app", "localhost:5000/app:3.22"),
        ("alpine:edge", "alpine:edge"),
        (f"alpine@{SHA}", f"alpine@{SHA}"),
        ("acme/app:{tag}-slim", "acme/app:3.22-slim"),
        ("oci:build/{tag}", "oci:build/3.22"),
        ("oci:build", "oci:build:3.22"),
        ("minirootfs:http://h:80/alpine", "minirootfs:http://h:80/alpine:3.22"),
        ("minirootfs:http://h:80", "minirootfs:http://h:80:3.22"),
        ("minirootfs:http://h:80:{tag}", "minirootfs:http://h:80:3.22"),
    ],
)
def test_tag_of_the_matrix(text: str, filled: str) -> None:
    assert str(fill_tag(text, "3.22")) == filled


@pytest.mark.parametrize("text", ["alpine", "acme/{tag}", "oci:{tag}"])
def test_tag_of_the_matrix_that_is_none(text: str) -> None:
    with pytest.raises(InvalidReference, match=r"invalid tag '\.\./x' in '"):
        fill_tag(text, "../x")


def test_pinning_replaces_the_tag_and_the_reverse() -> None:
    reference = Reference.parse("alpine:3.22")
    pinned = reference.with_digest(SHA)
    assert str(pinned) == f"alpine@{SHA}"
    assert str(pinned.with_tag("edge")) == "alpine:edge"
    with pytest.raises(InvalidReference, match="invalid tag"):
        reference.with_tag("a b")


@given(st.text(alphabet="aB:/@.-_[]{} \u00e9sha256", max_size=40))
def test_any_text_is_a_reference_that_prints_back_or_an_error_of_ours(text: str) -> None:
    try:
        reference = Reference.parse(text)
    except AlpineError:
        return
    assert Reference.parse(str(reference)) == reference
    assert reference.label
