"""The program that waits: right for every machine whose code is known."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from pytest_alpine.elf.reader import read_header
from pytest_alpine.engine.keepalive import READY, pause_program
from pytest_alpine.platforms import Platform

KNOWN = ["linux/amd64", "linux/386", "linux/arm64", "linux/arm/v7", "linux/riscv64"]


@pytest.mark.parametrize("platform", KNOWN)
def test_it_is_a_static_program(platform: str) -> None:
    machine = Platform.parse(platform).machine
    header = read_header(io.BytesIO(pause_program(machine) or b""), "pause")
    assert header.machine == machine.elf_machine
    assert header.interpreter is None


@pytest.mark.parametrize("platform", KNOWN)
def test_it_waits_and_costs_nothing(platform: str, tmp_path: Path) -> None:
    machine = Platform.parse(platform).machine
    emulator = shutil.which(f"qemu-{machine.qemu}-static")
    native = Platform.native().architecture == "amd64" and machine.qemu in {"x86_64", "i386"}
    if emulator is None and not native:
        pytest.skip(f"needs qemu-{machine.qemu}-static (apt-get install qemu-user-static)")
    program = tmp_path / "pause"
    program.write_bytes(pause_program(machine) or b"")
    program.chmod(0o755)
    reading, writing = os.pipe()
    command = [str(program)] if native else [emulator or "", str(program)]
    # The descriptor that it tells that it runs.
    redirected = ["sh", "-c", f'exec {READY}>/proc/self/fd/{writing}; exec "$@"', "sh", *command]
    with subprocess.Popen(redirected, pass_fds=[writing]) as process:
        os.close(writing)
        assert os.read(reading, 2) == b"\x7f"
        os.close(reading)
        time.sleep(0.3)
        assert process.poll() is None
        fields = Path(f"/proc/{process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        assert (fields[0], fields[11]) == ("S", "0"), "asleep, and no time used"
        process.terminate()
        assert process.wait() == -15


def test_other_machines_have_none() -> None:
    assert pause_program(Platform.parse("s390x").machine) is None
