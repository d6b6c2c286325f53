"""Checks of whole images see a running container as it is now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_alpine import find_platform, find_runnable

if TYPE_CHECKING:
    from pytest_alpine import Container


def test_platform_and_programs_of_a_running_container(fresh: Container) -> None:
    change = "mv /lib/libz.so.1* /root; cp /bin/busybox /srv/x; printf '#!/bin/bash' > /srv/y; chmod +x /srv/y"
    fresh.run(f"{change}; echo mips > /etc/apk/arch", check=True)
    # apk, which cannot start without libz, is not heard; nothing else in the container is for another platform.
    arch = fresh.platform.apk_arch
    assert list(map(str, find_platform(fresh))) == [f"/etc/apk/arch: expected {arch}, found mips"]
    found = [
        (finding.subject.partition(" ")[0], finding.expected.partition(" in ")[0]) for finding in find_runnable(fresh)
    ]
    assert ("/srv/y", "the interpreter /bin/bash") in found
    assert ("/sbin/apk", "library libz.so.1") in found
    assert not any(path == "/srv/x" for path, _ in found)
