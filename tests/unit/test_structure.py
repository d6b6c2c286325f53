"""The shape that the package keeps as it grows: small folders and modules, few ties, late imports, honest exports.

What may import what stands in ``pyproject.toml``, as contracts of import-linter: ``lint-imports`` checks them.
"""

from __future__ import annotations

import ast
import inspect
from collections import Counter
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import pytest_alpine

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(pytest_alpine.__file__).parent

# Costly to load: imported inside the functions that need them, so that a suite which does not use them pays nothing.
LAZY = {"docker", "testinfra", "requests", "yaml", "zstandard", "elftools", "platformdirs", "filelock"}

MAX_LINES = 300
MAX_MODULES_AT_THE_TOP = 10
MAX_MODULES_IN_A_FOLDER = 20
MAX_PAIRS = 80
RULES = {"checks/clean/rules"}  # one file a rule


@dataclass(frozen=True, slots=True)
class Import:
    """One import statement's target."""

    name: str
    """The module that is imported, such as ``pytest_alpine.rootfs.base`` or ``docker.errors``."""
    line: int
    at_top: bool
    """Whether it runs when the module is loaded."""

    @property
    def package(self) -> str:
        return self.name.partition(".")[0]


@cache
def modules() -> tuple[str, ...]:
    """Return the modules of the package, without its own name before them."""
    return tuple(
        sorted(
            ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")
            for path in PACKAGE.rglob("*.py")
            if path != PACKAGE / "__init__.py"
        )
    )


def path_of(module: str) -> Path:
    path = PACKAGE.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imports(path: Path) -> list[Import]:
    return list(_imports(tree_of(path), at_top=True))


@cache
def all_imports() -> tuple[tuple[str, Import], ...]:
    """Return what all modules import, and where: ``apk.database:12``."""
    return tuple((f"{module}:{item.line}", item) for module in modules() for item in imports(path_of(module)))


def _imports(node: ast.AST, *, at_top: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            for alias in child.names:
                yield Import(alias.name, child.lineno, at_top)
        elif isinstance(child, ast.ImportFrom):
            assert not child.level, f"relative import in line {child.lineno}"
            yield from (Import(name, child.lineno, at_top) for name in _targets(child))
        elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            yield from _imports(child, at_top=False)
        else:
            function = isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
            yield from _imports(child, at_top=at_top and not function)


def _targets(node: ast.ImportFrom) -> list[str]:
    """Return what ``from MODULE import NAME`` imports: the module itself, or modules in it."""
    assert node.module is not None
    inside = [f"{node.module}.{alias.name}" for alias in node.names if alias.name != "__version__"]
    known = {f"pytest_alpine.{module}" for module in modules()}
    return [name for name in inside if name in known] or [node.module] * bool(inside)


def test_folders_stay_small() -> None:
    """Too many modules side by side are a folder that nobody has named yet."""
    sizes = Counter(str(path.parent.relative_to(PACKAGE)) for path in PACKAGE.rglob("*.py") if path.stem != "__init__")
    assert sizes.pop(".") <= MAX_MODULES_AT_THE_TOP
    assert not {
        folder: size for folder, size in sizes.items() if folder not in RULES and size > MAX_MODULES_IN_A_FOLDER
    }


def test_few_modules_and_folders_at_the_first_level_know_each_other() -> None:
    """An import of ``pytest_alpine.rootfs.base`` in ``apk/database.py`` is the pair apk, rootfs; each counts once."""
    grimp = pytest.importorskip("grimp", reason="grimp is not there for this Python")
    graph = grimp.build_graph("pytest_alpine", cache_dir=None)
    pairs = {
        (_first(module), _first(imported))
        for module in graph.modules
        for imported in graph.find_modules_directly_imported_by(module)
        if _first(module) != _first(imported)
    }
    assert len(pairs) <= MAX_PAIRS, f"{len(pairs)}: {sorted(pairs)}"


def _first(module: str) -> str:
    """Return ``apk`` for ``pytest_alpine.apk.database``, and ``pytest_alpine`` for the package's own ``__init__``."""
    return module.split(".")[:2][-1]


def test_the_package_itself_is_for_users() -> None:
    assert not [place for place, item in all_imports() if item.name == "pytest_alpine"]


def test_costly_libraries_are_loaded_late() -> None:
    assert not [f"{place}: {item.name}" for place, item in all_imports() if item.package in LAZY and item.at_top]


def test_modules_stay_small() -> None:
    sizes = {module: len(path_of(module).read_text(encoding="utf-8").splitlines()) for module in modules()}
    assert not {module: size for module, size in sizes.items() if size > MAX_LINES}


def test_the_package_raises_and_never_asserts() -> None:
    # A bare assert vanishes under python -O.
    assert not [
        f"{module}:{node.lineno}"
        for module in modules()
        for node in ast.walk(tree_of(path_of(module)))
        if isinstance(node, ast.Assert)
    ]


def test_every_module_says_what_it_is() -> None:
    docstrings = {module: ast.get_docstring(tree_of(path_of(module))) or "" for module in modules()}
    assert not [module for module, text in docstrings.items() if not text.partition("\n")[0].endswith((".", ":"))]


def test_the_stub_lists_each_public_name_once() -> None:
    listed = [
        alias
        for node in ast.walk(tree_of(PACKAGE / "__init__.pyi"))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    ]
    assert sorted(alias.name for alias in listed) == pytest_alpine.__all__ == dir(pytest_alpine)
    assert [alias.name for alias in listed if alias.asname != alias.name] == []  # mypy takes it for private


@pytest.mark.parametrize("name", pytest_alpine.__all__)
def test_every_export_says_what_it_is(name: str) -> None:
    exported = getattr(pytest_alpine, name)
    members = vars(exported) if isinstance(exported, type) else {}
    public = {f"{name}.{own}": found for own, found in members.items() if not own.startswith("_") and _has_text(found)}
    undescribed = [where for where, found in {name: exported, **public}.items() if not inspect.getdoc(found)]
    assert not undescribed


def _has_text(member: object) -> bool:
    """Whether a member of a class is code, which has a docstring, and not data."""
    return callable(member) or isinstance(member, (property, cached_property, classmethod, staticmethod))


@pytest.mark.parametrize("name", pytest_alpine.__all__)
def test_every_export_is_there(name: str) -> None:
    assert getattr(pytest_alpine, name).__name__ == name


@pytest.mark.parametrize("name", [name for name in pytest_alpine.__all__ if name.startswith("assert_")])
def test_every_assertion_has_a_twin_that_takes_the_same(name: str) -> None:
    twin = {"assert_no_regression": "find_regressions"}.get(name, name.replace("assert_", "find_"))
    takes, twin_takes = (inspect.signature(getattr(pytest_alpine, one)) for one in (name, twin))
    assert list(takes.parameters.values()) == list(twin_takes.parameters.values())
    assert (takes.return_annotation, twin_takes.return_annotation) == ("None", "tuple[Finding, ...]")


def test_nothing_else_is_exported() -> None:
    with pytest.raises(AttributeError, match="nonsense"):
        _ = pytest_alpine.nonsense  # type: ignore[attr-defined]
