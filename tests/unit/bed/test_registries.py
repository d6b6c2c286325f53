"""The two registries, running, and the whole command."""

from __future__ import annotations

import hashlib
import pwd
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests

from tests.bed import apt, mirror, podman, process, publish, registry
from tests.bed.images import OCI
from tests.bed.state import State, load

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[3]
NEEDS_REGISTRY = pytest.mark.skipif(
    any(apt.find(program) is None for program in registry.PROGRAMS),
    reason=f"no registry; run: {apt.command(*registry.PROGRAMS.values())}",
)


@pytest.fixture
def running(bed: Path) -> Iterator[State]:
    """Both registries, empty."""
    assert not bed.exists()
    state = State()
    registry.up(state)
    yield state
    registry.down(state)


@NEEDS_REGISTRY
def test_everything_published_can_be_fetched(running: State, small_mirror: Path) -> None:
    host, releases = registry.open_host(running), mirror.releases(small_mirror)
    assert host is not None
    assert publish.publish(host, releases) == 24
    assert publish.publish(host, releases) == 0
    tags = requests.get(f"http://{host}/v2/alpine/tags/list", timeout=5).json()["tags"]
    assert sorted(tags) == sorted(tag for release in releases for tag in release.tags)
    url = f"http://{host}/v2/alpine"
    image = requests.get(f"{url}/manifests/3", headers={"Accept": OCI.index}, timeout=5).json()
    for entry in image["manifests"]:
        headers = {"Accept": entry["mediaType"]}
        manifest = requests.get(f"{url}/manifests/{entry['digest']}", headers=headers, timeout=5).json()
        for part in (manifest["config"], *manifest["layers"]):
            data = requests.get(f"{url}/blobs/{part['digest']}", timeout=5).content
            assert f"sha256:{hashlib.sha256(data).hexdigest()}" == part["digest"]


@NEEDS_REGISTRY
def test_the_secure_registry_wants_a_password(running: State, small_mirror: Path) -> None:
    host, secure = registry.open_host(running), registry.secure(running)
    assert host is not None
    assert secure is not None
    publish.publish(host, mirror.releases(small_mirror))
    url, ca = f"https://{secure.host}/v2/alpine/tags/list", str(secure.ca)
    assert requests.get(url, verify=ca, timeout=5).status_code == 401
    assert requests.get(url, verify=ca, auth=(secure.username, "wrong"), timeout=5).status_code == 401
    assert requests.get(url, verify=ca, auth=(secure.username, secure.password), timeout=5).status_code == 200
    with pytest.raises(requests.exceptions.SSLError):
        requests.get(url, verify=True, timeout=5)
    assert secure.password not in repr(secure)


@NEEDS_REGISTRY
def test_a_registry_comes_back_on_its_port(running: State) -> None:
    before, record = registry.open_host(running), running.processes[registry.OPEN]
    process.stop(record)
    assert registry.open_host(running) is None
    assert registry.problem(running) == "registry: not running; run: python tests/testbed.py up"
    registry.up(running)
    assert registry.open_host(running) == before
    assert registry.problem(running) is None


@NEEDS_REGISTRY
@pytest.mark.docker
@pytest.mark.emulators
@pytest.mark.far
@pytest.mark.podman
def test_two_calls_of_up_make_one_test_bed(bed: Path, small_mirror: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_ALPINE_MIRROR", str(small_mirror))
    command = [sys.executable, "tests/testbed.py"]
    calls = [subprocess.Popen([*command, "up"], cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    try:
        printed = [call.communicate(timeout=120)[0] for call in calls]
        assert [call.returncode for call in calls] == [0, 0]
        assert printed[0] == printed[1]
        assert f"mirror            official: {small_mirror}\n" in printed[0]
        started = {"far-dockerd", "far-sshd", "podman", "podman-rootless", "registry", "secure-registry"}
        assert set(load().processes) == started
    finally:
        records = load().processes.values()
        subprocess.run([*command, "down"], cwd=ROOT, check=True)
        shutil.rmtree(Path(pwd.getpwnam(podman.USER).pw_dir) / podman.key(), ignore_errors=True)
    assert not any(process.alive(record) for record in records)
    status = subprocess.run([*command, "status"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert status.returncode == 1
    assert "registry and secure-registry: not running; run: python tests/testbed.py up" in status.stdout
    assert (bed / "credentials").is_dir()
