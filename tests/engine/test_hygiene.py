"""Rules of hygiene and comparisons see a running container as it is now."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_alpine import assert_clean, assert_same, compare, find_clean, find_regressions

if TYPE_CHECKING:
    from pytest_alpine import Container, Image

pytestmark = [pytest.mark.docker]


def test_a_stock_container_is_as_clean_as_its_image(container: Container, alpine: Image) -> None:
    assert_clean(container)
    assert_same(alpine, container)


def test_what_a_command_changes_is_seen(fresh: Container, alpine: Image) -> None:
    fresh.run("touch /tmp/x; chmod u+s /bin/busybox; echo more >> /usr/bin/scanelf; rm /sbin/ldconfig", check=True)
    assert [(finding.check, finding.subject) for finding in find_clean(fresh)] == [
        ("clean:package-files", "/sbin/ldconfig"),
        ("clean:package-files", "/usr/bin/scanelf"),
        ("clean:package-modes", "/bin/busybox"),
        ("clean:setuid", "/bin/busybox"),
        ("clean:temporary-files", "/tmp/x"),
    ]
    changed = {change.name for change in compare(alpine, fresh).of("file")}
    assert changed == {"/sbin/ldconfig", "/usr/bin/scanelf", "/bin/busybox", "/tmp/x"}
    assert "command /sbin/ldconfig" in {finding.subject for finding in find_regressions(alpine, fresh)}
