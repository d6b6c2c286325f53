"""The repositories that apk installs packages from.

Spec: apk-repositories(5).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Final, Literal

from pytest_alpine.errors import DatabaseError
from pytest_alpine.quoting import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

IndexType = Literal["v2", "v3", "ndx"]

_TYPES: Final[dict[str, IndexType]] = {"v2": "v2", "v3": "v3", "ndx": "ndx"}
_INDEX_SUFFIXES: Final = (".adb", ".tar.gz")
_VARIABLE: Final = re.compile(r"\$\{([A-Za-z][A-Za-z0-9_]*)\}")
_SETTING: Final = re.compile(r"([A-Za-z][A-Za-z0-9_]*)=(.*)")
_BRANCH: Final = re.compile(r"/(edge|latest-stable|v[0-9]+(?:\.[0-9]+)+)/([^/]+)/?$")
_URL: Final = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]*://|/)\S+")


# Characters. No mirror has longer URLs. Without a limit, lines that double a variable would fill the memory.
_LONGEST: Final = 4096


@dataclass(frozen=True, kw_only=True)
class Repository:
    """One repository of packages."""

    url: str
    """A URL or an absolute path, with the component at its end."""
    tag: str = ""
    """If there is a tag, apk installs packages from this repository only for ``name@tag``."""
    type: IndexType = "v2"
    """The form of the index; with ``ndx``, the URL is that of the index."""

    @property
    def branch(self) -> str:
        """Alpine's branch, ``v3.20`` or ``edge``; empty if the URL does not have the form of Alpine's mirrors."""
        return self._branch_and_component[0]

    @property
    def component(self) -> str:
        """The component, such as ``main`` or ``community``; empty if there is no branch."""
        return self._branch_and_component[1]

    @cached_property
    def _branch_and_component(self) -> tuple[str, str]:
        match = _BRANCH.search(self.url)
        return (match[1], match[2]) if match else ("", "")

    def __str__(self) -> str:
        kind = "" if self.type == "v2" else f"{self.type} "
        return f"{kind}@{self.tag} {self.url}" if self.tag else f"{kind}{self.url}"


@dataclass(kw_only=True)
class RepositoryParser:
    """Reads repository files one after the other. A variable or a default also holds in the files that follow."""

    arch: Callable[[], str]
    """Returns the value of ``APK_ARCH``; called only if a line uses it."""
    _variables: dict[str, str] = field(default_factory=dict)
    _default: IndexType | None = None

    def parse(self, text: str, where: str) -> Iterator[Repository]:
        """Yield the repositories that the file *text* lists.

        Raises:
            DatabaseError: a line is not a repository, comment or setting; the message begins with *where*.
        """
        for number, line in enumerate(text.split("\n"), 1):
            words = line.split()
            if not words or words[0].startswith("#"):
                continue
            if words[0] == "set":
                understood = self._set(words[1:])
            elif words[0] == "default":
                understood = len(words) == 2 and words[1] in _TYPES  # noqa: PLR2004 - the word and its value
                self._default = _TYPES.get(words[-1])
            else:
                found = self._repositories(words)
                understood = bool(found)
                yield from found
            if not understood:
                raise DatabaseError(
                    f"{where}:{number}: malformed repository: {quoted(line)} "
                    "(expected '[v2|v3|ndx] [@tag] url [component...]' or 'set [-default] key=value')"
                )

    def _set(self, words: list[str]) -> bool:
        keep = words[:1] == ["-default"]
        match = _SETTING.fullmatch(" ".join(words[keep:]))
        if match is None:
            return False
        value = self._expanded(match[2])
        if not (keep and match[1] in self._variables):
            self._variables[match[1]] = value
        return len(value) <= _LONGEST

    def _repositories(self, words: list[str]) -> list[Repository]:
        kind = _TYPES.get(words[0])
        rest = words[kind is not None :]
        tag = rest.pop(0)[1:] if rest and rest[0].startswith("@") else ""
        if not rest:
            return []
        url, *components = map(self._expanded, rest)
        kind = kind or self._default or ("ndx" if url.endswith(_INDEX_SUFFIXES) else "v2")
        if not _URL.fullmatch(url) or max(map(len, (url, *components))) > _LONGEST or (components and kind == "ndx"):
            return []
        urls = [f"{url.rstrip('/')}/{component}" for component in components] or [url]
        return [Repository(url=each, tag=tag, type=kind) for each in urls]

    def _expanded(self, text: str) -> str:
        """Return *text* with its variables replaced. A text that is too long is returned unchanged, to be refused."""
        return _VARIABLE.sub(self._value, text) if len(text) <= _LONGEST else text

    def _value(self, match: re.Match[str]) -> str:
        if match[1] == "APK_ARCH":
            return self.arch()
        # A variable that is not set stays as written, because apk's documentation does not say what it stands for.
        return self._variables.get(match[1], match[0])
