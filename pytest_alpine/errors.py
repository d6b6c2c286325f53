"""The exception tree: everything this package raises on purpose.

::

    AlpineError
    ├── InvalidPlatform, InvalidReference, InvalidVersion, InvalidConstraint, InvalidSize, InvalidDuration
    │                                                                                         (also ValueError)
    ├── ImageError
    │   ├── ImageNotFound
    │   ├── PlatformNotFound
    │   ├── MalformedImage
    │   ├── DigestMismatch
    │   └── FileNotInImage
    ├── DatabaseError
    ├── PackageNotInstalled                                                                   (also KeyError)
    ├── StoreError
    └── EngineError
        ├── EngineRefusedError
        ├── EngineUnavailable
        ├── PlatformNotRunnable
        ├── ContainerStartError
        └── CommandTimeout

Foreign errors (Docker, requests, tarfile, OSError) are translated once, in the module that owns the foreign library.
"""

from __future__ import annotations


class AlpineError(Exception):
    """Any failure that pytest-alpine reports."""


class InvalidPlatform(AlpineError, ValueError):
    """A text that names no platform."""


class InvalidReference(AlpineError, ValueError):
    """A text that names no image."""


class InvalidVersion(AlpineError, ValueError):
    """A text that is no apk version."""


class InvalidConstraint(AlpineError, ValueError):
    """A text that is no apk dependency."""


class InvalidSize(AlpineError, ValueError):
    """A text that is no amount of bytes."""


class InvalidDuration(AlpineError, ValueError):
    """A text that is no length of time."""


class ImageError(AlpineError):
    """An image cannot be had or read."""


class ImageNotFound(ImageError):
    """No image has this name where it was looked for."""


class PlatformNotFound(ImageError):
    """The image exists, but is not published for this platform."""


class MalformedImage(ImageError):
    """The image breaks its specification, or is truncated."""


class DigestMismatch(ImageError):
    """The bytes are not those that the digest names."""


class FileNotInImage(ImageError):
    """A path does not lead to a file of the image."""


class DatabaseError(AlpineError):
    """The apk package database is missing or malformed."""


class PackageNotInstalled(AlpineError, KeyError):
    """No package of this name is installed."""

    def __str__(self) -> str:
        """Return the message as it is: a KeyError would show its quotes."""
        return str(self.args[0]) if self.args else ""


class StoreError(AlpineError):
    """The local store cannot be written, for example because the disk is full."""


class EngineError(AlpineError):
    """A container engine refused or failed."""


class EngineRefusedError(EngineError):
    """The engine answered a request with an error."""

    def __init__(self, message: str, *, status: int, explanation: str) -> None:
        super().__init__(message)
        self.status = status
        """The HTTP status, such as 404."""
        self.explanation = explanation
        """The engine's own words."""


class EngineUnavailable(EngineError):
    """No container engine answers."""


class PlatformNotRunnable(EngineError):
    """The machine can neither run nor emulate this platform."""


class ContainerStartError(EngineError):
    """A container could not be started."""


class CommandTimeout(EngineError):
    """A command in a container ran longer than it was given."""
