"""A smoke test on every platform, native or emulated, with nothing but the container's own tools."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_alpine import assert_memory

if TYPE_CHECKING:
    from testinfra.host import Host

    from pytest_alpine import Container

pytestmark = pytest.mark.alpine(tags="3.20", platforms="all")


def test_shell_does_arithmetic(alpine_container: Container) -> None:
    assert alpine_container.run("seq 3 | awk '{ s += $1 } END { print s }'", check=True).stdout == "6\n"


def test_root_is_root(alpine_host: Host) -> None:
    assert alpine_host.user("root").uid == 0


def test_files_can_be_written(alpine_container_per_test: Container) -> None:
    alpine_container_per_test.write("/tmp/greeting", b"hello\n")
    assert alpine_container_per_test.run(["cat", "/tmp/greeting"], check=True).stdout == "hello\n"


def test_an_idle_container_is_small(alpine_container: Container) -> None:
    assert_memory(alpine_container, "100 MB")
