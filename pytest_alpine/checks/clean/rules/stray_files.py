"""No repositories of version control, and nothing that editors and desktops leave behind."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pytest_alpine.checks.clean.rule import BASE, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_alpine.checks.findings import Finding
    from pytest_alpine.checks.snapshot import Snapshot

_FOLDERS: Final = frozenset({".git", ".hg", ".svn", ".bzr", ".idea", ".vscode", "__MACOSX"})
_FILES: Final = re.compile(r"\.DS_Store|Thumbs\.db|desktop\.ini|\._.+|\..+\.sw[a-p]|.+~|#.+#")
# Others published what stands in these; they are not of the build.
_PUBLISHED: Final = re.compile(r"/(?:node_modules|site-packages|dist-packages|gems|vendor|pkg/mod|\.cargo|\.git)/")


def _find(snapshot: Snapshot) -> Iterator[Finding]:
    for path, entry in snapshot.entries.items():
        name = path.rpartition("/")[2]
        is_stray = name in _FOLDERS if entry.kind == "directory" else name == ".git" or _FILES.fullmatch(name)
        if is_stray and not _PUBLISHED.search(path) and snapshot.owner(path) is None:
            hint = f"name it in .dockerignore, as **/{name}"
            yield RULE.finding(path, expected="no such file", actual=f"a {entry.kind} of no package", hint=hint)


RULE = Rule(
    name="stray-files",
    reason="a repository holds the history of the source, with all that was ever deleted; the others are of no use",
    sets=BASE,
    find=_find,
)
