"""The files of a container, as an engine that speaks Docker's API tells of them.

Spec: the Engine API, "Get information about files in a container", "Get an archive of a filesystem resource"
"""

from __future__ import annotations

import base64
import binascii
import io
import json
import tarfile
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pytest_alpine.errors import EngineError, FileNotInImage
from pytest_alpine.image.docker_client import EngineRefusedError, docker_errors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from docker import DockerClient
    from requests import Response

    from pytest_alpine.engine.rootfs import ContainerArchive
    from pytest_alpine.image.source import ByteStream

_OK: Final = 200
_NOT_FOUND: Final = 404
_STAT: Final = "X-Docker-Container-Path-Stat"


@dataclass(frozen=True, kw_only=True, slots=True)
class DockerArchive:
    """The files of one container."""

    client: DockerClient
    container: str

    def exists(self, path: str) -> bool:
        """Whether *path* leads to anything, links followed."""
        target = self._target(path)
        return target is not None and (not target or self._target(target) is not None)

    @contextmanager
    def open(self, path: str) -> Iterator[ByteStream]:
        """Open a tar of what stands at *path* and below it."""
        # Not through the SDK, which reads an archive to its end even where one header is enough.
        with self._request("GET", "archive", path) as response:
            if response.status_code == _NOT_FOUND:
                raise FileNotInImage(f"no such file or directory: {path}")
            with docker_errors(f"cannot read {path} in {self.container}"):
                yield response.raw

    @contextmanager
    def export(self) -> Iterator[ByteStream]:
        """Open a tar of the whole root filesystem, without what is mounted into it."""
        with self._request("GET", "export") as response, docker_errors(f"cannot export {self.container}"):
            yield response.raw

    def write(self, path: str, data: bytes, *, mode: int = 0o644, uid: int = 0, gid: int = 0) -> None:
        """Make a file with the content *data*, and the directories that it is to stand in.

        Raises:
            EngineError: the engine refused.
        """
        member = tarfile.TarInfo(path.lstrip("/"))
        member.size, member.mode, member.uid, member.gid = len(data), mode, uid, gid
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            tar.addfile(member, io.BytesIO(data))
        with docker_errors(f"cannot write {path} in {self.container}"):
            self.client.api.put_archive(self.container, "/", buffer.getvalue())

    def _target(self, path: str) -> str | None:
        """Return where the link at *path* leads in the end, or "" for anything but a link; None if there is nothing."""
        with self._request("HEAD", "archive", path) as response:
            if response.status_code == _NOT_FOUND:
                return None
            try:
                told = json.loads(base64.b64decode(response.headers[_STAT]))
                return str(told["linkTarget"])
            except (KeyError, ValueError, binascii.Error) as error:
                raise EngineError(f"the engine tells nothing of {path!r} in {self.container}: {error!r}") from error

    @contextmanager
    def _request(self, method: str, what: str, path: str | None = None) -> Iterator[Response]:
        api = self.client.api
        url = f"{api.base_url}/v{api.api_version}/containers/{self.container}/{what}"
        params: dict[str, Any] = {} if path is None else {"path": path}
        doing = f"cannot look at {path or 'the files'} in {self.container}"
        with docker_errors(doing):
            # Engines compress archives for who takes it, which costs more than it saves.
            headers = {"Accept-Encoding": "identity"}
            response = api.request(method, url, params=params, headers=headers, stream=True, timeout=api.timeout)
        with response:
            if response.status_code not in {_OK, _NOT_FOUND} or (response.status_code == _NOT_FOUND and path is None):
                said = response.text.strip()
                message = f"{doing}: the engine refused: {said} (HTTP {response.status_code})"
                raise EngineRefusedError(message, status=response.status_code, explanation=said)
            yield response


if TYPE_CHECKING:
    _: type[ContainerArchive] = DockerArchive
