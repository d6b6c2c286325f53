"""What only sandboxes of bubblewrap promise: nothing of this machine is seen, and nothing outlives the tests."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_alpine import ContainerStartError, EngineError, EngineUnavailable
from pytest_alpine.engine.bubblewrap.engine import BubblewrapEngine
from pytest_alpine.engine.build import build_image
from tests.engine.conftest import NATIVE
from tests.support.images import Device, Directory, Symlink, layer_tar
from tests.support.interrupts import interrupted
from tests.support.mirror import MIRROR, ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_alpine import Container, Image
    from pytest_alpine.engine.bubblewrap.container import BubblewrapContainer
    from tests.support.tars import Node

pytestmark = [pytest.mark.bubblewrap]

NOBODY = 65534
# 32 and 33, which C libraries use for themselves, and posix_spawn has ignored.
LIBC_SIGNALS = 3 << 31
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become another user")


@pytest.fixture(scope="session", params=[NATIVE], ids=["native"])
def platform(request: pytest.FixtureRequest) -> object:
    return request.param


@pytest.fixture(scope="module")
def sandboxes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BubblewrapEngine]:
    """An engine with a store of its own."""
    with closing(BubblewrapEngine(tmp_path_factory.mktemp("bubblewrap"))) as made:
        yield made


@pytest.fixture
def box(sandboxes: BubblewrapEngine, alpine: Image) -> Iterator[BubblewrapContainer]:
    with sandboxes.start(alpine) as container:
        yield container


def gone(pid: int) -> bool:
    """Whether the process ends within some seconds; one that nobody has asked for yet has ended too."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.02)
    return False


class TestSandbox:
    """What a process in it has, and has not."""

    def test_no_capabilities(self, box: Container) -> None:
        status = box.run("cat /proc/self/status", check=True).stdout
        caps = [line.split()[1] for line in status.splitlines() if line.startswith("Cap")]
        assert caps == ["0" * 16] * 5
        assert "NoNewPrivs:\t1" in status
        assert box.run("chown 12 /etc/passwd").exit_code != 0

    def test_namespaces_of_its_own(self, box: Container) -> None:
        for name in ("pid", "mnt", "ipc", "uts", "net", "cgroup"):
            inside = box.run(f"readlink /proc/self/ns/{name}").stdout.strip()
            assert inside != str(Path(f"/proc/self/ns/{name}").readlink()), name

    def test_nothing_of_this_machine(self, box: Container, sandboxes: BubblewrapEngine) -> None:
        seen = box.run("cat /proc/self/mountinfo /proc/[0-9]*/cmdline; env; ls / /mnt /sys; cat /proc/mounts").stdout
        assert str(sandboxes._store) not in seen
        assert "pytest" not in seen.replace("pytest-alpine-pause", "")
        assert box.run(["ls", str(ROOT)]).exit_code != 0
        pids = box.run("cd /proc; echo [0-9]*").stdout.split()
        assert len(pids) < 10

    def test_only_the_loopback(self, box: Container) -> None:
        names = box.run("ls /proc/sys/net/ipv4/conf").stdout.split()
        assert set(names) == {"all", "default", "lo"}
        assert "127.0.0.1" in box.run("ip addr show lo").stdout
        assert "UP" in box.run("ip link show lo").stdout

    def test_the_kernel_cannot_be_tuned(self, box: Container) -> None:
        for path in ("/proc/sys/vm/overcommit_memory", "/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger"):
            assert box.run(f"[ -e {path} ] && cat {path} 2>/dev/null >{path}").exit_code != 0

    def test_files_that_engines_bring(self, box: Container, alpine: Image) -> None:
        name = box.run("hostname", check=True).stdout.strip()
        assert box.read("/etc/hostname").decode().strip() == name
        assert f"127.0.0.1\t{name}" in box.read("/etc/hosts").decode()
        assert box.read("/etc/resolv.conf") == Path("/etc/resolv.conf").read_bytes()
        assert box.run("echo 127.0.0.9 x >>/etc/hosts").exit_code == 0
        paths = {entry.path: entry for entry in box.rootfs.walk("/etc")}
        assert paths["/etc/hosts"].size == alpine.rootfs.stat("/etc/hosts").size, "what is mounted is left out"

    def test_temporary_folders(self, box: Container) -> None:
        for path in ("/tmp", "/dev/shm"):
            assert box.run(f"touch {path}/x && stat -c %a {path}", user="nobody").stdout == "1777\n"

    def test_a_changed_file_is_this_containers(
        self, sandboxes: BubblewrapEngine, box: Container, alpine: Image
    ) -> None:
        box.run("echo changed >/etc/alpine-release; rm /etc/passwd; mkdir -p /a/b", check=True)
        with sandboxes.start(alpine) as other:
            assert other.read("/etc/alpine-release") == alpine.rootfs.read("/etc/alpine-release")
            assert other.rootfs.exists("/etc/passwd")
            assert not other.rootfs.exists("/a")


@pytest.mark.parametrize("tty", [False, True], ids=["pipes", "terminal"])
def test_signals_that_the_parent_ignores_or_blocks(tmp_path: Path, alpine: Image, tty: bool) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    try:
        with closing(BubblewrapEngine(tmp_path)) as engine, engine.start(alpine) as box:
            for process in (2, "self"):  # 1 is bubblewrap
                status = box.run(["cat", f"/proc/{process}/status"], tty=tty, check=True).stdout
                signals = {line.split()[0]: line.split()[1] for line in status.splitlines() if line.startswith("Sig")}
                assert int(signals["SigIgn:"], 16) & ~LIBC_SIGNALS == int(signals["SigBlk:"], 16) == 0
            assert box.run(["sh", "-c", "kill -HUP $$; echo survived"], tty=tty).exit_code == 128 + signal.SIGHUP
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGUSR1})
        signal.signal(signal.SIGHUP, before)


def test_a_request_that_is_interrupted(sandboxes: BubblewrapEngine, box: Container) -> None:
    link = sandboxes._link
    os.kill(link.pid, signal.SIGSTOP)
    resumed = threading.Timer(0.5, os.kill, (link.pid, signal.SIGCONT))
    resumed.start()
    with interrupted(KeyboardInterrupt, 0.2):
        box.run("true", user="nobody")
    resumed.join()
    assert box.run("id -un", user="nobody").stdout == "nobody\n"


class TestEnds:
    """However a run ends, its sandboxes end with it."""

    def test_the_thread_that_started_it_may_end(self, sandboxes: BubblewrapEngine, alpine: Image) -> None:
        started: list[Container] = []
        thread = threading.Thread(target=lambda: started.append(sandboxes.start(alpine)))
        thread.start()
        thread.join()
        time.sleep(0.2)
        with started[0] as container:
            assert container.run("echo alive").stdout == "alive\n"

    def test_no_process_and_no_folder_is_left(self, sandboxes: BubblewrapEngine, alpine: Image) -> None:
        with sandboxes.start(alpine) as container:
            pid = container._sandbox.pid
            container.run("sleep 300 </dev/null >/dev/null 2>&1 &")
            folder = container._folder.path
            assert folder.is_dir()
        assert gone(pid)
        assert not list(folder.parent.iterdir())

    @pytest.mark.parametrize("victim", ["controller", "spawner"])
    def test_killed(self, tmp_path: Path, alpine: Image, victim: str) -> None:
        with elsewhere(tmp_path, alpine, "import time; time.sleep(300)") as process:
            told = first_line(process)
            os.kill(process.pid if victim == "controller" else told["spawner"], signal.SIGKILL)
            assert all(gone(told[name]) for name in ("spawner", "monitor", "first"))
            process.kill()
            process.wait()
        left = list((tmp_path / "containers").iterdir())
        assert len(left) == 2, "a folder and its label"
        with closing(BubblewrapEngine(tmp_path)) as engine:
            assert engine.sweep() == [told["id"]]
        assert not list((tmp_path / "containers").iterdir())

    def test_the_spawner_is_gone(self, tmp_path: Path, alpine: Image) -> None:
        engine = BubblewrapEngine(tmp_path)
        container = engine.start(alpine)
        os.kill(engine._link.pid, signal.SIGKILL)
        assert gone(container._sandbox.pid)
        with pytest.raises(EngineError, match=r"stopped \(exit code 137\)"):
            container.run("true")
        with pytest.raises(
            EngineUnavailable, match="the process that starts sandboxes was killed; run the tests again"
        ):
            engine.start(alpine)
        engine.close()
        assert not list((tmp_path / "containers").iterdir())

    def test_kept(self, tmp_path: Path, alpine: Image) -> None:
        keep = "print(json.dumps([container.keep(), container.remove_command]), flush=True); engine.close()"
        with elsewhere(tmp_path, alpine, f"container.run('echo kept >/root/x'); {keep}") as process:
            told = first_line(process)
            enter, remove = json.loads(process.stdout.readline())  # type: ignore[union-attr]  # it is a pipe
            assert process.wait(60) == 0
        try:
            with closing(BubblewrapEngine(tmp_path)) as engine:
                assert engine.sweep() == [], "it lives"
                said = subprocess.run(
                    shlex.split(enter), input=b"cat /root/x; grep CapEff /proc/self/status; ls /proc",
                    capture_output=True, check=False,
                )  # fmt: skip
                assert said.stdout.startswith(b"kept\nCapEff:\t0000000000000000\n1\n"), said
        finally:
            subprocess.run(shlex.split(remove), check=True)
        assert gone(told["first"])
        assert gone(told["spawner"])
        with closing(BubblewrapEngine(tmp_path)) as engine:
            assert engine.sweep() == [told["id"]]


class TestImages:
    """Whatever an image brings, it stays inside."""

    @pytest.mark.parametrize(
        "members",
        [
            {"proc": Symlink("/oldroot/tmp")},
            {"dev": Symlink("..")},
            {"proc": "a file"},
        ],
        ids=["proc-is-a-link", "dev-is-a-link", "proc-is-a-file"],
    )
    def test_no_place_for_what_every_container_has(
        self, sandboxes: BubblewrapEngine, build: Callable[..., Image], members: dict[str, Node]
    ) -> None:
        image = build(layer_tar(members), scratch=True)
        with pytest.raises(ContainerStartError, match=r"/(proc|dev) must be a directory"):
            sandboxes.start(image)

    def test_links_do_not_lead_out(
        self, sandboxes: BubblewrapEngine, build: Callable[..., Image], tmp_path: Path
    ) -> None:
        secret = tmp_path / "secret"
        secret.write_text("of this machine")
        links = {"way": Symlink(str(secret)), "up": Symlink("../../../../../../../.."), "etc": Symlink("/oldroot/etc")}
        with sandboxes.start(build(layer_tar(links))) as container:
            assert not container.rootfs.exists("/way")
            assert not container.rootfs.exists(f"/up{secret}")
            assert container.rootfs.stat("/up").path == "/"
            with pytest.raises(EngineError, match=r"cannot write /way in container \S+: it is a link to nothing"):
                container.write("/way", "inside")
            assert secret.read_text() == "of this machine"
            container.run("rm -rf /srv && ln -s /../../../../../../.. /srv", check=True)
            assert not container.rootfs.exists(f"/srv{secret}")

    @needs_root
    def test_devices_are_seen_and_of_no_use(self, sandboxes: BubblewrapEngine, build: Callable[..., Image]) -> None:
        image = build(layer_tar({"dev2": Directory(), "dev2/zero": Device(major=1, minor=5)}))
        with sandboxes.start(image) as container:
            assert container.rootfs.stat("/dev2/zero").kind == "character device"
            assert container.run("head -c 1 /dev2/zero").exit_code != 0

    def test_owners_and_modes(self, box: Container, alpine: Image) -> None:
        assert {entry.path for entry in box.rootfs.walk()} >= {entry.path for entry in alpine.rootfs.walk()}
        for path in ("/etc/shadow", "/tmp", "/bin/busybox", "/var/empty"):
            found, told = box.rootfs.stat(path), alpine.rootfs.stat(path)
            owner = (told.uid, told.gid) if os.geteuid() == 0 else (found.uid, found.gid)
            assert (found.mode, found.uid, found.gid) == (told.mode, *owner)

    def test_in_a_copy_where_there_are_no_overlays(self, sandboxes: BubblewrapEngine, alpine: Image) -> None:
        sandboxes._starter.overlays = False
        try:
            with sandboxes.start(alpine) as container:
                assert container.packages == alpine.packages
                container.run("rm /etc/passwd", check=True)
                assert "copies" in sandboxes.describe()
            with sandboxes.start(alpine) as another:
                assert another.rootfs.exists("/etc/passwd")
        finally:
            sandboxes._starter.overlays = True


def test_what_it_cannot_do(sandboxes: BubblewrapEngine, alpine: Image, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"the engine 'bubblewrap' builds no images \(expected docker"):
        build_image(sandboxes, alpine, tmp_path)


def test_not_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EngineUnavailable, match=r"bubblewrap is not installed .*; run: apt-get install bubblewrap"):
        BubblewrapEngine(tmp_path)


def test_a_container_that_was_stopped(sandboxes: BubblewrapEngine, alpine: Image) -> None:
    with sandboxes.start(alpine) as container:
        pass
    for ask in (lambda: container.read("/etc/passwd"), lambda: container.run("true"), container.memory):
        with pytest.raises(EngineError, match="was stopped"):
            ask()


AS_ANYBODY = """
import json, sys
from pathlib import Path
from pytest_alpine import CommandTimeout, open_image
from pytest_alpine.engine.bubblewrap.engine import BubblewrapEngine
from pytest_alpine.image.access import Access
from pytest_alpine.image.store.store import Store
root = Path(sys.argv[1])
engine = BubblewrapEngine(root)
image = open_image(sys.argv[2], sys.argv[3], access=Access(Store(root)))
with engine.start(image) as container:
    def out(*args, **more):
        return container.run(*args, **more).stdout.strip()
    try:
        container.run("sleep 300", timeout=0.3)
    except CommandTimeout:
        killed = "sleep 300" not in out("ps -o args")
    container.write("/opt/new/file", "written")
    container.run("mkdir /root/closed; touch /root/closed/x; chmod 0 /root/closed", check=True)
    print(json.dumps({
        "describe": engine.describe(), "id": out("id -u"), "nobody": out("id -un", user="nobody"),
        "number": out("id -u; id -g", user="12:34"), "tty": out("tty", tty=True),
        "caps": out("grep -h ^Cap /proc/self/status | cut -f2 | sort -u"),
        "nobody-caps": out("grep -h ^Cap /proc/self/status | cut -f2 | sort -u", user="nobody"),
        "written": out("cat /opt/new/file"), "packages": container.packages == image.packages, "killed": killed,
        "memory": container.memory() > 0, "arch": out("apk --print-arch"),
        "user-ns": out("readlink /proc/self/ns/user"),
    }))
engine.close()
print(json.dumps([str(path) for path in (root / "containers").iterdir()]))
"""


@needs_root
@pytest.mark.parametrize("arch", [NATIVE, pytest.param("linux/s390x", marks=pytest.mark.emulators)], ids=str)
def test_as_an_ordinary_user(arch: object) -> None:
    who = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    if subprocess.run([*who, "test", "-r", ROOT / "pytest_alpine", "-a", "-x", sys.executable], check=False).returncode:
        pytest.skip("needs a checkout and a Python that others may read")
    # Folders of pytest itself are closed to others.
    folder = Path("/tmp") / f"pytest-alpine-ordinary-{os.getpid()}"
    folder.mkdir()
    os.chown(folder, NOBODY, NOBODY)
    try:
        done = subprocess.run(
            [*who, sys.executable, "-c", AS_ANYBODY, str(folder), f"minirootfs:{MIRROR}:3.20", str(arch)],
            cwd=ROOT, env=os.environ | {"HOME": str(folder), "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        told, left = map(json.loads, done.stdout.splitlines())
        assert "as an ordinary user" in told.pop("describe")
        assert told.pop("user-ns") != str(Path("/proc/self/ns/user").readlink())
        assert told.pop("tty").startswith("/dev/pts/")
        assert told.pop("arch") in {"x86_64", "aarch64", "s390x"}
        assert told == {
            "id": "0", "nobody": "nobody", "number": "12\n34", "caps": "0" * 16, "nobody-caps": "0" * 16,
            "written": "written", "packages": True, "killed": True, "memory": True,
        }  # fmt: skip
        assert left == []
    finally:
        shutil.rmtree(folder)


def test_namespaces_that_the_kernel_refuses(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("pytest_alpine.engine.bubblewrap.link.receive", refuse)
    expected = (
        r"bubblewrap cannot run: the kernel allows this user no namespaces of its own \(Operation not permitted\); "
        r"allow them: sysctl kernel.unprivileged_userns_clone=1 user.max_user_namespaces=10000 "
    )
    with pytest.raises(EngineUnavailable, match=expected):
        BubblewrapEngine(tmp_path)


ELSEWHERE = """
import json, sys
from pathlib import Path
from pytest_alpine import open_image
from pytest_alpine.engine.bubblewrap.engine import BubblewrapEngine
from pytest_alpine.image.access import Access
from pytest_alpine.image.store.store import Store
engine = BubblewrapEngine(Path(sys.argv[1]))
container = engine.start(open_image(sys.argv[2], sys.argv[3], access=Access(Store(Path(sys.argv[4])))))
box = container._sandbox
told = {"id": container.id, "spawner": engine._link.pid, "monitor": box.monitor, "first": box.pid}
print(json.dumps(told), flush=True)
"""


def elsewhere(folder: Path, image: Image, then: str) -> subprocess.Popen[bytes]:
    """Start a sandbox of *image* below *folder* in another process, and do *then* there."""
    words = [str(folder), str(image.reference), str(image.platform), str(image.store.root)]
    return subprocess.Popen([sys.executable, "-c", f"{ELSEWHERE}\n{then}", *words], stdout=subprocess.PIPE, cwd=ROOT)


def first_line(process: subprocess.Popen[bytes]) -> dict[str, Any]:
    assert process.stdout is not None
    told: dict[str, Any] = json.loads(process.stdout.readline())
    return told
