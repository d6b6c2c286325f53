"""testinfra's own modules, unchanged, on the host of a container."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from testinfra.host import Host

from pytest_alpine import EngineError

if TYPE_CHECKING:
    from pytest_alpine import Container


@pytest.fixture
def host(container: Container) -> Host:
    return container.host


def test_it_is_a_host(container: Container, host: Host) -> None:
    assert isinstance(host, Host)
    assert container.host is host
    assert container.id in repr(host)


@pytest.mark.official
def test_packages(container: Container, host: Host) -> None:
    musl = host.package("musl")
    assert musl.is_installed
    assert container.packages["musl"].version > f"{musl.version}-r0" or str(
        container.packages["musl"].version
    ).startswith(musl.version)
    assert not host.package("bash").is_installed


def test_files(host: Host) -> None:
    passwd = host.file("/etc/passwd")
    assert passwd.exists
    assert passwd.is_file
    assert passwd.mode == 0o644
    assert passwd.user == "root"
    assert passwd.contains("^root:")
    assert passwd.content_string.startswith("root:")
    assert passwd.size == len(passwd.content)
    assert host.file("/bin/sh").is_symlink
    assert host.file("/tmp").is_directory
    assert not host.file("/nowhere").exists


def test_users_and_groups(host: Host) -> None:
    root = host.user("root")
    assert (root.uid, root.gid, root.home) == (0, 0, "/root")
    assert root.shell.startswith("/bin/")
    assert not host.user("nobody-knows-them").exists
    assert host.group("root").gid == 0


def test_commands(host: Host) -> None:
    assert host.run("echo %s", "it's").stdout == "it's\n"
    assert host.run("printf '\\377'").stdout_bytes == b"\xff"
    assert host.run("echo grün").stdout == "grün\n"
    assert host.run("exit 3").rc == 3
    assert host.check_output("pwd") == "/"
    assert host.run_test("false").failed
    assert host.exists("cat")
    assert not host.exists("no-such-program")
    with pytest.raises(AssertionError):
        host.check_output("false")


def test_other_users_need_no_sudo_in_the_image(host: Host) -> None:
    with host.sudo("nobody"):
        assert host.check_output("id -un") == "nobody"
        with host.sudo():
            assert host.check_output("id -un") == "root"
    assert host.check_output("id -un") == "root"
    with host.sudo("nobody-knows-them"), pytest.raises(EngineError):
        host.run("true")


def test_system_and_environment(container: Container, host: Host) -> None:
    assert host.system_info.type == "linux"
    assert host.environment()["PATH"].endswith("/bin")
    if container.release.version:
        assert host.system_info.distribution == "alpine"


def test_processes_and_sockets(fresh: Container) -> None:
    host = fresh.host
    fresh.run("nc -lk -s 127.0.0.1 -p 4711 -e cat </dev/null >/dev/null 2>&1 &")
    fresh.run("for i in 1 2 3 4 5 6 7 8 9 10; do netstat -ltn | grep -q :4711 && exit; sleep 0.2; done", check=True)
    assert host.socket("tcp://127.0.0.1:4711").is_listening
    assert not host.socket("tcp://127.0.0.1:4712").is_listening
    assert fresh.run("echo heard | nc 127.0.0.1 4711").stdout == "heard\n"
    assert any("4711" in process.args for process in host.process.filter())
    assert fresh.run("echo later").stdout == "later\n"


@pytest.mark.official
def test_services(host: Host) -> None:
    # Alpine's image has no service manager, and testinfra says so as on any machine.
    assert not host.exists("rc-service")
