"""Package versions, ordered as apk-tools 3 orders them.

Spec: apk-package(5), "PACKAGE NAMES AND VERSIONS":
``number{.number}...{letter}{_suffix{number}}...{~hash}{-r#}``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from pytest_alpine.errors import InvalidVersion
from pytest_alpine.quoting import quoted

Key = tuple[int | str, ...]

_EXPECTED: Final = "number{.number}[letter]{_suffix[number]}[~hash][-rnumber]"

_GRAMMAR: Final = re.compile(
    r"""
    ([0-9]+)                # the first number
    ((?:\.[0-9]+)*)         # further numbers
    ([a-z]?)                # one letter
    ((?:_(?:alpha|beta|pre|rc|cvs|svn|git|hg|p)(?![a-z])[0-9]*)*)
    (?:~([0-9a-f]+))?       # the commit it was built from
    (?:-r([0-9]+))?         # the package's own revision
    """,
    re.VERBOSE,
)

# A version becomes one flat tuple: the first number, then the rank of each further part, followed by its value if it
# has one. At the first difference, two versions have parts of the same kind or of two kinds. Parts of the same kind are
# compared by value. Of two kinds, a suffix such as _alpha makes its version the smaller one; else the kind that the
# grammar places further left is the larger. One rank per kind expresses both rules, so that tuples compare as versions
# do. The end has a rank too, so that no version's tuple is the beginning of another's.
_BEFORE_RELEASE: Final = {"alpha": 0, "beta": 1, "pre": 2, "rc": 3}
_UNREADABLE: Final = 4
_END: Final = 5
_REVISION: Final = 6
_HASH: Final = 7
_SUFFIX_NUMBER: Final = 8
_AFTER_RELEASE: Final = {"cvs": 9, "svn": 10, "git": 11, "hg": 12, "p": 13}
_LETTER: Final = 14
# A number with a leading zero is compared as text, so that it is less than every number without one.
_ZERO_LED_NUMBER: Final = 15
_NUMBER: Final = 16

_SUFFIXES: Final = _BEFORE_RELEASE | _AFTER_RELEASE
_NOTHING_READABLE: Final = -1


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Version:
    """A package version, in the total order of apk-tools 3.

    >>> Version("1.2.4_git20230717-r4") > Version("1.2.4-r9") > Version("1.2.4_rc1")
    True
    >>> Version("1.2.x")  # doctest: +NORMALIZE_WHITESPACE
    Traceback (most recent call last):
        ...
    pytest_alpine.errors.InvalidVersion: invalid version: '1.2.x' (expected
    number{.number}[letter]{_suffix[number]}[~hash][-rnumber]; cannot read '.x')

    A version can be compared with a text that spells a version:

    >>> Version("1.2.5-r0") == "1.2.5-r0", Version("1.2.5-r0") >= "1.3"
    (True, False)

    Equal versions have equal hashes, also ``10`` and ``010``. A text has another hash than the version that it spells:
    a set or a dictionary of versions does not find it.

    Raises:
        InvalidVersion: *text* is not a version of apk; also raised by ``<``, ``<=``, ``>`` and ``>=`` with such a text.
    """

    text: str
    """The version as it was written."""
    key: Key = field(init=False)
    """A tuple that compares as the version does."""

    def __post_init__(self) -> None:
        """Read the text."""
        object.__setattr__(self, "key", _strict_key(self.text))

    @classmethod
    def parse(cls, text: str) -> Version:
        """Return the version that *text* spells.

        Raises:
            InvalidVersion: *text* is not a version of apk.
        """
        return cls(text)

    @classmethod
    def lenient(cls, text: str) -> Version:
        """Return *text* as a version even if it is malformed, as apk does.

        Databases that old or other tools wrote contain such versions. Their order depends on the part that can be
        read; the rest makes a version smaller: ``1.0.x`` is less than ``1.0``, and equals ``1.0.y``.
        """
        version = cls.__new__(cls)
        object.__setattr__(version, "text", text)
        object.__setattr__(version, "key", _lenient_key(text))
        return version

    @property
    def is_valid(self) -> bool:
        """Whether the whole text can be read. It is False only for versions that ``lenient`` returned."""
        return self.key[-1] == _END

    def starts_with(self, prefix: Version) -> bool:
        """Whether this version matches ``~prefix``: it begins with all parts of *prefix*.

        >>> Version("3.3.2-r1").starts_with(Version("3.3")), Version("3.30").starts_with(Version("3.3"))
        (True, False)
        """
        wanted = prefix.key
        return self.key == wanted or (prefix.is_valid and self.key[: len(wanted) - 1] == wanted[:-1])

    @staticmethod
    def _key_of(other: object) -> Key | None:
        if isinstance(other, Version):
            return other.key
        return _strict_key(other) if isinstance(other, str) else None

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"Version({self.text!r})"

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, str):
            return self.text == other or (self.is_valid and self.key == _lenient_key(other))
        return self.key == other.key if isinstance(other, Version) else NotImplemented

    def __lt__(self, other: Version | str) -> bool:
        key = self._key_of(other)
        return NotImplemented if key is None else self.key < key

    def __le__(self, other: Version | str) -> bool:
        key = self._key_of(other)
        return NotImplemented if key is None else self.key <= key

    def __gt__(self, other: Version | str) -> bool:
        key = self._key_of(other)
        return NotImplemented if key is None else self.key > key

    def __ge__(self, other: Version | str) -> bool:
        key = self._key_of(other)
        return NotImplemented if key is None else self.key >= key


def _strict_key(text: str) -> Key:
    if not isinstance(text, str):
        # A float such as 3.20 has already lost its last zero.
        raise InvalidVersion(f"invalid version: {text!r} (expected a text, such as {str(text)!r})")
    match = _GRAMMAR.match(text)
    end = match.end() if match else 0
    if match is None or end != len(text):
        where = f"; cannot read {quoted(text[end:])}" if end else ""
        raise InvalidVersion(f"invalid version: {quoted(text)} (expected {_EXPECTED}{where})")
    return _key(match, _END)


def _lenient_key(text: str) -> Key:
    match = _GRAMMAR.match(text)
    if match is None:
        return (_NOTHING_READABLE,)
    return _key(match, _END if match.end() == len(text) else _UNREADABLE)


def _key(match: re.Match[str], end: int) -> Key:
    first, numbers, letter, suffixes, commit, revision = match.groups()
    key: list[int | str] = [_number(first)]
    if numbers:
        for number in numbers[1:].split("."):
            key += (_ZERO_LED_NUMBER, number) if number[0] == "0" else (_NUMBER, _number(number))
    if letter:
        key += (_LETTER, letter)
    if suffixes:
        for suffix in suffixes[1:].split("_"):
            name = suffix.rstrip("0123456789")
            key.append(_SUFFIXES[name])
            if name != suffix:
                key += (_SUFFIX_NUMBER, _number(suffix[len(name) :]))
    if commit:
        key += (_HASH, commit)
    if revision:
        key += (_REVISION, _number(revision))
    key.append(end)
    return tuple(key)


def _number(digits: str) -> int:
    # apk's numbers wrap around at 64 bits. 10**64 is a multiple of 2**64, so that only the last 64 digits matter.
    return int(digits) if len(digits) < 20 else int(digits[-64:]) & 0xFFFF_FFFF_FFFF_FFFF  # noqa: PLR2004
