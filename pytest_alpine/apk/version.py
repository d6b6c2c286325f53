"""Package versions and their order.

Spec: apk-package(5), "VERSION", and the comparison of apk-tools 3::

    number{.number}[letter]{_suffix[number]}[~hash][-r number]
"""

from __future__ import annotations

import re
from functools import cached_property, total_ordering
from typing import Any, Final

from pytest_alpine.errors import InvalidVersion

_PRE: Final = ("alpha", "beta", "pre", "rc")
_POST: Final = ("cvs", "svn", "git", "hg", "p")
_EXPECTED: Final = "expected number{.number}[letter]{_suffix[number]}[~hash][-rnumber]"

_VERSION: Final = re.compile(
    r"""
    (?P<first>[0-9]+)
    (?P<rest>(?:\.[0-9]+)*)
    (?P<letter>[a-z]?)
    (?P<suffixes>(?:_(?:alpha|beta|pre|rc|cvs|svn|git|hg|p)[0-9]*)*)
    (?:~(?P<hash>[0-9a-f]+))?
    (?:-r(?P<revision>[0-9]+))?
    """,
    re.VERBOSE,
)
_SUFFIX: Final = re.compile(r"_([a-z]+)([0-9]*)")

# Where the parts of two versions differ in kind, the kind decides. A pre-release suffix is less than anything, also
# than the end; after that, what ends sooner is less.
_INVALID, _END, _REVISION, _HASH, _SUFFIX_NUMBER, _POST_SUFFIX, _LETTER, _NUMBER = range(1, 9)
_PRE_SUFFIX: Final = 0
_WORD: Final = 1 << 64

_Key = tuple[tuple[int, Any], ...]


@total_ordering
class Version:
    """A package version, ordered as apk-tools 3 orders it.

    >>> Version("1.2.4_git20230717-r4") > Version("1.2.4-r9")
    True
    >>> Version("1.0-1")
    Traceback (most recent call last):
        ...
    pytest_alpine.errors.InvalidVersion: invalid version: '1.0-1', from '-1' on (expected number{.number}[letter]{_suffix[number]}[~hash][-rnumber])
    """

    def __init__(self, text: str) -> None:
        """Read *text*; raises InvalidVersion where it breaks the grammar."""
        match = _VERSION.match(text)
        if match is None or match.end() != len(text):
            where = f", from {text[match.end() :]!r} on" if match else ""
            raise InvalidVersion(f"invalid version: {text!r}{where} ({_EXPECTED})")
        self._text = text

    @classmethod
    def parse(cls, text: str) -> Version:
        """Return the version that *text* writes.

        Raises:
            InvalidVersion: *text* breaks the grammar; the message says from where on.
        """
        return cls(text)

    @classmethod
    def lenient(cls, text: str) -> Version:
        """Return *text* as a version even where it breaks the grammar, ordered by its valid beginning.

        Installed databases hold what older tools accepted; a package must not be lost for its version.
        """
        version = cls.__new__(cls)
        version._text = text
        return version

    @property
    def is_valid(self) -> bool:
        """Whether the text follows the grammar."""
        return _VERSION.fullmatch(self._text) is not None

    def starts_with(self, prefix: Version) -> bool:
        """Whether this version matches ``~prefix``: *prefix*, or *prefix* and more parts."""
        wanted = prefix._key[:-1]
        return self._key[: len(wanted)] == wanted

    def __str__(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return f"Version({self._text!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Version):
            return NotImplemented
        return self._key == other._key

    def __lt__(self, other: Version) -> bool:
        if not isinstance(other, Version):
            return NotImplemented
        return self._key < other._key

    def __hash__(self) -> int:
        return hash(self._key)

    @cached_property
    def _key(self) -> _Key:
        match = _VERSION.match(self._text)
        if match is None:
            return ((_INVALID, 0),)
        end = _END if match.end() == len(self._text) else _INVALID
        return (*_parts(match), (end, 0))


def _parts(match: re.Match[str]) -> list[tuple[int, Any]]:
    parts: list[tuple[int, Any]] = [(_NUMBER, (1, _number(match["first"])))]
    parts += [(_NUMBER, _later(number)) for number in match["rest"].split(".")[1:]]
    if match["letter"]:
        parts.append((_LETTER, match["letter"]))
    for name, number in _SUFFIX.findall(match["suffixes"]):
        parts.append((_PRE_SUFFIX, _PRE.index(name)) if name in _PRE else (_POST_SUFFIX, _POST.index(name)))
        if number:
            parts.append((_SUFFIX_NUMBER, _number(number)))
    if match["hash"]:
        parts.append((_HASH, match["hash"]))
    if match["revision"]:
        parts.append((_REVISION, _number(match["revision"])))
    return parts


def _number(digits: str) -> int:
    # apk counts in 64 bits. Digits beyond what int() takes at once are cut from the left, which keeps the remainder.
    return int(digits[-4000:]) % _WORD


def _later(digits: str) -> tuple[int, int | str]:
    """Return the key of a number behind a dot: with a leading zero it is compared as text."""
    return (0, digits) if digits.startswith("0") else (1, _number(digits))
