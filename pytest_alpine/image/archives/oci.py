"""The transports ``oci:DIR[:TAG]`` and ``oci-archive:FILE[:TAG]``: an OCI image layout as a folder, or as one tar.

Spec: https://github.com/opencontainers/image-spec/blob/main/image-layout.md
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_alpine.errors import ImageNotFound, MalformedImage
from pytest_alpine.image.archives.files import Archive, Files, Folder
from pytest_alpine.image.archives.layout import layout_platforms, layout_source

if TYPE_CHECKING:
    from pytest_alpine.image.access import Access
    from pytest_alpine.image.source import ImageSource
    from pytest_alpine.platforms import Platform
    from pytest_alpine.reference import Reference


def published(reference: Reference, access: Access) -> tuple[Platform, ...]:
    """Return the platforms of the image that *reference* names.

    Raises:
        ImageNotFound: there is no such folder, file or tag.
        MalformedImage: the layout breaks its specification.
    """
    return layout_platforms(_files(reference, access), reference)


def open_source(reference: Reference, platform: Platform, access: Access) -> ImageSource:
    """Return the image that *reference* names, for *platform*.

    Raises:
        ImageNotFound: there is no such folder, file or tag.
        PlatformNotFound: the layout does not hold it for *platform*.
        MalformedImage: the layout breaks its specification.
    """
    return layout_source(_files(reference, access), reference, platform)


def _files(reference: Reference, access: Access) -> Files:
    where, path = str(replace(reference, tag=None)), Path(reference.name)
    if reference.transport == "oci-archive":
        if path.is_dir():
            raise MalformedImage(f"{where}: a folder (for a folder, write oci:{reference.name})")
        return Archive(path, where, access.store.root / "incoming")
    if path.is_dir():
        return Folder(path, where)
    if path.exists():
        raise MalformedImage(f"{where}: a file (for an archive, write oci-archive:{reference.name})")
    raise ImageNotFound(f"{where}: no such folder")
