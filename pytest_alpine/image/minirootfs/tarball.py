"""One root filesystem in a tarball, on disk or behind HTTP. Only its contents tell its platform."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_alpine.errors import AlpineError, ImageNotFound, MalformedImage
from pytest_alpine.facts.release import read_release
from pytest_alpine.facts.userland import userland_platform
from pytest_alpine.image.blobs.layer import Layer
from pytest_alpine.image.minirootfs.mirror import FolderMirror, Mirror
from pytest_alpine.image.minirootfs.releases import LATEST, read_sha512
from pytest_alpine.rootfs.layers import LayeredRootFS, flatten

if TYPE_CHECKING:
    from pytest_alpine.image.access import Access
    from pytest_alpine.image.store.store import Store
    from pytest_alpine.platforms import Platform
    from pytest_alpine.reference import Reference


def tarball_layer(reference: Reference, access: Access) -> Layer:
    """Return the layer in the tarball that *reference* names; a ``.sha512`` file beside it has its digest.

    Raises:
        ImageNotFound: there is no such file.
        ImageError: it cannot be read, or is no tarball.
    """
    mirror, name = _place(reference, access)
    sha512, size = read_sha512(mirror, name), mirror.size(name)
    layer = Layer(
        open=partial(mirror.open, name, size=size, what=str(reference)),
        where=str(reference),
        digest=f"sha512:{sha512}" if sha512 else None,
        size=size,
    )
    return layer if sha512 else _identified(layer, mirror.stamp(name), access.store)


def tarball_platform(reference: Reference, access: Access) -> Platform:
    """Return the platform of the tarball that *reference* names.

    Raises:
        ImageNotFound: there is no such file, or it holds another release than the tag says.
        ImageError: it cannot be read, or nothing in it tells its platform.
    """
    stored = access.store.layer(tarball_layer(reference, access), access.progress)
    rootfs = LayeredRootFS(flatten([stored.changeset]), [stored.tar])
    platform = userland_platform(rootfs)
    if platform is None:
        raise MalformedImage(f"{reference}: nothing tells its platform (expected /etc/apk/arch, or an ELF /bin/sh)")
    _check_tag(reference, rootfs)
    return platform


def _place(reference: Reference, access: Access) -> tuple[Mirror, str]:
    if "://" in reference.name:
        from pytest_alpine.image.minirootfs.web_mirror import WebMirror

        base, _, name = reference.name.rpartition("/")
        return WebMirror(base=base, access=access), name
    path = Path(reference.name)
    return FolderMirror(root=path.parent), path.name


def _identified(layer: Layer, stamp: str | None, store: Store) -> Layer:
    """Return *layer* with its diff ID, which is cached if the file has not changed since it was last read."""
    name = f"tarball:{layer.where}:{stamp}"
    with store.lock(name):
        diff_id = store.cached(name) if stamp else None
        if diff_id is None or not store.has(diff_id):
            diff_id = store.add_layer(layer).diff_id
            if stamp:
                store.cache(name, diff_id)
    return Layer(open=layer.open, where=layer.where, diff_id=diff_id, size=layer.size)


def _check_tag(reference: Reference, rootfs: LayeredRootFS) -> None:
    """Refuse a tag that is not the release in the tarball: a tarball has no tags, but a matrix fills them in."""
    tag = (reference.tag or LATEST).removeprefix("v")
    try:
        release = read_release(rootfs)
    except AlpineError:
        return
    version = release.version or release.version_id
    known = {LATEST, version, release.branch, *(version.rsplit(".", n)[0] for n in (1, 2))}
    if tag not in known and not version.endswith(f"_alpha{tag}"):
        raise ImageNotFound(f"{reference}: the tarball holds {release.pretty_name} {version}, not {tag!r}")
