"""Real programs and libraries of known C library, from package indexes: none of musl's is taken for glibc's."""

from __future__ import annotations

import pytest

from pytest_alpine.elf.reader import read_elf
from pytest_alpine.elf.symbols import read_symbols
from tests.bed.binaries import Distribution, binaries, npm, wheel
from tests.bed.state import BedError

# GCC's libgcc_s versions its own symbols GLIBC_*: those of most machines but amd64 and arm have needs of it.
BUILDS = (
    wheel("numpy==2.4.6", "musl", "arm64"),
    wheel("cryptography==46.0.3", "musl", "arm64"),
    wheel("pydantic-core==2.41.5", "musl", "arm64"),
    wheel("zstandard==0.25.0", "musl", "s390x"),
    npm("@img/sharp-linuxmusl-arm64@0.35.5", "musl", "arm64"),
    npm("lightningcss-linux-arm64-musl@1.33.0", "musl", "arm64"),
    npm("@rollup/rollup-linux-ppc64-musl@4.67.4", "musl", "ppc64le"),
    wheel("cryptography==46.0.3", "glibc", "arm64"),
    wheel("pydantic-core==2.41.5", "glibc", "s390x"),
    npm("@img/sharp-linux-ppc64@0.35.5", "glibc", "ppc64le"),
    npm("lightningcss-linux-arm64-gnu@1.33.0", "glibc", "arm64"),
)


@pytest.mark.timeout(400)
@pytest.mark.parametrize("build", BUILDS, ids=str)
def test_the_c_library_of_real_binaries(build: Distribution) -> None:
    try:
        found = binaries(build)
    except BedError as error:
        pytest.skip(f"needs a package index: {error}")
    assert found
    for each in found:
        elf, symbols = read_elf(each.data, each.path), read_symbols(each.data, each.path)
        assert bool(elf.glibc_versions) is (build.libc == "glibc"), f"{build} {each.path}: {elf.version_needs}"
        assert symbols.defined
        assert not symbols.needed & symbols.defined
