"""What the engine itself takes: the eight containers started, told one command and removed, with nothing around it."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor

import docker

# Platforms and IDs of images that the engine holds.
IMAGES: dict[str, str] = json.loads(os.environ.get("BENCHMARK_IMAGES", "{}"))
NETWORK = os.environ.get("BENCHMARK_NETWORK", "bridge")
THREADS = 6


def main() -> None:
    api = docker.APIClient()

    def contain(cell: tuple[str, str]) -> bytes:
        platform, image = cell
        settings = api.create_host_config(init=True, network_mode=NETWORK)
        container = api.create_container(
            image,
            ["sleep", "1000"],
            host_config=settings,
            network_disabled=NETWORK == "none",
            platform=platform,
        )["Id"]
        api.start(container)
        told: bytes = api.exec_start(api.exec_create(container, ["uname", "-m"])["Id"])
        api.remove_container(container, force=True, v=True)
        return told

    with ThreadPoolExecutor(THREADS) as threads:
        print(f"{sum(map(bool, threads.map(contain, IMAGES.items())))} containers")


if __name__ == "__main__":
    main()
