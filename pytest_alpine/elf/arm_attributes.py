"""Build attributes of ARM ELF files. In a stripped binary, only they distinguish arm/v7 from arm/v6.

Spec: https://github.com/ARM-software/abi-aa/blob/main/addenda32/addenda32.rst
"""

from __future__ import annotations

import io
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Final, cast

from pytest_alpine.errors import MalformedImage

if TYPE_CHECKING:
    from collections.abc import Iterator

# Tag_CPU_arch; Linux does not run on the microcontroller profiles (11 to 13, 16, 17, 21).
_ARCHITECTURES: Final = {0: 3, 1: 4, 2: 4, 3: 5, 4: 5, 5: 5, 6: 6, 7: 6, 8: 6, 9: 6, 10: 7, 14: 8, 15: 8, 22: 9}

# pyelftools reads an ordinary file about 5,000 times. In a file whose offsets form a loop, it would never stop.
_MAX_READS: Final = 50_000


@dataclass(frozen=True, kw_only=True, slots=True)
class ArmAttributes:
    """The ARM processors that a binary was built for."""

    architecture: int | None
    """The version of the architecture, such as 6 or 7; None if the file does not record it."""
    fp_arch: int
    """Tag_FP_arch: 0 none, 2 VFPv2, 3 VFPv3, 4 VFPv3-D16, ..."""
    hard_float: bool
    """Whether floating-point arguments are passed in VFP registers, as all of Alpine does."""


def read_arm_attributes(data: bytes | IO[bytes], where: str) -> ArmAttributes | None:
    """Return the build attributes of the ARM ELF file *data*, or None if it has none.

    Args:
        data: the bytes of the file, or a seekable stream of them.
        where: the name of the file in messages.

    Raises:
        MalformedImage: *data* is not an ELF file, or is broken; the message begins with *where*.
    """
    bounded = _Bounded(io.BytesIO(data) if isinstance(data, bytes) else data)
    with _elf_errors(where):
        tags = _tags(cast("IO[bytes]", bounded))
    if tags is None:
        return None
    return ArmAttributes(
        architecture=_ARCHITECTURES.get(tags.get("TAG_CPU_ARCH", -1)),
        fp_arch=tags.get("TAG_FP_ARCH", 0),
        hard_float=tags.get("TAG_ABI_VFP_ARGS", 0) == 1,
    )


def _tags(stream: IO[bytes]) -> dict[str, int] | None:
    from elftools.elf.elffile import ELFFile
    from elftools.elf.sections import ARMAttributesSection

    for section in ELFFile(stream).iter_sections():
        if isinstance(section, ARMAttributesSection):
            return {
                attribute.tag: attribute.value
                for subsection in section.iter_subsections("aeabi")
                for scope in subsection.iter_subsubsections("TAG_FILE")
                for attribute in scope.iter_attributes()
                if isinstance(attribute.value, int)
            }
    return None


class _TooManyReads(Exception):
    """A reader read a file more often than any ordinary file needs."""


class _Bounded(io.RawIOBase):
    """A stream that may be read a limited number of times."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._left = _MAX_READS

    def read(self, size: int = -1, /) -> bytes:
        """Return at most *size* bytes."""
        self._left -= 1
        if self._left < 0:
            raise _TooManyReads(f"still not done after {_MAX_READS} reads")
        return self._stream.read(size)

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Move to *offset*."""
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        """Return the position of the stream."""
        return self._stream.tell()


@contextmanager
def _elf_errors(where: str) -> Iterator[None]:
    try:
        yield
    # On broken files, pyelftools raises many kinds of exceptions, not only ELFError.
    except Exception as error:
        raise MalformedImage(f"{where}: broken ELF file: {type(error).__name__}: {error}") from error
