"""Servers on this machine: they are asked without a proxy, and may use plain HTTP."""

from __future__ import annotations

import ipaddress
from typing import Final

NO_PROXY: Final = "localhost,127.0.0.0/8,::1"
"""All loopback addresses, in the form of the environment variable of this name."""


def is_loopback(host: str) -> bool:
    """Whether *host*, with or without a port, is this machine."""
    name, _, port = host.rpartition(":")
    name = name if port.isdecimal() and name else host
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False
