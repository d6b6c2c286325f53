"""The files of a container, read and written by the archive endpoints of Docker's API.

Spec: the Engine API, "Get information about files in a container", "Get an archive of a filesystem resource"
"""

from __future__ import annotations

import base64
import binascii
import io
import json
import re
import tarfile
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from pytest_alpine.dockerapi.client import docker_errors
from pytest_alpine.errors import EngineError, EngineRefusedError, FileNotInImage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from docker import DockerClient
    from requests import Response

    from pytest_alpine.engine.docker.live_rootfs import ContainerArchive
    from pytest_alpine.image.blobs.layer import ByteStream

# Two empty blocks. Podman stops reading after them, so that further bytes of tarfile could cause a broken pipe.
_END_OF_ARCHIVE: Final = 2 * tarfile.BLOCKSIZE
# The errors of the kernel, and of engines, for paths through files and for loops of links.
_NOWHERE: Final = re.compile(r"not a directory|too many (?:links|levels of symbolic links)")
_STAT: Final = "X-Docker-Container-Path-Stat"


@dataclass(frozen=True, kw_only=True, slots=True)
class DockerArchive:
    """The files of one container."""

    client: DockerClient
    container: str
    literal_paths: bool = True
    """See ``ContainerArchive.literal_paths``."""

    def exists(self, path: str) -> bool:
        """Whether *path* leads to a file; follows links."""
        try:
            target = self._target(path)
            if target:
                self._target(target)
        except FileNotInImage:
            return False
        return True

    @contextmanager
    def open(self, path: str) -> Iterator[ByteStream]:
        """Open a tar of the file at *path* and everything below it."""
        # The SDK is not used: it reads an archive to its end, even if one header is enough.
        with self._request("GET", "archive", path) as response, docker_errors(f"cannot read {path}"):
            yield response.raw

    @contextmanager
    def export(self) -> Iterator[ByteStream]:
        """Open a tar of the whole root filesystem without mounts."""
        with self._request("GET", "export") as response, docker_errors(f"cannot export {self.container}"):
            yield response.raw

    def write(self, path: str, data: bytes, *, mode: int = 0o644, uid: int = 0, gid: int = 0) -> None:
        """Write a file with the content *data*, and create missing directories above it.

        Raises:
            EngineError: the engine refused.
        """
        member = tarfile.TarInfo(path.lstrip("/"))
        member.size, member.mode, member.uid, member.gid = len(data), mode, uid, gid
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            tar.addfile(member, io.BytesIO(data))
            end = tar.offset + _END_OF_ARCHIVE
        with docker_errors(f"cannot write {path} in {self.container}"):
            self.client.api.put_archive(self.container, "/", buffer.getvalue()[:end])

    def _target(self, path: str) -> str:
        """Return the final target of the link at *path*, or "" if it is not a link.

        Raises:
            FileNotInImage: there is nothing.
        """
        try:
            with self._request("HEAD", "archive", path) as response:
                told = json.loads(base64.b64decode(response.headers[_STAT]))
                return str(told["linkTarget"])
        except (KeyError, ValueError, binascii.Error) as error:
            raise EngineError(f"the engine tells nothing of {path!r} in {self.container}: {error!r}") from error
        except EngineRefusedError:
            # An answer to HEAD has no text; the other request reports the error.
            with self.open(path):
                raise

    @contextmanager
    def _request(self, method: str, what: str, path: str | None = None) -> Iterator[Response]:
        api = self.client.api
        url = f"{api.base_url}/v{api.api_version}/containers/{self.container}/{what}"
        params: dict[str, Any] = {} if path is None else {"path": path}
        doing = f"cannot look at {path or 'the files'} in {self.container}"
        with docker_errors(doing):
            # Engines compress archives if the client accepts it, which costs more time than it saves.
            headers = {"Accept-Encoding": "identity"}
            response = api.request(method, url, params=params, headers=headers, stream=True, timeout=api.timeout)
        with response:
            if response.status_code != HTTPStatus.OK:
                with docker_errors(doing):
                    said = response.text.strip()
                if path is not None and _is_nowhere(response.status_code, said):
                    raise FileNotInImage(f"no such file or directory: {path}")
                message = f"{doing}: the engine refused: {said} (HTTP {response.status_code})"
                raise EngineRefusedError(message, status=response.status_code, explanation=said)
            yield response


def _is_nowhere(status: int, said: str) -> bool:
    """Whether an engine's refusal means that a path leads nowhere, and not that the container does not exist."""
    return _NOWHERE.search(said) is not None or (status == HTTPStatus.NOT_FOUND and "No such container" not in said)


if TYPE_CHECKING:
    _: type[ContainerArchive] = DockerArchive
