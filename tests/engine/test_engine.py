"""Starting and stopping, whatever an image is made to run, and what is left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from docker.errors import NotFound

from pytest_alpine import ContainerStartError, EngineError, EngineUnavailable, PlatformNotRunnable
from pytest_alpine.engine.docker.engine import DockerEngine
from pytest_alpine.engine.emulation import Machines
from pytest_alpine.engine.keepalive import pause_program
from pytest_alpine.engine.select import select_engine
from pytest_alpine.platforms import PLATFORMS, Platform
from tests.engine.conftest import EMULATED, ENGINES, NATIVE, ours
from tests.support.cut_proxy import CutProxy
from tests.support.images import Directory, File, Symlink, layer_tar
from tests.support.mirror import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from docker import DockerClient

    from pytest_alpine import Container, Engine, Image


@contextmanager
def another(engine: Engine) -> Iterator[Any]:
    """Open another engine of the same kind, to do with it what the others' must be spared."""
    with closing(select_engine(engine.name)) as made:
        yield made


def there(engine: Engine) -> set[str]:
    """Return the IDs of all containers that there are, other processes' too."""
    return set(ENGINES[engine.name].there())


def test_it_is_described(engine: Engine) -> None:
    assert engine.name in engine.describe()
    assert engine.describe().count("\n") == 0


@pytest.mark.emulators
def test_its_platforms(engine: Engine) -> None:
    assert not engine.emulated(NATIVE)
    assert engine.emulated(EMULATED)
    assert "arm/v6, arm/v7" in engine.describe()


@pytest.mark.official
@pytest.mark.emulators
def test_eight_platforms_at_once(engine: Engine, base: Callable[[Platform], Image]) -> None:
    platforms = [platform for platform in PLATFORMS if platform.architecture != "loong64"]
    images = [base(platform) for platform in platforms]
    with ThreadPoolExecutor(8) as threads:
        containers = list(threads.map(engine.start, images))
    try:
        for platform, container in zip(platforms, containers, strict=True):
            assert container.run("apk --print-arch").stdout.strip() == platform.apk_arch
            assert container.emulated == engine.emulated(platform)
            assert container.run("cat /etc/apk/arch; uname -s").stdout == f"{platform.apk_arch}\nLinux\n"
            assert container.host.package("musl").is_installed
    finally:
        list(threads_stop(containers))


def threads_stop(containers: list[Any]) -> Iterator[None]:
    with ThreadPoolExecutor(8) as threads:
        yield from threads.map(lambda container: container.stop(), containers)


@pytest.mark.parametrize(
    "config",
    [
        {"Entrypoint": ["/bin/true"]},
        {"Entrypoint": ["/no/such/program"], "Cmd": ["x"]},
        {"Entrypoint": ["/bin/sh", "-c", "exit 7"]},
        {"User": "nobody"},
        {"User": "1234:5678", "WorkingDir": "/made/by/the/engine"},
        {"Env": ["PATH="]},
        {"Env": ["PATH=/nowhere", "ENV=/nowhere", "LD_PRELOAD_NOT=x"]},
        {"Healthcheck": {"Test": ["CMD", "/bin/false"], "Interval": 1_000_000_000}},
        {"StopSignal": "SIGRTMIN+3"},
        {"Volumes": {"/data": {}}},
    ],
    ids="-".join,
)
def test_whatever_an_image_is_made_to_run(engine: Engine, build: Callable[..., Image], config: dict[str, Any]) -> None:
    image = build(config=config)
    with engine.start(image) as container:
        assert container.run("echo $((6 * 7))").stdout == "42\n"
        assert container.run("/bin/pwd").stdout.strip() == config.get("WorkingDir", "/")
        user = config.get("User", "root")
        assert container.run("/usr/bin/id -u").stdout.strip() == {"root": "0", "nobody": "65534"}.get(user, "1234")
        assert container.read("/etc/shadow").startswith(b"root:"), "files are read as root"
        assert container.packages == image.packages
        assert container.shell == image.shell
        assert not measures_memory(engine) or container.memory() > 0
        assert all(container.rootfs.stat(path).kind == "directory" for path in config.get("Volumes", ()))
        assert container.logs() == ""
        begun = time.monotonic()
    assert time.monotonic() - begun < 3


def test_volumes_go_with_their_container(engine: Engine, build: Callable[..., Image], client: DockerClient) -> None:
    with engine.start(build(config={"Volumes": {"/data": {}}})) as container:
        (volume,) = [mount["Name"] for mount in client.api.inspect_container(container.id)["Mounts"]]
    with pytest.raises(NotFound):
        client.api.inspect_volume(volume)


def measures_memory(engine: Engine) -> bool:
    return not isinstance(engine, DockerEngine) or engine.api.measures_memory


def test_memory(engine: Engine, fresh: Container) -> None:
    if not measures_memory(engine):
        with pytest.raises(EngineError, match=r"does not measure the memory .* without root, .* groups of version 1; "):
            fresh.memory()
        return
    before = fresh.memory()
    assert 0 < before < 100_000_000
    fresh.run("head -c 30000000 /dev/zero >/dev/shm/x", check=True)
    assert fresh.memory() - before > 29_000_000
    holding = "x=$(head -c 20000000 /dev/zero | tr '\\0' x); echo ready >/tmp/ready; sleep 300; :"
    fresh.run(f"({holding}) </dev/null >/dev/null 2>&1 &")
    fresh.run("while [ ! -e /tmp/ready ]; do sleep 0.1; done", timeout=60)
    assert fresh.memory() - before > 48_000_000


def test_memory_is_what_the_engine_says(engine: Engine, alpine: Image, client: DockerClient) -> None:
    if not measures_memory(engine):
        pytest.skip("its containers have no control groups")
    with engine.start(alpine) as fresh:
        fresh.run("head -c 30000000 /dev/zero >/dev/shm/x", check=True)
        # The engine's own way takes it a second.
        stats = client.api.stats(fresh.id, stream=False)["memory_stats"]
        assert abs(fresh.memory() - stats["usage"]) < 20_000_000


def test_logs(engine: Engine, alpine: Image) -> None:
    with engine.start(alpine) as container:
        container.run("echo told >/proc/1/fd/1; echo grumbled >/proc/1/fd/2", check=True)
        deadline = time.monotonic() + 5
        while len(container.logs().splitlines()) < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert sorted(container.logs().splitlines()) == ["grumbled", "told"]


def test_an_image_without_a_shell(engine: Engine, build: Callable[..., Image], platform: Platform) -> None:
    program = File(pause_program(platform.machine) or b"", mode=0o755)
    layer = layer_tar({"wait": program, "etc/os-release": "ID=tiny\n", "bin": Directory()})
    image = build(layer, scratch=True, config={"Entrypoint": ["/wait"]})
    with engine.start(image) as container:
        assert container.read("/etc/os-release") == b"ID=tiny\n"
        assert container.release.id == "tiny"
        assert container.shell is None
        assert container.shells == ()
        assert container.libc.kind == "none"
        assert "/wait" in [entry.path for entry in container.rootfs.walk()]
        assert not measures_memory(engine) or container.memory() >= 0
        container.write("/etc/new", "x")
        assert container.read("/etc/new") == b"x"
        assert container.run(["/no/such/program"]).exit_code == 127
        assert "no such file" in container.run(["/no/such/program"]).stderr
        with pytest.raises(EngineError, match=r"cannot run 'true' in container \S+: it has no /bin/sh"):
            container.run("true")
        with pytest.raises(EngineError, match=r"did not end within 0.5 s; it runs on, as no shell can kill it"):
            container.run(["/wait"], timeout=0.5)


def test_a_shell_that_cannot_start(engine: Engine, build: Callable[..., Image]) -> None:
    layer = layer_tar({"bin/sh": Symlink("/bin/echo"), "bin/echo": File(b"#!/no/such/interpreter\n", mode=0o755)})
    before = ours(engine)
    expected = r"cannot start container pytest-alpine-built-\S+ of oci:.*(exit code|no such file)"
    with pytest.raises(ContainerStartError, match=expected) as caught:
        engine.start(build(layer, scratch=True))
    assert str(caught.value).count("cannot start container") == 1
    assert "\n" not in str(caught.value)
    assert ours(engine) == before


def test_programs_for_no_machine_here(engine: Engine, build: Callable[..., Image], platform: Platform) -> None:
    # An ELF for a machine that nobody emulates, as on an engine far away that lacks an emulator.
    foreign = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\x00\xff\x42" + bytes(200)
    image = build(layer_tar({"bin/sh": File(foreign, mode=0o755)}), scratch=True)
    refused = r"container pytest-alpine-built-\S+ of oci:.*: {}the kernel refuses its programs \(exec format error\){}"
    before = ours(engine)
    with another(engine) as other:
        other.machines = Machines(native=NATIVE, handlers=None)
        if platform == NATIVE:
            expected = refused.format("", ": they are not programs for its platform")
            with pytest.raises(ContainerStartError, match=expected):
                other.start(image)
        else:
            expected = refused.format(
                r"linux/\S+ does not run here: ", "; register its emulator: docker run --privileged"
            )
            with pytest.raises(PlatformNotRunnable, match=expected):
                other.start(image)
    assert ours(engine) == before


def test_a_platform_without_an_emulator(engine: Engine, alpine: Image) -> None:
    with another(engine) as other:
        other.machines = Machines(native=Platform.parse("riscv64"), handlers=())
        with pytest.raises(
            PlatformNotRunnable, match=r"does not run here: no emulator is registered on this linux/ris"
        ):
            other.start(alpine)


def test_an_engine_without_an_init_process(alpine: Image) -> None:
    with closing(DockerEngine()) as engine:
        engine._starter._has_init = False
        with engine.start(alpine) as container:
            assert container.run("echo $((6 * 7))").stdout == "42\n"
            assert "pytest-alpine-pause" in container.run("ps -o pid,args | grep '^ *1 '").stdout
            assert container.packages == alpine.packages


def test_an_engine_without_an_init_process_on_an_unknown_machine(alpine: Image) -> None:
    with closing(DockerEngine()) as engine:
        engine._starter._has_init = False
        engine._starter._native = Platform.parse("s390x").machine
        with pytest.raises(
            ContainerStartError, match=r"cannot keep a container of minirootfs:\S+ .* running: it has no /"
        ):
            engine.start(alpine)


def test_an_engine_far_away_is_described() -> None:
    with closing(DockerEngine()) as engine:
        engine.machines = Machines(native=NATIVE, handlers=None)
        assert engine.describe().endswith("; which platforms it emulates, trying tells")
        engine.machines = Machines(native=NATIVE, handlers=())
        assert engine.describe().endswith("; emulated: none")


@pytest.mark.usefixtures("client")  # a sandbox's files are unpacked from the store, which heals itself
def test_a_layer_that_is_cut_while_it_is_loaded(engine: Engine, build: Callable[..., Image]) -> None:
    image = build(layer_tar({"big": "x" * 3_000_000}), config={"Labels": {"made": str(time.time_ns())}}, scratch=True)
    tar = image.stored_layers[0].tar
    tar.write_bytes(tar.read_bytes()[:100_000])
    with pytest.raises(EngineError, match=r"cannot load oci:.* into the engine: .*(unexpected EOF|does not match)"):
        engine.start(image)


def test_interrupted_while_it_starts(engine: Engine, alpine: Image, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: object) -> None:
        raise KeyboardInterrupt

    before = ours(engine)
    monkeypatch.setattr("pytest_alpine.engine.exec.commands.Commands.start_shell", interrupted)
    with pytest.raises(KeyboardInterrupt):
        engine.start(alpine)
    assert ours(engine) == before


def test_stopping_twice(engine: Engine, alpine: Image) -> None:
    container = engine.start(alpine)
    container.stop()
    container.stop()


def test_a_kept_container(engine: Engine, alpine: Image, client: DockerClient) -> None:
    with another(engine) as other:
        container = other.start(alpine)
        command = container.keep()
    try:
        assert command == container.enter_command
        assert command.startswith(f"{engine.name} exec -it pytest-alpine-kept-latest-")
        name = command.split()[3]
        assert client.containers.get(name).status == "running"
        engine.sweep()
        assert client.containers.get(name).status == "running"
    finally:
        client.api.remove_container(container.id, force=True, v=True)


def test_what_a_closed_engine_started_is_gone(engine: Engine, alpine: Image) -> None:
    with another(engine) as other:
        names = [other.start(alpine).id for _ in range(2)]
        assert set(names) <= there(engine)
    assert not set(names) & there(engine)


RUN_AND_WAIT = """
import json, sys, time
from pathlib import Path
from pytest_alpine import open_image
from pytest_alpine.engine.select import select_engine
from pytest_alpine.image.access import Access
from pytest_alpine.image.store.store import Store
said = []
access = Access(Store(Path(sys.argv[1])), progress=said.append)
container = select_engine(sys.argv[5]).start(open_image(sys.argv[2], sys.argv[3], access=access))
print(json.dumps([container.id, said, container.run("echo up").stdout]), flush=True)
time.sleep(float(sys.argv[4]))
container.stop()
"""


def start_elsewhere(engine: Engine, image: Image, seconds: float) -> subprocess.Popen[bytes]:
    """Start a container of *image* in a process of its own."""
    words = [str(image.store.root), str(image.reference), str(image.platform), str(seconds), engine.name]
    return subprocess.Popen(
        [sys.executable, "-c", RUN_AND_WAIT, *words],
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env=os.environ | {"COVERAGE_PROCESS_START": ""},
    )


def test_what_a_killed_run_left_is_removed(engine: Engine, alpine: Image) -> None:
    with start_elsewhere(engine, alpine, 300) as killed, start_elsewhere(engine, alpine, 300) as living:
        assert killed.stdout is not None
        assert living.stdout is not None
        left, stays = (json.loads(process.stdout.readline())[0] for process in (killed, living))  # type: ignore[union-attr]  # as above
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        removed = engine.sweep()  # or another run's, which may come first
        assert left not in there(engine)
        assert stays in there(engine)
        assert all(name.startswith("pytest-alpine-") for name in removed)
        living.kill()
        living.wait()
        engine.sweep()
        assert stays not in there(engine)


def test_an_image_is_loaded_once(engine: Engine, build: Callable[..., Image]) -> None:
    image = build(layer_tar({"made": str(time.time_ns())}))
    processes = [start_elsewhere(engine, image, 0) for _ in range(3)]
    told = [json.loads(process.communicate(timeout=120)[0]) for process in processes]
    assert [up for _, _, up in told] == ["up\n"] * 3
    assert sum(line.startswith(("loading", "unpacking")) for _, said, _ in told for line in said) == 1


def test_another_image_by_our_name(build: Callable[..., Image], alpine: Image, client: DockerClient) -> None:
    image = build(config={"Labels": {"made": str(time.time_ns())}})
    name = f"pytest-alpine:{image.id.removeprefix('sha256:')}"
    with closing(DockerEngine()) as engine:
        engine.start(alpine).stop()
        other = build(layer_tar({"x": "y"}), config={"Labels": {"made": str(time.time_ns())}})
        engine.start(other).stop()
        client.api.tag(other.id, "pytest-alpine", name.partition(":")[2])
        with pytest.raises(EngineError, match=f"the engine holds other layers as {name}; remove it: docker rmi"):
            engine.start(image)


def test_no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    with pytest.raises(EngineUnavailable, match=r"no Docker engine answers at tcp://127.0.0.1:1"):
        DockerEngine()


def test_an_engine_that_dies(alpine: Image, client: DockerClient, monkeypatch: pytest.MonkeyPatch) -> None:
    with CutProxy() as proxy:
        monkeypatch.setenv("DOCKER_HOST", proxy.url)
        engine = DockerEngine()
        container = engine.start(alpine)
        assert container.run("echo up").stdout == "up\n"
        with ThreadPoolExecutor(1) as threads:
            running = threads.submit(container.run, "sleep 20")
            time.sleep(0.5)
            proxy.cut()
            with pytest.raises(EngineUnavailable, match="the connection to the engine broke"):
                running.result(timeout=15)
        for call in (lambda: container.run("true"), container.logs, lambda: engine.start(alpine), engine.sweep):
            with pytest.raises(EngineUnavailable):
                call()
        with pytest.raises(EngineUnavailable):
            engine.close()
    client.api.remove_container(container.id, force=True, v=True)
