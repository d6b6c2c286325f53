"""The values of the options: read and checked. A wrong value is a usage error."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from pytest_alpine.engine.select import ENGINES
from pytest_alpine.errors import AlpineError
from pytest_alpine.image.access import PULLS, Pull
from pytest_alpine.image.http.patience import PULL_TIMEOUT, parse_pull_timeout
from pytest_alpine.matrix.cells import check
from pytest_alpine.matrix.declaration import Declaration, split_list
from pytest_alpine.reference import TAG_FIELD, Reference
from pytest_alpine.report.files import FORMATS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from pytest_alpine.platforms import Platform

DEFAULT_IMAGE: Final = "alpine"
MISSING: Final = ("fail", "skip")


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """The values of the command line and the ini file."""

    chosen: Declaration
    """The command line's matrix."""
    ini: Declaration
    """The ini file's matrix."""
    engine: str
    hosts: Mapping[Platform, str]
    """Engines on other machines that run a platform's containers: URLs, or Docker contexts."""
    network: str | None
    """The network that containers join; the engine's choice when None."""
    pull: Pull
    pull_timeout: float
    """Seconds that one host may be silent in this run."""
    missing: str
    """What tests do when an engine, emulator or platform is missing; one of ``MISSING``."""
    reports: tuple[Path, ...]
    sizes: Path | None
    """The size ledger."""
    update_sizes: bool
    keep: bool
    """Whether the containers of failed tests stay."""
    today: date | None
    cache_limit: int | None
    """Bytes that the store may hold after the run; any number when None."""

    @property
    def configured(self) -> bool:
        """Whether the command line or the ini file declares a matrix: then the suite is about images for sure."""
        return self.chosen != Declaration() or self.ini != Declaration(image=DEFAULT_IMAGE)


def read_settings(config: pytest.Config) -> Settings:
    """Return the values of the command line and the ini file of *config*.

    Raises:
        pytest.UsageError: the value of an option is wrong; the message names the values that it can have.
    """
    sizes = _one(config, "sizes", "alpine_sizes", "")
    settings = Settings(
        chosen=Declaration(
            image=config.getoption("alpine_image"),
            tags=_tags(config),
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
        pull_timeout=_pull_timeout(config),
        missing=_choice(config, "missing", MISSING),
        reports=_reports(config),
        sizes=config.rootpath / sizes if sizes else None,
        update_sizes=config.getoption("alpine_update_sizes"),
        keep=config.getoption("alpine_keep"),
        today=_today(config),
        cache_limit=_cache_limit(config),
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
    # Check the ini file alone first, because its mistakes also appear in the combination.
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


def _tags(config: pytest.Config) -> tuple[str, ...] | None:
    tags = _words(config.getoption("alpine_tag"))
    if tags == ():
        raise pytest.UsageError("--alpine-tag is empty: name a tag, such as --alpine-tag=3.22, or leave the option out")
    return tags


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
    value = _choice(config, "pull", PULLS)
    return next(pull for pull in PULLS if pull == value)


def _pull_timeout(config: pytest.Config) -> float:
    value = _one(config, "pull_timeout", "alpine_pull_timeout", "")
    try:
        return parse_pull_timeout(value) if value else PULL_TIMEOUT
    except ValueError as error:
        raise pytest.UsageError(f"--alpine-pull-timeout={value}: {error}") from error


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


def _cache_limit(config: pytest.Config) -> int | None:
    value = config.getini("alpine_cache_limit")
    if not value:
        return None
    from pytest_alpine.sizes import parse_size

    try:
        return parse_size(value)
    except AlpineError as error:
        raise pytest.UsageError(f"alpine_cache_limit: {error}") from error


def _reports(config: pytest.Config) -> tuple[Path, ...]:
    words = split_list(config.getoption("alpine_report") or config.getini("alpine_reports") or ())
    paths = [Path(word) for word in words]
    for path in paths:
        if path.suffix not in FORMATS:
            raise pytest.UsageError(f"--alpine-report={path}: unknown format; try one of {', '.join(FORMATS)}")
    return tuple(config.rootpath / path for path in paths)
