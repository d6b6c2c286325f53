"""Podman's services: the user's own, and if root starts the test bed, one of an ordinary user created for it.

Both have their own storage and configuration files in the test bed's folder. Their runtime is runc, and their limits
are those that this machine allows a process.
"""

from __future__ import annotations

import hashlib
import os
import pwd
import resource
import shutil
import signal
import socket
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.bed import apt, process
from tests.bed.state import BedError, State, folder

NAME = "podman"
ROOTLESS = "podman-rootless"
USER = "pytest-alpine-bed"
PACKAGES = ("podman", "runc", "catatonit", "netavark", "slirp4netns", "uidmap")
RUNTIME = Path("/run")
DEVICES = (Path("/dev/net/tun"), Path("/dev/fuse"))  # open to all on most machines; rootless networks need them
OPEN_TO_ALL = 0o666


@dataclass(frozen=True, kw_only=True)
class Service:
    """One service of one user."""

    name: str
    user: pwd.struct_passwd
    files: Path
    runtime: Path

    @property
    def url(self) -> str:
        """The URL that it listens on."""
        return f"unix://{self.runtime}/podman.sock"

    def command(self) -> list[str]:
        """The command that starts it."""
        env = {
            "HOME": str(self.files),
            "XDG_RUNTIME_DIR": str(self.runtime),
            "CONTAINERS_CONF": str(self.files / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(self.files / "storage.conf"),
        }
        variables = [f"{name}={value}" for name, value in env.items()]
        # With these variables, it would be a client of another service.
        unset = ["--unset=CONTAINER_HOST", "--unset=CONTAINER_CONNECTION"]
        start = ["/usr/bin/env", *unset, "--chdir", str(self.runtime), *variables, apt.find(NAME) or NAME]
        if self.user.pw_uid != os.geteuid():
            ids = [f"--reuid={self.user.pw_uid}", f"--regid={self.user.pw_gid}", "--clear-groups"]
            start = [apt.find("setpriv") or "setpriv", *ids, *start]
        return [*start, "system", "service", "--time=0", self.url]

    def answers(self) -> bool:
        """Whether the service listens."""
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(self.url.removeprefix("unix://")) == 0


def url(name: str, state: State) -> str | None:
    """Return the URL of the service *name*; None if it does not listen."""
    known = state.processes.get(name)
    service = _service(name) if process.alive(known) else None
    return service.url if service is not None and service.answers() else None


def up(state: State) -> None:
    """Install podman, and start what is not running.

    Raises:
        BedError: it cannot be had; the text holds the command to run.
    """
    for program in ("podman", "runc", "catatonit", "newuidmap"):
        apt.require(program, *PACKAGES)
    for name in _names():
        if url(name, state) is None:
            process.stop_group(state.processes.pop(name, None))
            service = _service(name) or _made_for(name)
            _forget(service)
            _configure(service)
            state.processes[name] = process.start(name, service.command(), service.answers)


def problem(state: State) -> str | None:
    """Return which service does not run, and the command that starts it; None if all run."""
    stopped = [name for name in _names() if url(name, state) is None]
    if not stopped:
        return None
    if apt.find(NAME) is None and not apt.may_install():
        return f"podman is not installed; run: {apt.command(*PACKAGES)}"
    return f"{' and '.join(stopped)}: not running; run: {apt.UP}"


def down(state: State) -> None:
    """Stop the services and their containers. The images and the user stay."""
    for name in (NAME, ROOTLESS):
        process.stop_group(state.processes.pop(name, None))
        if (service := _service(name)) is not None:
            _forget(service)


def _names() -> tuple[str, ...]:
    return (NAME, ROOTLESS) if os.geteuid() == 0 else (ROOTLESS,)


def _service(name: str) -> Service | None:
    """Return the service *name*; None if its user is missing."""
    try:
        user = pwd.getpwuid(os.geteuid()) if name == NAME or os.geteuid() else pwd.getpwnam(USER)
    except KeyError:
        return None
    own = folder() if user.pw_uid == os.geteuid() else Path(user.pw_dir) / key()
    place = RUNTIME if os.geteuid() == 0 else Path(os.environ.get("XDG_RUNTIME_DIR", f"/run/user/{os.geteuid()}"))
    return Service(name=name, user=user, files=own / name, runtime=place / f"pytest-alpine-bed-{key()}" / name)


def key() -> str:
    """Return an identifier of this test bed: a hash of its folder, which is short enough for paths of sockets."""
    return hashlib.sha256(str(folder()).encode()).hexdigest()[:8]


def _made_for(name: str) -> Service:
    """The service *name*, after its user was made."""
    made = subprocess.run(["useradd", "--create-home", USER], capture_output=True, text=True, check=False)
    service = _service(name)
    if service is None:
        raise BedError(f"{name}: cannot make the user {USER}: {made.stderr.strip()}")
    return service


def _forget(service: Service) -> None:
    """Remove the leftovers of a service, as a restart of the machine would.

    A killed service refuses to start again if its containers still seem to run.
    """
    # The service mounts this folder on itself, and does not unmount it.
    subprocess.run(["umount", service.files / "storage" / "overlay"], check=False, capture_output=True)
    with suppress(OSError, ValueError):
        # The process that holds the user namespace outlives the service.
        holder = int((service.runtime / "libpod" / "tmp" / "pause.pid").read_text())
        if process.is_running(holder, "catatonit"):
            os.kill(holder, signal.SIGKILL)
    shutil.rmtree(service.runtime, ignore_errors=True)


def _configure(service: Service) -> None:
    """Write the configuration of *service*, and make its folders."""
    for place in (service.files, service.runtime):
        place.mkdir(parents=True, exist_ok=True)
        os.chown(place, service.user.pw_uid, service.user.pw_gid)
    (service.files / "containers.conf").write_text(_containers_conf())
    (service.files / "storage.conf").write_text(
        f'[storage]\ndriver = "overlay"\ngraphroot = "{service.files}/storage"\nrunroot = "{service.runtime}/storage"\n'
    )
    if service.name == ROOTLESS and os.geteuid() == 0:
        for device in filter(Path.exists, DEVICES):
            device.chmod(OPEN_TO_ALL)


def _containers_conf() -> str:
    """Return limits that the machine allows: by default, Podman asks for more files and processes, and fails."""
    limits = {
        "nofile": resource.getrlimit(resource.RLIMIT_NOFILE)[1],
        "nproc": min(resource.getrlimit(resource.RLIMIT_NPROC)[1], int(Path("/proc/sys/kernel/pid_max").read_text())),
    }
    listed = ", ".join(f'"{name}={limit}:{limit}"' for name, limit in limits.items())
    return (
        f"[containers]\ndefault_ulimits = [{listed}]\n"
        '[engine]\nruntime = "runc"\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n'
    )
