from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_alpine import assert_shell
from tests.support.alpine import GOOD, built
from tests.support.images import Symlink

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.images import Node


def test_the_right_shell(tmp_path: Path) -> None:
    assert_shell(built(tmp_path, GOOD), "ash")


@pytest.mark.parametrize(
    ("members", "problem"),
    [
        (
            {"bin/bash": b"\x7fELF bash", "bin/sh": Symlink("bash")},
            "/bin/sh: expected ash, found bash (/bin/sh leads to /bin/bash)",
        ),
        ({"etc/passwd": ""}, "/bin/sh: expected ash, found nothing there"),
    ],
    ids=["another", "none"],
)
def test_the_message_names_what_is_there(members: dict[str, Node], problem: str, tmp_path: Path) -> None:
    with pytest.raises(AssertionError) as caught:
        assert_shell(built(tmp_path, members), "ash")
    assert str(caught.value).splitlines()[:-1] == [problem]
