from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, strategies as st

from pytest_alpine.errors import AlpineError, MalformedImage
from pytest_alpine.image.spec.config import HistoryEntry, ImageConfig, parse_config
from pytest_alpine.image.spec.healthcheck import Healthcheck
from pytest_alpine.platforms import Platform
from tests.support.images import image, layer_tar

WHERE = "app:1 (linux/amd64), configuration"
EMPTY = ImageConfig(
    architecture="",
    os="linux",
    variant="",
    created=None,
    entrypoint=(),
    cmd=(),
    env={},
    user="",
    working_dir="",
    labels={},
    exposed_ports=(),
    volumes=(),
    stop_signal="",
    healthcheck=None,
    onbuild=(),
    shell=(),
    diff_ids=(),
    history=(),
)


def parse(**document: Any) -> ImageConfig:  # noqa: ANN401 - any JSON
    return parse_config(json.dumps(document).encode(), WHERE)


def test_all_fields() -> None:
    config = {
        "User": "1000:1000",
        "ExposedPorts": {"8080/tcp": {}, "53/udp": {}, "80": {}},
        "Env": ["PATH=/bin:/usr/bin", "EMPTY=", "EQUAL=a=b", "BARE", "PATH=/bin"],
        "Entrypoint": ["/bin/sh", "-c"],
        "Cmd": ["echo hello"],
        "Volumes": {"/var/lib": {}, "/data": {}},
        "WorkingDir": "/srv",
        "Labels": {"org.opencontainers.image.title": "app"},
        "StopSignal": "SIGQUIT",
        "Healthcheck": {"Test": ["CMD", "true"], "Interval": 5_000_000_000},
        "OnBuild": ["COPY . /app", "RUN make"],
        "Shell": ["/bin/ash", "-ec"],
    }
    built = image(
        layer_tar({"a": "1"}),
        platform="linux/arm/v7",
        config=config,
        created="2024-09-06T22:20:07Z",
        history=[
            {"created_by": "ADD x", "created": "2024"},
            {"created_by": "CMD", "comment": "c", "empty_layer": True},
        ],
    )
    found = parse_config(built.config.data, WHERE)
    assert found == ImageConfig(
        architecture="arm",
        os="linux",
        variant="v7",
        created="2024-09-06T22:20:07Z",
        entrypoint=("/bin/sh", "-c"),
        cmd=("echo hello",),
        env={"PATH": "/bin", "EMPTY": "", "EQUAL": "a=b", "BARE": ""},
        user="1000:1000",
        working_dir="/srv",
        labels={"org.opencontainers.image.title": "app"},
        exposed_ports=("53/udp", "80", "8080/tcp"),
        volumes=("/data", "/var/lib"),
        stop_signal="SIGQUIT",
        healthcheck=Healthcheck(test=("CMD", "true"), interval=5.0),
        onbuild=("COPY . /app", "RUN make"),
        shell=("/bin/ash", "-ec"),
        diff_ids=tuple(built.diff_ids),
        history=(
            HistoryEntry(created="2024", created_by="ADD x", comment="", empty_layer=False),
            HistoryEntry(created=None, created_by="CMD", comment="c", empty_layer=True),
        ),
    )
    assert found.platform == Platform.parse("arm/v7")


def test_mappings_cannot_be_changed() -> None:
    config = parse(config={"Env": ["A=1"], "Labels": {"a": "b"}})
    for mapping in (config.env, config.labels):
        with pytest.raises(TypeError):
            mapping["A"] = "2"  # type: ignore[index]  # the point of the test


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"config": None},
        {
            "config": {
                "Env": None,
                "Cmd": None,
                "Entrypoint": None,
                "Labels": None,
                "ExposedPorts": None,
                "Volumes": None,
            }
        },
        {"rootfs": {"type": "layers", "diff_ids": None}, "history": None, "created": None, "os": ""},
        {"config": {"Healthcheck": {"Test": []}, "OnBuild": [], "Shell": None}, "unknown": 1},
    ],
    ids=["empty", "null", "nulls", "null-layers", "unknown-fields"],
)
def test_what_an_image_does_not_say(document: dict[str, Any]) -> None:
    assert parse(**document) == EMPTY


def test_a_command_may_be_a_string_as_docker_wrote_it_once() -> None:
    config = parse(config={"Cmd": "top", "Entrypoint": "/init"})
    assert (config.entrypoint, config.cmd) == (("/init",), ("top",))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not JSON: Expecting value: line 1 column 1 (char 0)"),
        (b"{", "not JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
        (b"[]", "a JSON list (expected an object)"),
        (b'{"config": []}', "field 'config' is [] (expected an object)"),
        (b'{"architecture": 1}', "field 'architecture' is 1 (expected a string)"),
        (b'{"os": true}', "field 'os' is True (expected a string)"),
        (b'{"rootfs": "x"}', "field 'rootfs' is 'x' (expected an object)"),
        (b'{"rootfs": {"diff_ids": [1]}}', "field 'diff_ids' is [1] (expected an array of strings)"),
        (b'{"config": {"Env": {"A": "1"}}}', "field 'Env' is {'A': '1'} (expected an array)"),
        (b'{"config": {"Cmd": ["a", 1]}}', "field 'Cmd' is ['a', 1] (expected an array of strings)"),
        (b'{"config": {"Labels": {"a": 1}}}', "field 'Labels' is {'a': 1} (expected an object of strings)"),
        (b'{"config": {"ExposedPorts": ["80"]}}', "field 'ExposedPorts' is ['80'] (expected an object)"),
        (b'{"history": [1]}', "field 'history' is [1] (expected an array of objects)"),
        (b'{"history": [{"comment": 1}]}', "field 'comment' is 1 (expected a string)"),
    ],
    ids=lambda value: "" if isinstance(value, bytes) else value[:30],
)
def test_broken_configurations(data: bytes, message: str) -> None:
    with pytest.raises(MalformedImage) as caught:
        parse_config(data, WHERE)
    assert str(caught.value) == f"{WHERE}: {message}"


@pytest.mark.parametrize(
    "data",
    [b'{"a":' + b"[" * 100_000, b"\xff\xfe\x00", b'{"a": ' + b"9" * 10_000 + b"}"],
    ids=["deep", "not-text", "long-number"],
)
def test_hostile_documents(data: bytes) -> None:
    with pytest.raises(MalformedImage, match=r"^app:1 .* not JSON: "):
        parse_config(data, WHERE)


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=6,
)
NAMES = st.sampled_from(["architecture", "config", "rootfs", "history", "created", "os", "variant"])
INNER = st.sampled_from(
    ["Env", "Cmd", "Entrypoint", "Labels", "ExposedPorts", "Volumes", "User", "diff_ids", "Healthcheck"]
)


@given(st.dictionaries(NAMES, st.one_of(JSON, st.dictionaries(INNER, JSON, max_size=4)), max_size=4))
def test_any_document_is_a_configuration_or_an_error_of_ours(document: dict[str, Any]) -> None:
    try:
        assert isinstance(parse(**document).platform, Platform)
    except AlpineError as error:
        assert str(error).startswith(f"{WHERE}: field ")  # noqa: PT017 - some documents are broken, not all
