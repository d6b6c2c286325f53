"""Test Alpine Linux container images with pytest: facts read from the layers, containers on every platform."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pytest_alpine.apk.constraint import Constraint
    from pytest_alpine.apk.package import Package, Packages
    from pytest_alpine.apk.version import Version
    from pytest_alpine.assertions import (
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
    from pytest_alpine.budget import find_size, sizes_by_package
    from pytest_alpine.checks.clean.assertion import assert_clean, find_clean
    from pytest_alpine.checks.clean.rule import InvalidRule, Rule
    from pytest_alpine.checks.patched import assert_patched, find_patched
    from pytest_alpine.checks.platform import assert_platform, find_platform
    from pytest_alpine.checks.runnable import assert_runnable, find_runnable
    from pytest_alpine.checks.secdb import SecurityDataError
    from pytest_alpine.comparison import Change, Comparison, compare
    from pytest_alpine.comparison_checks import (
        InvalidIgnore,
        assert_no_regression,
        assert_same,
        find_regressions,
        find_same,
    )
    from pytest_alpine.engine.base import Container, Engine
    from pytest_alpine.engine.result import CommandResult
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
    from pytest_alpine.findings import Finding
    from pytest_alpine.image.image import Image, Size
    from pytest_alpine.image.open import open_image, published_platforms
    from pytest_alpine.matrix import Cell
    from pytest_alpine.platforms import Platform
    from pytest_alpine.reference import Reference
    from pytest_alpine.rootfs import Entry, RootFS

# Loaded when first used, so that a suite which has the plugin installed and does not use it pays nothing.
_HOMES: Final = {
    "apk.constraint": ("Constraint",),
    "apk.package": ("Package", "Packages"),
    "apk.version": ("Version",),
    "assertions": (
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
    "budget": ("find_size", "sizes_by_package"),
    "checks.clean.assertion": ("assert_clean", "find_clean"),
    "checks.clean.rule": ("InvalidRule", "Rule"),
    "checks.patched": ("assert_patched", "find_patched"),
    "checks.platform": ("assert_platform", "find_platform"),
    "checks.runnable": ("assert_runnable", "find_runnable"),
    "checks.secdb": ("SecurityDataError",),
    "comparison": ("Change", "Comparison", "compare"),
    "comparison_checks": ("InvalidIgnore", "assert_no_regression", "assert_same", "find_regressions", "find_same"),
    "engine.base": ("Container", "Engine"),
    "engine.result": ("CommandResult",),
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
    "findings": ("Finding",),
    "image.image": ("Image", "Size"),
    "image.open": ("open_image", "published_platforms"),
    "matrix": ("Cell",),
    "platforms": ("Platform",),
    "reference": ("Reference",),
    "rootfs": ("Entry", "RootFS"),
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
