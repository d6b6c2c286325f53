"""The program that keeps a container running, without programs of the image and without processor time.

If there is an init process (``docker run --init``), the image's shell stops itself, which needs builtins only.
Otherwise, and in images without a shell, a program of a few bytes is copied into the container, and waits. Spec of its
format: the System V ABI, "Object Files".
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from pytest_alpine.engine.exec.command import SHELL

if TYPE_CHECKING:
    from pytest_alpine.platforms import Machine

BY_SHELL: Final = (SHELL, "-c", "while :; do kill -STOP $$; done")
"""Stops the shell, again if it is continued. Needs an init process, because process 1 cannot be stopped."""

PROGRAM: Final = "/.pytest-alpine-pause"
"""The path that the program is copied to."""

READY: Final = 3
"""The descriptor that the program writes a byte to when it runs, if it is open."""

_BASE: Final = 0x400000
_PAGE: Final = 0x10000  # bytes of the largest page of any machine
_READ_EXECUTE: Final = 5

# By e_machine. Each program writes its first byte to READY, and then waits for signals in a loop.
_CODE: Final = {
    # mov $3, %edi; mov $_BASE, %esi; mov $1, %edx; mov $1 (write), %eax; syscall
    # mov $34 (pause), %eax; syscall; jmp
    62: bytes.fromhex("bf 03000000  be 00004000  ba 01000000  b8 01000000  0f05  b8 22000000  0f05  ebf7"),
    # mov $3, %ebx; mov $_BASE, %ecx; mov $1, %edx; mov $4 (write), %eax; int $0x80
    # mov $29 (pause), %eax; int $0x80; jmp
    3: bytes.fromhex("bb 03000000  b9 00004000  ba 01000000  b8 04000000  cd80  b8 1d000000  cd80  ebf7"),
    # mov x0, #3; mov x1, #_BASE; mov x2, #1; mov x8, #64 (write); svc #0
    # mov x0..x3, #0; mov x8, #73 (ppoll); svc #0; b
    183: bytes.fromhex(
        "600080d2 0108a0d2 220080d2 080880d2 010000d4000080d2 010080d2 020080d2 030080d2 280980d2 010000d4 faffff17"
    ),
    # mov r0, #3; mov r1, #_BASE; mov r2, #1; mov r7, #4 (write); svc 0
    # mov r7, #29 (pause); svc 0; b
    40: bytes.fromhex("0300a0e3 4018a0e3 0120a0e3 0470a0e3 000000ef  1d70a0e3 000000ef fcffffea"),
    # li a0, 3; lui a1, _BASE; li a2, 1; li a7, 64 (write); ecall
    # li a0..a3, 0; li a7, 73 (ppoll); ecall; j
    243: bytes.fromhex(
        "13053000 b7054000 13061000 93080004 7300000013050000 93050000 13060000 93060000 93089004 73000000 6ff09ffe"
    ),
}


def pause_program(machine: Machine) -> bytes | None:
    """Return a static program for *machine* that waits for ever; None if there is none for it."""
    code = _CODE.get(machine.elf_machine)
    if code is None:
        return None
    wide = machine.bits == 64  # noqa: PLR2004 - ELF has these two
    header_size, segment_size = (64, 56) if wide else (52, 32)
    start = _BASE + header_size + segment_size
    size = header_size + segment_size + len(code)
    ident = b"\x7fELF" + bytes([2 if wide else 1, 1, 1]) + bytes(9)
    word = "Q" if wide else "I"
    # e_type ET_EXEC, e_machine, e_version, e_entry, e_phoff, e_shoff, e_flags, and the sizes of all headers.
    # Kernels for ARM require EABI 5.
    flags = 0x5000000 if machine.elf_machine == 40 else 0  # noqa: PLR2004 - EM_ARM
    header = struct.pack(
        f"<HHI{word}{word}{word}IHHHHHH", 2, machine.elf_machine, 1, start, header_size, 0, flags, header_size,
        segment_size, 1, 0, 0, 0,
    )  # fmt: skip
    if wide:
        segment = struct.pack("<IIQQQQQQ", 1, _READ_EXECUTE, 0, _BASE, _BASE, size, size, _PAGE)
    else:
        segment = struct.pack("<IIIIIIII", 1, 0, _BASE, _BASE, size, size, _READ_EXECUTE, _PAGE)
    return ident + header + segment + code
