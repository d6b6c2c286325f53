from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from pytest_alpine import assert_runnable, find_runnable, open_image, published_platforms
from pytest_alpine.image.access import Access
from pytest_alpine.image.store.store import Store
from pytest_alpine.platforms import PLATFORMS
from tests.support.elf import Elf, elf_for, glibc_loader, musl_loader
from tests.support.images import Directory, File, Symlink
from tests.support.mirror import MIRROR
from tests.unit.checks.conftest import Build, message_lines, program

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pytest_alpine import Image, Platform
    from tests.support.images import Node

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
SYSTEM = "/lib:/usr/local/lib:/usr/lib"
LOADER = "/lib/ld-musl-x86_64.so.1"
GLIBC = "/lib/ld-linux-x86-64.so.2"
GLIBC_HINT = "(built for glibc: build it for musl, or apk add gcompat, which runs many such programs)"
VERSIONS = {"libc.so.6": ("GLIBC_2.4", "GLIBC_2.34", "GLIBC_PRIVATE")}


def library(name: str = "libx.so.1", **fields: Any) -> File:  # noqa: ANN401 - the fields of Elf
    return program(interpreter=None, flags_1=0, soname=name, **fields)


def script(text: str, mode: int = 0o755) -> File:
    return File(f"{text}\necho hello\n".encode(), mode=mode)


def told(found: tuple[object, ...]) -> list[str]:
    return list(map(str, found))


@pytest.mark.parametrize("platform", PLATFORMS, ids=str)
def test_an_alpine_of_every_platform_runs(build: Build, platform: Platform) -> None:
    assert_runnable(build(platform=str(platform)))


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        (
            {"srv/app": program(interpreter=GLIBC, versions=VERSIONS, needed=("libc.so.6",))},
            f"/srv/app (no package): expected the program loader {GLIBC}, found nothing there {GLIBC_HINT}",
        ),
        (
            {"srv/app": program(interpreter="/lib/ld-musl-aarch64.so.1")},
            ("/srv/app (no package): expected the program loader /lib/ld-musl-aarch64.so.1, found nothing there "
            "(that is the loader of aarch64; this platform's is ld-musl-x86_64.so.1)"),
        ),
        (
            {"srv/app": program(interpreter="/opt/ld"), "opt/ld": Symlink("gone")},
            "/srv/app (no package): expected the program loader /opt/ld, found a link to nothing, 'gone'",
        ),
        (
            {"srv/app": program(interpreter="/opt/ld"), "opt/ld": File(b"text", mode=0o755)},
            "/srv/app (no package): expected the program loader /opt/ld, found a file that is no ELF file",
        ),
        (
            {"srv/app": program(interpreter="/opt/ld"), "opt/ld": File(musl_loader())},
            ("/srv/app (no package): expected the program loader /opt/ld, "
            "found a file that nobody may execute (mode 644)"),
        ),
        (
            {"srv/app": program(interpreter="/opt/ld"), "opt/ld": File(musl_loader("linux/arm64"), mode=0o755)},
            "/srv/app (no package): expected the program loader /opt/ld, found one for linux/arm64",
        ),
        (
            {"bin/busybox": program("linux/arm64")},
            "/bin/busybox (busybox-1.36.1-r29): expected a program for linux/amd64, found one for linux/arm64",
        ),
        (
            {"srv/app": File(bytes(elf_for("linux/amd64"))[:100], mode=0o755)},
            ("/srv/app (no package): expected an ELF file, "
            "found a broken one: truncated: program headers at byte 64, the file has 100"),
        ),
    ],
    ids=[
        "glibc", "loader-of-another-machine", "loader-link", "loader-text", "loader-mode", "loader-machine",
        "program-machine", "broken",
    ],
)  # fmt: skip
def test_programs_that_cannot_start(build: Build, changes: Mapping[str, Node], problem: str) -> None:
    assert told(find_runnable(build(changes))) == [problem]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        (
            {"srv/app": program(needed=("libgone.so.1",))},
            (f"/srv/app (no package): expected library libgone.so.1 in {SYSTEM}, found nothing "
            "(apk add so:libgone.so.1)"),
        ),
        (
            {"lib/libz.so.1": None, "srv/app": program(needed=("libz.so.1",))},
            (f"/srv/app (no package): expected library libz.so.1 in {SYSTEM}, found nothing "
            "(zlib-1.3.1-r1 is installed and provides it: apk fix zlib)"),
        ),
        (
            {"srv/app": program(needed=("libx.so.1",)), "opt/libx.so.1": library()},
            (f"/srv/app (no package): expected library libx.so.1 in {SYSTEM}, found nothing "
            "(/opt/libx.so.1 (no package) is not where it is looked for; apk add so:libx.so.1)"),
        ),
        (
            {"srv/app": program(needed=("libz.so.2",))},
            (f"/srv/app (no package): expected library libz.so.2 in {SYSTEM}, found nothing "
            "(there is /lib/libz.so.1 (zlib-1.3.1-r1); apk add so:libz.so.2)"),
        ),
        (
            {"srv/app": program(needed=("/opt/libx.so.1",))},
            "/srv/app (no package): expected library /opt/libx.so.1, found nothing (apk add so:libx.so.1)",
        ),
        (
            {"srv/app": program(needed=("libresolv.so.2",))},
            f"/srv/app (no package): expected library libresolv.so.2 in {SYSTEM}, found nothing {GLIBC_HINT}",
        ),
        (
            {"srv/app": program(needed=("libx.so.1",), runpath="/opt"), "opt/libx.so.1": "INPUT(libx.a)"},
            (f"/srv/app (no package): expected library libx.so.1 in /opt:{SYSTEM}, "
            "found /opt/libx.so.1, which is no library (apk add so:libx.so.1)"),
        ),
        (
            {
                "srv/app": program(needed=("libz.so.1",), runpath="/opt"),
                "opt/libz.so.1": program("linux/s390x", interpreter=None, flags_1=0),
            },
            (f"/srv/app (no package): expected library libz.so.1 in /opt:{SYSTEM}, "
            "found /opt/libz.so.1 for linux/s390x (musl takes the first file of that name)"),
        ),
        (
            {"srv/app": program(needed=("libx.so.1",)), "lib/libx.so.1": library(needed=("liby.so.1",))},
            (f"/lib/libx.so.1 (no package), loaded by /srv/app: expected library liby.so.1 in {SYSTEM}, found nothing "
            "(apk add so:liby.so.1)"),
        ),
        (
            {"usr/lib/plugin.so": library(needed=("liby.so.1",))},
            (f"/usr/lib/plugin.so (no package): expected library liby.so.1 in {SYSTEM}, found nothing "
            "(apk add so:liby.so.1)"),
        ),
        (
            {"usr/lib/plugin.so": library(needed=("libc.so.6",), versions=VERSIONS)},
            ("/usr/lib/plugin.so (no package): expected a file built for musl, "
            f"found one built for glibc, which needs GLIBC_2.34 {GLIBC_HINT}"),
        ),
        (
            {"etc/ld-musl-x86_64.path": "/opt\n/srv", "srv/app": program(needed=("libz.so.1",))},
            ("/srv/app (no package): expected library libz.so.1 in /opt:/srv, found nothing "
            "(/lib/libz.so.1 (zlib-1.3.1-r1) is not where it is looked for)"),
        ),
    ],
    ids=[
        "missing", "file-gone", "elsewhere", "other-version", "by-path", "of-glibc", "linker-script",
        "another-machine-first", "of-a-library", "plugin", "glibc-plugin", "path-file",
    ],
)  # fmt: skip
def test_libraries_that_are_not_found(build: Build, changes: Mapping[str, Node], problem: str) -> None:
    assert told(find_runnable(build(changes))) == [problem]


GCOMPAT: dict[str, Node] = {
    GLIBC[1:]: program(payload=b"/lib/ld-musl-x86_64.so.1\0libgcompat.so.0\0"),
    "lib/libgcompat.so.0": library("libgcompat.so.0"),
}


@pytest.mark.parametrize(
    ("changes", "config"),
    [
        ({"srv/app": program(needed=("libc.so.6", "libm.so.6", "libpthread.so.0", "libc.musl-aarch64.so.1"))}, {}),
        ({"srv/app": program(needed=("libx.so.1",), runpath="/no:/opt"), "opt/libx.so.1": library()}, {}),
        ({"srv/app": program(needed=("libx.so.1",), rpath="$ORIGIN/../opt"), "opt/libx.so.1": library()}, {}),
        (
            {
                "srv/app": program(needed=("libx.so.1",), runpath="${ORIGIN}/lib"),
                "srv/lib/libx.so.1": library(needed=("liby.so.1",)),
                "srv/lib/liby.so.1": library(),
            },
            {},
        ),
        (
            {
                "lib/one.so": library(needed=("libx.so.1", "libw.so.1"), runpath="/opt"),
                "opt/libx.so.1": library(needed=("libw.so.1",)),
                "opt/libw.so.1": library(),
            },
            {},
        ),
        (
            {"srv/app": program(needed=("libx.so.1",)), "opt/libx.so.1": library()},
            {"Env": ["LD_LIBRARY_PATH=/no:/opt"]},
        ),
        ({"srv/app": program(needed=("libx.so.1",)), "lib/libx.so.1": Symlink("libz.so.1")}, {}),
        ({"srv/app": program(needed=("libx.so",)), "lib/libx.so": library("libc.so.6")}, {}),
        ({"srv/app": program("linux/386", interpreter=None, needed=())}, {}),
        ({"srv/app": File(bytes(Elf(machine=94, type=1)), mode=0o755)}, {}),
        ({"srv/app": File(bytes(elf_for("linux/arm64")))}, {}),
        ({"srv/data": b"\x7fELF"}, {}),
        ({**GCOMPAT, "srv/app": program(interpreter=GLIBC, needed=("libc.so.6",), versions=VERSIONS)}, {}),
        (
            {
                GLIBC[1:]: File(glibc_loader(), mode=0o755),
                "srv/app": program(interpreter=GLIBC, needed=("libresolv.so.2",), versions=VERSIONS),
                "lib/libresolv.so.2": library(versions=VERSIONS),
                "lib/x86_64-linux-gnu/liba.so.1": library(needed=("libb.so.1", GLIBC[5:]), versions=VERSIONS),
            },
            {},
        ),
    ],
    ids=[
        "names-of-musl", "runpath", "origin", "inherited", "brought-by-a-plugin", "library-path", "link",
        "another-libc",
        "386-on-amd64", "object-file", "not-executable", "data", "gcompat", "real-glibc",
    ],
)  # fmt: skip
def test_programs_that_start(build: Build, changes: Mapping[str, Node], config: Mapping[str, object]) -> None:
    assert_runnable(build(changes, config=config))


COMPAT = {
    "as-its-package-has-it": ({"lib/ld-linux-x86-64.so.2": Symlink("libc.musl-x86_64.so.1")}, GLIBC),
    "by-hand": ({"lib64/ld-linux-x86-64.so.2": Symlink("/lib/libc.musl-x86_64.so.1")}, f"/lib64{GLIBC[4:]}"),
    "lib64-is-lib": ({"lib64": Symlink("lib"), GLIBC[1:]: Symlink("libc.musl-x86_64.so.1")}, f"/lib64{GLIBC[4:]}"),
    "elsewhere": ({"opt/ld-linux-x86-64.so.2": Symlink(LOADER)}, "/opt/ld-linux-x86-64.so.2"),
}


@pytest.mark.parametrize(("links", "asked"), COMPAT.values(), ids=COMPAT)
def test_the_path_of_the_loader_decides_what_musl_is_asked_to_run(
    build: Build, links: Mapping[str, Node], asked: str
) -> None:
    needs: dict[str, Any] = {"needed": ("libc.so.6",), "versions": VERSIONS}
    assert_runnable(build({**links, "srv/app": program(interpreter=asked, **needs)}))
    (finding,) = find_runnable(build({**links, "srv/app": program(interpreter=LOADER, **needs)}))
    assert str(finding) == (
        f"/srv/app (no package): expected a file built for musl, found one built for glibc, "
        f"which needs GLIBC_2.34 {GLIBC_HINT}"
    )


def test_libraries_that_a_package_keeps_to_itself(build: Build) -> None:
    database = (
        "P:jre-headless\nV:21-r0\no:openjdk21\nF:usr/lib/jvm/lib\nR:libjava.so\nF:usr/lib/jvm/lib/server\nR:libjvm.so\n\n"
        "P:jre\nV:21-r0\no:openjdk21\nF:usr/lib/jvm/lib\nR:libawt.so\n\n"
    )
    files: dict[str, Node] = {
        "lib/apk/db/installed": database,
        "usr/lib/jvm/lib/libjava.so": library("libjava.so", needed=("libjvm.so",)),
        "usr/lib/jvm/lib/libawt.so": library("libawt.so", needed=("libjvm.so", "libjava.so"), runpath="$ORIGIN"),
        "usr/lib/jvm/lib/server/libjvm.so": library("libjvm.so"),
    }
    assert_runnable(build(files))
    (finding, *_) = find_runnable(build({**files, "opt/libown.so": library("libown.so", needed=("libjvm.so",))}))
    assert finding.subject == "/opt/libown.so (no package)"
    broken = {**files, "usr/lib/jvm/lib/server/libjvm.so": None}
    assert "library libjvm.so" in find_runnable(build(broken))[0].expected


def test_libraries_of_a_ring_are_told_once(build: Build) -> None:
    ring = {
        "lib/liba.so": library(needed=("libb.so",)),
        "lib/libb.so": library(needed=("liba.so", "libgone.so")),
    }
    (finding,) = find_runnable(build(ring))
    assert finding.subject == "/lib/libb.so (no package), loaded by /lib/liba.so"


BASH = "(apk add cmd:bash)"


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("#!/bin/bash -e", f"expected the interpreter /bin/bash, found nothing there {BASH}"),
        ("#! /usr/bin/env bash", f"expected the interpreter bash on PATH, {PATH}, found nothing there {BASH}"),
        ("#!/usr/bin/env /bin/bash", f"expected the interpreter /bin/bash, found nothing there {BASH}"),
        (
            "#!/usr/bin/env sh -e",
            (f"expected the interpreter 'sh -e' on PATH, {PATH}, found nothing there "
            "(env takes 'sh -e' as one name; only 'env -S' splits it)"),
        ),
        (
            "#!/usr/bin/env -S sh -e",
            "expected an env that splits '-S sh -e', found BusyBox, whose env splits nothing (apk add coreutils)",
        ),
        ("#!/opt/env -S -i A=b bash -e", f"expected the interpreter bash on PATH, {PATH}, found nothing there {BASH}"),
        ("#!/opt/env -vS sh 'x", "expected words behind 'env -S', found \"sh 'x\": No closing quotation"),
        (
            "#!/bin/sh\r",
            (r"expected the interpreter '/bin/sh\r', found nothing there "
            "(its first line ends with a carriage return, as on Windows)"),
        ),
        (
            "#!/bin/sh -e\r",
            (r"expected an argument that /bin/sh knows, found '-e\r' "
            "(its first line ends with a carriage return, as on Windows)"),
        ),
        (
            "#!/bin/sh \r",
            (r"expected an argument that /bin/sh knows, found '\r' "
            "(its first line ends with a carriage return, as on Windows)"),
        ),
        (
            "#!/bin/sh\recho mac\r",
            (r"expected the interpreter '/bin/sh\recho', found nothing there "
            "(its first line holds a carriage return, as on Windows)"),
        ),
        (
            "#!/usr/bin/env sh\r",
            (rf"expected the interpreter 'sh\r' on PATH, {PATH}, found nothing there "
            "(its first line ends with a carriage return, as on Windows)"),
        ),
        ("#!/usr/local/bin/sh", ("expected the interpreter /usr/local/bin/sh, found nothing there "
         "(there is /bin/sh)")),
        ("#!/etc", "expected the interpreter /etc, found a directory"),
        ("#!/etc/apk/arch", ("expected the interpreter /etc/apk/arch, found a file that nobody may execute (mode 644) "
         "(chmod a+x /etc/apk/arch)")),
        ("#!/usr/bin/env plain", (f"expected the interpreter plain on PATH, {PATH}, "
         "found a file that nobody may execute (mode 644) (chmod a+x /usr/bin/plain)")),
        ("#!  ", "expected an interpreter behind '#!', found none"),
    ],
    ids=[
        "path", "env", "env-path", "env-words", "busybox-env-split", "env-split", "env-quote", "carriage-return",
        "carriage-return-of-the-argument", "carriage-return-alone", "carriage-return-within", "carriage-return-env",
        "elsewhere", "directory", "mode", "mode-on-path", "none",
    ],
)  # fmt: skip
def test_scripts_without_their_interpreter(build: Build, line: str, problem: str) -> None:
    (finding,) = find_runnable(build({"srv/run": script(line), "opt/env": program(), "usr/bin/plain": "x"}))
    assert str(finding) == f"/srv/run (no package): {problem}"


@pytest.mark.parametrize(
    "node",
    [
        script("#!/bin/sh -e"),
        script("#!\t/bin/busybox sh"),
        script("#!/usr/bin/env sh"),
        script("#!/usr/bin/env /bin/sh"),
        script("#!/usr/bin/env -i"),
        script("#!/opt/env -S -u HOME -i A=b sh -e"),
        script("#!/opt/env --split-string=sh"),
        script("#!/bin/bash", mode=0o644),
        script("#!/opt/perl -w\r"),
        File(b"\x89PNG#!/bin/bash", mode=0o755),
    ],
    ids=["sh", "tab", "env", "env-path", "env-only", "env-split", "env-long", "not-executable", "perl-return", "data"],
)
def test_scripts_that_start(build: Build, node: File) -> None:
    assert_runnable(build({"srv/run": node, "opt/env": program(), "opt/perl": program()}))


def test_extras_of_packages_may_lack_what_their_package_does_not_ask_for(build: Build) -> None:
    database = (
        "P:openssl\nV:3.3-r0\nF:etc/ssl\nR:CA.pl\nR:new.sh\nF:usr/bin\nR:c_rehash\n\nP:dash\nV:1\np:cmd:dash=1\n\n"
    )
    files: dict[str, Node]
    perl, dash = script("#!/usr/bin/perl"), script("#!/bin/dash")
    files = {"etc/ssl/CA.pl": perl, "usr/bin/c_rehash": perl, "etc/ssl/new.sh": dash, "lib/apk/db/installed": database}
    assert told(find_runnable(build(files))) == [
        (
            "/etc/ssl/new.sh (openssl-3.3-r0): expected the interpreter /bin/dash, found nothing there "
            "(dash-1 is installed and provides it: apk fix dash)"
        ),
        (
            "/usr/bin/c_rehash (openssl-3.3-r0): expected the interpreter /usr/bin/perl, found nothing there "
            "(apk add cmd:perl)"
        ),
    ]


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        (
            {"Cmd": ["serve", "-a"]},
            f"CMD ['serve', '-a']: expected a program 'serve' on PATH, {PATH}, found nothing there (apk add cmd:serve)",
        ),
        (
            {"Entrypoint": ["/srv/gone"], "Cmd": ["x"]},
            "ENTRYPOINT ['/srv/gone', 'x']: expected a program '/srv/gone', found nothing there",
        ),
        (
            {"Entrypoint": ["app"], "Env": ["PATH=/opt:/bin"]},
            "ENTRYPOINT ['app']: expected a program 'app' on PATH, /opt:/bin, found nothing there (apk add cmd:app)",
        ),
        (
            {"Cmd": ["./plain"], "WorkingDir": "/srv"},
            (
                "CMD ['./plain']: expected a program './plain', found a file that nobody may execute (mode 644) "
                "(chmod a+x /srv/plain)"
            ),
        ),
        (
            {"Entrypoint": ["plain"], "Env": ["PATH=/bin:/srv"]},
            (
                "ENTRYPOINT ['plain']: expected a program 'plain' on PATH, /bin:/srv, "
                "found a file that nobody may execute (mode 644) (chmod a+x /srv/plain)"
            ),
        ),
        ({"Entrypoint": ["/srv"]}, "ENTRYPOINT ['/srv']: expected a program '/srv', found a directory"),
        (
            {"Cmd": ["/bin/sh -c app"]},
            (
                "CMD ['/bin/sh -c app']: expected a program '/bin/sh -c app', found nothing there "
                "(in JSON's form, each word is an item of its own)"
            ),
        ),
        (
            {"Cmd": ["/opt/run/text"]},
            (
                "CMD ['/opt/run/text']: expected a program at /opt/run/text, "
                "found a file that is neither ELF nor begins with '#!' "
                "(a shell script needs a first line such as '#!/bin/sh')"
            ),
        ),
        (
            {"Entrypoint": ["/sbin/tini", "-g", "--"], "Cmd": ["gone"]},
            f"ENTRYPOINT ['gone']: expected a program 'gone' on PATH, {PATH}, found nothing there (apk add cmd:gone)",
        ),
        (
            {"Cmd": ["/bin/sh", "-c", "exec gone --port 80"]},
            f"CMD ['gone']: expected a program 'gone' on PATH, {PATH}, found nothing there (apk add cmd:gone)",
        ),
        (
            {"Entrypoint": ["/sbin/tini", "--", "sh", "-c"], "Cmd": ["/srv/plain"]},
            (
                "ENTRYPOINT ['/srv/plain']: expected a program '/srv/plain', "
                "found a file that nobody may execute (mode 644) (chmod a+x /srv/plain)"
            ),
        ),
        ({"Entrypoint": [""]}, f"ENTRYPOINT ['']: expected a program '' on PATH, {PATH}, found nothing there"),
        (
            {"Healthcheck": {"Test": ["CMD", "curl", "-f"]}},
            (
                f"HEALTHCHECK ['curl', '-f']: expected a program 'curl' on PATH, {PATH}, "
                "found nothing there (apk add cmd:curl)"
            ),
        ),
        (
            {"Healthcheck": {"Test": ["CMD-SHELL", "curl -f x || exit 1"]}},
            f"HEALTHCHECK ['curl']: expected a program 'curl' on PATH, {PATH}, found nothing there (apk add cmd:curl)",
        ),
        (
            {"Healthcheck": {"Test": ["CMD-SHELL", "true"]}, "Shell": ["/bin/bash", "-c"]},
            (
                "HEALTHCHECK ['/bin/bash', '-c', 'true']: expected a program '/bin/bash', "
                "found nothing there (apk add cmd:bash)"
            ),
        ),
    ],
    ids=[
        "cmd",
        "entrypoint",
        "path",
        "mode",
        "mode-on-path",
        "directory",
        "one-word",
        "neither",
        "behind-init",
        "behind-a-shell",
        "behind-both",
        "empty",
        "health-check",
        "health-check-behind-a-shell",
        "shell-of-the-image",
    ],
)
def test_commands_that_do_not_start(build: Build, config: Mapping[str, object], problem: str) -> None:
    files: dict[str, Node] = {
        "srv/plain": "x",
        "opt/run/text": File(b"echo hello\n", mode=0o755),
        "sbin/tini": program(),
        "srv/app": program(),
    }
    assert told(find_runnable(build(files, config=config))) == [problem]


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"Cmd": ["/bin/sh"]},
        {"Entrypoint": ["app"], "Cmd": ["--help"], "Env": ["PATH=/srv"]},
        {"Entrypoint": ["./app"], "WorkingDir": "/srv"},
        {"Entrypoint": ["app"], "WorkingDir": "/srv", "Env": ["PATH=/bin:"]},
        {"Entrypoint": ["tini", "--unknown", "2"], "Cmd": ["gone"]},
        {"Entrypoint": ["tini", "--", "ldd"]},
        *(
            {"Cmd": ["/bin/sh", "-c", line]}
            for line in (
                "",
                "cd /srv && gone",
                "$APP",
                "PATH=$A gone",
                "gone() { :; }; gone",
                "(gone)",
                "[ -f x ]",
                "ldd",
                "/opt/run/text",
            )
        ),
        {"Cmd": ["/bin/sh", "-l"]},
        {"Healthcheck": {"Test": ["NONE"]}},
        {"Healthcheck": {"Test": ["CMD", "/srv/app"]}},
        {"Healthcheck": {"Test": ["CMD-SHELL", "[ -f /run/ready ] || exit 1"]}},
        {"Healthcheck": {"Test": ["unknown", "gone"]}},
    ],
    ids=str,
)
def test_commands_that_start(build: Build, config: Mapping[str, object]) -> None:
    files: dict[str, Node] = {
        "sbin/tini": program(),
        "srv/app": program(),
        "opt/run/text": File(b"echo hi\n", mode=0o755),
    }
    assert_runnable(build(files, config=config))


USERS: dict[str, Node] = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000::/:/bin/sh\n",
    "etc/group": "app:x:1000:\nwheel:x:10:root,app\n",
}


@pytest.mark.parametrize(
    ("user", "node", "closed"),
    [
        ("app", File(b"#!/bin/sh\n", mode=0o744), "/srv/run, a file of mode 0744, owner 0:0 (chmod a+rx /srv/run)"),
        ("1000", File(b"#!/bin/sh\n", mode=0o711), "/srv/run, a file of mode 0711, owner 0:0 (chmod a+rx /srv/run)"),
        ("app:app", File(b"#!/bin/sh\n", mode=0o750, gid=10), ("/srv/run, a file of mode 0750, owner 0:10 "
         "(chmod a+rx /srv/run)")),
        ("app", File(b"#!/bin/sh\n", mode=0o075, uid=1000), ("/srv/run, a file of mode 0075, owner 1000:0 "
         "(chmod a+rx /srv/run)")),
        ("app", Symlink("/root/run"), ("/root, a directory of mode 0700, owner 0:0 "
         "(put it where that user may go, as in /usr/local/bin)")),
    ],
    ids=["mode", "unreadable-script", "group-left-out", "owner", "folder"],
)  # fmt: skip
def test_a_command_that_the_user_may_not_start(build: Build, user: str, node: Node, closed: str) -> None:
    files = USERS | {"srv/run": node, "root": Directory(mode=0o700), "root/run": script("#!/bin/sh")}
    found = told(find_runnable(build(files, config={"Cmd": ["/srv/run"], "User": user})))
    assert found == [f"CMD ['/srv/run']: expected a program that USER {user} may start, found {closed}"]


@pytest.mark.parametrize(
    ("user", "node"),
    [
        ("", File(b"#!/bin/sh\n", mode=0o100)),
        ("0:0", File(b"#!/bin/sh\n", mode=0o100)),
        ("app", File(b"#!/bin/sh\n", mode=0o500, uid=1000)),
        ("app", File(b"#!/bin/sh\n", mode=0o750, gid=10)),
        ("app:wheel", File(b"#!/bin/sh\n", mode=0o750, gid=10)),
        ("app", replace(program(), mode=0o711)),
        ("nobody-knows", File(b"#!/bin/sh\n", mode=0o700)),
    ],
    ids=["root", "number-of-root", "owner", "further-group", "group", "program", "unknown-user"],
)
def test_a_command_that_the_user_may_start(build: Build, user: str, node: Node) -> None:
    assert_runnable(build(USERS | {"srv/run": node}, config={"Cmd": ["/srv/run"], "User": user}))


def test_where_all_files_are_an_ordinary_users_their_owners_say_nothing(build: Build) -> None:
    files: dict[str, Node] = {"./": Directory(uid=1234), "srv/run": File(b"#!/bin/sh\n", mode=0o700, uid=1234)}
    assert_runnable(build(USERS | files, config={"Cmd": ["/srv/run"], "User": "app"}))


def test_foreign_files_and_the_message(build: Build) -> None:
    files: dict[str, Node] = {
        "srv/guest": program("linux/arm64"),
        "srv/guest.sh": script("#!/guest"),
        "srv/dir/": Directory(),
    }
    guest = build(files)
    assert_runnable(guest, foreign="/srv/guest*")
    with pytest.raises(AssertionError) as caught:
        assert_runnable(guest)
    assert len(str(caught.value).splitlines()) == 3


@pytest.mark.official
@pytest.mark.parametrize("tag", ["edge", "3.20", "3.19", "3.13"])
def test_every_stock_image_runs(tag: str, tmp_path: Path) -> None:
    reference, access = f"minirootfs:{MIRROR}:{tag}", Access(Store(tmp_path))
    for platform in published_platforms(reference, access=access):
        stock = open_image(reference, platform, access=access)
        assert_runnable(stock)
        assert len(stock.binaries.elves) >= 16
        assert len(stock.binaries.scripts) >= 4


def test_the_whole_message(broken: Image) -> None:
    assert message_lines(broken, assert_runnable) == [
        (
            "CMD ['serve']: expected a program 'serve' on PATH, /usr/local/bin:/bin, found nothing there "
            "(apk add cmd:serve)"
        ),
        ("/usr/local/bin/run (no package): expected the interpreter /bin/bash, found nothing there (apk add cmd:bash)"),
        "/usr/local/bin/app (no package): expected a program for linux/arm64, found one for linux/amd64",
        (
            "/usr/local/bin/tool (no package): expected library libz.so.2 in /lib:/usr/local/lib:/usr/lib, "
            "found nothing (there is /lib/libz.so.1 (zlib-1.3.1-r1); apk add so:libz.so.2)"
        ),
        (
            "/usr/local/bin/tool (no package): expected library libnone.so.1 in /lib:/usr/local/lib:/usr/lib, "
            "found nothing (apk add so:libnone.so.1)"
        ),
    ]
