"""The lines in the header of a run: the images under test, and the engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from pytest_alpine.matrix.cells import references
from pytest_alpine.platforms import Platform

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_alpine.matrix.declaration import Declaration


class HeaderSettings(Protocol):
    """The settings that the header shows."""

    @property
    def chosen(self) -> Declaration:
        """The declaration of the command line."""
        ...

    @property
    def ini(self) -> Declaration:
        """The declaration of the ini file."""
        ...

    @property
    def hosts(self) -> Mapping[Platform, str]:
        """Engines on other machines, by the platform that each runs."""
        ...

    @property
    def network(self) -> str | None:
        """The network that containers join; None if no option names one."""
        ...


def header_lines(settings: HeaderSettings, engine: str) -> list[str]:
    """Return the header of a run with these *settings*, whose containers run on *engine*."""
    declared = settings.chosen.over(settings.ini)
    platforms = ", ".join(
        f"native ({Platform.native()})" if word == "native" else word for word in declared.platform_words
    )
    others = "".join(f", {platform} on {host}" for platform, host in settings.hosts.items())
    network = f", network {settings.network}" if settings.network else ""
    return [
        f"alpine: image {declared.image}{_tags(declared)}, platforms {platforms}",
        f"alpine engine: {engine}{network}{others}",
    ]


def _tags(declared: Declaration) -> str:
    """Return the tags that are tested; nothing if the image has a tag or a digest of its own."""
    image = declared.image or ""
    if all(str(reference) == image for reference in references(image, declared.tags)):
        return ""
    return f", tags {', '.join(declared.tags or ('latest (it moves: --alpine-tag pins it)',))}"
