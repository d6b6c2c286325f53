"""Test Alpine Linux container images with pytest: facts read from the layers, containers on every platform."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pytest_alpine.apk.constraint import Constraint
    from pytest_alpine.apk.package import Package, Packages
    from pytest_alpine.apk.version import Version
    from pytest_alpine.checks.clean.assertion import assert_clean, find_clean
    from pytest_alpine.checks.clean.rule import InvalidRule, Rule
    from pytest_alpine.checks.comparison.assertions import (
        InvalidIgnore,
        assert_no_regression,
        assert_same,
        find_regressions,
        find_same,
    )
    from pytest_alpine.checks.comparison.compare import Change, Comparison, compare
    from pytest_alpine.checks.findings import Finding
    from pytest_alpine.checks.installed import (
        assert_installed,
        assert_memory,
        assert_musl,
        assert_shell,
        assert_size,
        find_installed,
        find_memory,
        find_musl,
        find_shell,
    )
    from pytest_alpine.checks.patched.assertion import assert_patched, find_patched
    from pytest_alpine.checks.patched.secdb import SecurityDataError
    from pytest_alpine.checks.platform import assert_platform, find_platform
    from pytest_alpine.checks.runnable.assertion import assert_runnable, find_runnable
    from pytest_alpine.checks.size import find_size, sizes_by_package
    from pytest_alpine.engine.base import Container, Engine
    from pytest_alpine.engine.exec.result import CommandResult
    from pytest_alpine.errors import (
        AlpineError,
        CommandTimeout,
        ContainerStartError,
        DatabaseError,
        DigestMismatch,
        EngineError,
        EngineUnavailable,
        FileNotInImage,
        ImageError,
        ImageNotFound,
        InvalidConstraint,
        InvalidPlatform,
        InvalidReference,
        InvalidSize,
        InvalidVersion,
        MalformedImage,
        PackageNotInstalled,
        PlatformNotFound,
        PlatformNotRunnable,
        StoreError,
    )
    from pytest_alpine.image.image import Image, Size
    from pytest_alpine.image.open import open_image, published_platforms
    from pytest_alpine.matrix.cells import Cell
    from pytest_alpine.platforms import Platform
    from pytest_alpine.reference import Reference
    from pytest_alpine.rootfs.base import Entry, RootFS

# Loaded when first used, so that a suite which has the plugin installed and does not use it pays nothing.
_HOMES: Final = {
    "apk.constraint": ("Constraint",),
    "apk.package": ("Package", "Packages"),
    "apk.version": ("Version",),
    "checks.installed": (
        "assert_installed",
        "assert_memory",
        "assert_musl",
        "assert_shell",
        "assert_size",
        "find_installed",
        "find_memory",
        "find_musl",
        "find_shell",
    ),
    "checks.size": ("find_size", "sizes_by_package"),
    "checks.clean.assertion": ("assert_clean", "find_clean"),
    "checks.clean.rule": ("InvalidRule", "Rule"),
    "checks.patched.assertion": ("assert_patched", "find_patched"),
    "checks.platform": ("assert_platform", "find_platform"),
    "checks.runnable.assertion": ("assert_runnable", "find_runnable"),
    "checks.patched.secdb": ("SecurityDataError",),
    "checks.comparison.compare": ("Change", "Comparison", "compare"),
    "checks.comparison.assertions": (
        "InvalidIgnore",
        "assert_no_regression",
        "assert_same",
        "find_regressions",
        "find_same",
    ),
    "engine.base": ("Container", "Engine"),
    "engine.exec.result": ("CommandResult",),
    "errors": (
        "AlpineError",
        "CommandTimeout",
        "ContainerStartError",
        "DatabaseError",
        "DigestMismatch",
        "EngineError",
        "EngineUnavailable",
        "FileNotInImage",
        "ImageError",
        "ImageNotFound",
        "InvalidConstraint",
        "InvalidPlatform",
        "InvalidReference",
        "InvalidSize",
        "InvalidVersion",
        "MalformedImage",
        "PackageNotInstalled",
        "PlatformNotFound",
        "PlatformNotRunnable",
        "StoreError",
    ),
    "checks.findings": ("Finding",),
    "image.image": ("Image", "Size"),
    "image.open": ("open_image", "published_platforms"),
    "matrix.cells": ("Cell",),
    "platforms": ("Platform",),
    "reference": ("Reference",),
    "rootfs.base": ("Entry", "RootFS"),
}
_HOME_OF: Final = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "AlpineError",
    "Cell",
    "Change",
    "CommandResult",
    "CommandTimeout",
    "Comparison",
    "Constraint",
    "Container",
    "ContainerStartError",
    "DatabaseError",
    "DigestMismatch",
    "Engine",
    "EngineError",
    "EngineUnavailable",
    "Entry",
    "FileNotInImage",
    "Finding",
    "Image",
    "ImageError",
    "ImageNotFound",
    "InvalidConstraint",
    "InvalidIgnore",
    "InvalidPlatform",
    "InvalidReference",
    "InvalidRule",
    "InvalidSize",
    "InvalidVersion",
    "MalformedImage",
    "Package",
    "PackageNotInstalled",
    "Packages",
    "Platform",
    "PlatformNotFound",
    "PlatformNotRunnable",
    "Reference",
    "RootFS",
    "Rule",
    "SecurityDataError",
    "Size",
    "StoreError",
    "Version",
    "assert_clean",
    "assert_installed",
    "assert_memory",
    "assert_musl",
    "assert_no_regression",
    "assert_patched",
    "assert_platform",
    "assert_runnable",
    "assert_same",
    "assert_shell",
    "assert_size",
    "compare",
    "find_clean",
    "find_installed",
    "find_memory",
    "find_musl",
    "find_patched",
    "find_platform",
    "find_regressions",
    "find_runnable",
    "find_same",
    "find_shell",
    "find_size",
    "open_image",
    "published_platforms",
    "sizes_by_package",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any public name
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)


def __dir__() -> list[str]:
    return __all__
