"""The options of the plugin. Every pytest session on the machine loads this module: it is short and imports little."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    import pytest


class _Option(NamedTuple):
    name: str
    metavar: str
    ini: str
    text: str
    several: bool = False
    """Whether the option may be repeated, and its values may hold commas."""


_OPTIONS: Final = (
    _Option("image", "REF", "alpine_image", "the image under test; {tag} stands for the tag (default: alpine)"),
    _Option("tag", "TAG", "alpine_tags", "tags to test (default: latest)", several=True),
    _Option(
        "platform",
        "P",
        "alpine_platforms",
        "platforms to test: native, all, or names; !NAME leaves one out (default: native)",
        several=True,
    ),
    _Option(
        "engine",
        "E",
        "alpine_engine",
        "what runs containers: auto, docker, podman, bubblewrap or none (default: auto, the first that answers)",
    ),
    _Option(
        "engines",
        "P=URL",
        "alpine_engines",
        "a platform and the engine on another machine that runs it, such as linux/arm64=ssh://ci@arm-1; "
        "also tcp://, unix:// and Docker contexts",
        several=True,
    ),
    _Option(
        "network",
        "N",
        "alpine_network",
        "the network that containers join: none, or the name of one of the engine's (default: the engine's choice)",
    ),
    _Option("pull", "P", "alpine_pull", "when to fetch images: missing, always or never (default: missing)"),
    _Option(
        "pull-timeout",
        "S",
        "alpine_pull_timeout",
        "seconds that a registry or mirror may be silent, all its silences in one run added up; then every test that "
        "needs it fails at once (default: 60)",
    ),
    _Option(
        "missing",
        "M",
        "alpine_missing",
        "what tests do when the engine, the emulator or the image's platform is missing: fail or skip (default: fail)",
    ),
    _Option("report", "FILE", "alpine_reports", "write a report: FILE ends in .json, .html or .md", several=True),
    _Option(
        "sizes",
        "FILE",
        "alpine_sizes",
        "the size ledger, a JSON file with the size of each image; the run fails when an image has grown by more than "
        "the tolerance that FILE states (1 % if it states none)",
    ),
    _Option(
        "today",
        "DATE",
        "alpine_today",
        "the date on which a branch of Alpine must still be supported, as YYYY-MM-DD (default: today, in UTC)",
    ),
)
_CACHE_LIMIT: Final = "alpine_cache_limit"
_FLAGS: Final = {
    "update-sizes": "write the sizes of this run into the size ledger",
    "keep": "leave the containers of failed tests running",
}


def add_options(parser: pytest.Parser) -> None:
    """Add every option of the plugin, and the ini name of each."""
    group = parser.getgroup("alpine", "Alpine Linux images")
    for option in _OPTIONS:
        action, kind = ("append", "args") if option.several else ("store", "string")
        text = f"{option.text}; repeat it, or separate with commas" if option.several else option.text
        group.addoption(f"--alpine-{option.name}", action=action, metavar=option.metavar, default=None, help=text)
        parser.addini(option.ini, f"{option.text}; see --alpine-{option.name}", type=kind, default=None)  # type: ignore[arg-type]
    text = "what the cache may hold after a run, such as 10 GB; images that were not used for longest go first"
    parser.addini(_CACHE_LIMIT, f"{text} (default: no limit)", type="string", default=None)
    for name, text in _FLAGS.items():
        group.addoption(f"--alpine-{name}", action="store_true", help=text)


def any_given(config: pytest.Config) -> bool:
    """Whether the command line or the ini file sets any option of the plugin."""
    given = (value for name, value in vars(config.option).items() if name.startswith("alpine_"))
    return any(value not in (None, False) for value in given) or any(
        map(config.getini, (*(one.ini for one in _OPTIONS), _CACHE_LIMIT))
    )
