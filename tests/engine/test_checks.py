"""Checks of whole images see a running container as it is now."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_alpine import (
    assert_clean,
    assert_musl,
    assert_platform,
    assert_runnable,
    compare,
    find_platform,
    find_runnable,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from pytest_alpine import Container, RootFS


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


def test_what_the_container_says_of_itself_counts(fresh: Container) -> None:
    fresh.write("/root/apk", "#!/bin/sh\necho mips64\n")
    fresh.run("chmod +x /root/apk; mv /root/apk /sbin/apk", check=True)
    found = [str(finding) for finding in find_platform(fresh)]
    assert found == [f"apk --print-arch, in the container: expected {fresh.platform.apk_arch}, found mips64"]


@pytest.mark.parametrize("check", [assert_clean, assert_musl, assert_platform, assert_runnable])
def test_one_look_at_the_files_answers_all_questions(
    check: Callable[[Container], None], container: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = []
    opened = container.snapshot

    def counted() -> AbstractContextManager[RootFS]:
        looks.append("snapshot")
        return opened()

    monkeypatch.setattr(container, "snapshot", counted)
    monkeypatch.setattr(type(container), "rootfs", property(lambda _: looks.append("file by file")))
    check(container)
    assert looks == ["snapshot"]


def test_what_the_engine_writes_is_no_difference(fresh: Container) -> None:
    fresh.run("echo 127.0.0.1 of-the-engine > /etc/hosts; ln -sf /proc/self/mounts /etc/mtab", check=True)
    assert str(compare(fresh.image, fresh)).splitlines()[1:] == ["  nothing differs"]


def test_a_snapshot_stays_as_it_was(fresh: Container) -> None:
    fresh.write("/srv/a", "before")
    with fresh.snapshot() as files:
        assert files.read("/srv/a") == b"before"
        assert files.resolve("/bin/sh") == "/bin/busybox"
        # What the kernel and the engine mount is no part of it.
        assert not any(entry.path.startswith(("/proc/", "/sys/")) for entry in files.walk())
