"""No layer holds bytes that a layer above deletes or replaces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_alpine.checks.clean.rule import APPLICATION, Rule
from pytest_alpine.checks.hidden import hidden_files
from pytest_alpine.sizes import format_size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_alpine.checks.findings import Finding
    from pytest_alpine.checks.hidden import HiddenFile
    from pytest_alpine.checks.snapshot import Snapshot

# Every apk command writes these anew, so every image that installs something replaces the base image's.
_WRITTEN_BY_APK: Final = ("/lib/apk/", "/usr/lib/apk/", "/etc/apk/", "/var/log/apk.log", "/etc/ssl/certs/")
# Steps often add a line to a file of accounts or settings; such a file is smaller than the headers of a layer.
_SMALL: Final = 4096


def _find(snapshot: Snapshot) -> Iterator[Finding]:
    wasted = filter(_is_waste, hidden_files(snapshot.image))
    for file in sorted(wasted, key=lambda file: (-file.entry.size, file.entry.path)):
        what = "replaced" if file.replaced else "deleted"
        actual = f"{format_size(file.entry.size)} in layer {file.layer}, {what} above"
        hint = "write it once, in the step that creates it" if file.replaced else "create and delete it in one step"
        yield RULE.finding(file.entry.path, expected="no wasted bytes", actual=actual, hint=hint)


def _is_waste(file: HiddenFile) -> bool:
    return not file.replaced or (file.entry.size >= _SMALL and not file.entry.path.startswith(_WRITTEN_BY_APK))


RULE = Rule(
    name="wasted-space",
    reason="everybody who pulls the image pulls these bytes, and may read them, though no container shows them",
    sets=APPLICATION,
    find=_find,
)
