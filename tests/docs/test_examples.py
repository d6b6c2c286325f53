"""Every example in README and docs does what it shows."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Final

import pytest
import yaml  # noqa: F401 - its compiled half cannot be loaded anew by each run of pytest in this process

from pytest_alpine.cli import main
from tests.docs.pages import Example, examples

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EXAMPLES: Final = tuple(examples())
IMPORTS: Final = "import pytest\nfrom pytest_alpine import *\n"
ANY_TEST: Final = "def test_image(alpine_image):\n    assert alpine_image.packages\n"
# What the pages call an image, and where it is here.
PLACES: Final = {
    r"(?<![\w/:.-])alpine:(?=[\w{])": "minirootfs:mirror:",
    r"(?<![\w/:.-])(?:ghcr\.io/acme/)?app:(?=[\w{])": "oci:app:",
    r'(image="|alpine_image = )(?:ghcr\.io/acme/)?app\b': r"\1oci:app",
}


def of(language: str) -> pytest.MarkDecorator:
    """Return the examples of *language* as parameters, each with the markers of what it needs."""
    chosen = [example for example in EXAMPLES if example.language == language and not example.is_quote]
    return pytest.mark.parametrize(
        "example", [pytest.param(example, marks=marks(example), id=example.id) for example in chosen]
    )


def marks(example: Example) -> list[pytest.MarkDecorator]:
    if example.skipped:
        return [pytest.mark.skip(example.skipped)]
    text = example.source + (nearest_tests(example) if "$ pytest " in example.source else "")
    needs = [pytest.mark.official]
    if re.search("alpine_(container|host)", text):
        needs += [pytest.mark.bubblewrap]
    if re.search("alpine_(container|host)", text) and "--alpine-platform" in text:
        needs += [pytest.mark.emulators]
    return needs


def nearest_tests(example: Example) -> str:
    """Return the nearest tests that the page shows above *example*, or any."""
    above = [
        other.source
        for other in EXAMPLES
        if other.page == example.page and other.line < example.line and other.is_test and not other.skipped
    ]
    return above[-1] if above else ANY_TEST


@pytest.fixture
def folder(pytester: pytest.Pytester, app: Path, alpine: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which the examples run."""
    monkeypatch.setenv("COLUMNS", "120")
    (pytester.path / "mirror").symlink_to(alpine.partition(":")[2])
    (pytester.path / "app").symlink_to(app)
    pytester.makeini("[pytest]\nalpine_image = minirootfs:mirror\nalpine_engine = bubblewrap\n")
    return pytester.path


def here(text: str) -> str:
    """Return *text* with images as they are called in this folder."""
    for name, place in PLACES.items():
        text = re.sub(name, place, text)
    return text


def as_written(text: str) -> str:
    """Return *text* with images as the pages call them."""
    return text.replace("minirootfs:mirror:", "alpine:").replace("oci:app:", "app:")


@of("python")
def test_python(example: Example, folder: Path, pytester: pytest.Pytester) -> None:
    assert folder.exists()
    source = IMPORTS + here(example.source)
    if not example.is_test:
        exec(compile(source, example.id, "exec"), {})
        return
    pytester.makepyfile(test_example=source)
    outcomes = pytester.runpytest_inprocess("-p", "no:cacheprovider").parseoutcomes()
    assert set(outcomes) == {"passed"}


@of("console")
def test_console(example: Example, folder: Path, pytester: pytest.Pytester, capsys: pytest.CaptureFixture[str]) -> None:
    assert folder.exists()
    pytester.makepyfile(test_image=IMPORTS + here(nearest_tests(example)))
    for command, shown in commands(example.source):
        name, *words = shlex.split(here(command), comments=True)
        if name == "pytest":
            result = pytester.runpytest_inprocess("-p", "no:cacheprovider", *words)
            assert result.ret == 0
            same(shown, as_written("\n".join(result.outlines)))
        elif name == "pytest-alpine":
            assert main(words) in {0, 1}
            captured = capsys.readouterr()
            assert captured.err == ""
            same(shown, as_written(captured.out))


def same(shown: str, found: str) -> None:
    """Fail unless the lines of *shown* are in *found*; ``...`` in them stands for any text."""
    wanted = re.escape(shown.strip("\n")).replace(r"\.\.\.", ".*?")
    found = "\n".join(line.rstrip() for line in found.splitlines())
    assert re.search(wanted, found, re.DOTALL), f"shown:\n{shown}\nfound:\n{found}"


def commands(source: str) -> Iterator[tuple[str, str]]:
    """Yield each command of a console block, with the output that is shown below it."""
    for part in re.split(r"^\$ ", source, flags=re.MULTILINE)[1:]:
        command = re.match(r"(?:.*\\\n)*.*\n?", part)
        assert command is not None
        yield command[0].replace("\\\n", ""), part[command.end() :]


@of("ini")
def test_ini(example: Example, folder: Path, pytester: pytest.Pytester) -> None:
    assert folder.exists()
    pytester.makeini(here(example.source))
    pytester.makepyfile(test_example=ANY_TEST)
    result = pytester.runpytest_inprocess("--collect-only", "-q", "-p", "no:cacheprovider")
    assert result.ret == 0
