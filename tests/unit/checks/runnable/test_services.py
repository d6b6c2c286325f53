"""What services of s6 start."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_alpine import assert_runnable, find_runnable
from tests.support.images import File, Symlink
from tests.unit.checks.conftest import program

if TYPE_CHECKING:
    from tests.support.images import Node
    from tests.unit.checks.conftest import Build

PATH = "/command:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
GONE = f"expected a program 'gone' on PATH, {PATH}, found nothing there (apk add cmd:gone)"
FILES: dict[str, Node] = {
    **{f"command/{name}": program() for name in ("execlineb", "with-contenv", "s6-setuidgid", "fdmove", "foreground")},
    "usr/bin/bash": Symlink("/bin/busybox"),
    "srv/app": program(),
}
EXECLINE = "#!/command/execlineb -P\n"
BROKEN = {
    "execline": (f"{EXECLINE}gone -g 'daemon off;'\n", "['gone', '-g', 'daemon off;']"),
    "execline-chain": (f"{EXECLINE}# log\nwith-contenv\nfdmove -c 2 1\ns6-setuidgid app\ngone -x\n", "['gone', '-x']"),
    "execline-variable": (f"{EXECLINE}gone -x ${{PORT}}\n", "['gone']"),
    "shell": ("#!/bin/sh\n# starts it\nset -e\nexec 2>&1\nexec gone -x\n", "['gone']"),
    "shell-pipefail": ("#!/bin/bash\nset -euo pipefail\nexec s6-setuidgid app gone -x\n", "['gone', '-x']"),
    "shell-continued": ("#!/bin/sh\nexec s6-setuidgid app \\\n  gone -x\n", "['gone', '-x']"),
    "contenv": ("#!/command/with-contenv bash\nexec gone\n", "['gone']"),
}


@pytest.mark.parametrize(("text", "words"), BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("folder", ["services.d", "s6-overlay/s6-rc.d"])
def test_services_whose_program_is_gone(build: Build, folder: str, text: str, words: str) -> None:
    shell = {"bin/bash": Symlink("/bin/busybox")}
    found = find_runnable(build({**FILES, **shell, f"etc/{folder}/app/run": File(text.encode(), mode=0o755)}))
    assert list(map(str, found)) == [f"/etc/{folder}/app/run (no package) {words}: {GONE}"]


RUNNING = {
    "execline": f"{EXECLINE}with-contenv\ns6-setuidgid app\n/srv/app\n",
    "execline-block": f"{EXECLINE}foreground {{ gone }}\n/srv/app\n",
    "execline-variable": f"{EXECLINE}s6-setuidgid ${{USER}} gone\n",
    "execline-part-of-a-word": f"{EXECLINE}s6-setuidgid app /opt/${{NAME}}\n",
    "execline-folder": f"{EXECLINE}cd /srv\n./app\n",
    "execline-quote": f"{EXECLINE}gone 'x\n",
    "shell": "#!/bin/sh\nexec /srv/app\n",
    "shell-more-lines": "#!/bin/sh\ncd /srv\nexec gone\n",
    "shell-if": "#!/bin/sh\nif [ -x /opt/gone ]; then exec gone; fi\n",
    "shell-path": "#!/bin/sh\nPATH=/srv exec app\n",
    "contenv": "#!/command/with-contenv bash\nexec /srv/app\n",
    "another-language": "#!/srv/app\ngone\n",
    "nothing": "#!/bin/sh\n",
}


@pytest.mark.parametrize("text", RUNNING.values(), ids=RUNNING)
def test_services_that_nothing_is_said_of(build: Build, text: str) -> None:
    assert_runnable(build(FILES | {"etc/services.d/app/run": File(text.encode(), mode=0o755)}))


def test_scripts_elsewhere_are_no_services(build: Build) -> None:
    assert_runnable(build(FILES | {"srv/run": File(b"#!/bin/sh\nexec gone\n", mode=0o755)}))


@pytest.mark.parametrize(
    ("word", "problem"),
    [
        ("bush", f"bush on PATH, {PATH}, found nothing there (apk add cmd:bush)"),
        ("/bin/bash", "/bin/bash, found nothing there (there is /usr/bin/bash; apk add cmd:bash)"),
    ],
    ids=["name", "path"],
)
def test_the_word_behind_with_contenv(build: Build, word: str, problem: str) -> None:
    script = File(f"#!/command/with-contenv {word}\ntrue\n".encode(), mode=0o755)
    (finding,) = find_runnable(build(FILES | {"etc/cont-init.d/01": script}))
    assert str(finding) == f"/etc/cont-init.d/01 (no package): expected the interpreter {problem}"
