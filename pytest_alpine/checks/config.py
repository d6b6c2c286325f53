"""What an image says of itself: user, environment, labels, entrypoint, ports, health check, ...

Spec: https://github.com/opencontainers/image-spec/blob/main/config.md
"""

from __future__ import annotations

import re
import shlex
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypedDict, Unpack

from pytest_alpine.checks.findings import Finding, require_none
from pytest_alpine.checks.snapshot import image_of
from pytest_alpine.checks.subjects import keywords, require_known

if TYPE_CHECKING:
    from pytest_alpine.engine.container import Container
    from pytest_alpine.image.image import Image
    from pytest_alpine.image.spec.config import ImageConfig

Text = str | re.Pattern[str]
"""A text that must be equal, or a compiled pattern that must be found."""
Words = str | re.Pattern[str] | Sequence[Text]
"""A command: its words; one text, which a shell would split into them; or a pattern that is found in that text."""

_SHELL: Final = ("/bin/sh", "-c")
_NOT_SET: Final = "not set"
_PORT: Final = re.compile(r"[0-9]{1,5}(?:/[A-Za-z]+)?")


class ConfigFields(TypedDict, total=False):
    """What ``assert_config`` can be asked; see there."""

    user: Text | int | None
    env: Mapping[str, Text | None]
    labels: Mapping[str, Text | None]
    entrypoint: Words | None
    cmd: Words | None
    workdir: Text | None
    ports: int | str | Iterable[int | str] | None
    volumes: str | Iterable[str] | None
    stop_signal: str | int | None
    healthcheck: bool | Words | None


def assert_config(image: Image | Container, /, **expected: Unpack[ConfigFields]) -> None:
    """Fail unless the configuration of *image* is as given; what is not given is not looked at.

    A text must be equal, a compiled pattern must be found, None means that the image does not set it.

    Args:
        image: an image, or a running container, whose image is looked at.
        **expected: at least one of

            - ``user``: ``USER``, as the image has it.
            - ``env``: variables by name; None for one that must not be set. Others may be set.
            - ``labels``: labels by name; None for one that must not be set. Others may be set.
            - ``entrypoint``: ``ENTRYPOINT``: its words, or a text that a shell would split into them. A text also
              equals the same text in shell form, ``/bin/sh -c TEXT``.
            - ``cmd``: ``CMD``, in the same way.
            - ``workdir``: ``WORKDIR``.
            - ``ports``: all exposed ports and no others: ``8080`` (TCP), ``"53/udp"``.
            - ``volumes``: all paths that are volumes and no others.
            - ``stop_signal``: ``STOPSIGNAL``, by name or number: ``"SIGQUIT"``, ``"QUIT"``, ``3``.
            - ``healthcheck``: True for any ``HEALTHCHECK``, False or None for none; else its command, written as for
              ``entrypoint``.

    Raises:
        AssertionError: a field is different; the message tells all differences.
        TypeError: nothing is given, or something that a configuration does not have.
        MalformedImage: the image's configuration cannot be read.
    """
    __tracebackhide__ = True
    require_none(find_config(image, **expected), image_of(image))


def find_config(image: Image | Container, /, **expected: Unpack[ConfigFields]) -> tuple[Finding, ...]:
    """Return a finding for each field of the configuration of *image* that differs; see ``assert_config``."""
    if not expected:
        raise TypeError(f"nothing is given (expected some of {keywords(_FIELDS)})")
    require_known(expected, _FIELDS)
    config = image_of(image).config
    return tuple(finding for name, wanted in expected.items() for finding in _FIELDS[name](config, wanted))


def _user(config: ImageConfig, wanted: Text | int | None) -> Iterator[Finding]:
    return _text("user", str(wanted) if isinstance(wanted, int) else wanted, config.user)


def _env(config: ImageConfig, wanted: Mapping[str, Text | None]) -> Iterator[Finding]:
    return _named("environment variable", wanted, config.env)


def _labels(config: ImageConfig, wanted: Mapping[str, Text | None]) -> Iterator[Finding]:
    return _named("label", wanted, config.labels)


def _entrypoint(config: ImageConfig, wanted: Words | None) -> Iterator[Finding]:
    return _command("entrypoint", wanted, config.entrypoint)


def _cmd(config: ImageConfig, wanted: Words | None) -> Iterator[Finding]:
    return _command("cmd", wanted, config.cmd)


def _workdir(config: ImageConfig, wanted: Text | None) -> Iterator[Finding]:
    return _text("workdir", wanted, config.working_dir)


def _ports(config: ImageConfig, wanted: int | str | Iterable[int | str] | None) -> Iterator[Finding]:
    ports = [] if wanted is None else [wanted] if isinstance(wanted, (int, str)) else list(wanted)
    for port in ports:
        if not _PORT.fullmatch(str(port)):
            raise TypeError(f"ports: {port!r} is no port (expected such as 8080 or '53/udp')")
    return _all("exposed ports", map(_port, ports), map(_port, config.exposed_ports))


def _volumes(config: ImageConfig, wanted: str | Iterable[str] | None) -> Iterator[Finding]:
    paths = [] if wanted is None else [wanted] if isinstance(wanted, str) else wanted
    return _all("volumes", paths, config.volumes)


def _stop_signal(config: ImageConfig, wanted: str | int | None) -> Iterator[Finding]:
    if _signal(wanted or "") != _signal(config.stop_signal):
        yield _finding("stop_signal", _shown(wanted or None), _shown(config.stop_signal or None))


def _healthcheck(config: ImageConfig, wanted: bool | Words | None) -> Iterator[Finding]:
    command = config.healthcheck.command(config.shell) if config.healthcheck is not None else ()
    if not isinstance(wanted, bool) and wanted is not None:
        yield from _command("healthcheck", wanted, command)
    elif bool(command) != bool(wanted):
        yield _finding("healthcheck", "one" if wanted else "none", _shown(command or None))


_FIELDS: Final[Mapping[str, Callable[[ImageConfig, Any], Iterator[Finding]]]] = {
    "user": _user,
    "env": _env,
    "labels": _labels,
    "entrypoint": _entrypoint,
    "cmd": _cmd,
    "workdir": _workdir,
    "ports": _ports,
    "volumes": _volumes,
    "stop_signal": _stop_signal,
    "healthcheck": _healthcheck,
}


def _text(subject: str, wanted: Text | None, actual: str | None) -> Iterator[Finding]:
    """Compare a text; an empty one is not set."""
    if not _equal(wanted, actual):
        yield _finding(subject, _shown(wanted), _shown(actual or None))


def _named(kind: str, wanted: Mapping[str, Text | None], actual: Mapping[str, str]) -> Iterator[Finding]:
    """Compare texts that have names; one that is set may be empty."""
    for name, text in wanted.items():
        value = actual.get(name)
        if not _has_value(text, value):
            yield _finding(f"{kind} {name}", _shown(text), _shown(value), _nearest(name, actual))


def _command(subject: str, wanted: Words | None, words: tuple[str, ...]) -> Iterator[Finding]:
    if not _is_command(wanted, words):
        yield _finding(subject, _shown(wanted), _shown(words or None))


def _all(subject: str, wanted: Iterable[str], actual: Iterable[str]) -> Iterator[Finding]:
    expected, found = set(wanted), set(actual)
    parts = {"missing": expected - found, "not expected": found - expected}
    hint = "; ".join(f"{what}: {', '.join(sorted(some))}" for what, some in parts.items() if some)
    if hint:
        yield _finding(subject, ", ".join(sorted(expected)) or "none", ", ".join(sorted(found)) or "none", hint)


def _equal(wanted: Text | None, actual: str | None) -> bool:
    if isinstance(wanted, re.Pattern):
        return bool(actual) and wanted.search(actual or "") is not None
    return (wanted or "") == (actual or "")


def _has_value(wanted: Text | None, actual: str | None) -> bool:
    """Whether a named value is as wanted: an empty one is set."""
    if isinstance(wanted, re.Pattern) and actual is not None:
        return wanted.search(actual) is not None
    return wanted == actual


def _is_command(wanted: Words | None, words: tuple[str, ...]) -> bool:
    if wanted is None or not words:
        return not wanted and not words
    if isinstance(wanted, re.Pattern):
        return wanted.search(_line(words)) is not None
    if isinstance(wanted, str):
        return words == (*_SHELL, wanted) or list(words) == shlex.split(wanted)
    return len(wanted) == len(words) and all(map(_equal, wanted, words))


def _line(words: Sequence[str]) -> str:
    """Return *words* as one line; of the shell form, the line that the shell is given."""
    return words[-1] if tuple(words[:-1]) == _SHELL else shlex.join(words)


def _port(port: int | str) -> str:
    """Return *port* with its protocol.

    >>> _port(8080), _port("53/UDP")
    ('8080/tcp', '53/udp')
    """
    number, _, protocol = str(port).partition("/")
    return f"{number}/{protocol.lower() or 'tcp'}"


def _signal(name: str | int) -> str:
    """Return the name of a signal without ``SIG``, in capitals.

    >>> _signal("SIGQUIT"), _signal("quit"), _signal(3), _signal("3")
    ('QUIT', 'QUIT', 'QUIT', 'QUIT')
    """
    text = str(name).upper().removeprefix("SIG")
    try:
        return signal.Signals(int(text)).name.removeprefix("SIG")
    except ValueError:
        return text


def _nearest(name: str, actual: Mapping[str, str]) -> str:
    from difflib import get_close_matches

    near = [] if name in actual else get_close_matches(name, actual)
    return f"nearest: {', '.join(near)}" if near else ""


def _shown(value: object) -> str:
    if value is None:
        return _NOT_SET
    if isinstance(value, re.Pattern):
        return f"what matches {value.pattern!r}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"[{', '.join(map(_shown, value))}]"
    return f"{value!r}"


def _finding(subject: str, expected: str, actual: str, hint: str = "") -> Finding:
    return Finding(check="config", subject=subject, expected=expected, actual=actual, hint=hint)
