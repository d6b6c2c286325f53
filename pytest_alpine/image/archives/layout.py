"""OCI image layouts: from a tag in ``index.json`` to manifests and blobs.

Specs: image-layout.md and annotations.md of https://github.com/opencontainers/image-spec
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from pytest_alpine.errors import ImageNotFound, MalformedImage
from pytest_alpine.image.archives.files import Folder, read_document
from pytest_alpine.image.manifest_source import ManifestSource, Published, manifest_source, published_manifests
from pytest_alpine.image.spec.documents import DOCUMENT_LIMIT, check_digest, digest_of
from pytest_alpine.image.spec.manifest import Index, parse_manifest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pytest_alpine.image.archives.files import Files
    from pytest_alpine.image.blobs.layer import ByteStream
    from pytest_alpine.image.spec.manifest import Descriptor, Manifest
    from pytest_alpine.platforms import Platform
    from pytest_alpine.reference import Reference

INDEX: Final = "index.json"

# The first is OCI's. The second is that of containerd and BuildKit, which write the whole name there.
_NAME_ANNOTATIONS: Final = ("org.opencontainers.image.ref.name", "io.containerd.image.name")

# Engines leave these out when they show a name.
_IMPLIED_PREFIXES: Final = ("docker.io/library/", "index.docker.io/library/", "docker.io/", "localhost/")


def layout_platforms(files: Files, reference: Reference) -> tuple[Platform, ...]:
    """Return the platforms of the image that the tag of *reference* names in the layout *files*.

    Raises:
        ImageNotFound: no image has this tag; or there is no tag, and there are several images.
        MalformedImage: the layout breaks its specification.
    """
    return tuple(_manifests(files, reference).manifests)


def layout_source(files: Files, reference: Reference, platform: Platform) -> ManifestSource:
    """Return the image that the tag of *reference* names in the layout *files*, for *platform*.

    Raises:
        ImageNotFound: no image has this tag; or there is no tag, and there are several images.
        PlatformNotFound: it is not there for *platform*.
        MalformedImage: the layout breaks its specification.
    """
    blobs = _Blobs(files)
    source = manifest_source(reference, platform, _manifests(files, reference), blobs.document, blobs.open)
    _check_layer_types(source.manifest, f"{reference} {platform}")
    return source


def layout_names(files: Files, reference: Reference) -> bool:
    """Whether *files* have an index in which the tag of *reference* names one image."""
    try:
        return bool(_chosen(_entries(files, reference), reference))
    except (ImageNotFound, MalformedImage):
        return False


def several_images(reference: Reference, there: str) -> str:
    """Return the message that the tag leads to several images, where one was expected."""
    which = (
        f"several images have the tag {reference.tag!r}" if reference.tag else "several images, and no tag says which"
    )
    return f"{reference}: {which} (there: {there})"


def tag_matches(name: str, asked: str) -> bool:
    """Whether the image name *name*, or the tag alone, is what *asked* (``TAG`` or ``NAME:TAG``) means."""
    if ":" in asked:
        return _familiar(name) == _familiar(asked)
    return asked in {name, name.rpartition(":")[2]}


def tags_there(names: Iterable[str]) -> str:
    """Return *names* as messages list them."""
    return ", ".join(sorted({_familiar(name) for name in names})) or "none has a tag"


class _Blobs:
    """The blobs of a layout, by digest."""

    def __init__(self, files: Files) -> None:
        self._files = files

    def exists(self, blob: Descriptor) -> bool:
        return self._files.size(_blob_path(blob)) is not None

    def document(self, blob: Descriptor) -> bytes:
        if blob.size > DOCUMENT_LIMIT:
            raise MalformedImage(f"{self._files.where}: document {blob.digest} of {blob.size} bytes (too large)")
        self._check_size(blob)
        data = read_document(self._files, _blob_path(blob))
        check_digest(
            f"{self._files.where}, {_blob_path(blob)}", "digest", blob.digest, digest_of(data, _algorithm(blob))
        )
        return data

    @contextmanager
    def open(self, blob: Descriptor) -> Iterator[ByteStream]:
        self._check_size(blob)
        with self._files.open(_blob_path(blob)) as stream:
            yield stream

    def _check_size(self, blob: Descriptor) -> None:
        size = self._files.size(_blob_path(blob))
        if size is None:
            raise MalformedImage(f"{self._files.where}: blob {blob.digest} is named, but is not there")
        if size != blob.size:
            raise MalformedImage(f"{self._files.where}: blob {blob.digest} has {size} bytes (expected {blob.size})")


def _manifests(files: Files, reference: Reference) -> Published:
    blobs = _Blobs(files)
    found = published_manifests(_chosen(_entries(files, reference), reference), blobs.document, str(reference))
    # An index may name platforms that were not copied: `docker save` and `skopeo copy` write only those they have.
    there = {platform: manifest for platform, manifest in found.manifests.items() if blobs.exists(manifest)}
    if found.manifests and not there:
        digests = ", ".join(manifest.digest for manifest in found.manifests.values())
        raise MalformedImage(f"{reference}: the index names {digests}, but none of these blobs is there")
    return replace(found, manifests=there)


def _entries(files: Files, reference: Reference) -> Sequence[Descriptor]:
    if files.size(INDEX) is None:
        expected = f"no {INDEX} (expected an OCI image layout)"
        raise MalformedImage(f"{files.where}: {expected}{_way_out(files, reference.name)}")
    index = parse_manifest(read_document(files, INDEX), f"{files.where}, {INDEX}")
    if not isinstance(index, Index):
        raise MalformedImage(f"{files.where}, {INDEX}: a manifest (expected an index)")
    entries = [entry for entry in index.manifests if entry.may_be_image]
    if not entries:
        raise MalformedImage(f"{files.where}, {INDEX}: names no image")
    return entries


def _way_out(files: Files, path: str) -> str:
    """Return how to read *files*, which are at *path* and no layout; empty if that is unknown."""
    if files.size("manifest.json") is None:
        return ""
    if not isinstance(files, Folder):
        return f"; it was written by docker save: write docker-archive:{path}"
    # containers-transports(5), "dir:path"; `podman save --format docker-dir` writes such a folder too.
    if files.size("version") is not None:
        way = f"save it anew with --format oci-dir, or copy it: skopeo copy dir:{path} oci:FOLDER"
        return f"; it holds an image of the transport dir: {way}"
    return f"; it is an unpacked docker save: pack it, tar -C {path} -cf FILE ., and write docker-archive:FILE"


def _chosen(entries: Sequence[Descriptor], reference: Reference) -> Sequence[Descriptor]:
    """Return the entries of the image that *reference* names, which may have one for each of its platforms."""
    found = _with_tag(entries, reference.tag) if reference.tag else entries
    if not found:
        there = tags_there(name for entry in entries for name in _names(entry)[:1])
        raise ImageNotFound(f"{reference}: no image has the tag {reference.tag!r} (there: {there})")
    # Entries without a name are one image: index.json itself lists its platforms.
    if len({_names(entry) for entry in found}) > 1 and len({entry.digest for entry in found}) > 1:
        there = tags_there((*_names(entry), entry.digest[:19])[0] for entry in found)
        raise ImageNotFound(several_images(reference, there))
    return found


def _with_tag(entries: Sequence[Descriptor], tag: str) -> Sequence[Descriptor]:
    exact = [entry for entry in entries if tag in _names(entry)]
    return exact or [entry for entry in entries if any(tag_matches(name, tag) for name in _names(entry))]


def _names(entry: Descriptor) -> tuple[str, ...]:
    return tuple(entry.annotations[name] for name in _NAME_ANNOTATIONS if entry.annotations.get(name))


def _familiar(name: str) -> str:
    for prefix in _IMPLIED_PREFIXES:
        if name.startswith(prefix):
            return name.removeprefix(prefix)
    return name


def _check_layer_types(manifest: Manifest, where: str) -> None:
    """Refuse layers that are no tar, before any byte of them is read."""
    for number, layer in enumerate(manifest.layers):
        kind = layer.media_type
        if kind and ("tar" not in kind.rpartition("/")[2] or "encrypted" in kind):
            raise MalformedImage(
                f"{where}, layer {number}: unsupported media type {kind!r} (expected a tar, plain, gzip or zstd)"
            )


def _blob_path(blob: Descriptor) -> str:
    return f"blobs/{blob.digest.replace(':', '/')}"


def _algorithm(blob: Descriptor) -> str:
    return blob.digest.partition(":")[0]
