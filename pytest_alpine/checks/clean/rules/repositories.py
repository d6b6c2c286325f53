"""All repositories are of the image's own branch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_alpine.apk.database import read_repositories
from pytest_alpine.checks.clean.rule import BASE, Rule
from pytest_alpine.checks.clean.rules.credentials import without_password

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_alpine.checks.findings import Finding
    from pytest_alpine.checks.snapshot import Snapshot


def _find(snapshot: Snapshot) -> Iterator[Finding]:
    repositories = [each for each in read_repositories(snapshot.rootfs) if each.branch]
    branch = snapshot.branch or ""
    if branch and branch != "edge":
        branch = f"v{branch}"
    # Distributions derived from Alpine may use its repositories, which then only have to be of one branch.
    branch = branch or next((each.branch for each in repositories), "")
    for repository in repositories:
        if repository.branch != branch:
            hint = "packages of another branch bring their own libraries, or break with those that are here"
            if repository.branch == "latest-stable":
                hint = "it becomes another branch at the next release"
            yield RULE.finding(
                without_password(str(repository)),
                expected=f"a repository of {branch}",
                actual=f"one of {repository.branch}",
                hint=hint,
            )


RULE = Rule(
    name="repositories",
    reason="packages of two branches, or of edge, are not built and tested with each other",
    sets=BASE,
    find=_find,
)
