# The only list of the public names, each with its module; __init__.py reads it. "as" is how a stub makes a name public:
# https://typing.python.org/en/latest/spec/distributing.html#import-conventions
from .apk.constraint import Constraint as Constraint
from .apk.digest import Digest as Digest
from .apk.files import PackageDirectory as PackageDirectory, PackageFile as PackageFile
from .apk.package import Package as Package, Packages as Packages
from .apk.version import Version as Version
from .checks.clean.assertion import assert_clean as assert_clean, find_clean as find_clean
from .checks.clean.rule import InvalidRule as InvalidRule, Rule as Rule
from .checks.comparison.assertions import (
    InvalidIgnore as InvalidIgnore,
    assert_no_regression as assert_no_regression,
    assert_same as assert_same,
    find_regressions as find_regressions,
    find_same as find_same,
)
from .checks.comparison.compare import Change as Change, Comparison as Comparison, compare as compare
from .checks.config import assert_config as assert_config, find_config as find_config
from .checks.file import assert_file as assert_file, find_file as find_file
from .checks.findings import Finding as Finding, Target as Target
from .checks.installed import assert_installed as assert_installed, find_installed as find_installed
from .checks.memory import assert_memory as assert_memory, find_memory as find_memory
from .checks.musl import assert_musl as assert_musl, find_musl as find_musl
from .checks.no_file import assert_no_file as assert_no_file, find_no_file as find_no_file
from .checks.patched.assertion import assert_patched as assert_patched, find_patched as find_patched
from .checks.patched.secdb import SecurityDataError as SecurityDataError
from .checks.platform import assert_platform as assert_platform, find_platform as find_platform
from .checks.runnable.assertion import assert_runnable as assert_runnable, find_runnable as find_runnable
from .checks.shell import assert_shell as assert_shell, find_shell as find_shell
from .checks.size import assert_size as assert_size, find_size as find_size, sizes_by_package as sizes_by_package
from .engine.base import Engine as Engine
from .engine.container import Container as Container
from .engine.exec.history import PastCommand as PastCommand
from .engine.exec.result import CommandResult as CommandResult
from .errors import (
    AlpineError as AlpineError,
    CommandTimeout as CommandTimeout,
    ContainerStartError as ContainerStartError,
    DatabaseError as DatabaseError,
    DigestMismatch as DigestMismatch,
    EngineError as EngineError,
    EngineUnavailable as EngineUnavailable,
    FileNotInImage as FileNotInImage,
    ImageError as ImageError,
    ImageNotFound as ImageNotFound,
    InvalidConstraint as InvalidConstraint,
    InvalidDuration as InvalidDuration,
    InvalidPlatform as InvalidPlatform,
    InvalidReference as InvalidReference,
    InvalidSize as InvalidSize,
    InvalidVersion as InvalidVersion,
    MalformedImage as MalformedImage,
    PackageNotInstalled as PackageNotInstalled,
    PlatformNotFound as PlatformNotFound,
    PlatformNotRunnable as PlatformNotRunnable,
    StoreError as StoreError,
)
from .facts.libc import Libc as Libc
from .facts.release import Release as Release
from .facts.shell import Shell as Shell
from .image.blobs.layer import Layer as Layer
from .image.image import Image as Image, Size as Size
from .image.open import open_image as open_image, published_platforms as published_platforms
from .image.spec.config import HistoryEntry as HistoryEntry, ImageConfig as ImageConfig
from .image.spec.healthcheck import Healthcheck as Healthcheck
from .matrix.cells import Cell as Cell
from .platforms import Platform as Platform
from .reference import Reference as Reference
from .rootfs.base import Entry as Entry, RootFS as RootFS

__all__: list[str]  # noqa: PYI035 - its value would list the names a second time

__version__: str
