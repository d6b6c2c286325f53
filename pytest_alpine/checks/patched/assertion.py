"""``assert_patched``: compares installed versions with Alpine's own security data. This is not a scanner."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_alpine.checks.findings import Finding, listed, message
from pytest_alpine.checks.patched.secdb import SecurityData, SecurityDataError, parse_security_data
from pytest_alpine.checks.patched.source import security_documents

if TYPE_CHECKING:
    import os
    from collections.abc import Collection, Iterable

    from pytest_alpine.apk.package import Package
    from pytest_alpine.checks.findings import Target

CHECK: Final = "patched"
_SHOWN: Final = 8


def assert_patched(target: Target, secdb: str | os.PathLike[str], except_: str | Iterable[str] = ()) -> None:
    """Fail if a package of *target* is older than the version in which Alpine fixed a known vulnerability.

    Packages are looked up by their source package, as the security data name them.

    Args:
        target: an image or a running container.
        secdb: a folder laid out as https://secdb.alpinelinux.org is (``v3.20/main.json``), a folder of one branch's
            files, one such file, or an URL of any of these, which is fetched.
        except_: identifiers of vulnerabilities to ignore, such as ``CVE-2019-14697``.

    Raises:
        AssertionError: fixes are missing; the message tells all packages with the version that has the fix.
        SecurityDataError: there are no data for this branch and architecture, or they cannot be read or fetched.
        DatabaseError: there is no package database, or a broken one.
    """
    __tracebackhide__ = True
    data = security_data(target, secdb)
    findings = missing_fixes(target, data, except_)
    if findings:
        raise AssertionError(message([*map(str, findings), *filter(None, [data.remark])], target))


def find_patched(
    target: Target, secdb: str | os.PathLike[str], except_: str | Iterable[str] = ()
) -> tuple[Finding, ...]:
    """Return a finding for each package of *target* that lacks a known fix; see ``assert_patched``."""
    return missing_fixes(target, security_data(target, secdb), except_)


def security_data(target: Target, secdb: str | os.PathLike[str]) -> SecurityData:
    """Return the security data in *secdb* for the branch and architecture of *target*.

    Raises:
        SecurityDataError: there are no data for this branch and architecture, or they cannot be read or fetched.
    """
    release = target.release
    if release.branch is None:
        name = release.pretty_name or release.id
        raise SecurityDataError(f"{name} is of no branch of Alpine (expected one that has security data)")
    branch = release.branch if release.is_edge else f"v{release.branch}"
    return parse_security_data(security_documents(secdb, branch), branch=branch, arch=target.platform.apk_arch)


def missing_fixes(target: Target, data: SecurityData, except_: str | Iterable[str] = ()) -> tuple[Finding, ...]:
    """Return a finding for each package of *target* that is older than a fix in *data*."""
    excepted = {except_} if isinstance(except_, str) else set(except_)
    found = (_unpatched(package, data, excepted) for package in target.packages.values())
    return tuple(finding for finding in found if finding is not None)


def _unpatched(package: Package, data: SecurityData, excepted: Collection[str]) -> Finding | None:
    origin = package.origin or package.name
    missing = [
        fix
        for fix in data.fixes.get(origin, ())
        if package.version < fix.version and not set(fix.ids).issubset(excepted)
    ]
    if not missing:
        return None
    newest = max(fix.version for fix in missing)
    ids = [each for fix in missing for each in fix.ids if each not in excepted]
    ids = sorted(dict.fromkeys(ids), reverse=True)  # mostly the latest year first
    source = f", of {origin}" if origin != package.name else ""
    return Finding(
        check=CHECK,
        subject=package.name,
        expected=f"{newest} or later",
        actual=f"{package.version}{source}",
        hint=f"fixes {listed(ids, _SHOWN)}",
    )
