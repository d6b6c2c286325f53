"""Build attributes of ARM ELF files: the only place where arm/v6 and arm/v7 differ in a stripped binary.

Spec: https://github.com/ARM-software/abi-aa/blob/main/addenda32/addenda32.rst
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any, Final

from pytest_alpine.errors import MalformedImage

# pyelftools asks for some 1,000 pieces of an ordinary file; a section that chains back to itself would make it ask
# for ever.
_MAX_READS: Final = 200_000

_ARCHITECTURES: Final = {6: "v6", 7: "v6", 8: "v6", 9: "v6", 10: "v7", 11: "v6", 12: "v6", 13: "v7"}
