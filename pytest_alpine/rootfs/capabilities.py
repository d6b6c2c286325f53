"""File capabilities: the rights of root that a program gets, whoever starts it.

Specs: capabilities(7), "File capabilities"; ``struct vfs_ns_cap_data`` in Linux's ``include/uapi/linux/capability.h``.
"""

from __future__ import annotations

import struct
from itertools import groupby
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

PAX_RECORD: Final = "SCHILY.xattr.security.capability"
"""The record of a tar member's extended header that holds them, as all engines write and read it."""

_CAPABILITIES: Final = (
    "chown dac_override dac_read_search fowner fsetid kill setgid setuid setpcap linux_immutable net_bind_service "
    "net_broadcast net_admin net_raw ipc_lock ipc_owner sys_module sys_rawio sys_chroot sys_ptrace sys_pacct "
    "sys_admin sys_boot sys_nice sys_resource sys_time sys_tty_config mknod lease audit_write audit_control "
    "setfcap mac_override mac_admin syslog wake_alarm block_suspend audit_read perfmon bpf checkpoint_restore"
)
_NAMES: Final = _CAPABILITIES.split()
_EFFECTIVE: Final = 1
# Each revision's number of 32-bit pairs, and whether a user ID follows.
_REVISIONS: Final[Mapping[int, tuple[int, bool]]] = {1: (1, False), 2: (2, False), 3: (2, True)}
_BITS: Final = 32
_SHOWN: Final = 24


def parse_capabilities(value: bytes) -> str:
    """Return the capabilities in the extended attribute *value* as getcap(8) writes them.

    >>> parse_capabilities(bytes.fromhex("0100000200240000000000000000000000000000"))
    'cap_net_bind_service,cap_net_raw=ep'
    """
    revision = value[3] if len(value) > 3 else 0  # noqa: PLR2004 - the last of the first four bytes
    pairs, has_user = _REVISIONS.get(revision, (0, False))
    numbers = 1 + 2 * pairs + has_user
    if not pairs or len(value) != 4 * numbers:
        return f"malformed, {value[:_SHOWN].hex() or 'empty'}"
    magic, *words = struct.unpack(f"<{numbers}I", value)
    permitted, inheritable = (
        sum(word << (_BITS * place) for place, word in enumerate(words[start : 2 * pairs : 2])) for start in (0, 1)
    )
    effective = "e" if magic & _EFFECTIVE else ""
    flags = {
        number: effective + "i" * (inheritable >> number & 1) + "p" * (permitted >> number & 1)
        for number in range(_BITS * pairs)
        if (permitted | inheritable) >> number & 1
    }
    user = f" [rootid={words[-1]}]" if has_user and words[-1] else ""
    return " ".join(_group(flags, flag) for flag, _ in groupby(sorted(flags.values()))) + user or "none permitted"


def _group(flags: Mapping[int, str], flag: str) -> str:
    numbers = [number for number, found in flags.items() if found == flag]
    if len(numbers) >= len(_NAMES):
        return f"all={flag}"
    names = [f"cap_{_NAMES[number]}" if number < len(_NAMES) else f"cap_{number}" for number in numbers]
    return f"{','.join(names)}={flag}"
