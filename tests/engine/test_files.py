"""Files and facts of running containers, as they are at the moment of asking."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_alpine import EngineError, FileNotInImage, assert_installed
from tests.engine.conftest import builder
from tests.support.images import File, Symlink, layer_tar
from tests.support.mirror import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_alpine import Container, Engine, Image
    from pytest_alpine.engine.docker.engine import DockerEngine
    from pytest_alpine.rootfs.base import Entry
    from tests.support.tars import Node
    from tests.testbed import Testbed

LOCALLY = "--no-network --repositories-file /dev/null -X /repo"
APK_REPOSITORY = ROOT.parent / "shared" / "apk-repo"

MAKE = r"""
mkdir -p /srv/d/deep && cd /srv && ln -s file link && ln -s /srv/d abs && ln -s ../srv/d rel
ln -s /nowhere dangling && ln -s loop loop && ln -s 'a "strange
name' odd && printf x >'it'"'"'s %s \n' && mkfifo fifo && printf deep >d/deep/er
printf hello >d/twice && ln d/twice twice
ln -s ../../../../../../etc/passwd d/out && printf secret >d/secret && chmod 0 d/secret && chmod 700 d
"""
OWNED: dict[str, Node] = {
    "srv/file": File(b"hello", mode=0o4750, uid=12, gid=34),
    "opt/changing": File(b"hello", mode=0o4750, uid=12, gid=34),
    "opt/link": Symlink("changing"),
}


@pytest.fixture(scope="module")
def made(engine: Engine, alpine: Image, bed: Testbed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Container]:
    with (
        builder(alpine, tmp_path_factory.mktemp("made"), bed) as build,
        engine.start(build(layer_tar(OWNED))) as container,
    ):
        container.run(MAKE, check=True)
        yield container


@pytest.mark.parametrize("with_shell", [True, False], ids=["by-shell", "by-archive"])
class TestFiles:
    """Told by the container's own programs, and by the engine's archives where it has none."""

    @pytest.fixture
    def container(self, made: Container, with_shell: bool, monkeypatch: pytest.MonkeyPatch) -> Container:
        if not with_shell:
            monkeypatch.setattr(made.commands, "has_shell", False)
        return made

    @pytest.mark.parametrize(
        ("path", "content"),
        [
            ("/srv/file", b"hello"),
            ("srv/link", b"hello"),
            ("/srv/abs/deep/er", b"deep"),
            ("/srv/rel/deep/../deep/er", b"deep"),
            ("/srv/it's %s \\n", b"x"),
            ("/srv/d/secret", b"secret"),
        ],
    )
    def test_read(self, container: Container, path: str, content: bytes) -> None:
        assert container.read(path) == content
        assert container.rootfs.read(path, 2) == content[:2]
        assert container.rootfs.exists(path)

    @pytest.mark.parametrize(
        ("path", "message"),
        [
            ("/srv/none", "no such file or directory: /srv/none"),
            ("/srv/dangling", "no such file or directory: /srv/dangling"),
            ("/srv/file/x", "no such file or directory: /srv/file/x"),
            ("/srv/d", "/srv/d is a directory, not a regular file"),
            ("/srv/fifo", "/srv/fifo is a fifo, not a regular file"),
        ],
    )
    def test_read_what_is_no_file(self, container: Container, path: str, message: str) -> None:
        with pytest.raises(FileNotInImage) as caught:
            container.read(path)
        assert str(caught.value) == message

    def test_stat(self, container: Container) -> None:
        found = container.rootfs.stat("/srv/link")
        assert shape(found) == ("/srv/file", "file", 0o4750, 12, 34, 5, "")
        assert shape(container.rootfs.stat("/srv/rel/deep"))[:3] == ("/srv/d/deep", "directory", 0o755)
        assert shape(container.rootfs.stat("/srv/d/out"))[:2] == ("/etc/passwd", "file")
        assert container.rootfs.resolve("/srv/abs/../twice") == "/srv/twice"

    def test_lstat(self, container: Container) -> None:
        found = container.rootfs.lstat("/srv/abs")
        assert found is not None
        assert shape(found)[:3] == ("/srv/abs", "symlink", 0o777)
        assert found.target == "/srv/d"
        odd = container.rootfs.lstat("/srv/odd")
        assert odd is not None
        assert odd.target == 'a "strange\nname'
        assert container.rootfs.lstat("/srv/none") is None
        below = container.rootfs.lstat("/srv/rel/out")
        assert below is not None
        assert below.path == "/srv/d/out"

    def test_loops_and_nothing(self, container: Container) -> None:
        assert not container.rootfs.exists("/srv/none")
        assert not container.rootfs.exists("/srv/dangling")
        for path in ("/srv/loop", "/srv/none"):
            with pytest.raises(FileNotInImage):
                container.rootfs.stat(path)

    def test_walk(self, container: Container) -> None:
        found = {entry.path: entry for entry in container.rootfs.walk("/srv/abs")}
        assert list(found) == ["/srv/d", "/srv/d/deep", "/srv/d/deep/er", "/srv/d/out", "/srv/d/secret", "/srv/d/twice"]
        assert found["/srv/d/secret"].mode == 0
        assert found["/srv/d/out"].target == "../../../../../../etc/passwd"
        everything = {entry.path: entry for entry in container.rootfs.walk()}
        assert everything["/srv/twice"].size == 5
        assert everything["/srv/d/twice"].offset == everything["/srv/twice"].offset, "one file"
        assert "/bin/busybox" in everything

    def test_write(self, container: Container) -> None:
        container.write("/opt/new/folder/file", "grün\n")
        assert container.read("/opt/new/folder/file").decode() == "grün\n"
        assert container.rootfs.stat("/opt/new/folder/file").mode == 0o644
        container.write("/opt/link", b"\0changed")
        assert shape(container.rootfs.stat("/opt/changing")) == ("/opt/changing", "file", 0o4750, 12, 34, 8, "")
        link = container.rootfs.lstat("/opt/link")
        assert link is not None
        assert link.kind == "symlink"
        with pytest.raises(EngineError, match=r"cannot write /srv/d in container \S+: it is a directory"):
            container.write("/srv/d", b"")


def test_what_is_mounted_is_there_too(container: Container) -> None:
    for path in ("/dev/null", "/proc/version", "/proc/self/status", "/etc/mtab"):
        assert container.rootfs.exists(path)
    assert container.read("/proc/version").startswith(b"Linux version ")
    assert b" / " in container.read("/etc/mtab")
    with pytest.raises(FileNotInImage, match="/dev/null is a character device, not a regular file"):
        container.read("/dev/null")


def test_facts_are_those_of_the_image(container: Container) -> None:
    image = container.image
    assert container.packages == image.packages
    assert container.world == image.world
    assert container.release == image.release
    assert container.libc == image.libc
    assert container.shells == image.shells
    assert container.shell == image.shell
    assert container.platform == image.platform


@pytest.mark.official
@pytest.mark.skipif(not APK_REPOSITORY.is_dir(), reason="needs the small apk repository beside this one")
def test_facts_are_never_stale(fresh: Container) -> None:
    with pytest.raises(AssertionError, match="replayout"):
        assert_installed(fresh, "replayout")
    for path in (APK_REPOSITORY / fresh.platform.apk_arch).iterdir():
        fresh.write(f"/repo/{fresh.platform.apk_arch}/{path.name}", path.read_bytes())
    fresh.write("/etc/apk/keys/melange.rsa.pub", (APK_REPOSITORY / "melange.rsa.pub").read_bytes())
    # Its files belong to users, and no process in a sandbox has the capability to give files away.
    fresh.run(f"apk add --no-chown {LOCALLY} replayout", check=True)
    assert_installed(fresh, "replayout", "pretend-baselayout")
    assert "replayout" in map(str, fresh.world)
    fresh.run(f"apk del {LOCALLY} replayout", check=True)
    assert "replayout" not in fresh.packages
    fresh.run("rm /bin/sh && ln -s /bin/true /bin/sh")
    fresh.write("/etc/alpine-release", "9.9.9\n")
    assert fresh.release.version == "9.9.9"


def shape(entry: Entry) -> tuple[object, ...]:
    return (entry.path, entry.kind, entry.mode, entry.uid, entry.gid, entry.size, entry.target)


@pytest.mark.usefixtures("client")
def test_nothing_is_sent_behind_the_end_of_an_archive(
    engine: DockerEngine, fresh: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[bytes] = []
    put = engine._client.api.put_archive

    def noted(container: str, path: str, data: bytes) -> object:
        sent.append(data)
        return put(container, path, data)

    monkeypatch.setattr(engine._client.api, "put_archive", noted)
    fresh.write("/srv/x", b"x" * 1000)
    assert [len(archive) for archive in sent] == [512 + 1024 + 1024], "header, content, two empty blocks"
    assert fresh.read("/srv/x") == b"x" * 1000
