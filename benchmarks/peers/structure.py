"""The same 104 checks with container-structure-test: one call per platform, as its command takes one platform."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

VERSIONS = {
    "musl": "1.2.5-r0",
    "busybox": "1.36.1-r29",
    "apk-tools": "2.14.4-r0",
    "zlib": "1.3.1-r1",
    "scanelf": "1.3.7-r2",
}
# Platforms and IDs of images that the engine holds.
IMAGES: dict[str, str] = json.loads(os.environ.get("BENCHMARK_IMAGES", "{}"))


def command(name: str, *argv: str, exit_code: int = 0, output: str = "") -> dict[str, object]:
    return {
        "name": name,
        "command": argv[0],
        "args": list(argv[1:]),
        "exitCode": exit_code,
        **({"expectedOutput": [output]} if output else {}),
    }


CHECKS = {
    "schemaVersion": "2.0.0",
    "commandTests": [
        *(command(f"{name} is installed", "apk", "info", "-e", f"{name}={is_}") for name, is_ in VERSIONS.items()),
        *(command(f"{name} is absent", "apk", "info", "-e", name, exit_code=1) for name in ("bash", "curl", "gcc")),
        command("shell", "readlink", "/bin/sh", output="/bin/busybox"),
        command("musl", "sh", "-c", "ls /lib/ld-musl-*.so.1"),
        command("uname", "uname", "-m", output="."),
    ],
    "fileContentTests": [{"name": "release", "path": "/etc/alpine-release", "expectedContents": ["^3.20.3\n$"]}],
}


def checks_passed(platform: str, image: str, config: Path) -> int:
    """Return how many checks passed, that of the size among them, which the program has not."""
    argv = ["container-structure-test", "test", "--image", image, "--platform", platform, "--config", str(config)]
    program = Path(sys.executable).with_name(argv[0])
    done = subprocess.run([str(program), *argv[1:], "--output", "json"], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{platform}: {done.stdout[-2000:]}{done.stderr[-1000:]}")
    size = subprocess.run(
        ["docker", "image", "inspect", "-f", "{{.Size}}", image], capture_output=True, text=True, check=True
    ).stdout
    return int(json.loads(done.stdout)["Pass"]) + (int(size) < 9_000_000)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "checks.yaml")
        config.write_text(yaml.safe_dump(CHECKS), encoding="utf-8")
        print(f"{sum(checks_passed(platform, image, config) for platform, image in IMAGES.items())} passed")


if __name__ == "__main__":
    main()
