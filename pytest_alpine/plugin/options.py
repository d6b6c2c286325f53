"""The options: command line, ini file and marker, and what they mean together."""

from __future__ import annotations

from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import pytest

from pytest_alpine.engine.select import ENGINES
from pytest_alpine.errors import AlpineError
from pytest_alpine.matrix.declaration import Declaration, split_list

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import date

    from pytest_alpine.image.access import Pull
    from pytest_alpine.platforms import Platform

DEFAULT_IMAGE: Final = "alpine"
MISSING: Final = ("fail", "skip")

# name, metavar, ini type, help. A leading + marks options that may be repeated and hold commas.
_OPTIONS: Final = (
    ("image", "REF", "alpine_image", "string", "the image under test, {tag} filled from the matrix (default: alpine)"),
    ("+tag", "TAG", "alpine_tags", "args", "tags to test, with commas or repeated (default: latest)"),
    (
        "+platform",
        "P",
        "alpine_platforms",
        "args",
        "platforms to test, likewise: native, all, or names (default: native)",
    ),
    ("engine", "E", "alpine_engine", "string", f"what runs containers: {', '.join(ENGINES)} (default: auto)"),
    (
        "+engines",
        "P=URL",
        "alpine_engines",
        "args",
        "engines on other machines, a platform each: linux/arm64=ssh://ci@arm-1 (tcp://, unix://, a docker context)",
    ),
    (
        "network",
        "N",
        "alpine_network",
        "string",
        "what containers are connected to: none, or a network of the engine (default: the engine's choice)",
    ),
    ("pull", "P", "alpine_pull", "string", "when images are fetched: missing, always, never (default: missing)"),
    (
        "missing",
        "M",
        "alpine_missing",
        "string",
        "an absent engine, emulator or platform: fail or skip (default: fail)",
    ),
    ("+report", "FILE", "alpine_reports", "args", "write a report: .json, .html or .md by suffix; may be repeated"),
    ("sizes", "FILE", "alpine_sizes", "string", "the size ledger to hold images against"),
    ("today", "DATE", "alpine_today", "string", "the day that ends of support are compared with (default: today, UTC)"),
)


class Settings(NamedTuple):  # made faster than a dataclass: every pytest session on the machine makes it
    """What the command line and the ini file say."""

    chosen: Declaration
    ini: Declaration
    engine: str
    hosts: Mapping[Platform, str]
    """Where the containers of some platforms run: URLs, or docker contexts."""
    network: str | None
    """What containers are connected to; the engine's choice when None."""
    pull: Pull
    missing: str
    reports: tuple[Path, ...]
    sizes: Path | None
    update_sizes: bool
    keep: bool
    today: date | None

    @property
    def configured(self) -> bool:
        """Whether the command line or the ini file says anything: then the suite is about images for sure."""
        return self.chosen != Declaration() or self.ini != Declaration(image=DEFAULT_IMAGE)


def add_options(parser: pytest.Parser) -> None:
    """Add every option of the plugin, and the ini name of each."""
    group = parser.getgroup("alpine", "Alpine Linux images")
    for name, metavar, ini, kind, text in _OPTIONS:
        option = f"--alpine-{name.removeprefix('+')}"
        action = "append" if name.startswith("+") else "store"
        group.addoption(option, action=action, metavar=metavar, default=None, help=text)
        help_text = f"{text}; see {option}"
        if kind == "args":
            parser.addini(ini, help_text, type="args", default=None)
        else:
            parser.addini(ini, help_text, type="string", default=None)
    group.addoption("--alpine-update-sizes", action="store_true", help="rewrite the size ledger")
    group.addoption("--alpine-keep", action="store_true", help="leave the containers of failed tests running")


def read_settings(config: pytest.Config) -> Settings:
    """Return what *config* says.

    Raises:
        pytest.UsageError: an option has a value that it cannot have; the message names those it can.
    """
    sizes = _one(config, "sizes", "alpine_sizes", "")
    settings = Settings(
        chosen=Declaration(
            image=config.getoption("alpine_image"),
            tags=_words(config.getoption("alpine_tag")),
            platforms=_words(config.getoption("alpine_platform")),
        ),
        ini=Declaration(
            image=config.getini("alpine_image") or DEFAULT_IMAGE,
            tags=_words(config.getini("alpine_tags")),
            platforms=_words(config.getini("alpine_platforms")),
        ),
        engine=_choice(config, "engine", ENGINES),
        hosts=_hosts(config),
        network=_one(config, "network", "alpine_network", "") or None,
        pull=_pull(config),
        missing=_choice(config, "missing", MISSING),
        reports=_reports(config),
        sizes=config.rootpath / sizes if sizes else None,
        update_sizes=config.getoption("alpine_update_sizes"),
        keep=config.getoption("alpine_keep"),
        today=_today(config),
    )
    if settings.update_sizes and settings.sizes is None:
        raise pytest.UsageError(
            "--alpine-update-sizes needs a ledger: name it with --alpine-sizes=FILE or alpine_sizes"
        )
    _check_declarations(settings)
    _check_ledger(settings)
    return settings


def _check_ledger(settings: Settings) -> None:
    if settings.sizes is None:
        return
    from pytest_alpine.report.ledger import Ledger

    try:
        Ledger.read(settings.sizes)
    except AlpineError as error:
        raise pytest.UsageError(f"--alpine-sizes: {error}") from error


def _check_declarations(settings: Settings) -> None:
    if not settings.configured:
        return
    from pytest_alpine.matrix.cells import check
    from pytest_alpine.reference import TAG_FIELD, Reference

    # What the ini file says wrong is not the command line's fault, though it stands in what both say together.
    for origin, declared in (("the ini file", settings.ini), ("the command line", settings.chosen.over(settings.ini))):
        try:
            check(declared)
        except AlpineError as error:
            raise pytest.UsageError(f"pytest-alpine, {origin}: {error}") from error
    image = settings.chosen.over(settings.ini).image or ""
    if settings.chosen.tags is not None and TAG_FIELD not in image:
        own = Reference.parse(image)
        if own.tag or own.digest:
            its = "tag" if own.tag else "digest"
            raise pytest.UsageError(
                f"--alpine-tag: the image {image!r} has a {its} of its own; write {{tag}} in its place, or leave it out"
            )


def read_markers(markers: Iterable[pytest.Mark]) -> Declaration | None:
    """Return what a test's *markers* declare, the closest first: its own, its class's, its module's; None for none.

    Raises:
        AlpineError: see ``read_marker``.
    """
    declared = [read_marker(marker) for marker in markers]
    return reduce(Declaration.over, declared) if declared else None


def read_marker(marker: pytest.Mark) -> Declaration:
    """Return what *marker* declares.

    Raises:
        AlpineError: it has an argument that it cannot have; the message names those it can.
    """
    unknown = set(marker.kwargs) - {"tags", "platforms", "image"}
    if marker.args or unknown:
        what = f"unknown argument {min(unknown)!r}" if unknown else "a positional argument"
        raise AlpineError(f"@pytest.mark.alpine: {what} (expected tags=, platforms=, image=)")
    image = marker.kwargs.get("image")
    if not (image is None or isinstance(image, str)):
        raise AlpineError(f"@pytest.mark.alpine: image={image!r} (expected a text)")
    return Declaration(image=image, tags=_several(marker, "tags"), platforms=_several(marker, "platforms"))


def _several(marker: pytest.Mark, name: str) -> tuple[str, ...] | None:
    value = marker.kwargs.get(name)
    if value is None:
        return None
    words = [value] if isinstance(value, str) else value
    # A tag without its quotes is a number: 3.20 would be 3.2.
    if not isinstance(words, (list, tuple, set, frozenset)) or not all(isinstance(word, str) for word in words):
        raise AlpineError(f"@pytest.mark.alpine: {name}={value!r} (expected a text in quotes, or a list of texts)")
    return split_list(words)


def _words(values: list[str] | None) -> tuple[str, ...] | None:
    return split_list(values) if values else None


def _one(config: pytest.Config, name: str, ini: str, default: str) -> str:
    value: str | None = config.getoption(f"alpine_{name}")
    return value or config.getini(ini) or default


def _choice(config: pytest.Config, name: str, choices: tuple[str, ...]) -> str:
    value = _one(config, name, f"alpine_{name}", choices[0])
    if value not in choices:
        raise pytest.UsageError(f"--alpine-{name}={value}: unknown {name}; try one of {', '.join(choices)}")
    return value


def _pull(config: pytest.Config) -> Pull:
    if not _one(config, "pull", "alpine_pull", ""):
        return "missing"
    from pytest_alpine.image.access import PULLS

    value = _choice(config, "pull", PULLS)
    return next(pull for pull in PULLS if pull == value)


def _hosts(config: pytest.Config) -> Mapping[Platform, str]:
    words = _words(config.getoption("alpine_engines") or config.getini("alpine_engines"))
    if not words:
        return {}
    from pytest_alpine.engine.host_addresses import parse_hosts

    try:
        return parse_hosts(words)
    except ValueError as error:
        raise pytest.UsageError(f"alpine_engines: {error}") from error


def _today(config: pytest.Config) -> date | None:
    value = _one(config, "today", "alpine_today", "")
    if not value:
        return None
    from pytest_alpine.checks.today import parse_day

    try:
        return parse_day(value)
    except ValueError as error:
        raise pytest.UsageError(f"--alpine-today={value}: {error}") from error


def _reports(config: pytest.Config) -> tuple[Path, ...]:
    paths = [
        Path(word) for word in split_list(config.getoption("alpine_report") or config.getini("alpine_reports") or ())
    ]
    for path in paths:
        from pytest_alpine.report.files import FORMATS

        if path.suffix not in FORMATS:
            raise pytest.UsageError(f"--alpine-report={path}: unknown format; try one of {', '.join(FORMATS)}")
    return tuple(config.rootpath / path for path in paths)
