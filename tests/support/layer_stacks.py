"""Layers with odd names and odd contents, and the root filesystems that container engines make of them.

The unit tests compare this package with the table; ``tests/sources/test_layer_stacks.py`` compares Docker and Podman
with it.
"""

from __future__ import annotations

import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tests.support.tars import OPAQUE, Device, Directory, Fifo, HardLink, Node, Symlink, layer_tar, whiteout

if TYPE_CHECKING:
    from collections.abc import Iterable

Layer = dict[str, Node] | list[tuple[str, Node]] | bytes
"""Members, or a tar."""
Tree = dict[str, str]
"""Entries by their paths, without the root: the text of files, ``-> target`` of links, ``<kind>`` of the others."""

DIRECTORY: Final = "<directory>"
LONG: Final = "/".join(["p" * 60] * 5) + "/" + "n" * 120
LONG_TREE: Final = {"/" + "/".join(["p" * 60] * depth): DIRECTORY for depth in range(1, 6)} | {
    f"/{LONG}": "1",
    "/h": "1",
    "/s": f"-> {LONG}",
}
LATIN_1: Final = b"caf\xe9".decode("utf-8", "surrogateescape")


@dataclass(frozen=True, slots=True)
class Stack:
    """Layers, base first, and the expected root filesystem."""

    name: str
    layers: tuple[Layer, ...]
    tree: Tree
    refused: bool = False
    """Whether Docker and Podman refuse to load these layers. This package reads them: other engines run them."""

    @property
    def tars(self) -> list[bytes]:
        """The layers as tars."""
        return tars_of(self.layers)

    def __str__(self) -> str:
        return self.name


def tars_of(layers: Iterable[Layer]) -> list[bytes]:
    """Return *layers* as tars."""
    return [layer if isinstance(layer, bytes) else layer_tar(layer) for layer in layers]


def read(name: str, *layers: Layer, tree: Tree) -> Stack:
    """Return layers that all engines load as *tree*."""
    return Stack(name, layers, tree)


def spared(name: str, *layers: Layer, tree: Tree) -> Stack:
    """Return layers that Docker and Podman refuse, and that this package reads as *tree*."""
    return Stack(name, layers, tree, refused=True)


def folder(path: str, **inside: str) -> Tree:
    """Return the tree of the directory *path* with files *inside* it."""
    return {path: DIRECTORY} | {f"{path}/{name}": text for name, text in inside.items()}


ONE: Final[Tree] = {"/a": "1", "/k": "0"}
LINKED: Final[dict[str, Node]] = {"e/x": "0", "l": Symlink("e")}
ODD_NODES: Final[dict[str, Node]] = {
    "file": "x",
    "symlink": Symlink("k"),
    "hard-link": HardLink("k"),
    "device": Device(),
    "fifo": Fifo(),
}

NAMES: Final = [
    *(
        read(f"name-{name}", {"k": "0", name: "1"}, tree=ONE)
        for name in ("/a", "//a", "./a", ".//a", "/./a", "../a", "/../a", "../../a", "x/../a", "x/../../a", "a/", "a/.")
    ),
    *(
        read(f"name-{name}", {"d/": Directory(), name: "1"}, tree=folder("/d", a="1"))
        for name in ("d//a", "/d/a", "d/./a", "./d//./a", "d/x/../a", "../d/a")
    ),
    *(
        read(f"directory-{name}", {name: Directory(), "d/a": "1"}, tree=folder("/d", a="1"))
        for name in ("/d/", "/d", "d", "./d/", "../d/", "x/../d/")
    ),
    *(
        read(f"hard-link-to-{target}", {"a": "1", "k": HardLink(target)}, tree={"/a": "1", "/k": "1"})
        for target in ("a", "/a", "//a", "./a", "../a", "/../a", "x/../a", "a/")
    ),
    *(
        read(f"whiteout-{name}", {"a": "1", "b": "2"}, {name: ""}, tree={"/b": "2"})
        for name in (".wh.a", "/.wh.a", "./.wh.a", "../.wh.a", "x/../.wh.a", ".wh.a/")
    ),
    *(
        read(f"opaque-{name}", {"d/a": "1"}, {name: "", "d/b": "2"}, tree=folder("/d", b="2"))
        for name in (f"d/{OPAQUE}", f"/d/{OPAQUE}", f"./d/{OPAQUE}", f"x/../d/{OPAQUE}", f"d/{OPAQUE}/")
    ),
    *(
        read(f"opaque-root-{name}", {"a": "1"}, {name: "", "k": "0"}, tree=ONE)
        for name in (OPAQUE, f"/{OPAQUE}", f"./{OPAQUE}", f"x/../{OPAQUE}")
    ),
]

CHARACTERS: Final = [
    read("empty-name", [("", "x"), ("k", "0")], tree={"/k": "0"}),
    read("dots", {"...": "1", "..a": "2", "b..": "3"}, tree={"/...": "1", "/..a": "2", "/b..": "3"}),
    read("blanks", {" a": "1", "b ": "2", "c\nd": "3"}, tree={"/ a": "1", "/b ": "2", "/c\nd": "3"}),
    read("utf-8", {"café": "1", "x": HardLink("café")}, tree={"/café": "1", "/x": "1"}),
    read(
        "latin-1",
        layer_tar({LATIN_1: "1", "x": HardLink(LATIN_1)}, tar_format=tarfile.GNU_FORMAT),
        tree={f"/{LATIN_1}": "1", "/x": "1"},
    ),
    *(
        read(
            f"long-{name}",
            layer_tar({LONG: "1", "s": Symlink(LONG), "h": HardLink(LONG)}, tar_format=tar_format),
            tree=LONG_TREE,
        )
        for name, tar_format in (("gnu", tarfile.GNU_FORMAT), ("pax", tarfile.PAX_FORMAT))
    ),
    read(
        "ustar-prefix",
        layer_tar({"p" * 90 + "/" + "q" * 90: "1"}, tar_format=tarfile.USTAR_FORMAT),
        tree=folder("/" + "p" * 90, **{"q" * 90: "1"}),
    ),
]

ROOTS: Final = [
    *(
        read(f"root-{name}-directory", {"k": "0"}, {name: Directory(), "a": "1"}, tree=ONE)
        for name in (".", "/", "./", "//", "..", "../..", "a/..", "./.")
    ),
    *(
        read(f"root-{name}-{kind}", {"k": "0"}, {name: node, "a": "1"}, tree=ONE)
        for name in (".", "./", "a/..")
        for kind, node in ODD_NODES.items()
    ),
    *(
        spared(f"root-{name}-{kind}", {"k": "0"}, {name: node, "a": "1"}, tree=ONE)
        for name, kind, node in (
            *(("/", kind, node) for kind, node in ODD_NODES.items()),
            ("//", "hard-link", HardLink("k")),
            ("..", "hard-link", HardLink("k")),
        )
    ),
]

LAYERS: Final = [
    read("one-layer", {"a": "1", "d/": Directory(), "d/b": "2"}, tree={"/a": "1"} | folder("/d", b="2")),
    read("nothing", {"a": "1"}, b"", tree={"/a": "1"}),
    read("an-empty-tar", {"a": "1"}, bytes(1024), tree={"/a": "1"}),
    read("implied-folders", {"x/y/z": "1"}, tree={"/x": DIRECTORY} | folder("/x/y", z="1")),
    read("upper-wins", {"a": "1"}, {"a": "2"}, {"a": "3"}, tree={"/a": "3"}),
    read("file-over-folder", {"d/x": "1", "d/e/y": "2"}, {"d": "3"}, tree={"/d": "3"}),
    read("folder-over-file", {"d": "1"}, {"d/": Directory(), "d/x": "2"}, tree=folder("/d", x="2")),
    read("implied-folder-over-file", {"d": "1"}, {"d/x": "2"}, tree=folder("/d", x="2")),
    read("implied-folder-over-device", {"d": Device()}, {"d/x": "2"}, tree=folder("/d", x="2")),
    read("folder-over-folder-keeps", {"d/x": "1"}, {"d/": Directory(0o700)}, tree=folder("/d", x="1")),
    read("file-over-own-folder", {"d/x": "1", "d": "2"}, tree={"/d": "2"}),
    spared("folder-over-own-file", [("d", "1"), ("d/", Directory()), ("d/x", "2")], tree=folder("/d", x="2")),
    spared("equal-names", [("a", "1"), ("a", "2")], tree={"/a": "2"}),
    spared("equal-places", [("a", "1"), ("/a", "2"), ("./a", "3")], tree={"/a": "3"}),
    read(
        "devices",
        {"n/null": Device(), "n/sda": Device("block", 8, 0), "p": Fifo()},
        tree=folder("/n", null="<character device>", sda="<block device>") | {"/p": "<fifo>"},
    ),
]

WHITEOUTS: Final = [
    read("whiteout-of-a-folder", {"d/x": "1", "d/e/y": "2", "e": "3"}, {whiteout("d"): ""}, tree={"/e": "3"}),
    read(
        "whiteout-of-nothing",
        {"a": "1"},
        {whiteout("b"): "", whiteout("x/y"): ""},
        tree={"/a": "1", "/x": DIRECTORY},
    ),
    read("whiteout-not-of-a-longer-name", {"a": "1", "ab": "2"}, {whiteout("a"): ""}, tree={"/ab": "2"}),
    read("whiteout-then-again", {"a": "1"}, {whiteout("a"): ""}, {"a": "3"}, tree={"/a": "3"}),
    read("whiteout-then-file", {"a": "1"}, {whiteout("a"): "", "a": "2"}, tree={"/a": "2"}),
    spared("file-then-whiteout", {"a": "1"}, {"a": "2", whiteout("a"): ""}, tree={"/a": "2"}),
    read(
        "whiteout-then-folder",
        {"d/x": "1"},
        {whiteout("d"): "", "d/": Directory(), "d/y": "2"},
        tree=folder("/d", x="1", y="2"),
    ),
    spared("whiteout-then-implied-folder", {"d/x": "1"}, {whiteout("d"): "", "d/y": "2"}, tree=folder("/d", y="2")),
    read("whiteout-below-a-file", {"d": "1"}, {whiteout("d/x"): ""}, tree=folder("/d")),
    read("folder-like-a-whiteout", {"a": "1"}, {".wh.a/x": "2"}, tree={"/a": "1"} | folder("/.wh.a", x="2")),
    read("opaque", {"d/x": "1", "e": "2"}, {f"d/{OPAQUE}": "", "d/y": "3"}, tree=folder("/d", y="3") | {"/e": "2"}),
    read("opaque-last", {"d/x": "1"}, {"d/y": "2", f"d/{OPAQUE}": ""}, tree=folder("/d", y="2")),
    read("opaque-of-nothing", {"a": "1"}, {f"d/{OPAQUE}": ""}, tree={"/a": "1", "/d": DIRECTORY}),
    read("opaque-of-a-file", {"d": "1"}, {f"d/{OPAQUE}": ""}, tree=folder("/d")),
    read("aufs-bookkeeping", {"a": "1", ".wh..wh.aufs": "", ".wh..wh.orph/": Directory()}, tree={"/a": "1"}),
    read("aufs-name-below", {"a": "1"}, {whiteout(".wh.a"): "", "d/.wh..wh.x": ""}, tree={"/a": "1", "/d": DIRECTORY}),
    read("opaque-of-an-own-file", {"a": "1", f"a/{OPAQUE}": ""}, tree={"/a": "1"}),
    read("whiteout-below-a-later-file", {whiteout("d/a/c"): "", "d/a": "1"}, tree=folder("/d", a="1")),
    spared(
        "whiteout-below-a-loop",
        {"a": Symlink("b"), "b": Symlink("a"), whiteout("a/x"): ""},
        tree={"/a": "-> b", "/b": "-> a"},
    ),
]

LINKS: Final = [
    read("link-over-folder", {"d/x": "1", "e/y": "2"}, {"d": Symlink("e")}, tree={"/d": "-> e"} | folder("/e", y="2")),
    read(
        "folder-over-link",
        {"e/y": "1", "d": Symlink("e")},
        {"d/": Directory(), "d/x": "2"},
        tree=folder("/d", x="2") | folder("/e", y="1"),
    ),
    *(
        read(
            f"through-an-own-link-{target}",
            {"e/": Directory(), "l": Symlink(target), "l/a": "1"},
            tree=folder("/e", a="1") | {"/l": f"-> {target}"},
        )
        for target in ("e", "/e", "../../e", "/../e")
    ),
    spared(
        "through-an-own-link-to-nothing",
        {"l": Symlink("e"), "l/a": "1"},
        tree=folder("/e", a="1") | {"/l": "-> e"},
    ),
    read("through-a-lower-link", LINKED, {"l/a": "1"}, tree=folder("/e", x="0") | folder("/l", a="1")),
    read(
        "through-a-lower-link-to-a-new-folder",
        LINKED,
        {"l/n/a": "1"},
        tree=folder("/e", x="0") | {"/l": DIRECTORY} | folder("/l/n", a="1"),
    ),
    read("through-a-lower-link-to-nothing", {"l": Symlink("e")}, {"l/a": "1"}, tree=folder("/l", a="1")),
    read("whiteout-through-a-lower-link", LINKED, {whiteout("l/x"): ""}, tree=folder("/e", x="0") | folder("/l")),
    read(
        "whiteout-through-an-own-link",
        {"e/x": "0"},
        {"e/": Directory(), "l": Symlink("e"), whiteout("l/x"): ""},
        tree={"/e": DIRECTORY, "/l": "-> e"},
    ),
    read("whiteout-of-a-link", LINKED, {whiteout("l"): ""}, tree=folder("/e", x="0")),
    read(
        "opaque-through-a-lower-link",
        LINKED,
        {f"l/{OPAQUE}": "", "l/n": "1"},
        tree=folder("/e", x="0") | folder("/l", n="1"),
    ),
    read(
        "opaque-of-an-own-folder-over-a-link",
        LINKED,
        {"l/": Directory(), f"l/{OPAQUE}": ""},
        tree=folder("/e", x="0") | folder("/l"),
    ),
    read("hard-link-to-a-link", {"a": Symlink("x"), "b": HardLink("a")}, tree={"/a": "-> x", "/b": "-> x"}),
    read(
        "hard-link-through-an-own-link",
        {**LINKED, "b": HardLink("l/x")},
        tree=folder("/e", x="0") | {"/b": "0", "/l": "-> e"},
    ),
    read("hard-link-over-a-folder", {"d/x": "1"}, {"a": "2", "d": HardLink("a")}, tree={"/a": "2", "/d": "2"}),
    spared("hard-link-to-itself", [("a", "1"), ("a", HardLink("a"))], tree={"/a": "1"}),
    spared("hard-link-into-a-lower-layer", {"a": "1"}, {"b": HardLink("a")}, tree={"/a": "1", "/b": "1"}),
    spared("hard-link-outlives-its-target", {"a": "1"}, {"b": HardLink("a")}, {whiteout("a"): ""}, tree={"/b": "1"}),
    spared(
        "hard-link-keeps-what-it-named",
        {"a": "1"},
        {"b": HardLink("a")},
        {"a": "3"},
        tree={"/a": "3", "/b": "1"},
    ),
]

STACKS: Final = [*NAMES, *CHARACTERS, *ROOTS, *LAYERS, *WHITEOUTS, *LINKS]

NO_NAME: Final = "layer 0: whiteout {!r} (expected '.wh.' and a name)"

REFUSED: Final[list[tuple[str, list[Layer], str]]] = [
    ("hard-link-to-nothing", [{"a": HardLink("b")}], "layer 0: hard link '/a' to '/b', which is not in the image"),
    ("hard-link-to-the-root", [{"a": HardLink(".")}], "layer 0: hard link '/a' to '/', which is not in the image"),
    ("hard-link-of-no-text", [{"a": HardLink("")}], "layer 0: hard link '/a' to '/', which is not in the image"),
    (
        "hard-link-before-its-target",
        [{"b": HardLink("c"), "c": "1"}],
        "layer 0: hard link '/b' to '/c', which is not in the image",
    ),
    (
        "hard-link-to-a-folder",
        [{"d/": Directory(), "a": HardLink("d")}],
        "layer 0: hard link '/a' to '/d', which is not in the image",
    ),
    ("below-a-file", [{"a": "1", "a/b/c": "2"}], "layer 0: '/a' is a file, yet files are placed in it"),
    (
        "below-a-device",
        [{"x": "1"}, {"a": Device(), "a/b": "2"}],
        "layer 1: '/a' is a character device, yet files are placed in it",
    ),
    (
        "below-a-loop",
        [{"a": Symlink("b"), "b": Symlink("a"), "a/x/y": "2"}],
        "layer 0: '/a' is a symlink, yet files are placed in it",
    ),
    ("whiteout-of-no-name", [{".wh.": ""}], NO_NAME.format(".wh.")),
    ("whiteout-of-no-name-below", [{"a/.wh.": ""}], NO_NAME.format(".wh.")),
    ("whiteout-of-the-root", [{".wh..": ""}], NO_NAME.format(".wh..")),
    ("whiteout-of-the-root-absolute", [{"/.wh..": ""}], NO_NAME.format(".wh..")),
    ("whiteout-of-the-parent", [{"./.wh...": ""}], NO_NAME.format(".wh...")),
    ("whiteout-of-the-parent-below", [{"a/.wh...": ""}], NO_NAME.format(".wh...")),
]
"""Layers that all engines refuse, and this package's error."""
