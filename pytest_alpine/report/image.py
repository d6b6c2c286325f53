"""The image that a report is about, as data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_alpine.image.image import Image


def image_data(image: Image) -> dict[str, Any]:
    """Return the reference, platform, ID and digest of *image*."""
    return {
        "reference": str(image.reference),
        "platform": str(image.platform),
        "id": image.id,
        "digest": image.digest,
    }
