from __future__ import annotations

import io
import struct

import pytest
from hypothesis import given, settings, strategies as st

from pytest_alpine.elf.arm_attributes import ArmAttributes, read_arm_attributes
from pytest_alpine.errors import AlpineError, MalformedImage
from tests.support.elf import Arm, Elf, elf_for

V6 = bytes(elf_for("linux/arm/v6", arm=Arm(cpu_arch=7, fp_arch=2)))


@pytest.mark.parametrize(
    ("arm", "expected"),
    [
        (Arm(cpu_arch=6, fp_arch=2), ArmAttributes(architecture=6, fp_arch=2, hard_float=True)),
        (Arm(cpu_arch=7, fp_arch=2), ArmAttributes(architecture=6, fp_arch=2, hard_float=True)),
        (Arm(cpu_arch=9, fp_arch=2), ArmAttributes(architecture=6, fp_arch=2, hard_float=True)),
        (Arm(cpu_arch=10, fp_arch=4), ArmAttributes(architecture=7, fp_arch=4, hard_float=True)),
        (Arm(cpu_arch=14, fp_arch=7), ArmAttributes(architecture=8, fp_arch=7, hard_float=True)),
        (Arm(cpu_arch=4, fp_arch=0, vfp_args=0), ArmAttributes(architecture=5, fp_arch=0, hard_float=False)),
        (Arm(cpu_arch=12, fp_arch=0, vfp_args=0), ArmAttributes(architecture=None, fp_arch=0, hard_float=False)),
    ],
    ids=["v6", "v6kz", "v6k", "v7", "v8", "v5te-soft", "microcontroller"],
)
def test_processors(arm: Arm, expected: ArmAttributes) -> None:
    data = bytes(elf_for("linux/arm/v7", arm=arm))
    assert read_arm_attributes(data, "x") == expected
    assert read_arm_attributes(io.BytesIO(data), "x") == expected


@pytest.mark.parametrize("elf", [Elf(), elf_for("linux/arm/v7")], ids=["other-machine", "stripped"])
def test_files_without_attributes(elf: Elf) -> None:
    assert read_arm_attributes(bytes(elf), "x") is None


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "ELFError: Magic number does not match"),
        (V6[:40], "ELFParseError: "),
        (V6[:-30], "ELFParseError: "),
        (V6.replace(b"Aaeabi", b"Zaeabi").replace(b"A\x1a", b"Z\x1a"), "ELFError: Unknown attributes version Z"),
    ],
    ids=["empty", "header-cut", "sections-cut", "version"],
)
def test_broken_files(data: bytes, problem: str) -> None:
    with pytest.raises(MalformedImage) as caught:
        read_arm_attributes(data, "/bin/x")
    assert str(caught.value).startswith(f"/bin/x: broken ELF file: {problem}")


def test_a_section_that_leads_back_to_itself_is_given_up() -> None:
    data = bytearray(V6.replace(b"aeabi", b"other"))
    struct.pack_into("<I", data, data.index(b"other") - 4, 0)  # a subsection of no length: the next one is this one
    with pytest.raises(MalformedImage, match=r"x: broken ELF file: .*still not done after 50000 reads"):
        read_arm_attributes(bytes(data), "x")


@settings(max_examples=300)
@given(changes=st.lists(st.tuples(st.integers(0, len(V6)), st.integers(0, 255)), min_size=1, max_size=6))
def test_damaged_files_raise_nothing_but_errors_of_ours(changes: list[tuple[int, int]]) -> None:
    data = bytearray(V6)
    for place, new in changes:
        data[place : place + 1] = bytes([new])
    try:
        read_arm_attributes(bytes(data), "x")
    except AlpineError as error:
        assert str(error).startswith("x: broken ELF file: ")  # noqa: PT017 - some damaged files raise, not all
