from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest

from pytest_alpine import (
    assert_clean,
    find_clean,
    find_runnable,
)
from pytest_alpine.checks.clean.registry import RULES
from tests.support.alpine import CONFIG, DATABASE, GOOD, GROUP, PASSWD, REPOSITORY, SHADOW, built, package
from tests.support.images import Device, Directory, File, Node, Symlink, whiteout

if TYPE_CHECKING:
    from pathlib import Path


TODAY = date(2026, 11, 5)
KEY = "-----BEGIN {}PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSj\n-----END PRIVATE KEY-----\n"
TZIF = b"TZif2" + b"\0" * 39 + b"TZif2" + b"\0" * 39


@dataclass(frozen=True, kw_only=True)
class Case:
    """An image that breaks one rule, and what is found."""

    rule: str
    id: str
    found: list[str]
    layer: dict[str, Node] = field(default_factory=dict)
    above: dict[str, Node] = field(default_factory=dict)
    """The members of a second layer."""
    config: dict[str, Any] = field(default_factory=dict)


def added(*packages: str, world: str = "") -> dict[str, Node]:
    """Return the members of an image that has *packages* too."""
    return {"lib/apk/db/installed": DATABASE + "".join(packages), "etc/apk/world": f"baselayout busybox {world}\n"}


CASES = [
    Case(
        rule="apk-cache",
        id="indexes",
        layer={"var/cache/apk/APKINDEX.1.tar.gz": b"x" * 2000, "etc/apk/cache/a.apk": b"xy"},
        found=[
            "/etc/apk/cache/a.apk: expected no file, found 2 B (install with apk add --no-cache)",
            "/var/cache/apk/APKINDEX.1.tar.gz: expected no file, found 2.00 kB (install with apk add --no-cache)",
        ],
    ),
    Case(
        rule="tool-caches",
        id="pip-and-npm",
        layer={
            "root/.cache/pip/http/1": b"12345",
            "root/.cache/pip/http/2": b"12345",
            "home/app/.npm/_cacache/x": b"1",
        },
        found=[
            (
                "/home/app/.npm/_cacache: expected no cache, found 1 file, 1 B "
                "(build with a cache mount, or without a cache)"
            ),
            "/root/.cache/pip: expected no cache, found 2 files, 10 B (build with a cache mount, or without a cache)",
        ],
    ),
    Case(
        rule="temporary-files",
        id="sources",
        layer={"tmp/src/a.c": b"1" * 10, "tmp/src/b.c": b"2" * 10, "var/tmp/x": Symlink("y"), "tmp/empty": Directory()},
        found=[
            "/tmp/empty: expected nothing left, found a directory (in the step that creates it: rm -rf /tmp/empty)",
            "/tmp/src: expected nothing left, found 2 files, 20 B (in the step that creates it: rm -rf /tmp/src)",
            "/var/tmp/x: expected nothing left, found a symlink (in the step that creates it: rm -rf /var/tmp/x)",
        ],
    ),
    Case(
        rule="root-home",
        id="history",
        layer={"root/.ash_history": "apk add curl\n", "root/.profile": "", "root/src/x": "1", "root/src/y": "2"},
        found=[
            (
                "/root/.ash_history: expected nothing left, found a file of 13 B "
                "(in the step that creates it: rm -rf /root/.ash_history)"
            ),
            "/root/src: expected nothing left, found 2 files, 2 B (in the step that creates it: rm -rf /root/src)",
        ],
    ),
    Case(
        rule="virtual-packages",
        id="build-deps",
        layer=added(
            package(".build-deps", "T:virtual meta package", "D:musl", version="20260616.002526"),
            package("tools", "T:virtual meta package", version="20260616.002527"),
            package(".python-rundeps", "T:virtual meta package", "D:musl", version="20260616.002528"),
            world=".build-deps=20260616.002526 tools .python-rundeps",
        ),
        found=[
            (
                ".build-deps: expected not installed, found version 20260616.002526, which needs musl "
                "(in the step that installs it: apk del .build-deps)"
            ),
            (
                "tools: expected not installed, found version 20260616.002527, which needs nothing "
                "(in the step that installs it: apk del tools)"
            ),
        ],
    ),
    Case(
        rule="repositories",
        id="edge-and-another-branch",
        layer={
            "etc/apk/repositories": f"{REPOSITORY}/main\n"
            "@edge https://mirror.example.com/alpine/edge/testing\n"
            "https://mirror.example.com/alpine/v3.20/community\n"
            "https://packages.example.com/alpine\n"
        },
        found=[
            (
                "@edge https://mirror.example.com/alpine/edge/testing: expected a repository of v3.24, "
                "found one of edge "
                "(packages of another branch bring their own libraries, or break with those that are here)"
            ),
            (
                "https://mirror.example.com/alpine/v3.20/community: expected a repository of v3.24, "
                "found one of v3.20 "
                "(packages of another branch bring their own libraries, or break with those that are here)"
            ),
        ],
    ),
    Case(
        rule="repositories",
        id="latest-stable",
        layer={"etc/apk/repositories": "https://mirror.example.com/alpine/latest-stable/main"},
        found=[
            (
                "https://mirror.example.com/alpine/latest-stable/main: expected a repository of v3.24, "
                "found one of latest-stable (it becomes another branch at the next release)"
            )
        ],
    ),
    Case(
        rule="release-files",
        id="two-releases",
        layer={"etc/alpine-release": "3.24.1\n"},
        found=["/etc/alpine-release: expected 3.24.2, the VERSION_ID of os-release, found 3.24.1"],
    ),
    Case(
        rule="apk-state",
        id="broken",
        layer=added(package("tool", "f:fs", "D:libfoo>=2"), package("libfoo"), world="tool libfoo")
        | {"etc/motd.apk-new": "hello"},
        found=[
            "tool: expected wholly installed, found apk failed with its files (apk fix tool)",
            "tool: expected wholly installed, found apk failed with a script of it (apk fix tool)",
            "tool: expected libfoo>=2, which it needs, found libfoo-1.0-r0 (apk fix --depends)",
            (
                "/etc/motd.apk-new: expected merged configuration, found a package's newer one beside it "
                "(merge it into /etc/motd, or delete it)"
            ),
        ],
    ),
    Case(
        rule="apk-state",
        id="world-not-met",
        layer={"etc/apk/world": "baselayout busybox curl !musl"},
        found=[
            "curl: expected installed, as /etc/apk/world says, found nothing (apk fix, or apk del)",
            "!musl: expected absent, as /etc/apk/world says, found musl-1.2.6-r2 (apk fix, or apk del)",
        ],
    ),
    Case(
        rule="package-files",
        id="changed-and-missing",
        layer=added(
            package("lib", files={"usr/lib/a": b"a", "usr/lib/b": b"b", "usr/lib/c": b"c", "usr/lib/d": b"d"}),
            package("conf", files={"etc/gone": b"x"}),
            world="lib conf",
        )
        | {"usr/lib/a": File(b"A", 0o755), "usr/lib/b": Symlink("d"), "usr/lib/c": Directory()},
        found=[
            "/usr/lib/a: expected the file of lib 1.0-r0, found other contents, 1 bytes (apk fix lib restores it)",
            "/usr/lib/b: expected the file of lib 1.0-r0, found a link to d (apk fix lib restores it)",
            "/usr/lib/c: expected the file of lib 1.0-r0, found a directory (apk fix lib restores it)",
            "/usr/lib/d: expected the file of lib 1.0-r0, found nothing there (apk fix lib restores it)",
            "/etc/gone: expected the file of conf 1.0-r0, found nothing there (apk fix conf restores it)",
        ],
    ),
    Case(
        rule="package-modes",
        id="mode-and-owner",
        layer={"bin/busybox": File(b"\x7fELF BusyBox v1.37.0 multi-call\0ash\0", mode=0o700, gid=101)},
        found=[
            "/bin/busybox: expected mode 0755, owner 0:0, found mode 0700, owner 0:101 (apk fix busybox restores it)"
        ],
    ),
    Case(
        rule="owners",
        id="unknown-group",
        layer={"etc/shadow": File(SHADOW.encode(), mode=0o640, gid=148)},
        found=["/etc/shadow: expected a group of /etc/group, found group 148, which is not there (group shadow is 42)"],
    ),
    Case(
        rule="unowned-elf",
        id="in-the-system",
        layer={
            "usr/bin/miner": File(b"\x7fELF x", mode=0o755),
            "usr/bin/script": File(b"#!/bin/sh\n", mode=0o755),
            "opt/tool": File(b"\x7fELF x"),
            "srv/server": File(b"\x7fELF x"),
        },
        found=[
            (
                "/usr/bin/miner: expected a file of a package, or no file, found an ELF file of no package, 6 bytes "
                "(package it, or put it in /usr/local or /opt)"
            )
        ],
    ),
    Case(
        rule="setuid",
        id="both-bits",
        layer={"usr/local/bin/su": File(b"#!", mode=0o4755), "opt/mail": File(b"#!", mode=0o6755, gid=101)},
        found=[
            (
                "/opt/mail: expected no setuid, no setgid, found setuid and setgid, mode 6755, owner 0:101, no package "
                "(chmod a-s /opt/mail)"
            ),
            (
                "/usr/local/bin/su: expected no setuid, no setgid, found setuid, mode 4755, owner 0:0, no package "
                "(chmod a-s /usr/local/bin/su)"
            ),
        ],
    ),
    Case(
        rule="capabilities",
        id="two-files",
        layer={
            "bin/ping": File(b"#!", mode=0o755, capabilities=bytes.fromhex("0100000200200000000000000000000000000000")),
            "srv/serve": File(b"#!", capabilities=bytes.fromhex("000000020004000000000000")),
        },
        found=[
            (
                "/bin/ping: expected no file capabilities, found cap_net_raw=ep, mode 0755, no package "
                "(setcap -r /bin/ping)"
            ),
            (
                "/srv/serve: expected no file capabilities, found malformed, 000000020004000000000000, mode 0644, "
                "no package (setcap -r /srv/serve)"
            ),
        ],
    ),
    Case(
        rule="world-writable",
        id="file-and-folder",
        layer={
            "srv/data": Directory(mode=0o777),
            "srv/file": File(b"", mode=0o666),
            "srv/sticky": Directory(mode=0o1777),
            "srv/link": Symlink("file"),
        },
        found=[
            "/srv/data: expected not writable by everybody (or sticky), found a directory of mode 0777",
            "/srv/file: expected not writable by everybody, found a file of mode 0666",
        ],
    ),
    Case(
        rule="device-nodes",
        id="null",
        layer={"dev/null": Device(), "srv/disk": Device(kind="block", mode=0o600)},
        found=[
            "/dev/null: expected no device, found a character device of mode 0666 (engines make /dev anew)",
            "/srv/disk: expected no device, found a block device of mode 0600 (engines make /dev anew)",
        ],
    ),
    Case(
        rule="private-keys",
        id="rsa-and-openssh",
        layer={
            "etc/ssl/server.pem": "Bag Attributes\n" + KEY.format("RSA "),
            "home/app/.ssh/id_ed25519": KEY.format("OPENSSH "),
            "srv/reader.py": 'MARK = "-----BEGIN PRIVATE KEY-----\\n"' + " " * 64,
            "srv/public.pem": KEY.format("").replace("PRIVATE", "PUBLIC"),
        },
        found=[
            (
                "/etc/ssl/server.pem: expected no private key, found RSA PRIVATE KEY, no package "
                "(make it when a container starts, or mount it)"
            ),
            (
                "/home/app/.ssh/id_ed25519: expected no private key, found OPENSSH PRIVATE KEY, no package "
                "(make it when a container starts, or mount it)"
            ),
        ],
    ),
    Case(
        rule="private-keys",
        id="in-json",
        layer={
            "srv/account.json": json.dumps({"type": "service_account", "private_key": KEY.format("")}),
            "srv/mark.json": json.dumps({"begin": "-----BEGIN PRIVATE KEY-----", "end": "-----END PRIVATE KEY-----"}),
        },
        found=[
            (
                "/srv/account.json: expected no private key, found PRIVATE KEY, no package "
                "(make it when a container starts, or mount it)"
            ),
        ],
    ),
    Case(
        rule="duplicate-accounts",
        id="names-and-numbers",
        layer={
            "etc/passwd": PASSWD + "toor:x:0:0::/root:/bin/sh\nweb:x:100:101::/:\napp:x:7:7::/:\n# root:x:0:0\n\n",
            "etc/group": GROUP + "wheel:x:0:\n",
        },
        found=[
            "/etc/passwd:app: expected one user of this name, found 2",
            "/etc/passwd:toor: expected a number of its own, found 0, which is root's: a second root",
            "/etc/passwd:web: expected a number of its own, found 100, which is app's",
            "/etc/group:wheel: expected a number of its own, found 0, which is root's",
        ],
    ),
    Case(
        rule="stray-files",
        id="git-editors-desktops",
        layer={
            "srv/app/.git/HEAD": "ref: refs/heads/main\n",
            "srv/app/.gitignore": "",
            "srv/app/lib/.git": "gitdir: ../../.git/modules/lib\n",
            "srv/app/.main.py.swp": "",
            "srv/app/.DS_Store": "",
            "srv/app/main.py~": "",
            "srv/app/~main": "",
            "srv/app/node_modules/left-pad/.vscode/settings.json": "{}",
        },
        found=[
            (
                "/srv/app/.DS_Store: expected no such file, found a file of no package "
                "(name it in .dockerignore, as **/.DS_Store)"
            ),
            (
                "/srv/app/.git: expected no such file, found a directory of no package "
                "(name it in .dockerignore, as **/.git)"
            ),
            (
                "/srv/app/.main.py.swp: expected no such file, found a file of no package "
                "(name it in .dockerignore, as **/.main.py.swp)"
            ),
            (
                "/srv/app/lib/.git: expected no such file, found a file of no package "
                "(name it in .dockerignore, as **/.git)"
            ),
            (
                "/srv/app/main.py~: expected no such file, found a file of no package "
                "(name it in .dockerignore, as **/main.py~)"
            ),
        ],
    ),
    Case(
        rule="apk-keys",
        id="of-no-package",
        layer=added(package("keys", files={"etc/apk/keys/alpine.rsa.pub": b"key"}), world="keys")
        | {"etc/apk/keys/alpine.rsa.pub": "key", "etc/apk/keys/acme.rsa.pub": "key"},
        found=[
            (
                "/etc/apk/keys/acme.rsa.pub: expected a key of a package, found a key of no package "
                "(remove it in the step that needs it, where it is not meant to stay)"
            )
        ],
    ),
    Case(
        rule="volumes",
        id="proc-and-sys",
        config={"Volumes": {"/proc": {}, "/sys/fs/cgroup": {}, "/data": {}, "/process": {}, "/": {}}},
        found=[
            "VOLUME /: expected a folder of the image's own, found one that the kernel and engines fill",
            "VOLUME /proc: expected a folder of the image's own, found one that the kernel and engines fill",
            "VOLUME /sys/fs/cgroup: expected a folder of the image's own, found one that the kernel and engines fill",
        ],
    ),
    Case(
        rule="health-check",
        id="none",
        config={"Healthcheck": {}},
        found=[
            (
                "HEALTHCHECK: expected a command, found none "
                "(HEALTHCHECK CMD wget -q -O /dev/null http://localhost:8080/ || exit 1)"
            )
        ],
    ),
    Case(
        rule="health-check",
        id="switched-off",
        config={"Healthcheck": {"Test": ["NONE"]}},
        found=[
            (
                "HEALTHCHECK: expected a command, found NONE, which switches it off "
                "(HEALTHCHECK CMD wget -q -O /dev/null http://localhost:8080/ || exit 1)"
            )
        ],
    ),
    Case(
        rule="credentials",
        id="files-environment-and-urls",
        layer={
            "root/.npmrc": "//npm.example.com/:_authToken=npm_s3cret\n",
            "home/app/.npmrc": "//npm.example.com/:_authToken=${NPM_TOKEN}\n",
            "home/app/.aws/credentials": "[default]\naws_secret_access_key = s3cret\n",
            "home/app/.docker/config.json": '{"auths": {}}',
            "etc/apk/repositories": f"{REPOSITORY}/main\nhttps://me:s3cret@apk.example.com/alpine/v3.24/main\n",
        },
        config={
            "Env": ["DB_PASSWORD=s3cret", "DB_PASSWORD_FILE=/run/secret", "ALLOW_EMPTY_PASSWORD=Yes", "EMPTY_TOKEN="]
        },
        found=[
            (
                "/home/app/.aws/credentials: expected no credentials, found some "
                "(mount it as a secret of the build, and change it: whoever has the image has it)"
            ),
            (
                "/root/.npmrc: expected no credentials, found some "
                "(mount it as a secret of the build, and change it: whoever has the image has it)"
            ),
            (
                "ENV DB_PASSWORD: expected no value in the image, found a value of 6 characters "
                "(mount it as a secret of the build, and change it: whoever has the image has it)"
            ),
            (
                "/etc/apk/repositories: expected no password, found https://me:***@apk.example.com/alpine/v3.24/main "
                "(mount it as a secret of the build, and change it: whoever has the image has it)"
            ),
        ],
    ),
    Case(
        rule="passwords",
        id="empty-hashed-and-not-shadowed",
        layer={
            "etc/shadow": File(b"root:::0:::::\napp:$6$salt$hash:1:0:::::\nbin:!$6$x:::\n", mode=0o640, gid=42),
            "etc/passwd": PASSWD + "toor::7:7::/root:/bin/sh\n",
        },
        found=[
            (
                "/etc/shadow:root: expected no password ('*' or '!'), found an empty one, with which anybody logs in "
                "(passwd -l root, or '!' in the second field)"
            ),
            "/etc/shadow:app: expected no password ('*' or '!'), found a hash of one (passwd -l app)",
            (
                "/etc/passwd:toor: expected no password ('*' or '!'), found an empty one, with which anybody logs in "
                "(passwd -l toor, or '!' in the second field)"
            ),
        ],
    ),
    Case(
        rule="timezone",
        id="berlin",
        layer={"etc/localtime": Symlink("/srv/Berlin"), "srv/Berlin": TZIF + b"\nCET-1CEST,M3.5.0,M10.5.0/3\n"},
        config={"Env": ["TZ=Europe/Berlin"]},
        found=[
            "ENV TZ: expected UTC, or not set, found Europe/Berlin (set it where the container runs)",
            "/etc/localtime: expected UTC, or no such file, found a link to /srv/Berlin (set TZ where it runs)",
        ],
    ),
    Case(
        rule="default-user",
        id="none",
        config={"User": ""},
        found=[
            (
                "USER: expected a user of the image, not root, found root (no USER is set) "
                "(adduser -D -H app, and USER app at the end of the Dockerfile)"
            )
        ],
    ),
    Case(
        rule="default-user",
        id="unknown",
        config={"User": "web:web"},
        found=[
            (
                "USER: expected a user of the image, not root, found web:web, which /etc/passwd does not know "
                "(adduser -D -H app, and USER app at the end of the Dockerfile)"
            )
        ],
    ),
    Case(
        rule="build-tools",
        id="gcc-and-dev",
        layer=added(
            *map(package, ["gcc", "zlib-dev", "gcc-doc", "makedepend", "openjdk21-jdk", "openjdk21-jre"]),
            world="gcc zlib-dev gcc-doc makedepend openjdk21-jdk openjdk21-jre",
        ),
        found=[
            (
                "gcc: expected not installed, found version 1.0-r0 "
                "(build in a stage of its own, or apk add --virtual and apk del in one step)"
            ),
            (
                "zlib-dev: expected not installed, found version 1.0-r0 "
                "(build in a stage of its own, or apk add --virtual and apk del in one step)"
            ),
            (
                "openjdk21-jdk: expected not installed, found version 1.0-r0 "
                "(build in a stage of its own, or apk add --virtual and apk del in one step)"
            ),
        ],
    ),
    Case(
        rule="wasted-space",
        id="deleted-and-replaced",
        layer={"srv/big": b"1" * 3000, "srv/same": b"2" * 5000, "srv/small": b"3"},
        above={
            whiteout("srv/big"): b"",
            "srv/same": File(b"2" * 5000, mode=0o600),
            "srv/small": b"4",
            "lib/apk/db/installed": DATABASE + "\n" * 9999,
        },
        found=[
            (
                "/srv/same: expected no wasted bytes, found 5.00 kB in layer 0, replaced above "
                "(write it once, in the step that creates it)"
            ),
            (
                "/srv/big: expected no wasted bytes, found 3.00 kB in layer 0, deleted above "
                "(create and delete it in one step)"
            ),
        ],
    ),
    Case(
        rule="unneeded-packages",
        id="orphans",
        layer=added(
            package("orphan", "I:4096", "D:musl"),
            package("needed", "p:so:libx.so.1=1"),
            package("user", "D:so:libx.so.1"),
            package("user-doc", "i:user docs"),
            package("docs"),
            package("user-bash", "i:user bash"),
            world="user docs",
        ),
        found=[
            (
                "orphan: expected needed by /etc/apk/world, found version 1.0-r0, 4.10 kB, which no package needs "
                "(apk add orphan asks for it, apk del removes it)"
            ),
            (
                "user-bash: expected needed by /etc/apk/world, found version 1.0-r0, 0 B, which no package needs "
                "(apk add user-bash asks for it, apk del removes it)"
            ),
        ],
    ),
    Case(
        rule="supported-branch",
        id="ended",
        layer={
            "etc/alpine-release": "3.21.8\n",
            "etc/os-release": "ID=alpine\nVERSION_ID=3.21.8\n",
            "etc/apk/repositories": "https://mirror.example.com/alpine/v3.21/main\n",
        },
        found=[
            (
                "3.21: expected a branch that is supported on 2026-11-05, found 3.21, which ended on 2026-11-01 "
                "(supported on 2026-11-05: 3.22, 3.23, 3.24)"
            )
        ],
    ),
]


@pytest.mark.parametrize("case", CASES, ids=[f"{case.rule}-{case.id}" for case in CASES])
def test_an_image_breaks_one_rule(case: Case, tmp_path: Path) -> None:
    layers = [GOOD | case.layer, *([case.above] if case.above else [])]
    broken = built(tmp_path, *layers, config=CONFIG | case.config)
    found = find_clean(broken, "application", today=TODAY)
    assert {finding.check for finding in found} == {f"clean:{case.rule}"}
    assert [str(finding) for finding in found] == case.found
    assert find_clean(broken, "application", except_=[case.rule], today=TODAY) == ()
    assert find_clean(broken, case.rule, today=TODAY) == found
    subjects = [f"{case.rule}:{finding.subject.replace('[', '[[]')}" for finding in found]
    assert find_clean(broken, "application", subjects, today=TODAY) == ()


def test_no_release_file(tmp_path: Path) -> None:
    found = find_clean(built(tmp_path, {path: node for path, node in GOOD.items() if path != "etc/os-release"}))
    assert [(finding.check, str(finding)) for finding in found] == [
        (
            "clean:release-files",
            "/etc/os-release: expected a release file, found nothing there (apk fix alpine-release)",
        )
    ]


@pytest.mark.parametrize(
    ("path", "secret", "harmless"),
    [
        ("etc/pip.conf", "index-url = https://me:s3cret@pypi.acme.test/simple", "index-url = https://pypi.acme.test/"),
        ("root/.config/pip/pip.conf", "extra-index-url=https://me:s3cret@x.test", "https://me:${TOKEN}@pypi.acme.test"),
        ("srv/app/.git/config", "url = https://ci:s3cret@git.acme.test/app", "url = ssh://git@git.acme.test/app"),
        ("srv/app/.git/config", "extraheader = AUTHORIZATION: basic eDpzM2NyZXQ=", "url = https://git.acme.test/app"),
        ("root/.gitconfig", '[url "https://ci:s3cret@git.acme.test/"]', "[user]\nname = Me"),
        ("root/.m2/settings.xml", "<password>s3cret</password>", "<password>${env.PASSWORD}</password>"),
        ("home/app/.composer/auth.json", '{"github-oauth": {"github.com": "s3cret"}}', "{}"),
        ("root/.config/containers/auth.json", '{"auths": {"x": {"auth": "czNjcmV0"}}}', '{"auths": {}}'),
        (
            "srv/app/.env",
            "export DB_PASSWORD='s3cret'",
            "SECRET_FILE=/run/secret\nTOKEN=\nDB_TOKEN=$TOKEN\n",
        ),
    ],
)
def test_credentials_in_the_files_of_tools(path: str, secret: str, harmless: str, tmp_path: Path) -> None:
    (finding,) = find_clean(built(tmp_path, GOOD | {path: secret}, name="secret"), "credentials")
    assert finding.subject == f"/{path}"
    assert "s3cret" not in str(finding)
    assert find_clean(built(tmp_path, GOOD | {path: harmless}, name="harmless"), "credentials") == ()


@pytest.mark.parametrize(
    ("step", "subject"),
    [
        pytest.param("ENV NPM_TOKEN=s3cret", "ENV NPM_TOKEN", id="a-variable-that-is-unset-later"),
        pytest.param('ENV A=1 NPM_TOKEN="s3cret"', "ENV NPM_TOKEN", id="one-of-several"),
        pytest.param("/bin/sh -c #(nop)  ENV NPM_TOKEN=s3cret", "ENV NPM_TOKEN", id="of-the-classic-builder"),
        pytest.param("ARG NPM_TOKEN=s3cret", "ARG NPM_TOKEN", id="an-arguments-default"),
        pytest.param("RUN /bin/sh -c NPM_TOKEN=s3cret npm ci # buildkit", "RUN NPM_TOKEN", id="before-a-command"),
        pytest.param("/bin/sh -c A=1 NPM_TOKEN='s3cret' npm ci", "RUN NPM_TOKEN", id="before-a-command-quoted"),
        pytest.param("RUN /bin/sh -c cd x && NPM_TOKEN=s3cret npm ci", "RUN NPM_TOKEN", id="in-a-list"),
        pytest.param("RUN /bin/sh -c export NPM_TOKEN=s3cret; npm ci", "RUN NPM_TOKEN", id="exported"),
        pytest.param("RUN |1 A=1 /bin/sh -c NPM_TOKEN=s3cret npm ci", "RUN NPM_TOKEN", id="behind-arguments"),
        pytest.param("ENV NPM_TOKEN=", "", id="an-empty-one"),
        pytest.param("ENV NPM_TOKEN=$OTHER", "", id="another-variable"),
        pytest.param("RUN /bin/sh -c NPM_TOKEN=$(cat /run/secrets/npm) npm ci", "", id="a-secret-of-the-build"),
        pytest.param(
            'RUN /bin/sh -c NPM_TOKEN="$(cat /run/secrets/npm)" npm ci', "", id="a-quoted-secret-of-the-build"
        ),
        pytest.param("RUN /bin/sh -c NPM_TOKEN=`cat /run/secrets/npm` npm ci", "", id="another-form-of-it"),
        pytest.param("RUN /bin/sh -c ./configure --with-token=abc KEY_TOKENS=3", "", id="an-option"),
        pytest.param("RUN /bin/sh -c PASSWORD_FILE=/run/secret true", "", id="where-it-will-be"),
        pytest.param("COPY token=s3cret /srv/ # buildkit", "", id="a-files-name"),
    ],
)
def test_secrets_in_the_history(step: str, subject: str, tmp_path: Path) -> None:
    image = built(tmp_path, GOOD, history=[{"created_by": step, "empty_layer": True}])
    found = find_clean(image, "credentials")
    assert [finding.subject for finding in found] == ([subject] if subject else [])
    assert "s3cret" not in str(found)


def test_keys_that_a_layer_above_deletes(tmp_path: Path) -> None:
    layer: dict[str, Node] = {"root/.ssh/id_rsa": KEY.format("RSA "), "etc/server.key": KEY.format("EC ")}
    above: dict[str, Node] = {whiteout("root/.ssh/id_rsa"): b"", "etc/server.key": "made at the start"}
    found = find_clean(built(tmp_path, GOOD | layer, above), "private-keys")
    hint = "(the layer ships all the same: mount the key as a secret of the build, and replace it)"
    assert [str(finding) for finding in found] == [
        f"/etc/server.key: expected no private key, found EC PRIVATE KEY in layer 0, replaced above {hint}",
        f"/root/.ssh/id_rsa: expected no private key, found RSA PRIVATE KEY in layer 0, deleted above {hint}",
    ]


def test_required_labels(tmp_path: Path) -> None:
    config = CONFIG | {"Labels": {"org.example.source": "https://example.com", "org.example.empty": ""}}
    image = built(tmp_path, GOOD, config=config)
    assert_clean(image, labels="org.example.source")
    found = find_clean(image, "setuid", labels=("org.example.source", "org.example.empty", "org.example.none"))
    assert [str(finding) for finding in found] == [
        "LABEL org.example.empty: expected a value, found an empty one",
        "LABEL org.example.none: expected a value, found no such label",
    ]
    assert find_clean(image, "setuid", "labels:*none", labels="org.example.none") == ()


def test_arguments_of_the_build_stand_in_the_history(tmp_path: Path) -> None:
    history = [
        {"created_by": "ARG NPM_TOKEN", "empty_layer": True},
        {"created_by": "RUN |3 VERSION=1.2 NPM_TOKEN=s3cret GPG_KEY=7169605F /bin/sh -c npm ci # buildkit"},
        {"created_by": "|2 VERSION=1.2 NPM_TOKEN=s3cret /bin/sh -c PASSWORD=$(cat /run/secrets/x) make"},
    ]
    (finding,) = find_clean(built(tmp_path, GOOD, history=history), "credentials")
    assert str(finding) == (
        "ARG NPM_TOKEN: expected no value in the image, found a value of 6 characters "
        "(mount it as a secret of the build, and change it: whoever has the image has it)"
    )


@pytest.mark.parametrize("digits", [30, 10_000])
def test_numbers_that_are_none(digits: int, tmp_path: Path) -> None:
    number = "9" * digits
    files: dict[str, Node] = {
        "etc/passwd": f"{PASSWD}odd:x:{number}:{number}::/:/bin/sh\n",
        "etc/group": f"{GROUP}odd:x:{number}:odd\n",
        "etc/alpine-release": f"{number}.{number}.1\n",
        "etc/os-release": f"ID=alpine\nVERSION_ID={number}.{number}.1\n",
    }
    for place, user in enumerate((number, f"odd:{number}", "odd")):
        odd = built(tmp_path, GOOD | files, config=CONFIG | {"User": user}, name=f"odd-{place}")
        found = find_clean(odd, "application", today=TODAY)
        assert [finding.check for finding in found] == ["clean:default-user"]
        assert found[0].actual == f"{user}, which /etc/passwd does not know"
        assert find_runnable(odd) == find_runnable(built(tmp_path, GOOD, name="good"))


def test_every_rule_has_a_case_and_a_reason() -> None:
    assert {case.rule for case in CASES} == {rule.name for rule in RULES}
    for rule in RULES:
        assert rule.reason == rule.reason.strip(" .")
        assert len(rule.reason) < 120
        assert "application" in rule.sets


@pytest.mark.parametrize(
    ("members", "config"),
    [
        ({"etc/localtime": TZIF + b"\nUTC0\n"}, {}),
        ({"etc/localtime": b"TZif\0" + b"\0" * 40 + b"UTC\0"}, {}),
        ({"etc/localtime": Symlink("/usr/share/zoneinfo/UTC")}, {}),
        ({}, {"Env": ["TZ=Etc/UTC"]}),
        ({}, {"Env": ["TZ=UTC0"]}),
    ],
    ids=["utc", "first-version", "dangling", "zone", "posix"],
)
def test_these_clocks_show_utc(members: dict[str, Node], config: dict[str, Any], tmp_path: Path) -> None:
    assert_clean(built(tmp_path, GOOD | members, config=CONFIG | config))


@pytest.mark.parametrize(
    ("user", "passes"),
    [
        ("app", True),
        ("app:app", True),
        ("100", True),
        ("65532:65532", True),
        ("root", False),
        ("0", False),
        ("0:101", False),
        ("toor", False),
    ],
)
def test_default_user(user: str, passes: bool, tmp_path: Path) -> None:
    made = built(tmp_path, GOOD | {"etc/passwd": PASSWD + "toor:x:0:0::/:/bin/sh\n"}, config={"User": user})
    assert (find_clean(made, "default-user") == ()) is passes


@pytest.mark.parametrize(
    ("today", "ended"),
    [(date(2028, 6, 1), False), (date(2028, 6, 2), True)],
    ids=["last-day", "day-after"],
)
def test_end_of_life(today: date, ended: bool, tmp_path: Path) -> None:
    assert (find_clean(built(tmp_path, GOOD), "supported-branch", today=today) != ()) is ended


def test_merged_usr_and_protected_paths(tmp_path: Path) -> None:
    merged: dict[str, Node] = {
        **{
            name.replace("lib/", "usr/lib/", 1) if name.startswith("lib/") else name: node
            for name, node in GOOD.items()
        },
        "lib": Symlink("usr/lib"),
        "etc/apk/protected_paths.d/app.list": "# ours\n+opt/*/conf\n-etc/strict\n",
        "opt/app/conf/a": File(b"changed", mode=0o755),
        "opt/app/deep/conf/a": File(b"changed", mode=0o755),
        "etc/strict": File(b"changed", mode=0o755),
    }
    files = {"opt/app/conf/a": b"a", "opt/app/deep/conf/a": b"a", "etc/strict": b"a"}
    merged["usr/lib/apk/db/installed"] = DATABASE + package("app", files=files)
    found = find_clean(built(tmp_path, merged), "base")
    assert [finding.subject for finding in found] == ["/opt/app/deep/conf/a", "/etc/strict"]


def test_groups_are_known(tmp_path: Path) -> None:
    layer = {"etc/group": GROUP.replace("shadow:x:42", "shadow:x:43"), "etc/passwd": "# none\n\nodd\n" + PASSWD}
    (finding,) = find_clean(built(tmp_path, GOOD | layer))
    assert str(finding).endswith("found group 42, which is not there (group shadow is 43)")
