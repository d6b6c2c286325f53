"""Alpine's security data: in which versions of its source packages which vulnerabilities were fixed.

The form is that of https://secdb.alpinelinux.org: one JSON file for each branch and component, made from the comments
``# secfixes:`` of the packages' build recipes. They are written by hand, and a few are odd.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pytest_alpine.apk.version import Version
from pytest_alpine.errors import AlpineError, InvalidVersion, MalformedImage
from pytest_alpine.image.spec.documents import field, parse_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

NEVER_AFFECTED: Final = "0"
"""Stands in place of a version: no version of the package ever had these vulnerabilities."""

_ID: Final = re.compile(
    r"CVE[-_ ](?P<cve>[0-9]{4}-[0-9]{3,})|(?:GHSA(?:-[0-9a-z]{4}){3}|(?:TALOS|RUSTSEC|PYSEC|GO)-[0-9]{4}-[0-9]+"
    r"|XSA-[0-9]+|ZBX-[0-9]+|wnpa-sec-[0-9]{4}-[0-9]+|ALPINE-[0-9]+|TS-[0-9]{4}-[0-9]+|SA-[A-Z0-9-]+)"
)
_BRANCH: Final = re.compile(r"v[0-9]+\.[0-9]+|edge")


class SecurityDataError(AlpineError):
    """Security data cannot be read or fetched, or do not have the form that Alpine publishes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Fix:
    """What one version of a source package has fixed."""

    version: Version
    ids: tuple[str, ...]
    """Such as ``CVE-2019-14697``."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SecurityData:
    """The fixes in one or more files."""

    fixes: Mapping[str, tuple[Fix, ...]]
    """By the name of the source package, which is the ``origin`` of those that are installed."""
    skipped: tuple[str, ...]
    """The entries that cannot be read, each with the reason."""
    files: tuple[str, ...]
    """The files or URLs that were read."""

    @property
    def remark(self) -> str:
        """How many entries were skipped, and the first of them; empty where none was."""
        count = len(self.skipped)
        what = "entry" if count == 1 else "entries"
        return f"not considered: {count} malformed {what}, such as {self.skipped[0]}" if count else ""


def parse_security_data(
    documents: Iterable[tuple[str, bytes]], *, branch: str | None = None, arch: str | None = None
) -> SecurityData:
    """Return the fixes in *documents*, each a name for messages and the JSON text.

    Args:
        documents: one or more files.
        branch: ``v3.20`` or ``edge``, if the files must be of it.
        arch: Alpine's name of an architecture; a file that does not speak of it is left aside.

    Raises:
        SecurityDataError: a file is not in the form that Alpine publishes, or is of another branch, or none speaks of
            *arch*: that nothing is known of it does not mean that nothing is wrong.
    """
    fixes: dict[str, list[Fix]] = {}
    skipped: list[str] = []
    files: list[str] = []
    others: dict[str, list[Any]] = {}
    for where, data in documents:
        document = _document(where, data)
        _check_branch(document, where, branch)
        archs = document.get("archs")
        if arch is not None and archs and isinstance(archs, list) and arch not in archs:
            others[where] = archs
            continue
        files.append(where)
        for name, version, ids in _entries(document, where, skipped):
            _add(fixes, name, version, ids, skipped)
    if others and not files:
        where, archs = next(iter(others.items()))
        raise SecurityDataError(f"{where}: no security data for {arch} (there: {', '.join(map(str, archs))})")
    return SecurityData(
        fixes={name: tuple(found) for name, found in fixes.items()}, skipped=tuple(skipped), files=tuple(files)
    )


def read_ids(text: str) -> tuple[str, ...]:
    """Return the identifiers in *text*, which may have several, and remarks; the text itself where it has none.

    >>> read_ids("CVE-2019-5060 TALOS-2019-0844"), read_ids("CVE_2017-2616 (+ regression fix)"), read_ids("bug 7")
    (('CVE-2019-5060', 'TALOS-2019-0844'), ('CVE-2017-2616',), ('bug 7',))
    """
    found = [f"CVE-{match['cve']}" if match["cve"] else match[0] for match in _ID.finditer(text)]
    return tuple(found) or ((text.strip(),) if text.strip() else ())


def _document(where: str, data: bytes) -> dict[str, Any]:
    try:
        document = parse_json(data, where)
        field(document, "packages", list, where)
    except MalformedImage as error:
        raise SecurityDataError(f"{error}; in security data of Alpine, 'packages' is an array") from error
    return document


def _check_branch(document: dict[str, Any], where: str, branch: str | None) -> None:
    found = document.get("distroversion")
    if branch and isinstance(found, str) and _BRANCH.fullmatch(found) and found != branch:
        raise SecurityDataError(f"{where}: security data of {found} (expected {branch})")


def _entries(document: dict[str, Any], where: str, skipped: list[str]) -> Iterator[tuple[str, str, object]]:
    """Yield source package, version and identifiers of each entry."""
    for number, row in enumerate(document["packages"]):
        package = row.get("pkg") if isinstance(row, dict) else None
        name = package.get("name") if isinstance(package, dict) else None
        secfixes = package.get("secfixes") if isinstance(package, dict) else None
        if not isinstance(name, str) or not isinstance(secfixes, (dict, type(None))):
            skipped.append(f"{where}: package {number}: neither a name nor fixes: {row!r:.80}")
            continue
        for version, ids in (secfixes or {}).items():
            yield name, version, ids


def _add(fixes: dict[str, list[Fix]], name: str, version: str, texts: object, skipped: list[str]) -> None:
    if version == NEVER_AFFECTED:
        return
    texts = [texts] if isinstance(texts, str) else texts
    words = [text for text in texts if isinstance(text, str)] if isinstance(texts, list) else []
    ids = tuple(dict.fromkeys(each for text in words for each in read_ids(text)))
    if not ids:
        skipped.append(f"{name} {version}: no identifier: {texts!r:.80}")
        return
    try:
        fixes.setdefault(name, []).append(Fix(version=Version(version.strip()), ids=ids))
    except InvalidVersion as error:
        skipped.append(f"{name}: {error}")
