"""``/etc/hosts`` of a container that has only a loopback network.

Spec: hosts(5); the names are those that Docker gives.
"""

from __future__ import annotations

from typing import Final

HOSTS_FILE: Final = "/etc/hosts"
"""The path of the file."""


def hosts_file(hostname: str) -> str:
    """Return the content of the file for the host name *hostname*."""
    return f"127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n127.0.0.1\t{hostname}\n"
