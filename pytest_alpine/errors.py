"""The exceptions of this package, as a tree.

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

Errors of other libraries (Docker, requests, tarfile, OSError) are translated once, in the module that uses the library.
"""

from __future__ import annotations


class AlpineError(Exception):
    """The base class of all errors that pytest-alpine raises."""


class InvalidPlatform(AlpineError, ValueError):
    """A text is not the name of a platform."""


class InvalidReference(AlpineError, ValueError):
    """A text is not a reference to an image."""


class InvalidVersion(AlpineError, ValueError):
    """A text is not a version of apk."""


class InvalidConstraint(AlpineError, ValueError):
    """A text is not a constraint of apk."""


class InvalidSize(AlpineError, ValueError):
    """A text is not a size in bytes."""


class InvalidDuration(AlpineError, ValueError):
    """A text that is no length of time."""


class ImageError(AlpineError):
    """An image cannot be fetched or read."""


class ImageNotFound(ImageError):
    """No image has this name in the registry, engine, file or folder that was searched."""


class PlatformNotFound(ImageError):
    """The image exists, but is not published for this platform."""


class MalformedImage(ImageError):
    """The image breaks its specification, or is truncated."""


class DigestMismatch(ImageError):
    """The bytes do not have the expected digest."""


class FileNotInImage(ImageError):
    """A path does not lead to a file in the image."""


class DatabaseError(AlpineError):
    """The apk package database is missing or malformed."""


class PackageNotInstalled(AlpineError, KeyError):
    """No package of this name is installed."""

    def __str__(self) -> str:
        """Return the message without the quotes that a KeyError adds."""
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
        """The engine's own message."""


class EngineUnavailable(EngineError):
    """No container engine answers."""


class PlatformNotRunnable(EngineError):
    """The machine can neither run this platform nor emulate it."""


class ContainerStartError(EngineError):
    """A container could not be started."""


class CommandTimeout(EngineError):
    """A command in a container did not end within its timeout."""
