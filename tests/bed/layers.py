"""The layers of the published images: the mirror's own files as they are, or recompressed with zstd."""

from __future__ import annotations

import gzip
import hashlib
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from tests.bed.state import folder

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.bed.mirror import Rootfs


@dataclass(frozen=True, kw_only=True, slots=True)
class Blob:
    """Bytes that a registry keeps by digest; *read* may be called many times."""

    digest: str
    size: int
    read: Callable[[], bytes]


@dataclass(frozen=True, kw_only=True, slots=True)
class Layer:
    """One layer; ``diff_id`` is the digest of the tar inside."""

    blob: Blob
    diff_id: str


@dataclass(frozen=True, kw_only=True, slots=True)
class _Facts:
    """Facts of a decompressed layer, kept in the state folder by the digest of the layer."""

    diff_id: str
    zstd_digest: str = ""
    zstd_size: int = 0


def blob(data: bytes) -> Blob:
    """A blob of bytes in memory."""
    return Blob(digest=digest(data), size=len(data), read=lambda: data)


def digest(data: bytes) -> str:
    """The OCI digest of *data*."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def gzip_layer(rootfs: Rootfs) -> Layer:
    """The mirror's file itself as a layer."""
    stored = Blob(digest=f"sha256:{rootfs.sha256}", size=rootfs.size, read=rootfs.path.read_bytes)
    return Layer(blob=stored, diff_id=_facts(rootfs, zstd=False).diff_id)


def zstd_layer(rootfs: Rootfs) -> Layer:
    """The same tar, compressed with zstd."""
    facts = _facts(rootfs, zstd=True)
    stored = Blob(digest=facts.zstd_digest, size=facts.zstd_size, read=lambda: _zstd(_tar(rootfs)))
    return Layer(blob=stored, diff_id=facts.diff_id)


def _facts(rootfs: Rootfs, *, zstd: bool) -> _Facts:
    path = folder() / "layers" / f"{rootfs.sha256}.json"
    if path.exists():
        facts = _Facts(**json.loads(path.read_text()))
        if facts.zstd_digest or not zstd:
            return facts
    facts = _measure(rootfs, zstd=zstd)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(asdict(facts)))
    return facts


def _measure(rootfs: Rootfs, *, zstd: bool) -> _Facts:
    tar = _tar(rootfs)
    if not zstd:
        return _Facts(diff_id=digest(tar))
    compressed = _zstd(tar)
    return _Facts(diff_id=digest(tar), zstd_digest=digest(compressed), zstd_size=len(compressed))


def _tar(rootfs: Rootfs) -> bytes:
    return gzip.decompress(rootfs.path.read_bytes())


def _zstd(tar: bytes) -> bytes:
    import zstandard

    return zstandard.ZstdCompressor().compress(tar)
