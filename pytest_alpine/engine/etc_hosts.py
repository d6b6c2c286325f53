"""``/etc/hosts`` of a container that has no network but its own loopback.

Spec: hosts(5); the names are those that Docker gives.
"""

from __future__ import annotations

from typing import Final

HOSTS_FILE: Final = "/etc/hosts"
"""Where it stands."""


def hosts_file(hostname: str) -> str:
    """Return the names of this machine, which is called *hostname*."""
    return f"127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n127.0.0.1\t{hostname}\n"
