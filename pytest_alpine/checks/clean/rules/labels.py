"""The image carries the labels that its caller asks for.

Spec: https://github.com/opencontainers/image-spec/blob/main/annotations.md
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from pytest_alpine.checks.clean.rule import APPLICATION, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_alpine.checks.findings import Finding
    from pytest_alpine.checks.snapshot import Snapshot

_NAME: Final = "labels"


def labels_rule(required: tuple[str, ...]) -> Rule:
    """Return the rule that an image has every label of *required*, with a value."""
    return Rule(
        name=_NAME,
        reason="whoever meets the image finds its source, version and licence by its labels",
        sets=APPLICATION,
        find=partial(_find, required),
    )


def _find(required: tuple[str, ...], snapshot: Snapshot) -> Iterator[Finding]:
    labels = snapshot.image.config.labels
    for label in required:
        if not labels.get(label):
            actual = "an empty one" if label in labels else "no such label"
            yield labels_rule(required).finding(f"LABEL {label}", expected="a value", actual=actual)
