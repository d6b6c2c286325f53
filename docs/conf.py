"""Settings of the documentation site: ``tox -e docs`` builds it."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from docutils.nodes import figure, image
from docutils.parsers.rst import Directive
from sphinx.ext.napoleon import Config, GoogleDocstring

import pytest_alpine

if TYPE_CHECKING:
    from docutils.nodes import Element
    from sphinx.addnodes import pending_xref
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

project = "pytest-alpine"
author = "the pytest-alpine maintainers"
copyright = f"2026, {author}"  # noqa: A001 - Sphinx's name
version = release = pytest_alpine.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.intersphinx"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"pytest-alpine {release}"

myst_enable_extensions = ["colon_fence"]
myst_fence_as_directive = ["mermaid"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"

autodoc_typehints_format = "short"
python_maximum_signature_line_length = 80

SITES: Final = {
    "python": "https://docs.python.org/3",
    "pytest": "https://docs.pytest.org/en/stable",
    "testinfra": "https://testinfra.readthedocs.io/en/latest",
    "docker": "https://docker-py.readthedocs.io/en/stable",
}
# A site's own list of names comes first. Without a network, the few names in docs/inventories do.
intersphinx_mapping = {name: (site, (None, f"inventories/{name}.txt")) for name, site in SITES.items()}
intersphinx_timeout = 5

nitpicky = True
# Types that users meet in a signature and never name.
nitpick_ignore_regex = [
    (
        "py:.*",
        r"(pytest_alpine\..*\.)?(Access|Binaries|ByteStream|ConfigFields|Fact|FileFacts|ImageSource|KeptFacts|Loader|Machine)",
    ),
    ("py:.*", r"(pytest_alpine\..*\.)?(Opener|Owners|Processes|Provider|Snapshot|Store|StoredLayer)"),
    ("py:.*", r"(pytest_alpine\..*\.)?([A-Z]\w*Kind|Kind|Area|Algorithm|Content)"),
]

# Annotations name what their module imports. Sphinx wants to know where that is defined.
HOMES: Final = {
    name: f"{home}.{name}"
    for home, names in {
        "collections.abc": "Callable Iterable Iterator Mapping Sequence",
        "contextlib": "AbstractContextManager",
        "datetime": "date",
        "os": "PathLike",
        "testinfra.host": "Host",
    }.items()
    for name in names.split()
}


class Mermaid(Directive):
    """A picture, drawn beforehand, so that the site needs neither a network nor a library of megabytes.

    Its file is named after its text: a picture of an older text is not found.
    """

    has_content = True

    def run(self) -> list[Element]:
        """Return the picture."""
        digest = hashlib.sha256("\n".join(self.content).encode()).hexdigest()
        name = f"pictures/{digest[:12]}.svg"
        page = self.state.document.current_source
        if not (Path(__file__).parent / name).exists():
            raise self.error(
                f"docs/{name} is missing: the text of the picture has changed; draw it again: "
                "npx -y -p @mermaid-js/mermaid-cli mmdc -c docs/pictures/mermaid.json -b white "
                f"-i {page} -o docs/pictures/new.svg && mv docs/pictures/new-1.svg docs/{name}"
            )
        return [figure("", image(uri=f"/{name}", alt="\n".join(self.content)))]


def google_style(app: Sphinx, what: str, name: str, obj: object, options: Any, lines: list[str]) -> None:
    """Turn the sections ``Args:`` and ``Raises:`` into fields.

    This is Sphinx's own napoleon, but that napoleon takes what stands before a colon in a property's text for a type.
    """
    kind = "method" if what in {"attribute", "property"} else what
    config = Config(napoleon_use_rtype=False)
    lines[:] = GoogleDocstring(list(lines), config, app, kind, name, obj, options).lines()


def link_names(_app: Sphinx, _what: str, _name: str, _obj: object, _options: Any, lines: list[str]) -> None:
    """Make links of the public names in a docstring, such as ``assert_clean``."""
    names = "|".join(pytest_alpine.__all__)
    lines[:] = [re.sub(rf"``({names})``", r":py:obj:`~pytest_alpine.\1`", line) for line in lines]


def hide_signature(_app: Sphinx, _what: str, _name: str, obj: object, *_: object) -> tuple[str, str] | None:
    """Leave out how a class is made where only the package makes it."""
    own = obj is pytest_alpine.Image or getattr(obj, "_is_protocol", False)
    return ("", "") if own else None


def public_name(_app: Sphinx, env: BuildEnvironment, node: pending_xref, contnode: Element) -> Element | None:
    """Resolve a name of the package by its public name, whichever module defines it."""
    name = node.get("reftarget", "").rpartition(".")[2]
    if node.get("refdomain") != "py":
        return None
    if name not in pytest_alpine.__all__:
        node["reftarget"] = HOMES.get(node["reftarget"], node["reftarget"])
        return None
    domain, target = env.get_domain("py"), f"pytest_alpine.{name}"
    return domain.resolve_xref(env, node["refdoc"], env.app.builder, "obj", target, node, contnode)


def setup(app: Sphinx) -> None:
    """Connect what is defined here."""
    app.add_directive("mermaid", Mermaid)
    app.connect("autodoc-process-docstring", google_style)
    app.connect("autodoc-process-docstring", link_names, priority=600)
    app.connect("autodoc-process-signature", hide_signature)
    app.connect("missing-reference", public_name, priority=400)  # before intersphinx
