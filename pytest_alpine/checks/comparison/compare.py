"""What changed between two images, or two platforms of one: as data, and as a short table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from pytest_alpine.apk.version import Version
from pytest_alpine.checks.comparison.files import Side, file_changes
from pytest_alpine.checks.findings import first, listed
from pytest_alpine.checks.size import files_once, package_sizes
from pytest_alpine.checks.snapshot import open_snapshot
from pytest_alpine.quoting import visible
from pytest_alpine.sizes import format_size

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_alpine.checks.snapshot import Snapshot
    from pytest_alpine.engine.container import Container
    from pytest_alpine.image.image import Image

ChangeKind = Literal["added", "removed", "older", "changed"]
Area = Literal["release", "libc", "shell", "config", "package", "file", "elf"]
AREAS: Final[tuple[Area, ...]] = ("release", "libc", "shell", "config", "package", "file", "elf")
_KINDS: Final[tuple[ChangeKind, ...]] = ("added", "removed", "older", "changed")

# The parts of the configuration that a container sees; dates and digests differ in every build.
_CONFIG: Final = (
    "entrypoint",
    "cmd",
    "user",
    "working_dir",
    "exposed_ports",
    "volumes",
    "stop_signal",
    "onbuild",
    "shell",
)
_SHOWN: Final = 10
_LARGEST: Final = 5
_DEPTH: Final = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """One thing that is not the same on both sides."""

    area: Area
    name: str
    """The package, the path, the field of the configuration, ..."""
    old: str
    """What it was, in words; empty where it did not exist."""
    new: str
    """What it is, in words; empty where it does not exist."""
    size: int = 0
    """By how many bytes it made the root filesystem grow."""
    package: str = ""
    """The package that owns the file; empty where none does."""

    @property
    def kind(self) -> ChangeKind:
        """``older`` is a package whose version went down."""
        if not self.old or not self.new:
            return "removed" if self.new == "" else "added"
        older = self.area == "package" and Version.lenient(self.new) < Version.lenient(self.old)
        return "older" if older else "changed"

    def __str__(self) -> str:
        size = f" ({_signed(self.size)})" if self.size else ""
        return visible(f"{self.area} {self.name}: {self.old or 'nothing'} -> {self.new or 'nothing'}{size}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """Everything that differs between two images or containers. It is false when nothing does."""

    old: str
    """The name of the old side in messages."""
    new: str
    changes: tuple[Change, ...]
    """By area, in each the largest first."""
    sizes: Mapping[str, tuple[int | None, int | None]]
    """``compressed``, ``unpacked`` and ``rootfs`` of both images, in bytes; see ``Image.size``."""
    by_package: Mapping[str, int]
    """By how many bytes the files of each package grew, the largest change first."""
    by_folder: Mapping[str, int]
    """By how many bytes each folder grew (two levels, such as ``/usr/lib``), the largest change first."""

    def of(self, area: Area) -> tuple[Change, ...]:
        """Return the changes in *area*."""
        return tuple(change for change in self.changes if change.area == area)

    def __bool__(self) -> bool:
        return bool(self.changes)

    def __str__(self) -> str:
        return "\n".join(map(visible, _table(self)))


def compare(old: Image | Container, new: Image | Container) -> Comparison:
    """Return what differs between *old* and *new*: packages, files, sizes, configuration, ELF files and shell.

    Of images for two platforms, differences that the platforms cause are left out: machine code, apk's own records and
    keys, and the machine in the names of musl's files.

    Args:
        old: an image or a running container.
        new: another.

    Raises:
        DatabaseError: one has no package database, or a broken one.
        FileNotInImage: one has no release file.
    """
    with open_snapshot(old) as before, open_snapshot(new) as after:
        return compare_snapshots(before, after)


def compare_snapshots(old: Snapshot, new: Snapshot) -> Comparison:
    """Return what differs between two snapshots; see ``compare``."""
    neutral = old.platform != new.platform
    running = old.container is not None or new.container is not None
    before, after = (Side(snapshot, neutral=neutral, running=running) for snapshot in (old, new))
    by_package = _growth(_package_sizes(before), _package_sizes(after))
    found = [
        *_fact_changes(old, new),
        *_package_changes(old, new, by_package),
        *_file_changes(before, after),
        *_elf_changes(before, after),
    ]
    found.sort(key=lambda change: (AREAS.index(change.area), -abs(change.size), change.name))
    sizes = {
        measure: (getattr(old.image.size, measure), getattr(new.image.size, measure))
        for measure in ("compressed", "unpacked", "rootfs")
    }
    by_folder = _growth(_folder_sizes(before), _folder_sizes(after))
    return Comparison(
        old=str(old), new=str(new), changes=tuple(found), sizes=sizes, by_package=by_package, by_folder=by_folder
    )


def _fact_changes(old: Snapshot, new: Snapshot) -> Iterator[Change]:
    was, now = _facts(old), _facts(new)
    for key in sorted(was.keys() | now.keys()):
        if was.get(key, "") != now.get(key, ""):
            yield Change(area=key[0], name=key[1], old=was.get(key, ""), new=now.get(key, ""))


def _facts(snapshot: Snapshot) -> dict[tuple[Area, str], str]:
    config, shell, release = snapshot.image.config, snapshot.facts.shell, snapshot.facts.release
    found: dict[tuple[Area, str], str] = {
        ("release", release.id): release.version or release.version_id,
        ("libc", "libc"): snapshot.facts.libc.kind,
        ("shell", "/bin/sh"): shell.kind if shell else "",
    }
    for name in _CONFIG:
        value = getattr(config, name)
        found["config", name] = value if isinstance(value, str) else " ".join(value)
    found["config", "healthcheck"] = str(config.healthcheck or "")
    for what, pairs in (("env", config.env), ("label", config.labels)):
        found |= {("config", f"{what} {name}"): value for name, value in pairs.items()}
    return found


def _package_changes(old: Snapshot, new: Snapshot, growth: Mapping[str, int]) -> Iterator[Change]:
    before, after = old.facts.packages, new.facts.packages
    for name in sorted(before.keys() | after.keys()):
        was, now = (str(packages[name].version) if name in packages else "" for packages in (before, after))
        if was != now:
            yield Change(area="package", name=name, old=was, new=now, size=growth.get(name, 0))


def _file_changes(before: Side, after: Side) -> Iterator[Change]:
    for path, was, now, old_text, new_text in file_changes(before, after):
        owner = (was and before.snapshot.owner(was.path)) or (now and after.snapshot.owner(now.path))
        package = owner.name if owner else ""
        size = (now.size if now else 0) - (was.size if was else 0)
        yield Change(area="file", name=path, old=old_text, new=new_text, size=size, package=package)


def _elf_changes(before: Side, after: Side) -> Iterator[Change]:
    for path in sorted(before.entries.keys() & after.entries.keys()):
        was, now = before.entries[path], after.entries[path]
        identity = before.identity(was)
        if not was.is_file or not now.is_file or (identity is not None and identity == after.identity(now)):
            continue
        owners = before.snapshot.owner(was.path), after.snapshot.owner(now.path)
        names = {(owner.name, owner.version.text) if owner else None for owner in owners}
        # Two machines differ in what one version of a package is built with; that is up to the package's maker.
        if before.neutral and None not in names and len(names) == 1:
            continue
        texts = before.elf_facts(was), after.elf_facts(now)
        if texts[0] != texts[1]:
            package = owners[1].name if owners[1] else ""
            told = [text or "no ELF file" for text in texts]
            yield Change(area="elf", name=path, old=told[0], new=told[1], package=package)


def _package_sizes(side: Side) -> dict[str, int]:
    return package_sizes(side.entries.values(), side.snapshot.facts.owners.by_path)


def _folder_sizes(side: Side) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for entry in files_once(side.entries.values()):
        folder = "/".join(entry.path.split("/")[:-1][: _DEPTH + 1]) or "/"
        sizes[folder] = sizes.get(folder, 0) + entry.size
    return sizes


def _growth(old: Mapping[str, int], new: Mapping[str, int]) -> dict[str, int]:
    growth = {name: new.get(name, 0) - old.get(name, 0) for name in old.keys() | new.keys()}
    return dict(
        sorted(((name, size) for name, size in growth.items() if size), key=lambda item: (-abs(item[1]), item[0]))
    )


def _table(comparison: Comparison) -> Iterator[str]:
    yield f"{comparison.old} -> {comparison.new}"
    sized = [
        f"  {measure}: {format_size(old)} -> {format_size(new)} ({new - old:+d} bytes)"
        for measure, (old, new) in comparison.sizes.items()
        if old is not None and new is not None and old != new
    ]
    yield from sized
    yield from _growth_lines("by package", comparison.by_package)
    yield from _growth_lines("by folder", comparison.by_folder)
    if not comparison:
        yield "  nothing else differs" if sized else "  nothing differs"
    explained = {change.name for change in comparison.of("package")}
    for area in AREAS:
        yield from _area_lines(area, comparison.of(area), explained if area in {"file", "elf"} else set())


def _growth_lines(what: str, growth: Mapping[str, int]) -> Iterator[str]:
    """Yield one line on what grew and shrank most, unless *growth* is empty."""
    if growth:
        yield f"  {what}: {listed([f'{name} {_signed(size)}' for name, size in growth.items()], _LARGEST)}"


def _signed(size: int) -> str:
    return f"{'+' if size > 0 else ''}{format_size(size)}"


def _area_lines(area: Area, changes: Sequence[Change], explained: set[str]) -> Iterator[str]:
    """Yield the lines on *changes*, without those of the packages in *explained*, which have a line already."""
    if not changes:
        return
    kinds = [change.kind for change in changes]
    counts = ", ".join(f"{kinds.count(kind)} {kind}" for kind in _KINDS if kind in kinds)
    left = [change for change in changes if change.package not in explained]
    rest = len(changes) - len(left)
    yield f"  {area}: {counts}" + (f"; {rest} by the packages above" if rest else "")
    shown, more = first(left, _SHOWN)
    yield from (f"    {str(change).removeprefix(f'{area} ')}" for change in shown)
    if more:
        yield f"    {more}"
