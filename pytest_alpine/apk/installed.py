"""The parser of ``lib/apk/db/installed``: each line is a field, ``K:value``, and a blank line ends each package.

Spec: the index characters of apk-package(5). Every version of apk up to 3 reads and writes this form.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pytest_alpine.apk.constraint import PATTERN as CONSTRAINT
from pytest_alpine.apk.files import ROW_LETTERS, find_rows
from pytest_alpine.apk.package import Package, Packages
from pytest_alpine.errors import DatabaseError
from pytest_alpine.quoting import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator

_WORD: Final = (re.compile(r"\S+"), "one word")
_NUMBER: Final = (re.compile(r"[0-9]{1,20}"), "digits")
_CONSTRAINTS: Final = (re.compile(rf"\s*(?:{CONSTRAINT}(?:\s+|$))*"), "names with constraints, separated by spaces")
_TEXT: Final = (re.compile(r".*"), "text")

# For each letter, the form of the value, and its description in messages. apk ignores an identity (C) that is not a
# digest, so that any text is accepted.
_FIELDS: Final = {
    **dict.fromkeys("CATULomcsfg", _TEXT),
    **dict.fromkeys("PV", _WORD),
    **dict.fromkeys("SItkq", _NUMBER),
    **dict.fromkeys("Dpir", _CONSTRAINTS),
}
_ROW_FIELDS: Final = {
    "F": "'F:directory'",
    "R": "'R:name', below a directory 'F:'",
    "M": "'M:uid:gid:octal mode', behind 'F:'",
    "a": "'a:uid:gid:octal mode', behind 'R:'",
    "Z": "'Z:Q1...', a digest, behind 'R:'",
}
_REQUIRED: Final = {"P": "a name", "V": "a version"}


@dataclass(frozen=True, kw_only=True, slots=True)
class _Source:
    """A database's text, and its name in messages."""

    text: str
    where: str

    def error(self, offset: int, problem: str) -> DatabaseError:
        """Return the error for the line at *offset*."""
        return DatabaseError(f"{self.where}:{self.line_number(offset)}: {problem}")

    def line_number(self, offset: int) -> int:
        """Return the number of the line at *offset*, from 1."""
        return self.text.count("\n", 0, offset) + 1

    def line(self, offset: int) -> str:
        """Return the line at *offset*."""
        return self.text[offset : self.text.index("\n", offset)]


def parse_installed(data: bytes, where: str) -> Packages:
    """Return the packages that the database *data* records.

    Bytes of file names that are not UTF-8 are kept as surrogate escapes (PEP 383).

    Raises:
        DatabaseError: a line is malformed, a package has no name or version, a package is recorded twice, or the last
            line has no end. The message begins with *where* and the number of the line.
    """
    source = _Source(text=data.decode("utf-8", "surrogateescape"), where=where)
    if source.text and source.text[-1] != "\n":
        problem = f"the database is cut off: its last line has no end: {quoted(source.text.rpartition(chr(10))[2])}"
        raise source.error(len(source.text), problem)
    packages: dict[str, Package] = {}
    starts: dict[str, int] = {}
    for start, end in _stanzas(source.text):
        package = _package(source, start, end)
        if package.name in packages:
            first = source.line_number(starts[package.name])
            raise source.error(start, f"package {quoted(package.name)} is recorded twice (first in line {first})")
        packages[package.name], starts[package.name] = package, start
    return Packages(packages.values())


def _stanzas(text: str) -> Iterator[tuple[int, int]]:
    """Yield the offsets of the start and the end of each package in *text*. The last blank line may be missing."""
    start, size = 0, len(text)
    while start < size:
        if text[start] == "\n":
            start += 1
            continue
        blank = text.find("\n\n", start)
        end = size if blank < 0 else blank + 1
        yield start, end
        start = end + 1


def _package(source: _Source, start: int, end: int) -> Package:
    fields: dict[str, str] = {}
    rows = ""
    at = start
    while at < end:
        found = find_rows(source.text, at, end, rows) if source.text[at] in ROW_LETTERS else ""
        if found:
            rows += found
            at += len(found)
        else:
            letter, value = _field(source, at)
            if letter in fields:
                raise source.error(at, f"field {letter!r} is given twice: {quoted(value)} and {quoted(fields[letter])}")
            fields[letter] = value
            at += len(value) + 3
    for letter, what in _REQUIRED.items():
        if letter not in fields:
            known = f" {quoted(fields['P'])}" if "P" in fields else ""
            raise source.error(start, f"a package without {what}: no field {letter!r} for package{known}")
    return Package(fields=fields, rows=rows)


def _field(source: _Source, at: int) -> tuple[str, str]:
    """Return letter and value of the field at *at*; rows of files are not fields."""
    line = source.line(at)
    letter, value = line[:1], line[2:]
    shape = _FIELDS.get(letter)
    if line[1:2] != ":" or "\0" in line or line[-1] == "\r":
        why = ", and no carriage return at the end" if line[-1] == "\r" else ""
        raise source.error(at, f"malformed field: {quoted(line)} (expected 'K:value'{why})")
    if letter in _ROW_FIELDS:
        raise source.error(at, f"malformed field: {quoted(line)} (expected {_ROW_FIELDS[letter]})")
    if shape is None:
        problem = f"unknown field: {quoted(line)} (expected one of {_known()}; a newer apk may have written it)"
        raise source.error(at, problem)
    pattern, expected = shape
    if not pattern.fullmatch(value):
        raise source.error(at, f"malformed field: {quoted(line)} (expected '{letter}:' and {expected})")
    return letter, value


def _known() -> str:
    return " ".join((*_FIELDS, *_ROW_FIELDS))
