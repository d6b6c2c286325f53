"""The first command in a line of shell, as far as its words are certain before a shell has expanded anything.

Spec: https://pubs.opengroup.org/onlinepubs/9799919799/utilities/V3_chap02.html, "Simple Commands".
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

OPAQUE: Final = "\0"
"""Stands for one word that only the shell knows, such as ``"$USER"``; no word of a command holds this character."""

_BLANK: Final = re.compile(r"[ \t]*")
# What a word is made of: plain characters, quotes, and what the shell expands to one word, or to none or several.
_PIECE: Final = re.compile(
    r"""(?P<plain>[\w./+:@%=,^-]+)|'(?P<single>[^']*)'|"(?P<double>[^"`$\\]*)"
    |(?P<one>"(?:[^"`$\\]|\\.|\$\w+|\$[?$!#*]|\$\{[^{}"`]*\})*")
    |(?P<many>\$\w+|\$[?$!#*@]|\$\{[^{}"'`]*\}|\$\([^()"'`]*\)|`[^`'"]*`|\\.|[][*?~!{}\#])""",
    re.VERBOSE,
)
_REDIRECTION: Final = re.compile(r"\d*(?:>>|>\||<>|[<>](?!<))&?[ \t]*")
_ASSIGNMENT: Final = re.compile(r"([A-Za-z_]\w*)=(.*)", re.DOTALL)
# What may follow a command without any other command making up for one that does not start.
_NO_WAY_OUT: Final = re.compile(
    r"(?:(?:&&|\|(?!\|))(?:(?!\|\||[;\n]).)*)?\s*(?:\|\||[;\n])?\s*(?:(?:exit(?!\s+0)|return|false|kill)\b.*|$)",
    re.DOTALL,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class FirstCommand:
    """What a line of shell starts first, and cannot do without."""

    words: tuple[str, ...]
    """Up to the first word that may be none or several, such as ``$OPTIONS``; ``OPAQUE`` for what is one word."""
    assigned: Mapping[str, str] = field(default_factory=dict)
    """The variables that are set for this command; ``OPAQUE`` for a value that only the shell knows."""


def first_command(line: str) -> FirstCommand | None:
    r"""Return the first command of *line*; None where that is no simple command, or where others follow all the same.

    >>> first_command('PORT=80 exec "serve" --user "$USER" $OPTIONS || exit 1')
    FirstCommand(words=('serve', '--user', '\x00'), assigned={'PORT': '80'})
    """
    words: list[str] = []
    assigned: dict[str, str] = {}
    certain = True
    try:
        for word in _words(line.strip().replace("\\\n", " ")):
            found = _ASSIGNMENT.fullmatch(word) if not words and certain else None
            certain = certain and (word != "" or found is not None)
            if found is not None:
                assigned[found[1]] = OPAQUE if OPAQUE in found[2] else found[2]
            elif certain:
                words.append(OPAQUE if OPAQUE in word else word)
    except ValueError:
        return None
    while words and words[0] in {"exec", "command"}:
        del words[0]
    return FirstCommand(words=tuple(words), assigned=assigned) if words else None


def _words(line: str) -> Iterator[str]:
    """Yield the words of the first command of *line*; an empty one for what may be no word, or several.

    Raises:
        ValueError: the command is more than words and redirections, or its failure is made up for.
    """
    place = 0
    while True:
        place = _end(_BLANK, line, place)
        if place == len(line) or line[place] in "#;&|\n":
            break
        redirection = _REDIRECTION.match(line, place)
        start = redirection.end() if redirection is not None else place
        word, place = _word(line, start)
        if redirection is None:
            yield word
    if line[place : place + 1] != "#" and _NO_WAY_OUT.fullmatch(line, place) is None:
        raise ValueError(line)


def _word(line: str, place: int) -> tuple[str, int]:
    """Return the word at *place* of *line*, and where it ends."""
    pieces: list[str] = []
    several = False
    end = place
    while (piece := _PIECE.match(line, end)) is not None:
        end = piece.end()
        several = several or piece["many"] is not None
        known = next((text for text in piece.group("plain", "single", "double") if text is not None), OPAQUE)
        pieces.append(known)
    if end == place or line[end : end + 1] in {"(", ")", "<", ">", '"', "'", "`", "$", "\\"}:
        raise ValueError(line)
    word = "".join(pieces)
    # The value of an assignment is never split.
    return ("" if several and _ASSIGNMENT.fullmatch(word) is None else word), end


def _end(pattern: re.Pattern[str], line: str, place: int) -> int:
    found = pattern.match(line, place)
    return found.end() if found is not None else place
