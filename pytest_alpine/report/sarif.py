"""Findings as SARIF, which code hosts show beside the code.

Spec: https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from pytest_alpine.checks.clean.registry import RULES
from pytest_alpine.quoting import visible

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_alpine.checks.every import Outcome
    from pytest_alpine.checks.findings import Finding
    from pytest_alpine.image.image import Image

_SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_ROOT: Final = "ROOTFS"
"""The name of the folder that the paths of files are relative to: the image's root directory."""
_FINGERPRINT: Final = "pytestAlpine/v1"
_CHECKS: Final = {
    "musl": "The C library is musl, and no file is built for glibc.",
    "platform": "Configuration, packages and programs are of the platform that was asked for.",
    "runnable": "Every program, script and entrypoint can be started.",
    "patched": "Every known security fix is installed.",
}
_REASONS: Final = _CHECKS | {f"clean:{rule.name}": rule.reason for rule in RULES}


def sarif_log(found: Iterable[tuple[Image, Outcome]], version: str) -> dict[str, Any]:
    """Return the findings of images as a SARIF log with one run.

    Args:
        found: images, each with what its checks found.
        version: that of pytest-alpine.
    """
    pairs = [(image, finding) for image, outcome in found for finding in outcome.findings]
    rules = sorted({finding.check for _, finding in pairs})
    driver = {
        "name": "pytest-alpine",
        "version": version,
        "rules": [{"id": rule, "shortDescription": {"text": _REASONS.get(rule, rule)}} for rule in rules],
    }
    run = {
        "tool": {"driver": driver},
        "originalUriBaseIds": {_ROOT: {"description": {"text": "The root directory of the image."}}},
        "columnKind": "unicodeCodePoints",
        "results": [_result(image, finding, rules.index(finding.check)) for image, finding in pairs],
    }
    return {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}


def _result(image: Image, finding: Finding, rule: int) -> dict[str, Any]:
    return {
        "ruleId": finding.check,
        "ruleIndex": rule,
        "level": "error",
        "message": {"text": f"{finding} in {visible(str(image))}"},
        "locations": [_location(image, finding)],
        "partialFingerprints": {_FINGERPRINT: _fingerprint(image, finding)},
        "properties": {
            "image": str(image.reference),
            "platform": str(image.platform),
            "digest": image.digest,
            "expected": finding.expected,
            "actual": finding.actual,
        },
    }


def _location(image: Image, finding: Finding) -> dict[str, Any]:
    """Return where a finding is: the file in the image; else the image, for what is no file has no place in it."""
    logical = {"fullyQualifiedName": visible(f"{image.reference} ({image.platform}): {finding.subject}")}
    path = finding.subject.partition(" (")[0]  # the package follows
    if path.startswith("/"):
        place = {"uri": _relative(path), "uriBaseId": _ROOT}
    else:
        place = {"uri": _relative(str(image.reference))}
    # Code hosts show no result that has no line.
    physical = {"artifactLocation": place, "region": {"startLine": 1}}
    return {"physicalLocation": physical, "logicalLocations": [logical]}


def _relative(path: str) -> str:
    """Return *path* as a relative URI reference (RFC 3986), whatever bytes it has."""
    return quote(path.lstrip("/").encode("utf-8", "surrogateescape"), safe="/")


def _fingerprint(image: Image, finding: Finding) -> str:
    """Return a fingerprint that stays the same for one problem of one image over several builds."""
    parts = (finding.check, finding.subject, str(image.platform))
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()
