"""``/etc/hosts`` of a container that has only a loopback interface.

Spec: hosts(5); the names are those that Docker writes.
"""

from __future__ import annotations

from typing import Final

HOSTS_FILE: Final = "/etc/hosts"
"""Its path."""


def hosts_file(hostname: str) -> str:
    """Return the content of the file for a container that is called *hostname*."""
    return f"127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n127.0.0.1\t{hostname}\n"
