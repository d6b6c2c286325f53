from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pytest_alpine.dockerapi.variants import Api, read_api

DOCKER: dict[str, Any] = {"InitBinary": "docker-init", "SecurityOptions": ["name=seccomp,profile=default"]}
DOCKER_API = Api(
    name="docker", command="docker", has_init=True, literal_paths=True, measures_memory=True, disables_networks=True
)
PODMAN_API = Api(
    name="podman", command="podman", has_init=True, literal_paths=False, measures_memory=True, disables_networks=False
)
ROOTLESS = {"SecurityOptions": ["name=seccomp,profile=default", "name=rootless"]}


@pytest.mark.parametrize(
    ("info", "expected"),
    [
        (DOCKER, DOCKER_API),
        (
            {"InitBinary": "", "SecurityOptions": None},
            replace(DOCKER_API, has_init=False),
        ),
        (
            {"BuildahVersion": "1.28.2", "InitBinary": "", "CgroupVersion": "1", "SecurityOptions": []},
            PODMAN_API,
        ),
        (
            {"BuildahVersion": "1.28.2", "CgroupVersion": "1", "Rootless": True},
            replace(PODMAN_API, measures_memory=False),
        ),
        (
            {"BuildahVersion": "1.28.2", "CgroupVersion": "2", "Rootless": True},
            PODMAN_API,
        ),
        (
            DOCKER | ROOTLESS | {"CgroupVersion": "1"},
            replace(DOCKER_API, measures_memory=False),
        ),
    ],
    ids=[
        "docker",
        "docker without init",
        "podman",
        "rootless, groups of version 1",
        "rootless, groups of version 2",
        "rootless docker",
    ],
)
def test_what_an_engine_is_told_by(info: dict[str, Any], expected: Api) -> None:
    assert read_api(info) == expected


def test_how_people_reach_it() -> None:
    assert read_api(DOCKER, "docker -H ssh://there").command == "docker -H ssh://there"
