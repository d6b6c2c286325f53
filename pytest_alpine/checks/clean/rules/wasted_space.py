"""No layer holds bytes that a layer above deletes or replaces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_alpine.checks.clean.rule import APPLICATION, Rule
from pytest_alpine.rootfs.base import Entry
from pytest_alpine.sizes import format_size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_alpine.checks.findings import Finding
    from pytest_alpine.checks.snapshot import Snapshot

# Every apk command writes these anew: no image that installs something on top of a base can do without.
_WRITTEN_BY_APK: Final = ("/lib/apk/", "/usr/lib/apk/", "/etc/apk/", "/var/log/apk.log", "/etc/ssl/certs/")
# The accounts and settings that a step adds a line to: a smaller file than a layer's own headers.
_SMALL: Final = 4096


def _find(snapshot: Snapshot) -> Iterator[Finding]:
    wasted = sorted(_wasted(snapshot), key=lambda item: (-item[0].size, item[0].path))
    for entry, layer, replaced in wasted:
        what = "replaced" if replaced else "deleted"
        actual = f"{format_size(entry.size)} in layer {layer}, {what} above"
        hint = "make and delete it in one step" if not replaced else "make it right where it is made"
        yield RULE.finding(entry.path, expected="no wasted bytes", actual=actual, hint=hint)


def _wasted(snapshot: Snapshot) -> Iterator[tuple[Entry, int, bool]]:
    """Yield the files of each layer that nobody can see, their layer, and whether something is in their place."""
    tree = snapshot.image.entries
    seen = {(entry.layer, entry.offset) for entry in tree.values() if entry.is_file}
    for number, layer in enumerate(snapshot.image.stored_layers):
        for item in layer.changeset.added:
            if not isinstance(item, Entry) or not item.size or (number, item.offset) in seen:
                continue
            replaced = item.path in tree
            if not replaced or (item.size >= _SMALL and not item.path.startswith(_WRITTEN_BY_APK)):
                yield item, number, replaced


RULE = Rule(
    name="wasted-space",
    reason="everybody who pulls the image pulls these bytes, and may read them, though no container shows them",
    sets=APPLICATION,
    find=_find,
)
