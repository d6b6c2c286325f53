"""The differences between two images, as data."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_alpine.checks.comparison.compare import Comparison
    from pytest_alpine.platforms import Platform


def comparison_data(comparison: Comparison) -> dict[str, Any]:
    """Return all differences between two images."""
    return {
        "old": comparison.old,
        "new": comparison.new,
        "changes": [{**asdict(change), "kind": change.kind} for change in comparison.changes],
        "size": {name: {"old": old, "new": new} for name, (old, new) in comparison.sizes.items()},
        "by_package": dict(comparison.by_package),
        "by_folder": dict(comparison.by_folder),
    }


def unpublished_data(reference: str, platform: Platform | None) -> dict[str, Any]:
    """Return the data for a *reference* that is not published for *platform*, so that nothing can be compared."""
    return {"unpublished": reference, "platform": None if platform is None else str(platform)}
