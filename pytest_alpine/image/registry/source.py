"""``registry:NAME``: images as registries publish them.

Spec: https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pull
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from pytest_alpine.errors import ImageError, MalformedImage
from pytest_alpine.image.access import Access, not_pulled
from pytest_alpine.image.http.download import Download
from pytest_alpine.image.http.errors import Unreachable
from pytest_alpine.image.manifest_source import Published, manifest_source, published_manifests
from pytest_alpine.image.registry.client import Repository
from pytest_alpine.image.spec.documents import check_digest, digest_of
from pytest_alpine.image.spec.manifest import INDEX_TYPES, MANIFEST_TYPES, UNKNOWN_SIZE, Descriptor

if TYPE_CHECKING:
    from pytest_alpine.image.source import ImageSource
    from pytest_alpine.platforms import Platform
    from pytest_alpine.reference import Reference


def published(reference: Reference, access: Access) -> tuple[Platform, ...]:
    """Return the platforms that *reference* is published for, in the order of its index.

    Raises:
        ImageNotFound: the registry has no such repository or tag.
        ImageError: the registry refuses or fails, or what it holds is broken.
    """
    return tuple(_Pull.of(reference, access).published().manifests)


def open_source(reference: Reference, platform: Platform, access: Access) -> ImageSource:
    """Return the image *reference* for *platform*.

    Raises:
        ImageNotFound: the registry has no such repository or tag, or it is not in the store and pulling is off.
        PlatformNotFound: it is not published for *platform*.
        ImageError: the registry refuses or fails, or what it holds is broken.
    """
    pull = _Pull.of(reference, access)
    open_blob = partial(pull.open_blob, what=f"{reference} {platform}")
    return manifest_source(reference, platform, pull.published(), pull.fetch, open_blob)


def known_source(reference: Reference, platform: Platform, access: Access) -> ImageSource | None:
    """Return the image *reference* for *platform* as it was last looked up, or None if the store lacks a part of it.

    Only its layers may have to be fetched.
    """
    offline = _Pull.of(reference, Access(access.store, pull="never"))
    open_blob = partial(_Pull.of(reference, access).open_blob, what=f"{reference} {platform}")
    try:
        return manifest_source(reference, platform, offline.published(), offline.fetch, open_blob)
    except ImageError:
        return None


@dataclass(frozen=True, kw_only=True, slots=True)
class _Pull:
    """One image that is read from its registry through the store."""

    reference: Reference
    access: Access
    repository: Repository

    @classmethod
    def of(cls, reference: Reference, access: Access) -> _Pull:
        place = (reference.registry, reference.repository)
        # All tags and platforms share connections and tokens.
        repository = access.once(("registry", *place), lambda: Repository(*place, access.patience))
        return cls(reference=reference, access=access, repository=repository)

    def published(self) -> Published:
        """Return the manifests of the platforms that are published."""
        root = Descriptor(digest=self.reference.digest or self.resolved(), size=UNKNOWN_SIZE, annotations={})
        return published_manifests([root], self.fetch, str(self.reference))

    def resolved(self) -> str:
        """Return the digest that the tag leads to; it is looked up once, so that all platforms are of one build."""
        name = f"registry:{self.reference.registry}/{self.reference.repository}:{self.reference.tag or 'latest'}"
        return self.access.once(name, lambda: self._resolve(name))

    def fetch(self, descriptor: Descriptor) -> bytes:
        """Return the manifest, index or configuration that *descriptor* names.

        Raises:
            MalformedImage: it has another size than *descriptor* says.
            DigestMismatch: it is another document than *descriptor* names.
            ImageError: it cannot be fetched.
        """
        found = self.access.store.document(descriptor.digest)
        if found is None:
            if self.access.pull == "never":
                raise not_pulled(f"{self.reference}, document {descriptor.digest},")
            with self.access.store.lock(descriptor.digest):
                found = self.access.store.document(descriptor.digest) or self._get(descriptor)
        if descriptor.size not in {len(found), UNKNOWN_SIZE}:
            what = f"{self.reference}, document {descriptor.digest}"
            raise MalformedImage(f"{what}: {len(found)} bytes (its descriptor says {descriptor.size})")
        return found

    def open_blob(self, descriptor: Descriptor, *, what: str) -> Download:
        """Open the layer that *descriptor* names; *what* it belongs to."""
        if self.access.pull == "never":
            raise not_pulled(f"{what}, layer {descriptor.digest},")
        return Download(
            partial(self.repository.open_blob, descriptor.digest),
            size=descriptor.size,
            what=f"pulling {what}",
            progress=self.access.progress,
        )

    def _resolve(self, name: str) -> str:
        if self.access.pull == "never":
            known = self.access.store.cached(name)
            if known is None:
                raise not_pulled(str(self.reference))
            return known
        with self.access.lock(name, waiting=f"waiting for another process that looks up {self.reference}"):
            if (agreed := self.access.notes.read(name)) is not None:
                return agreed
            known = self.access.store.cached(name)
            try:
                digest = self._look_up(known)
            except Unreachable as error:
                if self.access.pull == "always" or known is None:
                    raise
                self.access.progress(f"{error}; {self.reference} is taken as it was last, {known}")
                return self.access.notes.agree(name, known)
            self.access.store.cache(name, digest)
            return self.access.notes.agree(name, digest)

    def _look_up(self, known: str | None) -> str:
        tag = self.reference.tag or "latest"
        if known is not None and self.access.store.document(known) is not None and self.repository.head(tag) == known:
            return known
        response = self.repository.manifest(tag)
        digest = self.access.store.add_document(response.body)
        said = response.headers.get("Docker-Content-Digest", digest)
        # If the registry has a document with the digest of this one, only the header is wrong.
        if said.startswith("sha256:") and said != digest and not self.repository.has(digest):
            check_digest(f"{self.reference}, manifest", "digest", said, digest)
        return digest

    def _get(self, descriptor: Descriptor) -> bytes:
        # Only the root has no media type, as a tag or a digest names it.
        is_manifest = not descriptor.media_type or descriptor.media_type in INDEX_TYPES | MANIFEST_TYPES
        ask = self.repository.manifest if is_manifest else self.repository.config
        data = ask(descriptor.digest).body
        algorithm = descriptor.digest.partition(":")[0]
        what = "manifest" if is_manifest else "configuration"
        check_digest(f"{self.reference}, {what}", "digest", descriptor.digest, digest_of(data, algorithm))
        self.access.store.add_document(data, algorithm)
        return data
