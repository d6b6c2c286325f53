"""What an image says of itself, field by field."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from pytest_alpine import Image, assert_config, find_config, open_image
from pytest_alpine.image.access import Access
from pytest_alpine.image.store.store import Store
from tests.support.images import image as image_of, layer_tar, write_oci_layout

if TYPE_CHECKING:
    from collections.abc import Mapping

SET: Mapping[str, Any] = {
    "User": "1000:1000",
    "Env": ["PATH=/usr/bin:/bin", "PORT=8080", "EMPTY="],
    "Labels": {"org.opencontainers.image.version": "1.2.3"},
    "Entrypoint": ["/usr/bin/app", "--name", "a b"],
    "Cmd": ["/bin/sh", "-c", "exec serve $PORT"],
    "WorkingDir": "/srv",
    "ExposedPorts": {"8080/tcp": {}, "53/udp": {}},
    "Volumes": {"/data": {}},
    "StopSignal": "SIGQUIT",
    "Healthcheck": {"Test": ["CMD-SHELL", "wget -q localhost || exit 1"]},
}


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Image]:
    """An image with a full configuration, one with an empty one, one whose health check is switched off."""
    folder = tmp_path_factory.mktemp("config")
    tar = layer_tar({"x": ""})
    configs: dict[str, Mapping[str, Any]] = {
        "set": SET,
        "empty": {},
        "off": {"Healthcheck": {"Test": ["NONE"]}},
    }
    write_oci_layout(folder / "layout", {name: [image_of(tar, config=config)] for name, config in configs.items()})
    access = Access(Store(folder / "store"))
    return {name: open_image(f"oci:{folder}/layout:{name}", "linux/amd64", access=access) for name in configs}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param("set", {"user": "1000:1000"}, id="user"),
        pytest.param("set", {"user": re.compile("^1000")}, id="user-pattern"),
        pytest.param("empty", {"user": None}, id="no-user"),
        pytest.param("set", {"env": {"PORT": "8080", "EMPTY": "", "NOTHING": None}}, id="env"),
        pytest.param("set", {"env": {"PATH": re.compile("/usr/bin")}}, id="env-pattern"),
        pytest.param("set", {"env": {"EMPTY": re.compile("^$")}}, id="an-empty-value-matches"),
        pytest.param("set", {"labels": {"org.opencontainers.image.version": re.compile(r"^\d+\.")}}, id="labels"),
        pytest.param("set", {"entrypoint": ["/usr/bin/app", "--name", "a b"]}, id="words"),
        pytest.param("set", {"entrypoint": ["/usr/bin/app", re.compile("^--"), re.compile(" ")]}, id="words-patterns"),
        pytest.param("set", {"entrypoint": "/usr/bin/app --name 'a b'"}, id="one-text"),
        pytest.param("set", {"entrypoint": re.compile("^/usr/bin/app ")}, id="a-pattern-of-the-line"),
        pytest.param("set", {"cmd": "exec serve $PORT"}, id="shell-form"),
        pytest.param("set", {"cmd": ["/bin/sh", "-c", "exec serve $PORT"]}, id="shell-form-as-words"),
        pytest.param("set", {"cmd": re.compile("^exec serve")}, id="a-pattern-of-the-shells-line"),
        pytest.param("empty", {"entrypoint": None, "cmd": []}, id="no-command"),
        pytest.param("set", {"workdir": "/srv"}, id="workdir"),
        pytest.param("empty", {"workdir": None}, id="no-workdir"),
        pytest.param("set", {"ports": [8080, "53/udp"]}, id="ports"),
        pytest.param("set", {"ports": {"8080/tcp", "53/UDP"}}, id="ports-in-words"),
        pytest.param("empty", {"ports": None}, id="no-ports"),
        pytest.param("empty", {"ports": []}, id="an-empty-list-of-ports"),
        pytest.param("set", {"volumes": "/data"}, id="a-volume"),
        pytest.param("set", {"volumes": ["/data"]}, id="volumes"),
        pytest.param("set", {"stop_signal": "SIGQUIT"}, id="a-signal"),
        pytest.param("set", {"stop_signal": "quit"}, id="a-signals-short-name"),
        pytest.param("set", {"stop_signal": 3}, id="a-signals-number"),
        pytest.param("empty", {"stop_signal": None}, id="no-signal"),
        pytest.param("set", {"healthcheck": True}, id="a-health-check"),
        pytest.param("set", {"healthcheck": "wget -q localhost || exit 1"}, id="its-line"),
        pytest.param("set", {"healthcheck": re.compile(r"\bwget\b")}, id="its-pattern"),
        pytest.param("empty", {"healthcheck": False}, id="no-health-check"),
        pytest.param("off", {"healthcheck": None}, id="one-that-is-switched-off"),
    ],
)
def test_it_is_so(images: dict[str, Image], name: str, expected: Any) -> None:  # noqa: ANN401 - keywords
    assert find_config(images[name], **expected) == ()
    assert_config(images[name], **expected)


@pytest.mark.parametrize(
    ("name", "expected", "told"),
    [
        pytest.param("set", {"user": "app"}, "user: expected 'app', found '1000:1000'", id="user"),
        pytest.param("set", {"user": 1000}, "user: expected '1000', found '1000:1000'", id="user-number"),
        pytest.param("empty", {"user": "app"}, "user: expected 'app', found not set", id="no-user"),
        pytest.param("set", {"user": None}, "user: expected not set, found '1000:1000'", id="a-user"),
        pytest.param(
            "empty", {"user": re.compile("^")}, "user: expected what matches '^', found not set", id="no-user-pattern"
        ),
        pytest.param(
            "set",
            {"env": {"PROT": "80"}},
            "environment variable PROT: expected '80', found not set (nearest: PORT)",
            id="another-variable",
        ),
        pytest.param(
            "set", {"env": {"EMPTY": None}}, "environment variable EMPTY: expected not set, found ''", id="empty-is-set"
        ),
        pytest.param("empty", {"labels": {"a": ""}}, "label a: expected '', found not set", id="a-missing-label"),
        pytest.param(
            "set",
            {"entrypoint": ["/usr/bin/app"]},
            "entrypoint: expected ['/usr/bin/app'], found ['/usr/bin/app', '--name', 'a b']",
            id="fewer-words",
        ),
        pytest.param(
            "set",
            {"cmd": None},
            "cmd: expected not set, found ['/bin/sh', '-c', 'exec serve $PORT']",
            id="a-command",
        ),
        pytest.param(
            "set",
            {"ports": 8080},
            "exposed ports: expected 8080/tcp, found 53/udp, 8080/tcp (not expected: 53/udp)",
            id="one-port-more",
        ),
        pytest.param(
            "set",
            {"ports": ["8080/tcp", "53/udp", 53]},
            "exposed ports: expected 53/tcp, 53/udp, 8080/tcp, found 53/udp, 8080/tcp (missing: 53/tcp)",
            id="one-port-less",
        ),
        pytest.param(
            "empty", {"volumes": "/data"}, "volumes: expected /data, found none (missing: /data)", id="no-volume"
        ),
        pytest.param(
            "set", {"stop_signal": "TERM"}, "stop_signal: expected 'TERM', found 'SIGQUIT'", id="another-signal"
        ),
        pytest.param("off", {"healthcheck": True}, "healthcheck: expected one, found not set", id="no-health-check"),
        pytest.param(
            "set",
            {"healthcheck": False},
            "healthcheck: expected none, found ['/bin/sh', '-c', 'wget -q localhost || exit 1']",
            id="a-health-check",
        ),
        pytest.param(
            "set",
            {"healthcheck": ["curl", re.compile("localhost")]},
            "healthcheck: expected ['curl', what matches 'localhost'], "
            "found ['/bin/sh', '-c', 'wget -q localhost || exit 1']",
            id="another-health-check",
        ),
    ],
)
def test_it_is_different(
    images: dict[str, Image],
    name: str,
    expected: Any,  # noqa: ANN401 - keywords
    told: str,
) -> None:
    assert [str(finding) for finding in find_config(images[name], **expected)] == [told]
    with pytest.raises(AssertionError, match=f"^{re.escape(told)}"):
        assert_config(images[name], **expected)


def test_all_differences_are_told_at_once(images: dict[str, Image]) -> None:
    found = find_config(images["empty"], user="app", env={"A": "1", "B": "2"}, ports=80, healthcheck=True)
    assert [finding.subject for finding in found] == [
        "user",
        "environment variable A",
        "environment variable B",
        "exposed ports",
        "healthcheck",
    ]


@pytest.mark.parametrize(
    ("expected", "told"),
    [
        pytest.param({}, "nothing is given (expected some of user=, env=, labels=, ", id="nothing"),
        pytest.param({"usr": "x"}, "unknown: usr (expected some of user=, env=, labels=, ", id="a-slip"),
        pytest.param({"ports": [80.5]}, "ports: 80.5 is no port (expected such as 8080 or '53/udp')", id="no-number"),
        pytest.param({"ports": ["http"]}, "ports: 'http' is no port (expected such as 8080 or '53/udp')", id="a-name"),
    ],
)
def test_what_cannot_be_asked(images: dict[str, Image], expected: Any, told: str) -> None:  # noqa: ANN401 - keywords
    with pytest.raises(TypeError, match=re.escape(told)):
        find_config(images["set"], **expected)
