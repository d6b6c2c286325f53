"""Messages between a process and the one that starts its sandboxes: a length, and a value encoded by ``marshal``.

Both run the same Python. Only ``_socket`` is used, because ``socket`` takes longer to import than a sandbox takes to
start. Spec: unix(7), ``SCM_RIGHTS``, for the descriptors of a message.
"""

from __future__ import annotations

import marshal
import sys
from _socket import CMSG_LEN, SCM_RIGHTS, SOL_SOCKET, socket
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_DESCRIPTORS: Final = 64
"""The largest number of descriptors in one message."""

_LENGTH: Final = 4
_INTEGER: Final = 4


def send(channel: socket, message: Any, descriptors: Sequence[int] = ()) -> None:  # noqa: ANN401 - any value that marshal encodes
    """Send *message*, and copies of *descriptors*.

    Raises:
        OSError: nobody listens.
    """
    data = marshal.dumps(message)
    data = len(data).to_bytes(_LENGTH, "big") + data
    numbers = b"".join(descriptor.to_bytes(_INTEGER, sys.byteorder) for descriptor in descriptors)
    sent = channel.sendmsg([data], [(SOL_SOCKET, SCM_RIGHTS, numbers)] if descriptors else [])
    channel.sendall(data[sent:])


def receive(channel: socket) -> tuple[Any, list[int]]:
    """Return the next message, and the descriptors that came with it.

    Raises:
        EOFError: there is none, as the other end is closed.
        OSError: the connection broke.
    """
    head, ancillary, _, _ = channel.recvmsg(_LENGTH, CMSG_LEN(MAX_DESCRIPTORS * _INTEGER))
    descriptors = [
        int.from_bytes(data[place : place + _INTEGER], sys.byteorder)
        for level, kind, data in ancillary
        if (level, kind) == (SOL_SOCKET, SCM_RIGHTS)
        for place in range(0, len(data) - len(data) % _INTEGER, _INTEGER)
    ]
    length = int.from_bytes(_filled(channel, head, _LENGTH), "big")
    return marshal.loads(_filled(channel, b"", length)), descriptors  # noqa: S302 - from our own process


def _filled(channel: socket, data: bytes, count: int) -> bytes:
    while len(data) < count:
        piece = channel.recv(count - len(data))
        if not piece:
            raise EOFError
        data += piece
    return data
