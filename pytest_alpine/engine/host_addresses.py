"""The addresses of engines on other machines, as options give them: ``linux/arm64=ssh://ci@arm-1``.

An engine is given as for ``docker -H`` (a URL) or ``docker --context`` (a name):
https://docs.docker.com/reference/cli/docker/#environment-variables
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pytest_alpine.dockerapi.contexts import has_context, known_contexts
from pytest_alpine.dockerapi.ssh_tunnel import SSH, SshAddress
from pytest_alpine.platforms import Platform

if TYPE_CHECKING:
    from collections.abc import Sequence

_EXAMPLE: Final = "linux/arm64=ssh://ci@arm-1"
_SCHEMES: Final = (SSH, "tcp", "unix")
_SOMEWHERE: Final = re.compile(r"\w+://[^/\s]+.*|unix:///.+")
_CONTEXT: Final = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.+-]*")


def parse_hosts(words: Sequence[str]) -> dict[Platform, str]:
    """Return the address of the engine of each platform.

    Args:
        words: such as ``linux/arm64=ssh://ci@arm-1``; behind the sign, a URL or the name of a docker context.

    Raises:
        ValueError: one cannot be read, or names a docker context that there is not; the message tells what can be.
    """
    hosts: dict[Platform, str] = {}
    for word in words:
        name, sign, host = word.partition("=")
        if not sign or not host:
            raise ValueError(f"{word!r} names no engine (expected PLATFORM=URL or PLATFORM=CONTEXT, as in {_EXAMPLE})")
        platform = Platform.parse(name)
        if platform in hosts:
            raise ValueError(f"{platform} is given two engines, {hosts[platform]} and {host} (expected one)")
        _check_host(host)
        hosts[platform] = host
    return hosts


def _check_host(host: str) -> None:
    scheme, sign, _ = host.partition("://")
    if not sign:
        _check_context(host)
    elif scheme not in _SCHEMES or not _SOMEWHERE.fullmatch(host):
        expected = f"{', '.join(f'{known}://' for known in _SCHEMES)}, or the name of a docker context"
        raise ValueError(f"{host!r} is not an address of an engine (expected {expected}, as in {_EXAMPLE})")
    elif scheme == SSH:
        SshAddress.parse(host)


def _check_context(name: str) -> None:
    if not _CONTEXT.fullmatch(name) or not has_context(name):
        way_out = f"create it: docker context create NAME --docker host={SSH}://USER@HOST; or give the URL itself"
        raise ValueError(f"there is no docker context {name!r} (known: {', '.join(known_contexts())}); {way_out}")
