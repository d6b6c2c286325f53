"""The facts of one image, as data and as lines."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from pytest_alpine.errors import AlpineError
from pytest_alpine.quoting import visible
from pytest_alpine.report.image import image_data
from pytest_alpine.sizes import format_size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_alpine.image.image import Image
    from pytest_alpine.image.spec.healthcheck import Healthcheck


def facts_data(image: Image) -> dict[str, Any]:
    """Return the facts of *image* as plain values. A fact that cannot be read is None, and ``problems`` says why.

    Raises:
        ImageError: the image cannot be fetched, or breaks its specification.
    """
    size, config, shell = image.size, image.config, image.shell
    problems: dict[str, str] = {}

    def told(name: str, read: Callable[[], Any]) -> Any:  # noqa: ANN401 - any plain value
        try:
            return read()
        except AlpineError as error:
            problems[name] = str(error).removeprefix(f"{image}: ")
            return None

    return {
        **image_data(image),
        "release": told("release", lambda: _release(image)),
        "libc": {"kind": image.libc.kind, "version": image.libc.version, "loader": image.libc.loader},
        "shell": None if shell is None else {"kind": shell.kind, "path": shell.path, "real": shell.real},
        "shells": [shell.path for shell in image.shells],
        "size": {"compressed": size.compressed, "unpacked": size.unpacked, "rootfs": size.rootfs},
        "config": {
            "entrypoint": list(config.entrypoint),
            "cmd": list(config.cmd),
            "user": config.user,
            "working_dir": config.working_dir,
            "env": dict(config.env),
            "labels": dict(config.labels),
            "exposed_ports": list(config.exposed_ports),
            "volumes": list(config.volumes),
            "stop_signal": config.stop_signal,
            "healthcheck": _healthcheck(config.healthcheck),
            "onbuild": list(config.onbuild),
            "shell": list(config.shell),
        },
        "layers": list(config.diff_ids),
        "world": told("world", lambda: list(map(str, image.world))),
        "packages": told("packages", lambda: {name: str(found.version) for name, found in image.packages.items()}),
        "problems": problems,
    }


def _release(image: Image) -> dict[str, Any]:
    release = image.release
    return {
        "id": release.id,
        "version": release.version or release.version_id,
        "branch": release.branch,
        "name": release.pretty_name,
        "is_edge": release.is_edge,
    }


def _healthcheck(check: Healthcheck | None) -> dict[str, Any] | None:
    return None if check is None else {**asdict(check), "text": str(check)}


def facts_lines(facts: dict[str, Any]) -> Iterator[str]:
    """Yield the lines of *facts*, which ``facts_data`` returned, for people to read."""
    config, libc, shell, release = (facts[name] for name in ("config", "libc", "shell", "release"))
    rows = {
        "image": facts["digest"] or facts["id"],
        "release": release and f"{release['name']}, {release['version']}",
        "libc": " ".join(filter(None, (libc["kind"], libc["version"], libc["loader"]))),
        "/bin/sh": shell and f"{shell['kind']}, {shell['real']}",
        "shells": " ".join(facts["shells"]),
        "entrypoint": " ".join(config["entrypoint"]),
        "command": " ".join(config["cmd"]),
        "user": config["user"] or "root",
        "environment": " ".join(f"{name}={value}" for name, value in config["env"].items()),
        "labels": " ".join(f"{name}={value}" for name, value in config["labels"].items()),
        "ports": " ".join(config["exposed_ports"]),
        "volumes": " ".join(config["volumes"]),
        "health": config["healthcheck"] and config["healthcheck"]["text"],
        "size": ", ".join(f"{name} {format_size(size)}" for name, size in facts["size"].items() if size is not None),
        "world": facts["world"] and " ".join(facts["world"]),
        "packages": facts["packages"] and " ".join(f"{name}-{version}" for name, version in facts["packages"].items()),
    }
    yield f"{facts['reference']} ({facts['platform']})"
    for name, text in rows.items():
        yield visible(f"  {name:<11}  {facts['problems'].get(name) or text or '-'}")
