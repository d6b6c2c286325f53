"""Constraints on packages, as they stand in apk's world file and in dependencies.

Spec: apk-world(5), "PACKAGE SPECIFICATION", and apk-package(5), "depends" and "provides".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from pytest_alpine.apk.digest import Digest, parse_digest
from pytest_alpine.apk.version import Version
from pytest_alpine.errors import InvalidConstraint, InvalidVersion
from pytest_alpine.quoting import quoted

PATTERN: Final = r"!?[^\s!<>=~@][^\s<>=~@]*(?:@[^\s<>=~@]+)?(?:[<>=~]\S*)?"
"""A regular expression of whatever has the shape of a constraint, and that in one way only: lists are told by it."""

_PARTS: Final = re.compile(
    r"""
    (!?)                            # conflicts with
    ([^\s!<>=~@][^\s<>=~@]*)        # this package, or whoever provides the name
    (?:@([^\s<>=~@]+))?             # from the repository with this tag
    (?:([<>=~]+)(\S*))?             # in this version
    """,
    re.VERBOSE,
)
# Packages' own names on the left (a virtual package's begins with a dot), on the right the names that have a
# namespace, such as cmd:[ and so:libz.so.1, and paths.
_NAME: Final = re.compile(r"[A-Za-z0-9._][A-Za-z0-9._+-]*|(?:[A-Za-z0-9.-]+:|/)[A-Za-z0-9._+,:/\[\]-]+")
_IDENTITY: Final = {"<", ">"}
_OPERATOR: Final = re.compile(r"(?<!\s)\s*([<>=~]+)\s*")  # from the first of many blanks alone


@dataclass(frozen=True, kw_only=True, slots=True)
class Constraint:
    """What must be installed, or with ``!`` must not be.

    >>> at_least = Constraint.parse("curl>=8.5")
    >>> at_least.name, at_least.satisfied_by(Version("8.10.1-r0")), at_least.satisfied_by(Version("8.4"))
    ('curl', True, False)
    >>> Constraint.parse("curl >= 8.5")
    Traceback (most recent call last):
        ...
    pytest_alpine.errors.InvalidConstraint: invalid constraint: 'curl >= 8.5' (expected no spaces: 'curl>=8.5')
    >>> Constraint.parse("curl>=8.x")  # doctest: +NORMALIZE_WHITESPACE
    Traceback (most recent call last):
        ...
    pytest_alpine.errors.InvalidConstraint: invalid constraint: 'curl>=8.x' (after '>=': invalid version: '8.x'
    (expected number{.number}[letter]{_suffix[number]}[~hash][-rnumber]; cannot read '.x'))
    """

    name: str
    """A package, or a name that packages provide: ``so:libz.so.1``, ``cmd:sh``, ``/bin/sh``."""
    operator: str = ""
    """A run of ``<``, ``>``, ``=`` and ``~``, any of which may hold; empty when every version will do."""
    version: Version | None = None
    identity: Digest | None = None
    """The one package wanted, after the operator ``><``."""
    tag: str = ""
    """The tagged repository that apk installs it from; says nothing of what is installed."""
    conflict: bool = False
    """Whether the constraint is met by absence."""
    operand: str = ""
    """What stands after the operator, as it was written."""

    @classmethod
    def parse(cls, text: str) -> Constraint:
        """Return the constraint that *text* spells: ``[!]name[@tag][operator version]``, without spaces.

        Operators are ``=``, ``<``, ``>``, ``<=``, ``>=``, and ``~`` (also ``=~`` and ``~=``), which wants a version
        that begins so; ``<~`` and ``>~`` order by the beginning; ``><`` is followed by a package's identity hash.

        Raises:
            InvalidConstraint: *text* spells none.
        """
        found = cls.lenient(text)
        if problem := _problem(found):
            raise InvalidConstraint(f"invalid constraint: {quoted(text)} ({problem})")
        return found

    @classmethod
    def lenient(cls, text: str) -> Constraint:
        """Return the constraint that *text* spells, whatever its name and version look like.

        Package databases hold what apk accepted when it installed the package.

        Raises:
            InvalidConstraint: *text* has not the shape of a constraint.
        """
        match = _PARTS.fullmatch(text) if isinstance(text, str) else None
        if match is None:
            raise InvalidConstraint(f"invalid constraint: {quoted(text)} (expected {_missing(text)})")
        conflict, name, tag, operator, operand = match.groups(default="")
        by_identity = set(operator) == _IDENTITY
        return cls(
            name=name,
            operator=operator,
            version=Version.lenient(operand) if operator and not by_identity else None,
            identity=parse_digest(operand) if by_identity else None,
            tag=tag,
            conflict=bool(conflict),
            operand=operand,
        )

    def allows(self, version: Version | str | None, identity: Digest | None = None) -> bool:
        """Whether a package of this name, *version* and *identity* is the one spoken of; ``!`` is left aside.

        Args:
            version: None for a name that is provided without a version: apk 3 lets it meet every operator but ``><``.
            identity: the package's own hash; None for a provided name.

        Raises:
            InvalidVersion: *version* is a text that is no version.
        """
        if set(self.operator) == _IDENTITY:
            return self.identity is not None and identity is not None and identity.value == self.identity.value
        if self.version is None or version is None:
            return True
        version = Version(version) if isinstance(version, str) else version
        if "~" in self.operator and version.starts_with(self.version):
            return True
        return (
            ("=" in self.operator and version == self.version)
            or ("<" in self.operator and version < self.version)
            or (">" in self.operator and version > self.version)
        )

    def satisfied_by(self, version: Version | str | None, identity: Digest | None = None) -> bool:
        """Whether the constraint is met where a package of this name, *version* and *identity* is installed.

        Takes what ``allows`` takes; with ``!`` the answer is the opposite.
        """
        return self.allows(version, identity) != self.conflict

    def __str__(self) -> str:
        tag = f"@{self.tag}" if self.tag else ""
        return f"{'!' * self.conflict}{self.name}{tag}{self.operator}{self.operand}"


def _problem(constraint: Constraint) -> str:
    """Return what a person who writes *constraint* should be told, else nothing."""
    operator, operand = constraint.operator, constraint.operand
    if operator and not operand:
        return f"expected a version after {operator!r}"
    if not _NAME.fullmatch(constraint.name):
        expected = "a package name of letters, digits and ._+-, or a namespace first as in 'cmd:sh'"
        return f"expected {expected}; found {quoted(constraint.name)}"
    if set(operator) == _IDENTITY and constraint.identity is None:
        return f"expected a package's identity hash after {operator!r}, such as 'Q1' and 28 characters of base64"
    if constraint.version is not None and not constraint.version.is_valid:
        try:
            Version(operand)
        except InvalidVersion as error:
            return f"after {operator!r}: {error}"
    return ""


def _missing(text: object) -> str:
    if not isinstance(text, str):
        return "a text, such as 'musl' or 'curl>=8.5'"
    together = _OPERATOR.sub(r"\1", text.strip())
    if together != text and _PARTS.fullmatch(together):
        return f"no spaces: {quoted(together)}"
    name = text.strip().removeprefix("!")
    if not name or name[0] in "!<>=~@":
        return "a package name first, such as 'musl', 'curl>=8.5' or '!bash'"
    if len(text.split()) > 1:
        return "one constraint, without spaces"
    return "one tag after '@': 'name@tag'"
