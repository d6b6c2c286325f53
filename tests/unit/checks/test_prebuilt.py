"""Prebuilt files of Node packages: what nobody loads is passed over, and what Node loads is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_alpine import find_musl, find_platform, find_runnable
from tests.unit.checks.conftest import program

if TYPE_CHECKING:
    from tests.support.images import File, Node
    from tests.unit.checks.conftest import Build

VERSIONS = {"libc.so.6": ("GLIBC_2.14",)}


def musl(platform: str = "linux/amd64") -> File:
    """Return a plugin that was built for musl."""
    return program(platform, interpreter=None, flags_1=0, soname="x.node", needed=())


def glibc(platform: str = "linux/amd64") -> File:
    """Return a plugin that was built for glibc."""
    fields = {"needed": ("ld-linux-x86-64.so.2",), "versions": VERSIONS}
    return program(platform, interpreter=None, flags_1=0, soname="x.node", **fields)


# The names of real packages: bcrypt, utf-8-validate, leveldown, @serialport/bindings-cpp, @datadog/native-metrics,
# @datadog/pprof, @sentry/node-cpu-profiler, lmdb, sharp, lightningcss, @parcel/watcher, sodium-native, sqlite3.
RIGHT: dict[str, dict[str, File]] = {
    "libc-in-the-name": {"bcrypt/prebuilds/linux-x64/bcrypt.musl.node": musl(),
                         "bcrypt/prebuilds/linux-x64/bcrypt.glibc.node": glibc(),
                         "bcrypt/prebuilds/linux-arm64/bcrypt.glibc.node": glibc("linux/arm64"),
                         "bcrypt/prebuilds/linux-arm64/bcrypt.musl.node": musl("linux/arm64")},
    "no-libc-is-glibc": {"utf-8-validate/prebuilds/linux-x64/utf-8-validate.node": glibc(),
                         "utf-8-validate/prebuilds/linux-x64/utf-8-validate.musl.node": musl()},
    "no-libc-is-musl": {"x/prebuilds/linux-x64/x.node": musl(), "x/prebuilds/linux-arm/x.node": musl("linux/arm/v7")},
    "napi": {"leveldown/prebuilds/linux-x64/node.napi.musl.node": musl(),
             "leveldown/prebuilds/linux-x64/node.napi.glibc.node": glibc(),
             "leveldown/prebuilds/linux-arm/node.napi.armv7.node": glibc("linux/arm/v7"),
             "leveldown/prebuilds/android-arm64/node.napi.armv8.node": musl("linux/arm64")},
    "scope-in-the-name": {"@s/b/prebuilds/linux-x64/@s+b.glibc.node": glibc(),
                          "@s/b/prebuilds/linux-x64/@s+b.musl.node": musl(),
                          "@s/b/prebuilds/linux-arm64/@s+b.armv8.musl.node": musl("linux/arm64")},
    "libc-in-the-folder": {"@d/n/prebuilds/linuxglibc-x64/node-napi.node": glibc(),
                           "@d/n/prebuilds/linuxmusl-x64/node-napi.node": musl(),
                           "@d/n/prebuilds/linuxmusl-arm64/node-napi.node": musl("linux/arm64")},
    "abi-at-the-end": {"@d/p/prebuilds/linux-x64/dd_pprof.node.abi108.node": glibc(),
                       "@d/p/prebuilds/linux-x64/dd_pprof.musl.node.abi108.node": musl()},
    "abi-of-glibc-alone": {"@lmdb/lmdb-linux-x64/node.abi127.glibc.node": glibc(),
                           "@lmdb/lmdb-linux-x64/node.napi.musl.node": musl()},
    "one-folder": {"@s/p/lib/cpu_profiler-linux-x64-glibc-115.node": glibc(),
                   "@s/p/lib/cpu_profiler-linux-x64-musl-115.node": musl(),
                   "@s/p/lib/cpu_profiler-linux-arm64-musl-115.node": musl("linux/arm64")},
    "package-for-each": {"@img/sharp-linux-x64/lib/sharp-linux-x64-0.35.5.node": glibc(),
                         "@img/sharp-linuxmusl-x64/lib/sharp-linuxmusl-x64-0.35.5.node": musl(),
                         "@img/sharp-linux-arm64/lib/sharp-linux-arm64-0.35.5.node": glibc("linux/arm64")},
    "package-gnu": {"lightningcss-linux-x64-gnu/lightningcss.linux-x64-gnu.node": glibc(),
                    "lightningcss-linux-x64-musl/lightningcss.linux-x64-musl.node": musl(),
                    "lightningcss-linux-arm-gnueabihf/lightningcss.linux-arm-gnueabihf.node": glibc("linux/arm/v7")},
    "package-glibc": {"@parcel/watcher-linux-x64-glibc/watcher.node": glibc(),
                      "@parcel/watcher-linux-x64-musl/watcher.node": musl()},
    "node-pre-gyp": {"sqlite3/lib/binding/napi-v6-linux-glibc-x64/node_sqlite3.node": glibc(),
                     "sqlite3/lib/binding/napi-v6-linux-musl-x64/node_sqlite3.node": musl()},
    "arm-version-in-the-folder": {"x/prebuilds/linuxmusl-x64/x.node": musl(),
                                  "x/prebuilds/linuxmusl-arm-v7/x.node": musl("linux/arm/v7")},
    "of-bare": {"sodium-native/prebuilds/linux-x64/sodium-native.bare": glibc()},
}  # fmt: skip


def told(build: Build, files: dict[str, File], platform: str = "linux/amd64") -> dict[str, set[str]]:
    """Return the subjects that each check tells."""
    tree: dict[str, Node] = {f"app/node_modules/{path}": file for path, file in files.items()}
    image = build(tree, platform=platform)
    checks = {"runnable": find_runnable, "musl": find_musl, "platform": find_platform}
    start, end = "/app/node_modules/", " (no package)"
    found = {name: [finding.subject for finding in find(image)] for name, find in checks.items()}
    return {
        name: {subject.removeprefix(start).removesuffix(end) for subject in subjects}
        for name, subjects in found.items()
        if subjects
    }


@pytest.mark.parametrize("files", RIGHT.values(), ids=RIGHT)
def test_a_set_that_holds_the_right_file(build: Build, files: dict[str, File]) -> None:
    assert told(build, files) == {}


WRONG: dict[str, tuple[dict[str, File], dict[str, set[str]]]] = {
    "only-glibc": (
        {"b/prebuilds/linux-x64/b.node": glibc(), "b/prebuilds/linux-arm64/b.node": glibc("linux/arm64")},
        {"runnable": {"b/prebuilds/linux-x64/b.node"}, "musl": {"b/prebuilds/linux-x64/b.node"}},
    ),
    "musl-in-name-only": (
        {"b/prebuilds/linux-x64/b.musl.node": glibc(), "b/prebuilds/linux-x64/b.glibc.node": glibc()},
        {
            "runnable": {"b/prebuilds/linux-x64/b.musl.node", "b/prebuilds/linux-x64/b.glibc.node"},
            "musl": {"b/prebuilds/linux-x64/b.musl.node", "b/prebuilds/linux-x64/b.glibc.node"},
        },
    ),
    "another-machine-in-its-place": (
        {"b/prebuilds/linux-x64/b.node": musl("linux/arm64"), "b/prebuilds/linux-arm/b.node": musl("linux/arm/v7")},
        {"platform": {"b/prebuilds/linux-x64/b.node"}},
    ),
    "none-for-this-platform": (
        {"@img/sharp-linux-arm64/lib/sharp.node": musl("linux/arm64")},
        {"platform": {"@img/sharp-linux-arm64/lib/sharp.node"}},
    ),
    "musl-of-another-machine": (
        {"b/prebuilds/linux-x64/b.glibc.node": glibc(), "b/prebuilds/linux-arm64/b.musl.node": musl("linux/arm64")},
        {"runnable": {"b/prebuilds/linux-x64/b.glibc.node"}, "musl": {"b/prebuilds/linux-x64/b.glibc.node"}},
    ),
    "built-here": (
        {"b/build/Release/b.node": glibc(), "b/prebuilds/linux-x64/b.musl.node": musl()},
        {"runnable": {"b/build/Release/b.node"}, "musl": {"b/build/Release/b.node"}},
    ),
    "another-package": (
        {"a/prebuilds/linux-x64/a.node": glibc(), "b/prebuilds/linux-x64/b.musl.node": musl()},
        {"runnable": {"a/prebuilds/linux-x64/a.node"}, "musl": {"a/prebuilds/linux-x64/a.node"}},
    ),
    "bare-is-there": (
        {"s/prebuilds/linux-x64/s.bare": glibc(), ".bin/bare": musl()},
        {"runnable": {"s/prebuilds/linux-x64/s.bare"}, "musl": {"s/prebuilds/linux-x64/s.bare"}},
    ),
}


@pytest.mark.parametrize(("files", "expected"), WRONG.values(), ids=WRONG)
def test_the_file_that_node_loads_is_checked(
    build: Build, files: dict[str, File], expected: dict[str, set[str]]
) -> None:
    assert told(build, files) == expected


def test_each_platform_has_a_file_of_its_own(build: Build) -> None:
    files = {
        f"b/prebuilds/linux-{name}/b.musl.node": musl(platform)
        for name, platform in {
            "x64": "linux/amd64", "arm64": "linux/arm64", "arm": "linux/arm/v7", "ia32": "linux/386",
            "s390x": "linux/s390x", "ppc64": "linux/ppc64le", "riscv64": "linux/riscv64",
        }.items()
    }  # fmt: skip
    for platform in ("linux/amd64", "linux/arm64", "linux/386", "linux/s390x", "linux/ppc64le", "linux/riscv64"):
        assert told(build, files, platform) == {}, platform


def test_outside_of_node_packages_nothing_is_passed_over(build: Build) -> None:
    image = build({"opt/linux-x64/b.glibc.so": glibc(), "opt/linux-x64/b.musl.so": musl()})
    assert [finding.subject for finding in find_musl(image)] == ["/opt/linux-x64/b.glibc.so (no package)"]
