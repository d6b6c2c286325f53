"""Constraints on packages, as in ``/etc/apk/world`` and in dependencies.

Spec: apk-world(5).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from pytest_alpine.apk.version import Version
from pytest_alpine.errors import InvalidConstraint, InvalidVersion

_CONSTRAINT: Final = re.compile(
    r"(?P<conflict>!?)(?P<name>[^\s<>=~!@]+)(?:@(?P<tag>[^\s<>=~@]+))?(?:(?P<operator>[<>=~]+)(?P<version>\S*))?"
)
_EXPECTED: Final = "expected [!]name[@tag][operator version] with no white space, such as 'curl>=8.5', '!bash' or 'so:libz.so.1'"
_ANY: Final = frozenset("<>=")


@dataclass(frozen=True, kw_only=True, slots=True)
class Constraint:
    """What must be installed, or, with ``!``, must not be.

    >>> Constraint.parse("curl>=8.5").allows(Version("8.10.1-r0"))
    True
    """

    name: str
    """A package's name, or something provided, such as ``so:libz.so.1`` or ``cmd:sh``."""
    operator: str = ""
    """Any of ``<``, ``>``, ``=``, ``~`` together; empty for any version; ``><`` compares the identity hash."""
    version: str = ""
    conflict: bool = False
    tag: str = ""
    """The repository tag of ``name@tag``."""

    @classmethod
    def parse(cls, text: str) -> Constraint:
        """Return the constraint that *text* writes.

        Raises:
            InvalidConstraint: *text* breaks the grammar, or its version does.
        """
        match = _CONSTRAINT.fullmatch(text)
        if match is None:
            raise InvalidConstraint(f"invalid constraint: {text!r} ({_EXPECTED})")
        operator, version = match["operator"] or "", match["version"] or ""
        if operator and not version:
            raise InvalidConstraint(f"invalid constraint: {text!r} (expected a version after {operator!r})")
        if operator and operator != "><":
            try:
                Version(version)
            except InvalidVersion as error:
                raise InvalidConstraint(f"invalid constraint: {text!r}: {error}") from error
        return cls(
            name=match["name"],
            operator=operator,
            version=version,
            conflict=bool(match["conflict"]),
            tag=match["tag"] or "",
        )

    def allows(self, version: Version | None, identity: str = "") -> bool:
        """Whether *version* is in the range; the ``!`` of a conflict is not looked at.

        Args:
            version: the version found; None for a provide without version, which is in every range, as for apk.
            identity: the package's identity hash, for ``><``.
        """
        if not self.operator or _ANY <= set(self.operator):
            return True
        if self.operator == "><":
            return identity == self.version
        if version is None:
            return True
        wanted = Version.lenient(self.version)
        if "~" in self.operator and version.starts_with(wanted):
            return True
        if version == wanted:
            return "=" in self.operator or "~" in self.operator
        return ("<" if version < wanted else ">") in self.operator

    def __str__(self) -> str:
        conflict, tag = "!" * self.conflict, f"@{self.tag}" if self.tag else ""
        return f"{conflict}{self.name}{tag}{self.operator}{self.version}"
