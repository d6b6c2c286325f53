"""What an entrypoint, a command and a health check really start, behind programs that only start another one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_alpine import find_runnable
from tests.support.images import Directory, File, Symlink
from tests.unit.checks.conftest import Build, program

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.support.images import Node

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
WRAPPERS = (
    "su-exec gosu setuidgid s6-setuidgid s6-applyuidgid setpriv chroot dumb-init tini catatonit nice ionice timeout "
    "nohup setsid stdbuf bash ash"
)
FILES: dict[str, Node] = {
    **{f"usr/sbin/{name}": Symlink("/bin/busybox") for name in WRAPPERS.split()},
    "srv/app": program(),
    "opt/run/text": File(b"echo hello\n", mode=0o755),
    "opt/text": Symlink("/srv/unreadable"),
    "srv/closed": File(b"#!/bin/sh\n", mode=0o700),
    "srv/unreadable": File(b"echo hello\n", mode=0o600),
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000::/:/bin/sh\n",
    "etc/group": "app:x:1000:\n",
    "data/": Directory(),
}


def words(line: str) -> dict[str, list[str]]:
    """Return a configuration with the words of *line* as its ENTRYPOINT."""
    return {"Entrypoint": line.split()}


def shell(line: str, *flags: str) -> dict[str, list[str]]:
    """Return a configuration with *line* for a shell as its ENTRYPOINT."""
    return {"Entrypoint": ["/bin/sh", *(flags or ("-c",)), line]}


def told(build: Build, config: Mapping[str, Any]) -> list[str]:
    return list(map(str, find_runnable(build(FILES, config=config))))


GONE = {
    "su-exec": words("su-exec app gone"),
    "gosu": words("gosu app:app gone"),
    "setuidgid": words("s6-setuidgid app gone"),
    "applyuidgid": words("s6-applyuidgid -u 1000 -g 1000 -z gone"),
    "setpriv": words("setpriv --reuid=app --regid app --clear-groups --no-new-privs gone"),
    "chroot": words("chroot --userspec=app / gone"),
    "tini": words("tini gone"),
    "tini-group": words("tini -g -- gone"),
    "tini-value": words("tini -s -p SIGTERM -e 143 -- gone"),
    "dumb-init": words("dumb-init --single-child -r 15:3 -- gone"),
    "catatonit": words("catatonit -g -- gone"),
    "nice": words("nice -n 5 gone"),
    "nice-old": words("nice -10 gone"),
    "ionice": words("ionice -c2 -n 0 gone"),
    "timeout": words("timeout -s INT --kill-after=5 10m gone"),
    "stdbuf": words("stdbuf -oL -e 0 gone"),
    "nohup": words("nohup gone"),
    "setsid": words("setsid -w gone"),
    "env": words("env gone"),
    "env-options": words("env -u HOME A=b LANG=C gone"),
    "env-split": {"Entrypoint": ["env", "-S", "A=b gone", "--port"]},
    "busybox": words("busybox timeout 5 gone"),
    "env-split-options": {"Entrypoint": ["/usr/bin/env", "-vS-u HOME A=b gone"]},
    "several": words("tini -g -- su-exec app env A=b nice -n 5 gone"),
    "health-check": {"Healthcheck": {"Test": ["CMD", "timeout", "5", "gone"]}},
    "line-flags": shell("gone", "-ec"),
    "line-flag-behind": shell("gone", "-c", "-e"),
    "line-end-of-flags": shell("gone", "-c", "--"),
    "line-ash": {"Cmd": ["ash", "-c", "gone"]},
    "line-login": shell("gone", "-lc"),
    "line-bash": {"Cmd": ["bash", "--norc", "-euo", "pipefail", "-c", "gone"]},
    "line-bash-apart": {"Cmd": ["bash", "-o", "pipefail", "-e", "+x", "-c", "gone"]},
    "line-assignment": shell("A=b B=\"$A x\" C=$D D='e f' E=$(date) gone"),
    "line-exec": shell("exec gone --port $PORT"),
    "line-command": shell("command gone"),
    "line-quoted": shell("'gone' --port \"$PORT\""),
    "line-redirected": shell("gone > /dev/null 2>&1 || exit 1"),
    "line-and": shell("gone && /srv/app"),
    "line-and-exit": shell("gone && /srv/app || exit 1"),
    "line-pipe": shell("gone | /srv/app"),
    "line-end": shell("gone; "),
    "line-exit": shell("gone $OPTIONS; exit $?"),
    "line-comment": shell("gone # a comment"),
    "line-continued": shell("exec \\\n  gone --port"),
    "line-wrapper": shell('exec su-exec "$USER" gone'),
    "line-behind-all": words("tini -- sh -c gone"),
}


@pytest.mark.parametrize("config", GONE.values(), ids=GONE)
def test_a_program_that_is_started_by_another_one_and_is_not_there(build: Build, config: Mapping[str, Any]) -> None:
    (finding,) = told(build, config)
    assert f": expected a program 'gone' on PATH, {PATH}, found nothing there (apk add cmd:gone)" in finding


SILENT = {
    "unknown-option": words("tini --unknown -- gone"),
    "unknown-wrapper": words("/srv/app -- gone"),
    "only-options": words("tini -g --"),
    "no-command": words("su-exec app"),
    "option-of-the-command": words("nice -n 5 /srv/app gone"),
    "another-root": words("chroot /data gone"),
    "split-again": {"Entrypoint": ["env", "-S" * 10_000 + "gone"]},
    "hundreds-of-wrappers": words("nohup " * 10_000 + "gone"),
    "split-without-words": words("env -S"),
    "split-quote": {"Entrypoint": ["env", "-S", "gone 'x"]},
    "another-folder": words("env -C /data ./gone"),
    "path": {"Entrypoint": ["env", "PATH=/srv", "app"]},
    "stdin": words("sh -s gone"),
    "interactive": words("sh -ic gone"),
    "only-read": words("sh -nc gone"),
    "no-line": words("sh -c"),
    "variable": shell("$APP"),
    "variable-in-a-word": shell("/opt/$APP/gone"),
    "options-before-the-program": shell("exec tini $OPTIONS gone"),
    "user-unquoted": shell("exec su-exec $USER gone"),
    "program-quoted": shell('exec su-exec app "$APP"'),
    "fallback": shell("gone || /srv/app"),
    "fallback-behind": shell("gone && x || /srv/app"),
    "tolerated": shell("gone || true"),
    "tolerated-exit": shell("gone || exit 0"),
    "goes-on": shell("gone; /srv/app"),
    "goes-on-line": shell("gone\n/srv/app"),
    "background": shell("gone & /srv/app"),
    "function": shell("gone() { :; }; gone"),
    "group": shell("(gone)"),
    "substitution": shell("`gone`"),
    "here-document": shell("gone <<EOF\nx\nEOF"),
    "glob": shell("/opt/*/gone"),
    "not": shell("! gone"),
    "if": shell("if gone; then :; fi"),
    "assignment-alone": shell("A=gone"),
    "own-path": shell("PATH=/opt:$PATH gone"),
    "builtin": shell("cd /srv && gone"),
    "command-option": shell("command -v gone"),
    "exec-option": shell("exec -a x gone"),
    "test": shell('[ "$A" = b ] && gone'),
    "test-quoted": shell('[ "$READY" ]'),
    "double-test": shell("[[ -f x ]]"),
    "text-in-a-shell": shell("/opt/run/text"),
    "file": words("sh /srv/unreadable"),
    "file-of-the-folder": {"Entrypoint": ["sh", "-e", "text"], "WorkingDir": "/opt/run"},
    "file-on-path": {"Entrypoint": ["bash", "text"], "Env": ["PATH=/bin:/usr/sbin:/opt"]},
    "file-in-a-volume": {"Entrypoint": ["sh", "/data/gone"], "Volumes": {"/data/": {}}},
    "file-of-the-engine": words("sh /dev/stdin"),
    "bash-env": {"Entrypoint": ["bash", "-c", "app"], "Env": ["BASH_ENV=/x", f"PATH={PATH}"]},
    "login": shell("app", "-lc"),
    "health-check": {"Healthcheck": {"Test": ["CMD-SHELL", "gone -q x || /srv/app || exit 1"]}},
}


@pytest.mark.parametrize("config", SILENT.values(), ids=SILENT)
def test_where_nobody_knows_what_is_started(build: Build, config: Mapping[str, Any]) -> None:
    assert told(build, config) == []


TOLD: dict[str, tuple[dict[str, Any], str]] = {
    "path-of-env": (
        words("env PATH=/opt:/data app"),
        "ENTRYPOINT ['app']: expected a program 'app' on PATH, /opt:/data, found nothing there (apk add cmd:app)",
    ),
    "no-path": (
        {"Entrypoint": ["env", "-i", "app"], "Env": [f"PATH=/srv:{PATH}"]},
        (
            "ENTRYPOINT ['app']: expected a program 'app' on PATH, /usr/local/bin:/bin:/usr/bin, found nothing there "
            "(there is /srv/app; apk add cmd:app)"
        ),
    ),
    "no-path-split": (
        {"Entrypoint": ["env", "-iS", "app"]},
        (
            "ENTRYPOINT ['app']: expected a program 'app' on PATH, /usr/local/bin:/bin:/usr/bin, found nothing there "
            "(apk add cmd:app)"
        ),
    ),
    "no-path-dash": (
        words("env - A=b app"),
        (
            "ENTRYPOINT ['app']: expected a program 'app' on PATH, /usr/local/bin:/bin:/usr/bin, found nothing there "
            "(apk add cmd:app)"
        ),
    ),
    "path-of-the-line": (
        shell("PATH=/opt:/data app"),
        "ENTRYPOINT ['app']: expected a program 'app' on PATH, /opt:/data, found nothing there (apk add cmd:app)",
    ),
    "file": (
        words("sh -e /srv/gone --port"),
        "ENTRYPOINT ['/srv/gone']: expected a file '/srv/gone' that the shell reads, found nothing there",
    ),
    "file-is-a-folder": (
        words("su-exec app sh /data"),
        "ENTRYPOINT ['/data']: expected a file '/data' that the shell reads, found a directory",
    ),
    "file-of-the-user": (
        words("su-exec app sh /srv/unreadable"),
        (
            "ENTRYPOINT ['/srv/unreadable']: expected a file that user app may read, "
            "found /srv/unreadable, a file of mode 0600, owner 0:0 (chmod a+rx /srv/unreadable)"
        ),
    ),
    "user": (
        words("su-exec app /srv/closed x"),
        (
            "ENTRYPOINT ['/srv/closed', 'x']: expected a program that user app may start, "
            "found /srv/closed, a file of mode 0700, owner 0:0 (chmod a+rx /srv/closed)"
        ),
    ),
    "text": (
        words("su-exec app /opt/run/text"),
        (
            "ENTRYPOINT ['/opt/run/text']: expected a program at /opt/run/text, "
            "found a file that is neither ELF nor begins with '#!' "
            "(a shell script needs a first line such as '#!/bin/sh')"
        ),
    ),
}


@pytest.mark.parametrize(("config", "message"), TOLD.values(), ids=TOLD)
def test_what_is_told_of_it(build: Build, config: Mapping[str, Any], message: str) -> None:
    assert told(build, config) == [message]


def test_a_user_that_only_the_wrapper_knows(build: Build) -> None:
    for line in (
        "setpriv --reuid=1000 /srv/closed",
        "chroot --userspec=1000 / /srv/closed",
        "su-exec gone /srv/closed",
    ):
        assert told(build, {**words(line), "User": ""}) == [], line


SLIP_HINT = 'JSON\'s form takes double quotes only, such as ["app", "--port=80"]'
SLIPS = {
    "single-quotes": """["app", 'x']""",
    "only-single-quotes": "['app']",
    "apart": """[ 'app', 'x' ]""",
    "no-quotes": "[app, x]",
    "comma-at-the-end": '["app", "x",]',
    "not-closed": '["app", "x"',
    "typographic": "[\u201capp\u201d, \u201cx\u201d]",
}


@pytest.mark.parametrize("line", SLIPS.values(), ids=SLIPS)
@pytest.mark.parametrize("field", ["Entrypoint", "Cmd", "Healthcheck"])
def test_a_list_that_misses_jsons_form(build: Build, field: str, line: str) -> None:
    value = {"Test": ["CMD-SHELL", line]} if field == "Healthcheck" else ["/bin/sh", "-c", line]
    assert told(build, {field: value}) == [
        (
            f"{field.upper()} {line!r}: expected a list in JSON's form, or a line of shell, "
            f"found a line that /bin/sh takes as one command ({SLIP_HINT})"
        )
    ]
    if field == "Cmd":
        assert len(told(build, {field: value, "Entrypoint": ["/srv/app"]})) == 1
