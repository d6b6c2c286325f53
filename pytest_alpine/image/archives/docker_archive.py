"""The transport ``docker-archive:FILE[:TAG]``: what ``docker save`` writes.

Specs: https://github.com/moby/docker-image-spec/blob/main/spec.md for ``manifest.json``; since Docker 25.0 the archive
is also an OCI image layout. The layout is read then, because ``manifest.json`` may not name all platforms.
"""

from __future__ import annotations

import json
import posixpath
import re
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pytest_alpine.errors import ImageNotFound, MalformedImage, PlatformNotFound
from pytest_alpine.image.archives.files import Archive, Files, read_document
from pytest_alpine.image.archives.layout import (
    INDEX,
    layout_names,
    layout_platforms,
    layout_source,
    several_images,
    tag_matches,
    tags_there,
)
from pytest_alpine.image.blobs.layer import Layer
from pytest_alpine.image.manifest_source import config_diff_ids, config_platform
from pytest_alpine.image.source import ImageSource, not_published
from pytest_alpine.image.spec.documents import check_digest, digest_of, field, parse_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_alpine.image.access import Access
    from pytest_alpine.platforms import Platform
    from pytest_alpine.reference import Reference

_MANIFEST: Final = "manifest.json"
_CONFIG_NAME: Final = re.compile(r"(?:blobs/sha256/)?([0-9a-f]{64})(?:\.json)?")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Row:
    """One image of ``manifest.json``: names of files in the archive."""

    config: str
    names: tuple[str, ...]
    layers: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class ArchivedImage:
    """One image of an archive with a ``manifest.json``."""

    reference: Reference
    platform: Platform
    files: Files
    config: bytes
    layer_names: tuple[str, ...]
    diff_ids: tuple[str, ...]
    digest: str | None = None

    def raw_config(self) -> bytes:
        """Return the image's configuration, byte for byte."""
        return self.config

    def layers(self) -> Sequence[Layer]:
        """Return the layers, base first."""
        return [
            Layer(
                open=partial(self.files.open, name),
                where=f"{self.reference} {self.platform}, layer {number}",
                diff_id=diff_id,
                size=self.files.size(name),
            )
            for number, (name, diff_id) in enumerate(zip(self.layer_names, self.diff_ids, strict=True))
        ]


def published(reference: Reference, access: Access) -> tuple[Platform, ...]:
    """Return the platforms of the image that *reference* names.

    Raises:
        ImageNotFound: there is no such file or tag, or no tag is given and there are several images.
        MalformedImage: the file is no image archive.
    """
    files = _open(reference, access)
    rows = _chosen(files, reference)
    if layout_names(files, reference):
        return layout_platforms(files, reference)
    return tuple(_images(files, reference, rows))


def open_source(reference: Reference, platform: Platform, access: Access) -> ImageSource:
    """Return the image that *reference* names, for *platform*.

    Raises:
        ImageNotFound: there is no such file or tag, or no tag is given and there are several images.
        PlatformNotFound: the archive does not hold it for *platform*.
        MalformedImage: the file is no image archive.
    """
    files = _open(reference, access)
    rows = _chosen(files, reference)
    if layout_names(files, reference):
        return layout_source(files, reference, platform)
    images = _images(files, reference, rows)
    if platform not in images:
        raise PlatformNotFound(not_published(reference, platform, tuple(images)))
    return images[platform]


def _open(reference: Reference, access: Access) -> Files:
    path, where = Path(reference.name), str(replace(reference, tag=None))
    if path.is_dir():
        raise MalformedImage(f"{where}: a folder (expected an archive; for an OCI image layout, write oci:{path})")
    return Archive(path, where, access.store.root / "incoming")


def _chosen(files: Files, reference: Reference) -> Sequence[_Row]:
    """Return the rows of the image that *reference* names; none if the archive is only an OCI layout."""
    if files.size(_MANIFEST) is None and files.size(INDEX) is not None:
        return ()
    rows = _rows(files)
    found = [row for row in rows if not reference.tag or any(tag_matches(name, reference.tag) for name in row.names)]
    if not found:
        there = tags_there(name for row in rows for name in row.names)
        raise ImageNotFound(f"{reference}: no image has the tag {reference.tag!r} (there: {there})")
    if len({row.config for row in found}) > 1 and len({row.names for row in found}) > 1:
        there = tags_there((*row.names, row.config)[0] for row in found)
        raise ImageNotFound(several_images(reference, there))
    return found


def _rows(files: Files) -> Sequence[_Row]:
    where = f"{files.where}, {_MANIFEST}"
    if files.size(_MANIFEST) is None:
        raise MalformedImage(f"{files.where}: neither {_MANIFEST} nor {INDEX} (expected an archive of docker save)")
    try:
        rows = json.loads(read_document(files, _MANIFEST))
    except (ValueError, RecursionError) as error:
        raise MalformedImage(f"{where}: not JSON: {error}") from error
    if not isinstance(rows, list) or not rows:
        raise MalformedImage(f"{where}: names no image (expected an array of images)")
    return [_row(row, f"{where}, image {number}") for number, row in enumerate(rows)]


def _row(row: object, where: str) -> _Row:
    if not isinstance(row, dict):
        raise MalformedImage(f"{where}: {row!r:.80} (expected an object)")
    names = field(row, "RepoTags", list, where, [])
    layers = field(row, "Layers", list, where, [])
    return _Row(
        config=_inside(row.get("Config"), where),
        names=tuple(str(name) for name in names),
        layers=tuple(_inside(layer, where) for layer in layers),
    )


def _inside(name: object, where: str) -> str:
    if not isinstance(name, str) or not name:
        raise MalformedImage(f"{where}: {name!r:.80} (expected the name of a file in the archive)")
    plain = posixpath.normpath(name)
    if plain.startswith(("/", "../")):
        raise MalformedImage(f"{where}: {name!r:.200} leads out of the archive")
    return plain


def _images(files: Files, reference: Reference, rows: Sequence[_Row]) -> dict[Platform, ArchivedImage]:
    images: dict[Platform, ArchivedImage] = {}
    for image in (_image(files, reference, row) for row in rows):
        images.setdefault(image.platform, image)
    return images


def _image(files: Files, reference: Reference, row: _Row) -> ArchivedImage:
    where = f"{files.where}, {row.config}"
    config = read_document(files, row.config)
    match = _CONFIG_NAME.fullmatch(row.config)
    check_digest(where, "digest", f"sha256:{match[1]}" if match else None, digest_of(config))
    document = parse_json(config, where)
    diff_ids = tuple(config_diff_ids(config, "", where))
    if len(diff_ids) != len(row.layers):
        raise MalformedImage(
            f"{where}: {len(diff_ids)} diff IDs (expected {len(row.layers)}, one a layer of {_MANIFEST})"
        )
    for name in row.layers:
        if files.size(name) is None:
            raise MalformedImage(f"{files.where}: {_MANIFEST} names layer {name}, which is not in the archive")
    return ArchivedImage(
        reference=reference,
        platform=config_platform(document, where),
        files=files,
        config=config,
        layer_names=row.layers,
        diff_ids=diff_ids,
    )


if TYPE_CHECKING:
    _: type[ImageSource] = ArchivedImage
