"""The home of root holds nothing but settings of tools."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_alpine.checks.clean.rule import BASE, Rule
from pytest_alpine.checks.clean.rules.leftovers import leftovers, shown
from pytest_alpine.checks.clean.rules.tool_caches import CACHE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_alpine.checks.findings import Finding
    from pytest_alpine.checks.snapshot import Snapshot

# Settings that somebody wrote on purpose; the rule ``credentials`` looks at those that hold secrets.
_SETTINGS: Final = (
    ".ashrc .aws .bash_profile .bashrc .cargo .config .curlrc .docker .editorconfig .exrc .gem .gitconfig "
    ".gnupg .hgrc .inputrc .kube .my.cnf .netrc .npmrc .nanorc .pgpass .pip .profile .psqlrc .pypirc .screenrc "
    ".shrc .ssh .tmux.conf .vimrc .wgetrc .yarnrc .yarnrc.yml .zprofile .zshrc"
)
_KEPT: Final = frozenset(f"/root/{name}" for name in _SETTINGS.split())


def _find(snapshot: Snapshot) -> Iterator[Finding]:
    for path, held in leftovers(snapshot, ["/root"]):
        rest = [entry for entry in held if entry.kind != "directory" and not CACHE.match(f"{entry.path}/")]
        if path not in _KEPT and (rest or all(entry.kind == "directory" for entry in held)):
            hint = f"in the step that creates it: rm -rf {path}"
            yield RULE.finding(path, expected="nothing left", actual=shown(rest or held), hint=hint)


RULE = Rule(
    name="root-home",
    reason="histories and files in /root are left over from the build, and only root can read them",
    sets=BASE,
    find=_find,
)
