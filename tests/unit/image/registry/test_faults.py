"""What registries do wrong: they fall silent, break off, let addresses expire, and give other ranges than asked."""

from __future__ import annotations

import random
import socket
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from pytest_alpine.errors import ImageError
from pytest_alpine.image.access import Access
from pytest_alpine.image.registry import source as registry
from pytest_alpine.image.store.store import Store
from pytest_alpine.platforms import Platform
from pytest_alpine.reference import Reference
from tests.support.images import image, layer_tar
from tests.support.mirror import ROOT
from tests.support.registry_server import Fault, RegistryServer, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.registry_server import Silence

# Incompressible, so that a download of it can break in the middle.
NOISE = [layer_tar({"noise": random.Random(seed).randbytes(900_000)}) for seed in range(3)]
PLATFORMS = ("linux/amd64", "linux/arm64", "linux/s390x")
IMAGES = [image(tar, platform=name, compression="plain") for tar, name in zip(NOISE, PLATFORMS, strict=True)]
AMD64 = IMAGES[0]
LAYER = AMD64.layers[0].digest
TIMEOUT = 0.4


@pytest.fixture
def server() -> Iterator[RegistryServer]:
    with serving(RegistryServer()) as running:
        running.push("acme/app", "1.0", IMAGES)
        yield running


@pytest.fixture
def elsewhere(server: RegistryServer) -> Iterator[RegistryServer]:
    """The server that the registry redirects to, which keeps the blobs."""
    with serving(RegistryServer(blobs=server.blobs)) as running:
        server.blobs_at = f"http://{running.host}"
        yield running


@pytest.fixture
def access(tmp_path: Path) -> Access:
    return Access(Store(tmp_path / "store"), pull_timeout=4)


@pytest.fixture
def hasty(access: Access) -> Access:
    """An access that gives up soon."""
    return Access(access.store, pull_timeout=TIMEOUT)


def app(server: RegistryServer) -> Reference:
    return Reference.parse(f"registry:{server.host}/acme/app:1.0")


def pull(server: RegistryServer, access: Access, platform: str = "linux/amd64") -> bytes:
    (layer,) = registry.open_source(app(server), Platform.parse(platform), access).layers()
    return access.store.layer(layer).tar.read_bytes()


def refused(server: RegistryServer, access: Access, platform: str = "linux/amd64") -> str:
    with pytest.raises(ImageError) as caught:
        pull(server, access, platform)
    return str(caught.value)


def given_up(host: str) -> str:
    return (
        f"{host} does not answer: it was silent for 0.4 s, the pull timeout, and is not asked again in this run; "
        "try later, or allow more with --alpine-pull-timeout (--pull-timeout of pytest-alpine)"
    )


# Silence


@pytest.mark.parametrize("silence", ["answer", "headers", "body"])
@pytest.mark.parametrize("path", ["manifests/1.0", AMD64.config.digest, "/blobs/"], ids=["tag", "config", "blob"])
def test_a_silent_registry_is_given_up_once(server: RegistryServer, hasty: Access, path: str, silence: Silence) -> None:
    server.faults.append(Fault(path=path, silence=silence, cut=50, times=99))
    start = time.monotonic()
    first = refused(server, hasty)
    assert TIMEOUT * 0.9 <= time.monotonic() - start < TIMEOUT + 5
    assert first == given_up(server.host)
    assert server.asked(path) <= 4
    server.log.clear()
    assert [refused(server, hasty, platform) for platform in PLATFORMS] == [first] * 3
    assert server.log == []


@pytest.mark.parametrize("silence", ["answer", "headers", "body"])
@pytest.mark.parametrize("path", ["manifests/1.0", AMD64.config.digest, LAYER], ids=["tag", "config", "layer"])
def test_one_silence_is_forgiven(server: RegistryServer, access: Access, path: str, silence: Silence) -> None:
    server.faults.append(Fault(path=path, silence=silence, cut=50))
    assert pull(server, access) == NOISE[0]


def test_a_host_that_takes_no_connection(hasty: Access) -> None:
    with socket.socket() as listener, ExitStack() as stack:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        for _ in range(4):  # the kernel takes these, and passes over the next
            one = stack.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex(address)
        there = RegistryServer(host=f"127.0.0.1:{address[1]}")
        assert [refused(there, hasty) for _ in range(2)] == [given_up(there.host)] * 2


def test_a_silent_token_server(server: RegistryServer, hasty: Access) -> None:
    server.login = "bearer"
    with serving(RegistryServer(faults=[Fault(path="/token", silence="answer", times=99)])) as tokens:
        server.token_at = f"http://{tokens.host}"
        assert [refused(server, hasty, platform) for platform in PLATFORMS] == [given_up(tokens.host)] * 3
        assert tokens.asked("/token") <= 4


@pytest.mark.parametrize("silence", ["answer", "headers", "body"])
def test_a_silent_store_of_blobs(
    server: RegistryServer, elsewhere: RegistryServer, hasty: Access, silence: Silence
) -> None:
    elsewhere.faults.append(Fault(path="/elsewhere/", silence=silence, cut=50, times=99))
    assert [refused(server, hasty, platform) for platform in PLATFORMS] == [given_up(elsewhere.host)] * 3
    assert elsewhere.asked("/elsewhere/") <= 4


def test_a_known_tag_outlives_a_silent_registry(server: RegistryServer, access: Access) -> None:
    assert pull(server, access) == NOISE[0]
    server.faults.append(Fault(path="manifests/1.0", method="HEAD", silence="answer", times=99))
    told: list[str] = []
    again = Access(access.store, progress=told.append, pull_timeout=TIMEOUT)
    assert pull(server, again) == NOISE[0]
    assert told == [f"{given_up(server.host)}; {app(server)} is taken as it was last, {server.tags['acme/app', '1.0']}"]


def test_processes_of_one_run_give_up_together(server: RegistryServer, access: Access) -> None:
    server.faults.append(Fault(path="manifests/1.0", silence="answer", times=99))
    workers = [Access(access.store, pull_timeout=TIMEOUT, run="a run") for _ in range(3)]
    assert [refused(server, worker) for worker in workers] == [given_up(server.host)] * 3
    assert server.asked("manifests/1.0") <= 4


def test_processes_of_one_run_agree_on_a_tag_that_moves(server: RegistryServer, access: Access) -> None:
    workers = [Access(access.store, run="a run") for _ in range(2)]
    first = registry.open_source(app(server), Platform.parse("amd64"), workers[0])
    server.push("acme/app", "1.0", IMAGES[::-1])
    assert registry.open_source(app(server), Platform.parse("amd64"), workers[1]).digest == first.digest
    assert registry.published(app(server), workers[1])[0] == Platform.parse("amd64")
    assert registry.published(app(server), Access(access.store, run="the next run"))[0] == Platform.parse("s390x")
    assert server.asked("manifests/1.0") == 1 + 2  # the next run finds the tag moved


def test_threads_ask_for_one_token(server: RegistryServer, access: Access) -> None:
    server.login = "bearer"
    with ThreadPoolExecutor() as pool:
        assert list(pool.map(lambda name: pull(server, access, name), PLATFORMS)) == NOISE
    assert server.asked("/token") == 1


# Progress


def test_a_download_that_makes_progress_is_not_given_up(server: RegistryServer, access: Access) -> None:
    server.faults.append(Fault(path=LAYER, cut=50_000, times=15))
    assert pull(server, access) == NOISE[0]
    assert server.asked(LAYER) == 16


@pytest.mark.parametrize("ranges", [True, False], ids=["with-ranges", "without-ranges"])
def test_a_download_without_progress_is(server: RegistryServer, access: Access, ranges: bool) -> None:
    server.ranges = ranges
    server.faults += [Fault(path=LAYER, cut=50_000), Fault(path=LAYER, cut=0 if ranges else 50_000, times=99)]
    message = refused(server, access)
    assert "the answer breaks off: " in message or "the answer ends " in message
    assert message.endswith(" (tried 4 times)")
    assert server.asked(LAYER) == 5  # the last four brought nothing


def test_progress_is_told_while_little_comes(
    server: RegistryServer, access: Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pytest_alpine.image.http.download._REPORT_EVERY", 0.0)
    server.faults.append(Fault(path=LAYER, cut=100_000, times=8))
    told: list[str] = []
    pull(server, Access(access.store, progress=told.append))
    amounts = [float(line.rpartition(", ")[2].partition("/")[0]) for line in told]
    assert len(amounts) >= 8
    assert amounts == sorted(set(amounts))
    assert amounts[-1] == 0.9


def test_an_old_urllib3_reads_too(server: RegistryServer, access: Access, monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in ("HTTPResponse", "BaseHTTPResponse"):
        monkeypatch.delattr(f"urllib3.response.{kind}.read1")
    server.faults.append(Fault(path=LAYER, cut=300_000))
    assert pull(server, access) == NOISE[0]


# Ranges


@pytest.mark.parametrize("shift", [-1000, 1000])
def test_a_range_that_was_not_asked_for(server: RegistryServer, access: Access, shift: int) -> None:
    server.faults += [Fault(path=LAYER, cut=300_000), Fault(path=LAYER, shift=shift, times=99)]
    assert pull(server, access) == NOISE[0]
    assert server.asked(LAYER) == 3  # all of it, what went wrong, and all of it anew


@pytest.mark.parametrize("headers", [{"Content-Range": "bytes 7-8/9"}, {}], ids=["another", "untold"])
def test_a_range_from_a_server_that_was_asked_for_all(
    server: RegistryServer, access: Access, headers: dict[str, str]
) -> None:
    server.faults.append(Fault(path=LAYER, status=206, headers=headers, body=b"xx", times=99))
    given = headers.get("Content-Range", "")
    assert refused(server, access) == (
        f"http://{server.host}/v2/acme/app/blobs/{LAYER}: the server gives {given!r} "
        "(expected bytes from 0) (tried 4 times)"
    )


# Expired addresses


@pytest.mark.parametrize("status", [400, 401, 403])
@pytest.mark.parametrize("digest", [LAYER, AMD64.config.digest], ids=["layer", "config"])
def test_an_expired_address_is_asked_for_anew(
    server: RegistryServer, elsewhere: RegistryServer, access: Access, status: int, digest: str
) -> None:
    server.login = "bearer"
    elsewhere.faults.append(Fault(path=digest, status=status, headers={"WWW-Authenticate": 'Basic realm="x"'}))
    assert pull(server, access) == NOISE[0]
    assert server.asked(f"blobs/{digest}") == 2
    assert server.asked("/token") == 1


def test_an_address_that_expires_during_the_download(
    server: RegistryServer, elsewhere: RegistryServer, access: Access
) -> None:
    elsewhere.faults += [Fault(path=LAYER, cut=300_000), Fault(path=LAYER, status=403)]
    assert pull(server, access) == NOISE[0]
    assert server.asked(f"blobs/{LAYER}") == 3


def test_an_address_that_never_works_is_no_missing_login(
    server: RegistryServer, elsewhere: RegistryServer, access: Access
) -> None:
    elsewhere.faults.append(Fault(path=LAYER, status=403, times=99))
    assert refused(server, access) == (
        f"http://{server.host}/v2/acme/app/blobs/{LAYER}: {elsewhere.host}, where it redirects to, "
        "answers 403 Forbidden: the address may have expired (tried 4 times)"
    )


# Many processes

READER = """
import hashlib, sys
from pathlib import Path
from pytest_alpine.image.registry import source as registry
from pytest_alpine.image.access import Access
from pytest_alpine.image.store.store import Store
from pytest_alpine.reference import Reference

access = Access(Store(Path(sys.argv[1])), pull_timeout=float(sys.argv[3]), run=sys.argv[4])
reference = Reference.parse(sys.argv[2])
for platform in registry.published(reference, access):
    for layer in registry.open_source(reference, platform, access).layers():
        print(platform, hashlib.sha256(access.store.layer(layer).tar.read_bytes()).hexdigest())
"""


def faults(seed: int) -> list[Fault]:
    """Return one fault of every kind, for random blobs."""
    choose = random.Random(seed)

    def layer() -> str:
        return choose.choice(IMAGES).layers[0].digest

    return [
        Fault(path=layer(), silence="answer"),
        Fault(path=layer(), silence="body", cut=choose.randrange(800_000)),
        Fault(path=layer(), cut=choose.randrange(800_000), times=3),
        Fault(path=layer(), cut=0),
        Fault(path=layer(), status=403),
        Fault(path=layer(), status=503),
        Fault(path=layer(), cut=400_000),
        Fault(path=layer(), shift=choose.randrange(-300_000, 300_000)),
    ]


def test_processes_among_faults(server: RegistryServer, elsewhere: RegistryServer, access: Access) -> None:
    elsewhere.faults += faults(seed=1)
    argv = [sys.executable, "-c", READER, str(access.store.root), str(app(server)), "8", "this run"]
    readers = [subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, cwd=ROOT) for _ in range(3)]
    outputs = [process.communicate(timeout=60)[0] for process in readers]
    lines = [f"{name} {built.diff_ids[0].partition(':')[2]}\n" for name, built in zip(PLATFORMS, IMAGES, strict=True)]
    assert outputs == ["".join(lines)] * 3
    # The processes agree on the tag, and each document and blob comes once, but for what was broken off.
    assert server.asked("manifests/1.0") == 1
    assert Counter(server.log)[f"GET /v2/acme/app/manifests/{AMD64.manifest.digest}"] == 1
