"""The findings of an image's checks, as data."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from pytest_alpine.report.image import image_data

if TYPE_CHECKING:
    from pytest_alpine.checks.every import Outcome
    from pytest_alpine.image.image import Image


def check_data(image: Image, outcome: Outcome) -> dict[str, Any]:
    """Return the findings for *image*, and in ``problems`` the checks that could not run, and why."""
    return {
        **image_data(image),
        "findings": [asdict(finding) for finding in outcome.findings],
        "problems": dict(outcome.problems),
        "remarks": list(outcome.remarks),
    }
