"""Executable texts that only a shell starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_alpine import assert_runnable, find_runnable
from tests.support.images import File, Symlink

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.support.images import Node
    from tests.unit.checks.conftest import Build

MARK = "(no package): expected '#!' as its first bytes, found a byte-order mark of {} before it "
MARK_HINT = "(save it as UTF-8 without a byte-order mark)"
TEXT = (
    "(no package): expected a program or a script, found an executable text without a '#!' line "
    "(a shell script needs a first line such as '#!/bin/sh'; without one, only a shell starts it)"
)
HELLO = File(b"echo hello\n", mode=0o755)


@pytest.mark.parametrize(
    ("path", "changes", "problem"),
    [
        ("/srv/run", {"srv/run": File(b"\xef\xbb\xbf#!/bin/sh\n", mode=0o755)}, MARK.format("UTF-8") + MARK_HINT),
        (
            "/bin/run",
            {"bin/run": File("#!/bin/sh\n".encode("utf-16"), mode=0o755)},
            MARK.format("UTF-16") + MARK_HINT,
        ),
        ("/usr/local/bin/run", {"usr/local/bin/run": HELLO}, TEXT),
        ("/usr/local/bin/run.sh", {"usr/local/bin/run.sh": HELLO}, TEXT),
        ("/opt/start.txt", {"opt/start.txt": HELLO, "usr/local/bin/start": Symlink("/opt/start.txt")}, TEXT),
        ("/opt/bin/run", {"opt/bin/run": HELLO, "usr/local/bin": Symlink("/opt/bin")}, TEXT),
        ("/bin/run", {"bin/run": File("echo grüße\n".encode(), mode=0o755)}, TEXT),
    ],
    ids=["byte-order-mark", "utf-16", "text", "suffix", "link", "linked-folder", "utf-8"],
)
def test_texts_that_the_kernel_refuses(build: Build, path: str, changes: Mapping[str, Node], problem: str) -> None:
    assert list(map(str, find_runnable(build(changes)))) == [f"{path} {problem}"]
    assert_runnable(build(changes), foreign=path)


@pytest.mark.parametrize(
    "changes",
    [
        {"srv/run": HELLO},
        {"bin/run": File(b"echo hello\n")},
        {"bin/run": File(b"", mode=0o755)},
        {"bin/run": File(b"PK\x03\x04", mode=0o755)},
        {"bin/settings.json": HELLO},
        {"bin/README": HELLO},
        {"srv/run": File(b"\xef\xbb\xbf#!/bin/sh\n")},
        {"bin/run": HELLO, "lib/apk/db/installed": "P:run\nV:1\nF:bin\nR:run\n\n"},
    ],
    ids=["not-on-path", "not-executable", "empty", "data", "settings", "readme", "mark-not-executable", "of-a-package"],
)
def test_texts_that_nobody_starts(build: Build, changes: Mapping[str, Node]) -> None:
    assert_runnable(build(changes))
