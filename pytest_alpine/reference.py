"""Image references: the name of an image, and the place to read it from.

Specs: the transports of containers-transports(5), and the reference grammar of
https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-manifests
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Final

from pytest_alpine.errors import InvalidReference

NAMED_TRANSPORTS: Final = ("", "registry", "docker-daemon")
"""Transports whose reference is an image name. Without a transport (``""``), the reader chooses the place."""
FILE_TRANSPORTS: Final = ("docker-archive", "oci", "oci-archive", "minirootfs")
"""Transports whose reference is a path (for ``minirootfs``, a URL too)."""

TAG_FIELD: Final = "{tag}"
"""The placeholder for the tag of the matrix in a reference."""

_TAG: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")
_COMPONENT: Final = r"[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*"
_HOST: Final = r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-fA-F:]+\])(?::\d+)?"
_NAME: Final = re.compile(rf"(?:{_HOST}/)?{_COMPONENT}(?:/{_COMPONENT})*")
# A URL of a host and nothing but a tag after it. A number that can be a port is the port: RFC 3986, section 3.2.
_AUTHORITY: Final = re.compile(r"((?:[^@]*@)?(?:\[[^\]]*\]|[^:]*)(?::\d{1,5}(?=:|$))?)(:?)(.*)", re.DOTALL)
_DEFAULT_REGISTRY: Final = "docker.io"
_LEGACY_REGISTRY: Final = "index.docker.io"


@dataclass(frozen=True, kw_only=True, slots=True)
class Reference:
    """An image reference such as ``alpine:3.22``, ``oci:build/image:edge`` or ``name@sha256:...``.

    >>> Reference.parse("ghcr.io/acme/app:1.2").repository
    'acme/app'
    >>> str(Reference.parse("alpine").with_tag("edge"))
    'alpine:edge'
    """

    name: str
    """The image's name, or the path or URL of a transport that reads files."""
    transport: str = ""
    tag: str | None = None
    digest: str | None = None

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Return the reference that *text* spells. A transport prefix decides the form of the rest.

        Raises:
            InvalidReference: the transport is unknown, or the name, tag or digest is malformed.
        """
        transport, colon, rest = text.partition(":")
        if colon and transport in FILE_TRANSPORTS:
            return _parse_file(transport, rest, text)
        if colon and transport in NAMED_TRANSPORTS:
            return _parse_name(transport, rest, text)
        if colon and _looks_like_transport(transport, rest):
            known = ", ".join(filter(None, NAMED_TRANSPORTS + FILE_TRANSPORTS))
            raise InvalidReference(
                f"unknown transport {transport!r} in image reference {text!r} (expected one of {known})"
            )
        return _parse_name("", text, text)

    def with_tag(self, tag: str) -> Reference:
        """Return this reference at *tag*.

        Raises:
            InvalidReference: *tag* is malformed.
        """
        _check_tag(tag, f"{self}:{tag}")
        return replace(self, tag=tag, digest=None)

    def with_digest(self, digest: str) -> Reference:
        """Return this reference pinned to the manifest *digest*."""
        return replace(self, tag=None, digest=digest)

    @property
    def is_named(self) -> bool:
        """Whether this is the name of an image, not of a file."""
        return self.transport in NAMED_TRANSPORTS

    @property
    def is_on_disk(self) -> bool:
        """Whether this is a file or a folder on this machine."""
        return self.transport in FILE_TRANSPORTS and "://" not in self.name

    @property
    def registry(self) -> str:
        """The host of the registry of a named image; ``docker.io`` if the name contains none."""
        host, slash, _ = self.name.partition("/")
        # A first component without a dot, a port or an upper-case letter is a namespace on Docker Hub.
        named = slash and (set(".:") & set(host) or host == "localhost" or host != host.lower())
        return host if named and host != _LEGACY_REGISTRY else _DEFAULT_REGISTRY

    @property
    def repository(self) -> str:
        """The repository in the registry; Docker Hub's official images are in ``library/``."""
        if self.registry != _DEFAULT_REGISTRY:
            return self.name.partition("/")[2]
        name = self.name.removeprefix(f"{_DEFAULT_REGISTRY}/").removeprefix(f"{_LEGACY_REGISTRY}/")
        return name if "/" in name else f"library/{name}"

    @property
    def label(self) -> str:
        """The short name in test ids and tables: the tag, else the start of the digest, else the file's name."""
        if self.tag:
            return self.tag.rpartition(":")[2]
        if self.digest:
            return self.digest.partition(":")[2][:12]
        return "latest" if self.is_named else PurePosixPath(self.name.rstrip("/")).name or self.name

    def __str__(self) -> str:
        prefix = f"{self.transport}:" if self.transport else ""
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{prefix}{self.name}{tag}{digest}"


def fill_tag(text: str, tag: str) -> Reference:
    """Return the reference *text* at *tag*. The tag replaces ``{tag}``, or is appended if *text* has no tag.

    Raises:
        InvalidReference: *text* or *tag* is malformed.
    """
    _check_tag(tag, text)
    if TAG_FIELD in text:
        return Reference.parse(text.replace(TAG_FIELD, tag))
    reference = Reference.parse(text)
    return reference if reference.tag or reference.digest else reference.with_tag(tag)


def _looks_like_transport(word: str, rest: str) -> bool:
    """Whether *word* before a colon is a mistyped transport rather than an image's name before its tag."""
    import difflib  # needed for mistakes only

    known = [name for name in NAMED_TRANSPORTS + FILE_TRANSPORTS if "-" in name]
    return rest.startswith(("/", "./", "../")) or bool(difflib.get_close_matches(word, known, n=1, cutoff=0.85))


def _parse_name(transport: str, rest: str, text: str) -> Reference:
    named, _, digest = rest.partition("@")
    name, colon, tag = named.rpartition(":")
    if not colon or "/" in tag:  # the colon is that of a registry's port
        name, tag = named, ""
    if not _NAME.fullmatch(name):
        expected = "expected [registry/]name[:tag][@digest], the name in lower case"
        raise InvalidReference(f"invalid image reference: {text!r} ({expected})")
    if tag or named.endswith(":"):
        _check_tag(tag, text)
    if "@" in rest and not _DIGEST.fullmatch(digest):
        raise InvalidReference(f"invalid digest {digest!r} in {text!r} (expected sha256: and 64 hexadecimal digits)")
    return Reference(transport=transport, name=name, tag=tag or None, digest=digest or None)


def _parse_file(transport: str, rest: str, text: str) -> Reference:
    name, colon, tag = _split_url(rest) if "://" in rest else rest.partition(":")
    if not name:
        raise InvalidReference(f"invalid image reference: {text!r} (expected {transport}:PATH[:TAG])")
    if colon and transport != "minirootfs" and ":" in tag:  # the archive's own NAME:TAG
        _check_tag(tag.rpartition(":")[2], text)
    elif colon:
        _check_tag(tag, text)
    return Reference(transport=transport, name=name, tag=tag or None)


def _split_url(text: str) -> tuple[str, str, str]:
    """Return the URL in *text*, then the colon and the tag after it, both empty if there is no tag."""
    scheme, _, rest = text.partition("://")
    authority, slash, path = rest.partition("/")
    if not slash:
        match = _AUTHORITY.fullmatch(authority)
        return (f"{scheme}://{match[1]}", match[2], match[3]) if match else (text, "", "")
    name, colon, tag = path.rpartition(":")
    return (f"{scheme}://{authority}/{name}", ":", tag) if colon and "/" not in tag else (text, "", "")


def _check_tag(tag: str, text: str) -> None:
    if not _TAG.fullmatch(tag):
        raise InvalidReference(f"invalid tag {tag!r} in {text!r} (expected letters, digits, '_', '.' and '-')")
