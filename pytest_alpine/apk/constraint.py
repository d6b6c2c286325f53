"""Constraints on packages, as apk's world file and the dependencies of packages contain them.

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
"""A regular expression for the shape of a constraint. A text matches it in one way only, so that lists can be split."""

_PARTS: Final = re.compile(
    r"""
    (!?)                            # conflicts with
    ([^\s!<>=~@][^\s<>=~@]*)        # this package, or one that provides the name
    (?:@([^\s<>=~@]+))?             # from the repository with this tag
    (?:([<>=~]+)(\S*))?             # in this version
    """,
    re.VERBOSE,
)
# First, the names of packages (that of a virtual package begins with a dot); second, paths and names with a namespace,
# such as cmd:[ and so:libz.so.1.
_NAME: Final = re.compile(r"[A-Za-z0-9._][A-Za-z0-9._+-]*|(?:[A-Za-z0-9.-]+:|/)[A-Za-z0-9._+,:/\[\]-]+")
_IDENTITY: Final = {"<", ">"}
_OPERATOR: Final = re.compile(r"(?<!\s)\s*([<>=~]+)\s*")  # starts at the first of many blanks only


@dataclass(frozen=True, kw_only=True, slots=True)
class Constraint:
    """A constraint on the installed packages: one must be installed, or with ``!`` must not be.

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
    """One or more of ``<``, ``>``, ``=`` and ``~``, of which one must hold; empty if every version is allowed."""
    version: Version | None = None
    identity: Digest | None = None
    """The identity of the wanted package, after the operator ``><``."""
    tag: str = ""
    """The tagged repository that apk installs the package from. Installed packages are not compared with it."""
    conflict: bool = False
    """Whether the package must be absent (``!``)."""
    operand: str = ""
    """The text after the operator, as it was written."""

    @classmethod
    def parse(cls, text: str) -> Constraint:
        """Return the constraint that *text* spells: ``[!]name[@tag][operator version]``, without spaces.

        Operators are ``=``, ``<``, ``>``, ``<=``, ``>=`` and ``~``. ``~`` (also ``=~`` and ``~=``) matches versions
        that begin with the given one; ``<~`` also matches lower versions, ``>~`` also higher ones. ``><`` is followed
        by the identity hash of a package.

        Raises:
            InvalidConstraint: *text* is not a constraint.
        """
        found = cls.lenient(text)
        if problem := _problem(found):
            raise InvalidConstraint(f"invalid constraint: {quoted(text)} ({problem})")
        return found

    @classmethod
    def lenient(cls, text: str) -> Constraint:
        """Return the constraint that *text* spells, without a check of its name and version.

        For package databases, which contain any text that apk accepted when it installed the package.

        Raises:
            InvalidConstraint: *text* does not have the shape of a constraint.
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
        """Whether a package of this name matches with its *version* and *identity*; ignores ``!``.

        Args:
            version: None for a name that is provided without a version. As in apk 3, it matches every operator but
                ``><``.
            identity: the hash of the package; None for a provided name.

        Raises:
            InvalidVersion: *version* is a text that is not a version.
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
        """Whether the constraint holds if a package of this name, *version* and *identity* is installed.

        The arguments are those of ``allows``; with ``!`` the result is the opposite.
        """
        return self.allows(version, identity) != self.conflict

    def __str__(self) -> str:
        tag = f"@{self.tag}" if self.tag else ""
        return f"{'!' * self.conflict}{self.name}{tag}{self.operator}{self.operand}"


def _problem(constraint: Constraint) -> str:
    """Return what is wrong with *constraint*, for the person who wrote it; empty if nothing is."""
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
